"""One replication of the audit's validation: worlds whose truth is known, seen by its measures.

Everything is measured by the functions that `audit` itself calls, at their full number of resamples
and permutations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tutorial_lib.audit.core.evidence import Evidence, collect
from tutorial_lib.audit.core.finding import ALPHA, EQUIVALENT, MATERIAL, Finding, judge
from tutorial_lib.audit.core.margins import MARGINS
from tutorial_lib.audit.core.measures import list_faults
from tutorial_lib.audit.harms.exposure import exposure_minus_merit
from tutorial_lib.audit.harms.quality import adjusted_gaps, group_gaps
from tutorial_workshop.proof.glassbox import GROUP_B, GlassBox, IdealRanker, make_world
from tutorial_workshop.proof.injectors import OutOfCatalogue, ProviderBias, UserBias

USERS = 1_000
USERS_OF_LEVEL = 500
USERS_OF_POWER = 2_000
USERS_OF_NULL = 5_000
RHO = (0.0, 0.1, 0.2, 0.3)  # doses of user bias
PHI = (0.0, 0.1, 0.2, 0.4)  # doses of provider bias
OMEGA = 0.05  # share of places with items that do not exist
TASTE, SIZE = 1.0, 0.5  # gaps of the taste-only and of the size-only world
K, QUALITY, EXPOSURE = 10, MARGINS["quality"][0], MARGINS["exposure"][0]
ATTRIBUTES = ("group", "age", "region")
DECLARED = 9  # tests of a family: 8 contrasts (group 1, age 3, region 4) and one provider group

Inject = Callable[[IdealRanker, GlassBox, int], object]  # (ranker, world, seed) -> recommender


@dataclass(frozen=True)
class TrueValues:
    """Of the fair ranker, over all users that could have been drawn.

    Args:
        ndcg: mean ndcg@10.
        shown, merit: the minority's share of exposure and of merit.
        mde: the mean detectable user gap that `judge` prints for 2,000 users and the whole family.
    """

    ndcg: float
    shown: float
    merit: float
    mde: float = 0.04

    @property
    def rho(self) -> float:
        """The user bias that opens a gap of twice the margin.

        rho E = 2 q (1 - share of B rho) E, with q the margin as a share of the mean E.
        """
        return 2 * QUALITY / (1 + 2 * QUALITY * GROUP_B)

    @property
    def phi(self) -> float:
        """The provider bias for an exposure - merit of minus twice the margin."""
        return 1 - self.merit * (1 - 2 * EXPOSURE) / self.shown

    @property
    def rho_mde(self) -> float:
        """The user bias that opens a gap as large as the mean printed MDE."""
        return self.mde / self.ndcg


def true_values(users: int = 60_000, *, seed: int = 0, pilots: int = 10) -> TrueValues:
    """`TrueValues` from many users, none of them in any replication.

    Args:
        users: drawn in blocks; the error of each mean is below .001 at 60,000.
        seed: of the users.
        pilots: worlds whose printed MDE is averaged, each with a gap of about that size.
    """
    parts = []
    for block in range(max(1, users // USERS_OF_NULL)):
        evidence = _world(USERS_OF_NULL, (seed, 999_983, block))
        minority = _providers(evidence) == "minority"
        merit = float(np.mean(minority[np.concatenate(evidence.targets)]))
        ndcg = float(evidence.metrics[f"ndcg@{K}"].mean())
        parts.append((ndcg, _exposure(evidence).estimate + merit, merit))
    truth = TrueValues(*np.mean(parts, axis=0).tolist())
    mdes = []
    for pilot in range(pilots):
        evidence = _world(USERS_OF_POWER, (seed, 999_979, pilot), _spoil(truth.rho_mde))
        mdes.append(_declared(evidence, np.random.default_rng(pilot))[0].mde)
    return replace(truth, mde=float(np.mean(mdes))) if mdes else truth


def replicate(seed: int, replication: int, truth: TrueValues) -> dict[str, float]:
    """One replication: name of a check (with its dose) -> its outcome.

    A share of the check's tests or intervals, or a bias in standard errors.
    """

    def world(block: int, n: int, inject: Inject | None = None, **gaps: float) -> Evidence:
        return _world(n, (seed, replication, block), inject, **gaps)

    rng = np.random.default_rng([seed, replication, 97])
    nulls = [world(block, USERS_OF_LEVEL) for block in (1, 2)]
    return (
        _sizes(world, truth, rng)
        | _level(nulls, rng)
        | _power(world, truth, rng)
        | _controls(world, rng)
    )


def _sizes(
    world: Callable[..., Evidence], truth: TrueValues, rng: np.random.Generator
) -> dict[str, float]:
    """Are injected harms found at their true size? A fresh world for every dose."""
    doses = []  # (name, finding, true size)
    for place, rho in enumerate(RHO):
        finding = _gap(world(10 + place, USERS, _spoil(rho)), rng)
        doses.append((f"the user gap, rho {rho}", finding, rho * truth.ndcg))  # of A - B
    for place, phi in enumerate(PHI):
        finding = _exposure(world(20 + place, USERS, _push_aside(phi)))
        true = truth.shown * (1 - phi) - truth.merit
        doses.append((f"exposure - merit, phi {phi}", finding, true))
    out: dict[str, float] = {}
    for name, finding, true in doses:
        held = f"95 % intervals that hold the true {name.removeprefix('the ')}"
        out[held] = finding.ci[0] <= true <= finding.ci[1]
        out[f"bias of {name}"] = (finding.estimate - true) / finding.se
    low, high = list_faults(world(30, USERS, _invent))[0].ci
    held = f"95 % intervals that hold the true rate of unknown items, omega {OMEGA}"
    return out | {held: low <= OMEGA <= high}


def _level(nulls: Sequence[Evidence], rng: np.random.Generator) -> dict[str, float]:
    """How often a gap is found where there is none, over the correlated contrasts of each world."""
    rows = []
    for null in nulls:
        findings = _contrasts(null, rng)
        judged = judge(findings, [f.metric for f in findings])
        raw = np.array([f.p for f in judged]) < ALPHA
        adjusted = np.array([f.p_adjusted for f in judged]) < ALPHA
        rows.append((raw.mean(), adjusted.any(), raw.any()))
    one, holm, plain = np.mean(rows, axis=0)
    return {
        "false positives: one test at .05": one,
        "false positives: any of 8 contrasts, after Holm": holm,
        "false positives: any of 8 contrasts, without Holm": plain,
    }


def _power(
    world: Callable[..., Evidence], truth: TrueValues, rng: np.random.Generator
) -> dict[str, float]:
    """Detected: p below .05 / 9, Bonferroni over the family, which is stricter than Holm."""
    gap = _gap(world(40, USERS_OF_POWER, _spoil(truth.rho)), rng)
    exposure = _exposure(world(41, USERS_OF_POWER, _push_aside(truth.phi)))
    out: dict[str, float] = {}
    for name, finding in (("user", gap), ("exposure", exposure)):
        what = f"{name} gap of twice the margin, 2,000 users"
        out[f"power: {what}"] = finding.p < ALPHA / DECLARED
        out[f"called MATERIAL: {what}"] = finding.verdict == MATERIAL
    at_mde = _declared(world(42, USERS_OF_POWER, _spoil(truth.rho_mde)), rng)[0]
    return out | {"power at the printed MDE, after Holm over 9 tests": at_mde.p_adjusted < ALPHA}


def _controls(world: Callable[..., Evidence], rng: np.random.Generator) -> dict[str, float]:
    """Worlds in which the groups differ and the service does not, and one without a difference."""
    taste = world(50, USERS_OF_POWER, taste_gap=TASTE)
    size = world(51, USERS_OF_POWER, size_gap=SIZE)
    return {
        "taste-only world: raw gap flagged": _gap(taste, rng).p < ALPHA,
        "taste-only world: adjusted gap not flagged": _adjusted(taste).p >= ALPHA,
        "size-only world: raw gap not flagged": _gap(size, rng).p >= ALPHA,
        "size-only world: adjusted gap not flagged": _adjusted(size).p >= ALPHA,
        "null world of 5,000 users: EQUIVALENT": (
            _gap(world(52, USERS_OF_NULL), rng).verdict == EQUIVALENT
        ),
    }


# --- worlds, and what an audit sees of them ---


def _world(
    n: int,
    seeds: tuple[int, int, int],
    inject: Inject | None = None,
    taste_gap: float = 0.0,
    size_gap: float = 0.0,
) -> Evidence:
    """The evidence of a world of n users, drawn by ``seeds``.

    An injector is given a seed of its own in every replication: with one for all, what it does to a
    user would never vary.
    """
    seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
    world = make_world(n, user_seed=seed, taste_gap=taste_gap, size_gap=size_gap)
    fair = IdealRanker(world)
    recommender = inject(fair, world, seed) if inject else fair
    return collect(recommender, world.dataset, world.split, k=K)


def _spoil(rho: float) -> Inject:
    return lambda ranker, world, seed: UserBias(
        ranker, rho, np.flatnonzero(world.group), world.unwanted, seed
    )


def _push_aside(phi: float) -> Inject:
    return lambda ranker, world, seed: ProviderBias(
        ranker, phi, _providers(world), "minority", seed
    )


def _invent(ranker: IdealRanker, world: GlassBox, seed: int) -> OutOfCatalogue:
    return OutOfCatalogue(ranker, OMEGA, world.dataset.n_items, seed)


def _gaps(evidence: Evidence, attribute: str, rng: np.random.Generator) -> list[Finding]:
    return group_gaps(evidence, attribute, evidence.ndcg, rng=rng)


def _gap(evidence: Evidence, rng: np.random.Generator) -> Finding:
    return _gaps(evidence, "group", rng)[0]


def _contrasts(evidence: Evidence, rng: np.random.Generator) -> list[Finding]:
    """The gaps between the groups of all attributes, unjudged, that of ``group`` first."""
    return [finding for name in ATTRIBUTES for finding in _gaps(evidence, name, rng)]


def _declared(evidence: Evidence, rng: np.random.Generator) -> tuple[Finding, ...]:
    """The declared family, judged as one, the gap of ``group`` first."""
    findings = [*_contrasts(evidence, rng), _exposure(evidence)]
    return judge(findings, [f.metric for f in findings])


def _adjusted(evidence: Evidence) -> Finding:
    return adjusted_gaps(evidence, "group", evidence.ndcg)[0]


def _exposure(evidence: Evidence) -> Finding:
    return exposure_minus_merit(evidence, _providers(evidence), EXPOSURE)[0]


def _providers(world: GlassBox | Evidence) -> np.ndarray:
    """Provider group of every item: [n_items] str."""
    return world.dataset.items["provider_group"].to_numpy()
