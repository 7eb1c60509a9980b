"""Survival of two arms at given times: difference, ratio, and a test that holds in small samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri

from metasyn.pooling.arrays import Array, check_level
from metasyn.survival.kaplan_meier import KaplanMeier, check_patients, check_two_arms, kaplan_meier


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LandmarkDifferences:
    """Survival at landmarks, treatment against comparator; one row per time.

    The columns of `table`: time; survival_, ci_low_, ci_high_ and at_risk_ of treatment and comparator (log-log
    intervals); difference, se, ci_low, ci_high, p_value; ratio, ratio_ci_low, ratio_ci_high, ratio_p_value;
    cloglog_statistic and cloglog_p_value.
    """

    table: pd.DataFrame
    arms: tuple[str, str]
    level: float
    notes: tuple[str, ...]

    def summary(self) -> str:
        """A line per landmark."""
        shown = ("survival_treatment", "survival_comparator", "difference", "ci_low", "ci_high")
        percent = 100 * self.table[list(shown)].to_numpy(dtype=float)
        return "\n".join(
            f"survival at {time:g}: {treated:.1f}% against {other:.1f}%, difference {difference:z.1f} points "
            f"({100 * self.level:g}% CI {low:z.1f} to {high:z.1f})"
            for time, (treated, other, difference, low, high) in zip(self.table["time"], percent, strict=True)
        )


def landmark_difference(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: Any,
    *,
    times: npt.ArrayLike,
    treatment: Any = None,
    level: float = 0.95,
) -> LandmarkDifferences:
    """Difference and ratio of the Kaplan-Meier curves of two arms at given times.

    Parameters
    ----------
    time, event : array, shape (n,)
        Follow-up, not negative; 1 event, 0 censored.
    group : array, shape (n,)
        0 and 1 (1 is the treatment), or two labels.
    times : array, shape (q,)
        Landmarks, not negative, in the unit of the data.
    treatment : label, optional
        Which label is the treatment; needed unless groups are 0 and 1.
    level : float
        Coverage of the intervals: normal for the difference (Greenwood), normal on the log scale for the ratio.

    Returns
    -------
    LandmarkDifferences
        Beyond the last time of an arm, and where an arm's survival is 0, its variance is not known: NaN, with a note.
        `cloglog_p_value` tests log(-log S), which keeps its level in small samples (Klein et al. 2007); it does
        not exist while an arm is at 1.

    Raises
    ------
    ValueError
        For bad patients or groups, or a time that is missing, infinite or negative.

    References
    ----------
    Klein JP, Logan B, Harhoff M, Andersen PK (2007). Statistics in Medicine 26:4505-19.
    """
    check_level(level)
    patients, events = check_patients(time, event)
    treated, arms = check_two_arms(group, patients.size, treatment)
    curves = [kaplan_meier(patients[who], events[who], level=level) for who in (treated, ~treated)]
    return compare_at(curves[0], curves[1], times, arms=arms, level=level)


def compare_at(
    treatment: KaplanMeier, comparator: KaplanMeier, times: npt.ArrayLike, *, arms: tuple[str, str], level: float
) -> LandmarkDifferences:
    """`landmark_difference` of two curves."""
    first, second = treatment.at(times), comparator.at(times)
    z = float(ndtri(0.5 + level / 2))
    s1, s2 = first["survival"].to_numpy(), second["survival"].to_numpy()
    se1, se2 = first["se"].to_numpy(), second["se"].to_numpy()
    difference, se = s1 - s2, np.hypot(se1, se2)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_se = np.hypot(se1 / s1, se2 / s2)
        ratio = np.where(s2 > 0, s1 / s2, np.nan)
        log_ratio = np.log(ratio)
        apart = np.log(-np.log(s1)) - np.log(-np.log(s2))
        spread = np.hypot(se1 / (s1 * np.log(s1)), se2 / (s2 * np.log(s2)))
        statistic = np.where(np.isfinite(apart) & np.isfinite(spread), (apart / spread) ** 2, np.nan)
    table = pd.DataFrame(
        {
            "time": first["time"],
            **{f"{name}_treatment": first[name] for name in ("survival", "ci_low", "ci_high", "at_risk")},
            **{f"{name}_comparator": second[name] for name in ("survival", "ci_low", "ci_high", "at_risk")},
            "difference": difference,
            "se": se,
            "ci_low": difference - z * se,
            "ci_high": difference + z * se,
            "p_value": _two_sided(difference, se),
            "ratio": ratio,
            "ratio_ci_low": ratio * np.exp(-z * log_se),
            "ratio_ci_high": ratio * np.exp(z * log_se),
            "ratio_p_value": _two_sided(log_ratio, log_se),
            "cloglog_statistic": statistic,
            "cloglog_p_value": 2 * ndtr(-np.sqrt(statistic)),
        }
    )
    return LandmarkDifferences(table=table, arms=arms, level=level, notes=_notes(table, arms))


def _two_sided(estimate: Array, se: Array) -> Array:
    """Normal p values; NaN without a standard error."""
    known = np.isfinite(estimate) & (se > 0)
    p_value: Array = 2 * ndtr(-np.abs(np.divide(estimate, se, out=np.full_like(estimate, np.nan), where=known)))
    return p_value


def _notes(table: pd.DataFrame, arms: tuple[str, str]) -> tuple[str, ...]:
    notes: list[str] = []
    for arm, side in zip(arms, ("treatment", "comparator"), strict=True):
        survival = table[f"survival_{side}"]
        for state, sentence in (
            (survival.isna(), "beyond the last time of {arm} ({at}): no estimate"),
            (survival == 0, "nobody is left of {arm} at {at}: the variance of its survival is not known"),
            (survival == 1, "no events under {arm} up to {at}: its variance counts as 0, the interval is too narrow"),
        ):
            if state.any():
                notes.append(sentence.format(arm=arm, at=", ".join(f"{time:g}" for time in table["time"][state])))
    return tuple(notes)
