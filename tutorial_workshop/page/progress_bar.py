"""Progress of a long cell: a bar that leaves exactly one final output in a notebook, and a few
plain lines elsewhere.
"""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Iterator

from tutorial_lib.errors import InputError
from tutorial_workshop.page.display import in_notebook, say


class Progress:
    """A progress display to move by hand; ``progress`` does it for a loop.

    Args:
        label: what is going on, e.g. ``"training"``.
        total: number of steps; None when it is not known.
        every: shortest time between two updates, in seconds (default: 0.2 in a notebook, 5
            elsewhere).

    >>> with Progress("training", total=2, every=60) as bar:  # doctest: +ELLIPSIS
    ...     bar.update(1)
    ...     bar.update(2, note="loss 0.52")
    training: 2 of 2, ... s, loss 0.52
    """

    def __init__(
        self, label: str, total: int | None = None, *, every: float | None = None, _file=None
    ):
        if total is not None and (not isinstance(total, int) or total < 0):
            raise InputError(
                f"progress: total={total!r} is not a number of steps; give a whole number, or leave"
                " it out"
            )
        self.label, self.total, self.done, self.note = label, total, 0, ""
        self._start = self._last = time.monotonic()
        self._finished = False
        self._rich = in_notebook()
        self._every = every if every is not None else (0.2 if self._rich else 5.0)
        self._file = _file
        self._handle = None
        if self._rich:
            from IPython.display import display

            self._handle = display(self._bundle(), raw=True, display_id=True)

    def text(self) -> str:
        """The state in one line: label, steps, seconds, note."""
        steps = f"{self.done} of {self.total}" if self.total is not None else str(self.done)
        line = f"{self.label}: {steps}, {time.monotonic() - self._start:.0f} s"
        return f"{line}, {self.note}" if self.note else line

    def _bundle(self) -> dict[str, str]:
        if self.total is not None:
            extent = f' value="{self.done}" max="{max(self.total, 1)}"'
        else:  # without a value the bar runs back and forth
            extent = ' value="1" max="1"' if self._finished else ""
        line = html.escape(self.text())
        return {
            "text/html": (
                f'<progress{extent} aria-label="{html.escape(self.label)}"></progress> {line}'
            ),
            "text/plain": self.text(),
        }

    def _draw(self) -> None:
        self._last = time.monotonic()
        if self._handle is not None:
            self._handle.update(self._bundle(), raw=True)
        else:
            say(self.text(), self._file)

    def update(self, done: int, note: str = "") -> None:
        """Say how many steps are done; drawn only when the last drawing is old enough, so it may be
        called at every step.
        """
        self.done, self.note = done, note or self.note
        if time.monotonic() - self._last >= self._every:
            self._draw()

    def close(self) -> None:
        """Draw the final state once; later calls do nothing."""
        if not self._finished:
            self._finished = True
            self._draw()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind, error, trace) -> None:
        if kind is not None:
            self.note = (
                "stopped"
                if issubclass(kind, (KeyboardInterrupt, GeneratorExit))
                else f"stopped by {kind.__name__}"
            )
        self.close()


def progress(iterable: Iterable, label: str, total: int | None = None) -> Iterator:
    """Go through ``iterable`` and show how far it got.

    Args:
        iterable: anything to loop over.
        label: what is going on, e.g. ``"epochs"``.
        total: number of steps, when ``len(iterable)`` does not know it.

    Yields:
        The elements, unchanged.

    >>> sum(progress([1, 2, 3], "adding"))  # doctest: +ELLIPSIS
    adding: 3 of 3, ... s
    6
    """
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    with Progress(label, total) as bar:
        for done, element in enumerate(iterable, start=1):
            yield element
            bar.update(done)
