"""A reconstructed arm, and how well it agrees with what was given and with what was published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from metasyn.pooling.arrays import Array, vector
from metasyn.survival.curve import AtRisk, Curve
from metasyn.survival.kaplan_meier import kaplan_meier

Grade = Literal["close", "fair", "poor"]

CLOSE, FAIR = 0.01, 0.025  # mean distance of the rebuilt curve from the points, up to which a grade is given
CLOSE_COUNT, FAIR_COUNT = 0.0, 0.05  # the same for counts: share of the patients by which one is off
AT_RISK, MEAN = "at risk at ", "survival, mean distance"
COUNTED = ("patients", "events")
CLOSE_HR, FAIR_HR = 0.05, 0.15  # the same for a log hazard ratio


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reconstruction:
    """Patients of one arm, rebuilt from its published curve."""

    ipd: pd.DataFrame  # columns time (of the curve), event (0 or 1); n rows by time, events before censorings
    achieved: tuple[tuple[str, float, float], ...]  # quantity, given, achieved: the rows of `agreement`
    grade: Grade
    method: str
    curve: Curve  # as cleaned, with what was changed
    at_risk: AtRisk | None
    n: int
    events: int  # reconstructed
    notes: tuple[str, ...]

    @property
    def agreement(self) -> pd.DataFrame:
        """Achieved against given: columns quantity, given, achieved, difference.

        Counts are given as printed; the distances of the curve from the points (mean and largest) should be 0.
        """
        frame = pd.DataFrame(self.achieved, columns=["quantity", "given", "achieved"])
        frame["difference"] = frame["achieved"] - frame["given"]
        return frame

    def against(
        self, *, median: float | None = None, rates: Sequence[tuple[float, float]] = (), events: int | None = None
    ) -> pd.DataFrame:
        """What was published beside what the patients give, for checking; nothing of it was used.

        Parameters
        ----------
        median : float, optional
            Published median, in the curve's unit of time; infinite: not reached.
        rates : sequence of (time, survival)
            Published survival (proportion) at given times.
        events : int, optional
            Published number of events.

        Returns
        -------
        DataFrame
            Columns quantity, published, reconstructed, difference; NaN where a rate lies beyond the data or a median is
            not reached.

        Raises
        ------
        ValueError
            If a time is negative or a survival is no proportion.
        """
        km = kaplan_meier(self.ipd["time"], self.ipd["event"])
        rows: list[tuple[str, float, float]] = []
        if events is not None:
            rows.append(("events", float(events), float(self.events)))
        if median is not None:
            rows.append(("median", float(median), km.median if math.isfinite(km.median) else math.inf))
        if len(rates):
            at, survival = vector("rates", [rate[0] for rate in rates]), vector("rates", [rate[1] for rate in rates])
            if ((survival < 0) | (survival > 1)).any():
                raise ValueError(f"rates has a survival that is no proportion ({survival.tolist()}); 57 % is 0.57")
            rebuilt = km.at(at)["survival"]
            rows += [(f"survival at {t:g}", float(s), float(r)) for t, s, r in zip(at, survival, rebuilt, strict=True)]
        frame = pd.DataFrame(rows, columns=["quantity", "published", "reconstructed"])
        same = frame["published"] == frame["reconstructed"]  # both not reached
        with np.errstate(invalid="ignore"):
            frame["difference"] = np.where(same, 0.0, frame["reconstructed"] - frame["published"])
        return frame

    def summary(self) -> str:
        """The reconstruction in a line."""
        off = [
            name
            for name, given, achieved in self.achieved
            if name in COUNTED or name.startswith(AT_RISK)
            if achieved != given
        ]
        told = f"; not met: {', '.join(off)}" if off else ""
        distance = {name: achieved for name, _, achieved in self.achieved}[MEAN]
        return (
            f"{self.method}: {self.n} patients, {self.events} events; curve met to {distance:.4f} on average"
            f"{told}; {self.grade}"
        )


def measure(
    time: Array, event: Array, curve: Curve, at_risk: AtRisk | None, events: int | None
) -> tuple[tuple[tuple[str, float, float], ...], Grade]:
    """Quantities with what was given and what patients (sorted, events before censorings) achieve; and the grade.

    close: every count met, the curve to 0.01 on average; fair: counts within 5 % of the patients, the curve to 0.025;
    poor: else. Distances are those of the rebuilt step curve from the points of the cleaned curve, between corners.
    """
    n = time.size
    rows: list[tuple[str, float, float]] = [("patients", float(n), float(n))]
    if events is not None:
        rows.append(("events", float(events), float(event.sum())))
    if at_risk is not None:
        left = n - np.searchsorted(time, at_risk.time, side="left")
        rows += [
            (f"{AT_RISK}{t:g}", count, float(found))
            for t, count, found in zip(at_risk.time.tolist(), at_risk.n.tolist(), left, strict=True)
        ]
    worst = max(abs(achieved - given) for _, given, achieved in rows) / n
    distance = _distances(time, event, curve)
    mean = float(distance.mean())
    rows += [(MEAN, 0.0, mean), ("survival, largest distance", 0.0, float(distance.max()))]
    grade: Grade = "poor"
    if worst <= CLOSE_COUNT and mean <= CLOSE:
        grade = "close"
    elif worst <= FAIR_COUNT and mean <= FAIR:
        grade = "fair"
    return tuple(rows), grade


def _distances(time: Array, event: Array, curve: Curve) -> Array:
    """How far each point lies from the rebuilt curve; at a drop, from the nearer of its ends and what lies between."""
    steps = np.concatenate([[1.0], np.cumprod(1 - event / np.arange(time.size, 0, -1))])
    after = steps[np.searchsorted(time, curve.time, side="right")]
    before = steps[np.searchsorted(time, curve.time, side="left")]
    distances: Array = np.maximum(np.maximum(curve.survival - before, after - curve.survival), 0)
    return distances


def against_published(
    treatment: Reconstruction,
    comparator: Reconstruction,
    *,
    hr: float | None = None,
    hr_ci: tuple[float, float] | None = None,
    p: float | None = None,
    level: float = 0.95,
) -> tuple[pd.DataFrame, Grade]:
    """The published comparison of two arms beside that of the reconstructed patients; nothing of it was used.

    Parameters
    ----------
    hr, hr_ci : float, (float, float), optional
        Published hazard ratio, treatment over comparator, and its limits. It should be unadjusted: patients rebuilt from
        curves have no covariates.
    p : float, optional
        Published p value of the log-rank test.
    level : float
        Coverage of `hr_ci`.

    Returns
    -------
    frame, grade
        Columns quantity, published, reconstructed, difference (of logarithms for hazard ratios); close up to 0.05 of
        log HR, fair up to 0.15, poor beyond. Without a published hazard ratio the grade is the worse of the two arms'.

    Raises
    ------
    ValueError
        If a hazard ratio or a limit is not positive, or p is no fraction.
    """
    from metasyn.survival.cox import hazard_ratio
    from metasyn.survival.log_rank import log_rank

    for name, value in (("hr", hr), *((f"hr_ci[{i}]", limit) for i, limit in enumerate(hr_ci or ()))):
        if value is not None and not value > 0:
            raise ValueError(f"{name} is not positive ({value})")
    if p is not None and not 0 <= p <= 1:
        raise ValueError(f"p is not between 0 and 1 ({p})")
    time = np.concatenate([treatment.ipd["time"], comparator.ipd["time"]])
    event = np.concatenate([treatment.ipd["event"], comparator.ipd["event"]])
    group = np.concatenate([np.ones(treatment.n), np.zeros(comparator.n)])
    fitted = hazard_ratio(time, event, group, level=level)
    rows: list[tuple[str, float, float, float]] = []
    for name, published, rebuilt in (
        ("hazard ratio", hr, fitted.log_hr),
        ("lower limit", hr_ci[0] if hr_ci else None, math.log(fitted.ci_low)),
        ("upper limit", hr_ci[1] if hr_ci else None, math.log(fitted.ci_high)),
    ):
        if published is not None:
            rows.append((name, published, math.exp(rebuilt), rebuilt - math.log(published)))
    if p is not None:
        rebuilt_p = log_rank(time, event, group).p_value
        rows.append(("p (log-rank)", p, rebuilt_p, rebuilt_p - p))
    frame = pd.DataFrame(rows, columns=["quantity", "published", "reconstructed", "difference"])
    order: tuple[Grade, ...] = ("close", "fair", "poor")
    if hr is None:
        return frame, max(treatment.grade, comparator.grade, key=order.index)
    off = abs(fitted.log_hr - math.log(hr))
    return frame, "close" if off <= CLOSE_HR else "fair" if off <= FAIR_HR else "poor"
