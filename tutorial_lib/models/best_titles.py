"""The likeliest titles of a catalogue, exactly, without reading most of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.errors import InputError, is_whole
from tutorial_lib.models.decoding import MEGABYTES, every_title, tokens_at_once
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.models.trie import Trie
from tutorial_lib.models.trie_readers import CausalReader
from tutorial_lib.recommender import top_k

NODES_AT_ONCE = 16  # of one prompt: more of them would be read in vain, fewer take more passes
LOOSE = 0.125  # share of the inner nodes: who has read more goes on to read all, in fewer passes
MOST_PROMPTS, MOST_OF_LARGE = 64, 8  # side by side; of a model whose keys and values are large


@dataclass(frozen=True)
class BestTitles:
    """The k best candidates after n prompts.

    Args:
        items: int [n, k], best first; -1 where fewer than k may be listed.
        scores: float64 [n, k]: log p(candidate | prompt) in nats, with what was added to it.
        n_read: int [n], nodes of the trie that had to be read (some of them twice, where the
            search was given up).
    """

    items: np.ndarray
    scores: np.ndarray
    n_read: np.ndarray


def best_titles(
    lm: LanguageModel,
    prompts: Sequence[str],
    trie: Trie,
    k: int = 10,
    *,
    added: np.ndarray | None = None,
    hidden: Histories | None = None,
    megabytes: float = MEGABYTES,
) -> BestTitles:
    """The same lists as scoring every candidate with `log_likelihood`, for a few of its tokens.

    Branch and bound (Land & Doig 1960) over the trie of titles: log p can only fall along a path,
    so no title below a node scores more than log p(node) plus the largest ``added`` among them. A
    node whose bound lies below the k-th best finished title need not be read, nor anything below
    it; the open nodes with the highest bounds are read first. A large ``added``, such as a prior
    taken off, makes the bounds loose: a prompt for which more than `LOOSE` of the nodes were read
    is scored in full instead.

    Args:
        lm: Causal. (An encoder-decoder model can keep nothing of the paths that it has decoded, and
            a masked one has no path.)
        trie: Of the candidates' tokens, as `generation.catalogue_trie` gives it.
        k: 1..n_candidates.
        added: Float [n_candidates], taken on top of log p: a bias, a prior taken off.
        hidden: Candidates per prompt that may not be listed (default: none).
        megabytes: Most memory for logits, whatever the size of the vocabulary.

    Raises:
        InputError: For k out of range, and an empty prompt of a model without start token.
    """
    n_candidates = len(trie.last)
    if not is_whole(k) or not 1 <= k <= n_candidates:
        raise InputError(
            f"best_titles(k={k}): expected 1..{n_candidates}, the candidates there are"
        )
    items = np.full((len(prompts), k), -1)
    scores = np.full((len(prompts), k), -np.inf)
    n_read = np.zeros(len(prompts), dtype=np.int64)
    lm.require("causal", what="branch and bound over titles")
    at_once = tokens_at_once(lm, trie.longest, megabytes)
    width, inner = min(NODES_AT_ONCE, at_once), int((trie.n_children > 0).sum()) - 1
    size = min(MOST_OF_LARGE if lm.large else MOST_PROMPTS, at_once // width)
    order = np.argsort([len(prompt) for prompt in prompts], kind="stable")  # less padding
    for start in range(0, len(prompts), size):
        rows = order[start : start + size]
        value = (
            np.zeros((len(rows), n_candidates)) if added is None else np.tile(added, (len(rows), 1))
        )
        if hidden is not None:
            of, row = check_histories([hidden[row] for row in rows], n_candidates)
            value[row, of] = -np.inf
        with torch.inference_mode():
            part = [prompts[row] for row in rows]
            total, n_read[rows] = _search(lm, part, trie, k, value, width, LOOSE * inner)
            for at in np.flatnonzero(n_read[rows] > LOOSE * inner):
                total[at] = every_title(lm, [part[at]], trie, at_once)[0] + value[at]
                n_read[rows[at]] += inner
        items[rows] = top_k(total, k, exclude=[[]] * len(rows))
        scores[rows] = np.take_along_axis(total, np.maximum(items[rows], 0), axis=1)
    return BestTitles(items, np.where(items < 0, -np.inf, scores), n_read)


def _search(
    lm: LanguageModel,
    prompts: Sequence[str],
    trie: Trie,
    k: int,
    value: np.ndarray,
    width: int,
    most_read: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores [n, n_candidates], exact where they count and -inf where nobody looked; nodes read.

    The search of a prompt ends once it has read more than ``most_read``, and is of no use then.
    """
    reader = CausalReader(lm, prompts, trie)
    logp = np.full((len(prompts), len(trie.parent)), -np.inf)
    logp[:, 0] = 0.0
    row, child, step = reader.first()
    logp[row, child] = step
    most = trie.largest_below(value)
    is_open = np.zeros(logp.shape, dtype=bool)
    is_open[row, child] = trie.n_children[child] > 0
    n_read = np.zeros(len(prompts), dtype=np.int64)
    alive = np.arange(len(prompts))  # row of each prompt that the reader still holds
    while True:
        finished = logp[alive][:, trie.last] + value[alive]
        worst = np.partition(finished, -k, axis=1)[:, -k, None]  # the k-th best so far
        bound = np.where(is_open[alive], logp[alive] + most[alive], -np.inf)
        bound[bound < worst] = -np.inf
        bound[n_read[alive] > most_read] = -np.inf  # given up
        busy = np.flatnonzero(bound.max(axis=1) > -np.inf)
        if not len(busy):
            return logp[:, trie.last] + value, n_read
        if len(busy) < len(alive):
            reader.keep(busy)
            alive, bound = alive[busy], bound[busy]
        nodes = _highest(bound, width)
        row, child, step = reader.read(nodes)
        n_read[alive] += (nodes >= 0).sum(axis=1)
        logp[alive[row], child] = logp[alive[row], trie.parent[child]] + step
        is_open[alive[row], child] = trie.n_children[child] > 0
        was, column = np.nonzero(nodes >= 0)
        is_open[alive[was], nodes[was, column]] = False


def _highest(bound: np.ndarray, width: int) -> np.ndarray:
    """Columns of the highest values of each row, [n, at most width]; -1 where the value is -inf."""
    width = min(width, int((bound > -np.inf).sum(axis=1).max()))
    columns = np.argpartition(bound, -width, axis=1)[:, -width:]
    found = np.take_along_axis(bound, columns, axis=1) > -np.inf
    return np.where(found, columns, -1)
