"""The report as one HTML page: style inside, figures drawn in HTML, so that it opens anywhere."""

from __future__ import annotations

from html import escape

import pandas as pd

from tutorial_lib.audit.report.figures import COLOURS, forest, levels_figure
from tutorial_lib.audit.report.parts import Section, opening, sections
from tutorial_lib.audit.report.tables import split_findings

SLUGS = {"no opinion": "no-opinion", "positive with comments": "comments"}
STYLE = """
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;color:#1a1a1a;background:#fff;
 max-width:76rem;margin:0 auto;padding:1rem;overflow-wrap:anywhere;print-color-adjust:exact}
h1{font-size:1.6rem;line-height:1.25}
h2{font-size:1.2rem;margin:2.4rem 0 .6rem;border-top:1px solid #ccc;padding-top:.8rem}
p,li,details{max-width:60rem}ul{padding-left:1.2rem}li{margin:.2rem 0}
.opinion{border-left:.5rem solid #5c5c5c;background:#f4f4f4;padding:.6rem 1rem 1rem}
.opinion h2{border:0;margin:0;padding:0;font-size:1.35rem}.opinion p{margin:.5rem 0}
.opinion.negative{border-color:#b84e00}.opinion.comments{border-color:#e69f00}
.opinion.positive{border-color:#00755a}
table{border-collapse:collapse;width:100%;font-size:.85rem;font-variant-numeric:tabular-nums;
 margin:.8rem 0 1.2rem;max-width:100%}
caption{text-align:left;font-style:italic;padding:.3rem 0}
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;font-weight:400}
th:last-child,td:last-child{padding-right:0}
thead th{border-bottom:2px solid #444;font-weight:600;vertical-align:bottom;overflow-wrap:normal}
tbody{border-bottom:1px solid #ddd}tbody th{min-width:9rem}tr.notes td{color:#444;padding:0 0 .45rem;max-width:60rem}
.keep{white-space:nowrap;display:inline-block}
.verdict{font-weight:700;white-space:nowrap}
figure{margin:1rem 0;max-width:60rem}figcaption{font-size:.85rem;color:#444;margin-top:.4rem}
.test{margin:.9rem 0 .15rem;font-size:.9rem;font-weight:600}
.row{display:grid;grid-template-columns:minmax(6rem,17rem) minmax(6rem,1fr) minmax(9rem,13rem);gap:.8rem;align-items:center;
 font-size:.85rem;line-height:1.35;font-variant-numeric:tabular-nums;margin:.2rem 0}
.track{position:relative;height:1.3rem;margin:0 7px;background:#fff;border:1px solid #ddd}
.track>*{position:absolute;top:0;bottom:0}
.band{background:#dedede}.zero{width:1px;background:#222}
.bar{height:4px;margin:auto 0;min-width:2px}
.dot{width:12px;height:12px;margin:auto 0 auto -6px}
.axis{font-size:.78rem;color:#444}.axis .track{border:0;background:none;height:1.2rem}
.axis .track>span{transform:translateX(-50%);white-space:nowrap}
.axis .track>span:first-child{transform:none}.axis .track>span:last-child{transform:translateX(-100%)}
pre{white-space:pre-wrap;font-size:.8rem}
@media(max-width:44rem){
 body{padding:.7rem}.row{grid-template-columns:1fr;gap:.1rem;margin:.5rem 0}.axis>span:empty{display:none}
 table,caption,tbody,tr,th{display:block}thead{display:none}
 tbody{padding:.45rem 0}tr.notes td{padding:.2rem 0}
 tbody th{font-weight:600;padding:0}td{display:inline;padding:0}tr.notes td{display:block}
 td[data-label]::before{content:attr(data-label) ": ";color:#666}td[data-label]::after{content:"  ·  ";color:#999}
 td:last-child::after,td[data-label=""]::before{content:""}td[data-label=verdict]::before{content:""}
}
@media print{body{max-width:none;font-size:10pt}table{font-size:8pt}section{break-inside:auto}}
"""


def page(report) -> str:
    """The whole report. Texts are escaped; nothing is loaded from elsewhere."""
    title = escape(f"Audit of {report.system}")
    body = "\n".join(
        _section(report, section, first=place == 0)
        for place, section in enumerate(sections(report))
    )
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<meta charset="utf-8">{viewport}<title>{title}</title><style>{STYLE}</style>'
    inside = f"<head>{head}</head><body><main><h1>{title}</h1>\n{body}\n</main></body>"
    return f'<!doctype html>\n<html lang="en">{inside}</html>\n'


def summary(report) -> str:
    """Opinion, the three sentences, and the declared family, for a notebook."""
    rows = "".join(f"<li>{escape(str(f))}</li>" for f in split_findings(report)[0])
    told = "".join(f"<p>{escape(line)}</p>" for line in opening(report))
    name = escape(report.system)
    return f"<p><b>Audit of {name}: {report.opinion.word}</b></p>{told}<ul>{rows}</ul>"


def _section(report, section: Section, first: bool) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    if first:
        parts += [f"<p>{_leading(line)}</p>" for line in section.lines]
    elif section.lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in section.lines)
        parts.append(f"<ul>{items}</ul>")
    declared = split_findings(report)[0]
    drawn = {"levels": levels_figure, "forest": forest}
    if section.figure:
        parts.append(drawn[section.figure](declared))
    parts += [html_table(table, caption) for caption, table in section.tables]
    for name, text in section.details:
        parts.append(
            f"<details><summary>{escape(name)}</summary><pre>{escape(text)}</pre></details>"
        )
    inside = "\n".join(parts)
    if not first:
        return f"<section>{inside}</section>"
    word = report.opinion.word
    return f'<section class="opinion {SLUGS.get(word, word)}">{inside}</section>'


def _leading(line: str) -> str:
    """A sentence whose first word, up to the colon, stands out."""
    start, colon, rest = line.partition(":")
    return f"<strong>{escape(start)}{colon}</strong>{escape(rest)}"


def html_table(table: pd.DataFrame, caption: str) -> str:
    """A table with a caption and scoped headers; the column "notes" in a row of its own, below.

    On a narrow screen each row becomes a card, with the column's name before each cell.
    """
    names = [name for name in table if name != "notes"]
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in names)
    filled = table.astype(object).where(table.notna(), "")
    bodies = "\n".join(_record(row, names) for row in filled.to_dict("records"))
    inside = f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>{bodies}"
    return f"<table>{inside}</table>"


def _record(row: dict, names: list[str]) -> str:
    first, *others = names
    cells = f'<th scope="row">{_cell(first, row[first])}</th>' + "".join(
        (
            f'<td data-label="{escape(str(name))}">{_cell(name, row[name])}</td>'
            if row[name] != ""
            else "<td></td>"
        )
        for name in others
    )
    note = str(row.get("notes", ""))
    below = f'<tr class="notes"><td colspan="{len(names)}">{escape(note)}</td></tr>' if note else ""
    return f"<tbody><tr>{cells}</tr>{below}</tbody>"


def _cell(name: str, value: object) -> str:
    text = escape(str(value))
    if name == "verdict" and value in COLOURS:
        return f'<span class="verdict" style="color:{COLOURS[value]}">{text}</span>'
    if "[95 %]" in str(name):
        return " ".join(f'<span class="keep">{part}</span>' for part in _interval_parts(text))
    return text


def _interval_parts(text: str) -> list[str]:
    """A number, and its interval: a line may break between them, not within."""
    number, bracket, rest = text.partition(" [")
    return [number, f"[{rest}"] if bracket else [text]
