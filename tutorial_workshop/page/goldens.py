"""Goldens: numbers that a notebook must keep giving, compared with a recorded mean and spread over
several seeds.

In a notebook: ``golden("01.popularity.ndcg@10", value)``. ``make goldens`` records them.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tutorial_lib.data.shipped import shipped
from tutorial_lib.errors import InputError

# a number without spread over the seeds may still move in its last digits between machines
_RELATIVE_FLOOR = 1e-6
FILE = "results/goldens.json"


@dataclass(frozen=True)
class Band:
    """What was recorded for one number.

    Args:
        mean, sd, n: over the seeds (sd with n - 1).
        trivial: what a trivial method gives in its place.
        effect: the difference that the text claims.
        seeds: the seeds behind it.
    """

    mean: float
    sd: float
    n: int
    trivial: float = 0.0
    effect: float = 0.0
    seeds: tuple[int, ...] = ()

    @property
    def half_width(self) -> float:
        """Three standard deviations, or a millionth of the mean where there is no spread."""
        return max(3 * self.sd, _RELATIVE_FLOOR * abs(self.mean))

    def holds(self, value: float) -> bool:
        """True when the value lies inside mean ± half_width."""
        return abs(value - self.mean) <= self.half_width


Bands = dict[str, dict[str, Band]]  # name -> "dataset/profile" -> band


def goldens_path() -> Path:
    """Where the recorded goldens lie, in a clone as in an installed kit."""
    return shipped(FILE)


def load_bands(path: Path | None = None) -> Bands:
    """Recorded bands; none where there is no file yet."""
    path = path or goldens_path()
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: {key: Band(**{**raw, "seeds": tuple(raw["seeds"])}) for key, raw in entry.items()}
        for name, entry in content.items()
    }


def _parameter(name: str, given: object) -> object:
    """The value given, else the notebook's parameter of that name."""
    if given is not None:
        return given
    try:
        from IPython import get_ipython

        return getattr(get_ipython(), "user_ns", {})[name.upper()]
    except (ImportError, KeyError):
        raise InputError(
            f"golden: {name} is not known; define {name.upper()} in the parameters cell, or pass"
            f" {name}=..."
        ) from None


def _verdict(band: Band | None, ok: bool | None) -> str:
    if band is None:
        return ". No recorded value to compare with."
    recorded = f"as recorded ({band.mean:.4f} ± {band.half_width:.2g} over {band.n} seeds)."
    if ok:
        return f", {recorded}"
    return f", NOT {recorded} Did you change a parameter or the code above?"


def _write_down(claim: dict, band: Band | None, ok: bool | None) -> None:
    """Add a comparison to the file that ``TUTORIAL_RESULTS`` names, if it names one."""
    path = os.environ.get("TUTORIAL_RESULTS")
    if not path:
        return
    notebook = os.environ.get("TUTORIAL_NOTEBOOK") or claim["name"].split(".")[0]
    recorded = {"mean": band.mean if band else None, "sd": band.sd if band else None, "ok": ok}
    with open(path, "a", encoding="utf-8") as file:  # NaN stays NaN: Python reads it back
        file.write(json.dumps({"notebook": notebook, **claim, **recorded}) + "\n")


def golden(
    name: str,
    value: float,
    *,
    dataset: str | None = None,
    profile: str | None = None,
    seed: int | None = None,
    trivial: float = 0.0,
    effect: float | None = None,
) -> None:
    """Compare a number with its recorded band and say so in one line.

    Args:
        name: ``"NN.what.metric"``, e.g. ``"01.popularity.ndcg@10"``; NN is the notebook.
        value: the number.
        dataset, profile, seed: default: DATASET, PROFILE and SEED of the notebook.
        trivial: what a trivial method gives in its place; a band that contains it is not recorded.
        effect: the difference that the text claims (default: distance from ``trivial``). A band
            that is wider is not recorded.

    Raises:
        InputError: when the value is not a number, or a parameter is not known.
        AssertionError: outside the band, and only where ``TUTORIAL_STRICT`` is 1 (as in CI);
            elsewhere the line says so in words.
    """
    try:
        value = float(value)
    except (TypeError, ValueError):
        raise InputError(
            f"golden {name!r}: {type(value).__name__} is not a number; pass one float"
        ) from None
    where = {
        "dataset": str(_parameter("dataset", dataset)),
        "profile": str(_parameter("profile", profile)),
        "seed": int(str(_parameter("seed", seed))),
    }
    key = f"{where['dataset']}/{where['profile']}"
    band = load_bands().get(name, {}).get(key)
    ok = None if band is None else band.holds(value)
    line = f"{name} on {where['dataset']}, {where['profile']}: {value:.4f}{_verdict(band, ok)}"
    print(line)
    claim = {"name": name, "value": value, **where, "trivial": float(trivial), "effect": effect}
    _write_down(claim, band, ok)
    if ok is False and os.environ.get("TUTORIAL_STRICT") == "1":
        raise AssertionError(line)
