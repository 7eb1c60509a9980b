"""Probabilities of ranks: how far the order of treatments is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.rank_integrals import RankIntegrals, drawn, integrated
from metasyn.network.ranking import quasi_variances
from metasyn.pooling.arrays import check_code, check_level, read_only, vector

if TYPE_CHECKING:
    from metasyn.network.estimate import NetworkEstimate

Array = npt.NDArray[np.float64]
METHODS = ("normal", "quasi-variance")
SMALLEST_ERROR, LARGEST_ERROR = 1e-6, 0.1  # that may be asked for


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankProbabilities:
    """How probable each rank is for each of n treatments; rank 1 is best.

    A treatment's rank is 1 plus the number of treatments that beat it: that are better by more than `important_difference`. With a difference
    several can share rank 1, and columns of `probabilities` no longer sum to 1.
    """

    table: pd.DataFrame
    """Highest SUCRA first: treatment; sucra (the mean share of the others that do not beat it); p_score (the mean probability of beating each
    other one; equal to sucra without a difference); mean_rank = 1 + (n - 1)(1 - sucra); median_rank; rank_low, rank_high (central interval of
    the rank, of at least `level`); probability_best (of having the best effect of all); probability_within (of being within the
    difference of the best effect, which is to be beaten by none: P(rank 1))."""
    probabilities: pd.DataFrame  # (n, n): treatment, in the order of `treatments`, by rank 1..n
    monte_carlo_error: pd.DataFrame  # the same shape: two standard errors of each; 0 where the value is exact
    error: float  # the largest Monte Carlo error of any probability, P(best) included
    points: int  # of quasi-Monte Carlo, or draws; 0 where the values are exact
    method: str  # normal, quasi-variance (of independent normals; an approximation) or draws
    quasi_variances: pd.Series | None  # by treatment; None for other methods
    small_is_good: bool
    important_difference: float  # analysis scale (log for ratios)
    level: float  # of the intervals of ranks
    treatments: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def cumulative(self) -> pd.DataFrame:
        """P(rank <= r) by treatment (rows) and r (columns)."""
        return self.probabilities.cumsum(axis=1).clip(upper=1.0)

    def summary(self) -> str:
        """A line for each treatment, with its interval of ranks: never a bare order."""
        lines = [
            f"{row.treatment}: SUCRA {row.sucra:.2f}, mean rank {row.mean_rank:.1f} "
            f"({self.level:.0%} interval {row.rank_low} to {row.rank_high}), P(best) {row.probability_best:.2f}"
            for row in self.table.itertuples()
        ]
        return "\n".join(lines)


def rank_probabilities(
    fit: NetworkEstimate,
    *,
    small_is_good: bool = True,
    important_difference: float = 0.0,
    method: str = "normal",
    error: float = 1e-3,
    seed: int = 0,
) -> RankProbabilities:
    """Probabilities of ranks of the treatments of a network.

    Parameters
    ----------
    fit : NetworkEstimate
        The network.
    small_is_good : bool
        Whether a smaller effect is the better one, as of a log hazard ratio of death.
    important_difference : float
        How much better a treatment must be than another to beat it, analysis scale (log for ratios: log 1.1, not 1.1).
    method : str
        normal: the joint distribution of all effects, t where the fit's intervals are t; quasi-variance: treatments as independent normals with
        quasi-variances, the approximation that netmeta's rankogram draws from.
    error : float
        Largest Monte Carlo error that any probability may have (two standard errors), from 1e-6 to 0.1.
    seed : int
        Of the randomisation; results differ by no more than the stated errors between seeds.

    Raises
    ------
    ValueError
        If the method is not known, or difference, error or seed are not such numbers.

    Notes
    -----
    Intervals of ranks have the fit's level. See `rank_normal`.

    References
    ----------
    Salanti, Ades and Ioannidis 2011, J Clin Epidemiol 64:163-71 (rank probabilities, SUCRA); Rücker and Schwarzer 2015, BMC Medical Research
    Methodology 15:58 (P-scores); Firth and de Menezes 2004, Biometrika 91:65-80 (quasi-variances).
    """
    check_code("method", method, METHODS)
    mean = fit.league[fit.reference].to_numpy()
    variance = fit.league_se.to_numpy() ** 2
    if method == "normal":
        to_reference = variance[fit.treatments.index(fit.reference)]
        covariance = (to_reference[:, None] + to_reference - variance) / 2
        return rank_normal(
            mean, covariance, treatments=fit.treatments, df=fit.df, small_is_good=small_is_good,
            important_difference=important_difference, level=fit.level, error=error, seed=seed,
        )  # fmt: skip
    quasi = quasi_variances(variance)
    notes = [_quasi_note(quasi, variance)]
    if fit.df is not None:
        notes.append("the approximation is normal although the fit's intervals are t")
    _check(important_difference, error, seed)
    found = integrated(mean, np.diag(quasi), df=None, small_is_good=small_is_good, difference=important_difference, error=error, seed=seed)  # fmt: skip
    return _result(
        found, fit.treatments, method=method, small_is_good=small_is_good, difference=important_difference, level=fit.level,
        error=error, quasi=pd.Series(quasi, index=list(fit.treatments), name="quasi_variance"), notes=notes,
    )  # fmt: skip


def rank_normal(
    mean: npt.ArrayLike,
    covariance: npt.ArrayLike,
    *,
    treatments: Sequence[str] | None = None,
    df: float | None = None,
    small_is_good: bool = True,
    important_difference: float = 0.0,
    level: float = 0.95,
    error: float = 1e-3,
    seed: int = 0,
) -> RankProbabilities:
    """Probabilities of ranks where the effects of n treatments are jointly normal, or t.

    Parameters
    ----------
    mean : array, shape (n,)
        Effects versus any one reference, itself among them with 0.
    covariance : array, shape (n, n)
        Their covariance, zeros for the reference; only that of differences matters, and it may be singular. For t: the scale matrix.
    treatments : sequence of str or None
        Names; `treatment 1` and so on where none are given.
    df : float or None
        Degrees of freedom of t; None for normal.
    small_is_good, important_difference, error, seed
        As of `rank_probabilities`.
    level : float
        Of the intervals of ranks.

    Raises
    ------
    ValueError
        If shapes do not fit, values are missing, the covariance is not symmetric or not positive semidefinite, or an option is out of range.

    Notes
    -----
    SUCRA, P-scores and mean ranks are exact, from pairs; for two treatments, and for three that are normal, everything is. Other probabilities are
    shares of points of a randomly shifted lattice and their mirror images; points are added, at most twice as many at a time, until two standard
    errors of each, from 32 randomisations, are within `error`. Without a difference they are then moved, within that error, to where rows
    and columns sum to 1 and mean ranks are the exact ones. Effects that are the same share their ranks in equal parts.
    """
    centre, spread = vector("mean", mean), np.array(covariance, dtype=float)
    names = _names(treatments, centre.size)
    if spread.shape != (centre.size, centre.size):
        raise ValueError(f"covariance has shape {spread.shape}; accepted: {(centre.size, centre.size)}, as mean")
    if not np.isfinite(spread).all():
        raise ValueError("covariance has missing or infinite values; accepted: finite numbers")
    if np.abs(spread - spread.T).max() > 1e-8 * np.abs(spread).max():
        raise ValueError("covariance is not symmetric; accepted: the covariance matrix of all effects")
    if df is not None and not 0 < df < np.inf:
        raise ValueError(f"df is not a positive number ({df}); accepted: degrees of freedom, or None for normal")
    check_level(level)
    _check(important_difference, error, seed)
    found = integrated(centre, (spread + spread.T) / 2, df=df, small_is_good=small_is_good, difference=important_difference, error=error, seed=seed)  # fmt: skip
    notes = [] if df is None else [f"the joint distribution is t with {df:g} degrees of freedom, as the intervals"]
    return _result(
        found, names, method="normal", small_is_good=small_is_good, difference=important_difference, level=level, error=error,
        quasi=None, notes=notes,
    )  # fmt: skip


def rank_draws(
    draws: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    treatments: Sequence[str] | None = None,
    small_is_good: bool = True,
    important_difference: float = 0.0,
    level: float = 0.95,
) -> RankProbabilities:
    """Probabilities of ranks from draws of the effects of n treatments, as of a posterior.

    Parameters
    ----------
    draws : array, shape (S, n)
        Effects versus any one reference, itself among them with 0.
    weights : array, shape (S,), or None
        Of the draws, not negative; None for equal ones.
    treatments, small_is_good, important_difference, level
        As of `rank_normal`.

    Raises
    ------
    ValueError
        If shapes do not fit, values are missing, weights are negative or all 0, or an option is out of range.

    Notes
    -----
    Errors are two binomial standard errors of independent draws, with (sum w)^2 / sum w^2 of them; of no use where draws depend on each other.
    Equal effects share their ranks.
    """
    effects = np.array(draws, dtype=float)
    if effects.ndim != 2 or effects.shape[0] < 1:
        raise ValueError(f"draws has shape {effects.shape}; accepted: (draws, treatments), at least one draw")
    if not np.isfinite(effects).all():
        raise ValueError("draws has missing or infinite values; accepted: finite numbers")
    names = _names(treatments, effects.shape[1])
    weight = np.ones(len(effects)) if weights is None else vector("weights", weights)
    if weight.shape != (len(effects),) or (weight < 0).any() or not weight.sum() > 0:
        raise ValueError(f"weights has shape {weight.shape}; accepted: {len(effects)} numbers of 0 or more, not all 0")
    check_level(level)
    _check(important_difference, SMALLEST_ERROR, 0)
    found = drawn(effects if small_is_good else -effects, weight / weight.sum(), important_difference)
    return _result(
        found, names, method="draws", small_is_good=small_is_good, difference=important_difference, level=level, error=None,
        quasi=None, notes=["Monte Carlo errors take the draws as independent"],
    )  # fmt: skip


def _result(
    found: RankIntegrals,
    treatments: tuple[str, ...],
    *,
    method: str,
    small_is_good: bool,
    difference: float,
    level: float,
    error: float | None,
    quasi: pd.Series | None,
    notes: list[str],
) -> RankProbabilities:
    n = len(treatments)
    mean_rank = 1 + found.beaten_by
    reached = np.cumsum(found.probabilities, axis=1)
    low, middle, high = (
        # 1e-9: a cumulative probability that is the quantile up to rounding counts as reached
        1 + np.minimum((reached < share - 1e-9).sum(axis=1), n - 1)
        for share in ((1 - level) / 2, 0.5, (1 + level) / 2)
    )
    table = pd.DataFrame(
        {
            "treatment": list(treatments),
            "sucra": 1 - found.beaten_by / (n - 1),
            "p_score": found.beats / (n - 1),
            "mean_rank": mean_rank,
            "median_rank": middle,
            "rank_low": low,
            "rank_high": high,
            "probability_best": found.best,
            "probability_within": found.probabilities[:, 0],
        }
    ).sort_values(["sucra", "treatment"], ascending=[False, True], ignore_index=True)
    if error is not None and found.largest_error > error:
        notes = [*notes, f"the Monte Carlo error is {found.largest_error:.1g}, more than the {error:g} asked for, after {found.points} points"]  # fmt: skip
    best = int(found.best.argmax())
    if found.best[best] < level:
        notes = [
            *notes,
            f"no treatment is best with a probability of {level:g} or more; the highest is {found.best[best]:.2f} ({treatments[best]})",
        ]
    ranks = list(range(1, n + 1))
    frames = (
        pd.DataFrame(read_only(values), index=list(treatments), columns=ranks, copy=False)
        for values in (found.probabilities, found.error)
    )
    probabilities, monte_carlo_error = frames
    return RankProbabilities(
        table=table,
        probabilities=probabilities,
        monte_carlo_error=monte_carlo_error,
        error=found.largest_error,
        points=found.points,
        method=method,
        quasi_variances=quasi,
        small_is_good=small_is_good,
        important_difference=float(difference),
        level=level,
        treatments=treatments,
        notes=tuple(notes),
    )


def _quasi_note(quasi: Array, variance: Array) -> str:
    """How far the independent normals' standard errors are off."""
    first, second = np.triu_indices(len(quasi), 1)
    known = variance[first, second] > 0
    ratio = np.sqrt((quasi[first] + quasi[second])[known] / variance[first, second][known])
    off = f"{100 * (ratio.min() - 1):+.1f}% to {100 * (ratio.max() - 1):+.1f}%" if ratio.size else "not assessable"
    return f"treatments are taken as independent normals with quasi-variances, an approximation: standard errors of pairs are off by {off}"


def _names(treatments: Sequence[str] | None, n: int) -> tuple[str, ...]:
    if n < 2:
        raise ValueError(f"there are {n} treatments to rank; accepted: two or more")
    if treatments is None:
        return tuple(f"treatment {number}" for number in range(1, n + 1))
    names = tuple(str(name) for name in treatments)
    if len(names) != n or len(set(names)) != n:
        raise ValueError(f"treatments are {', '.join(names)}; accepted: {n} different names")
    return names


def _check(difference: float, error: float, seed: int) -> None:
    if isinstance(difference, str) or difference is None or not 0 <= difference < np.inf:
        raise ValueError(f"important_difference is not a number of 0 or more ({difference}), on the analysis scale; accepted: such a number")  # fmt: skip
    if isinstance(error, str) or error is None or not SMALLEST_ERROR <= error <= LARGEST_ERROR:
        raise ValueError(f"error is {error}; accepted: {SMALLEST_ERROR:g} to {LARGEST_ERROR:g}")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is not an integer of 0 or more ({seed}); accepted: such an integer")
