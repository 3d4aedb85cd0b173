"""Register, report and model card: everything tested is told, small groups are not, and no text can
break out of its place.
"""

from __future__ import annotations

import csv
import errno
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tutorial_lib.audit import audit
from tutorial_lib.audit.core.finding import make_finding
from tutorial_lib.audit.core.margins import MARGINS
from tutorial_lib.audit.harms.register import (
    classes,
    coding_sheet,
    evidence_frame,
    interview_guide,
    register,
    register_frame,
    routes,
    stakeholders,
)
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.audit.report.opening import opening
from tutorial_lib.audit.report.render import model_card
from tutorial_lib.audit.report.report import AuditReport
from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import Popularity

HEADINGS = (
    "Opinion",
    "Scope",
    "Independence and limits",
    "Criteria",
    "Methods",
    "everything else",
    "Qualitative evidence",
    "Long run",
    "Treatment and residual risk",
    "Annex",
)


def made(size: float, metric: str = "ndcg@10: <b>x|y</b> a - b", n: int = 40):
    """A finding of this size, whose interval is 0.02 wide; margin 0.03."""
    p = 0.001 if abs(size) > 0.01 else 0.8
    sizes = {"a": n, "b": 100}
    estimate = Estimate(size, size - 0.01, size + 0.01, p, 0.005)
    return make_finding(
        "H1", "users", metric, estimate, n_by_group=sizes, margin=0.03, notes=["A note."]
    )


def report(*findings, family=(), problems=()):
    return AuditReport(
        "Shop(name='<script>alert(1)</script>')",
        {"data": "shop: 1", "seed": "0"},
        {"quality": 0.1},
        tuple(family),
        findings,
        pd.DataFrame({"attribute": ["g"], "group": ["tiny"], "n": [7], "status": ["suppressed"]}),
        tuple(problems),
    )


# the register


def test_the_register_is_whole():
    """18 rows over six classes and four routes, each with both published codings and a sensible
    risk.
    """
    rows = register()
    assert [row.id for row in rows] == list(range(1, 19)) and {row.harm for row in rows} == set(
        classes()
    ) == {f"H{i}" for i in range(1, 7)}
    assert {row.route for row in rows} == set(routes()) and len(routes()) == 4
    assert all(
        1 <= row.severity <= 4 and 1 <= row.likelihood <= 4 and row.weidinger and row.milano
        for row in rows
    )
    assert {area for row in rows for area in row.weidinger} == {"I", "II", "III", "IV", "V", "VI"}
    frame = register_frame()
    assert (frame["risk"] == frame["severity"] * frame["likelihood"]).all()
    assert {"users", "creators", "environment", "society", "designers"} <= set(stakeholders().index)


def test_the_register_knows_what_an_audit_measures():
    """A row whose text no metric contains would say "not tested" for ever."""
    ds = load_dataset("world-news")
    split = hold_out_k(ds, 5)
    evidence = evidence_frame(audit(Popularity().fit(split), ds, split).findings)
    assert (evidence.loc[[1, 2, 3, 4, 6, 7, 12], "tested"] > 0).all() and (
        evidence.loc[[8, 9, 10, 14, 15, 16, 17], "tested"] == 0
    ).all()


def test_interviews_can_be_coded():
    assert len(interview_guide()) >= 8 and coding_sheet()["code"].is_unique


# the report


def test_adding_findings_judges_all_again():
    """BH over more findings: the adjusted p of an old one must not stay as it was."""
    old = report(made(0.1, "x: a"), family=[]).add([])
    new = old.add([made(0.0, f"y: {i}") for i in range(5)], problems=["late"])
    assert (
        len(new.findings) == 6
        and new.problems == ("late",)
        and new.findings[0].p_adjusted > old.findings[0].p_adjusted
    )


# the page


class Page(HTMLParser):
    void = {"meta", "br", "img", "path", "rect", "line", "link"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open.pop() == tag


def test_the_page_stands_alone_and_is_escaped():
    text = report(
        made(0.1), made(0.0, "other"), family=["ndcg@10: <b>x|y</b> a - b"], problems=["a < b & c"]
    ).to_html()
    page = Page(text)
    assert not page.open and not {"script", "link", "b"} & set(page.tags)
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "@import" not in text and "viewport" in text
    assert page.tags.count("caption") == page.tags.count("table") >= 6
    assert ("scope", "col") in page.attributes and page.tags.count("svg") == 1
    assert "Forest plot" in text and 'role="img"' in text and "not legal advice" in text
    assert "&lt;script&gt;alert(1)" in text


def test_everything_tested_is_told_and_small_groups_are_not():
    findings = [made(0.1, "loud"), made(0.0, "silent one"), made(0.0, "tiny", n=7)]
    for text in (
        report(*findings, family=["loud"]).to_html(),
        report(*findings, family=["loud"]).to_markdown(),
    ):
        assert (
            all(name in text for name in ("loud", "silent one", "tiny", "fewer than 10"))
            and "a 7," not in text
        )
        assert not re.search(r"tiny\D{1,40}\b7\b", text)
        for heading in HEADINGS:
            assert heading in text


def test_markdown_tables_have_equal_columns():
    """A pipe in a metric's name would shift every cell after it."""
    for block in re.findall(r"(?:^\|.*\n)+", report(made(0.1), family=[]).to_markdown(), re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_a_report_without_findings_or_numbers():
    bare = report()
    assert "none" in bare.to_markdown() and Page(bare.to_html()).open == []
    unknown = make_finding(
        "H1", "users", "gap", Estimate.nothing(), n_by_group={"a": 3}, margin=np.nan
    )
    assert "–" in report(unknown, family=["gap"]).to_html()


def test_the_model_card_parses_back():
    text = model_card(report(made(0.1), family=["ndcg@10: <b>x|y</b> a - b"]))
    head = yaml.safe_load(text.split("---")[1])
    assert head["model-index"][0]["results"][0]["metrics"][0]["value"] == pytest.approx(0.1)
    assert (
        "Opinion: **negative**" in text
        and "Intended use" in text
        and "<script>" not in text.split("---")[2]
    )


def test_saving_leaves_no_half(tmp_path):
    paths = report(made(0.1)).save(tmp_path / "new" / "folder")
    assert [p.name for p in paths] == ["report.html", "report.md", "findings.csv", "model_card.md"]
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == sorted(
        p.name for p in paths
    )
    assert len(pd.read_csv(paths[2])) == 1


@pytest.mark.parametrize("fail_at", range(4))
@pytest.mark.parametrize(("owner", "name"), [(Path, "write_text"), (os, "replace")])
def test_a_full_disk_leaves_all_four_files_or_none(tmp_path, monkeypatch, owner, name, fail_at):
    """Three of four files look like a report. An earlier report stays whole."""
    report(made(0.1)).save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    real = getattr(owner, name)
    calls = []

    def full(*args, **options):
        calls.append(args)
        if len(calls) == fail_at + 1:
            raise OSError(errno.ENOSPC, "No space left on device", str(args[0]))
        return real(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, full)
        said = f"{re.escape(str(tmp_path))}.*No space left on device; nothing of the report"
        with pytest.raises(InputError, match=said):
            report(made(0.2), made(0.0, "b")).save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_report_is_not_written_over_a_folder_or_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="nothing of the report was written"):
            report(made(0.1)).save(place)
    (tmp_path / "taken" / "report.md").mkdir(parents=True)
    with pytest.raises(InputError, match="report.md"):
        report(made(0.1)).save(tmp_path / "taken")
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["report.md"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "=cmd|' /C calc'!A0"])
def test_no_cell_of_the_table_is_a_formula(start, tmp_path):
    """A group called =HYPERLINK(...) is run by the spreadsheet that opens findings.csv."""
    name = f"{start}1+1"
    estimate = Estimate(0.1, 0.09, 0.11, 0.001, 0.005)
    sizes = {name: 40}
    one = make_finding("H1", name, name, estimate, n_by_group=sizes, margin=0.03, notes=[name])
    report(one).save(tmp_path)
    with (tmp_path / "findings.csv").open(newline="", encoding="utf-8") as file:
        head, cells = csv.reader(file)
    row = dict(zip(head, cells))
    assert not [cell for cell in cells if re.match(r"[=+@\t\r]|-\D", cell)]
    assert row["metric"] == f"'{name}".replace("\r", " ")
    assert float(row["estimate"]) == 0.1 and float(row["low"]) == pytest.approx(0.09)


EVIL = "<img src=x onerror=alert(1)>[x](javascript:alert(1))<script>"


def test_no_text_of_the_card_or_the_report_is_html():
    """Neither below the head nor in it: a viewer that knows no metadata shows the head as a part of
    the page.
    """
    one = made(0.1, metric=f"{EVIL}: a - b")
    bad = replace(
        report(one, family=[one.metric], problems=[EVIL]),
        system=EVIL,
        scope={"data": f"{EVIL}: 1", EVIL: EVIL},
        margins={EVIL: 1.0},
    )
    for text in (model_card(bad), bad.to_markdown(), bad.to_html()):
        assert "<img" not in text and "<script" not in text
        assert text.startswith("<!doctype") or "[x](" not in text
    yaml.safe_load(model_card(bad).split("---")[1])


def test_the_opening_says_what_was_asked_found_and_open():
    loud, quiet = made(0.1, "ndcg@10: a - b"), made(0.0, "ndcg@10: c - d")
    wide = made(0.025, "ndcg@10: e - f")
    gone = make_finding(
        "H1", "users", "ndcg@10: gone", Estimate.nothing(), n_by_group={}, margin=np.nan
    )
    findings = (loud, quiet, wide, gone)
    whole = report(*findings, family=[f.metric for f in findings])
    asked, found, undecided = opening(whole)
    assert asked.startswith(
        "Asked: does ndcg@10 differ between groups of users (a - b; c - d; e - f; gone)? 4 tests"
    )
    assert found.startswith(
        "Found: 1 of 4 declared tests beyond the margin (ndcg@10: a - b +0.1000, margin 0.0300,"
        " worse off: users), 1 within it"
    )
    assert undecided.startswith("Not decided: 2 of 4. ")
    assert "ndcg@10: e - f" in undecided and "ndcg@10: gone: " in undecided
    alone = opening(report(quiet, family=[quiet.metric]))
    assert alone[2] == "Not decided: nothing that was declared."
    page = whole.to_html().replace("<strong>", "").replace("</strong>", "")
    assert all(text in page for text in (asked, found, undecided))


def test_every_margin_is_explained():
    assert all(
        0 < default <= largest and len(text) > 20 for default, largest, text in MARGINS.values()
    )
