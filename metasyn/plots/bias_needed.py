"""How the share of studies with a true effect falls with the bias that each may carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metasyn.plots.style import ACCENT, BAND, CONTRAST, MUTED, new_axes, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from metasyn.certainty import BiasNeeded


def bias_needed(curve: pd.DataFrame, needed: BiasNeeded | None = None, ax: Axes | None = None) -> Axes:
    """Draw the share of studies with a true effect beyond a threshold over the bias in every study.

    Parameters
    ----------
    curve : DataFrame
        bias_factor share ci_low ci_high, of `metasyn.certainty.bias_curve`.
    needed : BiasNeeded or None
        The bias that leaves a share, marked with its interval; its threshold is named on the axis.
    ax : Axes or None
        By default those of a new figure.

    Returns
    -------
    Axes
        Bias factor (a risk ratio, log scale) across, share in percent up.
    """
    with style():
        ax = new_axes(5.0, 3.0, left=0.8, bottom=0.7, top=0.45) if ax is None else ax
        ax.fill_between(
            curve["bias_factor"], 100 * curve["ci_low"], 100 * curve["ci_high"], color=BAND, lw=0, gid="interval"
        )
        ax.plot(curve["bias_factor"], 100 * curve["share"], color=ACCENT, lw=1.6, gid="share")
        ax.set_xscale("log")
        ax.set_xlim(1, float(curve["bias_factor"].iloc[-1]))
        ax.set_ylim(0, 100)
        _ticks(ax)
        beyond = "1" if needed is None else f"{needed.threshold:.3g}"
        ax.set_xlabel("Bias in every study, as a risk ratio (log scale)")
        ax.set_ylabel(f"Studies with a true effect\nbeyond a ratio of {beyond} (%)")
        if needed is not None and needed.bias_factor > 1:
            ax.axhline(100 * needed.share, color=MUTED, lw=0.8, ls=":", gid="asked")
            low, high = (min(end, ax.get_xlim()[1]) for end in needed.bias_factor_ci)
            ax.hlines(100 * needed.share, low, high, color=CONTRAST, lw=2.2, gid="needed interval")
            ax.plot(
                [min(needed.bias_factor, ax.get_xlim()[1])],
                [100 * needed.share],
                "o",
                color=CONTRAST,
                ms=5,
                gid="needed",
            )
            ax.text(0.0, 1.03, f"{needed.share:.0%} left at a bias of {needed.bias_factor:.2f}, which takes confounding of {needed.confounding:.2f}", transform=ax.transAxes, color=MUTED, fontsize=8.5, va="bottom")  # fmt: skip
    return ax


def _ticks(ax: Axes) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    last = ax.get_xlim()[1]
    wanted = [1, 1.05, 1.1, 1.2, 1.3, 1.5, 2, 3, 4, 6, 8, 12, 20, 40, 100]
    shown = [tick for tick in wanted if tick <= last]
    step = max(1, -(-len(shown) // 8))
    ax.xaxis.set_major_locator(FixedLocator(shown[::step]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
