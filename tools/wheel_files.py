"""Puts the kit's own data and notebooks into the wheel, and nothing else that lies beside them."""

import json
import re
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def kit_files(root: Path) -> list[str]:
    """Paths, relative to ``root``, of the data of the manifest and the notebooks of a source."""
    data = ["MANIFEST.json", *json.loads((root / "data/MANIFEST.json").read_text("utf-8"))]
    paths = [f"data/{name}" for name in data]
    sources = sorted((root / "notebooks/src").glob("[0-9][0-9]_*.py"))
    for source in sources:
        paths.append(f"notebooks/src/{source.name}")
        for folder in ("notebooks", "notebooks/solutions"):
            paths.append(f"{folder}/{source.stem}.ipynb")
    described = (root / "notebooks/src/half_day.yaml").read_text("utf-8")
    for number, name in enumerate(re.findall(r"^  - name: (\w+)$", described, re.M), start=1):
        for folder in ("notebooks/half_day", "notebooks/half_day/solutions"):
            paths.append(f"{folder}/{number}_{name}.ipynb")
    read = "".join(source.read_text("utf-8") for source in sources)
    figures = sorted((root / "notebooks/figures").glob("*.*"))
    # a notebook names a figure without its ending, as in picture("kit_map"); the text of a page
    # with it
    named = [path for path in figures if f'"{path.stem}"' in read or path.name in read]
    return paths + [f"notebooks/figures/{path.name}" for path in named]


class KitFiles(BuildHookInterface):
    def initialize(self, version, build_data):
        for path in kit_files(Path(self.root)):
            build_data["force_include"][path] = f"tutorial_lib/_shipped/{path}"
