"""The file from which a killed training run goes on: weights, optimizer, best weights and what was told so far."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn

from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import InputError
from tutorial_lib.objectives.batch import Objective


def fingerprint(model: nn.Module, objective: Objective, sequences: Sequence[np.ndarray], plan, seed: int) -> dict[str, str]:
    """What must be the same for a checkpoint to be gone on from."""
    items = hashlib.sha256()
    for sequence in sequences:
        items.update(np.asarray(sequence, dtype=np.int64).tobytes() + b"|")
    shapes = [(name, tuple(value.shape)) for name, value in model.state_dict().items()]
    shapes += [(name, vars(module).get("heads"), vars(module).get("p")) for name, module in model.named_modules()]  # seen in no shape
    return {"plan": repr(plan), "objective": repr(objective), "seed": str(seed), "data": items.hexdigest(), "model": repr(shapes)}


class Checkpoint:
    """A file that holds the state of one run, and refuses to give it to another."""

    def __init__(self, path: str | Path, of: dict[str, str]):
        self.path, self.of = Path(path), of

    def save(self, state: dict) -> None:
        buffer = io.BytesIO()
        torch.save({"of": self.of, **state}, buffer)
        write_whole(self.path, buffer.getvalue())

    def load(self) -> dict | None:
        """The state, on the CPU; None where the file does not exist yet. Raises InputError for a damaged file or one of another run."""
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            of = dict(state.pop("of"))
        except Exception as error:
            raise InputError(f"checkpoint {self.path} cannot be read ({type(error).__name__}): delete it to start anew") from None
        different = [name for name, value in self.of.items() if of.get(name) != value]
        if different:
            raise InputError(
                f"checkpoint {self.path} belongs to a run with another {', '.join(different)}: name another file, or delete it"
            )
        return state
