"""Prompts that are read once, and what is kept of them to go on from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from tutorial_lib.errors import InputError
from tutorial_lib.models.language_models import LanguageModel


def begin(lm: LanguageModel, prompt: str, room: int = 1):
    """Read a prompt once.

    Args:
        room: Tokens that have to fit behind it.

    Returns:
        Logits of the next token, [V]; the keys and values to go on from; and what else an
        encoder-decoder model needs.
    """
    sources = prompt_tokens(lm, [prompt], room)
    if lm.kind == "seq2seq":
        logits, cache, encoded, mask = start_decoder(lm, sources)
        return logits[0], cache, {"encoded": encoded, "attention_mask": mask}
    out = lm.read(*lm.padded(sources), use_cache=True)
    return out.logits[0, -1], out.past_key_values, {}


def prompt_tokens(lm: LanguageModel, prompts: Sequence[str], room: int) -> list[list[int]]:
    """Tokens of each prompt; InputError for one that leaves a causal model nothing to read."""
    sources = [lm.prompt_ids(prompt, room) for prompt in prompts]
    if lm.kind == "causal" and not lm.prefix_length and not all(sources):
        raise InputError(
            f"an empty prompt: {lm.name} has no start token to go on from; write some words"
        )
    return sources


def start_decoder(lm: LanguageModel, sources: Sequence[Sequence[int]]):
    """Encode prompts, and read the decoder's start token.

    Returns:
        Logits of the next token, [n, V]; the cache; the prompts encoded, [n, L, D], and their mask.
    """
    ids, mask = lm.padded([[*source, lm.end_id] for source in sources])
    mask = torch.cat([mask.new_ones(len(mask), lm.prefix_length), mask], dim=1)
    encoded = lm.model.get_encoder()(inputs_embeds=lm.embed(ids), attention_mask=mask)
    start = torch.full((len(sources), 1), lm.model.config.decoder_start_token_id)
    out = lm.model(
        encoder_outputs=encoded,
        attention_mask=mask,
        decoder_input_ids=start.to(lm.device),
        use_cache=True,
    )
    return out.logits[:, -1], out.past_key_values, encoded.last_hidden_state, mask


def cache_of(layers: Iterable[tuple[Tensor, Tensor]]):
    """Keys and values of each layer as a cache to go on from."""
    from transformers import DynamicCache

    out = DynamicCache()
    for number, (keys, values) in enumerate(layers):
        out.update(keys, values, number)
    return out


def decoder_cache(own, cross):
    """The cache of a decoder whose keys and values of the encoded prompt are computed already."""
    from transformers import EncoderDecoderCache

    both = EncoderDecoderCache(own, cross)
    both.is_updated = dict.fromkeys(range(len(cross.layers)), True)
    return both


def stretched(more: dict, rows: int) -> dict:
    """What the decoder of an encoder-decoder model needs beside its cache, for several rows."""
    return {
        "encoder_outputs": (more["encoded"].expand(rows, -1, -1),),
        "attention_mask": more["attention_mask"].expand(rows, -1),
    }


def expanded(cache, rows: int):
    """The keys and values of one prompt for several rows."""
    from transformers import EncoderDecoderCache

    if isinstance(cache, EncoderDecoderCache):
        own, cross = cache.self_attention_cache, cache.cross_attention_cache
        return decoder_cache(expanded(own, rows), expanded(cross, rows))
    return cache_of(
        (layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1))
        for layer in cache.layers
    )
