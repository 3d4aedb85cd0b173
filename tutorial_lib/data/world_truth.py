"""`Truth`: the exact next-item distributions of a planted world, the ceiling of any leaderboard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.data.world_blocks import PaddedHistories, blocks_of
from tutorial_lib.errors import InputError


@dataclass(frozen=True, eq=False)
class Truth:
    """The process that made a world, and what follows from it by Bayes' rule.

    A user is in one of 2 C hidden states (taste type c, group g). Given state and history, the next
    item x is drawn from

        p(x | history, c, g) = order * q(x | last item) + (1 - order) * e(x | c, g)

    over the unseen items. q: the links of the last item, renormalised over the unseen ones (no
    unseen link left, or no last item: order counts as 0). e: ``taste_weights[c]`` renormalised over
    the unseen items; in group 1 ("F") this is replaced by ``popularity_weights``, renormalised
    alike, with probability ``quality_gap``. The state is constant, so its posterior is the prior
    times a product over the steps of the history, and the predictive distribution is exact.

    New items are on offer in the test period only, which is the last event of every user. Before
    it, every share above is one of the unseen *old* items. A history that holds a new item has
    reached the test period with it.

    An item that occurs again in a history (a double click, see ``duplicates`` of `make_world`) says
    nothing: the first occurrence counts.

    Args:
        taste_weights: [C, n_items], > 0.
        popularity_weights: [n_items], > 0.
        prior: P(type, group), [C, 2].
        links: item codes, [n_items, K]; sparse, so that memory stays linear.
        link_weights: [n_items, K], >= 0 (0 pads).
        order: 0..1, see above.
        quality_gap: 0..1, see above.
        user_types: int [n_users].
        user_groups: int [n_users], 0 or 1.
        canary: item codes of the planted canary, at the start of the histories of
            ``canary_users``: the only events outside the process.
        canary_users: user codes.
        plan: the rounded numbers that the world was planted from: options (the keywords),
            theme_logits, mood_logits, log_popularity, links, link_weights.
        new_items: codes of the new items.
        arrived: whether the next item lies in the test period.
    """

    taste_weights: np.ndarray
    popularity_weights: np.ndarray
    prior: np.ndarray
    links: np.ndarray
    link_weights: np.ndarray
    order: float
    quality_gap: float
    user_types: np.ndarray
    user_groups: np.ndarray
    canary: np.ndarray
    canary_users: np.ndarray
    plan: Mapping[str, Any]
    new_items: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    arrived: bool = True

    @property
    def n_items(self) -> int:
        return self.taste_weights.shape[1]

    @property
    def n_types(self) -> int:
        return self.taste_weights.shape[0]

    def next_item_probabilities(
        self,
        histories: Histories,
        users: Sequence[int] | None = None,
        tied: Sequence | None = None,
    ) -> np.ndarray:
        """The distribution of the next item.

        Args:
            histories: one sequence of item codes per row, oldest first; may be empty.
            users: user codes, one per row: the result is then given the true taste type and group
                of that user. Without: the exact posterior predictive, the best that can be known
                from the items of the history alone (ratings, attributes or another domain of the
                same person may add to it).
            tied: what timestamps tell in a world of visits: for each history one number per item
                and one for the next item, 1 where it follows a link of the item before (same visit,
                same time), 0 where not, NaN where that is not known.

        Returns:
            float [n, n_items]; rows sum to 1 and are exactly 0 on items in the history.

        Raises:
            InputError: an item or user is unknown, or a history leaves no item to predict.

        >>> from tutorial_lib.data import load_dataset
        >>> truth = load_dataset("world-news").truth
        >>> truth.next_item_probabilities([[], [3, 14]])[1, [3, 14]].tolist()
        [0.0, 0.0]
        """
        out = np.empty((len(histories), self.n_items))
        for block in self._blocks(histories, users, tied):
            out[block.rows] = self._predictive(block)
        return out

    def on(self, part: str) -> Truth:
        """The process as it is when "test" or "valid" targets are chosen: only the former may be
        new items.
        """
        return replace(self, arrived=part == "test")

    @cached_property
    def _old(self) -> np.ndarray:
        """1.0 for items that are on offer from the start: [n_items]."""
        old = np.ones(self.n_items)
        old[self.new_items] = 0.0
        return old

    def for_users(self, users: Sequence[int] | np.ndarray) -> Truth:
        """The same process, knowing only these users, renumbered 0, 1, ... in the order given."""
        codes = self._checked_users(users)
        return replace(
            self,
            user_types=self.user_types[codes],
            user_groups=self.user_groups[codes],
            canary_users=np.flatnonzero(np.isin(codes, self.canary_users)),
        )

    def _checked_users(self, users: Sequence[int] | np.ndarray) -> np.ndarray:
        codes = np.asarray(users, dtype=np.int64)
        if len(codes) and (codes.min() < 0 or codes.max() >= len(self.user_types)):
            raise InputError(
                f"truth: user codes must lie in 0..{len(self.user_types) - 1}, found "
                f"{codes.min()}..{codes.max()}"
            )
        return codes

    def _blocks(
        self, histories: Histories, users: Sequence[int] | None, tied: Sequence | None
    ) -> Iterator[PaddedHistories]:
        """Histories of similar length together, first occurrences only."""
        flat, rows = check_histories(histories, self.n_items)
        if users is not None and len(users) != len(histories):
            raise InputError(
                f"truth: {len(users)} users for {len(histories)} histories; "
                "expected one user code per history"
            )
        known = _checked_ties(tied, rows, len(histories))
        first = np.sort(np.unique(rows * self.n_items + flat, return_index=True)[1])
        sizes = np.bincount(rows[first], minlength=len(histories))
        n_offered = self.n_items if self.arrived else int(self._old.sum())
        if len(sizes) and sizes.max() >= n_offered:
            raise InputError(
                f"history {sizes.argmax()} holds all {n_offered} items of the catalogue: there "
                "is no next item to predict"
            )
        codes = None if users is None else self._checked_users(users)
        numbers = max(2 * self.n_types, self.links.shape[1])
        for block in blocks_of(flat[first], sizes, self.n_items, numbers):
            if known is not None:
                of_events, of_next = known
                block.tied[:, :-1][block.mask] = of_events[first][block.events]
                block.tied[:, -1] = of_next[block.rows]
            # from the first new item on, new items are on offer
            new = block.mask & (self._old[block.items] == 0)
            block.late[:, :-1] = np.logical_or.accumulate(new, axis=1)
            block.late[:, -1] = new.any(axis=1) | self.arrived
            yield block if codes is None else replace(block, users=codes[block.rows])

    def _predictive(self, block: PaddedHistories) -> np.ndarray:
        """p(next item | history): [B, n_items]."""
        joint = self._log_joint(block)
        state = np.exp(joint - joint.max(axis=1, keepdims=True))
        state /= state.sum(axis=1, keepdims=True)
        state = state.reshape(-1, 2, self.n_types)
        unseen = block.unseen * np.where(block.late[:, -1:], 1.0, self._old)
        by_taste = state[:, 0] + (1 - self.quality_gap) * state[:, 1]
        out = by_taste / (unseen @ self.taste_weights.T) @ self.taste_weights
        if self.quality_gap:
            by_popularity = self.quality_gap * state[:, 1].sum(axis=1)
            by_popularity = by_popularity / (unseen @ self.popularity_weights)
            out += np.outer(by_popularity, self.popularity_weights)
        out *= unseen
        some = np.flatnonzero(block.sizes)  # rows with a last item
        last = block.items[some, block.sizes[some] - 1]
        tails = self.links[last]
        weights = self.link_weights[last] * np.take_along_axis(unseen[some], tails, axis=1)
        total = weights.sum(axis=1)
        linked = total > 0
        some = some[linked]
        share = weights[linked] / total[linked, None]
        order = self._order(block.tied[some, -1])[:, None]
        out[some] *= 1 - order
        np.add.at(out, (some[:, None], tails[linked]), order * share)
        return out / out.sum(axis=1, keepdims=True)  # removes rounding only: the sum is 1 already

    def _log_joint(self, block: PaddedHistories) -> np.ndarray:
        """log P(state, history): [B, 2 C], group 0 first; -inf for states that the known user is
        not in.
        """
        with np.errstate(divide="ignore"):
            joint = np.tile(np.log(self.prior.T.reshape(-1)), (len(block.rows), 1))
        if block.users is not None:
            known = self.user_groups[block.users] * self.n_types + self.user_types[block.users]
            joint = np.where(np.arange(2 * self.n_types) == known[:, None], 0.0, -np.inf)
        if not block.items.shape[1]:
            return joint
        taste = self._share_of_unseen(self.taste_weights, block)
        linked, any_link = self._link_share(block)
        order = (self._order(block.tied[:, :-1]) * any_link)[..., None]

        def steps(chosen: np.ndarray) -> np.ndarray:
            """log P(history) where a step without a link follows ``chosen``: [B, C]."""
            p = order * linked[..., None] + (1 - order) * chosen
            return (np.log(p) * block.mask[..., None]).sum(axis=1)

        likelihood = steps(taste)
        joint[:, : self.n_types] += likelihood
        if self.quality_gap:  # without it, both groups choose alike
            popular = self._share_of_unseen(self.popularity_weights[None], block)
            likelihood = steps((1 - self.quality_gap) * taste + self.quality_gap * popular)
        joint[:, self.n_types :] += likelihood
        return joint

    def _order(self, tied: np.ndarray) -> np.ndarray:
        """Probability that a link is followed, where it is not known that one was or was not."""
        return np.where(np.isnan(tied), self.order, tied)

    def _share_of_unseen(self, weights: np.ndarray, block: PaddedHistories) -> np.ndarray:
        """weights[r, item] / sum of weights[r] over the items unseen at that step: [B, L, R]."""
        real = block.mask[..., None]
        own = weights.T[block.items] * real  # [B, L, R]
        # what is unseen before step t = what is unseen at the end + the items of steps t, t+1, ...:
        # sums of positive numbers, so nothing cancels
        rest = np.cumsum(own[:, ::-1], axis=1)[:, ::-1]
        unseen = rest + (block.unseen @ weights.T)[:, None]
        if len(self.new_items):  # the same among the old items, where the others are yet to come
            own_old = own * self._old[block.items][..., None]
            rest = np.cumsum(own_old[:, ::-1], axis=1)[:, ::-1]
            unseen_old = rest + ((block.unseen * self._old) @ weights.T)[:, None]
            unseen = np.where(block.late[:, :-1, None], unseen, unseen_old)
        return np.where(real, own, 1.0) / np.where(real, unseen, 1.0)

    def _link_share(self, block: PaddedHistories) -> tuple[np.ndarray, np.ndarray]:
        """q(item | item before) at every step, and whether the item before had an unseen link: both
        [B, L].
        """
        before = block.items[:, :-1]
        steps = np.arange(1, block.items.shape[1])[:, None]
        line = np.arange(len(before))[:, None, None]
        tails = self.links[before]  # [B, L-1, K]
        weights = self.link_weights[before] * (block.seen_at[line, tails] >= steps)
        weights *= np.where(block.late[:, 1:-1, None], 1.0, self._old[tails])
        total = weights.sum(axis=2)
        hit = (weights * (tails == block.items[:, 1:, None])).sum(axis=2)
        share = np.divide(hit, total, out=np.zeros_like(total), where=total > 0)
        first = np.zeros((len(before), 1))  # nothing comes before the first item
        share = np.concatenate([first, share], axis=1)
        return share, np.concatenate([first > 0, total > 0], axis=1)


def _checked_ties(
    tied: Sequence | None, rows: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """``tied`` of `Truth.next_item_probabilities`: of all events, and of the next item of each
    history.
    """
    if tied is None:
        return None
    ends = np.cumsum(np.bincount(rows, minlength=n) + 1)
    if [len(row) for row in tied] != np.diff(ends, prepend=0).tolist():
        raise InputError(
            "truth: tied needs one number for each item of a history and one for the next item (1:"
            " same visit as the item before, 0: not, NaN: not known)"
        )
    flat = np.concatenate([*(np.asarray(row, dtype=np.float64) for row in tied), np.empty(0)])
    return np.delete(flat, ends - 1), flat[ends - 1]
