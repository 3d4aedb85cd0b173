"""The glass-box world and its injectors: what is injected has the size that is claimed."""

from __future__ import annotations

import numpy as np
import pytest
from known_effects import repeats_its_input, reworded, true_dissimilarity

from tutorial_lib.audit import audit
from tutorial_lib.audit.core.evidence import collect
from tutorial_lib.audit.core.groups import provider_groups
from tutorial_lib.audit.core.measures import list_faults
from tutorial_lib.audit.harms.counterfactual import counterfactual_findings
from tutorial_lib.audit.harms.exposure import exposure_minus_merit
from tutorial_lib.audit.harms.position_bias import position_findings
from tutorial_lib.errors import InputError
from tutorial_workshop.proof.glassbox import IdealRanker, make_world
from tutorial_workshop.proof.injectors import OutOfCatalogue, ProviderBias, UserBias, uniform


@pytest.fixture(scope="module")
def world():
    return make_world(4_000, user_seed=5)


@pytest.fixture(scope="module")
def seen(world):
    return evidence_of(IdealRanker(world), world)


def evidence_of(recommender, world):
    return collect(recommender, world.dataset, world.split)


def spoilt(world, rho):
    group_b = np.flatnonzero(world.group)
    return UserBias(IdealRanker(world), rho, group_b, world.unwanted)


def pushed_aside(world, phi):
    return ProviderBias(IdealRanker(world), phi, provider_groups(world.dataset)[0], "minority")


def invented(world, omega):
    return OutOfCatalogue(IdealRanker(world), omega, 400)


def test_the_world_is_what_it_says(world, seen):
    """Any fault, overlap or gap of its own would be a second harm beside the injected one."""
    pairs = zip(world.split.test_history, world.split.test_target, strict=True)
    both = [np.concatenate(pair) for pair in pairs]
    assert all(len(np.unique(items)) == 30 for items in both)
    assert not np.isin(np.concatenate(both), world.unwanted).any()
    assert not np.isin(seen.lists, world.unwanted).any()
    assert not seen.faults.to_numpy().any()
    groups = provider_groups(world.dataset)[0]
    assert 0.25 < (groups == "minority").mean() < 0.35
    assert abs(exposure_minus_merit(seen, groups, 0.03)[0].estimate) < 0.01


def test_the_same_seeds_give_the_same_world_and_the_catalogue_has_its_own():
    """If users moved the catalogue, no mean over users would be the truth of a replication."""
    one, again, other = (make_world(50, user_seed=s) for s in (1, 1, 2))
    assert (one.utility == again.utility).all() and not (one.utility == other.utility).all()
    assert (one.split.test_target[7] == again.split.test_target[7]).all()
    assert one.dataset.items.equals(other.dataset.items)
    assert not make_world(50, user_seed=1, world_seed=1).dataset.items.equals(one.dataset.items)


def test_a_gap_in_activity_is_one_and_both_groups_are_served_alike():
    """The size-only world would be no null control if unrecorded items cost places in the lists."""
    narrow, plain = make_world(3_000, user_seed=2, size_gap=0.5), make_world(3_000, user_seed=2)
    size = np.array([len(history) for history in narrow.split.test_history])
    assert size[narrow.group].mean() == pytest.approx(6, abs=0.2)
    assert size[~narrow.group].mean() == pytest.approx(12, abs=0.2)
    lists = [evidence_of(IdealRanker(one), one).lists for one in (narrow, plain)]
    assert (lists[0] == lists[1]).all()


def test_a_gap_in_taste_makes_the_group_harder_to_serve():
    world = make_world(4_000, user_seed=3, taste_gap=1.0)
    ndcg = evidence_of(IdealRanker(world), world).metrics["ndcg@10"].to_numpy()
    assert ndcg[world.group].mean() - ndcg[~world.group].mean() < -0.04


@pytest.mark.parametrize("inject", [spoilt, pushed_aside, invented])
def test_a_users_list_depends_on_nobody_else_and_no_dose_changes_nothing(inject, world, seen):
    """Asked for in blocks, or one by one, a list must be the same; a null control must be exact."""
    some = np.array([3_999, 17, 0])
    histories = [world.split.test_history[user] for user in some]
    whole = evidence_of(inject(world, 0.5), world).raw
    assert (inject(world, 0.5).recommend(histories, 10, users=some) == whole[some]).all()
    assert (evidence_of(inject(world, 0.0), world).raw == seen.raw).all()
    assert (whole != seen.raw).any()
    with pytest.raises(InputError, match="expected 0..1"):
        inject(world, 1.5)
    with pytest.raises(InputError, match="users is missing"):
        inject(world, 0.5).recommend(histories, 10)


def test_user_bias_costs_its_share_of_the_group_and_nothing_of_the_other(world, seen):
    """The gap is -rho times the unspoilt mean; with the same users and lists, but for chance."""
    rho = 0.2
    biased = evidence_of(spoilt(world, rho), world)
    before, after = (e.metrics["ndcg@10"].to_numpy() for e in (seen, biased))
    lost = before[world.group] - after[world.group]
    noise = 4 * lost.std() / np.sqrt(len(lost))
    assert lost.mean() == pytest.approx(rho * before[world.group].mean(), abs=noise)
    assert (before[~world.group] == after[~world.group]).all()
    assert not biased.faults.to_numpy().any()


def test_provider_bias_takes_its_share_of_the_exposure(world, seen):
    minority, phi = provider_groups(world.dataset)[0] == "minority", 0.3
    weights = 1 / np.log2(np.arange(10) + 2)
    pushed = evidence_of(pushed_aside(world, phi), world)
    before, after = ((minority[e.lists] * weights).sum(axis=1) for e in (seen, pushed))
    lost = (before - after) / weights.sum()
    noise = 4 * lost.std() / np.sqrt(len(lost))
    assert lost.mean() == pytest.approx(phi * before.mean() / weights.sum(), abs=noise)
    # nobody is shown an item twice, or one that was consumed
    assert not pushed.faults.to_numpy().any()


def test_two_injectors_do_not_hit_the_same_places(world):
    """With a shared stream the second would find its places taken, and its dose be wrong."""
    inner = UserBias(IdealRanker(world), 0.5, range(4_000), world.unwanted)
    raw = evidence_of(OutOfCatalogue(inner, 0.5, 400), world).raw
    assert np.isin(raw, world.unwanted).mean() == pytest.approx(0.25, abs=0.01)


def test_the_rate_of_unknown_items_is_found(world):
    omega = 0.05
    finding = list_faults(evidence_of(invented(world, omega), world))[0]
    assert finding.estimate == pytest.approx(omega, abs=4 * np.sqrt(omega / 40_000))
    assert finding.verdict == "MATERIAL"


def test_position_bias_is_found_as_kendalls_tau():
    candidates = np.random.default_rng(0).permuted(np.tile(np.arange(12), (500, 1)), axis=1)
    for beta in (0.3, 0.0):
        rank = repeats_its_input(lambda given: np.sort(given, axis=1), beta)
        tau = position_findings(rank, candidates)[0][0]
        assert tau.estimate == pytest.approx(beta, abs=0.02)
        assert tau.ci[0] < beta < tau.ci[1]


def test_prompt_sensitivity_beyond_rewording_is_found(seen):
    """The floor must be taken off: only the difference is the doing of the attribute."""
    floor, kappa = 0.2, 0.4
    neutral = seen.lists[:600]
    paraphrases = [reworded(neutral, floor, 400, seed=s) for s in range(5)]
    named = np.stack([reworded(neutral, kappa, 400, seed=s) for s in range(10, 14)])
    finding = counterfactual_findings(neutral, {"woman": named}, paraphrases, kind="jaccard")[0]
    true = true_dissimilarity(kappa, 10) - true_dissimilarity(floor, 10)
    assert finding.estimate == pytest.approx(true, abs=0.015) and true > 0.15


def test_the_uniform_numbers_are_uniform_and_unrelated():
    """Neighbouring users, places or seeds with related numbers would make every dose clump."""
    u = uniform(0, np.arange(3_000), 50)
    assert u.min() >= 0 and u.max() < 1
    counts, expected = np.histogram(u, bins=20, range=(0, 1))[0], u.size / 20
    # chi-square, 19 degrees of freedom, p = .001
    assert ((counts - expected) ** 2 / expected).sum() < 43.8
    other = uniform(1, np.arange(3_000), 50)
    for a, b in ((u[1:], u[:-1]), (u[:, 1:], u[:, :-1]), (u, other), (u[1:, :-1], u[:-1, 1:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.012


def test_audit_names_the_injected_harm_of_a_whole_world(world):
    """The way a learner meets it: the real entry point, and a user bias of three margins."""
    report = audit(spoilt(world, 0.3), world.dataset, world.split, attributes=["group"])
    verdicts = {f.metric: f.verdict for f in report.findings}
    assert verdicts["ndcg@10: group A - B"] == "MATERIAL"
    assert verdicts["exposure - merit: minority"] != "MATERIAL"


@pytest.mark.parametrize(
    "given", [{"n_users": 1}, {"n_users": 9, "size_gap": 1.0}, {"n_users": 9, "taste_gap": -0.1}]
)
def test_a_world_that_cannot_be_is_refused(given):
    with pytest.raises(InputError, match="make_world.*expected"):
        make_world(**given)
