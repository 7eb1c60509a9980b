"""Cochran's Q of a network taken apart: heterogeneity within designs, inconsistency between them.

A design is the set of treatments that a study compares. The full design-by-treatment interaction model gives every design effects of its
own; what its fit leaves is heterogeneity within designs, and what the consistency model leaves beyond that is inconsistency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from metasyn.network.contrasts import Contrasts
from metasyn.network.model import NetworkModel, rotation
from metasyn.pooling.regression_model import RegressionModel, RegressionSums

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
DEPENDENT = 1e-9  # share of a column's length left beyond the consistency model, below which the rest is rounding


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QDecomposition:
    """Q of a network by source and by design.

    Attributes
    ----------
    sources : DataFrame
        source (total, within designs, between designs), q, df, p_value of the common-effect model; p_value NaN where df is 0.
    designs : DataFrame
        design, studies; q, df, p_value within the design; q_detached, df_detached, p_value_detached between designs when this one has
        effects of its own: where that falls far below the q between designs, the inconsistency involves this design.
    tau2_within : float
        tau2 of the full interaction model, by moments; NaN where no design has two studies.
    q_random, q_random_df, q_random_p_value : float, int, float
        Between designs at tau2_within: the test of consistency that allows for heterogeneity (at 0 where tau2_within is NaN).
    assessable : bool
        Whether the network has a loop closed by independent designs. Without one nothing is known of consistency.
    """

    sources: pd.DataFrame
    designs: pd.DataFrame
    tau2_within: float
    q_random: float
    q_random_df: int
    q_random_p_value: float
    assessable: bool


def decompose_q(contrasts: Contrasts) -> QDecomposition:
    """Decompose the Q of a checked network.

    References
    ----------
    Krahn, Binder and König 2013, BMC Medical Research Methodology 13:35 (decomposition, detached designs); Higgins et al. 2012,
    Research Synthesis Methods 3:98-110 (design-by-treatment interaction); Jackson et al. 2012, Statistics in Medicine 31:3805-20 (moments).
    """
    model = NetworkModel.of(contrasts).regression
    number, size, studies = designs_of(contrasts)
    interaction = interaction_design(contrasts, number, size)
    full = RegressionModel(model.effect, model.variance, interaction)
    common, apart = model.at(0.0), full.at(0.0)
    left = apart.residual * apart.pressed
    q_designs = np.asarray(np.bincount(_design_of_row(contrasts, number), left, size.size), dtype=float)
    df_designs = (studies - 1) * size
    q_designs[df_designs == 0] = 0.0
    q_within, df_within = float(q_designs.sum()), int(df_designs.sum())
    q_total = float(common.q) if model.df else 0.0
    df_between = model.df - df_within
    q_between = max(0.0, q_total - q_within) if df_between else 0.0
    tau2_within = max(0.0, (q_within - df_within) / float(apart.trace_p)) if df_within else float("nan")
    at = 0.0 if np.isnan(tau2_within) else tau2_within
    q_random = max(0.0, float(model.at(at).q) - float(full.at(at).q)) if df_between else 0.0
    q, df = np.array([q_total, q_within, q_between]), np.array([model.df, df_within, df_between], dtype=np.intp)
    q_detached, df_detached = _detached(common, interaction, size, q_between, df_between)
    sources = {"source": ["total", "within designs", "between designs"], "q": q, "df": df, "p_value": _p(q, df)}
    designs = {
        "design": _names(contrasts, number, size.size),
        "studies": studies,
        "q": q_designs,
        "df": df_designs,
        "p_value": _p(q_designs, df_designs),
        "q_detached": q_detached,
        "df_detached": df_detached,
        "p_value_detached": _p(q_detached, df_detached),
    }
    return QDecomposition(
        sources=pd.DataFrame(sources),
        designs=pd.DataFrame(designs),
        tau2_within=tau2_within,
        q_random=q_random,
        q_random_df=df_between,
        q_random_p_value=float(_p(np.array([q_random]), np.array([df_between]))[0]),
        assessable=df_between > 0,
    )


def _detached(
    common: RegressionSums, interaction: Array, size: Indices, q_between: float, df_between: int
) -> tuple[Array, Indices]:
    """Q between designs and its df when one design after the other has effects of its own, shape (designs,) each."""
    root = np.sqrt(common.weights)
    columns = root[:, None] * interaction
    beyond = columns - common.basis @ (common.basis.T @ columns)
    beyond -= common.basis @ (common.basis.T @ beyond)  # once more: what rounding left along the basis
    first = np.cumsum(size) - size
    fall, rank = np.zeros(size.size), np.zeros(size.size, dtype=np.intp)
    for width in np.unique(size):
        same = np.flatnonzero(size == width)
        own = first[same][:, None] + np.arange(width)
        left, singular, _ = np.linalg.svd(np.swapaxes(beyond[:, own], 0, 1), full_matrices=False)
        new = singular > DEPENDENT * np.linalg.norm(columns[:, own], axis=(0, 2))[:, None]
        along = np.einsum("dmw,m->dw", left, root * common.residual)
        fall[same], rank[same] = (along**2 * new).sum(axis=1), new.sum(axis=1)
    df = df_between - rank
    return np.where(df > 0, np.maximum(0.0, q_between - fall), 0.0), df


def designs_of(contrasts: Contrasts) -> tuple[list[Indices], Indices, Indices]:
    """Number of the design of each study in each group; of each design its arms less 1, and its studies."""
    number, size, studies, first = [], [], [], 0
    for group in contrasts.groups:
        _, inverse, count = np.unique(group.arms, axis=0, return_inverse=True, return_counts=True)
        number.append(inverse.reshape(-1) + first)
        size += [group.size - 1] * count.size
        studies.append(count)
        first += count.size
    return number, np.array(size, dtype=np.intp), np.concatenate(studies)


def interaction_design(contrasts: Contrasts, number: list[Indices], size: Indices) -> Array:
    """Rotated design of the full interaction model: of each design its effects versus its first arm, shape (m, sum of arms less 1)."""
    first_column = np.concatenate([[0], np.cumsum(size)])
    blocks = []
    for group, designs in zip(contrasts.groups, number, strict=True):
        m = group.size - 1
        block = np.zeros((designs.size, m, first_column[-1]))
        columns = first_column[designs][:, None] + np.arange(m)
        block[np.arange(designs.size)[:, None], :, columns] = np.swapaxes(rotation(group)[0], 1, 2)
        blocks.append(block.reshape(-1, first_column[-1]))
    return np.concatenate(blocks)


def _design_of_row(contrasts: Contrasts, number: list[Indices]) -> Indices:
    return np.concatenate(
        [np.repeat(designs, group.size - 1) for group, designs in zip(contrasts.groups, number, strict=True)]
    )


def _names(contrasts: Contrasts, number: list[Indices], count: int) -> list[str]:
    names = [""] * count
    for group, designs in zip(contrasts.groups, number, strict=True):
        for arms, design in zip(group.arms.tolist(), designs.tolist(), strict=True):
            names[design] = ":".join(contrasts.treatments[arm] for arm in arms)
    return names


def _p(q: Array, df: npt.NDArray[np.integer[Any]]) -> Array:
    return np.where(df > 0, chdtrc(np.maximum(df, 1), q), np.nan)
