"""Answers that learners give to the exercises of notebook 04, and a piece of the message that each
must get.
"""

from __future__ import annotations

from itertools import groupby


def right(history, titles, limit):
    return "; ".join(titles[item] for item in history[-limit:]) or "nothing yet"


def oldest_items(history, titles, limit):
    return "; ".join(titles[item] for item in history[:limit]) or "nothing yet"


def newest_first(history, titles, limit):
    return "; ".join(titles[item] for item in history[::-1][:limit]) or "nothing yet"


def newest_first_if_cut(history, titles, limit):
    return right(history[-limit:][::-1] if len(history) > limit else history, titles, limit)


def whole_history(history, titles, limit):
    return "; ".join(titles[item] for item in history) or "nothing yet"


def commas(history, titles, limit):
    return ", ".join(titles[item] for item in history[-limit:]) or "nothing yet"


def semicolon_alone(history, titles, limit):
    return ";".join(titles[item] for item in history[-limit:]) or "nothing yet"


def separator_at_the_end(history, titles, limit):
    return "".join(titles[item] + "; " for item in history[-limit:]) or "nothing yet"


def codes(history, titles, limit):
    return "; ".join(str(item) for item in history[-limit:]) or "nothing yet"


def a_list(history, titles, limit):
    return [titles[item] for item in history[-limit:]]


def each_once(history, titles, limit):
    return "; ".join(titles[item] for item in dict.fromkeys(history[-limit:])) or "nothing yet"


def empty_text(history, titles, limit):
    return "; ".join(titles[item] for item in history[-limit:])


def fails_when_empty(history, titles, limit):
    text = titles[history[-limit:][0]]
    for item in history[-limit:][1:]:
        text += "; " + titles[item]
    return text


def other_words_when_empty(history, titles, limit):
    return "; ".join(titles[item] for item in history[-limit:]) or "no items"


def counts_from_the_front(history, titles, limit):
    return "; ".join(titles[item] for item in history[len(history) - limit :]) or "nothing yet"


def always_limit_items(history, titles, limit):
    return "; ".join(titles[history[place - limit]] for place in range(limit)) or "nothing yet"


def pops(history, titles, limit):
    while len(history) > limit:
        history.pop(0)
    return right(history, titles, limit)


def not_history(history, titles, limit):
    if not history:
        return "nothing yet"
    return right(history, titles, limit)


def _walk(trie, sequence):
    for token in sequence:
        trie = trie.setdefault(token, {})
    return trie


def replaces_children(sequences, end):
    trie = {}
    for sequence in sequences:
        node = trie
        for token in sequence:
            node[token] = {}
            node = node[token]
        node[end] = True
    return trie


def loses_children_of_a_beginning(sequences, end):
    trie = {}
    for sequence in sequences:
        _walk(trie, sequence[:-1])[sequence[-1]] = {end: True}
    return trie


def marks_leaves_only(sequences, end):
    trie = {}
    for sequence in sequences:
        node = _walk(trie, sequence)
        if not node:
            node[end] = True
    return trie


def drops_the_mark_on_the_way(sequences, end):
    trie = {}
    for sequence in sequences:
        node = trie
        for token in sequence:
            node.pop(end, None)
            node = node.setdefault(token, {})
        node[end] = True
    return trie


def marks_every_step(sequences, end):
    trie = {}
    for sequence in sequences:
        node = trie
        for token in sequence:
            node = node.setdefault(token, {})
            node[end] = True
    return trie


def marks_the_root(sequences, end):
    trie = {}
    for sequence in sequences:
        _walk(trie, sequence)[end] = True
        trie[end] = True
    return trie


def no_mark(sequences, end):
    trie = {}
    for sequence in sequences:
        _walk(trie, sequence)
    return trie


def leaf_is_true(sequences, end):
    trie = {}
    for sequence in sequences:
        _walk(trie, sequence[:-1])[sequence[-1]] = True
    return trie


def never_goes_down(sequences, end):
    trie = {}
    for sequence in sequences:
        for token in sequence:
            trie[token] = {}
        trie[token][end] = True
    return trie


def whole_sequences_as_keys(sequences, end):
    return {tuple(sequence): {end: True} for sequence in sequences}


def from_the_end(sequences, end):
    trie = {}
    for sequence in sequences:
        _walk(trie, sequence[::-1])[end] = True
    return trie


def a_list_of_tries(sequences, end):
    return [{sequence[0]: {end: True}} for sequence in sequences]


def empty(sequences, end):
    trie = {}
    for sequence in sequences:
        node = dict(trie)
        for token in sequence:
            node = node.setdefault(token, {})
        node[end] = True
    return trie


def key_called_end(sequences, end):
    trie = {}
    for sequence in sequences:
        _walk(trie, sequence)["end"] = True
    return trie


def key_of_the_first_check(sequences, end):
    trie = {}
    for sequence in sequences:
        _walk(trie, sequence)["<end>"] = True
    return trie


def one_for_all_calls(sequences, end, trie={}):  # noqa: B006
    for sequence in sequences:
        _walk(trie, sequence)[end] = True
    return trie


def appends_the_end(sequences, end):
    trie = {}
    for sequence in sequences:
        sequence.append(end)
        _walk(trie, sequence)
    return trie


def neighbours_only(sequences, end):
    trie = {}
    for first, group in groupby(sequences, key=lambda sequence: sequence[0]):
        rest = [sequence[1:] for sequence in group]
        trie[first] = neighbours_only([r for r in rest if r], end)
        if [] in rest:
            trie[first][end] = True
    return trie


WRONG_ANSWERS = {
    "04-verbalise": [
        (oldest_items, "Those are the two oldest items"),
        (newest_first, "The newest item must come last"),
        (newest_first_if_cut, "The right items, newest first"),
        (whole_history, "That is the whole history"),
        (commas, "A comma may be part of a title"),
        (semicolon_alone, "a semicolon and a space"),
        (separator_at_the_end, "a separator too many"),
        (codes, "Those are the item codes"),
        (a_list, "expected one text"),
        (each_once, "An item that occurs twice is written twice"),
        (empty_text, "leaves a hole in the prompt"),
        (fails_when_empty, "A new user has an empty history"),
        (other_words_when_empty, "give back 'nothing yet', as a text"),
        (counts_from_the_front, "A history may be shorter than `limit`"),
        (always_limit_items, "IndexError"),
        (pops, "`pops` changed the value"),
        (not_history, "may be a numpy array"),
    ],
    "04-trie": [
        (replaces_children, "A later candidate replaced it"),
        (loses_children_of_a_beginning, "its children are lost"),
        (marks_leaves_only, "It ends where another candidate goes on"),
        (drops_the_mark_on_the_way, "It ends where another candidate goes on"),
        (marks_every_step, "a mere beginning"),
        (marks_the_root, "stands in the root"),
        (no_mark, "marks no candidate"),
        (leaf_is_true, "lead to True; expected a dict"),
        (never_goes_down, "It is none of the sequences"),
        (whole_sequences_as_keys, "expected the first token itself"),
        (from_the_end, "Did you walk from the last one?"),
        (a_list_of_tries, "expected nested dicts"),
        (empty, "Start at the root for each candidate"),
        (key_called_end, "by the key 'end'; expected the argument"),
        (key_of_the_first_check, "by the key '<end>'; expected the argument `end`, here -1"),
        (one_for_all_calls, "is one dict for all calls"),
        (appends_the_end, "The catalogue is still needed"),
        (neighbours_only, "do not rely on neighbours"),
    ],
}
