"""A hazard ratio that changes with time, of many studies: in each study a log hazard ratio that is a line in log time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri

from metasyn.pooling.arrays import Array, check_level, read_only, rows, vector
from metasyn.survival.imputation import CombinedVector, combine_vectors
from metasyn.survival.joint_pool import pool_together
from metasyn.survival.study_patients import StudyPatients, left_out_table, two_arm_studies, why_not
from metasyn.survival.two_arm_likelihood import deaths, fit_line

OUTCOMES = np.arange(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Where the pooled hazard ratio is 1: where the hazards cross, which is well before the survival curves do."""

    time: float  # NaN where the pooled line is flat
    ci_low: float  # NaN unless bounded
    ci_high: float
    bounded: bool  # whether the confidence set is an interval, which it is if and only if the slope differs from 0
    observed: bool  # whether the time lies between the first and the last event of the studies
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimeVaryingHazardRatio:
    """The pooled log hazard ratio as a line in log time: `level_at_reference` + `slope` log(t / reference)."""

    level_at_reference: float  # log hazard ratio at the reference time
    slope: float  # change of the log hazard ratio for each factor e of time
    covariance: Array  # of the two, shape (2, 2)
    slope_se: float
    slope_ci_low: float
    slope_ci_high: float
    slope_p_value: float  # of slope 0: proportional hazards on average over studies
    tau2: Array  # between-study variances of the two, shape (2,)
    between_rho: float  # their between-study correlation; NaN where not estimated
    structure: str  # of the between-study covariance; "none" is common effects
    reference: float
    crossing: Crossing
    k: int
    studies: (
        pd.DataFrame
    )  # study, level_at_reference, slope, their variances and covariance, slope_p_value, first_event, last_event, draws
    left_out: pd.DataFrame  # study, reason
    arms: tuple[str, str]
    level: float
    notes: tuple[str, ...]

    def at(self, times: npt.ArrayLike) -> pd.DataFrame:
        """The pooled hazard ratio at given times, with pointwise normal intervals.

        Parameters
        ----------
        times : array, shape (q,)
            Positive.

        Returns
        -------
        DataFrame
            Columns time, log_hr, se, hr, ci_low, ci_high (of hr), studies: those with events before and after that
            time. Where there are none the line is an extrapolation.

        Raises
        ------
        ValueError
            If a time is missing, infinite or not positive.
        """
        asked = vector("times", np.atleast_1d(np.asarray(times, dtype=float)))
        if (asked <= 0).any():
            raise ValueError(f"times is not positive (rows {rows(asked <= 0)}); the logarithm of time needs it")
        g = np.log(asked / self.reference)
        v = self.covariance
        log_hr, se = self.level_at_reference + self.slope * g, np.sqrt(v[0, 0] + 2 * g * v[0, 1] + g**2 * v[1, 1])
        half = float(ndtri(0.5 + self.level / 2)) * se
        first, last = (self.studies[name].to_numpy()[:, None] for name in ("first_event", "last_event"))
        return pd.DataFrame(
            {
                "time": asked, "log_hr": log_hr, "se": se, "hr": np.exp(log_hr),
                "ci_low": np.exp(log_hr - half), "ci_high": np.exp(log_hr + half),
                "studies": ((first <= asked) & (asked <= last)).sum(axis=0),
            }
        )  # fmt: skip

    def summary(self) -> str:
        """The trend in a line."""
        p = "< 0.001" if self.slope_p_value < 0.001 else f"= {self.slope_p_value:.3f}"
        return (
            f"HR at {self.reference:.3g}: {math.exp(self.level_at_reference):.2f}; times {math.exp(self.slope * math.log(2)):.2f} "
            f"for each doubling of time (p {p}), k = {self.k}. {self.crossing.statement}"
        )


def time_varying_hazard_ratio(
    ipd: pd.DataFrame,
    *,
    treatment: Any = None,
    structure: str = "UN",
    level: float = 0.95,
    reference: float | None = None,
) -> TimeVaryingHazardRatio:
    """Pool treatment by log(time) of many studies, level and slope together.

    Parameters
    ----------
    ipd : DataFrame
        Columns study, arm, time, event; and draw, where a study's patients are draws from a posterior.
    treatment : label, optional
        Which label of `arm` is the treatment; needed unless arms are 0 and 1.
    structure : str
        Between-study covariance of level and slope: UN (each its variance, and their correlation), DIAG, none (common
        effects). With UN the pooled line does not depend on `reference`.
    level : float
        Coverage of the intervals.
    reference : float, optional
        The time at which the level is told; without it, the median time of the events of all studies.

    Returns
    -------
    TimeVaryingHazardRatio

    Raises
    ------
    ValueError
        For bad patients or arms, a structure that is not known, a reference that is not positive, or if no study is left.

    Notes
    -----
    In each study (and draw) the Cox model has the covariates x and x log t, x the treatment, evaluated anew at each event
    time; its 2 x 2 covariance is the inverse information. Draws are combined by Rubin's rules for vectors.

    References
    ----------
    Cox DR (1972). Journal of the Royal Statistical Society B 34:187-220 (treatment by time). van Houwelingen HC, Arends
    LR, Stijnen T (2002). Statistics in Medicine 21:589-624 (bivariate pooling). Fieller EC (1954). Journal of the Royal
    Statistical Society B 16:175-85 (the crossing).
    """
    check_level(level)
    if reference is not None and not (math.isfinite(reference) and reference > 0):
        raise ValueError(f"reference is not a positive time ({reference})")
    studies, arms = two_arm_studies(ipd, treatment)
    unit = _median_event_time(studies) if reference is None else float(reference)
    found, table, reasons = [], [], {}
    for study in studies:
        one, reason = _of_study(study, arms, unit)
        if one is None:
            reasons[study.name] = reason
            continue
        found.append(one)
        table.append(_row(study, one))
    if not found:
        raise ValueError(
            f"there are no studies to pool: {'; '.join(f'{name}: {why}' for name, why in reasons.items())}"
        )
    estimates, covariances = [one.estimate for one in found], [one.total for one in found]
    fit = pool_together(estimates, covariances, [OUTCOMES] * len(found), structure=structure, names=("level", "slope"))
    (b0, b1), v = fit.beta, fit.covariance
    se, z = math.sqrt(v[1, 1]), float(ndtri(0.5 + level / 2))
    frame = pd.DataFrame(table)
    return TimeVaryingHazardRatio(
        level_at_reference=float(b0),
        slope=float(b1),
        covariance=read_only(np.array(v)),
        slope_se=se,
        slope_ci_low=float(b1) - z * se,
        slope_ci_high=float(b1) + z * se,
        slope_p_value=float(2 * ndtr(-abs(b1) / se)),
        tau2=fit.tau2,
        between_rho=float(fit.rho[0]),
        structure=fit.structure,
        reference=unit,
        crossing=crossing((float(b0), float(b1)), v, z, unit, (frame["first_event"].min(), frame["last_event"].max())),
        k=len(found),
        studies=frame,
        left_out=left_out_table(reasons),
        arms=arms,
        level=level,
        notes=(*(f"left out: {name}: {reason}" for name, reason in reasons.items()), *fit.notes),
    )


def _median_event_time(studies: Sequence[StudyPatients]) -> float:
    """Over the first draw of each study; 1 where there are no events after time 0."""
    times = np.concatenate([study.draws[0].time[study.draws[0].event] for study in studies])
    times = times[times > 0]
    return float(np.median(times)) if times.size else 1.0


def _of_study(study: StudyPatients, arms: tuple[str, str], reference: float) -> tuple[CombinedVector | None, str]:
    reason = why_not(study, arms)
    if reason is not None:
        return None, reason
    sets = [deaths(one) for one in study.draws]
    if any((one.time <= 0).any() for one in sets):
        return None, "an event at time 0, which has no logarithm"
    fits = [fit_line(one, np.log(one.time / reference)) for one in sets]
    failed = [fit.reason for fit in fits if fit.reason is not None]
    if failed:
        return None, failed[0] + ("" if len(fits) == 1 else f" (in {len(failed)} of {len(fits)} draws)")
    return combine_vectors([fit.beta for fit in fits], [fit.covariance for fit in fits]), ""


def _row(study: StudyPatients, one: CombinedVector) -> dict[str, Any]:
    (b0, b1), v = one.estimate, one.total
    times = np.concatenate([draw.time[draw.event] for draw in study.draws])
    return {
        "study": study.name,
        "level_at_reference": b0,
        "slope": b1,
        "level_variance": v[0, 0],
        "slope_variance": v[1, 1],
        "covariance": v[0, 1],
        "slope_p_value": float(2 * ndtr(-abs(b1) / math.sqrt(v[1, 1]))),
        "first_event": times.min(),
        "last_event": times.max(),
        "draws": one.draws,
    }


def crossing(
    line: tuple[float, float], covariance: Array, z: float, reference: float, observed: tuple[float, float]
) -> Crossing:
    """Where b0 + b1 log(t / reference) is 0, with Fieller's confidence set.

    Parameters
    ----------
    line : (b0, b1)
    covariance : array, shape (2, 2)
    z : float
        Normal quantile of the level.
    reference : float
    observed : (float, float)
        First and last event.

    Notes
    -----
    The set holds all g with (b0 + b1 g)^2 <= z^2 (v00 + 2 g v01 + g^2 v11). It is an interval if b1^2 > z^2 v11; else
    it is the whole line, or all but an interval, and no time is told.

    References
    ----------
    Fieller EC (1954). Journal of the Royal Statistical Society B 16:175-85.
    """
    b0, b1 = line
    a = b1**2 - z**2 * covariance[1, 1]
    half = b0 * b1 - z**2 * covariance[0, 1]
    c = b0**2 - z**2 * covariance[0, 0]
    with np.errstate(over="ignore"):
        time = float(reference * np.exp(-b0 / b1)) if b1 != 0 else math.nan
    inside = bool(observed[0] <= time <= observed[1])
    root = math.sqrt(max(half**2 - a * c, 0.0))
    with np.errstate(over="ignore", divide="ignore"):
        ends = (
            sorted(float(reference * np.exp((-half + sign * root) / a)) for sign in (-1, 1)) if a else (math.nan,) * 2
        )
    low, high = ends
    if not a > 0:
        statement = "The slope does not differ from 0: no time at which the hazards cross can be told"
        if root > 0 and low < observed[0] and observed[1] < high:  # the set is all but the times between low and high
            statement += ", and none among the events observed"
        nothing = {"ci_low": math.nan, "ci_high": math.nan}
        return Crossing(time=time, **nothing, bounded=False, observed=inside, statement=statement)
    statement = f"The hazards cross at {time:.3g} ({low:.3g} to {high:.3g})"
    if not inside:
        statement += f", outside the events observed ({observed[0]:.3g} to {observed[1]:.3g}): an extrapolation"
    return Crossing(time=time, ci_low=low, ci_high=high, bounded=True, observed=inside, statement=statement)
