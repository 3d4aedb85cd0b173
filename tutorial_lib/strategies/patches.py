"""PeterRec: a user model that was pre-trained on the interactions of one domain goes to another
domain that has few labels.

What a person did in world-products tells what they choose in world-movies, though the two
catalogues share no item. The trunk is an item Transformer (`SequenceRecommender`) fitted on the
source; the items of the target get a new table, the head. Which other parameters may move is the
whole difference between the regimes. Source: Yuan et al. 2020 (PeterRec, arXiv 2001.04253).
"""

from __future__ import annotations

import copy
import hashlib
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.models.sequence import ItemTransformer
from tutorial_lib.models.sequence_recommender import SequenceRecommender
from tutorial_lib.objectives.batch import batches, padded
from tutorial_lib.recommender import fitted, top_k
from tutorial_lib.training import descend

PARTS = {"train": 0.5, "valid": 0.2, "test": 0.3}  # share of the persons, about
GROUPS = ("backbone", "patch", "norm", "head")  # every parameter is of one group
# what they mean: see `training.Plan`
EPOCHS = 30
BATCH_TOKENS = 512
WEIGHT_DECAY = 0.01
SCORED_AT_ONCE = 256  # histories


@dataclass(frozen=True)
class Regime:
    """text: what it does. moves: the parameter groups that are trained. learning_rate: the best one
    on validation persons.
    """

    text: str
    moves: frozenset[str]
    learning_rate: float


_HEAD, _ALL = frozenset({"head"}), frozenset({"backbone", "norm", "head"})
REGIMES = {
    "fine-zero": Regime(
        "the same network from random weights, all of it trained: no pre-training", _ALL, 3e-3
    ),
    "fine-last": Regime(
        "the pre-trained trunk stays as it is; only the head is trained", _HEAD, 3e-3
    ),
    "patches": Regime(
        "the trunk stays; small patches in it, the layer norms and the head are trained",
        _HEAD | {"patch", "norm"},
        1e-3,
    ),
    "fine-all": Regime("everything is trained, from the pre-trained weights on", _ALL, 1e-3),
}


@dataclass(frozen=True)
class PersonPairs:
    """Persons known in both domains, row by row.

    person: their names. histories: item codes of the source, oldest first. chosen: item codes of
        the target, each once, ascending.
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
    """Who did what in the source, and chose what in the target; ``users.person`` says who is who.
    Persons without either are left out.

    The part of a person follows from their name and the seed alone, whoever else is there. Raises
    InputError where a data set names no persons, or one twice, or where no person is in both.

    >>> from tutorial_lib.data import load_dataset
    >>> pairs = person_pairs(load_dataset("world-products"), load_dataset("world-movies"))
    >>> len(pairs.person), [len(pairs.rows(part)) for part in PARTS]
    (800, [392, 162, 246])
    """
    there, here = _by_person(source), _by_person(target)
    shared = sorted(there.keys() & here.keys())
    if not shared:
        raise InputError(
            f"person_pairs: {source.name!r} and {target.name!r} share no person; expected worlds"
            " with shared_users above 0"
        )
    chosen, part = (
        [np.unique(here[name]) for name in shared],
        np.array([_part(name, seed) for name in shared]),
    )
    return PersonPairs(
        np.array(shared),
        [there[name] for name in shared],
        chosen,
        part,
        source.n_items,
        target.n_items,
    )


def _by_person(dataset: Dataset) -> dict[str, np.ndarray]:
    if "person" not in dataset.users:
        raise InputError(
            f"person_pairs: {dataset.name!r} has no column users.person; expected a world, such as"
            " 'world-movies'"
        )
    known = dataset.users["person"].dropna()
    if known.duplicated().any():
        raise InputError(
            f"person_pairs: {dataset.name!r} names {known[known.duplicated()].iloc[0]!r} twice;"
            " expected one user a person"
        )
    sequences = dataset.sequences()
    return {str(name): sequences[user] for user, name in known.items() if len(sequences[user])}


def _part(name: str, seed: int) -> str:
    draw = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64
    return list(PARTS)[
        int(np.searchsorted(np.cumsum(list(PARTS.values()))[:-1], draw, side="right"))
    ]


class Patched(nn.Module):
    """A layer and, after it, a patch: x + up(GELU(down(x))). ``up`` starts at 0, so that at first
    nothing changes.
    """

    def __init__(self, layer: nn.Module, width: int):
        super().__init__()
        down, up = (
            nn.Linear(width, width // 4),
            nn.Linear(width // 4, width),
        )  # as narrow as in the released code
        nn.init.normal_(down.weight, std=0.02)
        for zero in (down.bias, up.weight, up.bias):
            nn.init.zeros_(zero)
        self.layer, self.patch = layer, nn.Sequential(down, nn.GELU(), up)

    def forward(self, x: torch.Tensor, *context) -> torch.Tensor:
        x = self.layer(x, *context)
        return x + self.patch(x)


def insert_patches(trunk: ItemTransformer) -> None:
    """Two patches a block: on what attention and the feed-forward network give, before it is added
    to what came in.
    """
    width = trunk.embedding.embedding_dim
    for block in trunk.blocks:
        block.attention, block.narrow = (
            Patched(block.attention, width),
            Patched(block.narrow, width),
        )


class TransferNetwork(nn.Module):
    """A trunk that reads items of the source, and a head that scores those of the target; it starts
    from their popularity, ``counts``.
    """

    def __init__(self, pretrained: SequenceRecommender, regime: str, counts: np.ndarray):
        super().__init__()
        self.objective, self.length = pretrained.objective, pretrained.plan.length
        trunk = (
            ItemTransformer(pretrained.n_items, **pretrained.shape)
            if regime == "fine-zero"
            else copy.deepcopy(pretrained.model)
        )
        trunk.bias, trunk.questions = (
            None,
            nn.ModuleDict(),
        )  # the source's own head has no part in this
        if regime == "patches":
            insert_patches(trunk)
        self.trunk, self.head = trunk, nn.Linear(trunk.embedding.embedding_dim, len(counts))
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
        out: dict[str, list[nn.Parameter]] = {group: [] for group in GROUPS}
        for name, parameter in self.named_parameters():
            pieces = [
                piece.split("_")[0] for piece in name.split(".")
            ]  # norm_attention, norm_feed and norm are norms
            out[next((group for group in GROUPS if group in pieces), "backbone")].append(parameter)
        return out


@dataclass(frozen=True, eq=False)
class TransferredRecommender:
    """What `transfer` gives: scores of the target's catalogue from histories of the source.

    labelled: rows of the pairs that it learned from. moved: {parameter group: L2 norm of the
        change}. losses: nats, one an epoch.
    trunk_checksum: {"before", "after"}, sha256 over the trunk's frozen parameters (over all of the
        trunk where none is frozen).
    n_trainable, n_parameters: how many numbers may move, and there are. seconds: of training.
    """

    network: TransferNetwork
    regime: str
    labelled: np.ndarray
    losses: list[float]
    seconds: float
    moved: dict[str, float]
    trunk_checksum: dict[str, str]
    n_trainable: int
    n_parameters: int

    def score(self, source_histories: Histories) -> np.ndarray:
        """float32 [n, n_targets], higher is better."""
        check_histories(source_histories, self.network.trunk.vocabulary.n_items)
        parts = [
            source_histories[start : start + SCORED_AT_ONCE]
            for start in range(0, len(source_histories), SCORED_AT_ONCE)
        ]
        with torch.inference_mode():
            return np.concatenate(
                [
                    np.empty((0, self.network.head.out_features), np.float32),
                    *(self.network(p).cpu() for p in parts),
                ]
            )

    def recommend(self, source_histories: Histories, k: int = 10) -> np.ndarray:
        """[n, k] items of the target's catalogue, best first."""
        return top_k(self.score(source_histories), k)


def transfer(
    pretrained: SequenceRecommender, pairs: PersonPairs, regime: str, *, labels: int = 64, seed: int = 0, epochs: int = EPOCHS,
    learning_rate: float | None = None, norms: bool = True,
) -> TransferredRecommender:  # fmt: skip
    """Take a user model, fitted on the source, to the target; it is copied, never changed. Learns
    from ``labels`` persons of part "train".

    regime: a key of `REGIMES`. learning_rate: default as in the regime. norms: with "patches",
        train the layer norms too, as the released
    code does. The loss of a person is the mean cross-entropy of the items chosen, over the whole
    catalogue of the target. Raises InputError for an unknown regime, labels out of range, or a
    model of another catalogue.
    """
    labelled = _draw(pretrained, pairs, regime, labels, epochs, seed)
    moves = REGIMES[regime].moves - ({"norm"} if regime == "patches" and not norms else set())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        counts = np.bincount(
            np.concatenate([pairs.chosen[row] for row in labelled]), minlength=pairs.n_targets
        )
        network = TransferNetwork(pretrained, regime, counts)
        before, after = copy.deepcopy(network).groups(), network.groups()
        for group in GROUPS:
            nn.ParameterList(after[group]).requires_grad_(group in moves)
        start, rng = time.perf_counter(), np.random.default_rng([seed, 1])
        losses = _learn(
            network, pairs, labelled, epochs, learning_rate or REGIMES[regime].learning_rate, rng
        )
        seconds = time.perf_counter() - start
    frozen = [group for group in ("backbone", "norm") if group not in moves] or ["backbone", "norm"]
    sums = {
        when: checksum([p for group in frozen for p in of[group]])
        for when, of in (("before", before), ("after", after))
    }
    squares = {
        g: [
            float((new - old).detach().square().sum())
            for old, new in zip(before[g], after[g], strict=True)
        ]
        for g in GROUPS
    }
    sizes = [sum(p.numel() for group in some for p in after[group]) for some in (moves, GROUPS)]
    return TransferredRecommender(
        network,
        regime,
        labelled,
        losses,
        seconds,
        {g: sum(squares[g]) ** 0.5 for g in GROUPS},
        sums,
        *sizes,
    )


def _draw(
    pretrained: SequenceRecommender,
    pairs: PersonPairs,
    regime: str,
    labels: int,
    epochs: int,
    seed: int,
) -> np.ndarray:
    """Rows of the labelled persons, once all arguments are fine; more labels include those of
    fewer.
    """
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
    rng,
) -> list[float]:
    """Train what may move, in place; the mean loss of each epoch."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=learning_rate, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY
    )
    histories, losses = [pairs.histories[row] for row in labelled], []
    wanted = torch.zeros(len(labelled), pairs.n_targets, device=parameters[0].device)
    for place, row in enumerate(
        labelled
    ):  # the items of a person share a weight of 1: the mean of cross-entropies
        wanted[place, torch.from_numpy(pairs.chosen[row])] = 1 / len(pairs.chosen[row])

    def loss_of(group: list[int]) -> torch.Tensor:
        scores = network([histories[place] for place in group])
        return nn.functional.cross_entropy(scores, wanted[group])

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


def checksum(parameters: list[torch.Tensor]) -> str:
    """sha256 over all these numbers, in order."""
    return hashlib.sha256(
        b"".join(parameter.detach().cpu().numpy().tobytes() for parameter in parameters)
    ).hexdigest()
