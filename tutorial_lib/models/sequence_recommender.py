"""`SequenceRecommender`: an item Transformer with an objective, trained and asked like any other
recommender.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from tutorial_lib import objectives
from tutorial_lib.data.histories import Histories, check_histories, flatten
from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import InputError, check_seed, unknown_name
from tutorial_lib.models.sequence import ItemTransformer
from tutorial_lib.objectives.batch import Objective, padded, parts_of
from tutorial_lib.recommender import ScoreRecommender, fitted
from tutorial_lib.selection import validation_ndcg
from tutorial_lib.training import Epoch, Plan, train

BY_NAME = {
    "autoregressive": objectives.Autoregressive,
    "masked": objectives.Masked,
    "partially autoregressive": objectives.PartiallyAutoregressive,
    "permuted": objectives.Permuted,
    "gap filling": objectives.GapFilling,
}
CHOSEN = {
    objectives.Masked: {"epochs": 40, "dropout": 0.1}
}  # where an objective needs other settings than the rest
FORMAT = "tutorial_lib.SequenceRecommender/1"
SCORED_AT_ONCE = 1 << 15  # tokens read at a time while scoring


def print_epoch(epoch: Epoch) -> None:
    """One plain line."""
    tail = "" if epoch.ndcg is None else f", validation NDCG@10 {epoch.ndcg:.4f}"
    print(f"epoch {epoch.number}: loss {epoch.loss:.4f}, {epoch.seconds:.0f} s{tail}", flush=True)


class SequenceRecommender(ScoreRecommender):
    """A Transformer over item tokens (`ItemTransformer`); the objective alone makes it causal or
    bidirectional.

    objective: "autoregressive" (default), "masked", another name of `BY_NAME`, or an `Objective`,
        such as
    ``Masked(ratio=0.2, loss=BinaryCrossEntropy())`` or ``Joint(Masked(), (Rearranged(),),
    (0.1,))``.
    width, heads, layers, expansion, dropout: see `ItemTransformer`. plan: see `training.Plan`; its
        fields may be given by name, as in
    ``SequenceRecommender(epochs=10)``. What is not given: 20 epochs and dropout 0.3, but 40 epochs
    and dropout 0.1 with `Masked`, which hides a part of each history and so learns more slowly;
    benchmarks/RESULTS.md shows what these calls give.
    on_epoch: called with an `Epoch` after each epoch, in place of the printed line.
    checkpoint: a file from which a killed `fit` goes on.

    `fit` trains on ``split.train`` and keeps the weights of the best validation NDCG@10; a split
    without validation targets (``merge_validation()``) is trained for all epochs. After fit:
    ``model``, ``history`` (list of `Epoch`).

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> split = leave_last_out(load_dataset("world-news").subset_users(range(40)))
    >>> model = SequenceRecommender(width=8, layers=1, epochs=1).fit(split, progress=False)
    >>> model.recommend(split.test_history[:2], k=3).shape
    (2, 3)
    """

    def __init__(
        self,
        objective: str | Objective = "autoregressive",
        *,
        width: int = 64,
        heads: int = 2,
        layers: int = 2,
        expansion: int = 4,
        dropout: float | None = None,
        plan: Plan | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
        checkpoint: str | Path | None = None,
        **of_plan,
    ):
        if isinstance(objective, str):
            if objective not in BY_NAME:
                raise unknown_name("objective", objective, BY_NAME)
            objective = BY_NAME[objective]()
        if isinstance(objective, type) or getattr(objective, "head", None) != "items":
            given = getattr(objective, "name", objective)
            raise InputError(
                f"SequenceRecommender: {given!r} predicts no items; use it beside one that does:"
                " Joint(Masked(), (...,), (0.1,))"
            )
        known = {field.name for field in dataclasses.fields(Plan)}
        for name in of_plan:
            if name not in known:
                raise unknown_name(
                    "argument of SequenceRecommender",
                    name,
                    sorted(known | {"width", "heads", "layers", "expansion", "dropout"}),
                )
        chosen = {"dropout": 0.3, "epochs": Plan.epochs} | CHOSEN.get(
            type(getattr(objective, "main", objective)), {}
        )
        dropout = chosen["dropout"] if dropout is None else dropout
        self.objective = objective
        self.plan = dataclasses.replace(plan or Plan(epochs=chosen["epochs"]), **of_plan)
        self.shape = {
            "width": width,
            "heads": heads,
            "layers": layers,
            "expansion": expansion,
            "dropout": dropout,
        }
        self.on_epoch, self.checkpoint = on_epoch, checkpoint
        self._build(n_items=1)  # a wrong size is refused here, not in the middle of fit

    def _build(self, n_items: int) -> ItemTransformer:
        questions = {part.head for part, _ in parts_of(self.objective)} - {"items"}
        return ItemTransformer(n_items, **self.shape, questions=questions)

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> SequenceRecommender:
        check_seed("SequenceRecommender.fit", seed)
        self.n_items = split.dataset.n_items
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model = self._build(self.n_items)
        counts = np.bincount(flatten(split.train)[0], minlength=self.n_items) + 1.0
        with torch.no_grad():  # popularity need not be learned: scores start from it
            self.model.bias[: self.n_items] = torch.from_numpy(np.log(counts / counts.mean()))
        validated = any(len(target) for target in split.valid_target)
        try:
            self.history = train(
                self.model,
                self.objective,
                split.train,
                self.plan,
                seed=seed,
                validate=(lambda: validation_ndcg(self.score, split)) if validated else None,
                on_epoch=self.on_epoch or (print_epoch if progress else None),
                checkpoint=self.checkpoint,
            )
        except BaseException:
            del self.n_items  # broken off: not fitted
            raise
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        """float32 [n, n_items]: the newest ``plan.length`` items of each history are read, an empty
        one included.
        """
        return self._read(histories, fitted(self).n_items, self.model.item_scores)

    def states(self, histories: Histories) -> np.ndarray:
        """float32 [n, width]: the hidden state from which `score` predicts, all that the model
        keeps of a user.
        """
        fitted(self)
        return self._read(histories, self.shape["width"], lambda hidden: hidden)

    def _read(
        self, histories: Histories, columns: int, read_out: Callable[[torch.Tensor], torch.Tensor]
    ) -> np.ndarray:
        """[n, columns]: what ``read_out`` makes of the state that each history ends in, in batches
        of similar lengths.
        """
        check_histories(histories, self.n_items)
        pieces = [np.asarray(history, dtype=np.int64)[-self.plan.length :] for history in histories]
        order = np.argsort(
            [len(piece) for piece in pieces], kind="stable"
        )  # similar lengths together: little padding
        out = np.empty((len(pieces), columns), dtype=np.float32)
        device = self.model.bias.device
        self.model.eval()
        start = 0
        with torch.inference_mode():
            while start < len(order):
                longest = (
                    len(
                        pieces[
                            order[
                                min(
                                    start + SCORED_AT_ONCE // (len(pieces[order[start]]) + 2),
                                    len(order),
                                )
                                - 1
                            ]
                        ]
                    )
                    + 2
                )
                rows = order[start : start + max(1, SCORED_AT_ONCE // longest)]
                batch = self.objective.query(
                    padded([pieces[row] for row in rows], self.model.vocabulary.pad),
                    self.model.vocabulary,
                )
                out[rows] = read_out(self.model.predictions(batch.to(device))).float().cpu().numpy()
                start += len(rows)
        return out

    def save(self, folder: str | Path) -> Path:
        """Write ``model.safetensors``, then ``model.json`` with everything else and the checksum of
        the first; returns the folder.
        """
        from safetensors.torch import save

        folder = Path(folder)
        weights = save(
            {
                name: value.contiguous().cpu()
                for name, value in fitted(self).model.state_dict().items()
            }
        )
        config = {
            "format": FORMAT,
            "n_items": self.n_items,
            "shape": self.shape,
            "objective": _described(self.objective),
            "plan": dataclasses.asdict(self.plan),
            "history": [dataclasses.asdict(epoch) for epoch in self.history],
            "sha256": hashlib.sha256(weights).hexdigest(),
        }
        write_whole(folder / "model.safetensors", weights)
        write_whole(folder / "model.json", (json.dumps(config, indent=1) + "\n").encode())
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> SequenceRecommender:
        """What `save` wrote. Raises InputError, in one line, for a folder that is missing, foreign,
        damaged or incomplete.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        folder = Path(folder)
        where = f"SequenceRecommender.load({str(folder)!r})"
        try:
            config = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            weights = (folder / "model.safetensors").read_bytes()
        except FileNotFoundError as error:
            raise InputError(
                f"{where}: {Path(error.filename).name} is missing; expected a folder written by"
                " save"
            ) from None
        except OSError as error:
            raise InputError(
                f"{where}: {error.strerror or error}; expected a folder written by save"
            ) from None
        except (UnicodeDecodeError, ValueError):
            raise InputError(f"{where}: model.json is no JSON; save the model again") from None
        if not isinstance(config, dict) or config.get("format") != FORMAT:
            raise InputError(
                f"{where}: model.json is not of the format {FORMAT}; expected a folder written by"
                " save"
            )
        if hashlib.sha256(weights).hexdigest() != config.get("sha256"):
            raise InputError(
                f"{where}: model.safetensors is damaged or of another model (checksum differs);"
                " save the model again"
            )
        try:
            model = cls(
                _rebuilt(config["objective"]), plan=Plan(**config["plan"]), **config["shape"]
            )
            model.n_items = config["n_items"]
            model.model = model._build(model.n_items)
            model.model.load_state_dict(load(weights))
            model.history = [Epoch(**epoch) for epoch in config["history"]]
        except (KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            raise InputError(
                f"{where}: model.json does not describe the weights ({type(error).__name__}); save"
                " the model again"
            ) from None
        model.model.eval()
        return model


def _described(value):
    """Objectives and losses as JSON: dataclasses become {"class": name, field: value}. Refuses
    classes that `_rebuilt` would not make.
    """
    if dataclasses.is_dataclass(value):
        if type(value).__name__ not in objectives.__all__:
            raise InputError(
                f"save: {type(value).__name__} is no class of tutorial_lib.objectives, so the model"
                " could not be loaded again"
            )
        return {
            "class": type(value).__name__,
            **{f.name: _described(getattr(value, f.name)) for f in dataclasses.fields(value)},
        }
    return [_described(part) for part in value] if isinstance(value, (tuple, list)) else value


def _rebuilt(value):
    """The inverse of `_described`; only classes of `tutorial_lib.objectives` are made."""
    if isinstance(value, list):
        return tuple(map(_rebuilt, value))
    if not isinstance(value, dict):
        return value
    fields = dict(value)
    name = fields.pop("class")
    if name not in objectives.__all__:
        raise InputError(
            f"model.json names {name!r}, which is no objective of this version of the kit"
        )
    return getattr(objectives, name)(**{key: _rebuilt(part) for key, part in fields.items()})
