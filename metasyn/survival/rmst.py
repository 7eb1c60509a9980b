"""Restricted mean survival time: of one arm, and of two arms compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from metasyn.pooling.arrays import Array, check_level
from metasyn.survival.kaplan_meier import check_patients, check_two_arms, count_at_times

AT_RISK_SHARE = 0.1  # of an arm; the horizon that is chosen leaves at least this share at risk


@dataclass(frozen=True, slots=True, kw_only=True)
class Rmst:
    """Restricted mean survival time: the area under the curve up to the horizon."""

    estimate: float  # in the unit of the times
    se: float
    ci_low: float
    ci_high: float
    level: float
    horizon: float
    at_risk: int  # patients with time >= horizon
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RmstDifference:
    """Difference in restricted mean survival time, treatment minus comparator, and their ratio."""

    estimate: float  # in the unit of the times
    se: float
    ci_low: float
    ci_high: float
    statistic: float  # estimate / se
    p_value: float
    ratio: float  # treatment over comparator
    ratio_ci_low: float
    ratio_ci_high: float
    ratio_p_value: float
    level: float
    horizon: float
    at_risk: tuple[int, int]  # at the horizon: treatment, comparator
    arms: tuple[str, str]
    treatment: Rmst
    comparator: Rmst
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The difference in a line."""
        return (
            f"RMST difference to {self.horizon:g}: {self.estimate:z.2f} "
            f"({100 * self.level:g}% CI {self.ci_low:z.2f} to {self.ci_high:z.2f})"
        )


def rmst(time: npt.ArrayLike, event: npt.ArrayLike, *, horizon: float, level: float = 0.95) -> Rmst:
    """Restricted mean survival time of one arm.

    Parameters
    ----------
    time, event : array, shape (n,)
        Follow-up, not negative; 1 event, 0 censored.
    horizon : float
        Upper end of the integral, positive. Not beyond the last time, unless the curve has fallen to 0.
    level : float
        Coverage of the normal interval.

    Returns
    -------
    Rmst
        The variance is the sum of A(t)^2 d / (r (r - d)) over event times t <= horizon, A(t) the area from t to the
        horizon.

    Raises
    ------
    ValueError
        For bad patients, a horizon that is not positive or beyond the data, or a level that is no fraction.

    References
    ----------
    Irwin JO (1949). Journal of Hygiene 47:188-9. Royston P, Parmar MKB (2013). BMC Medical Research Methodology
    13:152. Uno H et al. (2014). J Clin Oncol 32:2380-5.
    """
    check_level(level)
    times, events = check_patients(time, event)
    if not (math.isfinite(horizon) and horizon > 0):
        raise ValueError(f"horizon is not a positive number ({horizon})")
    distinct, at_risk, dead, _ = count_at_times(times, events)
    survival = np.cumprod((at_risk - dead) / at_risk)
    if horizon > distinct[-1] and survival[-1] > 0:
        raise ValueError(
            f"horizon ({horizon:g}) lies beyond the last time ({distinct[-1]:g}), where survival is still "
            f"{survival[-1]:.3g}; accepted: up to the last time"
        )
    inside = distinct < horizon
    edges = np.concatenate([[0.0], distinct[inside], [horizon]])
    areas = np.concatenate([[1.0], survival[inside]]) * np.diff(edges)
    right = np.cumsum(areas[::-1])[::-1][1:]  # from each time to the horizon
    r, d = at_risk[inside], dead[inside]
    terms = np.divide(right**2 * d, r * (r - d), out=np.zeros_like(d), where=r > d)  # the last death leaves no area
    estimate, se = float(areas.sum()), math.sqrt(terms.sum())
    z = float(ndtri(0.5 + level / 2))
    return Rmst(
        estimate=estimate,
        se=se,
        ci_low=estimate - z * se,
        ci_high=estimate + z * se,
        level=level,
        horizon=float(horizon),
        at_risk=int((times >= horizon).sum()),
        n=times.size,
    )


def rmst_difference(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: Any,
    *,
    treatment: Any = None,
    horizon: float | None = None,
    level: float = 0.95,
) -> RmstDifference:
    """Difference and ratio of the restricted mean survival times of two arms.

    Parameters
    ----------
    time, event : array, shape (n,)
        Follow-up, not negative; 1 event, 0 censored.
    group : array, shape (n,)
        0 and 1 (1 is the treatment), or two labels.
    treatment : label, optional
        Which label is the treatment; needed unless groups are 0 and 1.
    horizon : float, optional
        Upper end of the integral. Without it, the smaller of the arms' last times at which at least a tenth of the
        arm is at risk (said in the notes).
    level : float
        Coverage of the intervals: normal for the difference, normal on the log scale for the ratio.

    Raises
    ------
    ValueError
        For bad patients or groups, or a horizon beyond an arm's data.

    References
    ----------
    Uno H et al. (2014). J Clin Oncol 32:2380-5.
    """
    times, events = check_patients(time, event)
    treated, arms = check_two_arms(group, times.size, treatment)
    notes: tuple[str, ...] = ()
    if horizon is None:
        horizon = min(_last_well_observed(times[treated]), _last_well_observed(times[~treated]))
        notes = (f"the horizon ({horizon:g}) was chosen: the last time with a tenth of each arm at risk",)
    first = rmst(times[treated], events[treated], horizon=horizon, level=level)
    second = rmst(times[~treated], events[~treated], horizon=horizon, level=level)
    z = float(ndtri(0.5 + level / 2))
    estimate, se = first.estimate - second.estimate, math.hypot(first.se, second.se)
    if se == 0:
        notes += ("no variance: nobody who leaves area behind had an event before the horizon; there is no test",)
    if min(first.estimate, second.estimate) > 0:
        log_ratio = math.log(first.estimate / second.estimate)
        log_se = math.hypot(first.se / first.estimate, second.se / second.estimate)
    else:
        log_ratio, log_se = math.nan, math.nan
        notes += ("all of an arm had the event at time 0: there is no ratio",)
    statistic, p_value = _test(estimate, se)
    return RmstDifference(
        estimate=estimate,
        se=se,
        ci_low=estimate - z * se,
        ci_high=estimate + z * se,
        statistic=statistic,
        p_value=p_value,
        ratio=math.exp(log_ratio),
        ratio_ci_low=math.exp(log_ratio - z * log_se),
        ratio_ci_high=math.exp(log_ratio + z * log_se),
        ratio_p_value=_test(log_ratio, log_se)[1],
        level=level,
        horizon=float(horizon),
        at_risk=(first.at_risk, second.at_risk),
        arms=arms,
        treatment=first,
        comparator=second,
        notes=notes,
    )


def _test(estimate: float, se: float) -> tuple[float, float]:
    """z and its two-sided p value; NaN without a standard error."""
    if not se > 0:
        return math.nan, math.nan
    return estimate / se, float(2 * ndtr(-abs(estimate / se)))


def _last_well_observed(time: Array) -> float:
    """The last of the times at which at least a tenth of the patients are at risk."""
    needed = max(math.ceil(AT_RISK_SHARE * time.size - 1e-9), 1)
    return float(np.sort(time)[-needed])
