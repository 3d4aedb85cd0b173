"""The page that lists the notebooks of a run; it grows with every one that ends."""

from __future__ import annotations

import html
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from tutorial_workshop.cli.run_folder import RunFolder

_STYLE = """
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 17px/1.5 system-ui, sans-serif; }
body { overflow-wrap: anywhere; }
table { border-collapse: collapse; }
th, td.number { overflow-wrap: normal; }
th, td { border: 1px solid #ccc; padding: .25em .6em; text-align: left; vertical-align: top; }
td.number { text-align: right; }
a { color: #005a8f; }
@media (max-width: 40rem) {
  table, tbody, tr, td { display: block; }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  tr { border: 1px solid #ccc; margin-bottom: .6em; padding: .4em .6em; }
  td, td.number { border: 0; padding: 0; text-align: left; }
  td.number:empty { display: none; }
  td.number::before { content: attr(data-label) ": "; }
}
"""
_NOTES = {
    "running": (
        "Running: {done} of {all} are done. This page was written at {now} and grows with "
        "every notebook; if the command is no longer at work, it was killed."
    ),
    "complete": "Complete: {done} of {all} notebooks have run.",
    "broken off": "Broken off: {done} of {all} notebooks have run, and their pages are whole.",
}
_EARLIER = "<p>What ran here before is kept until a run is complete: {links}.</p>\n"
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">{refresh}
<title>Executed notebooks</title><style>{style}</style></head>
<body><h1>Executed notebooks</h1>
<p>Started {start}; {about}.</p>
<p><strong>{note}</strong></p>
{earlier}<table role="table"><thead><tr role="row"><th scope="col">Notebook</th><th scope="col">State</th>
<th scope="col">Minutes</th><th scope="col">Memory (MB)</th></tr></thead><tbody>
{lines}</tbody></table>
<p><a href="results.csv">Results</a>, <a href="notebooks.csv">time and memory</a></p></body></html>
"""
_LINE = """<tr role="row"><td role="cell">{shown}</td><td role="cell">{state}</td>
<td role="cell" class="number" data-label="Minutes">{minutes}</td>
<td role="cell" class="number" data-label="Memory (MB)">{memory}</td></tr>
"""


def index_page(folder: RunFolder, state: str, earlier: Sequence[Path]) -> str:
    """State, minutes, memory and link of every notebook.

    state: "running", "complete" or "broken off". earlier: folders of the runs before this one.
    """
    about = [f"{key} {value}" for key, value in folder.context.items() if value]
    counts = {"done": len(folder.runs), "all": len(folder.names)}
    note = _NOTES[state].format(**counts, now=time.strftime("%H:%M:%S"))
    links = ", ".join(f'<a href="{path.name}/index.html">{path.name}</a>' for path in earlier)
    return _PAGE.format(
        refresh='<meta http-equiv="refresh" content="5">' if state == "running" else "",
        style=_STYLE,
        start=folder.start,
        about=html.escape(", ".join(about)),
        note=note,
        earlier=_EARLIER.format(links=links) if links and state != "complete" else "",
        lines="".join(_line(folder, name) for name in folder.names),
    )


def _line(folder: RunFolder, name: str) -> str:
    state, shown = folder.states[name], html.escape(name)
    run = folder.runs.get(name)
    if run is None:
        return _LINE.format(shown=shown, state=state, minutes="", memory="")
    page = _page_of(folder.out, name)
    return _LINE.format(
        shown=f'<a href="{quote(page)}">{shown}</a>' if page else shown,
        state=f"<strong>{state}</strong>: {html.escape(run.error)}" if run.error else state,
        minutes=f"{run.seconds / 60:.1f}",
        memory=f"{run.peak_memory_mb:.0f}",
    )


def _page_of(out: Path, name: str) -> str:
    """The file to open: the page, or the notebook where no page was asked for."""
    return next(
        (f"{name}{kind}" for kind in (".html", ".ipynb") if (out / f"{name}{kind}").exists()), ""
    )
