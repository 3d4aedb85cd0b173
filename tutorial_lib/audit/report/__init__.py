"""The audit as a page, a table, a model card and files."""
