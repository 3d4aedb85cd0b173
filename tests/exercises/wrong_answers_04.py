"""Answers that learners give to the exercises of notebook 04, and a piece of the message that each
must get.
"""

from __future__ import annotations

import heapq
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


def _nodes_below(node, end, path=()):
    """(beginning, node) of all nodes of a tree."""
    yield path, node
    for token, child in node.items():
        if token != end:
            yield from _nodes_below(child, end, (*path, token))


def _scored(tree, end, next_log_p):
    """[(title, log p)] of all titles, each beginning read."""
    scores, out = {(): 0.0}, []
    for path, node in _nodes_below(tree, end):
        if end in node:
            out.append((path, scores[path]))
        if set(node) - {end}:
            after = next_log_p(path)
            scores.update({(*path, t): scores[path] + after[t] for t in node if t != end})
    return sorted(out, key=lambda pair: -pair[1])


def scores_everything(tree, end, next_log_p, k):
    return _scored(tree, end, next_log_p)[:k]


def worst_first(tree, end, next_log_p, k):
    return _scored(tree, end, next_log_p)[:k][::-1]


def least_likely(tree, end, next_log_p, k):
    return _scored(tree, end, next_log_p)[-k:]


def mean_over_tokens(tree, end, next_log_p, k):
    means = [(path, p / max(len(path), 1)) for path, p in _scored(tree, end, next_log_p)]
    return sorted(means, key=lambda pair: -pair[1])[:k]


def heap_values(tree, end, next_log_p, k):
    return [(path, -p) for path, p in _scored(tree, end, next_log_p)[:k]]


def one_too_few(tree, end, next_log_p, k):
    return _scored(tree, end, next_log_p)[: k - 1] or _scored(tree, end, next_log_p)[:k]


def titles_alone(tree, end, next_log_p, k):
    return [path for path, _ in _scored(tree, end, next_log_p)[:k]]


def beams(tree, end, next_log_p, k):
    """k beginnings at a time."""
    nodes, finished = dict(_nodes_below(tree, end)), []
    alive = [((), 0.0)]
    while alive:
        longer = []
        for path, p in alive:
            if end in nodes[path]:
                finished.append((path, p))
            if set(nodes[path]) - {end}:
                after = next_log_p(path)
                longer += [((*path, t), p + after[t]) for t in nodes[path] if t != end]
        alive = sorted(longer, key=lambda pair: -pair[1])[:k]
    return sorted(finished, key=lambda pair: -pair[1])[:k]


def _best_first(tree, end, next_log_p, k, at_once=False, ends_here=False, each=False):
    """The right search, with what may be wrong: titles listed when they are met, ``at_once``; a
    title goes on no further, ``ends_here``; the model asked for ``each`` token anew.
    """
    found, nodes = [], dict(_nodes_below(tree, end))
    heap = [(0.0, (), False)]
    while heap and len(found) < k:
        loss, path, is_title = heapq.heappop(heap)
        if is_title:
            found.append((path, -loss))
            continue
        tokens = [token for token in nodes[path] if token != end]
        if end in nodes[path]:
            if at_once:
                found.append((path, -loss))
            else:
                heapq.heappush(heap, (loss, path, True))
            if ends_here:
                continue
        after = next_log_p(path) if tokens and not each else {}
        for token in tokens:
            child = (*path, token)
            value = loss - (next_log_p(path) if each else after)[token]
            if at_once and end in nodes[child]:
                found.append((child, -value))
            heapq.heappush(heap, (value, child, False))
    return found[:k]


def listed_when_met(tree, end, next_log_p, k):
    return list(dict(_best_first(tree, end, next_log_p, 2 * k, at_once=True)).items())[:k]


def ends_at_a_title(tree, end, next_log_p, k):
    return _best_first(tree, end, next_log_p, k, ends_here=True)


def asks_for_each_token(tree, end, next_log_p, k):
    return _best_first(tree, end, next_log_p, k, each=True)


def beginnings_too(tree, end, next_log_p, k):
    scores = {(): 0.0}
    for path, node in _nodes_below(tree, end):
        if set(node) - {end}:
            after = next_log_p(path)
            scores.update({(*path, t): scores[path] + after[t] for t in node if t != end})
    return sorted(scores.items(), key=lambda pair: -pair[1])[:k]


def a_list_of_tokens(tree, end, next_log_p, k):
    return _best_first(tree, end, lambda path: next_log_p(list(path)), k)


def runs_out(tree, end, next_log_p, k):
    found = _best_first(tree, end, next_log_p, k)
    return [found[place] for place in range(k)]


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
    "04-best": [
        (scores_everything, "are enough"),
        (worst_first, "the best comes first"),
        (least_likely, "is missing"),
        (mean_over_tokens, "no mean"),
        (heap_values, "no minus of the heap"),
        (one_too_few, "not before"),
        (titles_alone, "expected a list of pairs"),
        (beams, "drop no beginning"),
        (listed_when_met, "list it when it comes out"),
        (ends_at_a_title, "is missing"),
        (asks_for_each_token, "asked twice"),
        (beginnings_too, "where `end` is a key"),
        (a_list_of_tokens, "expected a tuple of tokens"),
        (runs_out, "IndexError"),
    ],
}
