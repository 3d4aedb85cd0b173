"""H6, environment: the energy of a computation, as a band with all its assumptions."""

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

from tutorial_lib.errors import InputError

# Watts of one busy core, from a shared server thread to a desktop core at full clock.
CORE_WATTS = (1.5, 15.0)
# Published constants differ this much; the fixed 20 W per machine of a tracker is not used.
RAM_WATTS_PER_GB = (0.2, 0.4)
# Power usage effectiveness of the building: a laptop, an average data centre.
OVERHEAD = (1.0, 1.6)
# gCO2e per kWh, from good to bad years and hours.
GRID = {"FRA": (20, 80), "DEU": (250, 450), "USA": (300, 450), "WORLD": (350, 550)}
JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Footprint:
    """Energy and emissions as bands, because constants for processor, memory, building and grid
    decide most of them: a single number would be a claim that nobody here can check.

    Args:
        seconds: wall time.
        kwh, gco2: (low, high).
        recommendations: lists made.
        mode: what was assumed or metered.
    """

    seconds: float
    kwh: tuple[float, float]
    gco2: tuple[float, float]
    recommendations: int
    mode: str

    def per_thousand(self) -> tuple[float, float]:
        """gCO2e per 1,000 recommendation lists, (low, high)."""
        low, high = self.gco2
        return 1000 * low / self.recommendations, 1000 * high / self.recommendations

    def __str__(self) -> str:
        low, high = self.per_thousand()
        energy = f"{self.kwh[0]:.3g} to {self.kwh[1]:.3g} kWh in {self.seconds:.1f} s"
        return f"{low:.3g} to {high:.3g} gCO2e per 1,000 lists ({energy}; {self.mode})"


def measure_footprint(
    work: Callable[[], object],
    *,
    recommendations: int,
    country: str = "FRA",
    tracker: bool = True,
) -> Footprint:
    """Run ``work`` and estimate its energy as a band.

    Args:
        recommendations: lists that ``work`` makes, at least 1.
        country: one of `GRID`.
        tracker: use codecarbon, if installed, offline and without leaving a file; its reading
            then widens the band and never replaces it.

    Raises:
        InputError: unknown country, or fewer than one recommendation.

    Source: Vente et al. 2024, arXiv 2408.08203; Lottick et al. 2019 (codecarbon).
    """
    if country not in GRID or recommendations < 1:
        raise InputError(
            f"measure_footprint(country={country!r}, recommendations={recommendations}): expected"
            f" one of {', '.join(GRID)}, and 1 or more"
        )
    meter = _tracker(country) if tracker else None
    if meter is not None:
        meter.start()
    started, started_cpu = time.perf_counter(), time.process_time()
    work()
    wall = time.perf_counter() - started
    busy = time.process_time() - started_cpu
    reading = _stopped(meter)
    memory = _memory_gb()
    low, high = (
        (busy * core + wall * ram * memory) * overhead / JOULES_PER_KWH
        for core, ram, overhead in zip(CORE_WATTS, RAM_WATTS_PER_GB, OVERHEAD, strict=True)
    )
    mode = (
        f"no meter: {CORE_WATTS[0]:g} to {CORE_WATTS[1]:g} W per busy core for {busy:.1f} s,"
        f" {memory:.1f} GB of memory, PUE {OVERHEAD[0]:g} to {OVERHEAD[1]:g}"
    )
    if reading is not None:
        metered, how = reading
        low, high = min(low, metered), max(high, metered)
        mode += f"; {how}: {metered:.3g} kWh"
    grid = GRID[country]
    mode += f"; grid {country} {grid[0]} to {grid[1]} gCO2e per kWh; {platform.machine()}"
    return Footprint(wall, (low, high), (low * grid[0], high * grid[1]), recommendations, mode)


def _memory_gb() -> float:
    try:
        import psutil
    except ImportError:
        return 1.0
    return psutil.Process().memory_info().rss / 1e9


def _tracker(country: str):
    """A silent, offline codecarbon tracker; None where it is not installed or cannot start."""
    try:
        version("codecarbon")
    except PackageNotFoundError:
        return None
    logging.getLogger("codecarbon").disabled = True
    try:
        from codecarbon import OfflineEmissionsTracker

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # options that newer releases rename
            return OfflineEmissionsTracker(
                country_iso_code="USA" if country == "WORLD" else country,
                save_to_file=False,
                log_level="critical",
                output_dir=tempfile.gettempdir(),
                allow_multiple_runs=True,
            )
    except Exception as error:  # a meter that fails must not stop the audit
        logging.getLogger(__name__).debug("codecarbon did not start: %s", error)
        return None


def _stopped(meter) -> tuple[float, str] | None:
    """kWh that codecarbon read, and how it was measured."""
    if meter is None:
        return None
    meter.stop()
    data = meter.final_emissions_data
    how = (
        f"codecarbon {version('codecarbon')}, {os.cpu_count()} processors as {data.cpu_power:.0f}"
        f" W, memory as {data.ram_power:.0f} W"
    )
    return float(data.energy_consumed), how
