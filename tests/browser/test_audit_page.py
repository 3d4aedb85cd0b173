"""The audit's page at the widths of a phone, a laptop and a wide screen: nothing is cut off, and no
row is a tower.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from audit_town import N_ITEMS, Fixed, town

from tutorial_lib.audit import audit
from tutorial_lib.data import random_hold_out

pytestmark = pytest.mark.browser
WIDTHS = (390, 1100, 1600)
TALLEST = 8  # lines of a table's row at a width at which it is a row
MEASURE = """() => {
  const width = document.documentElement.clientWidth;
  const wide = [...document.querySelectorAll('table, figure, pre, ul')].filter(
    box => box.scrollWidth > box.clientWidth + 1 || box.getBoundingClientRect().right > width + 1);
  const lines = [...document.querySelectorAll('tr')].map(
    row => row.getBoundingClientRect().height / parseFloat(getComputedStyle(row).lineHeight));
  return {page: document.documentElement.scrollWidth, width, wide: wide.map(box => box.innerText.slice(0, 80)),
          lines: Math.max(...lines), shown: document.body.innerText};
}"""


@pytest.fixture(scope="module")
def report():
    """Long names, 25 providers, unknown labels and every optional section: as wide as a page gets."""
    ds = town(
        gender=[("women and girls", "men and boys", None)[u % 3] for u in range(240)],
        membership_of_the_reading_circle=[
            f"since the year {2000 + u % 4}, without interruption" for u in range(240)
        ],
    )
    ds = replace(
        ds,
        items=ds.items.drop(columns="provider_group").assign(
            provider=[f"Publishing house number {i % 25}" for i in range(N_ITEMS)]
        ),
    )
    rows = [
        ("EASE", p, "ndcg@10", "F", "M", g, g - 0.01, g + 0.01)
        for p, g in (("20 % at random", -0.02), ("last 5", 0.01), ("last 1", 0.0))
    ]
    table = pd.DataFrame(
        rows, columns=["model", "protocol", "metric", "a", "b", "gap", "low", "high"]
    )
    coverage = pd.DataFrame(
        {
            "attribute": ["gender"],
            "group": ["women and girls"],
            "logged": [20],
            "users": [80],
            "share": [0.25],
        }
    )
    return replace(
        audit(Fixed(), ds, random_hold_out(ds, 3)).with_protocols(table), log_coverage=coverage
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits(report, width, chromium, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report.to_html(), encoding="utf-8")
    page = chromium.new_page(viewport={"width": width, "height": 900})
    page.goto(path.as_uri())
    found = page.evaluate(MEASURE)
    assert found["page"] <= found["width"] and found["wide"] == []
    assert width < 700 or found["lines"] <= TALLEST
    for f in report.findings:
        assert all(" ".join(note.split()) in " ".join(found["shown"].split()) for note in f.notes)
