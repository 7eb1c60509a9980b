"""Integrals over the joint distribution of effects behind probabilities of ranks. Smaller is better throughout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri, ndtr, owens_t

from metasyn.network.ranking import probability_better

Array = npt.NDArray[np.float64]
REPLICATES = 32  # independent randomisations of the same points: their spread is the error
ERRORS = 2.0  # standard errors in a stated error
FIRST_POINTS, MOST_POINTS = 2**7, 2**17  # of each replicate; a point and its mirror image count as one
BLOCK = 2**11  # points at a time: what the processor's cache holds


@dataclass(frozen=True, slots=True, kw_only=True)
class RankIntegrals:
    """What the ranks of n treatments are made of."""

    probabilities: Array  # (n, n) treatment by rank
    error: Array  # of each of them
    best: Array  # (n,) P(best effect of all)
    beats: Array  # (n,) expected number of treatments that one beats
    beaten_by: Array  # (n,) and that beat it
    largest_error: float  # of probabilities and of `best`
    points: int  # mirror images counted


def integrated(
    mean: Array, covariance: Array, *, df: float | None, small_is_good: bool, difference: float, error: float, seed: int
) -> RankIntegrals:
    """Of a normal or t distribution; see `rank_normal`."""
    x = mean - mean.mean() if small_is_good else mean.mean() - mean
    n = x.size
    factor = _factor(covariance)
    gap = x[:, None] - x
    variance = ((factor[:, None, :] - factor[None, :, :]) ** 2).sum(axis=2)
    # differences that are known without error come out as rounding, as do those of means that are equal
    se = np.sqrt(np.where(variance <= 1e-13 * variance.max(), 0.0, variance))
    same = (se == 0) & (np.abs(gap) <= 1e-13 * np.abs(mean).max())
    gap[same] = 0.0
    beat = probability_better(gap, se, df=df, small_is_good=True, important_difference=difference)
    exact = _exact(gap, se, beat, difference, df)
    if exact is not None:
        probabilities, best = exact
        errors, largest, points = np.zeros((n, n)), 0.0, 0
    else:
        alike = same.argmax(axis=1)  # the first treatment that has the very same effect
        probabilities, best, errors, largest, points = _quasi_monte_carlo(x, factor, alike, df, difference, error, seed)
        best = (same / same.sum(axis=1)) @ best  # of the same effects the first was counted
        if difference == 0:
            probabilities = _moved(_shared(probabilities, same.sum(axis=1)), 1 + beat.sum(axis=0))
    return RankIntegrals(
        probabilities=probabilities,
        error=errors,
        best=probabilities[:, 0].copy() if difference == 0 else best,
        beats=beat.sum(axis=1),
        beaten_by=beat.sum(axis=0),
        largest_error=largest,
        points=points,
    )


def drawn(x: Array, weight: Array, difference: float) -> RankIntegrals:
    """Of draws (S, n) with weights that sum to 1; see `rank_draws`."""
    draws, n = x.shape
    columns = np.ascontiguousarray(x.T)
    # with a difference several treatments may have a rank; without one, t equal effects have each of their t ranks in equal parts
    first, equal = _ranks(columns, difference), _ranks(columns, 0.0, equal=True) - _ranks(columns, 0.0)
    if difference > 0:
        equal = np.ones_like(first)
    probabilities = np.zeros((n, n))
    for step in range(int(equal.max())):
        share = np.where(equal > step, weight / equal, 0.0)
        probabilities += _counted(np.minimum(first + step, n - 1), share)
    lead = columns == columns.min(axis=0)
    best = (lead / lead.sum(axis=0)) @ weight
    beats, beaten_by = np.empty(n), np.empty(n)
    for i in range(n):
        gap = columns[i] - np.delete(columns, i, axis=0)
        half = 0.5 * (gap == 0) if difference == 0 else 0.0
        beats[i] = ((gap < -difference) + half).sum(axis=0) @ weight
        beaten_by[i] = ((gap > difference) + half).sum(axis=0) @ weight
    independent = 1 / float((weight**2).sum())
    error, of_best = (ERRORS * np.sqrt(np.clip(p * (1 - p), 0.0, None) / independent) for p in (probabilities, best))
    return RankIntegrals(
        probabilities=probabilities,
        error=error,
        best=best,
        beats=beats,
        beaten_by=beaten_by,
        largest_error=float(max(error.max(), of_best.max())),
        points=draws,
    )


def _factor(covariance: Array) -> Array:
    """F (n, d) with F F' the covariance of effects minus their mean; the largest variances first."""
    centred = covariance - covariance.mean(axis=0)
    centred = centred - centred.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh((centred + centred.T) / 2)
    rounding = 32 * len(values) * np.finfo(float).eps * float(np.abs(covariance).max())
    if values.min() < -max(1e-8 * float(values.max()), rounding):
        raise ValueError(
            f"covariance is not positive semidefinite: a combination of differences of effects would have the variance {values.min():.3g}; "
            "accepted: the covariance matrix of all effects"
        )
    keep = np.flatnonzero(values > rounding)[::-1]
    factor: Array = vectors[:, keep] * np.sqrt(values[keep])
    return factor


def _exact(gap: Array, se: Array, beat: Array, difference: float, df: float | None) -> tuple[Array, Array] | None:
    """Probabilities of ranks and of being best in closed form; None where there is none."""
    n = len(gap)
    if n == 2:
        worse = beat.sum(axis=0)
        best = probability_better(gap, se, df=df, small_is_good=True).sum(axis=1)
        return np.column_stack([1 - worse, worse]), best
    if n > 3 or df is not None or (se[~np.eye(n, dtype=bool)] == 0).any():
        return None
    probabilities, best = np.empty((3, 3)), np.empty(3)
    for i, (j, k) in enumerate(((1, 2), (0, 2), (0, 1))):
        # correlation of the differences of i from each of the others
        correlation = (se[i, j] ** 2 + se[i, k] ** 2 - se[j, k] ** 2) / (2 * se[i, j] * se[i, k])
        if abs(correlation) > 1 - 1e-12:
            return None
        margin = [gap[i, other] / se[i, other] for other in (j, k)]
        allowed = [difference / se[i, other] for other in (j, k)]
        best[i] = _both_below(-margin[0], -margin[1], correlation)
        first = _both_below(allowed[0] - margin[0], allowed[1] - margin[1], correlation)
        last = _both_below(margin[0] - allowed[0], margin[1] - allowed[1], correlation)
        probabilities[i] = first, max(0.0, 1 - first - last), last
    return probabilities, best


def _both_below(h: float, k: float, correlation: float) -> float:
    """P(X < h, Y < k) of standard normals by Owen's T (Owen 1956, Annals of Mathematical Statistics 27:1075-90)."""
    if h == 0 and k == 0:
        return 0.25 + float(np.arcsin(correlation)) / (2 * np.pi)
    root = np.sqrt((1 - correlation) * (1 + correlation))
    slopes = [
        (other - correlation * own) / (own * root) if own != 0 else np.copysign(np.inf, other)
        for own, other in ((h, k), (k, h))
    ]
    opposite = h * k < 0 or (h * k == 0 and h + k < 0)
    value = (ndtr(h) + ndtr(k)) / 2 - owens_t(h, slopes[0]) - owens_t(k, slopes[1]) - (0.5 if opposite else 0.0)
    return float(np.clip(value, 0.0, 1.0))


def _quasi_monte_carlo(
    x: Array,
    factor: Array,
    alike: npt.NDArray[np.intp],
    df: float | None,
    difference: float,
    error: float,
    seed: int,
) -> tuple[Array, Array, Array, float, int]:
    """Probabilities of ranks, P(best), the errors of the former, the largest error, and the points that it took.

    Points of Richtmyer's lattice with random shifts, each with its mirror image about the mean; the spread of the replicates gives the error.
    """
    n, pairs = x.size, max(1, (factor.shape[1] + 1) // 2)
    dimensions = 2 * pairs + (df is not None)
    steps = _steps(dimensions)
    shifts = np.random.default_rng(seed).integers(0, 2**32, size=(REPLICATES, dimensions, 1), dtype=np.uint32)
    # single precision is twice as fast; where some effects are known far better than others it would blur these
    spread = np.sqrt(((factor[:, None, :] - factor[None, :, :]) ** 2).sum(axis=2))
    coarse = bool(spread[spread > 0].min(initial=np.inf) > 0.01 * max(np.abs(x).max(), spread.max()))
    ties = bool((alike != np.arange(n)).any())
    kind = np.float32 if coarse else np.float64
    x, factor = x.astype(kind), factor.astype(kind)
    ranks, best, done, goal = np.zeros((REPLICATES, n, n)), np.zeros((REPLICATES, n)), 0, FIRST_POINTS
    while True:
        while done < goal:
            size = min(BLOCK, goal - done)
            points = steps * np.arange(done, done + size, dtype=np.uint32)  # modulo 1, which is 2^32 here
            for replicate in range(REPLICATES):
                deviations = _deviations(factor, points + shifts[replicate], df)
                for mirrored in (x[:, None] + deviations, x[:, None] - deviations):
                    effects = mirrored[alike] if ties else mirrored  # equal to the last bit
                    ranks[replicate] += _counted(_ranks(effects, difference))
                    if difference > 0:
                        best[replicate] += np.bincount(effects.argmin(axis=0), minlength=n)
            done += size
        both = np.concatenate([ranks, best[:, :, None]], axis=2) / (2 * done)
        errors = ERRORS * both.std(axis=0, ddof=1) / np.sqrt(REPLICATES)
        largest = float(errors.max())
        if largest <= error or goal >= MOST_POINTS:
            means = both.mean(axis=0)
            return means[:, :n].copy(), means[:, n].copy(), errors[:, :n].copy(), largest, 2 * REPLICATES * done
        # as many more as the error asks for at the usual rate, but no more than twice: it is an estimate itself
        goal = min(2 * goal, 64 * int(np.ceil(1.05 * goal * (largest / error) ** 2 / 64)), MOST_POINTS)


def _steps(dimensions: int) -> npt.NDArray[np.uint32]:
    """Steps of the lattice, shape (dimensions, 1): fractional parts of square roots of primes (Richtmyer's sequence), times 2^32."""
    sieve = np.ones(max(16, 16 * dimensions), dtype=bool)  # the m-th prime is below 16 m for all m that matter
    sieve[:2] = False
    for number in range(2, int(len(sieve) ** 0.5) + 1):
        sieve[number**2 :: number] &= not sieve[number]
    roots = np.sqrt(np.flatnonzero(sieve)[:dimensions].astype(float))
    steps: npt.NDArray[np.uint32] = np.rint((roots % 1) * 2.0**32).astype(np.uint32)[:, None]
    return steps


def _deviations(factor: Array, points: npt.NDArray[np.uint32], df: float | None) -> Array:
    """Deviations from the mean (n, S) at points (dimensions, S) of BITS bits, by Box and Muller's transformation of pairs of dimensions."""
    d = factor.shape[1]
    pairs = max(1, (d + 1) // 2)
    # 24 bits are what single precision holds: enough for a sample, and several times faster; half a step keeps off 0 and 1
    uniform = ((points >> 8).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-24)
    radius = np.sqrt(np.float32(-2) * np.log(np.minimum(uniform[:pairs], np.float32(1 - 2.0**-24))))
    angle = uniform[pairs : 2 * pairs] * np.float32(2 * np.pi)
    z = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:d]
    deviations: Array = factor @ z.astype(factor.dtype)
    if df is not None:
        # one more dimension: a chi-squared, over which the normal deviations are t
        deviations *= np.sqrt(df / chdtri(df, (points[-1] + 0.5) * 2.0**-32)).astype(factor.dtype)
    return deviations


def _ranks(x: Array, difference: float, *, equal: bool = False) -> npt.NDArray[np.int16]:
    """How many elements of each column of x (n, S) are below each by more than a difference; with `equal` also those that equal it, itself too."""
    below, integer = np.less_equal if equal else np.less, np.int8 if len(x) < 127 else np.int16
    ranks = np.empty(x.shape, dtype=np.int16)
    for row, own in zip(ranks, x, strict=True):
        row[:] = below(x, own - difference).view(np.int8).sum(axis=0, dtype=integer)
    return ranks


def _shared(probabilities: Array, equal: npt.NDArray[np.intp]) -> Array:
    """Probabilities of ranks (n, n) where so many treatments (n,) share a row's best rank: each has their ranks in equal parts."""
    shared = np.zeros_like(probabilities)
    for step in range(int(equal.max())):
        own = equal > step
        shared[own, step:] += probabilities[own, : len(equal) - step] / equal[own, None]
    return shared


def _counted(ranks: npt.NDArray[np.int16], weight: Array | None = None) -> Array:
    """How often, or with what weight (n, S), each of n treatments has each of n ranks: array (n, n)."""
    n = len(ranks)
    cells = (ranks + n * np.arange(n)[:, None]).ravel()
    counts = np.bincount(cells, None if weight is None else weight.ravel(), minlength=n * n)
    return counts.reshape(n, n).astype(np.float64)


def _moved(probabilities: Array, mean_rank: Array) -> Array:
    """The nearest probabilities (Kullback and Leibler) whose rows and columns sum to 1 and whose mean ranks are the exact ones.

    Generalised raking by Newton's method; zeros stay. As they were where no such matrix is near.
    """
    n = len(probabilities)
    row, column = np.divmod(np.arange(n * n), n)
    own = (row[:, None] == np.arange(n)).astype(float)
    from_mean = (1.0 + column - mean_rank[row]) / n
    design = np.hstack([own, own * from_mean[:, None], (column[:, None] == np.arange(n)).astype(float)])  # (n^2, 3 n)
    target = np.concatenate([np.ones(n), np.zeros(n), np.ones(n)])
    multipliers = np.zeros(3 * n)
    cells = probabilities.ravel()
    for _ in range(20):
        missing = target - design.T @ cells
        if np.abs(missing).max() <= 1e-13:
            break
        multipliers += np.linalg.lstsq(design.T @ (cells[:, None] * design), missing, rcond=1e-13)[0]
        if np.abs(multipliers).max() > 30:
            return probabilities
        cells = probabilities.ravel() * np.exp(design @ multipliers)
    near = np.abs(target - design.T @ cells).max() <= 1e-9
    return cells.reshape(n, n) if near else probabilities
