"""Manipulation: planted position bias and planted attacks come back in size; a ranker that ignores
the order is left alone.
"""

import numpy as np
import pytest
from scipy.stats import kendalltau
from small import random_dataset
from tutorial_recipes.worlds import make_world

from tutorial_lib.audit.harms.manipulation import attack_findings, matched_controls, shilled
from tutorial_lib.audit.harms.position_bias import kendall, order_bootstrap, position_findings
from tutorial_lib.data import hold_out_k, leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import evaluate
from tutorial_lib.models import EASE, ItemKNN

N, C = 300, 10


def candidates(n=N, c=C):
    return np.random.default_rng(0).permuted(np.tile(np.arange(100), (n, 1)), axis=1)[:, :c]


def by_code(given):
    return np.sort(given, axis=1)


def biased(beta, seed=0):
    """With probability beta a list comes back in the order it was given, else sorted by what it
    holds.
    """
    rng = np.random.default_rng(seed)
    return lambda given: np.where(rng.random(len(given))[:, None] < beta, given, by_code(given))


def test_kendall_is_that_of_scipy():
    rng = np.random.default_rng(1)
    a, b = (rng.permuted(np.tile(np.arange(7), (20, 1)), axis=1) for _ in range(2))
    assert kendall(a, b) == pytest.approx(
        [kendalltau(x, y).statistic for x, y in zip(a, b, strict=True)]
    )


def test_a_planted_position_bias_comes_back_in_size():
    beta = 0.3
    found, table = position_findings(biased(beta), candidates())
    tau, first, instability = found
    assert (
        tau.ci[0] < beta < tau.ci[1]
        and tau.verdict == "MATERIAL"
        and tau.estimate == pytest.approx(beta, abs=0.03)
    )
    total_variation = beta * (1 - 1 / C)  # the first place wins beta + (1 - beta) / c of the time
    assert first.ci[0] < total_variation < first.ci[1] and first.verdict == "MATERIAL"
    assert table.attrs["first_from_place"][0] == pytest.approx(beta + (1 - beta) / C, abs=0.03)
    swapped = (
        1 - (1 - beta) ** 2
    ) / 2  # two outputs agree if both sort, else half of the pairs differ
    assert table["swapped"].mean() == pytest.approx(swapped, abs=0.02)
    assert (
        instability.estimate < swapped
    )  # the same order asked twice differs too: that part is not the order's doing
    assert {f.harm for f in found} == {"H5"}


def test_a_ranker_that_ignores_the_order_is_equivalent():
    found, table = position_findings(by_code, candidates(600), [[3]] * 600, orders=16)
    assert (
        [f.verdict for f in found] == ["EQUIVALENT"] * 3
        and (table["swapped"] == 0).all()
        and table["ndcg_sd"].max() < 1e-12
    )


def test_noise_of_the_ranker_is_not_charged_to_the_order():
    rng = np.random.default_rng(2)
    instability = position_findings(lambda given: rng.permuted(given, axis=1), candidates())[0][2]
    assert abs(instability.estimate) < 0.02 and instability.ci[0] < 0 < instability.ci[1]


def test_a_pull_to_the_middle_is_seen_by_the_first_place_though_tau_is_blind():
    def middle(given):
        return given[:, np.argsort(np.abs(np.arange(C) - 4.4), kind="stable")]

    tau, first, _ = position_findings(middle, candidates())[0]
    assert (
        abs(tau.estimate) < 0.25
        and first.estimate > 0.8
        and "input place 5 of 10: 100.0%" in first.notes[0]
    )


def test_false_alarms_of_the_first_place_are_rare():
    rng = np.random.default_rng(3)
    found = [
        position_findings(by_code, rng.permuted(candidates(60), axis=1), orders=3, seed=seed)[0][1]
        for seed in range(40)
    ]
    assert (
        sum(f.p < 0.05 and f.ci[0] > 0 for f in found) <= 6
    )  # more than 6 of 40 at a true 5 %: once in 300


def test_ndcg_varies_with_the_order_as_planted():
    """The order is repeated: the one relevant item of ten falls on a random place, so NDCG has the
    mean and spread of its gains.
    """
    given = candidates()
    table = position_findings(lambda lists: lists, given, [[row[0]] for row in given], orders=20)[1]
    gains = 1 / np.log2(np.arange(2, 12))
    assert table["ndcg"].mean() == pytest.approx(gains.mean(), abs=0.01) and table[
        "ndcg_sd"
    ].mean() == pytest.approx(gains.std(), abs=0.02)


def test_order_bootstrap_removes_the_order_and_keeps_the_ranking():
    given, rng = candidates(), np.random.default_rng(4)
    keyed = lambda lists: np.where((lists.sum(axis=1) % 2 == 0)[:, None], lists, by_code(lists))  # noqa: E731  half repeat the order
    shuffled = rng.permuted(given, axis=1)
    assert (order_bootstrap(keyed, given) == order_bootstrap(keyed, shuffled)).all()
    assert (order_bootstrap(by_code, given) == by_code(given)).all()

    def shifted(lists):  # true order by code, the first candidate lifted to the top
        lifted = lists == lists[:, :1]
        return np.take_along_axis(lists, np.argsort(np.where(lifted, -1, lists), axis=1), axis=1)

    plain, averaged = (
        kendall(by_code(given), by_code(given)),
        order_bootstrap(shifted, given, orders=40),
    )
    agreement = [
        kendall(np.argsort(given), np.argsort(one)).mean() for one in (shifted(given), averaged)
    ]
    truth = kendall(np.argsort(by_code(given)), np.argsort(averaged)).mean()
    assert plain.min() == 1 and truth > 0.9 and abs(agreement[1]) < abs(agreement[0])


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(InputError, match="distinct item codes"):
        position_findings(by_code, np.array([[1, 1, 2]]))
    with pytest.raises(InputError, match="distinct item codes"):
        order_bootstrap(by_code, np.array([[1, -1, 2]]))
    with pytest.raises(InputError, match="the candidates of each row again"):
        position_findings(lambda given: given + 1, candidates())


def test_lift_is_the_planted_rise_beyond_that_of_the_controls():
    """Target 0 gets into 100 of 400 lists, each of two controls into 40: lift .25 - .1, success .25
    of those who had it not.
    """
    before = np.tile(np.arange(10, 20), (400, 1))
    after = before.copy()
    after[:100, 0], after[:40, 1], after[100:140, 2] = 0, 1, 2
    targets = [[10]] * 400
    lift, success, ndcg, hit = attack_findings(before, after, 0, [1, 2], targets)
    assert (
        lift.estimate == pytest.approx(0.15)
        and lift.ci[0] < 0.15 < lift.ci[1]
        and lift.verdict == "MATERIAL"
    )
    assert success.estimate == pytest.approx(0.25) and np.isnan(success.p) and success.ci[0] > 0.2
    assert ndcg.estimate == hit.estimate == -0.25 and "2 controls rise by +10.00%" in lift.notes[0]
    quiet = attack_findings(before, before, 0, [1, 2])
    assert [f.verdict for f in quiet] == ["EQUIVALENT"] * 2 and quiet[0].ci[
        1
    ] > 0.009  # none of 400 is below 1 %, not 0
    had = attack_findings(after, after, 0, [1])[1]
    assert had.n_by_group == {"users": 300}
    with pytest.raises(InputError, match="not the target 0"):
        attack_findings(before, after, 0, [0, 1])


def test_controls_are_as_popular_as_the_target():
    counts = np.r_[50, np.arange(100)]
    controls = matched_controls(counts, 0, 5)
    assert set(counts[controls]) == {48, 49, 50, 51, 52} and 0 not in controls
    equal = [tuple(matched_controls(np.ones(50), 0, 5, seed=seed)) for seed in range(5)]
    assert len(set(equal)) == 5  # ties are not broken by code
    with pytest.raises(InputError, match="controls"):
        matched_controls(counts, 0, 200)


def test_profiles_hold_what_they_should():
    split = leave_last_out(random_dataset(n_users=40, n_items=30))
    for kind in ("random", "bandwagon"):
        attacked = shilled(split, 7, 15, 9, kind=kind, seed=1)
        fakes = np.array(attacked.train[40:])
        assert (
            fakes.shape == (15, 9)
            and (fakes == 7).sum() == 15
            and all(len(set(row)) == 9 for row in fakes.tolist())
        )
        assert attacked.dataset.n_users == 55 and (attacked.dataset.sequences()[40:] == fakes).all()
        assert attacked.train[:40] == split.train and all(
            len(target) == 0 for target in attacked.test_target[40:]
        )
        assert list(evaluate(ItemKNN().fit(attacked), attacked).index) == list(
            evaluate(ItemKNN().fit(split), split).index
        )
    top = np.argsort(
        -np.bincount(np.concatenate(split.train), minlength=30) + 99 * (np.arange(30) == 7),
        kind="stable",
    )[:4]
    assert all(set(top) <= set(row) for row in fakes.tolist())
    assert len(set(map(tuple, fakes))) > 1 and len(np.unique(np.argmax(fakes == 7, axis=1))) > 1
    for wrong in ({"target": 30}, {"profiles": 0}, {"size": 31}):
        with pytest.raises(InputError, match="shilled"):
            shilled(split, **({"target": 1, "profiles": 3} | wrong))
    with pytest.raises(InputError, match="did you mean 'random'"):
        shilled(split, 1, 3, 5, kind="randon")


@pytest.mark.parametrize("model", [ItemKNN, EASE])
def test_profiles_lift_their_target_in_real_models_the_more_the_more_there_are(model):
    split = hold_out_k(make_world("movies", n_users=600, n_items=200), 3)
    counts = np.bincount(np.concatenate(split.train), minlength=200)
    target = int(np.argsort(counts, kind="stable")[40])
    controls = matched_controls(counts, target)
    users = [row for row, wanted in enumerate(split.test_target) if len(wanted)]
    histories, wanted = (
        [split.test_history[row] for row in users],
        [split.test_target[row] for row in users],
    )
    before = model().fit(split).recommend(histories, 10)
    attacked = {
        (kind, profiles): (
            model().fit(shilled(split, target, profiles, 20, kind=kind)).recommend(histories, 10)
        )
        for kind, profiles in (
            ("bandwagon", 10),
            ("bandwagon", 60),
            ("bandwagon", 240),
            ("random", 240),
        )
    }
    found = {
        which: attack_findings(before, after, target, controls, wanted)
        for which, after in attacked.items()
    }
    lifts = [findings[0].estimate for findings in found.values()]
    assert (
        lifts[:3] == sorted(lifts[:3])
        and lifts[2] > 0.12
        and found["bandwagon", 240][0].verdict == "MATERIAL"
    ), lifts
    # profiles of random items have few neighbours: cosine over sets of users hardly hears them, a
    # linear model does
    assert lifts[3] < 0.05 if model is ItemKNN else lifts[3] > 0.12, lifts
    assert found["bandwagon", 240][2].estimate < 0  # everybody else pays in quality
