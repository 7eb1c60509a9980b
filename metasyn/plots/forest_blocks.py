"""What a forest plot shows, row by row: studies, their texts, and the pooled results under them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from metasyn.pooling import PooledEstimate, Subgroups, is_ratio

DRAWN_FROM = 5  # studies: a prediction interval of fewer is too wide to tell anything


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """One study on the analysis scale, with the texts left of the panel and right of it."""

    left: tuple[str, ...]
    effect: float
    ci_low: float
    ci_high: float
    weight: float | None  # 0 to 1; None where nothing is pooled
    right: tuple[str, ...]
    muted: bool = False  # hollow and grey: shown, and not a part of any pool
    judgements: tuple[str, ...] = ()  # of the risk of bias, one word per domain


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestBlock:
    """Rows under one heading, with their pooled result where there is one."""

    title: str | None
    rows: tuple[ForestRow, ...]
    diamond: tuple[float, float, float] | None = None  # estimate, low, high
    diamond_label: str = ""
    diamond_right: tuple[str, ...] = ()
    prediction: tuple[float, float] | None = None  # drawn as a bar below the diamond
    lines: tuple[str, ...] = ()  # heterogeneity and the like, below the block


def effect_head(measure: str, level: float = 0.95) -> str:
    """Head of the column of effects: HR [95% CI]."""
    return f"{measure} [{level:.0%} CI]"


def effect_text(effect: float, low: float, high: float, measure: str) -> str:
    """An effect with its interval as people read it: 0.70 [0.54, 0.91]."""
    values = [math.exp(min(value, 700)) if is_ratio(measure) else value for value in (effect, low, high)]
    texts = [f"{value:.2f}" if abs(value) < 1000 else f"{value:.3g}" for value in values]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Texts beside the panel: the study's name on the left, then columns of a frame, or `effect` and `weight`."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    frame: pd.DataFrame | None  # indexed by study
    judgements: pd.DataFrame | None  # indexed by study, one column per domain

    def heads(self, measure: str, level: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Heads of the columns, left (that of the study first) and right."""
        named = {"effect": effect_head(measure, level), "weight": "Weight"}
        return ("Study", *(named.get(name, name) for name in self.left)), tuple(
            named.get(name, name) for name in self.right
        )

    def cells(self, names: tuple[str, ...], study: str, effect: str, weight: str) -> tuple[str, ...]:
        """Texts of one study in some columns."""
        given = {"effect": effect, "weight": weight}
        return tuple(given[name] if name in given else self._cell(study, name) for name in names)

    def pooled(self, effect: str, weight: str) -> tuple[str, ...]:
        """Texts of a pool in the right columns."""
        return tuple({"effect": effect, "weight": weight}.get(name, "") for name in self.right)

    def _cell(self, study: str, name: str) -> str:
        assert self.frame is not None  # checked by columns_of
        value = self.frame.loc[study, name]
        if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
            return "–"
        return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)


def columns_of(
    pooled: PooledEstimate,
    frame: pd.DataFrame | None,
    left: Sequence[str],
    right: Sequence[str],
    judgements: pd.DataFrame | None,
) -> Columns:
    """The columns asked for, with their frames by study.

    Raises
    ------
    ValueError
        If a column is in no frame, or a frame lacks a study of the pool or has one twice.
    """
    by_study = None if frame is None else _by_study("columns", frame, pooled)
    known = [] if by_study is None else [str(name) for name in by_study.columns]
    missing = [name for name in (*left, *right) if name not in ("effect", "weight", *known)]
    if missing:
        raise ValueError(f"columns has no {', '.join(missing)}; accepted: {', '.join(['effect', 'weight', *known])}")
    return Columns(
        left=tuple(left),
        right=tuple(right),
        frame=by_study,
        judgements=None if judgements is None else _by_study("risk_of_bias", judgements, pooled),
    )


def _by_study(name: str, frame: pd.DataFrame, pooled: PooledEstimate) -> pd.DataFrame:
    table = frame.set_index("study") if "study" in frame.columns else frame
    table = table.set_axis([str(label) for label in table.index], axis=0)
    missing = [label for label in pooled.labels if label not in table.index]
    if missing:
        raise ValueError(f"{name} has no row for {', '.join(missing)}; accepted: one row per study of the pool")
    twice = sorted(set(table.index[table.index.duplicated()]) & set(pooled.labels))
    if twice:
        raise ValueError(f"{name} has several rows for {', '.join(twice)}; accepted: one row per study of the pool")
    return table


def study_rows(pooled: PooledEstimate, columns: Columns) -> list[ForestRow]:
    """One row per study of a pool, in its order."""
    measure = pooled.measure or "effect"
    studies: Any = pooled.studies.itertuples()
    rows = []
    for row in studies:
        study, known = str(row.study), math.isfinite(row.weight)
        texts = effect_text(row.effect, row.ci_low, row.ci_high, measure), f"{row.weight:.1%}" if known else "–"
        judged = () if columns.judgements is None else tuple(str(word) for word in columns.judgements.loc[study])
        rows.append(
            ForestRow(
                left=(study, *columns.cells(columns.left, study, *texts)),
                effect=row.effect,
                ci_low=row.ci_low,
                ci_high=row.ci_high,
                weight=row.weight if known else None,
                right=columns.cells(columns.right, study, *texts),
                judgements=judged,
            )
        )
    return rows


def pool_block(
    pooled: PooledEstimate, rows: Sequence[ForestRow], columns: Columns, *, prediction: bool, title: str | None = None
) -> ForestBlock:
    """A pool with its rows; without a diamond where one study is all there is."""
    if pooled.k == 1:
        return ForestBlock(title=title, rows=tuple(rows))
    measure = pooled.measure or "effect"
    text = effect_text(pooled.estimate, pooled.ci_low, pooled.ci_high, measure)
    return ForestBlock(
        title=title,
        rows=tuple(rows),
        diamond=(pooled.estimate, pooled.ci_low, pooled.ci_high),
        diamond_label="Pooled",
        diamond_right=columns.pooled(text, "100%"),
        prediction=_prediction(pooled.pi_low, pooled.pi_high, pooled.k) if prediction else None,
        lines=(f"τ² = {pooled.tau2:.3f}, I² = {pooled.i2:.0f}%",) if pooled.tau2_method != "EE" else (),
    )


def subgroup_blocks(
    pooled: PooledEstimate, subgroups: Subgroups, groups: Sequence[Any], columns: Columns, *, prediction: bool
) -> list[ForestBlock]:
    """A block per subgroup with its own diamond, and one of all studies.

    Raises
    ------
    ValueError
        If `groups` does not give each study a group of `subgroups`, in the numbers that were pooled there.
    """
    table = subgroups.groups
    of_study = pd.Series(list(groups))
    if len(of_study) != pooled.k:
        raise ValueError(f"groups has {len(of_study)} values for {pooled.k} studies")
    counts = of_study.value_counts()
    if counts.to_dict() != table["k"].astype(int).to_dict():
        expected = ", ".join(f"{name} ({k})" for name, k in table["k"].items())
        raise ValueError(f"groups are not those of subgroups; accepted, with their numbers of studies: {expected}")
    rows = study_rows(pooled, columns)
    measure = pooled.measure or "effect"
    blocks = []
    for name, group in table.iterrows():
        own = [row for row, of in zip(rows, groups, strict=True) if of == name]
        if len(own) == 1:
            blocks.append(ForestBlock(title=str(name), rows=tuple(own)))
            continue
        weights = [row.weight for row in own if row.weight is not None]
        blocks.append(
            ForestBlock(
                title=str(name),
                rows=tuple(own),
                diamond=(group["estimate"], group["ci_low"], group["ci_high"]),
                diamond_label="Subgroup",
                diamond_right=columns.pooled(
                    effect_text(group["estimate"], group["ci_low"], group["ci_high"], measure),
                    f"{sum(weights):.1%}" if len(weights) == len(own) else "–",
                ),
                prediction=_prediction(group["pi_low"], group["pi_high"], len(own)) if prediction else None,
                lines=(f"τ² = {group['tau2']:.3f}, I² = {group['i2']:.0f}%",) if pooled.tau2_method != "EE" else (),
            )
        )
    whole = pool_block(pooled, (), columns, prediction=prediction, title="All studies")
    p = subgroups.q_between_p_value
    test = (
        f"Difference between subgroups: Q = {subgroups.q_between:.2f}, df = {subgroups.q_between_df}, "
        f"{'p < 0.001' if p < 0.001 else f'p = {p:.3f}'}"
    )
    lines = (*whole.lines, test) if math.isfinite(p) else whole.lines
    return [*blocks, ForestBlock(title="All studies", rows=(), diamond=whole.diamond, diamond_label="Pooled", diamond_right=whole.diamond_right, prediction=whole.prediction, lines=lines)]  # fmt: skip


def _prediction(low: float | None, high: float | None, k: int) -> tuple[float, float] | None:
    if low is None or high is None or k < DRAWN_FROM or not (math.isfinite(low) and math.isfinite(high)):
        return None
    return low, high
