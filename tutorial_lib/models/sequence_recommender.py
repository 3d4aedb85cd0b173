"""`SequenceRecommender`: an item Transformer with an objective, trained and asked like any other
recommender.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tutorial_lib import objectives
from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import InputError, check_seed, unknown_name
from tutorial_lib.models.sequence import ItemTransformer
from tutorial_lib.objectives.batch import Objective, padded, parts_of
from tutorial_lib.objectives.losses import popularity_bias
from tutorial_lib.recommender import ScoreRecommender, fitted
from tutorial_lib.selection import validation_ndcg
from tutorial_lib.training import Epoch, Plan, train

BY_NAME: dict[str, Callable[[], Objective]] = {
    "autoregressive": objectives.Autoregressive,
    "masked": objectives.Masked,
    "partially autoregressive": objectives.PartiallyAutoregressive,
    "permuted": objectives.Permuted,
    "gap filling": objectives.GapFilling,
}
FORMAT = "tutorial_lib.SequenceRecommender/1"
SCORED_AT_ONCE = 1 << 15  # tokens read at a time while scoring


class SequenceRecommender(ScoreRecommender):
    """A Transformer over item tokens (`ItemTransformer`); the objective alone makes it causal or
    bidirectional.

    `fit` trains on ``split.train`` and keeps the weights of the best validation NDCG@10; a split
    without validation targets (``merge_validation()``) is trained for all epochs. After fit:
    ``model``, ``history`` (list of `Epoch`).

    Args:
        objective: A key of `BY_NAME`, or an `Objective`, such as ``Masked(ratio=0.3)`` or
            ``Joint(Masked(), (Rearranged(),), (0.1,))``.
        width: Of the network; heads, layers and expansion: see `ItemTransformer`.
        dropout: Default 0.3, but 0.1 with `Masked`.
        plan: Its fields may be given by name, as in ``SequenceRecommender(epochs=10)``. Default 20
            epochs, but 40 with `Masked`, which hides a part of each history and so learns more
            slowly; benchmarks/RESULTS.md shows what these defaults give.
        on_epoch: Called with an `Epoch` after each epoch, in place of the printed line.
        checkpoint: A file from which a killed `fit` resumes.

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
        self.objective = _objective(objective)
        masked = isinstance(getattr(self.objective, "main", self.objective), objectives.Masked)
        known = {field.name for field in dataclasses.fields(Plan)}
        for name in of_plan:
            if name not in known:
                sizes = {"width", "heads", "layers", "expansion", "dropout"}
                raise unknown_name("argument of SequenceRecommender", name, sorted(known | sizes))
        plan = plan or Plan(epochs=40 if masked else Plan.epochs)
        self.plan = dataclasses.replace(plan, **of_plan)
        self.shape: dict[str, Any] = {
            "width": width,
            "heads": heads,
            "layers": layers,
            "expansion": expansion,
            "dropout": (0.1 if masked else 0.3) if dropout is None else dropout,
        }
        self.on_epoch = on_epoch
        self.checkpoint = checkpoint
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
        items = np.concatenate([np.empty(0, dtype=np.int64), *split.train])
        counts = np.bincount(items, minlength=self.n_items) + 1.0
        with torch.no_grad():  # popularity need not be learned: scores start from it
            main = getattr(self.objective, "main", self.objective)
            bias = popularity_bias(getattr(main, "loss", None), counts)
            self.model.bias[: self.n_items] = torch.from_numpy(bias)
        validated = any(len(target) for target in split.valid_target)
        try:
            self.history = train(
                self.model,
                self.objective,
                self._sequences(split),
                self.plan,
                seed=seed,
                validate=(lambda: validation_ndcg(self.score, split)) if validated else None,
                on_epoch=self.on_epoch or (_print_epoch if progress else None),
                checkpoint=self.checkpoint,
            )
        except BaseException:
            del self.n_items  # broken off: not fitted
            raise
        return self

    def _sequences(self, split) -> Sequence[np.ndarray]:
        """What the objective learns from."""
        return split.train

    @torch.inference_mode()
    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        """float32 [n, n_items]; of each history the newest ``plan.length`` items are read."""
        check_histories(histories, fitted(self).n_items)
        out = np.empty((len(histories), self.n_items), dtype=np.float32)
        for rows, hidden in self._read(histories):
            out[rows] = self.model.item_scores(hidden).float().cpu().numpy()
        return out

    @torch.inference_mode()
    def states(self, histories: Histories) -> np.ndarray:
        """float32 [n, width]: the hidden state from which `score` predicts, all that the model
        keeps of a user.
        """
        check_histories(histories, fitted(self).n_items)
        out = np.empty((len(histories), self.shape["width"]), dtype=np.float32)
        for rows, hidden in self._read(histories):
            out[rows] = hidden.float().cpu().numpy()
        return out

    def _read(self, histories: Histories) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Row numbers, and the hidden states that these histories end in, a batch at a time."""
        pieces = [np.asarray(history, dtype=np.int64)[-self.plan.length :] for history in histories]
        vocabulary = self.model.vocabulary
        self.model.eval()
        for rows in _by_length(np.array([len(piece) for piece in pieces], dtype=np.int64)):
            tokens = padded([pieces[row] for row in rows], vocabulary.pad)
            batch = self.objective.query(tokens, vocabulary)
            yield rows, self.model.predictions(batch.to(self.model.bias.device))

    def save(self, folder: str | Path) -> Path:
        """Write ``model.safetensors``, then ``model.json`` with everything else and the checksum of
        the first; returns the folder.
        """
        from safetensors.torch import save

        folder = Path(folder)
        tensors = fitted(self).model.state_dict()
        weights = save({name: value.contiguous().cpu() for name, value in tensors.items()})
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
        """What `save` wrote. Raises InputError for a folder that is missing, foreign or damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        folder = Path(folder)
        where = f"SequenceRecommender.load({str(folder)!r})"
        try:
            config = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            weights = (folder / "model.safetensors").read_bytes()
        except OSError as error:
            why = error.strerror or error
            if isinstance(error, FileNotFoundError):
                why = f"{Path(error.filename).name} is missing"
            raise InputError(f"{where}: {why}; expected a folder written by save") from None
        except ValueError:  # bytes that are not text, and text that is not JSON
            raise InputError(f"{where}: model.json is not JSON; save the model again") from None
        if not isinstance(config, dict) or config.get("format") != FORMAT:
            why = f"model.json is not of the format {FORMAT}"
            raise InputError(f"{where}: {why}; expected a folder written by save")
        if hashlib.sha256(weights).hexdigest() != config.get("sha256"):
            why = "model.safetensors is damaged or of another model (checksum differs)"
            raise InputError(f"{where}: {why}; save the model again")
        try:
            objective = _rebuilt(config["objective"])
            model = cls(objective, plan=Plan(**config["plan"]), **config["shape"])
            model.n_items = config["n_items"]
            model.model = model._build(model.n_items).eval()
            model.model.load_state_dict(load(weights))
            model.history = [Epoch(**epoch) for epoch in config["history"]]
        except (KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            why = f"model.json does not describe the weights ({type(error).__name__})"
            raise InputError(f"{where}: {why}; save the model again") from None
        return model


def _objective(given: str | Objective) -> Objective:
    """An objective by name, or as it is if it predicts items."""
    if isinstance(given, str):
        if given not in BY_NAME:
            raise unknown_name("objective", given, BY_NAME)
        return BY_NAME[given]()
    if isinstance(given, type) or getattr(given, "head", None) != "items":
        raise InputError(
            f"SequenceRecommender: {getattr(given, 'name', given)!r} predicts no items; use it"
            " beside one that does: Joint(Masked(), (...,), (0.1,))"
        )
    return given


def _print_epoch(epoch: Epoch) -> None:
    tail = "" if epoch.ndcg is None else f", validation NDCG@10 {epoch.ndcg:.4f}"
    print(f"epoch {epoch.number}: loss {epoch.loss:.4f}, {epoch.seconds:.0f} s{tail}", flush=True)


def _by_length(sizes: np.ndarray) -> Iterator[np.ndarray]:
    """Row numbers in batches of similar length, so that little is spent on padding."""
    order = np.argsort(sizes, kind="stable")
    start = 0
    while start < len(order):
        # if all were as short as the first, so many would fit; the longest of them sets the width
        most = SCORED_AT_ONCE // (sizes[order[start]] + 2)
        longest = sizes[order[min(start + most, len(order)) - 1]] + 2
        rows = order[start : start + max(1, SCORED_AT_ONCE // longest)]
        yield rows
        start += len(rows)


def _described(value):
    """Objectives and losses as JSON: dataclasses become {"class": name, field: value}. Refuses
    classes that `_rebuilt` would not make.
    """
    if isinstance(value, (tuple, list)):
        return [_described(part) for part in value]
    if not dataclasses.is_dataclass(value):
        return value
    name = type(value).__name__
    if name not in objectives.__all__:
        raise InputError(
            f"save: {name} is not a class of tutorial_lib.objectives, so the model could not be"
            " loaded again"
        )
    fields = dataclasses.fields(value)
    return {"class": name, **{f.name: _described(getattr(value, f.name)) for f in fields}}


def _rebuilt(value):
    """The inverse of `_described`; only classes of `tutorial_lib.objectives` are made."""
    if isinstance(value, list):
        return tuple(map(_rebuilt, value))
    if not isinstance(value, dict):
        return value
    fields = {key: _rebuilt(part) for key, part in value.items()}
    name = fields.pop("class")
    if name not in objectives.__all__:
        raise InputError(
            f"model.json names {name!r}, which is not an objective of this version of the kit"
        )
    return getattr(objectives, name)(**fields)
