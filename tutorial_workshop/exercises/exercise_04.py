"""Exercises of notebook 04: a history in words, and the trie that keeps a model inside the
catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations

from tutorial_workshop.page.checker import Exercise, Mistake

_TITLES = ("Dark Comet", "Sunny Reef", "Quiet Owl", "Last Train")


def _expect_text(
    verbalise: Callable, history, limit: int, expected: str, reasons: dict[str, str], otherwise: str
) -> None:
    where = f"verbalise({history!r}, titles, {limit})"
    found = verbalise(history, _TITLES, limit)
    if not isinstance(found, str):
        raise Mistake(
            f"`{where}` gave {type(found).__name__} {found!r:.60}; expected one text, made with ';"
            " '.join(...)."
        )
    if found != expected:
        raise Mistake(
            f"`{where}` gave {found!r}; expected {expected!r}."
            f" {reasons.get(found.strip(), otherwise)}"
        )


def _words_unchanged(verbalise: Callable) -> None:
    """The caller's history is data, not scratch paper."""

    class Watched(list):
        def __deepcopy__(
            self, memo
        ):  # learners' functions get copies of their arguments: not of this one
            return self

    history = Watched([0, 1, 2, 3])
    verbalise(history, _TITLES, 2)
    if list(history) != [0, 1, 2, 3]:
        raise Mistake(
            "`verbalise` changed the history it was given: the next prompt would see another user."
            " Cut with history[-limit:]."
        )


def _titles_in_order(verbalise: Callable) -> None:
    """Titles, oldest first, the separator between them."""
    reasons = {
        "2; 0": (
            "Those are the item codes, which a language model never read. Look each one up:"
            " titles[code]."
        ),
        "Dark Comet; Quiet Owl": (
            "The newest item must come last, next to where the model goes on writing. Keep the"
            " order of the history."
        ),
        "Quiet Owl, Dark Comet": (
            "Put '; ' between titles. A comma may be part of a title, so nobody could tell where"
            " one ends."
        ),
        "Quiet Owl;Dark Comet": "The separator is a semicolon and a space: '; '.",
        "Quiet Owl Dark Comet": (
            "Put '; ' between two titles, so that a reader sees where one ends."
        ),
        "Quiet Owl; Dark Comet;": (
            "There is a separator too many at the end: '; '.join(...) puts it between titles only."
        ),
    }
    _expect_text(
        verbalise,
        [2, 0],
        12,
        "Quiet Owl; Dark Comet",
        reasons,
        "Titles in the order of the history, '; ' between them.",
    )
    again = {"Sunny Reef": "An item that occurs twice is written twice: it was chosen twice."}
    _expect_text(verbalise, [1, 1], 12, "Sunny Reef; Sunny Reef", again, "An item may occur twice.")


def _newest_only(verbalise: Callable) -> None:
    """Only the newest items fit: the end of the history, not its beginning."""
    reasons = {
        "Dark Comet; Sunny Reef": (
            "Those are the two oldest items. The newest stand at the end: history[-limit:]."
        ),
        "Last Train; Quiet Owl": (
            "The right items, newest first. Keep the order: oldest of them first."
        ),
        "Dark Comet; Sunny Reef; Quiet Owl; Last Train": (
            "That is the whole history: keep the newest `limit` items only."
        ),
    }
    _expect_text(
        verbalise,
        [0, 1, 2, 3],
        2,
        "Quiet Owl; Last Train",
        reasons,
        "Keep the newest `limit` items, oldest of them first.",
    )


def _short_history(verbalise: Callable) -> None:
    """A history may be shorter than the limit, or empty, and the prompt must still read well."""
    short = "A history may be shorter than `limit`: then it is used whole."
    _expect_text(verbalise, [1, 3], 3, "Sunny Reef; Last Train", {}, short)
    try:
        found = verbalise([], _TITLES, 3)
    except Mistake as stopped:
        raise Mistake(
            f"{stopped} A new user has an empty history: give back 'nothing yet'."
        ) from stopped.__cause__
    if found == "":
        raise Mistake(
            "`verbalise([], titles, 3)` gave an empty text, and the prompt would have a hole."
            " Expected 'nothing yet'."
        )
    if found != "nothing yet":
        raise Mistake(
            f"`verbalise([], titles, 3)` gave {found!r:.60}; expected 'nothing yet', as a text."
        )


def _array(verbalise: Callable) -> None:
    """The kit's splits keep histories as arrays of numpy."""
    import numpy as np

    for history, expected in (
        (np.array([0, 3]), "Dark Comet; Last Train"),
        (np.array([], dtype=int), "nothing yet"),
    ):
        try:
            found = verbalise(history, _TITLES, 3)
        except Mistake as stopped:
            advice = (
                "A history may be a numpy array, as in the kit's splits: ask `len(history) == 0`,"
                " not `not history`."
            )
            raise Mistake(f"{stopped} {advice}") from stopped.__cause__
        if found != expected:
            raise Mistake(
                f"`verbalise(np.{history!r}, titles, 3)` gave {found!r:.60}; expected {expected!r},"
                " as for a list."
            )


def _library_words(history: Sequence[int], titles: Sequence[str], limit: int) -> str:
    from tutorial_lib.language.verbalise import Verbaliser

    return Verbaliser(tuple(titles), limit=limit).history(history)


VERBALISE = Exercise(
    name="04-verbalise",
    task=(
        "Write verbalise(history, titles, limit): titles of the newest `limit` items, oldest first,"
        " '; ' between; 'nothing yet' if empty."
    ),
    checks=(_words_unchanged, _titles_in_order, _newest_only, _short_history, _array),
    reference=_library_words,
    hints=(
        (
            "A history is a sequence of item codes, oldest first, and `titles[code]` is the title"
            " of an item. Deal with the empty history first: a new user has one."
        ),
        (
            "`history[-limit:]` cuts out the newest `limit` codes, keeps their order, and leaves"
            " `history` as it is. `len(history) == 0` works for lists and for numpy arrays."
        ),
        (
            "`'; '.join(titles[item] for item in history[-limit:])` is the text, and it is empty"
            " for an empty history. `text or 'nothing yet'` gives the second where the first is"
            " empty."
        ),
    ),
    solution='''
def verbalise(history, titles, limit):
    """The newest items of a history in words."""
    text = "; ".join(titles[item] for item in history[-limit:])
    return text or "nothing yet"
''',
)

_END = "<end>"


def _build(
    build_trie: Callable, sequences: list[list[int]], end: object = _END
) -> tuple[dict, str]:
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
    found, ways = set(), [((), trie)]
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
    build_trie: Callable, sequences: list[list[int]], lost: str, end: object = _END
) -> None:
    """Exactly the sequences are accepted; ``lost``: the likely reason where one is missing."""
    trie, where = _build(build_trie, sequences, end)
    found, wanted = _candidates(trie, end, where), set(map(tuple, sequences))
    for path in sorted(found - wanted, key=str):
        if not path:
            raise Mistake(
                f"`{where}` accepts the empty sequence: the key `end` stands in the root. Set it"
                " after the last token."
            )
        if any(sequence[: len(path)] == path for sequence in wanted):
            raise Mistake(
                f"`{where}` accepts {list(path)}, a mere beginning: set the key `end` after the"
                " last token only."
            )
        raise Mistake(f"`{where}` accepts {list(path)}, which is none of the sequences.")
    for sequence in (sequence for sequence in sequences if tuple(sequence) not in found):
        if any(other[: len(sequence)] == sequence for other in sequences if other != sequence):
            lost = (
                "It ends where another candidate goes on: the key `end` belongs there too, beside"
                " the children."
            )
        elif any(sequence[: len(other)] == other for other in sequences if other != sequence):
            lost = (
                "It goes on where another candidate ends: do not replace that dict, or its children"
                " are lost."
            )
        raise Mistake(f"`{where}` does not accept {sequence}. {lost}")


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
    for end in (_END, -1):
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
        _expect_candidates(
            build_trie,
            [[5, 7]],
            "Its tokens must lead from the root, one by one, to a dict with the key `end`.",
            end,
        )


def _shared_beginnings(build_trie: Callable) -> None:
    """What is there is used again, not replaced."""
    lost = (
        "A later candidate replaced it: use the child that is there, `node = node.setdefault(token,"
        " {})`."
    )
    _expect_candidates(build_trie, [[5, 7], [5, 8], [6]], lost)
    _expect_candidates(build_trie, [[1, 2, 3], [1, 2, 4], [1, 5, 3]], lost)


def _any_order(build_trie: Callable) -> None:
    """A catalogue has no order."""
    for order in permutations([[1, 2], [3, 2], [1, 4]]):
        lost = (
            "The order of the sequences must not matter: walk from the root for every candidate,"
            " and do not rely on neighbours."
        )
        _expect_candidates(build_trie, list(order), lost)


def _beginning_of_another(build_trie: Callable) -> None:
    """ "Dark Comet" and "Dark Comet II": a dict may have children and be marked at once, whichever
    came first.
    """
    for order in (
        [[5, 7, 9], [5, 7]],
        [[5, 7], [5, 7, 9]],
        *permutations([[5, 7], [5, 7, 9], [5, 8], [5]]),
    ):
        _expect_candidates(build_trie, list(order), "")


def _sequences_unchanged(build_trie: Callable) -> None:
    """The caller's sequences are data."""

    class Watched(list):
        def __deepcopy__(
            self, memo
        ):  # learners' functions get copies of their arguments: not of this one
            return self

    sequences = Watched([Watched([5, 7]), Watched([5])])
    build_trie(sequences, _END)
    if [list(sequence) for sequence in sequences] != [[5, 7], [5]]:
        raise Mistake(
            "`build_trie` changed the sequences it was given: the catalogue is still needed. Set"
            " `node[end]` after the loop."
        )


def _library_trie(sequences: Sequence[Sequence[int]], end: object) -> dict:
    from tutorial_lib.models.decoding import Trie

    trie = Trie(sequences)

    def nested(node: int) -> dict:
        below = {token: nested(child) for token, child in trie.children(node).items()}
        return {**below, end: True} if node in trie.ends else below

    return nested(0)


TRIE = Exercise(
    name="04-trie",
    task=(
        "Write build_trie(sequences, end): nested dicts, token -> dict; the key `end` marks where a"
        " candidate is complete."
    ),
    checks=(
        _starts_anew,
        _sequences_unchanged,
        _one_candidate,
        _shared_beginnings,
        _any_order,
        _beginning_of_another,
    ),
    reference=_library_trie,
    hints=(
        (
            "Draw the trie of `[[5, 7], [5, 8], [5]]` first. A token is a key, and it leads to a"
            " dict of the tokens that may follow."
        ),
        (
            "For each sequence start at the root and go down one dict a token. Make a dict only"
            " where there is none. After the last token, set the key `end`, and leave the other"
            " keys as they are."
        ),
        (
            "`node = trie` for each sequence; `node = node.setdefault(token, {})` for each token,"
            " which takes the child or makes one; `node[end] = True` after the inner loop."
        ),
    ),
    solution='''
def build_trie(sequences, end):
    """Nested dicts, token -> dict; the key `end` marks a complete candidate."""
    trie = {}
    for sequence in sequences:
        node = trie
        for token in sequence:
            node = node.setdefault(token, {})
        node[end] = True
    return trie
''',
)

EXERCISES = {exercise.name: exercise for exercise in (VERBALISE, TRIE)}
