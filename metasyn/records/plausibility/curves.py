"""Survival: medians, rates, numbers at risk, and the hazard ratio they should go with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf, log, sqrt

from metasyn.errors import Severity
from metasyn.records.figures import Contrast, Rate, Survival
from metasyn.records.plausibility.facts import HAZARD_RATIOS, Facts, curve_key
from metasyn.records.plausibility.finding import Found
from metasyn.records.plausibility.ranges import SLACK, Range, shown, shown_range, spread
from metasyn.records.printed import Printed
from metasyn.records.validation import Loc

DEATH_INCLUDED = ("PFS", "EFS", "DFS", "RFS", "TTF")  # outcomes of which every death is an event
OVERALL = "OS"
Medians = dict[tuple[object, ...], tuple[Loc, Survival]]


def _rates(members: list[tuple[Loc, Survival]]) -> list[tuple[Loc, Rate]]:
    found = [
        ((*loc, "rates", index), rate)
        for loc, row in members
        for index, rate in enumerate(row.rates)
        if rate.percent.exact
    ]
    return sorted(found, key=lambda item: item[1].at.value or 0.0)


def rates_rise(facts: Facts) -> Iterator[Found]:
    """Survival that rises with time.

    Rates of one curve (arm, set, outcome, cutoff, assessor) are put in order of time; a later one may not lie above an
    earlier one by more than rounding.

    Cause: rates or times were swapped, a digit is wrong, or the rates are of different analyses.
    What to do: look up both rates and their times. Rows of different data cuts get different `cutoff`s.
    """
    for members in facts.survival_groups.values():
        rates = _rates(members)
        for (_, earlier), (loc, later) in pairwise(rates):
            if earlier.at.value is None or later.at.value is None:
                continue
            before, after = spread(earlier.percent), spread(later.percent)
            if spread(later.at)[0] >= spread(earlier.at)[1] - SLACK and after[0] > before[1] + SLACK:
                yield Found(
                    (*loc, "percent"),
                    f"is above the rate at an earlier time ({later.percent} at {later.at}, {earlier.percent} at {earlier.at}); "
                    "accepted: rates that do not rise",
                    f"S({later.at}) = {later.percent} > S({earlier.at}) = {earlier.percent}",
                )
            elif later.at.value == earlier.at.value and (after[0] > before[1] + SLACK or before[0] > after[1] + SLACK):
                yield Found(
                    (*loc, "percent"),
                    f"differs from another rate at the same time ({later.percent} and {earlier.percent} at {later.at}); "
                    "accepted: one rate per time, or another cutoff or assessor",
                    f"S({later.at}) = {later.percent} and {earlier.percent}",
                )


def at_risk_rises(facts: Facts) -> Iterator[Found]:
    """Numbers at risk that rise, exceed the arm, or exceed what the survival rate leaves.

    Numbers at risk can only fall, start at the patients of the arm, and at any time are at most the patients times the
    Kaplan-Meier survival just before, since whoever was censored is no longer at risk.

    Cause: a digit is wrong, two columns or arms were swapped.
    What to do: look at the table under the curve.
    """
    for index, row in enumerate(facts.study.survival):
        n = row.n if row.n is not None else (facts.size(row.set, row.arm) if row.subgroup is None else None)
        numbers = sorted(enumerate(row.at_risk), key=lambda item: item[1].at.value or 0.0)
        for (_, earlier), (position, later) in pairwise(numbers):
            if later.n > earlier.n:
                yield Found(
                    ("survival", index, "at_risk", position, "n"),
                    f"is above the number at risk earlier ({later.n} at {later.at}, {earlier.n} at {earlier.at}); accepted: numbers that do not rise",
                    f"{later.n} > {earlier.n}",
                )
        for position, number in numbers:
            if n is not None and number.n > n:
                yield Found(
                    ("survival", index, "at_risk", position, "n"),
                    f"is more than the patients there are ({number.n} of {n}); accepted: at most {n}",
                    f"{number.n} > {n}",
                )
                continue
            for rate in row.rates:
                if (
                    n
                    and rate.percent.exact
                    and rate.at.value is not None
                    and rate.at.value <= (number.at.value or 0)
                    and rate.at.value > 0
                ):
                    most = n * spread(rate.percent)[1] / 100
                    if number.n > most + 1 and (rate.at.value < (number.at.value or 0) or number.n > most + 2):
                        yield Found(
                            ("survival", index, "at_risk", position, "n"),
                            f"is more than the survival rate leaves ({number.n} at {number.at}, {rate.percent}% at {rate.at}); accepted: at most {most:.0f}",
                            f"{n} x {rate.percent}% = {most:.1f} < {number.n}",
                        )
                        break


def median_against_rates(facts: Facts) -> Iterator[Found]:
    """A median that does not fit the landmark rates of its own curve.

    Before the median more than half are event-free, after it at most half. So a rate below 50 percent before the printed
    median, one above 50 percent after it, and one below 50 percent beside a median that was not reached contradict it,
    each by more than rounding. A rate whose whole interval lies above 50 percent after the upper limit of the median's
    interval, or below before the lower limit, contradicts that interval.

    Cause: a digit is wrong, months and years were mixed, arms were swapped, or median and rates are of different cuts.
    What to do: look up both. Figures of different data cuts get different `cutoff`s.
    """
    for members in facts.survival_groups.values():
        for loc, row in members:
            if row.median is None:
                continue
            for rate_loc, rate in _rates(members):
                if rate.at.value is None:
                    continue
                said = _contradiction(row, rate)
                if said:
                    severity: Severity | None = "error" if rate_loc[:2] == loc else None
                    yield Found(
                        (*loc, "median"),
                        f"does not fit the rate at {rate.at} ({row.median}, {rate.percent}%); accepted: more than half before the median, at most half after it",
                        said,
                        severity,
                    )
                elif row.median_ci is not None and rate.ci is not None:
                    yield from _interval_contradiction(loc, row, rate)


def _contradiction(row: Survival, rate: Rate) -> str | None:
    low, high = spread(rate.percent)
    at = spread(rate.at)
    median = row.median
    if median is None or (not median.reached and high >= 50 - SLACK):
        return None
    if not median.reached:
        return f"S({rate.at}) = {rate.percent} < 50, so the median was reached by {rate.at}"
    earliest, latest = spread(median)
    if at[1] < earliest - SLACK and high < 50 - SLACK:
        return f"{rate.at} < {median} and S({rate.at}) = {rate.percent} < 50"
    if at[0] > latest + SLACK and low > 50 + SLACK:
        return f"{rate.at} > {median} and S({rate.at}) = {rate.percent} > 50"
    return None


def _interval_contradiction(loc: Loc, row: Survival, rate: Rate) -> Iterator[Found]:
    low, high = row.median_ci or (None, None)
    if rate.ci is None or rate.at.value is None:
        return
    bottom, top = rate.ci
    above = (
        high is not None and high.exact and rate.at.value > spread(high)[1] and bottom.exact and spread(bottom)[0] > 50
    )
    below = low is not None and low.exact and rate.at.value < spread(low)[0] and top.exact and spread(top)[1] < 50
    if above or below:
        yield Found(
            (*loc, "median_ci"),
            f"does not fit the interval of the rate at {rate.at} ([{low}, {high}], {rate.percent} [{bottom}, {top}]); accepted: intervals of one curve",
            f"{rate.at} {'>' if above else '<'} {high if above else low}, but all of [{bottom}, {top}] is {'above' if above else 'below'} 50",
        )


def rate_not_reached(facts: Facts) -> Iterator[Found]:
    """A survival rate given as not reached.

    A median can be not reached; a rate at a time is a percent, or not estimable because nobody was followed so long.

    Cause: a cell of another row; or the paper means not estimable.
    What to do: look it up; leave the rate out and say so in a note, or accept what the paper prints.
    """
    for index, row in enumerate(facts.study.survival):
        for position, rate in enumerate(row.rates):
            if not rate.percent.reached:
                yield Found(
                    ("survival", index, "rates", position, "percent"),
                    f"is a rate that was not reached (at {rate.at}); accepted: a percent",
                    f"the curve of this arm has median {row.median}: a curve has a value at every time it covers"
                    if row.median is not None and row.median.reached
                    else None,
                )


def median_against_hazard_ratio(facts: Facts) -> Iterator[Found]:
    """Medians that point the other way than the hazard ratio.

    Under exponential survival the hazard ratio is the comparator's median over the treatment's. Under other shapes with
    proportional hazards the direction stays, and the log ratio of medians lies between half and twice the log hazard
    ratio for the shapes that occur. The distance from that range is measured in standard errors of the log hazard ratio,
    which is also about the standard error of the difference between the two (Var ln median is about 2.08 / events,
    Var ln HR about 4 / events, and the two are correlated). Beyond 2 it is a note (crossing or late-separating curves
    do this); beyond 4 a warning.

    Cause: the arms' medians were swapped, treatment and comparator of the contrast were swapped, months for years; or
    the curves cross.
    What to do: look up medians and hazard ratio. If they stand, hazards are not proportional: the note stays.
    """
    medians: Medians = {
        (row.outcome, *curve_key(row)): (loc, row)
        for members in facts.survival_groups.values()
        for loc, row in members
        if row.median is not None and row.median.exact and row.median.value
    }
    for estimate in facts.estimates:
        row, se = estimate.row, estimate.se
        if not isinstance(row, Contrast) or row.measure not in HAZARD_RATIOS or estimate.effect is None or se is None:
            continue
        if row.model is not None and row.model.kind in ("multivariable", "time-dependent"):
            continue
        pair = [_median_of(medians, row, arm) for arm in (row.treatment, row.comparator)]
        if pair[0] is None or pair[1] is None or se[1] == inf:
            continue
        treated, control = (spread(m) for m in pair if m is not None)
        if treated[0] <= 0 or control[0] <= 0:
            continue
        by_medians: Range = (log(control[0] / treated[1]), log(control[1] / treated[0]))
        allowed = (min(estimate.effect[0] * f for f in (0.5, 2)), max(estimate.effect[1] * f for f in (0.5, 2)))
        distance = max(by_medians[0] - allowed[1], allowed[0] - by_medians[1]) / (sum(se) / 2)
        if distance > 2:
            yield Found(
                (*estimate.loc, "estimate"),
                f"does not go with the medians ({row.measure} {row.estimate}, medians {pair[0]} and {pair[1]}); accepted: medians and hazard ratio of the "
                "same direction, unless the curves cross",
                f"{pair[1]}/{pair[0]} = {shown_range(by_medians, exponentiate=True)} against {row.estimate}: {shown(distance)} standard errors",
                "warning" if distance > 4 else "note",
            )


def favoured_arm(facts: Facts) -> Iterator[Found]:
    """An arm that is said to do better, with the shorter median.

    Where only a p value is printed, `favours` says which arm did better. Its median should be the longer one, beyond
    rounding, where p is below 0.05.

    Cause: the arms' medians were swapped, or `favours` names the wrong arm.
    What to do: look up both.
    """
    medians: Medians = {
        (row.outcome, *curve_key(row)): (loc, row)
        for members in facts.survival_groups.values()
        for loc, row in members
        if row.median is not None and row.median.value
    }
    reached = {key: item for key, item in medians.items() if item[1].median is not None and item[1].median.exact}
    for index, row in enumerate(facts.study.contrasts):
        if (
            row.favours is None
            or row.estimate is not None
            or row.p is None
            or row.p.value is None
            or row.p.value >= 0.05
        ):
            continue
        other = row.comparator if row.favours == row.treatment else row.treatment
        better, worse = _median_of(reached, row, row.favours), _median_of(reached, row, other)
        if better is not None and worse is not None and spread(better)[1] < spread(worse)[0]:
            yield Found(
                ("contrasts", index, "favours"),
                f"has the shorter median ({row.favours} {better}, {other} {worse}, p {row.p}); accepted: the arm that did better",
                f"{better} < {worse}",
            )


def _median_of(medians: Medians, row: Contrast, arm: str) -> Printed | None:
    subgroup = (row.subgroup.factor, row.subgroup.level) if row.subgroup is not None else None
    found = medians.get((row.outcome, arm, row.set, subgroup, row.cutoff, row.assessor))
    return found[1].median if found is not None else None


def outcome_order(facts: Facts) -> Iterator[Found]:
    """Progression-free survival above overall survival, or fewer progression events than deaths.

    Every death is an event of PFS, EFS, DFS and RFS, so in the same patients at the same cutoff the median and the rates
    of such an outcome are at most those of OS, and its events at least the deaths.

    Cause: rows of OS and PFS were swapped, a digit is wrong, or the cutoffs differ.
    What to do: look up both. Figures of different data cuts get different `cutoff`s.
    """
    overall: dict[tuple[object, ...], list[tuple[Loc, Survival]]] = {}
    for (outcome, arm, set_name, subgroup, cutoff, _), members in facts.survival_groups.items():
        if outcome == OVERALL:
            overall.setdefault((arm, set_name, subgroup, cutoff), []).extend(members)
    for (outcome, arm, set_name, subgroup, cutoff, _), members in facts.survival_groups.items():
        if outcome not in DEATH_INCLUDED:
            continue
        for _, death in overall.get((arm, set_name, subgroup, cutoff), ()):
            for loc, row in members:
                yield from _above(outcome, loc, row, death)


def _above(outcome: str, loc: Loc, row: Survival, death: Survival) -> Iterator[Found]:
    if row.median is not None and death.median is not None and death.median.exact:
        if not row.median.reached:
            yield Found(
                (*loc, "median"),
                f"was not reached although that of OS was ({death.median}); accepted: a median of at most {death.median}",
                f"{outcome} ends with every death",
            )
        elif row.median.exact and spread(row.median)[0] > spread(death.median)[1] + SLACK:
            yield Found(
                (*loc, "median"),
                f"is above the median of OS ({row.median} against {death.median}); accepted: at most {death.median}",
                f"{row.median} > {death.median}",
            )
    if row.events is not None and death.events is not None and row.events < death.events:
        yield Found(
            (*loc, "events"),
            f"is below the deaths of the arm ({row.events} against {death.events}); accepted: at least {death.events}",
            f"{row.events} < {death.events}",
        )
    for index, rate in enumerate(row.rates):
        for other in death.rates:
            if (
                rate.at.value == other.at.value
                and rate.percent.exact
                and other.percent.exact
                and spread(rate.percent)[0] > spread(other.percent)[1] + SLACK
            ):
                yield Found(
                    (*loc, "rates", index, "percent"),
                    f"is above overall survival at the same time ({rate.percent} against {other.percent} at {rate.at}); accepted: at most {other.percent}",
                    f"{rate.percent} > {other.percent}",
                )


def events_against_hazard_ratio(facts: Facts) -> Iterator[Found]:
    """A larger share of events in the arm that the hazard ratio favours.

    Over a common follow-up the arm with the lower hazard has the smaller share of events. The log ratio of the two
    shares, with the usual variance (1/d1 - 1/n1 + 1/d2 - 1/n2), is set against the log hazard ratio: opposite directions
    more than three standard errors apart are a warning, where the shares themselves differ by 1.96 standard errors and
    a tenth of both arms is still without an event (once nearly all have had one, shares say nothing about hazards).

    Cause: arms swapped; follow-up that is much longer in one arm; many censored early; a wrong count.
    What to do: look up the counts and the follow-up by arm. If they stand, note that follow-up differs.
    """
    for estimate in facts.estimates:
        row, se = estimate.row, estimate.se
        if not isinstance(row, Contrast) or row.measure not in HAZARD_RATIOS or estimate.effect is None or se is None:
            continue
        counts = [facts.events_of(row, arm) for arm in (row.treatment, row.comparator)]
        sizes = [facts.patients_of(row, arm) for arm in (row.treatment, row.comparator)]
        if not all(counts) or not all(sizes) or se[1] == inf:
            continue
        d1, d2, n1, n2 = (float(value) for value in (*counts, *sizes) if value)
        if d1 > n1 or d2 > n2:
            continue
        ratio = log((d1 / n1) / (d2 / n2))
        effect = sum(estimate.effect) / 2
        apart = abs(ratio - effect) / sqrt(1 / d1 - 1 / n1 + 1 / d2 - 1 / n2 + (sum(se) / 2) ** 2)
        clear = abs(ratio) > 1.96 * sqrt(1 / d1 - 1 / n1 + 1 / d2 - 1 / n2) and max(d1 / n1, d2 / n2) < 0.9
        if ratio * effect < 0 and apart > 3 and clear:
            yield Found(
                (*estimate.loc, "estimate"),
                f"favours the arm with the larger share of events ({row.measure} {row.estimate}; {counts[0]} of {sizes[0]} against {counts[1]} of {sizes[1]}); "
                "accepted: one direction, or the reason why follow-up differs",
                f"({counts[0]}/{sizes[0]}) / ({counts[1]}/{sizes[1]}) = {shown((d1 / n1) / (d2 / n2))} against {row.estimate}: {shown(apart)} standard errors",
            )
