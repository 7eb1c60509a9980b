"""Where an axis of ratios has its ticks."""

from __future__ import annotations

import math

# round ratios, the roundest first
ROUND = (1, 0.5, 2, 0.2, 5, 0.1, 10, 0.05, 20, 0.01, 100, 0.7, 1.5, 0.3, 3, 0.8, 1.2, 0.6, 0.9, 1.1, 0.4, 2.5, 1.35)
_MOST = 13  # ticks that an axis has room for
_STEPS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)  # for axes that hardly leave 1
_FARTHEST = 690.0  # logs beyond which exp is no finite number


def log_ticks(low: float, high: float) -> list[float]:
    """Round ratios for an axis whose limits are the logs `low` and `high`."""
    return ratio_ticks(math.exp(max(low, -_FARTHEST)), math.exp(min(high, _FARTHEST)))


def ratio_ticks(low: float, high: float) -> list[float]:
    """Round ratios between the limits, 1 among them where it is, that stand apart by a thirteenth of the axis."""
    powers = _powers(low, high)
    if len(powers) >= 3 and (low < 0.005 or high > 200):  # beyond the round ratios below
        return powers
    apart = math.log(high / low) / _MOST
    taken: list[float] = []
    for tick in ROUND:
        if low <= tick <= high and all(abs(math.log(tick / other)) >= apart for other in taken):
            taken.append(float(tick))
    if len(taken) >= 3:
        return sorted(taken)
    return _even(low, high) or powers or taken or [math.sqrt(low * high)]


def _powers(low: float, high: float) -> list[float]:
    """Powers of ten between the limits, 1 among them where it is, and no more than there is room for."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    step = (last - first) // _MOST + 1
    return [10.0**power for power in range(first, last + 1) if power % step == 0]


def _even(low: float, high: float) -> list[float]:
    """Multiples of a round step, for limits within a factor of ten; none where no step gives three."""
    scale = 10.0 ** math.floor(math.log10(high))
    for step in (scale * step for step in _STEPS):
        ticks = [round(number * step, 12) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
        if len(ticks) >= 3:
            return ticks if len(ticks) <= _MOST else []
    return []
