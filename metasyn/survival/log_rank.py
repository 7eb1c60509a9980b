"""Log-rank tests, weighted ones, and the largest of several."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, gammaincc

from metasyn.pooling.arrays import Array, read_only
from metasyn.survival.kaplan_meier import Flags, Index, check_groups, check_patients, check_strata, check_two_arms

COMBINED = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))  # rho, gamma
REPLICATES, POINTS = 16, 12  # randomised nets, and the power of two of their size


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LogRank:
    """Observed against expected events; the first group is the treatment. Weighted sums where rho or gamma is not 0."""

    groups: tuple[Any, ...]
    observed: Array  # shape (groups,)
    expected: Array
    variance: Array  # of observed - expected, shape (groups, groups)
    statistic: float  # chi-squared; NaN where the data say nothing
    df: int
    p_value: float
    rho: float
    gamma: float
    notes: tuple[str, ...]

    @property
    def observed_minus_expected(self) -> float:
        """O - E of the first group."""
        return float(self.observed[0] - self.expected[0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaxCombo:
    """The largest of several weighted log-rank statistics, and its p value given that they are correlated."""

    weights: tuple[tuple[float, float], ...]  # rho, gamma of each
    z: Array  # (O - E) / sqrt(V); below 0: fewer events under treatment
    correlation: Array
    statistic: float  # the largest |z|
    p_value: float  # two-sided
    p_value_error: float  # standard error of the numerical integration
    notes: tuple[str, ...]


def log_rank(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: Any,
    *,
    treatment: Any = None,
    strata: Any = None,
    rho: float = 0.0,
    gamma: float = 0.0,
) -> LogRank:
    """Log-rank test of two or more groups, with Fleming-Harrington weights S(t-)^rho (1 - S(t-))^gamma.

    Parameters
    ----------
    time, event : array, shape (n,)
        Follow-up, not negative; 1 event, 0 censored.
    group : array, shape (n,)
        0 and 1 (1 is the treatment) or labels.
    treatment : label, optional
        The group that comes first; without it 1 before 0, other labels sorted.
    strata : array, shape (n,), optional
        Labels; patients are compared within strata, and O, E and V added up. Weights are of the stratum's own curve.
    rho, gamma : float
        Not negative. rho = gamma = 0 is the log-rank test, rho = 1 weights early events (Peto-Peto), gamma = 1 late
        ones. S is the Kaplan-Meier curve of all patients.

    Returns
    -------
    LogRank
        No continuity correction; the variance is hypergeometric.

    Raises
    ------
    ValueError
        For bad patients or groups, or a negative or infinite weight.

    References
    ----------
    Mantel N (1966). Cancer Chemother Rep 50:163-70. Fleming TR, Harrington DP (1991). Counting Processes
    and Survival Analysis, section 7.2.
    """
    for name, power in (("rho", rho), ("gamma", gamma)):
        if not (math.isfinite(power) and power >= 0):
            raise ValueError(f"{name} is not a number of at least 0 ({power})")
    times, events = check_patients(time, event)
    code, names = check_groups(group, times.size, treatment)
    stratum = check_strata(strata, times.size)
    dead, at_risk, before = _tables(times, events, code, len(names), stratum)
    weight = before**rho * (1 - before) ** gamma
    expected, increments = _moments(dead, at_risk)
    variance = np.einsum("t,tij->ij", weight**2, increments)
    observed, expected = weight @ dead, weight @ expected
    statistic, df = _chi_squared(observed - expected, variance)
    notes = () if df else ("no event happened while two groups were at risk with weight: there is nothing to test",)
    return LogRank(
        groups=names,
        observed=read_only(observed),
        expected=read_only(expected),
        variance=read_only(variance),
        statistic=statistic,
        df=df,
        p_value=float(chdtrc(df, statistic)) if df else math.nan,
        rho=rho,
        gamma=gamma,
        notes=notes,
    )


def max_combo(
    time: npt.ArrayLike, event: npt.ArrayLike, group: Any, *, treatment: Any = None, strata: Any = None
) -> MaxCombo:
    """The largest of the tests FH(0,0), FH(0,1), FH(1,0) and FH(1,1), for effects that are not proportional.

    Parameters
    ----------
    time, event : array, shape (n,)
        Follow-up, not negative; 1 event, 0 censored.
    group : array, shape (n,)
        0 and 1 (1 is the treatment), or two labels.
    treatment : label, optional
        Which label is the treatment; needed unless groups are 0 and 1.
    strata : array, shape (n,), optional
        Labels; patients are compared within strata.

    Returns
    -------
    MaxCombo
        p is P(max |Z| >= the largest observed) for normal Z with the estimated correlations, integrated numerically
        to the stated standard error; the same data give the same digits.

    Raises
    ------
    ValueError
        For bad patients or groups, or if no event happened while both arms were at risk.

    References
    ----------
    Lee JW (1996). Biometrics 52:721-5. Karrison TG (2016). Stata Journal 16:678-90. Lin RS et al. (2020).
    Statistics in Biopharmaceutical Research 12:187-98.
    """
    times, events = check_patients(time, event)
    treated, _ = check_two_arms(group, times.size, treatment)
    stratum = check_strata(strata, times.size)
    dead, at_risk, before = _tables(times, events, np.where(treated, 0, 1), 2, stratum)
    weight = np.array([before**rho * (1 - before) ** gamma for rho, gamma in COMBINED])
    expected, increments = _moments(dead, at_risk)
    covariance = (weight * increments[:, 0, 0]) @ weight.T
    usable = np.diag(covariance) > 0
    if not usable.any():
        raise ValueError("no event happened while both arms were at risk: there is nothing to test")
    notes = tuple(
        f"FH({rho:g},{gamma:g}) has no variance here and is left out"
        for (rho, gamma), used in zip(COMBINED, usable, strict=True)
        if not used
    )
    scale = np.sqrt(np.diag(covariance)[usable])
    z = (weight @ (dead - expected)[:, 0])[usable] / scale
    correlation = covariance[np.ix_(usable, usable)] / np.outer(scale, scale)
    largest = float(np.abs(z).max())
    p_value, error = _tail_of_maximum(largest, correlation)
    return MaxCombo(
        weights=tuple(pair for pair, used in zip(COMBINED, usable, strict=True) if used),
        z=read_only(z),
        correlation=read_only(correlation),
        statistic=largest,
        p_value=p_value,
        p_value_error=error,
        notes=notes,
    )


def _tables(time: Array, event: Flags, code: Index, groups: int, stratum: Index) -> tuple[Array, Array, Array]:
    """Events and patients at risk at the event times of each stratum, by group; both of shape (m, groups).

    Third, the Kaplan-Meier curve of the stratum before each of these times, shape (m,).
    """
    parts = [
        _table(time[here], event[here], code[here], groups)
        for here in (stratum == number for number in range(int(stratum.max()) + 1))
    ]
    dead, at_risk, before = (np.concatenate(piece) for piece in zip(*parts, strict=True))
    return dead, at_risk, before


def _table(time: Array, event: Flags, code: Index, groups: int) -> tuple[Array, Array, Array]:
    distinct, position = np.unique(time, return_inverse=True)
    cell, size = position * groups + code, distinct.size * groups
    everyone = np.bincount(cell, minlength=size).reshape(-1, groups).astype(float)
    dead = np.bincount(cell, weights=event, minlength=size).reshape(-1, groups)
    at_risk = np.cumsum(everyone[::-1], axis=0)[::-1]
    some = dead.sum(axis=1) > 0
    dead, at_risk = dead[some], at_risk[some]
    survival = np.cumprod(1 - dead.sum(axis=1) / at_risk.sum(axis=1))
    return dead, at_risk, np.concatenate([[1.0], survival])[:-1]


def _moments(dead: Array, at_risk: Array) -> tuple[Array, Array]:
    """Hypergeometric means, shape (m, groups), and covariances, shape (m, groups, groups), given the margins."""
    d, r = dead.sum(axis=1), at_risk.sum(axis=1)
    share = at_risk / r[:, None]
    factor = np.divide(d * (r - d), r - 1, out=np.zeros_like(d), where=r > 1)
    spread = share[:, :, None] * np.eye(share.shape[1]) - share[:, :, None] * share[:, None, :]
    return d[:, None] * share, factor[:, None, None] * spread


def _chi_squared(difference: Array, variance: Array) -> tuple[float, int]:
    """d' V^- d and the rank of V: groups that were never at risk with another do not count."""
    values, vectors = np.linalg.eigh(variance)
    kept = values > 1e-10 * max(float(values[-1]), 0.0)
    if not kept.any():
        return math.nan, 0
    projected = vectors[:, kept].T @ difference
    return float(projected @ (projected / values[kept])), int(kept.sum())


def _tail_of_maximum(largest: float, correlation: Array) -> tuple[float, float]:
    """P(max |Z| >= largest) for Z ~ N(0, correlation), and the standard error of the integration.

    With Z = L R U, U uniform on the sphere and R chi with r degrees of freedom, the tail given U is that of R beyond
    largest / max |L U|: only the direction is integrated, so that small p keep their digits. As the weights of FH(1,0)
    and FH(0,1) add up to that of FH(0,0), the correlation is singular; r is its rank.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    values, vectors = np.linalg.eigh(correlation)
    kept = values > 1e-10
    loadings = vectors[:, kept] * np.sqrt(values[kept])
    rank = int(kept.sum())
    means = np.empty(REPLICATES)
    for replicate in range(REPLICATES):
        net = qmc.Sobol(rank, seed=replicate).random_base2(POINTS)
        normal = ndtri(np.clip(net, 1e-12, 1 - 1e-12))
        reach = np.abs(normal @ loadings.T).max(axis=1) / np.linalg.norm(normal, axis=1)
        means[replicate] = gammaincc(rank / 2, (largest / reach) ** 2 / 2).mean()
    return float(means.mean()), float(means.std(ddof=1) / math.sqrt(REPLICATES))
