"""A summary survival curve of many studies without a distribution: conditional survival pooled interval by interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc, ndtri

from metasyn.pooling.arrays import Array, check_code, check_level, read_only
from metasyn.survival.curve_grid import CurveData, from_frame, from_patients

Interval = Literal["delta", "simulation"]
INTERVALS = ("delta", "simulation")
SIMULATIONS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SummaryCurve:
    """The pooled curve of one model, common or random effects."""

    table: pd.DataFrame  # time, survival, se_log, ci_low, ci_high, conditional; a row for each time of the grid
    median: float  # by the line between grid points; NaN: not reached
    median_ci: tuple[float, float]  # NaN: not reached in that share of the simulations
    restricted_mean: float  # area under the curve (by trapezoids) up to the last time
    restricted_mean_ci: tuple[float, float]
    transformed: Array  # pooled arcsine of conditional survival, shape (p,)
    covariance: Array  # of these, shape (p, p)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PooledCurve:
    """A summary survival curve."""

    random: SummaryCurve
    common: SummaryCurve
    between_covariance: (
        Array  # of the true transformed conditional survivals of a study, shape (p, p), positive semidefinite
    )
    q: float  # weighted squares about the common-effect curve
    q_df: int  # conditional survivals less times
    q_p_value: float
    h2: float  # q / q_df
    i2: float  # percent
    studies: pd.DataFrame  # study, time, at_risk (at the start of the interval), survival, conditional
    support: pd.DataFrame  # time, k, at_risk: studies and patients at risk at the start of the interval that ends there
    k: int
    continuity: bool
    interval: str
    level: float
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """The random-effects curve with its support: time, survival, se_log, ci_low, ci_high, conditional, k, at_risk."""
        return self.random.table.merge(self.support, on="time")

    def summary(self) -> str:
        """The pooled curve in a line."""
        one = self.random
        low, high = ("not reached" if math.isnan(end) else f"{end:.3g}" for end in one.median_ci)
        median = "not reached" if math.isnan(one.median) else f"{one.median:.3g}"
        return f"median {median} ({100 * self.level:g}% CI {low} to {high}), k = {self.k}, I2 = {self.i2:.0f}%"


def pool_curves(
    curves: pd.DataFrame,
    *,
    times: npt.ArrayLike | None = None,
    interval: Interval = "delta",
    continuity: bool = True,
    level: float = 0.95,
    seed: int = 0,
) -> PooledCurve:
    """Pool survival curves of single arms.

    Parameters
    ----------
    curves : DataFrame
        Either columns study, time, survival (proportion), at_risk (patients at risk at that time), with a row at time 0 for
        each study; or patients: study, time, event, and draw where they are draws from a posterior. What is pooled
        together (one strategy, one outcome, one definition) is the caller's choice: this function sees studies only.
    times : array, shape (p,), optional
        Ends of the intervals, positive, ascending. A study needs a row at each, from the first up to its last. Without
        it: the times of the frame; for patients ten equal intervals up to the last time at which two studies have a tenth
        of their patients at risk.
    interval : {"delta", "simulation"}
        Pointwise limits: normal on log survival by the delta method, or quantiles of curves drawn from the pooled normal.
    continuity : bool
        Add 1/4 to survivors and 1/2 to patients at risk, without which an interval that all survive has no spread. It
        pulls each interval without events down by 1/(4 at_risk): many narrow intervals bend the curve down.
    level : float
        Coverage of the intervals.
    seed : int
        Of the simulations, which also give the limits of median and restricted mean.

    Returns
    -------
    PooledCurve

    Raises
    ------
    ValueError
        For bad curves or patients, a survival that rises or lies outside 0 to 1, numbers at risk that grow, a study
        without time 0 or with a gap in the times, or an unknown code.

    Notes
    -----
    For study i and interval j with n at risk at its start and conditional survival s: y = arcsin sqrt((n s + 1/4) / (n +
    1/2)), variance 1 / (4 n + 2), independent between intervals (draws add their covariance). Between-study covariance by
    the method of moments, pair by pair, cut to be positive semidefinite; pooled by weighted least squares; S(t_j) is the
    product of sin^2 of the pooled y up to j.

    References
    ----------
    Combescure C, Foucher Y, Jackson D (2014). Statistics in Medicine 33:2521-37. Jackson D, White IR, Thompson SG
    (2010). Statistics in Medicine 29:1282-97 (multivariate DerSimonian-Laird).
    """
    check_level(level)
    check_code("interval", interval, INTERVALS)
    if isinstance(curves, pd.DataFrame) and "event" in curves:
        data = from_patients(curves, times, continuity=continuity)
    else:
        data = from_frame(curves, times, continuity=continuity)
    between = dersimonian_laird(data)
    rng = np.random.default_rng(seed)
    common, random = (
        _summary_curve(data, *_pooled(data, sigma), interval=interval, level=level, rng=rng)
        for sigma in (np.zeros_like(between), between)
    )
    q, df = _heterogeneity(data, common.transformed)
    h2 = q / df if df else math.nan
    return PooledCurve(
        random=random,
        common=common,
        between_covariance=read_only(between),
        q=q,
        q_df=df,
        q_p_value=float(chdtrc(df, q)) if df else math.nan,
        h2=h2,
        i2=max(0.0, 100 * (h2 - 1) / h2) if df and h2 > 0 else 0.0 if df else math.nan,
        studies=data.table,
        support=data.support,
        k=len(data.names),
        continuity=continuity,
        interval=interval,
        level=level,
        notes=(*data.notes, *_notes(data, between)),
    )


def dersimonian_laird(data: CurveData) -> Array:
    """Between-study covariance by the method of moments, cut to be positive semidefinite; shape (p, p).

    For outcomes r and s, over the studies with both: w = 1 / sqrt(v_r v_s), rho the within-study correlation,
    Q = sum w (y_r - mean_r)(y_s - mean_s), means weighted by w; E Q = sum rho - sum(w rho)/sum w + (sum w - sum w^2 / sum w)
    times the covariance. Pairs with fewer than two studies have 0.

    References
    ----------
    Jackson D, White IR, Thompson SG (2010). Statistics in Medicine 29:1282-97.
    """
    p = data.times.size
    found = np.zeros((p, p))
    sd = np.sqrt(np.diagonal(data.covariance, axis1=1, axis2=2))  # (k, p)
    for r in range(p):
        for s in range(r, p):
            both = data.known[:, r] & data.known[:, s]
            if both.sum() < 2:
                continue
            product = sd[both, r] * sd[both, s]
            w, rho = 1 / product, data.covariance[both, r, s] / product
            total = w.sum()
            residuals = [data.transformed[both, j] - w @ data.transformed[both, j] / total for j in (r, s)]
            expected = rho.sum() - w @ rho / total
            found[r, s] = found[s, r] = (w @ (residuals[0] * residuals[1]) - expected) / (total - w @ w / total)
    values, vectors = np.linalg.eigh(found)
    cut: Array = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return (cut + cut.T) / 2


def _pooled(data: CurveData, between: Array) -> tuple[Array, Array]:
    """Weighted least squares of the transformed conditional survivals, shape (p,), and its covariance, shape (p, p)."""
    p = data.times.size
    weight, weighted = np.zeros((p, p)), np.zeros(p)
    for y, v, known in zip(data.transformed, data.covariance, data.known, strict=True):
        block = np.ix_(known, known)
        inverse = np.linalg.inv(v[block] + between[block])
        weight[block] += inverse
        weighted[known] += inverse @ y[known]
    covariance = np.asarray(np.linalg.inv(weight), dtype=float)
    return covariance @ weighted, (covariance + covariance.T) / 2


def _summary_curve(
    data: CurveData, y: Array, covariance: Array, *, interval: str, level: float, rng: np.random.Generator
) -> SummaryCurve:
    conditional = np.sin(y) ** 2
    survival = np.cumprod(conditional)
    slope = 2 / np.tan(np.maximum(y, 1e-12))  # of log sin^2
    se = np.sqrt(np.diag(np.cumsum(np.cumsum(covariance * np.outer(slope, slope), axis=0), axis=1)))
    drawn = np.cumprod(np.sin(rng.multivariate_normal(y, covariance, size=SIMULATIONS, method="eigh")) ** 2, axis=1)
    tail = [(1 - level) / 2, (1 + level) / 2]
    if interval == "delta":
        z = float(ndtri(tail[1]))
        low, high = survival * np.exp(-z * se), np.minimum(survival * np.exp(z * se), 1.0)
    else:
        low, high = np.quantile(drawn, tail, axis=0)
    # no interpolation: a median that is not reached is infinite
    medians_low, medians_high = np.quantile(_medians(data.times, drawn), tail, method="inverted_cdf")
    means = _areas(data.times, drawn)
    return SummaryCurve(
        table=pd.DataFrame(
            {
                "time": data.times,
                "survival": survival,
                "se_log": se,
                "ci_low": low,
                "ci_high": high,
                "conditional": conditional,
            }
        ),
        median=_finite(float(_medians(data.times, survival[None])[0])),
        median_ci=(_finite(float(medians_low)), _finite(float(medians_high))),
        restricted_mean=float(_areas(data.times, survival[None])[0]),
        restricted_mean_ci=(float(np.quantile(means, tail[0])), float(np.quantile(means, tail[1]))),
        transformed=read_only(y),
        covariance=read_only(covariance),
    )


def _medians(times: Array, curves: Array) -> Array:
    """Where the lines through (0, 1) and the points cross 1/2, shape (n,); infinite where they do not."""
    level = np.column_stack([np.ones(curves.shape[0]), curves])
    at = np.concatenate([[0.0], times])
    reached = level <= 0.5
    first = np.maximum(reached.argmax(axis=1), 1)
    row = np.arange(level.shape[0])
    upper, lower = level[row, first - 1], level[row, first]
    share = (upper - 0.5) / np.where(upper > lower, upper - lower, 1.0)
    found: Array = np.where(reached.any(axis=1), at[first - 1] + share * (at[first] - at[first - 1]), np.inf)
    return found


def _areas(times: Array, curves: Array) -> Array:
    """Area under the lines through (0, 1) and the points, shape (n,)."""
    level = np.column_stack([np.ones(curves.shape[0]), curves])
    areas: Array = ((level[:, 1:] + level[:, :-1]) / 2) @ np.diff(times, prepend=0.0)
    return areas


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan


def _heterogeneity(data: CurveData, pooled: Array) -> tuple[float, int]:
    """Q about the common-effect curve, and its degrees of freedom: conditional survivals less pooled ones."""
    q = 0.0
    for y, v, known in zip(data.transformed, data.covariance, data.known, strict=True):
        rest = y[known] - pooled[known]
        q += float(rest @ np.linalg.solve(v[np.ix_(known, known)], rest))
    return q, int(data.known.sum()) - data.times.size


def _notes(data: CurveData, between: Array) -> tuple[str, ...]:
    notes = []
    k = len(data.names)
    if k == 1:
        notes.append("k = 1: nothing was pooled; the curve is the study's own")
    else:
        alone = data.known.sum(axis=0) == 1
        if alone.any():
            notes.append(
                f"from {data.times[alone.argmax()]:g} on an interval rests on one study, whose heterogeneity counts as 0"
            )
        if k < 5:
            notes.append(f"k = {k}: with fewer than 5 studies the between-study covariance is hardly estimable")
        if not between.any():
            notes.append(
                "no between-study covariance was found: common and random effects agree; not evidence of consistency"
            )
    return tuple(notes)
