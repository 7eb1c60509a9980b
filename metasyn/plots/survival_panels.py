"""Panels beside survival curves: hazards, log(-log) of survival, areas under the curves, Schoenfeld residuals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from metasyn.plots.arms import COLOURS, DASHES, broken, mark_times, name_at_the_end, named, time_label, time_ticks
from metasyn.plots.scales import padded
from metasyn.plots.style import ACCENT, CONTRAST, INK, MUTED, legend_above, new_axes, style, text_width
from metasyn.plots.ticks import ratio_ticks
from metasyn.pooling.arrays import Array
from metasyn.survival.kaplan_meier import KaplanMeier
from metasyn.survival.proportional_hazards import ProportionalHazards
from metasyn.survival.rmst import RmstDifference
from metasyn.survival.smooth_hazard import SmoothHazard

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curves = KaplanMeier | Sequence[KaplanMeier] | Mapping[str, KaplanMeier]
SMOOTH = 0.6  # share of the residuals that a point of the smooth line takes in


def hazard(hazards: Mapping[str, SmoothHazard], *, time_unit: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw smoothed hazards; the bandwidths stand under the panel.

    Parameters
    ----------
    hazards : mapping
        Name of the arm to its SmoothHazard.
    time_unit : str or None
        For the labels of both axes.
    ax : Axes or None
        By default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there are none or more than six.
    """
    if not 1 <= len(hazards) <= len(COLOURS):
        raise ValueError(f"there are {len(hazards)} hazards; accepted: 1 to {len(COLOURS)}")
    with style():
        ax = _axes(list(hazards), bottom=0.85) if ax is None else ax
        mark_times(ax, max(line.until for line in hazards.values()), time_unit, None)
        top = 1.06 * max(float(line.hazard.max()) for line in hazards.values()) or 1.0
        ax.set_ylim(0, top)
        for arm, line in enumerate(hazards.values()):
            ax.plot(line.time, line.hazard, color=COLOURS[arm], ls=DASHES[arm], lw=1.5, gid="hazard")
        ax.set_ylabel(f"Hazard per {time_unit.removesuffix('s')}" if time_unit else "Hazard")
        widths = ", ".join(f"{line.bandwidth:.2g}" for line in hazards.values())
        ax.annotate(f"Epanechnikov's kernel, bandwidth {widths}{f' {time_unit}' if time_unit else ''}", (0, 0), xycoords="axes fraction", xytext=(0, -46), textcoords="offset points", fontsize=8, color=MUTED, annotation_clip=False, gid="bandwidth")  # fmt: skip
        name_at_the_end(ax, list(hazards), [float(line.hazard[-1]) / top for line in hazards.values()])
    return ax


def log_minus_log(
    curves: Curves, *, labels: Sequence[str] | None = None, time_unit: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw log(-log survival) against time on a log scale: parallel under proportional hazards, straight for a Weibull.

    Parameters
    ----------
    curves, labels, time_unit
        As for `survival`. Steps at survival 1 or 0, and at time 0, have no place on these scales.
    ax : Axes or None
        By default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        As `survival`; if no curve has a step that can be drawn.
    """
    arms = named(curves, labels)
    places = [_log_log(curve) for curve in arms.values()]
    filled = [place for place in places if place[0].size]
    if not filled:
        raise ValueError("no curve has an event with survival between 0 and 1 after time 0")
    x, y = (np.concatenate([place[axis] for place in filled]) for axis in (0, 1))
    with style():
        ax = _axes(list(arms)) if ax is None else ax
        low, high = padded(float(x.min()), float(x.max()), by=0.03)
        ax.set_xlim(low, high)
        ax.set_ylim(*padded(float(y.min()), float(y.max())))
        ticks = ratio_ticks(float(np.exp(low)), float(np.exp(high)))
        ax.set_xticks(np.log(ticks), labels=[f"{tick:g}" for tick in ticks])
        bottom, top = ax.get_ylim()
        for arm, (time, value) in enumerate(places):
            ax.plot(time, value, drawstyle="steps-post", color=COLOURS[arm], ls=DASHES[arm], lw=1.5, gid="curve")
        ax.set_xlabel(f"{time_label(time_unit)}, log scale")
        ax.set_ylabel("log(−log survival)")
        heights = [(float(value[-1]) - bottom) / (top - bottom) if value.size else 0.0 for _, value in places]
        if len(arms) > 1:
            name_at_the_end(ax, list(arms), heights)
    return ax


def rmst_area(
    curves: Curves, result: RmstDifference, *, labels: Sequence[str] | None = None, time_unit: str | None = None, ax: Axes | None = None
) -> Axes:  # fmt: skip
    """Draw two survival curves and, between them up to the horizon, the area that is the difference in restricted means.

    Parameters
    ----------
    curves, labels, time_unit
        As for `survival`: treatment, comparator.
    result : RmstDifference
        Its horizon, difference and interval are written above the panel.
    ax : Axes or None
        By default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        As `survival`; if there are not two curves.
    """
    arms = named(curves, labels if labels is not None or isinstance(curves, Mapping) else result.arms)
    if len(arms) != 2:
        raise ValueError(f"there are {len(arms)} curves; accepted: two, treatment and comparator")
    first, second = arms.values()
    end = max(first.last_time, second.last_time)
    edges = np.union1d(np.concatenate([first.time, second.time]), [0.0, result.horizon])
    edges = edges[edges <= result.horizon]
    with style():
        ax = _axes(list(arms), top=0.5) if ax is None else ax
        mark_times(ax, end, time_unit, None)
        time = np.repeat(edges, 2)[1:]
        high, low = (np.repeat(_height(curve, edges), 2)[:-1] for curve in (first, second))
        ax.fill_between(time, low, high, where=(high >= low).tolist(), color=ACCENT, alpha=0.25, lw=0, gid="gained")
        ax.fill_between(time, low, high, where=(high <= low).tolist(), color=CONTRAST, alpha=0.25, lw=0, gid="lost")
        ax.axvline(result.horizon, color=MUTED, lw=0.8, ls=":", gid="horizon")
        for arm, curve in enumerate((first, second)):
            steps = np.concatenate([[0.0], curve.time])
            ax.plot(steps, np.append(1.0, curve.survival), drawstyle="steps-post", color=COLOURS[arm], ls=DASHES[arm], lw=1.5, gid="curve")  # fmt: skip
        ax.set_ylim(0, 1.02)
        ax.set_ylabel("Survival")
        unit = f" {time_unit}" if time_unit else ""
        ax.set_title(f"RMST difference to {result.horizon:.4g}{unit}: {result.estimate:.2f} ({result.level:.0%} CI {result.ci_low:.2f} to {result.ci_high:.2f})", fontsize=9, loc="left")  # fmt: skip
        name_at_the_end(ax, list(arms), [float(_height(curve, np.array([end]))[0]) / 1.02 for curve in (first, second)])
    return ax


def schoenfeld(
    test: ProportionalHazards, *, term: str | None = None, time_unit: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw scaled Schoenfeld residuals over time with a smooth line, their slope, and the coefficient of proportional hazards.

    Parameters
    ----------
    test : ProportionalHazards
        Residuals are drawn at the transformed times of the test, whose axis is marked with times.
    term : str or None
        Which term; by default the first.
    time_unit : str or None
        For the label of the axis.
    ax : Axes or None
        By default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the term is not in the model.

    Notes
    -----
    The straight line is least squares on the transformed time; the smooth line is locally weighted regression
    (Cleveland 1979) over 60 % of the residuals, drawn from ten events on.
    """
    name = test.terms[0] if term is None else term
    if name not in test.terms:
        raise ValueError(f"term is not in the model ({name}); accepted: {', '.join(test.terms)}")
    column = test.terms.index(name)
    x, y = test.transformed_time, test.residuals[:, column]
    p_value = float(test.table.set_index("term")["p_value"][name])
    with style():
        ax = new_axes(top=0.55) if ax is None else ax
        ax.set_xlim(*padded(float(x.min()), float(x.max()), by=0.03))
        ax.set_ylim(*padded(float(y.min()), float(y.max())))
        ax.scatter(x, y, s=10, color=MUTED, alpha=0.6, lw=0, gid="residuals")
        ax.axhline(
            float(test.coefficients[column]), color=INK, lw=0.9, ls=":", gid="coefficient", label="Proportional hazards"
        )
        if np.ptp(x) > 0:
            slope, start = np.polyfit(x, y, 1)
            ends = np.array([x.min(), x.max()])
            ax.plot(ends, start + slope * ends, color=CONTRAST, lw=1.2, ls=(0, (6, 2)), gid="slope", label=f"Slope, p = {p_value:.2g}")  # fmt: skip
        if x.size >= 10 and np.unique(x).size >= 5:
            place, height = _smooth(x, y)
            ax.plot(place, height, color=ACCENT, lw=1.6, gid="smooth", label="Smooth")
        _mark_transformed(ax, test, time_unit)
        ax.set_ylabel(f"Log hazard ratio of {name} over time")
        legend_above(ax)
    return ax


def _axes(names: Sequence[str], *, bottom: float = 0.6, top: float = 0.25) -> Axes:
    widest = max(text_width(line) for name in names for line in broken(name).split("\n"))
    return new_axes(right=widest + 0.35, bottom=bottom, top=top)


def _log_log(curve: KaplanMeier) -> tuple[Array, Array]:
    shown = (curve.survival > 0) & (curve.survival < 1) & (curve.time > 0)
    return np.log(curve.time[shown]), np.log(-np.log(curve.survival[shown]))


def _height(curve: KaplanMeier, times: Array) -> Array:
    heights: Array = np.append(1.0, curve.survival)[np.searchsorted(curve.time, times, side="right")]
    return heights


def _smooth(x: Array, y: Array) -> tuple[Array, Array]:
    """Lines fitted to the nearest residuals, weighted by the tricube of their distance, at even places."""
    places = np.linspace(x.min(), x.max(), 80)
    distance = np.abs(x - places[:, None])  # places x residuals
    reach = np.sort(distance, axis=1)[:, max(3, math.ceil(SMOOTH * x.size)) - 1 : max(3, math.ceil(SMOOTH * x.size))]
    reach = np.maximum(reach, 0.05 * float(np.ptp(x)))  # where many are tied
    weight = np.clip(1 - (distance / reach) ** 3, 0, 1) ** 3
    weight /= weight.sum(axis=1, keepdims=True)
    centre, mean = weight @ x, weight @ y
    apart = x - centre[:, None]
    spread = (weight * apart**2).sum(axis=1)
    slope = np.divide((weight * apart) @ y, spread, out=np.zeros_like(spread), where=spread > 1e-12 * np.ptp(x) ** 2)
    return places, mean + slope * (places - centre)


def _mark_transformed(ax: Axes, test: ProportionalHazards, time_unit: str | None) -> None:
    """Ticks of the axis at round times, where the transform puts them, that stand apart."""
    low, high = ax.get_xlim()
    order = np.argsort(test.time, kind="stable")
    taken: list[tuple[float, float]] = []
    for tick in time_ticks(float(test.time.max()), time_unit):
        if tick < test.time.min():
            continue
        place = float(np.interp(tick, test.time[order], test.transformed_time[order]))
        if not taken or place - taken[-1][1] > 0.06 * (high - low):
            taken.append((tick, place))
    ax.set_xticks([place for _, place in taken], labels=[f"{tick:g}" for tick, _ in taken])
    scale = {"km": "Kaplan-Meier", "rank": "rank", "log": "log"}.get(test.transform)
    ax.set_xlabel(time_label(time_unit) + (f", {scale} scale" if scale else ""))
