"""Run the library's tests with other packages than the locked ones.

    python -m tools.versions lowest    # the lower bounds of pyproject.toml
    python -m tools.versions newest    # whatever is new, without the lock

Each gets an environment of its own, ``.venv-lowest`` or ``.venv-newest``, made anew every time.
torch stays the locked one: a build without GPU libraries may be all there is.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = (
    "data",
    "language",
    "objectives",
    "models",
    "training",
    "strategies",
    "evaluation",
    "audit",
)


def pins(which: str) -> list[str]:
    """Requirements that hold the packages at their bounds; only torch for the newest."""
    torch = re.search(r"^torch==\S+", (ROOT / "requirements.lock").read_text(), re.M)
    assert torch, "requirements.lock names no torch"
    if which == "newest":
        return [torch[0]]
    recorded = json.loads((ROOT / "tests" / "tools" / "lower_bounds.json").read_text())
    versions = {name: entry["version"] for name, entry in recorded["packages"].items()}
    return [torch[0], *(f"{name}=={v}" for name, v in versions.items() if name != "torch")]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.versions", description=__doc__)
    parser.add_argument("which", choices=["lowest", "newest"])
    which = parser.parse_args().which
    folder = ROOT / f".venv-{which}"
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    install = [python, "-m", "pip", "install", "--quiet", *pins(which), "-e", f"{ROOT}[lab,test]"]
    subprocess.run(install, check=True)
    folders = [str(ROOT / "tests" / name) for name in TESTS]
    lanes = "not full and not real and not browser and not weekly"
    tests = [python, "-m", "pytest", "-n", "auto", "--maxprocesses", "4", "-m", lanes, *folders]
    return subprocess.run(tests, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
