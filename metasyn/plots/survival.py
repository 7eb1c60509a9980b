"""Survival curves with their intervals, and the numbers at risk under them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from metasyn.plots.arms import (
    COLOURS,
    DASHES,
    EXTRAPOLATED,
    broken,
    mark_times,
    name_at_the_end,
    named,
    one_each,
)
from metasyn.plots.style import INK, MUTED, RULE, new_axes, style, text_width
from metasyn.pooling.arrays import Array
from metasyn.survival.curve import Curve
from metasyn.survival.kaplan_meier import KaplanMeier

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 12.0  # points, of a line of the table
TABLE_TOP = 48.0  # points from the panel to the baseline of the table's head, under ticks and label
MOST_TICKS = 150  # of censoring along the axis: one for each stretch of it
FEW_CLICKS = 400  # beyond, every so-manieth is drawn


class Reported(Protocol):
    """What a paper prints of one arm: an `ArmSummary`, or anything that has these."""

    @property
    def median(self) -> float | str | None:
        """In the unit of the curves; a text or None where it is not reached or not printed."""

    @property
    def median_ci(self) -> tuple[float | None, float | None] | None:
        """Limits of the median; None or NaN where not reached."""

    @property
    def rates(self) -> Sequence[Any]:
        """Tuples (time, survival) or (time, survival, low, high), or objects with time, survival, ci."""


class Fit(Protocol):
    """A fitted distribution: a `ParametricFit`, or anything that has these."""

    @property
    def extrapolated_from(self) -> float:
        """The last observed time."""

    def survival(self, times: Any, /) -> Array:
        """Survival at times."""


def survival(
    curves: KaplanMeier | Sequence[KaplanMeier] | Mapping[str, KaplanMeier],
    *,
    labels: Sequence[str] | None = None,
    time_unit: str | None = None,
    time_origin: str | None = None,
    outcome: str = "Survival",
    band: bool = True,
    bands: Sequence[pd.DataFrame | None] | None = None,
    censored: bool = True,
    at_risk: bool = True,
    reported: Sequence[Reported | None] | None = None,
    clicks: Sequence[Curve | None] | None = None,
    fits: Sequence[Fit | None] | None = None,
    until: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw survival curves and, below, the numbers at risk.

    Parameters
    ----------
    curves : KaplanMeier, sequence or mapping of them
        One to six arms; a mapping is by name.
    labels : sequence of str or None
        Names of the arms; they stand where the lines end.
    time_unit, time_origin : str or None
        For the label of the axis, as in Months since randomisation.
    outcome : str
        Label of the other axis.
    band : bool
        Whether the curves' intervals are drawn.
    bands : sequence of DataFrame or None
        Bands in their place, such as those of draws: columns time, ci_low, ci_high (`metasyn.survival.draw_band`).
    censored : bool
        Whether censored times are ticked, at most one in each 150th of the axis.
    at_risk : bool
        Whether the table is drawn.
    reported : sequence of Reported or None
        What the paper prints of each arm, over the curves: a diamond for a rate, a square for a median, with intervals.
        An arrow stands where a limit is not reached.
    clicks : sequence of Curve or None
        Digitised points, as faint dots.
    fits : sequence of Fit or None
        Fitted distributions: a thin line, sparsely dashed where it extrapolates.
    until : float or None
        End of the axis of time; by default the last time of any arm.
    ax : Axes or None
        By default those of a new figure with margins for names and table.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there are no curves or too many, or names, bands or the rest do not fit them.
    """
    arms = named(curves, labels)
    count = len(arms)
    per_arm = [one_each(name, values, count) for name, values in (("bands", bands), ("reported", reported), ("clicks", clicks), ("fits", fits))]  # fmt: skip
    end = max(curve.last_time for curve in arms.values()) if until is None else float(until)
    if not (math.isfinite(end) and end > 0):
        raise ValueError(f"until is not a positive time ({end:g})")
    with style():
        ax = _axes(arms, at_risk) if ax is None else ax
        ticks = mark_times(ax, end, time_unit, time_origin)
        for arm, (curve, given, printed, points, fit) in enumerate(zip(arms.values(), *per_arm, strict=True)):
            if points is not None:
                _clicks(ax, points, COLOURS[arm])
            if band or given is not None:
                _band(ax, curve, given, COLOURS[arm])
            _curve(ax, curve, end, arm, censored=censored)
            if fit is not None:
                _fit(ax, fit, end, COLOURS[arm])
            if printed is not None:
                _reported(ax, printed, end, COLOURS[arm])
        ax.set_ylim(0, 1.02)
        ax.set_yticks(np.arange(6) / 5)
        ax.set_ylabel(outcome)
        heights = [float(np.append(1.0, curve.survival)[np.searchsorted(curve.time, end, side="right")]) / 1.02 for curve in arms.values()]  # fmt: skip
        if count > 1 or labels is not None or isinstance(curves, Mapping):
            name_at_the_end(ax, list(arms), heights)
        if at_risk:
            _table(ax, arms, ticks)
        _legend(ax, next(iter(arms.values())).level)
    return ax


def _axes(arms: Mapping[str, KaplanMeier], at_risk: bool) -> Axes:
    lines = sum(broken(name).count("\n") + 1 for name in arms)
    widest = max(text_width(line) for name in arms for line in broken(name).split("\n"))
    return new_axes(
        width=5.0,
        height=3.6,
        left=max(0.75, _half_number(arms) + 0.2 + max(widest, text_width("No. at risk", bold=True)))
        if at_risk
        else 0.75,
        right=widest + 0.35,
        top=0.5,
        bottom=(TABLE_TOP + ROW * lines + 8) / 72 if at_risk else 0.6,
    )


def _curve(ax: Axes, curve: KaplanMeier, end: float, arm: int, *, censored: bool) -> None:
    inside = curve.time <= end
    time = np.concatenate([[0.0], curve.time[inside], [min(curve.last_time, end)]])
    steps = np.concatenate([[1.0], curve.survival[inside]])
    ax.plot(time, np.append(steps, steps[-1]), drawstyle="steps-post", color=COLOURS[arm], ls=DASHES[arm], lw=1.5, zorder=4, gid="curve", clip_on=False)  # fmt: skip
    lost = inside & (curve.censored > 0)
    if censored and lost.any():
        bins = np.floor(curve.time[lost] / end * MOST_TICKS)  # so that many do not run into a bar
        marked = np.flatnonzero(lost)[np.unique(bins, return_index=True)[1]]
        ax.plot(curve.time[marked], curve.survival[marked], ls="", marker="|", ms=5, mew=0.7, color=COLOURS[arm], zorder=4, gid="censored", clip_on=False)  # fmt: skip


def _band(ax: Axes, curve: KaplanMeier, given: pd.DataFrame | None, colour: str) -> None:
    if given is not None:
        missing = [name for name in ("time", "ci_low", "ci_high") if name not in given]
        if missing:
            raise ValueError(f"bands lacks {', '.join(missing)}; accepted: time, ci_low, ci_high")
        time, low, high = (given[name].to_numpy(dtype=float) for name in ("time", "ci_low", "ci_high"))
    else:
        known = int(np.isfinite(curve.ci_low).sum())  # the limits end where survival is 0
        edges = np.concatenate([[0.0], curve.time[:known], curve.time[known : known + 1]])
        edges = edges if edges.size == known + 2 else np.append(edges, curve.last_time)
        time = np.repeat(edges, 2)[1:-1]  # each step from its time to the next
        low, high = (np.repeat(np.concatenate([[1.0], limit[:known]]), 2) for limit in (curve.ci_low, curve.ci_high))
    ax.fill_between(time, low, high, color=colour, alpha=0.13, lw=0, zorder=1, gid="band")


def _clicks(ax: Axes, points: Curve, colour: str) -> None:
    every = math.ceil(points.raw_time.size / FEW_CLICKS)
    ax.scatter(points.raw_time[::every], points.raw_survival[::every], s=9, color=colour, alpha=0.35, lw=0, zorder=3, gid="clicks", clip_on=False)  # fmt: skip


def _fit(ax: Axes, fit: Fit, end: float, colour: str) -> None:
    border = min(float(fit.extrapolated_from), end)
    inside = np.linspace(0, border, 200)[1:]
    ax.plot(inside, fit.survival(inside), color=colour, lw=0.9, zorder=5, gid="fit")
    if border < end:
        beyond = np.linspace(border, end, 200)
        ax.plot(beyond, fit.survival(beyond), color=colour, lw=1.2, ls=EXTRAPOLATED, zorder=5, gid="extrapolated")


def _reported(ax: Axes, printed: Reported, end: float, colour: str) -> None:
    """Markers of printed figures; white inside, so that they are told from the curve they stand on."""
    face: dict[str, Any] = {"ls": "", "mfc": "white", "mec": colour, "mew": 1.1, "zorder": 7}
    for time, height, low, high in _rates(printed.rates):
        if low is not None and high is not None:
            ax.plot([time, time], [low, high], color=colour, lw=1.1, marker="_", ms=5, zorder=6, gid="rate interval")
        ax.plot([time], [height], marker="D", ms=4.6, gid="rate", **face)
    median = printed.median
    if median is None or isinstance(median, str) or not math.isfinite(median):
        return
    if printed.median_ci is not None:
        low, high = (_known(limit) for limit in printed.median_ci)
        start, stop = 0.0 if low is None else low, end if high is None else high
        ax.plot([start, stop], [0.5, 0.5], color=colour, lw=1.1, zorder=6, gid="median interval")
        for limit, place, arrow in ((low, start, "<"), (high, stop, ">")):
            ax.plot([place], [0.5], marker=arrow if limit is None else "|", ms=5, color=colour, zorder=6, gid="median limit", clip_on=False)  # fmt: skip
    ax.plot([median], [0.5], marker="s", ms=5, gid="median", **face)


def _rates(rates: Sequence[Any]) -> Iterator[tuple[float, float, float | None, float | None]]:
    for rate in rates:
        if hasattr(rate, "survival"):
            low, high = rate.ci or (None, None)
            yield float(rate.time), float(rate.survival), _known(low), _known(high)
        else:
            limits = [*rate[2:4], None, None]
            yield float(rate[0]), float(rate[1]), _known(limits[0]), _known(limits[1])


def _known(limit: float | None) -> float | None:
    return None if limit is None or isinstance(limit, str) or not math.isfinite(limit) else float(limit)


def _table(ax: Axes, arms: Mapping[str, KaplanMeier], ticks: Sequence[float]) -> None:
    """Numbers at risk under their ticks, one row per arm in its colour."""
    first = (
        max(text_width(f"{curve.n}") for curve in arms.values()) * 36
    )  # half of the widest number over the first tick
    left = -(first + 7)
    place: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False}
    row = TABLE_TOP
    ax.annotate("No. at risk", (0, 0), xycoords="axes fraction", xytext=(left, -row), ha="right", va="baseline", color=INK, weight="bold", gid="table head", **place)  # fmt: skip
    row += ROW
    for arm, (name, curve) in enumerate(arms.items()):
        parts = broken(name).split("\n")
        for line, part in enumerate(parts):
            ax.annotate(part, (0, 0), xycoords="axes fraction", xytext=(left, -row - ROW * line), ha="right", va="baseline", color=COLOURS[arm], gid="table name", **place)  # fmt: skip
        for tick, number in zip(ticks, curve.at(ticks)["at_risk"], strict=True):
            ax.annotate(f"{number}", (tick, 0), xycoords=("data", "axes fraction"), xytext=(0, -row), ha="center", va="baseline", color=COLOURS[arm], gid="at risk", **place)  # fmt: skip
        row += ROW * len(parts)


def _half_number(arms: Mapping[str, KaplanMeier]) -> float:
    """Half the width, in inches, of the widest number, which stands under time 0."""
    return max(text_width(f"{curve.n}") for curve in arms.values()) / 2


def _legend(ax: Axes, level: float) -> None:
    """What marks mean, above the panel: only those that were drawn."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    drawn = {artist.get_gid() for artist in (*ax.lines, *ax.collections)}
    white: dict[str, Any] = {"ls": "", "color": INK, "mfc": "white"}
    kinds: dict[str, tuple[Any, str]] = {
        "band": (Patch(color=RULE), f"{level:.0%} interval"),
        "censored": (Line2D([], [], ls="", marker="|", ms=6, color=MUTED), "Censored"),
        "clicks": (Line2D([], [], ls="", marker="o", ms=3, color=MUTED, alpha=0.6), "Digitised"),
        "rate": (Line2D([], [], marker="D", ms=4.6, **white), "Printed rate"),
        "median": (Line2D([], [], marker="s", ms=5, **white), "Printed median"),
        "fit": (Line2D([], [], lw=0.9, color=MUTED), "Fitted"),
        "extrapolated": (Line2D([], [], lw=1.2, ls=EXTRAPOLATED, color=MUTED), "Extrapolated"),
    }
    shown = [kinds[kind] for kind in kinds if kind in drawn]
    if shown:
        ax.legend(
            [handle for handle, _ in shown],
            [text for _, text in shown],
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.01),
            ncols=4,
            frameon=False,
            fontsize=8,
            borderaxespad=0.2,
            columnspacing=1.2,
            handlelength=1.6,
            handletextpad=0.5,
        )
