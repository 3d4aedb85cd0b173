"""How likely a language model finds every item of a catalogue, with common beginnings read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from tutorial_lib.errors import InputError
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.models.trie import Trie
from tutorial_lib.models.trie_readers import trie_reader

MEGABYTES = 256.0  # for logits
PROMPTS_AT_ONCE = 4  # of a causal model; others share nothing between prompts
TOKENS_AT_ONCE = 1024  # in one pass, behind all prompts together
NODES_AT_ONCE = 256  # in one pass, behind each of them


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
    lm: LanguageModel,
    prompts: Sequence[str],
    candidates: Sequence[str],
    *,
    megabytes: float = MEGABYTES,
) -> Likelihoods:
    """log p(candidate | prompt) for every prompt and every candidate.

    Causal and encoder-decoder models: the exact chain rule; a prompt is read once and its keys and
    values are kept, and beginnings that candidates share are read once. Masked models: all tokens
    of the candidate are hidden at once and filled in independently, given their number (the
    multi-token cloze of LMRecSys, Zhang et al. 2021): exact for one token, an approximation beyond.
    Where the best ten are enough, `best_titles.best_titles` finds them for far less.

    Args:
        megabytes: Most memory for logits, whatever the size of the vocabulary (those of one title
            must fit).
    """
    lm.require("causal", "masked", "seq2seq", what="a likelihood")
    if not len(candidates):
        raise InputError("log_likelihood: no candidates; expected at least one text")
    sequences = [lm.target_ids(candidate) for candidate in candidates]
    tokens = np.array([len(sequence) for sequence in sequences])
    rows = np.empty((len(prompts), len(candidates)))
    at_once = tokens_at_once(lm, int(tokens.max()), megabytes)
    with torch.inference_mode():
        if lm.kind == "masked":
            _fill_in(rows, lm, prompts, sequences, at_once)
        else:
            trie = Trie(sequences)
            most = PROMPTS_AT_ONCE if lm.kind == "causal" else 1
            size = int(np.clip(at_once // (2 * trie.longest), 1, most))
            for start in range(0, len(prompts), size):
                part = slice(start, start + size)
                rows[part] = every_title(lm, prompts[part], trie, at_once)
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


def tokens_at_once(lm: LanguageModel, longest: int, megabytes: float) -> int:
    """How many tokens may be read in one pass, so that logits stay below so much memory.

    Logits and what is computed from them take eight bytes per token and word of the vocabulary. A
    decoder's come with every step of a path.
    """
    steps = longest + 1 if lm.kind == "seq2seq" else 1
    return max(1, int(megabytes * 2**20 / (8 * steps * lm.model.config.vocab_size)))


def every_title(lm: LanguageModel, prompts: Sequence[str], trie: Trie, tokens: int) -> np.ndarray:
    """log p(candidate | prompt), [n, n_candidates]: every inner node of the trie is read, at most
    ``tokens`` in one pass.

    Why in pieces that forget each other: in one long row each node would look through all nodes
    before it, though it may see its ancestors only.
    """
    reader = trie_reader(lm, prompts, trie)
    edges = np.zeros((len(prompts), len(trie.parent)))
    row, child, step = reader.first()
    edges[row, child] = step
    # a piece is longer than its size by the ancestors of its last node
    size = min(tokens, TOKENS_AT_ONCE) // len(prompts) - trie.longest
    for nodes in _rows(trie, int(np.clip(size, 1, NODES_AT_ONCE))):
        reader.forget()
        row, child, step = reader.read(np.tile(nodes, (len(prompts), 1)))
        edges[row, child] = step
    return trie.down(edges)[:, trie.last]


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
        row += path[::-1]
        held.update(path)
        if len(row) >= size:
            rows.append(row)
            row = []
            held = set()
        stack += below
    return rows + ([row] if row else [])


def _fill_in(
    out: np.ndarray,
    lm: LanguageModel,
    prompts: Sequence[str],
    sequences: Sequence[Sequence[int]],
    at_once: int,
) -> None:
    """Masked models: log p of all candidates into ``out``, float64 [n, m]."""
    mask_id = lm.tokenizer.mask_token_id
    for length in sorted(set(map(len, sequences))):
        columns = [c for c, sequence in enumerate(sequences) if len(sequence) == length]
        wanted = torch.tensor([sequences[c] for c in columns])  # [m, length]
        sources = [lm.prompt_ids(prompt, length) for prompt in prompts]
        size = max(1, at_once // (max(map(len, sources), default=0) + length + 1))
        for start in range(0, len(prompts), size):
            part = sources[start : start + size]
            ids, mask = lm.padded([[*source, *[mask_id] * length, lm.end_id] for source in part])
            hidden = ids == mask_id
            hidden &= hidden.flip(1).cumsum(1).flip(1) <= length  # a prompt may hold its own masks
            logits = lm.read(ids, mask).logits[:, -ids.shape[1] :][hidden].float()
            logp = F.log_softmax(logits, dim=-1).view(len(part), length, -1)
            total = sum(logp[:, step, wanted[:, step]] for step in range(length))
            out[start : start + size, columns] = total.double().numpy()
