"""Text metrics: if these fail, a generated sentence gets a number that no other paper's can be
compared with.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU, CHRF

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import corpus_bleu, rouge, text_frame, text_metrics
from tutorial_lib.evaluation.text import common_subsequence, distinct, tokens

WORDS = [
    "the",
    "film",
    "is",
    "good",
    "Good,",
    "not",
    "don't",
    "2nd",
    "a",
    "well-made",
    "plot.",
    "x_y",
    "good",
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
FILLED = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
CORPORA = st.lists(
    st.tuples(TEXTS, st.lists(FILLED, min_size=1, max_size=3)), min_size=1, max_size=6
)
KINDS = ["rouge1", "rouge2", "rougeL"]


@settings(max_examples=80, deadline=None)
@given(CORPORA)
def test_bleu_and_chrf_equal_sacrebleu(corpus):
    hypotheses, references = map(list, zip(*corpus))
    streams = [
        [r[i] if i < len(r) else None for r in references] for i in range(max(map(len, references)))
    ]
    found = text_metrics(hypotheses, references)
    assert found["bleu"] == pytest.approx(BLEU().corpus_score(hypotheses, streams).score, abs=1e-9)
    assert found["chrf"] == pytest.approx(CHRF().corpus_score(hypotheses, streams).score, abs=1e-9)
    assert corpus_bleu(text_frame(hypotheses, references)) == pytest.approx(found["bleu"], abs=1e-9)


def test_a_missing_second_reference_is_no_empty_reference():
    """sacrebleu pads with None; padding with '' would offer an empty reference, whose length 0 is
    the nearest to a short text.
    """
    pair = [["a b c d e f g h", "a b c d"], ["a b c d e f g h i j"]]
    one_by_one = text_frame(["a b c d", "a b"], pair)
    assert one_by_one["reference_length"].tolist() == [4, 10]
    assert text_metrics(["a b c d", "a b"], pair)["bleu"] == pytest.approx(
        corpus_bleu(one_by_one), abs=1e-9
    )


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(TEXTS, st.text(st.characters(max_codepoint=127), max_size=60)),
    st.lists(FILLED, min_size=1, max_size=3),
)
def test_rouge_equals_rouge_score_on_ascii(hypothesis, references):
    theirs = rouge_scorer.RougeScorer(KINDS).score_multi(references, hypothesis)
    ours = text_metrics([hypothesis], [references])
    assert [ours[kind] for kind in KINDS] == pytest.approx(
        [theirs[kind].fmeasure for kind in KINDS], abs=1e-6
    )


@pytest.mark.parametrize(
    "text",
    [
        "这是一部好电影",
        "Blåbær og rømme på fjellet",
        "Ćevapi, ждём, ερώτηση",
        "映画はとても面白い",
        "e\u0301te\u0301 à Paris",
        "ดีมาก",
    ],
)
def test_a_text_in_any_script_equals_itself(text):
    """rouge-score keeps a-z and 0-9 only: Chinese gets 0 against itself, Norwegian words lose
    letters.
    """
    assert rouge(text, text) == (1.0, 1.0, 1.0)
    assert (
        rouge_scorer.RougeScorer(KINDS).score("这是一部好电影", "这是一部好电影")["rouge1"].fmeasure
        == 0.0
    )


def test_tokens_of_other_scripts():
    assert tokens("BLÅBÆR-syltetøy") == ["blåbær", "syltetøy"]
    assert tokens("看了2部movies") == ["看", "了", "2", "部", "movies"]
    assert (
        tokens("e\u0301te\u0301") == tokens("\u00e9t\u00e9") == ["\u00e9t\u00e9"]
    )  # composed or not: the same word
    assert tokens("हिन्दी") == ["हिन्दी"]  # vowel signs are marks, not spaces
    assert tokens("… — !") == []
    assert rouge("rømme", "mme")[0] == 0.0


@settings(max_examples=60, deadline=None)
@given(CORPORA, st.randoms())
def test_bounds_order_and_identity(corpus, random):
    hypotheses, references = map(list, zip(*corpus))
    found = text_metrics(hypotheses, references)
    assert all(
        0 <= found[name] <= 1 + 1e-12 for name in (*KINDS, "distinct1", "distinct2", "unique_ratio")
    )
    assert all(-1e-9 <= found[name] <= 100 + 1e-9 for name in ("bleu", "chrf"))
    mixed = random.sample(corpus, len(corpus))
    assert text_metrics(*map(list, zip(*mixed))) == pytest.approx(found)
    more = text_metrics(hypotheses, [[*r, h] if h else r for h, r in zip(hypotheses, references)])
    assert all(
        more[kind] >= found[kind] - 1e-12 for kind in KINDS
    )  # another reference cannot hurt ROUGE
    assert all(
        more[kind] == pytest.approx(1) or not all(map(tokens, hypotheses))
        for kind in ("rouge1", "rougeL")
    )


@settings(max_examples=100)
@given(st.lists(st.sampled_from("abc"), max_size=15), st.lists(st.sampled_from("abc"), max_size=15))
def test_common_subsequence_equals_the_table(a, b):
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1, j + 1] = (
                table[i, j] + 1 if x == y else max(table[i, j + 1], table[i + 1, j])
            )
    assert common_subsequence(a, b) == table[-1, -1]


def test_traps_of_sacrebleu_are_as_notebook_07_tells_them():
    """Corpus BLEU of a two-word text is 0, sentence BLEU is not; a detached full stop is a token or
    not.
    """
    assert text_metrics(["good film"], ["a good film"])["bleu"] == 0.0
    assert BLEU(effective_order=True).sentence_score(
        "good film", ["a good film"]
    ).score == pytest.approx(60.65, abs=0.01)
    left, right = "I like this film .", ["I like this film."]
    assert BLEU().corpus_score([left], [right]).score == pytest.approx(100)
    assert BLEU(tokenize="none").corpus_score([left], [right]).score < 70
    assert (
        text_metrics(["a b c d e"], ["a b c d e"])
        .signatures["bleu"]
        .startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp")
    )


def test_distinct_is_pooled_and_falls_with_the_corpus():
    texts = ["good film", "good film", "bad film"]
    assert distinct(texts, 1) == 3 / 6 and distinct(texts, 2) == 2 / 3
    assert distinct(texts * 5, 1) < distinct(texts, 1)
    assert text_metrics(texts, texts)["unique_ratio"] == pytest.approx(2 / 3)


def test_empty_hypotheses_count_as_misses():
    found = text_metrics(["", "a b c d"], ["a b c d", "a b c d"])
    assert found["rouge1"] == 0.5 and 0 < found["bleu"] < 100
    assert text_metrics([""], ["a"])["distinct1"] == 0.0


@pytest.mark.parametrize(
    ("hypotheses", "references", "told"),
    [
        ([], [], "0 hypotheses but 0 references"),
        (["a"], ["a", "b"], "1 hypotheses but 2 references"),
        ("a", ["a"], "must be a list"),
        (["a"], "a", "must be a list"),
        (["a"], [[]], "reference 0"),
        (["a", "b"], ["a", ["b", " "]], "reference 1"),
        ([None], ["a"], "hypothesis 0"),
        (["a"], [math.nan], "reference 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(hypotheses, references, told):
    for function in (text_metrics, text_frame):
        with pytest.raises(InputError, match=told) as caught:
            function(hypotheses, references)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="one user per text"):
        text_frame(["a"], ["a"], users=[1, 2])
