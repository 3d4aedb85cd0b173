"""Several planted worlds as one catalogue, and which expert reads which of their items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from tutorial_lib.data import Dataset, DatasetCard, Split, leave_last_out, load_dataset
from tutorial_lib.data.histories import Histories
from tutorial_lib.models.experts import ExpertRecommender
from tutorial_lib.objectives.batch import padded

SHUFFLES, AT_ONCE = 20, 64


@dataclass(frozen=True)
class Mix:
    """Worlds side by side: no user takes items of two.

    Args:
        split: over all of them; item and user codes of a world follow those of the one before.
        worlds: as they were, with their truths.
        starts: int [n + 1], the first item code of each world, and the number of all.
    """

    split: Split
    worlds: tuple[Dataset, ...]
    starts: np.ndarray

    def domain_of(self, items: np.ndarray) -> np.ndarray:
        """The world that each item belongs to, from 0."""
        return np.searchsorted(self.starts, items, side="right") - 1

    def chances(self, histories: Histories) -> np.ndarray:
        """The exact probability of every next item, [n, all items]; none may be empty."""
        out = np.zeros((len(histories), self.starts[-1]))
        domains = self.domain_of(np.array([history[0] for history in histories]))
        for domain, world in enumerate(self.worlds):
            rows = np.flatnonzero(domains == domain).tolist()
            first, last = self.starts[domain : domain + 2]
            if rows and world.truth is not None:
                own = [np.asarray(histories[row]) - first for row in rows]
                out[rows, first:last] = world.truth.next_item_probabilities(own)
        return out


def mixed_worlds(names: Sequence[str], users: int) -> Mix:
    """The first ``users`` users of each of the planted worlds, the last item of each held out."""
    worlds = tuple(load_dataset(name).subset_users(range(users)) for name in names)
    starts = np.cumsum([0, *(world.n_items for world in worlds)])
    events = [
        world.interactions.assign(
            user=world.interactions["user"] + number * users,
            item=world.interactions["item"] + starts[number],
        )
        for number, world in enumerate(worlds)
    ]
    items = pd.concat([world.items[["item_id", "title"]] for world in worlds], ignore_index=True)
    people = pd.DataFrame({"user_id": [f"{n}-{u}" for n in names for u in range(users)]})
    card = DatasetCard("mix", f"Several worlds: {', '.join(names)}", "planted", "CC0")
    mixed = Dataset("mix", pd.concat(events, ignore_index=True), items, people, card)
    return Mix(leave_last_out(mixed), worlds, starts)


def expert_load(model: ExpertRecommender, mix: Mix, seed: int) -> pd.DataFrame:
    """Which expert reads the items of which domain, over the test histories.

    Returns:
        One row per layer and domain: main (share of the domain's tokens at the expert that reads
        most of them), shuffled (the same if domains are dealt out anew, mean of `SHUFFLES`),
        specialisation (the difference) and busiest (share of all tokens at the busiest expert, the
        same in all rows of a layer).
    """
    pieces = [np.asarray(history)[-50:] for history in mix.split.test_history]
    domains = mix.domain_of(np.concatenate(pieces))
    rng = np.random.default_rng([seed, 53])
    out = []
    for layer, chosen in enumerate(_chosen(model, pieces)):
        busiest = np.bincount(chosen).max() / len(chosen)
        dealt = [_main(chosen, rng.permutation(domains)) for _ in range(SHUFFLES)]
        shuffled = np.mean(dealt, axis=0)
        for domain, main in enumerate(_main(chosen, domains)):
            row = {"layer": layer, "domain": mix.worlds[domain].name, "main": main}
            row |= {"shuffled": shuffled[domain], "specialisation": main - shuffled[domain]}
            out.append(row | {"busiest": busiest})
    return pd.DataFrame(out).round(4)


def _main(chosen: np.ndarray, domains: np.ndarray) -> np.ndarray:
    """Share of each domain's tokens at the expert that reads most of them."""
    of_domains = [chosen[domains == domain] for domain in range(domains.max() + 1)]
    return np.array([np.bincount(experts).max() / len(experts) for experts in of_domains])


@torch.inference_mode()
def _chosen(model: ExpertRecommender, pieces: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The expert of every item of the pieces, one array for each layer."""
    vocabulary = model.model.vocabulary
    layers: list[list[np.ndarray]] = [[] for _ in model.model.blocks]
    for start in range(0, len(pieces), AT_ONCE):
        tokens = padded(pieces[start : start + AT_ONCE], vocabulary.pad)
        batch = model.objective.query(tokens, vocabulary)
        model.model(batch)
        is_item = batch.tokens[batch.tokens != vocabulary.pad] < vocabulary.n_items
        for layer, block in enumerate(model.model.blocks):
            layers[layer].append(block.switch.chosen[is_item].numpy())
    return [np.concatenate(part) for part in layers]
