"""From documents to batches for the kit's language models, which differ in what is hidden: the
future (kit-gpt), whole titles and single tokens (kit-bert), or the rest of the text (kit-t5). Each
batch holds documents of similar length, so that little is spent on padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from torch import Tensor

from tutorial_lib.objectives.batch import padded
from tutorial_recipes.corpus import Corpus, Document
from tutorial_recipes.tokenizer import SENTINELS

POOL = 2048  # documents sorted by length at a time
IGNORED = -100  # label of what is not predicted


def text_batches(
    name: str, corpus: Corpus, tokenizer, documents: int, batch_tokens: int, rng
) -> Iterator[tuple[float, dict[str, Tensor]]]:
    """(share of all documents read before, one batch as the model's forward takes it).

    Args:
        name: Of the kit model, which says what is hidden.
        documents: Texts read in all.
        batch_tokens: Tokens in a batch, padding included.
        rng: For the order of batches, and for what is hidden.
    """
    make = {"kit-gpt": causal, "kit-bert": masked, "kit-t5": seq2seq}[name]
    stream = corpus.documents()
    read = 0
    while read < documents:
        pool = list(islice(stream, min(POOL, documents - read)))
        rows = encoded(pool, tokenizer)
        sizes = np.array([len(source) + len(target) for source, target in rows])
        groups = grouped(sizes, batch_tokens)
        for i, group in enumerate(rng.permutation(len(groups))):
            share = (read + len(pool) * i / len(groups)) / documents
            yield share, make([rows[row] for row in groups[group]], tokenizer, rng)
        read += len(pool)


def grouped(sizes: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Row numbers of similar size, about ``tokens`` in a group with padding and two ends."""
    order = np.argsort(sizes, kind="stable")
    groups = []
    start = 0
    while start < len(order):
        # no more than tokens // 64 rows are looked ahead for the longest of the group
        longest = sizes[order[min(start + tokens // 64, len(order) - 1)]] + 2
        size = max(1, tokens // longest)
        groups.append(order[start : start + size])
        start += size
    return groups


def encoded(pool: list[Document], tokenizer) -> list[tuple[list[int], list[int]]]:
    """Token ids of source and target; a target after a source starts with a space, as it does in
    running text.
    """
    sources = [document.source for document in pool]
    targets = [" " * bool(document.source) + document.target for document in pool]
    ids = (tokenizer(texts, add_special_tokens=False)["input_ids"] for texts in (sources, targets))
    return list(zip(*ids, strict=True))


def causal(rows, tokenizer, rng) -> dict[str, Tensor]:
    """Every token is predicted from what stands before it."""
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    tokens = padded(
        [[start, *source, *target, end] for source, target in rows], tokenizer.pad_token_id
    )
    mask = (tokens != tokenizer.pad_token_id).long()
    labels = tokens.masked_fill(mask == 0, IGNORED)
    return {"input_ids": tokens, "attention_mask": mask, "labels": labels}


def masked(rows, tokenizer, rng) -> dict[str, Tensor]:
    """Hidden: half of the short targets, a quarter of the other pieces between separators, a tenth
    of the other tokens.
    """
    separator = tokenizer.convert_tokens_to_ids(";")
    tokens, hidden = [], []
    for source, target in rows:
        text = np.array([*source, *target])
        piece = np.cumsum(text == separator)
        chosen = (rng.random(piece[-1] + 1) < 0.25)[piece]
        chosen &= (np.bincount(piece)[piece] < 14) & (text != separator)
        if source and len(target) < 14:
            chosen[len(source) :] = rng.random() < 0.5
        chosen |= rng.random(len(text)) < 0.1
        shown = np.where(chosen, tokenizer.mask_token_id, text).tolist()
        tokens.append([tokenizer.bos_token_id, *shown, tokenizer.eos_token_id])
        hidden.append([IGNORED, *np.where(chosen, text, IGNORED).tolist(), IGNORED])
    return _inputs(tokens, hidden, tokenizer)


def _inputs(tokens: list[list[int]], labels: list[list[int]], tokenizer) -> dict[str, Tensor]:
    ids = padded(tokens, tokenizer.pad_token_id)
    mask = (ids != tokenizer.pad_token_id).long()
    return {"input_ids": ids, "attention_mask": mask, "labels": padded(labels, IGNORED)}


def seq2seq(rows, tokenizer, rng) -> dict[str, Tensor]:
    """Half of the time the target from the source; else the rest of a text from its beginning, or
    the spans that were cut out.
    """
    sentinels = tokenizer.convert_tokens_to_ids(list(SENTINELS))
    end = tokenizer.eos_token_id
    sources, targets = [], []
    for source, target in rows:
        text = [*source, *target]
        u = rng.random()
        if u < 0.15 or (not source and u < 0.6):
            source, target = corrupted(text, sentinels, rng)
        elif (u < 0.5 or not source) and len(text) > 1:
            cut = int(rng.integers(1, len(text)))
            source, target = text[:cut], text[cut:]
        sources.append([*source, end])
        targets.append([*target, end])
    return _inputs(sources, targets, tokenizer)


def corrupted(text: list[int], sentinels: list[int], rng) -> tuple[list[int], list[int]]:
    """Span corruption (Raffel et al. 2020): about 15 % of the tokens in spans of three, each
    replaced by one sentinel.
    """
    spans = min(max(1, round(len(text) * 0.15 / 3)), len(sentinels), max(1, len(text) // 4))
    starts = np.sort(rng.choice(max(1, len(text) // 4), size=spans, replace=False)) * 4
    source, target, last = [], [], 0
    for start, sentinel in zip(starts.tolist(), sentinels, strict=False):
        source += [*text[last:start], sentinel]
        target += [sentinel, *text[start : start + 3]]
        last = start + 3
    return [*source, *text[last:]], target
