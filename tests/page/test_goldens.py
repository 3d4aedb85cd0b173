"""Goldens: if these fail, a wrong number passes CI, or a band is so wide that any number would."""

from __future__ import annotations

import json
import math
import re

import pytest

from tools.goldens import main, merge, problems, save_bands
from tutorial_lib.errors import InputError
from tutorial_workshop.page import goldens
from tutorial_workshop.page.goldens import Band, golden, load_bands

SOUND = Band(mean=0.11, sd=0.002, n=5, trivial=0.05, effect=0.06, seeds=(0, 1, 2, 3, 4))
WHERE = {"dataset": "world-movies", "profile": "quick", "seed": 0}


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """One sound band, in a file of its own."""
    path = tmp_path / "goldens.json"
    save_bands({"01.transition.ndcg@10": {"world-movies/quick": SOUND}}, path)
    monkeypatch.setattr(goldens, "goldens_path", lambda: path)
    monkeypatch.delenv("TUTORIAL_STRICT", raising=False)
    monkeypatch.delenv("TUTORIAL_RESULTS", raising=False)
    return path


def test_every_recorded_band_proves_something():
    """The bands of the kit itself: none may hold 0 or the trivial value, or be wider than the
    effect claimed.
    """
    bands = load_bands()
    weak = {n: problems(b) for n, by_key in bands.items() for b in by_key.values() if problems(b)}
    assert bands and not weak


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sd": 0.04}, "contains 0"),
        ({"trivial": 0.105}, "contains the trivial value"),
        ({"effect": 0.011}, "effect claimed, 0.011"),
        ({"effect": 0.0}, "effect claimed, 0"),
        ({"n": 4, "seeds": (0, 1, 2, 3)}, "rests on 4 seeds"),
        ({"seeds": (0, 0, 0, 0, 0)}, "rests on 1 seeds"),
        ({"mean": math.nan}, "finite"),
        ({"mean": 0.0, "sd": 0.0}, "contains 0"),
        ({"sd": -0.001}, "not negative"),
    ],
)
def test_bad_bands_are_found(change, complaint):
    """The test above is worth something only if it fails on a bad band."""
    bad = Band(**{**SOUND.__dict__, **change})
    assert any(complaint in problem for problem in problems(bad)), problems(bad)
    assert problems(SOUND) == []


def test_the_band_holds_three_standard_deviations():
    assert (
        SOUND.holds(0.11 + 0.0059)
        and not SOUND.holds(0.11 + 0.0061)
        and not SOUND.holds(0.0)
        and not SOUND.holds(math.nan)
    )
    still = Band(0.0446, 0.0, 5, 0.01, 0.03, (0, 1, 2, 3, 4))
    assert still.holds(0.0446 * (1 + 5e-7)) and not still.holds(0.04461) and problems(still) == []


def test_in_words_for_learners_and_as_an_error_in_ci(recorded, monkeypatch, capsys):
    golden("01.transition.ndcg@10", 0.111, **WHERE)
    assert re.search(
        r"0\.1110, as recorded \(0\.1100 ± 0\.006 over 5 seeds\)", capsys.readouterr().out
    )
    golden("01.transition.ndcg@10", 0.05, **WHERE)
    assert "NOT as recorded" in capsys.readouterr().out
    golden("01.transition.ndcg@10", 0.05, **{**WHERE, "profile": "full"})
    assert "No recorded value" in capsys.readouterr().out
    monkeypatch.setenv("TUTORIAL_STRICT", "1")
    golden("01.transition.ndcg@10", 0.111, **WHERE)
    for wrong in (0.05, 0.0, math.nan):
        with pytest.raises(AssertionError, match="NOT as recorded"):
            golden("01.transition.ndcg@10", wrong, **WHERE)


def test_each_comparison_is_written_down(recorded, monkeypatch, tmp_path):
    """Also the one that fails: the results table must show it."""
    results = tmp_path / "results.jsonl"
    monkeypatch.setenv("TUTORIAL_RESULTS", str(results))
    monkeypatch.setenv("TUTORIAL_STRICT", "1")
    golden("01.transition.ndcg@10", 0.111, **WHERE, trivial=0.05)
    with pytest.raises(AssertionError):
        golden("01.transition.ndcg@10", 0.2, **WHERE)
    monkeypatch.setenv("TUTORIAL_NOTEBOOK", "01_recommendation_as_language")
    golden("01.new", 3, **WHERE)
    first, second, third = map(json.loads, results.read_text().splitlines())
    assert first == {
        **WHERE,
        "notebook": "01",
        "name": "01.transition.ndcg@10",
        "value": 0.111,
        "trivial": 0.05,
        "effect": None,
        "mean": 0.11,
        "sd": 0.002,
        "ok": True,
    }
    assert (
        second["ok"] is False
        and third["ok"] is None
        and third["notebook"] == "01_recommendation_as_language"
    )


def test_bad_calls_are_refused(recorded):
    with pytest.raises(InputError, match="list is not a number"):
        golden("x", [1], **WHERE)
    with pytest.raises(InputError, match="define DATASET in the parameters cell"):
        golden("x", 1.0, profile="quick", seed=0)


def runs(values, **more):
    base = {"name": "01.a", "dataset": "d", "profile": "quick", "trivial": 0.05, "effect": None}
    return [{**base, "seed": seed, "value": value, **more} for seed, value in enumerate(values)]


def test_record_keeps_sound_bands_and_names_the_others(tmp_path, capsys):
    good, out = tmp_path / "good.jsonl", tmp_path / "deep" / "goldens.json"
    lines = (
        runs([0.11, 0.111, 0.109, 0.112, 0.108])
        + runs([0.01, 0.2, 0.0, 0.3, 0.1], name="01.noisy")
        + runs([1.0] * 4, name="01.few")
    )
    good.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main([str(good), "--out", str(out)]) == 1
    told = capsys.readouterr()
    assert (
        "recorded 1 bands" in told.out
        and "01.noisy (d/quick): band" in told.err
        and "01.few (d/quick): rests on 4 seeds" in told.err
    )
    band = load_bands(out)["01.a"]["d/quick"]
    assert (
        band.mean == pytest.approx(0.11)
        and band.sd == pytest.approx(0.0015811, abs=1e-6)
        and band.n == 5
    )
    assert (
        band.trivial == 0.05
        and band.effect == pytest.approx(0.06)
        and band.seeds == (0, 1, 2, 3, 4)
    )
    before = out.read_bytes()
    good.write_text(
        "".join(json.dumps(line) + "\n" for line in runs([0.11, 0.111, 0.109, 0.112, 0.108]))
    )
    assert main([str(good), "--out", str(out)]) == 0 and out.read_bytes() == before, (
        "recording again changes nothing"
    )
    assert list(out.parent.iterdir()) == [out], "no half-written file stays behind"


def test_a_seed_counts_once():
    """The same run five times is no spread."""
    bands, complaints = merge(runs([0.11, 0.12]) * 5)
    assert bands == {} and "rests on 2 seeds" in complaints[0]


def test_record_refuses_bad_files(tmp_path, capsys):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"name": "x"}\n')
    assert main([str(broken), "--out", str(tmp_path / "o.json")]) == 2
    assert "line 1: not a golden record" in capsys.readouterr().err
    assert main([str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "o.json")]) == 2
    assert "no results file" in capsys.readouterr().err and not (tmp_path / "o.json").exists()
