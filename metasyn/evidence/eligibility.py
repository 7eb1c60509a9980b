"""Why a figure may not enter a primary pool: each rule is one function that gives the reason or None."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from metasyn.evidence.comparison import same_parent
from metasyn.records.figures import Contrast, Row
from metasyn.records.study import AnalysisSet, Study

KEY_FIELDS = ("disease", "line", "biomarker", "time_origin")
TIME_TO_EVENT = frozenset({"HR", "csHR", "sHR", "HR-ratio"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What a report admits beyond the defaults.

    Attributes
    ----------
    key : mapping
        disease, line, biomarker, time_origin: admitted values; a field that is absent admits every value.
    admit_secondary : bool
        Whether figures seen only in secondary sources are admitted.
    measure : str or None
        The measure asked for; None is the hazard ratio for times.
    designs : tuple of str
        Admitted design types; empty admits all.
    exclude : tuple of mappings
        Studies, or arms of studies, that a question leaves out: study, arm (or none), why.
    """

    key: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    admit_secondary: bool = True
    measure: str | None = None
    designs: tuple[str, ...] = ()
    exclude: tuple[Mapping[str, str], ...] = ()


def key_of(study: Study, analysis_set: AnalysisSet) -> dict[str, Any]:
    """Disease, line, biomarker stratum and time origin of a set."""
    own, base = analysis_set.population, study.population
    return {
        "disease": (own.disease if own else None) or base.disease,
        "line": (own.line if own else None) or base.line,
        "biomarker": (own.biomarker if own else None) or base.biomarker,
        "time_origin": analysis_set.time_origin,
    }


def seen_in(study: Study, row: Row) -> str:
    """How a row was seen: its own word, else its publication's, else the record's."""
    publication = study.reports.get(row.source.split(":", 1)[0].strip())
    return row.seen or (publication.seen if publication is not None else None) or study.extraction.seen


def wanted_measure(kind: str, asked: str | None) -> str:
    """The measure that is pooled for an outcome of a kind: what was asked for, else RR for counts and HR for the rest."""
    return asked or ("RR" if kind in ("response", "adverse-event") else "HR")


def why_not_study(study: Study, rules: Rules, outcome: str) -> str | None:
    """Reasons that hold for a whole record."""
    bias = study.risk_of_bias.for_outcome(outcome) if study.risk_of_bias is not None else None
    if bias is not None and bias.overall == "critical":
        return "critical risk of bias"
    for entry in rules.exclude:
        if entry.get("study") == study.id and entry.get("arm") is None:
            return f"excluded by the definition: {entry.get('why', 'no reason given')}"
    if rules.designs and study.design.type not in rules.designs:
        return f"design {study.design.type} is not asked for"
    return None


def why_not_pooled_record(study: Study, others: Mapping[str, Study]) -> str | None:
    """A pooled record beside its components."""
    if study.design.type != "pooled":
        return None
    present = [name for name in study.design.components if name in others]
    return f"a pooled record beside its components ({', '.join(present)})" if present else None


def why_not_key(key: Mapping[str, Any], rules: Rules) -> str | None:
    """Another population or time origin than asked for."""
    for name in KEY_FIELDS:
        if name in rules.key and key[name] not in rules.key[name]:
            return f"{name.replace('_', ' ')} is {key[name] if key[name] is not None else 'unsaid'}, not {' or '.join(str(v) for v in rules.key[name])}"
    return None


def why_not_seen(study: Study, row: Row, rules: Rules) -> str | None:
    """Seen only in a secondary source, where the question does not admit it."""
    return (
        "seen only in a secondary source" if not rules.admit_secondary and seen_in(study, row) == "secondary" else None
    )


def _interaction(_study: Study, row: Contrast, _rules: Rules) -> str | None:
    return "an interaction, not an effect" if row.measure == "HR-ratio" or row.p_test == "interaction" else None


def _subgroup(_study: Study, row: Contrast, _rules: Rules) -> str | None:
    if row.subgroup is None or row.measure == "HR-ratio" or row.p_test == "interaction":
        return None
    return f"a subgroup ({row.subgroup.factor}{f': {row.subgroup.level}' if row.subgroup.level else ''})"


def why_not_partition(study: Study, treatment: str, comparator: str, set_name: str) -> str | None:
    """A part of an arm, unless both arms are the parts of one stratum with a population of its own."""
    parts = [study.arms[arm].subset_of is not None for arm in (treatment, comparator)]
    stratum = (
        all(parts) and study.sets[set_name].population is not None and not same_parent(study, treatment, comparator)
    )
    return "a partition inside an arm" if any(parts) and not stratum else None


def _partition(study: Study, row: Contrast, _rules: Rules) -> str | None:
    return why_not_partition(study, row.treatment, row.comparator, row.set)


def _excluded(study: Study, row: Contrast, rules: Rules) -> str | None:
    return why_not_arms(study, (row.treatment, row.comparator), rules)


def why_not_arms(study: Study, arms: tuple[str, str], rules: Rules) -> str | None:
    """An arm that the definition leaves out."""
    for entry in rules.exclude:
        if entry.get("study") == study.id and entry.get("arm") in arms:
            return f"arm {entry['arm']} is excluded by the definition: {entry.get('why', 'no reason given')}"
    return None


def _measure(_study: Study, row: Contrast, rules: Rules) -> str | None:
    wanted = rules.measure or "HR"
    if row.measure == "HR-ratio":
        return None  # said by the rule on interactions
    # what is derived from a test, events or medians is a hazard ratio
    measure = "HR" if row.measure is None and row.estimate is None else row.measure
    if measure == wanted:
        return None
    if measure in TIME_TO_EVENT and wanted in TIME_TO_EVENT:
        names = {
            "sHR": "a subdistribution hazard ratio",
            "csHR": "a cause-specific hazard ratio",
            "HR": "a hazard ratio",
        }
        return f"{names.get(measure, measure)} among {wanted}s"
    return f"measure {measure or 'unsaid'}, not {wanted}"


def _post_baseline(_study: Study, row: Contrast, _rules: Rules) -> str | None:
    late = [c.name for c in row.model.covariates if c.timing == "post-baseline"] if row.model is not None else []
    return f"the model conditions on post-baseline variables ({', '.join(late)})" if late else None


def _exposure(study: Study, row: Contrast, _rules: Rules) -> str | None:
    landmark = study.sets[row.set].landmark
    if row.exposure == "ever-never":
        if landmark is not None:
            return (
                f"immortal time: groups are formed by what happened later, the landmark at {landmark} notwithstanding"
            )
        return "immortal time: exposure begins after time zero, with neither landmark nor time-dependent analysis"
    if row.exposure == "landmark" and landmark is None:
        return "a landmark analysis whose landmark is unsaid"
    return None


ROW_RULES: tuple[Callable[[Study, Contrast, Rules], str | None], ...] = (
    _excluded,
    _partition,
    _interaction,
    _subgroup,
    _measure,
    _exposure,
    _post_baseline,
)


def why_not_row(study: Study, row: Contrast, rules: Rules) -> str | None:
    """Every reason against a contrast, joined; None where there is none."""
    reasons = [reason for rule in ROW_RULES if (reason := rule(study, row, rules)) is not None]
    return "; ".join(reasons) if reasons else None
