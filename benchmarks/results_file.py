"""Each benchmark owns one section of RESULTS.md, between two marker comments, and replaces only
that.
"""

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

    model = (
        re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        if Path("/proc/cpuinfo").exists()
        else None
    )
    cpu = model.group(1) if model else platform.processor()
    return (
        f"Machine: {cpu}, {os.cpu_count()} cores; Python {platform.python_version()}, numpy"
        f" {np.__version__}."
    )


def markdown_table(frame) -> str:
    """A pandas frame as a Markdown table, without its index."""
    rows = [frame.columns, ["---"] * len(frame.columns), *frame.itertuples(index=False)]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def write_section(key: str, title: str, command: str, body: str) -> None:
    """Replace (or append) section ``key``: title, command, date, commit, then ``body`` in Markdown."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=RESULTS.parent
    ).stdout.strip()
    head = (
        f"## {title}\n\nMade by `{command}` on {datetime.date.today()} at commit"
        f" {commit or 'unknown'}.\n\n"
    )
    block = f"<!-- {key} -->\n{head}{body.strip()}\n<!-- end {key} -->"
    text = (
        RESULTS.read_text()
        if RESULTS.exists()
        else "# Results\n\nEvery number here was measured by the command above it.\n"
    )
    pattern = re.compile(rf"<!-- {re.escape(key)} -->.*?<!-- end {re.escape(key)} -->", re.S)
    text = (
        pattern.sub(lambda _: block, text)
        if pattern.search(text)
        else f"{text.rstrip()}\n\n{block}\n"
    )
    write_whole(RESULTS, text.encode())
