"""What carries over from a source domain: texts, persons, prompts; how many labels that is worth,
and what becomes of it where words or persons mean something else here (the overlap dial).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.dataset import Dataset
from tutorial_lib.data.splits import Split
from tutorial_lib.evaluation import expected_among, expected_metrics
from tutorial_lib.models import EASE, Blend, Oracle, Popularity, SequenceRecommender, TransitionKNN
from tutorial_lib.models.baselines import interaction_matrix
from tutorial_lib.models.kept import title_vectors
from tutorial_lib.models.text_transfer import TextEncoder, TextRecommender
from tutorial_lib.recommender import top_k
from tutorial_lib.training import Plan
from tutorial_workshop.experiments.cells import labelled_only, language_model

SOURCE, TARGET = "world-products", "world-movies"
CATALOGUES = ("world-products", "world-movies", "world-news")  # whose words are weighed
REAL_SOURCE = "ml-100k"
REAL_TARGETS = {"amazon-games": (10, 2000), "mind-small": (3, 2000)}  # k of the k-core, most users
REAL_USERS = 1000  # test users
OVERLAPS = (0.0, 0.25, 0.5, 1.0)
PEOPLE = 400  # users of the target world
LABELS = (0, 16, 64, PEOPLE)
USERS = 200  # of these, test users
ASKED = 100  # of the test users, for whom a prompt is asked
COLD_PEOPLE = 800  # users of the world with new items
SHAPE: dict[str, Any] = {"width": 48, "layers": 1, "dropout": 0.1}
LONG = Plan(epochs=12, learning_rate=4e-3)  # the source, or a target without one
SHORT = Plan(epochs=5, learning_rate=4e-3, batch_tokens=512)  # from one world to another
ALONE = replace(LONG, batch_tokens=512)
# chosen on validation users (benchmarks/transfer.py --tune)
REGULARISATION = {16: 30.0, 64: 50.0, PEOPLE: 200.0}
MIX = {"weight": 0.7, "power": 2.0}  # of EASE, in a blend with a text model
SHUFFLED = ", texts dealt out anew"


@functools.lru_cache
def encoder() -> TextEncoder:
    """Frozen text vectors: words as they are weighed in the catalogues of all three worlds."""
    return TextEncoder([load_dataset(name) for name in CATALOGUES], width=128)


@functools.lru_cache
def source_model(seed: int) -> TextRecommender:
    """A text recommender that has seen what people did in the source domain."""
    split = leave_last_out(load_dataset(SOURCE))
    return TextRecommender(encoder(), plan=LONG, **SHAPE).fit(split, seed=seed)


@functools.lru_cache
def real_source(seed: int) -> TextRecommender:
    """The same of MovieLens-100K, which reads titles by MiniLM."""
    split = leave_last_out(load_dataset(REAL_SOURCE).k_core(5))
    return TextRecommender(minilm_vectors, plan=LONG, **SHAPE).fit(split, seed=seed)


def minilm_vectors(dataset: Dataset) -> np.ndarray:
    """Frozen vectors of titles, [n_items, 384]."""
    return title_vectors(language_model("minilm"), dataset.items["title"].tolist()).numpy()


@dataclass(frozen=True, eq=False)
class Target:
    """The target domain: its test users, and what may come next for them.

    In a world, at one overlap, the probabilities are those given the users' true types. Given
    history and type, the next item does not depend on what a person did elsewhere, so they judge
    also who has seen that. In real data, the item that came next has probability 1.
    """

    overlap: float
    split: Split
    rows: np.ndarray
    histories: list[np.ndarray]
    chances: np.ndarray
    encode: Callable[[Dataset], np.ndarray]
    source: Callable[[int], TextRecommender]

    @classmethod
    def at(cls, overlap: float, users: int = USERS) -> Target:
        """The world as planted with this overlap."""
        split = leave_last_out(load_dataset(TARGET, overlap=overlap, n_users=PEOPLE))
        tested = split.sample_targets(users)
        rows = np.flatnonzero([len(target) > 0 for target in tested.test_target])
        histories = [split.test_history[row] for row in rows]
        truth: Any = split.dataset.truth
        chances = truth.next_item_probabilities(histories, users=split.users[rows])
        return cls(overlap, split, rows, histories, chances, encoder(), source_model)

    @classmethod
    def real(cls, name: str, users: int = REAL_USERS) -> Target:
        """A real catalogue, whose source is MovieLens-100K."""
        core, people = REAL_TARGETS[name]
        data = load_dataset(name).k_core(core)
        split = leave_last_out(data.subset_users(range(min(people, data.n_users))))
        tested = split.sample_targets(min(users, len(split.users)))
        rows = np.flatnonzero([len(target) > 0 for target in tested.test_target])
        histories = [split.test_history[row] for row in rows]
        chances = np.zeros((len(rows), split.dataset.n_items))
        chances[np.arange(len(rows)), [split.test_target[row][0] for row in rows]] = 1
        return cls(np.nan, split, rows, histories, chances, minilm_vectors, real_source)

    def judge(self, lists: np.ndarray) -> pd.Series:
        """Expected NDCG@10 of the first test users, as many as there are lists."""
        n = len(lists)
        frame = expected_metrics(lists, self.chances[:n], k=10, users=self.rows[:n].tolist())
        return frame["ndcg@10"]


def with_texts_dealt_out(dataset: Dataset, seed: int) -> Dataset:
    """The same items with each other's titles, texts and categories: what is left of a result then
    did not come from what the words mean.
    """
    columns = [name for name in ("title", "text", "categories") if name in dataset.items]
    order = np.random.default_rng([seed, 31]).permutation(dataset.n_items)
    dealt = dataset.items[columns].iloc[order].reset_index(drop=True)
    return replace(dataset, items=dataset.items.assign(**dealt))


def transfer_cells(
    target: Target, labels: int, seed: int
) -> Iterator[tuple[str, float, pd.Series]]:
    """Each system with its processor seconds, and the expected NDCG@10 of each test user."""
    split, start = target.split, time.process_time()

    def done(name: str, fitted) -> tuple[str, float, pd.Series]:
        lists = fitted.recommend(target.histories, k=10, users=target.rows)
        return name, time.process_time() - start, target.judge(lists)

    def text(source: TextRecommender | None, plan: Plan) -> TextRecommender:
        return TextRecommender(target.encode, source, plan=plan, **SHAPE)

    begun, tuned = target.source(seed), SHORT if split.dataset.truth else ALONE
    mixed = replace(split, dataset=with_texts_dealt_out(split.dataset, seed))
    if labels == 0:
        yield done("text, from the source", text(begun, SHORT).read(split.dataset))
        start = time.process_time()
        yield done("text, from the source" + SHUFFLED, text(begun, SHORT).read(mixed.dataset))
        start = time.process_time()
        if split.dataset.truth:
            yield done("ceiling", Oracle(know_types=True).fit(split))
        return
    known = labelled_only(split, labels, seed)
    start = time.process_time()
    ease = EASE(REGULARISATION.get(labels, REGULARISATION[PEOPLE])).fit(known)
    yield done("EASE, target alone", ease)
    start = time.process_time()
    alone = text(None, ALONE).fit(known, seed=seed)
    yield done("text, target alone", alone)
    yield done("EASE + text, target alone", Blend(alone, ease, **MIX).choose(known))
    start = time.process_time()
    moved = text(begun, tuned).fit(known, seed=seed)
    yield done("text, from the source", moved)
    yield done("EASE + text, from the source", Blend(moved, ease, **MIX).choose(known))
    if labels == 64 or split.dataset.truth is None:
        start = time.process_time()
        dealt = text(begun, tuned).fit(labelled_only(mixed, labels, seed), seed=seed)
        yield done("text, from the source" + SHUFFLED, dealt)


def prompt_cells(target: Target, dealt: bool) -> Iterator[tuple[str, float, pd.Series]]:
    """A language model that is asked as it is; the same for every seed."""
    from tutorial_lib.strategies import adapt

    lm, start = language_model("kit-gpt"), time.process_time()
    datasets = {"prompt, kit-gpt": target.split.dataset}
    if dealt:
        datasets["prompt, kit-gpt" + SHUFFLED] = with_texts_dealt_out(target.split.dataset, 0)
    for name, dataset in datasets.items():
        model = adapt(lm, replace(target.split, dataset=dataset), "zero-shot", labels=0)
        lists = model.recommend(target.histories[:ASKED], k=10)
        yield name, time.process_time() - start, target.judge(lists)
        start = time.process_time()


def person_cells(target: Target, seed: int) -> Iterator[tuple[str, float, pd.Series]]:
    """Cold users: persons who are known in the source, and have chosen nothing here yet."""
    here, there = target.split, leave_last_out(load_dataset(SOURCE))
    pairs = shared_persons(here.dataset, there.dataset)
    rows, elsewhere = pairs["here"].to_numpy(), [there.test_history[i] for i in pairs["there"]]
    nothing = [np.empty(0, dtype=np.int64)] * len(rows)
    truth: Any = here.dataset.truth
    chances = truth.next_item_probabilities(nothing, users=rows)
    n = here.dataset.n_items

    def done(name: str, scores: np.ndarray, start: float) -> tuple[str, float, pd.Series]:
        frame = expected_metrics(top_k(scores, 10), chances, k=10, users=rows.tolist())
        return name, time.process_time() - start, frame["ndcg@10"]

    start = time.process_time()
    model = TextRecommender(encoder(), source_model(seed), **SHAPE)
    joint = pd.concat([here.dataset.items, there.dataset.items])
    model.read(SimpleNamespace(items=joint, n_items=len(joint)))
    yield done(
        "text, the person's source history", model.score([h + n for h in elsewhere])[:, :n], start
    )
    if seed == 0:  # nothing is drawn
        start = time.process_time()
        yield done(
            "persons alike there, their choices here", like_minded(here, there, pairs), start
        )
        popular = Popularity().fit(here).score(nothing)
        yield done("popularity here", popular, start)
        yield done("ceiling", chances, start)


def shared_persons(here: Dataset, there: Dataset) -> pd.DataFrame:
    """Users of two domains who are one person: columns here and there, user codes."""
    codes = [data.users.reset_index()[["index", "person"]] for data in (here, there)]
    both = codes[0].merge(codes[1], on="person", suffixes=("_here", "_there"))
    return both.rename(columns={"index_here": "here", "index_there": "there"})


def like_minded(here: Split, there: Split, pairs: pd.DataFrame) -> np.ndarray:
    """Scores of the target's items for each shared person: what the other shared persons chose
    here, weighed by the cosine of what they and this one chose there. [n, n_items]
    """
    chosen = interaction_matrix([there.train[i] for i in pairs["there"]], there.dataset.n_items)
    counts = np.maximum(np.asarray(chosen.sum(axis=1)), 1)
    alike = (chosen @ chosen.T).toarray() / np.sqrt(counts * counts.T)
    np.fill_diagonal(alike, 0.0)
    matrix = interaction_matrix([here.train[i] for i in pairs["here"]], here.dataset.n_items)
    return np.asarray((alike**2) @ matrix.toarray())


def cold_item_cells(seed: int, users: int = USERS) -> Iterator[tuple[str, float, pd.DataFrame]]:
    """New items in world-movies-cold: expected NDCG@10 among them, given that one comes next, and
    of the list over the whole catalogue, with the share of new items in it.
    """
    data = load_dataset("world-movies-cold").subset_users(range(COLD_PEOPLE))
    split = leave_last_out(data)
    rows = np.flatnonzero([len(t) > 0 for t in split.sample_targets(users).test_target])
    histories = [split.test_history[row] for row in rows]
    truth: Any = data.truth
    p = truth.next_item_probabilities(histories)
    new = np.isin(np.arange(data.n_items), truth.new_items)
    models: dict[str, Any] = {"item Transformer": SequenceRecommender(plan=Plan(epochs=10))}
    models["text Transformer"] = TextRecommender(encoder(), plan=LONG, **SHAPE)
    if seed == 0:
        models |= {"EASE": EASE(), "TransitionKNN": TransitionKNN(), "ceiling": Oracle()}
    for name, model in models.items():
        start = time.process_time()
        scores = np.asarray(model.fit(split, seed=seed, progress=False).score(histories), float)
        lists = top_k(scores, 10, exclude=histories)
        frame = expected_metrics(lists, p, k=10)[["ndcg@10"]]
        frame["among new"] = expected_among(scores, p, new, histories, seed=seed)["ndcg@10"]
        frame["share of new"] = new[lists].mean(axis=1)
        frame.index = pd.Index(rows, name="user")
        yield name, time.process_time() - start, frame
