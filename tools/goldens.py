"""Records the goldens of the notebooks: ``python -m tools.goldens FILE...``.

The files are what ``golden()`` wrote, a JSON record a line, while notebooks ran with five or more
seeds and the variable ``TUTORIAL_RESULTS`` named a file; ``make goldens`` does both.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tutorial_lib.data.shipped import ship, write_whole
from tutorial_lib.errors import InputError
from tutorial_workshop.page.goldens import FILE, Band, Bands, goldens_path, load_bands

LEAST_SEEDS = 5
KEYS = {"name", "value", "seed", "dataset", "profile", "trivial", "effect"}


def problems(band: Band) -> list[str]:
    """Why a band proves nothing; empty when it is sound.

    Too few seeds, wide enough for 0 or the trivial value, or wider than the claim.
    """
    numbers = (band.mean, band.sd, band.trivial, band.effect)
    if not all(map(math.isfinite, numbers)) or band.sd < 0:
        return ["mean, spread, trivial value and effect must be finite, the spread not negative"]
    low, high = band.mean - band.half_width, band.mean + band.half_width
    shown = f"band [{low:.4g}, {high:.4g}]"
    seeds = min(band.n, len(set(band.seeds)))
    effect = abs(band.effect)
    complaints = {
        f"rests on {seeds} seeds, {LEAST_SEEDS} are needed": seeds < LEAST_SEEDS,
        f"{shown} contains 0: a model that does nothing would pass": low <= 0 <= high,
        f"{shown} contains the trivial value {band.trivial:.4g}": low <= band.trivial <= high,
        f"{shown} is wider than the effect claimed, {effect:.4g}": high - low > effect,
    }
    return [complaint for complaint, applies in complaints.items() if applies]


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
            except ValueError:
                record = None
            if not isinstance(record, dict) or not KEYS <= set(record):
                raise InputError(
                    f"{path}, line {number}: not a golden record; each line is what golden() writes"
                )
            records.append(record)
    return records


def merge(records: Sequence[dict]) -> tuple[Bands, list[str]]:
    """Bands from the records of several runs, and what is wrong with those that were left out.

    A number recorded twice with the same seed counts once, the later one.
    """
    runs: dict[tuple[str, str], dict[int, dict]] = {}
    for record in records:
        key = record["name"], f"{record['dataset']}/{record['profile']}"
        runs.setdefault(key, {})[record["seed"]] = record
    bands: Bands = {}
    complaints = []
    for (name, key), by_seed in sorted(runs.items()):
        band = _band(by_seed)
        found = problems(band)
        complaints += [f"{name} ({key}): {problem}" for problem in found]
        if not found:
            bands.setdefault(name, {})[key] = band
    return bands, complaints


def _band(by_seed: dict[int, dict]) -> Band:
    """Mean and spread of one number over the seeds."""
    *_, last = by_seed.values()
    values = [record["value"] for record in by_seed.values()]
    mean = statistics.fmean(values)
    trivial = statistics.fmean(record["trivial"] for record in by_seed.values())
    return Band(
        mean=mean,
        sd=statistics.stdev(values) if len(values) > 1 else 0.0,
        n=len(values),
        trivial=trivial,
        effect=abs(mean - trivial) if last["effect"] is None else float(last["effect"]),
        seeds=tuple(sorted(by_seed)),
    )


def save_bands(bands: Bands, path: Path) -> None:
    """Write the bands, sorted; those of the kit itself are entered in its MANIFEST.json."""
    content = {
        name: {key: asdict(band) for key, band in entry.items()} for name, entry in bands.items()
    }
    text = (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
    if path == goldens_path():
        ship({FILE: text}, "make goldens")
    else:
        write_whole(path, text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: 0 when all is recorded, 1 when a band proves nothing, 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.goldens", description="record the goldens of the notebooks"
    )
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
