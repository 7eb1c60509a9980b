"""What the authors computed, computed again: E-values, power, risk reductions, percents; and what they print twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import log, sqrt

from pydantic import BaseModel

from metasyn.records.figures import Elsewhere, Reported
from metasyn.records.plausibility.facts import Facts
from metasyn.records.plausibility.finding import Found
from metasyn.records.plausibility.percents import counts_of, nearest_counts
from metasyn.records.plausibility.ranges import NORMAL, Range, gap, quantile, shown_range, spread
from metasyn.records.printed import Printed, parse_printed
from metasyn.records.validation import Loc

RATIO_NAMES = ("HR", "RR", "OR")
COMMON = 0.15  # share with the event above which the rare-outcome formula does not hold (VanderWeele and Ding 2017)


def _input(row: Reported, *names: str) -> Printed | None:
    """A number among the inputs, by any of its names."""
    for name, text in row.inputs.items():
        if name.lower() in {other.lower() for other in names}:
            try:
                return parse_printed(text)
            except ValueError:
                return None
    return None


def _e_value(ratio: float, *, common: bool) -> float:
    """E-value of a hazard ratio (VanderWeele and Ding 2017, Annals of Internal Medicine 167:268-74, Table 2)."""
    if common:
        ratio = (1 - 0.5 ** sqrt(ratio)) / (1 - 0.5 ** sqrt(1 / ratio))
    ratio = 1 / ratio if ratio < 1 else ratio
    return ratio + sqrt(ratio * (ratio - 1))


def e_value(facts: Facts) -> Iterator[Found]:
    """An E-value that does not follow from its estimate, or one by the formula for rare outcomes where they are common.

    The E-value of a risk ratio RR > 1 is RR + sqrt(RR (RR - 1)), of one below 1 that of its inverse; a hazard ratio is
    used as a risk ratio where the outcome is rare, and first turned into (1 - 0.5^sqrt(HR)) / (1 - 0.5^sqrt(1/HR)) where
    more than 15 percent have the event (VanderWeele and Ding 2017, Table 2). Both are computed over all hazard ratios
    that round to the printed one. An E-value that fits neither is a warning; one that fits only the rare formula
    although more than 15 percent had the event is a warning with the value of the other.

    Cause: a wrong digit; the rare-outcome formula where it does not hold, which makes the E-value too large.
    What to do: look it up; accept what the paper prints.
    """
    for index, row in enumerate(facts.study.reported):
        if not re.search(r"\be-?\s?values?\b", row.quantity, re.IGNORECASE) or not row.value.exact:
            continue
        ratio = _input(row, *RATIO_NAMES)
        if ratio is None or not ratio.exact or spread(ratio)[0] <= 0:
            continue
        edges = spread(ratio)
        ranges: dict[bool, Range] = {}
        for common in (False, True):
            values = [_e_value(edge, common=common) for edge in edges]
            ranges[common] = (1.0 if edges[0] < 1 < edges[1] else min(values), max(values))
        printed = spread(row.value)
        fits = {common: gap(ranges[common], printed) == 0 for common in (False, True)}
        share = _share_with_event(facts, row)
        at = {
            common: f"{_e_value(ratio.value or 1.0, common=common):.{max(row.value.decimals, 2)}f}"
            for common in (False, True)
        }
        if not any(fits.values()):
            yield Found(
                ("reported", index, "value"),
                f"is not the E-value of its estimate ({row.value} for {ratio}); accepted: {at[False]} (rare outcome) or {at[True]} (common outcome)",
                f"over the rounding of {ratio}: {shown_range(ranges[False])} (rare), {shown_range(ranges[True])} (common)",
            )
        elif not fits[True] and share is not None and share > COMMON and _input(row, "HR") is not None:
            yield Found(
                ("reported", index, "value"),
                f"is the E-value for a rare outcome ({row.value} for {ratio}, while {share:.1%} had the event); accepted: {at[True]}, by the formula for common outcomes",
                f"RR = (1 - 0.5^sqrt({ratio})) / (1 - 0.5^sqrt(1/{ratio})), E = {shown_range(ranges[True])}; as if rare {shown_range(ranges[False])}",
            )


def _share_with_event(facts: Facts, row: Reported) -> float | None:
    """The share of a set that had the event: from events by arm, from everybody's, or from a printed percent."""
    for set_name in dict.fromkeys([row.set, *facts.study.sets]):
        if set_name is None:
            continue
        found = [
            (survival.events, n)
            for survival in facts.study.survival
            if (survival.outcome, survival.set, survival.subgroup) == (row.outcome, set_name, None)
            and survival.events is not None
            and (n := survival.n if survival.n is not None else facts.size(set_name, survival.arm))
        ]
        if found:
            return sum(events for events, _ in found) / sum(n for _, n in found)
        rates = [
            (survival.arm, rate.percent.value)
            for survival in facts.study.survival
            if (survival.outcome, survival.set, survival.subgroup) == (row.outcome, set_name, None)
            for rate in survival.rates
            if rate.percent.exact
        ]
        if rates:
            return 1 - max(percent for _, percent in rates if percent is not None) / 100
    return None


def power(facts: Facts) -> Iterator[Found]:
    """A power of a survival comparison that its hazard ratio and events cannot give.

    Schoenfeld 1983: power is Phi(|ln HR| sqrt(d p (1-p)) - z), with d events, the share p of patients in one arm and z of
    the two-sided 5 percent level. It is largest at p = 1/2; a printed power above that is a warning. Where the inputs name
    no allocation, the one that gives the printed power is told in a note.

    Cause: another formula, a one-sided level, or a wrong input.
    What to do: look up the inputs. A power computed after the fact from the observed effect says no more than p does.
    """
    for index, row in enumerate(facts.study.reported):
        if not re.search(r"\bpower\b", row.quantity, re.IGNORECASE) or not row.value.exact:
            continue
        ratio, events = _input(row, "HR"), _input(row, "events")
        if ratio is None or events is None or not ratio.exact or not events.value or spread(ratio)[0] <= 0:
            continue
        alpha = _input(row, "alpha")
        z = quantile(1 - (alpha.value if alpha is not None and alpha.value else 0.05))
        low, high = (value / 100 for value in spread(row.value))

        def by(share: float, effect: float, d: float = events.value, z: float = z) -> float:
            shift = abs(effect) * sqrt(d * share * (1 - share))
            return NORMAL.cdf(shift - z) + NORMAL.cdf(-shift - z)

        effects = [log(edge) for edge in spread(ratio)]
        largest = max(by(0.5, effect) for effect in effects)
        if low > largest + 0.001:
            yield Found(
                ("reported", index, "value"),
                f"is more power than {events} events can give ({row.value}% for HR {ratio}); accepted: at most {100 * largest:.1f}",
                f"Phi(|ln {ratio}| sqrt({events}/4) - {z:.2f}) = {100 * largest:.1f}%",
            )
        elif not any(name.lower().startswith("alloc") for name in row.inputs):
            share = next(
                (s / 1000 for s in range(1, 501) if by(s / 1000, log(ratio.value or 1.0)) >= (low + high) / 2), 0.5
            )
            yield Found(
                ("reported", index, "value"),
                f"is reached with {share:.0%} of the patients in one arm ({row.value}% for HR {ratio} and {events} events); equal arms would have {100 * by(0.5, log(ratio.value or 1.0)):.1f}%",
                f"Schoenfeld: |ln {ratio}| sqrt({events} x {share:.3f} x {1 - share:.3f}) - {z:.2f}",
                "note",
            )


def reported_percent(facts: Facts) -> Iterator[Found]:
    """A percent that the authors give in words and that does not follow from its numbers.

    A relative risk reduction is 100 (1 - HR). A percent with two counts among its inputs is the smaller over the larger.
    A percent that names a set and no count must be some whole number of one of the set's arms, or of all of it.

    Cause: a wrong digit; another denominator.
    What to do: look up the numbers; accept what the paper prints.
    """
    for index, row in enumerate(facts.study.reported):
        quantity, loc = row.quantity.lower(), ("reported", index, "value")
        if not row.value.exact or not ("percent" in quantity or "%" in quantity) or "power" in quantity:
            continue
        printed = spread(row.value)
        ratio = _input(row, *RATIO_NAMES)
        if "reduction" in quantity and ratio is not None and ratio.exact:
            low, high = spread(ratio)
            if gap((100 * (1 - high), 100 * (1 - low)), printed) > 0:
                yield Found(
                    loc,
                    f"is not the reduction that its ratio gives ({row.value} for {ratio}); accepted: {100 * (1 - (ratio.value or 0)):.0f}",
                    f"100 x (1 - {ratio}) = {100 * (1 - (ratio.value or 0)):.1f}",
                )
            continue
        counts = sorted(int(text) for text in row.inputs.values() if re.fullmatch(r"\d+", text.strip()))
        if len(counts) == 2 and counts[1] > 0 and len(row.inputs) == 2:
            if counts[0] not in counts_of(printed, counts[1]):
                yield Found(
                    loc,
                    f"is not its count over its patients ({row.value} beside {counts[0]} of {counts[1]}); accepted: {100 * counts[0] / counts[1]:.{max(1, row.value.decimals)}f}",
                    f"100 x {counts[0]}/{counts[1]} = {100 * counts[0] / counts[1]:.3f}",
                )
        elif not row.inputs and row.set in facts.study.sets:
            arms = [arm for arm in facts.study.arms if re.search(rf"(?<![\w-]){re.escape(arm)}(?![\w-])", row.quantity)]
            sizes = {arm: facts.size(row.set, arm) for arm in (arms or [*facts.whole_arms, "all"])}
            known = {arm: n for arm, n in sizes.items() if n}
            if known and not any(len(counts_of(printed, n)) for n in known.values()):
                yield Found(
                    loc,
                    f"is no whole number of the patients ({row.value} of {' or '.join(f'{n} ({arm})' for arm, n in known.items())}); accepted: a percent that a count gives",
                    "; ".join(nearest_counts(printed, n, row.value.decimals) for n in known.values()),
                )


def printed_twice(facts: Facts) -> Iterator[Found]:
    """A figure that the paper prints differently elsewhere.

    `also_printed` holds what the paper prints in another place. Numbers that round to each other (0.73 and 0.730) agree;
    others are told, each with its place, so that nobody takes one of them for settled.

    Cause: the paper contradicts itself, or one of the two was misread.
    What to do: look up both once more. Nothing else: the record has both.
    """
    places: list[tuple[Loc, BaseModel]] = [*facts.rows, (("design",), facts.study.design)]
    places += [(("sets", name), item) for name, item in facts.study.sets.items()]
    for loc, item in places:
        others: tuple[Elsewhere, ...] = item.__dict__.get("also_printed", ())
        for position, other in enumerate(others):
            for field, value in (other.model_extra or {}).items():
                here = item.__dict__.get(field)
                if here is not None and not _agree(here, value):
                    yield Found(
                        (*loc, "also_printed", position, field),
                        f"is printed differently elsewhere ({_text(value)} in {other.source}, {_text(here)} in {item.__dict__.get('source', 'the main place')})",
                        f"{_text(here)} and {_text(value)}",
                    )


def _agree(here: object, there: object) -> bool:
    if isinstance(here, (list, tuple)):
        return isinstance(there, (list, tuple)) and len(here) == len(there) and all(map(_agree, here, there))
    if isinstance(here, dict):
        return isinstance(there, dict) and all(key in here and _agree(here[key], value) for key, value in there.items())
    if isinstance(here, BaseModel):
        return isinstance(there, dict) and all(
            here.__dict__.get(key) is None or _agree(here.__dict__[key], value) for key, value in there.items()
        )
    if isinstance(here, Printed):
        try:
            other = parse_printed(str(there))
        except ValueError:
            return False
        if here.exact and other.exact:
            return gap(spread(here), spread(other)) == 0
        return (here.value, here.relation) == (other.value, other.relation)
    return str(here) == str(there)


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_text(item) for item in value)}]"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, BaseModel):
        return ", ".join(f"{key} {_text(item)}" for key, item in value if item not in (None, (), {}))
    return str(value)


__all__ = ["e_value", "power", "printed_twice", "reported_percent"]
