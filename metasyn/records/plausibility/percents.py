"""Counts and percents of patients, and the denominators between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import ceil, floor

from metasyn.records.figures import AdverseEvent, Response, Survival
from metasyn.records.plausibility.facts import Facts, Percent
from metasyn.records.plausibility.finding import Found
from metasyn.records.plausibility.ranges import SLACK, Range, spread

LARGEST = 2000  # patients: denominators beyond it are not searched, as every percent fits some count


def counts_of(percent: Range, n: int) -> range:
    """Whole numbers of `n` that print as a percent; empty where none does (GRIM: Brown and Heathers 2017)."""
    low, high = max(percent[0], 0.0), percent[1]
    if low > 101 or high < 0:
        return range(0)
    return range(ceil(low * n / 100 - SLACK * n), floor(min(high, 100.0) * n / 100 + SLACK * n) + 1)


def denominators_of(percents: list[tuple[Range, int | None]], largest: int) -> list[int]:
    """Numbers of patients that every percent, with its count where printed, can be of."""
    return [
        n
        for n in range(1, largest + 1)
        if all(
            (k in counts_of(percent, n)) if k is not None else len(counts_of(percent, n)) > 0 for percent, k in percents
        )
    ]


def events_within_n(facts: Facts) -> Iterator[Found]:
    """More events than patients.

    Cause: count and denominator of different rows, a wrong digit, or the percent typed as the count.
    What to do: look up both numbers.
    """
    for loc, row in facts.rows:
        if not isinstance(row, (Survival, Response, AdverseEvent)) or row.events is None:
            continue
        n = row.n if row.n is not None else row.__dict__.get("denominator")
        if n is None and row.__dict__.get("subgroup") is None:
            n = facts.size(row.set, row.arm)
        if n is not None and row.events > n:
            yield Found(
                (*loc, "events"),
                f"is more events than patients ({row.events} of {n}); accepted: at most {n}",
                f"{row.events} > {n}",
            )
    for index, contrast in enumerate(facts.study.contrasts):
        for arm, events in contrast.events.items():
            patients = facts.patients_of(contrast, arm)
            if patients is not None and events > patients:
                yield Found(
                    ("contrasts", index, "events", arm),
                    f"is more events than patients ({events} of {patients}); accepted: at most {patients}",
                    f"{events} > {patients}",
                )
    for index, table_row in enumerate(facts.study.baseline):
        for arm, cell in table_row.arms.items():
            n = cell.of if cell.of is not None else facts.size(table_row.set, arm)
            if n is not None and cell.n is not None and cell.n > n:
                yield Found(
                    ("baseline", index, "arms", arm, "n"),
                    f"is more than the patients there are ({cell.n} of {n}); accepted: at most {n}",
                    f"{cell.n} > {n}",
                )


def percent_from_count(facts: Facts) -> Iterator[Found]:
    """A percent that is not its count over its patients.

    100 times count over patients is compared with the values that round to the printed percent. The patients are those
    of the row (`n`), else those of its arm in its set. Where they disagree the message says what the count would give,
    which counts fit the percent, and which of the record's own numbers of patients would be the right denominator.

    Cause: a digit of count or percent is wrong; the percent is of other patients (evaluable, safety); the paper cut the
    percent off instead of rounding it.
    What to do: look up the row. If the denominator is another, give it as `n`; if the paper is wrong, accept.
    """
    for item in facts.percents:
        if item.events is None or item.n is None or item.n == 0:
            continue
        k, n, printed = item.events, item.n, spread(item.percent)
        if item.section == "baseline" and not item.own and _of_those_known(facts, item):
            continue  # of the patients whose value is known: baseline-parts says so
        if k > n or k in counts_of(printed, n):
            continue
        options = counts_of(printed, n)
        fitting = (
            f"{item.percent}% of {n} is {_words(options)}" if len(options) else f"no count of {n} gives {item.percent}%"
        )
        others = [
            f"{size} ({name})"
            for size, name in facts.known_sizes.items()
            if size >= k and size != n and k in counts_of(printed, size)
        ]
        of = f"; {k} is {item.percent}% of {', '.join(others)}" if others else ""
        if not others and k and printed[0] > 1e-9:
            smallest, largest = ceil(100 * k / printed[1] - 1e-9), floor(100 * k / printed[0] + 1e-9)
            of = f"; {k} is {item.percent}% of {_between(smallest, largest)}" if smallest <= largest else ""
        yield Found(
            item.loc,
            f"is not its count over its patients ({item.percent} beside {k} of {n}); accepted: {100 * k / n:.{max(item.percent.decimals, 1)}f}, "
            "or the patients that the percent is of",
            f"100 x {k}/{n} = {100 * k / n:.{item.percent.decimals + 2}f}; {fitting}{of}",
            "error" if item.own else None,
        )


def _words(options: range) -> str:
    return str(options[0]) if len(options) == 1 else f"{options[0]} to {options[-1]}"


def _between(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _of_those_known(facts: Facts, item: Percent) -> bool:
    """Whether a baseline percent is of the patients that the levels of its variable add up to."""
    row = facts.study.baseline[int(item.loc[1])]
    levels = [other for other in facts.study.baseline if (other.variable, other.set) == (row.variable, row.set)]
    counts = [other.arms[item.arm].n if item.arm in other.arms else None for other in levels]
    if row.level is None or len(levels) < 2 or any(count is None for count in counts):
        return False
    known = sum(count for count in counts if count is not None)
    return item.events is not None and item.events in counts_of(spread(item.percent), known)


def percent_fits_no_count(facts: Facts) -> Iterator[Found]:
    """A percent that no whole number of its patients gives (GRIM).

    Without a printed count, a percent of n patients must still be some whole number over n, rounded (the GRIM test,
    Brown and Heathers 2017). All percents of an arm in a set are tried together: where one alone fails, it is
    likely wrong; where several fail, the denominator is, and the numbers of patients that fit all of them are listed.

    Cause: a digit is wrong; the percents are of other patients; the percent is a Kaplan-Meier estimate.
    What to do: look up the percent and the size of the arm. Give the right denominator as `n` of the row.
    """
    groups: dict[tuple[str, str, str], list[Percent]] = defaultdict(list)
    for item in facts.percents:
        if item.n:
            groups[(item.section, item.arm, item.set)].append(item)
    for (_, arm, set_name), items in groups.items():
        alone = [
            item
            for item in items
            if item.events is None and item.n and not len(counts_of(spread(item.percent), item.n))
        ]
        failing = [item for item in alone if not item.own]
        for item in alone:
            if item.own or len(failing) == 1:
                yield Found(
                    item.loc,
                    f"is no whole number of its patients ({item.percent} of {item.n}); accepted: a percent that a count of {item.n} gives",
                    _nearest(item),
                )
        if len(failing) > 1 and items[0].section == "baseline":
            for item in failing:  # every variable has its own missing values
                yield Found(
                    item.loc,
                    f"is no whole number of its patients ({item.percent} of {item.n}); accepted: a percent that a count of {item.n} gives, or the patients it is of",
                    _nearest(item),
                    "note",
                )
        elif len(failing) > 1:
            yield _other_denominator(facts, arm, set_name, items, failing)


def nearest_counts(percent: Range, n: int, decimals: int) -> str:
    """The counts on either side of a percent, with what they give."""
    below = floor(min(max(sum(percent) / 2, 0.0), 100.0) * n / 100)
    return ", ".join(f"{k}/{n} = {100 * k / n:.{decimals + 1}f}" for k in (below, below + 1) if k <= n)


def _nearest(item: Percent) -> str:
    return nearest_counts(spread(item.percent), item.n or 1, item.percent.decimals)


def _other_denominator(facts: Facts, arm: str, set_name: str, items: list[Percent], failing: list[Percent]) -> Found:
    own = [(spread(item.percent), item.events) for item in items if not item.own]
    n = failing[0].n or 0
    fitting = denominators_of(own, min(LARGEST, 3 * n))
    named = [f"{size} ({facts.known_sizes[size]})" for size in fitting if size in facts.known_sizes]
    said = ", ".join(named or [str(size) for size in fitting[:6]]) + (", …" if not named and len(fitting) > 6 else "")
    shown_percents = ", ".join(str(item.percent) for item in failing[:6]) + (", …" if len(failing) > 6 else "")
    return Found(
        failing[0].loc,
        f"is one of {len(failing)} percents of {arm} that are no whole number of the {n} patients in set {set_name} ({shown_percents}); "
        f"accepted: the patients that they are of, as n{f': perhaps {said}' if fitting else ''}",
        f"{_nearest(failing[0])}; all {len(own)} percents fit {said}"
        if fitting
        else f"{_nearest(failing[0])}; no denominator up to {min(LARGEST, 3 * n)} fits all {len(own)}",
    )
