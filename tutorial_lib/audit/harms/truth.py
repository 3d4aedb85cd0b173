"""H4, untrue output: items that do not exist, titles known before the test, explanations that
explain nothing, false statements.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import cleaned
from tutorial_lib.audit.core.finding import Finding, checked_margins, make_finding
from tutorial_lib.audit.inference.paired import int_lists, paired_finding
from tutorial_lib.audit.inference.statistics import mean_shift, rate
from tutorial_lib.data.histories import Histories, flatten, positions
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.text import tokens
from tutorial_lib.recommender import refuse_nan

NEAR = 0.85  # difflib ratio from which a text counts as a title written wrongly
TITLE_FAULTS = {
    "outside": "written items without a match in the catalogue, before grounding",
    "near_miss": "written items that miss a title of the catalogue narrowly",
    "wrong_format": "written items that are no single title",
    "repeated": "written items that stand higher in the same list",
}


def output_faults(recommended: np.ndarray, n_items: int, seen: Histories) -> pd.DataFrame:
    """The share of each user's places lost in each way: columns unknown, repeated, consumed,
    too_few, as in `audit`.

    recommended: int [n, k]; -1 = nothing offered, any other code outside 0..n_items - 1 = an
        unknown item. seen: [n] histories.

    >>> output_faults([[0, 0, 9, -1]], n_items=3, seen=[[0]]).iloc[0].tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    recommended = int_lists("recommended", recommended)
    if len(seen) != len(recommended):
        raise InputError(
            f"output_faults: {len(recommended)} lists but {len(seen)} histories; expected one a"
            " user"
        )
    return cleaned(recommended, n_items, seen)[1]


def title_faults(
    texts: Sequence[Sequence[str]], titles: Sequence[str], *, near: float = NEAR
) -> pd.DataFrame:
    """How often what a model wrote is no item, before anything is grounded: one row a user, each
    column a share of the user's texts.

    texts: for each user, the titles as written. titles: those of the catalogue. A match is exact
        but for case and punctuation.
    outside: no match. Of these, near_miss: at least ``near`` alike (difflib's ratio) to a title;
        wrong_format: not near, and empty, of
    several lines, or of more words than the longest title. repeated: like an earlier text of the
    list. Users without a text have nan. Measure before grounding: where each text is mapped to its
    nearest title (BIGRec, Bao et al. 2023) none is outside any more.

    >>> title_faults([["Heat", "heat!", "Heatt", "Ran"]], ["Heat", "Alien"])[["outside", "near_miss", "repeated"]].iloc[0].tolist()
    [0.5, 0.25, 0.25]
    """
    if isinstance(texts, str) or any(isinstance(one, str) for one in texts):
        raise InputError(
            "texts: expected a list of titles for each user, such as [['Heat', 'Alien']], got one"
            " text"
        )
    known = {_plain(title) for title in titles} - {""}
    if not known:
        raise InputError("titles: expected at least one title with a letter or digit")
    longest, catalogue, kinds = max(len(title.split()) for title in known), sorted(known), {}
    rows = []
    for written in texts:
        plain = [_plain(text) for text in written]
        for text, key in zip(written, plain, strict=True):
            if text not in kinds:
                kinds[text] = _kind(text, key, known, catalogue, longest, near)
        found = Counter(kinds[text] for text in written)
        counts = [
            len(written) - found[""],
            found["near_miss"],
            found["wrong_format"],
            len(plain) - len(set(plain)),
        ]
        rows.append(np.array(counts) / len(written) if written else np.full(4, np.nan))
    return pd.DataFrame(np.array(rows).reshape(-1, 4), columns=list(TITLE_FAULTS))


def _kind(
    text: str, key: str, known: set[str], catalogue: list[str], longest: int, near: float
) -> str:
    """ "" for a title of the catalogue, else what is wrong with the text."""
    if key in known:
        return ""
    if key and difflib.get_close_matches(key, catalogue, n=1, cutoff=near):
        return "near_miss"
    return (
        "wrong_format"
        if not key or "\n" in text.strip() or len(key.split()) > longest
        else "invented"
    )


def _plain(text: str) -> str:
    return " ".join(tokens(text))


def share_findings(
    faults: pd.DataFrame,
    margins: Mapping[str, float] | None = None,
    *,
    stakeholder: str = "users, providers",
    seed: int = 0,
) -> list[Finding]:
    """One finding for each column of `title_faults` or `output_faults`: mean share over users,
    judged by the margin "invented" (no p).

    The interval is over users; Wilson's where fewer than ten users are touched, so "none among 300
    users" reads "below 1.3 %".
    """
    margins, rng = checked_margins(margins)[0], np.random.default_rng([seed, 47])
    return [
        paired_finding(
            "H4",
            stakeholder,
            TITLE_FAULTS.get(name, name),
            column.to_numpy(),
            margins["invented"],
            rng=rng,
            share=True,
        )
        for name, column in faults.items()
    ]


def generated_titles_findings(
    texts: Sequence[Sequence[str]],
    titles: Sequence[str],
    margins: Mapping[str, float] | None = None,
    *,
    near: float = NEAR,
    seed: int = 0,
) -> list[Finding]:
    """`title_faults` as findings, the first being the out-of-catalogue rate."""
    return share_findings(title_faults(texts, titles, near=near), margins, seed=seed)


def contamination(
    answer: Callable[[Sequence], Sequence[str]],
    item_ids: Sequence,
    titles: Sequence[str],
    margins: Mapping[str, float] | None = None,
    *,
    seed: int = 0,
) -> tuple[Finding, pd.DataFrame]:
    """Did a pre-trained model see the data set? The share of titles it gives for an item id, beyond
    that with the ids shuffled.

    answer: ids -> one text each, such as a prompted model; it must not have been shown these pairs.
        titles: the true ones.
    A recovered title is exact but for case and punctuation. Control: the same answers held against
    the titles of the other items, the exact mean over all shuffles, so a model that always names a
    famous film gains nothing. Interval: Wilson's of the recovered share, minus the control; p:
    paired t (`mean_shift`). Margin "contaminated". A MovieLens score of a model that recovers
    titles is no score on unseen data. Returns the finding and columns item_id, title, answer,
    recovered, control, one row an item.
    Source: Di Palma et al. 2025, arXiv 2505.10212. Raises InputError unless there is one title and
        one answer an id.
    """
    margins = checked_margins(margins)[0]
    answers = list(answer(item_ids))
    if not len(item_ids) == len(titles) == len(answers) or len(titles) < 2:
        raise InputError(
            f"contamination: {len(item_ids)} ids, {len(titles)} titles, {len(answers)} answers;"
            " expected as many of each, 2 or more"
        )
    said, true = ([_plain(text or "") for text in some] for some in (answers, titles))
    times = Counter(true)
    recovered = np.array([a == t != "" for a, t in zip(said, true, strict=True)], dtype=float)
    control = (np.array([times[a] if a else 0 for a in said]) - recovered) / (len(true) - 1)
    found, chance = rate(int(recovered.sum()), len(true)), float(control.mean())
    p = mean_shift(recovered - control).p
    estimate = replace(
        found, value=found.value - chance, low=found.low - chance, high=found.high - chance, p=p
    )
    note = (
        f"Recovered {found.value:.2%} [{found.low:.2%}, {found.high:.2%}], with shuffled ids"
        f" {chance:.2%}."
    )
    name, sizes = "titles recovered from item ids, beyond shuffled ids", {"items": len(true)}
    finding = make_finding(
        "H4",
        "designers",
        name,
        estimate,
        n_by_group=sizes,
        margin=margins["contaminated"],
        notes=[note],
    )
    columns = {
        "item_id": list(item_ids),
        "title": list(titles),
        "answer": answers,
        "recovered": recovered == 1,
        "control": control,
    }
    return finding, pd.DataFrame(columns)


def score_share(scores: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Where an item's score stands between the lowest (0) and the highest (1) of its row: [n]; free
    of unit; -inf = 0, a flat row 0.

    >>> score_share(np.array([[0.0, 5.0, 10.0]]), np.array([1])).tolist()
    [0.5]
    """
    refuse_nan(scores)
    finite = np.isfinite(scores)
    low, high = (
        np.where(finite, scores, np.inf).min(axis=1),
        np.where(finite, scores, -np.inf).max(axis=1),
    )
    own = scores[np.arange(len(scores)), items]
    span = np.where(finite.any(axis=1), high - low, 0.0)
    return np.divide(
        own - low, span, out=np.zeros(len(scores)), where=(span > 0) & np.isfinite(own)
    )


def explanation_faithfulness(
    score: Callable[[Histories], np.ndarray],
    histories: Histories,
    items: Sequence[int],
    explanations: Sequence[Sequence[int]],
    margins: Mapping[str, float] | None = None,
    *,
    draws: int = 20,
    seed: int = 0,
) -> tuple[list[Finding], pd.DataFrame]:
    """Does the score of an item rest on the history items that an explanation names? Two deletion
    tests against random deletions.

    score: histories -> [n, n_items]. items: [n], the item recommended to each. explanations: [n],
        positions in the history that it names.
    With s the `score_share`, H a history, E its explanation and R a random part of H of the size of
    E (mean over ``draws``):
    comprehensiveness: [s(H) - s(H without E)] - [s(H) - s(H without R)]; sufficiency: s(E alone) -
        s(R alone). Both above 0 if E matters.
    So MATERIAL is good news here, and EQUIVALENT says that the explanation does no better than one
    drawn by lot. Margin "faithful". Rows whose explanation is empty or the whole history allow no
    comparison: left out. Returns findings and a row a user.
    Source: DeYoung et al. 2020 (ERASER), arXiv 1911.03429. Raises InputError for a position outside
        a history.
    """
    margins, rng = checked_margins(margins)[0], np.random.default_rng([seed, 59])
    chosen, flat, rows = _chosen(histories, items, explanations)
    size, n, items = np.bincount(rows[chosen], minlength=len(items)), len(items), np.asarray(items)
    usable = (size > 0) & (size < np.bincount(rows, minlength=n))
    if not usable.any():
        raise InputError(
            "explanation_faithfulness: every explanation is empty or the whole history; name some"
            " but not all of its items"
        )

    def share(kept: np.ndarray) -> np.ndarray:  # kept: which items of all histories, [flat]
        left, out = (
            np.split(flat[kept], np.cumsum(np.bincount(rows[kept], minlength=n))[:-1]),
            np.full(n, np.nan),
        )
        out[usable] = score_share(
            score([left[row] for row in np.flatnonzero(usable)]), items[usable]
        )
        return out

    without, alone = np.zeros(n), np.zeros(n)
    for _ in range(draws):
        lot = np.empty(len(flat), dtype=bool)
        lot[np.lexsort((rng.random(len(flat)), rows))] = (
            positions(np.bincount(rows, minlength=n)) < size[rows]
        )
        without, alone = without + share(~lot) / draws, alone + share(lot) / draws
    whole = share(np.ones(len(flat), dtype=bool))
    parts = {
        "share": whole,
        "without": share(~chosen),
        "alone": share(chosen),
        "lot_without": without,
        "lot_alone": alone,
    }
    table = pd.DataFrame(parts)
    return _faithful(table, margins["faithful"], rng), table


def _faithful(table: pd.DataFrame, margin: float, rng: np.random.Generator) -> list[Finding]:
    mean = table.mean()
    notes = [
        (
            f"Mean share of the score {mean['share']:.4f}; without the explanation"
            f" {mean['without']:.4f}, with it alone {mean['alone']:.4f}; by lot"
            f" {mean['lot_without']:.4f} and {mean['lot_alone']:.4f}."
        ),
        (
            "MATERIAL above 0 is good: the explanation carries the score. EQUIVALENT: it does no"
            " better than one drawn by lot."
        ),
    ]
    excess = {
        "comprehensiveness": table["lot_without"] - table["without"],
        "sufficiency": table["alone"] - table["lot_alone"],
    }
    return [
        paired_finding(
            "H4",
            "users",
            f"{name}: explanation - random",
            values.to_numpy(),
            margin,
            rng=rng,
            notes=notes,
        )
        for name, values in excess.items()
    ]


def _chosen(histories, items, explanations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For all history items in a row: whether the explanation names it, the item, and its user's
    row.
    """
    if not len(histories) == len(items) == len(explanations):
        raise InputError(
            f"explanation_faithfulness: {len(histories)} histories, {len(items)} items,"
            f" {len(explanations)} explanations; expected one each"
        )
    flat, rows = flatten(histories)
    sizes = np.bincount(rows, minlength=len(items))
    named, of = flatten(explanations)
    bad = np.flatnonzero((named < 0) | (named >= sizes[of]))
    if len(bad):
        row = of[bad[0]]
        raise InputError(
            f"explanations[{row}] names position {named[bad[0]]}: expected 0..{sizes[row] - 1},"
            " places in that history"
        )
    chosen = np.zeros(len(flat), dtype=bool)
    chosen[(np.cumsum(sizes) - sizes)[of] + named] = True
    return chosen, flat, rows


def false_statements(
    facts: pd.DataFrame, margins: Mapping[str, float] | None = None, *, seed: int = 0
) -> Finding:
    """The share of false statements in generated texts, mean over the texts that state anything (1
    - factual precision), as a finding.

    facts: of `tutorial_lib.evaluation.factual_frame`, one row a user, columns statements and true.
        Margin "invented".
    A text that states nothing states nothing false: the note counts such texts and gives the
    precision over all statements.
    """
    margins, rng = checked_margins(margins)[0], np.random.default_rng([seed, 61])
    said, true = facts["statements"].to_numpy(dtype=float), facts["true"].to_numpy(dtype=float)
    wrong = np.divide(said - true, said, out=np.full(len(said), np.nan), where=said > 0)
    precision = true.sum() / said.sum() if said.sum() else np.nan
    note = (
        f"{int(said.sum())} statements, precision {precision:.2%}; {int((said == 0).sum())} of"
        f" {len(said)} texts state nothing."
    )
    name = "false statements in explanations"
    return paired_finding(
        "H4",
        "users",
        name,
        wrong,
        margins["invented"],
        rng=rng,
        unit="texts",
        share=True,
        notes=[note],
    )
