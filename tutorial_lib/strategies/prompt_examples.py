"""What a search for prompt words reads: examples, their loss, and its gradient at one word."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.language.prompts import Template
from tutorial_lib.language.verbalise import Verbaliser
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies.wordings import NO_WORD, Wording

# where the gradient is taken, see `Examples.gradients`
EXPANSIONS = ("token", "mean", "scattered")
LOGITS_AT_ONCE = 1 << 24
TOKENS_SIDE_BY_SIDE = 160  # each sees all others of its row, if only to leave them out
GRADIENT_CALLS = 3  # a backward pass costs about two forward passes
# how much of log p a choice among answers is made by: all of it is so sure of itself that a few
# examples decide (chosen on validation users, world-movies)
SHARPNESS = 0.3


class Examples:
    """Prompts with the answer that should follow, for a frozen causal model.

    The keys and values of what comes before the slots are kept, so that a call reads the words and
    the answers alone.

    Attributes:
        lm: causal.
        wording: where the slots are.
        answers: n rows of texts, the right one first. One text a row: the loss is its mean negative
            log-likelihood, nats per token. Several: that of choosing the right one among them, nats
            (softmax of `SHARPNESS` times log p).
        users: int [n], whose each example is.
        calls: answers read behind a prompt so far (with a gradient, each counts three times).

    >>> from tutorial_lib.language import templates
    >>> from tutorial_lib.models import load_language_model
    >>> lm, words = load_language_model("kit-gpt"), Verbaliser(("Dark Comet", "Sunny Reef"))
    >>> bare = templates("sequential")[2]
    >>> Examples.of_events(lm, words, [(7, [0], 1)], bare, wrong=0).losses([[NO_WORD]]).shape
    (1, 1)
    """

    def __init__(
        self,
        lm: LanguageModel,
        wording: Wording,
        values: Sequence[Mapping[str, str]],
        answers: Sequence[Sequence[str]],
        users: Sequence[int] | np.ndarray | None = None,
    ):
        """Raises InputError for a model that is not causal, and for no examples.

        Args:
            values: what fills the gaps of each example.
        """
        lm.require("causal", what="a search for prompt words")
        if not len(values):
            raise InputError("prompt search: no examples; expected at least one")
        self.lm, self.wording, self.calls = lm, wording, 0
        self.users = np.arange(len(values)) if users is None else np.asarray(users)
        self._write(answers)
        room = self.titles.shape[2] + 16
        self.befores = [wording.before.format(**value) for value in values]
        ids = [lm.prompt_ids(before, room) for before in self.befores]
        self.start = torch.tensor([[row[-1]] for row in ids])  # [n, 1], the token before the slots
        before, self.mask = lm.padded([row[:-1] or [lm.end_id] for row in ids])
        with torch.inference_mode():
            self.cache = lm.model(
                input_ids=before, attention_mask=self.mask, use_cache=True
            ).past_key_values
        closing = lm.tokenizer(wording.closing, add_special_tokens=False)["input_ids"]
        self.closing = torch.tensor(closing, dtype=torch.long)  # [e]
        self.vocabulary = lm.model.get_input_embeddings().weight.detach()  # [V, D]

    @classmethod
    def of_events(
        cls,
        lm: LanguageModel,
        words: Verbaliser,
        events: Sequence[tuple],
        template: Template | Wording,
        wrong: int = 7,
        seed: int = 0,
    ) -> Examples:
        """The next item of (user, history, item), beside ``wrong`` others that stay the same.

        The wrong ones are drawn at random from the items that are not in the history.
        """
        given = template if isinstance(template, Wording) else Wording.of(lm, template, words)
        values = [{"history": words.history(history)} for _, history, _ in events]
        rng = np.random.default_rng([seed, 13])
        everything = np.arange(len(words.titles))
        rows = []
        for _, history, item in events:
            others = np.setdiff1d(everything, [*history, item])
            rows.append([item, *rng.choice(others, min(wrong, len(others)), replace=False)])
        answers = [[words.answers[item] for item in row] for row in rows]
        return cls(lm, given, values, answers, [user for user, _, _ in events])

    def __len__(self) -> int:
        return len(self.answers)

    def text(self, example: int, tokens: Sequence[int]) -> str:
        """The prompt of an example as the model would be asked."""
        return self.befores[example] + self.wording.end(self.lm, tokens)

    def _write(self, answers: Sequence[Sequence[str]]) -> None:
        self.answers = answers
        goals = [self.lm.target_ids(text) for row in answers for text in row]
        shape = (len(answers), len(answers[0]), -1)
        self.titles, self.written = (
            part.view(shape) for part in self.lm.padded(goals)
        )  # [n, c, T]

    def asked(self, answers: Sequence[Sequence[str]]) -> Examples:
        """The same prompts, already read, with other answers."""
        out = copy.copy(self)
        out._write(answers)
        return out

    def losses(self, prompts: Sequence | np.ndarray) -> np.ndarray:
        """Of k prompts on each example: float64 [k, n].

        ``prompts``: token ids or `NO_WORD`, [k, l], or [k, n, l] where each example has its own.
        """
        return self._in_parts(prompts, self._losses)

    def log_probabilities(self, prompts: Sequence | np.ndarray) -> np.ndarray:
        """log p of every answer behind k prompts, nats: float64 [k, n, c]."""
        return self._in_parts(prompts, self._log_probabilities)

    def _in_parts(self, prompts: Sequence | np.ndarray, function: Callable) -> np.ndarray:
        shaped = self.shaped(prompts)
        n, c, wide = self.titles.shape
        side_by_side = TOKENS_SIDE_BY_SIDE // (shaped.shape[2] + c * wide)
        size = max(1, min(side_by_side, LOGITS_AT_ONCE // (n * c * wide * len(self.vocabulary))))
        self.calls += n * c * len(shaped)
        with torch.inference_mode():
            parts = [function(self._embedded(part), part) for part in shaped.split(size)]
        return torch.cat(parts).double().numpy()

    def gradients(
        self,
        prompt: Sequence | np.ndarray,
        slot: int,
        at: str = "token",
        seed: int = 0,
        among: Sequence[int] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Gradient of each example's loss at the input embedding of a slot: float64 [n, D].

        Args:
            prompt: token ids or `NO_WORD`, [l], or [n, l] where each example has its own.
            slot: a place in the prompt.
            at: "token": where the present word stands (an empty slot: the mean); "mean": at the
                mean of the words ``among``; "scattered": at another one of them for each example,
                so that the average over examples is also one over places.
            seed: of the words drawn.
            among: token ids (default: all).
        """
        if at not in EXPANSIONS:
            raise unknown_name("expansion point", at, EXPANSIONS)
        shaped = self.shaped([prompt]).clone()
        if not 0 <= slot < shaped.shape[2]:
            raise InputError(
                f"gradients(slot={slot}): expected 0..{shaped.shape[2] - 1}, a place in the prompt"
            )
        words = np.arange(len(self.vocabulary)) if among is None else np.asarray(among)
        embedded = self._embedded(shaped)  # [1, n, l, D]
        mean = self.vocabulary[words].mean(0)
        chosen = np.random.default_rng([seed, 5]).choice(words, size=len(self))
        drawn = self.vocabulary[chosen]
        absent = (shaped[0, :, slot, None] == NO_WORD).to(mean)
        here = embedded[0, :, slot] * (1 - absent) + mean * absent
        embedded[0, :, slot] = {"token": here, "mean": mean, "scattered": drawn}[at]
        shaped[0, :, slot] = shaped[0, :, slot].clamp(min=0)  # a word stands there now
        embedded.requires_grad_(True)
        self.calls += GRADIENT_CALLS * self.titles.shape[1] * len(self)
        (gradient,) = torch.autograd.grad(self._losses(embedded, shaped).sum(), embedded)
        return gradient[0, :, slot].double().numpy()

    def shaped(self, prompts: Sequence | np.ndarray) -> Tensor:
        """Prompts as token ids [k, n, l]."""
        ids = torch.as_tensor(np.asarray(prompts, dtype=np.int64))
        if ids.ndim == 2:
            ids = ids[:, None].expand(-1, len(self), -1)
        if ids.ndim != 3 or ids.shape[1] != len(self):
            raise InputError(
                f"prompts of shape {tuple(ids.shape)}: expected token ids [k, l], or [k,"
                f" {len(self)}, l]"
            )
        return ids

    def _embedded(self, prompts: Tensor) -> Tensor:
        return self.vocabulary[prompts.clamp(min=0)]

    def _losses(self, embedded: Tensor, prompts: Tensor) -> Tensor:
        """Loss of k prompts, embedded as [k, n, l, D], for each example: [k, n]."""
        logp = self._log_probabilities(embedded, prompts)
        if logp.shape[2] == 1:
            return -logp[:, :, 0] / self.written[:, 0].sum(1)
        return -F.log_softmax(SHARPNESS * logp, dim=2)[:, :, 0]

    def _log_probabilities(self, embedded: Tensor, prompts: Tensor) -> Tensor:
        """log p of every answer behind k prompts: [k, n, c].

        The k prompts stand side by side behind what was read before, each followed by its answers;
        the mask lets each answer see its prompt and itself alone.
        """
        from tutorial_lib.models.reading import expanded

        k, n = prompts.shape[:2]
        c, wide = self.titles.shape[1:]
        closed = torch.from_numpy(self.wording.closed(prompts.numpy()))[..., None]  # [k, n, 1]
        here = [prompts.new_ones(k, n, 1).bool(), prompts != NO_WORD]
        here = torch.cat([*here, closed.expand(-1, -1, len(self.closing))], dim=2)  # [k, n, m]
        m = here.shape[2]
        stem = [self.vocabulary[self.start].expand(k, -1, -1, -1), embedded]
        stem.append(self.vocabulary[self.closing].expand(k, n, -1, -1))
        read = self.vocabulary[self.titles[:, :, :-1]].flatten(1, 2).expand(k, -1, -1, -1)
        branch = torch.cat([*stem, read], dim=2)  # [k, n, long, D], long = m + c * (T - 1)
        sees = _sees(here, c, wide - 1)  # [k, n, long, long]
        bias = self._bias(sees)
        behind = here.sum(2, keepdim=True) + torch.arange(wide - 1).repeat(c)
        within = torch.cat([here.cumsum(2) - 1, behind], dim=2).transpose(0, 1)  # [n, k, long]
        place = self.mask.sum(1, keepdim=True) + within.flatten(1)
        hidden = (
            self.lm.model.base_model(
                inputs_embeds=branch.transpose(0, 1).flatten(1, 2),
                past_key_values=expanded(self.cache, n),
                attention_mask=bias,
                position_ids=place,
                use_cache=True,
            )
            .last_hidden_state.unflatten(1, (k, -1))
            .transpose(0, 1)
        )  # [k, n, long, D]
        last = (here * torch.arange(1, m + 1)).argmax(2)[..., None, None]  # the prompt's last token
        first = hidden.gather(2, last.expand(-1, -1, 1, hidden.shape[3]))
        output = self.lm.model.get_output_embeddings()
        opening = F.log_softmax(output(first)[:, :, 0], dim=-1)
        total = opening.gather(2, self.titles[:, :, 0].expand(k, -1, -1))
        logits = output(hidden[:, :, m:].unflatten(2, (c, -1)))  # [k, n, c, T - 1, V]
        goal = self.titles[:, :, 1:].expand(k, -1, -1, -1)
        own = logits.gather(4, goal[..., None])[..., 0] - logits.logsumexp(4)
        return total + (own * self.written[:, :, 1:]).sum(3)

    def _bias(self, sees: Tensor) -> Tensor:
        """What is added to attention, [n, 1, k * q, L + k * q], of what the branches see."""
        k, n, q, _ = sees.shape
        own = sees.new_zeros(n, k, q, k, q)
        for i in range(k):
            own[:, i, :, i] = sees[i]
        past = self.mask[:, None].bool().expand(-1, k * q, -1)
        visible = torch.cat([past, own.reshape(n, k * q, k * q)], dim=2)[:, None]
        return torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)


def _sees(here: Tensor, answers: int, wide: int) -> Tensor:
    """Which of its own branch each token sees: bool [k, n, m + c * T', m + c * T'].

    Args:
        here: bool [k, n, m], where a prompt has a token.
        answers: c of them behind the prompt, which do not see each other.
        wide: tokens T' that are read of each.
    """
    m = here.shape[2]
    long = m + answers * wide
    sees = torch.zeros(long, long, dtype=torch.bool)
    sees[:m, :m] = torch.ones(m, m).tril().bool()
    sees[m:, :m] = True
    sees[m:, m:] = torch.block_diag(*[torch.ones(wide, wide).tril()] * answers).bool()
    there = torch.cat([here, here.new_ones(*here.shape[:2], answers * wide)], dim=2)
    return sees & there[:, :, None] | torch.eye(long, dtype=torch.bool)
