"""H6, environment: the energy of a piece of work as a band, with everything that was assumed, next
to what its arithmetic allows.
"""

from __future__ import annotations

import logging
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.errors import InputError

CORE_WATTS = (
    1.5,
    15.0,
)  # of one busy core, from a shared server thread to a desktop core at full clock
RAM_WATTS_PER_GB = (
    0.2,
    0.4,
)  # published constants differ by this much; a tracker's fixed 20 W a machine is not used
OVERHEAD = (1.0, 1.6)  # power usage effectiveness of the building: a laptop, an average data centre
GRID = {
    "FRA": (20, 80),
    "DEU": (250, 450),
    "USA": (300, 450),
    "WORLD": (350, 550),
}  # gCO2e per kWh, from good to bad years and hours
EFFICIENCY = (
    1e9,
    2e11,
)  # FLOPs per joule that processors and accelerators of the last ten years reach: outside is not plausible
JOULES = 3.6e6  # a kWh


@dataclass(frozen=True)
class Footprint:
    """seconds of wall time; kwh and gco2: (low, high) bands; recommendations: lists made; mode:
    what was assumed or metered.

    A single number would be a claim that nobody here can check: constants for processor, memory,
    building and grid decide most of it.
    """

    seconds: float
    kwh: tuple[float, float]
    gco2: tuple[float, float]
    recommendations: int
    mode: str
    flops: float = float("nan")

    def per_thousand(self) -> tuple[float, float]:
        """gCO2e per 1,000 recommendation lists, (low, high)."""
        return tuple(1000 * value / self.recommendations for value in self.gco2)

    def plausible(self) -> bool | None:
        """Whether the arithmetic fits into the band at an efficiency that processors reach; None
        where the FLOPs are not known.
        """
        if np.isnan(self.flops):
            return None
        least, most = (self.flops / efficiency / JOULES for efficiency in reversed(EFFICIENCY))
        return bool(self.kwh[1] >= least and self.kwh[0] <= most)

    def __str__(self) -> str:
        low, high = self.per_thousand()
        energy = f"{self.kwh[0]:.3g} to {self.kwh[1]:.3g} kWh in {self.seconds:.1f} s"
        return f"{low:.3g} to {high:.3g} gCO2e per 1,000 lists ({energy}; {self.mode})"


def measure_footprint(
    work: Callable[[], object],
    *,
    recommendations: int,
    country: str = "FRA",
    flops: float = float("nan"),
    tracker: bool = True,
) -> Footprint:
    """Run ``work`` and give its energy as a band.

    recommendations: lists that it makes. country: of `GRID`. flops: its arithmetic, where it is
        known (see `flops_bound`).
    tracker: use codecarbon, if it is installed, offline and without leaving a file; its reading
        then widens the band, never replaces it.
    Raises InputError for an unknown country or fewer than one recommendation.
    Sources: Vente et al. 2024, arXiv 2408.08203; Lottick et al. 2019 (codecarbon).
    """
    if country not in GRID or recommendations < 1:
        raise InputError(
            f"measure_footprint(country={country!r}, recommendations={recommendations}): expected"
            f" one of {', '.join(GRID)}, and 1 or more"
        )
    meter = _tracker(country) if tracker else None
    if meter is not None:
        meter.start()
    wall, busy = time.perf_counter(), time.process_time()
    work()
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    metered, memory = _stopped(meter), _memory_gb()
    bands = zip(CORE_WATTS, RAM_WATTS_PER_GB, OVERHEAD, strict=True)
    kwh = tuple((busy * core + wall * ram * memory) * extra / JOULES for core, ram, extra in bands)
    mode = (
        f"no meter: {CORE_WATTS[0]:g} to {CORE_WATTS[1]:g} W a busy core for {busy:.1f} s,"
        f" {memory:.1f} GB of memory, "
    )
    mode += f"PUE {OVERHEAD[0]:g} to {OVERHEAD[1]:g}"
    if metered is not None:
        reading, how = metered
        kwh = min(kwh[0], reading), max(kwh[1], reading)
        mode += f"; {how}: {reading:.3g} kWh"
    grid = GRID[country]
    mode += f"; grid {country} {grid[0]} to {grid[1]} gCO2e per kWh; {platform.machine()}"
    return Footprint(wall, kwh, (kwh[0] * grid[0], kwh[1] * grid[1]), recommendations, mode, flops)


def flops_bound(parameters: int, tokens: int, *, training: bool) -> float:
    """Floating-point operations of a dense Transformer: 6 N D to train on D tokens, 2 N D to read
    them (Kaplan et al. 2020, section 2.1).

    >>> flops_bound(1_000_000, 1_000, training=True)
    6000000000.0
    """
    if parameters < 1 or tokens < 0:
        raise InputError(
            f"flops_bound(parameters={parameters}, tokens={tokens}): expected one parameter or"
            " more, and no fewer than 0 tokens"
        )
    return float((6 if training else 2) * parameters * tokens)


def footprint_finding(footprint: Footprint, margin: float = float("nan")) -> Finding:
    """The upper end against a margin in gCO2e per 1,000 lists. Without a declared margin it is
    INCONCLUSIVE: a number, not a verdict.
    """
    low, high = footprint.per_thousand()
    estimate = Estimate((low + high) / 2, low, high, float("nan"), float("nan"))
    name, sizes = "energy: gCO2e per 1,000 lists", {"lists": footprint.recommendations}
    return make_finding(
        "H6",
        "environment",
        name,
        estimate,
        n_by_group=sizes,
        margin=margin,
        notes=[f"A band, not an interval: {footprint.mode}."],
    )


def _memory_gb() -> float:
    try:
        import psutil

        return psutil.Process().memory_info().rss / 1e9
    except ImportError:
        return 1.0


def _tracker(country: str):
    """A codecarbon tracker that asks no network, prints nothing and keeps no file; None where it is
    not installed or cannot start.
    """
    try:
        version("codecarbon")
    except PackageNotFoundError:
        return None
    code = "USA" if country == "WORLD" else country
    logging.getLogger("codecarbon").disabled = True
    try:
        from codecarbon import OfflineEmissionsTracker

        quiet = {
            "save_to_file": False,
            "log_level": "critical",
            "output_dir": tempfile.gettempdir(),
            "allow_multiple_runs": True,
        }
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # names of options that older releases know and newer ones will rename
            return OfflineEmissionsTracker(country_iso_code=code, **quiet)
    except Exception as error:  # a meter that fails must not stop the audit
        logging.getLogger(__name__).debug("codecarbon did not start: %s", error)
        return None


def _stopped(meter) -> tuple[float, str] | None:
    """kWh that codecarbon read, and how it came by it."""
    if meter is None:
        return None
    meter.stop()
    data = meter.final_emissions_data
    how = (
        f"codecarbon {version('codecarbon')}, {os.cpu_count()} processors as {data.cpu_power:.0f}"
        f" W, memory as {data.ram_power:.0f} W"
    )
    return float(data.energy_consumed), how
