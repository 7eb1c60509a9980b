"""Cumulative meta-analysis: the pool as studies come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from metasyn.plots.sequence_forest import sequence_forest

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def cumulative(
    frame: pd.DataFrame,
    *,
    measure: str | None = None,
    level: float = 0.95,
    favours: tuple[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one row per study added, with the pool of the studies to there.

    Parameters
    ----------
    frame : DataFrame
        Of `metasyn.pooling.cumulative`.
    measure : str or None
        What the effects are.
    level : float
        Coverage of the frame's intervals, for the head of their column.
    favours : (str, str) or None
        What lies left and right of the null.
    ax : Axes or None
        By default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If a column is missing, or the frame has no rows.

    References
    ----------
    Lau et al. 1992, New England Journal of Medicine 327:248-54.
    """
    names = [f"+ {study}" if number else str(study) for number, study in enumerate(frame.get("study", ()))]
    return sequence_forest(
        frame, head="Study added", names=names, measure=measure, level=level, pooled=None, favours=favours, ax=ax
    )
