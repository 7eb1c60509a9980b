"""Effect sizes of two groups from counts: log risk ratio, log odds ratio, risk difference.

References
----------
Fleiss JL, Berlin JA (2009), in Cooper, Hedges and Valentine, The Handbook of Research Synthesis, 2nd ed., chapter 13.
Conventions for zero cells as in metafor's `escalc` (Viechtbauer 2010).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
To = Literal["only0", "all", "if0all", "none"]


def _risk_ratio(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    return np.log(a / (a + b)) - np.log(c / (c + d)), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)


def _odds_ratio(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    return np.log(a) - np.log(b) - np.log(c) + np.log(d), 1 / a + 1 / b + 1 / c + 1 / d


def _risk_difference(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    n_treatment, n_comparator = a + b, c + d
    p_treatment, p_comparator = a / n_treatment, c / n_comparator
    return (
        p_treatment - p_comparator,
        p_treatment * (1 - p_treatment) / n_treatment + p_comparator * (1 - p_comparator) / n_comparator,
    )


MEASURES: dict[str, Callable[[Array, Array, Array, Array], tuple[Array, Array]]] = {
    "RR": _risk_ratio,
    "OR": _odds_ratio,
    "RD": _risk_difference,
}


def effect_size(
    measure: str,
    *,
    events_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    events_comparator: npt.ArrayLike,
    n_comparator: npt.ArrayLike,
    add: float = 0.5,
    to: To = "only0",
) -> pd.DataFrame:
    """Effect and standard error of two groups, one row per study.

    Parameters
    ----------
    measure : str
        RR, OR (both on the log scale) or RD.
    events_treatment, n_treatment, events_comparator, n_comparator : array, shape (k,)
        Events and patients per group.
    add : float
        Added to the four cells of a table.
    to : str
        Which tables: `only0` those with a zero cell, `if0all` all if any has one, `all`, `none`.

    Returns
    -------
    DataFrame
        Columns effect, se (k rows); NaN where the measure is undefined for a table.

    Raises
    ------
    ValueError
        For an unknown measure or rule, or events that are negative or exceed the patients.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure is not known ({measure}); accepted: {', '.join(MEASURES)}")
    if to not in ("only0", "all", "if0all", "none"):
        raise ValueError(f"to is not known ({to}); accepted: only0, if0all, all, none")
    a, n_t = _column("events_treatment", events_treatment), _column("n_treatment", n_treatment)
    c, n_c = _column("events_comparator", events_comparator), _column("n_comparator", n_comparator)
    if len({a.size, n_t.size, c.size, n_c.size}) != 1:
        raise ValueError("events and n have different lengths")
    wrong = (a < 0) | (c < 0) | (a > n_t) | (c > n_c)
    if wrong.any():
        raise ValueError(f"events are negative or more than the patients (rows {np.flatnonzero(wrong).tolist()})")
    cells = np.stack([a, n_t - a, c, n_c - c])  # 4 x k
    zero = (cells == 0).any(axis=0)
    corrected = {
        "only0": zero,
        "all": np.ones_like(zero),
        "if0all": np.full_like(zero, zero.any()),
        "none": np.zeros_like(zero),
    }[to]
    cells = cells + add * corrected
    with np.errstate(divide="ignore", invalid="ignore"):
        effect, variance = MEASURES[measure](*cells)
    undefined = ~np.isfinite(effect) | ~np.isfinite(variance)
    return pd.DataFrame(
        {"effect": np.where(undefined, np.nan, effect), "se": np.where(undefined, np.nan, np.sqrt(variance))}
    )


def _column(name: str, values: Any) -> Array:
    array = np.atleast_1d(np.asarray(values, dtype=float))
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f"{name} is not a 1-d sequence of numbers without gaps")
    return array
