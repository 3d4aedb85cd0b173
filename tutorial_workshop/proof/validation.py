"""The audit, audited: in worlds whose truth is known it must find what was injected, at its true
size, and stay silent where nothing was.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from tutorial_lib.audit.inference.statistics import rate
from tutorial_lib.errors import InputError
from tutorial_workshop.proof.replication import replicate, true_values

RECORDED = "results/audit-validation.csv"  # of benchmarks/audit_validation.py
COVERAGE, LEVEL, BIAS = (0.93, 0.97), (0.0, 0.06), (-0.25, 0.25)
NOT_JUDGED = (math.nan, math.nan)

# what is counted -> the range it must lie in
BARS: dict[str, tuple[float, float]] = {
    "95 % intervals that hold the true user gap": COVERAGE,
    "95 % intervals that hold the true exposure - merit": COVERAGE,
    "95 % intervals that hold the true rate of unknown items": COVERAGE,
    "bias of the user gap, in standard errors": BIAS,
    "bias of exposure - merit, in standard errors": BIAS,
    "false positives: one test at .05": LEVEL,
    "false positives: any of 8 contrasts, after Holm": LEVEL,
    "false positives: any of 8 contrasts, without Holm": NOT_JUDGED,
    "power: user gap of twice the margin, 2,000 users": (0.8, 1.0),
    "power: exposure gap of twice the margin, 2,000 users": (0.8, 1.0),
    "called MATERIAL: user gap of twice the margin, 2,000 users": NOT_JUDGED,
    "called MATERIAL: exposure gap of twice the margin, 2,000 users": NOT_JUDGED,
    "taste-only world: raw gap flagged": NOT_JUDGED,
    "taste-only world: adjusted gap not flagged": (0.9, 1.0),
    "size-only world: raw gap not flagged": (0.9, 1.0),
    "size-only world: adjusted gap not flagged": (0.9, 1.0),
    "null world of 5,000 users: EQUIVALENT": (0.9, 1.0),
    "power at the printed MDE, after Holm over 9 tests": (0.75, 0.85),
}
TESTS = {  # checks that are the mean of several tests in each replication
    "false positives: one test at .05": 16,
    "false positives: any of 8 contrasts, after Holm": 2,
    "false positives: any of 8 contrasts, without Holm": 2,
}


def validate(
    replications: int = 30,
    seed: int = 0,
    jobs: int = 1,
    *,
    tell: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Replicate the audit's measures where the truth is known, and compare with `BARS`.

    Args:
        replications: 2 or more; about 1 s each on one core.
        seed: of the worlds.
        jobs: processes; the numbers do not depend on it.
        tell: is given a line about progress now and then.

    Returns:
        One row per check (and per dose): check, replications, value, low, high (95 % interval of
        the value, replications as units), at_least, at_most (nan: not judged), result: "met",
        "missed" (the interval lies outside, too), "open" (outside by less than chance can do), ""
        (not judged).

    >>> validate(replications=1)
    Traceback (most recent call last):
    tutorial_lib.errors.InputError: validate(replications=1, jobs=1): expected 2 replications and 1 job or more
    """  # noqa: E501
    if replications < 2 or jobs < 1:
        raise InputError(
            f"validate(replications={replications}, jobs={jobs}):"
            " expected 2 replications and 1 job or more"
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
    """The table of `validate` from one row per replication.

    Checks with several doses are judged over all of them.
    """
    rows = []
    for check, bar in BARS.items():
        stem = check.removesuffix(", in standard errors")
        doses = [name for name in outcomes.columns if name == check or name.startswith(f"{stem}, ")]
        if doses:
            rows.append(_row(check, outcomes[doses].to_numpy(), bar))
        if len(doses) > 1:
            rows += [_row(f"  {name}", outcomes[[name]].to_numpy(), NOT_JUDGED) for name in doses]
    return pd.DataFrame(rows)


def _row(check: str, values: np.ndarray, bar: tuple[float, float]) -> dict[str, object]:
    """values: [replications, doses]. Interval: Wilson's for shares, the normal one for a bias."""
    means, n = values.mean(axis=1), len(values)
    value, se = float(means.mean()), float(means.std(ddof=1) / np.sqrt(n))
    if "bias" in check:
        low, high = value - 1.96 * se, value + 1.96 * se
    else:
        # Tests of one replication may depend on each other: count as many independent ones as have
        # this standard error.
        trials = values.size * TESTS.get(check, 1)
        if se > 0:
            trials = int(np.clip(value * (1 - value) / se**2, n, trials))
        estimate = rate(round(value * trials), trials)
        low, high = estimate.low, estimate.high
    return {
        "check": check,
        "replications": n,
        "value": value,
        "low": low,
        "high": high,
        "at_least": bar[0],
        "at_most": bar[1],
        "result": _result(value, low, high, bar),
    }


def _result(value: float, low: float, high: float, bar: tuple[float, float]) -> str:
    if math.isnan(bar[0]):
        return ""
    if bar[0] <= value <= bar[1]:
        return "met"
    return "open" if low <= bar[1] and high >= bar[0] else "missed"
