"""Exercises of notebook 07: three evaluation snippets, each with a bug that makes a model look
better than it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tutorial_workshop.page.checker import Exercise, Mistake, expect_close

INFINITE = float("-inf")


def _ranks_without_ties(rank_of: Callable) -> None:
    """Worked out by hand; scores may be negative, as log-probabilities are."""
    reasons = {
        3.0: "The highest score has rank 1: count the scores above the target's, not below.",
        0.0: "Ranks begin at 1: add one.",
    }
    reasons[1.5] = "Did you count the target itself as tied with itself?"
    expect_close(
        rank_of([0.2, 0.9, 0.5], 1),
        1.0,
        "rank_of([0.2, 0.9, 0.5], 1)",
        reasons,
        "The best item has rank 1.",
    )
    expect_close(
        rank_of([-7.0, -2.0, -5.0], 0),
        3.0,
        "rank_of([-7.0, -2.0, -5.0], 0)",
        {},
        "Log-probabilities are negative, and order as usual.",
    )


def _ranks_with_ties(rank_of: Callable) -> None:
    """Tied items share the mean of their places."""
    reasons = {
        1.0: (
            "That puts the target first among its equals: a model that scores all items alike would"
            " be perfect."
        ),
        4.0: (
            "That puts the target last among its equals. Over all orders of the tied items it"
            " stands in the middle."
        ),
        3.0: (
            "The four share the places 1 to 4; their mean is 2.5. Did you count the target itself"
            " as tied with itself?"
        ),
        2.0: (
            "The four share the places 1 to 4, and their mean is 2.5: half of the *other* tied"
            " items stand before the target. No `//`."
        ),
    }
    for target in (0, 3):
        expect_close(
            rank_of([0.5] * 4, target),
            2.5,
            f"rank_of([0.5, 0.5, 0.5, 0.5], {target})",
            reasons,
            "Places 1 to 4 have the mean 2.5.",
        )
    expect_close(
        rank_of([0.9, 0.5, 0.5, 0.1], 1),
        2.5,
        "rank_of([0.9, 0.5, 0.5, 0.1], 1)",
        {},
        "One item is above, and two share the places 2 and 3.",
    )


def _ranks_sum(rank_of: Callable) -> None:
    """Whatever the ties, the ranks of n items add up to n (n + 1) / 2; minus infinity is a score."""
    for scores in ([3, 1, 3, 2, 1, 3], [INFINITE, 0.0, INFINITE]):
        n = len(scores)
        expect_close(
            sum(rank_of(scores, target) for target in range(n)), n * (n + 1) / 2, f"the sum of rank_of({scores}, i) over all i",
            {}, "Ranks of n items always add up to n (n + 1) / 2. Compare scores with == and >, not with a difference.",
        )  # fmt: skip


def _library_rank(scores: Sequence[float], target: int) -> float:
    import numpy as np

    from tutorial_lib.evaluation import target_ranks

    return float(target_ranks(np.array([scores], dtype=float), [target])[0])


RANK = Exercise(
    name="07-rank",
    task=(
        "Mend rank_of(scores, target): the 1-based rank of item `target`; tied items share the mean"
        " of their places."
    ),
    checks=(_ranks_without_ties, _ranks_with_ties, _ranks_sum),
    reference=_library_rank,
    hints=(
        (
            "Give the snippet a model that knows nothing: all scores equal. Which rank does it"
            " report, and which one would a coin give?"
        ),
        (
            "Count two things: how many scores are above the target's, and how many *other* items"
            " have exactly its score."
        ),
        "rank = 1 + above + tied / 2, where `tied` does not count the target itself.",
    ),
    solution='''
def rank_of(scores, target):
    """1-based rank; tied items share the mean of their places."""
    above = sum(score > scores[target] for score in scores)
    tied = sum(score == scores[target] for score in scores) - 1
    return 1 + above + tied / 2
''',
)


def _recall_of_one(mean_recall: Callable) -> None:
    """One user: found by all relevant, within the first k places."""
    call = "mean_recall({'ada': [1, 2, 3]}, {'ada': {2, 3, 8, 9}}, %d)"
    reasons = {
        1.0: (
            "Divide by the number of relevant items, not by k: one that has 4 relevant items and"
            " found 1 has not found all."
        )
    }
    reasons |= {0.5: "That counts the whole list: cut it at k first."}
    expect_close(
        mean_recall({"ada": [2, 1, 3]}, {"ada": {2, 3, 8, 9}}, 1),
        0.25,
        "mean_recall({'ada': [2, 1, 3]}, {'ada': {2, 3, 8, 9}}, 1)",
        reasons,
    )
    expect_close(mean_recall({"ada": [1, 2, 3]}, {"ada": {2, 3, 8, 9}}, 3), 0.5, call % 3,
                 {2 / 3: "Divide by the 4 relevant items, not by min(4, k) = 3: that is another metric."})  # fmt: skip


def _recall_of_silent(mean_recall: Callable) -> None:
    """A user for whom the model finds nothing to say has recall 0; a user with nothing to find has
    none.
    """
    reasons = {
        1.0: (
            "Ben has relevant items but no list: the model left him with nothing, and his recall is"
            " 0. Go through `relevant`, not `lists`."
        )
    }
    where = "mean_recall({'ada': [1]}, {'ada': {1}, 'ben': {2}}, 5)"
    expect_close(
        mean_recall({"ada": [1]}, {"ada": {1}, "ben": {2}}, 5), 0.5, where, reasons, "Ada 1, Ben 0."
    )
    expect_close(
        mean_recall({"ada": [1], "ben": []}, {"ada": {1}, "ben": {2}}, 5),
        0.5,
        "the same with 'ben': []",
        reasons,
        "Ada 1, Ben 0.",
    )
    reasons = {0.5: "Eve has nothing to find: she is left out of the mean, she is no miss."}
    where = "mean_recall({'ada': [1], 'eve': [2]}, {'ada': {1}, 'eve': set()}, 5)"
    try:
        found = mean_recall({"ada": [1], "eve": [2]}, {"ada": {1}, "eve": set()}, 5)
    except Mistake as stopped:
        raise Mistake(
            f"{stopped} Eve has nothing to find: leave her out before you divide."
        ) from stopped.__cause__
    expect_close(found, 1.0, where, reasons, "Ada alone counts.")


def _recall_of_repeats(mean_recall: Callable) -> None:
    """An item recommended twice is found once."""
    reasons = {
        1.0: "Item 1 stands there twice, and was counted twice. A set of the list counts it once."
    }
    where = "mean_recall({'ada': [1, 1, 5]}, {'ada': {1, 2}}, 3)"
    expect_close(
        mean_recall({"ada": [1, 1, 5]}, {"ada": {1, 2}}, 3),
        0.5,
        where,
        reasons,
        "One of two relevant items was found.",
    )


def _library_recall(lists: Mapping, relevant: Mapping, k: int) -> float:
    from tutorial_lib.evaluation import ranking_metrics

    users = list(relevant)
    return float(
        ranking_metrics([lists.get(u, []) for u in users], [relevant[u] for u in users], k=k)[
            f"recall@{k}"
        ].mean()
    )


RECALL = Exercise(
    name="07-recall",
    task=(
        "Mend mean_recall(lists, relevant, k): recall@k, averaged over all users who have something"
        " to find."
    ),
    checks=(_recall_of_one, _recall_of_repeats, _recall_of_silent),
    reference=_library_recall,
    hints=(
        (
            "Which users does the loop go through? Think of one for whom the model gave no list at"
            " all."
        ),
        (
            "Go through `relevant`, take `lists.get(user, [])`, and leave out users whose relevant"
            " set is empty. Find an item once."
        ),
        (
            "`len(set(lists.get(user, [])[:k]) & set(wanted)) / len(wanted)` for each user with"
            " `wanted`, then the mean."
        ),
    ),
    solution='''
def mean_recall(lists, relevant, k):
    """Recall@k, averaged over all users who have something to find."""
    found = []
    for user, wanted in relevant.items():
        if wanted:
            found.append(len(set(lists.get(user, [])[:k]) & set(wanted)) / len(wanted))
    return sum(found) / len(found)
''',
)


def _words_pooled(distinct_words: Callable) -> None:
    """All texts together: repeating one sentence must cost."""
    reasons = {
        1.0: (
            "That is the mean over texts. A model that writes one sentence for everybody would be"
            " perfect: pool the words of all texts."
        )
    }
    reasons |= {2.0: "Divide the number of different words by the number of all words."}
    expect_close(
        distinct_words(["good film", "good film"]),
        0.5,
        "distinct_words(['good film', 'good film'])",
        reasons,
        "2 different of 4 words.",
    )
    where = "distinct_words(['a b c', 'a'])"
    expect_close(
        distinct_words(["a b c", "a"]),
        0.75,
        where,
        {2 / 3: "The mean over texts again."},
        "3 different of 4 words.",
    )


def _words_of_all_scripts(distinct_words: Callable) -> None:
    """Letters beyond a to z are letters."""
    reasons = {
        1.0: "Are 'rød' and 'rod' told apart, and is 'sjø' one word? [a-z] throws ø away and breaks words at it: use \\w.",
        2 / 3: "[a-z] throws ø away and breaks words at it: use \\w.", 0.6: "[a-z] throws ø away and breaks words at it: use \\w.",
    }  # fmt: skip
    expect_close(
        distinct_words(["rød sjø", "rød"]),
        2 / 3,
        "distinct_words(['rød sjø', 'rød'])",
        {0.8: reasons[0.6], 0.6: reasons[0.6]},
    )
    expect_close(
        distinct_words(["ждём", "ждём"]),
        0.5,
        "distinct_words(['ждём', 'ждём'])",
        {0.0: "Cyrillic letters are letters: use \\w."},
    )


def _words_case_and_marks(distinct_words: Callable) -> None:
    """Case and punctuation do not make another word; nothing written is 0."""
    reasons = {
        1.0: (
            "'Good' and 'good,' are one word: lower the case, and take words, not what stands"
            " between spaces."
        )
    }
    expect_close(
        distinct_words(["Good, good"]),
        0.5,
        "distinct_words(['Good, good'])",
        reasons,
        "1 different of 2 words.",
    )
    try:
        found = distinct_words(["", "!"])
    except Mistake as stopped:
        raise Mistake(
            f"{stopped} A model may write nothing: give back 0 then."
        ) from stopped.__cause__
    expect_close(
        found,
        0.0,
        "distinct_words(['', '!'])",
        {1.0: "Nothing was written: that is not diverse, but 0."},
        "No word at all: 0.",
    )


def _library_distinct(texts: Sequence[str]) -> float:
    from tutorial_lib.evaluation.text import distinct

    return distinct(texts, 1)


DISTINCT = Exercise(
    name="07-distinct",
    task=(
        "Mend distinct_words(texts): different words by all words, over all texts together,"
        " whatever the script."
    ),
    checks=(_words_pooled, _words_of_all_scripts, _words_case_and_marks),
    reference=_library_distinct,
    hints=(
        (
            "Let a model write the same sentence for every user. What does the snippet give, and"
            " what should it give?"
        ),
        (
            "Collect the words of all texts in one list first. And look at the pattern: which"
            " letters does [a-z] know?"
        ),
        (
            r"`words = [word for text in texts for word in re.findall(r'\w+', text.lower())]`, then"
            r" `len(set(words)) / len(words)`, or 0."
        ),
    ),
    solution='''
import re


def distinct_words(texts):
    """Different words by all words of all texts; 0 if there is none."""
    words = [word for text in texts for word in re.findall(r"\\w+", text.lower())]
    return len(set(words)) / len(words) if words else 0.0
''',
)

EXERCISES = {exercise.name: exercise for exercise in (RANK, RECALL, DISTINCT)}
