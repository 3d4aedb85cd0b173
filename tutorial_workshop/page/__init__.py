"""What the notebooks use to teach: set-up table, figures with alt text, quizzes, exercises,
widgets, goldens.

Nothing is imported until it is asked for, so ``from tutorial_workshop.page import setup`` takes
milliseconds.

>>> from tutorial_workshop.page import setup, show, quiz, attempt, hint, explore, golden
"""

from __future__ import annotations

import importlib

# name -> module; the modules are named differently, so that no module can shadow its function
_MODULE_OF = {
    "setup": "environment",
    "environment_rows": "environment",
    "rows_to_text": "environment",
    "show": "display",
    "say": "output",
    "table": "output",
    "bars": "output",
    "points": "output",
    "drawing": "output",
    "quiz": "questions",
    "attempt": "checker",
    "hint": "checker",
    "whose": "checker",
    "explore": "widgets",
    "grid": "widgets",
    "TextBox": "widgets",
    "golden": "goldens",
    "OKABE_ITO": "plots",
    "interval_bars": "plots",
    "curves": "plots",
    "label_axes": "plots",
    "export_html": "export",
}
__all__ = list(_MODULE_OF)


def __getattr__(name: str):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
