"""Arithmetic on printed numbers: a rounded number is the range of values that round to it.

Every comparison of the checks is of ranges, so that two figures contradict each other only where no values behind the
printed digits agree.
"""

from __future__ import annotations

from math import exp, inf, log
from statistics import NormalDist

from metasyn.records.printed import Printed

Range = tuple[float, float]
NORMAL = NormalDist()
SLACK = 1e-9  # relative: a value on the very edge of rounding may have been rounded either way


def spread(printed: Printed) -> Range:
    """Values that a printed number can stand for; infinite on the open side of a bound.

    An approximation (`~60`) is given half a unit more on either side.
    """
    low, high = printed.rounding()
    if printed.relation == "~":
        return (2 * low - high, 2 * high - low) if high - low < inf else (low, high)
    return low, high


def log_range(values: Range) -> Range | None:
    """Logarithms of a range; minus infinity where it reaches zero, None where nothing in it is positive."""
    low, high = values
    if high <= 0:
        return None
    return (log(low) if low > 0 else -inf, log(high))


def gap(one: Range, other: Range) -> float:
    """Distance between two ranges; 0 where they touch."""
    distance = max(one[0] - other[1], other[0] - one[1])
    allowed = SLACK * max(1.0, *(abs(edge) for edge in (*one, *other) if abs(edge) < inf), 0.0)
    return distance if distance > allowed else 0.0


def holds(values: Range, value: float) -> bool:
    """Whether a value lies in a range."""
    return gap(values, (value, value)) == 0


def total(ranges: list[Range]) -> Range:
    """Sum of independent ranges."""
    return sum(low for low, _ in ranges), sum(high for _, high in ranges)


def two_sided(z: float) -> float:
    """Two-sided p of a standard normal statistic."""
    return 2 * NORMAL.cdf(-abs(z))


def z_of_p(p: float, *, sides: int = 2) -> float:
    """Absolute standard normal statistic of a p value; infinite for 0."""
    if p <= 0:
        return inf
    return abs(NORMAL.inv_cdf(min(p / sides, 1 - 1e-16)))


def quantile(level: float) -> float:
    """Standard normal quantile of a two-sided level."""
    return NORMAL.inv_cdf((1 + level) / 2)


def shown(value: float) -> str:
    """A computed number in a message: three significant digits, four below 1 in 10."""
    if value == inf:
        return "infinity"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def shown_range(values: Range, *, exponentiate: bool = False) -> str:
    """A computed range in a message, as one number where its ends read the same."""
    low, high = (exp(edge) if edge > -inf else 0.0 for edge in values) if exponentiate else values
    return shown(low) if shown(low) == shown(high) else f"{shown(low)} to {shown(high)}"
