"""`tutorial capstone`: from somebody's log to a page that says no more than was measured."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data import load_dataset
from tutorial_lib.evaluation import evaluate
from tutorial_lib.models import Popularity
from tutorial_workshop.capstone import candidates, findings, prepare, prompted, stages
from tutorial_workshop.capstone.run import parsed_columns, run_capstone
from tutorial_workshop.cli.main import main


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A log with times and titles, one without an order, and tables of items and users."""
    folder = tmp_path_factory.mktemp("logs")
    ds = load_dataset("world-news").subset_users(range(150))
    log = ds.interactions.assign(
        user_id=ds.users["user_id"].to_numpy()[ds.interactions["user"]],
        item_id=ds.items["item_id"].to_numpy()[ds.interactions["item"]],
    )
    log[["user_id", "item_id", "timestamp"]].to_csv(folder / "log.csv", index=False)
    log[["user_id", "item_id"]].assign(plays=3).to_csv(folder / "plays.tsv", sep="\t", index=False)
    ds.items[["item_id", "title"]].to_csv(folder / "items.csv", index=False)
    ds.users[["user_id", "gender"]].to_csv(folder / "users.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def run(files):
    """The whole thing once, with a small Transformer and few prompts: (folder, lines told)."""
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "EPOCHS", 1)
        patch.setattr(candidates, "FEWEST_EPOCHS", 1)
        patch.setattr(candidates, "TIMED", 400)
        patch.setattr(prompted, "USERS", 4)
        patch.setattr(prompted, "USUAL", 1)
        page = run_capstone(
            files / "log.csv", files / "out", items=files / "items.csv", users=files / "users.csv",
            minutes=60, tell=told.append,
        )  # fmt: skip
    return page, told


def test_the_page_is_whole_and_asks_for_nothing(run):
    page, _ = run
    text = page.read_text(encoding="utf-8")
    assert text.count("<h3>") >= 3 and text.index("three things") < text.index("Leaderboard")
    assert not re.search(r"(src|href)=|url\(|@import|https?://", text)
    assert not list(page.parent.rglob("*.part")) and not list(page.parent.glob(".report-*"))
    assert "nan" not in re.sub(r"<style>.*?</style>", "", text, flags=re.S).lower().split()


def test_the_leaderboard_is_what_evaluate_says(run, files):
    """Chosen on validation, and the test numbers are those of the library."""
    board = pd.read_csv(run[0].with_name("leaderboard.csv")).set_index("model")
    models = {"Popularity", "ItemKNN", "TransitionKNN", "EASE", "Transformer", "Prompted kit-gpt"}
    assert set(board.index) == models
    assert board["validation"].idxmax() == board.index[board["chosen"]][0]
    kept = prepare.prepare(files / "log.csv", None, None, {}, minutes=60, seed=0)
    frame = evaluate(Popularity().fit(kept.split), kept.split, k=10)
    assert board.loc["Popularity", "test"] == pytest.approx(frame["ndcg@10"].mean(), abs=1e-5)
    assert (
        board.loc["Prompted kit-gpt", "users"] == 4 and not board.loc["Prompted kit-gpt", "chosen"]
    )


def test_the_audit_and_the_card(run):
    folder = run[0].parent
    assert (folder / "audit" / "report.html").is_file()
    card = (folder / "model_card.md").read_text(encoding="utf-8")
    assert "Opinion:" in card and "gender" in card and "names no provider" in card


def test_a_second_run_uses_what_is_finished(run, files, monkeypatch):
    """Same input and options: nothing is fitted; another seed: everything is."""
    page, told = run
    first = page.read_text(encoding="utf-8")

    def never(*_, **__):
        raise AssertionError("fitted again")

    monkeypatch.setattr(candidates, "_fitted", never)
    monkeypatch.setattr(candidates, "transformer", never)
    again: list[str] = []
    options = {"items": files / "items.csv", "users": files / "users.csv", "minutes": 60}
    run_capstone(files / "log.csv", page.parent, **options, tell=again.append)
    assert page.read_text(encoding="utf-8") == first
    assert sum("kept from an earlier run" in line for line in again) == 7
    assert not any("kept from" in line for line in told)
    with pytest.raises(AssertionError, match="fitted again"):
        run_capstone(files / "log.csv", page.parent, **options, seed=1, tell=again.append)


def test_no_times_means_no_models_of_order(files, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["capstone", str(files / "plays.tsv"), "--minutes", "1", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "no order of events is known" in said and "'plays' says how often" in said
    board = pd.read_csv(out / "leaderboard.csv")
    assert set(board["model"]) == {"Popularity", "ItemKNN", "EASE"}
    page = (out / "summary.html").read_text(encoding="utf-8")
    assert "This log has no times" in page and "drawn at random were held out" in page
    assert "no user attribute" in page and "no opinion" in page


def test_a_run_that_is_broken_off_goes_on(files, tmp_path, monkeypatch):
    fitted: list[str] = []
    judged = candidates.judged

    def broken(model, split):
        fitted.append(type(model).__name__)
        if len(fitted) == 2:
            raise KeyboardInterrupt
        return judged(model, split)

    monkeypatch.setattr(candidates, "judged", broken)
    with pytest.raises(KeyboardInterrupt):
        run_capstone(files / "plays.tsv", tmp_path, minutes=1, tell=lambda line: None)
    assert [path.name for path in (tmp_path / "stages").iterdir()] == ["Popularity.json"]
    assert not (tmp_path / "summary.html").exists()
    run_capstone(files / "plays.tsv", tmp_path, minutes=1, tell=lambda line: None)
    assert fitted == ["Popularity", "ItemKNN", "ItemKNN", "EASE"]


def test_a_damaged_stage_is_made_again(tmp_path):
    kept = stages.Stages(tmp_path, "key", 1, lambda line: None)
    assert kept.get("one", lambda: {"a": 1}) == kept.get("one", dict) == {"a": 1}
    path = tmp_path / "stages" / "one.json"
    path.write_text(path.read_text()[:-4])
    assert kept.get("one", lambda: {"a": 2}) == {"a": 2}
    assert json.loads(path.read_text())["value"] == {"a": 2}


def test_less_time_means_fewer_users_and_says_so(files, monkeypatch):
    monkeypatch.setattr(prepare, "PER_MINUTE", 1_000)
    monkeypatch.setattr(prepare, "JUDGED_PER_MINUTE", 30)
    kept = prepare.prepare(files / "log.csv", None, None, {}, minutes=1, seed=0)
    assert kept.dataset.n_interactions <= 1_000
    assert sum(map(len, kept.split.test_target)) == 30
    assert len(kept.limits) == 2 and all("drawn at random" in line for line in kept.limits)


@pytest.mark.parametrize(
    ("limit", "most", "fitted", "left_out"),
    [("EASE_ITEMS", 10, "ItemKNN", "EASE"), ("KNN_PAIRS", 100, "EASE", "ItemKNN")],
)
def test_a_baseline_beyond_its_limit_is_left_out(files, monkeypatch, limit, most, fitted, left_out):
    """A catalogue too large for a dense matrix, and a table of pairs too large for the memory."""
    monkeypatch.setattr(candidates, limit, most)
    kept = prepare.prepare(files / "plays.tsv", None, None, {}, minutes=1, seed=0)
    models, lines = candidates.baselines(kept)
    assert set(models) == {"Popularity", fitted}
    assert any(line.startswith(f"{left_out}: left out") for line in lines)


class Clock:
    """Stands in for the time module: it goes on only where a test says so."""

    now = 1_000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    for module in (candidates, prompted, stages):
        monkeypatch.setattr(module, "time", made)
    return made


def test_a_machine_that_is_too_slow_leaves_models_out_and_says_so(
    files, tmp_path, monkeypatch, clock
):
    """Each baseline takes 20 of 60 seconds, and nothing is begun that cannot be ended."""
    judged = candidates.judged

    def slowly(model, split):
        clock.now += 20
        return judged(model, split)

    monkeypatch.setattr(candidates, "judged", slowly)
    monkeypatch.setattr(candidates, "cost_in_seconds", lambda *_: 20.0)
    monkeypatch.setattr(candidates, "_pace", lambda *_: 1.0)
    asked_slowly(monkeypatch, clock, 0.01)
    kept = prepare.prepare(files / "log.csv", files / "items.csv", None, {}, minutes=1, seed=0)
    run = stages.Stages(tmp_path, "key", 1, lambda line: None)
    found, lines = candidates.fit_candidates(kept, run, tmp_path, 0)
    assert list(found) == ["Popularity"] and run.left() > 10
    for name in ("ItemKNN", "TransitionKNN", "EASE", "Transformer", "Prompted kit-gpt"):
        assert any(line.startswith(f"{name}: left out, --minutes leaves no time") for line in lines)


def test_a_transformer_that_hardly_began_is_not_judged(files, tmp_path, monkeypatch, clock):
    """Each epoch takes longer than all were meant to: it stops, and is left out."""
    monkeypatch.setattr(candidates, "_pace", lambda *_: 1e5)
    monkeypatch.setattr(candidates, "EPOCHS", 5)
    from tutorial_lib.models import SequenceRecommender

    epochs = []

    def fit(self, split, **_):
        for number in range(5):
            clock.now += 20.0
            epochs.append(number)
            self.on_epoch(number)

    monkeypatch.setattr(SequenceRecommender, "fit", fit)
    kept = prepare.prepare(files / "log.csv", None, None, {}, minutes=1, seed=0)
    value = candidates.transformer(kept.split, tmp_path, 30.0, 0)
    assert epochs == [0] and "leaves no time" in value["left out"]


def asked_slowly(monkeypatch, clock, seconds, slower_after=10**9):
    """The prompted model takes so many seconds a title and user, ten times as many later on."""
    read = []

    def scores(model, histories, items):
        clock.now += len(histories) * len(items) * seconds * (10 if len(read) > slower_after else 1)
        read.append(len(items))
        return np.random.default_rng(0).random((len(histories), len(items)))

    monkeypatch.setattr(prompted, "_scores", scores)
    return read


@pytest.mark.parametrize("seconds, items", [(1e-4, None), (5e-3, 50), (0.1, 0)])
def test_the_prompted_model_asks_what_the_time_allows(files, monkeypatch, clock, seconds, items):
    """All titles on a fast machine, the popular ones on a slow one, none on a very slow one."""
    kept = prepare.prepare(files / "log.csv", files / "items.csv", None, {}, minutes=1, seed=0)
    read = asked_slowly(monkeypatch, clock, seconds)
    monkeypatch.setattr(prompted, "USUAL", 10**9)  # its calibration reads titles by another way
    value = prompted.prompted(kept.split, 30.0, 0)
    n = kept.dataset.n_items
    if items == 0:
        assert "leaves no time" in value["left out"]
        return
    assert clock.now - 1_000 <= 31
    assert len(value["users"]) > 50 - prompted.AT_ONCE
    assert read[-1] == n if items is None else items < read[-1] < n
    assert ("most popular of" in value["limit"]) == (items is not None)


@pytest.mark.parametrize("slower_after, shown", [(9, True), (4, False)])
def test_the_prompted_model_stops_where_the_machine_slows_down(
    files, monkeypatch, clock, slower_after, shown
):
    """A block later at most; with a handful of users nothing is told."""
    kept = prepare.prepare(files / "log.csv", files / "items.csv", None, {}, minutes=1, seed=0)
    read = asked_slowly(monkeypatch, clock, 5e-3, slower_after=slower_after)
    value = prompted.prompted(kept.split, 30.0, 0)
    assert clock.now - 1_000 <= 30 + prompted.AT_ONCE * read[-1] * 5e-2
    assert shown == ("left out" not in value)
    assert not shown or 20 <= len(value["users"]) < 50


def test_no_item_of_the_history_is_listed_and_codes_are_of_the_catalogue(monkeypatch, clock):
    asked_slowly(monkeypatch, clock, 0)
    items = np.array([3, 5, 8])
    best = prompted._best(None, [np.array([5, 9]), np.array([], dtype=int)], items)
    assert set(best[0]) == {3, 8, -1} and best[0][-1] == -1 and set(best[1]) == {3, 5, 8}


def test_strata_are_the_cuts_of_the_library_each_once(files):
    """Thirds by history and by target; a cold cut that is a third is not shown twice."""
    kept = prepare.prepare(files / "log.csv", None, None, {}, minutes=1, seed=0)
    judged = candidates._fitted(Popularity, kept.split, 0)
    table = findings.strata(kept, {"Popularity": judged}, "Popularity")
    assert table["stratum"].is_unique and set(table["by"]) == {"history", "target"}
    for by in ("history", "target"):
        assert table.loc[table["by"] == by, "users"].iloc[:3].sum() == len(judged["users"])
    assert table["stratum"].str.match(r"users (with a history of|whose next item is in) ").all()


def board_of(**verdicts: str) -> pd.DataFrame:
    rows = [{"model": "EASE", "chosen": True, "test": 0.2, "low": 0.1, "high": 0.3, "hit": 0.4}]
    rows += [{"model": name, "chosen": False, "test": 0.1, "verdict": verdict} for name, verdict in verdicts.items()]  # fmt: skip  # noqa: E501
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    "verdict, said",
    [
        ("worse", "clearly better than"),
        ("inconclusive", "not shown to beat"),
        ("equivalent", "no better than"),
        ("better", "do not trust"),
    ],
)
def test_the_winner_is_praised_no_more_than_was_shown(verdict, said):
    point = findings._winner(board_of(Popularity=verdict, ItemKNN="worse"))
    assert said in point.heading
    assert ("start with that one" in point.text) == (verdict in ("equivalent", "better"))


def test_what_was_not_audited_is_not_called_fine():
    none = {"harmful": [], "family": [], "undecided": 0, "sentences": ["", "", "Not decided: 1"]}
    point = findings._audit(none)[0]
    assert "not the same as none" in point.text and "not audited" in point.heading
    one = none | {"family": ["ndcg@10: gender F - M"]}
    assert findings._audit(one) == []
    assert "1 of 1 fairness tests" in findings._audit(one | {"undecided": 1})[0].heading
    assert findings._audit(one | {"harmful": ["x"]})[0].heading == "The audit found harm"


BAD = {
    "nothing there": (["gone.csv"], "gone.csv: no such file"),
    "no roles": (["words.csv"], "words.csv, line 1: no column is known as the user"),
    "a wrong role": (["plays.tsv", "--column", "thing=plays"], "unknown role of --column 'thing'"),
    "no column": (["plays.tsv", "--column", "item=nope"], "unknown column of plays.tsv 'nope'"),
    "no equals": (["plays.tsv", "--column", "item"], "--column item: expected ROLE=NAME"),
    "too little": (["tiny.csv"], "tiny: 0 of 2 items are left where users and items have 3"),
    "too few items": (["few.csv"], "few: 6 of 6 items are left where users and items have 5"),
    "zero minutes": (["plays.tsv", "--minutes", "0"], "is not a whole number from 1 to 600"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_input_is_one_line_and_status_2(case, files, capsys, monkeypatch):
    (files / "words.csv").write_text("alice,tea\nbob,milk\n")
    (files / "tiny.csv").write_text("user,item\nu,1\nv,2\n")
    few = [f"u{user},{item}" for user in range(250) for item in range(6)]
    (files / "few.csv").write_text("\n".join(["user,item", *few]))
    monkeypatch.chdir(files)
    arguments, said = BAD[case]
    assert main(["capstone", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1
    assert not (files / "runs").exists()


def test_columns_are_parsed():
    assert parsed_columns(["item=a=b"]) == {"item": "a=b"}
    assert np.isnan(findings.mean_interval(pd.DataFrame({"ndcg@10": [0.0]})).low)
