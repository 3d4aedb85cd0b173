"""Goldens: numbers that a notebook must keep giving, compared with a recorded mean and spread over
several seeds.

In a notebook: ``golden("01.popularity.ndcg@10", value)``. To record, run the notebooks with five or
more seeds and the variable ``TUTORIAL_RESULTS`` naming a file, then ``python -m
tutorial_workshop.page.goldens record FILE...``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tutorial_lib.data.shipped import ship, shipped, write_whole
from tutorial_lib.errors import InputError

LEAST_SEEDS = 5
# a number without spread over the seeds may still move in its last digits between machines
_RELATIVE_FLOOR = 1e-6
_FILE = "results/goldens.json"


@dataclass(frozen=True)
class Band:
    """What was recorded for one number.

    Args:
        mean, sd, n: over the seeds (sd with n - 1).
        trivial: what a trivial method gives in its place.
        effect: the difference that the text claims (default in ``record``: distance of the mean
            from ``trivial``).
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

    def problems(self) -> list[str]:
        """Why this band proves nothing: too few seeds, wide enough for 0 or the trivial value, or
        wider than the claim. Empty: sound.
        """
        low, high = self.mean - self.half_width, self.mean + self.half_width
        found = []
        if (
            not all(map(math.isfinite, (self.mean, self.sd, self.trivial, self.effect)))
            or self.sd < 0
        ):
            return [
                "mean, spread, trivial value and effect must be finite numbers, the spread not"
                " negative"
            ]
        if self.n < LEAST_SEEDS or len(set(self.seeds)) < LEAST_SEEDS:
            found.append(
                f"rests on {min(self.n, len(set(self.seeds)))} seeds, {LEAST_SEEDS} are needed"
            )
        if low <= 0 <= high:
            found.append(
                f"band [{low:.4g}, {high:.4g}] contains 0: a model that does nothing would pass"
            )
        if low <= self.trivial <= high:
            found.append(
                f"band [{low:.4g}, {high:.4g}] contains the trivial value {self.trivial:.4g}"
            )
        if high - low > abs(self.effect):
            found.append(
                f"band is {high - low:.4g} wide, the effect claimed is {abs(self.effect):.4g}"
            )
        return found


def goldens_path() -> Path:
    """Where the recorded goldens lie, in a clone as in an installed kit; the file need not exist
    yet.
    """
    return shipped(_FILE)


def load_bands(path: Path | None = None) -> dict[str, dict[str, Band]]:
    """Recorded bands: name -> ``"dataset/profile"`` -> ``Band``. No file: nothing recorded yet."""
    path = path or goldens_path()
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: {key: Band(**{**raw, "seeds": tuple(raw["seeds"])}) for key, raw in entry.items()}
        for name, entry in content.items()
    }


def save_bands(bands: dict[str, dict[str, Band]], path: Path) -> None:
    """Write the bands, sorted; those of the kit itself are entered in its MANIFEST.json."""
    content = {
        name: {key: asdict(band) for key, band in sorted(entry.items())}
        for name, entry in sorted(bands.items())
    }
    text = (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
    if path == shipped(_FILE):
        ship({_FILE: text}, "make goldens")
    else:
        write_whole(path, text)


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
    return (
        f", {recorded}" if ok else f", NOT {recorded} Did you change a parameter or the code above?"
    )


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
        trivial: what a trivial method gives in its place (recorded, and kept out of the band).
        effect: the difference that the text claims (recorded; default: distance from ``trivial``).
            The band must be narrower.

    Raises:
        InputError: when the value is no number, or a parameter is not known.
        AssertionError: outside the band, and only where ``TUTORIAL_STRICT`` is 1 (as in CI);
            elsewhere the line says so in words.
    """
    try:
        value = float(value)
    except (TypeError, ValueError):
        raise InputError(
            f"golden {name!r}: {type(value).__name__} is no number; pass one float"
        ) from None
    dataset, profile = str(_parameter("dataset", dataset)), str(_parameter("profile", profile))
    seed = int(_parameter("seed", seed))
    band = load_bands().get(name, {}).get(f"{dataset}/{profile}")
    ok = None if band is None else band.holds(value)
    line = f"{name} on {dataset}, {profile}: {value:.4f}{_verdict(band, ok)}"
    print(line)
    run = {"name": name, "value": value, "seed": seed, "dataset": dataset, "profile": profile}
    _append({**run, "trivial": float(trivial), "effect": effect}, band, ok)
    if ok is False and os.environ.get("TUTORIAL_STRICT") == "1":
        raise AssertionError(line)


def _append(record: dict, band: Band | None, ok: bool | None) -> None:
    """Add one line to the file that ``TUTORIAL_RESULTS`` names, if any."""
    path = os.environ.get("TUTORIAL_RESULTS")
    if not path:
        return
    notebook = os.environ.get("TUTORIAL_NOTEBOOK") or record["name"].split(".")[0]
    line = {
        "notebook": notebook,
        **record,
        "mean": band and band.mean,
        "sd": band and band.sd,
        "ok": ok,
    }
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")  # NaN stays NaN: Python reads it back


def merge(lines: Sequence[dict]) -> tuple[dict[str, dict[str, Band]], list[str]]:
    """Bands from the records of several runs, and what is wrong with those that were left out.

    A number recorded twice with the same seed counts once, the later one.
    """
    runs: dict[tuple[str, str], dict[int, dict]] = {}
    for line in lines:
        runs.setdefault((line["name"], f"{line['dataset']}/{line['profile']}"), {})[
            line["seed"]
        ] = line
    bands: dict[str, dict[str, Band]] = {}
    complaints = []
    for (name, key), by_seed in sorted(runs.items()):
        values, last = [line["value"] for line in by_seed.values()], list(by_seed.values())[-1]
        mean, sd = statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0
        trivial = statistics.fmean(line["trivial"] for line in by_seed.values())
        effect = abs(mean - trivial) if last["effect"] is None else float(last["effect"])
        band = Band(mean, sd, len(values), trivial, effect, tuple(sorted(by_seed)))
        problems = band.problems()
        complaints += [f"{name} ({key}): {problem}" for problem in problems]
        if not problems:
            bands.setdefault(name, {})[key] = band
    return bands, complaints


def read_records(paths: Sequence[str | Path]) -> list[dict]:
    """The records of several JSON-lines files, a broken line refused with file and line number."""
    records = []
    for path in map(Path, paths):
        if not path.is_file():
            raise InputError(
                f"no results file {path}; run the notebooks with TUTORIAL_RESULTS={path.name} first"
            )
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                record = json.loads(line)
                complete = {
                    "name",
                    "value",
                    "seed",
                    "dataset",
                    "profile",
                    "trivial",
                    "effect",
                } <= set(record)
            except (ValueError, TypeError):
                complete = False
            if not complete:
                raise InputError(
                    f"{path}, line {number}: not a golden record; each line is what golden() writes"
                )
            records.append(record)
    return records


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m tutorial_workshop.page.goldens record FILE...``: 0 when all is recorded, 1 when a
    band proves nothing, 2 for bad input.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tutorial_workshop.page.goldens",
        description="record the goldens of the notebooks",
    )
    parser.add_argument("command", choices=["record"])
    parser.add_argument(
        "files", nargs="+", help="JSON-lines files of five or more runs with different seeds"
    )
    parser.add_argument("--out", type=Path, help="default: data/results/goldens.json of this clone")
    given = parser.parse_args(arguments)
    try:
        out = given.out or goldens_path()
        recorded = load_bands(out)
        bands, complaints = merge(read_records(given.files))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    for name, entry in bands.items():
        recorded.setdefault(name, {}).update(entry)
    save_bands(recorded, out)
    print(f"recorded {sum(map(len, bands.values()))} bands in {out}")
    for complaint in complaints:
        print(f"left out: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
