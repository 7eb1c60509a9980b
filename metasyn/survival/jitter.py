"""How far the error of digitising reaches: the curve clicked anew many times, and rebuilt each time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from metasyn.survival.click_model import TIME_NOISE, ClickModel
from metasyn.survival.curve import Curve, clean_curve
from metasyn.survival.reconstruct import Method, reconstruct, two_columns


def jitter(
    curve: Any,
    *,
    n: int | None = None,
    at_risk: Any = None,
    events: int | None = None,
    method: Method = "joint",
    draws: int = 50,
    noise: float | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Patients of one arm, rebuilt from the clicks with new errors added.

    A sensitivity band, not a posterior: the curve that was clicked is taken for the truth and clicked again, so that the
    spread over draws is that which digitising causes. What numbers at risk leave open is not in it.

    Parameters
    ----------
    curve, n, at_risk, events, method
        As for `reconstruct`.
    draws : int
        How often.
    noise : float, optional
        Standard deviation of a click in survival (and 0.6 of it, as a share of the time axis, in time). Without it, the
        one that the scatter of the clicks about a smooth curve shows; a curve given as steps shows none.
    seed : int
        Of the errors.

    Returns
    -------
    DataFrame
        Columns draw (from 0), time, event; n rows for each draw.

    Raises
    ------
    ValueError
        As `reconstruct`; for draws below 1 or a noise that is negative or above 0.05.
    """
    if isinstance(draws, bool) or draws != int(draws) or draws < 1:
        raise ValueError(f"draws is not a whole number of at least 1 ({draws})")
    if noise is not None and not 0 <= noise <= 0.05:
        raise ValueError(
            f"noise is not between 0 and 0.05 ({noise}): it is the standard deviation of a click in survival"
        )
    clean = curve if isinstance(curve, Curve) else clean_curve(*two_columns("curve", curve, "survival"))
    first = reconstruct(clean, n=n, at_risk=at_risk, events=events, method=method)
    sd = learned_noise(clean, first.n) if noise is None else noise
    if sd == 0:
        return pd.concat([first.ipd.assign(draw=draw) for draw in range(draws)], ignore_index=True)[
            ["draw", "time", "event"]
        ]
    rng = np.random.default_rng(seed)
    at, survival = clean.time, clean.survival
    scale = float(at[-1])
    frames = []
    for draw in range(draws):
        when = np.maximum(at + rng.normal(0, TIME_NOISE * sd * scale, at.size), 0.0)
        level = np.clip(survival + rng.normal(0, sd, at.size), 0.0, 1.0)
        order = np.argsort(when, kind="stable")
        again = clean_curve(when[order], level[order], rise_limit=math.inf)
        made = reconstruct(again, n=first.n, at_risk=at_risk, events=events, method=method)
        frames.append(made.ipd.assign(draw=draw))
    return pd.concat(frames, ignore_index=True)[["draw", "time", "event"]]


def learned_noise(curve: Curve, n: int) -> float:
    """Standard deviation of the clicks in survival, by the marginal likelihood of `ClickModel`; 0 for curves of steps."""
    level = (np.diff(curve.raw_time) == 0) | (np.diff(curve.raw_survival) == 0)
    if level.size and level.mean() >= 0.8:
        return 0.0
    time = np.maximum(curve.raw_time, 0.0)
    model = ClickModel(time, curve.raw_survival, last=float(time[-1]), scale=float(time[-1]), extra=np.zeros(1))
    for _ in range(3):
        model.fit(np.full(model.width.size, 1 / n))
    return float(model.noise)
