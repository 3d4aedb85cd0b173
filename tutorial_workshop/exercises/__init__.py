"""The exercises of the notebooks and their checks."""
