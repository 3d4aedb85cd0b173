"""Checks of notebook 04: a history in words, and the trie of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

from tutorial_workshop.exercises.best_first_checks import BEST_FIRST
from tutorial_workshop.exercises.checks import Mistake, expect_unchanged

END = "<end>"


def _words_unchanged(verbalise: Callable) -> None:
    """The caller's history is data, not scratch paper."""
    titles = ("Dark Comet", "Sunny Reef", "Quiet Owl", "Last Train")
    why = "The next prompt would see another user. Cut with history[-limit:]."
    expect_unchanged(verbalise, [0, 1, 2, 3], titles, 2, why=why)


def _build(build_trie: Callable, sequences: list, end: object = END) -> tuple[dict, str]:
    """The learner's trie, and the call; or a mistake that says what came out instead of nested
    dicts.
    """
    where = f"build_trie({sequences}, {end!r})"
    try:
        trie = build_trie(sequences, end)
    except Mistake as stopped:
        advice = (
            "Every token leads to a dict, also the last one of a candidate: another candidate may"
            " go on from there."
        )
        raise Mistake(f"{stopped} {advice}") from stopped.__cause__
    if not isinstance(trie, dict):
        raise Mistake(
            f"`{where}` gave {type(trie).__name__} {trie!r:.60}; expected nested dicts, token ->"
            " dict."
        )
    return trie, where


def _candidates(trie: dict, end: object, where: str) -> set[tuple]:
    """All sequences that the trie accepts, by walking every way."""
    found = set()
    ways: list[tuple[tuple, object]] = [((), trie)]
    while ways:
        path, node = ways.pop()
        if not isinstance(node, dict):
            raise Mistake(
                f"`{where}`: the tokens {list(path)} lead to {node!r:.40}; expected a dict. A"
                " complete candidate is marked by the key `end` in the dict that its last token"
                " leads to."
            )
        if len(path) > 9:
            raise Mistake(
                f"`{where}` goes on without end: every token needs a new dict of its own."
            )
        if end in node:
            found.add(path)
        ways += [((*path, token), child) for token, child in node.items() if token != end]
    return found


def _expect_candidates(
    build_trie: Callable, sequences: list[list[int]], lost: str, end: object = END
) -> None:
    """Exactly the sequences are accepted; ``lost``: the likely reason where one is missing."""
    trie, where = _build(build_trie, sequences, end)
    found = _candidates(trie, end, where)
    wanted = set(map(tuple, sequences))

    def begins(path: tuple, others: set) -> bool:
        return any(other[: len(path)] == path for other in others - {path})

    for path in sorted(found - wanted, key=str):
        why = "It is none of the sequences."
        if not path:
            why = "The key `end` stands in the root. Set it after the last token."
        elif begins(path, wanted):
            why = "That is a mere beginning: set the key `end` after the last token only."
        raise Mistake(f"`{where}` accepts the sequence {list(path)}. {why}")
    for path in (tuple(sequence) for sequence in sequences if tuple(sequence) not in found):
        if begins(path, wanted):
            lost = (
                "It ends where another candidate goes on: the key `end` belongs there too, beside"
                " the children."
            )
        elif any(begins(other, {path}) for other in wanted):
            lost = (
                "It goes on where another candidate ends: do not replace that dict, or its children"
                " are lost."
            )
        raise Mistake(f"`{where}` does not accept {list(path)}. {lost}")


def _starts_anew(build_trie: Callable) -> None:
    """A second catalogue gets a trie of its own."""
    _build(build_trie, [[1, 2]])
    trie, where = _build(build_trie, [[3]])
    if 1 in trie:
        raise Mistake(
            f"`{where}` still holds the candidate [1, 2] of an earlier call. Start with a new dict"
            " inside the function: a default argument `trie={}`, or a dict outside, is one dict"
            " for all calls."
        )


def _one_candidate(build_trie: Callable) -> None:
    """Two tokens, two steps from the root, and the marker that was asked for."""
    for end in (END, -1):
        trie, where = _build(build_trie, [[5, 7]], end)
        if trie == {}:
            raise Mistake(
                f"`{where}` is empty. Start at the root for each candidate, and hang a dict under"
                " every token."
            )
        if 5 not in trie:
            keys = f"`{where}` has the keys {list(trie)!r:.60} in its root; expected"
            if 7 in trie:
                raise Mistake(f"{keys} the first token, 5. Did you walk from the last one?")
            raise Mistake(f"{keys} the first token itself, 5, and under it a dict with the key 7.")
        last = trie[5].get(7) if isinstance(trie[5], dict) else None
        if isinstance(last, dict) and last and end not in last:
            raise Mistake(
                f"`{where}` marks the candidate by the key {next(iter(last))!r}; expected the"
                f" argument `end`, here {end!r}."
            )
        if not _candidates(trie, end, where):
            raise Mistake(
                f"`{where}` marks no candidate: set `node[end] = True` in the dict that the last"
                " token leads to."
            )
        one_by_one = "Its tokens must lead from the root, one by one, to a dict with the key `end`."
        _expect_candidates(build_trie, [[5, 7]], one_by_one, end)


def _several_candidates(build_trie: Callable) -> None:
    """What is there is used again, in whatever order the candidates come."""
    replaced = (
        "A later candidate replaced it: use the child that is there, `node = node.setdefault(token,"
        " {})`."
    )
    _expect_candidates(build_trie, [[5, 7], [5, 8], [6]], replaced)
    _expect_candidates(build_trie, [[1, 2, 3], [1, 2, 4], [1, 5, 3]], replaced)
    order = (
        "The order of the sequences must not matter: walk from the root for every candidate, and"
        " do not rely on neighbours."
    )
    for sequences in permutations([[1, 2], [3, 2], [1, 4]]):
        _expect_candidates(build_trie, list(sequences), order)


def _beginning_of_another(build_trie: Callable) -> None:
    """ "Dark Comet" and "Dark Comet II": a dict may have children and be marked at once, whichever
    came first.
    """
    for few in ([[5, 7, 9], [5, 7]], [[5, 7], [5, 7, 9]]):
        _expect_candidates(build_trie, few, "")
    for sequences in permutations([[5, 7], [5, 7, 9], [5, 8], [5]]):
        _expect_candidates(build_trie, list(sequences), "")


def _sequences_unchanged(build_trie: Callable) -> None:
    """The caller's sequences are data."""
    why = "The catalogue is still needed. Set `node[end]` after the loop."
    expect_unchanged(build_trie, [[5, 7], [5]], END, why=why)


CHECKS = {
    "04-verbalise": (_words_unchanged,),
    "04-trie": (
        _starts_anew,
        _one_candidate,
        _several_candidates,
        _beginning_of_another,
        _sequences_unchanged,
    ),
    "04-best": BEST_FIRST,
}
