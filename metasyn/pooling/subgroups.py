"""Pools of subgroups side by side, and the test of a difference between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from metasyn.pooling.arrays import check_effects, check_level
from metasyn.pooling.fit import Fit
from metasyn.pooling.interval import two_sided_p
from metasyn.pooling.pool import check_codes, pool
from metasyn.pooling.pool_many import pool_many
from metasyn.pooling.regression import estimate_tau2
from metasyn.pooling.regression_model import RegressionModel
from metasyn.pooling.result import PooledEstimate
from metasyn.pooling.tau2 import COMMON

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subgroups:
    """Subgroups on the analysis scale; groups in order of their values."""

    groups: pd.DataFrame  # indexed by group, the columns of `pool_many`, and i2_from_q (percent, by Q alone)
    common: pd.DataFrame  # the same by the common-effect model
    q_between: float  # test between the subgroups' estimates, chi-square
    q_between_df: int
    q_between_p_value: float
    q_between_common: float  # the same between the common-effect estimates
    q_between_common_p_value: float
    overall: PooledEstimate  # all studies, without regard to the groups
    tau2_common: bool
    level: float
    notes: tuple[str, ...]


def subgroups(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    group: Any,
    *,
    tau2: str = "REML",
    tau2_common: bool = False,
    ci: str = "HK",
    level: float = 0.95,
) -> Subgroups:
    """Pool each subgroup, with its own tau2 or one for all, and test whether they differ.

    Parameters
    ----------
    effect, se, group : array, shape (k,)
        Effects, standard errors, and the subgroup of each study.
    tau2, ci, level
        As in `pool`.
    tau2_common : bool
        One tau2 for all subgroups: the residual one of the meta-regression on the groups. Where groups are small,
        their own tau2 are hardly estimable.

    Returns
    -------
    Subgroups

    Raises
    ------
    ValueError
        As `pool_many`, and if there is one group only.

    References
    ----------
    Borenstein et al. 2009, Introduction to Meta-Analysis, chapter 19; Borenstein and Higgins 2013, Prevention Science 14:134-43.
    """
    check_codes(tau2, ci, level)
    check_level(level)
    y, v = check_effects(effect, se)
    common = pool_many(y, np.sqrt(v), group, tau2=COMMON, ci="z", level=level)
    if len(common) < 2:
        raise ValueError(f"there is one group only ({common.index[0]}); accepted: two or more")
    if tau2_common and tau2 != COMMON:
        groups = _with_one_tau2(y, v, np.asarray(group), common, tau2=tau2, ci=ci, level=level)
    else:
        groups = pool_many(y, np.sqrt(v), group, tau2=tau2, ci=ci, level=level)
    groups["i2_from_q"] = common["i2"]
    df = len(groups) - 1
    between, between_common = _between(groups), _between(common)
    return Subgroups(
        groups=groups,
        common=common,
        q_between=between,
        q_between_df=df,
        q_between_p_value=float(chdtrc(df, between)),
        q_between_common=between_common,
        q_between_common_p_value=float(chdtrc(df, between_common)),
        overall=pool(y, np.sqrt(v), tau2=tau2, ci=ci, level=level),
        tau2_common=tau2_common,
        level=level,
        notes=_notes(groups, tau2_common),
    )


def _between(groups: pd.DataFrame) -> float:
    """Cochran's Q of the subgroups' estimates, weighted by the inverse of their squared standard errors."""
    estimate, se = groups["estimate"].to_numpy(), groups["se"].to_numpy()
    if not (se > 0).all():
        return float("nan")
    fit = Fit.of(estimate, se**2, tau2=COMMON, ci="z", level=0.95)
    return float(fit.q)


def _with_one_tau2(
    y: Array, v: Array, group: npt.NDArray[Any], common: pd.DataFrame, *, tau2: str, ci: str, level: float
) -> pd.DataFrame:
    """Each group at the residual tau2 of the regression on the groups."""
    design = (group[:, None] == common.index.to_numpy()[None, :]).astype(float)
    model = RegressionModel(y, v, design)
    shared, _ = estimate_tau2(model, model.at(0.0), tau2)
    table = common.copy()
    for name in common.index:
        own = group == name
        if own.sum() == 1:
            half = table.loc[name, "ci_high"] - table.loc[name, "estimate"]
            grown = float(np.sqrt(1 + shared / v[own][0]))
            estimate = table.loc[name, "estimate"]
            table.loc[name, ["i2", "h2"]] = np.nan
            table.loc[name, ["se", "ci_low", "ci_high"]] = [np.sqrt(v[own][0] + shared), estimate - grown * half, estimate + grown * half]  # fmt: skip
            statistic = estimate / table.loc[name, "se"]
            table.loc[name, ["statistic", "p_value"]] = [statistic, float(two_sided_p(float(statistic), None))]
            continue
        fit = Fit.of(y[own], v[own], tau2=shared, ci=ci, level=level)
        estimate, half = float(fit.estimate), float(fit.half_width)
        values = {"estimate": estimate, "se": float(fit.interval[0]), "ci_low": estimate - half, "ci_high": estimate + half, "statistic": float(fit.statistic), "p_value": float(fit.p_value), "i2": float(fit.i2), "h2": float(fit.h2)}  # fmt: skip
        values["df"] = np.nan if fit.interval[1] is None else float(fit.interval[1])
        table.loc[name, list(values)] = list(values.values())
    table["tau2"] = shared
    return table


def _notes(groups: pd.DataFrame, tau2_common: bool) -> tuple[str, ...]:
    notes = []
    small = [str(name) for name, k in groups["k"].items() if k < 5]
    if small and not tau2_common:
        notes.append(
            f"fewer than 5 studies in {', '.join(small)}: tau2 of its own is hardly estimable there; one tau2 for all groups would be steadier"
        )
    if len(groups) and groups["k"].sum() < 10:
        notes.append(
            f"{int(groups['k'].sum())} studies in all: a difference between subgroups is an observation, not a finding"
        )
    return tuple(notes)
