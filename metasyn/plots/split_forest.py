"""Split forests: direct, indirect and network evidence of each comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from metasyn.plots.forest_blocks import ForestBlock, ForestRow, effect_head, effect_text
from metasyn.plots.forest_drawing import ForestDrawing
from metasyn.plots.style import style
from metasyn.plots.wrapped_text import wrap
from metasyn.pooling import is_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE_WIDTH = 4.6  # inches, of words under a comparison: no more than the narrowest figure has
NEEDED = ("treatment", "comparator", "comparison", "studies", "proportion", "direct", "indirect", "network", "difference", "p_value", "assessment")  # fmt: skip


def split_forest(
    splits: pd.DataFrame,
    *,
    comparisons: Sequence[str] | None = None,
    most: int = 12,
    measure: str | None = None,
    level: float = 0.95,
    favours: tuple[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw direct and indirect evidence of comparisons with their network estimate as a diamond, the smallest p of the difference on top.

    Parameters
    ----------
    splits : DataFrame
        Of `metasyn.network.split.split_evidence`.
    comparisons : sequence of str or None
        Which, as they are named there, in this order; None for those with direct evidence, the assessable ones first.
    most : int
        How many of them, where none are named.
    measure : str or None
        HR, OR, MD, ...; ratios are printed as such.
    level : float
        Of the fit, for the head of the column.
    favours : (str, str) or None
        What lies left and right of the null.
    ax : Axes or None
        By default those of a new figure of the size needed.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If a column is missing, a comparison is not in the frame, or none has direct evidence.
    """
    drawn = _chosen(splits, comparisons, most)
    name = measure or "effect"
    blocks = [_block(row, name) for row in drawn.to_dict("records")]
    drawing = ForestDrawing(blocks, name, ("Comparison", "Studies"), (effect_head(name, level), "Share"), favours)
    with style():
        return drawing.draw(ax)


def _chosen(splits: pd.DataFrame, comparisons: Sequence[str] | None, most: int) -> pd.DataFrame:
    missing = [column for column in NEEDED if column not in splits.columns]
    if missing:
        raise ValueError(f"splits has no {', '.join(missing)}; accepted: the frame of split_evidence")
    if comparisons is not None:
        named = splits.set_index("comparison", drop=False)
        unknown = [name for name in comparisons if name not in named.index]
        if unknown or not len(comparisons):
            raise ValueError(
                f"comparisons are {', '.join(unknown) or 'none'}; accepted: some of {', '.join(named.index[:20])}"
            )
        return named.loc[list(comparisons)]
    there = splits[splits["studies"] > 0]
    if there.empty or most < 1:
        raise ValueError(
            f"splits has {len(there)} comparisons with direct evidence, and most is {most}: nothing to draw"
        )
    return there.sort_values("p_value", kind="stable", na_position="last").head(most)


def _block(row: dict[Any, Any], measure: str) -> ForestBlock:
    share = {"direct": row["proportion"], "indirect": 1 - row["proportion"]}
    studies = {"direct": str(row["studies"]), "indirect": "–"}
    rows = tuple(
        ForestRow(
            left=(f"   {part.capitalize()}", studies[part]),
            effect=row[part],
            ci_low=row[f"{part}_ci_low"],
            ci_high=row[f"{part}_ci_high"],
            weight=None,
            right=(_text(row, f"{part}_ci", part, measure), f"{share[part]:.0%}"),
            muted=part == "indirect",
        )
        for part in ("direct", "indirect")
        if pd.notna(row[part])
    )
    return ForestBlock(
        title=f"{row['treatment']} versus {row['comparator']}",
        rows=rows,
        diamond=(row["network"], row["network_ci_low"], row["network_ci_high"]),
        diamond_label="   Network",
        diamond_right=(_text(row, "network_ci", "network", measure), ""),
        lines=tuple(f"   {line}" for line in wrap(_difference(row, measure), LINE_WIDTH)),
    )


def _text(row: dict[Any, Any], interval: str, part: str, measure: str) -> str:
    return effect_text(row[part], row[f"{interval}_low"], row[f"{interval}_high"], measure)


def _difference(row: dict[Any, Any], measure: str) -> str:
    if pd.isna(row["p_value"]):
        return str(row["assessment"]).capitalize()
    what = "Direct over indirect" if is_ratio(measure) else "Direct less indirect"
    p = "p < 0.001" if row["p_value"] < 0.001 else f"p = {row['p_value']:.3f}"
    return f"{what} {_text(row, 'ci', 'difference', measure)}, {p}"
