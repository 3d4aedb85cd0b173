"""A training run to watch: loss and validation NDCG@10 as they come in a notebook, plain lines
elsewhere.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tutorial_workshop.page.display import image_html, in_notebook, png_bytes, print_text
from tutorial_workshop.page.plots import label_axes, look

if TYPE_CHECKING:
    from tutorial_lib.training import Epoch


def training_curves(history, title: str = "", unit: str = "epoch"):
    """Loss (left) and validation NDCG@10 (right) over epochs, from a list of `training.Epoch`; a
    matplotlib ``Figure``.
    """
    import matplotlib.pyplot as plt

    both = unit == "epoch"  # nothing is validated after a single step
    fig, axes = plt.subplots(1, 1 + both, figsize=(8.4 if both else 6.0, 2.9), squeeze=False)
    left, right = axes[0, 0], axes[0, -1]
    left.plot([e.number for e in history], [e.loss for e in history], **look(0))
    label_axes(left, unit, "training loss", y_unit="nats", title=title)
    if both:
        measured = [e for e in history if e.ndcg is not None]
        right.plot([e.number for e in measured], [e.ndcg for e in measured], **look(1))
        label_axes(right, unit, "validation NDCG@10")
    for ax in axes.flat:
        ax.set_xlim(0.5, max(2, len(history)) + 0.5)
        ax.xaxis.get_major_locator().set_params(integer=True)
    return fig


class LiveCurve:
    """Give it to a model: ``SequenceRecommender(on_epoch=LiveCurve("causal", epochs=10),
    epochs=10)``.

    In a notebook one picture is drawn anew at most once every ``every`` seconds and stays as the
    only output; elsewhere (CI, a script) a line is printed for each validation. ``history`` keeps
    every epoch given.

    >>> from tutorial_lib.training import Epoch
    >>> live = LiveCurve("causal", epochs=1)
    >>> live(Epoch(1, 5.25, 1.6, 60_000, ndcg=0.1))
    causal: epoch 1 of 1, loss 5.250, NDCG@10 0.1000, 2 s
    """

    def __init__(self, title: str, epochs: int, every: float = 1.0):
        self.title = title
        self.epochs = epochs
        self.every = every
        self.history: list[Epoch] = []
        self.unit = "epoch"
        self._last = 0.0
        self._handle = None
        self._rich = in_notebook()

    def on_step(self, total: int):
        """A function of (step, loss) for `strategies.adapt`, its steps taken as epochs;
        ``total``: how many are expected.
        """
        from tutorial_lib.training import Epoch

        self.epochs, self.unit, start = total, "step", time.perf_counter()
        return lambda step, loss: self(Epoch(step, loss, time.perf_counter() - start, step))

    def text(self) -> str:
        """The newest epoch in one line."""
        now = self.history[-1]
        ndcg = "" if now.ndcg is None else f", NDCG@10 {now.ndcg:.4f}"
        return (
            f"{self.title}: {self.unit} {now.number} of {self.epochs}, loss {now.loss:.3f}{ndcg},"
            f" {now.seconds:.0f} s"
        )

    def __call__(self, epoch) -> None:
        self.history.append(epoch)
        last = epoch.number >= self.epochs
        if not self._rich:
            if last or epoch.ndcg is not None:
                print_text(self.text())
        elif last or time.monotonic() - self._last >= self.every:
            self._last = time.monotonic()
            self._draw()

    def _draw(self) -> None:
        from IPython.display import display

        measured = [e for e in self.history if e.ndcg is not None]
        alt = (
            f"The training loss over {self.unit}s goes from {self.history[0].loss:.2f} to"
            f" {self.history[-1].loss:.2f} nats"
        )
        alt += (
            f"; validation NDCG@10 from {measured[0].ndcg:.3f} to {measured[-1].ndcg:.3f}."
            if measured
            else "."
        )
        done = len(self.history)
        bar = f'<progress value="{done}" max="{self.epochs}" aria-label="{self.unit}s"></progress>'
        picture = png_bytes(training_curves(self.history, self.title, self.unit))
        page = (bar if done < self.epochs else "") + image_html(picture, alt, self.text())
        bundle = {"text/html": page, "text/plain": f"{self.text()}\n[figure: {alt}]"}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
