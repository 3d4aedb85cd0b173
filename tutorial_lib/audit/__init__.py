"""The ethics audit: who may be harmed, measured with inference that holds, judged by margins
declared beforehand.

`audit` looks at the lists of any recommender. What needs more stands in its own module, and its
findings are added to the report: counterfactual (prompts), privacy, truth (invented items,
explanations, contamination), manipulation, longrun, footprint, transparency, mitigation,
mitigation_training, frontier, protocols. glassbox and validation audit the audit; register holds
harms and interviews.
"""

from tutorial_lib.audit.core.auditing import audit
from tutorial_lib.audit.core.declaration import Declaration, declare
from tutorial_lib.audit.core.finding import (
    MARGINS,
    VERDICTS,
    Finding,
    judge,
    make_finding,
    verdict_of,
)
from tutorial_lib.audit.core.logged import LoggedLists
from tutorial_lib.audit.report.report import AuditReport, Opinion

__all__ = [
    "MARGINS",
    "VERDICTS",
    "AuditReport",
    "Declaration",
    "Finding",
    "LoggedLists",
    "Opinion",
    "audit",
    "declare",
    "judge",
    "make_finding",
    "verdict_of",
]
