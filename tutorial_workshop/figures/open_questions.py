"""Notebook 11: objectives side by side, and answers from reviews."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.evaluation import compare, holm_comparisons, pareto_front
from tutorial_workshop.figures.real_model import interval_table
from tutorial_workshop.page.output import say, show, table
from tutorial_workshop.page.plots import OKABE_ITO, label_axes, note

KINDS = {"right": "green", "false": "vermillion", "something else": "sky", "no answer": "black"}


WHO = {"model": "answer", "count": "counted"}  # column that holds the answer


def joint_table(recorded: pd.DataFrame, base: str, margin: float) -> pd.DataFrame:
    """Each objective against one of them, adjusted for all tests (Holm).

    Args:
        recorded: ``data/results/joint-objectives.csv.gz``.
        base: objective that the others are compared with.
        margin: see `Comparison.verdict`.

    Returns:
        objective -> ndcg@10, seconds, worst seed (its mean), difference, low, high, verdict; and
        ``front``, whether no objective is both cheaper and better.
    """
    runs = {
        name: of.set_index(["seed", "user"])[["ndcg@10"]]
        for name, of in recorded.groupby("objective", sort=False)
    }
    means = recorded.groupby("objective", sort=False)[["ndcg@10", "seconds"]].mean()
    tests = {name: compare(of, runs[base]) for name, of in runs.items() if name != base}
    found = holm_comparisons(tests, margin)[["difference", "low", "high", "verdict"]]
    by_seed = recorded.groupby(["objective", "seed"])["ndcg@10"].mean()
    out = means.join(by_seed.groupby("objective").min().rename("worst seed")).join(found)
    out["front"] = pareto_front(np.column_stack([-out["seconds"], out["ndcg@10"]]))
    return out


def show_joint(found: pd.DataFrame, base: str, seeds: int) -> None:
    """The Pareto view of `joint_table`, and its rows."""
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.2), layout="constrained")
    near = found["ndcg@10"] > found.loc[base, "ndcg@10"] - 0.005
    for ax, rows in ((left, found), (right, found[near])):
        for name, row in rows.iterrows():
            colour, marker = ("vermillion", "D") if row["front"] else ("blue", "o")
            ax.plot(row["seconds"], row["ndcg@10"], marker, color=OKABE_ITO[colour])
            if ax is right or not near[name]:
                apart = rows[["seconds", "ndcg@10"]] - row[["seconds", "ndcg@10"]]
                level = apart["ndcg@10"].abs() < 0.04 * np.ptp(rows["ndcg@10"])
                blocked = (level & apart["seconds"].between(0.01, 2)).any()
                place = {"ha": "right"} if blocked else {}
                at, shift = (row["seconds"], row["ndcg@10"]), (-6 if blocked else 6, -3)
                note(ax, str(name), at, shift, fontsize=8, **place)
        ax.margins(x=0.35)
    label_axes(left, "processor time to train", "test NDCG@10, in expectation", x_unit="s")
    label_axes(right, "processor time to train", "", x_unit="s", title=f"those near {base}")
    best = ", ".join(found.index[found["front"]])
    words = "; ".join(f"{n} {r['ndcg@10']:.3f}, {r['seconds']:.0f} s" for n, r in found.iterrows())
    show(
        fig,
        alt=f"NDCG@10 against seconds of training for {len(found)} objectives. {words}. Nothing is"
        f" both cheaper and better than: {best}.",
        caption=f"world-movies, {seeds} seeds. Diamonds: no other objective is cheaper and better.",
    )
    table(
        found.drop(columns="front").rename(columns={"difference": f"minus {base}"}),
        caption=f"Against {base}: paired over seeds and users, adjusted for {len(found) - 1} tests",
        digits=3,
        fold=True,
    )


def answer_kinds(answers: pd.DataFrame, column: str = "answer") -> pd.Series:
    """Of each answer, a key of `KINDS`."""
    said = answers[column].fillna("")
    kinds = np.select(
        [said == "", said == answers["strength"], said == answers["false"]],
        ["no answer", "right", "false"],
        "something else",
    )
    return pd.Series(kinds, index=answers.index)


def show_evidence(answers: pd.DataFrame) -> pd.DataFrame:
    """Shares of right and false answers by what the prompt showed, of the model and of a count of
    the same reviews.

    Returns:
        condition -> shares, columns "model: right", "model: false", "count: right", "count: false".
    """
    shares, intervals = {}, {}
    for name, of in answers.groupby("condition", sort=False):
        kinds = {who: answer_kinds(of, column) for who, column in WHO.items()}
        found = interval_table(
            {f"{who}: {kind}": kinds[who] == kind for who in WHO for kind in ("right", "false")}
        )
        shares[name] = found["mean"]
        ends = found.apply(lambda r: f" [{r['low']:.2f}, {r['high']:.2f}]", axis=1)
        intervals[name] = found["mean"].map("{:.2f}".format) + ends.where(found["low"].notna(), "")
    out = pd.DataFrame(shares).T.rename_axis("reviews shown")
    told = pd.DataFrame(intervals, index=out.columns).T.rename_axis("reviews shown")
    n = answers["item"].nunique()
    table(told, caption=f"Share of answers, 95 % intervals: SmolLM2, and a count; {n} items")
    return out


@dataclass(frozen=True)
class CitationView:
    """What is left of a model's answers if an answer needs so many reviews that support it.

    Args:
        answers: of `experiments.real_evidence.answers_from_reviews`.
    """

    answers: pd.DataFrame

    def shares(self, supporting: int) -> pd.DataFrame:
        """condition -> share of each of `KINDS`."""
        given = self.answers[self.answers["condition"] != "none"]
        enough = given["supporting"] >= supporting
        kinds = answer_kinds(given.assign(answer=given["answer"].where(enough)))
        return pd.crosstab(given["condition"], kinds, normalize="index").reindex(
            index=given["condition"].unique(), columns=list(KINDS), fill_value=0.0
        )

    def draw(self, supporting: int):
        """One bar per condition, in parts."""
        import matplotlib.pyplot as plt

        shares = self.shares(supporting)
        fig, ax = plt.subplots(figsize=(7.6, 3.2), layout="constrained")
        left = np.zeros(len(shares))
        hatches = ("", "//", "..", "")
        for (kind, colour), hatch in zip(KINDS.items(), hatches, strict=True):
            style = {"color": OKABE_ITO[colour], "hatch": hatch, "edgecolor": "white"}
            if kind == "no answer":
                style |= {"color": "#DDDDDD"}
            ax.barh(shares.index, shares[kind], left=left, label=kind, **style)
            left += shares[kind].to_numpy()
        ax.invert_yaxis()
        label_axes(ax, "share of items", "reviews shown")
        fig.legend(loc="outside upper center", ncols=4, frameon=False)
        return fig

    def describe(self, supporting: int) -> str:
        """Right and false answers under each condition."""
        rows = self.shares(supporting).iterrows()
        told = "; ".join(f"{n}: {r['right']:.0%} right, {r['false']:.0%} false" for n, r in rows)
        return f"Answers that {supporting} or more of the shown reviews support. {told}."


def say_false_answers(found: pd.DataFrame) -> None:
    """What a false review, and an order in one, did to model and count."""
    for name, what in (("planted", "one false review"), ("injected", "an order in a review")):
        model, count = (found.loc[name, f"{who}: false"] for who in WHO)
        say(f"With {what}: false answers of the model {model:.0%}, of a count {count:.0%}.")
