"""A gap between users alike in other respects, and group means less the noise of small groups."""

from __future__ import annotations

import numpy as np

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.estimates import TOO_FEW, Estimate, t_estimate

WEAKEST = 10  # first-stage F below which an instrument is refused (Staiger & Stock 1997)


def adjusted_gap(
    values: np.ndarray,
    member: np.ndarray,
    covariates: np.ndarray,
    *,
    noisy: np.ndarray | None = None,
    again: np.ndarray | None = None,
) -> Estimate:
    """The gap that remains between users alike in their covariates.

    The coefficient of membership in a linear regression, with HC3 errors. Caution: if poor service
    itself changed a covariate, adjusting for it hides harm.

    Args:
        values: [n].
        member: [n] bool, True for the first group of the contrast.
        covariates: [n, c]; constant columns are left out.
        noisy: [n], one more covariate, which is measured with error. Its noise would leave a part
            of its effect in the gap.
        again: [n], an independent second measurement of it, such as the same number from the other
            half of a history. As an instrument of the first (two-stage least squares) it takes that
            part out.

    Raises:
        InputError: membership follows from the covariates, or the two measurements agree too
            little to be of use.

    Source: MacKinnon & White 1985 (HC3); Gillen, Snowberg & Yariv 2019 (a second measurement as
    instrument).
    """
    values = np.asarray(values, dtype=float)
    covariates = np.asarray(covariates, dtype=float)
    covariates = covariates[:, covariates.std(axis=0) > 1e-12]
    membership = np.asarray(member, dtype=float)
    fixed = np.column_stack([membership, np.ones(len(values)), _standard(covariates)])
    if np.linalg.matrix_rank(fixed[:, 1:]) == np.linalg.matrix_rank(fixed):
        raise InputError(
            "adjusted_gap: the covariates determine the group, so nothing is left to compare;"
            " use fewer covariates"
        )
    if np.ptp(values) <= 1e-12:
        return Estimate.nothing(0.0, f"{TOO_FEW}: all {len(values)} have the value {values[0]:g}")
    design = projected = fixed
    if noisy is not None and again is not None:
        first = _standard(np.asarray(noisy, dtype=float)[:, None])[:, 0]
        second = _standard(np.asarray(again, dtype=float)[:, None])[:, 0]
        _check_strength(first, second, fixed)
        design = np.column_stack([fixed, first])
        instruments = np.column_stack([fixed, second])
        projected = instruments @ np.linalg.lstsq(instruments, design, rcond=None)[0]
    inverse = np.linalg.pinv(projected.T @ projected)
    beta = inverse @ (projected.T @ values)
    # HC3: each residual is divided by 1 - leverage, as if its user had been left out of the fit
    leverage = np.clip(np.einsum("ij,jk,ik->i", projected, inverse, projected), 0, 1 - 1e-9)
    scaled = projected * ((values - design @ beta) / (1 - leverage))[:, None]
    se = float(np.sqrt((inverse @ (scaled.T @ scaled) @ inverse)[0, 0]))
    if not se > 0:
        return Estimate.nothing(beta[0], f"{TOO_FEW}: the covariates explain every value")
    return t_estimate(beta[0], float(beta[0]), se, len(values) - design.shape[1])


def _standard(columns: np.ndarray) -> np.ndarray:
    """Each column with mean 0 and spread 1; a constant one becomes 0."""
    spread = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(spread > 1e-12, spread, 1)


def _check_strength(first: np.ndarray, second: np.ndarray, fixed: np.ndarray) -> None:
    """InputError for an instrument that says too little of what it measures again."""
    x, z = (v - fixed @ np.linalg.lstsq(fixed, v, rcond=None)[0] for v in (first, second))
    share = min((x @ z) ** 2 / max((x @ x) * (z @ z), 1e-300), 1 - 1e-12)
    strength = share / (1 - share) * (len(first) - fixed.shape[1] - 1)
    if strength < WEAKEST:
        raise InputError(
            "adjusted_gap: the second measurement says too little about the first"
            f" (F = {strength:.1f}, expected {WEAKEST} or more)"
        )


def shrink(means: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Group means pulled towards their common mean by how noisy each is (empirical Bayes).

    For display of small cells only: tests use the raw values.

    Args:
        means: [groups].
        errors: [groups], standard errors. A group whose error is nan takes the common mean, one
            whose error is 0 keeps its own.

    Source: DerSimonian & Laird 1986 (the spread between groups).
    """
    means = np.asarray(means, dtype=float)
    errors = np.asarray(errors, dtype=float)
    known = np.isfinite(errors) & (errors > 0) & np.isfinite(means)
    if known.sum() < 2:
        return means.copy()
    variance = errors[known] ** 2
    weight = 1 / variance
    common = (weight * means[known]).sum() / weight.sum()
    excess = (weight * (means[known] - common) ** 2).sum() - (known.sum() - 1)
    between = max(0.0, excess / (weight.sum() - (weight**2).sum() / weight.sum()))
    common = (means[known] / (variance + between)).sum() / (1 / (variance + between)).sum()
    out = np.where(errors == 0, means, common)
    out[known] = common + (means[known] - common) * between / (between + variance)
    return out
