"""Patients whose Kaplan-Meier curves follow latent curves: integer events, times at the quantiles of the expected counts."""

from __future__ import annotations

import numpy as np

from metasyn.pooling.arrays import Array
from metasyn.survival.summary_model import Grid, curves

PARTS = 6  # of a cell
LEAST_COUNT = 0.05  # gamma variates of a lesser shape are all but 0


def patients(
    theta: Array,
    grid: Grid,
    n: Array,
    events: list[int | None],
    total: int | None,
    rng: np.random.Generator | None = None,
) -> list[tuple[Array, Array]]:
    """Times and event marks of each arm, each of shape (draws, n), in ascending order of time.

    The i-th of d events is where the expected number of events reaches (i - 1/2) / d of its total, and so the
    censored; then n S G are at risk, and the product of (1 - 1 / at risk) is S up to third order in 1 / at risk.
    """
    at = curves(theta, n, grid.cells)
    fraction = np.arange(PARTS) / PARTS
    edges = np.append((grid.edges[:-1, None] + np.diff(grid.edges)[:, None] * fraction).ravel(), grid.edges[-1])
    draws = theta.shape[0]
    fine = np.zeros((2, draws, n.size, edges.size))
    entering = n[:, None] * np.exp(-(at.cumulative + at.cumulative_loss)[..., :-1])
    for which, rates in enumerate((at.hazard, at.loss)):
        parts = _parts(rates, entering, rng)
        np.cumsum(parts.reshape(*rates.shape[:-1], -1), axis=-1, out=fine[which][..., 1:])
    survival, loss = np.exp(-np.minimum(fine, 60.0))
    dead = _running(-np.diff(survival) * (loss[..., 1:] + loss[..., :-1]) / 2)
    lost = _running(-np.diff(loss) * (survival[..., 1:] + survival[..., :-1]) / 2)
    counts = _counts(n, dead[..., -1] * n, events, total)
    return [
        _arm(edges, dead[:, arm] * n[arm], lost[:, arm] * n[arm], int(n[arm]), counts[:, arm]) for arm in range(n.size)
    ]


def _parts(rates: Array, entering: Array, rng: np.random.Generator | None) -> Array:
    """Increments of the parts of the cells: equal, or as a gamma process with the cell's expected count has them."""
    if rng is None:
        return np.repeat(rates[..., None] / PARTS, PARTS, axis=-1)
    counts = np.maximum(rates * entering, LEAST_COUNT) / PARTS
    shares = rng.standard_gamma(np.repeat(counts[..., None], PARTS, axis=-1)) + 1e-9
    parts: Array = rates[..., None] * shares / shares.sum(axis=-1, keepdims=True)
    return parts


def _running(values: Array) -> Array:
    total = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=total[..., 1:])
    return total


def _counts(n: Array, expected: Array, events: list[int | None], total: int | None) -> Array:
    """Whole numbers of events, shape (draws, arms): those printed where they are, and their printed total."""
    counts = np.rint(expected)
    if total is not None and None in events:
        open_arms = [arm for arm, count in enumerate(events) if count is None]
        rest = total - sum(count for count in events if count is not None)
        if len(open_arms) == 2:
            share = rest * expected[:, 0] / np.maximum(expected.sum(axis=1), 1e-12)
            counts[:, 0] = np.clip(np.rint(share), max(0, rest - n[1]), min(n[0], rest))
            counts[:, 1] = rest - counts[:, 0]
        else:
            counts[:, open_arms[0]] = rest
    for arm, count in enumerate(events):
        if count is not None:
            counts[:, arm] = count
    return np.clip(counts, 0, n)


def _arm(edges: Array, dead: Array, lost: Array, n: int, counts: Array) -> tuple[Array, Array]:
    times, marks = np.empty((dead.shape[0], n)), np.empty((dead.shape[0], n))
    for row, count in enumerate(counts.astype(int)):
        censored = n - count
        rising = dead[row, -1] / max(count, 1)
        times[row, :count] = _reached(edges, dead[row], (np.arange(count) + 0.5) * rising)
        # those still followed at the horizon are censored there
        times[row, count:] = _reached(edges, lost[row], np.arange(censored) + 0.5)
        marks[row, :count], marks[row, count:] = 1.0, 0.0
    order = np.argsort(times - 1e-12 * marks, axis=1, kind="stable")
    return np.take_along_axis(times, order, axis=1), np.take_along_axis(marks, order, axis=1)


def _reached(edges: Array, expected: Array, wanted: Array) -> Array:
    """Where a running count reaches given numbers; the horizon where it does not."""
    reached: Array = np.interp(wanted, expected, edges, right=float(edges[-1]))
    return reached
