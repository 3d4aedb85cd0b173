"""Language models: causal, masked, encoder-decoder, encoder.

A `LanguageModel` is a `transformers` model with its tokenizer, and the few things that differ
between causal, masked and encoder-decoder models: how a prompt is written as tokens, and how the
loss of a text after it is computed.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from tutorial_lib.errors import InputError
from tutorial_lib.models.model_checks import KIT_MODELS

KINDS = {
    "causal": "predicts the next token from those before it",
    "masked": "fills in hidden tokens from both sides",
    "seq2seq": "reads a prompt, then writes token by token",
    "encoder": "turns text into vectors and gives it no probability",
}
IGNORED = -100
LARGE = 20_000_000  # parameters
TEXTS_AT_ONCE = 1  # that a large model learns from
TURN, BETWEEN_TEXTS = "<|im_start|>", "<|endoftext|>"
# their first position is the third of the table
COUNTED_FROM_TWO = ("camembert", "mpnet", "roberta", "xlm-roberta", "xlm-roberta-xl")


@dataclass
class LanguageModel:
    """A model of `transformers`, its tokenizer, and what is in front of every prompt.

    Args:
        name: As it was asked for.
        kind: A key of `KINDS`.
        model: Of `transformers`.
        tokenizer: Its tokenizer.
        path: Where it was read from.
        soft: A module that gives vectors in front of every prompt, [P, D], or None (see
            `strategies.soft_prompts`).
        deep: A module that gives keys and values in front of every layer's own, or None; causal
            models only.
        chat: Every prompt is what a user says in a conversation, and the answer what the model says
            next, in the form of its chat template.
    """

    name: str
    kind: str
    model: nn.Module
    tokenizer: Any
    path: str = ""
    soft: nn.Module | None = None
    deep: nn.Module | None = None
    chat: bool = False

    def __repr__(self) -> str:
        return (
            f"LanguageModel({self.name}, {self.kind}, {self.n_parameters:,} parameters,"
            f" {len(self.tokenizer):,} tokens)"
        )

    @property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def large(self) -> bool:
        """Does it take seconds for what the kit's own models do in milliseconds?"""
        return self.n_parameters > LARGE

    @property
    def width(self) -> int:
        return self.model.get_input_embeddings().weight.shape[1]

    @property
    def device(self) -> torch.device:
        return self.model.get_input_embeddings().weight.device

    def clone(self, *, share: bool = False) -> LanguageModel:
        """A copy that can be changed without touching this one.

        Args:
            share: The copy has its own modules, so that some can be added, but the same weights,
                which must not move.
        """
        memo = {id(p): p for p in self.model.parameters()} if share else {}
        model, soft, deep = copy.deepcopy((self.model, self.soft, self.deep), memo)
        return replace(self, model=model, soft=soft, deep=deep)

    def fresh(self, seed: int = 0) -> LanguageModel:
        """The same architecture with new random weights: what there is without pre-training."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = type(self.model)(copy.deepcopy(self.model.config)).eval()
        return replace(self, model=model.to(self.device), soft=None, deep=None)

    def conversing(self) -> LanguageModel:
        """The same model, asked in the form of its chat template; InputError without one."""
        if not getattr(self.tokenizer, "chat_template", None) or self.kind != "causal":
            raise InputError(
                f"{self.name} has no chat template; take a causal model that was tuned on"
                " conversations, such as smollm2, or ask in plain text"
            )
        return replace(self, chat=True)

    def require(self, *kinds: str, what: str) -> None:
        """InputError, in one line, if ``what`` cannot be done with this kind of model."""
        if self.kind not in kinds:
            examples = dict(zip(KINDS, (*KIT_MODELS, "minilm"), strict=True))
            fitting = " or ".join(name for kind, name in examples.items() if kind in kinds)
            raise InputError(
                f"{what} needs a {' or '.join(kinds)} model; {self.name} is {self.kind}"
                f" ({KINDS[self.kind]}): take {fitting} or another model of that kind"
            )

    @property
    def longest(self) -> int:
        """Most tokens that fit into the model at once."""
        config = self.model.config
        names = ("max_position_embeddings", "n_positions")
        places = next((int(n) for name in names if (n := getattr(config, name, None))), 512)
        return places - 2 if config.model_type in COUNTED_FROM_TWO else places

    # -- text to tokens ---
    def prompt_ids(self, text: str, room: int = 0) -> list[int]:
        """Tokens of a prompt with what stands around it.

        A prompt too long for the model loses its oldest part, so that ``room`` more tokens fit.
        """
        before = self.prefix_length
        head, tail = self._turn if self.chat else (self.start_ids, [])
        if before and not self.chat:  # a soft prompt or deep prefix begins with its own start token
            text, head = " " + text, []
        tokens = self._ids(text)
        kept = max(1, self.longest - room - len(head) - len(tail) - 1 - before)
        return [*head, *tokens[-kept:], *tail]

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    @cached_property
    def _turn(self) -> tuple[list[int], list[int]]:
        """Tokens before and behind what a user says in a conversation."""
        said = [{"role": "user", "content": "\x00"}]
        form = {"tokenize": False, "add_generation_prompt": True}
        head, tail = self.tokenizer.apply_chat_template(said, **form).split("\x00")
        return self._ids(head), self._ids(tail)

    @property
    def start_ids(self) -> list[int]:
        """The token that opens a text, if the model has one.

        What opens a turn of a conversation opens no text: there the token between two texts of the
        pre-training does (with SmolLM2, .2 to .5 nats a token on plain text).
        """
        if self.kind == "seq2seq":
            return []
        bidirectional = self.kind in ("masked", "encoder")
        start = self.tokenizer.cls_token_id if bidirectional else self.tokenizer.bos_token_id
        if not bidirectional and self.tokenizer.bos_token in (None, TURN):
            found = self.tokenizer.convert_tokens_to_ids(BETWEEN_TEXTS)
            known = self.tokenizer.convert_ids_to_tokens(found or 0) == BETWEEN_TEXTS
            start = (found or 0) if known else None
        return [] if start is None else [start]

    @property
    def prefix_length(self) -> int:
        """Positions that soft prompt or deep prefix take up."""
        return sum(part.length for part in (self.soft, self.deep) if part is not None)

    def target_ids(self, text: str) -> list[int]:
        """Tokens of what follows a prompt, as it would be written in running text."""
        return self._ids(text if self.chat or self._adds_space else " " + text)

    @cached_property
    def _adds_space(self) -> bool:
        """Does the tokenizer write a space before every text of its own accord?"""
        return self.tokenizer.tokenize("a")[0].startswith("\u2581")

    @property
    def end_id(self) -> int:
        """The token that closes a text."""
        bidirectional = self.kind in ("masked", "encoder")
        return self.tokenizer.sep_token_id if bidirectional else self.tokenizer.eos_token_id

    def embed(self, tokens: Tensor) -> Tensor:
        """[B, L] -> [B, P + L, D]: embeddings of the tokens behind the soft prompt, if any."""
        out = self.model.get_input_embeddings()(tokens)
        if self.soft is None:
            return out
        return torch.cat([self.soft().to(out.dtype).expand(len(tokens), -1, -1), out], dim=1)

    def padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Rows of tokens, padded on the right: ids and attention mask, both [B, L]."""
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for line, row in enumerate(rows):
            ids[line, : len(row)] = torch.tensor(row, dtype=torch.long)
            mask[line, : len(row)] = 1
        return ids.to(self.device), mask.to(self.device)

    # -- losses and vectors ---
    def loss(
        self, prompts: Sequence[str], targets: Sequence[str], *, whole: bool = False
    ) -> Tensor:
        """Mean negative log-likelihood of the target tokens, in nats per token.

        Args:
            whole: Causal models also learn the tokens of the prompt, as in pre-training.

        A model that is ``large`` reads a few texts at a time, and once more for the gradient
        (checkpointing), so that memory does not grow with their number.
        """
        self.require("causal", "masked", "seq2seq", what="a likelihood")
        end = [self.end_id] if self.kind == "seq2seq" else []
        goals = [[*self.target_ids(target), *end] for target in targets]
        room = max(map(len, goals))
        sources = [self.prompt_ids(prompt, room) for prompt in prompts]
        if not self.large or len(sources) <= TEXTS_AT_ONCE:
            return self._mean_loss(sources, goals, whole)
        total, n = torch.zeros((), device=self.device), 0
        for start in range(0, len(sources), TEXTS_AT_ONCE):
            part = [rows[start : start + TEXTS_AT_ONCE] for rows in (sources, goals)]
            size = sum(map(len, part[1]))
            if whole and self.kind == "causal":
                size += sum(len(source) - 1 for source in part[0])
            mean = checkpoint(self._mean_loss, *part, whole, use_reentrant=False)
            total, n = total + size * mean, n + size
        return total / n

    def _mean_loss(self, sources: list[list[int]], goals: list[list[int]], whole: bool) -> Tensor:
        if self.kind == "seq2seq":
            return self._loss_of_decoder(sources, goals)
        masked = self.kind == "masked"
        rows = []
        for source, goal in zip(sources, goals, strict=True):
            hidden = [self.tokenizer.mask_token_id] * len(goal)
            rows.append([*source, *hidden, self.end_id] if masked else [*source, *goal])
        ids, mask = self.padded(rows)
        labels = torch.full_like(ids, IGNORED)
        for line, (source, goal) in enumerate(zip(sources, goals, strict=True)):
            place = slice(len(source), len(source) + len(goal))
            labels[line, place] = torch.tensor(goal, device=ids.device)
        if whole and not masked:
            labels = ids.masked_fill(mask == 0, IGNORED)
        more = {}
        if not masked and not whole:  # those before the first target need no logits
            more["logits_to_keep"] = ids.shape[1] - min(map(len, sources)) + 1
        logits = self.read(ids, mask, **more).logits[:, -ids.shape[1] :]
        labels = labels[:, -logits.shape[1] :]
        if not masked:  # position t predicts token t + 1
            logits, labels = logits[:, :-1], labels[:, 1:]
        return F.cross_entropy(logits[labels != IGNORED], labels[labels != IGNORED])

    def _loss_of_decoder(self, sources: list[list[int]], goals: list[list[int]]) -> Tensor:
        """`loss` of an encoder-decoder model."""
        labels, mask = self.padded(goals)
        ids = self.padded([[*source, self.end_id] for source in sources])
        logits = self.read(*ids, labels=labels).logits.flatten(0, 1)
        labels = labels.masked_fill(mask == 0, IGNORED).flatten()
        return F.cross_entropy(logits, labels, ignore_index=IGNORED)

    def read(self, ids: Tensor, mask: Tensor, **more):
        """The model's forward pass behind soft prompt and deep prefix."""
        mask = torch.cat([mask.new_ones(len(mask), self.prefix_length), mask], dim=1)
        if self.deep is not None:
            more["past_key_values"] = self.deep(len(ids))
        return self.model(inputs_embeds=self.embed(ids), attention_mask=mask, **more)

    def vectors(self, texts: Sequence[str], size: int = 128) -> Tensor:
        """[n, D]: the mean of the last hidden states over a text's tokens, at length 1 (Reimers &
        Gurevych 2019). Gradients flow. Texts of like length are read together.
        """
        out = [torch.empty(0, self.width, device=self.device)]
        end = [] if self.kind == "causal" else [self.end_id]
        rows = [[*self.prompt_ids(text), *end] for text in texts]
        lengths = torch.tensor(list(map(len, rows)))
        order = lengths.argsort(stable=True) if len(rows) > size else torch.arange(len(rows))
        for part in order.split(size) if len(rows) else ():
            ids, mask = self.padded([rows[row] for row in part])
            body = self.model.get_encoder() if self.kind == "seq2seq" else self.model.base_model
            hidden = body(input_ids=ids, attention_mask=mask).last_hidden_state  # [B, L, D]
            out.append((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
        return F.normalize(torch.cat(out)[order.argsort()], dim=-1)
