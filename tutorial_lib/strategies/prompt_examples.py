"""What a search for prompt words reads: examples, their loss, and its gradient at one word."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.language.verbalise import Verbaliser
from tutorial_lib.models.language_models import LanguageModel

# where the gradient is taken, see `Examples.gradients`
EXPANSIONS = ("token", "mean", "scattered", "halfway")
LOGITS_AT_ONCE = 1 << 24
# after the words, as after a title: without it this kind of model goes on writing the words
CLOSING = ";"
GRADIENT_CALLS = 3  # a backward pass costs about two forward passes


def word_tokens(lm: LanguageModel) -> np.ndarray:
    """Tokens that a prompt may be made of: beginnings of words, read back as the same token.

    Letters only. Pieces from inside of a word are left out, as in PAP-REC: written after a space,
    they would become other tokens.
    """
    names = lm.tokenizer.convert_ids_to_tokens(range(len(lm.tokenizer)))
    begins = [token for token, name in enumerate(names) if name and name[0] in "Ġ▁"]
    texts = {token: lm.tokenizer.decode([token]).strip() for token in begins}
    plain = [token for token, text in texts.items() if text.isascii() and text.isalpha()]
    twice = [f"; {texts[token]} {texts[token]}" for token in plain]
    read = lm.tokenizer(twice, add_special_tokens=False)["input_ids"]
    return np.array(
        [t for t, ids in zip(plain, read, strict=True) if ids[-2:] == [t, t] and len(ids) == 3]
    )


def words_of(lm: LanguageModel, tokens: Sequence[int]) -> str:
    """The tokens as text, one space between them."""
    return " ".join(lm.tokenizer.decode([int(token)]).strip() for token in tokens)


def candidate_scores(
    gradient: np.ndarray, embeddings: np.ndarray, norm_control: bool = False
) -> np.ndarray:
    """How much each token is expected to lower the loss, to first order: -<gradient, E_w>.

    What the present token contributes is the same for all and left out.

    Args:
        gradient: [D], of the loss at the input embedding of the slot.
        embeddings: [V, D].
        norm_control: divide by |E_w|, so that long embeddings do not win by their length alone.

    Returns:
        float [V]; higher is better.

    Sources: HotFlip (Ebrahimi et al. 2018, arXiv 1712.06751); AutoPrompt (Shin et al. 2020, arXiv
    2010.15980, eq. 2).
    """
    scores = -(embeddings @ gradient)
    return scores / np.linalg.norm(embeddings, axis=1) if norm_control else scores


def user_events(task, validation_events: int, most: int | None = None) -> tuple[list, list]:
    """(user, history, item) of the labelled users, for gradients and for validation.

    The last ``validation_events`` of each user's training part, but at most half, are for
    validation. Of both at most ``most`` are kept, drawn at random.
    """
    if validation_events < 1:
        raise InputError(
            f"prompt search(validation_events={validation_events}): expected at least 1 event per"
            " user to choose words by"
        )
    train: list[tuple] = []
    valid: list[tuple] = []
    for user, history in zip(task.users, task.histories, strict=True):
        events = [
            (int(user), history[max(0, end - task.words.limit) : end], int(history[end]))
            for end in range(1, len(history))
        ]
        last = min(validation_events, max(1, len(events) // 2))
        train += events[:-last]
        valid += events[-last:]
    if not train:
        raise InputError(
            "prompt search: no event is left for the gradient; give more labelled users, or users"
            " with longer histories"
        )
    rng = np.random.default_rng([task.seed, 12])
    return _draw(train, most, rng), _draw(valid, most, rng)


def _draw(events: list, most: int | None, rng: np.random.Generator) -> list:
    return [events[i] for i in sorted(rng.permutation(len(events))[:most])]


class Examples:
    """(history, next item) pairs for a frozen causal model; prompts stand between the two.

    The keys and values of the histories are kept, so that a call reads prompt and title alone.

    Attributes:
        lm: causal.
        words: how items are written.
        pairs: n of them.
        users: int [n], whose each pair is.
        calls: pairs of prompt and example read so far (a gradient counts three).

    >>> from tutorial_lib.language.verbalise import Verbaliser
    >>> from tutorial_lib.models import load_language_model
    >>> words = Verbaliser(("Dark Comet", "Sunny Reef"))
    >>> Examples(load_language_model("kit-gpt"), words, [([0], 1)]).losses([[]]).shape
    (1, 1)
    """

    def __init__(
        self,
        lm: LanguageModel,
        words: Verbaliser,
        pairs: Sequence[tuple],
        users: Sequence[int] | np.ndarray | None = None,
    ):
        """Raises InputError for a model that is not causal, and for no pairs."""
        lm.require("causal", what="a search for prompt words")
        if not len(pairs):
            raise InputError(
                "Examples: no (history, item) pairs; give users with two or more training items"
            )
        self.lm = lm
        self.words = words
        self.pairs = list(pairs)
        self.calls = 0
        self.users = np.arange(len(pairs)) if users is None else np.asarray(users)
        self._write([item for _, item in pairs])
        room = self.titles.shape[1] + 16
        ids = [lm.prompt_ids(words.history(history) + ";", room) for history, _ in pairs]
        self.start = torch.tensor([[row[-1]] for row in ids])  # [n, 1], the token before the prompt
        before, self.mask = lm.padded([row[:-1] or [lm.end_id] for row in ids])
        with torch.inference_mode():
            self.cache = lm.model(
                input_ids=before, attention_mask=self.mask, use_cache=True
            ).past_key_values
        closing = lm.tokenizer(CLOSING, add_special_tokens=False)["input_ids"]
        self.closing = torch.tensor(closing)  # [c]
        self.vocabulary = lm.model.get_input_embeddings().weight.detach()  # [V, D]

    def __len__(self) -> int:
        return len(self.pairs)

    def _write(self, items: Sequence[int]) -> None:
        goals = [self.lm.target_ids(self.words.titles[item]) for item in items]
        self.titles, self.written = self.lm.padded(goals)  # [n, T], 1 where there is a token

    def asked_for(self, items: Sequence[int]) -> Examples:
        """The same histories, already read, with other next items."""
        out = copy.copy(self)
        out.pairs = [
            (history, int(item)) for (history, _), item in zip(self.pairs, items, strict=True)
        ]
        out._write(items)
        return out

    def losses(self, prompts: Sequence | np.ndarray) -> np.ndarray:
        """Mean negative log-likelihood of the title's tokens, nats per token: float64 [k, n].

        ``prompts``: token ids, [k, l], or [k, n, l] where each example has its own.
        """
        shaped = self.shaped(prompts)
        n, wide = self.titles.shape
        size = max(1, LOGITS_AT_ONCE // (n * wide * len(self.vocabulary)))
        self.calls += n * len(shaped)
        with torch.inference_mode():
            parts = [self._losses(self.vocabulary[part]) for part in shaped.split(size)]
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
            prompt: token ids, [l], or [n, l] where each example has its own.
            slot: a place in the prompt.
            at: "token": where the present word stands; "mean": at the mean of the words ``among``;
                "scattered": at another one of them for each example, so that the average over
                examples is also one over places; "halfway": between the two.
            seed: of the words drawn.
            among: token ids (default: all).
        """
        if at not in EXPANSIONS:
            raise unknown_name("expansion point", at, EXPANSIONS)
        shaped = self.shaped([prompt])
        if not 0 <= slot < shaped.shape[2]:
            raise InputError(
                f"gradients(slot={slot}): expected 0..{shaped.shape[2] - 1}, a place in the prompt"
            )
        words = np.arange(len(self.vocabulary)) if among is None else np.asarray(among)
        embedded = self.vocabulary[shaped]  # [1, n, l, D]
        if at != "token":
            mean = self.vocabulary[words].mean(0)
            chosen = np.random.default_rng([seed, 5]).choice(words, size=len(self))
            drawn = self.vocabulary[chosen]
            points = {"mean": mean, "scattered": drawn, "halfway": (drawn + mean) / 2}
            embedded[0, :, slot] = points[at]
        embedded.requires_grad_(True)
        self.calls += GRADIENT_CALLS * len(self)
        (gradient,) = torch.autograd.grad(self._losses(embedded).sum(), embedded)
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

    def _losses(self, embedded: Tensor) -> Tensor:
        """Loss of k prompts, embedded as [k, n, l, D], for each example: [k, n].

        The k prompts stand side by side behind each history, which is read once; the mask lets each
        see the history and itself alone.
        """
        from tutorial_lib.models.decoding import expanded

        n, wide = self.titles.shape
        k = len(embedded)
        ends = self.closing if embedded.shape[2] else self.closing[:0]
        start, closing, titles = (
            self.vocabulary[tokens].expand(k, n, -1, -1)
            for tokens in (self.start, ends, self.titles)
        )
        branches = torch.cat([start, embedded, closing, titles], dim=2)  # [k, n, long, D]
        long = branches.shape[2]
        place = self.mask.sum(1, keepdim=True) + torch.arange(long).repeat(k)  # [n, k * long]
        own = torch.block_diag(*[torch.ones(long, long).tril()] * k).bool()
        past = self.mask[:, None].bool().expand(-1, k * long, -1)
        visible = torch.cat([past, own.expand(n, -1, -1)], dim=2)[:, None]
        bias = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
        hidden = self.lm.model.base_model(
            inputs_embeds=branches.transpose(0, 1).reshape(n, k * long, -1),
            past_key_values=expanded(self.cache, n),
            attention_mask=bias,
            position_ids=place,
            use_cache=True,
        ).last_hidden_state.view(n, k, long, -1)
        before_titles = hidden[:, :, -wide - 1 : -1]  # position t predicts token t + 1
        logits = self.lm.model.get_output_embeddings()(before_titles).transpose(0, 1)
        goal = self.titles.expand(k, -1, -1)
        losses = F.cross_entropy(logits.flatten(0, 2), goal.flatten(), reduction="none")
        return (losses.view(k, n, wide) * self.written).sum(2) / self.written.sum(1)
