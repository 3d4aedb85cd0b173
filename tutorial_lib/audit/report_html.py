"""The report as one HTML page: style inside, the figure drawn as SVG, so that it opens anywhere and needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from tutorial_lib.audit.finding import EQUIVALENT, INCONCLUSIVE, MATERIAL, WITHIN, Finding
from tutorial_lib.audit.report_parts import Section, sections

COLOURS = {MATERIAL: "#D55E00", WITHIN: "#B37400", EQUIVALENT: "#00755A", INCONCLUSIVE: "#5C5C5C"}  # Okabe-Ito, darkened for text
REACH, ROW, LEFT, WIDTH = 4.0, 26, 300, 300  # margins shown either side of 0; pixels
STYLE = """
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;color:#1a1a1a;background:#fff;max-width:76rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;line-height:1.25;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin-top:2.2rem;border-top:1px solid #ccc;padding-top:.8rem}
.opinion{border-left:.5rem solid #5c5c5c;background:#f4f4f4;padding:.6rem 1rem}.opinion h2{border:0;margin:0;padding:0}
.opinion.negative{border-color:#d55e00}.opinion.positive{border-color:#00755a}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-style:italic;padding:.3rem 0}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem;border-bottom:1px solid #ddd}
thead th{border-bottom:2px solid #444;white-space:nowrap}.verdict{font-weight:700;white-space:nowrap}
figure{margin:1rem 0;overflow-x:auto}figcaption{font-size:.85rem;color:#444}
@media print{body{max-width:none;font-size:10pt}.wide,figure{overflow:visible}table{font-size:7pt}}
"""


def page(report) -> str:
    """The whole report. Texts are escaped; nothing is loaded from elsewhere."""
    title = escape(f"Audit of {report.system}")
    body = "\n".join(_section(report, section, first=place == 0) for place, section in enumerate(sections(report)))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
    inside = f"<head>{head}<style>{STYLE}</style></head><body><main><h1>{title}</h1>\n{body}\n</main></body>"
    return f'<!doctype html>\n<html lang="en">{inside}</html>\n'


def summary(report) -> str:
    """Opinion and the declared family, for a notebook."""
    declared = [f for f in report.findings if f.metric in report.family]
    rows = "".join(f"<li>{escape(str(f))}</li>" for f in declared)
    return f"<p><b>Audit of {escape(report.system)}: {report.opinion.word}</b></p><ul>{rows}</ul>"


def _section(report, section: Section, first: bool) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    if section.lines:
        parts.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in section.lines) + "</ul>")
    if section.figure:
        parts.append(forest([f for f in report.findings if f.metric in report.family]))
    parts += [html_table(table, caption) for caption, table in section.tables]
    inside = "\n".join(parts)
    return f'<section class="opinion {report.opinion.word.split()[0]}">{inside}</section>' if first else f"<section>{inside}</section>"


def html_table(table: pd.DataFrame, caption: str) -> str:
    """A table with a caption and scoped headers, in a box that scrolls by itself on a narrow screen."""
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in table)
    rows = []
    for row in table.astype(object).where(table.notna(), "").itertuples(index=False):
        first, *others = row
        cells = "".join(f"<td>{_cell(name, value)}</td>" for name, value in zip(list(table)[1:], others, strict=True))
        rows.append(f'<tr><th scope="row">{_cell(list(table)[0], first)}</th>{cells}</tr>')
    body = "\n".join(rows)
    inside = f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide" tabindex="0"><table>{inside}</table></div>'


def _cell(name: str, value: object) -> str:
    text = escape(str(value))
    return f'<span class="verdict" style="color:{COLOURS[value]}">{text}</span>' if name == "verdict" and value in COLOURS else text


def forest(findings: Sequence[Finding]) -> str:
    """Forest plot as SVG: estimate and interval of each finding in units of its margin, the verdict in colour, shape and words.

    Findings without an interval stand there as words only.
    """
    if not findings:
        return ""
    height, told = ROW * len(findings) + 60, "; ".join(str(f) for f in findings)
    middle, scale, bottom = LEFT + WIDTH / 2, WIDTH / 2 / REACH, ROW * len(findings) + 10
    parts = [f'<rect x="{middle - scale:.1f}" y="4" width="{2 * scale:.1f}" height="{bottom - 4}" fill="#e3e3e3"/>']
    parts.append(f'<line x1="{middle}" y1="4" x2="{middle}" y2="{bottom}" stroke="#222"/>')
    for place, f in enumerate(findings):
        y, colour = ROW * place + 22, COLOURS[f.verdict]
        name = f.metric if len(f.metric) <= 44 else f.metric[:43] + "…"
        parts.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end" font-size="12.5">{escape(name)}</text>')
        parts.append(f'<text x="{LEFT + WIDTH + 12}" y="{y + 4}" font-size="12.5" font-weight="700" fill="{colour}">{f.verdict}</text>')
        x = middle + scale * np.clip(np.array([f.estimate, *f.ci]) / f.margin, -REACH, REACH)
        if np.isfinite(x).all():
            parts.append(f'<line x1="{x[1]:.1f}" y1="{y}" x2="{x[2]:.1f}" y2="{y}" stroke="{colour}" stroke-width="2.5"/>')
            parts.append(_mark(f.verdict, float(x[0]), y, colour))
    for tick in range(-int(REACH), int(REACH) + 1, 2):
        parts.append(f'<text x="{middle + tick * scale:.1f}" y="{bottom + 18}" text-anchor="middle" font-size="12">{tick:+d}</text>')
    parts.append(f'<text x="{middle}" y="{bottom + 38}" text-anchor="middle" font-size="12">margins of the finding; grey: within</text>')
    frame = (
        f'viewBox="0 0 {LEFT + WIDTH + 150} {height}" width="{LEFT + WIDTH + 150}" height="{height}" role="img" aria-labelledby="forest"'
    )
    title = f'<title id="forest">Forest plot. {escape(told)}</title>'
    drawn = f'<svg xmlns="http://www.w3.org/2000/svg" {frame} font-family="system-ui,sans-serif">{title}'
    caption = (
        "Estimates and 95 % intervals of the declared family, each in units of its own margin; beyond four margins they stand at the edge."
    )
    return f"<figure>{drawn}{''.join(parts)}</svg><figcaption>{caption}</figcaption></figure>"


def _mark(verdict: str, x: float, y: float, colour: str) -> str:
    shapes = {
        MATERIAL: f"M{x - 6} {y - 6}h12v12h-12z",
        WITHIN: f"M{x} {y - 7}l7 13h-14z",
        EQUIVALENT: f"M{x - 6} {y}a6 6 0 1 0 12 0a6 6 0 1 0 -12 0z",
        INCONCLUSIVE: f"M{x} {y - 7}l7 7l-7 7l-7 -7z",
    }
    return f'<path d="{shapes[verdict]}" fill="{colour}"/>'
