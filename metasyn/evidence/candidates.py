"""Every figure that bears on an outcome, as a row with where it comes from, and why it may not be pooled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metasyn.effects import effect_size
from metasyn.errors import Problem
from metasyn.evidence.comparison import Comparison, same_parent
from metasyn.evidence.counts import Count, count_of
from metasyn.evidence.eligibility import (
    Rules,
    key_of,
    seen_in,
    why_not_key,
    why_not_pooled_record,
    why_not_row,
    why_not_seen,
    why_not_study,
)
from metasyn.evidence.ladder import Figures, climb
from metasyn.records import Records
from metasyn.records.figures import AdverseEvent, Contrast, Response, Row, Survival
from metasyn.records.study import Study
from metasyn.records.vocabulary import OutcomeWord

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


def build_candidates(records: Records, outcome: str, comparison: Comparison | None, rules: Rules) -> list[Candidate]:
    """All candidates of all studies for an outcome.

    With a comparison, figures of other pairs of arms are not listed; partitions inside an arm never are.
    """
    word = records.vocabulary.outcomes.get(outcome) if records.vocabulary is not None else None
    found: list[Candidate] = []
    for study in records.studies.values():
        implausible = _implausible_rows(records, study)
        against = why_not_study(study, rules) or why_not_pooled_record(study, records.studies)
        rows = list(_from_contrasts(study, outcome, comparison, records, rules))
        if word is not None and word.kind in ("response", "adverse-event"):
            rows += _from_counts(study, outcome, word, comparison, records, rules)
        for candidate in rows:
            stands_out = next((why for path, why in implausible.items() if path in candidate["paths"]), None)
            reasons = [against, stands_out, candidate["why_not"]]
            candidate["why_not"] = "; ".join(reason for reason in reasons if reason) or None
            found.append(candidate)
    return found


def _implausible_rows(records: Records, study: Study) -> dict[str, str]:
    """Rows with a plausibility error that the record does not accept."""
    file = records.files[study.id]
    errors: list[Problem] = [
        finding
        for finding in records.findings
        if finding.file == file and finding.severity == "error" and finding.accepted is None
    ]
    return {finding.path.split("]")[0] + "]": f"{finding.check}: {finding.message}" for finding in errors}


def _base(study: Study, row: Row, set_name: str, treatment: str, comparator: str, rules: Rules) -> Candidate:
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
        "follow_up": follow_up,
        "assessor": getattr(row, "assessor", None),
        "seen": seen_in(study, row),
        "source": row.source,
        "exposure": getattr(row, "exposure", None),
        "reversed": False,
        "used": False,
        "why_not": why_not_key(key, rules) or why_not_seen(study, row, rules),
    }


def _join(*reasons: str | None) -> str | None:
    return "; ".join(reason for reason in reasons if reason) or None


def _from_contrasts(
    study: Study, outcome: str, comparison: Comparison | None, records: Records, rules: Rules
) -> Iterator[Candidate]:
    for index, row in enumerate(study.contrasts):
        if row.outcome != outcome or row.adverse_event is not None:
            continue
        match = (
            comparison.match(study, row.treatment, row.comparator, records.vocabulary)
            if comparison is not None
            else "as-is"
        )
        if match is None or (comparison is not None and same_parent(study, row.treatment, row.comparator)):
            continue
        if row.measure is None and row.estimate is None and _kind(records, outcome) != "time-to-event":
            continue  # a test of counts: the counts themselves are the candidate
        treatment, comparator = row.treatment, row.comparator
        figures = Figures(study, row, _survival(study, row, treatment), _survival(study, row, comparator))
        rung = climb(figures)
        sign = -1 if match == "reversed" else 1
        candidate = _base(study, row, row.set, treatment, comparator, rules)
        candidate.update(
            outcome=outcome,
            measure=row.measure or "HR",
            effect=None if rung.effect is None else sign * rung.effect,
            se=rung.se,
            se_low=rung.se_low,
            se_high=rung.se_high,
            how=rung.how + (", direction turned round" if sign < 0 else ""),
            estimate=_text(row.estimate),
            ci_low=_text(row.ci[0]) if row.ci else None,
            ci_high=_text(row.ci[1]) if row.ci else None,
            level=row.level,
            p=_text(row.p),
            n_treatment=figures.patients(treatment),
            n_comparator=figures.patients(comparator),
            events_treatment=figures.events(treatment),
            events_comparator=figures.events(comparator),
            model=row.model.kind if row.model is not None else None,
            path=f"contrasts[{index}]",
            paths={f"contrasts[{index}]"},
            shares=row.shared_control_with,
        )
        candidate["why_not"] = _join(
            candidate["why_not"], why_not_row(study, row, rules), rung.how if rung.effect is None else None
        )
        yield _turned(candidate) if sign < 0 else candidate


def _turned(candidate: Candidate) -> Candidate:
    """The candidate with its arms exchanged; the printed figures stay as printed."""
    turned = dict(candidate, reversed=True)
    for name in ("{}", "arm_{}", "n_{}", "events_{}"):
        first, second = name.format("treatment"), name.format("comparator")
        turned[first], turned[second] = candidate[second], candidate[first]
    return turned


def _text(printed: Any) -> str | None:
    return None if printed is None else str(printed)


def _kind(records: Records, outcome: str) -> str:
    word = records.vocabulary.outcomes.get(outcome) if records.vocabulary is not None else None
    return word.kind if word is not None else "time-to-event"


def _survival(study: Study, contrast: Contrast, arm: str) -> Survival | None:
    """The arm's own row for the contrast's outcome, set, cutoff and subgroup."""
    for row in study.survival:
        if (row.outcome, row.arm, row.set, row.subgroup) == (
            contrast.outcome,
            arm,
            contrast.set,
            contrast.subgroup,
        ) and (row.cutoff == contrast.cutoff or contrast.cutoff is None):
            return row
    return None


def _count_rows(study: Study, word: OutcomeWord) -> list[tuple[str, Response | AdverseEvent]]:
    if word.kind == "response":
        return [
            (f"responses[{i}]", row)
            for i, row in enumerate(study.responses)
            if row.category == word.category and row.subgroup is None
        ]
    return [
        (f"adverse_events[{i}]", row)
        for i, row in enumerate(study.adverse_events)
        if row.term == word.term and row.grades == word.grades and row.attribution == word.attribution
    ]


def _from_counts(
    study: Study, outcome: str, word: OutcomeWord, comparison: Comparison | None, records: Records, rules: Rules
) -> list[Candidate]:
    measure = rules.measure or "RR"
    rows = _count_rows(study, word)
    found = []
    for path_t, row_t in rows:
        for path_c, row_c in rows:
            if row_t.arm == row_c.arm or not _comparable(row_t, row_c) or "all" in (row_t.arm, row_c.arm):
                continue
            if not _asked(study, row_t, row_c, comparison, records):
                continue
            found.append(_pair(study, outcome, measure, (path_t, row_t), (path_c, row_c), rules))
    return found


def _comparable(a: Response | AdverseEvent, b: Response | AdverseEvent) -> bool:
    fields = ("set", "cutoff", "assessment", "assessor")
    return all(getattr(a, field, None) == getattr(b, field, None) for field in fields)


def _asked(
    study: Study,
    row_t: Response | AdverseEvent,
    row_c: Response | AdverseEvent,
    comparison: Comparison | None,
    records: Records,
) -> bool:
    """Whether two arms are the pair in question; without a comparison, a pair that some contrast compares."""
    if comparison is None:
        return any((c.treatment, c.comparator) == (row_t.arm, row_c.arm) for c in study.contrasts)
    if same_parent(study, row_t.arm, row_c.arm):
        return False
    return comparison.match(study, row_t.arm, row_c.arm, records.vocabulary) == "as-is"


def _pair(
    study: Study,
    outcome: str,
    measure: str,
    treatment: tuple[str, Response | AdverseEvent],
    comparator: tuple[str, Response | AdverseEvent],
    rules: Rules,
) -> Candidate:
    (path_t, row_t), (path_c, row_c) = treatment, comparator
    count_t, count_c = count_of(study, row_t), count_of(study, row_c)
    candidate = _base(study, row_t, row_t.set, row_t.arm, row_c.arm, rules)
    effect, se, how = _ratio(measure, count_t, count_c)
    candidate.update(
        outcome=outcome,
        measure=measure,
        effect=effect,
        se=se,
        how=how,
        n_treatment=count_t.n,
        n_comparator=count_c.n,
        events_treatment=count_t.events,
        events_comparator=count_c.events,
        path=f"{path_t}, {path_c}",
        paths={path_t, path_c},
        assessment=getattr(row_t, "assessment", None),
    )
    immortal = any(
        c.exposure == "ever-never" and c.set == row_t.set and {c.treatment, c.comparator} == {row_t.arm, row_c.arm}
        for c in study.contrasts
    )
    candidate["why_not"] = _join(
        candidate["why_not"],
        how if effect is None else None,
        "groups are formed by an exposure that begins after time zero" if immortal else None,
    )
    return candidate


def _ratio(measure: str, treatment: Count, comparator: Count) -> tuple[float | None, float | None, str]:
    for count in (treatment, comparator):
        if count.events is None or count.n is None:
            return None, None, count.how
    hows = treatment.how if treatment.how == comparator.how else f"{treatment.how}; {comparator.how}"
    if treatment.events == 0 and comparator.events == 0 and measure != "RD":
        return None, None, "not estimable: no events in either arm"
    cells: Any = (treatment.events, treatment.n, comparator.events, comparator.n)
    row = effect_size(
        measure,
        events_treatment=cells[:1],
        n_treatment=cells[1:2],
        events_comparator=cells[2:3],
        n_comparator=cells[3:],
    )
    zero = (
        0 in (treatment.events, comparator.events)
        or treatment.events == treatment.n
        or comparator.events == comparator.n
    )
    return float(row["effect"][0]), float(row["se"][0]), hows + ("; 1/2 added to each cell" if zero else "")
