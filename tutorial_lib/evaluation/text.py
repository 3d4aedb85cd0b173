"""Metrics of generated text: BLEU and chrF (sacrebleu), ROUGE, and repetition.

A *reference* is a text that somebody wrote for the same case; a hypothesis may have several.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError

ROUGE = ("rouge1", "rouge2", "rougeL")
ORDERS = 4  # BLEU counts n-grams of 1 to 4 tokens
BLEU_COUNTS = (
    *(f"correct{n}" for n in range(1, ORDERS + 1)),
    *(f"total{n}" for n in range(1, ORDERS + 1)),
    "length",
    "reference_length",
)
_ASCII_WORD = re.compile(r"[a-z0-9]+")
# scripts written without spaces: Thai, Lao, Burmese, Khmer, Chinese, Japanese
_NO_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


class TextMetrics(dict):
    """The metrics by name.

    Attributes:
        signatures: how sacrebleu computed BLEU and chrF, to be printed beside them (Post 2018).
    """

    signatures: dict[str, str] = {}


def text_metrics(
    hypotheses: Sequence[str], references: Sequence[str | Sequence[str]]
) -> TextMetrics:
    """All metrics of a corpus of generated texts, each one number.

    Args:
        hypotheses: what was generated; "" is allowed and matches nothing.
        references: for each hypothesis one text, or a list of one or more.

    Returns:
        ``bleu``, ``chrf`` (sacrebleu over the corpus, 0-100), ``rouge1``, ``rouge2``, ``rougeL``
        (F1 with the best reference, 0-1, mean over texts), ``distinct1``, ``distinct2`` (different
        n-grams by all n-grams of all hypotheses: Li et al. 2016, arXiv 1510.03055; falls as the
        corpus grows), ``unique_ratio`` (different texts by texts: USR of Li, Zhang & Chen 2020).

    Raises:
        InputError: Empty or unequal lists, empty references, or anything that is not text.

    >>> metrics = text_metrics(["the cat sat on the mat"], ["the cat sat on a mat"])
    >>> round(metrics["rouge1"], 3), metrics.signatures["bleu"][:35]
    (0.833, 'nrefs:1|case:mixed|eff:no|tok:13a|s')
    """
    hypotheses, references = checked_texts(hypotheses, references)
    from sacrebleu.metrics import BLEU, CHRF

    # the first reference of every text, then the second, ...; None where a text has fewer
    streams = list(zip_longest(*references))
    bleu = BLEU()
    chrf = CHRF()
    pairs = zip(hypotheses, references, strict=True)
    rouges = np.mean([_best_rouge(*pair) for pair in pairs], axis=0).tolist()
    metrics = TextMetrics(
        bleu=bleu.corpus_score(hypotheses, streams).score,
        chrf=chrf.corpus_score(hypotheses, streams).score,
        **dict(zip(ROUGE, rouges, strict=True)),
        distinct1=distinct(hypotheses, 1),
        distinct2=distinct(hypotheses, 2),
        unique_ratio=len({text.strip() for text in hypotheses}) / len(hypotheses),
    )
    metrics.signatures = {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}
    return metrics


def text_frame(
    hypotheses: Sequence[str],
    references: Sequence[str | Sequence[str]],
    users: Sequence | None = None,
) -> pd.DataFrame:
    """The metrics of each text, and the counts that BLEU of any set of texts follows from.

    Args:
        hypotheses: as in `text_metrics`.
        references: as in `text_metrics`.
        users: whose text each one is (default: 0, 1, ...); the index, which may repeat.

    Returns:
        One row per text: ``rouge1``, ``rouge2``, ``rougeL`` (0-1), ``chrf`` (of the sentence,
        0-100), and `BLEU_COUNTS` for `corpus_bleu`: n-grams of 1 to 4 tokens that a reference has
        too, all n-grams, tokens of the text and of the reference nearest in length.

    >>> frame = text_frame(["a good film"], [["a good book", "one good film"]], users=[7])
    >>> frame[["rouge1", "correct1", "total2"]].round(3).loc[7].tolist()
    [0.667, 3.0, 2.0]
    """
    hypotheses, references = checked_texts(hypotheses, references)
    if users is not None and len(users) != len(hypotheses):
        raise InputError(
            f"text_frame: {len(hypotheses)} texts but {len(users)} users; expected one user per"
            " text"
        )
    from sacrebleu.metrics import BLEU, CHRF

    bleu = BLEU(effective_order=True)
    chrf = CHRF()
    rows = []
    for text, wanted in zip(hypotheses, references, strict=True):
        score = bleu.sentence_score(text, wanted)
        counts = (*score.counts, *score.totals, score.sys_len, score.ref_len)
        rows.append((*_best_rouge(text, wanted), chrf.sentence_score(text, wanted).score, *counts))
    index = pd.Index(range(len(rows)) if users is None else users, name="user")
    return pd.DataFrame(rows, columns=[*ROUGE, "chrf", *BLEU_COUNTS], index=index)


def corpus_bleu(counts) -> float:
    """BLEU (0-100) of a set of texts from the sum of their `BLEU_COUNTS`, as sacrebleu gives it.

    BLEU of a corpus is not the mean of the BLEU of its texts, so it cannot be averaged.

    Args:
        counts: a `text_frame`, or its ten sums.
    """
    from sacrebleu.metrics import BLEU

    if isinstance(counts, pd.DataFrame):
        counts = counts[list(BLEU_COUNTS)].sum()
    *ngram_counts, length, reference_length = np.asarray(counts).tolist()
    return BLEU.compute_bleu(
        ngram_counts[:ORDERS],
        ngram_counts[ORDERS:],
        int(length),
        int(reference_length),
        smooth_method="exp",
    ).score


def tokens(text: str) -> list[str]:
    """Lower-case words of a text in any script, for ROUGE and distinct-n.

    A word is a run of letters, digits and accents; on ASCII text the words are those of the package
    rouge-score. Scripts without spaces between words (Chinese, Japanese, Thai, ...) give one token
    per character, so a Chinese text compares with itself as 1; rouge-score keeps a-z and 0-9 alone,
    which makes it 0.

    >>> tokens("Blåbær, don't!"), tokens("好电影 2")
    (['blåbær', 'don', 't'], ['好', '电', '影', '2'])
    """
    text = unicodedata.normalize("NFC", text).lower()
    if text.isascii():
        return _ASCII_WORD.findall(text)
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text)
    return _NO_SPACES.sub(r" \g<0> ", kept).split()


def rouge(hypothesis: str, reference: str) -> tuple[float, float, float]:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L of one text against one reference, in [0, 1].

    ROUGE-n: shared n-grams. ROUGE-L: the longest common subsequence of words. A side without any
    n-gram gives 0. Source: Lin 2004, sections 3 and 4.

    >>> [round(value, 3) for value in rouge("the cat sat", "the cat is sat")]
    [0.857, 0.4, 0.857]
    """
    a, b = tokens(hypothesis), tokens(reference)
    words = len(a) + len(b)
    bigrams = max(len(a) - 1, 0) + max(len(b) - 1, 0)

    def f1(shared: int, size: int) -> float:
        return 2 * shared / size if shared else 0.0

    return (
        f1((ngrams(a, 1) & ngrams(b, 1)).total(), words),
        f1((ngrams(a, 2) & ngrams(b, 2)).total(), bigrams),
        f1(common_subsequence(a, b), words),
    )


def ngrams(words: Sequence[str], n: int) -> Counter:
    """How often each run of n words occurs."""
    return Counter(zip(*(words[i:] for i in range(n)), strict=False))


def common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, with one bit per word of ``a``.

    Linear in ``b`` for texts of ordinary length. Source: Hyyrö 2004.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << place
    every = (1 << len(a)) - 1
    row = every
    for word in b:
        match = row & places.get(word, 0)
        row = (row + match | row - match) & every
    return len(a) - row.bit_count()


def distinct(texts: Sequence[str], n: int) -> float:
    """Different n-grams by all n-grams of all texts together, in [0, 1]; 0 if there is none.

    Compare corpora of one size only.
    """
    counts: Counter = Counter()
    for text in texts:
        counts.update(ngrams(tokens(text), n))
    return len(counts) / max(counts.total(), 1)


def checked_texts(hypotheses, references) -> tuple[list[str], list[list[str]]]:
    """Texts and, for each, one or more references; InputError says which entry is wrong."""
    for name, value in (("hypotheses", hypotheses), ("references", references)):
        if isinstance(value, str) or not hasattr(value, "__len__"):
            raise InputError(
                f"text metrics: {name} must be a list of texts, got {type(value).__name__}; write"
                " ['...'], not '...'"
            )
    if len(hypotheses) != len(references) or not len(hypotheses):
        raise InputError(
            f"text metrics: {len(hypotheses)} hypotheses but {len(references)} references; expected"
            " one or more, as many of both"
        )
    wanted = [[one] if isinstance(one, str) else one for one in references]
    for row, (text, several) in enumerate(zip(hypotheses, wanted, strict=True)):
        if not isinstance(text, str):
            raise InputError(
                f"text metrics: hypothesis {row} is {type(text).__name__}, expected text; write ''"
                " where nothing was generated"
            )
        fine = (
            hasattr(several, "__len__")
            and len(several)
            and all(isinstance(one, str) and one.strip() for one in several)
        )
        if not fine:
            raise InputError(
                f"text metrics: reference {row} is {several!r:.60}; expected a text or a list of"
                " texts, none empty; leave that row out"
            )
    return list(hypotheses), [list(several) for several in wanted]


def _best_rouge(hypothesis: str, references: Sequence[str]) -> np.ndarray:
    """The three F1 values, each with the best reference."""
    return np.max([rouge(hypothesis, reference) for reference in references], axis=0)
