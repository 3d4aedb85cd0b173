"""Pages and tables from jinja2 templates; in HTML every value is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Environment

SHARED = Path(__file__).parent / "templates"  # macros that every template may import
MARKDOWN_SIGNS = str.maketrans(
    {sign: f"\\{sign}" for sign in "\\|*_`[]#~$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)


def render(template: Path, **values: object) -> str:
    """Fill a template.

    Args:
        template: a file; values are escaped if its name ends in .html.j2, and in Markdown by the
            filter ``md``.
        values: name in the template -> value.
    """
    return _environment(template.parent).get_template(template.name).render(values)


def pairs_table(caption: str, rows: Iterable[tuple[str, object]]) -> str:
    """A table of names and what they are, for a notebook."""
    return render(SHARED / "pairs.html.j2", caption=caption, rows=rows)


def escape_markdown(text: object) -> str:
    """Text that Markdown shows as it is, on one line: no tags, cells, emphasis or formulas.

    >>> escape_markdown("<b>|*x*|</b>")
    '&lt;b&gt;\\\\|\\\\*x\\\\*\\\\|&lt;/b&gt;'
    """
    return " ".join(str(text).split()).translate(MARKDOWN_SIGNS)


@lru_cache
def _environment(folder: Path) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, SHARED]),
        autoescape=lambda name: bool(name and name.endswith(".html.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = escape_markdown
    environment.filters["records"] = _records
    return environment


def _records(frame: pd.DataFrame) -> list[dict]:
    """The rows of a frame, with "" for what is missing."""
    return frame.astype(object).where(frame.notna(), "").to_dict("records")
