"""Searching prompt words: PAP-REC's claims, and where a search gains or loses.

    python benchmarks/automatic_prompts.py --folder FOLDER [--parts ...] [--seeds 0 1 2 3 4]
    python benchmarks/automatic_prompts.py --folder FOLDER --write

The first writes one file per part and seed, and goes on where it was; the second joins them into
data/results: the recorded results of notebook 05.

Words are searched on the training histories of 64 labelled users, another draw in every seed. What
is chosen between prompts is chosen on validation users, and reported on test users: the same in
every seed, never labelled. Lists are judged in expectation. The parts `own` and `tasks` say
themselves whom they ask.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from results_file import machine, write_section
from scipy.stats import spearmanr

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship
from tutorial_lib.evaluation import expected_metrics, text_frame
from tutorial_lib.language.prompts import templates
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models.baselines import Popularity, TransitionKNN
from tutorial_lib.models.generation import write_texts
from tutorial_lib.models.pretrained import load_language_model
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.automatic_prompts import Searched, user_events
from tutorial_lib.strategies.prompt_examples import (
    Examples,
)
from tutorial_lib.strategies.prompt_objectives import AnswerLoss, ShortAnswers
from tutorial_lib.strategies.prompt_search import Search, SearchPlan
from tutorial_lib.strategies.task import Task
from tutorial_lib.strategies.wordings import NO_WORD, Wording, candidate_scores, word_tokens
from tutorial_workshop.experiments.results import to_bytes

LABELS, LIMIT, WRONG, CALLS = 64, 6, 5, 15_000
LEARNED, CHOSEN = 24, 48  # events for gradients, and to choose between words by
TESTED, CHECKED, ANSWERED = 300, 120, 30  # test and validation users, those of them asked to write
MANUAL = {t.source: t for held in (False, True) for t in templates("sequential", held_out=held)}
STARTS = (
    "{history};",
    "People who chose {history} also chose",
    "Given the {plural} {history}, the next {noun} is",
)
PLAN = SearchPlan(calls=CALLS, wrong=WRONG, top=5, expansion="token")


class Bench:
    """One seed: labelled users, the users that are asked, and a list of rows."""

    def __init__(self, seed: int, lm: str = "kit-gpt"):
        self.seed, self.rows = seed, []
        self.split = leave_last_out(load_dataset("world-movies"))
        self.n_items = self.split.dataset.n_items
        self.lm = load_language_model(lm)
        self.lm.model.requires_grad_(False)
        self.words = verbaliser(self.split.dataset, limit=LIMIT)
        everybody = np.random.default_rng(64).permutation(len(self.split.users))
        self.tested, self.checked = everybody[:TESTED], everybody[TESTED:][:CHECKED]
        free = np.setdiff1d(everybody, everybody[: TESTED + CHECKED])
        self.labelled = np.random.default_rng([seed, 64]).permutation(free)[:LABELS]
        self.vocabulary = word_tokens(self.lm)
        self.start = time.process_time()

    def keep(self, name: str, metric: str, values, users=None, **more) -> None:
        """One row, or one per user."""
        seconds = round(time.process_time() - self.start, 2)
        fixed = {"seed": self.seed, "name": name, "metric": metric, **more, "seconds": seconds}
        whose = [None] if users is None else np.asarray(users).tolist()
        for user, value in zip(whose, np.ravel(values), strict=True):
            self.rows.append({**fixed, "user": user, "value": round(float(value), 6)})

    def task(self) -> Task:
        histories = [self.split.train[row] for row in self.labelled]
        users = self.split.users[self.labelled]
        return Task(self.lm, self.words, histories, self.n_items, self.seed, users=users)

    def events(self, per_user: int, shared: bool = True) -> tuple[list, list]:
        """(user, history, item), for gradients and to choose by; of every user, if not shared."""
        if not shared:
            return user_events(self.task(), per_user, newest=3)
        rng = np.random.default_rng([self.seed, 12])
        train, valid = user_events(self.task(), per_user)
        return tuple(
            [part[i] for i in rng.permutation(len(part))[:most]]
            for part, most in ((train, LEARNED), (valid, CHOSEN))
        )

    def examples(self, source: str, plan: SearchPlan, shared: bool = True) -> list[Examples]:
        """For gradients, and to choose by."""
        wording = Wording.of(self.lm, MANUAL[source], self.words)
        return [
            Examples.of_events(self.lm, self.words, part, wording, plan.wrong, self.seed)
            for part in self.events(plan.validation_events, shared)
        ]

    def search(self, source: str, **plan) -> Search:
        given = replace(PLAN, seed=self.seed, **plan)
        train, valid = self.examples(source, given)
        others = self.words.titles if given.resample else ()
        return Search(train, AnswerLoss(valid, others, self.seed), given).run()

    def judge(self, template, rows, on: str = "test") -> np.ndarray:
        """Expected NDCG@10 of each user."""
        histories = [getattr(self.split, f"{on}_history")[row] for row in rows]
        lists = Adapted(self.lm, self.words, self.n_items, template).recommend(histories, 10)
        return expected_metrics(lists, self.chances(histories), 10)["ndcg@10"].to_numpy()

    def chances(self, histories) -> np.ndarray:
        return self.split.dataset.truth.next_item_probabilities(histories)

    def keep_judged(self, name: str, template, **more) -> None:
        for on, rows in (("valid", self.checked), ("test", self.tested)):
            values = self.judge(template, rows, on)
            self.keep(name, f"{on} ndcg@10", values, self.split.users[rows], **more)


def manual(b: Bench) -> None:
    """Twelve manual prompts and two baselines (fitted on the labelled users) on the same users."""
    for source, template in MANUAL.items():
        if b.seed == 0:  # a frozen model and the same users: the same in every seed
            b.keep_judged(source, template, setting="manual")
    few = replace_users(b)
    for model in (Popularity(), TransitionKNN()):
        lists = model.fit(few).recommend([b.split.test_history[row] for row in b.tested], 10)
        chances = b.chances([b.split.test_history[row] for row in b.tested])
        values = expected_metrics(lists, chances, 10)["ndcg@10"]
        users = b.split.users[b.tested]
        b.keep(type(model).__name__, "test ndcg@10", values, users, setting="baseline")


def replace_users(b: Bench):
    """The split in which only the labelled users have a history to learn from."""
    train = [
        history if row in set(b.labelled.tolist()) else history[:0]
        for row, history in enumerate(b.split.train)
    ]
    return replace(b.split, train=train)


def searches(b: Bench) -> None:
    """Gradient and random search at equal calls, from random and from manual words."""
    conditions = {
        "gradient, random start": (STARTS[0], {"start": "random"}),
        "random, random start": (STARTS[0], {"start": "random", "method": "random"}),
        "title loss, random start": (STARTS[0], {"start": "random", "wrong": 0}),
        **{f"gradient, from {start}": (start, {}) for start in STARTS},
    }
    for name, (source, plan) in conditions.items():
        found = b.search(source, **plan)
        b.keep(name, "objective", found.log[0]["before"], calls=0)
        for calls, part in found.frame().groupby("calls"):
            b.keep(name, "objective", part["value"].iloc[-1], calls=calls)
        template = found.train.wording.template(b.lm, found.tokens)
        b.keep_judged(name, template, setting=template.source, calls=found.calls)


def hard(b: Bench) -> None:
    """Gradient search from the bare history, the wrong titles those that it ranks highest."""
    plan = replace(PLAN, seed=b.seed)
    bare = Adapted(b.lm, b.words, b.n_items, MANUAL[STARTS[0]])
    parts = []
    for events, examples in zip(b.events(3), b.examples(STARTS[0], plan), strict=True):
        lists = bare.recommend([history for _, history, _ in events], WRONG + 1)
        wrong = [
            [item for item in row if item != right][:WRONG]
            for row, (_, _, right) in zip(lists, events, strict=True)
        ]
        titles = [
            [b.words.titles[item] for item in (right, *row)]
            for row, (_, _, right) in zip(wrong, events, strict=True)
        ]
        parts.append(examples.asked(titles))
    found = Search(parts[0], AnswerLoss(parts[1]), plan).run()
    template = found.train.wording.template(b.lm, found.tokens)
    name = f"gradient, from {STARTS[0]} hard negatives"
    b.keep_judged(name, template, setting=template.source, calls=found.calls)


def opponents(b: Bench) -> None:
    """Gradient and random search at equal calls, three words, none left out."""
    conditions = {
        "gradient": {"expansion": "mean"},
        "gradient at the present word": {"expansion": "token"},
        "random": {"method": "random"},
    }
    for name, plan in conditions.items():
        found = b.search(STARTS[0], start="random", shorten=False, **plan)
        b.keep(name, "objective", found.log[0]["before"], calls=0)
        for calls, part in found.frame().groupby("calls"):
            b.keep(name, "objective", part["value"].iloc[-1], calls=calls)


def own(b: Bench) -> None:
    """Users' own words chosen on 1, 3 or 5 events each: what they promise, and what they keep.

    Asked on the labelled users' own test items, after their words are fixed.
    """
    users = b.split.users[b.labelled]
    last = [
        (
            int(b.split.users[row]),
            b.split.test_history[row][-LIMIT:],
            int(b.split.test_target[row][0]),
        )
        for row in b.labelled
    ]
    for events in (1, 3, 5):
        plan = replace(PLAN, calls=1, slots=0, user_rounds=1, validation_events=events, seed=b.seed)
        train, valid = b.examples(STARTS[0], plan, shared=False)
        found = Search(train, AnswerLoss(valid), plan).run()
        test = Examples.of_events(b.lm, b.words, last, train.wording, WRONG, b.seed)
        words = [found.own.get(int(user), NO_WORD) for user in users]
        dealt = np.random.default_rng([b.seed, 23]).permutation(LABELS)
        for name, order in (("none", None), ("own", np.arange(LABELS)), ("shuffled", dealt)):
            given = [NO_WORD] * LABELS if order is None else [words[i] for i in order]
            found.own = dict(zip(map(int, users), given, strict=True))
            more = {"setting": events, "calls": found.calls}
            b.keep(name, "test loss", test.losses(found.prompts(test)[None])[0], users, **more)
            asked = Searched(b.lm, b.words, b.n_items, MANUAL[STARTS[0]], wording=train.wording)
            asked.tokens, asked.own = found.tokens, found.own
            lists = asked.recommend([h for _, h, _ in last], 10, users=users)
            values = expected_metrics(lists, b.chances([h for _, h, _ in last]), 10)["ndcg@10"]
            b.keep(name, "test ndcg@10", values, users, **more)
        tried = found.frame().groupby("user")
        gains = tried["before"].first() - np.minimum(tried["before"].first(), tried["after"].min())
        b.keep("own", "validation gain", gains, gains.index, setting=events)


def scores(b: Bench) -> None:
    """First-order scores against the true loss of a sample of words, in two slots a seed.

    The gradient is taken on other examples than the loss, and on the same.
    """
    for start in ("random", "manual"):
        rng = np.random.default_rng([b.seed, 21])
        source = STARTS[0] if start == "random" else STARTS[1 + b.seed % 2]
        wording = Wording.of(b.lm, MANUAL[source], b.words)
        learn, judge = (
            Examples.of_events(b.lm, b.words, part[:LEARNED], wording, WRONG, b.seed)
            for part in b.events(PLAN.validation_events)
        )
        drawn = rng.choice(b.vocabulary, 3)
        prompt = [int(t) for t in (drawn if start == "random" else judge.wording.words)]
        slot = int(rng.integers(len(prompt)))
        tried = np.sort(rng.choice(b.vocabulary, 80, replace=False))
        true = judge.losses([[*prompt[:slot], int(t), *prompt[slot + 1 :]] for t in tried]).mean(1)
        table = judge.vocabulary.numpy()[tried].astype(float)
        for kind, ex in (("other examples", learn), ("same examples", judge)):
            for at, draws in (("token", 1), ("mean", 1), ("scattered", 1), ("scattered", 4)):
                each = [
                    ex.gradients(prompt, slot, at, seed=d, among=b.vocabulary).mean(0)
                    for d in range(draws)
                ]
                for control, how in ((False, "dot product"), (True, "cosine")):
                    found = candidate_scores(np.mean(each, axis=0), table, control)
                    top = np.argsort(-found)[:10]
                    more = {"setting": f"{kind}, {how}"}
                    name = f"{at} x{draws}"
                    b.keep(name, "spearman", spearmanr(found, -true)[0], **more)
                    ahead = (true < true[top].min()).mean()
                    b.keep(name, "better than the best of ten", ahead, **more)
        b.keep("-", "sd of the loss", true.std())


def surrogate(b: Bench) -> None:
    """Four measures of twenty prompts on the validation users, manual ones and random words."""
    able = {t.source: t for t in templates("sequential")}
    drawn = np.random.default_rng(99).choice(b.vocabulary, (12, 3))
    bare = Wording.of(b.lm, MANUAL[STARTS[0]], b.words)
    asked = {source: Wording.of(b.lm, template, b.words) for source, template in able.items()}
    asked |= {bare.template(b.lm, words).source: replace(bare, words=()) for words in drawn}
    prompts = [*([w.words or (NO_WORD,) for w in asked.values()][: len(able)]), *drawn]
    users = b.split.users[b.checked]
    events = [
        (int(user), b.split.valid_history[row][-LIMIT:], int(b.split.valid_target[row][0]))
        for user, row in zip(users, b.checked, strict=True)
    ]
    for (name, wording), prompt in zip(asked.items(), prompts, strict=True):
        for metric, some, wrong in (
            ("title loss", events, 0),
            ("choice among six", events, WRONG),
            ("short answers", events[:ANSWERED], 0),
        ):
            examples = Examples.of_events(b.lm, b.words, some, wording, wrong, 0)
            short = ShortAnswers(examples, b.words.titles) if metric == "short answers" else None
            before = time.process_time()
            values = (short or examples.losses)([prompt])[0]
            took = (time.process_time() - before) / len(some)
            b.keep(name, metric, values, users[: len(some)], calls=round(took, 5))
        before = time.process_time()
        values = b.judge(wording.template(b.lm, prompt), b.checked, "valid")
        took = (time.process_time() - before) / len(users)
        b.keep(name, "ndcg@10", values, users, calls=round(took, 5))


def pick(b: Bench, events: list, template) -> tuple[Examples, np.ndarray]:
    """The next item of a list of ten, in any order, and the candidates [n, 10], right one first."""
    rng = np.random.default_rng(31)
    everything = np.arange(b.n_items)
    rows = np.array(
        [
            [item, *rng.choice(np.setdiff1d(everything, [*history, item]), 9, replace=False)]
            for _, history, item in events
        ]
    )
    titles = np.array(b.words.titles)
    values = [
        {"history": b.words.history(h), "candidates": b.words.separator.join(rng.permutation(t))}
        for (_, h, _), t in zip(events, titles[rows], strict=True)
    ]
    wording = Wording.of(b.lm, template, b.words)
    whose = [user for user, _, _ in events]
    return Examples(b.lm, wording, values, titles[rows].tolist(), whose), rows


def picked(b: Bench, scores: np.ndarray, rows: np.ndarray, events: list) -> np.ndarray:
    """Expected NDCG@10 among ten, [n]."""
    order = np.argsort(-scores, axis=1, kind="stable")
    lists = np.take_along_axis(rows, order, axis=1)
    chances = np.zeros((len(rows), b.n_items))
    among = np.take_along_axis(b.chances([h for _, h, _ in events]), rows, axis=1)
    np.put_along_axis(chances, rows, among / among.sum(1, keepdims=True), axis=1)
    return expected_metrics(lists, chances, 10)["ndcg@10"].to_numpy()


def events_of(b: Bench, rows, on: str) -> list:
    history, target = getattr(b.split, f"{on}_history"), getattr(b.split, f"{on}_target")
    return [(int(b.split.users[r]), history[r][-LIMIT:], int(target[r][0])) for r in rows]


def straightforward(b: Bench) -> None:
    """PAP-REC's task of picking one item from a list, end to end."""
    asked = {"valid": events_of(b, b.checked, "valid"), "test": events_of(b, b.tested, "test")}
    reach: dict[str, float] = {}

    def judged(name: str, template, words, parts=("valid", "test")) -> None:
        for on in parts:
            examples, rows = pick(b, asked[on], template)
            values = picked(b, examples.log_probabilities([words])[0], rows, asked[on])
            b.keep(name, f"{on} ndcg@10", values, examples.users)
            reach.setdefault(name, values.mean())

    manual = {t.source: t for t in templates("direct")}
    for source, template in manual.items():
        start = Wording.of(b.lm, template, b.words).words or (NO_WORD,)
        judged(source, template, start, ("valid", "test")[: 2 if b.seed == 0 else 1])
    best = manual[max(reach, key=reach.__getitem__)]
    train, valid = (pick(b, part, best)[0] for part in b.events(PLAN.validation_events))
    found = Search(train, AnswerLoss(valid), replace(PLAN, seed=b.seed)).run()
    judged("automatic", best, found.tokens)
    few = replace_users(b)
    _, rows = pick(b, asked["test"], best)
    for model in (Popularity(), TransitionKNN()):
        table = model.fit(few).score([b.split.test_history[row] for row in b.tested])
        scores = np.take_along_axis(np.asarray(table), rows, axis=1)
        values = picked(b, scores, rows, asked["test"])
        b.keep(type(model).__name__, "test ndcg@10", values, b.split.users[b.tested])


def reviews(b: Bench, rows, most: int = 1) -> pd.DataFrame:
    """Reviews by these users, up to so many each."""
    table = b.split.dataset.reviews
    some = table[table["user"].isin(b.split.users[rows])].groupby("user").head(most)
    return some.assign(feature=some["features"].str[0])


def explained(b: Bench, template, table: pd.DataFrame) -> Examples:
    values = [
        {"item": b.words.titles[row.item], "rating": f"{row.rating:.0f}", "feature": row.feature}
        for row in table.itertuples()
    ]
    wording = Wording.of(b.lm, template, b.words)
    return Examples(b.lm, wording, values, [[t] for t in table["text"]], table["user"])


def explanation(b: Bench) -> None:
    """PAP-REC's task of explaining a rating, end to end: ROUGE-L with the user's own review."""
    asked = {"valid": reviews(b, b.checked[:60]), "test": reviews(b, b.tested[:150])}
    reach: dict[str, float] = {}

    def judged(name: str, template, words, parts=("valid", "test")) -> None:
        for on in parts:
            examples = explained(b, template, asked[on])
            prompts = [examples.text(i, words) for i in range(len(examples))]
            frame = text_frame(write_texts(b.lm, prompts), asked[on]["text"].tolist())
            b.keep(name, f"{on} rougeL", frame["rougeL"], examples.users)
            reach.setdefault(name, frame["rougeL"].mean())

    manual = {t.source: t for t in templates("explanation")}
    for source, template in manual.items():
        start = Wording.of(b.lm, template, b.words).words or (NO_WORD,)
        judged(source, template, start, ("valid", "test")[: 2 if b.seed == 0 else 1])
    best = manual[max(reach, key=reach.__getitem__)]
    known = reviews(b, b.labelled, 2)
    train, valid = explained(b, best, known[::2]), explained(b, best, known[1::2])
    plan = replace(PLAN, seed=b.seed, calls=CALLS // 8)  # a review is as long as some eight titles
    judged("automatic", best, Search(train, AnswerLoss(valid), plan).run().tokens)
    near = [
        known.assign(
            far=10 * (known["feature"] != row.feature) + (known["rating"] - row.rating).abs()
        )
        .sort_values("far", kind="stable")["text"]
        .iloc[0]
        for row in asked["test"].itertuples()
    ]
    frame = text_frame(near, asked["test"]["text"].tolist())
    b.keep("review of a similar rating", "test rougeL", frame["rougeL"], asked["test"]["user"])


PARTS = {
    part.__name__: part
    for part in (
        manual,
        searches,
        hard,
        opponents,
        surrogate,
        own,
        scores,
        straightforward,
        explanation,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.write:
        return write(args.folder)
    commit = clone_commit(mark_changes=False)
    for part in args.parts:
        for seed in args.seeds if part != "surrogate" else args.seeds[:1]:
            path = args.folder / f"{part}-{seed}.csv"
            if not path.exists():
                bench = Bench(seed)
                PARTS[part](bench)
                pd.DataFrame(bench.rows).assign(part=part, commit=commit).to_csv(path, index=False)
                print(f"{part} {seed}: {time.process_time() - bench.start:.0f} s", flush=True)


def write(folder: Path) -> None:
    """All parts as one table, and a section that says what stands in it."""
    columns = "part seed name setting metric value calls user seconds commit".split()
    parts = [pd.read_csv(path) for path in sorted(folder.glob("*.csv"))]
    found = pd.concat(parts, ignore_index=True)[columns].astype({"setting": "string"})
    found["user"] = found["user"].astype("Int64")
    again = found.duplicated(["part", "seed", "name", "metric"]) & found["user"].notna()
    prompts = found["setting"].str.contains("{", regex=False, na=False)
    found.loc[again & prompts, "setting"] = ""  # said once
    ship(
        {"results/automatic-prompts.csv.gz": to_bytes(found)},
        "python benchmarks/automatic_prompts.py",
    )
    took = found.groupby(["part", "seed"])["seconds"].max().groupby("part").agg(["count", "sum"])
    lines = "\n".join(
        f"- {part}: {row['count']:.0f} seeds, {row['sum']:.0f} s" for part, row in took.iterrows()
    )
    body = (
        f"{machine()}\n\n"
        f"world-movies, kit-gpt, {LABELS} labelled users, {LIMIT} items of a history,"
        f" {CALLS} calls a search. Processor seconds.\n\n{lines}"
    )
    command = "python benchmarks/automatic_prompts.py --write"
    write_section("automatic-prompts", "Automatic prompts", command, body)


if __name__ == "__main__":
    main()
