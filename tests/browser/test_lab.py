"""Every exercise notebook in a real JupyterLab: all cells run, each slider moves its picture."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
MINUTES = 60_000
READY = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  return panel?.context?.isReady && panel.sessionContext.isReady;
}"""
RUN_ALL = """() => {
  window.allRan = false;
  const done = window.jupyterapp.commands.execute('notebook:run-all-cells');
  done.finally(() => window.allRan = true);  // a cell that fails is found below
}"""
FAILED = ".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr'], .jp-OutputArea-error"
COUNTS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === 'code').map(cell => cell.model.executionCount)"""
IDLE = """() => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
  return kernel && kernel.status === 'idle';
}"""
SCROLL_TO = """index => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = index;
  notebook.scrollToItem(index, 'center');
}"""


@contextlib.contextmanager
def lab(folder: Path, private: Path):
    """A JupyterLab that serves a folder and touches no settings of this machine.

    Yields:
        A function: file name -> address.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(8)
    settings = private / "_SETTINGS" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False})
    )
    places = {
        "JUPYTER_CONFIG_DIR": "_CONFIG",
        "JUPYTER_DATA_DIR": "_DATA",
        "JUPYTERLAB_SETTINGS_DIR": "_SETTINGS",
        "JUPYTERLAB_WORKSPACES_DIR": "_WORKSPACES",
    }
    options = [
        "--no-browser",
        f"--port={port}",
        "--ServerApp.ip=127.0.0.1",
        "--port-retries=0",
        "--allow-root",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True",
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        env=os.environ | {name: str(private / place) for name, place in places.items()},
        stdout=(private / "lab.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    try:
        for _ in range(120):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={token}", timeout=1)
                break
            time.sleep(0.5)
        yield lambda name: f"http://127.0.0.1:{port}/lab/tree/{name}?token={token}&reset"
    finally:
        server.terminate()
        server.wait(20)


def run_all(page) -> None:
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    # Asked again and again: a promise that is only awaited here may be collected as garbage.
    page.wait_for_function(READY)
    page.evaluate(RUN_ALL)
    page.wait_for_function("() => window.allRan", timeout=12 * MINUTES)
    page.wait_for_function(IDLE, timeout=MINUTES)


@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_cell_and_every_slider_in_jupyterlab(notebook, tmp_path, chromium):
    folder = tmp_path / "work"
    folder.mkdir()
    photos = os.environ.get("TUTORIAL_SCREENSHOTS")
    text = notebook.read_text()  # Lab saves by itself: a copy is opened
    quick = r"PROFILE = \"quick\""
    assert text.count(quick) == 1
    # The page is tested here, not the numbers; but people look at the photos.
    if not photos:
        text = text.replace(quick, r"PROFILE = \"smoke\"")
    (folder / notebook.name).write_text(text)
    if (NOTEBOOKS / "figures").exists():
        shutil.copytree(NOTEBOOKS / "figures", folder / "figures")
    with lab(folder, tmp_path) as address:
        page = chromium.new_page(viewport={"width": 1400, "height": 1100})
        page.set_default_timeout(2 * MINUTES)
        page.goto(address(notebook.name))
        run_all(page)
        failed = page.locator(FAILED)
        assert failed.count() == 0, failed.first.inner_text()[:500]
        waiting = [i for i, count in enumerate(page.evaluate(COUNTS)) if not count]
        assert not waiting, f"cells that did not run: {waiting}"
        moved = move_every_slider(page)
        assert len(moved) == text.count('"explore(\\n"') and all(moved)
        if photos:
            photograph(page, Path(photos), notebook.stem)


def move_every_slider(page) -> list[bool]:
    """For each widget box: whether its first slider, or else a new text, changes the picture."""
    moved = []
    count = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
    for index in range(count):  # cells far down exist on the page only once they are scrolled to
        page.evaluate(SCROLL_TO, index)
        cell = page.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')
        sliders, boxes = cell.locator(".widget-slider"), cell.locator(".widget-textarea")
        if not sliders.count() and not boxes.count():
            continue
        picture = cell.locator("img.widget-image").first
        before = picture.get_attribute("src")
        if sliders.count():
            sliders.locator(".noUi-handle").first.focus()
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowRight")
        else:  # a text box takes effect when it is left
            box = boxes.locator("textarea").first
            box.fill("Behind me lie {history}. Now I would like")
            box.press("Tab")
        with contextlib.suppress(Exception):
            page.wait_for_function(
                "([img, old]) => img.src !== old",
                arg=[picture.element_handle(), before],
                timeout=MINUTES / 4,
            )
        moved.append(picture.get_attribute("src") != before)
    return moved


def photograph(page, folder: Path, name: str) -> None:
    """Screenshots of the whole notebook, a screen at a time, for a person to look at."""
    folder.mkdir(parents=True, exist_ok=True)
    scroller = ".jp-WindowedPanel-outer"
    height = page.evaluate(f"() => document.querySelector('{scroller}').scrollHeight")
    for part, top in enumerate(range(0, height, 1000)):
        page.evaluate(f"top => document.querySelector('{scroller}').scrollTop = top", top)
        page.wait_for_timeout(400)
        page.screenshot(path=str(folder / f"{name}-{part:02d}.png"))
