"""Prompts made of vectors: trained by gradient, in front of a model that stays frozen, or moves in
a second stage.
"""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

from tutorial_lib.errors import InputError
from tutorial_lib.language.prompts import SEQUENTIAL, Template
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.task import Task

WORDING = SEQUENTIAL[0]  # its words are what soft prompts start from


def opening_ids(lm: LanguageModel, template: Template, noun: str, plural: str) -> list[int]:
    """Tokens of a prompt up to the history, start token included."""
    opening = (template.around("history") or [None])[0]
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
    """Vectors [P, D] in front of the text (Lester et al. 2021, arXiv 2104.08691), kept by `peft`'s
    PromptEmbedding or PromptEncoder.
    """

    def __init__(self, encoder: nn.Module, length: int):
        super().__init__()
        self.encoder, self.length = encoder, length

    def forward(self) -> Tensor:
        return self.encoder(torch.arange(self.length, device=next(self.parameters()).device)[None])[
            0
        ]


class DeepPrefix(nn.Module):
    """Keys and values in front of every layer's own (Li & Liang 2021, arXiv 2101.00190), kept by
    `peft`'s PrefixEncoder.
    """

    def __init__(self, encoder: nn.Module, length: int, layers: int, heads: int):
        super().__init__()
        self.encoder, self.length, self.layers, self.heads = encoder, length, layers, heads

    def forward(self, rows: int):
        from transformers import DynamicCache

        index = torch.arange(self.length, device=next(self.parameters()).device)[None]
        flat = (
            self.encoder(index)[0]
            .view(self.length, 2 * self.layers, self.heads, -1)
            .permute(1, 2, 0, 3)
        )  # [2 layers, heads, P, size]
        cache = DynamicCache()
        for layer in range(self.layers):
            cache.update(*(flat[2 * layer + i].expand(rows, -1, -1, -1) for i in (0, 1)), layer)
        return cache


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
    new = add_soft_prompt(
        task.lm, opening_ids(task.lm, template, task.words.noun, task.words.plural)
    )
    return task.tuned(
        {"prompt": new}, task.plan(1e-2), added={"prompt": new}, template=_rest(template)
    )


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
    new = list(lm.soft.parameters())
    return task.tuned({"prompt": new}, task.plan(5e-3), added={"prompt": new})


def prefix(task: Task, template: Template = WORDING) -> Adapted:
    """Keys and values of every layer move, in front of a frozen model; they start as what the words
    of a hard prompt give.
    """
    from peft import PrefixTuningConfig
    from peft.tuners.prefix_tuning import PrefixEncoder

    lm = task.lm
    tokens = opening_ids(lm, template, task.words.noun, task.words.plural)
    with torch.no_grad():
        cache = lm.model(
            input_ids=torch.tensor([tokens], device=lm.device), use_cache=True
        ).past_key_values
    parts = torch.stack(
        [part[0] for layer in cache.layers for part in (layer.keys, layer.values)]
    )  # [2 layers, heads, P, size]
    layers, heads, size = len(cache.layers), parts.shape[1], parts.shape[3]
    config = PrefixTuningConfig(
        task_type="CAUSAL_LM",
        num_virtual_tokens=len(tokens),
        token_dim=heads * size,
        num_layers=layers,
        num_attention_heads=heads,
    )
    encoder = PrefixEncoder(config)
    encoder.load_prompt_embeddings(parts.permute(2, 0, 1, 3).reshape(len(tokens), -1))
    lm.deep = DeepPrefix(encoder, len(tokens), layers, heads)
    new = list(lm.deep.parameters())
    return task.tuned(
        {"prompt": new}, task.plan(3e-3), added={"prompt": new}, template=_rest(template)
    )


def pepler(task: Task, template: Template = WORDING) -> Adapted:
    """First the prompt with the model frozen, then both (PEPLER's sequential tuning, Li et al.
    2022, arXiv 2202.07371).
    """
    new = add_soft_prompt(
        task.lm, opening_ids(task.lm, template, task.words.noun, task.words.plural)
    )
    before = [parameter.detach().clone() for parameter in new]
    first = task.tuned(
        {"prompt": new},
        task.plan(1e-2, epochs=1.0, shortest=8, longest=30),
        added={"prompt": new},
        template=_rest(template),
    )
    if task.on_step:
        tell, told = task.on_step, len(first.losses)
        task.on_step = lambda step, loss: tell(told + step, loss)
    second = task.tuned(
        {"prompt": new, "backbone": task.backbone},
        task.plan(1e-4, epochs=3.0, shortest=16, longest=90),
        added={"prompt": new},
        template=_rest(template),
    )
    change = (
        sum(
            (now.detach() - then).double().pow(2).sum().item()
            for now, then in zip(new, before, strict=True)
        )
        ** 0.5
    )
    second.moved["prompt"] = change
    second.seconds, second.flops = first.seconds + second.seconds, first.flops + second.flops
    second.losses = first.losses + second.losses
    return second


def _rest(template: Template) -> Template:
    """The template without the words that the vectors stand for."""
    return Template(template.family, "{history}" + template.around("history")[1], template.target)
