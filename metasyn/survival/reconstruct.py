"""The door to patients rebuilt from a published survival curve."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.arrays import Array, check_code, rows, vector
from metasyn.survival.curve import AtRisk, Curve, check_at_risk, clean_curve
from metasyn.survival.guyot import guyot
from metasyn.survival.joint import Given, joint
from metasyn.survival.liu import liu
from metasyn.survival.reconstruction import AT_RISK, Reconstruction, measure

Method = Literal["joint", "guyot", "liu"]

BEYOND = 1.03  # marks of censoring may lie this much beyond the curve's end, as clicks do


def reconstruct(
    curve: Any,
    *,
    n: int | None = None,
    at_risk: Any = None,
    events: int | None = None,
    method: Method = "joint",
    censored: npt.ArrayLike | None = None,
    percent: bool | None = None,
) -> Reconstruction:
    """Patients of one arm, rebuilt from its published curve.

    Parameters
    ----------
    curve : DataFrame with columns time and survival, (time, survival), array of shape (m, 2), or Curve
        Points of the curve: clicks in any order, or the corners of its steps. Survival as a proportion.
    n : int, optional
        Patients of the arm; needed unless the table of numbers at risk begins at time 0.
    at_risk : DataFrame with columns time and n, (time, n), array of shape (k, 2), or AtRisk; optional
        Numbers at risk printed under the curve.
    events : int, optional
        Printed number of events.
    method : {"joint", "guyot", "liu"}
        joint: curve, table, event total and marks decide together, with the noise of the clicks learned from them (see
        `metasyn.survival.joint`). guyot, liu: the published algorithms, which do not use marks.
    censored : array, optional
        Times of the censorings marked on the curve (every mark is at least one patient), only for "joint".
    percent : bool, optional
        True if survival is given in percent.

    Returns
    -------
    Reconstruction
        ``ipd`` has n rows; ``agreement`` holds achieved against given.

    Raises
    ------
    ValueError
        For a curve that is none (see `clean_curve`) or a table that grows, n that is missing or differs from the table,
        events that are more than patients or negative, marks that are negative, beyond the curve or more than patients
        without an event.

    Notes
    -----
    A reconstruction knows no covariates: only an unadjusted comparison of rebuilt arms has a meaning. What the paper
    prints of medians, rates and hazard ratios is not used; see `Reconstruction.against` and `against_published`.

    References
    ----------
    Guyot P, Ades AE, Ouwens MJNM, Welton NJ (2012). BMC Medical Research Methodology 12:9. Liu N, Zhou Y, Lee JJ (2021).
    BMC Medical Research Methodology 21:111. Rogula B, Lozano-Ortega G, Johnston KM (2022). MDM Policy & Practice 7:1
    (marked censoring times).
    """
    check_code("method", method, ("joint", "guyot", "liu"))
    clean = (
        curve if isinstance(curve, Curve) else clean_curve(*two_columns("curve", curve, "survival"), percent=percent)
    )
    total = _patients(n, at_risk)
    table = None
    if at_risk is not None:
        table = at_risk if isinstance(at_risk, AtRisk) else check_at_risk(*two_columns("at_risk", at_risk, "n"), total)
    _check_events(events, total)
    marks = _marks(censored, clean, total, events)
    if marks.size and method != "joint":
        raise ValueError(f"censored is used by the method joint only, not by {method}")
    pair = None if table is None else (table.time, table.n)
    if method == "joint":
        time, event = joint(
            Given(
                time=np.maximum(clean.raw_time, 0.0),
                survival=clean.raw_survival,
                n=total,
                table=pair,
                events=events,
                marks=marks,
            )
        )
    else:
        published = guyot if method == "guyot" else liu
        at, count = pair if pair is not None else (None, None)
        time, event = published(
            np.maximum(clean.raw_time, 0.0),
            clean.raw_survival,
            n=total,
            at_risk_time=at,
            at_risk_n=count,
            events=events,
        )
    order = np.lexsort((-event, time))
    time, event = time[order], event[order]
    achieved, grade = measure(time, event, clean, table, events)
    died = int(event.sum())
    return Reconstruction(
        ipd=pd.DataFrame({"time": time, "event": event.astype(int)}),
        achieved=achieved,
        grade=grade,
        method=method,
        curve=clean,
        at_risk=table,
        n=total,
        events=died,
        notes=_notes(clean, table, achieved, events, died, method, grade),
    )


def two_columns(name: str, given: Any, second: str) -> tuple[Any, Any]:
    """Two columns: of a frame by name, of a pair, or of an array of shape (m, 2)."""
    if isinstance(given, pd.DataFrame):
        missing = [column for column in ("time", second) if column not in given.columns]
        if missing:
            raise ValueError(
                f"{name} has no column {' and '.join(missing)}; it has {', '.join(map(str, given.columns))}"
            )
        return given["time"], given[second]
    if isinstance(given, AtRisk | Curve):
        return given.time, given.n if isinstance(given, AtRisk) else given.survival
    if isinstance(given, tuple | list) and len(given) == 2:
        return given[0], given[1]
    array = np.asarray(given, dtype=float)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{name} is neither a frame, a pair nor an array of two columns (shape {array.shape})")
    return array[:, 0], array[:, 1]


def _patients(n: int | None, at_risk: Any) -> int:
    if n is None:
        if at_risk is None:
            raise ValueError("n is missing; accepted: the number of patients, or numbers at risk that begin at time 0")
        time, count = (vector("at_risk", column) for column in two_columns("at_risk", at_risk, "n"))
        if time.size == 0 or time[0] != 0:
            raise ValueError("n is missing, and at_risk does not begin at time 0; accepted: the number of patients")
        n = int(count[0])
    if isinstance(n, bool) or not math.isfinite(n) or n != int(n) or n < 1:
        raise ValueError(f"n is not a whole number of at least 1 ({n})")
    return int(n)


def _check_events(events: int | None, n: int) -> None:
    if events is None:
        return
    if isinstance(events, bool) or not math.isfinite(events) or events != int(events) or events < 0:
        raise ValueError(f"events is not a whole number of at least 0 ({events})")
    if events > n:
        raise ValueError(f"events is more than there are patients ({events} of {n})")


def _marks(censored: npt.ArrayLike | None, curve: Curve, n: int, events: int | None) -> Array:
    if censored is None:
        return np.empty(0)
    marks = np.sort(vector("censored", censored))
    last = float(curve.time[-1])
    odd = (marks < 0) | (marks > last * BEYOND)
    if odd.any():
        raise ValueError(f"censored has times before 0 or beyond the curve's end at {last:g} (sorted rows {rows(odd)})")
    left = n - (events or 0)
    if marks.size > left:
        raise ValueError(f"censored has more marks ({marks.size}) than there are patients without an event ({left})")
    return np.minimum(marks, last)


def _notes(
    curve: Curve,
    table: AtRisk | None,
    achieved: tuple[tuple[str, float, float], ...],
    events: int | None,
    died: int,
    method: str,
    grade: str,
) -> tuple[str, ...]:
    notes = [*curve.changes, *(table.changes if table is not None else ())]
    if events is not None and died != events:
        notes.append(
            f"the curve does not admit the printed number of events: {died} were rebuilt, {events} are printed"
        )
    off = [(name, given, found) for name, given, found in achieved if name.startswith(AT_RISK) and found != given]
    if off:
        told = ", ".join(f"{name}: {found:g} for {given:g}" for name, given, found in off)
        notes.append(f"numbers at risk are not met ({told})")
    if grade == "poor":
        notes.append(
            "curve, numbers at risk and number of events do not belong together: one of them is wrong, or of another analysis"
        )
    if table is None and method == "joint":
        notes.append(
            "without numbers at risk, when patients were censored is largely a guess, and with it standard errors"
        )
    if table is None and events is None:
        notes.append("neither numbers at risk nor events are given: the number of events is an estimate")
    return tuple(notes)
