"""Saying what was computed: sentences, tables and figures whose text alternative is made from the
numbers, so that it is always true.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tutorial_lib.errors import unknown_name
from tutorial_workshop.page.display import (
    display_html,
    folded,
    html_table,
    image_html,
    inline_html,
    required_texts,
    show,
)

# as a cell shows it: a number with its sign or %, or nothing
_NUMBER = re.compile(r"[<>≤≥≈+−-]? ?[\d.,]+(e[+-]?\d+)? ?%?|-|nan|")


def say(*texts: str) -> None:
    """Show a computed sentence as a paragraph that wraps, several as a list; ``backticks`` and
    ``**stars**`` work.

    >>> say("NDCG@10 is **0.50**.")
    NDCG@10 is **0.50**.
    """
    if len(texts) == 1:
        page = f"<p>{inline_html(texts[0])}</p>"
    else:
        page = f"<ul>{''.join(f'<li>{inline_html(text)}</li>' for text in texts)}</ul>"
    display_html(page, "\n".join(texts))


def table(frame, *, caption: str, digits: int = 4, fold: bool = False) -> None:
    """Show a data frame with a caption.

    Texts stand left and wrap; columns of numbers, also of texts such as "< 0.001" or "5 %", stand
    right. Fractions are rounded to ``digits``; where these are three or more, to one above 10 and
    to none above 100. fold: the page shows the caption only, until it is opened.
    """
    rows = [
        [str(label), *(_cell(value, digits) for value in row)]
        for label, row in zip(
            frame.index, frame.astype(object).itertuples(index=False), strict=True
        )
    ]
    columns = zip(*rows, strict=True)
    align = ["right" if all(map(_NUMBER.fullmatch, column)) else "left" for column in columns]
    align[0] = "left"
    header = [str(frame.index.name or ""), *map(str, frame)]
    plain = "\n".join("  ".join(row) for row in [[header[0] or "-", *header[1:]], *rows])
    page = html_table(caption, header, rows, align)
    display_html(folded(caption, page) if fold else page, f"{caption}\n{plain}")


def _cell(value: object, digits: int) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value))
    if not isinstance(value, float):
        return {"True": "yes", "False": "no"}.get(str(value), str(value))
    if digits > 2 and abs(value) >= 10:
        digits = 1 if abs(value) < 100 else 0
    # + 0.0: no minus sign before a value that rounds to zero
    return "-" if math.isnan(value) else f"{round(value, digits) + 0.0:,.{digits}f}"


def _triple(value: Any) -> tuple[float, float, float]:
    """(mean, low, high) of an ``Interval``, a ``Comparison``, a triple, or a single exact number;
    three times the mean, which draws no whisker, where there is no interval.
    """
    if hasattr(value, "difference"):
        triple = (value.difference, *value.ci)
    elif hasattr(value, "low"):
        triple = (value.mean, value.low, value.high)
    else:
        triple = tuple(value) if isinstance(value, Sequence) else (float(value),) * 3
    mean, low, high = triple
    return (mean, mean, mean) if math.isnan(low) else (mean, low, high)


def _in_words(value: Any) -> str:
    """Mean and interval as text; the reason where there is no interval."""
    mean, low, high = _triple(value)
    if high > low:
        return f"{mean:.3f} ({low:.3f} to {high:.3f})"
    note = getattr(value, "note", "")
    return f"{mean:.3f} (no interval: {note})" if note else f"{mean:.3f}"


def bars(
    values: Mapping[str, object],
    *,
    quantity: str,
    caption: str,
    highlight: str | None = None,
    ceiling: tuple[float, str] | None = None,
) -> None:
    """Show one bar per name with its 95 % interval; see `plots.interval_bars`.

    Args:
        values: name -> ``Interval``, ``Comparison``, (mean, low, high), or a number.
        quantity: what the bars measure.
        caption: one sentence on how to read the figure.
        highlight, ceiling: as in ``interval_bars``.
    """
    from tutorial_workshop.page.plots import interval_bars

    means, lows, highs = zip(*map(_triple, values.values()), strict=True)
    fig = interval_bars(
        list(values), means, lows, highs, quantity=quantity, highlight=highlight, ceiling=ceiling
    )
    numbers = "; ".join(f"{name} {_in_words(value)}" for name, value in values.items())
    line = f" Dashed line, {ceiling[1]}: {ceiling[0]:.3f}." if ceiling else ""
    alt = f"Horizontal bars of {quantity}, with 95 % intervals. {numbers}.{line}"
    show(fig, alt=alt, caption=caption)


def points(
    labels: Sequence[str],
    groups: Mapping[str, Sequence[object]],
    *,
    quantity: str,
    caption: str,
    zero: str = "",
) -> None:
    """Show points with intervals, one row per label, one marker per group.

    Args:
        labels: one per row.
        groups: name -> for each label an ``Interval``, ``Comparison``, (mean, low, high), or a
            number.
        quantity: what the axis measures.
        caption: one sentence on how to read the figure.
        zero: what 0 means, drawn as a line.
    """
    from tutorial_workshop.page.point_plots import interval_points

    fig = interval_points(
        labels,
        {name: [_triple(v) for v in rows] for name, rows in groups.items()},
        quantity=quantity,
        zero=zero,
    )
    parts = []
    for name, rows in groups.items():
        numbers = [f"{label} {_in_words(v)}" for label, v in zip(labels, rows, strict=True)]
        parts.append(f"{name}: {', '.join(numbers)}")
    alt = f"Points of {quantity}, with 95 % intervals where there is a sample. {'; '.join(parts)}."
    show(fig, alt=alt, caption=caption)


def drawing(name: str, *, alt: str, caption: str) -> None:
    """Show one of the kit's SVG drawings, ``notebooks/figures/<name>.svg``, with its text
    alternative and a caption.

    Raises:
        InputError: no drawing of that name, or a text that says too little.
    """
    from tutorial_workshop.page.notebooks import notebooks_folder

    alt, caption = required_texts(alt, caption, "drawing")
    folder = notebooks_folder() / "figures"
    path = folder / f"{name}.svg"
    if not path.is_file():
        raise unknown_name("drawing", name, sorted(p.stem for p in folder.glob("*.svg")))
    page = image_html(
        path.read_bytes(), alt, caption, kind="image/svg+xml", style="width: 100%; max-width: 960px"
    )
    display_html(page, f"[drawing: {alt}]\n{caption}")
