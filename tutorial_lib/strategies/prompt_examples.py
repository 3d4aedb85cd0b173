"""What a search for prompt words reads: fixed examples whose histories are read once, their loss,
and its gradient at one word.
"""

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

EXPANSIONS = (
    "token",
    "mean",
    "scattered",
    "halfway",
)  # where the gradient is taken, see `Examples.gradients`
LOGITS_AT_ONCE = 1 << 24
# after the words, as after a title: without it this kind of model goes on writing the words
CLOSING = ";"
GRADIENT_CALLS = 3  # a backward pass costs about two forward passes


def word_tokens(lm: LanguageModel) -> np.ndarray:
    """Tokens that a prompt may be made of: whole beginnings of words, letters only, that are read
    back as the same token.

    Pieces from inside of a word are left out, as in PAP-REC: written after a space, they would
    become other tokens.
    """
    names = lm.tokenizer.convert_ids_to_tokens(range(len(lm.tokenizer)))
    texts = {
        t: lm.tokenizer.decode([t]).strip()
        for t, name in enumerate(names)
        if name and name[0] in "Ġ▁"
    }
    plain = [token for token, text in texts.items() if text.isascii() and text.isalpha()]
    read = lm.tokenizer([f"; {texts[t]} {texts[t]}" for t in plain], add_special_tokens=False)[
        "input_ids"
    ]
    return np.array(
        [t for t, ids in zip(plain, read, strict=True) if ids[-2:] == [t, t] and len(ids) == 3]
    )


def words_of(lm: LanguageModel, tokens: Sequence[int]) -> str:
    """The tokens as text, one space between them."""
    return " ".join(lm.tokenizer.decode([int(token)]).strip() for token in tokens)


def candidate_scores(
    gradient: np.ndarray, embeddings: np.ndarray, norm_control: bool = False
) -> np.ndarray:
    """How much each token is expected to lower the loss, to first order: -<gradient, E_w>, float
    [V]; higher is better.

    gradient: [D], of the loss at the input embedding of the slot. embeddings: [V, D]. What the
        present token contributes is the same for
    all and left out. norm_control: divide by |E_w|, so that long embeddings do not win by their
    length alone.
    Source: HotFlip (Ebrahimi et al. 2018, arXiv 1712.06751); AutoPrompt (Shin et al. 2020, arXiv
        2010.15980, eq. 2).
    """
    scores = -(embeddings @ gradient)
    return scores / np.linalg.norm(embeddings, axis=1) if norm_control else scores


def user_events(task, validation_events: int, most: int) -> tuple[list, list]:
    """(user, history, item) of the labelled users' training parts: for gradients, and for
    validation.

    The last ``validation_events`` of each user, but at most half, are for validation. Of both at
    most ``most`` are kept, drawn at random.
    """
    if validation_events < 1:
        raise InputError(
            f"prompt search(validation_events={validation_events}): expected at least 1 event a"
            " user to choose words by"
        )
    train, valid = [], []
    for user, history in zip(task.users, task.histories, strict=True):
        ends = range(1, len(history))
        last = min(validation_events, max(1, len(ends) // 2))
        events = [
            (int(user), history[max(0, end - task.words.limit) : end], int(history[end]))
            for end in ends
        ]
        train += events[:-last]
        valid += events[-last:]
    if not train:
        raise InputError(
            "prompt search: no event is left for the gradient; give more labelled users, or users"
            " with longer histories"
        )
    rng = np.random.default_rng([task.seed, 12])
    return tuple(
        [part[i] for i in sorted(rng.permutation(len(part))[:most])] for part in (train, valid)
    )


class Examples:
    """(history, next item) pairs for a causal language model, frozen; all prompts stand between the
    history and the title.

    lm: causal. words: how items are written. pairs: n of them. users: int [n], whose each pair is.
        The keys and values of the histories are
    kept, so that a call reads prompt and title alone. calls: pairs of prompt and example read so
    far (a gradient counts three).

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
        users: Sequence[int] | None = None,
    ):
        """Raises InputError for a model that is not causal, and for no pairs."""
        lm.require("causal", what="a search for prompt words")
        if not len(pairs):
            raise InputError(
                "Examples: no (history, item) pairs; give users with two or more training items"
            )
        self.lm, self.words, self.pairs, self.calls = lm, words, list(pairs), 0
        self.users = np.arange(len(pairs)) if users is None else np.asarray(users)
        self._write([item for _, item in pairs])
        room = self.titles.shape[1] + 16
        ids = [lm.prompt_ids(words.history(history) + ";", room) for history, _ in pairs]
        self.start = torch.tensor(
            [[row[-1]] for row in ids]
        )  # [n, 1]: the last token before the prompt
        before, self.mask = lm.padded([row[:-1] or [lm.end_id] for row in ids])
        with torch.inference_mode():
            self.cache = lm.model(
                input_ids=before, attention_mask=self.mask, use_cache=True
            ).past_key_values
        self.closing = torch.tensor(
            lm.tokenizer(CLOSING, add_special_tokens=False)["input_ids"]
        )  # [c]
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

    def losses(self, prompts: Sequence) -> np.ndarray:
        """Mean negative log-likelihood of the title's tokens, nats a token: float64 [k, n].

        prompts: token ids, [k, l], or [k, n, l] where each example has its own.
        """
        prompts = self._shaped(prompts)  # [k, n, l]
        n, wide = self.titles.shape
        size = max(1, LOGITS_AT_ONCE // (n * wide * len(self.vocabulary)))
        self.calls += n * len(prompts)
        with torch.inference_mode():
            return np.concatenate(
                [
                    self._losses(self.vocabulary[part], len(part)).double().numpy()
                    for part in prompts.split(size)
                ]
            ).reshape(len(prompts), n)

    def gradients(
        self,
        prompt: Sequence,
        slot: int,
        at: str = "token",
        seed: int = 0,
        among: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Gradient of each example's loss at the input embedding of a slot: float64 [n, D].

        at: "token": where the present word stands; "mean": at the mean of the words ``among``
            (default: all tokens); "scattered": at
        another one of them for each example, so that the average over examples is also one over
        places; "halfway": between the two.
        """
        if at not in EXPANSIONS:
            raise unknown_name("expansion point", at, EXPANSIONS)
        prompts = self._shaped([prompt])
        if not 0 <= slot < prompts.shape[2]:
            raise InputError(
                f"gradients(slot={slot}): expected 0..{prompts.shape[2] - 1}, a place in the prompt"
            )
        among = np.arange(len(self.vocabulary)) if among is None else np.asarray(among)
        embedded, n = self.vocabulary[prompts], len(self)  # [1, n, l, D]
        if at == "mean":
            embedded[0, :, slot] = self.vocabulary[among].mean(0)
        elif at != "token":
            drawn = self.vocabulary[np.random.default_rng([seed, 5]).choice(among, size=n)]
            embedded[0, :, slot] = (
                drawn if at == "scattered" else (drawn + self.vocabulary[among].mean(0)) / 2
            )
        embedded.requires_grad_(True)
        self.calls += GRADIENT_CALLS * n
        (gradient,) = torch.autograd.grad(self._losses(embedded, 1).sum(), embedded)
        return gradient[0, :, slot].double().numpy()

    def _shaped(self, prompts: Sequence) -> Tensor:
        prompts = torch.as_tensor(np.asarray(prompts, dtype=np.int64))
        if prompts.ndim == 2:
            prompts = prompts[:, None].expand(-1, len(self), -1)
        if prompts.ndim != 3 or prompts.shape[1] != len(self):
            raise InputError(
                f"prompts of shape {tuple(prompts.shape)}: expected token ids [k, l], or [k,"
                f" {len(self)}, l]"
            )
        return prompts

    def _losses(self, embedded: Tensor, k: int) -> Tensor:
        """[k, n, l, D] -> [k * n]. The k prompts stand side by side behind each history; each sees
        the history and itself alone.
        """
        from tutorial_lib.models.decoding import expanded

        n, wide = self.titles.shape
        ends = self.closing if embedded.shape[2] else self.closing[:0]
        parts = [
            self.vocabulary[tokens].expand(k, n, -1, -1)
            for tokens in (self.start, ends, self.titles)
        ]
        branches = torch.cat([parts[0], embedded, *parts[1:]], dim=2)  # [k, n, long, D]
        long = branches.shape[2]
        rows = branches.transpose(0, 1).reshape(n, k * long, -1)
        place = self.mask.sum(1, keepdim=True) + torch.arange(long).repeat(k)  # [n, k * long]
        own = torch.block_diag(*[torch.ones(long, long).tril()] * k).bool()
        past = self.mask[:, None].bool().expand(-1, k * long, -1)
        visible = torch.cat([past, own.expand(n, -1, -1)], dim=2)[:, None]
        bias = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
        hidden = self.lm.model.base_model(
            inputs_embeds=rows,
            past_key_values=expanded(self.cache, n),
            attention_mask=bias,
            position_ids=place,
            use_cache=True,
        ).last_hidden_state  # [n, k * long, D]
        hidden = hidden.view(n, k, long, -1)[
            :, :, -wide - 1 : -1
        ]  # position t predicts token t + 1
        logits = self.lm.model.get_output_embeddings()(hidden).transpose(0, 1)  # [k, n, T, V]
        goal = self.titles.expand(k, -1, -1)
        each = (
            F.cross_entropy(logits.flatten(0, 2), goal.flatten(), reduction="none").view(k, n, wide)
            * self.written
        )
        return (each.sum(2) / self.written.sum(1)).flatten()
