"""``tutorial audit``: what it prints and writes, its exit status, and one clear line for wrong
input.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.audit.harms import protocols
from tutorial_lib.data import hold_out_k, leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import Popularity, SequenceRecommender
from tutorial_workshop.cli import audit as audit_command
from tutorial_workshop.cli.main import main
from tutorial_workshop.proof import validation

NEWS = ["audit", "Popularity", "--dataset", "world-news"]


def test_an_audit_prints_what_it_writes(tmp_path, capsys):
    """The table on the screen, the file and the declared margins must tell the same audit, and
    nothing half-written may stay.
    """
    out = tmp_path / "audit"
    options = "--attribute gender --margin exposure=0.2 --k 5 --seed 3".split()
    assert main([*NEWS, *options, "--out", str(out)]) == 0
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
    assert (
        "ndcg@5: gender F - M" in (out / "report.md").read_text()
        and "<html" in (out / "report.html").read_text()
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--margin", "exposur=0.1"], "unknown margin 'exposur': did you mean 'exposure'"),
        (
            ["--margin", "exposure=7"],
            "--margin exposure=7: expected a number above 0 and at most 1.0",
        ),
        (["--margin", "exposure=0"], "--margin exposure=0: expected a number above 0"),
        (["--margin", "exposure=much"], "--margin exposure=much: expected a number above 0"),
        (["--margin", "exposure"], "expected NAME=VALUE"),
        (["--attribute", "gendre"], "unknown attribute 'gendre': did you mean 'gender'"),
        (["--dataset", "world-new"], "unknown dataset 'world-new'"),
        (["--split", "hold-out-0"], "--split hold-out-0: expected leave-last-out, hold-out-N"),
        (["--split", "half"], "--split half: expected leave-last-out, hold-out-N"),
        (["--k", "0"], "--k"),
        (["--k", "401"], "--k 401: expected 1..400"),
        (["--validate"], "a model or --validate"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(arguments, said, tmp_path, capsys):
    """A margin that is misspelt must not silently fall back to the default: the policy would be
    another one.
    """
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
    """Another data set than its own would be scored by the wrong items; another split may hold its
    training items.
    """
    ds = load_dataset("world-news")
    model = SequenceRecommender(width=16, layers=1, heads=1, epochs=1).fit(
        leave_last_out(ds), seed=0, progress=False
    )
    folder = model.save(tmp_path / "model")
    arguments = ["audit", str(folder), *"--dataset world-news --attribute gender".split()]
    arguments += ["--out", str(tmp_path / "audit")]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "leave" in printed.splitlines()[0] and "may have seen" not in printed
    assert "saved model cannot be fitted again" in printed
    assert main([*arguments, "--split", "hold-out-5"]) == 0
    assert "may have seen these targets" in capsys.readouterr().out
    assert (
        main(["audit", str(folder), "--dataset", "world-movies", "--out", str(tmp_path / "none")])
        == 2
    )
    assert "name the dataset it was trained on" in capsys.readouterr().err


def test_a_log_is_audited_without_the_system(tmp_path, capsys):
    """A shop hands over lists, not its recommender: same findings as the model that made them, and
    a broken file is one line.
    """
    ds = load_dataset("world-news")
    split = hold_out_k(ds, 5)
    lists = Popularity().fit(split).recommend(split.test_history, 10)
    log = tmp_path / "shown.csv"
    pd.DataFrame({"user": split.users, "items": [" ".join(map(str, row)) for row in lists]}).to_csv(
        log, index=False
    )
    for name, folder in ((str(log), "log"), ("popularity", "model")):
        assert (
            main(["audit", name, "--dataset", "world-news", "--out", str(tmp_path / folder)]) == 0
        )
    told = [(tmp_path / folder / "findings.csv").read_text() for folder in ("log", "model")]
    assert told[0] == told[1] and "shown.csv" in (tmp_path / "log" / "report.md").read_text()
    capsys.readouterr()
    for text, said in (
        ("a,b\n1,2\n", "lack the column 'items'"),
        ("", "expected the columns user and items"),
    ):
        log.write_text(text)
        assert (
            main(["audit", str(log), "--dataset", "world-news", "--out", str(tmp_path / "none")])
            == 2
        )
        assert said in capsys.readouterr().err and not (tmp_path / "none").exists()


def test_exported_ids_make_a_log_of_ids(tmp_path, capsys):
    """What the codes mean can be had, and both ways to name users and items give one audit."""
    ds = load_dataset("world-news")
    split = hold_out_k(ds, 5)
    lists = Popularity().fit(split).recommend(split.test_history, 10)
    assert main(["audit", "--dataset", "world-news", "--export-ids", str(tmp_path / "ids")]) == 0
    users = pd.read_csv(tmp_path / "ids" / "users.csv").set_index("code")["user_id"]
    items = pd.read_csv(tmp_path / "ids" / "items.csv").set_index("code")
    assert users.tolist() == ds.users["user_id"].tolist()
    assert items["item_id"].tolist() == ds.items["item_id"].tolist() and "title" in items
    codes = {"user": split.users, "items": [" ".join(map(str, row)) for row in lists]}
    ids = {
        "user_id": users[split.users].to_numpy(),
        "item_ids": [" ".join(items["item_id"][row]) for row in lists],
    }
    for name, columns in (("codes", codes), ("ids", ids)):
        log = tmp_path / f"{name}.csv.gz"
        pd.DataFrame(columns).to_csv(log, index=False)
        out = str(tmp_path / name)
        assert main(["audit", str(log), "--dataset", "world-news", "--out", out]) == 0
    told = [(tmp_path / name / "findings.csv").read_text() for name in ("codes", "ids")]
    assert told[0] == told[1]
    assert "own ids" in (tmp_path / "ids" / "report.md").read_text()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(f"{user + 1}", "1 2 3") for user in range(1_500)], "counted from 1"),
        ([(f"{90_000 + user}", "1 2 3") for user in range(50)], "none of the log's 50 users"),
        ([("inf", "1 2")], "'inf' is no code"),
        ([("1.2", "1 2"), ("1.7", "1 2")], "'1.2' is no code"),
        ([("1", f"1 {10**20}")], f"'{10**20}' is no code"),
    ],
)
def test_a_log_that_cannot_be_meant_is_refused(rows, said, tmp_path, capsys):
    """Status 2 and one line, before anything is written."""
    log, out = tmp_path / "shown.csv", tmp_path / "audit"
    pd.DataFrame(rows, columns=["user", "items"]).to_csv(log, index=False)
    assert main(["audit", str(log), "--dataset", "world-news", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1 and not out.exists()


def test_gaps_come_under_several_protocols(tmp_path, monkeypatch, capsys):
    """Without being asked for where fitting is quick, and else only when asked for."""
    out = ["--attribute", "gender", "--out", str(tmp_path)]
    assert main([*NEWS, *out]) == 0
    assert "last 1" in (tmp_path / "report.md").read_text()
    monkeypatch.setattr(audit_command, "QUICK", ())
    assert main([*NEWS, *out]) == 0
    assert "add --protocols" in capsys.readouterr().out
    assert "last 1" not in (tmp_path / "report.md").read_text()
    assert main([*NEWS, "--protocols", *out]) == 0
    assert "last 1" in (tmp_path / "report.md").read_text()


def test_an_audit_stands_without_its_protocols(tmp_path, monkeypatch, capsys):
    """A protocol that judges too few users costs that table, not the report."""

    def none(*args, **kwargs):
        raise InputError("fewer than two groups")

    monkeypatch.setattr(protocols, "gap_by_protocol", none)
    assert main([*NEWS, "--attribute", "gender", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "protocols are not measured: fewer than two groups" in printed
    assert (tmp_path / "report.md").is_file()


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
    assert (
        check in printed
        and f"bars missed: {status}" in printed
        and "recorded, 300 replications" in printed
    )


def test_margins_are_parsed_to_numbers():
    assert audit_command.parsed_margins(["quality=.2", "leak=5e-2"]) == {
        "quality": 0.2,
        "leak": 0.05,
    }
