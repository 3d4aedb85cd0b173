"""What a search for prompt words works on: manual prompts to start from, words and their scores."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tutorial_lib.errors import InputError
from tutorial_lib.language.prompts import Template, as_words
from tutorial_lib.language.verbalise import Verbaliser
from tutorial_lib.models.language_models import LanguageModel

NO_WORD = -1  # a slot without a word: the model does not see it


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
    """The tokens as text, one space between them; empty slots leave nothing."""
    return " ".join(lm.tokenizer.decode([int(t)]).strip() for t in tokens if t != NO_WORD)


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


@dataclass(frozen=True)
class Wording:
    """A manual prompt, cut where its last words begin.

    Attributes:
        family: of `language.prompts`.
        before: everything before those words, with the gaps that differ between examples.
        words: their tokens.
        closing: what stands behind them. A manual prompt that ends in punctuation repeats it behind
            words that are added, as after a title; otherwise the model would go on writing words.
        target: what should follow.
    """

    family: str
    before: str
    words: tuple[int, ...]
    closing: str
    target: str

    @classmethod
    def of(cls, lm: LanguageModel, template: Template, words: Verbaliser) -> Wording:
        """Cut a template behind its last gap that differs between examples.

        >>> from tutorial_lib.language import templates
        >>> from tutorial_lib.models import load_language_model
        >>> lm, movies = load_language_model("kit-gpt"), Verbaliser(("Dark Comet",))
        >>> wording = Wording.of(lm, templates("sequential")[4], movies)
        >>> wording.before, words_of(lm, wording.words)
        ('People who chose {history}', 'also chose')
        """
        known = {"noun": as_words(words.noun), "plural": as_words(words.plural)}
        source = template.source
        for gap, text in known.items():
            source = source.replace(f"{{{gap}}}", text)
        fixed, end = source.rsplit("}", 1)
        head, own, closing = re.fullmatch(r"(.*?)((?: [A-Za-z]+)*)(\W*)", end, re.S).groups()  # type: ignore[union-attr]
        if not own:
            head = head + closing
        tokens = lm.tokenizer(own, add_special_tokens=False)["input_ids"] if own else []
        if words_of(lm, tokens) != own.strip() or len(tokens) != len(own.split()):
            raise InputError(
                f"a search from {template.source!r}: {own.strip()!r} is not made of whole tokens of"
                f" {lm.name}; start from another template, such as '{{history}};'"
            )
        return cls(template.family, f"{fixed}}}{head}", tuple(tokens), closing, template.target)

    def template(self, lm: LanguageModel, tokens: Sequence[int]) -> Template:
        """The prompt with these words in its slots."""
        return Template(self.family, self.before + as_words(self.end(lm, tokens)), self.target)

    def end(self, lm: LanguageModel, tokens: Sequence[int]) -> str:
        """What follows `before`: the words, and ``closing`` where it stands."""
        words = words_of(lm, tokens)
        return f" {words}{self.closing}" if words else self.closing if self.words else ""

    def closed(self, tokens: np.ndarray) -> np.ndarray:
        """bool [...]: whether ``closing`` stands behind the slots [..., l]."""
        return (tokens != NO_WORD).any(-1) | bool(self.words)
