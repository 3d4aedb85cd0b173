"""H4, untrue output: items that do not exist, and titles known before the test."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.core.margins import checked_margins
from tutorial_lib.audit.inference.paired import paired_finding
from tutorial_lib.audit.inference.statistics import mean_shift, rate
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.text import tokens

NEAR = 0.85  # difflib ratio from which a text counts as a misspelt title
TITLE_FAULTS = {
    "outside": "written items without a match in the catalogue, before grounding",
    "near_miss": "written items that miss a title of the catalogue narrowly",
    "wrong_format": "written items that are no single title",
    "repeated": "written items that stand higher in the same list",
}


def title_faults(texts: Sequence[Sequence[str]], titles: Sequence[str]) -> pd.DataFrame:
    """How often what a model wrote is not an item, before its text is matched to the catalogue.

    Measure it before grounding: where each text is mapped to its nearest title (BIGRec, Bao et
    al. 2023), none is outside the catalogue.

    Args:
        texts: for each user, the titles as written.
        titles: those of the catalogue. A match is exact but for case and punctuation.

    Returns:
        One row per user, each column a share of the user's texts (nan without a text).
        outside: no match. Of these, near_miss: almost a title (`NEAR`); wrong_format: not near,
        and empty, of several lines, or of more words than the longest title. repeated: like an
        earlier text of the list.

    >>> faults = title_faults([["Heat", "heat!", "Heatt", "Ran"]], ["Heat", "Alien"])
    >>> faults[["outside", "near_miss", "repeated"]].iloc[0].tolist()
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
    catalogue = sorted(known)
    longest = max(len(title.split()) for title in known)

    @cache
    def kind(text: str) -> str:
        plain = _plain(text)
        if plain in known:
            return "title"
        if plain and difflib.get_close_matches(plain, catalogue, n=1, cutoff=NEAR):
            return "near_miss"
        no_title = not plain or "\n" in text.strip() or len(plain.split()) > longest
        return "wrong_format" if no_title else "invented"

    rows = []
    for written in texts:
        kinds = Counter(map(kind, written))
        different = len(set(map(_plain, written)))
        counts = np.array(
            [
                len(written) - kinds["title"],
                kinds["near_miss"],
                kinds["wrong_format"],
                len(written) - different,
            ]
        )
        rows.append(counts / len(written) if written else np.full(4, np.nan))
    return pd.DataFrame(np.array(rows).reshape(-1, 4), columns=list(TITLE_FAULTS))


def _plain(text: str) -> str:
    return " ".join(tokens(text))


def generated_titles_findings(
    texts: Sequence[Sequence[str]],
    titles: Sequence[str],
    margins: Mapping[str, float] | None = None,
) -> list[Finding]:
    """`title_faults` as findings, the first being the out-of-catalogue rate.

    The mean share over users is judged by the margin "invented" (no p). The interval is over
    users; where nobody is affected it is Wilson's, so that "none of 300 users" reads "below 1.3 %".
    """
    margin = checked_margins(margins)[0]["invented"]
    return [
        paired_finding(
            "H4", "users, providers", TITLE_FAULTS[name], share.to_numpy(), margin, share=True
        )
        for name, share in title_faults(texts, titles).items()
    ]


def contamination(
    answer: Callable[[Sequence], Sequence[str]],
    item_ids: Sequence,
    titles: Sequence[str],
    margins: Mapping[str, float] | None = None,
) -> tuple[Finding, pd.DataFrame]:
    """Did a pre-trained model see the data set? It should not know the title behind an item's id.

    Measured is the share of recovered titles beyond a control: the same answers held against the
    titles of the other items, the exact mean over all shuffles. A model that always names a
    famous film gains nothing. A MovieLens score of a model that recovers titles is not a score on
    unseen data.

    Args:
        answer: ids -> one text each, such as a prompted model. It must not have been shown these
            pairs.
        titles: the true ones. A match is exact but for case and punctuation.

    Returns:
        The finding (margin "contaminated"; Wilson's interval of the recovered share, minus the
        control; p of a paired t) and a table with columns item_id, title, answer, recovered,
        control.

    Raises:
        InputError: unless there is one title and one answer per id.

    Source: Di Palma et al. 2025, arXiv 2505.10212.
    """
    answers = list(answer(item_ids))
    if not len(item_ids) == len(titles) == len(answers) or len(titles) < 2:
        raise InputError(
            f"contamination: {len(item_ids)} ids, {len(titles)} titles, {len(answers)} answers;"
            " expected as many of each, 2 or more"
        )
    table = _recovered(item_ids, titles, answers)
    share = rate(int(table["recovered"].sum()), len(table))
    chance = float(table["control"].mean())
    estimate = replace(
        share,
        value=share.value - chance,
        low=share.low - chance,
        high=share.high - chance,
        p=mean_shift((table["recovered"] - table["control"]).to_numpy()).p,
    )
    note = (
        f"Recovered {share.value:.2%} [{share.low:.2%}, {share.high:.2%}], with shuffled ids"
        f" {chance:.2%}."
    )
    finding = make_finding(
        "H4",
        "designers",
        "titles recovered from item ids, beyond shuffled ids",
        estimate,
        n_by_group={"items": len(table)},
        margin=checked_margins(margins)[0]["contaminated"],
        notes=[note],
    )
    return finding, table


def _recovered(
    item_ids: Sequence, titles: Sequence[str], answers: Sequence[str | None]
) -> pd.DataFrame:
    """Columns item_id, title, answer, recovered, control (the share of other items it names)."""
    given = [_plain(text or "") for text in answers]
    true = [_plain(title or "") for title in titles]
    recovered = np.array([a == t != "" for a, t in zip(given, true, strict=True)])
    bearers = Counter(true)
    matches = np.array([bearers[text] if text else 0 for text in given])
    columns = {"item_id": list(item_ids), "title": list(titles), "answer": list(answers)}
    control = (matches - recovered) / (len(true) - 1)
    return pd.DataFrame(columns | {"recovered": recovered, "control": control})
