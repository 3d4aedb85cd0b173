"""Each benchmark owns a section of RESULTS.md, between two marker comments, and replaces it."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

from tutorial_lib.data.shipped import write_whole

RESULTS = Path(__file__).with_name("RESULTS.md")


def machine() -> str:
    """One line: processor, cores, Python, numpy."""
    import numpy as np

    about = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", about.read_text()) if about.exists() else None
    cpu = model.group(1) if model else platform.processor()
    versions = f"Python {platform.python_version()}, numpy {np.__version__}"
    return f"Machine: {cpu}, {os.cpu_count()} cores; {versions}."


def markdown_table(frame) -> str:
    """A pandas frame as a Markdown table, without its index."""
    rows = [frame.columns, ["---"] * len(frame.columns), *frame.itertuples(index=False)]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def write_section(key: str, title: str, command: str, body: str) -> None:
    """Replace or append section ``key``: title, command, date, commit, and a Markdown body."""
    ask = ["git", "rev-parse", "--short", "HEAD"]
    answer = subprocess.run(ask, capture_output=True, text=True, cwd=RESULTS.parent)
    when = f"on {datetime.date.today()} at commit {answer.stdout.strip() or 'unknown'}"
    head = f"## {title}\n\nMade by `{command}` {when}.\n\n"
    block = f"<!-- {key} -->\n{head}{body.strip()}\n<!-- end {key} -->"
    text = "# Results\n\nEvery number here was measured by the command above it.\n"
    if RESULTS.exists():
        text = RESULTS.read_text()
    pattern = re.compile(rf"<!-- {re.escape(key)} -->.*?<!-- end {re.escape(key)} -->", re.S)
    if pattern.search(text):
        text = pattern.sub(lambda _: block, text)
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    write_whole(RESULTS, text.encode())
