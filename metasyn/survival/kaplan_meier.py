"""Kaplan-Meier curves of patients, and what every door of this package checks about patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from metasyn.pooling.arrays import Array, check_code, check_level, read_only, rows, vector

Transform = Literal["log-log", "log", "plain"]
Flags = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

FLAT = 1e-9  # a survival this close to a quantile is the quantile: products of fractions round


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KaplanMeier:
    """A survival curve at the distinct times of its patients; right-continuous, 1 before the first event.

    Notes
    -----
    Where survival is 0 its Greenwood variance does not exist: se and limits are NaN there.
    """

    time: Array  # shape (m,), distinct times of events and censorings, ascending
    survival: Array  # shape (m,)
    se: Array  # of survival, Greenwood
    ci_low: Array
    ci_high: Array
    at_risk: Array  # patients with time >= t
    events: Array  # at t
    censored: Array  # at t, after the events
    n: int
    events_total: int
    median: float  # NaN: not reached
    median_ci: tuple[float, float]  # NaN: limit not reached
    median_follow_up: float  # reverse Kaplan-Meier; NaN: not reached
    last_time: float
    level: float
    transform: str

    def at(self, times: npt.ArrayLike) -> pd.DataFrame:
        """The curve at given times: columns time, survival, se, ci_low, ci_high, at_risk.

        Parameters
        ----------
        times : array, shape (q,)
            In the unit of the data, not negative. Beyond the last time all but `at_risk` (0) is NaN.

        Raises
        ------
        ValueError
            If a time is missing, infinite or negative.
        """
        asked = vector("times", np.atleast_1d(np.asarray(times, dtype=float)))
        if (asked < 0).any():
            raise ValueError(f"times is negative (rows {rows(asked < 0)})")
        step = np.searchsorted(self.time, asked, side="right")  # 0: before the first time
        beyond = asked > self.last_time
        columns = {
            name: np.where(beyond, np.nan, np.concatenate([[start], values])[step])
            for name, start, values in (
                ("survival", 1.0, self.survival),
                ("se", 0.0, self.se),
                ("ci_low", 1.0, self.ci_low),
                ("ci_high", 1.0, self.ci_high),
            )
        }
        at_risk = np.append(self.at_risk, 0.0)[np.searchsorted(self.time, asked, side="left")]
        return pd.DataFrame({"time": asked, **columns, "at_risk": at_risk.astype(int)})


def kaplan_meier(
    time: npt.ArrayLike, event: npt.ArrayLike, *, level: float = 0.95, transform: Transform = "log-log"
) -> KaplanMeier:
    """Product-limit estimate of survival with pointwise intervals.

    Parameters
    ----------
    time : array, shape (n,)
        Follow-up of each patient, not negative, any unit.
    event : array, shape (n,)
        1 event, 0 censored. At one time events precede censorings. Times are tied only where they are equal.
    level : float
        Coverage of the intervals.
    transform : {"log-log", "log", "plain"}
        Scale on which the intervals are normal; those of the median are of the same scale.

    Returns
    -------
    KaplanMeier
        The median is the first time with survival <= 1/2; where survival is exactly 1/2 over a stretch, the
        middle of the stretch. Its limits are where the limits of the curve cross 1/2.

    Raises
    ------
    ValueError
        If lengths differ, nobody is given, a time is missing, infinite or negative, an event is not 0 or 1, the
        level is not a fraction or the transform not known.

    References
    ----------
    Kaplan EL, Meier P (1958). Journal of the American Statistical Association 53:457-81. Greenwood M (1926).
    Brookmeyer R, Crowley J (1982). Biometrics 38:29-41. Schemper M, Smith TL (1996). Controlled Clinical Trials
    17:343-6 (reverse Kaplan-Meier).
    """
    check_level(level)
    check_code("transform", transform, ("log-log", "log", "plain"))
    times, events = check_patients(time, event)
    distinct, at_risk, dead, lost = count_at_times(times, events)
    survival: Array = np.multiply.accumulate((at_risk - dead) / at_risk)
    hazard_se = np.sqrt(np.cumsum(_greenwood(at_risk, dead)))  # of log survival
    se = np.where(survival > 0, survival, np.nan) * hazard_se
    low, high = _limits(survival, se, level, transform)
    reverse: Array = np.multiply.accumulate(1 - lost / at_risk)
    return KaplanMeier(
        time=read_only(distinct),
        survival=read_only(survival),
        se=read_only(se),
        ci_low=read_only(low),
        ci_high=read_only(high),
        at_risk=read_only(at_risk),
        events=read_only(dead),
        censored=read_only(lost),
        n=times.size,
        events_total=int(events.sum()),
        median=_crossing(distinct, survival, dead),
        median_ci=(_crossing(distinct, low, dead), _crossing(distinct, high, dead)),
        median_follow_up=_crossing(distinct, reverse, lost),
        last_time=float(distinct[-1]),
        level=level,
        transform=transform,
    )


def _greenwood(at_risk: Array, dead: Array) -> Array:
    """The terms d / (r (r - d)); 0 where all at risk die, as survival is 0 from there."""
    left = at_risk - dead
    return np.divide(dead, at_risk * left, out=np.zeros_like(dead), where=left > 0)


def _limits(survival: Array, se: Array, level: float, transform: str) -> tuple[Array, Array]:
    """Pointwise limits, within 0 and 1; both are 1 before the first event and NaN where survival is 0."""
    half = ndtri(0.5 + level / 2) * se
    low, high = np.where(survival > 0, survival, np.nan), np.where(survival > 0, survival, np.nan)
    inside = (survival > 0) & (survival < 1)
    s, h = survival[inside], half[inside]
    if transform == "plain":
        low[inside], high[inside] = np.maximum(s - h, 0), np.minimum(s + h, 1)
    elif transform == "log":
        low[inside], high[inside] = s * np.exp(-h / s), np.minimum(s * np.exp(h / s), 1)
    else:
        factor = np.exp(h / (s * -np.log(s)))
        low[inside], high[inside] = s**factor, s ** (1 / factor)
    return low, high


def _crossing(time: Array, curve: Array, drops: Array) -> float:
    """The first time at which a falling step curve is at or below 1/2, or the middle of its stretch at 1/2; NaN if none."""
    reached = np.flatnonzero(curve <= 0.5 + FLAT)  # NaN compares false
    if reached.size == 0:
        return float("nan")
    first = int(reached[0])
    if curve[first] < 0.5 - FLAT:
        return float(time[first])
    later = np.flatnonzero(drops[first + 1 :] > 0)  # the stretch ends with the next drop, or with the data
    end = first + 1 + int(later[0]) if later.size else time.size - 1
    return float((time[first] + time[end]) / 2)


def check_patients(time: npt.ArrayLike, event: npt.ArrayLike) -> tuple[Array, Flags]:
    """Times and events of patients as arrays of shape (n,).

    Raises
    ------
    ValueError
        If lengths differ, nobody is given, a time is missing, infinite or negative, or an event is not 0 or 1.
    """
    times, events = vector("time", time), vector("event", event)
    if times.size != events.size:
        raise ValueError(f"time and event have different lengths ({times.size} and {events.size})")
    if times.size == 0:
        raise ValueError("there are no patients")
    if (times < 0).any():
        raise ValueError(f"time is negative (rows {rows(times < 0)})")
    odd = (events != 0) & (events != 1)
    if odd.any():
        raise ValueError(f"event is neither 0 (censored) nor 1 (event) (rows {rows(odd)})")
    return times, events == 1


def check_groups(group: Any, n: int, treatment: Any = None) -> tuple[Index, tuple[Any, ...]]:
    """Groups as codes of shape (n,) and the labels they stand for, treatment first.

    Without `treatment`, 1 comes before 0; other labels are in their sorted order.

    Raises
    ------
    ValueError
        If there are not n groups, one is missing, there are fewer than two, or `treatment` is none of them.
    """
    labels = np.asarray(group)
    if labels.ndim != 1:
        raise ValueError(f"group is not 1-d (shape {labels.shape})")
    if labels.size != n:
        raise ValueError(f"time and group have different lengths ({n} and {labels.size})")
    missing = np.asarray(pd.isna(labels))
    if missing.any():
        raise ValueError(f"group is missing (rows {rows(missing)})")
    names = sorted(set(labels.tolist()), key=lambda name: (str(type(name)), name))
    if len(names) < 2:
        raise ValueError(f"group has one label ({names[0]}); a comparison needs two")
    if treatment is not None:
        if treatment not in names:
            raise ValueError(f"treatment is not a label of group ({treatment}); accepted: {', '.join(map(str, names))}")
        names = [treatment, *(name for name in names if name != treatment)]
    elif set(names) == {0, 1}:
        names = [1, 0]
    position = {name: code for code, name in enumerate(names)}
    return np.array([position[name] for name in labels.tolist()], dtype=np.intp), tuple(names)


def check_two_arms(group: Any, n: int, treatment: Any = None) -> tuple[Flags, tuple[str, str]]:
    """Whether each patient had the treatment, shape (n,), and the names of treatment and comparator.

    Raises
    ------
    ValueError
        As `check_groups`; if there are not two groups, or they are not 0 and 1 and `treatment` does not say which
        is which.
    """
    code, names = check_groups(group, n, treatment)
    if len(names) != 2:
        raise ValueError(f"group has {len(names)} labels ({', '.join(map(str, names))}); accepted: two")
    if treatment is None and set(names) != {0, 1}:
        raise ValueError(f"treatment is missing: which of {names[0]} and {names[1]} is it?")
    arms = ("treatment", "comparator") if set(names) == {0, 1} else (str(names[0]), str(names[1]))
    return code == 0, arms


def count_at_times(time: Array, event: Flags) -> tuple[Array, Array, Array, Array]:
    """Distinct times, patients at risk (time >= t), events and censorings there; each of shape (m,)."""
    distinct, position = np.unique(time, return_inverse=True)
    everyone = np.bincount(position, minlength=distinct.size).astype(float)
    dead = np.asarray(np.bincount(position, weights=event, minlength=distinct.size), dtype=float)
    at_risk = np.cumsum(everyone[::-1])[::-1]
    return distinct, at_risk, dead, everyone - dead


def check_strata(strata: Any, n: int) -> Index:
    """Strata as codes of shape (n,), in sorted order of their labels; one for all where none are given.

    Raises
    ------
    ValueError
        If there is not one per patient, or one is missing.
    """
    if strata is None:
        return np.zeros(n, dtype=np.intp)
    labels = np.asarray(strata)
    if labels.ndim != 1 or labels.size != n:
        raise ValueError(f"strata does not have one value per patient (shape {labels.shape}, {n} patients)")
    missing = np.asarray(pd.isna(labels))
    if missing.any():
        raise ValueError(f"strata is missing (rows {rows(missing)})")
    codes: Index = np.unique(labels, return_inverse=True)[1]
    return codes
