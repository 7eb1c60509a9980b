"""Maximum and restricted maximum likelihood of tau2: the highest maximum over tau2 >= 0, for many pools at once.

Twice the score is y'PPy - tr(P) (restricted) or y'PPy - sum(w). In the eigenvalues l of K'VK, where K'X = 0 and K'K = 1 (X a column of ones, or the moderators of a regression), the
restricted one is sum(c p^2 - p) with p = 1/(l + tau2), c >= 0, and l between the smallest and the largest variance. Hence:

- no root lies above the sum of squares of the effects about their mean (all c - l - tau2 are negative there);
- at a root the slope is sum(p^2) - 2 sum(c p^3) <= sum(p^2) - 2 sum(p)^2 / Q, because sum(c p^2)^2 <= sum(c p^3) sum(c p) and
  Q = sum(c p). Where Q < 2 tr(P)^2 / tr(PP) a root is therefore a maximum; as Q falls in tau2 and the right side rises (the p
  become more equal), there is at most one root from there on. The same holds for the unrestricted score with sum(w), sum(w^2).
- at a root the slope is also at most sum(p (p - 2 min p)), negative above tau2 = max(v) - 2 min(v).

Where neither holds yet, the likelihood of studies of very different precision can have several maxima. Twice the score is A - B and
its slope C - 2 D, with A = y'PPy, B = tr(P) or sum(w), C = tr(PP) or sum(w^2), D = y'PPPy, and all four fall in tau2. On an interval
from a to b there is therefore no root if A(a) < B(b) or A(b) > B(a), no maximum if C(b) > 2 D(a), and at most one if C(a) < 2 D(b).
An interval of which none of this is true is halved (in log(min(v) + tau2)), until every maximum is enclosed by itself; of several
the highest is taken.

References
----------
Hardy and Thompson 1996, Statistics in Medicine 15:619-29 (ML); Viechtbauer 2005, J Educ Behav Stat 30:261-93 (REML).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from metasyn.errors import ConvergenceError
from metasyn.pooling.block import Block, Sums, add_up
from metasyn.pooling.model import Model, ModelSums

Array = npt.NDArray[np.float64]
STEPS = 200


def _score(sums: ModelSums, restricted: bool) -> Array:
    """Twice the derivative of the log-likelihood, shape (n,)."""
    return sums.py2 - (sums.trace_p if restricted else sums.total)


def log_likelihood(model: Model, tau2: Array | float, *, restricted: bool) -> Array:
    """(Restricted) log-likelihood without its constant, shape (n,)."""
    sums = model.at(tau2)
    value = -add_up(np.log(model.variance + tau2)) - sums.q
    return cast(Array, (value - sums.log_det if restricted else value) / 2)


def maximise(block: Model, common: ModelSums, *, restricted: bool) -> Array:
    """The tau2 of the highest (restricted) likelihood of each pool, shape (n,), or of a regression; `common` are the sums at 0."""
    if not isinstance(block, Block) or block.single:
        return cast(Array, _maximise_one(block, common, restricted))
    pool, low, high, at_zero = _brackets(block, cast(Sums, common), restricted)
    best = np.zeros(block.n)
    if not pool.size:
        return best
    roots = _refine(block.take(pool), low, high, restricted)
    several = np.bincount(pool, minlength=block.n)
    contested = (several > 1) | ((several > 0) & (at_zero <= 0))  # a lower maximum, at 0 or inside, is possible
    best[pool] = roots
    if contested.any():
        _take_highest(block, best, pool, roots, contested, restricted)
    return best


def _maximise_one(model: Model, common: ModelSums, restricted: bool) -> float:
    """The same for one pool, in numbers rather than arrays of one, or a regression."""
    squares, least = float(model.plain.squares), float(model.least)
    last = min(float(model.variance.max()) - 2 * least, squares)
    if squares == 0:
        return 0.0
    start = _point(common, 0.0, restricted)
    rises = bool(start.a > start.b)
    if last <= 0 or start.certain:
        return _refine_one(model, 0.0, squares, restricted) if rises else 0.0
    end = _point(model.at(last), last, restricted)
    open_intervals, brackets = [(start, end)], [(last, squares)] if end.a > end.b else []
    while open_intervals:
        low, high = open_intervals.pop()
        verdict = _verdict(low, high, least)
        if verdict == BRACKET:
            brackets.append((float(low.tau2), float(high.tau2)))
        elif verdict == HALVE:
            middle = float(np.sqrt((least + low.tau2) * (least + high.tau2)) - least)
            point = _point(model.at(middle), middle, restricted)
            open_intervals += [(low, point), (point, high)]
    roots = [_refine_one(model, *bracket, restricted) for bracket in brackets]
    if len(roots) == 1 and rises:
        return roots[0]
    return max([0.0, *roots], key=lambda tau2: float(log_likelihood(model, tau2, restricted=restricted)))


@dataclass(frozen=True, slots=True)
class _Point:
    """What is known at a tau2: the parts of the score and its slope, and whether at most one root, a maximum, lies from here on."""

    tau2: Array
    a: Array
    b: Array
    c: Array
    d: Array
    certain: npt.NDArray[np.bool_]

    def take(self, which: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> _Point:
        """Some of the points."""
        return _Point(*(getattr(self, name)[which] for name in ("tau2", "a", "b", "c", "d", "certain")))


def _point(sums: ModelSums, tau2: Array | float, restricted: bool) -> _Point:
    b, c = (sums.trace_p, sums.p_squared()) if restricted else (sums.total, sums.squares)
    return _Point(np.asarray(tau2), sums.py2, b, c, sums.py3, sums.q * c < 2 * b**2)


NOTHING, BRACKET, HALVE = 0, 1, 2


def _verdict(low: _Point, high: _Point, least: Array | float) -> npt.NDArray[np.int_]:
    """Whether an interval holds no maximum, one, or has to be halved."""
    falls_through = (low.a > low.b) & (high.a <= high.b)
    none = (low.a < high.b) | (high.a > low.b) | (high.c > 2 * low.d)
    one = low.certain | (low.c < 2 * high.d) | (high.tau2 - low.tau2 <= 1e-9 * (least + low.tau2))
    return np.where(one, np.where(falls_through, BRACKET, NOTHING), np.where(none, NOTHING, HALVE))


def _take_highest(
    block: Block,
    best: Array,
    pool: npt.NDArray[np.intp],
    roots: Array,
    contested: npt.NDArray[np.bool_],
    restricted: bool,
) -> None:
    """Set the contested pools of `best` to the highest of their maxima, 0 among them."""
    of = contested[pool]
    candidates, pools = roots[of], pool[of]
    values = log_likelihood(block.take(pools), candidates, restricted=restricted)
    best[contested] = 0.0
    top = np.full(block.n, -np.inf)
    open_pools = np.flatnonzero(contested)
    top[open_pools] = log_likelihood(block.take(open_pools), np.zeros(open_pools.size), restricted=restricted)
    for value, candidate, index in zip(values, candidates, pools, strict=True):
        if value > top[index]:
            top[index], best[index] = value, candidate


def _brackets(block: Block, common: Sums, restricted: bool) -> tuple[npt.NDArray[np.intp], Array, Array, Array]:
    """Pools and ends of the intervals in which the score falls through 0, and the score at 0; `_maximise_one` for many."""
    squares = block.plain.squares
    last = np.minimum(block.variance.max(axis=0) - 2 * block.variance[0], squares)
    at_zero = np.where(squares > 0, _score(common, restricted), -1.0)
    certain = (last <= 0) | (squares == 0) | _surely_one(common, restricted)
    doubtful = np.flatnonzero(~certain)
    if doubtful.size:
        certain[doubtful] = _surely_one(common.take(doubtful), restricted, sharp=True)
    up = np.flatnonzero(certain & (at_zero > 0))
    found = [(up, np.zeros(up.size), squares[up])]
    pool = np.flatnonzero(~certain)
    if pool.size:
        part, ends = block.take(pool), last[pool]
        low, high = _point(common.take(pool), np.zeros(pool.size), restricted), _point(part.at(ends), ends, restricted)
        beyond = high.a > high.b
        found.append((pool[beyond], ends[beyond], squares[pool][beyond]))
        while pool.size:
            verdict = _verdict(low, high, part.variance[0])
            one = verdict == BRACKET
            found.append((pool[one], low.tau2[one], high.tau2[one]))
            halve = np.flatnonzero(verdict == HALVE)
            pool, part, low, high = pool[halve], part.take(halve), low.take(halve), high.take(halve)
            if not halve.size:
                break
            least = part.variance[0]
            middle = np.sqrt((least + low.tau2) * (least + high.tau2)) - least
            point = _point(part.at(middle), middle, restricted)
            twice = np.concatenate([np.arange(pool.size)] * 2)
            pool, part = pool[twice], part.take(twice)
            low, high = _joined(low, point), _joined(point, high)
    pools, lows, highs = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(pools, kind="stable")
    return pools[order], lows[order], highs[order], at_zero


def _joined(one: _Point, other: _Point) -> _Point:
    return _Point(
        *(
            np.concatenate([getattr(one, name), getattr(other, name)])
            for name in ("tau2", "a", "b", "c", "d", "certain")
        )
    )


def _surely_one(sums: ModelSums, restricted: bool, *, sharp: bool = False) -> npt.NDArray[np.bool_]:
    """Whether at most one root of the score lies at or above this tau2, and is a maximum.

    tr(PP) <= tr(P) max(w) is put for it, which is quicker; `sharp` takes tr(PP) itself.
    """
    trace = sums.trace_p if restricted else sums.total
    if not sharp:
        return sums.q * sums.largest < 2 * trace
    return sums.q * (sums.p_squared() if restricted else sums.squares) < 2 * trace**2


def _refine(block: Block, low: Array, high: Array, restricted: bool) -> Array:
    """The root in each bracket, by the secant of the scoring step, bisecting where it leaves the bracket.

    The step, score / sum(w^2), is exactly linear in tau2 where all variances are equal, and nearly so elsewhere: its secant
    converges in a few steps where the steps themselves (Fisher's scoring for ML) converge linearly.
    """
    root = np.empty(block.n)
    active: npt.NDArray[np.intp] | None = None  # of the pools; None: all of them
    inside = np.flatnonzero(high > low)
    root[high <= low] = low[high <= low]
    if inside.size < block.n:
        active, block, low, high = inside, block.take(inside), low[inside], high[inside]
    low, high = low.copy(), high.copy()
    floor = 1e-17 * block.variance[0]
    tau2 = np.asarray(_start(block, low, high))
    before, step_before = tau2, np.zeros(0)
    for round_ in range(STEPS):
        step = _step(block, tau2, restricted)
        low, high = np.where(step > 0, tau2, low), np.where(step > 0, high, tau2)
        if round_ == 0:
            following = tau2 + step
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                following = tau2 - step * (tau2 - before) / (step - step_before)
        outside = ~((following > low) & (following < high))
        if outside.any():
            if round_ and outside.all():
                following = np.where(step == 0, tau2, (low + high) / 2)
            else:
                following = np.where(outside, np.where(step == 0, tau2, (low + high) / 2), following)
        change = np.abs(following - tau2)
        done = (change <= 1e-11 * following) | (change <= floor) | (high - low <= 2e-16 * high)
        if done.all():
            root[slice(None) if active is None else active] = following
            return root
        if done.any() and done.sum() * 4 >= done.size:
            indices = np.arange(block.n) if active is None else active
            root[indices[done]] = following[done]
            left = ~done
            active, block, floor = indices[left], block.take(left), floor[left]
            low, high, tau2, following, step = low[left], high[left], tau2[left], following[left], step[left]
        before, step_before, tau2 = tau2, step, following
    raise ConvergenceError(f"the likelihood of tau2 was not maximised in {STEPS} steps")


def _step(model: Model, tau2: Array | float, restricted: bool) -> Array:
    """Twice the score over sum(w^2)."""
    sums = model.at(tau2)
    return _score(sums, restricted) / sums.squares


def _refine_one(model: Model, low: float, high: float, restricted: bool) -> float:
    """`_refine` for one pool and one bracket."""
    floor = 1e-17 * float(model.least)
    tau2 = float(_start(model, low, high))
    before = step_before = 0.0
    for round_ in range(STEPS):
        if high - low <= 2e-16 * high:
            return tau2
        step = float(_step(model, tau2, restricted))
        if step == 0:
            return tau2
        low, high = (tau2, high) if step > 0 else (low, tau2)
        if round_ == 0:
            following = tau2 + step
        else:
            following = tau2 - step * (tau2 - before) / (step - step_before) if step != step_before else low
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - tau2) <= max(1e-11 * following, floor):
            return following
        before, step_before, tau2 = tau2, step, following
    raise ConvergenceError(f"the likelihood of tau2 was not maximised in {STEPS} steps")


def _start(model: Model, low: Array | float, high: Array | float) -> Array | float:
    """The moment estimate of equal weights where it lies in the bracket, else the middle."""
    plain = model.plain
    guess = (plain.squares - plain.trace_v) / model.df
    if np.ndim(guess) == 0:
        return float(guess) if low < guess < high else (low + high) / 2
    return np.where((guess > low) & (guess < high), guess, (low + high) / 2)
