"""What every strategy returns: a language model as a recommender, what moved, what it cost."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.errors import InputError
from tutorial_lib.language.prompts import Template
from tutorial_lib.language.verbalise import Verbaliser
from tutorial_lib.models.best_titles import best_titles
from tutorial_lib.models.decoding import log_likelihood
from tutorial_lib.models.generation import Beam, beam_search, catalogue_trie
from tutorial_lib.models.kept import kept, title_vectors
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.models.trie import Trie
from tutorial_lib.recommender import ScoreRecommender

# no words around the titles: how a model is asked without a prompt
BARE = Template("sequential", "{history};", "{item}")
# share of an item's usual log-likelihood that is taken off (chosen on validation, world-movies)
CALIBRATION = 0.3
TEMPERATURE = 0.05  # of cosine similarities (as in contrastive training of sentence encoders)


class Head(nn.Module):
    """An output layer over items: score = temperature^-1 * (A h) . e_i + b_i.

    h is the vector of the history and e_i that of item i's text, both from the language model, of
    length 1. A starts as the identity, b at 0, so an untrained head ranks by cosine similarity.
    """

    def __init__(self, items: Tensor):
        super().__init__()
        self.register_buffer("items", items)  # [n_items, D]
        self.map = nn.Linear(items.shape[1], items.shape[1], bias=False)
        self.bias = nn.Parameter(torch.zeros(len(items)))
        with torch.no_grad():
            self.map.weight.copy_(torch.eye(items.shape[1]))

    def forward(self, vectors: Tensor) -> Tensor:
        """[n, D] -> [n, n_items]."""
        return self.map(vectors) @ self.items.T / TEMPERATURE + self.bias


@dataclass
class Adapted(ScoreRecommender):
    """A fitted recommender made from a language model by `strategies.adapt`.

    Attributes:
        lm: the model as it is after the strategy; the one that was given in is unchanged.
        words: how items are written.
        n_items: size of the catalogue.
        template: how the model is asked.
        context: text in front of every prompt (few-shot examples).
        head: if set, items are scored by vectors, not by likelihood.
        prior: log-likelihood [n_items] that each title gets anyway, see `calibrate`, or None.
        bias: [n_items], added to the score, or None.
        strategy: as asked, like labels and seed.
        moved: {"backbone", "prompt", "head"} -> L2 norm of the change, 0.0 where no bit changed.
        n_trainable: numbers that could move.
        seconds: of the tuning, like flops.
        losses: one per step.
        refit: adapts with the same arguments, for `fit`.
    """

    lm: LanguageModel
    words: Verbaliser
    n_items: int
    template: Template = BARE
    context: str = ""
    head: Head | None = None
    prior: np.ndarray | None = None
    bias: np.ndarray | None = None
    strategy: str = ""
    labels: int = 0
    seed: int = 0
    moved: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("backbone", "prompt", "head"), 0.0)
    )
    n_trainable: int = 0
    seconds: float = 0.0
    flops: float = 0.0
    losses: list[float] = field(default_factory=list)
    refit: Callable[..., Adapted] | None = None

    @property
    def n_parameters(self) -> int:
        """Of model, prompt and head together."""
        parts = [part for part in (self.lm.soft, self.lm.deep, self.head) if part is not None]
        added = sum(parameter.numel() for part in parts for parameter in part.parameters())
        return self.lm.n_parameters + added + (0 if self.bias is None else len(self.bias))

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> Adapted:
        """The same strategy from the same starting model on another split."""
        if self.refit is None:
            raise InputError(
                "Adapted.fit: this recommender was not made by adapt(); call adapt(lm, split,"
                " strategy=...)"
            )
        self.__dict__.pop("trie", None)
        self.__dict__.update(self.refit(split, seed).__dict__)
        return self

    def prompt(self, history: Sequence[int]) -> str:
        """The text that the model reads for a history."""
        values = {
            "history": self.words.history(history),
            "noun": self.words.noun,
            "plural": self.words.plural,
        }
        unused = dict.fromkeys(self.template.gaps - set(values), "")
        return self.context + self.template.fill(**values, **unused)[0]

    def prompts(self, histories: Histories, users: Sequence[int] | None = None) -> list[str]:
        """The text that the model reads for each history; ``users``: where it depends on them."""
        return [self.prompt(list(history)) for history in histories]

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        """[n, n_items]: log p(item's text | prompt) in nats, or the head's logits."""
        check_histories(histories, self.n_items)
        prompts = self.prompts(histories, users)
        if self.head is not None or self.lm.kind == "encoder":
            with torch.inference_mode():
                vectors = self.lm.vectors(prompts) if prompts else torch.empty(0, self.lm.width)
                if self.head is not None:
                    return self.head(vectors).numpy()
                return (vectors @ title_vectors(self.lm, self.words.titles).T).numpy()
        return log_likelihood(self.lm, prompts, self.words.answers).log_probability + self.added

    @property
    def added(self) -> np.ndarray:
        """What is added to each title's log-likelihood, [n_items]: see ``prior`` and ``bias``."""
        added = np.zeros(self.n_items)
        if self.prior is not None:
            added -= CALIBRATION * self.prior
        return added if self.bias is None else added + self.bias

    def _best(self, histories, k: int, users, exclude_seen: bool) -> np.ndarray:
        """The lists that `score` would give; a causal model finds them without reading most of the
        catalogue.
        """
        if self.head is not None or self.lm.kind != "causal":
            return super()._best(histories, k, users, exclude_seen)
        prompts = self.prompts(histories, users)
        hidden = histories if exclude_seen else None
        added = self.added
        return best_titles(self.lm, prompts, self.trie, k, added=added, hidden=hidden).items

    @cached_property
    def trie(self) -> Trie:
        """Of the catalogue's titles, made once; warns where one is the beginning of another."""
        trie = catalogue_trie(self.lm, self.words.answers)
        if begins := trie.begins_others():
            first = self.words.answers[begins[0]]
            warnings.warn(
                f"{len(begins)} titles begin others, such as {first!r}, and always rank above"
                " them: give adapt words=verbaliser(dataset, closing=';')",
                stacklevel=3,
            )
        return trie

    def calibrate(self, histories: int, seed: int = 0) -> Adapted:
        """Learn, without any label, what each title gets anyway; returns the recommender itself.

        A language model prefers some titles whatever the history says: the mean likelihood after
        ``histories`` histories of random items. `CALIBRATION` times that preference is taken off
        each score.

        Source: contextual calibration, Zhao et al. 2021, arXiv 2102.09690; the linguistic bias of
        LMRecSys.
        """
        rng = np.random.default_rng([seed, 7])
        length = min(self.words.limit, self.n_items)
        drawn = [rng.choice(self.n_items, size=length, replace=False) for _ in range(histories)]
        prompts, answers = self.prompts(drawn), self.words.answers

        def usual() -> np.ndarray:
            each = log_likelihood(self.lm, prompts, answers).log_probability
            top = each.max(axis=0)
            return top + np.log(np.exp(each - top).mean(axis=0))

        self.prior = kept("prior", self.lm, [*prompts, *answers], usual)
        return self

    def write(self, history: Sequence[int], *, beams: int = 10, constrained: bool = True) -> Beam:
        """What the model answers when it writes the next item's name itself (`beams.beam_search`).

        By likelihood alone: ``prior`` and ``bias`` have no say, and the order can differ from that
        of `score`.
        """
        return beam_search(
            self.lm,
            self.prompt(history),
            self.words.titles,
            beams=beams,
            constrained=constrained,
            trie=self.trie,
        )
