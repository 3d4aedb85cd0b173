"""Checks of notebook 04: the likeliest titles of a tree, without reading most of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tutorial_workshop.exercises.checks import Mistake

END = "<end>"


class Model:
    """A made-up language model over a few tokens; it counts what it is asked."""

    def __init__(self, seed: int):
        self.seed = seed
        self.asked: list[tuple[int, ...]] = []

    def __deepcopy__(self, memo: object) -> Model:
        return self  # the checks call learners with copies, and want to see what they asked

    def __call__(self, beginning) -> dict[int, float]:
        if not isinstance(beginning, tuple):
            raise Mistake(f"next_log_p got {beginning!r:.40}; expected a tuple of tokens.")
        self.asked.append(beginning)
        return self.after(beginning)

    def after(self, beginning: tuple[int, ...]) -> dict[int, float]:
        """{token: log p} of 6 tokens."""
        p = np.random.default_rng([self.seed, *beginning]).dirichlet(np.full(6, 0.6))
        return dict(enumerate(np.log(p).tolist()))

    def log_p(self, title: tuple[int, ...]) -> float:
        return math.fsum(self.after(title[:n])[token] for n, token in enumerate(title))


def _catalogue(seed: int) -> tuple[dict, list[tuple[int, ...]]]:
    """A tree of nested dicts and its titles, some of which begin others."""
    rng = np.random.default_rng(seed)
    titles = {tuple(map(int, rng.integers(6, size=rng.integers(3, 6)))) for _ in range(60)}
    titles |= {title[:-1] for title in sorted(titles)[::9]}
    tree: dict = {}
    for title in titles:
        node = tree
        for token in title:
            node = node.setdefault(token, {})
        node[END] = True
    return tree, sorted(titles)


def _answer(best_titles: Callable, tree: dict, model: Model, k: int) -> list[tuple]:
    """[(title, log p)], or a mistake that says what came out instead."""
    found = best_titles(tree, END, model, k)
    try:
        return [(tuple(title), float(log_p)) for title, log_p in found]
    except (TypeError, ValueError):
        raise Mistake(
            f"`best_titles(tree, end, next_log_p, {k})` gave {found!r:.60}; expected a list of"
            " pairs, (tuple of tokens, log p)."
        ) from None


def _exact(best_titles: Callable) -> None:
    """The same list as scoring every title, whatever the model."""
    for seed in range(8):
        tree, titles = _catalogue(seed)
        model = Model(seed)
        right = sorted(titles, key=model.log_p, reverse=True)
        for k in (1, 5):
            found = _answer(best_titles, tree, model, k)
            where = f"Asked for {k} of {len(titles)} titles, you gave"
            for title, log_p in found:
                if title not in titles:
                    raise Mistake(
                        f"{where} {title}, which is none: a title is complete where `end` is a key."
                    )
                if abs(log_p - model.log_p(title)) > 1e-6:
                    raise Mistake(
                        f"{where} {title} the log p {log_p:.3f}; it is {model.log_p(title):.3f},"
                        " the sum over its tokens: no mean, and no minus of the heap."
                    )
            if len(found) != k:
                raise Mistake(f"{where} {len(found)}. Stop when {k} are complete, not before.")
            _compare([title for title, _ in found], right, where)


def _compare(found: list[tuple], right: list[tuple], where: str) -> None:
    """A mistake where the titles are not the first of ``right``, in their order."""
    k = len(found)
    if found == right[:k]:
        return
    if sorted(found) == sorted(right[:k]):
        raise Mistake(f"{where} the right ones in another order: the best comes first.")
    lost = next(title for title in right[:k] if title not in found)
    why = (
        "A title may only be listed once nothing that is still open is likelier: put it onto the"
        " heap with the beginnings, and list it when it comes out. And drop no beginning because it"
        " looks poor so far."
    )
    if any(other[: len(lost)] == lost for other in right if other != lost):
        why += " It begins another title: a node may hold `end` and go on."
    raise Mistake(f"{where} titles that are not the likeliest: {lost} is missing. {why}")


def _all_of_them(best_titles: Callable) -> None:
    """More than there are: all, and no error."""
    tree, titles = _catalogue(0)
    found = _answer(best_titles, tree, Model(0), len(titles) + 5)
    if len(found) != len(titles):
        raise Mistake(
            f"Asked for more titles than there are, you gave {len(found)} of {len(titles)}: stop"
            " when the heap is empty."
        )


def _asks_rarely(best_titles: Callable) -> None:
    """Only beginnings that are likelier than the last title of the list, each once."""
    for seed in range(8):
        tree, titles = _catalogue(seed)
        model = Model(seed)
        last = model.log_p(_answer(best_titles, tree, model, 3)[-1][0])
        if len(set(model.asked)) < len(model.asked):
            raise Mistake(
                "next_log_p was asked twice about the same beginning: that runs the model again."
                " Ask once for all tokens behind a beginning."
            )
        inner = {title[:n] for title in titles for n in range(len(title))}
        needed = {path for path in inner if model.log_p(path) > last}
        for path in model.asked:
            if path not in inner:
                raise Mistake(f"next_log_p was asked about {path}, behind which no title goes on.")
            if path not in needed and model.log_p(path) < last:
                raise Mistake(
                    f"For 3 titles next_log_p was asked about {len(model.asked)} beginnings, and"
                    f" {len(needed)} are enough: one that is less likely than the third title"
                    " cannot lead to a better one."
                )


BEST_FIRST = (_exact, _all_of_them, _asks_rarely)
