"""Fail-safe N: how many unseen studies without effect would undo a result."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from metasyn.pooling.arrays import check_code
from metasyn.pooling.egger import check_studies

Array = npt.NDArray[np.float64]
TYPES = ("Rosenthal", "Orwin", "Rosenberg")
_CAUTION = (
    "a large number does not rule out publication bias: the unseen studies are taken to average 0, "
    "and heterogeneity is left aside; the Cochrane Handbook advises against fail-safe N"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailSafeN:
    """How many studies that average no effect would undo a result."""

    n: int  # 0 where there is nothing to undo
    type: str
    p_value: (
        float | None
    )  # of the studies seen: one-sided by Stouffer (Rosenthal), two-sided of the mean (Rosenberg); None for Orwin
    estimate: float | None  # mean of the studies seen, weighted for Rosenberg; None for Rosenthal
    target: float | None  # mean to be reached, with the sign of the estimate (Orwin)
    alpha: float | None  # of Rosenthal (one-sided) and Rosenberg (two-sided)
    weighted: bool
    k: int
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The number in one line."""
        return f"fail-safe N ({self.type}) = {self.n}, k = {self.k}"


def fail_safe_n(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    type: str = "Rosenthal",
    alpha: float = 0.05,
    target: float | None = None,
    weighted: bool = False,
) -> FailSafeN:
    """Number of unseen null studies that would undo a result.

    Parameters
    ----------
    effect, se : array, shape (k,)
        Effects and standard errors on the analysis scale, k of 3 or more.
    type : str
        Rosenthal: Stouffer's sum of z no longer significant at alpha, one-sided; Rosenberg: the
        inverse-variance weighted mean no longer
        significant at alpha, two-sided, the unseen studies having the average weight; Orwin: the mean shrunk to
        the target.
    alpha : float
        Level of Rosenthal and Rosenberg.
    target : float or None
        Of Orwin, the smallest mean that would matter; its size counts, its sign follows the mean.
    weighted : bool
        Whether Orwin's mean is weighted by 1/se^2.

    Returns
    -------
    FailSafeN

    Raises
    ------
    ValueError
        For fewer than 3 studies, arrays that `pool` refuses, an unknown type, an alpha that is not below 1/2,
        or a target that is missing, 0 or given to
        another type than Orwin.

    References
    ----------
    Rosenthal 1979, Psychol Bull 86:638-41; Orwin 1983, J Educ Stat 8:157-9; Rosenberg 2005, Evolution 59:464-8
    (fixed-effect form).
    """
    check_code("type", type, TYPES)
    y, v = check_studies(effect, se)
    if type == "Orwin":
        return _orwin(y, v, target, weighted)
    if target is not None or weighted:
        raise ValueError(f"target and weighted belong to type Orwin ({type})")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha is not between 0 and 1/2 ({alpha})")
    k = y.size
    if type == "Rosenthal":
        total = float((y / np.sqrt(v)).sum())
        return FailSafeN(
            n=_whole((total / float(ndtri(alpha))) ** 2 - k),
            type=type,
            p_value=float(ndtr(-abs(total) / sqrt(k))),
            estimate=None,
            target=None,
            alpha=alpha,
            weighted=False,
            k=k,
            notes=(f"Rosenthal called a result robust above 5k + 10 = {5 * k + 10}, by convention", _CAUTION),
        )
    mean, spread = _weighted_mean(y, v)
    statistic = abs(mean) / spread
    return FailSafeN(
        n=_whole(k * ((statistic / float(ndtri(alpha / 2))) ** 2 - 1) if statistic else -k),
        type=type,
        p_value=float(2 * ndtr(-statistic)),
        estimate=mean,
        target=None,
        alpha=alpha,
        weighted=True,
        k=k,
        notes=(_CAUTION,),
    )


def _orwin(y: Array, v: Array, target: float | None, weighted: bool) -> FailSafeN:
    if target is None:
        raise ValueError("target is missing; Orwin's number needs the smallest mean effect that would matter")
    if not (np.isfinite(target) and target != 0):
        raise ValueError(
            f"target is not a number other than 0 ({target}): no number of null studies brings a mean to 0"
        )
    k = y.size
    mean = _weighted_mean(y, v)[0] if weighted else float(y.mean())
    return FailSafeN(
        n=_whole(k * (abs(mean) / abs(target) - 1)),
        type="Orwin",
        p_value=None,
        estimate=mean,
        target=float(np.copysign(target, mean)),
        alpha=None,
        weighted=weighted,
        k=k,
        notes=(_CAUTION,),
    )


def _weighted_mean(y: Array, v: Array) -> tuple[float, float]:
    """Inverse-variance mean and its standard error."""
    weight = v.min() / v
    return float(weight @ y / weight.sum()), sqrt(float(v.min() / weight.sum()))


def _whole(number: float) -> int:
    """The next whole number, not below 0; what rounding left above one is cut off."""
    return max(0, ceil(number - 1e-9 * max(1.0, abs(number)) if abs(number) < 1e6 else number))
