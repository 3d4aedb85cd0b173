"""Searching prompt words: gradient against random search, and what it is worth.

    python benchmarks/automatic_prompts.py --folder FOLDER [--parts ...] [--seeds 0 1 2 3 4]
    python benchmarks/automatic_prompts.py --folder FOLDER --write

The first writes one file per part and seed, the second joins them into data/results: the recorded
results of notebook 05.

Words are searched on the training histories of 64 labelled users, another draw in every seed. Test
users are others, and are asked once everything is chosen; the part `curse` asks the labelled users'
own test items, after their words are fixed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from results_file import machine, write_section
from scipy.stats import spearmanr
from strategies import ndcg

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship
from tutorial_lib.language.prompts import Template, templates
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models.language_models import load_language_model
from tutorial_lib.strategies import Adapted, Budget, adapt
from tutorial_lib.strategies.automatic_prompts import prompt_template
from tutorial_lib.strategies.prompt_examples import (
    EXPANSIONS,
    Examples,
    candidate_scores,
    user_events,
    word_tokens,
)
from tutorial_lib.strategies.prompt_objectives import objective_on
from tutorial_lib.strategies.prompt_search import Search, SearchPlan
from tutorial_lib.strategies.task import Task
from tutorial_lib.strategies.tuning import labelled_users

LABELS, LIMIT, CALLS = 64, 6, 6000
TRIED_WORDS, TESTED, CHECKED = 240, 30, 12
# users per seed whose whole catalogue is scored: of the test users, of the validation users
SCORED, ORDERED = 12, 4


class Bench:
    """One seed: labelled users, test users, and a list of rows, all drawn from the seed."""

    def __init__(self, seed: int, folder: Path):
        self.seed, self.folder, self.rows = seed, folder, []
        self.split = leave_last_out(load_dataset("world-movies"))
        self.lm = load_language_model("kit-gpt")
        self.lm.model.requires_grad_(False)
        self.words = verbaliser(self.split.dataset, limit=LIMIT)
        self.labelled = labelled_users(self.split, LABELS, seed)
        others = np.setdiff1d(np.arange(len(self.split.users)), self.labelled)
        others = np.random.default_rng([seed, 9]).permutation(others)
        self.tested, self.checked = others[:TESTED], others[TESTED : TESTED + CHECKED]
        self.vocabulary = word_tokens(self.lm)
        self.start = time.perf_counter()

    def keep(self, name: str, metric: str, value: float, **more) -> None:
        row = {"seed": self.seed, "name": name, "metric": metric, "value": round(float(value), 6)}
        seconds = round(time.perf_counter() - self.start, 2)
        self.rows.append({**row, **more, "seconds": seconds})

    def examples(self, events: list) -> Examples:
        return Examples(self.lm, self.words, [e[1:] for e in events], [e[0] for e in events])

    def events(self, per_user: int, most: int = 96) -> tuple[list, list]:
        histories = [self.split.train[row] for row in self.labelled]
        users = self.split.users[self.labelled]
        n_items = self.split.dataset.n_items
        task = Task(self.lm, self.words, histories, n_items, self.seed, users=users)
        return user_events(task, per_user, most)

    def test_events(self, rows) -> list:
        s = self.split
        return [
            (int(s.users[row]), s.test_history[row][-LIMIT:], int(s.test_target[row][0]))
            for row in rows
        ]

    def search(
        self,
        method: str,
        vocabulary,
        per_user: int = 3,
        objective: str = "loss",
        resample: bool = False,
        most: int = 96,
        **plan,
    ) -> Search:
        train, valid = map(self.examples, self.events(per_user, most))
        usual = {"calls": CALLS, "expansion": "halfway"}
        given = SearchPlan(method=method, seed=self.seed, **(usual | plan))
        judge = objective_on(objective, valid, resample, self.seed)
        return Search(train, judge, given, vocabulary).run()

    def asked(self, template: Template) -> Adapted:
        return Adapted(self.lm, self.words, self.split.dataset.n_items, template)


def manual() -> dict[str, Template]:
    """The eight wordings of pre-training."""
    return {t.source: t for t in templates("sequential")}


def scores(b: Bench) -> None:
    """First-order scores against the true loss of a sample of words in one slot.

    The gradient is taken on other examples than the loss, and on the same.
    """
    train, valid = b.events(3)
    judge, learn = b.examples(valid[:48]), b.examples(train)
    rng = np.random.default_rng([b.seed, 21])
    prompt, slot = [int(t) for t in rng.choice(b.vocabulary, 3)], int(rng.integers(3))
    tried = np.sort(rng.choice(b.vocabulary, TRIED_WORDS, replace=False))
    true = judge.losses([[*prompt[:slot], int(t), *prompt[slot + 1 :]] for t in tried]).mean(1)
    table = judge.vocabulary.numpy()[tried].astype(float)
    for source, ex in (("other examples", learn), ("same examples", judge)):
        for at, draws in (*((at, 1) for at in EXPANSIONS), ("halfway", 4), ("scattered", 4)):
            each = [
                ex.gradients(prompt, slot, at, seed=d, among=b.vocabulary).mean(0)
                for d in range(draws)
            ]
            gradient, name = np.mean(each, axis=0), f"{at} x{draws}"
            for control, how in ((False, "dot product"), (True, "cosine")):
                found = candidate_scores(gradient, table, control)
                top = np.argsort(-found)[:10]
                more = {"setting": f"{source}, {how}", "words": len(tried)}
                b.keep(name, "spearman", spearmanr(found, -true)[0], **more)
                b.keep(name, "better than the best of ten", (true < true[top].min()).mean(), **more)
                b.keep(name, "best of all among ten", float(true.argmin() in top), **more)
    b.keep("-", "sd of the loss", true.std(), words=len(tried))


def traces(b: Bench) -> None:
    """Gradient against random search at equal calls, in small and large vocabularies.

    Afterwards the loss on the test items of others.
    """
    test = b.examples(b.test_events(np.concatenate([b.tested, b.checked])))
    for size in (128, 512, len(b.vocabulary)):
        vocabulary = np.sort(np.random.default_rng([b.seed, 22]).permutation(b.vocabulary)[:size])
        whole = size == len(b.vocabulary)
        for method in ("gradient", "random"):
            found = b.search(method, vocabulary, calls=CALLS if whole else CALLS // 2)
            more = {"setting": method, "words": "all" if whole else size}
            for calls, part in found.frame().groupby("calls"):
                b.keep("search", "validation loss", part["value"].iloc[-1], calls=calls, **more)
            text = prompt_template(b.lm, found.tokens).source
            b.keep(text, "test loss", test.losses([found.tokens]).mean(), calls=found.calls, **more)
            b.keep(text, "no words, test loss", test.losses([[]]).mean(), **more)
            b.keep(text, "no words, validation loss", found.objective([[]]).mean(), **more)


def curse(b: Bench) -> None:
    """Users' own words chosen on 1, 3 or 5 events each: what they promise, and what they keep.

    What is left of the promise shows on the users' test items.
    """
    test = b.examples(b.test_events(b.labelled))
    base = b.search("gradient", b.vocabulary, calls=CALLS // 2)
    users = b.split.users[b.labelled]
    for per_user in (1, 3, 5):
        train, valid = map(b.examples, b.events(per_user, 10 * LABELS))
        plan = SearchPlan(calls=1, user_rounds=1, expansion="halfway", seed=b.seed)
        found = Search(train, objective_on("loss", valid), plan, b.vocabulary)
        found.tokens = list(base.tokens)
        rows = found.run().frame()
        words = [found.own.get(int(user), base.tokens[-1]) for user in users]
        losses = {"all": test.losses([base.tokens])[0]}
        shuffled = np.random.default_rng([b.seed, 23]).permutation(LABELS)
        more = {"setting": per_user, "calls": found.calls}
        for name, order in (("own", np.arange(LABELS)), ("shuffled", shuffled)):
            found.own = {int(user): words[i] for user, i in zip(users, order, strict=True)}
            losses[name] = test.losses(found.prompts(test)[None])[0]
            for user, value in zip(test.users, losses["all"] - losses[name], strict=True):
                b.keep(name, "test gain", value, user=int(user), **more)
        for user, tried in rows.groupby("user"):
            before = tried["before"].iloc[0]
            gain = before - min(before, tried["after"].min())
            b.keep("own", "validation gain", gain, user=int(user), **more)


SWITCHES = {
    "ours": {},
    "dot product": {"norm_control": False},
    "gradient at the present word": {"expansion": "token"},
    "one event a user": {"per_user": 1},
    "choice, fixed": {"objective": "choice"},
    "choice, re-sampled": {"objective": "choice", "resample": True},
}


def switches(b: Bench) -> None:
    """What the switches of the public code do to the search, each alone against ours.

    At equal calls, judged by the same test loss.
    """
    test = b.examples(b.test_events(np.concatenate([b.tested, b.checked])))
    judge = b.examples(b.events(5, 200)[1])
    for name, change in SWITCHES.items():
        found = b.search("gradient", b.vocabulary, **{"calls": CALLS // 2, "most": 48, **change})
        log = found.frame()
        b.keep(name, "test loss", test.losses([found.tokens]).mean(), calls=found.calls)
        b.keep(name, "loss on 200 events", judge.losses([found.tokens]).mean(), calls=found.calls)
        b.keep(name, "accepted flips", log["accepted"].sum(), calls=found.calls)
        again = float(np.mean([found.objective([found.tokens]).mean() for _ in range(4)]))
        metric = "objective when measured again, minus as accepted"
        b.keep(name, metric, again - found.value, calls=found.calls)


def prompts(b: Bench) -> None:
    """Manual prompts, those that `traces` found, and a soft prompt, on the same test users."""
    traced = pd.read_csv(b.folder / f"traces-{b.seed}.csv")
    whole = traced.query("metric == 'test loss' and words == 'all'").set_index("setting")["name"]
    asked = {f"manual: {source}": b.asked(t) for source, t in manual().items()}
    for method in ("gradient", "random"):
        template = Template("sequential", whole[method], "{item}")
        asked[f"automatic, {method}"] = b.asked(template)
    steps = CALLS // 48
    budget = Budget(1e-2, epochs=1e3, shortest=steps, longest=steps)
    asked["soft prompt"] = adapt(
        b.lm, b.split, "soft-prompt", LABELS, b.seed, words=b.words, budget=budget, calibrate=0
    )
    everyone, scored = np.concatenate([b.tested, b.checked]), b.tested[:SCORED]
    for name, model in asked.items():
        calls = 0 if name.startswith("manual") else CALLS
        for metric, rows, values in (
            ("ndcg@10", scored, ndcg(model, b.split, scored)),
            ("test loss", everyone, loss_of(model, b.split, everyone, "test")),
        ):
            for row, value in zip(rows, values, strict=True):
                b.keep(name, metric, value, user=int(b.split.users[row]), calls=calls)


def surrogate(b: Bench) -> None:
    """The loss and short answers against full-catalogue NDCG@10, over twenty prompts.

    On validation items; the prompts are the same in all seeds.
    """
    drawn = np.random.default_rng(99).choice(b.vocabulary, (12, 3))
    found = [prompt_template(b.lm, tokens) for tokens in drawn]
    asked = manual() | {template.source: template for template in found}
    measures = {"loss": loss_of, "short answers": answers_of, "ndcg@10": ndcg_of}
    rows = b.checked[:ORDERED]
    for name, template in asked.items():
        model = b.asked(template)
        for metric, measure in measures.items():
            start = time.perf_counter()
            values = measure(model, b.split, rows)
            took = round((time.perf_counter() - start) / len(values), 5)
            for row, value in zip(rows, values, strict=True):
                b.keep(name, metric, value, user=int(b.split.users[row]), calls=took)


def loss_of(model: Adapted, split, rows, on: str = "valid") -> list[float]:
    """Mean loss of the next title's tokens for each user."""
    histories, targets = getattr(split, f"{on}_history"), getattr(split, f"{on}_target")
    titles = model.words.titles
    with torch.inference_mode():
        return [
            model.lm.loss([model.prompt(histories[row])], [titles[targets[row][0]]]).item()
            for row in rows
        ]


def ndcg_of(model: Adapted, split, rows) -> np.ndarray:
    return ndcg(model, split, rows, "valid")


def answers_of(model: Adapted, split, rows) -> list[float]:
    """1 - NDCG@5 of five free beams, compared token by token."""
    out = []
    for row in rows:
        written = model.write(split.valid_history[row], beams=5, constrained=False)
        place = np.flatnonzero(written.items == split.valid_target[row][0])
        out.append(1.0 - (1 / np.log2(place[0] + 2) if len(place) else 0.0))
    return out


PARTS = {f.__name__: f for f in (scores, traces, curse, prompts, switches, surrogate)}


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
        for seed in args.seeds:
            path = args.folder / f"{part}-{seed}.csv"
            if not path.exists():
                bench = Bench(seed, args.folder)
                PARTS[part](bench)
                pd.DataFrame(bench.rows).assign(part=part, commit=commit).to_csv(path, index=False)
                print(f"{part} {seed}: {time.perf_counter() - bench.start:.0f} s", flush=True)


def write(folder: Path) -> None:
    """All parts as one table, and a section that says what stands in it."""
    columns = "part seed name setting words metric value calls user seconds commit".split()
    parts = [pd.read_csv(path) for path in sorted(folder.glob("*.csv"))]
    found = pd.concat(parts, ignore_index=True)[columns]
    found["user"] = found["user"].astype("Int64")
    content = found.to_csv(index=False, lineterminator="\n").encode()
    ship({"results/automatic-prompts.csv": content}, "python benchmarks/automatic_prompts.py")
    took = found.groupby(["part", "seed"])["seconds"].max().groupby("part").agg(["count", "sum"])
    lines = "\n".join(
        f"- {part}: {row['count']:.0f} seeds, {row['sum']:.0f} s" for part, row in took.iterrows()
    )
    body = (
        f"{machine()}\n\n"
        f"world-movies, kit-gpt, {LABELS} labelled users, {LIMIT} items of a history,"
        f" {CALLS} calls a search.\n\n{lines}"
    )
    command = "python benchmarks/automatic_prompts.py --write"
    write_section("automatic-prompts", "Automatic prompts", command, body)


if __name__ == "__main__":
    main()
