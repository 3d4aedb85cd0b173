"""The ``tutorial`` command."""
