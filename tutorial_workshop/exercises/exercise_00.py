"""Exercise of notebook 00: a small one, to see how exercises work."""

from __future__ import annotations

from collections.abc import Callable

from tutorial_workshop.page.checker import Exercise, Mistake, expect_close


def _library_hit(recommended: list, target: object, k: int) -> float:
    """The same metric by ``tutorial_lib.evaluation``."""
    from tutorial_lib.evaluation import ranking_metrics

    return float(ranking_metrics([list(recommended)], [[target]], k=k)[f"hit@{k}"].iloc[0])


def _found(hit: Callable) -> None:
    """A target among the first k counts 1, wherever it stands there."""
    for items in (["a", "x", "y"], ["x", "y", "a"]):
        reasons = {
            1 / 3: "That is precision: hits divided by k. A hit counts 1.",
            0.0: "The target stands inside the first k items, so it is a hit.",
        }
        expect_close(
            hit(items, "a", 3),
            1.0,
            f'hit_at_k({items}, "a", 3)',
            reasons,
            "Only one thing counts: is the target there, 1 or 0?",
        )


def _missed(hit: Callable) -> None:
    """A target that is not in the list counts 0."""
    expect_close(
        hit(["x", "y"], "a", 2),
        0.0,
        'hit_at_k(["x", "y"], "a", 2)',
        otherwise="The target is not in the list: no hit, 0.",
    )
    expect_close(
        hit([], "a", 2),
        0.0,
        'hit_at_k([], "a", 2)',
        otherwise="Nothing was recommended: no hit, 0.",
    )


def _cut(hit: Callable) -> None:
    """What stands below rank k is not seen."""
    where = 'hit_at_k(["x", "y", "a"], "a", 2)'
    value = hit(["x", "y", "a"], "a", 2)
    if float(value) == 1.0:
        raise Mistake(
            f"`{where}` gave 1, but the target stands at rank 3 and k is 2. Look at the first k"
            " items only: recommended[:k]."
        )
    expect_close(value, 0.0, where)
    edge = "Rank k itself still counts: recommended[:k] holds the ranks 1 to k."
    expect_close(
        hit(["x", "a", "y"], "a", 2), 1.0, 'hit_at_k(["x", "a", "y"], "a", 2)', otherwise=edge
    )


HIT = Exercise(
    name="00-hit",
    task=(
        "Write hit_at_k(recommended, target, k): 1 if the target is among the first k recommended"
        " items, else 0."
    ),
    checks=(_found, _missed, _cut),
    reference=_library_hit,
    hints=(
        (
            "Only the first k items of the list are shown to the user. A list can be cut with"
            " square brackets."
        ),
        "`recommended[:k]` holds the first k items, and `target in something` is True or False.",
        (
            "`target in recommended[:k]` says it all; `float(...)` turns True into 1.0 and False"
            " into 0.0. Do not forget `return`."
        ),
    ),
    solution='''
def hit_at_k(recommended, target, k):
    """1.0 if the target is among the first k recommended items, else 0.0."""
    return float(target in recommended[:k])
''',
)

EXERCISES = {exercise.name: exercise for exercise in (HIT,)}
