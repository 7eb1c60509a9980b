"""A candidate: one figure of one study, as a row with where it comes from."""

from __future__ import annotations

from typing import Any

from metasyn.evidence.comparison import Comparison, Match
from metasyn.evidence.eligibility import Rules, key_of, seen_in, why_not_key, why_not_partition, why_not_seen
from metasyn.records import Records
from metasyn.records.figures import Row
from metasyn.records.study import Study

COLUMNS = (
    "study",
    "name",
    "treatment",
    "comparator",
    "arm_treatment",
    "arm_comparator",
    "outcome",
    "measure",
    "effect",
    "se",
    "se_low",
    "se_high",
    "how",
    "printed",
    "estimate",
    "ci_low",
    "ci_high",
    "level",
    "p",
    "n_treatment",
    "n_comparator",
    "events_treatment",
    "events_comparator",
    "disease",
    "line",
    "biomarker",
    "time_origin",
    "design",
    "body",
    "year",
    "set",
    "method",
    "analysis",
    "model",
    "exposure",
    "cutoff",
    "cutoff_date",
    "follow_up",
    "assessor",
    "assessment",
    "seen",
    "source",
    "path",
    "inferred",
    "note",
    "reversed",
    "used",
    "why_not",
    "passed_over",
)

Candidate = dict[str, Any]


def name_of(study: Study) -> str:
    """What a report calls a study."""
    if study.name is not None:
        return study.name
    publication = next(iter(study.reports.values()))
    if publication.authors and publication.year is not None:
        return f"{publication.authors[0]} {publication.year}"
    return study.id


def body_of(study: Study, set_name: str) -> str:
    """randomised: arms that were allocated so, in a trial or a pool of trials; else non-randomised."""
    randomised = study.design.type in ("rct", "pooled") and study.sets[set_name].method == "rct"
    return "randomised" if randomised else "non-randomised"


def base_candidate(study: Study, row: Row, set_name: str, treatment: str, comparator: str, rules: Rules) -> Candidate:
    """A candidate with everything that does not depend on its figures."""
    analysis_set = study.sets[set_name]
    key = key_of(study, analysis_set)
    cutoff = study.cutoffs.get(getattr(row, "cutoff", None) or "")
    follow_up = cutoff.median_follow_up.value if cutoff is not None and cutoff.median_follow_up is not None else None
    publication = next(iter(study.reports.values()))
    return {
        **dict.fromkeys(COLUMNS),
        **key,
        "study": study.id,
        "name": name_of(study),
        "arm_treatment": treatment,
        "arm_comparator": comparator,
        "treatment": study.arms[treatment].strategy or study.arms[treatment].label,
        "comparator": study.arms[comparator].strategy or study.arms[comparator].label,
        "design": study.design.type,
        "year": publication.year,
        "set": set_name,
        "method": analysis_set.method,
        "analysis": analysis_set.analysis,
        "cutoff": getattr(row, "cutoff", None),
        "cutoff_date": cutoff.date if cutoff is not None else None,
        "cutoff_line": _line(study, row.__dict__.get("cutoff")),
        "follow_up": follow_up,
        "assessor": getattr(row, "assessor", None),
        "seen": seen_in(study, row),
        "source": row.source,
        "inferred": ", ".join(row.inferred) or None,
        "note": row.note,
        "exposure": getattr(row, "exposure", None),
        "reversed": False,
        "used": False,
        "body": body_of(study, set_name),
        "why_not": why_not_key(key, rules) or why_not_seen(study, row, rules),
    }


def _line(study: Study, cutoff: str | None) -> tuple[str, ...]:
    """A cutoff and those before it, the earliest first."""
    line: list[str] = []
    while cutoff is not None and cutoff in study.cutoffs and cutoff not in line:
        line.append(cutoff)
        cutoff = study.cutoffs[cutoff].after
    return tuple(reversed(line))


def joined(*reasons: str | None) -> str | None:
    """Reasons in one text; None where there is none."""
    return "; ".join(reason for reason in reasons if reason) or None


def listed_as(
    study: Study, treatment: str, comparator: str, set_name: str, comparison: Comparison | None, records: Records
) -> tuple[Match, str | None] | None:
    """How a pair of arms bears on a comparison, with a reason against it; None where it is another question."""
    if comparison is None:
        return "as-is", None
    unsaid = comparison.unsaid(study, treatment, comparator)
    if unsaid is not None:
        return "as-is", unsaid
    match = comparison.match(study, treatment, comparator, records.vocabulary)
    if match is not None:
        return match, None
    part = why_not_partition(study, treatment, comparator, set_name) is not None
    return ("as-is", None) if part and comparison.involves(study, treatment, records.vocabulary) else None
