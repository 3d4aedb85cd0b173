"""Every notebook is executed, as exercise and as solution, within a budget of seconds; found by
glob, so none can be forgotten.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import nbformat
import pytest

from tutorial_lib.models.smollm2 import smollm2_is_here
from tutorial_workshop import figures

ROOT = Path(__file__).resolve().parents[2]
BUDGETS = json.loads((Path(__file__).parent / "budgets.json").read_text(encoding="utf-8"))
# for machines much slower than two ordinary cores
SLOWNESS = float(os.environ.get("TUTORIAL_BUDGET_FACTOR", 1))
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


# no way out but the loopback: a workshop room without internet
ALONE = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "-"]


def without_a_network() -> list[str]:
    """What to put before a command so that it runs without a network; [] where that cannot be."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return []
    routes = subprocess.run([*ALONE, "ip", "route"], capture_output=True, text=True)
    return ALONE if routes.returncode == 0 and routes.stdout == "" else []


def run_solution(notebook: Path, out: Path, *options: str, before: Sequence[str] = ()) -> tuple:
    """Run strictly, as a learner would from the shell: an unknown parameter is an error, and so are
    a golden outside its band and a warning on the page.

    Returns:
        The run's row of notebooks.csv, and what ``golden`` recorded.
    """
    collected = out / "collected.jsonl"
    command = [sys.executable, "-m", "tutorial_lib", "run", str(notebook), *options]
    done = subprocess.run(
        [*before, *command, "--out", str(out / "run")],
        env=os.environ | {"TUTORIAL_STRICT": "1", "TUTORIAL_RESULTS": str(collected)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    cells = nbformat.read(out / "run" / notebook.name, 4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
    with (out / "run" / "notebooks.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    lines = collected.read_text().splitlines() if collected.exists() else []
    return row, [json.loads(line) for line in lines]


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
    from tutorial_workshop.cli.run_input import declared_parameters

    assert {"PROFILE", "DATASET", "SEED"} <= set(declared_parameters(notebook))


@by_name
def test_exercise_runs_unfilled_to_its_end(notebook, tmp_path, notebook_seconds):
    """A learner who fills in nothing must reach the last cell; nbval reports each cell."""
    from tutorial_workshop.cli.kernels import with_parameters

    nbformat.write(with_parameters(notebook, {"PROFILE": "smoke"}), tmp_path / notebook.name)
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


def most_memory(notebook: Path) -> int:
    """Of a quick run, MB. Where SmolLM2 is installed, some notebooks ask it."""
    asks = [f"{name}(" for name in dir(figures) if name.startswith("ask_")]
    source = notebook.read_text(encoding="utf-8")
    return 2500 if smollm2_is_here() and any(call in source for call in asks) else 1500


@pytest.mark.full
@by_solution
def test_solution_in_quick_without_a_network(notebook, tmp_path, notebook_seconds):
    """What a learner runs: every number that has a golden must lie in its recorded band."""
    row, goldens = run_solution(
        notebook, tmp_path, "--profile", "quick", before=without_a_network()
    )
    assert float(row["peak_memory_mb"]) <= most_memory(notebook)
    assert [golden["name"] for golden in goldens if golden["ok"] is not True] == []
    within_budget(notebook, "solution quick", float(row["seconds"]), notebook_seconds)


@pytest.mark.full
def test_the_network_is_really_away():
    """Else the test above proves nothing about a room without internet."""
    if not without_a_network():
        pytest.skip("needs unshare and ip, and a machine that allows network namespaces")
    reach = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    done = subprocess.run([*ALONE, sys.executable, "-c", reach], capture_output=True, text=True)
    assert "Network is unreachable" in done.stderr


@pytest.mark.real
@pytest.mark.weekly
@by_solution
def test_solution_on_real_data(notebook, tmp_path, notebook_seconds):
    """One parameter takes the same notebook to MovieLens-100K."""
    options = ("--profile", "quick", "--dataset", "ml-100k")
    row, goldens = run_solution(notebook, tmp_path, *options)
    assert {golden["dataset"] for golden in goldens} <= {"ml-100k"}
    within_budget(notebook, "solution ml-100k", float(row["seconds"]), notebook_seconds)


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
        for folder in ("notebooks", "page", "exercises", "figures")
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
