"""Generative retrieval, measured: how fast constrained beams are beside `generate` of transformers
with `prefix_allowed_tokens_fn`, in one run; what the ID schemes cost; and what the lists are worth
beside an item Transformer at about the same processor time.

python benchmarks/generative_retrieval.py [--seeds 1] [--users 200] [--write]   # about 10 minutes
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
import torch
from results_file import machine, markdown_table, write_section

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.evaluation.expected import expected_metrics
from tutorial_lib.models import EASE, SequenceRecommender, TransitionKNN
from tutorial_lib.models.generative_retrieval import GenerativeRetriever
from tutorial_lib.models.semantic_ids import ID_SCHEMES, token_ids
from tutorial_lib.models.trie import Trie

WORLDS = ("world-movies", "world-movies-cold")
BEAMS = 20


def schemes(split) -> pd.DataFrame:
    """What making the IDs costs, and how well they use their codes."""
    rows = []
    for scheme in ID_SCHEMES:
        start = time.process_time()
        ids = token_ids(split, scheme)
        seconds = time.process_time() - start
        rows.append(
            {
                "scheme": scheme,
                "seconds": f"{seconds:.1f}",
                "tokens": " x ".join(map(str, ids.sizes)),
                "codebook use": f"{ids.codebook_use:.2f}",
                "share an ID before the last token": f"{ids.collisions:.1%}",
                "share an ID": f"{1 - len(np.unique(ids.tokens, axis=0)) / len(ids.tokens):.1%}",
            }
        )
    return pd.DataFrame(rows)


def beam_speed(model: GenerativeRetriever, histories: list) -> dict:
    """Milliseconds a user of our beams and of `generate`, whose GPT-2 of the same width and depth
    reads the same items, one token each, and may write the same IDs.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

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

    def theirs():
        return peer.generate(
            ids,
            attention_mask=(ids != end).long(),
            max_new_tokens=tokens.shape[1],
            num_beams=BEAMS,
            num_return_sequences=10,
            do_sample=False,
            prefix_allowed_tokens_fn=allowed,
        )

    seconds = {}
    for name, call in (("ours", lambda: model.write(histories, BEAMS)), ("generate", theirs)):
        call() if name == "ours" else None
        start = time.process_time()
        call()
        seconds[name] = time.process_time() - start
    free = model.write(histories, BEAMS, constrained=False)
    return {
        "beams": BEAMS,
        "ours, ms a user": f"{1000 * seconds['ours'] / len(histories):.2f}",
        "generate, ms a user": f"{1000 * seconds['generate'] / len(histories):.1f}",
        "ratio": f"{seconds['generate'] / seconds['ours']:.0f}",
        "IDs of no item, constrained": f"{model.write(histories, BEAMS).invalid:.1%}",
        "free": f"{free.invalid:.1%}",
    }


def quality(split, seeds: int) -> pd.DataFrame:
    """Expected NDCG@10 on test users: over all items, and where the next item is known to be of a
    kind, among the items of that kind. Kinds: after the last item of the history by someone in
    training (seen transition), or not; and new items.
    """
    truth, histories = split.dataset.truth, split.test_history
    p = truth.next_item_probabilities(histories)
    n_items = split.dataset.n_items
    followed = np.zeros((n_items, n_items), dtype=bool)
    for items in split.train:
        followed[items[:-1], items[1:]] = True
    seen = followed[[history[-1] for history in histories]]
    new = np.isin(np.arange(n_items), truth.new_items)
    kinds = {"all": np.ones_like(seen), "seen": seen, "unseen": ~seen & ~new}
    kinds |= {"new": np.broadcast_to(new, seen.shape)} if new.any() else {}
    models = {"EASE": EASE, "TransitionKNN": TransitionKNN, "item Transformer": SequenceRecommender}
    models |= {f"IDs: {ids}": lambda ids=ids: GenerativeRetriever(ids) for ids in ID_SCHEMES}
    rows = [_judged("ceiling", 0.0, kinds, p, p, histories)]
    for name, make in models.items():
        for seed in range(seeds):
            start = time.process_time()
            model = make().fit(split, seed=seed, progress=False)
            seconds = time.process_time() - start
            if hasattr(model, "beams"):
                model.beams = n_items  # every item is scored, also those of rare kinds
            rows.append(_judged(name, seconds, kinds, model.score(histories), p, histories))
            print(rows[-1], flush=True)
    return pd.DataFrame(rows).groupby("model", sort=False).mean().reset_index()


def _judged(name: str, seconds: float, kinds: dict, scores, p, histories) -> dict:
    """One row: E[NDCG@10 | the next item is of a kind], the list holding items of that kind."""
    row: dict = {"model": name, "seconds": seconds}
    scores = np.array(scores, dtype=np.float64)
    for line, history in enumerate(histories):
        scores[line, history] = -np.inf
    rng = np.random.default_rng(0)
    ties = rng.random(scores.shape)  # equal scores in a drawn order
    for kind, member in kinds.items():
        share = (p * member).sum(axis=1, keepdims=True)
        order = np.lexsort((ties, -np.where(member, scores, -np.inf)), axis=1)[:, :10]
        order[~np.take_along_axis(member, order, axis=1)] = -1
        frame = expected_metrics(order, np.where(share > 0, p * member / share, p), k=10)
        row[kind] = float(np.average(frame["ndcg@10"], weights=share[:, 0]))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--worlds", nargs="+", default=WORLDS)
    parser.add_argument("--write", action="store_true", help="replace the section of RESULTS.md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    split = leave_last_out(load_dataset("world-movies"))
    model = GenerativeRetriever(epochs=2).fit(split, progress=False)
    tables = [schemes(split), pd.DataFrame([beam_speed(model, split.test_history[: given.users])])]
    for table in tables:
        print(table.to_string(), flush=True)
    for world in given.worlds:
        frame = quality(leave_last_out(load_dataset(world)), given.seeds)
        frame = frame.assign(seconds=frame["seconds"].map("{:.0f}".format)).round(4)
        tables.append(frame.assign(world=world))
        print(tables[-1].to_string(), flush=True)
    if given.write:
        command = "python benchmarks/generative_retrieval.py --write"
        body = machine() + "\n\n" + "\n\n".join(map(markdown_table, tables))
        write_section("generative-retrieval", "Generative retrieval", command, body)


if __name__ == "__main__":
    main()
