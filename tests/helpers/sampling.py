"""The settings of a playground: a dozen of them, and all in the weekly lane."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tutorial_workshop.page.widgets import grid


def settings_of(controls: Mapping):
    """Parametrises a test with ``settings``, a list of control values."""
    every = list(grid(controls))
    weekly = pytest.param(every, id="all", marks=pytest.mark.weekly)
    return pytest.mark.parametrize(
        "settings", [pytest.param(every[:: max(1, len(every) // 12)], id="some"), weekly]
    )
