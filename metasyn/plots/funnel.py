"""Funnel plots: effects against their precision, with the regions of significance of a single study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from metasyn.plots.scales import error_label, mark_effects, null_effect, padded
from metasyn.plots.style import ACCENT, GREYS, INK, MUTED, new_axes, style
from metasyn.pooling import PooledEstimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
CONTOURS = (0.90, 0.95, 0.99)
YAXES = ("se", "variance", "precision")
LEGEND = 1.75  # inches right of the panel


class Filled(Protocol):
    """Effects that trim and fill adds, with their standard errors."""

    @property
    def filled_effects(self) -> Array:
        """Effects, shape (m,)."""

    @property
    def filled_standard_errors(self) -> Array:
        """Standard errors, shape (m,)."""


def funnel(
    pooled: PooledEstimate,
    *,
    contours: Sequence[float] | None = CONTOURS,
    filled: Filled | None = None,
    yaxis: str = "se",
    ax: Axes | None = None,
) -> Axes:
    """Draw a funnel plot, contour-enhanced by default.

    Parameters
    ----------
    pooled : PooledEstimate
        Studies, and the estimate that the dashed pseudo-interval of its level stands about.
    contours : sequence of float or None
        Levels, rising: a study between two of them has a p value between 1 minus each. None, and measures of one group,
        which have no null: no regions.
    filled : object with filled_effects and filled_standard_errors, or None
        Studies that trim and fill imputes: hollow points.
    yaxis : str
        se, variance, or precision (1/se); the most precise studies are at the top.
    ax : Axes or None
        By default those of a new figure. The legend stands right of them.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If `yaxis` is not known, or contours are not rising levels between 0 and 1.

    References
    ----------
    Sterne and Egger 2001, J Clin Epidemiol 54:1046-55; Peters et al. 2008, J Clin Epidemiol 61:991-6 (contours).
    """
    if yaxis not in YAXES:
        raise ValueError(f"yaxis is not known ({yaxis}); accepted: {', '.join(YAXES)}")
    levels = tuple(contours or ())
    if len(levels) >= len(GREYS) or not all(a < b for a, b in zip((0.0, *levels), (*levels, 1.0), strict=True)):
        raise ValueError(f"contours are {levels}; accepted: up to {len(GREYS) - 1} rising levels between 0 and 1")
    added = (np.empty(0), np.empty(0))
    if filled is not None:
        added = np.asarray(filled.filled_effects, dtype=float), np.asarray(filled.filled_standard_errors, dtype=float)
    with style():
        ax = new_axes(right=LEGEND) if ax is None else ax
        errors = _limits(ax, pooled, added, yaxis, levels)
        null = null_effect(pooled.measure)
        if levels and null is not None:
            _regions(ax, null, levels, errors, yaxis)
        ax.axvline(pooled.estimate, color=INK, lw=1.0, zorder=2, gid="estimate")
        z = -float(ndtri((1 - pooled.level) / 2))
        for sign in (-1, 1):
            ax.plot(pooled.estimate + sign * z * errors, _height(errors, yaxis), color=INK, lw=0.9, ls=(0, (5, 3)), zorder=2, gid="funnel",
                    label=f"{pooled.level:.0%} pseudo-interval" if sign > 0 else None)  # fmt: skip
        ax.scatter(pooled.effects, _height(pooled.standard_errors, yaxis), s=24, color=ACCENT, edgecolor="white", linewidth=0.6, zorder=4, label="Studies", gid="studies")  # fmt: skip
        if filled is not None:
            ax.scatter(added[0], _height(added[1], yaxis), s=24, facecolor="white", edgecolor=ACCENT, linewidth=1.1, zorder=4, label="Filled", gid="filled")  # fmt: skip
        _finish(ax, pooled, yaxis)
    return ax


def _height(se: Array, yaxis: str) -> Array:
    return se if yaxis == "se" else se**2 if yaxis == "variance" else 1 / se


def _limits(
    ax: Axes, pooled: PooledEstimate, added: tuple[Array, Array], yaxis: str, levels: tuple[float, ...]
) -> Array:
    """Set the limits; the standard errors at which borders are drawn, from the top of the axis to its bottom."""
    effects = np.concatenate([pooled.effects, added[0]])
    se = np.concatenate([pooled.standard_errors, added[1]])
    largest = 1.08 * float(se.max())
    if yaxis == "precision":
        top = 1.08 / float(se.min())
        least, bottom = 1 / top, max(0.0, 1 / float(se.max()) - 0.06 * top)
        largest = min(1 / bottom, 3 * float(se.max())) if bottom > 0 else 3 * float(se.max())
        ax.set_ylim(1 / largest, top)
        errors = 1 / np.linspace(1 / largest, top, 400)
    else:
        least = 0.0
        ax.set_ylim(_height(np.array([largest]), yaxis)[0], 0)
        errors = np.sqrt(np.linspace(0, largest**2, 400)) if yaxis == "variance" else np.linspace(least, largest, 2)
    z = -float(ndtri((1 - pooled.level) / 2)) * (float(se.max()) if yaxis == "precision" else largest)
    ends = [*effects, pooled.estimate - z, pooled.estimate + z]
    null = null_effect(pooled.measure)
    if levels and null is not None:
        ends.append(null)
    ax.set_xlim(*padded(min(ends), max(ends)))
    return errors


def _regions(ax: Axes, null: float, levels: tuple[float, ...], errors: Array, yaxis: str) -> None:
    """Regions of p values about the null, white inside and darker outwards."""
    y = _height(errors, yaxis)
    low, high = ax.get_xlim()
    inner = np.zeros_like(errors)
    for number in range(len(levels) + 1):
        last = number == len(levels)
        outer = np.full_like(errors, 2 * (high - low)) if last else -float(ndtri((1 - levels[number]) / 2)) * errors
        for sign in (-1, 1):
            ax.fill_betweenx(y, null + sign * inner, null + sign * outer, color=GREYS[number], lw=0, zorder=0, gid="region",
                             label=_p_range(levels, number) if sign > 0 else None)  # fmt: skip
        inner = outer
    ax.set_xlim(low, high)
    ax.axvline(null, color=MUTED, lw=0.7, ls=":", zorder=1, gid="null")


def _p_range(levels: tuple[float, ...], number: int) -> str:
    if number == 0:
        return f"p > {1 - levels[0]:.4g}"
    above = f"{1 - levels[number - 1]:.4g}"
    return f"p < {above}" if number == len(levels) else f"p {1 - levels[number]:.4g} to {above}"


def _finish(ax: Axes, pooled: PooledEstimate, yaxis: str) -> None:
    mark_effects(ax, "x", pooled.measure)
    name = error_label(pooled.measure)
    what: dict[str, Any] = {"se": name, "variance": name.replace("Standard error", "Variance"), "precision": "Precision (1 / standard error)"}  # fmt: skip
    ax.set_ylabel(what[yaxis])
    legend = ax.legend(
        loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=8, borderaxespad=0, handlelength=1.6
    )
    for patch in legend.get_patches():
        patch.set_edgecolor(MUTED)  # or the white region would have no box
        patch.set_linewidth(0.5)
