"""Generative retrieval, measured: what lists of written IDs are worth beside an item Transformer at
about the same processor time, what the ID schemes cost, and how fast constrained beams are beside
`generate` of transformers with `prefix_allowed_tokens_fn`.

    python benchmarks/generative_retrieval.py [--worlds W ...] [--models M ...] [--seeds S ...]
    python benchmarks/generative_retrieval.py --write     # ship what has been run

A cell is a world, a model and a seed; finished cells are kept in ``runs/generative``, so a run that
is stopped goes on where it was. The item Transformer's defaults and the retriever's were chosen on
validation users of world-movies, at about the same processor time. Nothing is chosen here.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from results_file import machine, markdown_table, write_section

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship, write_whole
from tutorial_lib.evaluation.expected import expected_metrics
from tutorial_lib.models import EASE, SequenceRecommender, TransitionKNN
from tutorial_lib.models.generative_retrieval import GenerativeRetriever
from tutorial_lib.models.semantic_ids import ID_SCHEMES, token_ids
from tutorial_lib.models.time_aware import TimeAwareRecommender
from tutorial_lib.models.trie import Trie
from tutorial_workshop.experiments.cells import next_item_chances
from tutorial_workshop.experiments.results import to_bytes

RUNS = Path(__file__).resolve().parents[1] / "runs" / "generative"
CELLS, USERS = "results/generative.csv", "results/generative-users.csv.gz"
VISITS = "world-movies-visits"  # judged by the gap to the event before; see `Visits`
WORLDS = ("world-movies-cold", "world-movies", VISITS)
COUNTERS = {"EASE": EASE, "TransitionKNN": TransitionKNN}
KNOWN = ("ceiling", "ceiling, blind", "share", *COUNTERS)  # no seed decides anything here
TRAINED = ("item Transformer", *(f"IDs: {scheme}" for scheme in ID_SCHEMES))
TIMED_MODEL = "item Transformer, time-aware"
PEER = "generate of transformers"
N_USERS = 500  # test users who are judged
BEAMS, TIMED = 20, 200  # beams, and histories, of the measured speed


class World:
    """Test users, the probability of each next item, and who may come next by kind.

    A *seen* next item followed the last item of the history in somebody's training part; an
    *unseen* one did not; a *new* one is in nobody's. Real data have no probabilities: there the
    drawn target has 1, and expectations are realised values.
    """

    def __init__(self, name: str):
        dataset = load_dataset(name)
        self.split = leave_last_out(dataset if dataset.truth else dataset.k_core(5))
        rows = [row for row, target in enumerate(self.split.test_target) if len(target)]
        rows = rows if dataset.truth is None else rows[:: max(1, len(rows) // N_USERS)][:N_USERS]
        self.histories = [self.split.test_history[row] for row in rows]
        self.users = np.asarray(self.split.users)[rows]
        n_items = self.split.dataset.n_items
        new = np.zeros(n_items, dtype=bool)
        targets = [self.split.test_target[row][0] for row in rows]
        self.p = next_item_chances(self.split.dataset, self.histories, targets)
        if dataset.truth is not None:
            new[dataset.truth.new_items] = True
        followed = np.zeros((n_items, n_items), dtype=bool)
        for items in self.split.train:
            followed[items[:-1], items[1:]] = True
        seen = followed[[history[-1] for history in self.histories]]
        self.kinds = {"all": np.ones_like(seen), "seen": seen, "unseen": ~seen & ~new}
        self.kinds |= {"new": np.broadcast_to(new, seen.shape)} if new.any() else {}

    def judged(self, scores: np.ndarray) -> pd.DataFrame:
        """What each user's list is expected to earn, for each kind with a list that holds items of
        that kind only: sum over its places of p(item there) / log2(place + 1).
        """
        scores = np.array(scores, dtype=np.float64)
        for line, history in enumerate(self.histories):
            scores[line, history] = -np.inf
        ties = np.random.default_rng(0).random(scores.shape)  # equal scores in a drawn order
        columns = {}
        for kind, member in self.kinds.items():
            own = np.where(member, scores, -np.inf)
            order = np.lexsort((ties, -own), axis=1)[:, :10]
            order[np.take_along_axis(own, order, axis=1) == -np.inf] = -1
            columns[kind] = expected_metrics(order, self.p, k=10)["ndcg@10"].to_numpy()
        return pd.DataFrame(columns, index=pd.Index(self.users, name="user"))

    def shares(self) -> pd.DataFrame:
        """How likely each user's next item is of each kind."""
        found = {kind: (self.p * member).sum(axis=1) for kind, member in self.kinds.items()}
        return pd.DataFrame(found, index=pd.Index(self.users, name="user"))


class Visits(World):
    """Test users by the gap from the last event to the one that is asked for: the same second, so
    the same visit, or later. Probabilities are those given all times, and models are refitted on
    training and validation parts, since the time-aware one looks at no validation.
    """

    def __init__(self, name: str):
        super().__init__(name)
        dataset = self.split.dataset
        self.split = self.split.merge_validation()
        rows = dataset.sorted_rows()
        times = dataset.interactions["timestamp"].to_numpy()[rows]
        ends = np.cumsum(np.bincount(dataset.interactions["user"], minlength=dataset.n_users))
        whole = np.split(times, ends[:-1])
        tied = [np.append(False, np.diff(whole[user]) == 0) for user in self.users]
        self.blind = self.p
        self.p = dataset.truth.next_item_probabilities(self.histories, tied=tied)
        same = np.array([row[-1] for row in tied])[:, None] & np.ones_like(self.p, dtype=bool)
        self.kinds = {"all": np.ones_like(same), "same second": same, "later": ~same}


def run_cell(world: World, name: str, seed: int) -> tuple[dict, pd.DataFrame]:
    """What a model costs, and what its lists earn, user by user."""
    row: dict = {"model": name, "seed": seed}
    if name == "share":
        return row, world.shares()
    if name == "ceiling":
        return row, world.judged(world.p)
    if name == "ceiling, blind":
        return row, world.judged(world.blind)
    start = time.process_time()
    if not name.startswith("IDs: "):
        kinds = {**COUNTERS, TIMED_MODEL: TimeAwareRecommender}
        make = kinds.get(name, SequenceRecommender)
        model = make().fit(world.split, seed=seed, progress=False)
        row["fit_seconds"] = time.process_time() - start
        return row, world.judged(model.score(world.histories, users=world.users))
    ids = token_ids(world.split, name.removeprefix("IDs: "), seed=seed)
    row["id_seconds"] = time.process_time() - start
    row |= {"tokens": " x ".join(map(str, ids.sizes)), "codebook_use": ids.codebook_use}
    row["collisions"] = ids.collisions
    model = GenerativeRetriever(ids).fit(world.split, seed=seed, progress=False)
    row["fit_seconds"] = time.process_time() - start
    row |= beam_costs(model, world.histories[:TIMED])
    model.beams = model.n_items  # every item is scored, also those of rare kinds
    return row, world.judged(model.score(world.histories))


def beam_costs(model: GenerativeRetriever, histories: list) -> dict:
    """Processor milliseconds of a user's beams, and the share of IDs that no item has."""
    start = time.process_time()
    written = model.write(histories, BEAMS)
    milliseconds = 1000 * (time.process_time() - start) / len(histories)
    free = model.write(histories, BEAMS, constrained=False)
    return {
        "beam_milliseconds": milliseconds,
        "invalid": written.invalid,
        "invalid_unconstrained": free.invalid,
    }


def generate_costs(world: World) -> dict:
    """The same of `generate`, whose GPT-2 of the retriever's width and depth reads the same items,
    one token each, and may write the same IDs.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GenerativeRetriever(epochs=1).fit(world.split, progress=False)
    histories = world.histories[: TIMED // 4]  # it takes long
    tokens = model.trie.tokens + model.n_items
    end = int(tokens.max()) + 1
    config = GPT2Config(
        vocab_size=end + 1,
        n_positions=256,
        n_embd=model.shape["width"],
        n_layer=model.shape["layers"],
        n_head=model.shape["heads"],
        bos_token_id=end,
        eos_token_id=None,
        pad_token_id=end,
    )
    peer, trie = GPT2LMHeadModel(config).eval(), Trie(tokens.tolist())
    length = max(map(len, histories))
    ids = torch.full((len(histories), length), end)
    for row, history in enumerate(histories):
        ids[row, length - len(history) :] = torch.from_numpy(history)

    def allowed(batch: int, written: torch.Tensor) -> list[int]:
        return list(trie.children(trie.find(written[length:].tolist())))

    start = time.process_time()
    peer.generate(
        ids,
        attention_mask=(ids != end).long(),
        max_new_tokens=tokens.shape[1],
        num_beams=BEAMS,
        num_return_sequences=10,
        do_sample=False,
        prefix_allowed_tokens_fn=allowed,
    )
    milliseconds = 1000 * (time.process_time() - start) / len(histories)
    mine = beam_costs(model, histories)["beam_milliseconds"]
    print(f"in one run: {mine:.2f} ms a user, generate {milliseconds:.1f}", flush=True)
    return {"model": PEER, "seed": 0, "beam_milliseconds": milliseconds}


def asked_of(world: str, model: str) -> bool:
    """Time-aware models and those that write IDs are asked of different worlds."""
    if model in ("ceiling, blind", TIMED_MODEL):
        return world == VISITS
    return world != VISITS or not (model == PEER or model.startswith("IDs: "))


def run(worlds, models, seeds, commit: str) -> None:
    """Run the cells that are not there yet, seed by seed."""
    for seed in seeds:
        for name in worlds:
            world = None
            for model in models:
                path = RUNS / f"{name}, {model}, {seed}.csv".replace(": ", " ")
                once = model in (*KNOWN, PEER) and seed
                if path.is_file() or once or not asked_of(name, model):
                    continue
                world = world or (Visits if name == VISITS else World)(name)
                if model == PEER:
                    row, frame = generate_costs(world), pd.DataFrame({"user": [-1]})
                else:
                    row, frame = run_cell(world, model, seed)
                    frame = frame.round(5).reset_index()
                frame = frame.assign(world=name, commit=commit, **row)
                write_whole(path, frame.to_csv(index=False).encode())
                print(path.stem, frame.get("all", pd.Series([np.nan])).mean(), flush=True)


def write() -> None:
    """Ship the cells that have been run, and a section of RESULTS.md."""
    rows = pd.concat([pd.read_csv(path) for path in sorted(RUNS.glob("*.csv"))])
    kinds = ["all", "seen", "unseen", "new", "same second", "later"]
    kinds = [kind for kind in kinds if kind in rows]
    keys = ["world", "model", "seed"]
    costs = ["id_seconds", "fit_seconds", "tokens", "codebook_use", "collisions"]
    costs += ["beam_milliseconds", "invalid", "invalid_unconstrained", "commit"]
    cells = rows.groupby(keys)[costs].first().reset_index().round(4)
    users = rows.loc[rows["user"] >= 0, [*keys, "user", *kinds]].sort_values([*keys, "user"])
    content = cells.to_csv(index=False, lineterminator="\n").encode()
    ship(
        {CELLS: content, USERS: to_bytes(users)},
        "python benchmarks/generative_retrieval.py --write",
    )
    means = users.groupby(["world", "model"])[kinds].mean()
    share = means.xs("share", level="model")
    means = means / share.reindex(means.index, level="world")
    seeds = cells.groupby(["world", "model"])["seed"].nunique()
    level = means.drop(index="share", level="model").round(4).assign(seeds=seeds).reset_index()
    body = "\n\n".join([machine(), markdown_table(cells), markdown_table(level)])
    command = "python benchmarks/generative_retrieval.py --write"
    write_section("generative-retrieval", "Generative retrieval", command, body)
    print(level.to_string())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*KNOWN, *TRAINED, TIMED_MODEL, PEER]
    parser.add_argument("--worlds", nargs="+", default=WORLDS)
    parser.add_argument("--models", nargs="+", default=names, choices=names)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--write", action="store_true", help="ship what has been run")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.write:
        write()
    else:
        run(given.worlds, given.models, given.seeds, clone_commit(mark_changes=False))


if __name__ == "__main__":
    main()
