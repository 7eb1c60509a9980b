"""Censoring where no numbers at risk are printed: a pattern chosen by the event total, the curve's roughness and custom."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc

from metasyn.pooling.arrays import Array
from metasyn.survival.click_model import ClickModel
from metasyn.survival.intervals import Flow, Intervals

# Time of censoring as a share of the longest follow-up is beta(p, q). Means, standard deviations and correlation of
# log p and log q: uniform accrual over half the study gives about (3, 1), over all of it (1, 1); with patients lost on
# the way p and with a thin end of follow-up q grows.
PRIOR_MEAN, PRIOR_SD, PRIOR_CORRELATION = (0.75, 0.1), (0.6, 0.5), 0.5
LOG_Q = (-0.6, -0.25, 0.1, 0.45, 0.8)
LOG_P = (-0.6, -0.2, 0.2, 0.5, 0.8, 1.1, 1.4, 1.7, 2.1)
NEAR = 0.41  # neighbours on these grids, looked at again when the curve was refitted
LOG_P_RANGE = (-3.0, 4.1)
BINS = 40  # of follow-up, in which falls are added up while p is sought
EVIDENCE = 0.5  # weight of the clicks' likelihood: its Gaussian form is a likeness of few large drops


def learn_pattern(model: ClickModel, n: int, events: int | None) -> Array:
    """Share still under observation at each knot, and the curve fitted with it; shape (knots,).

    Among beta(p, q) distributions, those that give the printed number of events (n times the sum of share x fall, as
    n S G are at risk); among these the one of largest prior density times likelihood of the clicks, whose roughness
    tells the size of a drop, 1 / (n G). Without a number of events, p is free as well.
    """
    share_of_time = np.clip(model.knots / model.last, 0, 1)

    def staying(log_p: float, log_q: float) -> Array:
        still: Array = 1 - betainc(np.exp(log_p), np.exp(log_q), share_of_time)
        return still

    best = (PRIOR_MEAN[0], PRIOR_MEAN[1])
    for turn in range(3):
        model.fit(_drop(staying(*best), n), learn_noise=turn < 2)
        fall = -np.diff(model.survival)
        near = [log_q for log_q in LOG_Q if turn == 0 or abs(log_q - best[1]) < NEAR]
        pairs = [
            (log_p, log_q)
            for log_q in near
            for log_p in (LOG_P if events is None else (_solve_p(log_q, n * fall, share_of_time, events),))
            if events is not None or turn == 0 or abs(log_p - best[0]) < NEAR
        ]
        evidence = model.log_likelihoods([_drop(staying(*pair), n) for pair in pairs])
        score = [_log_prior(*pair) + EVIDENCE * value for pair, value in zip(pairs, evidence, strict=True)]
        best = pairs[int(np.argmax(score))]
    return staying(*best)


def flow_of_pattern(model: ClickModel, intervals: Intervals, staying: Array, marks: Array) -> Flow:
    """Expected events and censorings of the one interval, given who is still under observation at the knots."""
    n = float(intervals.n[0])
    fall = -np.diff(model.survival)
    hazard = fall / np.maximum(model.survival[:-1], 1e-9)
    cell_events = n * (staying[1:] + staying[:-1]) / 2 * fall
    weight = (model.survival[1:] + model.survival[:-1]) / 2 * -np.diff(staying) + 1e-12 * model.width / model.last
    if marks.size:
        seen = np.searchsorted(marks, model.knots, side="right").astype(float)
        weight = np.diff(seen) + 1e-9 * model.width / model.last
        for _ in range(20):
            gone = np.concatenate([[0.0], np.cumsum(cell_events)])[:-1]
            cell_events = hazard * np.maximum(n - gone - (seen[1:] + seen[:-1]) / 2, 0.5)
    upto = np.cumsum(weight) / weight.sum()
    return Flow(
        hazard=hazard,
        cell_events=cell_events,
        before=np.concatenate([[0.0], upto[:-1]]),
        upto=upto,
        events=np.array([cell_events.sum()]),
    )


def _drop(staying: Array, n: int) -> Array:
    drop: Array = 1 / np.maximum(n * (staying[1:] + staying[:-1]) / 2, 1.0)
    return drop


def _log_prior(log_p: float, log_q: float) -> float:
    a = (log_p - PRIOR_MEAN[0]) / PRIOR_SD[0]
    b = (log_q - PRIOR_MEAN[1]) / PRIOR_SD[1]
    return -0.5 * (a * a - 2 * PRIOR_CORRELATION * a * b + b * b) / (1 - PRIOR_CORRELATION**2)


def _solve_p(log_q: float, expected_fall: Array, share_of_time: Array, events: int) -> float:
    """log p at which the expected number of events is `events`; more patients stay, and die, as p grows."""
    middle = (share_of_time[1:] + share_of_time[:-1]) / 2
    bins = np.minimum((middle * BINS).astype(int), BINS - 1)
    fall = np.bincount(bins, expected_fall, BINS)
    at = np.bincount(bins, expected_fall * middle, BINS) / np.where(fall > 0, fall, 1)

    def excess(log_p: float) -> float:
        return float(((1 - betainc(np.exp(log_p), np.exp(log_q), at)) * fall).sum() - events)

    low, high = LOG_P_RANGE
    if excess(high) <= 0:
        return high
    if excess(low) >= 0:
        return low
    return float(brentq(excess, low, high, xtol=1e-3))
