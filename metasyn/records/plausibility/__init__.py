"""Readable, but can it be right? Small checks on the printed digits, each with an id, a severity and a page.

A finding is settled in the paper: the record is corrected, or it says under `accepted` why the figure stands.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping

from metasyn.errors import Problem, Severity
from metasyn.records.plausibility import (
    curves,
    intervals,
    p_values,
    parts,
    percents,
    precision,
    reported,
    risk_of_bias,
    sizes,
    tables,
    times,
    together,
)
from metasyn.records.plausibility.facts import Facts
from metasyn.records.plausibility.finding import Check, Finding
from metasyn.records.study import Study
from metasyn.records.validation import did_you_mean, path_text, problem_at
from metasyn.records.verification.pages import VERIFY
from metasyn.records.vocabulary import Vocabulary
from metasyn.records.yaml_reader import Document

CHECKS: dict[str, Check] = {
    "interval-order": Check("error", intervals.interval_order),
    "estimate-in-interval": Check("error", intervals.estimate_in_interval),
    "interval-symmetry": Check("warning", intervals.interval_symmetry),
    "interval-level": Check("warning", intervals.interval_level),
    "positive-ratio": Check("error", intervals.positive_ratio),
    "ratio-size": Check("warning", intervals.ratio_size),
    "percent-range": Check("error", intervals.percent_range),
    "p-value-range": Check("error", intervals.p_value_range),
    "p-value-from-ci": Check("warning", p_values.p_value_from_ci),
    "significance": Check("warning", p_values.significance),
    "impossible-precision": Check("warning", precision.impossible_precision),
    "implied-events": Check("warning", precision.implied_events),
    "adjusted-information": Check("warning", precision.adjusted_information),
    "estimates-disagree": Check("warning", precision.estimates_disagree),
    "contrast-direction": Check("warning", precision.contrast_direction),
    "events-within-n": Check("error", percents.events_within_n),
    "percent-from-count": Check("warning", percents.percent_from_count),
    "percent-fits-no-count": Check("warning", percents.percent_fits_no_count),
    "partition-sizes": Check("warning", parts.partition_sizes),
    "response-parts": Check("warning", parts.response_parts),
    "grade-order": Check("warning", parts.grade_order),
    "grade-parts": Check("warning", parts.grade_parts),
    "baseline-parts": Check("warning", parts.baseline_parts),
    "mean-of-arms": Check("warning", parts.mean_of_arms),
    "rates-rise": Check("error", curves.rates_rise),
    "at-risk-rises": Check("error", curves.at_risk_rises),
    "median-against-rates": Check("warning", curves.median_against_rates),
    "rate-not-reached": Check("warning", curves.rate_not_reached),
    "median-against-hazard-ratio": Check("warning", curves.median_against_hazard_ratio),
    "favoured-arm": Check("warning", curves.favoured_arm),
    "outcome-order": Check("warning", curves.outcome_order),
    "events-against-hazard-ratio": Check("warning", curves.events_against_hazard_ratio),
    "e-value": Check("warning", reported.e_value),
    "power": Check("warning", reported.power),
    "reported-percent": Check("warning", reported.reported_percent),
    "printed-twice": Check("note", reported.printed_twice),
    "count-p-value": Check("warning", tables.count_p_value),
    "mean-p-value": Check("warning", tables.mean_p_value),
    "standardised-difference": Check("warning", tables.standardised_difference),
    "date-order": Check("error", times.date_order),
    "time-possible": Check("error", times.time_possible),
    "time-unit": Check("warning", times.time_unit),
    "fraction-for-percent": Check("warning", times.fraction_for_percent),
    "set-sizes": Check("warning", sizes.set_sizes),
    "duplicate-row": Check("warning", sizes.duplicate_row),
    "identifier": Check("warning", sizes.identifier),
    "lost-zeros": Check("note", sizes.lost_zeros),
    "risk-of-bias-words": Check("error", risk_of_bias.risk_of_bias_words),
    "risk-of-bias-overall": Check("error", risk_of_bias.risk_of_bias_overall),
    "risk-of-bias-answers": Check("warning", risk_of_bias.risk_of_bias_answers),
}
"""Checks of one record, by id."""

TogetherCheck = Callable[[together.Collection], Iterator[together.FoundIn]]
TOGETHER: dict[str, tuple[Severity, TogetherCheck]] = {
    "same-cohort": ("warning", together.same_cohort),
    "outlying-study": ("warning", together.outlying_study),
}
"""Checks of all records beside each other, by id."""

UNUSED = """An entry of `accepted` that accepts nothing.

Either its check does not find anything at that path (the figure was corrected, or the path is of another row, since rows
are counted from 0), or no check has that id.

What to do: delete the entry, or correct its path; `metasyn check` prints the path of every finding.
"""


def page(id: str) -> str | None:
    """What `metasyn explain` prints of a check; None for an id that no check has."""
    if id in CHECKS:
        return CHECKS[id].page
    if id in TOGETHER:
        return inspect.getdoc(TOGETHER[id][1])
    if id in VERIFY:
        return VERIFY[id][1]
    return UNUSED if id == "accepted-unused" else None


def severities() -> dict[str, Severity]:
    """Every check's id with its severity, in the order of the checks."""
    known = {id: check.severity for id, check in CHECKS.items()}
    elsewhere = {id: severity for id, (severity, _) in (*TOGETHER.items(), *VERIFY.items())}
    return {**known, **elsewhere, "accepted-unused": "warning"}


def check_plausibility(study: Study) -> list[Finding]:
    """Every implausible place of a record, accepted or not."""
    facts = Facts(study)
    return [
        Finding(id, found.severity or check.severity, found.loc, found.message, found.arithmetic)
        for id, check in CHECKS.items()
        for found in check.function(facts)
    ]


def check_together(studies: Mapping[str, Study], vocabulary: Vocabulary | None) -> list[tuple[str, Finding]]:
    """Every implausible place that only several records together show, with the id of the record."""
    collection = together.Collection(studies, vocabulary)
    return [
        (study, Finding(id, found.severity or severity, found.loc, found.message, found.arithmetic))
        for id, (severity, function) in TOGETHER.items()
        for study, found in function(collection)
    ]


def acceptance(study: Study, finding: Finding) -> str | None:
    """The reason with which the record accepts a finding, or None.

    `path` may name the field or the row that holds it.
    """
    path = path_text(finding.loc)
    for entry in study.accepted:
        if entry.check == finding.check and _covers(entry.path, path):
            return entry.why
    return None


def _covers(entry: str, path: str) -> bool:
    return path == entry or path.startswith((f"{entry}.", f"{entry}["))


def unused_acceptances(study: Study, findings: list[Finding]) -> list[Finding]:
    """Entries of `accepted` that accept nothing; those of checks that need all records or the paper are taken as they are."""
    found = []
    for index, entry in enumerate(study.accepted):
        if (
            entry.check in TOGETHER
            or entry.check in VERIFY
            or any(entry.check == finding.check and _covers(entry.path, path_text(finding.loc)) for finding in findings)
        ):
            continue
        if entry.check not in CHECKS:
            message = f"names no check ({entry.check}){did_you_mean(entry.check, severities())}; accepted: an id that metasyn check prints in brackets"
        else:
            message = f"accepts nothing: {entry.check} finds nothing at {entry.path}; accepted: the path of a finding, or no entry"
        found.append(Finding("accepted-unused", "warning", ("accepted", index), message))
    return found


def as_problems(study: Study, findings: list[Finding], document: Document, file: str) -> list[Problem]:
    """Findings with the places where they stand."""
    return [
        problem_at(
            document,
            file,
            finding.loc,
            finding.message,
            check=finding.check,
            severity=finding.severity,
            arithmetic=finding.arithmetic,
            accepted=acceptance(study, finding),
        )
        for finding in findings
    ]


__all__ = [
    "CHECKS",
    "TOGETHER",
    "Check",
    "Finding",
    "acceptance",
    "as_problems",
    "check_plausibility",
    "check_together",
    "page",
    "severities",
    "unused_acceptances",
]
