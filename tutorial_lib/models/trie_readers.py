"""Several prompts, each followed by nodes of a trie, read by a language model side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.models.reading import cache_of, decoder_cache, prompt_tokens, start_decoder
from tutorial_lib.models.trie import Trie


class TrieReader:
    """What a model expects after each of some prompts, and after any beginning of a title.

    A prompt is read once. `read` is given nodes whose ancestors were read before, or are given in
    the same call; a leaf is never read, since its probability follows from its parent.

    Attributes:
        logits: [n_prompts, V], of the token that follows each prompt.
    """

    logits: Tensor

    def __init__(self, lm: LanguageModel, prompts: Sequence[str], trie: Trie):
        self.lm, self.trie = lm, trie
        self.sources = prompt_tokens(lm, prompts, trie.longest)

    def first(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`steps` from the prompts to the first tokens of titles."""
        return self.steps(np.zeros((len(self.logits), 1), dtype=np.int64), self.logits[:, None])

    def read(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read nodes behind their prompts; what `steps` gives for them.

        Args:
            nodes: int [n_prompts, q]; -1 pads.
        """
        return self.steps(nodes, self._logits(nodes))

    def steps(self, nodes: np.ndarray, logits: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The children of nodes that were read: (prompt, child, log p(child | its parent)), [n]."""
        row, column = np.nonzero(nodes >= 0)
        of, child = self.trie.children_of(nodes[row, column])
        row, column = row[of], column[of]
        own = logits[row, column, self.trie.token[child]]
        every = logits.logsumexp(dim=2)[row, column]
        return row, child, (own - every).double().cpu().numpy()

    def forget(self) -> None:
        """Drop all nodes that were read, but not the prompts."""

    def _logits(self, nodes: np.ndarray) -> Tensor:
        """[n_prompts, q, V]: logits of the token after each node."""
        raise NotImplementedError


class CausalReader(TrieReader):
    """Nodes are appended to the keys and values of their prompt.

    Each attends to the prompt, to its ancestors and to itself, whatever else was read, so that
    every beginning that titles share is read once, and any nodes can be read in one pass.
    """

    def __init__(self, lm: LanguageModel, prompts: Sequence[str], trie: Trie):
        super().__init__(lm, prompts, trie)
        n, width = len(prompts), max(map(len, self.sources), default=0)
        ids = torch.full((n, width), lm.tokenizer.pad_token_id or 0, device=lm.device)
        mask = torch.zeros((n, width), dtype=torch.long, device=lm.device)
        for row, source in enumerate(self.sources):  # padded on the left: all end side by side
            ids[row, width - len(source) :] = torch.tensor(source, device=lm.device)
            mask[row, width - len(source) :] = 1
        before = lm.prefix_length
        places = before + (mask.cumsum(1) - 1).clamp(min=0)
        if lm.soft is not None:
            ahead = torch.arange(before, device=lm.device).expand(n, -1)
            places = torch.cat([ahead, places], dim=1)
        out = lm.read(ids, mask, position_ids=places, use_cache=True, logits_to_keep=1)
        self.logits = out.logits[:, -1]
        self.prompt = [(layer.keys, layer.values) for layer in out.past_key_values.layers]
        self.visible = torch.cat([mask.new_ones(n, before), mask], dim=1).bool()  # of the prompt
        self.length = torch.tensor([before + len(source) for source in self.sources])
        self.forget()

    def forget(self) -> None:
        self.cache = cache_of(self.prompt)
        self.place = np.full((len(self.visible), len(self.trie.parent)), -1)  # of a node read
        self.n_read = 0

    def keep(self, rows: np.ndarray) -> None:
        """Go on with some of the prompts only, renumbered 0, 1, ... in the order given."""
        chosen = torch.from_numpy(rows)
        self.cache = cache_of(
            [(layer.keys[chosen], layer.values[chosen]) for layer in self.cache.layers]
        )
        self.visible, self.length = self.visible[chosen], self.length[chosen]
        self.place = self.place[rows]

    def _logits(self, nodes: np.ndarray) -> Tensor:
        n, q = nodes.shape
        row, column = np.nonzero(nodes >= 0)
        chosen = nodes[row, column]
        self.place[row, chosen] = self.n_read + column
        self.n_read += q
        path = self.trie.path[chosen]  # [n_chosen, longest]
        which, step = np.nonzero(path >= 0)
        seen = torch.zeros((n, q, self.n_read), dtype=torch.bool)
        seen[row[which], column[which], self.place[row[which], path[which, step]]] = True
        before = self.visible[:, None].expand(-1, q, -1)
        visible = torch.cat([before, seen.to(before.device)], dim=2)[:, None]  # [n, 1, q, all]
        bias = torch.zeros(visible.shape, device=before.device)
        bias.masked_fill_(~visible, torch.finfo(torch.float32).min)
        safe = np.where(nodes >= 0, nodes, 0)
        ids = torch.from_numpy(np.where(nodes > 0, self.trie.token[safe], 0))
        depth = torch.from_numpy(np.maximum(self.trie.depth[safe] - 1, 0))
        out = self.lm.model(
            input_ids=ids.to(self.lm.device),
            attention_mask=bias,
            position_ids=(self.length[:, None] + depth).to(self.lm.device),
            past_key_values=self.cache,
            use_cache=True,
        )
        return out.logits


class DecoderReader(TrieReader):
    """Encoder-decoder models: a prompt is encoded once, and paths from the root are decoded whole,
    since a decoder's positions are relative to the start of a row.
    """

    def __init__(self, lm: LanguageModel, prompts: Sequence[str], trie: Trie):
        super().__init__(lm, prompts, trie)
        self.logits, both, self.encoded, self.mask = start_decoder(lm, self.sources)
        self.own, self.cross = (
            [(layer.keys, layer.values) for layer in part.layers]
            for part in (both.self_attention_cache, both.cross_attention_cache)
        )

    def _decode(self, rows: Tensor, path: np.ndarray) -> Tensor:
        """[n_paths, longest, V]: logits after each node of some paths."""
        own, cross = (
            cache_of([(keys[rows], values[rows]) for keys, values in part])
            for part in (self.own, self.cross)
        )
        ids = torch.from_numpy(np.where(path >= 0, self.trie.token[path], 0))
        return self.lm.model(
            encoder_outputs=(self.encoded[rows],),
            attention_mask=self.mask[rows],
            decoder_input_ids=ids.to(self.lm.device),
            past_key_values=decoder_cache(own, cross),
            use_cache=True,
        ).logits

    def _logits(self, nodes: np.ndarray) -> Tensor:
        row, column = np.nonzero(nodes >= 0)
        chosen = nodes[row, column]
        depth = self.trie.depth[chosen]
        deepest: dict[tuple[int, int], int] = {}  # (prompt, node) -> number of a path through it
        paths: list[tuple[int, int]] = []
        for i in np.argsort(-depth, kind="stable"):
            if (int(row[i]), int(chosen[i])) not in deepest:
                for node in self.trie.path[chosen[i], : depth[i]]:
                    deepest.setdefault((int(row[i]), int(node)), len(paths))
                paths.append((row[i], chosen[i]))
        of, ends = (np.array(part) for part in zip(*paths, strict=True))
        logits = self._decode(torch.from_numpy(of), self.trie.path[ends, : depth.max()])
        through = [deepest[int(r), int(node)] for r, node in zip(row, chosen, strict=True)]
        out = logits.new_zeros((*nodes.shape, logits.shape[2]))
        out[row, column] = logits[through, depth - 1]
        return out


def trie_reader(lm: LanguageModel, prompts: Sequence[str], trie: Trie) -> TrieReader:
    """The reader for a kind of model."""
    lm.require("causal", "seq2seq", what="the chain rule")
    return (CausalReader if lm.kind == "causal" else DecoderReader)(lm, prompts, trie)
