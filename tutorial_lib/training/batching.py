"""How histories become batches: cut into windows, sorted by length, padded to rectangles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def windows(
    sequences: Sequence[np.ndarray], length: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Histories in pieces of at most ``length`` items; longer ones are cut at places drawn anew in
    each epoch.

    >>> [w.tolist() for w in windows([np.arange(3), np.arange(7)], 5, np.random.default_rng(0))]
    [[0, 1, 2], [2, 3, 4, 5, 6], [0, 1]]
    """
    pieces = []
    for sequence in sequences:
        if len(sequence) <= length:
            pieces.append(sequence)
            continue
        stops = np.arange(len(sequence) - 1 - rng.integers(length), 0, -length)
        pieces += [sequence[max(0, stop - length) : stop] for stop in (len(sequence), *stops)]
    return [piece for piece in pieces if len(piece)]


def batches(pieces: Sequence[np.ndarray], tokens: int, rng: np.random.Generator) -> list[list[int]]:
    """Numbers of pieces of similar length together, at most ``tokens`` items a batch with padding,
    in random order.
    """
    sizes = np.array([len(piece) for piece in pieces])
    order = np.argsort(
        sizes * rng.uniform(0.95, 1.05, len(sizes)), kind="stable"
    )  # neighbours differ from epoch to epoch
    groups, widest = [[]], 0
    for piece in order:
        widest = max(widest, sizes[piece])
        if groups[-1] and (len(groups[-1]) + 1) * widest > tokens:
            groups.append([])
            widest = sizes[piece]
        groups[-1].append(int(piece))
    return [groups[number] for number in rng.permutation(len(groups))]


def padded(pieces: Sequence[Sequence[int]], pad: int) -> Tensor:
    """int64 [B, T], padded on the right; at least one column."""
    sizes = np.array([len(piece) for piece in pieces])
    out = np.full((len(pieces), max(1, sizes.max(initial=0))), pad, dtype=np.int64)
    out[np.arange(out.shape[1]) < sizes[:, None]] = np.concatenate(
        [np.asarray(piece, dtype=np.int64) for piece in pieces]
    )
    return torch.from_numpy(out)
