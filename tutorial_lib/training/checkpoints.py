"""The file that a killed training run resumes from: weights, optimiser, best weights, history."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn

from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import InputError
from tutorial_lib.objectives.batch import Objective


def run_fingerprint(
    model: nn.Module, objective: Objective, sequences: Sequence[np.ndarray], plan, seed: int
) -> dict[str, str]:
    """What must be the same for a run to resume from a checkpoint."""
    items = hashlib.sha256()
    for sequence in sequences:
        items.update(np.asarray(sequence, dtype=np.int64).tobytes() + b"|")
    shapes: list[tuple] = [(name, tuple(value.shape)) for name, value in model.state_dict().items()]
    for name, module in model.named_modules():  # heads and dropout are seen in no shape
        shapes.append((name, vars(module).get("heads"), vars(module).get("p")))
    return {
        "plan": repr(plan),
        "objective": repr(objective),
        "seed": str(seed),
        "data": items.hexdigest(),
        "model": repr(shapes),
    }


class Checkpoint:
    """A file with the state of one run; it is refused to other runs, and once a bit has changed.

    Args:
        path: The file.
        of: The run's `run_fingerprint`.
    """

    def __init__(self, path: str | Path, of: dict[str, str]):
        self.path = Path(path)
        self.of = of

    def save(self, state: dict) -> None:
        """Write the state with its checksum. Raises OSError that names the file."""
        buffer = io.BytesIO()
        content = {"of": self.of, **state}
        torch.save({**content, "sha256": state_checksum(content)}, buffer)
        write_whole(self.path, buffer.getvalue())

    def load(self) -> dict | None:
        """The state, on the CPU; None where the file does not exist yet.

        Raises:
            InputError: For a file that is damaged, without checksum (of an older version), or of
                another run.
        """
        if not os.path.lexists(self.path):
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            of = dict(state["of"])
            recorded = state.pop("sha256", None)
            read = state_checksum(state)
            del state["of"]
        except Exception as error:
            raise InputError(
                f"checkpoint {self.path} cannot be read ({type(error).__name__}): delete it to"
                " start anew"
            ) from None
        if recorded != read:
            why = "is damaged (its sha256 does not match)"
            if recorded is None:
                why = "has no checksum, as older versions wrote it"
            raise InputError(f"checkpoint {self.path} {why}: delete it to start anew")
        different = [name for name, value in self.of.items() if of.get(name) != value]
        if different:
            raise InputError(
                f"checkpoint {self.path} belongs to a run with another {', '.join(different)}: name"
                " another file, or delete it"
            )
        return state


def state_checksum(state: object) -> str:
    """sha256 over a state: tensors by type, shape and bytes, all else by type and value.

    >>> state_checksum({"epoch": 1}) == state_checksum({"epoch": 1.0})
    False
    """
    digest = hashlib.sha256()
    _feed(digest, state)
    return digest.hexdigest()


def _feed(digest, value: object) -> None:
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous()
        digest.update(f"tensor {plain.dtype} {tuple(plain.shape)}:".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy())
    elif isinstance(value, dict):
        digest.update(f"dict {len(value)}:".encode())
        for key, item in value.items():
            _feed(digest, key)
            _feed(digest, item)
    elif isinstance(value, list | tuple):
        digest.update(f"list {len(value)}:".encode())
        for item in value:
            _feed(digest, item)
    else:
        digest.update(f"{type(value).__name__} {value!r};".encode())
