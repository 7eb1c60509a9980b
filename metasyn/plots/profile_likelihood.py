"""The profile likelihood of the heterogeneity variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import chdtri

from metasyn.plots.scales import tau2_label
from metasyn.plots.style import ACCENT, BAND, MUTED, legend_above, new_axes, style
from metasyn.pooling import HeterogeneityInterval

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def profile_likelihood(
    profile: pd.DataFrame,
    *,
    interval: HeterogeneityInterval | None = None,
    level: float = 0.95,
    measure: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the log-likelihood against tau2, its maximum, and the height down to which tau2 is in the interval.

    Parameters
    ----------
    profile : DataFrame
        Of `metasyn.pooling.profile_likelihood`: tau2, log_likelihood.
    interval : HeterogeneityInterval or None
        Whose tau2_ci is shaded; its level replaces `level`.
    level : float
        Coverage for which the height is drawn: the maximum less half the chi-square quantile.
    measure : str or None
        What the effects are, for the axis.
    ax : Axes or None
        By default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If a column is missing, or there are fewer than two rows.

    References
    ----------
    Hardy and Thompson 1996, Statistics in Medicine 15:619-29.
    """
    missing = [name for name in ("tau2", "log_likelihood") if name not in profile.columns]
    if missing or len(profile) < 2:
        raise ValueError("profile is not a frame of two rows or more with tau2 and log_likelihood")
    rows = profile.sort_values("tau2")
    tau2, value = rows["tau2"].to_numpy(dtype=float), rows["log_likelihood"].to_numpy(dtype=float)
    level = level if interval is None else interval.level
    top = int(np.argmax(value))
    height = float(value[top]) - float(chdtri(1, 1 - level)) / 2
    with style():
        ax = new_axes(left=0.85, top=0.5) if ax is None else ax
        if interval is not None:
            ax.axvspan(interval.tau2_ci[0], min(interval.tau2_ci[1], float(tau2[-1])), color=BAND, lw=0, zorder=0, gid="interval", label=f"{level:.0%} interval")  # fmt: skip
        ax.plot(tau2, value, color=ACCENT, lw=1.8, zorder=3, gid="profile", label="Log-likelihood")
        ax.plot([tau2[top]], [value[top]], marker="o", ms=5.5, color=ACCENT, mec="white", zorder=4, clip_on=False, gid="maximum")  # fmt: skip
        ax.axhline(height, color=MUTED, lw=0.9, ls="--", zorder=2, gid="height", label=f"Maximum − χ²₁({level:g})/2")
        low = min(float(value.min()), height)
        ax.set_xlim(float(tau2[0]), float(tau2[-1]))
        ax.set_ylim(low - 0.06 * (value[top] - low), value[top] + 0.1 * (value[top] - low))
        ax.set_xlabel(tau2_label(measure))
        ax.set_ylabel("Log-likelihood")
        legend_above(ax)
    return ax
