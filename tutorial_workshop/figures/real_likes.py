"""A real language model that is asked about likes, in words: what it says, and how it ranks."""

from __future__ import annotations

import pandas as pd

from tutorial_workshop.experiments.real_titles import by_wording
from tutorial_workshop.figures.grid import select
from tutorial_workshop.figures.real_model import dots, interval_table
from tutorial_workshop.page.output import say, show, table
from tutorial_workshop.page.plots import OKABE_ITO, label_axes


def likes_of_real_models(recorded: pd.DataFrame) -> pd.DataFrame:
    """Likes on MovieLens-100K, of the users whom SmolLM2 was asked about: its own strategies, a
    head on the vectors of another model ("MiniLM head"), and what only counts.
    """
    asked = select(recorded, "ml-100k", "smollm2", "like")
    vectors = select(recorded, "ml-100k", "minilm", "like")
    vectors = vectors[(vectors["lm"] == "minilm") & (vectors["strategy"] == "head")]
    together = pd.concat([asked, vectors.replace({"strategy": {"head": "MiniLM head"}})])
    return together[together["user"].isin(asked.loc[asked["lm"] == "smollm2", "user"])]


def show_wordings(answers: pd.DataFrame) -> pd.DataFrame:
    """AUC and share of affirmative answers by wording, on test users; what was chosen on others.

    Returns:
        One row per wording: mean AUC and share of yes.
    """
    import matplotlib.pyplot as plt

    each = by_wording(answers[answers["part"] == "test"])
    groups = dict(list(each.groupby("wording", sort=False)))
    auc = interval_table({name: of["auc"].dropna() for name, of in groups.items()})
    yes = interval_table({name: of["yes"] for name, of in groups.items()})
    truth = each["truth"].mean()
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.6), sharey=True)
    dots(left, auc, color=OKABE_ITO["blue"])
    dots(right, yes, color=OKABE_ITO["vermillion"])
    left.axvline(0.5, color="#555555", linestyle=":")
    right.axvline(truth, color="#555555", linestyle=":")
    at = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "bottom", "fontsize": 9}
    right.annotate("liked", (truth, 1.0), **at)
    left.annotate("chance", (0.5, 1.0), **at)
    left.locator_params(axis="x", nbins=5)
    label_axes(left, "AUC within users", "wording", title="Does it rank?")
    label_axes(right, "share of affirmative answers", "", title="What does it say?")
    right.set_xlim(-0.02, 1.02)
    words = "; ".join(
        f"{name}: AUC {auc.loc[name, 'mean']:.3f}, yes {yes.loc[name, 'mean']:.2f}"
        for name in auc.index
    )
    show(
        fig,
        alt=f"AUC and share of yes for {len(auc)} wordings. {words}. Liked in truth: {truth:.2f}.",
        caption=f"SmolLM2, MovieLens-100K, {int(yes['n'].iloc[0])} test users, 95 % intervals. "
        "Dotted: chance, and the share that was liked.",
    )
    checked = by_wording(answers[answers["part"] == "valid"])
    best = checked.groupby("wording")["auc"].mean().idxmax()
    low, high = yes["mean"].min(), yes["mean"].max()
    mean, ends = auc.loc[best, "mean"], auc.loc[best, ["low", "high"]]
    say(
        f"The share of yes runs from **{low:.2f} to {high:.2f}**, with the wording alone; "
        f"{truth:.2f} is right.",
        f"Best on {checked['user'].nunique()} validation users: `{best}`. On the test users its "
        f"AUC is {mean:.3f} [{ends['low']:.3f}, {ends['high']:.3f}].",
    )
    return pd.DataFrame({"auc": auc["mean"], "yes": yes["mean"]})


def show_forms(answers: pd.DataFrame) -> pd.DataFrame:
    """One question in several forms: what each says, how it ranks, and how often it gives the same
    answer as the first.
    """
    said = answers.assign(yes=answers["score"] > 0).pivot(
        index=["user", "item"], columns="wording", values="yes"
    )
    each = by_wording(answers)
    first = answers["wording"].iloc[0]
    found = each.groupby("wording", sort=False)[["yes", "auc"]].mean()
    found[f"same answer as {first}"] = said.eq(said[first], axis=0).mean()
    table(
        found.rename_axis("form").rename(columns={"auc": "AUC"}),
        caption=f"SmolLM2, {each['user'].nunique()} test users; liked in truth: "
        f"{each['truth'].mean():.2f}",
        digits=2,
    )
    return found


def show_threshold(answers: pd.DataFrame) -> pd.DataFrame:
    """What a threshold mends that is set on validation users, where as many say yes as like."""
    parts = {name: of for name, of in answers.groupby("part")}
    rows = {}
    for name, known in parts["valid"].groupby("wording", sort=False):
        asked = parts["test"][parts["test"]["wording"] == name]
        threshold = known["score"].quantile(1 - known["liked"].mean())
        yes = {"as asked": asked["score"] > 0, "with a threshold": asked["score"] > threshold}
        right = {f"right {how}": (said == asked["liked"]).mean() for how, said in yes.items()}
        rows[name] = {f"yes {how}": said.mean() for how, said in yes.items()} | right
    found = pd.DataFrame(rows).T.rename_axis("wording")
    users = [parts[part]["user"].nunique() for part in ("valid", "test")]
    table(
        found,
        caption=f"Share of yes and of right answers, {users[1]} test users; thresholds from "
        f"{users[0]} others",
        digits=2,
    )
    return found
