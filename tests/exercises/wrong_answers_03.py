"""Answers that learners give to the exercises of notebook 03, and a piece of the message that each
must get.
"""

from __future__ import annotations

import copy

import torch
import torch.nn as nn
import torch.nn.functional as F


def _begins(n_layers, **changed):
    return {
        "full": ("embed.", "layers.", "norm."),
        "top-layer": (f"layers.{n_layers - 1}.",),
        "adapters": ("adapters.",),
        "head": ("head.",),
        "soft-prompt": ("prompt.",),
        "zero-shot": (),
    } | {name.replace("_", "-"): value for name, value in changed.items()}


def _kept(names, strategy, n_layers, **changed):
    return [name for name in names if name.startswith(_begins(n_layers, **changed)[strategy])]


def frozen_layers_without_the_dot(names, strategy, n_layers):
    if strategy != "top-layer":
        return _kept(names, strategy, n_layers)
    frozen = tuple(f"layers.{layer}" for layer in range(n_layers - 1))
    return [name for name in names if name.startswith("layers.") and not name.startswith(frozen)]


def greatest_number_as_text(names, strategy, n_layers):
    if strategy != "top-layer":
        return _kept(names, strategy, n_layers)
    last = max(name.split(".")[1] for name in names if name.startswith("layers."))
    return [name for name in names if name.startswith(f"layers.{last}.")]


def one_digit(names, strategy, n_layers):
    if strategy != "top-layer":
        return _kept(names, strategy, n_layers)
    return [name for name in names if name.startswith("layers.") and int(name[7]) == n_layers - 1]


def norm_with_the_top(names, strategy, n_layers):
    return _kept(names, strategy, n_layers, top_layer=(f"layers.{n_layers - 1}.", "norm."))


def counted_from_one(names, strategy, n_layers):
    return _kept(names, strategy, n_layers, top_layer=(f"layers.{n_layers}.",))


def lowest_layer(names, strategy, n_layers):
    return _kept(names, strategy, n_layers, top_layer=("layers.0.",))


def number_anywhere(names, strategy, n_layers):
    return (
        _kept(names, strategy, n_layers)
        if strategy != "top-layer"
        else [name for name in names if f".{n_layers - 1}." in name]
    )


def all_layers(names, strategy, n_layers):
    return [
        n
        for n in _kept(names, strategy, n_layers, top_layer=("layers.",))
        if strategy != "top-layer" or not n.startswith("layers.0")
    ]


def half_of_the_top(names, strategy, n_layers):
    return [n for n in _kept(names, strategy, n_layers) if strategy != "top-layer" or "mlp" in n]


def backbone_with_the_adapters(names, strategy, n_layers):
    return _kept(names, strategy, n_layers, adapters=("layers.", "adapters."))


def head_with_the_adapters(names, strategy, n_layers):
    return _kept(names, strategy, n_layers, adapters=("adapters.", "head."))


def named_like_the_strategy(names, strategy, n_layers):
    return _kept(names, strategy, n_layers, soft_prompt=("soft-prompt.",))


def half_of_each_adapter(names, strategy, n_layers):
    return [
        n for n in _kept(names, strategy, n_layers) if strategy != "adapters" or n.endswith("up")
    ]


def everything_under_full(names, strategy, n_layers):
    return _kept(names, strategy, n_layers, full=("",))


def without_embeddings(names, strategy, n_layers):
    return _kept(names, strategy, n_layers, full=("layers.", "norm."))


def a_set(names, strategy, n_layers):
    return set(_kept(names, strategy, n_layers))


def true_and_false(names, strategy, n_layers):
    return [name in _kept(names, strategy, n_layers) for name in names]


def joined(names, strategy, n_layers):
    return ", ".join(_kept(names, strategy, n_layers))


def indices(names, strategy, n_layers):
    return [names.index(name) for name in _kept(names, strategy, n_layers)]


def in_order_of_the_alphabet(names, strategy, n_layers):
    return sorted(_kept(names, strategy, n_layers))


def twice(names, strategy, n_layers):
    return [
        name
        for name in names
        for begins in ("embed.", "layers.", "norm", "norm.")
        if name.startswith(begins)
    ]


def everything_in_zero_shot(names, strategy, n_layers):
    return _kept(names, strategy, n_layers, zero_shot=("",))


def prompt_in_zero_shot(names, strategy, n_layers):
    return _kept(names, strategy, n_layers, zero_shot=("prompt.",))


def empty_text_for_zero_shot(names, strategy, n_layers):
    return _kept(names, strategy, n_layers) or ""


def words_anywhere(names, strategy, n_layers):
    return [
        name
        for name in names
        if any(word.strip(".") in name for word in _begins(n_layers)[strategy])
    ]


def no_zero_shot(names, strategy, n_layers):
    begins = _begins(n_layers)
    del begins["zero-shot"]
    return [name for name in names if name.startswith(begins[strategy])]


def without_residual(hidden, down, up):
    return F.gelu(hidden @ down) @ up


def residual_twice(hidden, down, up):
    return hidden + (hidden + F.gelu(hidden @ down) @ up)


def norm_on_the_sum(hidden, down, up):
    return F.layer_norm(hidden + F.gelu(hidden @ down) @ up, hidden.shape[-1:])


def linear(hidden, down, up):
    return hidden + hidden @ down @ up


def bends_at_the_end(hidden, down, up):
    return hidden + F.gelu(hidden @ down @ up)


def bends_at_the_start(hidden, down, up):
    return hidden + F.gelu(hidden) @ down @ up


def relu(hidden, down, up):
    return hidden + F.relu(hidden @ down) @ up


def silu(hidden, down, up):
    return hidden + F.silu(hidden @ down) @ up


def in_place(hidden, down, up):
    hidden += F.gelu(hidden @ down) @ up
    return hidden


def turned_round(hidden, down, up):
    return hidden + F.gelu(hidden @ down.T) @ up.T


def forgot_up(hidden, down, up):
    return F.gelu(hidden @ down)


def a_module(hidden, down, up):
    return nn.Sequential(nn.Linear(*down.shape), nn.GELU(), nn.Linear(*up.shape))


def gate(hidden, down, up):
    return hidden + hidden * (F.gelu(hidden @ down) @ up)


def mean_over_tokens(hidden, down, up):
    return (
        hidden
        + F.gelu((hidden - (hidden.mean(dim=-2, keepdim=True) if hidden.dim() > 2 else 0)) @ down)
        @ up
    )


def without_gradient(hidden, down, up):
    with torch.no_grad():
        return hidden + F.gelu(hidden @ down) @ up


def only_sequences(hidden, down, up):
    batch, time, width = hidden.shape
    return hidden + F.gelu(hidden @ down) @ up


def _lora(linear, rank, scale, add=None, up=None, one=None, freeze=True):
    """The right layer, with one part that may be wrong: ``add(linear, x, down, up)``, a first
    ``up``, ``one(linear, change)``.
    """
    linear.requires_grad_(not freeze)
    down = nn.Parameter(torch.randn(rank, linear.in_features))
    up = nn.Parameter(torch.zeros(linear.out_features, rank) if up is None else up)

    def forward(x):
        if add:
            return add(linear, x, down, up)
        return linear(x) + scale * (x @ down.T) @ up.T

    def merged():
        change = (scale * up @ down).detach()
        if one:
            return one(linear, change)
        new = copy.deepcopy(linear)
        new.weight.data += change
        return new

    return down, up, forward, merged


def _weight(linear, weight, bias=True):
    new = nn.Linear(linear.in_features, linear.out_features, bias=bias)
    new.weight.data = weight
    if bias:
        new.bias.data = linear.bias.data
    return new


def _grown(linear, change):
    linear.weight.data += change
    return linear


def both_random(linear, rank, scale):
    return _lora(linear, rank, scale, up=torch.randn(linear.out_features, rank))


def both_zero(linear, rank, scale):
    made = _lora(linear, rank, scale)
    made[0].data.zero_()
    return made


def no_scale(linear, rank, scale):
    return _lora(linear, rank, scale, lambda linear, x, down, up: linear(x) + x @ down.T @ up.T)


def by_the_rank(linear, rank, scale):
    return _lora(linear, rank, scale / rank)


def curved(linear, rank, scale):
    return _lora(
        linear, rank, scale, lambda linear, x, a, b: linear(x) + scale * F.gelu(x @ a.T) @ b.T
    )


def change_alone(linear, rank, scale):
    return _lora(linear, rank, scale, lambda linear, x, down, up: scale * x @ down.T @ up.T)


def computed_once(linear, rank, scale):
    down, up, _, merged = _lora(linear, rank, scale)
    weight = linear.weight.data + scale * (up @ down).detach()
    return down, up, lambda x: F.linear(x, weight, linear.bias), merged


def turned(linear, rank, scale):
    down, up, forward, merged = _lora(linear, rank, scale)
    return nn.Parameter(down.data.T), nn.Parameter(up.data.T), forward, merged


def one_layer_alone(linear, rank, scale):
    return _lora(linear, rank, scale)[3]()


def called(linear, rank, scale):
    down, up, forward, merged = _lora(linear, rank, scale)
    return down, up, forward(torch.zeros(linear.in_features)), merged()


def grows_in_place(linear, rank, scale):
    return _lora(linear, rank, scale, one=_grown)


def merges_nothing(linear, rank, scale):
    return _lora(linear, rank, scale, one=lambda linear, change: copy.deepcopy(linear))


def merges_without_bias(linear, rank, scale):
    return _lora(
        linear, rank, scale, one=lambda of, change: _weight(of, of.weight.data + change, False)
    )


def merges_without_scale(linear, rank, scale):
    return _lora(
        linear, rank, scale, one=lambda of, change: _weight(of, of.weight.data + change / scale)
    )


def a_tensor(linear, rank, scale):
    return _lora(linear, rank, scale, one=lambda of, change: of.weight.data + change)


def not_frozen(linear, rank, scale):
    return _lora(linear, rank, scale, freeze=False)


def detached(linear, rank, scale):
    return _lora(
        linear, rank, scale, lambda of, x, down, up: of(x) + scale * (x @ down.T @ up.T).detach()
    )


WRONG_ANSWERS = {
    "03-freeze": [
        (frozen_layers_without_the_dot, "Did you compare without the dot"),
        (greatest_number_as_text, "compare with int()"),
        (one_digit, "or a single digit?"),
        (norm_with_the_top, "is no part of it"),
        (counted_from_one, "Layers are counted from 0"),
        (lowest_layer, "the one next to the output"),
        (number_anywhere, "because of the 3 in it"),
        (all_layers, "Only the last layer, layers.3, moves"),
        (half_of_the_top, "the last layer has two parameters here"),
        (backbone_with_the_adapters, 'Under "adapters" the backbone is frozen'),
        (head_with_the_adapters, "belongs to another strategy"),
        (named_like_the_strategy, "all of prompt.* moves"),
        (half_of_each_adapter, "leaves 'adapters.0.down' frozen"),
        (everything_under_full, "which was added later"),
        (without_embeddings, "leaves 'embed.weight' frozen"),
        (a_set, "A set keeps no order"),
        (true_and_false, "Give back the names themselves"),
        (joined, "expected a list of names"),
        (indices, "which is not one of the names"),
        (in_order_of_the_alphabet, "keep the order of `names`"),
        (twice, "more than once"),
        (everything_in_zero_shot, "moves 'embed.weight'. Zero-shot tunes nothing"),
        (prompt_in_zero_shot, "moves 'prompt.vectors'. Zero-shot tunes nothing"),
        (empty_text_for_zero_shot, "expected a list of names"),
        (words_anywhere, "words and numbers further inside do not"),
        (no_zero_shot, "KeyError"),
    ],
    "03-adapter": [
        (without_residual, "(the residual)"),
        (residual_twice, "add it once"),
        (norm_on_the_sum, "Nothing acts on the sum"),
        (linear, "Your adapter is linear"),
        (bends_at_the_end, "nothing bends behind `up`"),
        (bends_at_the_start, "not on hidden"),
        (relu, "That is ReLU"),
        (silu, "That is SiLU"),
        (in_place, "`+=` works in place"),
        (turned_round, "Nothing needs to be turned round"),
        (forgot_up, "`@ up` leads back"),
        (a_module, "expected a tensor in the shape of hidden"),
        (gate, "uses hidden @ down only"),
        (mean_over_tokens, "Each token goes through the adapter by itself"),
        (without_gradient, "No gradient reaches"),
        (only_sequences, "may have any number of axes"),
    ],
    "03-lora": [
        (both_random, "`up` starts at 0"),
        (both_zero, "neither ever moves"),
        (no_scale, "right but for `scale`"),
        (by_the_rank, "do not divide by the rank again"),
        (curved, "No curve stands in between"),
        (change_alone, "add the change to what the Linear gives"),
        (computed_once, "compute their product once?"),
        (turned, "down is [6, 2]"),
        (one_layer_alone, "expected four things"),
        (called, "without calling them"),
        (grows_in_place, "Copy the Linear first"),
        (merges_nothing, "without the change"),
        (merges_without_bias, "has lost the bias"),
        (merges_without_scale, "add scale times that to it"),
        (a_tensor, "expected one torch.nn.Linear"),
        (not_frozen, "then it is not frozen"),
        (detached, "No gradient reaches `down` and `up`"),
    ],
}
