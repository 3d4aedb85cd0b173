"""Hands-on kit on language-modelling paradigms in recommender systems.

Nothing heavy is imported here: ``import tutorial_lib`` takes milliseconds, and each sub-package
imports what it needs.
"""

from tutorial_lib.moved import announce_moves

__version__ = "0.1.0"
announce_moves()
