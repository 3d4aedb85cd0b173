"""A model card (Mitchell et al. 2019, arXiv 1810.03993) made from an audit, with the numbers in its
metadata.
"""

from __future__ import annotations

from html import escape

from tutorial_lib.audit.report.markdown import escaped, markdown_table
from tutorial_lib.audit.report.parts import LIMITS, opening
from tutorial_lib.audit.report.tables import declared_table, margins_table, split_findings
from tutorial_lib.errors import InputError


def model_card(report) -> str:
    """The card as Markdown with a YAML head, as model hubs read it: intended use, evaluation by
    group, margins, limits.

    Texts are escaped in the head as well: where no hub reads it, it is shown as a part of the page.
    Raises InputError if huggingface_hub, which comes with transformers, is missing.
    """
    try:
        from huggingface_hub import EvalResult, ModelCard, ModelCardData
    except ImportError:
        raise InputError(
            "a model card needs huggingface_hub: pip install huggingface_hub"
        ) from None
    name, data = report.system, _inert(report.scope.get("data", "unknown data").split(":")[0])
    declared = [f for f in split_findings(report)[0] if f.estimate == f.estimate]
    task = {"task_type": "recommendation", "dataset_type": data, "dataset_name": data}
    results = [
        EvalResult(
            metric_type=_inert(f.metric),
            metric_name=f"{_inert(f.metric)} ({f.verdict})",
            metric_value=round(f.estimate, 6),
            **task,
        )
        for f in declared
    ]
    card = ModelCardData(
        language="en", library_name="tutorial-lib", tags=["recommender-system", "audit"]
    )
    if results:
        card.model_name, card.eval_results = _inert(name), results
    head = card.to_yaml()
    opinion = report.opinion
    parts = [
        f"---\n{head}\n---",
        f"# Model card of {escaped(name)}",
        (
            "## Intended use\n\nTo be filled in by those responsible: for whom, for what, and what"
            " it must not be used for."
        ),
        f"## Audit\n\nOpinion: **{opinion.word}**.\n\n"
        + _listed((*opening(report), *opinion.reasons)),
        "## Evaluation by group\n\n" + markdown_table(declared_table(report)),
        "## Margins\n\n" + markdown_table(margins_table(report)),
        "## Limits\n\n" + _listed((*LIMITS, *report.problems)),
        "## Provenance\n\n" + _listed([f"{key}: {value}" for key, value in report.scope.items()]),
    ]
    return str(ModelCard("\n\n".join(parts))) + "\n"


def _inert(text: str) -> str:
    """Text that is neither HTML nor a link, wherever the head is shown as text."""
    return escape(text).replace("[", "&#91;")


def _listed(lines) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)
