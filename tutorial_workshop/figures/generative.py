"""Figures and tables of notebook 10: code words and the items that share them, IDs as they are
written, and what lists earn where the next item is of a kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tutorial_lib.evaluation import Comparison, compare, mean_interval
from tutorial_workshop.page.output import points, table
from tutorial_workshop.page.plots import OKABE_ITO, label_axes

KNOWN = ("ceiling", "share")  # rows of the recorded table that are no model
LISTED = 6  # titles that a sentence names


@dataclass(frozen=True, eq=False)
class CodeExplorer:
    """Items by their vectors, and those that share the first code words of one of them.

    Attributes:
        titles: one per item.
        words: int [n_items, levels].
        vectors: [n_items, width]; the picture shows their two main directions.
    """

    titles: Sequence[str]
    words: np.ndarray = field(repr=False)
    vectors: np.ndarray = field(repr=False)

    def sharing(self, item: int, first: int) -> np.ndarray:
        """The other items with the same ``first`` code words."""
        same = (self.words[:, :first] == self.words[item, :first]).all(axis=1)
        return np.setdiff1d(np.flatnonzero(same), [item])

    def draw(self, item: int, words: int):
        """All items in grey; those that share the first ``words`` code words, and the item."""
        import matplotlib.pyplot as plt

        centred = self.vectors - self.vectors.mean(axis=0)
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        x, y = axes[:2] @ centred.T
        near = self.sharing(item, words)
        fig, ax = plt.subplots(figsize=(6.6, 4.4), layout="constrained")
        ax.plot(x, y, ".", color="#BBBBBB", markersize=4, label="all items")
        ax.plot(x[near], y[near], "s", color=OKABE_ITO["blue"], label="share the words chosen")
        style = {"color": OKABE_ITO["vermillion"], "markersize": 14}
        ax.plot(x[item], y[item], "*", label=str(self.titles[item]), **style)
        ax.legend(loc="best", fontsize=9)
        label_axes(ax, "first main direction of the texts", "second main direction")
        return fig

    def describe(self, item: int, words: int) -> str:
        """The item's code words, and who shares the first of them."""
        near = self.sharing(item, words)
        named = "; ".join(str(self.titles[other]) for other in near[:LISTED])
        more = f" and {len(near) - LISTED} more" if len(near) > LISTED else ""
        written = " ".join(f"{'abcdefgh'[level]}{w}" for level, w in enumerate(self.words[item]))
        what = "its first word" if words == 1 else f"its first {words} words"
        shared = f"no other item shares {what}."
        if near.size:
            shared = f"{len(near)} others share {what}: {named}{more}."
        return f"**{self.titles[item]}** is written `{written}`; {shared}"


def show_written(written, titles: Sequence[str], row: int = 0, most: int = 8) -> None:
    """Show the IDs that a retriever wrote for one history, best first."""
    names = [titles[item] if item >= 0 else "(no item has this ID)" for item in written.items[row]]
    frame = pd.DataFrame(
        {
            "ID": [" ".join(map(str, tokens)) for tokens in written.tokens[row]],
            "title": names,
            "probability": np.exp(written.log_probabilities[row].astype(float)),
        },
        index=pd.RangeIndex(1, len(names) + 1, name="beam"),
    )
    table(frame.head(most), caption="What the model wrote, best first", digits=4)


def earned(users: pd.DataFrame, world: str, kind: str) -> dict[str, pd.DataFrame]:
    """What each user's list adds to E[NDCG@10 | the next item is of a kind], for each model.

    The mean over users is the expectation: sum of what is earned with items of the kind, divided
    by how likely such an item is, averaged over all users.

    Args:
        users: recorded rows, ``generative-users.csv.gz``.
        world: one of its worlds.
        kind: one of its columns.

    Returns:
        model -> one column, named as the kind, index ("seed", "user").
    """
    rows = users[users["world"] == world].set_index(["model", "seed", "user"])[kind]
    share = rows.loc["share"].mean()
    names = [name for name in rows.index.unique("model") if name != "share"]
    return {name: (rows.loc[name] / share).to_frame(kind) for name in names}


def kind_means(users: pd.DataFrame, world: str, kinds: Sequence[str]) -> pd.DataFrame:
    """Mean of `earned` for each model (rows) and kind (columns), best by the first kind on top."""
    found = {}
    for kind in kinds:
        found[kind] = {
            name: frame[kind].mean() for name, frame in earned(users, world, kind).items()
        }
    return pd.DataFrame(found).sort_values(kinds[0], ascending=False).rename_axis("model")


def kind_tests(
    users: pd.DataFrame, world: str, kinds: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> dict[str, Comparison]:
    """Paired comparisons "a − b, kind", over the seeds that both have run; a model without seeds of
    its own stands beside every seed of the other.
    """
    tests = {}
    for kind in kinds:
        frames = earned(users, world, kind)
        for a, b in pairs:
            one, other = _same_seeds(frames[a], frames[b])
            tests[f"{a} − {b}, {kind}"] = compare(one, other, kind)
    return tests


def _same_seeds(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both with the seeds that both have; one that has seed 0 only is repeated."""
    seeds = [set(frame.index.unique("seed")) for frame in (a, b)]
    if seeds[0] != seeds[1] and {0} in seeds:
        wanted = seeds[0] | seeds[1]
        a, b = (
            pd.concat({seed: f.xs(0) for seed in wanted}, names=["seed"]) if own == {0} else f
            for f, own in zip((a, b), seeds, strict=True)
        )
    both = a.index.intersection(b.index)
    return a.loc[both], b.loc[both]


def claim_in_words(verdicts: Mapping[str, str], pair: tuple[str, str]) -> str:
    """What `kind_tests` say of "wins on unseen transitions, loses on seen": confirmed, refuted or
    open, by the rule that the notebook declares.

    >>> pair = ("a", "b")
    >>> claim_in_words({"a − b, seen": "worse", "a − b, unseen": "better"}, pair)
    'Unseen: better; seen: worse. The claim is **confirmed** here.'
    >>> claim_in_words({"a − b, seen": "worse", "a − b, unseen": "equivalent"}, pair)
    'Unseen: equivalent; seen: worse. The claim is **refuted** here.'
    """
    name = " − ".join(pair)
    unseen, seen = (verdicts[f"{name}, {kind}"] for kind in ("unseen", "seen"))
    said = "open"
    if (unseen, seen) == ("better", "worse"):
        said = "confirmed"
    elif unseen in ("worse", "equivalent") or seen in ("better", "equivalent"):
        said = "refuted"
    return f"Unseen: {unseen}; seen: {seen}. The claim is **{said}** here."


def show_kinds(
    users: pd.DataFrame, world: str, kinds: Sequence[str], models: Sequence[str]
) -> None:
    """Show what models earn with next items of each kind, as points with intervals over users."""
    groups: dict = {}
    for kind in kinds:
        frames = earned(users, world, kind)
        per_user = {name: frames[name].groupby("user").mean() for name in models}
        groups[kind] = [mean_interval(frame, kind) for frame in per_user.values()]
    points(
        list(models),
        groups,
        quantity="E[NDCG@10 | next item is of this kind]",
        caption=f"{world}; whiskers: 95 % over users, seeds averaged.",
    )


def costs_table(cells: pd.DataFrame, world: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Means over seeds of recorded columns, for the models of one world that write IDs."""
    rows = cells[(cells["world"] == world) & cells["model"].str.startswith("IDs: ")]
    means = rows.groupby("model")[list(names)].mean().rename(columns=names)
    return means.rename_axis("IDs").rename(index=lambda name: name.removeprefix("IDs: "))


def show_rankings_by_gap(users: pd.DataFrame, world: str) -> dict[str, Comparison]:
    """Show the blind and the time-aware ranking of a world of visits, each by the gap to the event
    before and with its own ceiling; return what knowing the time is worth, to a model and at best.
    """
    kinds = ["all", "same second", "later"]
    means = kind_means(users, world, kinds)
    told = means.index.str.contains("time-aware") | (means.index == "ceiling")
    for rows, ceiling, name in (
        (means[~told], "ceiling, blind", "Blind: only the order of events is known"),
        (means[told], "ceiling", "Time-aware: all times are known, that of the next event too"),
    ):
        shown = rows.assign(**{"of its ceiling": rows["all"] / rows.loc[ceiling, "all"]})
        table(shown, caption=f"{name}. {world}, NDCG@10 in expectation", digits=3)
    pairs = [("item Transformer, time-aware", "item Transformer"), ("ceiling", "ceiling, blind")]
    recorded = [pair for pair in pairs if {*pair} <= {*means.index}]
    return kind_tests(users, world, kinds, recorded)
