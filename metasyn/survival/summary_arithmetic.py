"""Figures that contradict each other by arithmetic alone, whatever the curves: each rule a function."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from scipy.special import ndtri

from metasyn.survival.summary_conflicts import Conflict
from metasyn.survival.summary_figures import Contrast, arm_name
from metasyn.survival.summary_input import ArmSummary, decimals

BAND = 0.03  # limits of survival and of the median may be of different transforms


def impossible(arms: Sequence[ArmSummary], contrast: Contrast) -> list[Conflict]:
    """Every contradiction that the intervals of rounding rule out."""
    found: list[Conflict] = []
    for index, arm in enumerate(arms):
        who = arm_name(arms, index)
        half_rate = 0.5 * 10.0 ** -arm.decimals_of_survival() + 1e-9
        half_time = 0.5 * 10.0 ** -arm.decimals_of_times() + 1e-9
        contradictions = (
            *_rising(arm, index, half_rate),
            *_outside(arm, index, half_rate),
            *_median_against_rates(arm, index, half_rate, half_time),
            *_median_against_limits(arm, index, half_time),
            *_limits_against_rates(arm, index, half_rate, half_time),
        )
        found += [
            Conflict(figures=keys, message=f"{who}: {message}", size=math.inf) for keys, message in contradictions
        ]
    between = (*_totals(arms, contrast), *_hazard_ratio(contrast), *_too_precise(arms, contrast))
    found += [Conflict(figures=keys, message=message, size=math.inf) for keys, message in between]
    return found


Found = Iterator[tuple[tuple[str, ...], str]]


def _rising(arm: ArmSummary, index: int, half: float) -> Found:
    for i, early in enumerate(arm.rates):
        for late in arm.rates[i + 1 :]:
            same = late.time == early.time
            if late.survival - early.survival > 2 * half or (same and abs(late.survival - early.survival) > 2 * half):
                words = "two values at one time" if same else "survival rises"
                yield (
                    (f"rate[{index}]@{early.time:g}", f"rate[{index}]@{late.time:g}"),
                    f"{words}: {early.survival:g} at {early.time:g}, {late.survival:g} at {late.time:g}",
                )


def _outside(arm: ArmSummary, index: int, half: float) -> Found:
    for rate in arm.rates:
        if rate.ci is not None and not rate.ci[0] - 2 * half <= rate.survival <= rate.ci[1] + 2 * half:
            yield (
                (f"rate[{index}]@{rate.time:g}", f"rate_ci[{index}]@{rate.time:g}"),
                f"survival {rate.survival:g} at {rate.time:g} is outside its interval ({rate.ci[0]:g}, {rate.ci[1]:g})",
            )


def _median_against_rates(arm: ArmSummary, index: int, half: float, half_time: float) -> Found:
    for rate in arm.rates:
        keys = (f"rate[{index}]@{rate.time:g}", f"median[{index}]")
        if isinstance(arm.median, float):
            if rate.time < arm.median - half_time and rate.survival + half < 0.5:
                yield (
                    keys,
                    f"survival is already {rate.survival:g} at {rate.time:g}, before the median of {arm.median:g}",
                )
            if rate.time > arm.median + half_time and rate.survival - half > 0.5:
                yield keys, f"survival is still {rate.survival:g} at {rate.time:g}, after the median of {arm.median:g}"
        elif arm.median is not None and rate.survival + half < 0.5:
            yield keys, f"survival is {rate.survival:g} at {rate.time:g}, and the median is said not to be reached"


def _median_against_limits(arm: ArmSummary, index: int, half_time: float) -> Found:
    low, high = arm.median_ci or (None, None)
    median = arm.median
    if isinstance(median, float):
        if low is not None and low > median + 2 * half_time:
            yield (
                (f"median[{index}]", f"median_ci[{index}].lower"),
                f"median {median:g} is below its lower limit {low:g}",
            )
        if high is not None and high < median - 2 * half_time:
            yield (
                (f"median[{index}]", f"median_ci[{index}].upper"),
                f"median {median:g} is above its upper limit {high:g}",
            )
    elif median is not None and high is not None:
        keys = (f"median[{index}]", f"median_ci[{index}].upper")
        yield keys, f"the upper limit of the median is reached ({high:g}), the median is said not to be"


def _limits_against_rates(arm: ArmSummary, index: int, half: float, half_time: float) -> Found:
    """A limit of the median is where a limit of survival crosses 1/2."""
    for which, word in ((0, "lower"), (1, "upper")):
        limit = (arm.median_ci or (None, None))[which]
        for rate in arm.rates:
            if limit is None or rate.ci is None:
                continue
            keys = (f"rate_ci[{index}]@{rate.time:g}", f"median_ci[{index}].{word}")
            bound = rate.ci[which]
            if rate.time < limit - half_time and bound + half < 0.5 - BAND:
                yield (
                    keys,
                    f"the {word} limit of survival at {rate.time:g} is {bound:g}, that of the median is later ({limit:g})",
                )
            if rate.time > limit + half_time and bound - half > 0.5 + BAND:
                yield (
                    keys,
                    f"the {word} limit of survival at {rate.time:g} is {bound:g}, that of the median is earlier ({limit:g})",
                )


def _totals(arms: Sequence[ArmSummary], contrast: Contrast) -> Found:
    total, counts = contrast.total_events, [arm.events for arm in arms]
    if total is None:
        return
    given = [count for count in counts if count is not None]
    room = sum(arm.n for arm in arms if arm.events is None)
    if not sum(given) <= total <= sum(given) + room:
        keys = ("total_events", *(f"events[{i}]" for i, count in enumerate(counts) if count is not None))
        yield keys, f"{total} events in all, and {' + '.join(map(str, given))} in the arms"


def _half_width(contrast: Contrast) -> float:
    shown = [value for value in (contrast.hr, *(contrast.hr_ci or ())) if value is not None]
    places = contrast.hr_decimals if contrast.hr_decimals is not None else max(map(decimals, shown), default=2)
    return 0.5 * 10.0**-places + 1e-9


def _hazard_ratio(contrast: Contrast) -> Found:
    """A Wald interval has its estimate in the middle, on the log scale."""
    if contrast.hr is None or contrast.hr_ci is None:
        return
    hr, (low, high), half = contrast.hr, contrast.hr_ci, _half_width(contrast)
    if not low - 2 * half <= hr <= high + 2 * half:
        yield ("hr", "hr_ci"), f"the hazard ratio {hr:g} is outside its interval ({low:g}, {high:g})"
        return
    least = math.sqrt(max(low - half, 1e-9) * (high - half))
    most = math.sqrt((low + half) * (high + half))
    slack = 1.02  # profile and exact intervals lie a little off
    if not (least / slack <= hr + half and hr - half <= most * slack):
        yield ("hr", "hr_ci"), f"the hazard ratio {hr:g} is not the middle of its interval, {math.sqrt(low * high):.3g}"


def _too_precise(arms: Sequence[ArmSummary], contrast: Contrast) -> Found:
    """E events give a log hazard ratio a standard error of at least 2 / sqrt E."""
    total = contrast.total_events
    if total is None and len(arms) == 2 and all(arm.events is not None for arm in arms):
        total = sum(arm.events or 0 for arm in arms)
    if contrast.hr_ci is None or not total:
        return
    low, high = contrast.hr_ci
    half = _half_width(contrast)
    se = math.log((high + half) / max(low - half, 1e-9)) / (2 * float(ndtri(0.5 + contrast.level / 2)))
    if se < 0.95 * 2 / math.sqrt(total):
        yield (
            ("hr_ci", "total_events"),
            f"the interval ({low:g}, {high:g}) of the hazard ratio means a standard error of at most {se:.3f}; "
            f"{total} events allow no less than {2 / math.sqrt(total):.3f}",
        )
