"""Permutation test of a meta-regression: how often shuffled moderators do as well."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations as all_orders
from math import factorial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.regression import MetaRegression, meta_regression

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PermutationTest:
    """p values of a meta-regression by shuffling the rows of its moderators."""

    fit: MetaRegression  # of the data as they are
    qm_p_value: float
    coefficients: pd.DataFrame  # term p_value, of the absolute statistic
    permutations: int
    exact: bool  # all orders, rather than a sample
    notes: tuple[str, ...]


def permutation_test(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    moderators: Any,
    *,
    data: pd.DataFrame | None = None,
    tau2: str = "REML",
    ci: str = "HK",
    permutations: int = 1000,
    seed: int = 0,
) -> PermutationTest:
    """Test moderators without the normality of their coefficients: tau2 is estimated anew for every shuffled order.

    Parameters
    ----------
    moderators, data, tau2, ci
        As in `meta_regression`; the model needs an intercept.
    permutations : int
        Orders drawn (the observed one counts as one more); all k! orders where that is no more.
    seed : int

    Raises
    ------
    ValueError
        As `meta_regression`; without an intercept or a moderator.

    References
    ----------
    Higgins and Thompson 2004, Statistics in Medicine 23:1663-82; Follmann and Proschan 1999, Biometrics 55:732-7.
    """
    fit = meta_regression(effect, se, moderators, data=data, tau2=tau2, ci=ci)
    if fit.terms[0] != "intercept" or fit.p < 2:
        raise ValueError("a permutation test shuffles moderators beside an intercept; this model has not both")
    k, y, s = fit.k, fit.effects, fit.standard_errors
    exact = factorial(min(k, 15)) <= permutations
    rng = np.random.default_rng(seed)
    orders = all_orders(range(k)) if exact else (rng.permutation(k) for _ in range(permutations))
    observed = np.concatenate([[fit.qm], np.abs(fit.coefficients["statistic"])])
    reached = np.zeros(observed.size) if exact else np.ones(observed.size)  # a sample counts the observed order in
    tried = 0 if exact else 1
    for order in orders:
        shuffled = meta_regression(y, s, fit.design[list(order)], intercept=False, tau2=tau2, ci=ci)
        qm = _wald(shuffled)
        reached += np.concatenate([[qm], np.abs(shuffled.coefficients["statistic"])]) >= observed * (1 - 1e-9)
        tried += 1
    p = reached / tried
    notes = (f"the smallest p value that {tried} orders can give is {1 / tried:.2g}",)
    return PermutationTest(
        fit=fit,
        qm_p_value=float(p[0]),
        coefficients=pd.DataFrame({"term": list(fit.terms), "p_value": p[1:]}),
        permutations=tried,
        exact=exact,
        notes=notes,
    )


def _wald(fit: MetaRegression) -> float:
    """QM of all columns but the first, on the scale of the fit's test."""
    b = fit.coefficients["estimate"].to_numpy()[1:]
    value = float(b @ np.linalg.solve(fit.covariance[1:, 1:], b))
    return value if fit.df is None else value / b.size
