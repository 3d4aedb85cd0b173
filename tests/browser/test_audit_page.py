"""The audit's page on a phone, a laptop and a wide screen: nothing is cut off or towers."""

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
  return {
    page: document.documentElement.scrollWidth,
    width,
    wide: wide.map(box => box.innerText.slice(0, 80)),
    lines: Math.max(...lines),
    shown: document.body.innerText,
  };
}"""


@pytest.fixture(scope="module")
def report():
    """Long names, 25 providers, unknown labels, all optional sections: as wide as a page gets."""
    members = [f"since the year {2000 + u % 4}, without interruption" for u in range(240)]
    genders = [("women and girls", "men and boys", None)[u % 3] for u in range(240)]
    ds = town(gender=genders, membership_of_the_reading_circle=members)
    providers = [f"Publishing house number {i % 25}" for i in range(N_ITEMS)]
    items = ds.items.drop(columns="provider_group").assign(provider=providers)
    ds = replace(ds, items=items)
    protocols = ["20 % at random", "last 5", "last 1"]
    gaps = pd.DataFrame({"protocol": protocols, "gap": [-0.02, 0.01, 0.0]})
    gaps = gaps.assign(model="EASE", metric="ndcg@10", a="F", b="M")
    gaps = gaps.assign(low=gaps["gap"] - 0.01, high=gaps["gap"] + 0.01)
    coverage = {"attribute": "gender", "group": "women and girls", "logged": 20, "users": 80}
    coverage = pd.DataFrame([coverage | {"share": 0.25}])
    found = audit(Fixed(), ds, random_hold_out(ds, 3))
    return replace(found.with_protocols(gaps), log_coverage=coverage)


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
