"""A report as a page, as a notebook's output, as Markdown, and as a model card."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from tutorial_lib.audit.report.opening import opening
from tutorial_lib.audit.report.plots import COLOURS
from tutorial_lib.audit.report.sections import sections, texts
from tutorial_lib.audit.report.tables import declared_table, margins_table
from tutorial_lib.errors import InputError
from tutorial_lib.templating import render

if TYPE_CHECKING:
    from tutorial_lib.audit.report.report import AuditReport

HERE = Path(__file__).parent


def page(report: AuditReport) -> str:
    """The whole report as HTML that needs nothing else."""
    return render(HERE / "page.html.j2", report=report, sections=sections(report), colours=COLOURS)


def summary_html(report: AuditReport) -> str:
    """Opinion, the three sentences, and the declared family, for a notebook."""
    return render(HERE / "summary.html.j2", report=report, opening=opening(report))


def markdown(report: AuditReport) -> str:
    """All sections as Markdown."""
    return render(HERE / "report.md.j2", report=report, sections=sections(report))


def model_card(report: AuditReport) -> str:
    """A model card with the audit's numbers in its YAML head, as model hubs read it.

    Texts are escaped in the head as well: where no hub reads it, it is shown as part of the page.

    Raises:
        InputError: huggingface_hub, which comes with transformers, is missing.

    Source: Mitchell et al. 2019, arXiv 1810.03993.
    """
    return render(
        HERE / "model_card.md.j2",
        head=_card_head(report),
        report=report,
        sentences=(*opening(report), *report.opinion.reasons),
        texts=texts(),
        declared=declared_table(report),
        margins=margins_table(report),
    )


def _card_head(report: AuditReport) -> str:
    try:
        from huggingface_hub import EvalResult, ModelCardData
    except ImportError:
        raise InputError(
            "a model card needs huggingface_hub: pip install huggingface_hub"
        ) from None
    data = _inert(report.scope.get("data", "unknown data").split(":")[0])
    results = [
        EvalResult(
            task_type="recommendation",
            dataset_type=data,
            dataset_name=data,
            metric_type=_inert(f.metric),
            metric_name=f"{_inert(f.metric)} ({f.verdict})",
            metric_value=round(f.estimate, 6),
        )
        for f in report.declared
        if f.estimate == f.estimate  # nan is not itself
    ]
    card = ModelCardData(
        language="en", library_name="tutorial-lib", tags=["recommender-system", "audit"]
    )
    if results:
        card.model_name = _inert(report.system)
        card.eval_results = results
    return card.to_yaml()


def _inert(text: str) -> str:
    """Text that is neither HTML nor a link, wherever the head is shown as text."""
    return escape(text).replace("[", "&#91;")
