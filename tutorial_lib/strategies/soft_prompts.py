"""Prompts made of vectors, tuned in front of a model that is frozen, or moves in a second stage."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn as nn
from torch import Tensor

from tutorial_lib.errors import InputError
from tutorial_lib.language.prompts import SEQUENTIAL, Template
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.models.reading import cache_of
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.task import Task
from tutorial_lib.strategies.tuning import Budget, movement, snapshot

PACE = 20  # rate of a prompt's vectors, in rates of the model's weights
WORDING = SEQUENTIAL[0]  # its words are what soft prompts start from


def opening_ids(lm: LanguageModel, template: Template, noun: str, plural: str) -> list[int]:
    """Tokens of a prompt up to the history, start token included."""
    opening, _ = template.around("history") or (None, None)
    if opening is None or Template(template.family, opening, "").gaps - {"noun", "plural"}:
        raise InputError(
            f"template {template.source!r}: a soft prompt starts from the words up to {{history}};"
            " no other gap may stand there"
        )
    words = opening.format(noun=noun, plural=plural).strip()
    tokens = [*lm.start_ids, *lm.tokenizer(words, add_special_tokens=False)["input_ids"]]
    if not tokens:
        raise InputError(
            f"template {template.source!r}: no words stand before {{history}}, so there is nothing"
            " to tune; take another template"
        )
    return tokens


class SoftPrompt(nn.Module):
    """Vectors [P, D] in front of the text, kept by `peft`'s PromptEmbedding or PromptEncoder.

    Source: Lester et al. 2021, arXiv 2104.08691.
    """

    def __init__(self, encoder: nn.Module, length: int):
        super().__init__()
        self.encoder = encoder
        self.length = length

    def forward(self) -> Tensor:
        index = torch.arange(self.length, device=next(self.parameters()).device)
        return self.encoder(index[None])[0]


class DeepPrefix(nn.Module):
    """Keys and values in front of every layer's own, kept by `peft`'s PrefixEncoder.

    Source: Li & Liang 2021, arXiv 2101.00190.
    """

    def __init__(self, encoder: nn.Module, length: int, layers: int, heads: int):
        super().__init__()
        self.encoder = encoder
        self.length = length
        self.layers = layers
        self.heads = heads

    def forward(self, rows: int):
        index = torch.arange(self.length, device=next(self.parameters()).device)
        flat = self.encoder(index[None])[0].view(self.length, 2 * self.layers, self.heads, -1)
        parts = flat.permute(1, 2, 0, 3)[:, None].expand(-1, rows, -1, -1, -1)
        # for each layer, keys and values [rows, heads, P, size]
        return cache_of(zip(parts[0::2], parts[1::2], strict=True))


def add_soft_prompt(lm: LanguageModel, tokens: list[int]) -> list[nn.Parameter]:
    """A soft prompt that starts as the embeddings of these tokens; returns its parameters."""
    from peft import PromptTuningConfig
    from peft.tuners.prompt_tuning import PromptEmbedding

    config = PromptTuningConfig(
        task_type="CAUSAL_LM",
        num_virtual_tokens=len(tokens),
        token_dim=lm.width,
        num_transformer_submodules=1,
    )
    embedding = lm.model.get_input_embeddings()
    encoder = PromptEmbedding(config, embedding)
    with torch.no_grad():
        encoder.embedding.weight.copy_(embedding.weight[tokens])
    lm.soft = SoftPrompt(encoder, len(tokens))
    return list(lm.soft.parameters())


def soft_prompt(task: Task, template: Template = WORDING) -> Adapted:
    """Only the vectors of the prompt move; they start as the words of a hard prompt (fixed-PTM
    prompt tuning).
    """
    new = _from_words(task, template)
    return task.tune({"prompt": new}, template=_rest(template))


def _from_words(task: Task, template: Template) -> list[nn.Parameter]:
    tokens = opening_ids(task.lm, template, task.words.noun, task.words.plural)
    return add_soft_prompt(task.lm, tokens)


def p_tuning(task: Task, length: int = 8) -> Adapted:
    """The vectors come out of a small network that is tuned in their place (Liu et al. 2021, arXiv
    2103.10385); they start at random.
    """
    from peft import PromptEncoderConfig
    from peft.tuners.p_tuning import PromptEncoder

    lm = task.lm
    if length > lm.longest // 2:
        raise InputError(
            f"p-tuning(length={length}): expected at most {lm.longest // 2}, half of what {lm.name}"
            " can read at once"
        )
    config = PromptEncoderConfig(
        task_type="CAUSAL_LM",
        num_virtual_tokens=length,
        token_dim=lm.width,
        num_transformer_submodules=1,
        encoder_hidden_size=lm.width,
    )
    with torch.random.fork_rng():
        torch.manual_seed(task.seed)
        lm.soft = SoftPrompt(PromptEncoder(config), length)
    return task.tune({"prompt": list(lm.soft.parameters())})


def prefix(task: Task, template: Template = WORDING) -> Adapted:
    """Keys and values of every layer move, in front of a frozen model; they start as what the words
    of a hard prompt give.
    """
    from peft import PrefixTuningConfig
    from peft.tuners.prefix_tuning import PrefixEncoder

    lm = task.lm
    tokens = opening_ids(lm, template, task.words.noun, task.words.plural)
    ids = torch.tensor([tokens], device=lm.device)
    with torch.no_grad():
        cache = lm.model(input_ids=ids, use_cache=True).past_key_values
    parts = [part[0] for layer in cache.layers for part in (layer.keys, layer.values)]
    start = torch.stack(parts).permute(2, 0, 1, 3)  # [P, 2 layers, heads, size]
    length, _, heads, size = start.shape
    config = PrefixTuningConfig(
        task_type="CAUSAL_LM",
        num_virtual_tokens=length,
        token_dim=heads * size,
        num_layers=len(cache.layers),
        num_attention_heads=heads,
    )
    encoder = PrefixEncoder(config)
    encoder.load_prompt_embeddings(start.reshape(length, -1))
    lm.deep = DeepPrefix(encoder, length, len(cache.layers), heads)
    new = list(lm.deep.parameters())
    return task.tune({"prompt": new}, template=_rest(template))


def pepler(task: Task, template: Template = WORDING) -> Adapted:
    """First the prompt with the model frozen, then both (PEPLER's sequential tuning, Li et al.
    2022, arXiv 2202.07371).
    """
    prompt = {"prompt": _from_words(task, template)}
    before = snapshot(prompt)
    first = task.tune(prompt, budget=_prompt_alone(task.budget), template=_rest(template))
    on_step = task.on_step
    if on_step:
        task.on_step = lambda step, loss: on_step(len(first.losses) + step, loss)
    second = task.tune({**prompt, "backbone": task.backbone}, template=_rest(template))
    second.moved |= movement(before, prompt)
    second.seconds += first.seconds
    second.flops += first.flops
    second.losses = first.losses + second.losses
    return second


def _prompt_alone(budget: Budget) -> Budget:
    """Of PEPLER's first stage: vectors take `PACE` times the rate of weights, and a third of the
    steps.
    """
    return replace(
        budget,
        learning_rate=PACE * budget.learning_rate,
        epochs=budget.epochs / 3,
        shortest=-(-budget.shortest // 3),
        longest=-(-budget.longest // 3),
    )


def _rest(template: Template) -> Template:
    """The template without the words that the vectors stand for."""
    _, after = template.around("history") or ("", "")
    return Template(template.family, "{history}" + after, template.target)
