"""The report as Markdown."""

from __future__ import annotations

import pandas as pd

from tutorial_lib.audit.report.parts import sections

SIGNS = ("\\", "&", "<", ">", "|", "*", "_", "`", "[", "]", "#", "~", "$")
SAFE = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def markdown(report) -> str:
    """All sections as Markdown."""
    parts = [f"# Audit of {escaped(report.system)}"]
    for section in sections(report):
        parts.append(f"## {escaped(section.heading)}")
        if section.lines:
            parts.append("\n".join(f"- {escaped(line)}" for line in section.lines))
        for caption, table in section.tables:
            parts += [f"*{escaped(caption)}*", markdown_table(table)]
        parts += [f"{escaped(name)}: {escaped(text)}" for name, text in section.details]
    return "\n\n".join(parts) + "\n"


def markdown_table(table: pd.DataFrame) -> str:
    """A pipe table; cells are escaped, and kept on one line."""
    cells = table.astype(object).where(table.notna(), "").to_numpy().tolist()
    rows = [
        [escaped(name) for name in table],
        ["---"] * table.shape[1],
        *([escaped(cell) for cell in row] for row in cells),
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def escaped(text: object) -> str:
    """Text that Markdown shows as it is: no tags, no cells, no emphasis, no formula.

    >>> escaped("<b>|*x*|</b>")
    '&lt;b&gt;\\\\|\\\\*x\\\\*\\\\|&lt;/b&gt;'
    """
    return "".join(
        SAFE.get(sign, f"\\{sign}") if sign in SIGNS else sign
        for sign in " ".join(str(text).split())
    )
