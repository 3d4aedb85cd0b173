"""One list of dependencies, bounds that Colab meets, and a wheel that carries its data and
notebooks.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [
    Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines
]
COLAB = json.loads((Path(__file__).parent / "colab_versions.json").read_text(encoding="utf-8"))
# Colab's versions only grow, so an old record is a lower bound
ON_COLAB = COLAB["packages"] | COLAB["packages_recorded_2023_10"] | COLAB["packages_at_least"]
LOWER = json.loads((Path(__file__).parent / "lower_bounds.json").read_text(encoding="utf-8"))
LOCK = dict(
    re.findall(
        r"^([a-z0-9-]+)==(\S+)$", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.M
    )
)


@pytest.mark.parametrize("requirement", CORE, ids=lambda requirement: requirement.name)
def test_colab_has_every_dependency_already(requirement):
    """A bound above Colab's version upgrades packages under a running kernel: 'restart the
    runtime', or broken widgets.
    """
    if (
        requirement.name in COLAB["not_on_colab"]
    ):  # fetched there by the set-up cell: the file says why that is worth it
        return
    assert requirement.name in ON_COLAB, (
        f"{requirement.name} is not preinstalled on Colab: every learner there would download it"
    )
    assert requirement.specifier.contains(ON_COLAB[requirement.name])


def lower_bound(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    return specifier.version


def test_the_lower_bounds_hold_together():
    """tokenizers 0.21 and transformers 5 excluded each other: nobody could install what
    pyproject.toml promises to run with.

    lower_bounds.json records what each package at its bound asks of the others; after a change of a
    bound, record it anew.
    """
    bounds = {canonicalize_name(requirement.name): lower_bound(requirement) for requirement in CORE}
    packages = LOWER["packages"]
    assert set(packages) == set(bounds)
    for name, bound in bounds.items():
        assert Version(packages[name]["version"]) in SpecifierSet(
            f"~={Version(bound).major}.{Version(bound).minor}"
        )
        assert Version(packages[name]["version"]) >= Version(bound)
    have = {name: entry["version"] for name, entry in packages.items()} | LOWER["pulled_in"]
    for name, entry in packages.items():
        for line in map(Requirement, entry["requires"]):
            assert line.specifier.contains(have[line.name]), (
                f"{name} {entry['version']} needs {line}"
            )


def test_the_lower_bound_of_nbconvert_exports_a_page():
    """nbconvert 7.16.0 accepts the newest mistune and fails on the first heading."""
    (nbconvert,) = [requirement for requirement in EXTRAS if requirement.name == "nbconvert"]
    assert lower_bound(nbconvert) == LOWER["lab"]["nbconvert"]["version"]


def test_colab_has_the_python():
    assert SpecifierSet(PROJECT["requires-python"]).contains(COLAB["python"])


@pytest.mark.parametrize("requirement", CORE + EXTRAS, ids=lambda requirement: requirement.name)
def test_only_lower_bounds_and_all_met_by_the_lock(requirement):
    """An upper bound or an exact pin is what breaks a kit when the world outside moves on."""
    assert [specifier.operator for specifier in requirement.specifier] == [">="]
    name = canonicalize_name(requirement.name)
    assert name in LOCK, f"{name} is not locked: make lock"
    assert requirement.specifier.contains(LOCK[name])


def test_lock_holds_versions_only():
    """A host or a path in the lock would install from one machine's mirror, or from nowhere."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert [
        line for line in lines if not re.fullmatch(r"#.*|[a-z0-9-]+==[0-9][0-9A-Za-z.]*", line)
    ] == []
    assert list(LOCK) == sorted(LOCK) and len(LOCK) == len(lines) - 1 > 100
    assert "tutorial-lib" not in LOCK


def test_lock_names_everything_that_is_pulled_in():
    """What is not locked floats: CI would test other versions from one day to the next."""
    spec = importlib.util.spec_from_file_location("lock", ROOT / "tools" / "lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    platform_packages = re.compile(
        r"nvidia-|cuda-|triton|setuptools|colorama|appnope"
    )  # these come and go with the machine and its torch
    assert (
        sorted(
            name
            for name in module.closure()
            if name not in LOCK and not platform_packages.match(name)
        )
        == []
    )


def test_conda_environment_repeats_nothing():
    """Two lists of packages drift apart; the conda one only points at pyproject.toml."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, packages = environment["dependencies"]
    assert pip == "pip" and packages == {"pip": ["-e .[lab]"]}
    name, version = python.split("=")
    assert name == "python" and SpecifierSet(PROJECT["requires-python"]).contains(version)
    assert "lab" in PROJECT["optional-dependencies"]


def test_citation_and_licences_agree_with_the_project():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert PROJECT["license"] == " AND ".join(citation["license"])
    assert not citation.keys() & {"url", "repository-code", "repository"} or PROJECT.get("urls")
    import tutorial_lib

    assert tutorial_lib.__version__ == PROJECT["version"]
    assert (
        "Apache License" in (ROOT / "LICENSE").read_text()
        and "CC BY 4.0" in (ROOT / "LICENSE-CONTENT").read_text()
    )


def test_wheel_carries_data_and_notebooks_and_nothing_else(wheel):
    """A wheel without its data works in the clone where it was built, and nowhere else."""
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    shipped = {
        folder: [name for name in names if name.startswith(f"tutorial_lib/_shipped/{folder}/")]
        for folder in ("data", "notebooks")
    }
    files = sorted(
        path.relative_to(ROOT).as_posix() for path in (ROOT / "data").rglob("*") if path.is_file()
    )
    assert sorted(name.removeprefix("tutorial_lib/_shipped/") for name in shipped["data"]) == files
    assert {Path(name).name for name in shipped["notebooks"]} >= {
        path.name for path in (ROOT / "notebooks").glob("*.ipynb")
    }
    folder = "tutorial_lib/_shipped/notebooks/half_day"
    short = [name for name in names if name.startswith(folder)]
    assert len(short) == 12 and f"{folder}/solutions/6_open_challenges.ipynb" in short
    assert "tutorial_lib/_shipped/notebooks/figures/kit_map.svg" in names, "notebook 00 draws it"
    assert {name.split("/")[0] for name in names} == {
        "tutorial_lib",
        "tutorial_workshop",
        "tutorial_recipes",
    }
    licences = {
        Path(name).name for name in zipfile.ZipFile(wheel).namelist() if "/licenses/" in name
    }
    assert licences == {
        "LICENSE",
        "LICENSE-CONTENT",
    }, "the texts and figures inside are not under the licence of the code"
    assert Version(wheel.name.split("-")[1]) == Version(PROJECT["version"])


def test_the_wheel_leaves_out_what_is_not_the_kits(tmp_path):
    """A learner's notes, checkpoints and private data were shipped to everybody."""
    for folder in ("data", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    spec = importlib.util.spec_from_file_location("wheel_files", ROOT / "tools" / "wheel_files.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    files = module.kit_files(ROOT)
    assert [name for name in files if not (ROOT / name).is_file()] == []
    for name in (
        "notebooks/.ipynb_checkpoints/00_start_here-checkpoint.ipynb",
        "notebooks/10_mine.ipynb",
        "notebooks/notes.ipynb",
        "notebooks/solutions/marks.ipynb",
        "notebooks/half_day/1_mine.ipynb",
        "notebooks/src/notes.txt",
        "notebooks/figures/mine.png",
        "notebooks/runs/index.html",
        "data/runs/grid.csv",
        "data/worlds/movies/private.csv",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("private")
    assert module.kit_files(tmp_path) == files


def test_a_run_of_all_notebooks_leaves_out_somebodys_own(tmp_path):
    from tutorial_workshop.page.notebooks import find_notebooks

    for name in ("00_a", "notes", "1_draft"):
        (tmp_path / f"{name}.ipynb").touch()
    assert [path.stem for path in find_notebooks(folder=tmp_path)] == ["00_a"]
    assert [path.stem for path in find_notebooks(["notes"], folder=tmp_path)] == ["notes"]


def test_wheel_works_from_an_empty_folder(wheel, tmp_path):
    """What a learner on Colab has: the wheel, an empty folder and nothing of the clone."""
    unpacked = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(unpacked)
    empty = tmp_path / "empty"
    empty.mkdir()
    code = (
        f"import sys; sys.path = [{str(unpacked)!r}] + [p for p in sys.path if p !="
        f" {str(ROOT)!r}]\nimport tutorial_lib; from tutorial_lib.data import load_dataset; from"
        " tutorial_workshop.page.notebooks import find_notebooks as"
        " find\nprint(tutorial_lib.__file__); print(load_dataset('world-movies').n_items,"
        " len(find()), len(find(solutions=True)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=empty, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where, counts = done.stdout.splitlines()
    assert where.startswith(str(unpacked))
    items, exercises, solutions = map(int, counts.split())
    assert items > 100 and exercises == solutions == len(list((ROOT / "notebooks").glob("*.ipynb")))
    assert list(empty.iterdir()) == []


def test_the_manifest_names_every_shipped_file_with_its_bytes_checksum_and_licence():
    manifest = json.loads((ROOT / "data" / "MANIFEST.json").read_text())
    files = {
        p.relative_to(ROOT / "data").as_posix(): p
        for p in (ROOT / "data").rglob("*")
        if p.is_file() and p.name != "MANIFEST.json"
    }
    assert set(manifest) == set(files)
    for name, path in files.items():
        content, entry = path.read_bytes(), manifest[name]
        assert (entry["bytes"], entry["sha256"]) == (
            len(content),
            hashlib.sha256(content).hexdigest(),
        ), f"{name}: run {entry['made_by']}"
        assert entry["licence"] and entry["made_by"]
