"""PeterRec: a user model that was pre-trained on the interactions of one domain goes to another domain that has few labels.

What a person did in world-products tells what they choose in world-movies, though the two catalogues share no item. The trunk is an item
Transformer (`SequenceRecommender`) fitted on the source; the items of the target get a new table, the head. Which other parameters may
move is the whole difference between the regimes. Source: Yuan et al. 2020 (PeterRec, arXiv 2001.04253).
"""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.batching import batches, padded
from tutorial_lib.data.dataset import Dataset
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.models.sequence import ItemTransformer
from tutorial_lib.models.sequence_recommender import SequenceRecommender
from tutorial_lib.recommender import Histories, check_histories, fitted, top_k
from tutorial_lib.training import rate

PARTS = {"train": 0.5, "valid": 0.2, "test": 0.3}  # share of the persons, about
NARROWING = 4  # a patch is width / 4 wide in its middle, as in the released code
BATCH_TOKENS = 512  # items of source histories in one step, padding included
WARM_UP, WEIGHT_DECAY, CLIP = 0.1, 0.01, 1.0
SCORED_AT_ONCE = 256  # histories


@dataclass(frozen=True)
class Regime:
    """text: what it does. moves: the parameter groups that are trained. learning_rate: the best one on validation persons."""

    text: str
    moves: frozenset[str]
    learning_rate: float


EPOCHS = 30
GROUPS = ("backbone", "patch", "norm", "head")  # every parameter is of one group
_ALL, _HEAD = frozenset({"backbone", "norm", "head"}), frozenset({"head"})
REGIMES = {
    "fine-zero": Regime("the same network from random weights, all of it trained: no pre-training", _ALL, 1e-3),
    "fine-last": Regime("the pre-trained trunk stays as it is; only the head is trained", _HEAD, 1e-2),
    "patches": Regime("the trunk stays; small patches in it, the layer norms and the head are trained", _HEAD | {"patch", "norm"}, 3e-3),
    "fine-all": Regime("everything is trained, from the pre-trained weights on", _ALL, 1e-3),
}


@dataclass(frozen=True)
class PersonPairs:
    """Persons known in both domains, row by row.

    person: their names. histories: item codes of the source, oldest first. chosen: item codes of the target, each once, ascending.
    part: "train", "valid" or "test". n_items, n_targets: sizes of the two catalogues.
    """

    person: np.ndarray
    histories: list[np.ndarray]
    chosen: list[np.ndarray]
    part: np.ndarray
    n_items: int
    n_targets: int

    def rows(self, part: str) -> np.ndarray:
        """Row numbers of the persons of one part."""
        if part not in PARTS:
            raise unknown_name("part", part, PARTS)
        return np.flatnonzero(self.part == part)


def person_pairs(source: Dataset, target: Dataset, *, seed: int = 0) -> PersonPairs:
    """Who did what in the source, and chose what in the target; ``users.person`` says who is who. Persons without either are left out.

    The part of a person follows from their name and the seed alone, whoever else is there.
    Raises InputError where a data set names no persons, or one twice, or where no person is in both.

    >>> from tutorial_lib.data import load_dataset
    >>> pairs = person_pairs(load_dataset("world-products"), load_dataset("world-movies"))
    >>> len(pairs.person), [len(pairs.rows(part)) for part in PARTS]
    (800, [392, 162, 246])
    """
    there, here = _by_person(source), _by_person(target)
    shared = sorted(there.keys() & here.keys())
    if not shared:
        raise InputError(f"person_pairs: {source.name!r} and {target.name!r} share no person; expected worlds with shared_users above 0")
    chosen, part = [np.unique(here[name]) for name in shared], np.array([_part(name, seed) for name in shared])
    return PersonPairs(np.array(shared), [there[name] for name in shared], chosen, part, source.n_items, target.n_items)


def _by_person(dataset: Dataset) -> dict[str, np.ndarray]:
    """Name of each person who did anything -> their history."""
    if "person" not in dataset.users:
        raise InputError(f"person_pairs: {dataset.name!r} has no column users.person; expected a world, such as 'world-movies'")
    known = dataset.users["person"].dropna()
    if known.duplicated().any():
        raise InputError(f"person_pairs: {dataset.name!r} names {known[known.duplicated()].iloc[0]!r} twice; expected one user a person")
    sequences = dataset.sequences()
    return {str(name): sequences[user] for user, name in known.items() if len(sequences[user])}


def _part(name: str, seed: int) -> str:
    draw = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64
    return list(PARTS)[int(np.searchsorted(np.cumsum(list(PARTS.values()))[:-1], draw, side="right"))]


class Patched(nn.Module):
    """A layer and, after it, a patch: x + up(GELU(down(x))). ``up`` starts at 0, so that at first nothing changes."""

    def __init__(self, layer: nn.Module, width: int):
        super().__init__()
        self.layer = layer
        self.patch = nn.ModuleDict({"down": nn.Linear(width, width // NARROWING), "up": nn.Linear(width // NARROWING, width)})
        nn.init.normal_(self.patch["down"].weight, std=0.02)
        for zero in (self.patch["down"].bias, *self.patch["up"].parameters()):
            nn.init.zeros_(zero)

    def forward(self, x: Tensor, *context) -> Tensor:
        x = self.layer(x, *context)
        return x + self.patch["up"](F.gelu(self.patch["down"](x)))


def insert_patches(trunk: ItemTransformer) -> ItemTransformer:
    """Two patches a block, in place: on what attention and the feed-forward network give, before it is added to the stream."""
    width = trunk.embedding.embedding_dim
    for block in trunk.blocks:
        block.attention, block.narrow = Patched(block.attention, width), Patched(block.narrow, width)
    return trunk


class TransferNetwork(nn.Module):
    """A trunk that reads items of the source, and a head with one row for each item of the target."""

    def __init__(self, pretrained: SequenceRecommender, trunk: ItemTransformer, n_targets: int):
        super().__init__()
        self.objective, self.length = pretrained.objective, pretrained.plan.length
        trunk.bias, trunk.questions = None, nn.ModuleDict()  # the source's own head has no part in this
        self.trunk, self.head = trunk, nn.Linear(trunk.embedding.embedding_dim, n_targets)
        nn.init.normal_(self.head.weight, std=0.02)

    def forward(self, histories: Histories) -> Tensor:
        """[B, n_targets], from the newest items of each history and [SEP], the query: at the end, where a causal network sees them all."""
        vocabulary = self.trunk.vocabulary
        rows = [[*history[-self.length :], vocabulary.separator] for history in histories]
        batch = self.objective.query(padded(rows, vocabulary.pad), vocabulary)
        return self.head(self.trunk.predictions(batch.to(self.head.bias.device)))

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """All parameters, by group."""
        out: dict[str, list[nn.Parameter]] = {group: [] for group in GROUPS}
        for name, parameter in self.named_parameters():
            pieces = [piece.split("_")[0] for piece in name.split(".")]  # norm_attention, norm_feed and norm are norms
            out[next((group for group in GROUPS if group in pieces), "backbone")].append(parameter)
        return out


@dataclass(frozen=True, eq=False)
class TransferredRecommender:
    """What `transfer` gives: scores of the target's catalogue from histories of the source.

    labelled: rows of the pairs that it learned from. moved: {parameter group: L2 norm of the change}. losses: nats, one an epoch.
    trunk_checksum: {"before", "after"}, sha256 over the trunk's frozen parameters (over all of the trunk where none is frozen).
    n_trainable, n_parameters: how many numbers may move, and there are. seconds: of training.
    """

    network: TransferNetwork
    regime: str
    labelled: np.ndarray
    moved: dict[str, float]
    losses: list[float]
    trunk_checksum: dict[str, str]
    n_trainable: int
    n_parameters: int
    seconds: float

    def score(self, source_histories: Histories) -> np.ndarray:
        """float32 [n, n_targets], higher is better."""
        check_histories(source_histories, self.network.trunk.vocabulary.n_items)
        starts = range(0, len(source_histories), SCORED_AT_ONCE)
        with torch.inference_mode():
            blocks = [self.network(source_histories[start : start + SCORED_AT_ONCE]).cpu().numpy() for start in starts]
        return np.concatenate([np.empty((0, self.network.head.out_features), dtype=np.float32), *blocks])

    def recommend(self, source_histories: Histories, k: int = 10) -> np.ndarray:
        """[n, k] items of the target's catalogue, best first."""
        if not 1 <= k <= self.network.head.out_features:
            raise InputError(f"recommend(k={k}): k must lie in 1..{self.network.head.out_features}, the size of the target's catalogue")
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
    norms: bool = True,
) -> TransferredRecommender:
    """Take a user model, fitted on the source, to the target; it is copied, never changed. Learns from ``labels`` persons of part "train".

    regime: a key of `REGIMES`. learning_rate: default as in the regime. norms: with "patches", train the layer norms too, as the released
    code does. The loss of a person is the mean cross-entropy of the items chosen, over the whole catalogue of the target.
    Raises InputError for an unknown regime, labels out of range, or a model of another catalogue.
    """
    learning_rate = _checked(pretrained, pairs, regime, labels, epochs, learning_rate)
    moves = REGIMES[regime].moves - (set() if norms or regime != "patches" else {"norm"})
    labelled = np.sort(np.random.default_rng(seed).permutation(pairs.rows("train"))[:labels])
    start = time.perf_counter()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _network(pretrained, pairs, regime, labelled)
        groups = network.groups()
        before = {group: [p.detach().clone() for p in groups[group]] for group in GROUPS}
        for group in GROUPS:
            for parameter in groups[group]:
                parameter.requires_grad_(group in moves)
        losses = _learn(network, pairs, labelled, epochs, learning_rate, np.random.default_rng([seed, 1]))
    seconds = time.perf_counter() - start
    frozen = [group for group in ("backbone", "norm") if group not in moves] or ["backbone", "norm"]
    sums = {when: checksum(p for group in frozen for p in of[group]) for when, of in (("before", before), ("after", groups))}
    moved = {group: math.sqrt(sum(_squares(new - old) for old, new in zip(before[group], groups[group], strict=True))) for group in GROUPS}
    sizes = [sum(p.numel() for group in some for p in groups[group]) for some in (moves, GROUPS)]
    return TransferredRecommender(network, regime, labelled, moved, losses, sums, *sizes, seconds)


def _checked(pretrained, pairs: PersonPairs, regime: str, labels: int, epochs: int, learning_rate: float | None) -> float:
    """The learning rate, once all arguments are fine."""
    if regime not in REGIMES:
        raise unknown_name("regime", regime, REGIMES)
    if fitted(pretrained).n_items != pairs.n_items:
        raise InputError(f"transfer: the model knows {pretrained.n_items} items, the source has {pairs.n_items}; expected one fitted on it")
    n_train = len(pairs.rows("train"))
    if not 1 <= labels <= n_train:
        raise InputError(f"transfer(labels={labels}): expected 1..{n_train}, the number of persons of part 'train'")
    learning_rate = REGIMES[regime].learning_rate if learning_rate is None else learning_rate
    if epochs < 1 or not learning_rate > 0:
        raise InputError(f"transfer(epochs={epochs}, learning_rate={learning_rate}): expected at least 1 epoch and a rate above 0")
    return learning_rate


def _network(pretrained: SequenceRecommender, pairs: PersonPairs, regime: str, labelled: np.ndarray) -> TransferNetwork:
    """The network as training finds it; scores start from popularity among the labelled persons."""
    trunk = ItemTransformer(pretrained.n_items, **pretrained.shape) if regime == "fine-zero" else copy.deepcopy(pretrained.model)
    network = TransferNetwork(pretrained, insert_patches(trunk) if regime == "patches" else trunk, pairs.n_targets)
    counts = np.bincount(np.concatenate([pairs.chosen[row] for row in labelled]), minlength=pairs.n_targets) + 1.0
    with torch.no_grad():
        network.head.bias.copy_(torch.from_numpy(np.log(counts / counts.mean())))
    return network.to(pretrained.model.bias.device)


def _learn(network: TransferNetwork, pairs: PersonPairs, labelled: np.ndarray, epochs: int, learning_rate: float, rng) -> list[float]:
    """Train what may move, in place; the mean loss of each epoch."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY)
    histories, losses = [pairs.histories[row] for row in labelled], []
    wanted = torch.zeros(len(labelled), pairs.n_targets)  # a person's items share a weight of 1: the mean of cross-entropies
    for place, row in enumerate(labelled):
        wanted[place, torch.from_numpy(pairs.chosen[row])] = 1 / len(pairs.chosen[row])
    network.train()
    for epoch in range(epochs):
        groups, total = batches(histories, BATCH_TOKENS, rng), 0.0
        for step, group in enumerate(groups):
            for options in optimizer.param_groups:
                options["lr"] = learning_rate * rate((epoch + (step + 0.5) / len(groups)) / epochs, WARM_UP)
            scores = network([histories[place] for place in group])
            loss = F.cross_entropy(scores, wanted[group].to(scores.device))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, CLIP)
            optimizer.step()
            total += float(loss.detach()) * len(group) / len(histories)
        losses.append(total)
    network.eval()
    return losses


def _squares(change: Tensor) -> float:
    return float(change.detach().double().square().sum())


def checksum(parameters: Iterable[Tensor]) -> str:
    """sha256 over all these numbers, in order."""
    digest = hashlib.sha256()
    for parameter in parameters:
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
