"""Saying what was computed: sentences, tables and figures whose text alternative is made from the
numbers, so that it is always true.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from tutorial_lib.errors import unknown_name
from tutorial_workshop.page.display import display_html, image_html, inline_html, require_text, show


def say(*texts: str) -> None:
    """Show a computed sentence as a paragraph that wraps, several as a list; ``backticks`` and
    ``**stars**`` work.

    >>> say("NDCG@10 is **0.50**.")
    NDCG@10 is **0.50**.
    """
    lines = [inline_html(text) for text in texts]
    page = (
        f"<p>{lines[0]}</p>"
        if len(lines) == 1
        else "<ul>" + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"
    )
    display_html(page, "\n".join(texts))


def table(frame, *, caption: str, digits: int = 4) -> None:
    """Show a data frame with a caption: texts stand left and wrap, numbers stand right, fractions
    are rounded to ``digits``.
    """

    def cell(value: object) -> tuple[str, str]:
        if isinstance(value, (tuple, list)):
            return "left", ", ".join(map(str, value))
        if isinstance(value, float):
            return "right", f"{value:.{digits}f}"
        return "right" if isinstance(value, int) and not isinstance(value, bool) else "left", str(
            value
        )

    rows = [[cell(value) for value in row] for row in frame.astype(object).itertuples(index=False)]
    align = [column[0][0] for column in zip(*rows, strict=True)]
    head = "".join(
        f'<th scope="col" style="text-align: {a}">{html.escape(str(c))}</th>'
        for a, c in zip(align, frame, strict=True)
    )
    body = ""
    for label, row in zip(frame.index, rows, strict=True):
        cells = "".join(f'<td style="text-align: {a}">{html.escape(text)}</td>' for a, text in row)
        body += (
            '<tr><th scope="row" style="text-align:'
            f' left">{html.escape(str(label))}</th>{cells}</tr>\n'
        )
    name = html.escape(str(frame.index.name or ""))
    title = (
        f'<caption style="text-align: left; white-space: nowrap">{inline_html(caption)}</caption>'
    )
    page = (
        f'<table>{title}<thead><tr><th style="text-align:'
        f' left">{name}</th>{head}</tr></thead><tbody>\n{body}</tbody></table>'
    )
    plain = "\n".join(
        "  ".join([str(label), *(text for _, text in row)])
        for label, row in zip(frame.index, rows, strict=True)
    )
    display_html(page, f"{caption}\n{name or '-'}  {'  '.join(map(str, frame))}\n{plain}")


def _triple(value: object) -> tuple[float, float, float]:
    """(mean, low, high) of an ``Interval``, a ``Comparison``, a triple, or a single exact number;
    three times the mean, which draws no whisker, where there is no interval.
    """
    if hasattr(value, "difference"):
        mean, low, high = value.difference, *value.ci
    elif hasattr(value, "low"):
        mean, low, high = value.mean, value.low, value.high
    else:
        mean, low, high = value if isinstance(value, Sequence) else (float(value),) * 3
    return (mean, mean, mean) if low != low else (mean, low, high)  # nan is not itself


def _in_words(value: object) -> str:
    mean, low, high = _triple(value)
    note = getattr(value, "note", "")
    none = f" (no interval: {note})" if note and low == high else ""
    return f"{mean:.3f}" + (f" ({low:.3f} to {high:.3f})" if high > low else none)


def bars(
    values: Mapping[str, object],
    *,
    quantity: str,
    caption: str,
    highlight: str | None = None,
    ceiling: tuple[float, str] | None = None,
) -> None:
    """Show one bar a name with its 95 % interval; see `plots.interval_bars`.

    Args:
        values: name -> ``Interval``, ``Comparison``, (mean, low, high), or a number.
        quantity: what the bars measure. caption: one sentence. highlight, ceiling: as in
            ``interval_bars``.
    """
    from tutorial_workshop.page.plots import interval_bars

    means, lows, highs = zip(*map(_triple, values.values()), strict=True)
    fig = interval_bars(
        list(values), means, lows, highs, quantity=quantity, highlight=highlight, ceiling=ceiling
    )
    told = "; ".join(f"{name} {_in_words(value)}" for name, value in values.items())
    line = f" Dashed line, {ceiling[1]}: {ceiling[0]:.3f}." if ceiling else ""
    show(
        fig,
        alt=f"Horizontal bars of {quantity}, with 95 % intervals. {told}.{line}",
        caption=caption,
    )


def points(
    labels: Sequence[str],
    groups: Mapping[str, Sequence[object]],
    *,
    quantity: str,
    caption: str,
    zero: str = "",
) -> None:
    """Show points with intervals, one row a label, one marker a group; see
    `figures.interval_points`.

    Args:
        labels: one a row. groups: name -> for each label an ``Interval``, ``Comparison``, (mean,
            low, high), or a number.
        quantity: what the axis measures. caption: one sentence. zero: what 0 means, drawn as a
            line.
    """
    from tutorial_workshop.figures.basics import interval_points

    fig = interval_points(
        labels,
        {name: [_triple(v) for v in rows] for name, rows in groups.items()},
        quantity=quantity,
        zero=zero,
    )
    told = "; ".join(
        f"{name}: "
        + ", ".join(f"{label} {_in_words(v)}" for label, v in zip(labels, rows, strict=True))
        for name, rows in groups.items()
    )
    show(
        fig,
        alt=f"Points of {quantity}, with 95 % intervals where there is a sample. {told}.",
        caption=caption,
    )


def drawing(name: str, *, alt: str, caption: str) -> None:
    """Show one of the kit's SVG drawings, ``notebooks/figures/<name>.svg``, with its text
    alternative and a caption.

    Raises:
        InputError: no drawing of that name, or a text that says too little.
    """
    from tutorial_workshop.page.notebooks import notebooks_folder

    alt = require_text(
        alt, "alt", "say in words what the drawing shows, for readers who cannot see it"
    )
    caption = require_text(caption, "caption", "say in one sentence how to read the drawing")
    folder = notebooks_folder() / "figures"
    path = folder / f"{name}.svg"
    if not path.is_file():
        raise unknown_name("drawing", name, sorted(p.stem for p in folder.glob("*.svg")))
    page = image_html(
        path.read_bytes(), alt, caption, kind="image/svg+xml", style="width: 100%; max-width: 960px"
    )
    display_html(page, f"[drawing: {alt}]\n{caption}")
