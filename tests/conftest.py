"""What all tests share: lanes that need something, skips with an end, and the seconds of every
notebook at the end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

NOTEBOOK_SECONDS: list[tuple[str, str, float, float]] = []  # notebook, lane, seconds, budget
collect_ignore_glob = ["*/fixtures/*"]  # sources that tests read, not modules to import
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str | None:
    """``$CHROME_PATH``, or the first browser on the PATH."""
    return os.environ.get("CHROME_PATH") or next(filter(None, map(shutil.which, BROWSERS)), None)


def pytest_configure(config):
    config.addinivalue_line(
        "markers",
        "skip_until(date, reason): left out until that day (yyyy-mm-dd), and run again from"
        " then on",
    )


def pytest_collection_modifyitems(items):
    lacking = {}
    if not os.environ.get("TUTORIAL_DATA"):
        lacking["real"] = "needs real data: set TUTORIAL_DATA to the folder that holds it"
    if not find_browser():
        lacking["browser"] = f"needs a browser: one of {', '.join(BROWSERS)}, or CHROME_PATH"
    for item in items:
        for marker, reason in lacking.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
        until = item.get_closest_marker("skip_until")
        if until and date.today() < date.fromisoformat(until.args[0]):
            item.add_marker(pytest.mark.skip(reason=f"until {until.args[0]}: {until.args[1]}"))


@pytest.fixture
def chromium():
    """A headless Chromium, driven by playwright and closed after the test."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is missing: pip install playwright"
    )
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=find_browser(),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield browser
        browser.close()


@pytest.fixture
def notebook_seconds(record_property):
    """Call with (notebook, lane, seconds, budget): the line is printed when all tests are over."""
    return lambda *line: record_property("notebook seconds", line)


def pytest_runtest_logreport(report):
    if report.when == "call":  # properties also come back from worker processes (pytest -n)
        NOTEBOOK_SECONDS.extend(
            tuple(line) for name, line in report.user_properties if name == "notebook seconds"
        )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The kit as a wheel, built from this clone."""
    root, folder = Path(__file__).resolve().parents[1], tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(root),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (path,) = folder.glob("*.whl")
    return path


def pytest_terminal_summary(terminalreporter):
    if not NOTEBOOK_SECONDS:
        return
    terminalreporter.section("seconds per notebook, and their budget")
    for notebook, lane, seconds, budget in sorted(NOTEBOOK_SECONDS):
        over = "  OVER BUDGET" if seconds > budget else ""
        terminalreporter.write_line(
            f"{notebook:<40} {lane:<18} {seconds:7.1f} of {budget:5.0f} s{over}"
        )
    terminalreporter.write_line(
        f"{'all':<40} {'':<18} {sum(line[2] for line in NOTEBOOK_SECONDS):7.1f} s"
    )
