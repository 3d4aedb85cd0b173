"""Metrics of generated text against references: BLEU and chrF (sacrebleu), ROUGE, and how much the
texts repeat themselves.

A *reference* is a text that somebody wrote for the same case; a hypothesis may have several.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

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
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


class TextMetrics(dict):
    """The metrics by name; ``signatures``: how sacrebleu computed BLEU and chrF, to be printed
    beside them (Post 2018).
    """

    signatures: dict[str, str] = {}


def text_metrics(
    hypotheses: Sequence[str], references: Sequence[str | Sequence[str]]
) -> TextMetrics:
    """All metrics of a corpus of generated texts, each one number.

    hypotheses: what was generated; "" is allowed and matches nothing. references: for each one
        text, or a list of one or more.
    Returns ``bleu``, ``chrf`` (sacrebleu over the corpus, 0-100), ``rouge1``, ``rouge2``,
    ``rougeL`` (F1 with the best reference, 0-1,
        mean over texts), ``distinct1``, ``distinct2`` (different n-grams by all n-grams of all
        hypotheses: Li et al. 2016, arXiv 1510.03055; falls as the corpus grows), ``unique_ratio``
        (different texts by texts: USR of Li, Zhang & Chen 2020).
    Raises InputError for empty or unequal lists, empty references, or anything that is not text.

    >>> found = text_metrics(["the cat sat on the mat"], ["the cat sat on a mat"])
    >>> round(found["rouge1"], 3), found.signatures["bleu"][:35]
    (0.833, 'nrefs:1|case:mixed|eff:no|tok:13a|s')
    """
    hypotheses, references = checked_texts(hypotheses, references)
    from sacrebleu.metrics import BLEU, CHRF

    bleu, chrf, streams = BLEU(), CHRF(), _streams(references)
    found = TextMetrics(
        bleu=bleu.corpus_score(hypotheses, streams).score,
        chrf=chrf.corpus_score(hypotheses, streams).score,
    )
    found |= dict(
        zip(
            ROUGE,
            np.mean(
                [_best_rouge(*pair) for pair in zip(hypotheses, references, strict=True)], axis=0
            ).tolist(),
            strict=True,
        )
    )
    found |= {
        "distinct1": distinct(hypotheses, 1),
        "distinct2": distinct(hypotheses, 2),
        "unique_ratio": unique_ratio(hypotheses),
    }
    found.signatures = {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}
    return found


def text_frame(
    hypotheses: Sequence[str],
    references: Sequence[str | Sequence[str]],
    users: Sequence | None = None,
) -> pd.DataFrame:  # one row a text
    """The metrics that a single text has, and the counts that BLEU of any set of them follows from
    (see `corpus_bleu`).

    users: whose text each one is (default: 0, 1, ...); the index, which may repeat.
    Returns columns ``rouge1``, ``rouge2``, ``rougeL`` (0-1), ``chrf`` (of the sentence, 0-100), and
    `BLEU_COUNTS`: n-grams of 1 to 4
        tokens that a reference has too, all n-grams, tokens of the text and of the reference
        nearest in length.

    >>> found = text_frame(["a good film"], [["a good book", "one good film"]], users=[7])
    >>> found[["rouge1", "correct1", "total2"]].round(3).loc[7].tolist()
    [0.667, 3.0, 2.0]
    """
    hypotheses, references = checked_texts(hypotheses, references)
    if users is not None and len(users) != len(hypotheses):
        raise InputError(
            f"text_frame: {len(hypotheses)} texts but {len(users)} users; expected one user a text"
        )
    from sacrebleu.metrics import BLEU, CHRF

    bleu, chrf, rows = BLEU(effective_order=True), CHRF(), []
    for text, wanted in zip(hypotheses, references, strict=True):
        found = bleu.sentence_score(text, wanted)
        counts = (*found.counts, *found.totals, found.sys_len, found.ref_len)
        rows.append((*_best_rouge(text, wanted), chrf.sentence_score(text, wanted).score, *counts))
    index = pd.Index(range(len(rows)) if users is None else users, name="user")
    return pd.DataFrame(rows, columns=[*ROUGE, "chrf", *BLEU_COUNTS], index=index)


def corpus_bleu(counts) -> float:
    """BLEU (0-100) of a set of texts from the sum of their `BLEU_COUNTS`: the number that sacrebleu
    gives for the set.

    counts: a `text_frame`, or its ten sums. BLEU of a corpus is not the mean of the BLEU of its
        texts, so it cannot be averaged.
    """
    from sacrebleu.metrics import BLEU

    sums = (
        counts[list(BLEU_COUNTS)].sum().to_numpy()
        if isinstance(counts, pd.DataFrame)
        else np.asarray(counts)
    )
    correct, total, length, wanted = (
        sums[:ORDERS],
        sums[ORDERS : 2 * ORDERS],
        int(sums[-2]),
        int(sums[-1]),
    )
    return BLEU.compute_bleu(
        correct.tolist(), total.tolist(), length, wanted, smooth_method="exp"
    ).score


def tokens(text: str) -> list[str]:
    """Lower-case words of a text, for ROUGE and distinct-n, in any script; on ASCII text exactly
    those of the package rouge-score.

    A word is a run of letters, digits and accents. Scripts without spaces between words (Chinese,
    Japanese, Thai, ...) give one token a character, so a Chinese text compares with itself as 1;
    rouge-score keeps a-z and 0-9 alone, which makes it 0.

    >>> tokens("Blåbær, don't!"), tokens("好电影 2")
    (['blåbær', 'don', 't'], ['好', '电', '影', '2'])
    """
    text = unicodedata.normalize("NFC", text).lower()
    if text.isascii():
        return _ASCII_WORD.findall(text)
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text)
    return _NO_SPACES.sub(r" \g<0> ", kept).split()


def rouge(hypothesis: str, reference: str) -> tuple[float, float, float]:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L of one text against one reference, in [0, 1] (Lin 2004,
    sections 3 and 4).

    ROUGE-n: shared n-grams. ROUGE-L: the longest common subsequence of words. A side without any
    n-gram gives 0.

    >>> [round(value, 3) for value in rouge("the cat sat", "the cat is sat")]
    [0.857, 0.4, 0.857]
    """
    a, b = tokens(hypothesis), tokens(reference)
    shared = [sum((ngrams(a, n) & ngrams(b, n)).values()) for n in (1, 2)] + [
        common_subsequence(a, b)
    ]
    sizes = [len(a) + len(b), max(len(a) - 1, 0) + max(len(b) - 1, 0), len(a) + len(b)]
    return tuple(
        2 * found / size if found else 0.0 for found, size in zip(shared, sizes, strict=True)
    )


def ngrams(words: Sequence[str], n: int) -> Counter:
    """How often each run of n words occurs."""
    return Counter(zip(*(words[i:] for i in range(n)), strict=False))


def common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, a bit a word of ``a`` (Hyyrö 2004): linear in ``b``
    for texts of ordinary length.
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
    counts = sum((ngrams(tokens(text), n) for text in texts), Counter())
    return len(counts) / max(sum(counts.values()), 1)


def unique_ratio(texts: Sequence[str]) -> float:
    """Different texts by texts, in (0, 1]: 1 if no two are the same, white space at the ends aside."""
    return len({text.strip() for text in texts}) / len(texts)


def checked_texts(hypotheses, references) -> tuple[list[str], list[list[str]]]:
    """Texts and, for each, a list of one or more references; InputError says which entry is wrong."""
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


def _best_rouge(hypothesis: str, references: Sequence[str]) -> tuple[float, ...]:
    return tuple(
        map(max, zip(*(rouge(hypothesis, reference) for reference in references), strict=True))
    )


def _streams(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """References as sacrebleu takes them: the first of every text, then the second, ...; None where
    a text has fewer.
    """
    most = max(map(len, references))
    return [
        [several[i] if i < len(several) else None for several in references] for i in range(most)
    ]
