"""Bubble plots of meta-regressions: effects against a moderator, with the fitted line and its bands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.plots.scales import mark_effects, null_effect, padded
from metasyn.plots.style import ACCENT, BAND, INK, MUTED, WIDE_BAND, legend_above, new_axes, style
from metasyn.pooling import MetaRegression

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def bubble(
    regression: MetaRegression,
    term: str,
    *,
    measure: str | None = None,
    prediction: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw effects against one term of a meta-regression.

    Parameters
    ----------
    regression : MetaRegression
        Its `predict` gives the line, with the other terms at their means over the studies; the points are as observed. Terms that
        are functions of each other (a square, an interaction) are therefore not shown as the model means them.
    term : str
        One of `regression.terms`, other than the intercept.
    measure : str or None
        What the effects are, for the axis.
    prediction : bool
        Draw the prediction interval around the interval of the line, where the model has residual heterogeneity.
    ax : Axes or None
        By default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the term is not one of the regression's, or does not vary.

    References
    ----------
    Thompson and Higgins 2002, Statistics in Medicine 21:1559-73.
    """
    if term not in regression.terms:
        raise ValueError(f"term is not in the regression ({term}); accepted: {', '.join(regression.terms)}")
    column = regression.terms.index(term)
    x = regression.design[:, column]
    if np.ptp(x) == 0:
        raise ValueError(f"term {term} is the same in all studies: there is nothing to draw effects against")
    weights = 1 / (regression.standard_errors**2 + regression.tau2)
    limits = padded(float(x.min()), float(x.max()))
    grid, fit = _fit(regression, column, limits)
    with style():
        ax = new_axes(top=0.5) if ax is None else ax
        ends = [*regression.effects, *fit["ci_low"], *fit["ci_high"]]
        wide = prediction and bool(fit["pi_low"].notna().all())
        if wide:
            ax.fill_between(grid, fit["pi_low"], fit["pi_high"], color=WIDE_BAND, lw=0, zorder=0, gid="prediction", label=f"{regression.level:.0%} prediction")  # fmt: skip
            ends += [*fit["pi_low"], *fit["pi_high"]]
        ax.fill_between(grid, fit["ci_low"], fit["ci_high"], color=BAND, lw=0, zorder=1, gid="band", label=f"{regression.level:.0%} interval")  # fmt: skip
        ax.plot(grid, fit["estimate"], color=INK, lw=1.4, zorder=3, gid="fit", label="Fitted")
        null = null_effect(measure)
        if null is not None:
            ax.axhline(null, color=MUTED, lw=0.7, ls=":", zorder=2, gid="null")
        area = (20 + 240 * weights / weights.max()).tolist()  # points squared
        ax.scatter(x, regression.effects, s=area, color=ACCENT, alpha=0.65, edgecolor="white", linewidth=0.6, zorder=4, gid="studies")  # fmt: skip
        ax.set_xlim(*limits)
        ax.set_ylim(*padded(min(ends), max(ends)))
        ax.set_xlabel(term)
        mark_effects(ax, "y", measure)
        legend_above(ax)
    return ax


def _fit(
    regression: MetaRegression, column: int, limits: tuple[float, float]
) -> tuple[npt.NDArray[np.float64], pd.DataFrame]:
    """Values of a term, and the regression's predictions there with the other terms at their means."""
    rows = np.repeat(regression.design.mean(axis=0)[None, :], 200, axis=0)
    rows[:, column] = np.linspace(*limits, 200)
    return rows[:, column], regression.predict(rows)
