"""Exercise of notebook 06: a strategy of your own, which plays by the rules of the experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from tutorial_lib.errors import InputError
from tutorial_lib.recommender import ScoreRecommender
from tutorial_workshop.page.checker import Exercise, Mistake

_ITEMS, _USERS, _LENGTH, _LABELS = 30, 40, 9, 20


class Blend(ScoreRecommender):
    """Adds up what several recommenders say: each one's scores of a history, standardised (mean 0,
    spread 1), times its weight.

    parts: fitted recommenders of one catalogue. weights: one per part, any numbers.
    """

    def __init__(self, parts: Sequence, weights: Sequence[float]):
        if not len(parts) == len(weights) > 0:
            raise InputError(
                f"Blend: {len(parts)} parts and {len(weights)} weights; give one weight per part,"
                " and at least one part"
            )
        self.parts, self.weights, self.n_items = list(parts), list(weights), parts[0].n_items

    def score(self, histories, users=None) -> np.ndarray:
        """[n, n_items]."""
        total = np.zeros((len(histories), self.n_items))
        for part, weight in zip(self.parts, self.weights, strict=True):
            scores = np.asarray(part.score(histories, users=users), dtype=float)
            spread = scores.std(axis=1, keepdims=True)
            total += (
                weight
                * (scores - scores.mean(axis=1, keepdims=True))
                / np.where(spread > 0, spread, 1.0)
            )
        return total


def _blend(split, labels: int, seed: int) -> Blend:
    """The reference: what the labelled users have, and what the language model finds likely without
    any label.
    """
    from tutorial_lib.models import Popularity
    from tutorial_lib.strategies import adapt
    from tutorial_workshop.experiments.cells import labelled_only, language_model

    counted = Popularity().fit(labelled_only(split, labels, seed))
    asked = adapt(language_model("kit-gpt"), split, "zero-shot", labels=0, seed=seed)
    return Blend([counted, asked], [1.0, 1.0])


# --- a small world to check in
# -----------------------------------------------------------------------------------------------------------


@cache
def _split(kept: tuple[int, ...] | None = None, last: bool = True):
    """A world in which some items are liked by most. kept: users whose training part stays; all
    others get other items, everywhere.

    last: False changes the held-out items of all users too.
    """
    import pandas as pd

    from tutorial_lib.data import Dataset, DatasetCard, leave_last_out

    rng = np.random.default_rng(6)
    chance = 1.0 / (1 + np.arange(_ITEMS)) ** 1.3
    order = rng.permutation(_ITEMS)
    sequences = np.array(
        [
            order[rng.choice(_ITEMS, _LENGTH, replace=False, p=chance / chance.sum())]
            for _ in range(_USERS)
        ]
    )
    if kept is not None:
        others = [user for user in range(_USERS) if user not in kept]
        sequences[others] = (sequences[others] + 11) % _ITEMS
    if not last:
        sequences[:, -2:] = (sequences[:, -2:] + 7) % _ITEMS
    interactions = pd.DataFrame({
        "user": np.repeat(np.arange(_USERS), _LENGTH), "item": sequences.ravel(), "rating": 5.0,
        "timestamp": np.tile(np.arange(_LENGTH), _USERS),
    })  # fmt: skip
    titles = [
        f"{a} {b}"
        for a in ("Dark", "Quiet", "Last", "Golden", "Lost")
        for b in ("Comet", "River", "Owl", "Train", "Harbour", "Key")
    ]
    items = pd.DataFrame(
        {
            "item_id": range(_ITEMS),
            "title": titles,
            "text": titles,
            "categories": [("film",)] * _ITEMS,
            "provider": "x",
        }
    )
    card = DatasetCard("check", "a small world", "made up", "CC0")
    return leave_last_out(
        Dataset("check", interactions, items, pd.DataFrame({"user_id": range(_USERS)}), card)
    )


def _scores(strategy: Callable, split, labels: int = _LABELS, seed: int = 0) -> np.ndarray:
    """What the learner's recommender gives to some histories, or a mistake that says why that is no
    recommender.
    """
    where = f"my_strategy(split, labels={labels}, seed={seed})"
    made = strategy(split, labels, seed)
    if isinstance(made, type):
        raise Mistake(
            f"`{where}` gave the class {made.__name__}; expected a fitted recommender: make one,"
            " fit it, give it back."
        )
    if not hasattr(made, "score"):
        raise Mistake(
            f"`{where}` gave {type(made).__name__}; expected a recommender, something with"
            " `score(histories, users=None)`."
        )
    histories = [[1, 2, 3], [4], list(range(8))]
    try:
        scores = np.asarray(made.score(histories, users=None), dtype=float)
    except (InputError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Mistake(
            f"`{where}.score(histories, users=None)` stopped with {type(error).__name__}: {error}."
            " Is it fitted?"
        ) from error
    if scores.shape != (len(histories), _ITEMS):
        raise Mistake(
            f"`{where}.score` gave the shape {scores.shape} for {len(histories)} histories and"
            f" {_ITEMS} items; expected {(len(histories), _ITEMS)}: one row per history, one column"
            " per item of the whole catalogue."
        )
    if np.isnan(scores).any():
        raise Mistake(
            f"`{where}.score` holds NaN. Do you divide by 0, or take the logarithm of a count that"
            " is 0? Add 1 to the counts."
        )
    if not np.isfinite(scores).all():
        raise Mistake(
            f"`{where}.score` holds infinite numbers: log(0)? An item that no labelled user has"
            " needs a finite score, too."
        )
    return scores


def _a_recommender(strategy: Callable) -> None:
    """One finite number for each history and item."""
    _scores(strategy, _split())


def _labelled_only(strategy: Callable) -> None:
    """Nobody but the labelled users counts, and of them the training part."""
    from tutorial_lib.strategies.tuning import labelled_users

    for labels, seed in ((_LABELS, 0), (6, 3)):
        users = tuple(labelled_users(_split(), labels, seed).tolist())
        before, call = (
            _scores(strategy, _split(), labels, seed),
            f"my_strategy(split, labels={labels}, seed={seed})",
        )
        if not np.allclose(
            before, _scores(strategy, _split(tuple(range(_USERS)), last=False), labels, seed)
        ):
            raise Mistake(
                f"`{call}`: the scores changed with the held-out items of the users. Those are the"
                " answers of the test: fit on `split.train` of labelled users, never on"
                " `dataset.interactions`, histories of the test, or targets."
            )
        if not np.allclose(before, _scores(strategy, _split(users), labels, seed)):
            raise Mistake(
                f"`{call}`: the scores changed with the histories of users who have no label. Fit"
                " on `labelled_only(split, labels, seed)`, with the number and the seed that you"
                " were given, else your point on the plot stands at the wrong budget."
            )


def _same_seed(strategy: Callable) -> None:
    """The same call, the same scores."""
    first = _scores(strategy, _split(), seed=1)
    if not np.allclose(first, _scores(strategy, _split(), seed=1)):
        raise Mistake(
            "Two calls with the same seed gave different scores. Draw from"
            " np.random.default_rng(seed) only, and pass seed on."
        )


def _beats_random(strategy: Callable) -> None:
    """On validation users of a world where some items are liked by most, half the labels must be
    worth something.
    """
    from tutorial_lib.evaluation import evaluate

    split = _split()
    constant = type(
        "Constant",
        (),
        {"score": lambda self, histories, users=None: np.zeros((len(histories), _ITEMS))},
    )()
    chance = evaluate(constant, split, k=10, on="valid")[
        "ndcg@10"
    ].mean()  # ties in any order: exactly what random lists give
    found = np.mean(
        [
            evaluate(strategy(split, _LABELS, seed), split, k=10, on="valid")["ndcg@10"].mean()
            for seed in range(3)
        ]
    )
    if found < 0.8 * chance:
        raise Mistake(
            f"Validation NDCG@10 is {found:.3f} in a small world with favourites, below that of"
            f" random lists ({chance:.3f}). Is the sign wrong? Higher must mean better."
        )
    if found < 1.4 * chance:
        raise Mistake(
            f"Validation NDCG@10 is {found:.3f} in a small world with favourites, random lists have"
            f" {chance:.3f}: nothing was learned. Counting what the labelled users have would do"
            " better."
        )


STRATEGY = Exercise(
    name="06-strategy",
    task=(
        "Write my_strategy(split, labels, seed): a fitted recommender that has used the training"
        " histories of the labelled users only."
    ),
    checks=(_a_recommender, _same_seed, _labelled_only, _beats_random),
    reference=_blend,
    hints=(
        (
            "`labelled_only(split, labels, seed)` is a split that holds the training histories of"
            " the labelled users and nothing else: whatever you fit on it plays by the rules. Any"
            " recommender of notebook 01 is a start."
        ),
        (
            "A language model brings what needs no label: `adapt(language_model('kit-gpt'), split,"
            " 'zero-shot', labels=0, seed=seed)`. What could the labelled users add, which no text"
            " says?"
        ),
        (
            "`Blend([a, b], [1.0, 1.0])` adds up what two fitted recommenders say, each"
            " standardised. Take `Popularity().fit(known)` for a, with `known` from"
            " `labelled_only`, and the zero-shot model for b."
        ),
    ),
    solution='''
from tutorial_workshop.experiments.cells import labelled_only, language_model
from tutorial_lib.models import Popularity
from tutorial_lib.strategies import adapt
from tutorial_workshop.exercises.exercise_06 import Blend

def my_strategy(split, labels, seed):
    """Popularity among the labelled users, beside a language model that was tuned on nothing."""
    known = labelled_only(split, labels, seed)
    asked = adapt(language_model("kit-gpt"), split, "zero-shot", labels=0, seed=seed)
    return Blend([Popularity().fit(known), asked], [1.0, 1.0])
''',
)

EXERCISES = {exercise.name: exercise for exercise in (STRATEGY,)}
