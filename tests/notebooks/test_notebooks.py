"""Every notebook is executed, as exercise and as solution, within a budget of seconds; found by
glob, so none can be forgotten.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
import zipfile
from datetime import date
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUDGETS = json.loads((Path(__file__).parent / "budgets.json").read_text(encoding="utf-8"))
SLOWNESS = float(
    os.environ.get("TUTORIAL_BUDGET_FACTOR", 1)
)  # for machines much slower than two ordinary cores
CELL_SECONDS = 60
NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
EXERCISES = [ROOT / "notebooks" / f"{name}.ipynb" for name in NAMES]
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
by_name = pytest.mark.parametrize("notebook", EXERCISES, ids=NAMES)
by_solution = pytest.mark.parametrize("notebook", SOLUTIONS, ids=[path.stem for path in SOLUTIONS])


def within_budget(notebook: Path, lane: str, seconds: float, record) -> None:
    budget = BUDGETS[notebook.stem][lane] * SLOWNESS
    record(notebook.stem, lane, seconds, budget)
    assert seconds <= budget, (
        f"{notebook.stem} took {seconds:.0f} s ({lane}), its budget in tests/notebooks/budgets.json"
        f" is {budget:.0f} s"
    )


def run_solution(
    notebook: Path, tmp_path: Path, monkeypatch, **parameters
) -> tuple[object, list[dict]]:
    """Run strictly: an unknown parameter is an error, and so are a golden outside its band and a
    warning on the page.
    """
    from tutorial_workshop.cli.run import run_notebooks

    monkeypatch.setenv("TUTORIAL_STRICT", "1")
    collected = tmp_path / "collected.jsonl"
    monkeypatch.setenv("TUTORIAL_RESULTS", str(collected))
    (run,) = run_notebooks([notebook], tmp_path / "out", parameters)
    cells = nbformat.read(tmp_path / "out" / notebook.name, 4).cells
    assert [
        output["text"]
        for cell in cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stderr"
    ] == []
    goldens = (
        [json.loads(line) for line in collected.read_text().splitlines()]
        if collected.exists()
        else []
    )
    return run, goldens


def test_every_source_has_both_variants_and_a_budget():
    """A notebook that was not built, or has no budget, would otherwise be left out of every check
    below without a word.
    """
    sources = sorted(path.stem for path in (ROOT / "notebooks" / "src").glob("*.py"))
    assert sources
    assert NAMES == sources
    assert [path.stem for path in SOLUTIONS] == sources
    assert sorted(BUDGETS) == sources


def test_notebooks_are_what_their_sources_build():
    """Whoever edits a source and forgets `make notebooks` would leave learners with the old
    notebook.
    """
    from tools.builder import stale

    assert stale(ROOT / "notebooks") == []


@by_name
def test_parameters_cell_declares_what_the_command_line_hands_over(notebook):
    """Without PROFILE, DATASET and SEED in it, `tutorial run --profile ...` would change nothing in
    this notebook.
    """
    from tutorial_workshop.cli.run import declared_parameters

    assert {"PROFILE", "DATASET", "SEED"} <= set(declared_parameters(notebook))


@by_name
def test_exercise_runs_unfilled_to_its_end(notebook, tmp_path, notebook_seconds):
    """A learner who fills in nothing must reach the last cell; nbval reports each cell by itself."""
    from papermill import execute_notebook

    execute_notebook(
        notebook,
        tmp_path / notebook.name,
        {"PROFILE": "smoke"},
        prepare_only=True,
        progress_bar=False,
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = [
        "--nbval-lax",
        "--nbval-current-env",
        f"--nbval-cell-timeout={CELL_SECONDS}",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, notebook.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    within_budget(notebook, "exercise smoke", time.perf_counter() - start, notebook_seconds)


@by_solution
def test_solution_in_smoke(notebook, tmp_path, monkeypatch, notebook_seconds):
    """The solutions must run as given; a number that left its recorded band fails inside the
    notebook.
    """
    run, _ = run_solution(notebook, tmp_path, monkeypatch, PROFILE="smoke")
    assert run.status == "ok", run.error
    within_budget(notebook, "solution smoke", run.seconds, notebook_seconds)


@pytest.mark.full
@by_solution
def test_solution_in_quick_with_recorded_numbers(notebook, tmp_path, monkeypatch, notebook_seconds):
    """What a learner runs: every number that has a golden must have a recorded band, and lie in it."""
    run, goldens = run_solution(notebook, tmp_path, monkeypatch, PROFILE="quick")
    assert run.status == "ok", run.error
    within_budget(notebook, "solution quick", run.seconds, notebook_seconds)
    assert run.peak_memory_mb <= 1500
    assert [golden["name"] for golden in goldens if golden["ok"] is not True] == []


@pytest.mark.real
@by_solution
def test_solution_on_real_data(notebook, tmp_path, monkeypatch, notebook_seconds):
    """One parameter takes the same notebook to MovieLens-100K."""
    run, goldens = run_solution(notebook, tmp_path, monkeypatch, PROFILE="quick", DATASET="ml-100k")
    assert run.status == "ok", run.error
    assert {golden["dataset"] for golden in goldens} <= {"ml-100k"}
    within_budget(notebook, "solution ml-100k", run.seconds, notebook_seconds)


@pytest.mark.full
@by_name
def test_exercise_as_on_colab(notebook, wheel, tmp_path):
    """An empty folder, the wheel, and nothing of the clone: a path into the clone, or an upgrade by
    the first cell, shows here.
    """
    from tutorial_workshop.cli.run import execute

    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    colab = (
        tmp_path / "site" / "google" / "colab"
    )  # no __init__ in google/: other packages share that name
    colab.mkdir(parents=True)
    (colab / "__init__.py").write_text("")
    content = tmp_path / "content"
    content.mkdir()
    (content / notebook.name).write_bytes(notebook.read_bytes())
    env = {
        "PYTHONPATH": str(tmp_path / "site"),
        "COLAB_RELEASE_TAG": "stand-in",
        "HOME": str(tmp_path / "home"),
        "PIP_NO_INDEX": "1",
    }
    run = execute(
        content / notebook.name,
        tmp_path / "executed.ipynb",
        {"PROFILE": "smoke"},
        env=env,
        cwd=content,
    )
    assert run.status == "ok", run.error
    assert [path.name for path in content.iterdir()] == [notebook.name]
    executed = (tmp_path / "executed.ipynb").read_text(encoding="utf-8")
    assert "Colab; Hub" in executed  # the environment table saw where it is
    assert (
        "Successfully installed" not in executed and "Requirement already satisfied" not in executed
    )


def markers(path: Path) -> list[ast.AST]:
    return [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call | ast.Attribute)
    ]


def test_skips_have_a_reason_and_an_end():
    """A skip without an end is a deleted test: only `skip_until(date, reason)` may leave out a test
    of a notebook.
    """
    files = [
        path
        for folder in ("notebooks", "teaching")
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py"))
    ]
    for path in files:
        for node in markers(path):
            text = ast.unparse(node)
            assert text not in (
                "pytest.mark.skip",
                "pytest.mark.xfail",
                "pytest.mark.skipif",
            ), f"{path.name}: use skip_until, not {text}"
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.skip_until":
                when, reason = (ast.literal_eval(argument) for argument in node.args)
                assert len(reason) > 10, f"{path.name}: say why"
                assert 0 < (date.fromisoformat(when) - date.today()).days <= 90, (
                    f"{path.name}: {when} is over, or more than 90 days off"
                )


@pytest.mark.parametrize(
    "notebook", EXERCISES + SOLUTIONS, ids=lambda path: "/".join(path.parts[-2:])
)
def test_no_cell_is_hidden_from_the_checks(notebook):
    """A tag can switch a cell's check off without a trace in the test code."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        tags = set(cell.metadata.get("tags", []))
        assert not tags & {"nbval-skip", "skip-execution"}, cell.source[:200]
