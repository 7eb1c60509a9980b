"""Forest plots: studies with their intervals, the pooled diamond, and what stands beside them in columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from metasyn.plots.forest_blocks import (
    ForestBlock,
    ForestRow,
    columns_of,
    effect_head,
    effect_text,
    pool_block,
    study_rows,
    subgroup_blocks,
)
from metasyn.plots.forest_drawing import PANEL_WIDTH, ROW_HEIGHT, ForestDrawing
from metasyn.plots.style import style
from metasyn.pooling import PooledEstimate, Subgroups, is_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ForestBlock", "ForestRow", "effect_head", "effect_text", "forest", "forests"]

ABOVE = 0.1  # inches over the heads


def forest(
    result: PooledEstimate | Sequence[ForestBlock],
    *,
    measure: str | None = None,
    left_heads: tuple[str, ...] | None = None,
    right_heads: tuple[str, ...] | None = None,
    favours: tuple[str, str] | None = None,
    columns: pd.DataFrame | None = None,
    left: Sequence[str] = (),
    right: Sequence[str] = ("effect", "weight"),
    groups: Sequence[Any] | str | None = None,
    subgroups: Subgroups | None = None,
    prediction: bool = True,
    clip: tuple[float, float] | None = None,
    risk_of_bias: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a forest plot.

    Parameters
    ----------
    result : PooledEstimate, or sequence of ForestBlock
        What to draw; nothing is computed. Blocks bring their own texts: of what follows they take `clip` alone.
    measure : str or None
        Name of the effect on the axis; by default the result's. Ratios are drawn on a log axis.
    left_heads, right_heads : tuple of str or None
        Heads of the columns of text, that of the studies first; by default the columns' names.
    favours : (str, str) or None
        What lies left and right of the null.
    columns : DataFrame or None
        One row per study, by its index or a column `study`, with what `left` and `right` name.
    left, right : sequence of str
        Columns beside the panel: names in `columns`, or `effect` and `weight`.
    groups : sequence, shape (k,), or str, or None
        Subgroup of each study in the order of the pool, or the column that has it.
    subgroups : Subgroups or None
        Their pools; with `groups`, each gets a block with its diamond.
    prediction : bool
        Draw prediction intervals, of pools of five studies or more, as bars below the diamonds.
    clip : (float, float) or None
        Ends of the axis, on the scale people read (0.1, 10 for ratios); intervals that go beyond end in arrows. By default
        chosen so that all estimates and diamonds are inside.
    risk_of_bias : DataFrame or None
        One row per study, one column per domain: low, some concerns, unclear, moderate, high, serious, critical, no information.
    ax : Axes or None
        Where to draw; by default a new figure that is as large as the texts need.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If a column, study, group or judgement that is asked for is not there, or `clip` is not two rising numbers.
    """
    if isinstance(result, PooledEstimate):
        drawing = _of_pool(
            result, measure=measure, left_heads=left_heads, right_heads=right_heads, favours=favours, columns=columns, left=left,
            right=right, groups=groups, subgroups=subgroups, prediction=prediction, clip=clip, risk_of_bias=risk_of_bias,
        )  # fmt: skip
    else:
        name = measure or "effect"
        heads = right_heads if right_heads is not None else (effect_head(name), "Weight")
        drawing = ForestDrawing(result, name, left_heads or ("Study",), heads, favours, clip=_clip(clip, name))
    with style():
        return drawing.draw(ax)


def forests(
    outcomes: Mapping[str, PooledEstimate] | Sequence[PooledEstimate],
    *,
    favours: tuple[str, str] | None = None,
    columns: pd.DataFrame | None = None,
    left: Sequence[str] = (),
    right: Sequence[str] = ("effect", "weight"),
    prediction: bool = True,
    clip: tuple[float, float] | None = None,
    risk_of_bias: pd.DataFrame | None = None,
) -> tuple[Axes, ...]:
    """Draw several outcomes below each other in one figure, their columns in line.

    Parameters
    ----------
    outcomes : mapping of title to PooledEstimate, or sequence of PooledEstimate
        Outcomes of one measure share the ends of their axes.
    favours, columns, left, right, prediction, clip, risk_of_bias
        As in `forest`, for all outcomes.

    Returns
    -------
    tuple of Axes
        One per outcome, from the top.

    Raises
    ------
    ValueError
        As `forest`, and if there is no outcome.
    """
    titled: list[tuple[str | None, PooledEstimate]] = (
        list(outcomes.items()) if isinstance(outcomes, Mapping) else [(None, pooled) for pooled in outcomes]
    )
    if not titled:
        raise ValueError("outcomes is empty; accepted: one pool or more")
    drawings = [
        _of_pool(
            pooled, title=title, favours=favours, columns=columns, left=left, right=right, prediction=prediction, clip=clip,
            risk_of_bias=risk_of_bias,
        )
        for title, pooled in titled
    ]  # fmt: skip
    _align(drawings)
    with style():
        return _stack(drawings)


def _of_pool(
    pooled: PooledEstimate,
    *,
    title: str | None = None,
    measure: str | None = None,
    left_heads: tuple[str, ...] | None = None,
    right_heads: tuple[str, ...] | None = None,
    favours: tuple[str, str] | None,
    columns: pd.DataFrame | None,
    left: Sequence[str],
    right: Sequence[str],
    groups: Sequence[Any] | str | None = None,
    subgroups: Subgroups | None = None,
    prediction: bool,
    clip: tuple[float, float] | None,
    risk_of_bias: pd.DataFrame | None,
) -> ForestDrawing:
    name = measure or pooled.measure or "effect"
    texts = columns_of(pooled, columns, left, right, risk_of_bias)
    if (groups is None) != (subgroups is None):
        raise ValueError("groups and subgroups go together: which study is in which, and their pools")
    if subgroups is not None and groups is not None:
        of_study = _groups(groups, texts.frame, pooled)
        blocks = subgroup_blocks(pooled, subgroups, of_study, texts, prediction=prediction)
    else:
        blocks = [pool_block(pooled, study_rows(pooled, texts), texts, prediction=prediction, title=title)]
    heads = texts.heads(name, pooled.level)
    domains = () if texts.judgements is None else tuple(str(domain) for domain in texts.judgements.columns)
    return ForestDrawing(
        blocks, name, left_heads or heads[0], right_heads or heads[1], favours, domains=domains, clip=_clip(clip, name)
    )


def _groups(groups: Sequence[Any] | str, frame: pd.DataFrame | None, pooled: PooledEstimate) -> Sequence[Any]:
    if not isinstance(groups, str):
        return list(groups)
    if frame is None or groups not in frame.columns:
        raise ValueError(f"columns has no {groups}, which groups names")
    return list(frame.loc[list(pooled.labels), groups])


def _clip(clip: tuple[float, float] | None, measure: str) -> tuple[float, float] | None:
    """Ends of the axis on the analysis scale."""
    if clip is None:
        return None
    low, high = clip
    if not (math.isfinite(low) and math.isfinite(high) and low < high) or (is_ratio(measure) and low <= 0):
        accepted = "two rising numbers above 0" if is_ratio(measure) else "two rising numbers"
        raise ValueError(f"clip is {clip}; accepted: {accepted}, on the scale people read")
    return (math.log(low), math.log(high)) if is_ratio(measure) else (low, high)


def _align(drawings: Sequence[ForestDrawing]) -> None:
    """Give all drawings the widest columns, and those of one measure the widest limits."""
    for widths in ([each.left_widths for each in drawings], [each.right_widths for each in drawings]):
        widest = [max(column) for column in zip(*widths, strict=True)]
        for own in widths:
            own[:] = widest
    for measure in {each.measure for each in drawings}:
        same = [each for each in drawings if each.measure == measure]
        shared = min(each.limits[0] for each in same), max(each.limits[1] for each in same)
        for each in same:
            each.limits = shared


def _stack(drawings: Sequence[ForestDrawing]) -> tuple[Axes, ...]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    last = len(drawings) - 1
    width = drawings[0].width
    heights = [
        ABOVE + each.units * ROW_HEIGHT + each.below(legend=number == last) for number, each in enumerate(drawings)
    ]
    total = sum(heights)
    figure = Figure(figsize=(width, total))
    FigureCanvasAgg(figure)
    axes, top = [], total
    for number, (each, height) in enumerate(zip(drawings, heights, strict=True)):
        rows = each.units * ROW_HEIGHT
        bottom = top - ABOVE - rows
        ax = figure.add_axes((each.left / width, bottom / total, PANEL_WIDTH / width, rows / total))
        axes.append(each.draw(ax, legend=number == last))
        top -= height
    return tuple(axes)
