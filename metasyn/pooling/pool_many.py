"""Many pools at once: one row per group, with the numbers that `pool` gives for each group alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.arrays import check_effects
from metasyn.pooling.fit import Fit
from metasyn.pooling.heterogeneity import q_profile
from metasyn.pooling.interval import critical_value, two_sided_p
from metasyn.pooling.pool import check_codes
from metasyn.pooling.prediction_interval import BOOTSTRAP, predict
from metasyn.pooling.tau2 import COMMON

Array = npt.NDArray[np.float64]
ELEMENTS = 1 << 15  # of a block: its temporaries stay in the processor's cache
COLUMNS = ("estimate", "se", "ci_low", "ci_high", "statistic", "df", "p_value", "k", "tau2", "tau2_se", "i2", "h2", "q", "q_df", "q_p_value", "pi_low", "pi_high")  # fmt: skip
PROFILE = ("tau2_ci_low", "tau2_ci_high")


def pool_many(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    group: Any,
    *,
    tau2: str = "REML",
    ci: str = "HK",
    level: float = 0.95,
    prediction: str | None = None,
    heterogeneity_ci: bool = False,
) -> pd.DataFrame:
    """Pool each group of studies.

    Parameters
    ----------
    effect, se : array, shape (N,)
        Effects and standard errors of all studies of all groups, on the analysis scale.
    group : array, shape (N,)
        The group of each study: numbers or texts, in any order.
    tau2, ci, level, prediction
        As in `pool` (the bootstrap NNF excepted).
    heterogeneity_ci : bool
        Add the Q-profile interval of tau2, which costs about as much as the fit itself.

    Returns
    -------
    DataFrame
        One row per group, in order of the groups' values, indexed by them. Columns are the scalar names of
        `PooledEstimate`; df is NaN where the reference is normal, pi_* where there is none.

    Raises
    ------
    ValueError
        As `pool`, and if `group` has another length or a missing value.
    """
    check_codes(tau2, ci, level, prediction)
    if prediction == BOOTSTRAP:
        raise ValueError(f"prediction {BOOTSTRAP} is a bootstrap of one pool; accepted here: any other code of pool")
    y, v = check_effects(effect, se)
    codes, groups = pd.factorize(np.asarray(group), sort=True)
    if codes.size != y.size:
        raise ValueError(f"group has {codes.size} values for {y.size} studies")
    if (codes < 0).any():
        raise ValueError("group has missing values")
    order = np.argsort(codes, kind="stable")
    y, v = y[order], v[order]
    sizes = np.bincount(codes, minlength=len(groups))
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    names = COLUMNS + (PROFILE if heterogeneity_ci else ())
    table = np.full((len(names), len(groups)), np.nan)
    for k in np.unique(sizes):
        of_size = np.flatnonzero(sizes == k)
        for part in np.array_split(of_size, max(1, of_size.size * int(k) // ELEMENTS)):
            members = first[part] + np.arange(k)[:, None]  # (k, n)
            rows = _single(y[members[0]], v[members[0]], level, tau2) if k == 1 else _rows(y[members], v[members], tau2, ci, level, prediction, heterogeneity_ci)  # fmt: skip
            for column, values in enumerate(rows):
                table[column, part] = values
    frame = pd.DataFrame(dict(zip(names, table, strict=True)), index=pd.Index(groups, name="group"))
    return frame.astype({"k": int, "q_df": int})


def _rows(
    y: Array, v: Array, tau2: str, ci: str, level: float, prediction: str | None, profile: bool
) -> list[Array | float]:
    """The columns of `COLUMNS` (and `PROFILE`), for effects and variances of shape (k, n)."""
    fit = Fit.of(y, v, tau2=tau2, ci=ci, level=level)
    k, estimate, half = y.shape[0], fit.estimate, fit.half_width
    df = np.nan if fit.interval[1] is None else np.where(np.isinf(fit.interval[1]), np.nan, fit.interval[1])
    rows = [estimate, fit.interval[0], estimate - half, estimate + half, fit.statistic, df, fit.p_value, float(k)]
    rows += [fit.tau2, fit.tau2_se, fit.i2, fit.h2, fit.q, k - 1.0, fit.q_p_value]
    if tau2 == COMMON:
        return rows
    rows += predict(fit.block, fit.sums, fit.tau2, fit.interval, level, prediction)
    return rows + list(q_profile(fit.block, level)) if profile else rows


def _single(y: Array, v: Array, level: float, tau2: str) -> list[Array | float]:
    """One study by itself, as `pool` returns it."""
    se = np.sqrt(v)
    half = critical_value(level, None) * se
    unknown = 0.0 if tau2 == COMMON else np.nan
    p = np.asarray(two_sided_p(y / se, None))
    return [y, se, y - half, y + half, y / se, np.nan, p, 1.0, unknown, np.nan, unknown, unknown + 1, 0.0, 0.0, 1.0]
