"""Pre-train, then fine-tune: everything, the top, or something new on a frozen trunk (survey arXiv
2302.03735, section 4).
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from tutorial_lib.errors import InputError
from tutorial_lib.language.prompts import SEQUENTIAL
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies.adapted import Adapted, Head
from tutorial_lib.strategies.task import Task


def from_scratch(task: Task) -> Adapted:
    """The control: the same architecture with random weights, trained on the labels alone."""
    task.lm = task.lm.fresh(task.seed)
    task.backbone = list(task.lm.model.parameters())
    return task.tuned({"backbone": task.backbone}, task.plan(3e-3, epochs=8.0, longest=240))


def pretrained_only(task: Task) -> Adapted:
    """The pre-trained model as it is, asked in the way it was trained: titles in a row, no words
    around them.
    """
    return Adapted(task.lm, task.words, task.n_items)


def full(task: Task) -> Adapted:
    """Every pre-trained weight moves (fine-tuning of the holistic model)."""
    return task.tuned({"backbone": task.backbone}, task.plan(1e-4))


def top_layers(task: Task, layers: int = 1) -> Adapted:
    """Only the last ``layers`` layers of each stack move (fine-tuning of a partial model)."""
    stacks = layer_stacks(task.lm)
    if not 1 <= layers < max(map(len, stacks)):
        raise InputError(
            f"top-layers(layers={layers}): expected 1..{max(map(len, stacks)) - 1}; the model has"
            f" {max(map(len, stacks))} layers"
        )
    top = [
        parameter
        for stack in stacks
        for layer in stack[-layers:]
        for parameter in layer.parameters()
    ]
    return task.tuned({"backbone": top}, task.plan(1e-3))


def head(task: Task) -> Adapted:
    """A new output layer over items on a frozen trunk (fine-tuning of an extra part).

    Vectors of histories are computed once, so a step costs almost nothing. Loss: softmax over the
    whole catalogue.
    """
    budget = task.plan(1e-2, epochs=20.0, longest=1000, size=64, weight_decay=0.1)
    with torch.no_grad():
        top = Head(task.lm.vectors(task.words.titles))
        asked = Adapted(task.lm, task.words, task.n_items)
        drawn = [
            (list(h[max(0, t - task.words.limit) : t]), int(h[t]))
            for h in task.histories
            for t in range(1, len(h))
        ]
        rng = np.random.default_rng([task.seed, 1])
        drawn = [drawn[i] for i in rng.permutation(len(drawn))[:4000]]
        vectors = task.lm.vectors([asked.prompt(history) for history, _ in drawn])
    targets = torch.tensor([item for _, item in drawn])

    def loss_of():
        rows = torch.from_numpy(rng.integers(len(drawn), size=budget.size))
        return F.cross_entropy(top(vectors[rows]), targets[rows]), budget.size

    new = list(top.parameters())
    return task.tuned({"head": new}, budget, added={"head": new}, loss_of=loss_of, head=top)


def item_bias(task: Task) -> Adapted:
    """One number an item on top of the frozen model's likelihood, counted on the labels: log(1 +
    how often labelled users took it).
    """
    start = time.perf_counter()
    counts = np.bincount(
        np.concatenate([*task.histories, []]).astype(np.int64), minlength=task.n_items
    )
    out = Adapted(
        task.lm,
        task.words,
        task.n_items,
        SEQUENTIAL[0],
        bias=np.log1p(counts),
        n_trainable=task.n_items,
    )
    return replace(
        out,
        moved={**out.moved, "head": float(np.linalg.norm(out.bias))},
        seconds=time.perf_counter() - start,
        flops=float(counts.sum()),
    )


class Adapter(nn.Module):
    """h + up(gelu(down h)): a bottleneck behind a layer (Houlsby et al. 2019, arXiv 1902.00751;
    PeterRec's model patch, Yuan et al. 2020).

    ``up`` starts at 0, so an untrained adapter changes nothing.
    """

    def __init__(self, width: int, bottleneck: int):
        super().__init__()
        self.down, self.up = nn.Linear(width, bottleneck), nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + self.up(F.gelu(self.down(hidden)))


def insert_adapters(lm: LanguageModel, bottleneck: int, seed: int = 0) -> list[nn.Parameter]:
    """One `Adapter` behind every layer of the model, in place; returns the new parameters."""
    layers = [layer for stack in layer_stacks(lm) for layer in stack]
    if any(hasattr(layer, "kit_adapter") for layer in layers):
        raise InputError(
            f"adapters: {lm.name} has adapters already; start from the model without them,"
            f" load_language_model({lm.name!r})"
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for layer in layers:
            layer.kit_adapter = Adapter(lm.width, bottleneck).to(lm.device)
            layer.register_forward_hook(_through_adapter)
    return [parameter for layer in layers for parameter in layer.kit_adapter.parameters()]


def _through_adapter(layer: nn.Module, arguments: tuple, output):
    """The adapter is looked up in the layer, so that a copy of the model uses its own."""
    adapter = layer.kit_adapter
    return (adapter(output[0]), *output[1:]) if isinstance(output, tuple) else adapter(output)


def adapters(task: Task, bottleneck: int | None = None) -> Adapted:
    """Small networks between frozen layers (fine-tuning of an extra part). bottleneck: inner width,
    a quarter of the model's.
    """
    new = insert_adapters(task.lm, bottleneck or task.lm.width // 4, task.seed)
    return task.tuned({"head": new}, task.plan(1e-3), added={"head": new})


def lora(task: Task, rank: int = 4) -> Adapted:
    """Low-rank changes to every linear map, the maps themselves frozen (Hu et al. 2021, arXiv
    2106.09685), by `peft`.
    """
    from peft import LoraConfig, inject_adapter_in_model

    with torch.random.fork_rng():
        torch.manual_seed(task.seed)
        task.lm.model = inject_adapter_in_model(
            LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"), task.lm.model
        )
    new = [parameter for name, parameter in task.lm.model.named_parameters() if "lora_" in name]
    return task.tuned({"head": new}, task.plan(1e-3), added={"head": new})


def layer_stacks(lm: LanguageModel) -> list[nn.ModuleList]:
    """The stacks of Transformer layers: one, or two for encoder-decoder models, first to last."""
    lists = [
        module
        for module in lm.model.modules()
        if isinstance(module, nn.ModuleList) and len(module) > 1
    ]
    alike = [
        stack
        for stack in lists
        if len({type(layer) for layer in stack}) == 1 and sum(p.numel() for p in stack.parameters())
    ]
    outer = [
        stack
        for stack in alike
        if not any(stack is not other and _inside(stack, other) for other in alike)
    ]
    if not outer:
        raise InputError(
            f"language model {lm.name!r}: no stack of two or more layers was found; take a strategy"
            " that needs none"
        )
    return outer


def _inside(inner: nn.Module, outer: nn.Module) -> bool:
    return any(module is inner for module in outer.modules())
