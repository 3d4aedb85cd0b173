"""What a real language model makes of real titles: the probes of notebooks 03, 04 and 08.

Each gives a frame with one row per question asked, so that any table can be made from it later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.data.likes import rated_histories
from tutorial_lib.data.splits import Split
from tutorial_lib.evaluation.ratings import user_auc
from tutorial_lib.language.attributes import NEUTRAL, PARAPHRASES, about
from tutorial_lib.language.prompts import SEQUENTIAL
from tutorial_lib.language.verbalise import Verbaliser, as_spoken, verbaliser
from tutorial_lib.models import EASE, ItemKNN, Popularity, TransitionKNN
from tutorial_lib.models.decoding import log_likelihood
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.like_prompts import LikePrompt, LikeWording

VALUES = {  # attribute -> value -> two ways to name it
    "gender": {"female": ("A woman", "A female viewer"), "male": ("A man", "A male viewer")},
    "age": {"young": ("A teenager", "A young viewer"), "old": ("A pensioner", "An old viewer")},
    "race": {
        "Black": ("A Black person", "A Black viewer"),
        "white": ("A white person", "A white viewer"),
    },
    "religion": {
        "Muslim": ("A Muslim", "A Muslim viewer"),
        "Christian": ("A Christian", "A Christian viewer"),
    },
}
COLD = 5  # an item with fewer training interactions is cold
SHOWN_ROWS = 5  # of a file, before the one that is asked about


def likes_split(*, download: bool = True) -> Split:
    """MovieLens-100K (5-core), the last ten ratings of each user held out for questions."""
    return hold_out_k(load_dataset("ml-100k", download=download).k_core(5), 10, valid_k=1)


def drawn_rows(split: Split, seed: int = 45) -> np.ndarray:
    """Rows of all users with a test item, in an order of chance."""
    able = np.flatnonzero([len(target) > 0 for target in split.test_target])
    return np.random.default_rng(seed).permutation(able)


def like_answers(
    lm: LanguageModel,
    split: Split,
    rows: Sequence[int],
    wordings: Mapping[str, LikeWording],
    most: int = 8,
) -> pd.DataFrame:
    """Whether users will like items that they went on to rate, by several wordings.

    Args:
        rows: of the split, whose users are asked about.
        wordings: name -> how to ask.
        most: questions per user, of the oldest test items.

    Returns:
        wording, user, item, liked, score (log-odds of the affirmative answer, in nats).
    """
    words = verbaliser(split.dataset, spoken=True)
    histories, targets = (rated_histories(split, f"test_{part}") for part in ("history", "target"))
    asked = [targets[row].before(most) for row in rows]
    account = Adapted(lm, words, split.dataset.n_items)
    parts = []
    for name, wording in wordings.items():
        prompt = LikePrompt(lm, words, wording, account)
        scores = prompt.score([histories[row] for row in rows], [one.items for one in asked])
        for row, one, score in zip(rows, asked, scores, strict=True):
            user = int(split.users[row])
            table = {"wording": name, "user": user, "item": one.items, "liked": one.liked}
            parts.append(pd.DataFrame({**table, "score": score}))
    return pd.concat(parts, ignore_index=True)


def by_wording(answers: pd.DataFrame) -> pd.DataFrame:
    """One row per wording and user of `like_answers`: auc, share of affirmative answers (yes),
    and of likes (truth).
    """
    parts = []
    for name, part in answers.groupby("wording", sort=False):
        each = part.assign(yes=part["score"] > 0).groupby("user")
        frame = each.agg(yes=("yes", "mean"), truth=("liked", "mean"))
        frame["auc"] = user_auc(part["liked"], part["score"], part["user"].to_numpy())["auc"]
        parts.append(frame.assign(wording=name).reset_index())
    return pd.concat(parts, ignore_index=True)


def equally_popular(split: Split, rows: Sequence[int], n: int = 10, seed: int = 0) -> np.ndarray:
    """For each row's test item the n unseen items nearest to it in popularity: [n_rows, 1 + n],
    the target first. Of items with as many interactions, which are taken is drawn.
    """
    counts = Popularity().fit(split).counts
    rng = np.random.default_rng([seed, 41])
    out = []
    for row in rows:
        target = int(split.test_target[row][0])
        distance = np.abs(np.log1p(counts) - np.log1p(counts[target]))
        distance = distance + 1e-6 * rng.random(len(counts))
        distance[np.r_[np.asarray(split.test_history[row], dtype=np.int64), target]] = np.inf
        out.append([target, *np.argsort(distance)[:n]])
    return np.array(out)


def reranked(
    lm: LanguageModel, split: Split, rows: Sequence[int], candidates: np.ndarray
) -> pd.DataFrame:
    """How often each scorer puts the target above its candidates (a tie counts half).

    Scorers: the title's log-probability after the history, the same per token, PMI (minus what the
    title has after a history that says nothing), popularity, and three counters.

    Returns:
        user, scorer, auc, count (training interactions of the target).
    """
    words = verbaliser(split.dataset, spoken=True)
    asked = Adapted(lm, words, split.dataset.n_items, SEQUENTIAL[0])
    counts = Popularity().fit(split).counts
    histories = [split.test_history[row] for row in rows]
    counters = {
        name: made.fit(split, progress=False).score(histories)
        for name, made in {
            "EASE": EASE(),
            "ItemKNN": ItemKNN(),
            "TransitionKNN": TransitionKNN(),
        }.items()
    }
    unique = np.unique(candidates)
    before = log_likelihood(lm, [asked.prompt([])], [words.titles[i] for i in unique])
    usual = dict(zip(unique.tolist(), before.log_probability[0], strict=True))
    parts = []
    for at, (row, items) in enumerate(zip(rows, candidates, strict=True)):
        told = log_likelihood(
            lm, [asked.prompt(list(histories[at]))], [words.titles[i] for i in items]
        )
        logp = told.log_probability[0]
        scores = {"log p": logp, "log p per token": logp / told.tokens}
        scores |= {"PMI": logp - [usual[i] for i in items.tolist()], "popularity": counts[items]}
        scores |= {name: table[at][items] for name, table in counters.items()}
        for name, of in scores.items():
            auc = np.mean((of[0] > of[1:]) + 0.5 * (of[0] == of[1:]))
            line = {"user": int(split.users[row]), "scorer": name, "auc": auc}
            parts.append({**line, "count": int(counts[items[0]])})
    return pd.DataFrame(parts)


def year_answers(
    lm: LanguageModel, titles: Sequence[str], seed: int = 0, asked: Sequence[int] | None = None
) -> pd.DataFrame:
    """Does the model know a film's year? Of titles that end in a year, the likeliest of all years.

    Args:
        titles: of the catalogue.
        seed: of the control.
        asked: rows of ``titles`` that are asked about (default: all).

    Returns:
        title, year, guessed, and dealt: the guess for another of these titles, which is right as
        often as the years alone make it.
    """
    parts = pd.Series(titles).str.extract(r"^(.*) \((\d{4})\)$").dropna()
    names, years = as_spoken(list(titles)), parts[1].astype(int)
    every = sorted(years.unique())
    if asked is not None:
        parts, years = (of[of.index.isin(asked)] for of in (parts, years))
    prompts = [f"The movie {names[row]} was released in the year" for row in parts.index]
    logp = log_likelihood(lm, prompts, [str(year) for year in every]).log_probability
    guessed = np.array(every)[logp.argmax(axis=1)]
    dealt = np.random.default_rng([seed, 43]).permutation(guessed)
    return pd.DataFrame({"title": parts[0], "year": years, "guessed": guessed, "dealt": dealt})


def next_rows(
    lm: LanguageModel, lines: Sequence[str], n: int = 100, wrong: int = 19, seed: int = 0
) -> pd.DataFrame:
    """Does the model know a file by heart? After five lines of it, the rank of the next one.

    Args:
        lines: of the file, in order.
        n: places in the file that are asked about.
        wrong: lines from elsewhere in the file that the next one is ranked among.

    Returns:
        place, order ("file", or "shuffled": five lines from anywhere come before), rank (1 best).
    """
    rng = np.random.default_rng([seed, 44])
    out = []
    for place in rng.choice(np.arange(SHOWN_ROWS, len(lines)), n, replace=False):
        others = np.setdiff1d(np.arange(len(lines)), np.arange(place - SHOWN_ROWS, place + 1))
        asked = [lines[place], *(lines[i] for i in rng.choice(others, wrong, replace=False))]
        before = {"file": np.arange(place - SHOWN_ROWS, place)}
        before["shuffled"] = rng.choice(others, SHOWN_ROWS, replace=False)
        for order, rows in before.items():
            text = "".join(f" {lines[row]}\n" for row in rows)
            logp = log_likelihood(lm, [text], asked).log_probability[0]
            out.append(
                {"place": int(place), "order": order, "rank": 1 + int((logp[1:] > logp[0]).sum())}
            )
    return pd.DataFrame(out)


def lists_about(
    asked: Adapted, who: str, histories: Sequence[Sequence[int]], k: int = 10
) -> np.ndarray:
    """Top lists for histories whose owner is called ``who`` in the prompt, [n, k]."""
    asked.template = about(who)
    return asked.recommend(histories, k)


def named_lists(
    lm: LanguageModel,
    words: Verbaliser,
    histories: Sequence[Sequence[int]],
    n_items: int,
    k: int = 10,
) -> tuple[np.ndarray, dict[str, dict[str, np.ndarray]], list[np.ndarray]]:
    """Top lists for histories whose owner is named in the prompt; for
    `audit.counterfactual_findings`.

    Returns:
        Lists of the neutral prompt, [n, k]; attribute -> value -> lists of two wordings,
        [2, n, k]; lists of each paraphrase of the neutral one.
    """
    asked = Adapted(lm, words, n_items)

    def lists(who: str) -> np.ndarray:
        return lists_about(asked, who, histories, k)

    named: Mapping[str, dict[str, np.ndarray]] = {
        attribute: {value: np.stack([lists(who) for who in names]) for value, names in of.items()}
        for attribute, of in VALUES.items()
    }
    return lists(NEUTRAL), dict(named), [lists(who) for who in PARAPHRASES]


def watched_together(split: Split, items: Sequence[int] | np.ndarray) -> np.ndarray:
    """How far whoever has one item of the training part has the other, too: the correlation over
    users, [n, n].
    """
    has = np.zeros((len(split.train), split.dataset.n_items))
    for row, history in enumerate(split.train):
        has[row, history] = 1
    return np.atleast_2d(np.corrcoef(has[:, items].T))


def nearest(similarity: np.ndarray, k: int) -> np.ndarray:
    """The k others that are most similar to each row, [n, k], best first.

    >>> nearest(np.array([[1.0, 0.2, 0.3], [0.2, 1.0, 0.1], [0.3, 0.1, 1.0]]), 1).ravel()
    array([2, 0, 0])
    """
    others = np.where(np.eye(len(similarity), dtype=bool), -np.inf, similarity)
    return np.argsort(-others, axis=1, kind="stable")[:, :k]
