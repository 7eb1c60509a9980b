"""Posterior densities of a Bayesian random-effects model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from metasyn.plots.scales import mark_effects, null_effect, tau_label
from metasyn.plots.style import ACCENT, BAND, INK, MUTED, legend_above, new_axes, style
from metasyn.pooling import Posterior

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = {"mu": "mean effect", "tau": "heterogeneity", "predictive": "effect of a new study"}
POINTS = 801
TAIL = 0.001  # of the distribution that lies beyond the axis on either side


def posterior(result: Posterior, what: str = "mu", *, interval: str = "central", ax: Axes | None = None) -> Axes:
    """Draw a posterior density with its interval shaded and a line at its median; for tau, the prior as a dashed line.

    Parameters
    ----------
    result : Posterior
        Of `metasyn.pooling.pool_bayes`.
    what : str
        mu, tau or predictive.
    interval : str
        central or shortest.
    ax : Axes or None
        By default those of a new figure. The legend stands above them.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If `what` or `interval` is another word.
    """
    if what not in SHOWN:
        raise ValueError(f"what is not known ({what}); accepted: {', '.join(SHOWN)}")
    if interval not in ("central", "shortest"):
        raise ValueError(f"interval is not known ({interval}); accepted: central, shortest")
    marginal = {"mu": result.mu, "tau": result.tau, "predictive": result.predictive}[what]
    low_end, high_end = (float(end) for end in marginal.ppf([TAIL, 1 - TAIL]))
    low, high = marginal.central if interval == "central" else marginal.shortest
    first = 0.0 if what == "tau" else low_end
    x = np.unique(np.concatenate([np.linspace(first, high_end, POINTS), [low, marginal.median, high]]))
    density = np.asarray(marginal.pdf(x))
    inside = (x >= low) & (x <= high)
    top = float(density.max())
    with style():
        ax = new_axes(top=0.5) if ax is None else ax
        ax.fill_between(x[inside], 0, density[inside], color=BAND, lw=0, zorder=1, gid="interval", label=f"{result.level:.0%} {interval} interval")  # fmt: skip
        ax.plot(x, density, color=ACCENT, lw=1.8, zorder=3, gid="density", label="Posterior")
        middle = float(marginal.median)
        ax.plot(
            [middle] * 2,
            [0, float(np.interp(middle, x, density))],
            color=INK,
            lw=1.1,
            zorder=2,
            gid="median",
            label="Median",
        )
        ax.set_xlim(first, high_end)
        if what == "tau":
            top = max(top, min(_prior(ax, result, x), 1.6 * top))  # a prior that rises without bound at 0 is cut
            ax.set_xlabel(tau_label(result.measure))
        else:
            mark_effects(ax, "x", result.measure)
            null = null_effect(result.measure)
            if null is not None and first <= null <= high_end:
                ax.axvline(null, color=MUTED, lw=0.7, ls=":", zorder=0, gid="null")
        ax.set_ylim(0, 1.06 * top)
        ax.set_ylabel(f"Density, {SHOWN[what]}")
        legend_above(ax)
    return ax


def _prior(ax: Axes, result: Posterior, x: npt.NDArray[np.float64]) -> float:
    """Draw the prior of tau; its highest density on the axis."""
    positive = np.where(x > 0, x, x[x > 0].min() * 1e-3)  # the density of some priors is a limit at 0
    prior = np.exp(np.asarray(result.tau_prior.log_pdf(positive)))
    ax.plot(x, prior, color=MUTED, lw=1.3, ls="--", zorder=2, gid="prior", label=f"Prior, {result.tau_prior.name}")
    return float(prior.max())
