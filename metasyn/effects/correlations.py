"""Effects from correlation coefficients: raw, corrected for bias, and Fisher's z.

References
----------
Fisher RA (1921). Metron 1:3-32: z.
Olkin I, Pratt JW (1958). Annals of Mathematical Statistics 29:201-11: the unbiased estimator.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import hyp2f1

Array = npt.NDArray[np.float64]

TAKES: Final = ("correlation", "n")
VTYPES: Final = {"COR": ("LS", "AV"), "UCOR": ("LS", "AV"), "ZCOR": ()}
SMALLEST_N: Final = {"COR": 4, "UCOR": 5, "ZCOR": 4}  # below, no variance (UCOR: no estimate)

SERIES_ABOVE: Final = 100  # n from which the hypergeometric function is summed here
TERMS: Final = 40


def check(correlation: Array, n: Array) -> None:
    """Refuse correlations outside -1 to 1, and groups without patients.

    Raises
    ------
    ValueError
        Naming the rows.
    """
    wrong = np.abs(correlation) > 1
    if wrong.any():
        raise ValueError(f"correlation is not between -1 and 1 (rows {np.flatnonzero(wrong).tolist()})")
    if (n <= 0).any():
        raise ValueError(f"n is not positive (rows {np.flatnonzero(n <= 0).tolist()})")


def effects(measure: str, correlation: Array, n: Array, *, vtype: str) -> tuple[Array, Array]:
    """Effect and sampling variance, shape (k,) each; NaN where n is too small.

    Parameters
    ----------
    measure : str
        COR, UCOR or ZCOR.
    correlation, n : array, shape (k,)
        Pearson correlations and the numbers of pairs.
    vtype : str
        For COR and UCOR: LS, the large-sample variance with each study's own correlation; AV, with the mean
        correlation, weighted by n.
    """
    enough = n >= SMALLEST_N[measure]
    if measure == "ZCOR":
        effect, variance = np.arctanh(correlation), 1 / (n - 3)
    else:
        effect = correlation if measure == "COR" else _olkin_pratt(correlation, np.where(enough, n, np.nan))
        centre = np.average(effect[enough], weights=n[enough]) if vtype == "AV" and enough.any() else effect
        variance = (1 - centre**2) ** 2 / (n - 1)
    return np.where(enough, effect, np.nan), np.where(enough, variance, np.nan)


def _olkin_pratt(r: Array, n: Array) -> Array:
    """G(r) = r 2F1(1/2, 1/2; (n - 2)/2; 1 - r^2), Olkin and Pratt 1958."""
    c, z = (n - 2) / 2, 1 - r**2
    small = n <= SERIES_ABOVE
    return np.asarray(r * np.where(small, hyp2f1(0.5, 0.5, np.where(small, c, 1.5), z), _series(c, z)))


def _series(c: Array, z: Array) -> Array:
    """2F1(1/2, 1/2; c; z) for large c by its own series, in which scipy's gamma functions would overflow.

    The terms are below those of B(k, c): at c = 49 the fortieth is below 1e-25.
    """
    k = np.arange(TERMS)[:, np.newaxis]
    return np.asarray(1 + np.cumprod((k + 0.5) ** 2 / ((c + k) * (k + 1)) * z, axis=0).sum(axis=0))
