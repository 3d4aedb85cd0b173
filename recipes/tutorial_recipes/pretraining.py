"""How the kit's own language models come about: ``tutorial pretrain kit-gpt``, from random weights,
on the text of `corpus`.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import InputError, check_seed, check_whole, unknown_name
from tutorial_lib.training import descend, warm_up_cosine
from tutorial_recipes.corpus import Corpus
from tutorial_recipes.text_batches import POOL, text_batches
from tutorial_recipes.tokenizer import train_tokenizer

TOKENIZER_DOCUMENTS = 20_000
WIDTH = 128  # of the models that ship with the kit


@dataclass(frozen=True)
class Recipe:
    """How a kit model is trained.

    Args:
        documents: Texts read in all.
        batch_tokens: Tokens in one step, padding included.
        learning_rate: Highest rate; `training.warm_up_cosine` gives its course.
        warm_up: Share of all documents until it is reached.
        weight_decay: Of all parameters (AdamW).
        clip: Largest norm of the gradient.
    """

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
    name: str, vocabulary: int, *, width: int = WIDTH, layers: int = 4, heads: int = 4, **special
):
    """A `transformers` model of the kit's architecture with random weights.

    Args:
        special: Token ids of ``pad``, ``start`` and ``end`` (default: 0, 1, 2).
    """
    import transformers as t

    pad, start, end = special.get("pad", 0), special.get("start", 1), special.get("end", 2)
    tokens = {"pad_token_id": pad, "bos_token_id": start, "eos_token_id": end}
    tokens["vocab_size"] = vocabulary
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
    if name == "kit-gpt":
        sizes |= {"intermediate_size": 344 * width // WIDTH, "max_position_embeddings": 1024}
        return t.LlamaForCausalLM(t.LlamaConfig(**tokens, **sizes, tie_word_embeddings=True))
    if name == "kit-bert":
        sizes |= {"intermediate_size": 2 * width, "max_position_embeddings": 512}
        tokens |= {"cls_token_id": start, "sep_token_id": end}
        config = t.ModernBertConfig(**tokens, **sizes, global_attn_every_n_layers=1)
        return t.ModernBertForMaskedLM(config)
    if name == "kit-t5":
        config = t.T5Config(
            **tokens,
            d_model=width,
            d_kv=width // heads,
            d_ff=4 * width,
            num_layers=layers - 1,
            num_heads=heads,
            dropout_rate=0.0,
            decoder_start_token_id=pad,
            tie_word_embeddings=True,
        )
        return t.T5ForConditionalGeneration(config)
    raise unknown_name("kit model", name, RECIPES)


def pretrain(
    name: str,
    out: str | Path,
    *,
    seed: int = 0,
    documents: int | None = None,
    width: int = WIDTH,
    on_step: Callable[[int, int, float, float], None] | None = None,
) -> Path:
    """Train a kit model and write it, with tokenizer and model card, to the folder ``out``.

    The same seed, machine and number of threads give the same weights.

    Args:
        documents: How many texts are read (default: that of `RECIPES`).
        width: Of the hidden states, a multiple of 32. The rate falls with it, as Yang et al.
            (arXiv 2203.03466, table 3) have it for AdamW, and what is wider than the kit's own
            models is multiplied in bfloat16.
        on_step: Called now and then with documents read, documents in all, loss (nats per predicted
            token, smoothed), and seconds.
    """
    from accelerate import Accelerator

    if name not in RECIPES:
        raise unknown_name("kit model", name, RECIPES)
    recipe = RECIPES[name] if documents is None else replace(RECIPES[name], documents=documents)
    check_whole("pretrain", POOL, 1_000_000_000, documents=recipe.documents)
    check_seed("pretrain", seed)
    if width < 32 or width % 32:
        raise InputError(f"pretrain(width={width}): expected a multiple of 32, such as 64 or 256")
    recipe = replace(recipe, learning_rate=recipe.learning_rate * WIDTH / width)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)  # a place that cannot be written is refused now
    corpus = Corpus(seed)
    first = islice(corpus.documents(), TOKENIZER_DOCUMENTS)
    tokenizer = train_tokenizer(document.text for document in first)
    torch.manual_seed(seed)
    accelerator = Accelerator(mixed_precision=_precision(width))
    model = untrained(name, len(tokenizer), width=width)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    model, optimizer = accelerator.prepare(model, optimizer)
    rng = np.random.default_rng(seed)
    batches = text_batches(name, corpus, tokenizer, recipe.documents, recipe.batch_tokens, rng)
    card = {"name": name, "seed": seed, "recipe": asdict(recipe)}
    card["corpus_sha256"] = corpus.sha256(recipe.documents)
    card |= _train(model.train(), optimizer, accelerator, batches, recipe, on_step)
    if accelerator.is_main_process:
        _write(out, accelerator.unwrap_model(model), tokenizer, card)
    return out


def _precision(width: int) -> str | None:
    return "bf16" if torch.cuda.is_available() or width > WIDTH else None


def _write(out: Path, model, tokenizer, card: dict) -> None:
    """The checkpoint, with float16 weights."""
    model.eval().half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    write_whole(out / "card.json", (json.dumps(card, indent=1) + "\n").encode())
    write_whole(out / "README.md", model_card(card, parameters).encode())


def _train(model, optimizer, accelerator, batches, recipe: Recipe, on_step) -> dict:
    """Go through all batches once; what the model card says of it."""
    smooth: float | None = None
    curve: list[dict] = []
    tokens = steps = 0

    def loss_of(step: tuple[float, dict[str, Tensor]]) -> Tensor:
        _, batch = step
        return model(**{key: value.to(accelerator.device) for key, value in batch.items()}).loss

    start = time.perf_counter()
    run = descend(
        model.parameters(),
        optimizer,
        ((share, (share, batch)) for share, batch in batches),
        loss_of,
        recipe.learning_rate,
        schedule=functools.partial(warm_up_cosine, warm_up=recipe.warm_up),
        clip=recipe.clip,
        accelerator=accelerator,
    )
    for (share, batch), loss in run:
        steps += 1
        tokens += int(batch["attention_mask"].sum())
        smooth = loss.item() if smooth is None else 0.98 * smooth + 0.02 * loss.item()
        if int(share * 50) > len(curve) - 1:
            documents, seconds = int(share * recipe.documents), time.perf_counter() - start
            row = {"documents": documents, "loss": round(smooth, 4), "seconds": round(seconds, 1)}
            curve.append(row)
            if on_step:
                on_step(documents, recipe.documents, smooth, seconds)
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
    values = card | {
        "parameters": parameters,
        "what": WHAT[card["name"]],
        "minutes": card["seconds"] / 60,
        "documents": card["recipe"]["documents"],
        "curve": curve,
    }
    text = Path(__file__).with_name("model_card.md").read_text(encoding="utf-8")
    return text.format(**values)
