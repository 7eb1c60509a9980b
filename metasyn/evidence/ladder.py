"""From a contrast as printed to an effect: the first rung of the ladder that its figures reach, or why none does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from metasyn.effects.hazard_ratio import (
    LogEffect,
    from_ci,
    from_events,
    from_logrank,
    from_medians,
    from_p_value,
)
from metasyn.evidence.counts import patients
from metasyn.pooling import is_ratio
from metasyn.pooling.interval import critical_value
from metasyn.records.figures import Contrast, Survival
from metasyn.records.printed import NOT_REACHED, Printed
from metasyn.records.study import Study

# tests whose p value belongs to the printed hazard ratio itself
OWN_TESTS = frozenset({None, "wald", "score", "likelihood-ratio"})
NOTHING = Printed(NOT_REACHED, None, 0)
LOGRANK_TESTS = frozenset({"log-rank", "stratified-log-rank"})


@dataclass(frozen=True, slots=True)
class Rung:
    """An effect with the range of standard errors that rounding allows, or the reason why there is none."""

    effect: float | None
    se: float | None
    how: str
    se_low: float | None = None
    se_high: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What bears on one contrast: its own row, and the rows of its arms in the same set."""

    study: Study
    contrast: Contrast
    treatment: Survival | None
    comparator: Survival | None

    def events(self, arm: str) -> int | None:
        """Events of an arm, from the contrast or from the arm's own row."""
        if arm in self.contrast.events:
            return self.contrast.events[arm]
        row = self.treatment if arm == self.contrast.treatment else self.comparator
        return row.events if row is not None else None

    def patients(self, arm: str) -> int | None:
        """Patients of an arm in this analysis."""
        if arm in self.contrast.n:
            return self.contrast.n[arm]
        row = self.treatment if arm == self.contrast.treatment else self.comparator
        return patients(self.study, arm, self.contrast.set, row.n if row is not None else None)

    def event_arguments(self) -> dict[str, Any] | None:
        """Arguments of `logrank_variance`, or None where no events are printed."""
        per_arm = self.events(self.contrast.treatment), self.events(self.contrast.comparator)
        if per_arm[0] and per_arm[1]:
            return {"events_treatment": per_arm[0], "events_comparator": per_arm[1]}
        total = self.contrast.events.get("all")
        sizes = self.patients(self.contrast.treatment), self.patients(self.contrast.comparator)
        if total and sizes[0] and sizes[1]:
            return {"events": total, "n_treatment": sizes[0], "n_comparator": sizes[1]}
        return None


def _range(function: Callable[..., LogEffect], ranges: list[tuple[float, float]]) -> tuple[float | None, float | None]:
    """Smallest and largest se over the corners of the intervals of rounding."""
    corners: list[tuple[float, ...]] = [()]
    for low, high in ranges:
        corners = [(*corner, end) for corner in corners for end in (low, high)]
    found = []
    for corner in corners:
        try:
            found.append(float(function(*corner).se))
        except ValueError:
            continue
    return (min(found), max(found)) if found else (None, None)


def _ends(contrast: Contrast) -> tuple[float | None, float | None]:
    """The limits that tell something: a printed number, and of a ratio one above 0."""
    low, high = (limit.value if limit.exact else None for limit in contrast.ci or (NOTHING, NOTHING))
    if is_ratio(contrast.measure or "HR"):
        low, high = (None if end is not None and end <= 0 else end for end in (low, high))
    return low, high


def climb(figures: Figures) -> Rung:
    """The effect of a contrast by the first rung that its figures reach.

    In order: a printed estimate with its interval; with the exact p value of its own test; for hazard ratios with events.
    Without an estimate, for hazard ratios: O - E and V; a log-rank p value with events and direction; the ratio of
    medians with events. Differences stay on their own scale.
    """
    contrast = figures.contrast
    if contrast.estimate is not None:
        return _with_estimate(figures, contrast.estimate)
    if contrast.measure not in (None, "HR"):
        return Rung(None, None, f"not derivable: no {contrast.measure} is printed")
    return _without_estimate(figures)


def _with_estimate(figures: Figures, estimate: Printed) -> Rung:
    contrast, value = figures.contrast, estimate.value
    assert value is not None
    measure = contrast.measure or "HR"
    if any(end is not None for end in _ends(contrast)):
        return _guarded(lambda: _by_interval(contrast, value))
    if contrast.p is not None and contrast.p.exact and contrast.p_test in OWN_TESTS:
        return _guarded(lambda: _by_p_value(contrast, value))
    events = figures.event_arguments() if measure == "HR" else None
    if events is not None:
        adjusted = contrast.model is not None and contrast.model.kind not in ("univariable", "stratified")
        caution = "; too small for an adjusted estimate" if adjusted else ""
        return _guarded(lambda: _named(from_events(value, **events), caution))
    reason = f"{measure} is printed without interval and without events"
    if contrast.p is None:
        return Rung(None, None, f"not derivable: {reason}")
    if contrast.p.exact:
        reason += f"; p {contrast.p} is of another test ({contrast.p_test}) than the estimate's"
        return Rung(None, None, f"not derivable: {reason}")
    return Rung(None, None, f"not derivable: {reason}; {_bound(contrast, value)}")


def _bound(contrast: Contrast, value: float) -> str:
    """What p < x says of the standard error: an upper bound, shown and never used."""
    assert contrast.p is not None
    p = contrast.p.value
    if (
        contrast.p.relation in ("<", "<=")
        and p is not None
        and contrast.p_test in OWN_TESTS
        and is_ratio(contrast.measure or "HR")
    ):
        try:
            most = from_p_value(value, p, sides=int(contrast.p_sides)).se
        except ValueError:
            pass
        else:
            return f"p {contrast.p} only bounds the standard error (below {most:.3g})"
    return f"p {contrast.p} only bounds the standard error"


def _named(made: LogEffect, suffix: str = "") -> Rung:
    return Rung(made.effect, made.se, made.how + suffix)


def _by_interval(contrast: Contrast, value: float) -> Rung:
    assert contrast.ci is not None
    assert contrast.estimate is not None
    low, high = _ends(contrast)
    smallest, largest = contrast.estimate.rounding()
    if (low is not None and largest < contrast.ci[0].rounding()[0]) or (
        high is not None and smallest > contrast.ci[1].rounding()[1]
    ):
        return Rung(
            None,
            None,
            f"not usable: the interval [{contrast.ci[0]}, {contrast.ci[1]}] excludes its estimate {contrast.estimate}",
        )
    measure = contrast.measure or "HR"
    make = _ratio_from_ci if is_ratio(measure) else _difference_from_ci
    made = make(value, low, high, contrast.level)
    how = made.how.replace("HR", measure, 1)
    if low is not None and high is not None:
        bounds = _range(lambda lo, hi: make(value, lo, hi, contrast.level), [limit.rounding() for limit in contrast.ci])
    elif low is not None:
        ranges = [contrast.estimate.rounding(), contrast.ci[0].rounding()]
        bounds = _range(lambda estimate, limit: make(estimate, limit, None, contrast.level), ranges)
    else:
        ranges = [contrast.estimate.rounding(), contrast.ci[1].rounding()]
        bounds = _range(lambda estimate, limit: make(estimate, None, limit, contrast.level), ranges)
    return Rung(made.effect, made.se, how, *bounds)


def _ratio_from_ci(value: float, low: float | None, high: float | None, level: float) -> LogEffect:
    return from_ci(value, low, high, level=level)


def _difference_from_ci(value: float, low: float | None, high: float | None, level: float) -> LogEffect:
    """A difference on its own scale: se = (U - L) / (2 z), or from the one limit there is (Cochrane Handbook 5.1, 7.7.7.2)."""
    z = float(critical_value(level, None))
    if low is not None and high is not None:
        return LogEffect(value, (high - low) / (2 * z), f"HR with its {100 * level:.6g}% interval")
    distance = high - value if high is not None else value - (low if low is not None else value)
    return LogEffect(value, distance / z, f"HR with one limit of its {100 * level:.6g}% interval")


def _by_p_value(contrast: Contrast, value: float) -> Rung:
    assert contrast.p is not None
    assert contrast.p.value is not None
    assert contrast.estimate is not None
    sides = int(contrast.p_sides)
    measure = contrast.measure or "HR"
    if not is_ratio(measure):
        raise ValueError(f"a p value beside a {measure} is not used for its standard error")
    made = from_p_value(value, contrast.p.value, sides=sides)
    made = made._replace(how=made.how.replace("HR", measure, 1))
    how = made.how if contrast.p_test is not None else f"{made.how} (test unsaid, taken as the estimate's own)"
    low, high = contrast.p.rounding()
    bounds = _range(
        lambda ratio, p: from_p_value(ratio, p, sides=sides),
        [contrast.estimate.rounding(), (max(low, 1e-300), min(high, 1 - 1e-12))],
    )
    return Rung(made.effect, made.se, how, *bounds)


def _without_estimate(figures: Figures) -> Rung:
    contrast = figures.contrast
    if contrast.o_minus_e is not None and contrast.variance is not None:
        o_minus_e, variance = contrast.o_minus_e.value, contrast.variance.value
        return _guarded(lambda: Rung(*from_logrank(o_minus_e=o_minus_e, variance=variance)))
    events = figures.event_arguments()
    p = contrast.p
    if (
        p is not None
        and p.exact
        and contrast.p_test in LOGRANK_TESTS
        and events is not None
        and contrast.favours is not None
    ):
        favours = contrast.favours == contrast.treatment
        return _guarded(
            lambda: Rung(
                *from_logrank(p_value=p.value, favours_treatment=favours, sides=int(contrast.p_sides), **events)
            )
        )
    medians = [
        row.median for row in (figures.treatment, figures.comparator) if row is not None and row.median is not None
    ]
    both = len(medians) == 2 and all(median.exact for median in medians)
    if both and events is not None and "events_treatment" in events:
        return _guarded(lambda: Rung(*from_medians(medians[0].value, medians[1].value, **events)))  # type: ignore[arg-type]
    return Rung(None, None, f"not derivable: {_what_is_missing(figures, medians, events)}")


def _what_is_missing(figures: Figures, medians: list[Printed], events: dict[str, Any] | None) -> str:
    contrast, parts = figures.contrast, ["no ratio is printed"]
    if contrast.p is None:
        parts.append("no p value")
    elif not contrast.p.exact:
        parts.append(f"p {contrast.p} is a bound")
    elif contrast.favours is None:
        parts.append(f"p {contrast.p} has no stated direction")
    if len(medians) == 2 and not all(median.exact for median in medians):
        parts.append(f"a median is {' against '.join(str(median) for median in medians)}")
    elif len(medians) < 2:
        parts.append("not both medians are printed")
    if events is None:
        parts.append("no events are printed")
    return "; ".join(parts)


def _guarded(make: Callable[[], Rung]) -> Rung:
    """A rung whose figures a core function refuses gives the reason, not a number."""
    try:
        rung = make()
    except ValueError as problem:
        return Rung(None, None, f"not usable: {problem}")
    if rung.effect is not None and not (
        math.isfinite(rung.effect) and rung.se is not None and math.isfinite(rung.se) and rung.se > 0
    ):
        return Rung(None, None, "not usable: the figures give no positive standard error")
    return rung
