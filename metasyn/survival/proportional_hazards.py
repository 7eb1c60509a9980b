"""Are hazards proportional? Score test of coefficients that change with time, and scaled Schoenfeld residuals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from metasyn.pooling.arrays import Array, check_code, read_only
from metasyn.survival.cox import ChiSquared, Ties, check_covariates, check_entry
from metasyn.survival.kaplan_meier import Flags, check_patients, check_strata
from metasyn.survival.partial_likelihood import Maximum, fit, risk_sets

TimeScale = Literal["km", "rank", "identity", "log"]
TIME_SCALES = ("km", "rank", "identity", "log")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProportionalHazards:
    """Test of proportional hazards; the residuals, one row per event in order of time, are there to be drawn.

    Notes
    -----
    A residual is an estimate of the coefficient at the time of its event: under proportional hazards residuals
    scatter around the coefficient at all times (Grambsch and Therneau 1994).
    """

    table: pd.DataFrame  # term, statistic, df, p_value
    global_test: ChiSquared  # of all terms at once
    terms: tuple[str, ...]
    coefficients: Array  # shape (p,), log hazard ratios under proportional hazards
    time: Array  # shape (E,), of each event
    transformed_time: Array  # shape (E,)
    residuals: Array  # shape (E, p), scaled Schoenfeld residuals
    transform: str
    notes: tuple[str, ...]


def proportional_hazards(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    covariates: Any,
    *,
    names: Sequence[str] | None = None,
    strata: Any = None,
    entry: npt.ArrayLike | None = None,
    ties: Ties = "efron",
    transform: TimeScale = "km",
) -> ProportionalHazards:
    """Score test of theta = 0 in a Cox model with coefficients beta + theta g(t).

    Parameters
    ----------
    time, event, covariates, names, strata, entry, ties
        As for `cox`.
    transform : {"km", "rank", "identity", "log"}
        g: 1 - S(t-) by the Kaplan-Meier curve of all patients, the rank of the time among all
        times (the average of those tied), the time, or its logarithm.

    Returns
    -------
    ProportionalHazards
        A row of the table tests theta of one term, the global test all; neither depends on units of time under
        "km" and "rank".

    Raises
    ------
    ValueError
        As `cox`; for an unknown transform, or the logarithm of an event at time 0.

    References
    ----------
    Grambsch PM, Therneau TM (1994). Biometrika 81:515-26 (the model, the residuals). The test here is the score test
    itself with its full information matrix, not their approximation by an average variance.
    """
    check_code("transform", transform, TIME_SCALES)
    check_code("ties", ties, ("efron", "breslow"))
    times, events = check_patients(time, event)
    x, terms = check_covariates(covariates, names, times.size)
    stratum, begin = check_strata(strata, times.size), check_entry(entry, times)
    found, scale = fit(times, events, x, stratum=stratum, entry=begin, ties=ties)
    g = _of_time(transform, times, events, begin, at=found.at.sets.time)
    score, variance, notes = _score_test(found, g)
    with np.errstate(invalid="ignore"):
        statistic = score**2 / np.diag(variance)
    whole = float(score @ np.linalg.solve(variance, score)) if not notes else math.nan
    order = np.argsort(found.at.sets.time[found.at.sets.cell], kind="stable")
    cells = found.at.sets.cell[order]
    return ProportionalHazards(
        table=pd.DataFrame({"term": terms, "statistic": statistic, "df": 1, "p_value": chdtrc(1, statistic)}),
        global_test=ChiSquared(statistic=whole, df=len(terms), p_value=float(chdtrc(len(terms), whole))),
        terms=tuple(terms),
        coefficients=read_only(found.beta / scale),
        time=read_only(found.at.sets.time[cells]),
        transformed_time=read_only(g[cells]),
        residuals=read_only((_scaled_schoenfeld(found) / scale)[order]),
        transform=transform,
        notes=notes,
    )


def _score_test(found: Maximum, g: Array) -> tuple[Array, Array, tuple[str, ...]]:
    """Score of theta at the estimate, shape (p,), and its variance given that beta is estimated, shape (p, p)."""
    p, sets = found.beta.size, found.at.sets
    nothing = np.full(p, np.nan), np.full((p, p), np.nan)
    if not np.isfinite(found.beta).all():
        return *nothing, ("the Cox model has no finite estimate: there is no test of proportional hazards",)
    if np.ptp(g) == 0:
        return *nothing, ("all events are at one time: there is no test of proportional hazards",)
    # the test does not depend on origin and unit of g; its rounding does
    centred = (g - np.average(g, weights=sets.deaths)) / np.ptp(g)
    within, between = found.at.information(centred**2), found.at.information(centred)
    variance = within - between @ np.linalg.solve(found.information, between)
    if np.linalg.eigvalsh(variance)[0] <= 1e-12 * np.linalg.eigvalsh(within)[-1]:
        return *nothing, ("too few events with both sides at risk: there is no test of proportional hazards",)
    return found.at.gradient(centred), variance, ()


def _scaled_schoenfeld(found: Maximum) -> Array:
    """beta + (events) covariance (x - mean of the risk set), shape (E, p), in the order of the patients.

    By Efron the mean is that over the positions of the deaths at the time.
    """
    at, sets = found.at, found.at.sets
    if not np.isfinite(found.beta).all():
        return np.full((sets.cell.size, found.beta.size), np.nan)
    mean = np.column_stack([sets.by_cell(column) for column in at.mean.T]) / sets.deaths[:, None]
    plain = at.covariates[sets.event] - mean[sets.cell]
    scaled: Array = found.beta + sets.cell.size * np.linalg.solve(found.information, plain.T).T
    return scaled


def _of_time(transform: str, time: Array, event: Flags, entry: Array | None, *, at: Array) -> Array:
    """g at given event times."""
    if transform == "identity":
        return at
    if transform == "log":
        if (at <= 0).any():
            raise ValueError("transform is log, but an event is at time 0; accepted: km, rank, identity")
        return np.log(at)
    if transform == "rank":
        ascending = np.sort(time)
        return (np.searchsorted(ascending, at, "left") + np.searchsorted(ascending, at, "right") + 1) / 2
    together = np.zeros(time.size, dtype=np.intp)
    sets = risk_sets(time, event, stratum=together, entry=entry, efron=False)  # of all strata together
    position = np.searchsorted(sets.time, at)
    left = 1 - sets.deaths / sets.at_risk(np.ones(time.size))
    before = np.concatenate([[1.0], np.cumprod(left)[:-1]])
    fallen: Array = 1 - before[position]
    return fallen
