"""How likely a language model finds every item of a catalogue, with common beginnings read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import InputError
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.models.trie import Trie

NODES_A_ROW = 96  # trie nodes that share one copy of the prompt's keys and values
TOKENS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Likelihoods:
    """Of m candidates after n prompts.

    Args:
        log_probability: float [n, m], the sum over a candidate's tokens, in nats.
        tokens: int [m], how many each has.
    """

    log_probability: np.ndarray
    tokens: np.ndarray

    def scores(
        self, normalise: str = "none", prior: np.ndarray | None = None, strength: float = 1.0
    ) -> np.ndarray:
        """One score per candidate, higher is better: float [n, m].

        Args:
            normalise: "none", or "length" for the mean over tokens, which stops favouring short
                titles.
            prior: Log-probabilities of the candidates, [m] or [1, m], after a prompt that says
                nothing about the user. Taken off, so that titles that are likely anyway (common
                words, popular items) gain nothing from it (Holtzman et al. 2021, arXiv 2104.08315;
                the linguistic bias of LMRecSys).
            strength: How many times the prior is taken off.
        """
        if normalise not in ("none", "length"):
            raise InputError(f"scores(normalise={normalise!r}): expected 'none' or 'length'")
        out = self.log_probability
        if prior is not None:
            out = out - strength * np.asarray(prior).reshape(1, -1)
        return out / self.tokens if normalise == "length" else out


def log_likelihood(
    lm: LanguageModel, prompts: Sequence[str], candidates: Sequence[str]
) -> Likelihoods:
    """log p(candidate | prompt) for every prompt and every candidate.

    Causal and encoder-decoder models: the exact chain rule; a prompt is read once and its keys and
    values are kept, and beginnings that candidates share are read once. Masked models: all tokens
    of the candidate are hidden at once and filled in independently, given their number (the
    multi-token cloze of LMRecSys, Zhang et al. 2021): exact for one token, an approximation beyond.
    """
    lm.require("causal", "masked", "seq2seq", what="a likelihood")
    if not len(candidates):
        raise InputError("log_likelihood: no candidates; expected at least one text")
    sequences = [lm.target_ids(candidate) for candidate in candidates]
    tokens = np.array([len(sequence) for sequence in sequences])
    with torch.inference_mode():
        if lm.kind == "masked":
            rows = _filled_in(lm, prompts, sequences)
        else:
            packed = _Packed(Trie(sequences), lm)
            rows = np.empty((len(prompts), len(candidates)))
            for row, prompt in enumerate(prompts):
                rows[row] = packed.score(prompt)
    return Likelihoods(rows, tokens)


def naive_log_likelihood(
    lm: LanguageModel, prompts: Sequence[str], candidates: Sequence[str], size: int = 64
) -> np.ndarray:
    """The long way, [n, m]: prompt and candidate are read together, once for every pair. For
    checking, and for seeing what sharing saves.
    """
    lm.require("causal", "seq2seq", what="the chain rule")
    out = np.empty((len(prompts), len(candidates)))
    goals = [lm.target_ids(candidate) for candidate in candidates]
    with torch.inference_mode():
        for row, prompt in enumerate(prompts):
            source = lm.prompt_ids(prompt, max(map(len, goals)))
            for start in range(0, len(goals), size):
                part = goals[start : start + size]
                if lm.kind == "seq2seq":
                    labels, _ = lm.padded(part)
                    ids, mask = lm.padded([[*source, lm.end_id]] * len(part))
                    logits = lm.read(ids, mask, labels=labels).logits
                    first = 0
                else:
                    ids, mask = lm.padded([[*source, *goal] for goal in part])
                    logits = lm.read(ids, mask).logits[:, -ids.shape[1] :]
                    first = len(source) - 1
                logp = F.log_softmax(logits.float(), dim=-1)
                for i, goal in enumerate(part):
                    steps = torch.arange(first, first + len(goal))
                    out[row, start + i] = logp[i, steps, torch.tensor(goal)].double().sum().item()
    return out


class _Packed:
    """The inner nodes of a trie, packed into rows that are read side by side behind one prompt.

    Why: read one by one, a catalogue of 600 titles costs 600 passes of some 5 tokens, which repeat
    the beginnings that titles share and leave the processor idle. In a row of `NODES_A_ROW` nodes
    each node attends to the prompt, its ancestors and itself, whatever else stands in the row, so
    every shared beginning is read once and a whole catalogue takes one or two passes. A leaf is
    never read: its probability follows from its parent. Encoder-decoder models get one path per
    row, since their positions are relative to a row's start.
    """

    def __init__(self, trie: Trie, lm: LanguageModel):
        self.lm, self.trie = lm, trie
        rows = _rows(trie, 1 if lm.kind == "seq2seq" else NODES_A_ROW)
        longest = max(map(len, rows), default=0)
        self.ids = torch.zeros((len(rows), longest), dtype=torch.long)
        self.depth = torch.zeros((len(rows), longest), dtype=torch.long)
        self.sees = torch.eye(longest, dtype=torch.bool).repeat(len(rows), 1, 1)
        depth, place = trie.depth(), {}
        for r, row in enumerate(rows):
            here = {}
            for c, node in enumerate(row):
                here[node] = c
                place[node] = (r, c)
                self.ids[r, c] = int(trie.token[node])
                self.depth[r, c] = int(depth[node]) - 1
                above = here.get(int(trie.parent[node]))
                if above is not None:
                    self.sees[r, c] |= self.sees[r, above]
        # a node's probability is read where its parent stands; the root stands at the prompt's end
        nodes = np.arange(1, len(trie.parent))
        self.first = torch.from_numpy(nodes[trie.parent[nodes] == 0])
        inner = nodes[trie.parent[nodes] != 0]
        self.inner = torch.from_numpy(inner)
        where = np.array([place[int(trie.parent[node])] for node in inner]).reshape(-1, 2)
        self.line, self.column = torch.from_numpy(where[:, 0]), torch.from_numpy(where[:, 1])
        self.token = torch.from_numpy(trie.token)

    def score(self, prompt: str) -> np.ndarray:
        """log p(candidate | prompt): float64 [n_candidates]."""
        room = int(self.depth.max()) + 2 if len(self.ids) else 1
        first, cache, more = begin(self.lm, prompt, room)
        logp = torch.zeros(len(self.token), dtype=torch.float64)
        logp[self.first] = F.log_softmax(first.float(), dim=-1)[self.token[self.first]].double()
        if len(self.ids):
            size = max(1, TOKENS_AT_ONCE // self.ids.shape[1])
            starts = range(0, len(self.ids), size)
            parts = [self._read(slice(s, s + size), cache, more) for s in starts]
            logits = parts[0] if len(parts) == 1 else torch.cat(parts)  # [R, q, V]
            own = logits[self.line, self.column, self.token[self.inner]]
            every = logits.logsumexp(dim=2)[self.line, self.column]
            logp[self.inner] = (own - every).double()
        total, parent = logp.numpy(), self.trie.parent
        for node in range(1, len(total)):  # parents come first
            if parent[node]:
                total[node] += total[parent[node]]
        return total[self.trie.last]

    def _read(self, rows: slice, cache, more: dict) -> Tensor:
        ids, sees = self.ids[rows], self.sees[rows]
        behind = expanded(cache, len(ids))
        if self.lm.kind == "seq2seq":
            more = stretched(more, len(ids))
            inputs = {"decoder_input_ids": ids, **more}
        else:
            length = cache.get_seq_length()
            prompt = sees.new_ones((len(ids), ids.shape[1], length))
            visible = torch.cat([prompt, sees], dim=2)[:, None]  # [R, 1, q, length + q]
            bias = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
            places = length + self.depth[rows]
            inputs = {"input_ids": ids, "attention_mask": bias, "position_ids": places}
        return self.lm.model(**inputs, past_key_values=behind, use_cache=True).logits


def _rows(trie: Trie, size: int) -> list[list[int]]:
    """Nodes with children, root left out, in rows of about ``size``; every row also holds the
    ancestors of its nodes.
    """
    rows: list[list[int]] = []
    row: list[int] = []
    held: set[int] = set()
    stack = [node for node in reversed(trie.children(0).values()) if trie.children(node)]
    while stack:
        node = stack.pop()
        below = [child for child in reversed(trie.children(node).values()) if trie.children(child)]
        path = []
        above = node
        while above and above not in held:
            path.append(above)
            above = int(trie.parent[above])
        if size == 1:  # whole paths only: a row ends where no child has children
            if not below:
                rows.append(path[::-1])
        else:
            row += path[::-1]
            held.update(path)
            if len(row) >= size:
                rows.append(row)
                row = []
                held = set()
        stack += below
    return rows + ([row] if row else [])


def begin(lm: LanguageModel, prompt: str, room: int = 1):
    """Read a prompt once.

    Args:
        room: Tokens that have to fit behind it.

    Returns:
        Logits of the next token, [V]; the keys and values to go on from; and what else an
        encoder-decoder model needs.
    """
    source = lm.prompt_ids(prompt, room)
    if lm.kind == "seq2seq":
        ids, mask = lm.padded([[*source, lm.end_id]])
        mask = torch.cat([mask.new_ones(1, lm.prefix_length), mask], dim=1)
        encoded = lm.model.get_encoder()(inputs_embeds=lm.embed(ids), attention_mask=mask)
        start = torch.tensor([[lm.model.config.decoder_start_token_id]])
        out = lm.model(
            encoder_outputs=encoded, attention_mask=mask, decoder_input_ids=start, use_cache=True
        )
        more = {"encoded": encoded.last_hidden_state, "attention_mask": mask}
        return out.logits[0, -1], out.past_key_values, more
    if not source and not lm.prefix_length:
        raise InputError(
            f"an empty prompt: {lm.name} has no start token to go on from; write some words"
        )
    out = lm.read(*lm.padded([source]), use_cache=True)
    return out.logits[0, -1], out.past_key_values, {}


def stretched(more: dict, rows: int) -> dict:
    """What the decoder of an encoder-decoder model needs beside its cache, for several rows."""
    return {
        "encoder_outputs": (more["encoded"].expand(rows, -1, -1),),
        "attention_mask": more["attention_mask"].expand(rows, -1),
    }


def expanded(cache, rows: int):
    """The keys and values of one prompt for several rows."""
    from transformers import DynamicCache, EncoderDecoderCache

    if isinstance(cache, EncoderDecoderCache):
        own, cross = cache.self_attention_cache, cache.cross_attention_cache
        both = EncoderDecoderCache(expanded(own, rows), expanded(cross, rows))
        both.is_updated = dict.fromkeys(range(len(cross.layers)), True)
        return both
    out = DynamicCache()
    for number, layer in enumerate(cache.layers):
        keys, values = (x.expand(rows, -1, -1, -1) for x in (layer.keys, layer.values))
        out.update(keys, values, number)
    return out


def _filled_in(
    lm: LanguageModel, prompts: Sequence[str], sequences: Sequence[Sequence[int]]
) -> np.ndarray:
    """Masked models: float64 [n, m]."""
    mask_id = lm.tokenizer.mask_token_id
    out = np.empty((len(prompts), len(sequences)))
    for length in sorted(set(map(len, sequences))):
        columns = [c for c, sequence in enumerate(sequences) if len(sequence) == length]
        wanted = torch.tensor([sequences[c] for c in columns])  # [m, length]
        size = max(1, TOKENS_AT_ONCE // (128 + length))
        for start in range(0, len(prompts), size):
            sources = [lm.prompt_ids(prompt, length) for prompt in prompts[start : start + size]]
            ids, mask = lm.padded([[*source, *[mask_id] * length, lm.end_id] for source in sources])
            hidden = ids == mask_id
            hidden &= hidden.flip(1).cumsum(1).flip(1) <= length  # a prompt may hold its own masks
            logits = lm.read(ids, mask).logits[:, -ids.shape[1] :][hidden].float()
            logp = F.log_softmax(logits, dim=-1).view(len(sources), length, -1)
            total = sum(logp[:, step, wanted[:, step]] for step in range(length))
            out[start : start + size, columns] = total.double().numpy()
    return out
