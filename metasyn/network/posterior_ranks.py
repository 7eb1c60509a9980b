"""Probabilities of ranks under a mixture over tau of multivariate normals, by randomised quasi-Monte Carlo with a stated error.

A draw of all places is not counted but replaced by what the other places give: with those where they are, place i is normal, and lies in each of
the gaps between them with a known probability (conditional Monte Carlo). What is averaged is then continuous, which is what quasi-random points
need. Where places do not vary freely, as in additive models, draws are counted.

References
----------
Owen 1997, SIAM Journal on Numerical Analysis 34:1884-910 (scrambled points and their error); Asmussen and Glynn 2007, Stochastic Simulation,
section V.4 (conditional Monte Carlo).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from metasyn.network.posterior_mixture import Conditional

Array = npt.NDArray[np.float64]
REPLICATES, FIRST, LAST = 8, 2**10, 2**15  # independent scramblings, and points of each
BLOCK = 256  # points whose gaps fit the processor's cache
# The normal distribution function at steps of 1/512: over the points of an average its rounding leaves some 1e-7
CELLS, FURTHEST = 512, 8
TABLE = ndtr(np.arange(-FURTHEST * CELLS, FURTHEST * CELLS + 1) / CELLS).astype(np.float32)


def rank_probabilities(at: Conditional, rows: Array, mass: Array, *, error: float, seed: int) -> tuple[Array, float]:
    """P(place i has rank r), rank 1 the smallest.

    Parameters
    ----------
    at : Conditional
        Coefficients at T values of tau.
    rows : array, shape (n, c)
        Every place as a sum of coefficients; places that are always equal share their ranks.
    mass : array, shape (T,)
    error : float
        Points are added until the stated error is below this one, or `LAST` is reached.
    seed : int

    Returns
    -------
    (probabilities, error)
        Shape (n, n), rows and columns summing to 1; error is two standard errors of the worst entry, from the spread of the scramblings
        (variances are averaged over neighbouring ranks).
    """
    from scipy.stats.qmc import Sobol

    n, c = rows.shape
    sampler = _Sampler.of(at, rows, mass)
    streams = np.random.SeedSequence(seed).spawn(REPLICATES)
    engines = [Sobol(c + 1, seed=np.random.default_rng(stream)) for stream in streams]
    total, points, batch = np.zeros((REPLICATES, n, n)), 0, FIRST
    while True:
        for number, engine in enumerate(engines):
            total[number] += sampler.sum_over(engine.random(batch))
        points += batch  # 1, 2, 3, 4, 6, 8, 12, 16, ... times FIRST
        each = total / points
        reached = 2 * float(np.sqrt(_with_neighbours(each.var(axis=0, ddof=1)).max() / REPLICATES))
        if reached <= error or points >= LAST:
            return _doubly_stochastic(_shared(each.mean(axis=0), rows)), reached
        batch = max(FIRST, 2 ** int(np.log2(points / 2)))


@dataclass(frozen=True, slots=True)
class _Sampler:
    """Draws of n places, turned into probabilities of ranks."""

    reached: Array  # cumulative mass of the nodes, (T,)
    mean: Array  # (T, n)
    root: Array  # (T, n, c): places are mean + root z
    others: (
        Array | None
    )  # (T, n, c): the mean of a place given all others is mean + others z; None where draws are counted
    sd: Array  # (T, n): its standard deviation

    @classmethod
    def of(cls, at: Conditional, rows: Array, mass: Array) -> _Sampler:
        n, c = rows.shape
        # a QR decomposition may turn signs from one tau to the next; alike, neighbouring points stay neighbours
        sign = np.sign(np.diagonal(at.triangle, axis1=1, axis2=2))
        root = rows @ (at.inverse * sign[:, None, :])
        mean, reached = at.mean @ rows.T, np.cumsum(mass) / mass.sum()
        mean = mean - (mass @ mean).mean() / mass.sum()  # single precision is spent on differences
        apart = rows[1:] - rows[0]
        if c != n - 1 or np.linalg.cond(apart) > 1e6:
            return cls(reached, mean, root, None, np.ones_like(mean))
        # H with H P H' the precision of the n places up to their common level, P that of the coefficients
        solved = np.linalg.inv(apart).T
        pressed = np.vstack([-solved.sum(axis=0), solved]) @ np.swapaxes(at.triangle * sign[:, :, None], 1, 2)
        own = (pressed**2).sum(axis=2)
        return cls(reached, mean, root, root - pressed / own[:, :, None], own**-0.5)

    def sum_over(self, uniform: Array) -> Array:
        """Sum over N points of the unit cube, shape (N, c + 1), of the probabilities of ranks, shape (n, n)."""
        inside = np.clip(uniform, 1e-16, 1 - 1e-16)
        inside = inside[np.argsort(inside[:, 0])]
        node = np.minimum(np.searchsorted(self.reached, inside[:, 0]), self.reached.size - 1)
        z = ndtri(inside[:, 1:])
        place = self._along(self.root, node, z)
        order = np.argsort(place, axis=1)
        rank = np.argsort(order, axis=1)
        count, n = place.shape
        if self.others is None:
            flat = np.bincount((np.arange(n) * n + rank).ravel(), minlength=n * n)
            return flat.reshape(n, n).astype(float)
        ends = np.take_along_axis(place, order, axis=1).astype(np.float32)
        given = self._along(self.others, node, z).astype(np.float32)
        least = 1e-6 * np.ptp(place)  # an sd below is none; cells stay within the integers
        scale = (CELLS / np.maximum(self.sd[node], least)).astype(np.float32)
        small = rank.astype(np.int16)
        below = np.zeros((n, n - 1))
        for first in range(0, count, BLOCK):
            part = slice(first, first + BLOCK)
            below += _below(ends[part], given[part], scale[part], small[part])
        return np.diff(below, axis=1, prepend=0.0, append=float(count))

    def _along(self, root: Array, node: npt.NDArray[np.intp], z: Array) -> Array:
        """Mean + root z of each point at its node; nodes are sorted."""
        first = np.flatnonzero(np.diff(node, prepend=-1))
        values = self.mean[node]
        for start, end in zip(first, np.append(first[1:], node.size), strict=True):
            values[start:end] += z[start:end] @ root[node[start]].T
        return values


def _below(
    ends: npt.NDArray[np.float32],
    given: npt.NDArray[np.float32],
    scale: npt.NDArray[np.float32],
    rank: npt.NDArray[np.int16],
) -> Array:
    """Sum over points of P(place i < k-th of the others), shape (n, n - 1); ends are the sorted places, (N, n) as the rest."""
    behind = np.arange(ends.shape[1] - 1, dtype=np.int16) >= rank[:, :, None]  # one's own place is no end
    other = np.where(behind, ends[:, None, 1:], ends[:, None, :-1])
    other -= given[:, :, None]
    other *= scale[:, :, None]
    other += np.float32(FURTHEST * CELLS + 0.5)
    return np.asarray(TABLE.take(other.astype(np.int32), mode="clip").sum(axis=0), dtype=float)


def _with_neighbours(variance: Array) -> Array:
    """Means over each rank and the ranks next to it, which vary alike: the largest of many noisy variances would be too large."""
    weight = np.ones_like(variance)
    total = variance.copy()
    for here, there in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        total[:, here] += variance[:, there]
        weight[:, here] += 1
    return total / weight


def _shared(probabilities: Array, rows: Array) -> Array:
    """Places that are always equal, each with the mean of their probabilities."""
    _, group = np.unique(rows, axis=0, return_inverse=True)
    same = group.reshape(-1)[:, None] == group.reshape(-1)
    return np.asarray(same @ probabilities / same.sum(axis=1, keepdims=True))


def _doubly_stochastic(probabilities: Array) -> Array:
    """The table scaled until rows and columns sum to 1, as they do already up to the error of the draws."""
    table = probabilities.copy()
    for _ in range(5000):  # a treatment that is nearly alone at its ranks takes many
        table /= table.sum(axis=1, keepdims=True)
        columns = table.sum(axis=0)
        if np.abs(columns - 1).max() <= 1e-13:
            break
        table /= columns
    return table
