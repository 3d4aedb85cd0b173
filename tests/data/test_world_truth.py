"""The truth of a planted world is exact: against brute force, by the laws of probability, and
against simulation.
"""

import time
from dataclasses import replace
from itertools import permutations
from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tutorial_recipes.worlds import make_world

from tutorial_lib.data import load_dataset, world_blocks
from tutorial_lib.data.worlds import AGE_SHARES, FEMALE, MOODS, THEMES, load_world
from tutorial_lib.errors import InputError

TINY = {"n_items": 6, "n_types": 3, "mean_length": 3, "links": 2, "taste_strength": 1.0}
EFFECTS = {"order": 0.35, "quality_gap": 0.4, "provider_bias": 0.7, "group_taste_correlation": 0.5}
EVERY_HISTORY = [list(h) for length in range(6) for h in permutations(range(6), length)]


def tiny(n_users=40, **options):
    return make_world("movies", n_users=n_users, review_share=0, **{**TINY, **options})


class SlowTruth:
    """The same process written down a second time, one number after another, from the planted
    numbers and the tables.
    """

    def __init__(self, world):
        plan, options = world.truth.plan, world.truth.plan["options"]
        themes, moods = list(THEMES), list(MOODS)
        items, self.n = world.items, world.n_items
        minority = [group == "minority" for group in items["provider_group"]]
        factor = [exp(-options["provider_bias"] * m) for m in minority]
        self.popular = [
            exp(options["popularity_exponent"] * plan["log_popularity"][i]) * factor[i]
            for i in range(self.n)
        ]
        where = [
            (themes.index(items["categories"][i][0]), moods.index(items["mood"][i]))
            for i in range(self.n)
        ]
        self.taste = [
            [
                exp(plan["theme_logits"][c][t] + plan["mood_logits"][c][m]) * self.popular[i]
                for i, (t, m) in enumerate(where)
            ]
            for c in range(options["n_types"])
        ]
        self.links = [dict() for _ in range(self.n)]
        for i in range(self.n):
            for j, weight in zip(plan["links"][i], plan["link_weights"][i], strict=True):
                if weight > 0:
                    self.links[i][int(j)] = weight * factor[j]
        self.order, self.gap, self.n_types = (
            options["order"],
            options["quality_gap"],
            options["n_types"],
        )
        self.new, self.arrived = set(world.truth.new_items.tolist()), world.truth.arrived
        self.prior = {}
        for g, gender_share in enumerate((1 - FEMALE, FEMALE)):
            for c in range(self.n_types):
                self.prior[c, g] = 0.0
                for a, age_share in enumerate(AGE_SHARES):
                    homes = [k for k in range(self.n_types) if k % 6 == 3 * g + a] or list(
                        range(self.n_types)
                    )
                    rho = options["group_taste_correlation"]
                    self.prior[c, g] += (
                        gender_share
                        * age_share
                        * (rho * (c in homes) / len(homes) + (1 - rho) / self.n_types)
                    )

    def step(self, history, c, g, late, tied=None):
        late = late or bool(self.new & set(history))
        unseen = [i for i in range(self.n) if i not in history and (late or i not in self.new)]
        taste_sum, popular_sum = (
            sum(self.taste[c][i] for i in unseen),
            sum(self.popular[i] for i in unseen),
        )
        gap = self.gap if g == 1 else 0.0
        p = {
            i: (1 - gap) * self.taste[c][i] / taste_sum + gap * self.popular[i] / popular_sum
            for i in unseen
        }
        linked = (
            {j: w for j, w in self.links[history[-1]].items() if j in unseen} if history else {}
        )
        if linked:
            order = self.order if tied is None else tied
            p = {
                i: (1 - order) * p[i] + order * linked.get(i, 0.0) / sum(linked.values())
                for i in unseen
            }
        return [p.get(i, 0.0) for i in range(self.n)]

    def posterior(self, history):
        joint = dict(self.prior)
        for state in joint:
            for t, item in enumerate(history):
                joint[state] *= self.step(history[:t], *state, late=item in self.new)[item]
        total = sum(joint.values())
        return {state: p / total for state, p in joint.items()}

    def predictive(self, history):
        return sum(
            p * np.array(self.step(history, *state, late=self.arrived))
            for state, p in self.posterior(history).items()
        )


@pytest.mark.parametrize(
    "effects",
    [
        {},
        EFFECTS,
        {"order": 0.0, "quality_gap": 1.0},
        {"n_types": 7, **EFFECTS},
        {"new_items": 0.34, **EFFECTS},
    ],
)
def test_brute_force_on_every_history_of_a_tiny_world(effects):
    world = tiny(**effects)
    slow = SlowTruth(world)
    histories = EVERY_HISTORY if not effects else EVERY_HISTORY[::7]
    fast = world.truth.next_item_probabilities(histories)
    np.testing.assert_allclose(fast, [slow.predictive(h) for h in histories], rtol=0, atol=1e-12)
    users = np.arange(len(histories)) % world.n_users
    states = list(zip(world.truth.user_types[users], world.truth.user_groups[users], strict=True))
    known = [slow.step(h, *s, late=True) for h, s in zip(histories, states, strict=True)]
    np.testing.assert_allclose(
        world.truth.next_item_probabilities(histories, users), known, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("effects", [{}, EFFECTS])
def test_simulated_next_items_have_the_predicted_frequencies(effects):
    """Generator and truth are two pieces of code: their agreement over 150,000 users is what makes
    the ceiling a ceiling.
    """
    world = tiny(n_users=150_000, **effects)
    sequences = np.array([s[:3] for s in world.sequences()])
    for length in range(3):
        prefix, row = np.unique(
            sequences[:, :length] @ 6 ** np.arange(length) if length else np.zeros(len(sequences)),
            return_inverse=True,
        )
        example = np.array([np.flatnonzero(row == i)[0] for i in range(len(prefix))])
        p = world.truth.next_item_probabilities(sequences[example, :length].tolist())
        counts = np.zeros_like(p)
        np.add.at(counts, (row, sequences[:, length]), 1)
        assert (counts[p == 0] == 0).all()
        expected = p * counts.sum(axis=1, keepdims=True)
        cells = expected > 5
        statistic = ((counts - expected)[cells] ** 2 / expected[cells]).sum()
        assert stats.chi2.sf(statistic, cells.sum() - len(prefix)) > 1e-4, (length, effects)
    # and given the true state, for the second item
    state = world.truth.user_types + 3 * world.truth.user_groups
    counts, example = np.zeros((36, 6)), np.zeros(36, dtype=int)
    cell = state * 6 + sequences[:, 0]
    np.add.at(counts, (cell, sequences[:, 1]), 1)
    example[cell] = np.arange(len(cell))
    p = world.truth.next_item_probabilities(sequences[example, :1].tolist(), users=example)
    expected = p * counts.sum(axis=1, keepdims=True)
    cells = expected > 5
    assert (
        stats.chi2.sf(((counts - expected)[cells] ** 2 / expected[cells]).sum(), cells.sum() - 36)
        > 1e-4
    )


def test_brute_force_before_the_new_items_arrive():
    world = tiny(new_items=0.34, **EFFECTS)
    before = replace(world, truth=world.truth.on("valid"))
    histories = [h for h in EVERY_HISTORY if len(h) < 4]
    slow = [SlowTruth(before).predictive(h) for h in histories]
    fast = before.truth.next_item_probabilities(histories)
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-12)


def test_brute_force_where_timestamps_tell_which_links_were_followed():
    world = tiny(page=3, **EFFECTS)
    slow, truth = SlowTruth(world), world.truth
    known, unknown = [], []
    for history in map(np.ndarray.tolist, world.sequences()[:25]):
        linked = [
            t > 0 and history[t] in truth.links[history[t - 1]][:2] for t in range(len(history))
        ]
        for next_one in (0, 1):
            joint = {}
            for state, chance in slow.prior.items():
                for t, item in enumerate(history):
                    chance *= slow.step(history[:t], *state, late=True, tied=linked[t])[item]
                joint[state] = chance
            p = sum(
                chance * np.array(slow.step(history, *state, late=True, tied=next_one))
                for state, chance in joint.items()
            )
            known.append(p / sum(joint.values()))
            got = truth.next_item_probabilities([history], tied=[[*linked, next_one]])[0]
            np.testing.assert_allclose(got, known[-1], rtol=0, atol=1e-12)
        nothing = truth.next_item_probabilities([history], tied=[[np.nan] * (len(history) + 1)])
        unknown.append((nothing, truth.next_item_probabilities([history])))
    for nothing, blind in unknown:
        np.testing.assert_array_equal(nothing, blind)


def test_simulated_last_items_have_the_predicted_frequencies_with_new_ones_among_them():
    world = tiny(n_users=100_000, new_items=0.34, **EFFECTS)
    sequences = np.array([s for s in world.sequences() if len(s) == 3])
    prefix, row = np.unique(sequences[:, :2] @ [6, 1], return_inverse=True)
    p = world.truth.next_item_probabilities([divmod(int(code), 6) for code in prefix])
    counts = np.zeros_like(p)
    np.add.at(counts, (row, sequences[:, 2]), 1)
    expected = p * counts.sum(axis=1, keepdims=True)
    cells = expected > 5
    statistic = ((counts - expected)[cells] ** 2 / expected[cells]).sum()
    assert counts[:, world.truth.new_items].sum() > 10_000 and not counts[p == 0].any()
    assert stats.chi2.sf(statistic, cells.sum() - len(prefix)) > 1e-4


def test_nothing_perturbed_predicts_fresh_data_better_and_knowing_the_type_does():
    world = make_world("movies", seed=11, n_users=4000, order=0.2, review_share=0)
    sequences = world.sequences()
    histories, targets = [s[:5] for s in sequences], np.array([s[5] for s in sequences])
    truth, rows = world.truth, np.arange(4000)

    def gain(p):  # nats a target over the truth, in standard errors
        difference = np.log(p[rows, targets]) - np.log(
            truth.next_item_probabilities(histories)[rows, targets]
        )
        return difference.mean() / (difference.std() / np.sqrt(len(rows)))

    perturbed = [replace(truth, order=o) for o in (0.1, 0.3)]
    perturbed += [
        replace(truth, taste_weights=truth.taste_weights**power) for power in (0.85, 1.15)
    ]
    perturbed.append(
        replace(
            truth,
            taste_weights=truth.taste_weights[:20],
            prior=truth.prior[:20] / truth.prior[:20].sum(),
        )
    )
    perturbed.append(replace(truth, link_weights=(truth.link_weights > 0) * 1.0))
    for other in perturbed:
        assert gain(other.next_item_probabilities(histories)) < -2
    assert gain(truth.next_item_probabilities(histories, users=rows)) > 5


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_laws_of_probability_hold_for_any_effects_and_histories(data):
    effects = {
        name: data.draw(st.floats(0, 0.95), label=name)
        for name in ("order", "quality_gap", "group_taste_correlation")
    }
    effects["provider_bias"] = data.draw(st.floats(-5, 5))
    truth = make_world(
        "products", n_users=10, n_items=15, mean_length=5, n_types=5, review_share=0, **effects
    ).truth
    histories = data.draw(
        st.lists(st.lists(st.integers(0, 14), unique=True, max_size=13), min_size=1, max_size=6)
    )
    users = data.draw(st.sampled_from([None, [4] * len(histories)]))
    p = truth.next_item_probabilities(histories, users)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    for row, history in zip(p, histories, strict=True):
        assert (row[history] == 0).all() and (np.delete(row, history) > 0).all()
    alone = np.concatenate(
        [truth.next_item_probabilities([h], None if users is None else [4]) for h in histories]
    )
    np.testing.assert_allclose(p, alone, atol=1e-13)  # other rows of the call make no difference


def test_blocks_repeats_and_array_types_make_no_difference(monkeypatch):
    world = load_world("news")
    histories = [s[: i % 30] for i, s in enumerate(world.sequences()[:300])]
    whole = world.truth.next_item_probabilities(histories)
    monkeypatch.setattr(world_blocks, "CELLS", 5_000)
    np.testing.assert_allclose(
        world.truth.next_item_probabilities([h.tolist() for h in histories]), whole, atol=1e-14
    )
    twice = [np.repeat(h, 2) for h in histories]
    # double clicks tell nothing
    np.testing.assert_allclose(world.truth.next_item_probabilities(twice), whole, atol=1e-14)


def test_empty_calls_and_empty_histories():
    truth = load_world("news").truth
    assert truth.next_item_probabilities([]).shape == (0, 400)
    np.testing.assert_allclose(truth.next_item_probabilities([[], []]).sum(axis=1), 1)


def test_bad_histories_and_users_are_one_clear_line():
    truth = tiny().truth
    for call, words in (
        (lambda: truth.next_item_probabilities([[0], [6]]), "history 1 holds item 6"),
        (lambda: truth.next_item_probabilities([[0, 1, 2, 3, 4, 5]]), "no next item to predict"),
        (lambda: truth.next_item_probabilities([[0]], users=[40]), "user codes must lie in 0..39"),
        (lambda: truth.next_item_probabilities([[0]], users=[1, 2]), "2 users for 1 histories"),
        (lambda: truth.for_users([-1]), "user codes must lie in"),
        (lambda: truth.next_item_probabilities([[0]], tied=[[0]]), "one for the next item"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_subsets_of_users_keep_their_own_truth():
    world = load_dataset("world-news")
    part = world.subset_users([7, 3, 900])
    assert part.truth.user_types.tolist() == world.truth.user_types[[3, 7, 900]].tolist()
    history = world.sequences()[7][:10]
    np.testing.assert_array_equal(
        part.truth.next_item_probabilities([history], [1]),
        world.truth.next_item_probabilities([history], [7]),
    )
    # with items gone the probabilities no longer hold
    assert world.k_core(5).truth is not None and world.k_core(20).truth is None


def test_two_thousand_histories_take_less_than_a_second():
    world = load_world("movies")
    histories = [s[:-1] for s in world.sequences()]
    seconds = []
    for _ in range(3):  # processor time, best of three: a busy machine is no regression
        started = time.process_time()
        world.truth.next_item_probabilities(histories)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 1
