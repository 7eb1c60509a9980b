"""Intervals and the numbers they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, inf, isfinite

from metasyn.errors import Severity
from metasyn.records.figures import Contrast
from metasyn.records.plausibility.facts import RATIOS, Estimate, Facts
from metasyn.records.plausibility.finding import Found
from metasyn.records.plausibility.ranges import gap, quantile, shown, shown_range, spread, z_of_p
from metasyn.records.printed import Printed
from metasyn.records.validation import Loc

WORTH_A_NOTE = 0.02  # of the half-width
PROFILE = 0.10  # of the half-width: what a profile-likelihood interval of some ten events may lie off the middle
BROKEN = 0.40  # of the half-width: no method puts an estimate that far off
LEVELS = (0.80, 0.90, 0.95, 0.975, 0.98, 0.99)


def interval_order(facts: Facts) -> Iterator[Found]:
    """A lower limit above its upper one.

    Cause: the limits were swapped, or a digit of one is wrong.
    What to do: look the interval up and type it as [low, high].
    """
    for loc, _, (low, high), _ in facts.intervals():
        if low.value is not None and high.value is not None and low.value > high.value:
            yield Found(
                loc,
                f"has its lower limit above its upper one ([{low}, {high}]); accepted: [low, high], perhaps [{high}, {low}]",
                f"{low} > {high}",
            )


def estimate_in_interval(facts: Facts) -> Iterator[Found]:
    """An estimate that its own interval excludes.

    The values that round to the estimate are compared with those that round to the limits; where they touch, nothing
    is said. It covers ratios, differences, medians, rates, percents, and medians of a baseline table.

    Cause: a digit of the estimate or of a limit is wrong, or the interval belongs to another row.
    What to do: look up the three numbers. If the paper prints them so, accept the finding with that reason.
    """
    for loc, _, (low, high), estimate in facts.intervals():
        if estimate is None or not estimate.exact or (low.value or 0) > (high.value or inf):
            continue
        smallest, largest = estimate.rounding()
        below = low.value is not None and largest < low.rounding()[0]
        above = high.value is not None and smallest > high.rounding()[1]
        if below or above:
            yield Found(
                loc,
                f"excludes its estimate ({estimate} outside [{low}, {high}]); accepted: low < estimate < high",
                f"{estimate} < {low}" if below else f"{estimate} > {high}",
            )


def interval_symmetry(facts: Facts) -> Iterator[Found]:
    """An interval that is not symmetric about its estimate, on the log scale for ratios.

    A Wald interval of a ratio has its estimate at the geometric mean of the limits. The distance from there, beyond
    what rounding of the three numbers allows, is given as a share of the interval's half-width. From 2 to 10 percent it is
    a note (profile-likelihood and score intervals of few events lie that far off), above it a warning, above 40 percent
    an error. An interval whose `ci_method` is given as something else than Wald gets a note at most.

    Cause: a digit or a decimal point is wrong in one of the three numbers; the interval is of another model than the
    estimate; or it is a bootstrap or profile interval.
    What to do: look up the three numbers. The message says which value each would need to have if the others are right.
    """
    for estimate in facts.estimates:
        se = estimate.se
        if estimate.effect is None or estimate.low is None or estimate.high is None or se is None:
            continue
        if estimate.low[1] == -inf or estimate.row.ci is None or se[0] <= 0:
            continue
        middle = ((estimate.low[0] + estimate.high[0]) / 2, (estimate.low[1] + estimate.high[1]) / 2)
        off = gap(estimate.effect, middle)
        half_width = quantile(estimate.level) * (se[0] + min(se[1], 4 * se[0])) / 2
        share = off / half_width
        outside = estimate.effect[0] > estimate.high[1] or estimate.effect[1] < estimate.low[0]
        if share < WORTH_A_NOTE or outside:
            continue  # outside the interval altogether: estimate-in-interval says it
        severity: Severity = "note" if share <= PROFILE else ("warning" if share <= BROKEN else "error")
        if (
            isinstance(estimate.row, Contrast)
            and estimate.row.ci_method
            and "wald" not in estimate.row.ci_method.lower()
        ):
            severity = "note"
        yield Found((*estimate.loc, "ci"), *_off_centre(estimate, middle, share), severity)


def _off_centre(estimate: Estimate, middle: tuple[float, float], share: float) -> tuple[str, str]:
    low, high = estimate.row.ci or (None, None)
    printed = estimate.row.estimate
    centre = shown_range(middle, exponentiate=estimate.log)
    kind = "geometric mean" if estimate.log else "middle"
    effect, bottom, top = (
        (sum(limits) / 2 if limits is not None and isfinite(limits[0]) else (limits or (0, 0))[1])
        for limits in (estimate.effect, estimate.low, estimate.high)
    )
    scale = exp if estimate.log else float
    needed = f"low {shown(scale(2 * effect - top))} or high {shown(scale(2 * effect - bottom))}"
    return (
        f"is not symmetric about its estimate ({printed} in [{low}, {high}]); accepted: limits about {printed}, "
        f"such as {needed}",
        f"{kind} of the limits {centre}, estimate {printed}: off by {share:.0%} of the half-width",
    )


def positive_ratio(facts: Facts) -> Iterator[Found]:
    """A ratio, or a limit of one, that is not positive.

    Cause: a log hazard ratio or a difference was typed where a ratio belongs, or the measure is wrong.
    What to do: type the ratio as printed, or change `measure`.
    """
    for loc, row in facts.rows:
        if row.__dict__.get("measure") not in RATIOS:
            continue
        interval = row.__dict__.get("ci") or ()
        for field, printed in [("estimate", row.__dict__.get("estimate")), *[("ci", limit) for limit in interval]]:
            if printed is not None and printed.value is not None and printed.rounding()[1] <= 0:
                yield Found((*loc, field), f"is a ratio that is not above 0 ({printed}); accepted: a positive number")


def percent_range(facts: Facts) -> Iterator[Found]:
    """A percent outside 0 to 100.

    Cause: a decimal point was lost, or a count was typed where a percent belongs.
    What to do: type the percent as printed.
    """
    for loc, percent in _all_percents(facts):
        if percent.value is not None and not 0 <= percent.value <= 100:
            yield Found(loc, f"is not a percentage ({percent}); accepted: 0 to 100")


def _all_percents(facts: Facts) -> Iterator[tuple[Loc, Printed]]:
    for loc, row in facts.rows:
        percent = row.__dict__.get("percent")
        if percent is not None:
            yield (*loc, "percent"), percent
        for i, rate in enumerate(row.__dict__.get("rates", ())):
            yield (*loc, "rates", i, "percent"), rate.percent
        for arm, cell in (row.__dict__.get("arms") or {}).items():
            if cell.percent is not None:
                yield (*loc, "arms", arm, "percent"), cell.percent


def p_value_range(facts: Facts) -> Iterator[Found]:
    """A p value outside 0 to 1.

    Cause: the decimal point was lost, or another number was typed.
    What to do: type p as printed, such as 0.029 or <0.001.
    """
    for loc, row in facts.rows:
        p = row.__dict__.get("p")
        if p is not None and p.value is not None and not 0 <= p.value <= 1:
            yield Found((*loc, "p"), f"is not a p value ({p}); accepted: 0 to 1, such as 0.029 or <0.001")
        elif p is not None and p.value == 1 and p.relation in ("<", "<="):
            yield Found(
                (*loc, "p"), f"is a bound that says nothing ({p}); accepted: the bound as printed, such as <0.001"
            )


def interval_level(facts: Facts) -> Iterator[Found]:
    """An interval whose width fits another level than the one printed.

    The p value gives a standard error (estimate over its z), and the width over that standard error the level. Where
    the stated level does not fit within a tenth, and exactly one of 80, 90, 95, 97.5, 98 and 99 percent does, that level
    is named.

    Cause: the paper prints 80, 90 or 98 percent intervals and calls them 95, or `level` was forgotten.
    What to do: look for the level in the paper's methods; set `level` if it is said. Do not pool before.
    """
    for estimate in facts.estimates:
        p, se = estimate.row.p, estimate.se
        if p is None or not p.exact or not p.value or estimate.effect is None or se is None or not estimate.log:
            continue
        sides = int(estimate.row.p_sides) if isinstance(estimate.row, Contrast) else 2
        smallest, largest = p.rounding()
        effect = max(abs(estimate.effect[0]), abs(estimate.effect[1]))
        z = (z_of_p(largest, sides=sides), z_of_p(max(smallest, 1e-12), sides=sides))
        nearest = 0.0 if estimate.effect[0] <= 0 <= estimate.effect[1] else min(abs(edge) for edge in estimate.effect)
        if z[0] < 1.0 or nearest == 0:
            continue  # near the null, rounding leaves the standard error open
        from_p = (nearest / z[1], effect / z[0])
        stated = quantile(estimate.level)
        half_width = (se[0] * stated, se[1] * stated)

        def fits(
            level: float, off: float, limits: tuple[float, float] = half_width, by_p: tuple[float, float] = from_p
        ) -> bool:
            needed = (by_p[0] * quantile(level) * (1 - off), by_p[1] * quantile(level) * (1 + off))
            return gap(limits, needed) == 0

        if fits(estimate.level, 0.10):
            continue
        others = [level for level in LEVELS if level != estimate.level and fits(level, 0.03)]
        if len(others) == 1:
            yield Found(
                (*estimate.loc, "ci"),
                f"is as wide as a {others[0]:.3g} interval, not {estimate.level:.3g} "
                f"([{estimate.row.ci[0]}, {estimate.row.ci[1]}] with p {p}); accepted: the level that the paper states",  # type: ignore[index]
                f"half-width {shown_range(half_width)} over the standard error {shown_range(from_p)} of p gives z "
                f"{shown(half_width[0] / from_p[1])} to {shown(half_width[1] / from_p[0])}; {others[0]:.3g} has "
                f"{quantile(others[0]):.2f}, {estimate.level:.3g} has {stated:.2f}",
            )


def ratio_size(facts: Facts) -> Iterator[Found]:
    """A ratio that is hardly one: below 0.02 or above 50, or a standardised difference beyond 5.

    Cause: a percent, a median or a log was typed as a ratio, or the decimal point is wrong (60.8 for 0.608).
    What to do: look the number up; if the paper prints it, accept the finding.
    """
    for loc, row in facts.rows:
        measure, estimate = row.__dict__.get("measure"), row.__dict__.get("estimate")
        if estimate is None or not estimate.exact or (estimate.value <= 0 and measure in RATIOS):
            continue
        if measure in RATIOS:
            low, high = spread(estimate)
            wrong = high < 0.02 or low > 50
        else:
            wrong = measure == "SMD" and abs(estimate.value) > 5
        if wrong:
            yield Found(
                (*loc, "estimate"),
                f"is hardly a {measure} ({estimate}); accepted: the {measure} as printed, on its natural scale",
            )
