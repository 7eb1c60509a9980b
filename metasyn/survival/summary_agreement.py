"""What the reconstructed patients print, beside what was printed: vectorised over draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri

from metasyn.pooling.arrays import Array
from metasyn.survival.summary_figures import Contrast, arm_name, transform_of_intervals
from metasyn.survival.summary_input import ArmSummary, decimals

Made = Sequence[tuple[Array, Array]]
SHARE_OF_SE = 0.1  # a hazard ratio this share of its standard error away counts as met
NEWTON = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnCurves:
    """Kaplan-Meier curves of one arm, one row for each draw; column 0 is time 0, column i after the i-th patient."""

    time: Array  # shape (draws, n + 1)
    survival: Array
    variance: Array  # Greenwood, of log survival
    at_risk: Array
    reverse: Array  # Kaplan-Meier of censoring

    def step(self, time: float) -> npt.NDArray[np.intp]:
        """The column in force at a time, shape (draws,)."""
        return np.asarray(np.maximum((self.time <= time).sum(axis=1) - 1, 0))

    def at(self, values: Array, time: float) -> Array:
        """Values in force at a time, shape (draws,)."""
        found: Array = values[np.arange(values.shape[0]), self.step(time)]
        return found

    def crossing(self, curve: Array) -> tuple[Array, Array]:
        """First times with curve <= 1/2 (NaN: never), and the gaps to the drop before, each of shape (draws,)."""
        below = curve <= 0.5 + 1e-9
        first = below.argmax(axis=1)
        reached = below.any(axis=1)
        row = np.arange(curve.shape[0])
        drops = np.diff(curve, axis=1, prepend=2.0) < -1e-12
        index = np.where(drops & (np.arange(curve.shape[1]) < first[:, None]), np.arange(curve.shape[1]), 0)
        before = index.max(axis=1)
        times = self.time[row, first]
        return np.where(reached, times, np.nan), np.where(reached, times - self.time[row, before], np.nan)


def drawn_curves(time: Array, event: Array) -> DrawnCurves:
    """Curves of patients in ascending order of time, arrays of shape (draws, n), no two at one time."""
    draws, n = time.shape
    risk = n - np.arange(n, dtype=float)
    zero, one = np.zeros((draws, 1)), np.ones((draws, 1))
    left = np.maximum(risk - 1, 1e-9)
    return DrawnCurves(
        time=np.concatenate([zero, time], axis=1),
        survival=np.concatenate([one, np.cumprod(1 - event / risk, axis=1)], axis=1),
        variance=np.concatenate([zero, np.cumsum(event / (risk * left), axis=1)], axis=1),
        at_risk=np.broadcast_to(np.append(n, risk), (draws, n + 1)),
        reverse=np.concatenate([one, np.cumprod(1 - (1 - event) / risk, axis=1)], axis=1),
    )


def limits(curves: DrawnCurves, transform: str, z: float) -> tuple[Array, Array]:
    """Pointwise limits of the curves."""
    s = np.clip(curves.survival, 1e-9, 1 - 1e-9)
    half = np.minimum(z * np.sqrt(curves.variance), 50.0)
    if transform == "plain":
        low, high = s * (1 - half), s * (1 + half)
    elif transform == "log":
        low, high = s * np.exp(-half), s * np.exp(half)
    else:
        factor = np.exp(np.minimum(half / -np.log(s), 50.0))
        low, high = s**factor, s ** (1 / factor)
    started = curves.variance > 0
    return np.where(started, np.clip(low, 0, 1), 1.0), np.where(started, np.clip(high, 0, 1), 1.0)


def cox_of_draws(made: Made) -> tuple[Array, Array, Array]:
    """Log hazard ratios, their standard errors, and log-rank z, each of shape (draws,)."""
    time = np.concatenate([made[0][0], made[1][0]], axis=1)
    event = np.concatenate([made[0][1], made[1][1]], axis=1)
    treated = np.concatenate([np.ones_like(made[0][0]), np.zeros_like(made[1][0])], axis=1)
    order = np.argsort(time, axis=1, kind="stable")
    event, treated = np.take_along_axis(event, order, axis=1), np.take_along_axis(treated, order, axis=1)
    ones = np.cumsum(treated[:, ::-1], axis=1)[:, ::-1]
    zeros = np.arange(time.shape[1], 0, -1) - ones
    b = np.zeros(time.shape[0])
    log_rank = b
    information = b
    for round_ in range(NEWTON):
        share = ones * np.exp(b)[:, None] / (ones * np.exp(b)[:, None] + zeros)
        score = (event * (treated - share)).sum(axis=1)
        information = (event * share * (1 - share)).sum(axis=1) + 1e-12
        if round_ == 0:
            log_rank = score / np.sqrt(information)
        b = np.clip(b + np.clip(score / information, -1, 1), -8, 8)
    return b, 1 / np.sqrt(information), log_rank


def agreement(
    arms: Sequence[ArmSummary], contrast: Contrast, made: Made, transform: str | None, compared_hr: float | None
) -> pd.DataFrame:
    """One row for each printed number.

    Columns arm, quantity, given, low and high (its interval of rounding), achieved (median over draws), difference
    (achieved minus given), within: in the interval, or a step of the curve (a tenth of the standard error for what
    compares the arms) from it.
    """
    rows: list[dict[str, object]] = []
    for index, arm in enumerate(arms):
        rows += _arm_rows(arm, arm_name(arms, index), *made[index], transform)
    if contrast.total_events is not None:
        achieved = sum(event.sum(axis=1) for _, event in made)
        rows.append(
            _row(
                "both" if len(arms) == 2 else arm_name(arms, 0),
                "total events",
                contrast.total_events,
                0.5,
                achieved,
                0.0,
            )
        )
    if len(arms) == 2:
        rows += _contrast_rows(contrast, made, compared_hr)
    return pd.DataFrame(
        rows, columns=["arm", "quantity", "given", "low", "high", "achieved", "difference", "within"]
    ).astype({"given": float, "achieved": float, "difference": float})


def _row(arm: str, quantity: str, given: float, half: float, achieved: Array, slack: float) -> dict[str, object]:
    reached = achieved[np.isfinite(achieved)]
    middle = float(np.median(reached)) if 2 * reached.size > achieved.size else math.nan
    return {
        "arm": arm,
        "quantity": quantity,
        "given": given,
        "low": given - half,
        "high": given + half,
        "achieved": middle,
        "difference": middle - given,
        "within": bool(abs(middle - given) <= half + slack + 1e-9) or bool(math.isinf(given) and math.isnan(middle)),
    }


def _arm_rows(arm: ArmSummary, who: str, time: Array, event: Array, transform: str | None) -> list[dict[str, object]]:
    curves = drawn_curves(time, event)
    half_time, half_rate = 0.5 * 10.0 ** -arm.decimals_of_times(), 0.5 * 10.0 ** -arm.decimals_of_survival()
    scale = transform or transform_of_intervals(arm, half_rate) or "log-log"
    low, high = limits(curves, scale, float(ndtri(0.5 + arm.level / 2)))
    rows = []
    if arm.events is not None:
        rows.append(_row(who, "events", arm.events, 0.5, event.sum(axis=1), 0.0))

    def crossing(quantity: str, given: float, curve: Array) -> None:
        times, gaps = curves.crossing(curve)
        gap = float(np.nanmedian(gaps)) if np.isfinite(gaps).any() else 0.0
        rows.append(_row(who, quantity, given, half_time, times, gap))

    if arm.median is not None:
        crossing("median", math.inf if isinstance(arm.median, str) else arm.median, curves.survival)
    for word, limit, curve in zip(("lower", "upper"), arm.median_ci or (None, None), (low, high), strict=True):
        if limit is not None:
            crossing(f"median, {word} limit", limit, curve)
    for rate in arm.rates:
        step = float(np.median(curves.at(curves.survival / curves.at_risk, rate.time)))
        for name, given, curve in (
            ("", rate.survival, curves.survival),
            (", lower limit", rate.ci[0] if rate.ci else None, low),
            (", upper limit", rate.ci[1] if rate.ci else None, high),
        ):
            if given is not None:
                rows.append(
                    _row(who, f"survival at {rate.time:g}{name}", given, half_rate, curves.at(curve, rate.time), step)
                )
    if arm.follow_up is not None:
        crossing("median follow-up", arm.follow_up, curves.reverse)
    return rows


def _contrast_rows(contrast: Contrast, made: Made, compared_hr: float | None) -> list[dict[str, object]]:
    log_hr, se, log_rank = cox_of_draws(made)
    rows = []
    shown = [value for value in (contrast.hr, *(contrast.hr_ci or ())) if value is not None]
    half = 0.5 * 10.0 ** -(
        contrast.hr_decimals if contrast.hr_decimals is not None else max(map(decimals, shown), default=2)
    )
    slack = SHARE_OF_SE * float(np.median(se))
    if contrast.hr is not None:
        rows.append(_row("both", "hazard ratio", contrast.hr, half, np.exp(log_hr), contrast.hr * slack))
    if contrast.hr_ci is not None:
        z = float(ndtri(0.5 + contrast.level / 2))
        for name, limit, sign in zip(("lower", "upper"), contrast.hr_ci, (-1, 1), strict=True):
            achieved = np.exp(log_hr + sign * z * se)
            rows.append(_row("both", f"hazard ratio, {name} limit", limit, half, achieved, limit * 2 * slack))
    if contrast.p is not None:
        places = contrast.p_decimals if contrast.p_decimals is not None else max(decimals(contrast.p), 2)
        p = 2 * ndtr(-np.abs(log_rank))
        row = _row("both", f"log-rank p {contrast.p_relation}", contrast.p, 0.5 * 10.0**-places, p, 0.0)
        middle = float(np.median(p))
        if contrast.p_relation == "=":
            distance = abs(ndtri(np.clip(middle, 1e-12, 1) / 2) - ndtri(contrast.p / 2))
            row["within"] = bool(row["within"]) or bool(distance <= 1.5 * SHARE_OF_SE)
        else:
            row["within"] = middle <= contrast.p if contrast.p_relation.startswith("<") else middle >= contrast.p
        rows.append(row)
    if compared_hr is not None:
        row = _row(
            "both",
            "hazard ratio, compared and not fitted",
            compared_hr,
            0.0,
            np.exp(log_hr),
            compared_hr * 1.96 * float(np.median(se)),
        )
        rows.append(row)
    return rows
