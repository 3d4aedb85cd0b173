"""What was audited, on what, with what: enough to repeat an audit and to notice that something
changed.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from tutorial_lib.audit.core.declaration import Declaration, digest
from tutorial_lib.audit.core.evidence import Evidence


def scope_of(
    recommender, evidence: Evidence, declared: Declaration, seconds: float
) -> dict[str, str]:
    """Name -> text: system, data, filters, protocol, ties, users, hashes, seed, versions, and what
    the evidence adds of itself.
    """
    dataset, split = evidence.dataset, evidence.split
    targets = [len(target) for target in evidence.targets]
    filters = "; ".join(str(note) for note in dataset.card.notes)
    versions = [f"{name} {_version(name)}" for name in ("numpy", "scipy", "pandas", "tutorial-lib")]
    per_user = f"{np.mean(targets):.1f} a user ({min(targets)} to {max(targets)})"
    return {
        "system": _describe(recommender),
        "data": (
            f"{dataset.name}: {dataset.n_users:,} users, {dataset.n_items:,} items,"
            f" {dataset.n_interactions:,} interactions"
        ),
        "licence": dataset.card.licence,
        "filters and notes of the data": filters or "none",
        "protocol": f"{split.name}, {declared.on} targets, {per_user}, lists of {evidence.k}",
        "ties in time": (
            f"{split.tied_targets:.1%} of test targets have the time of a neighbour, so file order"
            " made them targets"
        ),
        "users judged": f"{len(evidence.users):,} of the {len(split.users):,} of the split",
        "smallest group with an interval": f"{evidence.minimum} users",
        "declared": f"{declared.date} (UTC), before any list was asked for",
        "declaration sha256": declared.sha256,
        "data sha256": declared.data_sha256,
        "targets sha256": declared.targets_sha256,
        "lists sha256": digest(evidence.raw),
        "seed": str(declared.seed),
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
        "seconds": f"{seconds:.1f}",
        **evidence.scope,
    }


def _describe(recommender) -> str:
    """Class and constructor parameters, where they are plain values."""
    held = getattr(recommender, "__dict__", {})
    plain = {
        name: value
        for name, value in held.items()
        if isinstance(value, (int, float, str, bool)) and name != "n_items"
    }
    told = ", ".join(
        f"{name}={value!r}"
        for name, value in plain.items()
        if not name.startswith("_") and not name.endswith("_")
    )
    return f"{type(recommender).__name__}({told})"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
