"""Hands-on kit on language-modelling paradigms in recommender systems.

Nothing heavy is imported here: ``import tutorial_lib`` takes milliseconds, and each sub-package imports what it needs.
"""

__version__ = "0.1.0"
