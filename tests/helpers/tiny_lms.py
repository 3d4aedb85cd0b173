"""Tiny language models of every kind with random weights, and a small catalogue whose titles are
traps for a trie.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from tutorial_recipes.pretraining import untrained
from tutorial_recipes.tokenizer import train_tokenizer
from tutorial_recipes.worlds import make_world

from tutorial_lib.data import leave_last_out
from tutorial_lib.data.shipped import shipped
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.models.model_checks import KIT_MODELS
from tutorial_lib.models.pretrained import load_language_model

KINDS = {
    "kit-gpt": "causal",
    "gpt2": "causal",
    "kit-t5": "seq2seq",
    "kit-bert": "masked",
    "bert": "masked",
    "encoder": "encoder",
}
WRITING = ("kit-gpt", "gpt2", "kit-t5")  # token by token
CONTEXT = 192  # positions of gpt2, bert and encoder
SPREAD = 0.15  # of weights: so large that every influence on a likelihood shows


@cache
def world():
    return make_world("movies", n_users=60, n_items=40)


@cache
def split():
    return leave_last_out(world())


@cache
def tokenizer():
    table = world().items
    return train_tokenizer(
        [
            *table["title"],
            *table["text"],
            "Someone enjoyed these movies, one after another: and then;",
        ],
        size=600,
    )


@cache
def catalogue() -> tuple[str, ...]:
    """Titles of the world; beginnings of two of them; titles of one token, one of which begins
    others; a duplicate of one of each.
    """
    titles = list(world().items["title"])[:24]
    alone = [
        text.strip()
        for token in range(len(tokenizer()))
        if (text := tokenizer().decode([token])).startswith(" ") and len(text) > 4
    ]
    begun = [" ".join(titles[i].split()[:2]) for i in (0, 1)]
    return (*titles, *begun, titles[2].split()[0], *alone[:3], titles[5], begun[0], alone[1])


@cache
def prompts() -> tuple[str, ...]:
    """Of different lengths, one of them empty."""
    words = verbaliser(world(), limit=6)
    histories = [words.history(history) for history in split().test_history[:4]]
    return (
        f"Someone enjoyed {histories[0]}; and then",
        f"{words.history([3])};",
        "",
        f"{histories[2]};",
    )


def tiny(name: str, seed: int = 0, **sizes) -> LanguageModel:
    """A new model every time. name: of `KINDS`; sizes: as in `untrained`."""
    import transformers as t

    n, sizes = len(tokenizer()), {"width": 32, "layers": 2, "heads": 2, **sizes}
    width, layers, heads = sizes.values()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if name == "gpt2":
            shape = {"n_embd": width, "n_layer": layers, "n_head": heads, "n_positions": CONTEXT}
            config = t.GPT2Config(
                vocab_size=n, **shape, bos_token_id=1, eos_token_id=2, pad_token_id=0
            )
            model = t.GPT2LMHeadModel(config)
        elif name in ("bert", "encoder"):
            config = t.BertConfig(
                vocab_size=n,
                hidden_size=width,
                num_hidden_layers=layers,
                num_attention_heads=heads,
                intermediate_size=2 * width,
                max_position_embeddings=CONTEXT,
                pad_token_id=0,
            )
            model = t.BertForMaskedLM(config) if name == "bert" else t.BertModel(config)
        else:
            model = untrained(name, n, **sizes)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=SPREAD)
    return LanguageModel(f"tiny {name}", KINDS[name], model.eval(), tokenizer())


@cache
def lm(name: str) -> LanguageModel:
    """The one that all tests share: not to be changed."""
    return tiny(name)


def kit(name: str) -> LanguageModel:
    """A checkpoint that ships with the kit; the test fails where it is missing."""
    assert name in KIT_MODELS
    folder: Path = shipped(f"checkpoints/{name}")
    if not (folder / "model.safetensors").exists():
        pytest.fail(f"{folder} is missing: tutorial pretrain {name} --ship")
    return load_language_model(name)
