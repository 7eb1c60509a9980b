"""Reports: a question, its analysis, and the folder that is built from it.

Names load on first use, so that what only compares digests stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metasyn.reports.answers import OutcomeResult, Stratum, analyse
    from metasyn.reports.building.build_all import BuildOutcome, build_all, may_need
    from metasyn.reports.building.definition_files import definitions
    from metasyn.reports.building.manifest import verify
    from metasyn.reports.building.memory import Memory
    from metasyn.reports.building.report_folder import Built, build
    from metasyn.reports.question import Question, load_question
    from metasyn.reports.report import Report, make_report

_HOMES = {
    "BuildOutcome": "building.build_all",
    "Built": "building.report_folder",
    "Memory": "building.memory",
    "OutcomeResult": "answers",
    "Question": "question",
    "Report": "report",
    "Stratum": "answers",
    "analyse": "answers",
    "build": "building.report_folder",
    "build_all": "building.build_all",
    "definitions": "building.definition_files",
    "load_question": "question",
    "make_report": "report",
    "may_need": "building.build_all",
    "verify": "building.manifest",
}

__all__ = [
    "BuildOutcome",
    "Built",
    "Memory",
    "OutcomeResult",
    "Question",
    "Report",
    "Stratum",
    "analyse",
    "build",
    "build_all",
    "definitions",
    "load_question",
    "make_report",
    "may_need",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(importlib.import_module(f"metasyn.reports.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'metasyn.reports' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
