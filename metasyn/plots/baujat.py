"""Baujat's plot: what each study adds to heterogeneity against what it does to the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from metasyn.plots.point_labels import label_points
from metasyn.plots.style import ACCENT, new_axes, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELLED = 12


def baujat(influence: pd.DataFrame, *, labelled: int = LABELLED, ax: Axes | None = None) -> Axes:
    """Draw Baujat's plot.

    Parameters
    ----------
    influence : DataFrame
        Of `metasyn.pooling.influence`: study, baujat_x and baujat_y. Studies without these are left out.
    labelled : int
        How many studies are named, the farthest from the origin first; fewer where names would overlap.
    ax : Axes or None
        By default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If a column is missing, or no study has a value.

    References
    ----------
    Baujat et al. 2002, Statistics in Medicine 21:2641-52.
    """
    missing = [name for name in ("study", "baujat_x", "baujat_y") if name not in influence.columns]
    if missing:
        raise ValueError(f"influence has no {', '.join(missing)}; accepted: the frame of metasyn.pooling.influence")
    rows = influence[influence[["baujat_x", "baujat_y"]].notna().all(axis=1)]
    if rows.empty:
        raise ValueError("influence has no study with both baujat_x and baujat_y")
    x, y = rows["baujat_x"].to_numpy(dtype=float), rows["baujat_y"].to_numpy(dtype=float)
    top = np.array([x.max() or 1.0, y.max() or 1.0])
    with style():
        ax = new_axes() if ax is None else ax
        ax.set_xlim(-0.04 * top[0], 1.12 * top[0])
        ax.set_ylim(-0.05 * top[1], 1.12 * top[1])
        ax.scatter(x, y, s=26, color=ACCENT, edgecolor="white", linewidth=0.6, zorder=4, gid="studies")
        order = np.argsort(-np.hypot(x / top[0], y / top[1]), kind="stable")[:labelled]
        label_points(ax, x, y, [str(name) for name in rows["study"]], order=order.tolist())
        ax.set_xlabel("Contribution to Cochran's Q")
        ax.set_ylabel("Influence on the pooled effect (squared, standardised)")
    return ax
