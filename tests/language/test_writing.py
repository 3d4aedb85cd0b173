"""Batched writing and the cases it is asked for: if these fail, a model is judged by texts it would
not write alone, or by a known item.
"""

from __future__ import annotations

import pytest
import torch
from tiny_lms import WRITING, tiny

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.language.explanations import explanation_cases
from tutorial_lib.models.generation import write_text, write_texts
from tutorial_lib.strategies.soft_prompts import add_soft_prompt

PROMPTS = [
    "Review:",
    "Someone gave a film with a very long title five stars, and what do they say about the ending?",
    "One",
    "A B C D",
]


@pytest.mark.parametrize("name", WRITING)
def test_together_as_one_by_one(name):
    """Padding must not change a word, in any batch size and order."""
    lm = tiny(name)
    alone = [write_text(lm, prompt, longest=8) for prompt in PROMPTS]
    assert write_texts(lm, PROMPTS, longest=8) == alone
    assert write_texts(lm, PROMPTS, longest=8, size=2) == alone
    assert write_texts(lm, PROMPTS[::-1], longest=8) == alone[::-1]
    assert write_texts(lm, []) == []


def test_a_soft_prompt_is_heard_and_masked_models_are_refused():
    lm = tiny("kit-gpt").clone()
    add_soft_prompt(lm, [5, 6, 7])
    with torch.no_grad():
        for parameter in lm.soft.parameters():
            parameter += 1
    assert write_texts(lm, PROMPTS[:2], longest=6) == [
        write_text(lm, prompt, longest=6) for prompt in PROMPTS[:2]
    ]
    with pytest.raises(InputError, match="writing text"):
        write_texts(tiny("kit-bert"), PROMPTS)


def test_explanation_cases_are_reviews_of_test_items():
    split = leave_last_out(load_dataset("world-movies"))
    cases, some = explanation_cases(split, 30, seed=3)
    tested = {
        int(user): int(target[0])
        for user, target in zip(some.users, some.test_target)
        if len(target)
    }
    assert cases["item"].to_dict() == tested and len(cases) == 30
    for user, item in tested.items():
        assert item not in split.train[user]
    texts = split.dataset.reviews.set_index(["user", "item"])["text"]
    assert all(
        row["reference"] in set(texts.loc[[(user, row["item"])]]) for user, row in cases.iterrows()
    )
    assert all(
        row.feature in row.reference
        and row.feature in row.prompt
        and row.reference not in row.prompt
        for row in cases.itertuples()
    )
    assert not cases.index.equals(explanation_cases(split, 30, seed=4)[0].index)
    with pytest.raises(InputError, match="expected 1.."):
        explanation_cases(split, 100_000)
