"""Readable, but it cannot be right: limits in the wrong order, an estimate outside its interval, a percent over 100.

Each check is one small function over a record; a finding is an error until the record accepts it with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from metasyn.errors import Problem
from metasyn.records.figures import AdverseEvent, Response, Row, Survival
from metasyn.records.printed import Printed
from metasyn.records.structure import rows
from metasyn.records.study import Study
from metasyn.records.validation import Loc, path_text, problem_at
from metasyn.records.yaml_reader import Document


@dataclass(frozen=True, slots=True)
class Finding:
    """One implausible place in a record."""

    check: str
    loc: Loc
    message: str
    arithmetic: str | None = None


def _intervals(study: Study) -> Iterator[tuple[Loc, Row, tuple[Printed, Printed], Printed | None]]:
    """Every interval with its path and the estimate it belongs to.

    Fields are read from the instance's dict, here and below: not every row has every field, and asking a model for a
    field that it lacks takes ten times as long.
    """
    for loc, row in rows(study):
        for interval_name, estimate_name in (("ci", "estimate"), ("ci", "percent"), ("median_ci", "median")):
            interval = row.__dict__.get(interval_name)
            if interval is not None and estimate_name in row.__dict__:
                yield (*loc, interval_name), row, interval, row.__dict__[estimate_name]
        for index, rate in enumerate(row.__dict__.get("rates", ())):
            if rate.ci is not None:
                yield (*loc, "rates", index, "ci"), row, rate.ci, rate.percent


def interval_order(study: Study) -> Iterator[Finding]:
    """A lower limit above its upper one."""
    for loc, _, (low, high), _ in _intervals(study):
        if low.value is not None and high.value is not None and low.value > high.value:
            yield Finding(
                "interval-order",
                loc,
                f"has its lower limit above its upper one ([{low}, {high}]); accepted: [low, high], perhaps [{high}, {low}]",
                f"{low} > {high}",
            )


def estimate_in_interval(study: Study) -> Iterator[Finding]:
    """An estimate that its own interval excludes, beyond what rounding allows."""
    for loc, _, (low, high), estimate in _intervals(study):
        if estimate is None or not estimate.exact or (low.value or 0) > (high.value or float("inf")):
            continue
        smallest, largest = estimate.rounding()
        below = low.value is not None and largest < low.rounding()[0]
        above = high.value is not None and smallest > high.rounding()[1]
        if below or above:
            yield Finding(
                "estimate-in-interval",
                loc,
                f"excludes its estimate ({estimate} outside [{low}, {high}]); accepted: low < estimate < high",
                f"{estimate} < {low}" if below else f"{estimate} > {high}",
            )


def positive_ratio(study: Study) -> Iterator[Finding]:
    """A ratio, or a limit of one, that is not positive."""
    ratios = {"HR", "csHR", "sHR", "HR-ratio", "RR", "OR", "IRR", "RMST-ratio"}
    for loc, row in rows(study):
        if row.__dict__.get("measure") not in ratios:
            continue
        interval = row.__dict__.get("ci") or ()
        for field, printed in [("estimate", row.__dict__.get("estimate")), *[("ci", limit) for limit in interval]]:
            if printed is not None and printed.value is not None and printed.rounding()[1] <= 0:
                yield Finding(
                    "positive-ratio",
                    (*loc, field),
                    f"is a ratio that is not above 0 ({printed}); accepted: a positive number",
                )


def percent_range(study: Study) -> Iterator[Finding]:
    """A percent outside 0 to 100."""
    for loc, row in rows(study):
        values: list[tuple[Loc, Any]] = [((*loc, "percent"), row.__dict__.get("percent"))]
        values += [
            ((*loc, "rates", i, "percent"), rate.percent) for i, rate in enumerate(row.__dict__.get("rates", ()))
        ]
        for arm, cell in (row.__dict__.get("arms") or {}).items():
            values.append(((*loc, "arms", arm, "percent"), cell.percent))
        for where, percent in values:
            if percent is not None and percent.value is not None and not 0 <= percent.value <= 100:
                yield Finding("percent-range", where, f"is not a percentage ({percent}); accepted: 0 to 100")


def p_value_range(study: Study) -> Iterator[Finding]:
    """A p value outside 0 to 1."""
    for loc, row in rows(study):
        p = row.__dict__.get("p")
        if p is not None and p.value is not None and not 0 <= p.value <= 1:
            yield Finding(
                "p-value-range", (*loc, "p"), f"is not a p value ({p}); accepted: 0 to 1, such as 0.029 or <0.001"
            )


def events_within_n(study: Study) -> Iterator[Finding]:
    """More events than patients."""
    for loc, row in rows(study):
        if not isinstance(row, (Survival, Response, AdverseEvent)) or row.events is None:
            continue
        n = row.n if row.n is not None else (study.sets[row.set].n.get(row.arm) if row.set in study.sets else None)
        if n is not None and row.events > n:
            yield Finding(
                "events-within-n",
                (*loc, "events"),
                f"is more events than patients ({row.events} of {n}); accepted: at most {n}",
                f"{row.events} > {n}",
            )


CHECKS: dict[str, Callable[[Study], Iterator[Finding]]] = {
    "interval-order": interval_order,
    "estimate-in-interval": estimate_in_interval,
    "positive-ratio": positive_ratio,
    "percent-range": percent_range,
    "p-value-range": p_value_range,
    "events-within-n": events_within_n,
}


def check_plausibility(study: Study) -> list[Finding]:
    """Every implausible place, accepted or not."""
    return [finding for check in CHECKS.values() for finding in check(study)]


def acceptance(study: Study, finding: Finding) -> str | None:
    """The reason with which the record accepts a finding, or None.

    `path` may name the field or the row that holds it.
    """
    path = path_text(finding.loc)
    for entry in study.accepted:
        if entry.check == finding.check and (
            path == entry.path or path.startswith((f"{entry.path}.", f"{entry.path}["))
        ):
            return entry.why
    return None


def as_problems(study: Study, findings: list[Finding], document: Document, file: str) -> list[Problem]:
    """Findings with the places where they stand."""
    return [
        problem_at(
            document,
            file,
            finding.loc,
            finding.message,
            check=finding.check,
            arithmetic=finding.arithmetic,
            accepted=acceptance(study, finding),
        )
        for finding in findings
    ]
