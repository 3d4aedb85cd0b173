"""What the notebooks use to teach: set-up table, figures with alt text, quizzes, exercises,
widgets, goldens.

Nothing is imported until it is asked for, so ``from tutorial_workshop.page import setup`` takes
milliseconds.

>>> from tutorial_workshop.page import setup, show, quiz, attempt, hint, explore, golden
"""

from tutorial_lib.exports import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "checker": ("attempt", "hint", "whose"),
        "display": ("show",),
        "environment": ("environment_rows", "rows_to_text", "setup"),
        "export": ("export_html",),
        "goldens": ("golden",),
        "guesses": ("guess", "my_guesses", "turned_out"),
        "output": ("bars", "drawing", "points", "say", "table"),
        "plots": ("OKABE_ITO", "curves", "interval_bars", "label_axes"),
        "questions": ("quiz",),
        "widgets": ("TextBox", "explore", "grid"),
    },
)
