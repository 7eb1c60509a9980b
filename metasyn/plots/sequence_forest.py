"""Forest-like figures of pools in a row: each row is a pool, not a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from metasyn.plots.forest_blocks import ForestBlock, ForestRow, effect_head, effect_text
from metasyn.plots.forest_drawing import ForestDrawing
from metasyn.plots.style import MUTED, style
from metasyn.pooling import PooledEstimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEEDED = ("study", "estimate", "ci_low", "ci_high", "tau2", "i2")


def sequence_forest(
    frame: pd.DataFrame,
    *,
    head: str,
    names: Sequence[str],
    measure: str | None,
    level: float,
    pooled: PooledEstimate | None,
    favours: tuple[str, str] | None,
    ax: Axes | None,
) -> Axes:
    """Draw rows of pools with their heterogeneity; with a pool, its diamond and a line at its estimate.

    Raises
    ------
    ValueError
        If a column is missing or the frame has no rows.
    """
    missing = [name for name in NEEDED if name not in frame.columns]
    if missing:
        raise ValueError(f"frame has no {', '.join(missing)}; accepted: one row per pool with {', '.join(NEEDED)}")
    if frame.empty:
        raise ValueError("frame has no rows")
    name = measure or "effect"
    heads = (effect_head(name, level), "τ²", "I²")
    rows: Any = frame.itertuples()
    drawn = tuple(
        ForestRow(
            left=(label,),
            effect=row.estimate,
            ci_low=row.ci_low,
            ci_high=row.ci_high,
            weight=None,
            right=(effect_text(row.estimate, row.ci_low, row.ci_high, name), *_heterogeneity(row.tau2, row.i2)),
        )
        for label, row in zip(names, rows, strict=True)
    )
    block = ForestBlock(title=None, rows=drawn)
    if pooled is not None:
        block = ForestBlock(
            title=None,
            rows=drawn,
            diamond=(pooled.estimate, pooled.ci_low, pooled.ci_high),
            diamond_label="All studies",
            diamond_right=(
                effect_text(pooled.estimate, pooled.ci_low, pooled.ci_high, name),
                *_heterogeneity(pooled.tau2, pooled.i2),
            ),
        )
    drawing = ForestDrawing([block], name, (head,), heads, favours)
    with style():
        ax = drawing.draw(ax)
        if pooled is not None:
            top = drawing.heads + 0.2
            ax.plot([pooled.estimate] * 2, [top, top + len(drawn) + 0.8], color=MUTED, lw=0.8, ls="--", zorder=1, gid="all studies")  # fmt: skip
    return ax


def _heterogeneity(tau2: float, i2: float) -> tuple[str, str]:
    return "–" if pd.isna(tau2) else f"{tau2:.3f}", "–" if pd.isna(i2) else f"{i2:.0f}%"
