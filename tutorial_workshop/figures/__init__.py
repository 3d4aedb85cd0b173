"""The drawings of the notebooks."""
