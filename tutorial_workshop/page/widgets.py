"""Figures to play with: sliders and buttons that redraw a picture, with a text line for readers who
do not see it.

The picture is PNG in a ``widgets.Image``: the same in Jupyter and Colab, with ipywidgets 7 and 8,
and the same bytes for the same values.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number

from tutorial_lib.errors import InputError
from tutorial_workshop.page.display import (
    display_html,
    image_html,
    inline_html,
    png_bytes,
    require_text,
)


@dataclass(frozen=True)
class TextBox:
    """A control for text that the learner writes; it takes effect when the box is left or Tab is
    pressed.

    Args:
        texts: the first one stands in the box at the start; a test draws all of them.
    """

    texts: Sequence[str]

    def __post_init__(self) -> None:
        texts = self.texts if isinstance(self.texts, tuple) else ()
        if not texts or not all(isinstance(text, str) for text in texts):
            raise InputError(f"TextBox({self.texts!r}): expected a tuple of one or more strings")


Values = Sequence | Mapping | TextBox
_DRAWING = threading.Lock()


def _options(name: str, values: Values) -> dict[str, object]:
    """Label -> value of one control, checked."""
    if isinstance(values, TextBox):
        return {text: text for text in values.texts}
    if isinstance(values, str) or not isinstance(values, (Sequence, Mapping)):
        raise InputError(
            f"control {name!r}: {values!r} is not a list of values; give a list, a range, or a dict"
            " of label: value"
        )
    pairs = values.items() if isinstance(values, Mapping) else ((_label(v), v) for v in values)
    options = {str(label): value for label, value in pairs}
    if len(options) < max(2, len(values)):
        raise InputError(
            f"control {name!r}: needs two or more values with different labels, got"
            f" {list(options)} for {len(values)} values"
        )
    return options


def _label(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def grid(controls: Mapping[str, Values]) -> Iterator[dict[str, object]]:
    """Every combination of values that a learner can choose, for a test of the drawing function.

    >>> list(grid({"k": [5, 10], "hit": [True, False]}))[1]
    {'k': 5, 'hit': False}
    """
    columns = [_options(name, values).values() for name, values in controls.items()]
    for row in itertools.product(*columns):
        yield dict(zip(controls, row, strict=True))


def _control(name: str, values: Values, start: object):
    """A slider for numbers, which waits until its handle is let go; a row of buttons for anything
    else.

    Both work by keyboard. A drop-down menu would not: JupyterLab takes its arrow keys to move
    between cells.
    """
    import ipywidgets as widgets

    options = _options(name, values)
    label = name.replace("_", " ")
    if isinstance(values, TextBox):
        wide = {"width": "95%", "max_width": "760px", "height": "4.5em"}
        return widgets.Textarea(
            value=start, description=label, continuous_update=False, layout=wide
        )
    known = list(options.values())
    if start not in known:
        raise InputError(f"control {name!r}: start value {start!r} is not among its values {known}")
    numeric = all(isinstance(value, Number) and not isinstance(value, bool) for value in known)
    kind = widgets.SelectionSlider if numeric else widgets.ToggleButtons
    control = kind(
        options=list(options.items()),
        index=known.index(start),
        description=label,
        style={"description_width": "initial"},
        layout={"width": "95%", "max_width": "500px" if numeric else "100%"},
    )
    if numeric:
        control.continuous_update = False
    return control


class Explorer:
    """A picture and its controls, already on the page; kept so that a test (or a curious learner)
    can move the controls.

    Attributes:
        controls: name -> widget; set ``controls["k"].value = 5`` as a learner would.
        image: the ``widgets.Image``; ``image.value`` is the PNG.
        line: the ``widgets.HTML`` below it, the picture in words.
    """

    def __init__(
        self,
        draw: Callable,
        alt: str,
        describe: Callable[..., str] | None,
        start: Mapping,
        controls: Mapping[str, Values],
    ):
        import ipywidgets as widgets

        self._draw = draw
        self._alt = alt
        self._describe = describe
        self.controls = {}
        for name, values in controls.items():
            first = next(iter(_options(name, values).values()))
            self.controls[name] = _control(name, values, start.get(name, first))
        # else the box stretches the picture
        natural = {"max_width": "100%", "height": "auto", "align_self": "flex-start"}
        self.image = widgets.Image(value=self.png(), format="png", layout=natural)
        self.line = widgets.HTML(self._line(self.text()))
        self.box = widgets.VBox([*self.controls.values(), self.image, self.line])
        for control in self.controls.values():
            control.observe(self._redraw, "value")

    def values(self) -> dict[str, object]:
        """What the controls say now."""
        return {name: control.value for name, control in self.controls.items()}

    def png(self) -> bytes:
        """The picture at the present values."""
        import matplotlib.pyplot as plt

        # JupyterLab runs callbacks in a thread of their own, and after every message the notebook
        # shows and closes all figures that are open. Interactive mode off keeps it away from ours;
        # the lock keeps two callbacks apart.
        with _DRAWING, plt.ioff():
            return png_bytes(self._draw(**self.values()))

    def text(self) -> str:
        """The picture at the present values, in words."""
        return self._describe(**self.values()) if self._describe else self._alt

    @staticmethod
    def _line(text: str) -> str:
        return f'<div role="status" aria-live="polite">{inline_html(text)}</div>'

    def _redraw(self, _change) -> None:
        # a kernel swallows what a callback raises: the learner would see a dead slider
        try:
            self.image.value = self.png()
            text = self.text()
        except Exception as error:
            text = f"**This setting could not be drawn:** {type(error).__name__}: {error}"
        self.line.value = self._line(text)

    def show(self) -> None:
        """Put the controls on the page, with one still picture for pages without a kernel."""
        settings = ", ".join(
            f"{control.description} = {getattr(control, 'label', control.value)}"
            for control in self.controls.values()
        )
        caption = (
            f"{self.text()} (Still picture for {settings}. Run the notebook to move the controls.)"
        )
        still = image_html(bytes(self.image.value), self._alt, caption)
        display_html(still, f"[interactive figure: {self._alt}]\n{caption}", widget=self.box)

    def _ipython_display_(self) -> None:
        """Nothing more: as the last line of a cell it must not be drawn twice."""


def explore(
    draw: Callable,
    *,
    alt: str = "",
    describe: Callable[..., str] | None = None,
    start: Mapping | None = None,
    **controls: Values,
) -> Explorer:
    """Show a figure with controls that redraw it.

    Args:
        draw: pure function of the control values (by keyword) -> matplotlib ``Figure``. It must not
            depend on anything else.
        alt: what the picture shows, whatever the controls say; at least 20 characters.
        describe: pure function of the control values -> one sentence that says what the picture
            shows now (default: ``alt``).
        start: name -> first value, where it is not the first of its list.
        **controls: name -> values: a list or range (numbers give a slider, others buttons), a dict
            label -> value, or a `TextBox`.

    Returns:
        The ``Explorer``, already shown.

    Raises:
        InputError: for a missing alt text, no controls, or values that make no control.
    """
    seen = "say in words what the picture shows, for readers who cannot see it"
    alt = require_text(alt, "alt", seen)
    if not controls:
        raise InputError("explore: no controls given; add at least one, e.g. k=[5, 10, 20]")
    unknown = set(start or {}) - set(controls)
    if unknown:
        raise InputError(
            f"explore: start names {', '.join(sorted(unknown))}, but the controls are"
            f" {', '.join(controls)}"
        )
    explorer = Explorer(draw, alt, describe, start or {}, controls)
    explorer.show()
    return explorer
