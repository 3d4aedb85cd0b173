"""Recommendation as a path over a knowledge graph: a causal model writes user, chose, item,
relation, node, ..., and the item at the end is the recommendation, the path its explanation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.errors import InputError, check_seed, check_whole
from tutorial_lib.models.path_graph import PathGraph, graph_of, sample_paths
from tutorial_lib.models.sequence import ItemTransformer
from tutorial_lib.objectives import Autoregressive, Softmax
from tutorial_lib.recommender import ScoreRecommender, fitted
from tutorial_lib.training import Plan, train

LENGTH = 7  # tokens of the longest path
SEARCHED_AT_ONCE = 1 << 23  # log-probabilities of a step of a search


@dataclass(frozen=True, eq=False)
class WrittenPaths:
    """What a path model wrote, best first.

    Args:
        tokens: int [n, beams, 7]; -1 after the end of a path.
        items: int [n, beams], where each path ends; -1: at no item.
        log_probabilities: float [n, beams]; -inf: fewer paths than beams exist.
    """

    tokens: np.ndarray = field(repr=False)
    items: np.ndarray
    log_probabilities: np.ndarray

    def faithful(self, graph: PathGraph, histories: Histories) -> np.ndarray:
        """Share of the triples at hop 1, 2 and 3 that are in the graph: [3]. At hop 1: that the
        path begins with an item that its user chose.
        """
        written = self.log_probabilities > -np.inf
        row, beam = np.nonzero(written)
        paths = self.tokens[row, beam]
        chosen = [set(np.asarray(history).tolist()) for history in histories]
        chose = graph.first_relation
        first = [
            path[1] == chose and path[2] in chosen[user]
            for user, path in zip(row, paths.tolist(), strict=True)
        ]
        shares = [float(np.mean(first))]
        for place in (2, 4):
            there = paths[paths[:, place + 2] >= 0, place : place + 3]
            shares.append(float(graph.exists(*there.T).mean()) if len(there) else np.nan)
        return np.array(shares)


class PathRecommender(ScoreRecommender):
    """An item Transformer over the tokens of paths (`PathGraph`), trained on walks between items of
    the same user.

    After `fit`: ``graph``, ``model``. Users are known by a token of their own, so that `recommend`
    needs ``users``, and can serve those of the split alone.

    Args:
        paths: Walks for each user that it learns from.
        beams: Paths that are written for each user.
        constrained: Only triples of the graph may be written.
        width: Of the Transformer, like layers.
        plan: Of the training.

    Source: Geng et al. 2022 (PLM-Rec), whose paths need not exist; Balloccu et al. 2023 (PEARLM,
        arXiv 2310.16452), which writes along the graph.
    """

    def __init__(
        self,
        paths: int = 40,
        beams: int = 30,
        constrained: bool = True,
        *,
        width: int = 48,
        layers: int = 2,
        plan: Plan | None = None,
    ):
        check_whole("PathRecommender", 1, paths=paths, beams=beams)
        self.paths, self.beams, self.constrained = paths, beams, constrained
        self.shape: dict[str, Any] = {"width": width, "layers": layers, "dropout": 0.1}
        self.plan = plan or Plan(epochs=4, batch_tokens=4096, learning_rate=4e-3)

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> PathRecommender:
        check_seed("PathRecommender.fit", seed)
        self.graph = graph_of(split.dataset)
        walks = sample_paths(self.graph, split.train, split.users, self.paths, seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model = ItemTransformer(self.graph.n_tokens, **self.shape)
        self.objective = Autoregressive(loss=Softmax(exclude_seen=False))
        train(self.model, self.objective, walks, self.plan, seed=seed)
        self.n_items = split.dataset.n_items
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        """float64 [n, n_items]: log of the summed probability of the paths that were written to
        each item, -inf elsewhere.
        """
        written = self.write(histories, users)
        out = np.full((len(histories), self.n_items), -np.inf)
        row, beam = np.nonzero(written.items >= 0)
        np.logaddexp.at(out, (row, written.items[row, beam]), written.log_probabilities[row, beam])
        return out

    @torch.inference_mode()
    def write(
        self,
        histories: Histories,
        users: Sequence[int] | None,
        *,
        constrained: bool | None = None,
    ) -> WrittenPaths:
        """The likeliest paths from each user to an item that is not in the history, by beam search.

        Args:
            histories: One sequence of item codes per row; may hold items that came after training.
            users: Codes.
            constrained: As in the constructor, and by default as there.
        """
        check_histories(histories, fitted(self).n_items)
        if users is None:
            raise InputError(
                "PathRecommender needs users=..., one user code per history: a path begins with one"
            )
        constrained = self.constrained if constrained is None else constrained
        self.model.eval()
        size = max(1, SEARCHED_AT_ONCE // (self.beams * self.graph.n_tokens))
        parts = [
            self._search(histories[start : start + size], users[start : start + size], constrained)
            for start in range(0, len(histories), size)
        ]
        tokens, total = (np.concatenate(part) for part in zip(*parts, strict=True))
        last = np.take_along_axis(tokens, (tokens >= 0).sum(axis=2, keepdims=True) - 1, axis=2)
        ends = (last[..., 0] < self.n_items) & (total > -np.inf)
        return WrittenPaths(tokens, np.where(ends, last[..., 0], -1), total)

    def _search(self, histories, users, constrained: bool) -> tuple[np.ndarray, np.ndarray]:
        """Tokens [B, W, 7] and log-probabilities [B, W]."""
        graph, B = self.graph, len(histories)
        tokens = torch.full((B, 1, LENGTH), -1)
        tokens[:, 0, 0] = graph.n_nodes + torch.as_tensor(np.asarray(users))
        tokens[:, 0, 1] = graph.first_relation
        total = torch.zeros(B, 1)
        for place in range(2, LENGTH):
            W = tokens.shape[1]
            paths = tokens.flatten(0, 1)  # [B * W, 7]
            log_p = self._log_probabilities(paths[:, :place])
            log_p.masked_fill_(torch.from_numpy(self._barred(paths, place, histories)), -torch.inf)
            if constrained:
                allowed = torch.from_numpy(graph.allowed(paths[:, :place].numpy(), histories))
                log_p.masked_fill_(~allowed, -torch.inf)
            # a path that has reached its end stays as it is, by way of one more option
            ended = (paths[:, 4] < graph.n_items) & (place > 4)
            log_p[ended] = -torch.inf
            stay = torch.where(ended, 0.0, -torch.inf)[:, None]
            options = torch.cat([log_p, stay], dim=1).view(B, W, -1) + total[..., None]
            total, best = options.flatten(1).topk(min(self.beams, options[0].numel()), dim=1)
            beam, token = best // options.shape[2], best % options.shape[2]
            tokens = tokens.gather(1, beam[..., None].expand(-1, -1, LENGTH))
            nothing = (token == graph.n_tokens) | (total == -torch.inf)
            tokens[:, :, place] = torch.where(nothing, -1, token)
        return tokens.numpy(), total.numpy()

    def _log_probabilities(self, paths: Tensor) -> Tensor:
        """Of the next token: [n, n_tokens]; rows that have ended give anything."""
        pad = self.model.vocabulary.pad
        batch = self.objective.query(torch.where(paths < 0, pad, paths), self.model.vocabulary)
        return torch.log_softmax(self.model.item_scores(self.model.predictions(batch)), dim=1)

    def _barred(self, paths: Tensor, place: int, histories) -> np.ndarray:
        """Items of the history, which no path may end in: bool [n, n_tokens]."""
        out = np.zeros((len(paths), self.graph.n_tokens), dtype=bool)
        if place > 2:
            per_user = out.reshape(len(histories), -1, out.shape[1])
            for row, history in enumerate(histories):
                per_user[row][:, history] = True
        return out
