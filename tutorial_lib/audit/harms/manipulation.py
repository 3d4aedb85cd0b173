"""H5: manipulation by planted data. What an attack on one item gains.

Attacks are shown on the kit's own models and catalogues, to measure how much a defence is worth.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tutorial_lib.audit.core.finding import Finding
from tutorial_lib.audit.core.margins import checked_margins
from tutorial_lib.audit.harms.injection import with_fake_users
from tutorial_lib.audit.inference.paired import int_lists, paired_finding, quality_changes
from tutorial_lib.data import Split
from tutorial_lib.data.histories import flatten
from tutorial_lib.errors import InputError, unknown_name

KINDS = ("random", "bandwagon")


def attack_findings(
    before: np.ndarray,
    after: np.ndarray,
    target: int,
    controls: Sequence[int],
    targets: Sequence[Collection[int]] | None = None,
    *,
    margins: Mapping[str, float] | None = None,
) -> list[Finding]:
    """What an attack on one item gains: its rise in the lists, beyond that of items as popular.

    Args:
        before, after: int [n, k], -1 = padding: lists of the same users by the system as it was
            and attacked, by text in a title, fake profiles or anything else.
        target: the attacked item.
        controls: items of `matched_controls`.
        targets: [n] collections of the items that users went on to choose.

    Returns:
        lift: share of users shown the target, after - before, minus the mean of the same over the
        controls. success: share of the users not shown it before who are shown it after. With
        targets also the collateral change of NDCG@k and hit@k.
    """
    checked = checked_margins(margins)[0]
    before = int_lists("before", before)
    after = int_lists("after", after, len(before))
    if not len(controls) or target in controls:
        raise InputError(
            f"controls: expected at least one item, and not the target {target}; take them from"
            " matched_controls"
        )
    was, now = ((lists == target).any(axis=1) for lists in (before, after))
    n_before, n_after = (np.isin(lists, controls).sum(axis=1) for lists in (before, after))
    usual = (n_after - n_before) / len(controls)
    note = (
        f"Shown to {was.mean():.2%} before, {now.mean():.2%} after; {len(controls)} controls rise"
        f" by {usual.mean():+.2%}."
    )
    who, margin = "platform, providers", checked["lift"]
    lift, success = now.astype(float) - was - usual, np.where(was, np.nan, now)
    findings = [
        paired_finding(
            "H5", who, "exposure lift of the attacked item - controls", lift, margin, notes=[note]
        ),
        paired_finding(
            "H5", who, "attack success: users newly shown the item", success, margin, share=True
        ),
    ]
    if targets is not None:
        findings += quality_changes("H5", "attacked - before", before, after, targets, checked)
    return findings


def matched_controls(counts: np.ndarray, target: int, n: int = 20, *, seed: int = 0) -> np.ndarray:
    """The ``n`` items nearest to the target in number of interactions, by ratio: [n] codes.

    Equally near items are drawn at random.

    Args:
        counts: [n_items], of the training part before the attack.

    >>> matched_controls(np.array([5, 100, 6, 90]), target=1, n=1).tolist()
    [3]
    """
    counts = np.asarray(counts)
    if not 0 <= target < len(counts) or not 1 <= n < len(counts):
        raise InputError(
            f"matched_controls(target={target}, n={n}): expected an item 0..{len(counts) - 1} and"
            f" 1..{len(counts) - 1} controls"
        )
    distance = np.abs(np.log1p(counts) - np.log1p(counts[target]))
    distance[target] = np.inf
    ties = np.random.default_rng([seed, 79]).random(len(counts))
    return np.sort(np.lexsort((ties, distance))[:n])


def shilled(
    split: Split, target: int, profiles: int, size: int = 20, *, kind: str = "random", seed: int = 0
) -> Split:
    """The split after a shilling attack: fake users are added (`with_fake_users`).

    Args:
        target: the item that each profile holds.
        profiles: number of fake users, "fake-0" and so on.
        size: interactions of each, in random order.
        kind: "random": the other items are drawn from the whole catalogue; "bandwagon": half of
            them are the most popular, to be near many users.

    Raises:
        InputError: an impossible item, number or size.

    Source: Lam & Riedl 2004; Mobasher et al. 2007 (bandwagon).
    """
    n_items = split.dataset.n_items
    if kind not in KINDS:
        raise unknown_name("kind of profiles", kind, KINDS)
    if not (0 <= target < n_items and profiles >= 1 and 1 <= size <= n_items):
        raise InputError(
            f"shilled(target={target}, profiles={profiles}, size={size}): expected"
            f" 0..{n_items - 1}, 1 or more, 1..{n_items}"
        )
    rng = np.random.default_rng([seed, 83])
    order = rng.random((profiles, n_items))  # each profile takes its ``size`` lowest items
    if kind == "bandwagon":
        counts = np.bincount(flatten(split.train)[0], minlength=n_items).astype(float)
        counts[target] = -1
        order[:, np.argsort(-counts, kind="stable")[: (size - 1) // 2]] = -1
    order[:, target] = -2
    fakes = rng.permuted(np.argsort(order, axis=1)[:, :size], axis=1)
    return with_fake_users(split, fakes, f"{profiles} fake profiles", prefix="fake")
