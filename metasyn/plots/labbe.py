"""L'Abbé's plot: risk under treatment against risk under the comparator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.effects import natural_scale
from metasyn.plots.point_labels import label_points
from metasyn.plots.style import ACCENT, BAND, INK, MUTED, legend_above, new_axes, style
from metasyn.pooling import PooledEstimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
COUNTS = ("events_treatment", "n_treatment", "events_comparator", "n_comparator")


def _same_odds_ratio(risk: Array, effect: float) -> Array:
    odds = np.exp(effect) * risk
    return np.asarray(odds / (1 - risk + odds))


# risk under treatment from that under the comparator and an effect on the analysis scale
LINES: dict[str, Callable[[Array, float], Array]] = {
    "RR": lambda risk, effect: risk * np.exp(effect),
    "OR": _same_odds_ratio,
    "PETO": _same_odds_ratio,
    "RD": lambda risk, effect: risk + effect,
}


def labbe(
    frame: pd.DataFrame, pooled: PooledEstimate | None = None, *, labelled: int = 0, ax: Axes | None = None
) -> Axes:
    """Draw L'Abbé's plot; the area of a point is the number of patients.

    Parameters
    ----------
    frame : DataFrame
        One row per study: events_treatment, n_treatment, events_comparator, n_comparator; `study` for names.
    pooled : PooledEstimate or None
        Of RR, OR, PETO or RD: the line of equal effect, with the band of its interval.
    labelled : int
        How many studies are named, the largest first; fewer where names would overlap.
    ax : Axes or None
        By default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If a column is missing, counts are not 0 <= events <= n with n above 0, or the measure has no line.

    References
    ----------
    L'Abbé, Detsky and O'Rourke 1987, Annals of Internal Medicine 107:224-33.
    """
    treated, control, size = _risks(frame)
    if pooled is not None and pooled.measure not in LINES:
        raise ValueError(f"measure of pooled is {pooled.measure}; accepted: {', '.join(LINES)}")
    area = 20 + 240 * size / size.max()  # points squared
    with style():
        ax = new_axes(width=4.2, height=4.2, top=0.55) if ax is None else ax
        end = min(1.0, 1.12 * float(max(treated.max(), control.max(), 0.04)))
        ax.set_xlim(-0.03 * end, end * 1.03)
        ax.set_ylim(-0.03 * end, end * 1.03)
        ax.plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls=":", zorder=1, label="Equal risks", gid="equal")
        if pooled is not None:
            _line(ax, pooled, min(1.0, 1.03 * end))
        ax.scatter(
            control,
            treated,
            s=area.tolist(),
            color=ACCENT,
            alpha=0.65,
            edgecolor="white",
            linewidth=0.6,
            zorder=4,
            gid="studies",
        )
        if labelled:
            names = [str(name) for name in frame.get("study", frame.index.to_series())]
            order = np.argsort(-size, kind="stable")[:labelled]
            label_points(ax, control, treated, names, order=order.tolist(), radius=np.sqrt(area / np.pi))
        ax.set_xlabel("Risk, comparator")
        ax.set_ylabel("Risk, treatment")
        ax.set_aspect("equal")
        legend_above(ax)
    return ax


def _line(ax: Axes, pooled: PooledEstimate, end: float) -> None:
    """The pool's effect at every risk of the comparator, with the band of its interval."""
    measure = pooled.measure or ""
    line, risk = LINES[measure], np.linspace(0, end, 200)
    low, high = (np.clip(line(risk, limit), 0, 1) for limit in (pooled.ci_low, pooled.ci_high))
    ax.fill_between(risk, low, high, color=BAND, lw=0, zorder=0, gid="band", label=f"{pooled.level:.0%} interval")
    value = line(risk, pooled.estimate)
    inside = (value >= 0) & (value <= 1)
    name = f"{natural_scale(measure).label} {pooled.back(pooled.estimate):.2f}"
    ax.plot(risk[inside], value[inside], color=INK, lw=1.2, zorder=2, gid="estimate", label=name)


def _risks(frame: pd.DataFrame) -> tuple[Array, Array, Array]:
    """Risks under treatment and comparator, and patients."""
    missing = [name for name in COUNTS if name not in frame.columns]
    if missing:
        raise ValueError(f"frame has no {', '.join(missing)}; accepted: {', '.join(COUNTS)}")
    if frame.empty:
        raise ValueError("frame has no rows")
    events_treatment, n_treatment, events_comparator, n_comparator = (
        frame[name].to_numpy(dtype=float) for name in COUNTS
    )
    for events, n, arm in (
        (events_treatment, n_treatment, "treatment"),
        (events_comparator, n_comparator, "comparator"),
    ):
        bad = ~((events >= 0) & (events <= n) & (n > 0) & np.isfinite(n))
        if bad.any():
            rows = ", ".join(str(row) for row in np.flatnonzero(bad))
            raise ValueError(f"events and n of {arm} are not 0 <= events <= n, n > 0 (rows {rows})")
    return events_treatment / n_treatment, events_comparator / n_comparator, n_treatment + n_comparator
