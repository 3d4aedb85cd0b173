"""The ethics audit: who may be harmed, measured with inference that holds, judged by margins declared beforehand."""

from tutorial_lib.audit.auditing import audit
from tutorial_lib.audit.finding import MARGINS, VERDICTS, Finding, judge, make_finding, verdict_of
from tutorial_lib.audit.report import AuditReport

__all__ = ["MARGINS", "VERDICTS", "AuditReport", "Finding", "audit", "judge", "make_finding", "verdict_of"]
