"""``tutorial compare`` judges worlds in expectation, adjusts p for the number of tests, gives a
verdict on each pair, and says when there is none.
"""

from __future__ import annotations

import re

import pandas as pd
import pytest

from tutorial_lib import models
from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import compare, evaluate, holm_comparisons
from tutorial_workshop.cli.compare import compare_models


def frames_of(names, seeds=(0,)):
    """The frames behind a comparison on world-news, the ceiling last."""
    split = leave_last_out(load_dataset("world-news"))
    frames = {}
    for name in [*names, "Oracle"]:
        fitted = [getattr(models, name)().fit(split, seed=s, progress=False) for s in seeds]
        runs = [evaluate(model, split, k=10, expected=True) for model in fitted]
        frames[name] = pd.concat(runs, keys=seeds, names=["seed", "user"])
    return frames


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_p_is_adjusted_for_the_number_of_tests_and_says_so(capsys, seeds):
    names = ["Random", "Popularity", "EASE"]
    compare_models(names, "world-news", seeds=seeds)
    lines = capsys.readouterr().out.splitlines()
    assert "in expectation under the world's exact next-item probabilities" in lines[1]
    first, *others = frames_of(names, seeds).values()
    tests = {str(i): compare(frame, first) for i, frame in enumerate(others)}
    rows = zip(lines[-4:-1], holm_comparisons(tests, 0.01).itertuples(), strict=True)
    for line, test in rows:
        adjusted = "< 0.0001" if test.p_holm < 1e-4 else f"{test.p_holm:.4f}"
        shown = re.split(r"\s{2,}", line.split("]")[-1].strip())
        assert shown == [adjusted, f"{test.detectable:.4f}", test.verdict]
        assert f"{test.difference:+.4f}" in line
    assert "adjusted for 3 tests" in lines[-1] and "after the adjustment" in lines[-1]
    assert ("over users and 2 seeds" in lines[-1]) == (len(seeds) > 1)
    assert "within 0.01 either way" in lines[-1]


def test_one_test_is_no_family_and_equal_models_are_not_told_apart(capsys, monkeypatch):
    monkeypatch.setattr(models, "EASE", models.Popularity)
    compare_models(["Popularity", "EASE"], "world-news")
    lines = capsys.readouterr().out.splitlines()
    assert "no interval: too few non-zero users: no user differs" in lines[-3]
    assert lines[-3].endswith("inconclusive") and "adjusted for 1 test," in lines[-1]


def test_a_margin_of_nothing_is_refused_before_any_model_is_fitted(monkeypatch):
    monkeypatch.setattr(models, "EASE", None)
    with pytest.raises(InputError, match="compare.margin=0.*expected a number in"):
        compare_models(["Popularity", "EASE"], "world-news", margin=0)
