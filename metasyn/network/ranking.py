"""Ranking of treatments by P-scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, stdtr

Array = npt.NDArray[np.float64]


def p_scores(
    league: Array, se: Array, treatments: tuple[str, ...], *, df: float | None, small_is_good: bool
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

    Returns
    -------
    DataFrame
        treatment; p_score: mean over the others of the one-sided probability of being better than each, between 0 and 1; expected_rank:
        1 + (n - 1)(1 - p_score), where 1 is best. Both are means over an uncertain order, not an order.

    References
    ----------
    Rücker and Schwarzer 2015, BMC Medical Research Methodology 15:58: the P-score is SUCRA where the effects' posterior is normal
    around the estimates.
    """
    n = len(treatments)
    other = ~np.eye(n, dtype=bool)
    statistic = np.zeros((n, n))
    gain = (-league if small_is_good else league)[other]
    # Hartung-Knapp standard errors can be 0: then equal effects share, and any difference decides
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic[other] = np.where(gain == 0, 0.0, gain / se[other])
    better = ndtr(statistic) if df is None else stdtr(df, statistic)
    score = (better * other).sum(axis=1) / (n - 1)
    frame = pd.DataFrame({"treatment": list(treatments), "p_score": score, "expected_rank": 1 + (n - 1) * (1 - score)})
    return frame.sort_values(["p_score", "treatment"], ascending=[False, True], ignore_index=True)
