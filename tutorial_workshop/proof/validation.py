"""The audit, audited: on towns of glass it must find what was planted, at its true size, and keep
silent where nothing was planted.

Everything is measured by the functions that `audit` itself calls, at their full number of resamples
and permutations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import Evidence, collect
from tutorial_lib.audit.core.finding import ALPHA, EQUIVALENT, MATERIAL, Finding, judge
from tutorial_lib.audit.core.margins import MARGINS
from tutorial_lib.audit.core.measures import list_faults
from tutorial_lib.audit.harms.exposure import exposure_minus_merit, provider_groups
from tutorial_lib.audit.harms.quality import adjusted_gaps, group_gaps
from tutorial_lib.audit.inference.statistics import rate
from tutorial_lib.errors import InputError
from tutorial_workshop.proof.glassbox import (
    GROUP_B,
    Oracle,
    OutOfCatalogue,
    ProviderBias,
    UserBias,
    make_town,
)

RECORDED = "results/audit-validation.csv"  # of benchmarks/audit_validation.py
USERS, USERS_OF_LEVEL, USERS_OF_POWER, USERS_OF_NULL = 1_000, 500, 2_000, 5_000
RHO, PHI, OMEGA = (
    (0.0, 0.1, 0.2, 0.3),
    (0.0, 0.1, 0.2, 0.4),
    0.05,
)  # doses of user bias, provider bias, items that do not exist
TASTE, SIZE = 1.0, 0.5  # gaps of the taste-only and of the size-only world
K, QUALITY, EXPOSURE = 10, MARGINS["quality"][0], MARGINS["exposure"][0]
DECLARED = (
    9  # tests of a town's family: 8 contrasts (group 1, age 3, region 4) and one provider group
)
ATTRIBUTES = ("group", "age", "region")
COVERAGE, LEVEL, BIAS = (0.93, 0.97), (0.0, 0.06), (-0.25, 0.25)
TOLD = (math.nan, math.nan)  # not judged

# what is counted -> the range it must lie in
BARS: dict[str, tuple[float, float]] = {
    "95 % intervals that hold the true user gap": COVERAGE,
    "95 % intervals that hold the true exposure - merit": COVERAGE,
    "95 % intervals that hold the true rate of unknown items": COVERAGE,
    "bias of the user gap, in standard errors": BIAS,
    "bias of exposure - merit, in standard errors": BIAS,
    "false positives: one test at .05": LEVEL,
    "false positives: any of 8 contrasts, after Holm": LEVEL,
    "false positives: any of 8 contrasts, without Holm": TOLD,
    "power: user gap of twice the margin, 2,000 users": (0.8, 1.0),
    "power: exposure gap of twice the margin, 2,000 users": (0.8, 1.0),
    "called MATERIAL: user gap of twice the margin, 2,000 users": TOLD,
    "called MATERIAL: exposure gap of twice the margin, 2,000 users": TOLD,
    "taste-only world: raw gap flagged": TOLD,
    "taste-only world: adjusted gap not flagged": (0.9, 1.0),
    "size-only world: raw gap not flagged": (0.9, 1.0),
    "size-only world: adjusted gap not flagged": (0.9, 1.0),
    "null world of 5,000 users: EQUIVALENT": (0.9, 1.0),
    "power at the printed MDE, after Holm over 9 tests": (0.75, 0.85),
}
TESTS = {"false positives: one test at .05": 16} | {
    f"false positives: any of 8 contrasts, {how} Holm": 2 for how in ("after", "without")
}


@dataclass(frozen=True)
class Truth:
    """Of the unspoilt oracle, over all users that could have been drawn: mean ndcg@10, minority's
    exposure share and merit share.

    mde: the mean detectable user gap that `judge` prints for 2,000 users and the family of a town.
    """

    ndcg: float
    shown: float
    merit: float
    mde: float = 0.04

    @property
    def rho(self) -> float:
        """The user bias that opens a gap of twice the margin: rho E = 2 q (1 - share of B rho) E, q
        the margin as a share of the mean.
        """
        return 2 * QUALITY / (1 + 2 * QUALITY * GROUP_B)

    @property
    def phi(self) -> float:
        """The provider bias that takes exposure - merit to minus twice the margin, a share of the
        merit.
        """
        return 1 - self.merit * (1 - 2 * EXPOSURE) / self.shown

    @property
    def rho_mde(self) -> float:
        """The user bias that opens a gap as large as the mean printed MDE."""
        return self.mde / self.ndcg


def true_values(users: int = 60_000, *, seed: int = 0, pilots: int = 10) -> Truth:
    """`Truth` from many users, drawn in blocks apart from those of any replication; error of each
    mean below .001 at 60,000.

    pilots: towns whose printed MDE is averaged, each with a gap of about that size.
    """
    parts = []
    for block in range(max(1, users // USERS_OF_NULL)):
        evidence = _world(USERS_OF_NULL, (seed, 999_983, block))
        finding = _exposure(evidence, np.random.default_rng(0))
        merit = float(np.mean(_minority(evidence)[np.concatenate(evidence.targets)]))
        parts.append((float(evidence.metrics[f"ndcg@{K}"].mean()), finding.estimate + merit, merit))
    truth = Truth(*np.mean(parts, axis=0).tolist())
    mde = []
    for pilot in range(pilots):
        town = _world(USERS_OF_POWER, (seed, 999_979, pilot), _spoil(truth.rho_mde))
        mde.append(_declared(town, np.random.default_rng(pilot))[0].mde)
    return replace(truth, mde=float(np.mean(mde))) if mde else truth


def replicate(seed: int, replication: int, truth: Truth) -> dict[str, float]:
    """One replication: name of a check (with its dose) -> share of its tests or intervals that came
    out so, or bias in standard errors.
    """

    def world(block: int, n: int, wrap=None, **gaps) -> Evidence:
        return _world(n, (seed, replication, block), wrap, **gaps)

    rng = np.random.default_rng([seed, replication, 97])
    nulls = [world(block, USERS_OF_LEVEL) for block in (1, 2)]
    return (
        _sizes(world, truth, rng)
        | _level(nulls, rng)
        | _power(world, truth, rng)
        | _controls(world, rng)
    )


def _sizes(
    world: Callable[..., Evidence], truth: Truth, rng: np.random.Generator
) -> dict[str, float]:
    """Are planted harms found at their true size? A fresh town for every dose."""
    out = {}
    for place, rho in enumerate(RHO):
        found = _gap(world(10 + place, USERS, _spoil(rho)), rng)
        name, true = (
            f"user gap, rho {rho}",
            rho * truth.ndcg,
        )  # A - B, and B is the group that is spoilt
        out[f"95 % intervals that hold the true {name}"] = found.ci[0] <= true <= found.ci[1]
        out[f"bias of the {name}"] = _in_errors(found, true)
    for place, phi in enumerate(PHI):
        found = _exposure(world(20 + place, USERS, _push_aside(phi)), rng)
        name, true = f"exposure - merit, phi {phi}", truth.shown * (1 - phi) - truth.merit
        out[f"95 % intervals that hold the true {name}"] = found.ci[0] <= true <= found.ci[1]
        out[f"bias of {name}"] = _in_errors(found, true)
    invented = world(
        30,
        USERS,
        lambda oracle, town, seed: OutOfCatalogue(oracle, OMEGA, town.dataset.n_items, seed),
    )
    low, high = list_faults(invented)[0].ci
    return out | {
        f"95 % intervals that hold the true rate of unknown items, omega {OMEGA}": (
            low <= OMEGA <= high
        )
    }


def _level(nulls: Sequence[Evidence], rng: np.random.Generator) -> dict[str, float]:
    """How often nothing is called something, over the correlated contrasts of three attributes;
    mean over null worlds.
    """
    rows = []
    for null in nulls:
        findings = _contrasts(null, rng)
        raw, adjusted = np.array(
            [(f.p, f.p_adjusted) for f in judge(findings, [f.metric for f in findings])]
        ).T
        rows.append((np.mean(raw < ALPHA), (adjusted < ALPHA).any(), (raw < ALPHA).any()))
    one, holm, plain = np.mean(rows, axis=0)
    return {
        "false positives: one test at .05": one,
        "false positives: any of 8 contrasts, after Holm": holm,
        "false positives: any of 8 contrasts, without Holm": plain,
    }


def _power(
    world: Callable[..., Evidence], truth: Truth, rng: np.random.Generator
) -> dict[str, float]:
    """Detected: p below .05 / 9, Bonferroni over the declared family, which is stricter than Holm."""
    gap = _gap(world(40, USERS_OF_POWER, _spoil(truth.rho)), rng)
    exposure = _exposure(world(41, USERS_OF_POWER, _push_aside(truth.phi)), rng)
    out = {}
    for name, found in (("user", gap), ("exposure", exposure)):
        what = f"{name} gap of twice the margin, 2,000 users"
        out |= {
            f"power: {what}": found.p < ALPHA / DECLARED,
            f"called MATERIAL: {what}": found.verdict == MATERIAL,
        }
    planted = _declared(world(42, USERS_OF_POWER, _spoil(truth.rho_mde)), rng)[0]
    return out | {"power at the printed MDE, after Holm over 9 tests": planted.p_adjusted < ALPHA}


def _controls(world: Callable[..., Evidence], rng: np.random.Generator) -> dict[str, float]:
    """Worlds in which the groups differ and the service does not, and one without any difference."""
    taste, size = (
        world(50, USERS_OF_POWER, taste_gap=TASTE),
        world(51, USERS_OF_POWER, size_gap=SIZE),
    )
    return {
        "taste-only world: raw gap flagged": _gap(taste, rng).p < ALPHA,
        "taste-only world: adjusted gap not flagged": _adjusted(taste).p >= ALPHA,
        "size-only world: raw gap not flagged": _gap(size, rng).p >= ALPHA,
        "size-only world: adjusted gap not flagged": _adjusted(size).p >= ALPHA,
        "null world of 5,000 users: EQUIVALENT": (
            _gap(world(52, USERS_OF_NULL), rng).verdict == EQUIVALENT
        ),
    }


def _world(n: int, seeds: tuple[int, int, int], wrap=None, **gaps: float) -> Evidence:
    """What an audit sees of an oracle's town of n users, drawn by ``seeds``; wrap: (oracle, town,
    seed) -> recommender.

    An injector is given a seed of its own in every replication: with one for all, what it does to a
    user would never vary.
    """
    seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
    town = make_town(n, user_seed=seed, **gaps)
    return collect(
        wrap(Oracle(town), town, seed) if wrap else Oracle(town), town.dataset, town.split, k=K
    )


def _spoil(rho: float):
    return lambda oracle, town, seed: UserBias(
        oracle, rho, np.flatnonzero(town.group), town.duds, seed
    )


def _push_aside(phi: float):
    return lambda oracle, town, seed: ProviderBias(
        oracle, phi, provider_groups(town.dataset)[0], "minority", seed
    )


def _gap(evidence: Evidence, rng: np.random.Generator) -> Finding:
    ndcg = evidence.metrics[f"ndcg@{K}"].to_numpy()
    return group_gaps(evidence, "group", ndcg, f"ndcg@{K}", QUALITY * ndcg.mean(), rng=rng)[0]


def _contrasts(evidence: Evidence, rng: np.random.Generator) -> list[Finding]:
    """The gaps between the groups of all attributes, unjudged, that of ``group`` first."""
    ndcg = evidence.metrics[f"ndcg@{K}"].to_numpy()
    margin = QUALITY * ndcg.mean()
    return [
        f
        for name in ATTRIBUTES
        for f in group_gaps(evidence, name, ndcg, f"ndcg@{K}", margin, rng=rng)
    ]


def _declared(evidence: Evidence, rng: np.random.Generator) -> tuple[Finding, ...]:
    """The declared family of a town, judged as one, the gap of ``group`` first."""
    findings = [*_contrasts(evidence, rng), _exposure(evidence, rng)]
    return judge(findings, [f.metric for f in findings])


def _adjusted(evidence: Evidence) -> Finding:
    ndcg = evidence.metrics[f"ndcg@{K}"].to_numpy()
    return adjusted_gaps(evidence, "group", ndcg, f"ndcg@{K}", QUALITY * ndcg.mean())[0]


def _exposure(evidence: Evidence, rng: np.random.Generator) -> Finding:
    return exposure_minus_merit(evidence, provider_groups(evidence.dataset)[0], EXPOSURE)[0]


def _minority(evidence: Evidence) -> np.ndarray:
    return provider_groups(evidence.dataset)[0] == "minority"


def _in_errors(found: Finding, true: float) -> float:
    return (found.estimate - true) / found.se


def validate(
    replications: int = 30,
    seed: int = 0,
    jobs: int = 1,
    *,
    tell: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Replicate the audit's measures in towns of glass, and hold what comes out against `BARS`.

    jobs: processes; the numbers do not depend on it. tell: is given a line now and then. About 1 s
        a replication on one core.
    Returns a row a check (and a row a dose): check, replications, value, low, high (95 % interval
    of the value, replications as units), at_least, at_most (nan: told, not judged), result: "met",
    "missed" (the interval lies outside, too), "open" (outside by less than chance can do), "" (not
    judged). Raises InputError for fewer than 2 replications or 1 job.

    >>> validate(replications=1)
    Traceback (most recent call last):
    tutorial_lib.errors.InputError: validate(replications=1, jobs=1): expected 2 replications and 1 job or more
    """
    if replications < 2 or jobs < 1:
        raise InputError(
            f"validate(replications={replications}, jobs={jobs}): expected 2 replications and 1 job"
            " or more"
        )
    import joblib

    truth = true_values(seed=seed)
    work = (joblib.delayed(replicate)(seed, i, truth) for i in range(replications))
    rows = []
    for row in joblib.Parallel(n_jobs=jobs, return_as="generator")(work):
        rows.append(row)
        if tell and len(rows) % max(1, replications // 10) == 0:
            tell(f"{len(rows)} of {replications} replications")
    return summary(pd.DataFrame(rows).astype(float))


def summary(outcomes: pd.DataFrame) -> pd.DataFrame:
    """The table of `validate` from one row a replication. Checks with several doses are judged over
    all of them, a fresh town each.
    """
    rows = []
    for check, bar in BARS.items():
        stem = check.removesuffix(", in standard errors")
        doses = [name for name in outcomes.columns if name == check or name.startswith(f"{stem}, ")]
        if doses:
            rows.append(_row(check, outcomes[doses].to_numpy(), bar, TESTS.get(check, 1)))
        rows += [
            _row(f"  {name}", outcomes[[name]].to_numpy(), TOLD) for name in doses if len(doses) > 1
        ]
    return pd.DataFrame(rows)


def _row(
    check: str, values: np.ndarray, bar: tuple[float, float], tests: int = 1
) -> Mapping[str, object]:
    """values: [replications, doses], each the mean of ``tests``. Interval: Wilson's for shares, the
    normal one for a bias.
    """
    means, n = values.mean(axis=1), len(values)
    value, se = float(means.mean()), float(means.std(ddof=1) / np.sqrt(n))
    if "bias" in check:
        low, high = value - 1.96 * se, value + 1.96 * se
    else:  # tests of one replication may depend on each other: as many independent ones as have this standard error
        trials = (
            int(np.clip(value * (1 - value) / se**2, n, values.size * tests))
            if se > 0
            else values.size * tests
        )
        found = rate(round(value * trials), trials)
        low, high = found.low, found.high
    met = bar[0] <= value <= bar[1]
    result = (
        ""
        if math.isnan(bar[0])
        else "met"
        if met
        else "open"
        if low <= bar[1] and high >= bar[0]
        else "missed"
    )
    numbers = {"value": value, "low": low, "high": high, "at_least": bar[0], "at_most": bar[1]}
    return {"check": check, "replications": n} | numbers | {"result": result}
