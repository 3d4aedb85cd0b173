"""The figures of the report's page, as HTML boxes: they follow the width of the page, and their
text does not shrink with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from tutorial_lib.audit.core.finding import (
    EQUIVALENT,
    INCONCLUSIVE,
    MATERIAL,
    WITHIN,
    Finding,
    Level,
    shown,
)

# Okabe-Ito, darkened until text in them has a contrast of 4.5 on white
COLOURS = {MATERIAL: "#b84e00", WITHIN: "#8a5a00", EQUIVALENT: "#00755a", INCONCLUSIVE: "#5c5c5c"}
SHAPES = {  # never colour alone: clip paths of square, triangle, circle and diamond
    MATERIAL: "",
    WITHIN: "clip-path:polygon(50% 0,100% 100%,0 100%)",
    EQUIVALENT: "border-radius:50%",
    INCONCLUSIVE: "clip-path:polygon(50% 0,100% 50%,50% 100%,0 50%)",
}
SIDES = (
    ("#0072b2", SHAPES[EQUIVALENT]),
    ("#444444", SHAPES[MATERIAL]),
)  # first and second side of a contrast
REACH = 4.0  # margins shown on either side of 0; what lies beyond is drawn at the edge


def levels_figure(findings: Sequence[Finding]) -> str:
    """The mean of each side of every declared test, with its 95 % interval; tests of one unit share
    an axis.
    """
    drawn = [f for f in findings if any(np.isfinite(x.mean) for x in f.levels)]
    if not drawn:
        return ""
    parts, told = [], []
    for unit in dict.fromkeys(_unit(f) for f in drawn):
        some = [f for f in drawn if _unit(f) == unit]
        top = _top([x for f in some for x in f.levels])
        for f in some:
            parts.append(f'<div class="test">{escape(f.metric)}</div>')
            parts += [_level_row(x, f, top, *look) for x, look in zip(f.levels, SIDES, strict=True)]
            told.append(f"{f.metric}: " + ", ".join(_level_text(x) for x in f.levels))
        parts.append(_axis([(0, "0"), (50, unit), (100, f"{top:g}")]))
    caption = (
        "Level of each side with its 95 % interval. Providers: share of the exposure, and share of"
        " what users chose."
    )
    return _figure("".join(parts), f"Levels by group. {'; '.join(told)}", caption)


def _unit(f: Finding) -> str:
    return "share of exposure and of merit" if f.harm == "H2" else f.metric.split(":")[0]


def _top(levels: Sequence[Level]) -> float:
    """The smallest round number that no mean and no interval exceeds."""
    most = float(np.nanmax([value for x in levels for value in (x.mean, x.high)]))
    if not most > 0:
        return 1.0
    step = 10 ** np.floor(np.log10(most))
    return float(
        next(step * factor for factor in (1, 1.5, 2, 3, 4, 5, 7.5, 10) if step * factor >= most)
    )


def _level_row(x: Level, f: Finding, top: float, colour: str, shape: str) -> str:
    n = f.n_by_group.get(x.group)
    who = f"{escape(x.group)}" + ("" if n is None else f" (n {shown(n, rounded=f.hides_sizes)})")
    return _row(
        who,
        _interval_marks(x.mean, x.low, x.high, 0.0, top, colour, shape),
        escape(_level_text(x, name=False)),
    )


def _level_text(x: Level, *, name: bool = True) -> str:
    start = f"{x.group} " if name else ""
    if np.isnan(x.mean):
        return f"{start}not told"
    told = f"{start}{x.mean:.4f}"
    return f"{told} [{x.low:.4f}, {x.high:.4f}]" if np.isfinite(x.low) else f"{told}, no interval"


def forest(findings: Sequence[Finding]) -> str:
    """Estimate and interval of each finding in units of its margin, the verdict in colour, shape
    and words.
    """
    if not findings:
        return ""
    parts = [_forest_row(f) for f in findings]
    ticks = [
        (50 + 50 * tick / REACH, f"{tick:+.0f}" if tick else "0")
        for tick in (-REACH, -REACH / 2, 0, REACH / 2, REACH)
    ]
    parts.append(_axis(ticks))
    caption = (
        "Forest plot: differences and 95 % intervals of the declared family, each in units of its"
        f" own margin. Grey: within the margin. What lies beyond {REACH:.0f} margins stands at the"
        " edge."
    )
    return _figure("".join(parts), "Forest plot. " + "; ".join(map(str, findings)), caption)


def _forest_row(f: Finding) -> str:
    band = 50 / REACH
    marks = (
        f'<i class="band" style="left:{50 - band:.2f}%;width:{2 * band:.2f}%"></i><i class="zero"'
        ' style="left:50%"></i>'
    )
    if f.margin > 0:
        scaled = np.clip(np.array([f.estimate, *f.ci]) / f.margin, -REACH, REACH)
        marks += _interval_marks(
            *scaled.tolist(), -REACH, REACH, COLOURS[f.verdict], SHAPES[f.verdict]
        )
    verdict = f'<span class="verdict" style="color:{COLOURS[f.verdict]}">{f.verdict}</span>'
    return _row(escape(f.metric), marks, verdict)


def _interval_marks(
    value: float, low: float, high: float, start: float, end: float, colour: str, shape: str
) -> str:
    """Bar from low to high and a mark at the value, on a track from start to end."""

    def place(x: float) -> float:
        return 100 * (x - start) / (end - start)

    marks = ""
    if np.isfinite([low, high]).all():
        left, right = place(max(low, start)), place(min(high, end))
        marks = (
            '<i class="bar"'
            f' style="left:{left:.2f}%;width:{right - left:.2f}%;background:{colour}"></i>'
        )
    if np.isfinite(value):
        marks += f'<i class="dot" style="left:{place(value):.2f}%;background:{colour};{shape}"></i>'
    return marks


def _row(name: str, marks: str, told: str, kind: str = "row") -> str:
    return (
        f'<div class="{kind}"><span>{name}</span><span'
        f' class="track">{marks}</span><span>{told}</span></div>'
    )


def _axis(ticks: Sequence[tuple[float, str]]) -> str:
    return _row(
        "",
        "".join(f'<span style="left:{at:.2f}%">{escape(text)}</span>' for at, text in ticks),
        "",
        "row axis",
    )


def _figure(inside: str, alt: str, caption: str) -> str:
    drawn = f'<div role="img" aria-label="{escape(alt)}">{inside}</div>'
    return f"<figure>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"
