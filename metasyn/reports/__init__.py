"""Reports: a question, its analysis, and the folder that is built from it."""

from metasyn.reports.analyse import OutcomeResult, Stratum, analyse
from metasyn.reports.question import Question, load_question
from metasyn.reports.report_folder import Built, build, definitions, may_need, verify

__all__ = [
    "Built",
    "OutcomeResult",
    "Question",
    "Stratum",
    "analyse",
    "build",
    "definitions",
    "load_question",
    "may_need",
    "verify",
]
