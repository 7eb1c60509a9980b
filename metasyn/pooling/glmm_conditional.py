"""Conditional models: treated events given all events of a study, which leaves the treatment effect as the only parameter.

References
----------
Stijnen T, Hamza TH, Özdemir P (2010), Statistics in Medicine 29:3046-67: the hypergeometric-normal model, its binomial
approximation for rare events, and the conditional model of rates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasyn.pooling.count_data import Counts, log_choose
from metasyn.pooling.glmm_likelihood import Model, binomial
from metasyn.pooling.mantel_haenszel import expected_count

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
NEGLIGIBLE = 37.0  # terms below exp(-37) = 1e-16 of the largest are left out
CHUNK = 2_000_000  # numbers in one go


@dataclass(frozen=True, slots=True)
class _Window:
    """The terms that matter while eta stays between `least` and `most`, those of all tables in a row."""

    least: Array  # shape (k, 1)
    most: Array
    centre: Array  # shape (k, 1): an x near the middle
    length: Whole  # shape (k,)
    first: Whole  # where each table begins, shape (k,)
    distance: Array  # x - centre, shape (terms, 1)
    log_terms: Array  # relative to that at the centre, shape (terms, 1)
    base: Array  # log term at the centre, shape (k, 1)
    reach: Array  # the largest distance, shape (k, 1)


class NoncentralHypergeometric:
    """Cumulant function K(eta) = log sum_x choose(n1, x) choose(n2, m - x) exp(eta x) of k tables with given margins.

    Only the terms that matter are summed: they fall off on both sides of the mode (the terms are log-concave in x). Which
    they are is kept from call to call while eta stays in its range.
    """

    def __init__(self, n1: Array, n2: Array, m: Array) -> None:
        self.n1, self.n2, self.m = n1, n2, m
        self.low = np.maximum(0, m - n2).astype(np.int64)
        self.high = np.minimum(m, n1).astype(np.int64)
        length = self.high - self.low + 1
        self.begin = np.concatenate([[0], np.cumsum(length)[:-1]])
        x = np.arange(length.sum()) - np.repeat(self.begin - self.low, length)
        n1, n2, m = (np.repeat(margin, length) for margin in (n1, n2, m))
        self.log_terms = log_choose(n1, x) + log_choose(n2, m - x)
        self._kept: _Window | None = None

    def __call__(self, eta: Array, order: int) -> tuple[Array, ...]:
        """K and its derivatives up to `order` (3 at most) at eta of shape (n, k, 1, points)."""
        n, k, _one, points = eta.shape
        flat = eta[:, :, 0].transpose(1, 0, 2).reshape(k, n * points)
        least, most = flat.min(axis=1, keepdims=True), flat.max(axis=1, keepdims=True)
        kept = self._kept
        if kept is None or (least < kept.least).any() or (most > kept.most).any():
            self._kept = kept = self._window(least, most)
        columns = max(1, CHUNK // kept.distance.size)
        parts = [_sums(kept, flat[:, at : at + columns], order) for at in range(0, flat.shape[1], columns)]
        return tuple(
            np.concatenate(part, axis=1).reshape(k, n, points).transpose(1, 0, 2)[:, :, None]
            for part in zip(*parts, strict=True)
        )

    def _term(self, x: Whole, eta: Array) -> Array:
        """Log term of each table at one x each."""
        return np.asarray(self.log_terms[self.begin + x - self.low] + eta * x)

    def _mode(self, eta: Array) -> Whole:
        """An integer near the mode, shape (k,)."""
        expected = expected_count(self.n1, self.n2, self.m, np.clip(eta, -700, 700))
        return np.clip(np.rint(expected).astype(np.int64), self.low, self.high)

    def _window(self, least: Array, most: Array) -> _Window:
        middle = self._mode(((least + most) / 2)[:, 0])
        spread = np.sqrt(np.minimum(np.minimum(middle, self.m - middle), self.n1 - middle).clip(1))
        margin = np.minimum(1.0, 1 / spread)[:, None]  # room for the next call
        least, most = least - margin, most + margin
        low = self._end(least[:, 0], -1, self.low)
        high = self._end(most[:, 0], 1, self.high)
        centre, length = np.clip(middle, low, high), high - low + 1
        first = np.concatenate([[0], np.cumsum(length)[:-1]])
        x = np.arange(length.sum()) - np.repeat(first - low, length)
        base = self.log_terms[self.begin + centre - self.low]
        log_terms = self.log_terms[x + np.repeat(self.begin - self.low, length)] - np.repeat(base, length)
        return _Window(
            least=least,
            most=most,
            centre=centre[:, None].astype(float),
            length=length,
            first=first,
            distance=(x - np.repeat(centre, length))[:, None].astype(float),
            log_terms=log_terms[:, None],
            base=base[:, None],
            reach=np.maximum(high - centre, centre - low)[:, None].astype(float),
        )

    def _end(self, eta: Array, side: int, limit: Whole) -> Whole:
        """The last x on one side that matters at this eta."""
        mode = self._mode(eta)
        at_mode = self._term(mode, eta)
        spread = np.sqrt(np.minimum(np.minimum(mode, self.m - mode), self.n1 - mode).clip(0))
        reach = 8 + (8 * spread).astype(np.int64)
        while True:
            x = np.clip(mode + side * reach, self.low, self.high)
            short = (x != limit) & (self._term(x, eta) > at_mode - NEGLIGIBLE)
            if not short.any():
                return np.asarray(x)
            reach = np.where(short, reach + reach // 4, reach)


def _sums(window: _Window, eta: Array, order: int) -> tuple[Array, ...]:
    """K and its derivatives at eta of shape (k, columns), each of that shape."""
    terms = np.repeat(eta, window.length, axis=0)
    terms *= window.distance
    terms += window.log_terms
    top: Array | float = 0.0
    if (window.reach * np.ptp(eta, axis=1, keepdims=True)).max() > 300:
        top = np.maximum.reduceat(terms, window.first, axis=0)
        terms -= np.repeat(top, window.length, axis=0)
    np.exp(terms, out=terms)
    total = np.add.reduceat(terms, window.first, axis=0)
    found = [window.base + eta * window.centre + top + np.log(total)]
    moments = []
    for _ in range(order):
        terms *= window.distance
        moments.append(np.add.reduceat(terms, window.first, axis=0) / total)
    if order:
        mean = moments[0]
        found.append(window.centre + mean)
    if order > 1:
        found.append(moments[1] - mean**2)
    if order > 2:
        found.append(moments[2] - 3 * mean * moments[1] + 2 * mean**3)
    return tuple(found)


def exact(counts: Counts) -> Model:
    """CM.EL of the odds ratio: the noncentral hypergeometric distribution."""
    (x1, x2), (n1, n2) = counts.events.T, counts.size.T
    constant = log_choose(n1, x1) + log_choose(n2, x2)
    return _single(counts, NoncentralHypergeometric(n1, n2, x1 + x2), np.zeros(counts.k), constant)


def approximate(counts: Counts) -> Model:
    """CM.AL of the odds ratio, and CM.EL of the rate ratio: binomial with odds exp(eta) size1/size2."""
    events = counts.events.sum(axis=1)
    offset = np.log(counts.size[:, 0] / counts.size[:, 1])
    return _single(counts, binomial(events[:, None]), offset, log_choose(events, counts.events[:, 0]))


def _single(counts: Counts, cumulant: NoncentralHypergeometric | object, offset: Array, constant: Array) -> Model:
    one = np.ones((1, 1))
    return Model(
        events=counts.events[:, :1],
        cumulant=cumulant,  # type: ignore[arg-type]
        offset=offset[:, None],
        fixed=one,
        random=one,
        constant=constant,
    )


def exact_saturated(counts: Counts) -> tuple[Array, Array, float]:
    """Each table's own conditional estimate, its information, and the log-likelihood of all, by Newton's method.

    Tables at an end of their support have an infinite estimate with information 0 and likelihood 1.
    """
    (x1, x2), (n1, n2) = counts.events.T, counts.size.T
    m = x1 + x2
    inner = (x1 > np.maximum(0, m - n2)) & (x1 < np.minimum(m, n1))
    effect, information = np.zeros(counts.k), np.zeros(counts.k)
    if not inner.any():
        return effect, information, 0.0
    some = exact(counts.take(inner))
    y = some.events[:, 0]
    eta = np.log((x1 * (n2 - x2))[inner] / ((n1 - x1) * x2)[inner])
    for _ in range(100):
        k0, k1, k2 = (part[0, :, 0, 0] for part in some.cumulant(eta[None, :, None, None], 2))
        step = np.clip((y - k1) / k2, -1, 1)
        eta = eta + step
        if np.abs(step).max() < 1e-9:
            break
    effect[inner], information[inner] = eta, k2
    return effect, information, float((some.constant + y * eta - k0).sum())
