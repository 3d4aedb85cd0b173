"""A checkpoint gives back what was saved, to the bit, or is refused in one line."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tutorial_lib.errors import InputError
from tutorial_lib.training.checkpoints import Checkpoint, state_checksum

OF = {"plan": "p", "seed": "3"}
STATE = {
    "weights": {
        "a": torch.linspace(0, 1, 12).reshape(3, 4),
        "b": torch.ones(2, dtype=torch.bfloat16),
    },
    "optimizer": {"state": {0: {"step": torch.tensor(7.0)}}, "groups": [{"lr": 0.1}]},
    "history": [{"number": 1, "loss": 0.25, "ndcg": None}],
    "best": None,
}


def stored(path: Path) -> bytes:
    Checkpoint(path, OF).save(STATE)
    return path.read_bytes()


def refused(path: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        Checkpoint(path, OF).load()
    assert str(path) in str(caught.value) and "delete it" in str(caught.value)


def test_what_was_saved_comes_back(tmp_path):
    stored(tmp_path / "run")
    assert state_checksum(Checkpoint(tmp_path / "run", OF).load()) == state_checksum(STATE)


def test_no_flipped_bit_changes_what_is_loaded(tmp_path):
    """Without a checksum one flipped bit of four gave other weights without a word."""
    path, rng = tmp_path / "run", np.random.default_rng(0)
    whole, wanted = stored(path), state_checksum(STATE)
    told = 0
    for place in rng.permutation(8 * len(whole))[:400]:
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << (place % 8)
        path.write_bytes(changed)
        try:
            # the bit stood in a gap that nobody reads
            assert state_checksum(Checkpoint(path, OF).load()) == wanted
        except InputError as error:
            assert "\n" not in str(error)
            told += 1
    assert told > 20


def test_a_changed_weight_is_told_as_damage(tmp_path):
    path = tmp_path / "run"
    whole = bytearray(stored(path))
    third = np.float32(STATE["weights"]["a"][0, 3]).tobytes()
    whole[whole.index(third)] ^= 1
    path.write_bytes(whole)
    refused(path, "is damaged .its sha256 does not match")


def test_a_file_without_a_checksum_is_refused(tmp_path):
    torch.save({"of": OF, **STATE}, tmp_path / "run")
    refused(tmp_path / "run", "has no checksum, as older versions wrote it")


def test_what_cannot_be_opened_is_one_line(tmp_path):
    (tmp_path / "run").mkdir()
    refused(tmp_path / "run", "cannot be read")
    assert Checkpoint(tmp_path / "none", OF).load() is None


def test_checksum_sees_kind_shape_order_and_value():
    base = {"a": torch.zeros(2, 3)}
    others = [
        {"b": torch.zeros(2, 3)},
        {"a": torch.zeros(3, 2)},
        {"a": torch.zeros(2, 3, dtype=torch.int32)},
        {"a": -torch.zeros(2, 3)},
    ]
    others += [
        {"a": None},
        {"a": "None"},
        {},
        {"a": [1, 2]},
        {"a": [12]},
        {"a": [[1], 2]},
        {"a": 1},
        {"a": True},
    ]
    assert len({state_checksum(state) for state in [base, *others]}) == len(others) + 1
    # how the bytes lie in memory does not matter
    assert state_checksum({"a": torch.zeros(3, 2).T}) == state_checksum(base)


def test_a_full_disk_names_the_file_and_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run"
    kept = stored(path)

    def full(self, content):
        with open(self, "wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left on device.*run"):
        Checkpoint(path, OF).save(STATE)
    assert path.read_bytes() == kept and [file.name for file in tmp_path.iterdir()] == ["run"]
