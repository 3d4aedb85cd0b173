"""Exercises of notebook 01: the metrics."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from tutorial_workshop.page.checker import Exercise, Mistake, expect_close

_AT_2 = 1 / math.log2(3)  # discount of rank 2: 0.6309


def _library_ndcg(recommended: list, relevant: set, k: int) -> float:
    """The same metric by ``tutorial_lib.evaluation`` (Järvelin & Kekäläinen 2002, with gain 1 for a
    relevant item).
    """
    from tutorial_lib.evaluation import ranking_metrics

    return float(ranking_metrics([list(recommended)], [set(relevant)], k=k)[f"ndcg@{k}"].iloc[0])


def _one_hit(ndcg: Callable) -> None:
    """One relevant item: the value is the discount of its rank, whatever the rest of the list
    holds.
    """
    first = "Rank 1 counts from one: its discount is 1 / log2(1 + 1) = 1."
    ideal = (
        "The best list that exists holds one hit here, not k hits: IDCG sums over"
        " min(len(relevant), k) ranks."
    )
    bases = "Natural logarithm above, base 2 below: use one base for both."
    counted = "This is precision: you counted the hits and left the discount out."
    one = {1 / (1 + _AT_2 + 0.5): ideal, 1 / 3: counted, 1 / math.log(2): bases}
    expect_close(
        ndcg(["a", "x", "y"], {"a"}, 3), 1.0, 'ndcg_at_k(["a", "x", "y"], {"a"}, 3)', one, first
    )
    two = {
        1.0: (
            "A hit at rank 2 must count less than at rank 1. Is the discount 1 / log2(rank + 1),"
            " with rank counted from 1?"
        ),
        0.5: "That is 1 / rank, the discount of MRR. NDCG uses 1 / log2(rank + 1).",
        math.log2(3) / 2: (
            "The discount is one rank off: it is 1 / log2(i + 1) when i counts from 1, and 1 /"
            " log2(i + 2) when i counts from 0."
        ),
    }
    otherwise = "Check the discount 1 / log2(rank + 1), with rank counted from 1."
    expect_close(
        ndcg(["x", "a", "y"], {"a"}, 3),
        _AT_2,
        'ndcg_at_k(["x", "a", "y"], {"a"}, 3)',
        two,
        otherwise,
    )


def _best_list_is_one(ndcg: Callable) -> None:
    """Nothing beats the ideal list, so it must give exactly 1, for every number of relevant items."""
    for size in (2, 3, 4):
        items = list(range(10, 10 + size))
        dcg = sum(1 / math.log2(rank + 1) for rank in range(1, size + 1))
        where, one = f"ndcg_at_k({items}, {set(items)}, {size})", "A perfect list must give 1."
        not_normalised = (
            f"{one} You return DCG; divide it by IDCG, the DCG of the best possible list."
        )
        expect_close(ndcg(items, set(items), size), 1.0, where, {dcg: not_normalised}, one)
    many = (
        "A list full of relevant items is perfect, even if more are relevant than fit: IDCG sums"
        " over min(len(relevant), k) ranks."
    )
    expect_close(
        ndcg([1, 2], {1, 2, 3, 4}, 2), 1.0, "ndcg_at_k([1, 2], {1, 2, 3, 4}, 2)", otherwise=many
    )


def _short_list(ndcg: Callable) -> None:
    """A list shorter than k loses what it did not recommend."""
    own = (
        "One of two relevant items is missing. IDCG comes from the relevant items, not from the"
        " hits found or the length of the list."
    )
    expect_close(
        ndcg([1], {1, 2}, 5),
        1 / (1 + _AT_2),
        "ndcg_at_k([1], {1, 2}, 5)",
        {1.0: own},
        "The list may be shorter than k.",
    )
    expect_close(
        ndcg([], {1, 2}, 5),
        0.0,
        "ndcg_at_k([], {1, 2}, 5)",
        otherwise="No recommendations, no gain: 0.",
    )


def _cut_at_k(ndcg: Callable) -> None:
    """What stands below rank k is not seen."""
    below = (
        "The hit stands at rank 3, below the cut-off: look at the first k items only,"
        " recommended[:k]."
    )
    expect_close(ndcg([7, 8, 1], {1}, 2), 0.0, "ndcg_at_k([7, 8, 1], {1}, 2)", otherwise=below)


def _duplicates(ndcg: Callable) -> None:
    """Recommending the same item twice earns its gain once, and costs the place that the repeat
    takes.
    """
    twice = (
        "Item 1 was recommended twice and counted twice. Keep the first, and let a repeated item"
        " earn nothing."
    )
    expect_close(
        ndcg([1, 1, 9], {1, 2}, 3),
        1 / (1 + _AT_2),
        "ndcg_at_k([1, 1, 9], {1, 2}, 3)",
        otherwise=twice,
    )
    moved_up = (
        "Item 2 stands at rank 3, below the cut-off: the user sees item 1 at both places. You took"
        " the repeat out before you cut, and so moved item 2 up. Cut first; a repeat earns nothing"
        " and keeps its place."
    )
    where = "ndcg_at_k([1, 1, 2], {1, 2}, 2)"
    expect_close(ndcg([1, 1, 2], {1, 2}, 2), 1 / (1 + _AT_2), where, {1.0: moved_up}, twice)
    closed_up = (
        "Item 2 stands at rank 3, because the repeat of item 1 keeps rank 2. Count ranks in the"
        " list as the user sees it."
    )
    third = (1 + 0.5) / (1 + _AT_2)
    expect_close(
        ndcg([1, 1, 2], {1, 2}, 3),
        third,
        "ndcg_at_k([1, 1, 2], {1, 2}, 3)",
        {1.0: closed_up},
        twice,
    )


def _laws(ndcg: Callable) -> None:
    """On random lists: between 0 and 1, and never lower when a hit moves up."""
    generator = random.Random(0)
    for _ in range(50):
        items = generator.sample(range(20), 8)
        relevant, k = (
            set(generator.sample(range(20), generator.randint(1, 6))),
            generator.randint(1, 10),
        )
        value, where = float(ndcg(items, relevant, k)), f"ndcg_at_k({items}, {relevant}, {k})"
        if not 0 <= value <= 1 + 1e-9:
            raise Mistake(
                f"`{where}` gave {value:.4f}, outside 0 to 1. Divide DCG by the DCG of the best"
                " possible list."
            )
        for rank in range(1, 8):
            if items[rank] in relevant and items[rank - 1] not in relevant:
                better = items[: rank - 1] + [items[rank], items[rank - 1]] + items[rank + 1 :]
                if float(ndcg(better, relevant, k)) < value - 1e-9:
                    raise Mistake(
                        f"`{where}`: moving a hit up from rank {rank + 1} to {rank} made the value"
                        " fall. A higher rank must earn more."
                    )


NDCG = Exercise(
    name="01-ndcg",
    task=(
        "Write ndcg_at_k(recommended, relevant, k): NDCG of one list, gain 1 for a relevant item,"
        " between 0 and 1."
    ),
    checks=(_one_hit, _best_list_is_one, _short_list, _cut_at_k, _duplicates, _laws),
    reference=_library_ndcg,
    hints=(
        (
            "A hit at rank r earns `1 / log2(r + 1)`, with r counted from 1. Add up what the first"
            " k items earn: that is DCG. A repeated item earns only once, and still takes up its"
            " place."
        ),
        (
            "Divide by IDCG, the DCG of the best list that exists. Its first ranks are all hits:"
            " there are `min(len(relevant), k)` of them."
        ),
        (
            "Go through `enumerate(recommended[:k], start=1)` and keep a set `seen`. Add `1 /"
            " math.log2(rank + 1)` for an item that is in `relevant` and not in `seen`. Then divide"
            " by `sum(1 / math.log2(rank + 1) for rank in range(1, min(len(relevant), k) + 1))`."
        ),
    ),
    solution='''
import math


def ndcg_at_k(recommended, relevant, k):
    """NDCG of one list, gain 1 for a relevant item."""
    seen, dcg = set(), 0.0
    for rank, item in enumerate(recommended[:k], start=1):
        if item in relevant and item not in seen:
            dcg += 1 / math.log2(rank + 1)
        seen.add(item)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(relevant), k) + 1))
    return dcg / ideal
''',
)

EXERCISES = {exercise.name: exercise for exercise in (NDCG,)}
