"""Alpha spending: boundaries of a test that is repeated as information comes in, exact by recursive integration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri

from metasyn.pooling.arrays import check_code, read_only

Array = npt.NDArray[np.float64]
Interval = tuple[float, float]

FAR = 9.0  # standard deviations beyond which nothing is integrated; what lies there is below 1e-18
LEAST_STEP = 1e-4  # relative growth of information that counts as a look
LEAST_SPENT = 1e-14  # per side; less is kept for the next look, and the boundary is infinite
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_PANEL = 4.0  # width of a panel of 16 nodes in standard deviations of the narrowest kernel: errors near 1e-13


def _obrien_fleming(fraction: Array, level: float, _rho: float) -> Array:
    return 2 * ndtr(ndtri(level / 2) / np.sqrt(fraction))


def _pocock(fraction: Array, level: float, _rho: float) -> Array:
    return level * np.log1p((np.e - 1) * fraction)


def _power(fraction: Array, level: float, rho: float) -> Array:
    return level * fraction**rho


SPENDING: dict[str, Callable[[Array, float, float], Array]] = {
    "obrien-fleming": _obrien_fleming,
    "pocock": _pocock,
    "power": _power,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boundaries:
    """Two-sided symmetric boundaries of a cumulative z, one per look.

    Attributes
    ----------
    fraction : array, shape (looks,)
        Information over the required information, at most 1.
    spent : array, shape (looks,)
        Two-sided alpha spent up to each look.
    boundary : array, shape (looks,)
        Where abs(z) is at least this, the test is decided; infinite where too little is spent; NaN where nothing is left to spend.
    futility : array, shape (looks,), or None
        Where abs(z) is below this, an effect of the size asked for is unlikely; non-binding. NaN as `boundary`.
    """

    information: Array
    required: float
    fraction: Array
    spent: Array
    boundary: Array
    futility: Array | None
    alpha: float
    spending: str
    rho: float | None


class _Mass(NamedTuple):
    """The statistic of a look where the test goes on: nodes in z, and probability per node."""

    z: Array
    mass: Array


def spent(fraction: npt.ArrayLike, *, alpha: float = 0.05, spending: str = "obrien-fleming", rho: float = 3.0) -> Array:
    """Two-sided alpha that may have been spent at fractions of the required information.

    Parameters
    ----------
    fraction : array
        0 or more; above 1 all of alpha is spent.
    spending : {"obrien-fleming", "pocock", "power"}
        Per side with a = alpha/2: 2 - 2 Phi(z(1 - a/2)/sqrt t); a log(1 + (e - 1) t); a t^rho.
    rho : float
        Exponent of the power family, above 0.

    Returns
    -------
    array, shape of fraction

    Notes
    -----
    Each side is a one-sided test at alpha/2. Some texts put the two-sided alpha itself into the first formula, which spends earlier.

    References
    ----------
    Lan and DeMets 1983, Biometrika 70:659-63; the power family Kim and DeMets 1987, Biometrika 74:149-54.
    """
    _check_alpha(alpha, "alpha")
    return 2 * _one_sided(np.asarray(fraction, dtype=float), alpha / 2, spending, rho)


def _one_sided(fraction: Array, level: float, spending: str, rho: float) -> Array:
    check_code("spending", spending, [*SPENDING])
    if not 0 < rho < np.inf:
        raise ValueError(f"rho is not above 0 ({rho:g}); accepted: such as 1, 2 or 3")
    if np.isnan(fraction).any() or (fraction < 0).any():
        raise ValueError("a fraction of information is below 0 or missing; accepted: numbers of 0 or more")
    at = np.minimum(fraction, 1.0)
    with np.errstate(divide="ignore"):
        return SPENDING[spending](at, level, rho)


def _check_alpha(value: float, name: str) -> None:
    if not 0 < value < 0.5:
        raise ValueError(f"{name} is not between 0 and 0.5 ({value:g}); accepted: such as 0.05")


def boundaries(
    information: npt.ArrayLike,
    *,
    required: float,
    alpha: float = 0.05,
    spending: str = "obrien-fleming",
    rho: float = 3.0,
    futility: str | None = None,
    delta: float | None = None,
    beta: float = 0.1,
) -> Boundaries:
    """Boundaries for looks at given information.

    Parameters
    ----------
    information : array, shape (looks,)
        1/variance of the estimate at each look, rising by more than one part in 10 000.
    required : float
        Information at which all of alpha is spent.
    spending, rho
        As `spent`.
    futility : str or None
        A spending function for beta, one of the same; None: no futility boundary.
    delta, beta : float
        For futility: the effect on the analysis scale against which beta is spent, and 1 - power.

    Returns
    -------
    Boundaries
        Of a first look at or beyond `required` the whole remaining alpha; looks after it have none, and NaN.

    Raises
    ------
    ValueError
        If information does not rise, or a parameter is outside its range.

    Notes
    -----
    Futility boundaries are non-binding: those for efficacy do not count on them. Correlations of z between looks use the information
    as it is, beyond `required` too; only spending stops there.

    References
    ----------
    Armitage, McPherson and Rowe 1969, JRSS A 132:235-44; Jennison and Turnbull 2000, Group Sequential Methods, chapters 7 and 19.
    """
    levels = np.atleast_1d(np.asarray(information, dtype=float))
    check_information(levels)
    _check_alpha(alpha, "alpha")
    if not 0 < required < np.inf:
        raise ValueError(f"required is not above 0 ({required:g}); accepted: information, such as 211")
    fraction = np.minimum(levels / required, 1.0)
    used = 1 + int(np.argmax(fraction >= 1)) if (fraction >= 1).any() else levels.size
    per_side = _one_sided(fraction[:used], alpha / 2, spending, rho)
    limits = _solve_efficacy(levels[:used], per_side)
    inner = None
    if futility is not None:
        if delta is None or not np.isfinite(delta) or delta == 0:
            raise ValueError("futility needs delta, an effect other than 0 on the analysis scale")
        _check_alpha(beta, "beta")
        inner = _solve_futility(
            levels[:used], limits, _one_sided(fraction[:used], beta, futility, rho), abs(float(delta))
        )
    missing = np.full(levels.size - used, np.nan)
    total = np.concatenate([2 * per_side, np.full(levels.size - used, alpha)])
    return Boundaries(
        information=read_only(levels),
        required=float(required),
        fraction=read_only(fraction),
        spent=read_only(total),
        boundary=read_only(np.concatenate([limits, missing])),
        futility=None if inner is None else read_only(np.concatenate([inner, missing])),
        alpha=alpha,
        spending=spending,
        rho=rho if spending == "power" else None,
    )


def check_information(levels: Array) -> None:
    """Refuse information that is not a rising sequence of numbers above 0."""
    if levels.ndim != 1 or levels.size == 0 or not np.isfinite(levels).all() or (levels <= 0).any():
        raise ValueError("information is not a sequence of numbers above 0; accepted: 1/variance at each look")
    for look in range(1, levels.size):
        if levels[look] <= levels[look - 1] * (1 + LEAST_STEP):
            raise ValueError(
                f"information does not rise from look {look} to {look + 1} ({levels[look - 1]:g}, {levels[look]:g}); "
                "accepted: growth by more than one part in 10 000, else it is no look"
            )


def crossing_probabilities(
    information: npt.ArrayLike, boundary: npt.ArrayLike, *, effect: float = 0.0
) -> tuple[Array, Array]:
    """Probability to cross a symmetric boundary for the first time at each look, above and below.

    Parameters
    ----------
    information : array, shape (looks,)
        As `boundaries`.
    boundary : array, shape (looks,)
        Of abs(z), above 0; infinity for a look without a test.
    effect : float
        The true effect on the analysis scale.

    Returns
    -------
    (above, below) : arrays, shape (looks,)

    References
    ----------
    As `boundaries`. z at two looks is normal with means effect * sqrt I, variances 1 and correlation sqrt(I1/I2).
    """
    levels = np.atleast_1d(np.asarray(information, dtype=float))
    check_information(levels)
    limits = np.atleast_1d(np.asarray(boundary, dtype=float))
    if limits.shape != levels.shape or np.isnan(limits).any() or (limits <= 0).any():
        raise ValueError(f"boundary is not {levels.size} numbers above 0, one per look")
    above, below = np.empty(levels.size), np.empty(levels.size)
    before: _Mass | None = None
    for look, limit in enumerate(limits):
        above[look] = _beyond(before, levels, look, float(limit), effect)
        below[look] = _beyond(before, levels, look, float(limit), -effect, mirrored=True)
        before = _go_on(before, levels, look, [(-float(limit), float(limit))], effect)
    return above, below


def _solve_efficacy(levels: Array, per_side: Array) -> Array:
    """The boundary at each look that brings the probability of having crossed above, without effect, to what may be spent."""
    limits = np.empty(levels.size)
    before: _Mass | None = None
    used = 0.0
    for look in range(levels.size):
        left = float(per_side[look]) - used
        limits[look] = _limit(before, levels, look, left) if left > LEAST_SPENT else np.inf
        if limits[look] < np.inf:
            used = float(per_side[look])
        before = _go_on(before, levels, look, [(-limits[look], limits[look])], 0.0)
    return limits


def _limit(before: _Mass | None, levels: Array, look: int, left: float) -> float:
    def excess(limit: float) -> float:
        # on the log scale, so that 1e-12 is found as exactly as 0.01
        return _log_beyond(before, levels, look, limit, 0.0) - float(np.log(left))

    return float(brentq(excess, 0.0, FAR, xtol=1e-13, rtol=1e-14))


def _solve_futility(levels: Array, limits: Array, allowed: Array, delta: float) -> Array:
    """The inner boundary at each look that brings the probability of having stopped for futility, under delta, to what may be spent."""
    inner = np.empty(levels.size)
    before: _Mass | None = None
    used = 0.0
    for look in range(levels.size):
        left, outer = float(allowed[look]) - used, float(min(limits[look], FAR + delta * np.sqrt(levels[look])))

        def excess(limit: float, at: int = look, left: float = left, before: _Mass | None = before) -> float:
            return _within(before, levels, at, limit, delta) - left

        if left <= LEAST_SPENT:
            inner[look] = 0.0
        elif excess(outer) <= 0:
            inner[look] = outer  # whatever does not cross here is futile, and less than allowed is spent
        else:
            inner[look] = brentq(excess, 0.0, outer, xtol=1e-13, rtol=1e-14)
        used = float(allowed[look])  # of a capped look less is spent, but nothing goes on after it
        outside = [(-limits[look], -inner[look]), (inner[look], limits[look])]
        before = _go_on(before, levels, look, outside, delta)
    return inner


def _standardised(before: _Mass | None, levels: Array, look: int, z: float | Array, effect: float) -> Array:
    """How far a z of a look is above what the node of the look before leads to expect, in standard deviations of the step."""
    root = np.sqrt(levels[look])
    if before is None:
        return np.asarray(z - effect * root)
    step = levels[look] - levels[look - 1]
    start = before.z * np.sqrt(levels[look - 1]) + effect * step
    return np.asarray((np.asarray(z)[..., None] * root - start) / np.sqrt(step))


def _beyond(
    before: _Mass | None, levels: Array, look: int, limit: float, effect: float, *, mirrored: bool = False
) -> float:
    """P(gone on so far, z above the limit); mirrored: of -z, under an effect already given its other sign."""
    if limit == np.inf:
        return 0.0
    source = _Mass(-before.z, before.mass) if before is not None and mirrored else before
    return float(np.exp(_log_beyond(source, levels, look, limit, effect)))


def _log_beyond(before: _Mass | None, levels: Array, look: int, limit: float, effect: float) -> float:
    tail = log_ndtr(-_standardised(before, levels, look, limit, effect))
    if before is None:
        return float(tail)
    largest = float(tail.max())
    return largest + float(np.log(before.mass @ np.exp(tail - largest)))


def _within(before: _Mass | None, levels: Array, look: int, limit: float, effect: float) -> float:
    """P(gone on so far, abs(z) below the limit)."""
    high = ndtr(_standardised(before, levels, look, limit, effect))
    share = high - ndtr(_standardised(before, levels, look, -limit, effect))
    return float(share) if before is None else float(before.mass @ share)


def _go_on(before: _Mass | None, levels: Array, look: int, regions: Sequence[Interval], effect: float) -> _Mass | None:
    """The statistic of this look where it lies in the regions; None after the last look, when nobody asks."""
    if look + 1 == levels.size:
        return None
    arriving = 1.0 if before is None else float(np.sqrt(1 - levels[look - 1] / levels[look]))
    leaving = float(np.sqrt(levels[look + 1] / levels[look] - 1))
    centre = effect * float(np.sqrt(levels[look]))
    nodes, weights = _grid(regions, centre, _PANEL * min(arriving, leaving, 1.0))
    if before is None:
        return _Mass(nodes, weights * _density(nodes - centre))
    values = np.empty(nodes.size)
    scale = float(np.sqrt(levels[look] / (levels[look] - levels[look - 1])))
    for part in np.array_split(np.arange(nodes.size), 1 + nodes.size * before.z.size // 4_000_000):  # bounded memory
        values[part] = _density(_standardised(before, levels, look, nodes[part], effect)) @ before.mass
    return _Mass(nodes, weights * scale * values)


def _density(x: Array) -> Array:
    return np.asarray(np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi))


def _grid(regions: Sequence[Interval], centre: float, width: float) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights over regions, as far as they lie near the centre."""
    nodes, weights = [np.empty(0)], [np.empty(0)]
    for low, high in regions:
        start, end = max(low, centre - FAR), min(high, centre + FAR)
        if end <= start:
            continue
        edges = np.linspace(start, end, 1 + max(1, int(np.ceil((end - start) / width))))
        half = (edges[1] - edges[0]) / 2
        nodes.append((edges[:-1, None] + half * (1 + _NODES)).ravel())
        weights.append(np.tile(half * _WEIGHTS, edges.size - 1))
    return np.concatenate(nodes), np.concatenate(weights)
