"""Confidence intervals of the mean: normal, t, and Knapp-Hartung with and without the ad hoc floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]


def _q_factor(effect: Array, weights: Array, mean: float) -> float:
    residual = effect - mean
    residual[np.abs(residual) <= 4 * np.finfo(float).eps * np.abs(effect).max()] = 0.0  # rounding of equal effects
    return float(weights @ residual**2) / (effect.size - 1)


def _se_classic(_effect: Array, weights: Array, _mean: float) -> float:
    return float(1 / sqrt(weights.sum()))


def _se_hartung_knapp(effect: Array, weights: Array, mean: float) -> float:
    """Hartung and Knapp 2001, Statistics in Medicine 20:3875-89; Sidik and Jonkman 2002, Statistics in Medicine 21:3153-9."""
    return float(sqrt(_q_factor(effect, weights, mean) / weights.sum()))


def _se_hartung_knapp_adhoc(effect: Array, weights: Array, mean: float) -> float:
    """Knapp and Hartung 2003, Statistics in Medicine 22:2693-710: the factor is never below 1."""
    return float(sqrt(max(1.0, _q_factor(effect, weights, mean)) / weights.sum()))


@dataclass(frozen=True, slots=True)
class IntervalMethod:
    """A standard error of the mean and the reference distribution it goes with."""

    name: str
    se: Callable[[Array, Array, float], float]  # (effect, weights, mean) -> se
    uses_t: bool  # t with k - 1 degrees of freedom, else normal


CI_METHODS: dict[str, IntervalMethod] = {
    "z": IntervalMethod("Wald, normal", _se_classic, uses_t=False),
    "t": IntervalMethod("Wald, t", _se_classic, uses_t=True),
    "HK": IntervalMethod("Hartung-Knapp", _se_hartung_knapp, uses_t=True),
    "HK_adhoc": IntervalMethod(
        "Hartung-Knapp with the variance never below Wald's", _se_hartung_knapp_adhoc, uses_t=True
    ),
}


def critical_value(level: float, df: float | None) -> float:
    """Two-sided quantile: normal where df is None."""
    tail = (1 - level) / 2
    return float(-special.ndtri(tail) if df is None else -special.stdtrit(df, tail))


def two_sided_p(statistic: float, df: float | None) -> float:
    """Two-sided p value: normal where df is None."""
    size = abs(statistic)
    return float(2 * (special.ndtr(-size) if df is None else special.stdtr(df, -size)))
