"""Pre-train, then fine-tune: everything, the top, or something new on a frozen trunk.

Source: survey arXiv 2302.03735, section 4.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import InputError
from tutorial_lib.language.prompts import SEQUENTIAL
from tutorial_lib.models.kept import title_vectors
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies.adapted import Adapted, Head
from tutorial_lib.strategies.task import Task

MOST_EXAMPLES = 4000  # histories whose vectors are computed for a new head


def from_scratch(task: Task) -> Adapted:
    """The control: the same architecture with random weights, trained on the labels alone."""
    task.lm = task.lm.fresh(task.seed)
    task.backbone = list(task.lm.model.parameters())
    return task.tune({"backbone": task.backbone})


def pretrained_only(task: Task) -> Adapted:
    """The pre-trained model as it is, asked in the way it was trained: titles in a row, no words
    around them.
    """
    return Adapted(task.lm, task.words, task.n_items)


def full(task: Task) -> Adapted:
    """Every pre-trained weight moves (fine-tuning of the holistic model)."""
    return task.tune({"backbone": task.backbone})


def full_words(task: Task) -> Adapted:
    """Every weight moves, and the model is asked in the words of a prompt that stays fixed
    (fixed-prompt PTM tuning). Differs from `full` by the words alone.
    """
    return task.tune({"backbone": task.backbone}, template=SEQUENTIAL[0])


def top_layers(task: Task, layers: int = 1) -> Adapted:
    """Only the last ``layers`` layers of each stack move (fine-tuning of a partial model)."""
    stacks = layer_stacks(task.lm)
    deepest = max(map(len, stacks))
    if not 1 <= layers < deepest:
        raise InputError(
            f"top-layers(layers={layers}): expected 1..{deepest - 1}; the model has {deepest}"
            " layers"
        )
    top = [layer for stack in stacks for layer in stack[-layers:]]
    return task.tune({"backbone": [p for layer in top for p in layer.parameters()]})


def head(task: Task) -> Adapted:
    """A new output layer over items on a frozen trunk (fine-tuning of an extra part).

    Vectors of histories are computed once, so a step costs almost nothing. Loss: softmax over the
    whole catalogue.
    """
    examples = [
        (history[max(0, end - task.words.limit) : end], int(history[end]))
        for history in task.histories
        for end in range(1, len(history))
    ]
    rng = np.random.default_rng([task.seed, 1])
    examples = [examples[i] for i in rng.permutation(len(examples))[:MOST_EXAMPLES]]
    asked = Adapted(task.lm, task.words, task.n_items)
    top = Head(title_vectors(task.lm, task.words.titles))
    with torch.no_grad():
        vectors = task.lm.vectors(asked.prompts([history for history, _ in examples]))
    targets = torch.tensor([item for _, item in examples])

    def loss_of() -> tuple[Tensor, int]:
        rows = torch.from_numpy(rng.integers(len(examples), size=task.budget.size))
        return F.cross_entropy(top(vectors[rows]), targets[rows]), len(rows)

    return task.tune({"head": list(top.parameters())}, loss_of=loss_of, head=top)


def item_bias(task: Task) -> Adapted:
    """One number per item on top of the frozen model's likelihood, counted on the labels: log(1 +
    how often labelled users took it).
    """
    start = time.perf_counter()
    items = np.concatenate([*task.histories, []]).astype(np.int64)
    counts = np.bincount(items, minlength=task.n_items)
    bias = np.log1p(counts)
    out = Adapted(task.lm, task.words, task.n_items, SEQUENTIAL[0], bias=bias)
    return replace(
        out,
        moved={**out.moved, "head": float(np.linalg.norm(bias))},
        n_trainable=task.n_items,
        seconds=time.perf_counter() - start,
        flops=float(counts.sum()),
    )


class Adapter(nn.Module):
    """h + up(gelu(down h)): a bottleneck behind a layer.

    ``up`` starts at 0, so an untrained adapter changes nothing.

    Source: Houlsby et al. 2019, arXiv 1902.00751; PeterRec's model patch, Yuan et al. 2020.
    """

    def __init__(self, width: int, bottleneck: int):
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.up(F.gelu(self.down(hidden)))


def insert_adapters(layers: Iterable[nn.Module], width: int, bottleneck: int) -> list[Adapter]:
    """One `Adapter` behind each layer, in place; returns them."""
    adapters = []
    for layer in layers:
        if hasattr(layer, "kit_adapter"):
            raise InputError(
                "adapters: the model has adapters already; start from the model without them, as"
                " load_language_model gives it"
            )
        layer.kit_adapter = Adapter(width, bottleneck).to(next(layer.parameters()).device)
        layer.register_forward_hook(_through_adapter)
        adapters.append(layer.kit_adapter)
    return adapters


def _through_adapter(layer: nn.Module, arguments: tuple, output):
    """The adapter is looked up in the layer, so that a copy of the model uses its own."""
    adapter = layer.kit_adapter
    return (adapter(output[0]), *output[1:]) if isinstance(output, tuple) else adapter(output)


def adapters(task: Task, bottleneck: int | None = None) -> Adapted:
    """Small networks between frozen layers (fine-tuning of an extra part).

    ``bottleneck``: inner width (default: a quarter of the model's).
    """
    width = task.lm.width
    layers = [layer for stack in layer_stacks(task.lm) for layer in stack]
    with torch.random.fork_rng():
        torch.manual_seed(task.seed)
        new = nn.ModuleList(insert_adapters(layers, width, bottleneck or width // 4))
    return task.tune({"head": list(new.parameters())})


def lora(task: Task, rank: int = 4) -> Adapted:
    """Low-rank changes to every linear map, the maps themselves frozen (Hu et al. 2021, arXiv
    2106.09685), by `peft`.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    with torch.random.fork_rng():
        torch.manual_seed(task.seed)
        task.lm.model = inject_adapter_in_model(config, task.lm.model)
    new = [parameter for name, parameter in task.lm.model.named_parameters() if "lora_" in name]
    return task.tune({"head": new})


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
