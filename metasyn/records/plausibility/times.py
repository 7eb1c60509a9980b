"""Dates and times: their order, what a follow-up can be, and units."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from statistics import median

from metasyn.records.figures import Survival
from metasyn.records.plausibility.facts import Facts, date_range
from metasyn.records.plausibility.finding import Found
from metasyn.records.plausibility.percents import counts_of
from metasyn.records.plausibility.ranges import spread
from metasyn.records.printed import Printed
from metasyn.records.validation import Loc

DAYS = {"days": 1.0, "weeks": 7.0, "months": 30.4375, "years": 365.25}
LONGEST = 40 * 365.25  # days: no cohort is followed longer


def _dates(facts: Facts) -> Iterator[tuple[Loc, str]]:
    enrolment = facts.study.design.enrolment
    if enrolment is not None:
        yield ("design", "enrolment", 0), enrolment[0]
        yield ("design", "enrolment", 1), enrolment[1]
    for name, cutoff in facts.study.cutoffs.items():
        if cutoff.date is not None:
            yield ("cutoffs", name, "date"), cutoff.date
    yield ("extraction", "date"), facts.study.extraction.date


def date_order(facts: Facts) -> Iterator[Found]:
    """Dates that no calendar has, or that stand in an impossible order.

    Enrolment starts before it ends; a data cutoff comes after enrolment began and not after the record was extracted;
    a cutoff that follows another (`after`) is not earlier; a publication is not older than the start of enrolment.
    A month or a year as printed stands for all its days, so that only impossible orders are found.

    Cause: swapped dates, a wrong digit in a year, day and month mixed up.
    What to do: look up the dates.
    """
    study = facts.study
    known: dict[Loc, tuple[date, date]] = {}
    began, ended = study.design.enrolment or ("", "")
    loc: Loc
    for loc, text in _dates(facts):
        days = date_range(text)
        if days is None:
            yield Found(loc, f"is a day that no calendar has ({text}); accepted: a date such as 2024-12-31")
        else:
            known[loc] = days
    first, last = known.get(("design", "enrolment", 0)), known.get(("design", "enrolment", 1))
    extracted = known.get(("extraction", "date"))
    if first and last and first[0] > last[1]:
        yield Found(
            ("design", "enrolment"),
            f"starts after it ends ({began} to {ended}); accepted: [first, last]",
            f"{first[0]} > {last[1]}",
        )
    if last and extracted and last[0] > extracted[1]:
        yield Found(
            ("design", "enrolment", 1),
            f"is after the record was extracted ({ended}, {study.extraction.date}); accepted: a past date",
        )
    for name, cutoff in study.cutoffs.items():
        loc = ("cutoffs", name, "date")
        if loc not in known or cutoff.date is None:
            continue
        if first and known[loc][1] < first[0]:
            yield Found(
                loc,
                f"is before enrolment began ({cutoff.date}, {began}); accepted: a date after it",
                f"{known[loc][1]} < {first[0]}",
            )
        if extracted and known[loc][0] > extracted[1]:
            yield Found(
                loc,
                f"is after the record was extracted ({cutoff.date}, {study.extraction.date}); accepted: a past date",
                f"{known[loc][0]} > {extracted[1]}",
            )
        earlier = known.get(("cutoffs", cutoff.after, "date")) if cutoff.after else None
        if earlier and known[loc][1] < earlier[0]:
            yield Found(
                loc,
                f"is before the cutoff that it follows ({cutoff.date}, {cutoff.after}); accepted: a later date",
                f"{known[loc][1]} < {earlier[0]}",
            )
    for name, publication in study.reports.items():
        if publication.year is not None and first and publication.year < first[0].year:
            yield Found(
                ("reports", name, "year"),
                f"is before enrolment began ({publication.year}, {began}); accepted: a later year",
                f"{publication.year} < {first[0].year}",
            )
        if publication.year is not None and extracted and publication.year > extracted[1].year + 1:
            yield Found(
                ("reports", name, "year"), f"is in the future ({publication.year}); accepted: the year of publication"
            )


def _times(facts: Facts) -> Iterator[tuple[Loc, Printed, str]]:
    """Every time in the study's unit."""
    for name, cutoff in facts.study.cutoffs.items():
        if cutoff.median_follow_up is not None:
            yield ("cutoffs", name, "median_follow_up"), cutoff.median_follow_up, "follow-up"
    for index, row in enumerate(facts.study.survival):
        if row.median is not None:
            yield ("survival", index, "median"), row.median, "median"
        for position, rate in enumerate(row.rates):
            yield ("survival", index, "rates", position, "at"), rate.at, "time"
        for position, number in enumerate(row.at_risk):
            yield ("survival", index, "at_risk", position, "at"), number.at, "time"


def time_possible(facts: Facts) -> Iterator[Found]:
    """A time longer than anybody was followed.

    Nobody can be followed longer than from the start of enrolment to the data cutoff (else the publication, else the
    extraction). Medians, times of rates, and follow-up in the record's `time_unit` are compared with that span, and with
    forty years where no dates are known.

    Cause: days or weeks in a record of months, months in one of years, a lost decimal point.
    What to do: look up the unit; every time of a record is in its `time_unit`.
    """
    study = facts.study
    unit = DAYS[study.time_unit]
    start = date_range(study.design.enrolment[0]) if study.design.enrolment else None
    ends = [days[1] for cutoff in study.cutoffs.values() if cutoff.date and (days := date_range(cutoff.date))]
    if not ends or len(ends) < len(study.cutoffs):
        extracted = date_range(study.extraction.date)
        ends += [extracted[1]] if extracted else []
    span = min((max(ends) - start[0]).days if start and ends else LONGEST, LONGEST)
    if span <= 0:
        return  # date-order says it
    for loc, printed, what in _times(facts):
        if printed.value is not None and spread(printed)[0] * unit > span:
            known = (
                f"{span / unit:.0f} {study.time_unit} from {study.design.enrolment[0]} on"
                if start and study.design.enrolment
                else "40 years"
            )
            yield Found(
                loc,
                f"is longer than anybody can have been followed ({what} {printed} {study.time_unit}); accepted: a time in {study.time_unit}, at most {known}",
                f"{printed} {study.time_unit} = {(printed.value or 0) * unit / 365.25:.1f} years, of {span / 365.25:.1f} possible",
            )


def time_unit(facts: Facts) -> Iterator[Found]:
    """Times that look as if they were in another unit.

    Two signs. A median of one arm that is more than eight times, or less than an eighth of, the median of the other
    medians of the same outcome; and rates of a record in months that all lie at times 1 to 5, as years do, or of a record
    in years that lie at times above 15, as months do. Median follow-up shorter than a tenth of the shortest median is
    another.

    Cause: months for years, days for months, a lost decimal point.
    What to do: look up the unit; convert nothing: where a paper prints days, the record's `time_unit` is days.
    """
    study = facts.study
    by_outcome: dict[str, list[tuple[Loc, float]]] = {}
    for index, row in enumerate(study.survival):
        if row.median is not None and row.median.exact and row.median.value:
            by_outcome.setdefault(row.outcome, []).append((("survival", index, "median"), row.median.value))
    for outcome, medians in by_outcome.items():
        for loc, value in medians:
            others = [other for where, other in medians if where != loc]
            usual = median(others) if others else 0.0
            if usual and not 1 / 8 <= value / usual <= 8:
                yield Found(
                    loc,
                    f"is far from the other medians of {outcome} ({value:g} {study.time_unit}, usually about {usual:g}); accepted: a time in {study.time_unit}",
                    f"{value:g} / {usual:g} = {value / usual:.2g}",
                )
    yield from _rate_times(facts)


def _rate_times(facts: Facts) -> Iterator[Found]:
    study = facts.study
    rows: list[tuple[int, Survival]] = [(index, row) for index, row in enumerate(study.survival) if row.rates]
    times = [rate.at.value for _, row in rows for rate in row.rates if rate.at.value is not None]
    if not times:
        return
    years_in_months = (
        study.time_unit == "months"
        and max(times) <= 5
        and any(row.median is not None and row.median.value is not None and row.median.value > 6 for _, row in rows)
    )
    months_in_years = study.time_unit == "years" and max(times) > 15
    for index, row in rows:
        for position, rate in enumerate(row.rates):
            at, unit = rate.at.value, study.time_unit
            odd = months_in_years or years_in_months
            if not odd and unit == "months" and at is not None and at < 3 and max(times) >= 6 and at == int(at):
                # one rate at 1 or 2 among rates at 6, 12, 24: a year among months, if it fits the curve as a year only
                odd = (
                    rate.percent.exact
                    and row.median is not None
                    and row.median.exact
                    and (row.median.value or 0) > 3
                    and spread(rate.percent)[1] < 70
                )
            if odd:
                yield Found(
                    ("survival", index, "rates", position, "at"),
                    f"looks like another unit ({rate.at} in {unit}); accepted: a time in {unit}, such as {12 * at if unit == 'months' and at else 1:g}",
                    f"rates at {', '.join(f'{t:g}' for t in sorted(set(times)))} {unit}"
                    + (f", median {row.median}" if row.median else ""),
                )


def fraction_for_percent(facts: Facts) -> Iterator[Found]:
    """A fraction where a percent belongs.

    A survival rate, a response or a baseline share between 0 and 1, printed with two decimals or more, that is no percent
    of a whole number of its patients either. One lone adverse event below 1 percent passes.

    Cause: 0.48 typed for 48 percent.
    What to do: type the percent as printed; percent stays percent.
    """
    listed: list[tuple[Loc, Printed, bool]] = []
    for index, row in enumerate(facts.study.survival):
        listed += [
            (("survival", index, "rates", i, "percent"), rate.percent, False) for i, rate in enumerate(row.rates)
        ]
    listed += [
        (item.loc, item.percent, bool(item.n) and any(k > 0 for k in counts_of(spread(item.percent), item.n or 1)))
        for item in facts.percents
    ]
    fractions = [
        (loc, p) for loc, p, fits in listed if p.exact and p.decimals >= 2 and 0 < (p.value or 0) <= 1 and not fits
    ]
    for loc, percent in fractions:
        if loc[0] == "adverse_events" and (percent.value or 0) < 1 and len(fractions) == 1:
            continue  # a rare event may well have 0.45 percent
        yield Found(
            loc,
            f"looks like a fraction ({percent}); accepted: a percent, {100 * (percent.value or 0):g}",
            f"{percent}% would be {100 / (percent.value or 1):.0f} patients for one event",
        )
