"""Deck 4, ethics: who may be harmed, how one would know, and how sure one can be."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pandas as pd
from drawing import GREY, INK, legible
from records import golden, goldens, in_words, interval

from tutorial_lib.audit import LoggedLists, audit, stakeholders, verdict_of, wording_table
from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.evaluation import holm
from tutorial_lib.language import ATTRIBUTES, NEUTRAL, PARAPHRASES
from tutorial_lib.models import EASE, Popularity
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.figures import VerdictView, probe
from tutorial_workshop.figures.real_model import interval_table, named_findings
from tutorial_workshop.figures.stakeholder_map import draw_stakeholder_map
from tutorial_workshop.figures.verdicts import LOOKS
from tutorial_workshop.page.plots import interval_bars
from tutorial_workshop.page.point_plots import interval_points

MARGINS = {"quality": 0.10, "exposure": 0.20, "popularity": 0.10, "similarity": 0.05}
SHARE = 10  # percent of a system's mean: the margin of quality on the slide
MEASURE, GAP = "ndcg@10", "gender F - M"
CASES = {  # what was measured -> 95 % interval, for a margin of .03
    "far beyond": (0.05, 0.09),
    "small and certain": (0.01, 0.02),
    "nothing seen, many users": (-0.01, 0.02),
    "nothing seen, few users": (-0.05, 0.06),
    "something seen, size unknown": (0.01, 0.09),
}
BAND = 0.03
HARMS = ("quality", "exposure", "privacy", "truth", "manipulation", "long run")  # H1 to H6
LINES = {"20 % at random": "20 % at random", "last 5": "the last five"}  # two protocols
REMEDIES = ("constrained decoding", "xQuAD .5", "calibrated .5", "IPS by thinning")
REMEDIES += ("DP-SGD, epsilon 8",)
VALUES = [value for values in ATTRIBUTES.values() for value in values]


def compute() -> dict[str, float | int | str]:
    """Every number and alt text by its name in the deck."""
    numbers = false_alarms() | three_systems() | small_audits() | protocols() | wordings()
    numbers |= memory() | mitigations() | checked()
    numbers |= goldens(attack="08.attack.lift", loop="08.loop.coverage", lift="08.popularity.lift")
    numbers["alt_map"] = (
        "Stakeholders by class of harm, the number is the highest risk. "
        + "; ".join(
            f"{who}: " + ", ".join(f"{harm} {risk}" for harm, risk in row.items() if risk)
            for who, row in stakeholders().iterrows()
        )
    )
    words = "; ".join(
        f"{name}, {low:+.2f} to {high:+.2f}: {verdict_of((low, high), np.nan, BAND)}"
        for name, (low, high) in CASES.items()
    )
    alt = f"Five intervals over the band of a margin of {BAND}. {words}."
    return numbers | {"share": SHARE, "alt_verdicts": alt}


def draw_map(numbers: Mapping):
    """Stakeholders by class of harm."""
    figure = draw_stakeholder_map(stakeholders())
    figure.axes[0].set(xlabel="", ylabel="")
    figure.axes[0].set_xticks(range(len(HARMS)), HARMS)
    return legible(figure, 8.2, 3.9)


def draw_verdicts(numbers: Mapping):
    """Intervals against a margin, each with its verdict."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(layout="constrained")
    ax.axvspan(-BAND, BAND, color="#DDDDDD", zorder=0)
    ax.axvline(0, color=INK, linewidth=1.2)
    for row, (low, high) in enumerate(CASES.values()):
        verdict = verdict_of((low, high), np.nan, BAND)
        colour, marker = LOOKS[verdict]
        ax.plot([low, high], [row, row], color=colour, linewidth=3)
        ax.plot((low + high) / 2, row, marker=marker, color=colour, markersize=10)
        ax.text(0.104, row, verdict, va="center", fontweight="bold")
    ax.text(BAND, len(CASES) - 0.4, "  margin", color=GREY)
    ax.set_yticks(range(len(CASES)), CASES)
    ax.set(ylim=(len(CASES) - 0.2, -0.6), xlim=(-0.07, 0.16), xticks=[0], xlabel="gap")
    return legible(figure, 8.4, 3.5)


def false_alarms() -> dict:
    """How often three usual methods accuse a world in which nothing is wrong."""
    return {
        "range_alarm": range_alarm(),
        "fifths_alarm": golden("08.null.four-fifths")["mean"],
        "plain_alarm": golden("08.null.plain-permutation")["mean"],
        "promised_alarm": golden("08.null.four-fifths")["trivial"],
        "alarm_seeds": golden("08.null.four-fifths")["n"],
    } | {"alt_alarms": f"Share of null worlds called unfair: {in_words(alarms(), '.2f')}."}


@cache
def range_alarm(worlds: int = 60, groups: int = 7, size: int = 30, resamples: int = 200) -> float:
    """Share of null worlds in which the percentile interval of the range lies above 0."""
    rng, found = np.random.default_rng(8), 0
    for _ in range(worlds):
        world = rng.random((groups, size)) < 0.3  # hits, alike in all groups
        drawn = rng.integers(0, size, (resamples, groups, size))
        means = np.take_along_axis(world[None], drawn, axis=2).mean(axis=2)
        found += np.quantile(np.ptp(means, axis=1), 0.025) > 0
    return found / worlds


@cache
def alarms() -> dict[str, float]:
    """Method -> share of null worlds that it accuses; the last two keep their promise."""
    checks = recorded_table("audit-validation.csv").set_index("check")["value"]
    return {
        "interval of the range, 7 groups": range_alarm(),
        "four-fifths rule, 7 groups of 100": golden("08.null.four-fifths")["mean"],
        "plain permutation test": golden("08.null.plain-permutation")["mean"],
        "this audit, one test": checks["false positives: one test at .05"],
    }


def draw_alarms(numbers: Mapping):
    """False alarms in null worlds, beside what a test at .05 promises."""
    found = alarms()
    means = list(found.values())
    figure = interval_bars(
        list(found), means, means, means, quantity="false alarms", ceiling=(0.05, "promised")
    )
    return legible(figure, 8.4, 3.2)


@cache
def systems() -> tuple:
    """Films with five held-out items a user, and three systems' lists."""
    dataset = load_dataset("world-movies")
    split = hold_out_k(dataset, 5, valid_k=1)
    recorded = recorded_table("audit-lists.csv.gz")
    neutral = recorded[(recorded["who"] == NEUTRAL) & (recorded["system"] == "kit-gpt")]
    found = {"Popularity": Popularity().fit(split), "EASE": EASE().fit(split)}
    found["kit-gpt"] = LoggedLists.from_frame(neutral, name="kit-gpt")
    return dataset, split, found


@cache
def reports() -> dict:
    """One audit of each."""
    dataset, split, found = systems()
    return {name: audit(one, dataset, split, MARGINS, seed=0) for name, one in found.items()}


def verdict_counts(report) -> pd.Series:
    """How many declared tests got which verdict."""
    return pd.Series(
        [f.verdict for f in report.findings if f.metric in report.family]
    ).value_counts()


def three_systems() -> dict:
    """The opinion on each system, and how many of its declared tests are undecided."""
    numbers: dict = {}
    for name, report in reports().items():
        key, counts = name.lower().replace("-", "_"), verdict_counts(report)
        numbers |= {f"{key}_opinion": report.opinion.word, f"{key}_tests": int(counts.sum())}
        numbers[f"{key}_undecided"] = int(counts.get("INCONCLUSIVE", 0))
    gap = next(f for f in reports()["EASE"].findings if f.metric == f"{MEASURE}: {GAP}")
    numbers |= {"mde": gap.mde, "limit": gap.margin, "audit_users": int(systems()[0].n_users)}
    view = VerdictView.of_reports(reports(), [MEASURE])
    return numbers | {"alt_audit": view.describe(SHARE, MEASURE, GAP).replace("**", "")}


def draw_audit(numbers: Mapping):
    """One declared gap for three systems, over the band of the margin."""
    figure = VerdictView.of_reports(reports(), [MEASURE]).draw(SHARE, MEASURE, GAP)
    figure.axes[0].set_xlabel("women - men, % of the system's mean NDCG@10; band: margin")
    return legible(figure, 8.4, 3.1)


def small_audits() -> dict:
    """The same audit of EASE with fewer users: what it decides, and what it could have seen."""
    dataset, split, found = systems()
    numbers: dict = {}
    for users in (100, 400):
        report = audit(found["EASE"], dataset, split.sample_targets(users, seed=0), MARGINS, seed=0)
        counts = verdict_counts(report)
        gap = next(f for f in report.findings if f.metric == f"{MEASURE}: {GAP}")
        numbers[f"undecided_{users}"] = int(counts.get("INCONCLUSIVE", 0))
        numbers |= {f"mde_{users}": gap.mde, f"opinion_{users}": report.opinion.word}
    return numbers


@cache
def gaps() -> pd.DataFrame:
    """Women minus men on MovieLens-100K, by protocol and model."""
    recorded = recorded_table("audit-protocols.csv")
    some = recorded[(recorded["metric"] == MEASURE) & recorded["protocol"].isin(LINES)]
    return some[some["model"].isin(["Popularity", "ItemKNN", "EASE", "TransitionKNN"])]


def protocols() -> dict:
    """The same data and models under two protocols."""
    words = "; ".join(
        f"{row.model}, {row.protocol}: {row.gap:+.3f} ({row.low:+.3f} to {row.high:+.3f})"
        for row in gaps().itertuples()
    )
    first = gaps().iloc[0]
    ease = gaps().set_index(["model", "protocol"])
    numbers = {"women": int(first["n_a"]), "men": int(first["n_b"])}
    for key, protocol in (("share_gap", "20 % at random"), ("last_gap", "last 5")):
        numbers |= interval(key, ease.loc[("EASE", protocol), ["gap", "low", "high"]].to_numpy())
    return numbers | {"alt_protocols": f"NDCG@10, women minus men. {words}."}


def draw_protocols(numbers: Mapping):
    """Gaps under two protocols."""
    models = gaps()["model"].unique().tolist()
    rows = gaps().set_index(["protocol", "model"])[["gap", "low", "high"]]
    groups = {
        name: [tuple(rows.loc[(protocol, model)].to_numpy().tolist()) for model in models]
        for protocol, name in LINES.items()
    }
    figure = interval_points(models, groups, quantity="NDCG@10, women - men", zero="no gap")
    return legible(figure, 8.4, 3.3)


@cache
def moved() -> pd.DataFrame:
    """How far each wording moves the recorded lists of kit-gpt."""
    recorded = recorded_table("audit-lists.csv.gz")
    asked = recorded[recorded["system"] == "kit-gpt"].set_index(["who", "user"])["items"]
    users = asked[VALUES[0]].index
    lists = {
        who: np.array([list(map(int, asked[who, user].split())) for user in users])
        for who in (NEUTRAL, *PARAPHRASES, *VALUES)
    }
    frame = wording_table(
        lists[NEUTRAL], {v: lists[v] for v in VALUES}, [lists[who] for who in PARAPHRASES]
    )
    return frame.assign(name=[*VALUES, *PARAPHRASES]).set_index("name").assign(users=len(users))


def wordings() -> dict:
    """What naming somebody changes, beside what any rewording changes."""
    frame = moved()
    by_kind = frame.groupby("names_value")["dissimilarity"].mean()
    words = in_words(frame["dissimilarity"].to_dict())
    return named_in_a_real_model() | {
        "floor": by_kind[False],
        "named": by_kind[True],
        "named_users": int(frame["users"].iloc[0]),
        "alt_wordings": f"Change of the lists against the neutral wording: {words}.",
    }


def named_in_a_real_model() -> dict:
    """SmolLM2 told who asks: how many values change its lists beyond rewordings, after Holm."""
    frame = probe("named")
    tests = [
        one
        for findings in named_findings(frame).values()
        for one in findings
        if one.metric.startswith("dissimilarity")
    ]
    adjusted = holm([one.p for one in tests])
    most = max(tests, key=lambda one: one.estimate)
    above = [p < 0.05 and one.estimate > 0 for p, one in zip(adjusted, tests, strict=True)]
    return interval("smol_most", (most.estimate, *most.ci)) | {
        "smol_values": len(tests),
        "smol_above": sum(above),
        "smol_histories": int(frame["anchor"].nunique()),
    }


def draw_wordings(numbers: Mapping):
    """Wordings that name an attribute, and some that name nothing."""
    frame = moved()
    means, half = frame["dissimilarity"], 1.96 * frame["se"]
    figure = interval_bars(
        frame.index.tolist(),
        means.tolist(),
        (means - half).tolist(),
        (means + half).tolist(),
        quantity="change of the ten best (0: the same list)",
    )
    return legible(figure, 8.4, 3.7)


def memory() -> dict:
    """What SmolLM2 knows by heart of MovieLens, each beside its control."""
    years, rows = probe("years"), probe("rows")
    first = rows.assign(first=rows["rank"] == 1)
    of = interval_table(
        {
            "year": years["guessed"] == years["year"],
            "year_dealt": years["dealt"] == years["year"],
            "row": first[first["order"] == "file"]["first"],
            "row_control": first[first["order"] == "shuffled"]["first"],
        }
    )
    numbers: dict = {"films_asked": len(years)}
    for name, row in of.iterrows():
        numbers |= interval(str(name), row[["mean", "low", "high"]].to_numpy())
    return numbers


def mitigations() -> dict:
    """What five remedies change, and what they cost: recorded, strengths chosen beforehand."""
    table = recorded_table("audit-mitigations.csv").set_index("mitigation")
    numbers: dict = {"remedies": len(table)}
    for place, name in enumerate(REMEDIES):
        row = table.loc[name]
        change = row["quality_after"] - row["quality_before"]
        numbers |= {f"before_{place}": row["before"], f"after_{place}": row["after"]}
        numbers |= interval(f"cost_{place}", (change, row["quality_low"], row["quality_high"]))
    lower = table["high"] < 0
    paid = lower & (table["quality_high"] < 0)
    return numbers | {"remedies_lower": int(lower.sum()), "remedies_paid": int(paid.sum())}


def checked() -> dict:
    """How the audit itself was tested, in worlds whose truth is known."""
    table = recorded_table("audit-validation.csv").set_index("check")
    names = {
        "holds_gap": "95 % intervals that hold the true user gap",
        "one_test": "false positives: one test at .05",
        "with_holm": "false positives: any of 8 contrasts, after Holm",
        "without_holm": "false positives: any of 8 contrasts, without Holm",
        "power": "power: user gap of twice the margin, 2,000 users",
        "silent": "null world of 5,000 users: EQUIVALENT",
    }
    numbers = {key: table.loc[name, "value"] for key, name in names.items()}
    return numbers | {"replications": int(table["replications"].iloc[0])}


FIGURES = {
    "map": draw_map,
    "verdicts": draw_verdicts,
    "alarms": draw_alarms,
    "audit": draw_audit,
    "protocols": draw_protocols,
    "wordings": draw_wordings,
}
