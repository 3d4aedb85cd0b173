"""The cells of a grid: a strategy, a number of labelled users, a seed; and what they start from."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from numbers import Integral
from urllib.parse import quote

import numpy as np

from tutorial_lib.data import hold_out_k, leave_last_out, load_dataset
from tutorial_lib.data.splits import EMPTY, Split
from tutorial_lib.errors import LARGEST_SEED, InputError, check_whole, unknown_name
from tutorial_lib.models.like_baselines import LIKE_BASELINES
from tutorial_workshop.experiments.fingerprints import model_fingerprint

BASELINES = {  # no language model in them: name -> class of `tutorial_lib.models`
    "ceiling": "Oracle",
    "random": "Random",
    "popularity": "Popularity",
    "transition-knn": "TransitionKNN",
    "ease": "EASE",
    "item-transformer": "SequenceRecommender",
}
UNTUNED = ("ceiling", "random")  # baselines that learn nothing from histories
BUDGETS = (0, 16, 64, 256, 1000)
CORE = 5  # real data is cut to its 5-core, worlds are taken whole
HELD_OUT = 10  # newest ratings of each user that the task "like" tests on
LONGEST_NAME = 150  # letters of a cell's file name; file systems take 255 bytes
USERS = 300  # test users of a cell; the same in every seed, so that users are crossed with seeds


@dataclass(frozen=True)
class Cell:
    """One run of the grid.

    Attributes:
        dataset: its name.
        lm: language model; "" for baselines.
        strategy: of `STRATEGIES`, or a baseline.
        labels: users whose training histories may be used.
        seed: of the draw of labelled users and of the training.
        users: test users.
        task: "next" item or "like".
    """

    dataset: str
    lm: str
    strategy: str
    labels: int
    seed: int
    users: int = USERS
    task: str = "next"

    @property
    def name(self) -> str:
        """Of its file, and unique to it: what a file name cannot hold is quoted as in a URL, a long
        name ends in its checksum.
        """
        fields = asdict(self) | {"lm": self.lm or "none"}
        parts = [fields.pop("task"), *fields.values()]
        name = "-".join(quote(str(part), safe="") for part in parts)
        if len(name) <= LONGEST_NAME:
            return name
        return f"{name[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def cells_of(
    dataset: str,
    lm: str,
    strategies: Sequence[str],
    budgets: Sequence[int | str] = BUDGETS,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    *,
    users: int = USERS,
    task: str = "next",
) -> list[Cell]:
    """The cells of a grid, seed by seed, so that a run that is broken off has whole seeds.

    What tunes nothing has one cell per seed, at 0 labels (ceiling and "random" too); what tunes
    something has none at 0.

    Args:
        budgets: numbers of labelled users; "all": every user of the split with two or more training
            items.

    Raises:
        InputError: for an unknown strategy, dataset or task, a budget larger than the data, and a
            language model that a strategy cannot work with.
    """
    for seed in seeds:
        check_whole("grid", 0, LARGEST_SEED, seed=seed)
    able = _check(dataset, lm, strategies, budgets, users, task)
    counts = sorted({able if budget == "all" else int(budget) for budget in budgets})
    return [
        Cell(dataset, "" if name in BASELINES else lm, name, labels, seed, users, task)
        for seed in seeds
        for labels in (counts if 0 in counts else [0, *counts])
        for name in strategies
        if (labels == 0) == _untuned(name) and (labels > 0 or 0 in counts or name == "ceiling")
    ]


def default_strategies(dataset: str, lm: str, task: str = "next") -> list[str]:
    """Every baseline and strategy that works with this dataset and language model; few-shot, slow
    to score, only by name.
    """
    from tutorial_lib.strategies import strategies_for
    from tutorial_lib.strategies.like_prediction import LIKE_PROMPTS, LIKE_STRATEGIES

    if task == "like":
        asked = LIKE_PROMPTS if language_model(lm).kind == "causal" else ()
        return [*LIKE_BASELINES, *LIKE_STRATEGIES, *asked]
    known = split_of(dataset).dataset.truth is not None
    left_out = ("few-shot", "p-tuning", "instruct") + (() if known else ("ceiling",))
    names = [*BASELINES, *strategies_for(language_model(lm))]
    return [name for name in names if name not in left_out]


def _untuned(name: str) -> bool:
    from tutorial_lib.strategies import STRATEGIES

    if name in BASELINES:
        return name in UNTUNED
    return name in STRATEGIES and not STRATEGIES[name].moves and name != "few-shot"


def _check(
    dataset: str,
    lm: str,
    strategies: Sequence[str],
    budgets: Sequence[int | str],
    users: int,
    task: str,
) -> int:
    """The arguments of `cells_of`, checked; the number of users that "all" means."""
    from tutorial_lib.strategies import STRATEGIES
    from tutorial_lib.strategies.like_prediction import LIKE_PROMPTS, LIKE_STRATEGIES

    if task not in ("next", "like"):
        raise unknown_name("task", task, ("next", "like"))
    known = [*BASELINES, *STRATEGIES]
    if task == "like":
        known = [*LIKE_BASELINES, *LIKE_STRATEGIES, *LIKE_PROMPTS]
    for name in strategies:
        if name not in known:
            raise unknown_name(f"strategy of the task {task!r}", name, known)
    split = split_of(dataset)
    if "ceiling" in strategies and split.dataset.truth is None:
        raise InputError(
            f"grid: only a planted world has a known ceiling, {dataset} has none: leave"
            " 'ceiling' out"
        )
    able = sum(len(history) > 1 for history in split.train)
    for budget in budgets:
        if budget != "all" and (not isinstance(budget, Integral) or not 0 <= budget <= able):
            raise InputError(
                f"grid: budget {budget!r} of {dataset}: expected 'all' or a number of users from 0"
                f" to {able}"
            )
    check_whole("grid", 1, users=users)
    split.sample_targets(users)  # refuses too many
    for name in sorted(set(strategies) - set(BASELINES)) if task == "next" else ():
        language_model(lm).require(*STRATEGIES[name].kinds, what=f"strategy {name!r}")
    return able


@functools.lru_cache(maxsize=3)
def split_of(dataset: str, held_out: int = 1) -> Split:
    """Leave-last-out of a dataset as the grid uses it, or the last ``held_out`` of each user; kept,
    since a process works on many cells.
    """
    ds = load_dataset(dataset)
    ds = ds if ds.truth is not None else ds.k_core(CORE)
    return leave_last_out(ds) if held_out == 1 else hold_out_k(ds, held_out, valid_k=5)


def next_item_chances(dataset, histories: Sequence, targets: Sequence[int]) -> np.ndarray:
    """p(next item | history), [n, n_items]: a world's own; on other data 1 for the drawn target."""
    if dataset.truth is not None:
        return dataset.truth.next_item_probabilities(histories)
    return np.eye(dataset.n_items)[np.asarray(targets)]


def language_model(name: str):
    """Kept, since a process works on many cells; read again when its files have changed."""
    return _language_model(name, model_fingerprint(name))


@functools.lru_cache(maxsize=1)
def _language_model(name: str, files: str):
    from tutorial_lib.models import load_language_model

    return load_language_model(name)


def labelled_only(split: Split, labels: int, seed: int) -> Split:
    """A split with nothing but the training histories of the users that `adapt` would draw."""
    from tutorial_lib.strategies.tuning import labelled_users

    rows = labelled_users(split, labels, seed)
    train = [split.train[row] for row in rows]
    nothing = [EMPTY] * labels
    return replace(
        split,
        name=f"{split.name}, {labels} labelled",
        users=split.users[rows],
        train=train,
        valid_history=train,
        valid_target=nothing,
        test_history=train,
        test_target=nothing,
    )
