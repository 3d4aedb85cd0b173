"""The set-up table: if these fail, a learner starts on a broken computer and is not told, or is
told no mend.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata

import pytest

from tutorial_lib.errors import InputError
from tutorial_workshop.page import environment
from tutorial_workshop.page.environment import (
    environment_rows,
    limit_threads,
    rows_to_html,
    rows_to_text,
)


def row(name):
    return next(r for r in environment_rows() if r.name == name)


def test_every_core_dependency_has_a_row_with_its_lower_bound():
    names = {r.name: r for r in environment_rows()}
    for requirement in environment.core_requirements():
        assert names[requirement.name].needed == f">={requirement.bound}"
    assert {"python", "torch", "pandas", "memory", "cores", "shipped data", "running in"} <= set(
        names
    )
    assert not {"jupytext", "papermill"} & set(names), "extras are no need of a learner"


@pytest.mark.parametrize(
    ("missing", "status", "expected"),
    [
        (("packaging", "numpy", "torch"), 1, "fix: "),
        (("yaml",), 2, "package pyyaml is missing: pip install pyyaml"),
    ],
)
def test_in_a_bare_environment_the_check_says_what_to_install(missing, status, expected):
    """It may be all that runs there: no package is needed for it but that of the commands."""
    code = f"import sys\nfor name in {missing}: sys.modules[name] = None\n"
    code += "from tutorial_workshop.cli.main import main\nsys.exit(main(['check']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert expected in done.stdout + done.stderr and done.returncode == status, done.stderr


@pytest.mark.parametrize(
    ("version", "bound", "enough"),
    [
        ("2.6.0+cpu", "2.6", True),
        ("2.6", "2.6.0", True),
        ("2.10", "2.9", True),
        ("2.5.9", "2.6", False),
        ("5.0.0rc1", "5.0", True),
        ("10", "9.1", True),
        ("0.22", "0.22.1", False),
    ],
)
def test_versions_compare_by_number(version, bound, enough):
    assert environment.Requirement("x", bound).met_by(version) == enough


def test_an_old_version_fails_with_its_mend(monkeypatch):
    real = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "2.1.0" if name == "torch" else real(name)
    )
    torch = row("torch")
    assert (torch.ok, torch.found) == (False, "2.1.0")
    assert torch.fix == f'pip install "torch{torch.needed}"'
    text = rows_to_text([torch])
    assert text.startswith("[FAIL] torch") and torch.fix in text
    page = rows_to_html([torch])
    assert "[FAIL]" in page and "1 line to mend" in page and "<details>" not in page


def test_the_table_is_one_line_where_all_is_well():
    """Thirty lines of [OK] stand between a learner and the lesson."""
    page = rows_to_html([environment.EnvironmentRow("torch", "2.13", ">=2.6", True)])
    assert page.startswith("<details><summary>This computer is ready.</summary>")


def test_in_colab_the_mend_is_a_fresh_runtime(monkeypatch):
    """Upgrading a package under a running Colab kernel breaks it."""
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    monkeypatch.setattr(metadata, "version", lambda name: "0.0.1")
    assert row("torch").fix.startswith("Runtime > Disconnect and delete runtime")
    assert row("running in").found.startswith("Colab")


def test_a_missing_package_fails(monkeypatch):
    real = metadata.version

    def version(name):
        if name == "seaborn":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert (row("seaborn").ok, row("seaborn").found) == (False, "missing")


def test_local_version_suffixes_count_as_the_version(monkeypatch):
    """A CPU-only torch calls itself 2.13.0+cpu."""
    real = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "2.13.0+cpu" if name == "torch" else real(name)
    )
    assert row("torch").ok


def test_little_memory_fails(monkeypatch):
    monkeypatch.setattr(environment, "total_memory_gb", lambda: 1.0)
    assert not row("memory").ok and "2 GB" in row("memory").fix
    monkeypatch.setattr(environment, "total_memory_gb", lambda: None)
    assert row("memory").ok, "unknown is no failure"


def test_a_wrong_data_folder_fails(monkeypatch, tmp_path):
    monkeypatch.setenv("TUTORIAL_DATA", str(tmp_path / "nowhere"))
    assert not row("TUTORIAL_DATA").ok and "unset it" in row("TUTORIAL_DATA").fix
    monkeypatch.setenv("TUTORIAL_DATA", str(tmp_path))
    assert row("TUTORIAL_DATA").ok


def test_every_failing_row_has_a_mend(monkeypatch, tmp_path):
    monkeypatch.setattr(metadata, "version", lambda name: "0.0.1")
    monkeypatch.setattr(environment, "total_memory_gb", lambda: 0.5)
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    assert all(r.ok or r.fix for r in environment_rows())


def test_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setitem(os.environ, "OMP_WAIT_POLICY", "ACTIVE")
    assert limit_threads() == 1 and os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert limit_threads() == 3, "what the user has set is kept"
    for odd in ("", "0", "-1", "²", "1.5", "9" * 5000, "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", odd)
        assert limit_threads() == 1
    assert limit_threads(2) == 2 and os.environ["OMP_NUM_THREADS"] == "2"
    for wrong in (0, -1, 1.5, "2", True):
        with pytest.raises(InputError, match="positive whole number"):
            limit_threads(wrong)


def test_setup_is_quick_and_imports_nothing_heavy():
    """Else the first cell of every notebook takes seconds, or torch starts before its threads are
    fixed.
    """
    program = (
        "import time; t = time.perf_counter(); from tutorial_workshop.page import setup;"
        " setup(offline=True); t = time.perf_counter() - t\nimport os, sys; heavy = {'torch',"
        " 'transformers', 'seaborn', 'matplotlib.pyplot'} & set(sys.modules)\nassert not heavy,"
        " heavy; assert os.environ['HF_HUB_OFFLINE'] == '1'; print('seconds', t)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "[OK]   python" in done.stdout
    assert float(done.stdout.split()[-1]) < 3, "about 0.5 s on an idle machine"


def test_style_never_tells_lines_apart_by_colour_alone():
    import matplotlib

    with matplotlib.rc_context():
        from tutorial_workshop.page.plots import OKABE_ITO, use_style

        use_style()
        cycle = list(matplotlib.rcParams["axes.prop_cycle"])
    assert [entry["color"] for entry in cycle] == list(OKABE_ITO.values())
    assert len({str(entry["linestyle"]) for entry in cycle}) == len(cycle)
