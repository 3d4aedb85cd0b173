"""``tutorial audit``: what it prints and writes, its exit status, and one clear line for wrong input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutorial_lib import audit_command
from tutorial_lib.audit import validation
from tutorial_lib.cli import main
from tutorial_lib.data import hold_out_k, leave_last_out, load_dataset
from tutorial_lib.models import Popularity, SequenceRecommender

NEWS = ["audit", "Popularity", "--dataset", "world-news"]


def test_an_audit_prints_what_it_writes(tmp_path, capsys):
    """The table on the screen, the file and the declared margins must tell the same audit, and nothing half-written may stay."""
    out = tmp_path / "audit"
    assert main([*NEWS, "--attribute", "gender", "--margin", "exposure=0.2", "--k", "5", "--seed", "3", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert {"report.md", "report.html", "findings.csv"} <= {path.name for path in out.iterdir()}
    assert not list(out.glob("*.part"))
    findings = pd.read_csv(out / "findings.csv").set_index("metric")
    gap, exposure = findings.loc["ndcg@5: gender F - M"], findings.loc["exposure - merit: minority"]
    merit = float(exposure["levels"].split("chosen ")[1].split(" ")[0])
    assert exposure["margin"] == pytest.approx(0.2 * merit, abs=1e-4)
    for row in (gap, exposure):
        assert f"{row['estimate']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]" in printed
    assert "opinion: " in printed and "report.html" in printed
    assert "ndcg@5: gender F - M" in (out / "report.md").read_text() and "<html" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--margin", "exposur=0.1"], "unknown margin 'exposur': did you mean 'exposure'"),
        (["--margin", "exposure=7"], "--margin exposure=7: expected a number above 0 and at most 1.0"),
        (["--margin", "exposure=0"], "--margin exposure=0: expected a number above 0"),
        (["--margin", "exposure=much"], "--margin exposure=much: expected a number above 0"),
        (["--margin", "exposure"], "expected NAME=VALUE"),
        (["--attribute", "gendre"], "unknown attribute 'gendre': did you mean 'gender'"),
        (["--dataset", "world-new"], "unknown dataset 'world-new'"),
        (["--split", "hold-out-0"], "--split hold-out-0: expected leave-last-out, hold-out-N"),
        (["--split", "half"], "--split half: expected leave-last-out, hold-out-N"),
        (["--k", "0"], "--k 0: expected 1.."),
        (["--validate"], "a model or --validate"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(arguments, said, tmp_path, capsys):
    """A margin that is misspelt must not silently fall back to the default: the policy would be another one."""
    out = tmp_path / "audit"
    assert main([*NEWS, *arguments, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_no_model_and_an_unknown_model_are_told(tmp_path, capsys):
    assert main(["audit", "--dataset", "world-news"]) == 2
    assert "audit needs a model or --validate" in capsys.readouterr().err
    assert main(["audit", "EASY", "--out", str(tmp_path / "x")]) == 2
    assert "unknown model 'EASY': did you mean 'EASE'" in capsys.readouterr().err


def test_a_saved_model_is_audited_on_the_split_it_was_trained_for(tmp_path, capsys):
    """Another data set than its own would be scored by the wrong items; another split may hold its training items."""
    ds = load_dataset("world-news")
    model = SequenceRecommender(width=16, layers=1, heads=1, epochs=1).fit(leave_last_out(ds), seed=0, progress=False)
    folder = model.save(tmp_path / "model")
    arguments = ["audit", str(folder), "--dataset", "world-news", "--attribute", "gender", "--out", str(tmp_path / "audit")]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "leave" in printed.splitlines()[0] and "note:" not in printed
    assert main([*arguments, "--split", "hold-out-5"]) == 0
    assert "may have seen these targets" in capsys.readouterr().out
    assert main(["audit", str(folder), "--dataset", "world-movies", "--out", str(tmp_path / "none")]) == 2
    assert "name the dataset it was trained on" in capsys.readouterr().err


def test_a_log_is_audited_without_the_system(tmp_path, capsys):
    """A shop hands over lists, not its recommender: same findings as the model that made them, and a broken file is one line."""
    ds = load_dataset("world-news")
    split = hold_out_k(ds, 5)
    lists = Popularity().fit(split).recommend(split.test_history, 10)
    log = tmp_path / "shown.csv"
    pd.DataFrame({"user": split.users, "items": [" ".join(map(str, row)) for row in lists]}).to_csv(log, index=False)
    for name, folder in ((str(log), "log"), ("popularity", "model")):
        assert main(["audit", name, "--dataset", "world-news", "--out", str(tmp_path / folder)]) == 0
    told = [(tmp_path / folder / "findings.csv").read_text() for folder in ("log", "model")]
    assert told[0] == told[1] and "shown.csv" in (tmp_path / "log" / "report.md").read_text()
    capsys.readouterr()
    for text, said in (("a,b\n1,2\n", "lack the column 'user'"), ("", "expected a table with the columns user and items")):
        log.write_text(text)
        assert main(["audit", str(log), "--dataset", "world-news", "--out", str(tmp_path / "none")]) == 2
        assert said in capsys.readouterr().err and not (tmp_path / "none").exists()


@pytest.mark.parametrize(("value", "status"), [(1.0, 0), (0.0, 1)])
def test_validate_ends_with_1_only_where_a_bar_is_missed(value, status, monkeypatch, capsys):
    """The status is what a CI job sees."""
    check = "power: user gap of twice the margin, 2,000 users"
    asked = []

    def quick(replications, seed, jobs, *, tell):
        asked.append((replications, seed, jobs))
        return validation.summary(pd.DataFrame({check: np.full(replications, value)}))

    monkeypatch.setattr(validation, "validate", quick)
    assert main(["audit", "--validate", "--replications", "40", "--seed", "2"]) == status
    printed = capsys.readouterr().out
    assert asked == [(40, 2, 1)]
    assert check in printed and f"bars missed: {status}" in printed and "recorded, 300 replications" in printed


def test_margins_are_parsed_to_numbers():
    assert audit_command.parsed_margins(["quality=.2", "leak=5e-2"]) == {"quality": 0.2, "leak": 0.05}
