"""A language model writes: item names by beam search, free or along the trie of a catalogue, and
free text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import InputError
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.models.reading import begin, expanded, stretched
from tutorial_lib.models.trie import Trie


@dataclass(frozen=True)
class Beam:
    """One decoded list, best first.

    Args:
        texts: What was written.
        log_probabilities: float [n], in nats.
        items: int [n], the candidate that each text is (-1: no item of the catalogue).
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
    """The likeliest continuations of a prompt.

    Args:
        beams: How many.
        constrained: Only tokens that lead to a candidate may follow, so every text is an item (De
            Cao et al. 2021, arXiv 2010.00904). Otherwise the model writes what it likes, and what
            it wrote need not exist.
        longest: Most tokens of a text (default: those of the longest candidate).
        trie: Of `catalogue_trie`, to build it only once.
        stop: Texts whose last token ends a free text, as the model's end token does.

    Raises:
        InputError: For no candidates, beams or longest below 1, and a model that does not write.
    """
    if not len(candidates) or beams < 1 or (longest is not None and longest < 1):
        raise InputError(
            f"beam_search({len(candidates)} candidates, beams={beams}, longest={longest}): expected"
            " one or more of each"
        )
    lm.require("causal", "seq2seq", what="writing token by token")
    trie = trie or catalogue_trie(lm, candidates)
    longest = longest or trie.longest
    stops = {lm.end_id}
    for text in stop:
        stops.update(lm.tokenizer(text, add_special_tokens=False)["input_ids"][-1:])
    with torch.inference_mode():
        finished = _search(lm, prompt, trie if constrained else None, beams, longest, stops)
    finished.sort(key=lambda hypothesis: -hypothesis[1])
    written = [tokens for tokens, _ in finished[:beams]]
    texts = [lm.tokenizer.decode(tokens).strip() for tokens in written]
    named: dict[str, int] = {}
    if not constrained:  # free text may write a title with other tokens than the trie holds
        for item, text in enumerate(candidates):
            named.setdefault(text, item)
    items = [
        trie.ends.get(trie.find(tokens), named.get(text, -1))
        for tokens, text in zip(written, texts, strict=True)
    ]
    totals = np.array([total for _, total in finished[:beams]])
    return Beam(texts, totals, np.array(items, dtype=np.int64))


def write_text(lm: LanguageModel, prompt: str, *, longest: int = 60) -> str:
    """Free text after a prompt, such as an explanation: the likeliest token at each step, up to the
    model's end token (greedy).

    >>> from tutorial_lib.models import load_language_model
    >>> question = "Someone gave Hushed Pearl Blocks 5 stars. What do they say about the size?"
    >>> write_text(load_language_model("kit-gpt"), question)[-1]
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


def write_texts(
    lm: LanguageModel, prompts: Sequence[str], *, longest: int = 60, size: int = 64
) -> list[str]:
    """What `write_text` writes after each prompt, many times faster: prompts go through the model
    together.

    A model with a soft prompt or deep prefix writes one text after another.

    Args:
        longest: Most tokens of a text.
        size: Prompts at a time.
    """
    lm.require("causal", "seq2seq", what="writing text")
    if lm.prefix_length:
        return [write_text(lm, prompt, longest=longest) for prompt in prompts]
    seq2seq = lm.kind == "seq2seq"
    out = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))  # less padding
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        end = [lm.end_id] if seq2seq else []
        rows = [[*lm.prompt_ids(prompts[row], longest + 1), *end] for row in chosen]
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), lm.end_id, device=lm.device)
        mask = torch.zeros((len(rows), width), dtype=torch.long, device=lm.device)
        for line, row in enumerate(rows):
            # what a causal model continues must end at the right-hand side
            start_at = 0 if seq2seq else width - len(row)
            ids[line, start_at : start_at + len(row)] = torch.tensor(row, device=lm.device)
            mask[line, start_at : start_at + len(row)] = 1
        with torch.inference_mode():
            generated = lm.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=longest,
                do_sample=False,
                num_beams=1,
                eos_token_id=lm.end_id,
                pad_token_id=lm.end_id,
            )
        written = generated[:, 1 if seq2seq else width :]
        texts = lm.tokenizer.batch_decode(written, skip_special_tokens=True)
        for place, text in zip(chosen, texts, strict=True):
            out[place] = text.strip()
    return out


def catalogue_trie(lm: LanguageModel, candidates: Sequence[str]) -> Trie:
    """The trie of the candidates' tokens."""
    return Trie([lm.target_ids(candidate) for candidate in candidates])


def _search(
    lm, prompt: str, trie: Trie | None, beams: int, longest: int, stops: set[int]
) -> list[tuple[list[int], float]]:
    """(tokens, log-probability) of finished hypotheses, at least ``beams`` of them if there are."""
    first, cache, more = begin(lm, prompt, room=longest)  # as in `log_likelihood`
    logits = first[None]
    cache = expanded(cache, 1)
    unfinished: list[tuple[list[int], float]] = [([], 0.0)]
    finished: list[tuple[list[int], float]] = []
    for step in range(longest + 1):
        logp = F.log_softmax(logits.float(), dim=-1)
        options = []  # (total, row, token)
        for row, (tokens, total) in enumerate(unfinished):
            ended, following = _ways_on(logp[row], tokens, trie, 2 * beams, stops)
            if ended is not None:
                finished.append((tokens, total + ended))
            options += [(total + value, row, token) for token, value in following]
        options.sort(key=lambda option: -option[0])
        totals = sorted((total for _, total in finished), reverse=True)
        worst = totals[beams - 1] if len(totals) >= beams else -np.inf
        # a longer text is never likelier
        options = [option for option in options[:beams] if option[0] > worst]
        if not options or step == longest:
            break
        unfinished = [([*unfinished[row][0], token], total) for total, row, token in options]
        cache.reorder_cache(torch.tensor([row for _, row, _ in options]))
        newest = torch.tensor([[tokens[-1]] for tokens, _ in unfinished])
        logits, cache = _step(lm, newest, cache, more)
    return finished


def _ways_on(logp: Tensor, tokens: list[int], trie: Trie | None, width: int, stops: set[int]):
    """Log-probability of ending here, None where that is not allowed; and (token, log-probability)
    of the ways to go on.

    In a trie a complete candidate ends for free, as in `log_likelihood`; without one a stop token
    has to be written.
    """
    if trie is not None:
        node = trie.find(tokens)
        following = list(trie.children(node))
        ended = 0.0 if node in trie.ends else None
        return ended, list(zip(following, logp[following].tolist(), strict=True))
    best = logp.topk(min(width, len(logp)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ended = logp[sorted(stops)].logsumexp(0).item() if tokens else None
    return ended, [(token, value) for token, value in pairs if token not in stops]


def _step(lm: LanguageModel, tokens: Tensor, cache, more: dict):
    """Read one more token per row: logits of the next, and the cache."""
    inputs = {"input_ids": tokens}
    if lm.kind == "seq2seq":
        inputs = {"decoder_input_ids": tokens, **stretched(more, len(tokens))}
    out = lm.model(**inputs, past_key_values=cache, use_cache=True)
    return out.logits[:, -1], out.past_key_values
