"""Hazards smoothed by a kernel, and the band that draws make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.arrays import Array, check_level, read_only, vector
from metasyn.survival.kaplan_meier import KaplanMeier, kaplan_meier

ENOUGH = 5  # patients at risk; and a tenth of the arm
POINTS = 200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SmoothHazard:
    """The hazard of one arm over time, per unit of time."""

    time: Array  # shape (q,)
    hazard: Array  # shape (q,), not negative
    bandwidth: float
    until: float  # right end of what was smoothed


def smooth_hazard(curve: KaplanMeier, *, bandwidth: float | None = None, points: int = POINTS) -> SmoothHazard:
    """Increments of the Nelson-Aalen estimate, smoothed by Epanechnikov's kernel.

    Parameters
    ----------
    curve : KaplanMeier
        Its events and numbers at risk are read.
    bandwidth : float or None
        Half the width of the kernel, in the unit of time; by default R / (2 d^0.2), with R the end and d
        the events up to it.
    points : int
        Number of times at which the hazard is computed, evenly from 0 to the end.

    Returns
    -------
    SmoothHazard
        To the last time with a tenth of the patients, and at least five, at risk: beyond, an increment is large by its few
        patients. Increments up to a bandwidth beyond take part. Within a bandwidth of time 0 or of the last time, boundary
        kernels keep the estimate free of the bias of empty time.

    Raises
    ------
    ValueError
        If there are fewer than two events before that time, or the bandwidth is not a time within it.

    References
    ----------
    Müller HG, Wang JL (1994). Biometrics 50:61-76 (boundary kernel of Epanechnikov's; negative estimates, which it
    permits, are 0).
    """
    needed = max(ENOUGH, 0.1 * curve.n)
    followed = curve.time[curve.at_risk >= needed]
    until = float(followed[-1]) if followed.size else 0.0
    died = curve.events > 0
    time, step = curve.time[died], curve.events[died] / curve.at_risk[died]
    deaths = float(curve.events[curve.time <= until].sum())
    if deaths < 2 or until <= 0:
        raise ValueError(f"the hazard needs two events with {needed:g} patients at risk; there are {deaths:g}")
    width = until / (2 * deaths**0.2) if bandwidth is None else float(bandwidth)
    if not 0 < width <= until / 2:
        raise ValueError(
            f"bandwidth is not a time up to half of what is smoothed ({width:g}); accepted: up to {until / 2:.4g}"
        )
    grid = np.linspace(0, until, points)
    distance = (grid[:, None] - time) / width  # q x m
    left, right = np.minimum(grid / width, 1), np.minimum((curve.last_time - grid) / width, 1)
    mirrored = right < left
    near = np.where(mirrored, right, left)[:, None]
    weights = _boundary_kernel(np.where(mirrored[:, None], -distance, distance), near)
    hazard = np.maximum(weights @ step / width, 0)
    return SmoothHazard(time=read_only(grid), hazard=read_only(hazard), bandwidth=width, until=until)


def _boundary_kernel(z: Array, q: Array) -> Array:
    """Epanechnikov's kernel on [-1, q]; 3/4 (1 - z^2) at q = 1. Its integral is 1 and its mean 0 for every q."""
    shape = z * (1 - 2 * q) + (3 * q**2 - 2 * q + 1) / 2
    kernel: Array = np.where((z >= -1) & (z <= q), 12 / (1 + q) ** 4 * (z + 1) * shape, 0.0)
    return kernel


def draw_band(ipd: pd.DataFrame, *, times: npt.ArrayLike | None = None, level: float = 0.95) -> pd.DataFrame:
    """The band that the Kaplan-Meier curves of draws make, pointwise.

    Parameters
    ----------
    ipd : DataFrame
        Columns draw, time, event: the patients of one arm in each draw.
    times : array or None
        By default 200 even times to the last of any draw.
    level : float
        Share of the draws within the band.

    Returns
    -------
    DataFrame
        Columns time, survival (mean over draws), ci_low, ci_high (quantiles). A draw that ends before a time takes part with its
        last value.

    Raises
    ------
    ValueError
        If a column is missing, or there are fewer than two draws.
    """
    check_level(level)
    missing = [name for name in ("draw", "time", "event") if name not in ipd]
    if missing:
        raise ValueError(f"ipd has no {', '.join(missing)}; accepted: draw, time, event")
    draws = [kaplan_meier(group["time"], group["event"]) for _, group in ipd.groupby("draw", sort=True)]
    if len(draws) < 2:
        raise ValueError(f"a band needs two draws or more; ipd has {len(draws)}")
    grid = np.linspace(0, max(draw.last_time for draw in draws), POINTS) if times is None else vector("times", times)
    heights = np.array(
        [np.append(1.0, draw.survival)[np.searchsorted(draw.time, grid, side="right")] for draw in draws]
    )
    low, high = np.quantile(heights, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return pd.DataFrame({"time": grid, "survival": heights.mean(axis=0), "ci_low": low, "ci_high": high})
