"""One output distribution over words and items: a language model that decides itself whether to say
a word or to name an item.

The vocabulary pointer of RecInDial (Wang et al. 2021, arXiv 2110.07477). An item is one token: it
is read through a table of its own, and written by a head of its own that stands beside the word
head under one softmax. So there are two questions that get two answers:

- module evaluation: the item's place in the reply is given, and only the items compete. How good is the recommender?
- end-to-end evaluation: the model writes the whole reply, and has to come to an item by itself. What does a user get?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.ranks import target_ranks
from tutorial_lib.language.dialogues import Dialogue
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.training import rate

SIZE, WARM_UP = (
    64,
    0.1,
)  # dialogues that are read at once when nothing is learned; share of steps before the highest learning rate


@dataclass(frozen=True)
class Reply:
    """text: what was written, titles for items. item: the first one named, -1 for none. scores:
    log-probabilities of all items where it was named, float [n_items]; None for none."""

    text: str
    item: int
    scores: np.ndarray | None


class VocabularyPointer(nn.Module):
    """A causal language model that can read and write items.

    lm: is copied without soft prompts; the caller's stays as it is. titles: one string an item.
        freeze_items: the item table never learns.

    Tokens are numbered jointly: words 0..V-1, as in the model's own head, then item i as V + i. The
    item table [n_items, D] starts as the mean of the word embeddings of each title; the item head
    is hidden -> D (at first the identity), a dot product with the table, and a bias. In a model
    with tied embeddings an item's first score is therefore the mean of the scores of its title's
    tokens.
    """

    def __init__(self, lm: LanguageModel, titles: Sequence[str], *, freeze_items: bool = False):
        lm.require("causal", what="a vocabulary pointer")
        super().__init__()
        self.lm, self.titles = lm.clone(), tuple(titles)
        self.model, self.losses = self.lm.model, []  # losses: of each epoch of `fit`, nats a token
        self.n_words, self.n_items = (
            len(self.model.get_output_embeddings().weight),
            len(self.titles),
        )
        tokens = [self.lm.target_ids(title) for title in self.titles]
        if not all(tokens) or not tokens:
            raise InputError(
                "VocabularyPointer: expected at least one item, and a title for every item"
            )
        words = self.model.get_input_embeddings().weight.detach()  # [V, D]
        self.items = nn.Parameter(
            torch.stack([words[ids].mean(dim=0) for ids in tokens]), requires_grad=not freeze_items
        )
        self.head = nn.Parameter(torch.eye(self.lm.width, device=words.device))
        self.bias = nn.Parameter(torch.zeros(self.n_items, device=words.device))
        self.eval()

    def tokens(self, dialogue: Dialogue, room: int = 0) -> tuple[list[int], int]:
        """All tokens, start and end included, and the number of the reply's first one. A context
        that leaves no space for the reply, or for ``room`` tokens, loses its oldest part."""
        start, reply = (
            self.lm.tokenizer.bos_token_id,
            [*self._joint(dialogue.reply), self.lm.end_id],
        )
        start, context, room = (
            [] if start is None else [start],
            self._joint(dialogue.context),
            max(room, len(reply)),
        )
        kept = self.lm.longest - room - len(start)
        if kept < 1:
            raise InputError(
                f"{self.lm.name} takes {self.lm.longest} tokens: no space for a dialogue and a"
                f" reply of {room}"
            )
        return [*start, *context[-kept:], *reply], len(start) + min(len(context), kept)

    def _joint(self, pieces: Sequence[str | int]) -> list[int]:
        out = []
        for piece in pieces:
            if isinstance(piece, str):
                out += self.lm.tokenizer(piece, add_special_tokens=False)["input_ids"]
            elif 0 <= piece < self.n_items:
                out.append(self.n_words + int(piece))
            else:
                raise InputError(
                    f"VocabularyPointer: a dialogue names item {piece}; expected codes"
                    f" 0..{self.n_items - 1}"
                )
        return out

    def text(self, tokens: Sequence[int]) -> str:
        """Joint tokens as text, titles for items, white space collapsed."""
        parts = []
        for item, run in groupby(tokens, lambda token: token >= self.n_words):
            run = list(run)
            parts += (
                [f" {self.titles[token - self.n_words]}" for token in run]
                if item
                else [self.lm.tokenizer.decode(run)]
            )
        return " ".join("".join(parts).split())

    def embed(self, tokens: Tensor) -> Tensor:
        """Joint tokens [B, L] -> [B, L, D]: words through the model's table, items through the
        pointer's.
        """
        words = self.model.get_input_embeddings()(tokens.where(tokens < self.n_words, 0))
        items = F.embedding((tokens - self.n_words).clamp(min=0), self.items)
        return torch.where((tokens >= self.n_words)[..., None], items, words)

    def forward(self, tokens: Tensor, **more):
        """Joint tokens [B, L] -> the body's output, with `last_hidden_state` [B, L, D]."""
        return self.model.base_model(inputs_embeds=self.embed(tokens), **more)

    def log_probabilities(self, hidden: Tensor) -> Tensor:
        """[..., D] -> [..., V + n_items]: words and items share one softmax, so what an item gains
        the words lose.
        """
        words = self.model.get_output_embeddings()(hidden)
        items = hidden @ self.head.T @ self.items.T + self.bias
        return F.log_softmax(torch.cat([words, items], dim=-1).float(), dim=-1)

    def loss(self, dialogues: Sequence[Dialogue]) -> Tensor:
        """Mean negative log-likelihood of the replies' tokens, words, items and end alike, in nats
        a token.
        """
        return self._loss([self.tokens(dialogue) for dialogue in dialogues])

    def _loss(self, rows: Sequence[tuple[list[int], int]]) -> Tensor:
        tokens, mask = self.lm.padded([row for row, _ in rows])
        replied = mask.bool()
        for line, (_, start) in enumerate(rows):
            replied[line, :start] = False
        hidden = self(tokens, attention_mask=mask).last_hidden_state[:, :-1][
            replied[:, 1:]
        ]  # position t predicts token t + 1
        return F.nll_loss(self.log_probabilities(hidden), tokens[:, 1:][replied[:, 1:]])

    def fit(
        self,
        dialogues: Sequence[Dialogue],
        epochs=3,
        batch=16,
        learning_rate=1e-3,
        seed=0,
        train_lm=True,
    ) -> VocabularyPointer:
        """Learn the replies; ``losses`` then holds the mean loss of each epoch.

        batch: dialogues a step. learning_rate: highest rate of AdamW. train_lm: whether the
            language model learns too, or only item
        table, item head and bias. Raises InputError for no dialogues, or a loss that is no number
        any more.
        """
        if min(len(dialogues), epochs, batch) < 1 or learning_rate <= 0:
            raise InputError(
                f"fit: expected at least 1 dialogue, {epochs=} and {batch=} at least 1,"
                f" {learning_rate=} above 0"
            )
        rows, rng = [self.tokens(dialogue) for dialogue in dialogues], np.random.default_rng(seed)
        self.model.requires_grad_(train_lm)
        learned = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(learned, lr=learning_rate, weight_decay=0.0)
        steps, self.losses = math.ceil(len(rows) / batch), []
        with torch.random.fork_rng():  # dropout, where the model has any
            torch.manual_seed(seed)
            self.train(train_lm)
            for epoch in range(epochs):
                order, total = rng.permutation(len(rows)), 0.0
                for step in range(steps):
                    optimizer.param_groups[0]["lr"] = learning_rate * rate(
                        (epoch + (step + 0.5) / steps) / epochs, WARM_UP
                    )
                    loss = self._loss(
                        [rows[row] for row in order[step * batch : (step + 1) * batch]]
                    )
                    optimizer.zero_grad()
                    loss.backward()
                    nn.utils.clip_grad_norm_(learned, 1.0)
                    optimizer.step()
                    total += loss.item() / steps
                if not math.isfinite(total):
                    raise InputError(
                        f"fit: the loss of epoch {epoch + 1} is {total}; try a learning_rate below"
                        f" {learning_rate}"
                    )
                self.losses.append(total)
        return self.eval()

    @torch.inference_mode()
    def slot_ranking(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        """Module evaluation: log-probabilities of all items [n, n_items] where context and the
        reply's words before its item are given.
        """
        out = np.empty((len(dialogues), self.n_items), dtype=np.float32)
        for first in range(0, len(dialogues), SIZE):
            read = [
                (self.n_words + dialogue.target, *self.tokens(dialogue))
                for dialogue in dialogues[first : first + SIZE]
            ]
            rows = [row[: row.index(target, start)] for target, row, start in read]
            tokens, mask = self.lm.padded(rows)
            hidden = self(tokens, attention_mask=mask).last_hidden_state[
                torch.arange(len(rows)), mask.sum(dim=1) - 1
            ]
            out[first : first + SIZE] = self.log_probabilities(hidden)[:, self.n_words :].cpu()
        return out

    @torch.inference_mode()
    def end_to_end(self, dialogues: Sequence[Dialogue], longest: int = 24) -> list[Reply]:
        """The reply that the model writes itself, always the likeliest word or item, until its end
        token or ``longest`` tokens.
        """
        contexts = [
            row[:start]
            for row, start in (self.tokens(dialogue, room=longest) for dialogue in dialogues)
        ]
        order, out = sorted(range(len(contexts)), key=lambda line: len(contexts[line])), {}
        for _, lines in groupby(
            order, lambda line: len(contexts[line])
        ):  # of one length: no padding is needed
            lines = list(lines)
            out |= zip(lines, self._write([contexts[line] for line in lines], longest), strict=True)
        return [out[line] for line in range(len(contexts))]

    def _write(self, contexts: list[list[int]], longest: int) -> list[Reply]:
        written, scores, over = (
            [[] for _ in contexts],
            [None] * len(contexts),
            [False] * len(contexts),
        )
        tokens, cache = torch.tensor(contexts, device=self.lm.device), None
        for _ in range(longest):
            read = self(tokens, past_key_values=cache, use_cache=True)
            logp, cache = (
                self.log_probabilities(read.last_hidden_state[:, -1]),
                read.past_key_values,
            )
            tokens = logp.argmax(dim=1, keepdim=True)
            for line, (token,) in enumerate(tokens.tolist()):
                over[line] = over[line] or token == self.lm.end_id
                if not over[line]:
                    written[line].append(token)
                    if token >= self.n_words and scores[line] is None:
                        scores[line] = logp[line, self.n_words :].cpu().numpy().copy()
            if all(over):
                break
        items = [
            next((token - self.n_words for token in row if token >= self.n_words), -1)
            for row in written
        ]
        return [
            Reply(self.text(row), item, score)
            for row, item, score in zip(written, items, scores, strict=True)
        ]


def pointer_ranks(
    pointer: VocabularyPointer, dialogues: Sequence[Dialogue], longest: int = 24
) -> pd.DataFrame:
    """One row a dialogue: rank of the target among all items with the slot given (``slot``) and
    where the model named its first item (``end_to_end``; infinite if it named none), and ``item``,
    the one it named (-1: none). Nothing is left out of the ranking.
    """
    if not len(dialogues):
        raise InputError("pointer_ranks: expected at least one dialogue")
    targets, replies = (
        np.array([dialogue.target for dialogue in dialogues]),
        pointer.end_to_end(dialogues, longest),
    )
    written = np.full(len(replies), np.inf)
    named = np.flatnonzero([reply.scores is not None for reply in replies])
    if len(named):
        written[named] = target_ranks(
            np.stack([replies[line].scores for line in named]), targets[named]
        )
    slot = target_ranks(pointer.slot_ranking(dialogues), targets)
    return pd.DataFrame(
        {"slot": slot, "end_to_end": written, "item": [reply.item for reply in replies]}
    )


def pointer_recall(
    pointer: VocabularyPointer, dialogues: Sequence[Dialogue], ks=(1, 10), longest: int = 24
) -> pd.DataFrame:
    """Recall@k of both evaluations, and the share of replies that name an item; a reply without one
    counts as a miss.

    Rows "slot given" and "end to end", columns recall@k and "names an item" (1 by construction
    where the slot is given). `pointer_ranks` has what intervals and paired tests need.
    """
    ranks = pointer_ranks(pointer, dialogues, longest)
    table = pd.DataFrame({f"recall@{k}": (ranks[["slot", "end_to_end"]] <= k).mean() for k in ks})
    table["names an item"] = [1.0, float((ranks["item"] >= 0).mean())]
    return table.set_axis(["slot given", "end to end"])
