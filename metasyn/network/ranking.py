"""Ranking in closed form: P-scores, probabilities of beating another treatment, quasi-variances."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, stdtr

Array = npt.NDArray[np.float64]


def p_scores(
    league: Array,
    se: Array,
    treatments: tuple[str, ...],
    *,
    df: float | None,
    small_is_good: bool,
    important_difference: float = 0.0,
) -> pd.DataFrame:
    """P-scores of n treatments, best first.

    Parameters
    ----------
    league, se : array, shape (n, n)
        Effects of row versus column treatment, and their standard errors.
    df : float or None
        Degrees of freedom of t; None for normal.
    small_is_good : bool
        Whether a smaller effect is the better one.
    important_difference : float
        How much better a treatment must be than another, on the scale of the effects, for it to count.

    Returns
    -------
    DataFrame
        treatment; p_score: mean over the others of the one-sided probability of being better than each by more than the difference,
        between 0 and 1; expected_rank: 1 + (n - 1)(1 - p_score), where 1 is best (with a difference, treatments closer than it count as
        lost). Both are means over an uncertain order, not an order.

    References
    ----------
    Rücker and Schwarzer 2015, BMC Medical Research Methodology 15:58: the P-score is SUCRA where the effects' posterior is normal
    around the estimates. Mavridis et al. 2020, Biometrical Journal 62:375-85 (clinically important differences).
    """
    n = len(treatments)
    better = probability_better(
        league, se, df=df, small_is_good=small_is_good, important_difference=important_difference
    )
    score = better.sum(axis=1) / (n - 1)
    frame = pd.DataFrame({"treatment": list(treatments), "p_score": score, "expected_rank": 1 + (n - 1) * (1 - score)})
    return frame.sort_values(["p_score", "treatment"], ascending=[False, True], ignore_index=True)


def probability_better(
    league: Array, se: Array, *, df: float | None, small_is_good: bool, important_difference: float = 0.0
) -> Array:
    """Probability that the row treatment is better than the column treatment by more than a difference.

    Parameters
    ----------
    league, se, df, small_is_good, important_difference
        As of `p_scores`.

    Returns
    -------
    array, shape (n, n)
        The diagonal is 0. What is known without error is 0 or 1, and without a difference 0.5 where effects are equal.
    """
    other = ~np.eye(len(league), dtype=bool)
    statistic = np.zeros(league.shape)
    gain = (-league if small_is_good else league)[other] - important_difference
    # standard errors can be 0, Hartung-Knapp's among them: then equal effects share, and any difference decides
    with np.errstate(divide="ignore", invalid="ignore"):
        equal = 0.0 if important_difference == 0 else -np.inf  # exactly the difference is not more than it
        statistic[other] = np.where((gain == 0) & (se[other] == 0), equal, gain / se[other])
    return np.asarray((ndtr(statistic) if df is None else stdtr(df, statistic)) * other, dtype=np.float64)


def quasi_variances(variance: Array) -> Array:
    """Variances of n independent estimates whose differences have nearly the given variances.

    Parameters
    ----------
    variance : array, shape (n, n)
        Of the differences of all pairs.

    Returns
    -------
    array, shape (n,)
        The q of 0 or more with the least sum of (v_ij - q_i - q_j)^2 over pairs. For two treatments v / 2; for three
        exact, unless one would be negative.

    References
    ----------
    Firth and de Menezes 2004, Biometrika 91:65-80, who weigh the pairs otherwise (relative errors): unweighted least squares is what
    netmeta's rankograms rest on.
    """
    n = len(variance)
    total: Array = variance.sum(axis=1)
    if n == 2:
        return np.asarray(total / 2, dtype=np.float64)
    # normal equations: (n - 2) q_i + sum(q) = total_i
    fitted = (total - total.sum() / (2 * (n - 1))) / (n - 2)
    rounding = 1e-12 * float(np.abs(variance).max())
    if fitted.min() >= -rounding:
        return np.asarray(np.maximum(fitted, 0.0), dtype=np.float64)
    from scipy.optimize import nnls

    first, second = np.triu_indices(n, 1)
    pairs = np.zeros((first.size, n))
    pairs[np.arange(first.size), first] = pairs[np.arange(first.size), second] = 1.0
    return np.asarray(nnls(pairs, variance[first, second])[0], dtype=np.float64)
