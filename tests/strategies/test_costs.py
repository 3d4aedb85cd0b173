"""What a large model will cost is said before it starts."""

from __future__ import annotations

import re

import tiny_lms

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models import language_models
from tutorial_lib.strategies import Budget, adapt


def test_a_large_model_says_first_what_it_will_cost(capsys, monkeypatch):
    """Half an hour without a word looks like a standstill."""
    monkeypatch.setattr(language_models, "LARGE", 1000)
    split = leave_last_out(load_dataset("world-movies"))
    budget = Budget(1e-4, shortest=2, longest=2, size=3)
    adapt(tiny_lms.tiny("kit-gpt"), split, "full", 4, budget=budget)
    (line,) = capsys.readouterr().out.splitlines()
    form = r"full: up to ([\d,]+) tokens .*about [\d.]+ minutes on this machine, [\d.]+ GB"
    found = re.search(form, line)
    titles = verbaliser(split.dataset).titles[:100]
    each = len(tiny_lms.lm("kit-gpt").target_ids("; ".join(titles))) / 100
    assert int(found[1].replace(",", "")) == 2 * 3 * round(13 * each)
