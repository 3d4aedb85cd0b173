"""Cases for generated explanations: what a user wrote about their test item, and the prompt that
asks a model for it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from tutorial_lib.data.splits import EMPTY, Split
from tutorial_lib.errors import InputError
from tutorial_lib.language.prompts import templates
from tutorial_lib.language.verbalise import verbaliser


def explanation_cases(split: Split, n: int, *, seed: int = 0) -> tuple[pd.DataFrame, Split]:
    """``n`` test users who reviewed their test item, and the split in which only they have test
    targets.

    The prompt, the first template of "explanation", holds item, rating and the feature of the
    user's own review, as in PEPLER (Li et al. 2023, arXiv 2202.07371); the review is the reference.

    Returns:
        A frame with index "user" and columns ``item``, ``rating``, ``feature``, ``reference``,
        ``prompt``; and the split.

    Raises:
        InputError: If the data has no reviews with features, or fewer than ``n`` such users.

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> cases, some = explanation_cases(leave_last_out(load_dataset("world-movies")), 3)
    >>> len(cases), sum(len(target) for target in some.test_target)
    (3, 3)
    """
    ds = split.dataset
    if "features" not in ds.reviews:
        raise InputError(
            f"explanation_cases: {ds.name} has no reviews with features; take a planted world, such"
            " as world-movies"
        )
    pairs = zip(split.users, split.test_target, strict=True)
    rows = [(user, int(target[0])) for user, target in pairs if len(target)]
    targets = pd.DataFrame(rows, columns=["user", "item"])
    reviewed = targets.merge(ds.reviews.drop_duplicates(["user", "item"]), on=["user", "item"])
    if not 1 <= n <= len(reviewed):
        raise InputError(
            f"explanation_cases(n={n}): expected 1..{len(reviewed)}, the users who reviewed their"
            " test item"
        )
    chosen = np.random.default_rng([seed, 11]).permutation(len(reviewed))[:n]
    cases = reviewed.iloc[np.sort(chosen)].rename(columns={"text": "reference"}).set_index("user")
    cases["feature"] = cases["features"].str[0]
    cases = cases[["item", "rating", "feature", "reference"]]
    words = verbaliser(ds)
    template = templates("explanation")[0]
    values = {"review": "", "noun": words.noun, "plural": words.plural}
    prompts = []
    for case in cases.itertuples():
        values |= {"item": words.titles[case.item], "rating": f"{case.rating:.0f}"}
        prompts.append(template.fill(**values, feature=case.feature)[0])
    kept = np.isin(split.users, cases.index)
    parts = [
        target if keep else EMPTY for target, keep in zip(split.test_target, kept, strict=True)
    ]
    reviewers = replace(split, name=f"{split.name}, {n} reviewers", test_target=parts)
    return cases.assign(prompt=prompts), reviewers
