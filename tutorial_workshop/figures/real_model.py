"""A real language model on real titles, from the recorded probes of `experiments.real_titles`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tutorial_lib.audit import counterfactual_findings
from tutorial_lib.data.shipped import shipped
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import compare, holm, mean_interval
from tutorial_lib.language.attributes import NEUTRAL
from tutorial_workshop.experiments.real_titles import COLD
from tutorial_workshop.figures.labels import over_seeds
from tutorial_workshop.figures.searches import say_calls_needed, search_traces
from tutorial_workshop.figures.words import verdict_table
from tutorial_workshop.page.output import say, show, table
from tutorial_workshop.page.plots import OKABE_ITO, label_axes, whiskers


def probe(name: str) -> pd.DataFrame:
    """A recorded table of SmolLM2; names: the parts of benchmarks/real_lm.py."""
    path = shipped(f"results/smollm2-{name}.csv.gz")
    if not path.exists():
        raise InputError(
            f"no recorded table smollm2-{name}: python benchmarks/real_lm.py --part {name} makes it"
        )
    return pd.read_csv(path)


def interval_table(groups: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Mean, low, high and n of each group of values, one group per row."""
    found = {
        name: mean_interval(pd.DataFrame({"value": np.asarray(values, dtype=float)}), "value")
        for name, values in groups.items()
    }
    rows = {name: (one.mean, one.low, one.high, one.n) for name, one in found.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "low", "high", "n"])


def dots(ax, means: pd.DataFrame, shift: float = 0.0, **style) -> None:
    """One point with whiskers per row, from the top down."""
    places = np.arange(len(means))[::-1] + shift
    around = whiskers(*(means[name].to_numpy() for name in ("mean", "low", "high")))
    ax.errorbar(means["mean"], places, xerr=around, fmt="o", capsize=3, linestyle="none", **style)
    ax.set_yticks(np.arange(len(means))[::-1], means.index)


def show_reranking(frame: pd.DataFrame, margin: float) -> dict[str, str]:
    """Scorers against each other where popularity cannot help; verdicts of the declared pairs."""
    import matplotlib.pyplot as plt

    few = frame["count"] < COLD
    parts = {"all targets": frame[~few], f"fewer than {COLD} interactions": frame[few]}
    fig, ax = plt.subplots(figsize=(7.2, 3.8))
    words = []
    for (name, part), shift, colour in zip(
        parts.items(), (0.12, -0.12), ("blue", "vermillion"), strict=True
    ):
        if part.empty:
            continue
        means = interval_table(dict(list(part.groupby("scorer", sort=False)["auc"])))
        dots(
            ax,
            means,
            shift,
            color=OKABE_ITO[colour],
            label=f"{name} (n = {int(means['n'].iloc[0])})",
        )
        words.append(f"{name}: " + ", ".join(f"{k} {v:.3f}" for k, v in means["mean"].items()))
    ax.axvline(0.5, color="#555555", linestyle=":")
    ax.legend(frameon=False, fontsize=8)
    label_axes(ax, "AUC: target above items of the same popularity", "")
    show(
        fig,
        alt="How often each scorer puts the next item first. " + ". ".join(words) + ".",
        caption="SmolLM2, MovieLens-100K, ten candidates as popular as the target. Dotted: chance.",
    )
    of = {name: part.set_index("user")[["auc"]] for name, part in frame[~few].groupby("scorer")}
    pairs = [("PMI", "popularity"), ("log p", "popularity"), ("EASE", "PMI")]
    found = {f"{a} − {b}": compare(of[a], of[b], metric="auc") for a, b in pairs}
    return verdict_table(found, margin, caption="Re-ranking at equal popularity, AUC")


def slot_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Spearman of first-order score and fall of the loss, by whose gradient (setting) and expansion
    point (name): mean, low and high over the recorded slots.
    """
    slots = frame[(frame["part"] == "scores") & (frame["metric"] == "spearman")]
    by_place = slots.groupby(["setting", "name"])["value"].apply(over_seeds)
    return pd.DataFrame(by_place.tolist(), by_place.index, ["mean", "low", "high"])


def by_gradient(means: pd.DataFrame) -> pd.DataFrame:
    """`slot_means` with one name per row, to be shown."""
    names = [f"{setting}, {name}" for setting, name in means.index]
    return means.set_axis(names).rename_axis("gradient of, taken at word")


def show_triggers(frame: pd.DataFrame) -> dict[str, tuple[float, float, float]]:
    """Trigger words in a real model's question: what the gradient says about a word, what it finds
    beside random search, and what the words found repair.

    Returns:
        Mean, low and high over slots or seeds: "spearman" (as the search uses it: the gradient at
        the mean word, on other examples), "objective" (gradient minus random search, nats), "off"
        (change of the distance between the share of yes and that of likes).
    """
    by_place = slot_means(frame)
    slots = (frame["part"].eq("scores") & frame["metric"].eq("spearman")).sum()
    table(
        by_gradient(by_place),
        caption=f"SmolLM2: Spearman of first-order score and fall of the loss; "
        f"{slots // len(by_place)} slots, 95 % t intervals",
        digits=3,
    )
    ends = search_traces(frame)
    gain = over_seeds(
        [a.iloc[-1] - b.iloc[-1] for a, b in zip(ends["gradient"], ends["random"], strict=True)]
    )
    say(
        f"Objective at the end, gradient minus random search: {gain[0]:+.4f} nats "
        f"[{gain[1]:+.4f}, {gain[2]:+.4f}], {len(ends['random'])} seeds, equal calls."
    )
    say_calls_needed(ends)
    asked = frame[frame["part"] == "repaired"].pivot_table(
        index=["name", "seed"], columns="metric", values="value"
    )
    asked["off"] = (asked["yes"] - asked["truth"]).abs()
    users = frame.loc[frame["part"] == "repaired", "user"].nunique()
    shown = asked.groupby("name", sort=False)[["yes", "truth", "off", "auc"]].mean()
    table(shown, caption=f"What the words repair: {users} test users, mean over seeds", digits=3)
    off = over_seeds(asked.loc["gradient", "off"] - asked.loc["plain", "off"].iloc[0])
    found = tuple(by_place.loc[("other examples", "mean")])
    return {"spearman": found, "objective": gain, "off": off}


def show_memory(years: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """What the model knows by heart, each beside its control."""
    first = rows.assign(first=rows["rank"] == 1)
    popular = years["count"] >= years["count"].quantile(2 / 3)
    groups = {
        "year of a film": years["guessed"] == years["year"],
        "the same guesses, dealt out": years["dealt"] == years["year"],
        "year, most watched third": (years["guessed"] == years["year"])[popular],
        "next line of the file, of 20": first[first["order"] == "file"]["first"],
        "after lines from anywhere": first[first["order"] == "shuffled"]["first"],
    }
    means = interval_table(groups).rename_axis("asked")
    table(
        means, caption="Share of right answers, 95 % intervals (SmolLM2, MovieLens-100K)", digits=3
    )
    return means


def recorded_lists(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """prompt -> its recorded lists, [n, k]."""
    return {
        name: np.array([list(map(int, items.split())) for items in of["items"]])
        for name, of in frame.groupby("prompt", sort=False)
    }


def named_findings(frame: pd.DataFrame) -> dict[str, list]:
    """attribute -> findings of `counterfactual_findings` from recorded lists."""
    lists = recorded_lists(frame)
    rewordings = [one for name, one in lists.items() if name.startswith("paraphrase")]
    by_value: dict[str, dict[str, list]] = {}
    for name, one in lists.items():
        attribute, colon, rest = name.partition(": ")
        if colon:
            by_value.setdefault(attribute, {}).setdefault(rest.split(",")[0], []).append(one)
    return {
        attribute: counterfactual_findings(
            lists[NEUTRAL], {value: np.stack(two) for value, two in values.items()}, rewordings
        )
        for attribute, values in by_value.items()
    }


def show_named(frame: pd.DataFrame) -> pd.DataFrame:
    """What naming users does to the lists beyond rewording, p adjusted over all values (Holm)."""
    found = [
        (f"{attribute}: {one.metric}", one.estimate, *one.ci, one.p)
        for attribute, findings in named_findings(frame).items()
        for one in findings
        if one.metric.startswith("dissimilarity")
    ]
    columns = ["named", "excess", "95 % low", "95 % high", "p"]
    rows = pd.DataFrame(found, columns=columns).set_index("named")
    rows["p adjusted"] = holm(rows.pop("p"))
    anchors = frame["anchor"].nunique()
    rewordings = frame["prompt"].str.startswith("paraphrase").groupby(frame["prompt"]).any().sum()
    table(
        rows,
        caption=f"SmolLM2, {anchors} histories, {rewordings} rewordings of the neutral prompt, two "
        f"wordings of each value: change of the ten best beyond rewording; p for {len(rows)} tests",
        digits=3,
    )
    above = (rows["p adjusted"] < 0.05) & (rows["excess"] > 0)
    say(f"Above the floor of rewording: **{above.sum()} of {len(rows)}**.")
    return rows
