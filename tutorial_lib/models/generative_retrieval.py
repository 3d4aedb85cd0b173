"""Generative retrieval: read the items of a history by the tokens of their IDs, and write the ID of
the next item, token by token, along the trie of the IDs that exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.data.histories import Histories, check_histories, flatten
from tutorial_lib.errors import InputError, check_whole
from tutorial_lib.models.id_layers import IdReader, IdWriter
from tutorial_lib.models.semantic_ids import TokenIds, token_ids
from tutorial_lib.models.sequence import ItemTransformer
from tutorial_lib.models.sequence_recommender import SequenceRecommender
from tutorial_lib.models.trie import Trie
from tutorial_lib.objectives import Autoregressive
from tutorial_lib.recommender import fitted
from tutorial_lib.training import Plan

OPTIONS_AT_ONCE = 1 << 24  # numbers in the widest array of a search


@dataclass(frozen=True)
class WrittenIds:
    """What a generative retriever wrote, best first.

    Args:
        tokens: int [n, beams, depth].
        items: int [n, beams]; -1: no item has this ID.
        log_probabilities: float [n, beams]; -inf: there are fewer IDs than beams.
    """

    tokens: np.ndarray = field(repr=False)
    items: np.ndarray
    log_probabilities: np.ndarray

    @property
    def invalid(self) -> float:
        """Share of IDs that no item has."""
        written = self.log_probabilities > -np.inf
        return float((self.items[written] < 0).mean())


class GenerativeRetriever(SequenceRecommender):
    """A causal item Transformer that reads and writes IDs (`IdReader`, `IdWriter`).

    `fit` makes the IDs and trains like `SequenceRecommender`; after it: ``ids``, ``trie``.

    Args:
        ids: A key of `ID_SCHEMES`, or `TokenIds` that were made before.
        codes: As in `token_ids`.
        levels: Likewise.
        beams: IDs that are written for each history, at least as many as are recommended. All
            items: then nothing is cut off, and `score` is exact.
        layers: Of the Transformer that reads.
        dropout: As in `SequenceRecommender`; so are all arguments that are not listed. The defaults
            were chosen on validation users of world-movies at about the processor time that
            `SequenceRecommender` takes there.

    Source: Rajput et al. 2023 (TIGER, arXiv 2305.05065).

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> split = leave_last_out(load_dataset("world-news").subset_users(range(40)))
    >>> model = GenerativeRetriever(width=8, layers=1, epochs=1).fit(split, progress=False)
    >>> model.write(split.test_history[:2]).invalid, model.recommend([[3, 1]], k=3).shape
    (0.0, (1, 3))
    """

    def __init__(
        self,
        ids: str | TokenIds = "semantic",
        *,
        codes: int = 64,
        levels: int = 3,
        beams: int = 30,
        layers: int = 1,
        dropout: float = 0.1,
        plan: Plan | None = None,
        **others,
    ):
        check_whole("GenerativeRetriever", 1, beams=beams)
        self.made_by, self.codes, self.levels, self.beams = ids, codes, levels, beams
        plan = plan or Plan(epochs=14, batch_tokens=1024, learning_rate=8e-3)
        super().__init__("autoregressive", layers=layers, dropout=dropout, plan=plan, **others)

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> GenerativeRetriever:
        ids = self.made_by
        if not isinstance(ids, TokenIds):
            ids = token_ids(split, ids, codes=self.codes, levels=self.levels, seed=seed)
        if len(ids.tokens) != split.dataset.n_items:
            raise InputError(
                f"GenerativeRetriever: IDs of {len(ids.tokens)} items for the"
                f" {split.dataset.n_items} of {split.dataset.name!r}; make them for this split"
            )
        self.ids, self.trie = ids, IdTrie(ids)
        super().fit(split, seed=seed, progress=progress)
        return self

    def _build(self, n_items: int) -> ItemTransformer:
        model = super()._build(n_items)
        if hasattr(self, "trie"):
            width, expansion = self.shape["width"], self.shape["expansion"]
            tokens = torch.from_numpy(self.trie.tokens)
            model.embedding = IdReader(tokens, sum(self.ids.sizes), width, expansion)
            model.writer = IdWriter(tokens, self.ids.sizes, width, expansion)
            self.objective = Autoregressive(loss=model.writer)
        return model

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        """float64 [n, n_items]: log-probability of the IDs that were written, -inf elsewhere."""
        written = self.write(histories)
        out = np.full((len(histories), self.n_items), -np.inf)
        row, beam = np.nonzero(written.items >= 0)
        out[row, written.items[row, beam]] = written.log_probabilities[row, beam]
        return out

    def save(self, folder):
        raise InputError(
            "GenerativeRetriever.save: its layers have no saved form; keep split, arguments, seed,"
            " which make the same model again"
        )

    def _best(self, histories, k: int, users, exclude_seen: bool) -> np.ndarray:
        return self.write(histories, max(k, self.beams), exclude_seen=exclude_seen).items[:, :k]

    @torch.inference_mode()
    def write(
        self,
        histories: Histories,
        beams: int | None = None,
        *,
        constrained: bool = True,
        exclude_seen: bool = False,
    ) -> WrittenIds:
        """The likeliest IDs to come after each history, by beam search.

        Args:
            histories: One sequence of item codes per row.
            beams: How many; default: as the model was made.
            constrained: Only tokens that lead to an item may follow (De Cao et al. 2021, arXiv
                2010.00904). Otherwise every token may, and an ID need not exist.
            exclude_seen: Nor does a token follow that leads to items of the history alone.
        """
        check_histories(histories, fitted(self).n_items)
        beams = self.beams if beams is None else beams
        check_whole("write", 1, beams=beams)
        n, depth = len(histories), self.trie.tokens.shape[1]
        items, total = np.full((n, beams), -1), np.full((n, beams), -np.inf)
        tokens = np.zeros((n, beams, depth), dtype=np.int64)
        at_once = max(1, OPTIONS_AT_ONCE // (beams * max(self.ids.sizes)))
        for rows, hidden in self._read(histories):
            for start in range(0, len(rows), at_once):
                chosen = rows[start : start + at_once]
                seen = [histories[row] for row in chosen] if exclude_seen else None
                found = self._search(hidden[start : start + at_once], beams, constrained, seen)
                width = found[0].shape[1]
                tokens[chosen, :width], items[chosen, :width], total[chosen, :width] = found
        return WrittenIds(tokens, items, total)

    def _search(self, hidden: Tensor, beams: int, constrained: bool, seen):
        """Tokens [B, W, depth], items and log-probabilities [B, W] of W <= ``beams`` IDs each."""
        trie, writer = self.trie, self.model.writer
        B, D = hidden.shape
        prefix = hidden[:, None]  # [B, W, D], at first with one beam
        node = torch.zeros(B, 1, dtype=torch.long, device=hidden.device)
        total = hidden.new_zeros(B, 1)
        tokens = node.new_zeros(B, 1, 0)
        open_to = None if seen is None else torch.from_numpy(trie.unseen(seen)).to(hidden.device)
        for place, (start, stop) in enumerate(zip(writer.starts, writer.starts[1:], strict=False)):
            options = total[..., None] + writer.log_probabilities(prefix, place)  # [B, W, K]
            child = trie.children[place].to(hidden.device)[node]  # node of each option, -1: none
            if open_to is not None:
                reached = open_to.gather(1, child.clamp(min=0).flatten(1)).view_as(child)
                child = child.where(reached, -1)
            if constrained:
                options = options.masked_fill(child < 0, -torch.inf)
            total, best = options.flatten(1).topk(min(beams, options[0].numel()), dim=1)
            beam, token = best // (stop - start), best % (stop - start)
            node = child.flatten(1).gather(1, best)
            prefix = prefix.gather(1, beam[..., None].expand(-1, -1, D))
            prefix = prefix + writer.written(token + start)
            tokens = tokens.gather(1, beam[..., None].expand(-1, -1, place))
            tokens = torch.cat([tokens, token[..., None]], dim=2)
        item = trie.item.to(node.device)[node].where(total > -torch.inf, -1)
        return tokens.cpu().numpy(), item.cpu().numpy(), total.cpu().numpy()


class IdTrie:
    """The IDs that exist as arrays, so that all beams of all users take a step together.

    Attributes:
        tokens: int [n_items, depth], each place in a range of its own.
        children: Of each place, int [n_nodes, size]: the node that a token leads to, -1 for none.
        item: int [n_nodes + 1], the item that ends at a node; -1: none, as for node -1.
    """

    def __init__(self, ids: TokenIds):
        starts = np.cumsum([0, *ids.sizes])
        self.tokens = ids.tokens + starts[:-1]
        trie = Trie(self.tokens.tolist())
        n_nodes = len(trie.parent)
        following = np.full((n_nodes + 1, starts[-1]), -1)  # the last row: of no node
        following[trie.parent[1:], trie.token[1:]] = np.arange(1, n_nodes)
        following = torch.from_numpy(following)
        self.children = [following[:, a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
        item = np.full(n_nodes + 1, -1)
        item[trie.last] = np.arange(len(trie.last))
        self.item = torch.from_numpy(item)
        self._path = trie.path[trie.last]  # nodes on the way to each item: [n_items, depth]
        self._items_below = np.bincount(self._path.ravel(), minlength=n_nodes)

    def unseen(self, histories: Histories) -> np.ndarray:
        """Whether a node leads to an item that is not in the history: bool [n, n_nodes]."""
        items, rows = flatten([np.unique(history) for history in histories])
        n_nodes = len(self._items_below)
        passed = (rows[:, None] * n_nodes + self._path[items]).ravel()
        seen = np.bincount(passed, minlength=len(histories) * n_nodes)
        return seen.reshape(len(histories), n_nodes) < self._items_below
