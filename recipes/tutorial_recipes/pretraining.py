"""How the kit's own language models come about: ``tutorial pretrain kit-gpt``, from nothing, on the
text of `language.corpus`.

One loop for three kinds of model; what differs is what is hidden: the future (kit-gpt), whole
titles and single tokens (kit-bert), or the rest of the text (kit-t5). Each batch holds documents of
similar length, so that little is spent on padding.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import check_seed, check_whole, unknown_name
from tutorial_lib.training import descend, rate
from tutorial_recipes.corpus import Corpus, Document
from tutorial_recipes.tokenizer import SENTINELS, train_tokenizer

TOKENIZER_DOCUMENTS = 20_000
POOL = 2048  # documents sorted by length at a time
IGNORED = -100  # label of what is not predicted


@dataclass(frozen=True)
class Recipe:
    """documents: texts read in all. batch_tokens: tokens in one step, padding included.
    learning_rate: highest, reached after the share ``warm_up`` of all documents, then falling to 0
    along a cosine."""

    documents: int
    batch_tokens: int = 4096
    learning_rate: float = 3e-3
    warm_up: float = 0.03
    weight_decay: float = 0.05
    clip: float = 1.0


RECIPES = {"kit-gpt": Recipe(150_000), "kit-bert": Recipe(80_000), "kit-t5": Recipe(30_000)}
WHAT = {
    "kit-gpt": "predicts the next token from those before it (causal, LLaMA architecture)",
    "kit-bert": "fills in hidden tokens from both sides (masked, ModernBERT architecture)",
    "kit-t5": "reads a prompt and writes what follows (encoder-decoder, T5 architecture)",
}


def untrained(
    name: str, vocabulary: int, *, width: int = 128, layers: int = 4, heads: int = 4, **special
):
    """A `transformers` model of the kit's architecture with random weights; special: ids of pad,
    start and end.
    """
    import transformers as t

    pad, start, end = (
        special.get(key, default) for key, default in (("pad", 0), ("start", 1), ("end", 2))
    )
    common = {
        "vocab_size": vocabulary,
        "pad_token_id": pad,
        "bos_token_id": start,
        "eos_token_id": end,
    }
    if name == "kit-gpt":
        sizes = {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": 344 * width // 128,
        }
        return t.LlamaForCausalLM(
            t.LlamaConfig(**common, **sizes, max_position_embeddings=1024, tie_word_embeddings=True)
        )
    if name == "kit-bert":
        sizes = {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": 2 * width,
        }
        everywhere = {
            "global_attn_every_n_layers": 1,
            "max_position_embeddings": 512,
            "cls_token_id": start,
            "sep_token_id": end,
        }
        return t.ModernBertForMaskedLM(t.ModernBertConfig(**common, **sizes, **everywhere))
    if name == "kit-t5":
        sizes = {
            "d_model": width,
            "d_kv": width // heads,
            "d_ff": 4 * width,
            "num_layers": layers - 1,
            "num_heads": heads,
        }
        return t.T5ForConditionalGeneration(
            t.T5Config(
                **common,
                **sizes,
                dropout_rate=0.0,
                decoder_start_token_id=pad,
                tie_word_embeddings=True,
            )
        )
    raise unknown_name("kit model", name, RECIPES)


def pretrain(
    name: str,
    out: str | Path,
    *,
    seed: int = 0,
    documents: int | None = None,
    on_step: Callable[[int, int, float, float], None] | None = None,
) -> Path:
    """Train a kit model and write it, with tokenizer and model card, to the folder ``out``.

    documents: how many texts are read (default: that of `RECIPES`). on_step: called now and then
        with documents read, documents in all,
    loss (nats a predicted token, smoothed), and seconds. The same seed, machine and number of
    threads give the same weights.
    """
    from accelerate import Accelerator

    if name not in RECIPES:
        raise unknown_name("kit model", name, RECIPES)
    recipe = RECIPES[name] if documents is None else replace(RECIPES[name], documents=documents)
    check_whole("pretrain", POOL, 1_000_000_000, documents=recipe.documents)
    check_seed("pretrain", seed)
    out = Path(out)
    out.mkdir(
        parents=True, exist_ok=True
    )  # a place that cannot be written is told now, not after the training
    corpus = Corpus(seed)
    tokenizer = train_tokenizer(
        document.text for document in islice(corpus.documents(), TOKENIZER_DOCUMENTS)
    )
    torch.manual_seed(seed)
    accelerator = Accelerator(mixed_precision="bf16" if torch.cuda.is_available() else None)
    model = untrained(name, len(tokenizer))
    rates = {"lr": recipe.learning_rate, "betas": (0.9, 0.98), "weight_decay": recipe.weight_decay}
    model, optimizer = accelerator.prepare(
        model, torch.optim.AdamW(model.parameters(), fused=True, **rates)
    )
    told = _train(
        model.train(),
        optimizer,
        accelerator,
        _batches(name, corpus, tokenizer, recipe, np.random.default_rng(seed)),
        recipe,
        on_step,
    )
    card = {
        "name": name,
        "seed": seed,
        "recipe": asdict(recipe),
        "corpus_sha256": corpus.sha256(recipe.documents),
        **told,
    }
    if accelerator.is_main_process:
        model = accelerator.unwrap_model(model)
        model.eval().half().save_pretrained(out)
        tokenizer.save_pretrained(out)
        write_whole(out / "card.json", (json.dumps(card, indent=1) + "\n").encode())
        write_whole(
            out / "README.md",
            model_card(card, sum(parameter.numel() for parameter in model.parameters())).encode(),
        )
    return out


def _train(model, optimizer, accelerator, batches, recipe: Recipe, on_step) -> dict:
    """Go through all batches once; what the model card tells of it."""
    start, smooth, curve, tokens, steps = time.perf_counter(), None, [], 0, 0

    def loss_of(step):
        _, batch = step
        return model(**{key: value.to(accelerator.device) for key, value in batch.items()}).loss

    run = descend(
        model.parameters(),
        optimizer,
        ((share, (share, batch)) for share, batch in batches),
        loss_of,
        recipe.learning_rate,
        schedule=functools.partial(rate, warm_up=recipe.warm_up),
        clip=recipe.clip,
        accelerator=accelerator,
    )
    for (share, batch), loss in run:
        steps += 1
        tokens += int(batch["attention_mask"].sum())
        smooth = loss.item() if smooth is None else 0.98 * smooth + 0.02 * loss.item()
        if int(share * 50) > len(curve) - 1:
            seconds = time.perf_counter() - start
            curve.append(
                {
                    "documents": int(share * recipe.documents),
                    "loss": round(smooth, 4),
                    "seconds": round(seconds, 1),
                }
            )
            if on_step:
                on_step(curve[-1]["documents"], recipe.documents, smooth, seconds)
    return {
        "tokens": tokens,
        "steps": steps,
        "seconds": round(time.perf_counter() - start, 1),
        "threads": torch.get_num_threads(),
        "device": str(accelerator.device),
        "curve": curve,
    }


def model_card(card: dict, parameters: int) -> str:
    """The README of a checkpoint, in the Hub's format."""
    curve = "\n".join(
        f"| {row['documents']:,} | {row['loss']:.3f} | {row['seconds']:.0f} |"
        for row in card["curve"][::5] + card["curve"][-1:]
    )
    return f"""---
license: cc-by-4.0
library_name: transformers
tags: [recommendation, teaching]
---
# {card["name"]}

A language model of {parameters:,} parameters for teaching: it {WHAT[card["name"]]}.
It was trained from random weights on made-up English text about the planted worlds of the teaching kit, by
`tutorial pretrain {card["name"]}`, in {card["seconds"] / 60:.0f} minutes on {card["device"]} with {card["threads"]} thread(s).

- **Text**: {card["recipe"]["documents"]:,} documents, {card["tokens"]:,} tokens with padding left out, seed {card["seed"]}, SHA-256
  `{card["corpus_sha256"]}`. Catalogues (titles, descriptions, lists by theme, mood and series) of movies, products and news; what made-up
  people of the *products* and *news* worlds chose, rated and reviewed. No person of `world-movies` is in it, and nothing that anybody did
  with a movie.
- **Weights**: float16 safetensors; read them as float32 (`load_language_model("{card["name"]}")`).

| documents read | loss, nats a predicted token (smoothed) | seconds |
|---|---|---|
{curve}

## Limits
It knows some two thousand words of plain English and no real work, person or product. Sentences outside the wordings of the kit
get likelihoods that mean little. What it knows of people is how tastes go together in the planted worlds: nothing about real people
follows from it. It has read no ratings or reviews of movies: what it writes about movies before tuning is borrowed from products and news.
"""


def _batches(
    name: str, corpus: Corpus, tokenizer, recipe: Recipe, rng
) -> Iterator[tuple[float, dict[str, Tensor]]]:
    """(share of all documents read before, one batch as the model's forward takes it)."""
    make, read, documents = (
        {"kit-gpt": _causal, "kit-bert": _masked, "kit-t5": _seq2seq}[name],
        0,
        corpus.documents(),
    )
    while read < recipe.documents:
        pool = list(islice(documents, min(POOL, recipe.documents - read)))
        rows = _encoded(pool, tokenizer)
        order = np.argsort([len(source) + len(target) for source, target in rows], kind="stable")
        groups, start = [], 0
        while start < len(order):
            size = max(
                1,
                recipe.batch_tokens
                // (
                    sum(
                        map(
                            len, rows[order[min(start + recipe.batch_tokens // 64, len(order) - 1)]]
                        )
                    )
                    + 2
                ),
            )
            groups.append(order[start : start + size])
            start += size
        for i, group in enumerate(rng.permutation(len(groups))):
            yield (
                (read + len(pool) * i / len(groups)) / recipe.documents,
                make([rows[row] for row in groups[group]], tokenizer, rng),
            )
        read += len(pool)


def _encoded(pool: list[Document], tokenizer) -> list[tuple[list[int], list[int]]]:
    """Token ids of source and target; a target after a source starts with a space, as it does in
    running text.
    """
    sources = tokenizer([document.source for document in pool], add_special_tokens=False)[
        "input_ids"
    ]
    targets = tokenizer(
        [" " * bool(document.source) + document.target for document in pool],
        add_special_tokens=False,
    )["input_ids"]
    return list(zip(sources, targets, strict=True))


def _padded(rows: list[list[int]], fill: int) -> Tensor:
    out = torch.full((len(rows), max(map(len, rows))), fill)
    for line, row in zip(out, rows, strict=True):
        line[: len(row)] = torch.tensor(row, dtype=torch.long)
    return out


def _causal(rows, tokenizer, rng) -> dict[str, Tensor]:
    """Every token is predicted from what stands before it."""
    tokens = _padded(
        [
            [tokenizer.bos_token_id, *source, *target, tokenizer.eos_token_id]
            for source, target in rows
        ],
        tokenizer.pad_token_id,
    )
    mask = (tokens != tokenizer.pad_token_id).long()
    return {
        "input_ids": tokens,
        "attention_mask": mask,
        "labels": tokens.masked_fill(mask == 0, IGNORED),
    }


def _masked(rows, tokenizer, rng) -> dict[str, Tensor]:
    """Hidden: half of the short targets, a quarter of the other pieces between separators, a tenth
    of the other tokens.
    """
    separator = tokenizer.convert_tokens_to_ids(";")
    tokens, hidden = [], []
    for source, target in rows:
        text = np.array([*source, *target])
        piece = np.cumsum(text == separator)
        chosen = (
            (rng.random(piece[-1] + 1) < 0.25)[piece]
            & (np.bincount(piece)[piece] < 14)
            & (text != separator)
        )
        if source and len(target) < 14:
            chosen[len(source) :] = rng.random() < 0.5
        chosen |= rng.random(len(text)) < 0.1
        tokens.append(
            [
                tokenizer.bos_token_id,
                *np.where(chosen, tokenizer.mask_token_id, text).tolist(),
                tokenizer.eos_token_id,
            ]
        )
        hidden.append([IGNORED, *np.where(chosen, text, IGNORED).tolist(), IGNORED])
    tokens = _padded(tokens, tokenizer.pad_token_id)
    return {
        "input_ids": tokens,
        "attention_mask": (tokens != tokenizer.pad_token_id).long(),
        "labels": _padded(hidden, IGNORED),
    }


def _seq2seq(rows, tokenizer, rng) -> dict[str, Tensor]:
    """Half of the time the target from the source; else the rest of a text from its beginning, or
    the spans that were cut out.
    """
    sentinels, end = tokenizer.convert_tokens_to_ids(list(SENTINELS)), tokenizer.eos_token_id
    sources, targets = [], []
    for source, target in rows:
        text, u = [*source, *target], rng.random()
        if u < 0.15 or (not source and u < 0.6):
            source, target = _corrupted(text, sentinels, rng)
        elif (u < 0.5 or not source) and len(text) > 1:
            cut = int(rng.integers(1, len(text)))
            source, target = text[:cut], text[cut:]
        sources.append([*source, end])
        targets.append([*target, end])
    tokens = _padded(sources, tokenizer.pad_token_id)
    return {
        "input_ids": tokens,
        "attention_mask": (tokens != tokenizer.pad_token_id).long(),
        "labels": _padded(targets, IGNORED),
    }


def _corrupted(text: list[int], sentinels: list[int], rng) -> tuple[list[int], list[int]]:
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
