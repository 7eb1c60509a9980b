"""Cumulative evidence against the information it rests on, between the boundaries that would settle it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from metasyn.plots.style import ACCENT, BAND, CONTRAST, INK, MUTED, new_axes, style
from metasyn.pooling import is_ratio

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from metasyn.pooling.sequential import SequentialAnalysis

Array = npt.NDArray[np.float64]

LEAST_HEIGHT, GREATEST_HEIGHT = 4.0, 9.0  # of the z axis; a boundary beyond leaves the panel
APART = 0.055  # of the panel's width, between labels of looks of five characters
CLEAR = 0.12  # of the half height, between the statistic and a label
LONGEST = 10  # characters of a label; a longer one is replaced by the number of the look


def sequential(
    analysis: SequentialAnalysis, *, measure: str | None = None, better: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the cumulative z over information, with boundaries and the required information.

    Parameters
    ----------
    analysis : SequentialAnalysis
        Of `metasyn.pooling.sequential.trial_sequential`.
    measure : str or None
        What the effects are, for the axis labels.
    better : {"lower", "higher"} or None
        Which effects are a benefit, for the words at the sides.
    ax : Axes or None
        By default those of a new figure.

    Returns
    -------
    Axes
        Information (1 over the squared standard error) across, z up; the statistic's line has gid "statistic", boundaries "boundary
        above" and "boundary below", futility "futility", the required information "required".
    """
    looks = analysis.looks
    with style():
        ax = new_axes(6.6, 3.6, left=0.8, right=0.3, top=0.75, bottom=0.65) if ax is None else ax
        height = _height(looks)
        ax.set_ylim(-height, height)
        ax.set_xlim(0, 1.12 * max(analysis.required, float(looks["counted"].max())))
        ax.axhline(0, color=MUTED, lw=0.8, gid="no effect")
        _boundaries(ax, looks)
        ax.axvline(analysis.required, color=INK, lw=1.0, ls=(0, (6, 2)), gid="required")
        required = ax.text(analysis.required, 1.01, f"required: {analysis.required:.0f}", transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=8.5)  # fmt: skip
        required.set_gid("required label")
        _statistic(ax, looks)
        _words(ax, analysis, measure, better)
    return ax


def _height(looks: pd.DataFrame) -> float:
    reach = [1.25 * abs(looks["z"]).max() + 0.5]
    finite = looks["boundary"][np.isfinite(looks["boundary"])]
    reach += [float(finite.min()) + 1.0] if len(finite) else []
    return float(np.clip(max(reach), LEAST_HEIGHT, max(GREATEST_HEIGHT, reach[0])))


def _boundaries(ax: Axes, looks: pd.DataFrame) -> None:
    tested = looks[looks["tested"]]
    x = tested["counted"].to_numpy(dtype=float)
    limit = tested["boundary"].to_numpy(dtype=float)
    # far outside the panel in place of infinity, which no line can reach
    drawn = np.where(np.isfinite(limit), limit, 1e3)
    for sign, side in ((1.0, "above"), (-1.0, "below")):
        ax.plot(x, sign * drawn, color=CONTRAST, lw=1.6, marker="s", ms=4, clip_on=True, gid=f"boundary {side}")
    if tested["futility"].notna().any():
        inner = tested["futility"].to_numpy(dtype=float)
        ax.fill_between(x, -inner, inner, color=BAND, lw=0, zorder=0, gid="futility")
        for sign in (1.0, -1.0):
            ax.plot(x, sign * inner, color=MUTED, lw=0.9, ls="--", gid="futility edge")


def _statistic(ax: Axes, looks: pd.DataFrame) -> None:
    x, z = looks["counted"].to_numpy(dtype=float), looks["z"].to_numpy(dtype=float)
    ax.plot(np.insert(x, 0, 0.0), np.insert(z, 0, 0.0), color=ACCENT, lw=1.8, zorder=3)
    ax.plot(x, z, "o", color=ACCENT, ms=5, zorder=4, gid="statistic")
    crossed = looks["crossed"].to_numpy(dtype=bool)
    if crossed.any():
        first = int(np.argmax(crossed))
        ax.plot(x[first : first + 1], z[first : first + 1], "o", ms=11, mfc="none", mec=CONTRAST, mew=1.8, zorder=5, gid="first crossing")  # fmt: skip
    _labels(ax, looks, x, z)


def _labels(ax: Axes, looks: pd.DataFrame, x: Array, z: Array) -> None:
    """Names of looks on the outer side of the statistic, where no boundary runs; left out where they would stand on each other."""
    across, height = ax.get_xlim()[1], ax.get_ylim()[1]
    last = -np.inf
    for place in range(len(looks) - 1, -1, -1):  # the last look is always named
        name = str(looks["label"].iloc[place])
        text = name if len(name) <= LONGEST else f"look {place + 1}"
        needed = APART * across * max(1.0, len(text) / 5)
        if place < len(looks) - 1 and last - x[place] < needed:
            continue
        last = x[place]
        outward = 1.0 if z[place] > 0 else -1.0
        at = z[place] + outward * CLEAR * height
        ax.text(x[place], at, text, ha="center", va="center", fontsize=8, color=ACCENT, zorder=6, gid="look")


def _words(ax: Axes, analysis: SequentialAnalysis, measure: str | None, better: str | None) -> None:
    name = f"log {measure}" if is_ratio(measure) else (measure or "effect")
    ax.set_xlabel(f"Information (1 over the squared standard error of the {name})")
    ax.set_ylabel(f"Cumulative z of the {name}")
    if better in ("lower", "higher"):
        above, below = ("benefit", "harm") if better == "higher" else ("harm", "benefit")
        for at, word, edge in ((0.97, above, "top"), (0.03, below, "bottom")):
            ax.text(0.012, at, word, transform=ax.transAxes, va=edge, ha="left", fontsize=8.5, color=MUTED, gid="side")
    futile = "; shaded: futility" if analysis.futility is not None else ""
    ax.text(0, 1.1, f"Points: looks. Squares: boundaries for a two-sided error of {analysis.alpha:g}{futile}", transform=ax.transAxes, fontsize=8.5, color=MUTED, va="bottom", gid="legend")  # fmt: skip
