"""Peto's one-step odds ratio.

References
----------
Yusuf S, Peto R, Lewis J, Collins R, Sleight P (1985), Progress in Cardiovascular Diseases 27:335-71, appendix.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt

from metasyn.pooling.count_data import Counts

Array = npt.NDArray[np.float64]


def observed_minus_expected(counts: Counts) -> tuple[Array, Array]:
    """Treated events less those expected without an effect, and their hypergeometric variance, shape (k,) each."""
    (a, c), (n1, n2) = counts.events.T, counts.size.T
    total, events = n1 + n2, a + c
    with np.errstate(divide="ignore", invalid="ignore"):  # one patient in all has no variance
        variance = n1 * n2 * events * (total - events) / (total**2 * (total - 1))
    return a - n1 * events / total, np.where(total > 1, variance, 0.0)


def peto(counts: Counts) -> tuple[float, float, float, int]:
    """Log odds ratio sum(O - E) / sum(V), its standard error 1 / sqrt(sum(V)), heterogeneity Q, and studies with V > 0.

    Q is the sum of (O - E)^2 / V less its value for the whole, which is that of studies with effects (O - E)/V and variances 1/V.

    Raises
    ------
    ValueError
        If no study has any variance.
    """
    difference, variance = observed_minus_expected(counts)
    has = variance > 0
    if not has.any():
        raise ValueError("no study has both events and non-events: the odds ratio is undefined")
    difference, variance = difference[has], variance[has]
    estimate = float(difference.sum() / variance.sum())
    q = float((variance * (difference / variance - estimate) ** 2).sum())
    return estimate, 1 / sqrt(float(variance.sum())), q, int(has.sum())
