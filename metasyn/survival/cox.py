"""Cox regression: proportional hazards by partial likelihood, with strata, ties and delayed entry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc, ndtr, ndtri

from metasyn.pooling.arrays import Array, check_code, check_level, read_only, rows, vector
from metasyn.survival.kaplan_meier import check_patients, check_strata, check_two_arms
from metasyn.survival.partial_likelihood import Maximum, fit

Ties = Literal["efron", "breslow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChiSquared:
    """A test of all coefficients at once."""

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoxFit:
    """A Cox regression; coefficients are log hazard ratios per unit of the covariate.

    Notes
    -----
    A coefficient whose likelihood has no maximum is -inf or inf, with NaN for its standard error and interval; one that
    the data do not determine is NaN. `notes` says so. The score and likelihood ratio tests stand in the former case.
    """

    coefficients: pd.DataFrame  # term, estimate, se, statistic, p_value, ci_low, ci_high
    covariance: Array  # shape (p, p)
    log_likelihood: float
    log_likelihood_null: float
    score_test: ChiSquared
    likelihood_ratio_test: ChiSquared
    wald_test: ChiSquared
    score: Array  # shape (p,), the gradient at the estimate: 0 up to rounding
    n: int
    events: int
    strata: int
    ties: str
    level: float
    converged: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HazardRatio:
    """Hazard ratio of treatment to comparator by Cox regression."""

    log_hr: float  # -inf or inf where the likelihood has no maximum, NaN where the data say nothing
    se: float  # of log_hr
    hr: float
    ci_low: float  # of hr
    ci_high: float
    statistic: float  # log_hr / se
    p_value: float  # Wald
    score_p_value: float
    likelihood_ratio_p_value: float
    level: float
    n: tuple[int, int]  # treatment, comparator
    events: tuple[int, int]
    arms: tuple[str, str]
    strata: int
    ties: str
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The hazard ratio in a line."""
        if math.isnan(self.se):
            return "HR not estimable" if math.isnan(self.hr) else f"HR {self.hr:g} (no finite estimate)"
        return f"HR {self.hr:.2f} ({100 * self.level:g}% CI {self.ci_low:.2f} to {self.ci_high:.2f})"


def cox(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    covariates: Any,
    *,
    names: Sequence[str] | None = None,
    strata: Any = None,
    entry: npt.ArrayLike | None = None,
    ties: Ties = "efron",
    level: float = 0.95,
) -> CoxFit:
    """Cox regression by maximum partial likelihood.

    Parameters
    ----------
    time, event : array, shape (n,)
        Follow-up, not negative; 1 event, 0 censored. Times are tied only where they are equal.
    covariates : array or frame, shape (n,) or (n, p)
        Numbers. A frame names its terms by its columns.
    names : sequence of str, optional
        Names of the terms; `x1`, `x2` and so on without.
    strata : array, shape (n,), optional
        Labels; each stratum has its own baseline hazard.
    entry : array, shape (n,), optional
        Time from which a patient (or an episode of a patient) is at risk: entry < t <= time. A patient may be split
        into episodes that follow one another, each with its own covariates: time-dependent or piecewise effects.
    ties : {"efron", "breslow"}
        How events at one time share the risk set.
    level : float
        Coverage of the normal intervals.

    Returns
    -------
    CoxFit
        `n` counts rows (episodes).

    Raises
    ------
    ValueError
        For bad patients, a covariate that is missing, infinite or constant, an entry that is not before its time, or
        names, strata, ties or a level that do not fit.

    References
    ----------
    Cox DR (1972). Journal of the Royal Statistical Society B 34:187-220. Efron B (1977). Journal of the American
    Statistical Association 72:557-65. Andersen PK, Gill RD (1982). Annals of Statistics 10:1100-20 (entry).
    """
    check_level(level)
    check_code("ties", ties, ("efron", "breslow"))
    times, events = check_patients(time, event)
    x, terms = check_covariates(covariates, names, times.size)
    stratum = check_strata(strata, times.size)
    begin = check_entry(entry, times)
    found, scale = fit(times, events, x, stratum=stratum, entry=begin, ties=ties)
    known, p = np.isfinite(found.beta), found.beta.size
    tested = not np.isnan(found.beta).any()
    gain = 2 * (found.at.log_likelihood - found.null.log_likelihood)
    wald = float(found.beta @ found.information @ found.beta) if known.all() else math.nan
    covariance = _covariance(found, scale)
    return CoxFit(
        coefficients=pd.DataFrame({"term": terms, **_estimates(found.beta / scale, covariance, level)}),
        covariance=read_only(covariance),
        log_likelihood=found.at.log_likelihood if tested else math.nan,
        log_likelihood_null=found.null.log_likelihood,
        score_test=_chi_squared(found.score_statistic, p),
        likelihood_ratio_test=_chi_squared(max(gain, 0.0) if tested else math.nan, p),
        wald_test=_chi_squared(wald, p),
        score=read_only(found.at.gradient() * scale),
        n=times.size,
        events=int(events.sum()),
        strata=int(stratum.max()) + 1,
        ties=ties,
        level=level,
        converged=found.converged,
        notes=_notes(found, terms),
    )


def hazard_ratio(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: Any,
    *,
    treatment: Any = None,
    strata: Any = None,
    ties: Ties = "efron",
    level: float = 0.95,
) -> HazardRatio:
    """Hazard ratio of two arms by Cox regression.

    Parameters
    ----------
    time, event : array, shape (n,)
        Follow-up, not negative; 1 event, 0 censored.
    group : array, shape (n,)
        0 and 1 (1 is the treatment), or two labels.
    treatment : label, optional
        Which label is the treatment; needed unless groups are 0 and 1.
    strata : array, shape (n,), optional
        Labels; each stratum has its own baseline hazard.
    ties, level
        As for `cox`.

    Raises
    ------
    ValueError
        For bad patients, groups, strata, ties or level.
    """
    check_level(level)
    check_code("ties", ties, ("efron", "breslow"))
    times, events = check_patients(time, event)
    treated, arms = check_two_arms(group, times.size, treatment)
    stratum = check_strata(strata, times.size)
    found, scale = fit(times, events, treated.astype(float)[:, None], stratum=stratum, entry=None, ties=ties)
    numbers = {
        name: float(v[0]) for name, v in _estimates(found.beta / scale, _covariance(found, scale), level).items()
    }
    notes = _notes(found, [f"{arms[0]} to {arms[1]}"])
    counts = (int(events[treated].sum()), int(events[~treated].sum()))
    if found.endless.any():
        notes += tuple(f"no events under {arm}" for arm, count in zip(arms, counts, strict=True) if count == 0)
    gain = 2 * (found.at.log_likelihood - found.null.log_likelihood)
    with np.errstate(over="ignore"):
        hr, low, high = (float(np.exp(numbers[name])) for name in ("estimate", "ci_low", "ci_high"))
    return HazardRatio(
        log_hr=numbers["estimate"],
        se=numbers["se"],
        hr=hr,
        ci_low=low,
        ci_high=high,
        statistic=numbers["statistic"],
        p_value=numbers["p_value"],
        score_p_value=_chi_squared(found.score_statistic, 1).p_value,
        likelihood_ratio_p_value=math.nan if math.isnan(hr) else _chi_squared(max(gain, 0.0), 1).p_value,
        level=level,
        n=(int(treated.sum()), int((~treated).sum())),
        events=counts,
        arms=arms,
        strata=int(stratum.max()) + 1,
        ties=ties,
        notes=notes,
    )


def check_covariates(covariates: Any, names: Sequence[str] | None, n: int) -> tuple[Array, list[str]]:
    """Covariates as an array of shape (n, p) and the names of their terms.

    Raises
    ------
    ValueError
        If there is not one row per patient, nothing to estimate, a value missing, infinite or no number, a column
        constant, or the names do not fit.
    """
    if isinstance(covariates, pd.DataFrame) and names is None:
        names = [str(column) for column in covariates.columns]
    try:
        x = np.array(covariates, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError("covariates are not numbers; accepted: numbers, categories as 0/1 columns") from error
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim != 2 or x.shape[0] != n or x.shape[1] == 0:
        raise ValueError(f"covariates do not have one row per patient (shape {x.shape}, {n} patients)")
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        raise ValueError(f"covariates have missing or infinite values (rows {rows(bad)})")
    terms = [f"x{number}" for number in range(1, x.shape[1] + 1)] if names is None else [str(name) for name in names]
    if len(terms) != x.shape[1]:
        raise ValueError(f"names has {len(terms)} names for {x.shape[1]} covariates")
    constant = [term for term, column in zip(terms, x.T, strict=True) if column.min() == column.max()]
    if constant:
        raise ValueError(f"covariates are the same for everybody: {', '.join(constant)}")
    return x, terms


def check_entry(entry: npt.ArrayLike | None, time: Array) -> Array | None:
    """Times of entry, each before its time; None where none are given."""
    if entry is None:
        return None
    begin = vector("entry", entry)
    if begin.size != time.size:
        raise ValueError(f"time and entry have different lengths ({time.size} and {begin.size})")
    if (begin >= time).any():
        raise ValueError(f"entry is not before time (rows {rows(begin >= time)})")
    return begin


def _covariance(found: Maximum, scale: Array) -> Array:
    """Inverse information on the covariates' own scale, shape (p, p); NaN for what has no finite estimate."""
    covariance = np.full((scale.size, scale.size), np.nan)
    known = np.isfinite(found.beta)
    if known.any():
        block = np.ix_(known, known)
        covariance[block] = np.linalg.inv(found.information[block]) / np.outer(scale[known], scale[known])
    return covariance


def _estimates(beta: Array, covariance: Array, level: float) -> dict[str, Array]:
    """Estimates with normal tests and intervals, each of shape (p,)."""
    se = np.sqrt(np.diag(covariance))
    finite = np.where(np.isfinite(beta), beta, np.nan)
    half = ndtri(0.5 + level / 2) * se
    return {
        "estimate": beta,
        "se": se,
        "statistic": finite / se,
        "p_value": 2 * ndtr(-np.abs(finite / se)),
        "ci_low": finite - half,
        "ci_high": finite + half,
    }


def _chi_squared(statistic: float, df: int) -> ChiSquared:
    return ChiSquared(statistic=statistic, df=df, p_value=float(chdtrc(df, statistic)))


def _notes(found: Maximum, terms: list[str]) -> tuple[str, ...]:
    if not found.at.sets.event.any():
        return ("nobody had the event: there is nothing to estimate",)
    if np.isnan(found.beta).any():
        return ("the patients at risk at the events do not tell the covariates' effects apart: no estimate",)
    endless = [term for term, runs in zip(terms, found.endless, strict=True) if runs]
    if endless:
        return (
            f"no finite estimate for {', '.join(endless)}: the likelihood keeps rising (every event falls on the patients "
            "at risk with the most extreme value); the score and likelihood ratio tests stand",
        )
    return () if found.converged else ("Newton's method did not converge",)
