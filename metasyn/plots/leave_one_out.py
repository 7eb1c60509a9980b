"""Leave-one-out plots: the pool without each study in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from metasyn.plots.sequence_forest import sequence_forest
from metasyn.pooling import PooledEstimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def leave_one_out(
    frame: pd.DataFrame,
    pooled: PooledEstimate,
    *,
    favours: tuple[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one row per study left out, the pool of all studies below and a dashed line at its estimate.

    Parameters
    ----------
    frame : DataFrame
        Of `metasyn.pooling.leave_one_out`, with the level of the pool.
    pooled : PooledEstimate
        All studies.
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
    """
    names = [str(study) for study in frame.get("study", ())]
    return sequence_forest(
        frame,
        head="Study left out",
        names=names,
        measure=pooled.measure,
        level=pooled.level,
        pooled=pooled,
        favours=favours,
        ax=ax,
    )
