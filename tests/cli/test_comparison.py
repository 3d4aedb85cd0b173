"""``tutorial compare`` prints p as they were measured and adjusted for their number, and says when
there is none.
"""

from __future__ import annotations

import re

from tutorial_lib import models
from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.evaluation import compare, evaluate, holm
from tutorial_workshop.cli.compare import compare_models


def test_p_is_adjusted_for_the_number_of_tests_and_says_so(capsys):
    names = ["Random", "Popularity", "EASE"]
    compare_models(names, "world-news")
    lines = capsys.readouterr().out.splitlines()
    split = leave_last_out(load_dataset("world-news"))
    frames = [
        evaluate(getattr(models, name)().fit(split, seed=0, progress=False), split, k=10)
        for name in [*names, "Oracle"]
    ]
    raw = [compare(frame, frames[0]).p for frame in frames[1:]]
    for line, p, adjusted in zip(lines[-4:-1], raw, holm(raw), strict=True):
        shown = re.findall(r"< 0\.0001|(?<!\S)0\.\d{4}", line.split("]")[-1])
        assert shown[:2] == [
            "< 0.0001" if value < 1e-4 else f"{value:.4f}" for value in (p, adjusted)
        ]
    assert "adjusted for 3 tests" in lines[-1] and ".05 / 3" in lines[-1]


def test_one_test_is_no_family_and_equal_models_are_not_told_apart(capsys, monkeypatch):
    monkeypatch.setattr(models, "EASE", models.Popularity)
    compare_models(["Popularity", "EASE"], "world-news")
    lines = capsys.readouterr().out.splitlines()
    assert "no interval: too few non-zero users: no user differs" in lines[-3]
    assert "adjusted for 1 test;" in lines[-1]
