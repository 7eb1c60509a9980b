"""Survival curves of many studies on one grid of times: the arcsine of conditional survival, interval by interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.arrays import Array, vector
from metasyn.survival.imputation import combine_vectors
from metasyn.survival.kaplan_meier import Flags
from metasyn.survival.rmst import AT_RISK_SHARE
from metasyn.survival.study_patients import Patients, StudyPatients, check_ipd, split

COLUMNS = ("study", "time", "survival", "at_risk")
CLOSE = 1e-9  # a rise of this size is rounding
PARTS = 10  # equal intervals, where none are asked for


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurveData:
    """k studies on a grid of p times; NaN where a study ends before."""

    names: tuple[str, ...]
    times: Array  # shape (p,): ends of the intervals
    transformed: Array  # arcsine of the square root of conditional survival, shape (k, p)
    covariance: Array  # shape (k, p, p)
    survival: Array  # shape (k, p)
    at_risk: Array  # at the start of each interval, shape (k, p)
    notes: tuple[str, ...]

    @property
    def known(self) -> Flags:
        """Which study has which interval, shape (k, p)."""
        return np.isfinite(self.transformed)

    @property
    def table(self) -> pd.DataFrame:
        """Columns study, time, at_risk, survival, conditional."""
        study, column = np.nonzero(self.known)
        before = np.column_stack([np.ones(len(self.names)), self.survival[:, :-1]])
        return pd.DataFrame(
            {
                "study": np.array(self.names, dtype=object)[study],
                "time": self.times[column],
                "at_risk": self.at_risk[study, column],
                "survival": self.survival[study, column],
                "conditional": self.survival[study, column] / before[study, column],
            }
        )

    @property
    def support(self) -> pd.DataFrame:
        """Columns time, k, at_risk."""
        at_risk = np.where(self.known, self.at_risk, 0.0).sum(axis=0)
        return pd.DataFrame({"time": self.times, "k": self.known.sum(axis=0), "at_risk": at_risk})


def arcsine(conditional: Array, at_risk: Array, *, continuity: bool) -> tuple[Array, Array]:
    """The transformed conditional survival and its variance.

    With the correction, arcsin sqrt((n s + 1/4) / (n + 1/2)) and 1 / (4 n + 2); without, arcsin sqrt(s) and 1 / (4 n).

    References
    ----------
    Combescure C, Foucher Y, Jackson D (2014). Statistics in Medicine 33:2521-37, section 2.
    """
    quarter, half = (0.25, 0.5) if continuity else (0.0, 0.0)
    share = (at_risk * conditional + quarter) / (at_risk + half)
    transformed: Array = np.arcsin(np.sqrt(np.clip(share, 0.0, 1.0)))
    variance: Array = 1 / (4 * (at_risk + half))
    return transformed, variance


def from_frame(curves: Any, times: npt.ArrayLike | None, *, continuity: bool) -> CurveData:
    """The grid of published curves.

    Raises
    ------
    ValueError
        For a frame without the columns, values out of range, curves that rise, numbers at risk that grow, a study without
        time 0 or with a gap, or times that do not ascend.
    """
    frame = _check_frame(curves)
    ends = _check_times(times) if times is not None else np.unique(frame["time"].to_numpy())[1:]
    if ends.size == 0:
        raise ValueError("curves has no time after 0; accepted: two rows or more for each study")
    names, survival, at_risk = [], [], []
    for name, own in frame.groupby("study", sort=False):
        values = _on_grid(str(name), own, ends)
        names.append(str(name))
        survival.append(values[0])
        at_risk.append(values[1])
    s, n = np.array(survival), np.array(at_risk)
    before = np.column_stack([np.ones(len(names)), s[:, :-1]])
    usable = np.isfinite(s) & (before > 0) & (n > 0)
    conditional = np.divide(s, before, out=np.full_like(s, np.nan), where=usable)
    y, v = arcsine(conditional, np.where(usable, n, np.nan), continuity=continuity)
    _check_support(ends, usable)
    covariance = v[:, :, None] * np.eye(ends.size)
    return CurveData(
        names=tuple(names), times=ends, transformed=y, covariance=covariance, survival=s, at_risk=n, notes=()
    )


def _check_frame(curves: Any) -> pd.DataFrame:
    if not isinstance(curves, pd.DataFrame):
        raise ValueError(f"curves is not a DataFrame ({type(curves).__name__}); accepted: columns {', '.join(COLUMNS)}")
    missing = [name for name in COLUMNS if name not in curves]
    if missing:
        raise ValueError(
            f"curves lacks columns {', '.join(missing)}; accepted: {', '.join(COLUMNS)}, or patients: study, time, event"
        )
    frame = curves[list(COLUMNS)].reset_index(drop=True)
    if len(frame) == 0:
        raise ValueError("curves has no rows")
    if frame["study"].isna().any():
        raise ValueError("study is missing in curves")
    for name in COLUMNS[1:]:
        frame[name] = vector(name, frame[name])
    study = frame["study"].astype(str)
    frame = frame.assign(study=study)
    for bad, what in (
        (frame["time"] < 0, "time is negative"),
        ((frame["survival"] < 0) | (frame["survival"] > 1), "survival is not a proportion between 0 and 1"),
        (frame["at_risk"] < 0, "at_risk is negative"),
    ):
        if bad.any():
            raise ValueError(f"{what} ({', '.join(study[bad].unique())})")
    order = {name: position for position, name in enumerate(study.unique())}
    frame = frame.iloc[np.lexsort((frame["time"], study.map(order)))]
    by = frame.groupby("study", sort=False)
    for name, what in (("survival", "survival rises"), ("at_risk", "at_risk grows"), ("time", "a time comes twice")):
        steps = by[name].diff()
        if (bad := steps == 0 if name == "time" else steps > CLOSE).any():
            raise ValueError(f"{what} ({', '.join(frame['study'][bad].unique())})")
    start = frame["time"].eq(0) & (frame["survival"] == 1) & (frame["at_risk"] > 0)
    without = sorted(set(study) - set(frame["study"][start]))
    if without:
        raise ValueError(
            f"curves has no start for {', '.join(without)}; accepted: a row at time 0 with survival 1 and the number of patients"
        )
    return frame


def _on_grid(name: str, own: pd.DataFrame, ends: Array) -> tuple[Array, Array]:
    """Survival at the ends of the intervals and numbers at risk at their starts; NaN beyond the study's last time."""
    time = own["time"].to_numpy()
    inside = ends <= time[-1]
    wanted = np.concatenate([[0.0], ends[inside]])
    lacking = np.setdiff1d(wanted, time)
    if lacking.size:
        raise ValueError(
            f"study {name} has no row at {', '.join(f'{at:g}' for at in lacking)}, though it goes on to {time[-1]:g}; "
            "accepted: a row at each of the times up to the study's last (`times` chooses fewer)"
        )
    if not inside.any():
        raise ValueError(f"study {name} ends at {time[-1]:g}, before the first of the times ({ends[0]:g})")
    position = np.searchsorted(time, wanted)
    survival, at_risk = np.full(ends.size, np.nan), np.full(ends.size, np.nan)
    survival[inside] = own["survival"].to_numpy()[position[1:]]
    at_risk[inside] = own["at_risk"].to_numpy()[position[:-1]]
    return survival, at_risk


def from_patients(ipd: Any, times: npt.ArrayLike | None, *, continuity: bool) -> CurveData:
    """The grid of patients' Kaplan-Meier curves.

    The patients of an interval are those at risk at its start less half of those censored in it (the life table's effective
    number), so that the variance is that of an interval in which some are not followed to the end. A study has the
    intervals that end before a tenth of its patients are at risk no longer, in each draw.
    """
    frame = check_ipd(ipd, ("study", "time", "event"))
    studies = split(frame, np.ones(len(frame), dtype=bool))
    last = [min(_well_observed(draw) for draw in study.draws) for study in studies]
    if times is None:
        end = sorted(last)[-2] if len(last) > 1 else last[0]
        if end <= 0:
            raise ValueError("ipd has no follow-up that two studies share; accepted: `times`")
        ends = np.linspace(0.0, end, PARTS + 1)[1:]
    else:
        ends = _check_times(times)
    found, notes = [], []
    for study, limit in zip(studies, last, strict=True):
        if ends[0] > limit:
            notes.append(f"left out: {study.name}: a tenth of its patients are at risk up to {limit:g} only")
            continue
        found.append((study.name, *_study_on_grid(study, ends, limit, continuity)))
    if not found:
        raise ValueError(f"no study supports the first of the times ({ends[0]:g}): {'; '.join(notes)}")
    names, y, v, s, n = zip(*found, strict=True)
    data = CurveData(
        names=names, times=ends, transformed=np.array(y), covariance=np.array(v),
        survival=np.array(s), at_risk=np.array(n), notes=tuple(notes),
    )  # fmt: skip
    _check_support(ends, data.known)
    return data


def _well_observed(patients: Patients) -> float:
    needed = max(math.ceil(AT_RISK_SHARE * patients.time.size - 1e-9), 1)
    return float(np.sort(patients.time)[-needed])


def _study_on_grid(
    study: StudyPatients, ends: Array, limit: float, continuity: bool
) -> tuple[Array, Array, Array, Array]:
    """Transformed values, their covariance, survival and effective numbers, draws combined."""
    inside = ends <= limit
    draws = [_life_table(one, ends[inside]) for one in study.draws]
    parts = [arcsine(conditional, n, continuity=continuity) for conditional, n in draws]
    combined = combine_vectors([y for y, _ in parts], [np.diag(v) for _, v in parts])
    p = ends.size
    y, v, s, n = np.full(p, np.nan), np.full((p, p), np.nan), np.full(p, np.nan), np.full(p, np.nan)
    y[inside], v[np.ix_(inside, inside)] = combined.estimate, combined.total
    s[inside] = np.mean([np.cumprod(conditional) for conditional, _ in draws], axis=0)
    n[inside] = np.mean([n_of for _, n_of in draws], axis=0)
    return y, v, s, n


def _life_table(patients: Patients, ends: Array) -> tuple[Array, Array]:
    """Conditional survival (Kaplan-Meier) over each interval (start, end], and the effective number at risk."""
    time, event = np.sort(patients.time), patients.event[np.argsort(patients.time, kind="stable")]
    distinct, position, counts = np.unique(time, return_inverse=True, return_counts=True)
    dead = np.bincount(position, event, distinct.size)
    at_risk = counts[::-1].cumsum()[::-1]
    curve = np.concatenate([[1.0], np.cumprod(1 - dead / at_risk)])
    at = np.searchsorted(distinct, ends, side="right")
    survival = np.concatenate([[1.0], curve[at]])
    edges = np.concatenate([[-1.0], ends])  # whoever leaves at time 0 does so in the first interval
    passed = np.searchsorted(time, edges, side="right")
    lost = np.diff(np.concatenate([[0], np.cumsum(~event)])[passed])
    remaining = time.size - passed[:-1]
    conditional = np.divide(survival[1:], survival[:-1], out=np.zeros(ends.size), where=survival[:-1] > 0)
    return conditional, remaining - lost / 2


def _check_times(times: npt.ArrayLike) -> Array:
    ends = vector("times", np.atleast_1d(np.asarray(times, dtype=float)))
    if ends.size == 0 or ends[0] <= 0 or (np.diff(ends) <= 0).any():
        raise ValueError(f"times do not ascend from above 0 ({', '.join(f'{at:g}' for at in ends)})")
    return ends


def _check_support(ends: Array, known: Flags) -> None:
    empty = ~known.any(axis=0)
    if empty.any():
        raise ValueError(
            f"no study goes on to {', '.join(f'{at:g}' for at in ends[empty])}; accepted: times up to the last"
        )
