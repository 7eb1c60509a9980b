"""Component forests: what each component adds, and what combinations make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from metasyn.plots.forest import forest
from metasyn.plots.forest_blocks import ForestBlock, ForestRow, effect_head, effect_text
from metasyn.plots.forest_drawing import GAP, PANEL_WIDTH
from metasyn.plots.style import text_width
from metasyn.pooling import is_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metasyn.network.fit_components import ComponentEstimate

SHOWN = ("components", "combinations", "both")


def component_forest(
    result: ComponentEstimate,
    *,
    measure: str | None = None,
    show: str = "components",
    favours: tuple[str, str] | None = None,
    clip: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw effects of components, of combinations versus none of them, or both.

    Parameters
    ----------
    result : ComponentEstimate
        What to draw. What is not estimable is named below; hollow rows are extrapolations under additivity.
    measure : str or None
        Name of the effect on the axis; ratios are drawn on a log axis.
    show : str
        components, combinations or both.
    favours : (str, str) or None
        What lies left and right of the null.
    clip : (float, float) or None
        Ends of the axis on the scale people read, as of `forest`.
    ax : Axes or None
        By default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If `show` is not one of the three.
    """
    if show not in SHOWN:
        raise ValueError(f"show is {show!r}; accepted: {', '.join(SHOWN)}")
    name = measure or "effect"
    heads = ("Component" if show == "components" else "Combination", "Studies"), (effect_head(name, result.level),)
    blocks = []
    if show != "combinations":
        counts = [len(studies) for studies in result.identifiability.components["studies"]]
        extrapolated = [False] * len(counts)
        title = "Components" if show == "both" else None
        blocks.append(_block(title, result.components, counts, extrapolated, name, heads, _of_components(result)))
    if show != "components":
        table = result.combinations[result.c_matrix.any(axis=1).to_numpy()]  # nothing versus nothing is no row
        title = f"Combinations versus {result.inactive or 'none of the components'}"
        extrapolated = table["extrapolation"].tolist()
        counts = _studies_of(result, list(table.index))
        note = (
            "hollow: an extrapolation under additivity, no chain of studies leads to an arm with none of the components"
        )
        blocks.append(_block(title, table, counts, extrapolated, name, heads, [note] if any(extrapolated) else []))
    if clip is None and not any(block.rows for block in blocks):
        clip = (0.5, 2.0) if is_ratio(name) else (-1.0, 1.0)  # an empty panel still has an axis
    return forest(blocks, measure=name, left_heads=heads[0], right_heads=heads[1], favours=favours, clip=clip, ax=ax)


def _of_components(result: ComponentEstimate) -> list[str]:
    if result.q_difference_df == 0:
        additivity = "additivity not assessable"
    else:
        additivity = f"additivity: Q = {result.q_difference:.2f}, df = {result.q_difference_df}, p = {result.q_difference_p_value:.2g}"
    tau2 = "not assessable" if np.isnan(result.tau2) else f"= {result.tau2:.3f}"
    return [f"τ² {tau2}; {additivity}"]


def _studies_of(result: ComponentEstimate, treatments: Sequence[str]) -> list[int]:
    """In how many studies each treatment is."""
    arms = np.concatenate([group.arms.ravel() for group in result.data.groups])
    counts = dict(zip(result.data.treatments, np.bincount(arms, minlength=len(result.data.treatments)), strict=True))
    return [int(counts[name]) for name in treatments]


def _block(
    title: str | None,
    table: pd.DataFrame,
    studies: Sequence[int],
    extrapolated: Sequence[bool],
    measure: str,
    heads: tuple[tuple[str, ...], tuple[str, ...]],
    lines: list[str],
) -> ForestBlock:
    known = table["estimate"].notna().to_numpy()
    rows = [
        ForestRow(
            left=(str(name), str(count)),
            effect=float(estimate),
            ci_low=float(low),
            ci_high=float(high),
            weight=None,
            right=(effect_text(float(estimate), float(low), float(high), measure),),
            muted=bool(muted),
        )
        for name, estimate, low, high, count, muted, there in zip(
            table.index, table["estimate"], table["ci_low"], table["ci_high"], studies, extrapolated, known, strict=True
        )
        if there
    ]
    if not known.all():
        lines = [*lines, f"not estimable: {', '.join(str(name) for name in table.index[~known])}"]
    width = _width(rows, heads)
    return ForestBlock(
        title=title, rows=tuple(rows), lines=tuple(part for line in lines for part in _wrapped(line, width))
    )


def _width(rows: Sequence[ForestRow], heads: tuple[tuple[str, ...], tuple[str, ...]]) -> float:
    """Inches from the first column to the last."""
    columns = [
        max([text_width(head, True), *(text_width(getattr(row, side)[column]) for row in rows)])
        for side, of_side in zip(("left", "right"), heads, strict=True)
        for column, head in enumerate(of_side)
    ]
    return sum(columns) + GAP * len(columns) + PANEL_WIDTH


def _wrapped(text: str, width: float) -> list[str]:
    """Lines no wider than so many inches, broken between words."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
