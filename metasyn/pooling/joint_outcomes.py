"""Two outcomes of the same studies, such as overall and progression-free survival, pooled jointly over a grid of correlations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.arrays import check_code, check_level
from metasyn.pooling.multilevel import METHODS
from metasyn.pooling.multivariate import MultivariateEstimate, multivariate
from metasyn.pooling.pool import pool
from metasyn.pooling.result import PooledEstimate
from metasyn.pooling.sampling_covariance import block_covariance

COLUMNS = ("study", "outcome", "effect", "se")
ENOUGH = 10  # studies with both outcomes, from which the between-study correlation is estimated


def joint_outcomes(
    effects: pd.DataFrame,
    *,
    rho: Sequence[float] | npt.ArrayLike = (0.3, 0.5, 0.7, 0.9),
    between_rho: float | None = None,
    method: str = "REML",
    level: float = 0.95,
) -> pd.DataFrame:
    """Pool two outcomes jointly for each of several within-study correlations: a sensitivity analysis, never a headline.

    The correlation of the sampling errors of two outcomes of the same patients is hardly ever reported. The grid shows how far
    the two pooled effects could move if the outcomes lent each other strength; the headline stays each outcome's own pool.

    Parameters
    ----------
    effects : DataFrame
        Columns study, outcome, effect, se (analysis scale); two outcomes, a study has one row for each that it reports.
    rho : sequence of float
        Within-study correlations of the sampling errors, strictly between -1 and 1.
    between_rho : float or None
        Correlation of the true effects between studies, from -1 to 1. None: estimated where at least 10 studies report both
        outcomes; else fixed at the within-study correlation of the row.
    method : str
        REML or ML.
    level : float
        Coverage of the (normal) intervals, strictly between 0 and 1.

    Returns
    -------
    DataFrame
        A row for each rho and outcome: rho outcome k k_both estimate se ci_low ci_high tau2 between_rho univariate_estimate
        univariate_se univariate_tau2 note. The univariate columns are of `pool` by the same method, on the outcome's own studies, with
        Wald's standard error like the joint one.

    Raises
    ------
    ValueError
        If columns are missing, there are not two outcomes with two studies each, a study has an outcome twice, a value is missing or a
        standard error not positive (the rows are named), or a correlation is out of range.

    References
    ----------
    Riley 2009, J R Stat Soc A 172:789-811 (unknown within-study correlations); Jackson, Riley and White 2011, Statistics in Medicine
    30:2481-98 (correlations between few studies are badly estimated).
    """
    check_code("method", method, METHODS)
    check_level(level)
    grid = _grid(rho, between_rho)
    outcomes, univariate = _separate(effects, method, level)
    is_first = effects["outcome"].to_numpy() == outcomes[0]
    both = len(set(effects["study"][is_first]) & set(effects["study"][~is_first]))
    tables = []
    for within in grid:
        fixed = between_rho if between_rho is not None else None if both >= ENOUGH else within
        fit = multivariate(
            effects["effect"],
            outcome=effects["outcome"].astype(str),  # the order of `outcomes`
            study=effects["study"],
            covariance=block_covariance(effects["se"].to_numpy(dtype=float) ** 2, cluster=effects["study"], rho=within),
            structure="UN" if fixed is None else "HCS",
            rho=fixed,
            method=method,
            level=level,
        )
        tables.append(_rows(fit, within, outcomes, univariate, both, _note(fit, both, fixed, between_rho)))
    return pd.concat(tables, ignore_index=True)


def _grid(rho: Sequence[float] | npt.ArrayLike, between_rho: float | None) -> list[float]:
    grid = [float(value) for value in np.atleast_1d(np.asarray(rho, dtype=float))]
    wrong = [value for value in grid if not -1 < value < 1]
    if wrong or not grid:
        raise ValueError(
            f"rho is out of range ({', '.join(map(str, wrong)) or 'empty'}); accepted: values between -1 and 1"
        )
    if between_rho is not None and not -1 <= between_rho <= 1:
        raise ValueError(f"between_rho is out of range ({between_rho}); accepted: None, or from -1 to 1")
    return grid


def _separate(effects: pd.DataFrame, method: str, level: float) -> tuple[list[object], list[PooledEstimate]]:
    """The two outcomes in sorted order, and the pool of each by itself."""
    missing = [column for column in COLUMNS if column not in effects]
    if missing:
        raise ValueError(f"effects lacks columns {', '.join(missing)}; accepted: {', '.join(COLUMNS)}")
    for column in ("outcome", "study"):
        if (gaps := effects[column].isna()).any():
            raise ValueError(f"{column} is missing (rows {', '.join(map(str, np.flatnonzero(gaps)))})")
    outcomes = sorted(effects["outcome"].unique(), key=str)
    if len(outcomes) != 2:
        raise ValueError(
            f"effects has {len(outcomes)} outcomes ({', '.join(map(str, outcomes))}); accepted: exactly two"
        )
    pools = []
    for outcome in outcomes:
        own = effects[effects["outcome"] == outcome]
        if len(own) < 2:
            raise ValueError(f"outcome {outcome} has 1 study; accepted: at least 2 studies for each outcome")
        pools.append(pool(own["effect"], own["se"], tau2=method, ci="z", level=level))
    return outcomes, pools


def _note(fit: MultivariateEstimate, both: int, fixed: float | None, between_rho: float | None) -> str:
    if fixed is None:
        how = f"between-study correlation estimated from {both} studies that report both outcomes"
    elif between_rho is not None:
        how = "between-study correlation fixed as asked for"
    else:
        how = f"between-study correlation fixed at the within-study one: {both} studies report both outcomes, fewer than {ENOUGH}"
    return "; ".join(
        [how, *(note for note in fit.notes if not note.startswith("the between-study correlation is fixed"))]
    )


def _rows(
    fit: MultivariateEstimate,
    within: float,
    outcomes: list[object],
    univariate: list[PooledEstimate],
    both: int,
    note: str,
) -> pd.DataFrame:
    table = fit.coefficients
    return pd.DataFrame(
        {
            "rho": within,
            "outcome": outcomes,
            "k": [alone.k for alone in univariate],
            "k_both": both,
            "estimate": table["estimate"],
            "se": table["se"],
            "ci_low": table["ci_low"],
            "ci_high": table["ci_high"],
            "tau2": fit.tau2,
            "between_rho": float(fit.rho[0]),
            "univariate_estimate": [alone.estimate for alone in univariate],
            "univariate_se": [alone.se for alone in univariate],
            "univariate_tau2": [alone.tau2 for alone in univariate],
            "note": note,
        }
    )
