"""The town of glass and its injectors: what is planted has the size that is claimed, seen through
the audit's own measures.
"""

from __future__ import annotations

import numpy as np
import pytest

from tutorial_lib.audit.core.audit import audit
from tutorial_lib.audit.core.evidence import collect
from tutorial_lib.audit.core.measures import list_faults
from tutorial_lib.audit.harms.counterfactual import counterfactual_findings
from tutorial_lib.audit.harms.exposure import exposure_minus_merit, provider_groups
from tutorial_lib.audit.harms.position_bias import position_findings
from tutorial_lib.audit.harms.privacy import attribute_leak
from tutorial_lib.errors import InputError
from tutorial_workshop.proof.glassbox import (
    Oracle,
    OutOfCatalogue,
    PositionBias,
    ProviderBias,
    UserBias,
    leaking_states,
    make_town,
    reworded,
    true_auc,
    true_dissimilarity,
    uniform,
)


@pytest.fixture(scope="module")
def town():
    return make_town(4_000, user_seed=5)


@pytest.fixture(scope="module")
def seen(town):
    return collect(Oracle(town), town.dataset, town.split)


def looked_at(recommender, town):
    return collect(recommender, town.dataset, town.split)


def minority(town) -> np.ndarray:
    return provider_groups(town.dataset)[0]


def test_the_town_is_what_it_says(town, seen):
    """A consumed dud, an overlap of history and targets, or a gap of the oracle would put a second
    harm beside the planted one.
    """
    both = [
        np.concatenate(pair)
        for pair in zip(town.split.test_history, town.split.test_target, strict=True)
    ]
    assert all(len(np.unique(items)) == 30 for items in both)
    assert (
        not np.isin(np.concatenate(both), town.duds).any()
        and not np.isin(seen.lists, town.duds).any()
    )
    assert not seen.faults.to_numpy().any()
    groups = minority(town)
    assert 0.25 < (groups == "minority").mean() < 0.35
    assert abs(exposure_minus_merit(seen, groups, 0.03)[0].estimate) < 0.01


def test_the_same_seeds_give_the_same_town_and_the_catalogue_has_its_own():
    """If users moved the catalogue, no mean over users would be the truth of a replication."""
    one, again, other = (make_town(50, user_seed=s) for s in (1, 1, 2))
    assert (one.utility == again.utility).all() and (
        one.split.test_target[7] == again.split.test_target[7]
    ).all()
    assert (
        one.dataset.items.equals(other.dataset.items) and not (one.utility == other.utility).all()
    )
    assert not make_town(50, user_seed=1, world_seed=1).dataset.items.equals(one.dataset.items)


def test_a_gap_in_activity_is_one_and_the_oracle_serves_both_alike():
    """The size-only world would be no null control if unrecorded items cost places in the lists."""
    narrow, plain = make_town(3_000, user_seed=2, size_gap=0.5), make_town(3_000, user_seed=2)
    size = np.array([len(history) for history in narrow.split.test_history])
    assert size[narrow.group].mean() == pytest.approx(6, abs=0.2) and size[
        ~narrow.group
    ].mean() == pytest.approx(12, abs=0.2)
    assert (looked_at(Oracle(narrow), narrow).lists == looked_at(Oracle(plain), plain).lists).all()


def test_a_gap_in_taste_makes_the_group_harder_to_serve():
    town = make_town(4_000, user_seed=3, taste_gap=1.0)
    ndcg = looked_at(Oracle(town), town).metrics["ndcg@10"].to_numpy()
    assert ndcg[town.group].mean() - ndcg[~town.group].mean() < -0.04


@pytest.mark.parametrize(
    "inject",
    [
        lambda town, dose: UserBias(Oracle(town), dose, np.flatnonzero(town.group), town.duds),
        lambda town, dose: ProviderBias(Oracle(town), dose, minority(town), "minority"),
        lambda town, dose: OutOfCatalogue(Oracle(town), dose, 400),
    ],
)
def test_a_users_list_depends_on_nobody_else_and_no_dose_changes_nothing(inject, town, seen):
    """Asked for in blocks, or one by one, a list must be the same; and a null control must be
    exact.
    """
    some = np.array([3_999, 17, 0])
    histories = [town.split.test_history[user] for user in some]
    whole = looked_at(inject(town, 0.5), town).raw
    assert (inject(town, 0.5).recommend(histories, 10, users=some) == whole[some]).all()
    assert (looked_at(inject(town, 0.0), town).raw == seen.raw).all()
    assert (whole != seen.raw).any()
    with pytest.raises(InputError, match="expected 0..1"):
        inject(town, 1.5)
    with pytest.raises(InputError, match="users is missing"):
        inject(town, 0.5).recommend(histories, 10)


def test_user_bias_costs_its_share_of_the_group_and_nothing_of_the_other(town, seen):
    """The planted gap is -rho times the unspoilt mean: binomial noise only, users and their lists
    being the same.
    """
    rho = 0.2
    spoilt = looked_at(UserBias(Oracle(town), rho, np.flatnonzero(town.group), town.duds), town)
    before, after = (e.metrics["ndcg@10"].to_numpy() for e in (seen, spoilt))
    lost = before[town.group] - after[town.group]
    assert lost.mean() == pytest.approx(
        rho * before[town.group].mean(), abs=4 * lost.std() / np.sqrt(len(lost))
    )
    assert (before[~town.group] == after[~town.group]).all()
    assert not spoilt.faults.to_numpy().any()


def test_provider_bias_takes_its_share_of_the_exposure(town, seen):
    groups, phi, weights = minority(town), 0.3, 1 / np.log2(np.arange(10) + 2)
    pushed = looked_at(ProviderBias(Oracle(town), phi, groups, "minority"), town)
    before, after = (
        ((groups == "minority")[e.lists] * weights).sum(axis=1) / weights.sum()
        for e in (seen, pushed)
    )
    lost = before - after
    assert lost.mean() == pytest.approx(
        phi * before.mean(), abs=4 * lost.std() / np.sqrt(len(lost))
    )
    assert (
        not pushed.faults.to_numpy().any()
    )  # nobody is shown an item twice, or one that was consumed


def test_two_injectors_do_not_hit_the_same_places(town, seen):
    """With a shared stream the second would find its places already taken, and its dose would be a
    lie.
    """
    inner = UserBias(Oracle(town), 0.5, range(4_000), town.duds)
    raw = looked_at(OutOfCatalogue(inner, 0.5, 400), town).raw
    assert np.isin(raw, town.duds).mean() == pytest.approx(0.25, abs=0.01)


def test_the_rate_of_unknown_items_is_found(town):
    omega = 0.05
    finding = list_faults(looked_at(OutOfCatalogue(Oracle(town), omega, 400), town))[0]
    assert (
        finding.estimate == pytest.approx(omega, abs=4 * np.sqrt(omega / 40_000))
        and finding.verdict == "MATERIAL"
    )


def test_position_bias_is_found_as_kendalls_tau():
    beta = 0.3
    candidates = np.random.default_rng(0).permuted(np.tile(np.arange(12), (500, 1)), axis=1)
    findings, _ = position_findings(
        PositionBias(lambda given: np.sort(given, axis=1), beta), candidates
    )
    assert (
        findings[0].estimate == pytest.approx(beta, abs=0.02)
        and findings[0].ci[0] < beta < findings[0].ci[1]
    )
    silent, _ = position_findings(
        PositionBias(lambda given: np.sort(given, axis=1), 0.0), candidates
    )
    assert silent[0].ci[0] < 0 < silent[0].ci[1]


def test_prompt_sensitivity_beyond_rewording_is_found(seen):
    """The floor must be taken off: both lists change, and only the difference of the two is the
    attribute's doing.
    """
    floor, kappa = 0.2, 0.4
    neutral = seen.lists[:600]
    paraphrases = [reworded(neutral, floor, 400, seed=s) for s in range(5)]
    named = np.stack([reworded(neutral, kappa, 400, seed=s) for s in range(10, 14)])
    finding = counterfactual_findings(neutral, {"woman": named}, paraphrases, kind="jaccard")[0]
    true = true_dissimilarity(kappa, 10) - true_dissimilarity(floor, 10)
    assert finding.estimate == pytest.approx(true, abs=0.015) and true > 0.15


def test_a_leak_is_found_up_to_its_best_auc():
    """A probe is a lower bound: above the Bayes value it would have cheated, far below it would be
    no probe.
    """
    group = np.random.default_rng(1).random(1_500) < 0.3
    labels = np.where(group, "B", "A")
    told, none = (
        attribute_leak({"state": leaking_states(group, delta)}, labels, 0.05)[0]
        for delta in (1.0, 0.0)
    )
    assert true_auc(1.0) - 0.04 < told.estimate + 0.5 < true_auc(1.0) + 0.02 and told.p < 0.05
    assert none.p > 0.05


def test_the_uniform_numbers_are_uniform_and_unrelated():
    """Neighbouring users, places or seeds with related numbers would make every dose clump."""
    u = uniform(0, np.arange(3_000), 50)
    assert u.min() >= 0 and u.max() < 1
    counts = np.histogram(u, bins=20, range=(0, 1))[0]
    assert (
        (counts - u.size / 20) ** 2 / (u.size / 20)
    ).sum() < 43.8  # chi-square, 19 degrees of freedom, p = .001
    other = uniform(1, np.arange(3_000), 50)
    for a, b in ((u[1:], u[:-1]), (u[:, 1:], u[:, :-1]), (u, other), (u[1:, :-1], u[:-1, 1:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.012


def test_audit_names_the_planted_harm_of_a_whole_town(town):
    """The way a learner meets it: the real entry point, a planted user bias of three margins,
    everything else in order.
    """
    report = audit(
        UserBias(Oracle(town), 0.3, np.flatnonzero(town.group), town.duds),
        town.dataset,
        town.split,
        attributes=["group"],
    )
    verdicts = {f.metric: f.verdict for f in report.findings}
    assert verdicts["ndcg@10: group A - B"] == "MATERIAL"
    assert verdicts["exposure - merit: minority"] != "MATERIAL"


@pytest.mark.parametrize(
    "given", [{"n_users": 1}, {"n_users": 9, "size_gap": 1.0}, {"n_users": 9, "taste_gap": -0.1}]
)
def test_a_town_that_cannot_be_is_refused(given):
    with pytest.raises(InputError, match="make_town.*expected"):
        make_town(**given)
