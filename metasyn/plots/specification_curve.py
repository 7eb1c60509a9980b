"""Specification curves: every pool of a multiverse by its estimate, and below it the choices that led there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from metasyn.plots.scales import mark_effects, padded
from metasyn.plots.style import ACCENT, BAND, CONTRAST, INK, MUTED, RULE, WIDE_BAND, new_axes, style, text_width
from metasyn.pooling.multiverse import Choice, Multiverse

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
COLUMNS = 240  # of the dashboard; with more specifications each column stands for several neighbours
CHOICES = 8  # shown below the curve, those that matter most
SMALL = 7.5  # size of the options' names
ROW, HEAD = 0.145, 0.19  # inches: an option, and the name of its choice
LONGEST = 2.6  # inches of an option's name, beyond which it is cut
INTERVALS = {
    "z": "Wald",
    "t": "Wald with t",
    "HK": "Hartung-Knapp",
    "HK_adhoc": "ad hoc Hartung-Knapp",
    "KR": "Kenward-Roger",
}
TAIL = 0.01  # of the limits at either end that the axis need not reach


def specification_curve(
    result: Multiverse, *, measure: str | None = None, choices: int = CHOICES, ax: Axes | None = None
) -> Axes:
    """Draw specifications in the order of their estimates, their intervals, and a dashboard of choices.

    With more than 240 specifications a column stands for neighbours in that order: the line is the estimate, the darker band runs between
    the medians of their limits, the lighter one between the outermost, and a cell of the dashboard is as dark as the
    share of them that take the option. One interval in a hundred may leave the axis at either end.

    Parameters
    ----------
    result : Multiverse
    measure : str or None
        What the effects are; ratios get a log scale.
    choices : int
        How many choices the dashboard shows, those with the largest share of the variance of the estimate or the limit first.
    ax : Axes or None
        By default those of a new figure. The dashboard hangs below them (`ax.child_axes[0]`), and takes room there.

    Returns
    -------
    Axes
        Of the curve.

    References
    ----------
    Simonsohn, Simmons and Nelson 2020, Nature Human Behaviour 4:1208-14.
    """
    shown, hidden = _shown(result, choices)
    tall = sum(HEAD + ROW * len(choice.options) for choice in shown) + (ROW if hidden else 0)
    frame = result.specifications
    # of equal estimates by their limits; rounding parts no equal ones
    order = np.lexsort((frame["ci_low"].to_numpy(), frame["estimate"].to_numpy().round(12)))
    columns = np.array_split(order, min(COLUMNS, order.size))
    with style():
        if ax is None:
            ax = new_axes(width=5.6, height=2.7, left=_left(shown), right=0.25, top=0.45, bottom=tall + 0.85)
        _curve(ax, result, order, columns, measure)
        panel = _dashboard(ax, result, shown, columns, tall)
        if hidden:
            panel.text(0, tall, f"and {hidden} {'choice' if hidden == 1 else 'choices'} that move the result less", va="bottom", fontsize=SMALL, color=MUTED, gid="hidden")  # fmt: skip
    return ax


def _shown(result: Multiverse, most: int) -> tuple[list[Choice], int]:
    """The choices that matter most, by the larger of their two shares, and how many are left."""
    frame = result.importance.set_index("choice")
    larger = frame[["estimate_share", "limit_share"]].max(axis=1).fillna(0.0)
    ranked = sorted(result.choices, key=lambda choice: -float(larger[choice.name]))
    return ranked[:most], max(0, len(ranked) - most)


def _left(shown: list[Choice]) -> float:
    """Room for the names at the left."""
    names = [_cut(option_name(option)) for choice in shown for option in choice.options]
    return max(0.75, 0.2 + max((text_width(name, size=SMALL) for name in names), default=0.0))


def _cut(text: str) -> str:
    """A name that fits its room."""
    if text_width(text, size=SMALL) <= LONGEST:
        return text
    while text and text_width(f"{text}…", size=SMALL) > LONGEST:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _curve(ax: Axes, result: Multiverse, order: npt.NDArray[np.intp], columns: list[Any], measure: str | None) -> None:
    frame = result.specifications
    estimate, low, high = (frame[name].to_numpy() for name in ("estimate", "ci_low", "ci_high"))
    place = _places(order.size)
    bottom, top = padded(min(np.quantile(low, TAIL), estimate.min(), result.null), max(np.quantile(high, 1 - TAIL), estimate.max(), result.null))  # fmt: skip
    if order.size <= COLUMNS:
        ax.vlines(place, low[order], high[order], color=MUTED, lw=0.9, zorder=2, gid="interval", label=f"{result.level:.0%} interval")  # fmt: skip
        ax.plot(place, estimate[order], ls="", marker="o", ms=2.6, color=ACCENT, zorder=3, gid="estimate", label="Estimate")  # fmt: skip
    else:
        edges = np.concatenate([[0], np.cumsum([each.size for each in columns])]).astype(float)
        outermost = [values.min() for values in _of(low, columns)], [values.max() for values in _of(high, columns)]
        middle = [np.median(values) for values in _of(low, columns)], [np.median(values) for values in _of(high, columns)]  # fmt: skip
        for (lows, highs), colour, gid, label in (
            (outermost, WIDE_BAND, "outermost", "outermost limits"),
            (middle, BAND, "middle", f"median limits ({result.level:.0%})"),
        ):
            ax.stairs(highs, edges, baseline=lows, fill=True, color=colour, lw=0, zorder=1, gid=gid, label=label)
        ax.plot(place, estimate[order], color=ACCENT, lw=1.4, zorder=3, gid="estimate", label="Estimate")
    if bottom < result.null < top:
        ax.axhline(result.null, color=INK, lw=0.8, ls="--", zorder=2, gid="null")
    if result.headline is not None:
        _headline(ax, frame.iloc[result.headline], float(place[np.flatnonzero(order == result.headline)[0]]))
    ax.set_xlim(0, order.size)
    ax.set_ylim(bottom, top)
    ax.set_xticks([])
    mark_effects(ax, "y", measure)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, fontsize=8, borderaxespad=0.2, columnspacing=1.1, handlelength=1.5)  # fmt: skip


def _of(values: Array, columns: list[Any]) -> list[Array]:
    """Values column by column."""
    return [values[each] for each in columns]


def _places(n: int) -> Array:
    """Where specifications stand across: in the middle of a column of width 1 each."""
    return np.arange(n, dtype=float) + 0.5


def _headline(ax: Axes, row: Any, at: float) -> None:
    ax.vlines([at], [row["ci_low"]], [row["ci_high"]], color=CONTRAST, lw=1.6, zorder=4, gid="headline interval")
    ax.plot([at], [row["estimate"]], ls="", marker="D", ms=5, color=CONTRAST, mec="white", mew=0.6, zorder=5, gid="headline", label="Headline")  # fmt: skip


def _dashboard(ax: Axes, result: Multiverse, shown: list[Choice], columns: list[Any], tall: float) -> Axes:
    """A strip per option: dark where specifications take it; in inches from the top, so that rows are even."""
    box = ax.get_position()
    figure = ax.get_figure(root=True)
    inches = box.height * (figure.get_size_inches()[1] if figure is not None else 1.0)
    n = len(result.specifications)
    panel = ax.inset_axes((0, -(tall + 0.35) / inches, 1, tall / inches))
    panel.set_gid("dashboard")
    edges = np.concatenate([[0], np.cumsum([each.size for each in columns])]).astype(float)
    at, ticks, names = 0.0, [], []
    place = None if result.headline is None else float(np.flatnonzero(np.concatenate(columns) == result.headline)[0]) + 0.5  # fmt: skip
    for choice in shown:
        panel.text(0, at + HEAD - 0.03, _heading(choice), va="bottom", fontsize=SMALL, fontweight="bold", gid="choice")
        at += HEAD
        rows = at + ROW * np.arange(len(choice.options) + 1)
        panel.pcolormesh(edges, rows, _shares(result, choice, columns), cmap="Greys", vmin=0, vmax=1.15, rasterized=True, zorder=1, gid=f"{choice.name}")  # fmt: skip
        panel.hlines(rows, 0, n, color="white", lw=1.6, zorder=2)
        panel.hlines(rows[1:], 0, n, color=RULE, lw=0.3, zorder=2)
        if place is not None:
            panel.vlines([place], rows[0], rows[-1], color=CONTRAST, lw=1.0, zorder=3, gid="headline")
        ticks += [*(rows[:-1] + ROW / 2)]
        names += [_cut(option_name(option)) for option in choice.options]
        at = rows[-1]
    panel.set_yticks(ticks, labels=names, fontsize=SMALL)
    panel.tick_params(axis="y", length=0)
    panel.set_xticks([])
    panel.set_xlim(0, n)
    panel.set_ylim(tall, 0)
    panel.spines[["top", "right", "left", "bottom"]].set_visible(False)
    panel.set_xlabel(_count(result), fontsize=8)
    return panel


def _shares(result: Multiverse, choice: Choice, columns: list[Any]) -> Array:
    """Of each column the share of specifications that take each option, shape (options, columns)."""
    taken = result.specifications[choice.column].to_numpy()
    return np.array([[np.mean(taken[each] == option) for each in columns] for option in choice.options])


def option_name(option: str) -> str:
    """An option as readers know it; codes of intervals in words."""
    return INTERVALS.get(option, option)


def _heading(choice: Choice) -> str:
    return {"tau2_method": "Estimator of τ²", "ci_method": "Interval"}.get(
        choice.name, f"Estimate of {choice.name}" if choice.kind == "estimate" else choice.name[:1].upper() + choice.name[1:]
    )  # fmt: skip


def many(possible: int) -> str:
    """How many specifications were possible at most."""
    return f"at most {possible:,}" if possible < 10**9 else f"about {possible:.0e}"


def _count(result: Multiverse) -> str:
    n = len(result.specifications)
    of = "" if result.exhaustive else f", a balanced sample of {many(result.possible)}"
    each = f"\nEach column is about {n / COLUMNS:.0f} neighbours, as dark as the share that takes an option" if n > COLUMNS else ""  # fmt: skip
    return f"{n:,} specifications by their estimate{of}{each}"
