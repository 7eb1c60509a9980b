"""Confidence intervals of the mean: normal, t, Hartung-Knapp with its ad hoc corrections, Kenward-Roger; for many pools at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy import special

from metasyn.pooling.block import Block, Sums, add_up
from metasyn.pooling.tau2 import dersimonian_laird

Array = npt.NDArray[np.float64]
Reference = tuple[Array, Array | float | None]  # standard error of each pool; degrees of freedom of t, None for normal
Method = Callable[[Block, Sums, float], Reference]  # (block, sums at tau2, level)


def _wald(_block: Block, sums: Sums, _level: float) -> Reference:
    return 1 / np.sqrt(sums.total), None


def _wald_t(block: Block, sums: Sums, _level: float) -> Reference:
    return 1 / np.sqrt(sums.total), block.k - 1.0


def q_factor(block: Block, sums: Sums) -> Array:
    """Hartung and Knapp's factor q on Wald's variance, shape (n,): generalised Q over its degrees of freedom."""
    return sums.q / (block.k - 1)


def hartung_knapp(block: Block, sums: Sums, _level: float) -> Reference:
    """Hartung and Knapp 2001, Statistics in Medicine 20:3875-89; Sidik and Jonkman 2002, Statistics in Medicine 21:3153-9."""
    return np.sqrt(q_factor(block, sums) / sums.total), block.k - 1.0


def _adhoc(block: Block, sums: Sums, _level: float) -> Reference:
    """Knapp and Hartung 2003, Statistics in Medicine 22:2693-710: the factor is never below 1."""
    return np.sqrt(np.maximum(1.0, q_factor(block, sums)) / sums.total), block.k - 1.0


def _adhoc_interval(block: Block, sums: Sums, level: float) -> Reference:
    """The wider of the Hartung-Knapp and Wald's normal interval: Wiksten, Rücker and Schwarzer 2016, Statistics in Medicine 35:2503-15."""
    se, df = hartung_knapp(block, sums, level)[0], block.k - 1.0
    wald = 1 / np.sqrt(sums.total)
    narrow = critical_value(level, df) * se < critical_value(level, None) * wald
    return np.where(narrow, wald, se), np.where(narrow, np.inf, df)


def _adhoc_iqwig(block: Block, sums: Sums, level: float) -> Reference:
    """General Methods 6 of IQWiG (2020): the factor is floored at 1 where the interval is narrower than DerSimonian and Laird's."""
    se, df = hartung_knapp(block, sums, level)
    laird = 1 / np.sqrt(Sums.at(block, dersimonian_laird(block, Sums.at(block, 0.0))).total)
    narrow = critical_value(level, df) * se < critical_value(level, None) * laird
    return np.where(narrow, _adhoc(block, sums, level)[0], se), df


def kenward_roger(_block: Block, sums: Sums, _level: float) -> Reference:
    """Kenward and Roger 1997, Biometrics 53:983-97, for the mean, with the expected information of REML.

    With the variance 1/sum(w) of the mean and 2/tr(PP) of tau2: the variance V of the mean grows by
    2 (sum(w^3) - sum(w^2)^2/sum(w)) var(tau2) / sum(w)^2, and df = 2 / (var(tau2) (V sum(w^2))^2)
    (Partlett and Riley 2017, Statistics in Medicine 36:301-17). As in R's meta the df take the grown variance; with
    the variance 1/sum(w) they would be somewhat larger.
    """
    w, total = sums.weights, sums.total
    square = add_up(w**2)
    variance_tau2 = 2 / sums.p_squared()
    # sum(w^3) - sum(w^2)^2/sum(w) as a sum of squares about the weighted mean of w
    excess = add_up(w * (w - square / total) ** 2)
    variance = 1 / total + 2 * variance_tau2 * excess / total**2
    return np.sqrt(variance), 2 / (variance_tau2 * (square * variance) ** 2)


@dataclass(frozen=True, slots=True)
class IntervalMethod:
    """A standard error of the mean with the reference distribution it goes with."""

    name: str
    reference: Method


CI_METHODS: dict[str, IntervalMethod] = {
    "z": IntervalMethod("Wald, normal", _wald),
    "t": IntervalMethod("Wald, t", _wald_t),
    "HK": IntervalMethod("Hartung-Knapp", hartung_knapp),
    "HK_adhoc": IntervalMethod("Hartung-Knapp with the variance never below Wald's", _adhoc),
    "HK_adhoc_ci": IntervalMethod("the wider of Hartung-Knapp and Wald", _adhoc_interval),
    "HK_adhoc_IQWiG6": IntervalMethod("Hartung-Knapp, floored where narrower than DerSimonian-Laird's", _adhoc_iqwig),
    "KR": IntervalMethod("Kenward-Roger", kenward_roger),
}


def critical_value(level: float, df: Array | float | None) -> Array | float:
    """Two-sided quantile of t, normal where df is None or infinite."""
    tail = (1 - level) / 2
    if df is None:
        return -float(special.ndtri(tail))
    if isinstance(df, float):
        return -float(special.stdtrit(df, tail))
    finite = np.isfinite(df)
    return np.where(finite, -special.stdtrit(np.where(finite, df, 1.0), tail), -special.ndtri(tail))


def two_sided_p(statistic: Array | float, df: Array | float | None) -> Array:
    """Two-sided p value by t, normal where df is None or infinite."""
    size = -np.abs(statistic)
    if df is None:
        p = special.ndtr(size)
    elif isinstance(df, float):
        p = special.stdtr(df, size)
    else:
        finite = np.isfinite(df)
        p = np.where(finite, special.stdtr(np.where(finite, df, 1.0), size), special.ndtr(size))
    return cast(Array, 2 * p)
