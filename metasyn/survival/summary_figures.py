"""Printed figures as statements about the realised curves: what each says, on which scale, and how precisely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from metasyn.survival.summary_input import ArmSummary, decimals

LOG_2 = math.log(2.0)
LEAST = 1e-4  # the least survival or distance from 1 that is told apart from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One printed number as an observation of a function of the curves.

    Kinds and their scales: `survival` log(-log S(time)); `band` where a pointwise limit crosses 1/2, see
    `summary_predict`; `spread` log of the Greenwood standard error on the scale of the interval; `follow_up`
    log(-log G(time)); `events` log of the count; `log_hr`, `se_log_hr` (log), `log_rank` (z). An observation with
    side 1 is a lower bound, with -1 an upper one, 0 an equality.
    """

    name: str  # in words, for messages
    key: str  # the printed figure it belongs to
    kind: str
    arm: int  # -1: both
    value: float
    half_width: float  # of its interval of rounding, on its scale
    noise: float  # standard deviation of what the model leaves out, on its scale
    time: float = math.nan
    sign: int = 0  # band: +1 lower limit of the median, -1 upper
    transform: str = ""
    z: float = 0.0
    side: int = 0
    steps: float = 0.0  # the curve jumps here: width of the step in units of 1 / at risk
    log_hr: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """What is printed about the comparison of two arms: hazard ratio, interval, log-rank p, events of both arms."""

    hr: float | None = None
    hr_ci: tuple[float, float] | None = None
    level: float = 0.95
    p: float | None = None
    p_relation: str = "="
    total_events: int | None = None
    hr_decimals: int | None = None
    p_decimals: int | None = None


def figures(arms: Sequence[ArmSummary], contrast: Contrast, transform: str | None) -> list[Figure]:
    """Every printed number as a `Figure`."""
    found: list[Figure] = []
    times = [arm.decimals_of_times() for arm in arms]
    rates = max(arm.decimals_of_survival() for arm in arms)
    shared = max(times) if len(arms) > 1 else times[0]
    for index, arm in enumerate(arms):
        half_time = 0.5 * 10.0 ** -(times[index] if arm.time_decimals is not None else shared)
        half_rate = 0.5 * 10.0 ** -(arm.survival_decimals if arm.survival_decimals is not None else rates)
        who = arm_name(arms, index)
        scale = transform or transform_of_intervals(arm, half_rate)
        found += _rates(arm, index, who, half_rate, scale)
        found += _median(arm, index, who, half_time, scale)
        found += _counts(arm, index, who, half_time)
    if len(arms) == 2:
        found += _contrast(contrast)
    elif contrast.total_events is not None and arms[0].events is None:
        found.append(_events("total events", "total_events", 0, contrast.total_events))
    return found


def arm_name(arms: Sequence[ArmSummary], index: int) -> str:
    """The label of an arm, or arm 1, arm 2."""
    return arms[index].label or f"arm {index + 1}"


def transform_of_intervals(arm: ArmSummary, half: float) -> str | None:
    """The scale on which the arm's rates lie in the middle of their intervals; None where they do not tell."""
    misfit = dict.fromkeys(("log-log", "log", "plain"), 0.0)
    told = False
    for rate in arm.rates:
        if rate.ci is None or not 0 < rate.ci[0] < rate.survival < rate.ci[1] < 1:
            continue
        told = True
        low, mid, high = rate.ci[0], rate.survival, rate.ci[1]
        for name, centre in (
            ("log-log", math.exp(-math.sqrt(math.log(low) * math.log(high)))),
            ("log", math.sqrt(low * high)),
            ("plain", (low + high) / 2),
        ):
            misfit[name] += ((centre - mid) / (half * 1.2)) ** 2
    best = min(misfit, key=lambda name: misfit[name])
    others = [misfit[name] for name in misfit if name != best]
    return best if told and min(others) > misfit[best] + 4 else None


def _log_log(survival: float) -> float:
    return math.log(-math.log(min(max(survival, LEAST), 1 - LEAST)))


def _rates(arm: ArmSummary, index: int, who: str, half: float, scale: str | None) -> list[Figure]:
    found = []
    for rate in arm.rates:
        low, high = max(rate.survival - half, 0.0), min(rate.survival + half, 1.0)
        name, key = f"survival {rate.survival:g} at {rate.time:g} ({who})", f"rate[{index}]@{rate.time:g}"
        upper, lower = _log_log(low), _log_log(high)
        found.append(
            Figure(
                name=name,
                key=key,
                kind="survival",
                arm=index,
                time=rate.time,
                value=(upper + lower) / 2,
                half_width=(upper - lower) / 2,
                noise=0.0,
            )
        )
        if rate.ci is not None:
            spread = _spread(rate.survival, rate.ci, half, scale, arm.level)
            if spread is not None:
                found.append(
                    Figure(
                        name=f"interval ({rate.ci[0]:g}, {rate.ci[1]:g}) of the survival at {rate.time:g} ({who})",
                        key=f"rate_ci[{index}]@{rate.time:g}",
                        kind="spread",
                        arm=index,
                        time=rate.time,
                        **spread,
                    )
                )
    return found


def _spread(
    s: float, limits: tuple[float, float], half: float, scale: str | None, level: float
) -> dict[str, Any] | None:
    """The log standard error an interval shows: of log(-log S) where both limits are inside, else of log S."""
    z = float(ndtri(0.5 + level / 2))
    low, high = limits
    capped = high + half >= 1  # the upper limit tells nothing; on other scales than the log the lower one alone neither
    if not 0 < low < high or not 0 < s < 1 or (capped and scale != "log"):
        return None
    chosen = scale or "log-log"

    def width(a: float, b: float) -> float:
        a, b = max(a, LEAST), min(b, 1 - LEAST)
        if chosen == "log-log":
            return _log_log(a) - _log_log(b)
        if chosen == "plain":
            return b - a
        return 2 * math.log(s / a) if capped else math.log(b / a)

    wide, narrow, middle = width(low - half, high + half), width(low + half, high - half), width(low, high)
    if capped:  # the rate is rounded too
        wide, narrow = wide + 2 * half / s, narrow - 2 * half / s
    if narrow <= 0 or middle <= 0:
        return None
    # two limits rounded independently: a triangle with the variance of a uniform of half the width times root 1/2
    error = (math.log(wide) - math.log(narrow)) / 2 * math.sqrt(0.5)
    return {
        "transform": chosen,
        "value": math.log(middle / (2 * z)),
        "half_width": error,
        "noise": 0.03 if scale else 0.06,
    }


def _median(arm: ArmSummary, index: int, who: str, half: float, scale: str | None) -> list[Figure]:
    found = []
    if isinstance(arm.median, float):
        found.append(
            Figure(
                name=f"median {arm.median:g} ({who})",
                key=f"median[{index}]",
                kind="survival",
                arm=index,
                time=arm.median,
                value=math.log(LOG_2),
                half_width=half / arm.median,
                noise=0.0,
                steps=1.0,
            )
        )
    elif arm.median is not None:
        found.append(
            Figure(
                name=f"median not reached ({who})",
                key=f"median[{index}]",
                kind="survival",
                arm=index,
                value=math.log(LOG_2),
                half_width=0.0,
                noise=0.05,
                side=-1,
            )
        )
    z = float(ndtri(0.5 + arm.level / 2))
    for sign, limit, word in zip((1, -1), arm.median_ci or (None, None), ("lower", "upper"), strict=True):
        if limit is not None:
            found.append(
                Figure(
                    name=f"{word} limit {limit:g} of the median ({who})",
                    key=f"median_ci[{index}].{word}",
                    kind="band",
                    arm=index,
                    time=limit,
                    value=0.0,
                    half_width=half / limit,
                    noise=0.0 if scale else 0.03,
                    sign=sign,
                    transform=scale or "log",
                    z=z,
                    steps=1.0,
                )
            )
    return found


def _counts(arm: ArmSummary, index: int, who: str, half: float) -> list[Figure]:
    found = []
    if arm.events is not None:
        found.append(_events(f"{arm.events} events ({who})", f"events[{index}]", index, arm.events))
    if arm.follow_up is not None:
        found.append(
            Figure(
                name=f"median follow-up {arm.follow_up:g} ({who})",
                key=f"follow_up[{index}]",
                kind="follow_up",
                arm=index,
                time=arm.follow_up,
                value=math.log(LOG_2),
                half_width=2 * half / arm.follow_up,
                noise=0.05,
                steps=1.0,
            )
        )
    return found


def _events(name: str, key: str, arm: int, count: int) -> Figure:
    value = max(count, 0.3)
    return Figure(
        name=name,
        key=key,
        kind="events",
        arm=arm,
        value=math.log(value),
        half_width=0.5 / max(value, 1.0),
        noise=0.012,
    )


def _contrast(contrast: Contrast) -> list[Figure]:
    found = []
    total, hr, limits = contrast.total_events, contrast.hr, contrast.hr_ci
    if total is not None:
        found.append(_events(f"{total} events in both arms", "total_events", -1, total))
    shown = [value for value in (hr, *(limits or ())) if value is not None]
    places = contrast.hr_decimals
    half = 0.5 * 10.0 ** -(places if places is not None else max((decimals(v) for v in shown), default=2))
    log_hr = math.log(hr) if hr is not None else 0.0
    if hr is not None:
        found.append(
            Figure(
                name=f"hazard ratio {hr:g}",
                key="hr",
                kind="log_hr",
                arm=-1,
                value=0.0,
                half_width=half / hr,
                noise=0.02,  # raised by a share of the standard error once that is known
                log_hr=log_hr,
            )
        )
    if limits is not None:
        z = float(ndtri(0.5 + contrast.level / 2))
        se = math.log(limits[1] / limits[0]) / (2 * z)
        error = half * math.hypot(1 / limits[0], 1 / limits[1]) / (2 * z)
        centre = log_hr if hr is not None else math.log(limits[0] * limits[1]) / 2
        if hr is None:
            found.append(
                Figure(
                    name=f"hazard ratio with interval ({limits[0]:g}, {limits[1]:g})",
                    key="hr",
                    kind="log_hr",
                    arm=-1,
                    value=0.0,
                    half_width=error * z,
                    noise=0.02,
                    log_hr=centre,
                )
            )
        found.append(
            Figure(
                name=f"interval ({limits[0]:g}, {limits[1]:g}) of the hazard ratio",
                key="hr_ci",
                kind="se_log_hr",
                arm=-1,
                value=math.log(se),
                half_width=error / se,
                noise=0.02,
                log_hr=centre,
            )
        )
    if contrast.p is not None:
        found += _p_value(contrast, log_hr)
    return found


def _p_value(contrast: Contrast, log_hr: float) -> list[Figure]:
    """The log-rank z; its sign is that of log HR, and left open (side 2 is resolved by the first fit) without one."""
    p, relation = contrast.p, contrast.p_relation
    assert p is not None
    half = 0.5 * 10.0 ** -(contrast.p_decimals if contrast.p_decimals is not None else max(decimals(p), 2))
    sizes = -ndtri(np.clip([p - half, p, p + half], 1e-12, 1.0) / 2)
    common: dict[str, Any] = {
        "name": f"log-rank p {relation} {p:g}",
        "key": "p",
        "kind": "log_rank",
        "arm": -1,
        "log_hr": log_hr,
        "sign": int(np.sign(log_hr)),
    }
    if relation == "=":
        value = float((sizes[0] + sizes[2]) / 2)
        return [Figure(value=value, half_width=float(sizes[0] - sizes[2]) / 2, noise=0.08, **common)]
    side = 1 if relation in ("<", "<=") else -1
    return [Figure(value=float(sizes[1]), half_width=0.0, noise=0.08, side=side, **common)]
