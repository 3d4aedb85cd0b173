"""A language model names items itself: beam search, free or along the trie of a catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import InputError
from tutorial_lib.models.decoding import Trie, begin, expanded, stretched
from tutorial_lib.models.language_models import LanguageModel


@dataclass(frozen=True)
class Beam:
    """One decoded list: texts best first, their log-probabilities, and the candidate each one is
    (-1: no item of the catalogue).
    """

    texts: list[str]
    log_probabilities: np.ndarray
    items: np.ndarray


def beam_search(
    lm: LanguageModel,
    prompt: str,
    candidates: Sequence[str],
    *,
    beams: int = 10,
    constrained: bool = True,
    longest: int | None = None,
    trie: Trie | None = None,
    stop: Sequence[str] = (";",),
) -> Beam:
    """The ``beams`` likeliest continuations of a prompt.

    constrained: only tokens that lead to a candidate may follow, so every text is an item (De Cao
        et al. 2021, arXiv 2010.00904). Otherwise
    the model writes what it likes until its end token, one of the tokens ``stop`` or ``longest``
    tokens, and what it wrote need not exist.
    trie: of `catalogue_trie`, to build it only once.
    Raises InputError for no candidates, beams or longest below 1, and a model that does not write.
    """
    if not len(candidates) or beams < 1 or (longest is not None and longest < 1):
        raise InputError(
            f"beam_search({len(candidates)} candidates, beams={beams}, longest={longest}): expected"
            " one or more of each"
        )
    lm.require("causal", "seq2seq", what="writing token by token")
    trie = trie or catalogue_trie(lm, candidates)
    longest = longest or int(trie.depth().max())
    stops = {
        lm.end_id,
        *(
            ids[-1]
            for text in stop
            if (ids := lm.tokenizer(text, add_special_tokens=False)["input_ids"])
        ),
    }
    with torch.inference_mode():
        found = _search(lm, prompt, trie if constrained else None, beams, longest, stops)
    found.sort(key=lambda one: -one[1])
    texts = [lm.tokenizer.decode(tokens).strip() for tokens, _ in found[:beams]]
    # free text may write a title with other tokens than the trie holds
    named = (
        {} if constrained else {text: item for item, text in reversed(list(enumerate(candidates)))}
    )
    items = [
        trie.ends.get(trie.find(tokens), named.get(text, -1))
        for (tokens, _), text in zip(found[:beams], texts, strict=True)
    ]
    return Beam(
        texts, np.array([total for _, total in found[:beams]]), np.array(items, dtype=np.int64)
    )


def write_text(lm: LanguageModel, prompt: str, *, longest: int = 60) -> str:
    """Free text after a prompt, such as an explanation: the likeliest token at each step, up to the
    model's end token (greedy).

    >>> from tutorial_lib.models import load_language_model
    >>> write_text(load_language_model("kit-gpt"), "Someone gave Hushed Pearl Blocks 5 stars. What do they say about the size?")[-1]
    '.'
    """
    lm.require("causal", "seq2seq", what="writing text")
    written: list[int] = []
    with torch.inference_mode():
        logits, cache, more = begin(lm, prompt, room=longest + 1)
        logits = logits[None]
        while len(written) < longest and (token := int(logits[0].argmax())) != lm.end_id:
            written.append(token)
            logits, cache = _step(lm, torch.tensor([[token]]), cache, more)
    return lm.tokenizer.decode(written, skip_special_tokens=True).strip()


def catalogue_trie(lm: LanguageModel, candidates: Sequence[str]) -> Trie:
    """The trie of the candidates' tokens."""
    return Trie([lm.target_ids(candidate) for candidate in candidates])


def _search(
    lm, prompt: str, trie: Trie | None, beams: int, longest: int, stops: set[int]
) -> list[tuple[list[int], float]]:
    """(tokens, log-probability) of finished hypotheses, at least ``beams`` where there are as many."""
    first, cache, more = begin(lm, prompt, room=longest)  # as in `log_likelihood`
    live, scores = [[]], [0.0]
    logits, cache = first[None], expanded(cache, 1)
    finished: list[tuple[list[int], float]] = []
    for step in range(longest + 1):
        logp = F.log_softmax(logits.float(), dim=-1)
        options = []  # (total, row, token)
        for row, (tokens, total) in enumerate(zip(live, scores, strict=True)):
            ended, following = _ways_on(logp[row], tokens, trie, 2 * beams, stops)
            if ended is not None:
                finished.append((tokens, total + ended))
            options += [(total + value, row, token) for token, value in following]
        options.sort(key=lambda option: -option[0])
        worst = (
            sorted((total for _, total in finished), reverse=True)[beams - 1]
            if len(finished) >= beams
            else -np.inf
        )
        options = [
            option for option in options[:beams] if option[0] > worst
        ]  # a longer text is never likelier
        if not options or step == longest:
            break
        rows = torch.tensor([row for _, row, _ in options])
        live, scores = (
            [[*live[row], token] for _, row, token in options],
            [total for total, _, _ in options],
        )
        cache.reorder_cache(rows)
        logits, cache = _step(lm, torch.tensor([[tokens[-1]] for tokens in live]), cache, more)
    return finished


def _ways_on(logp: Tensor, tokens: list[int], trie: Trie | None, width: int, stops: set[int]):
    """(log-probability of ending here, or None where that is not allowed; (token, log-probability)
    of going on).

    In a trie a complete candidate ends for free, as in `log_likelihood`; without one a stop token
    has to be written.
    """
    if trie is not None:
        node = trie.find(tokens)
        following = list(trie.children(node))
        return (0.0 if node in trie.ends else None), list(
            zip(following, logp[following].tolist(), strict=True)
        )
    best = logp.topk(min(width, len(logp)))
    going = [
        (t, v)
        for t, v in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        if t not in stops
    ]
    return (logp[sorted(stops)].logsumexp(0).item() if tokens else None), going


def _step(lm: LanguageModel, tokens: Tensor, cache, more: dict):
    if lm.kind == "seq2seq":
        out = lm.model(
            decoder_input_ids=tokens,
            past_key_values=cache,
            use_cache=True,
            **stretched(more, len(tokens)),
        )
    else:
        out = lm.model(input_ids=tokens, past_key_values=cache, use_cache=True)
    return out.logits[:, -1], out.past_key_values
