"""Run the exercise notebooks as Colab would: its package versions, and nothing else at hand.

    python -m tools.colab              # the first call takes minutes: it makes .venv-colab
    python -m tools.colab --install    # only that
    python -m tools.colab 08 03        # these notebooks
    python -m tools.colab --profile smoke

What differs from Colab: this machine's Python and torch, and no front end (widgets are created, not
drawn). The wheel of this clone lies beside the notebook, as a learner uploads it (an address in the
set-up cell is replaced by it), and is installed without any package index: were a dependency not
met by what Colab has, or by the few wheels that it does not have (FETCHED), it fails. Two notebooks
run at a time, an environment each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv-colab"
FETCHED = ("sacrebleu", "portalocker", "colorama")  # what Colab's set-up cell has to download
EXTRAS = (  # what else Colab has, and what this lane needs
    "ipython==7.34.0 traitlets==5.7.1 pyyaml rich joblib psutil regex tabulate lxml"
    " nbclient nbformat"
).split()
DEFAULT = r"PROFILE = \"quick\""  # as it stands in the JSON of a notebook
EXECUTE = """
import nbclient, nbformat, sys
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
outputs = str([cell.get("outputs") for cell in notebook.cells])
assert "[FAIL]" not in outputs, "the environment table has a failing line"
"""


def environment() -> Path:
    """The interpreter of an environment with Colab's versions.

    torch is the one of requirements.lock: a CPU build may be all there is.
    """
    python = VENV / "bin" / "python"
    if not (VENV / ".installed").exists():
        recorded = json.loads((ROOT / "tests" / "tools" / "colab_versions.json").read_text())
        torch = re.search(r"^torch==\S+", (ROOT / "requirements.lock").read_text(), re.M)[0]
        pins = [
            f"{name}=={version}"
            for name, version in recorded["packages"].items()
            if name != "torch"
        ]
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        install = [python, "-m", "pip", "install", "--quiet", torch, *pins, *EXTRAS]
        subprocess.run(install, check=True)
        (VENV / ".installed").touch()
    return python


def layer(python: Path, folder: Path) -> Path:
    """An empty environment on top of another one: what is installed there stays there."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    below = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"],
        capture_output=True,
        text=True,
        check=True,
    )
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "below.pth").write_text(below.stdout)
    return folder / "bin" / "python"


def run(notebook: Path, profile: str, base: Path, wheels: Path) -> float:
    """Seconds that one notebook takes; raises CalledProcessError when a cell fails."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        python = layer(base, home / "environment")
        fake = home / "fake/google/colab"
        startup = home / "ipython/profile_default/startup"
        content = home / "content"
        for folder in (fake, startup, content):
            folder.mkdir(parents=True)
        (fake / "__init__.py").write_text("from . import output\n")
        (fake / "output.py").write_text(
            "def enable_custom_widget_manager(version=None): ...\ndef clear(*args, **kwargs): ...\n"
        )
        (startup / "00.py").write_text("import google.colab\n")
        text = re.sub(r"git\+https://[^\\\"]*", "tutorial-lib", notebook.read_text())
        assert text.count(DEFAULT) == 1, f"{notebook.stem}: no line {DEFAULT} to set the profile in"
        text = text.replace(DEFAULT, DEFAULT.replace("quick", profile))
        (content / notebook.name).write_text(text)
        for wheel in wheels.glob("tutorial_lib-*.whl"):
            shutil.copy(wheel, content)
        variables = {
            "HOME": name,
            "IPYTHONDIR": str(home / "ipython"),
            "PYTHONPATH": str(home / "fake"),
            "COLAB_RELEASE_TAG": "stand-in",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_CONFIG_FILE": os.devnull,
            "HF_HUB_OFFLINE": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
        }
        start = time.perf_counter()
        execute = [python, "-c", EXECUTE, notebook.name]
        subprocess.run(execute, cwd=content, env=os.environ | variables, check=True)
        return time.perf_counter() - start


def build_wheels(folder: str) -> None:
    """The kit's wheel, and those that Colab's set-up cell would download."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
    for packages in ([str(ROOT)], FETCHED):
        subprocess.run([*command, *packages], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.colab", description=__doc__.split(":")[0]
    )
    parser.add_argument("notebooks", nargs="*", help="numbers such as 08; default: all")
    parser.add_argument("--profile", default="quick", choices=["smoke", "quick"])
    parser.add_argument("--install", action="store_true", help="only make the environment")
    arguments = parser.parse_args()
    python = environment()
    if arguments.install:
        return
    named = tuple(arguments.notebooks) or ("",)
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    notebooks = [path for path in notebooks if path.name.startswith(named)]
    if not notebooks:
        sys.exit(f"no notebook begins with {' or '.join(named)}; expected numbers such as 08")
    with tempfile.TemporaryDirectory() as wheels, ThreadPoolExecutor(2) as pool:
        build_wheels(wheels)
        runs = [
            pool.submit(run, path, arguments.profile, python, Path(wheels)) for path in notebooks
        ]
        for notebook, done in zip(notebooks, runs, strict=True):
            print(f"{notebook.stem}: {done.result():.1f} s with Colab's versions", flush=True)


if __name__ == "__main__":
    main()
