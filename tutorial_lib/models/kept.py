"""What a large model takes minutes to compute from a catalogue, kept on disk."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.data.files import cache_folder
from tutorial_lib.data.shipped import write_whole
from tutorial_lib.models.language_models import LanguageModel


def title_vectors(lm: LanguageModel, titles: Sequence[str]) -> Tensor:
    """`LanguageModel.vectors` of a catalogue without gradient, [n, D]; `kept`."""
    with torch.no_grad():
        return torch.from_numpy(kept("vectors", lm, titles, lambda: lm.vectors(titles).numpy()))


def kept(
    what: str, lm: LanguageModel, texts: Sequence[str], compute: Callable[[], np.ndarray]
) -> np.ndarray:
    """``compute()``, or what it gave before for the same model and texts.

    Only for a model that is ``large``. The file's name is a checksum of every weight, of what
    stands around a prompt, and of every text, so that a tuned model or a changed catalogue is
    another one. A file that cannot be read is made again; a cache that cannot be written is done
    without.

    Args:
        what: is computed, such as "title-vectors"; part of the file's name.
        texts: all that the values depend on beside the model.
    """
    if not lm.large:
        return compute()
    path = cache_folder() / "computed" / f"{what}-{_checksum(lm, texts)}.npy"
    with suppress(OSError, ValueError, EOFError):
        return np.load(path, allow_pickle=False)
    values = compute()
    content = io.BytesIO()
    np.save(content, values)
    with suppress(OSError):
        write_whole(path, content.getvalue())
    return values


def _checksum(lm: LanguageModel, texts: Sequence[str]) -> str:
    digest = hashlib.sha256(repr((lm.kind, lm.chat, lm.prompt_ids(""))).encode())
    for part in (lm.model, lm.soft, lm.deep):
        for name, value in part.state_dict().items() if part is not None else ():
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().view(-1).numpy().data)
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:24]
