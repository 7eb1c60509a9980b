"""Where an axis of ratios has its ticks."""

from __future__ import annotations

import math

# round ratios, the roundest first
_TICKS = (1, 0.5, 2, 0.2, 5, 0.1, 10, 0.05, 20, 0.01, 100, 0.7, 1.5, 0.3, 3, 0.8, 1.2, 0.6, 0.9, 1.1, 0.4, 2.5, 1.35)


def ratio_ticks(low: float, high: float) -> list[float]:
    """Round ratios between the limits, 1 among them, that stand apart by a thirteenth of the axis."""
    apart = math.log(high / low) / 13
    taken: list[float] = []
    for tick in _TICKS:
        if low <= tick <= high and all(abs(math.log(tick / other)) >= apart for other in taken):
            taken.append(float(tick))
    if len(taken) >= 3:
        return sorted(taken)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [10.0**power for power in powers if low <= 10.0**power <= high] or [1.0]
