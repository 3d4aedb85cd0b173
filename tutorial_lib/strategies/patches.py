"""PeterRec: a user model pre-trained on one domain goes to another domain that has few labels.

What a person did in world-products tells what they choose in world-movies, though the two
catalogues share no item. The trunk is an item Transformer (`SequenceRecommender`) fitted on the
source; the items of the target get a new table, the head. Which other parameters may move is the
whole difference between the regimes. Source: Yuan et al. 2020 (PeterRec, arXiv 2001.04253).
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn

from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.models.sequence import ItemTransformer
from tutorial_lib.models.sequence_recommender import SequenceRecommender
from tutorial_lib.objectives.batch import batches, padded
from tutorial_lib.recommender import fitted, top_k
from tutorial_lib.strategies.finetune import insert_adapters
from tutorial_lib.strategies.persons import PersonPairs
from tutorial_lib.strategies.tuning import movement, snapshot
from tutorial_lib.training import descend

GROUPS = ("backbone", "patch", "norm", "head")  # every parameter is of one group
EPOCHS = 30
BATCH_TOKENS = 512
WEIGHT_DECAY = 0.01
SCORED_AT_ONCE = 256  # histories


@dataclass(frozen=True)
class Regime:
    """What a regime does, which parameter groups it moves, and its learning rate.

    The rate is the best one on validation persons.
    """

    text: str
    moves: frozenset[str]
    learning_rate: float


REGIMES = {
    "fine-zero": Regime(
        "the same network from random weights, all of it trained: no pre-training",
        frozenset({"backbone", "norm", "head"}),
        3e-3,
    ),
    "fine-last": Regime(
        "the pre-trained trunk stays as it is; only the head is trained", frozenset({"head"}), 3e-3
    ),
    "patches": Regime(
        "the trunk stays; small patches in it, the layer norms and the head are trained",
        frozenset({"patch", "norm", "head"}),
        1e-3,
    ),
    "fine-all": Regime(
        "everything is trained, from the pre-trained weights on",
        frozenset({"backbone", "norm", "head"}),
        1e-3,
    ),
}


def insert_patches(trunk: ItemTransformer) -> None:
    """Two patches per block: on what attention and the feed-forward network give, before it is
    added to what came in.
    """
    width = trunk.embedding.embedding_dim
    for layer in (layer for block in trunk.blocks for layer in (block.attention, block.narrow)):
        (patch,) = insert_adapters([layer], width, width // 4)  # as narrow as in the released code
        nn.init.normal_(patch.down.weight, std=0.02)
        nn.init.zeros_(patch.down.bias)


class TransferNetwork(nn.Module):
    """A trunk that reads items of the source, and a head that scores those of the target.

    The head starts from the popularity of the target's items, ``counts``.
    """

    def __init__(self, pretrained: SequenceRecommender, regime: str, counts: np.ndarray):
        super().__init__()
        self.objective = pretrained.objective
        self.length = pretrained.plan.length
        if regime == "fine-zero":
            trunk = ItemTransformer(pretrained.n_items, **pretrained.shape)
        else:
            trunk = copy.deepcopy(pretrained.model)
        trunk.bias = None  # the source's own head has no part in this
        trunk.questions = nn.ModuleDict()
        if regime == "patches":
            insert_patches(trunk)
        self.trunk = trunk
        self.head = nn.Linear(trunk.embedding.embedding_dim, len(counts))
        nn.init.normal_(self.head.weight, std=0.02)
        self.head.bias.data = torch.from_numpy(np.log((counts + 1) / (counts + 1).mean())).float()
        self.to(pretrained.model.bias.device)

    def forward(self, histories: Histories) -> torch.Tensor:
        """[B, n_targets], from the newest items of each history and [SEP], the query: at the end,
        where a causal network sees them all.
        """
        vocabulary = self.trunk.vocabulary
        rows = [[*history[-self.length :], vocabulary.separator] for history in histories]
        batch = self.objective.query(padded(rows, vocabulary.pad), vocabulary)
        return self.head(self.trunk.predictions(batch.to(self.head.bias.device)))

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """All parameters, by group."""
        groups: dict[str, list[nn.Parameter]] = {group: [] for group in GROUPS}
        for name, parameter in self.named_parameters():
            if "kit_adapter" in name:
                group = "patch"
            elif ".norm" in name:  # norm_attention, norm_feed and norm
                group = "norm"
            else:
                group = "head" if name.startswith("head.") else "backbone"
            groups[group].append(parameter)
        return groups


@dataclass(frozen=True, eq=False)
class TransferredRecommender:
    """What `transfer` gives: scores of the target's catalogue from histories of the source.

    Attributes:
        labelled: rows of the pairs that it learned from.
        losses: nats, one per epoch.
        seconds: of training.
        moved: {parameter group: L2 norm of the change, 0.0 where no bit changed}.
        n_trainable: how many numbers may move.
        n_parameters: how many there are.
    """

    network: TransferNetwork
    regime: str
    labelled: np.ndarray
    losses: list[float]
    seconds: float
    moved: dict[str, float]
    n_trainable: int
    n_parameters: int

    def score(self, source_histories: Histories) -> np.ndarray:
        """float32 [n, n_targets], higher is better."""
        check_histories(source_histories, self.network.trunk.vocabulary.n_items)
        scores = np.empty((len(source_histories), self.network.head.out_features), np.float32)
        with torch.inference_mode():
            for start in range(0, len(scores), SCORED_AT_ONCE):
                part = slice(start, start + SCORED_AT_ONCE)
                scores[part] = self.network(source_histories[part]).cpu()
        return scores

    def recommend(self, source_histories: Histories, k: int = 10) -> np.ndarray:
        """[n, k] items of the target's catalogue, best first."""
        return top_k(self.score(source_histories), k)


def transfer(
    pretrained: SequenceRecommender,
    pairs: PersonPairs,
    regime: str,
    *,
    labels: int = 64,
    seed: int = 0,
    epochs: int = EPOCHS,
    learning_rate: float | None = None,
) -> TransferredRecommender:
    """Take a user model, fitted on the source, to the target; it is copied, never changed.

    The loss of a person is the mean cross-entropy of the items chosen, over the whole catalogue of
    the target.

    Args:
        regime: a key of `REGIMES`.
        labels: how many persons of part "train" are learned from.
        learning_rate: default as in the regime.

    Raises:
        InputError: An unknown regime, labels out of range, or a model of another catalogue.
    """
    labelled = _draw(pretrained, pairs, regime, labels, epochs, seed)
    moves = REGIMES[regime].moves
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = TransferNetwork(pretrained, regime, pairs.counts(labelled))
        groups = network.groups()
        for group, parameters in groups.items():
            nn.ParameterList(parameters).requires_grad_(group in moves)
        before = snapshot(groups)
        rng = np.random.default_rng([seed, 1])
        rate = learning_rate or REGIMES[regime].learning_rate
        start = time.perf_counter()
        losses = _learn(network, pairs, labelled, epochs, rate, rng)
        seconds = time.perf_counter() - start
    sizes = {name: sum(p.numel() for p in group) for name, group in groups.items()}
    return TransferredRecommender(
        network,
        regime,
        labelled,
        losses,
        seconds,
        moved=movement(before, groups),
        n_trainable=sum(sizes[group] for group in moves),
        n_parameters=sum(sizes.values()),
    )


def _draw(
    pretrained: SequenceRecommender,
    pairs: PersonPairs,
    regime: str,
    labels: int,
    epochs: int,
    seed: int,
) -> np.ndarray:
    """Rows of the labelled persons, once all arguments are fine; few are part of many."""
    if regime not in REGIMES:
        raise unknown_name("regime", regime, REGIMES)
    if fitted(pretrained).n_items != pairs.n_items:
        raise InputError(
            f"transfer: the model knows {pretrained.n_items} items, the source has {pairs.n_items};"
            " expected one fitted on it"
        )
    rows = pairs.rows("train")
    if not 1 <= labels <= len(rows) or epochs < 1:
        raise InputError(
            f"transfer(labels={labels}, epochs={epochs}): expected 1..{len(rows)} labels, the"
            " persons to train on, and epochs"
        )
    return np.sort(np.random.default_rng(seed).permutation(rows)[:labels])


def _learn(
    network: TransferNetwork,
    pairs: PersonPairs,
    labelled: np.ndarray,
    epochs: int,
    learning_rate: float,
    rng: np.random.Generator,
) -> list[float]:
    """Train what may move, in place; the mean loss of each epoch."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=learning_rate, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY
    )
    histories = [pairs.histories[row] for row in labelled]
    # the items of a person share a weight of 1: the mean of cross-entropies
    wanted = torch.zeros(len(labelled), pairs.n_targets, device=parameters[0].device)
    for place, row in enumerate(labelled):
        wanted[place, torch.from_numpy(pairs.chosen[row])] = 1 / len(pairs.chosen[row])

    def loss_of(group: list[int]) -> torch.Tensor:
        scores = network([histories[place] for place in group])
        return nn.functional.cross_entropy(scores, wanted[group])

    losses = []
    network.train()
    for epoch in range(epochs):
        groups = batches(histories, BATCH_TOKENS, rng)
        steps = [
            ((epoch + (step + 0.5) / len(groups)) / epochs, group)
            for step, group in enumerate(groups)
        ]
        losses.append(0.0)
        for group, loss in descend(parameters, optimizer, steps, loss_of, learning_rate):
            losses[-1] += float(loss) * len(group) / len(histories)
    network.eval()
    return losses
