"""Effects from events and person-time: rates of two groups, and rates of one.

Events are Poisson with mean rate x time. Rates are per unit of `time`, whatever that unit is.

References
----------
Rothman KJ, Greenland S, Lash TL (2008). Modern Epidemiology, 3rd ed., chapter 14: ratio and difference.
Freeman MF, Tukey JW (1950). Annals of Mathematical Statistics 21:607-11: square roots.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
TwoGroups = Callable[[Array, Array, Array, Array], tuple[Array, Array]]
OneGroup = Callable[[Array, Array], tuple[Array, Array]]

TAKES_TWO: Final = ("events_treatment", "time_treatment", "events_comparator", "time_comparator")
TAKES_ONE: Final = ("events", "time")


def check(*, events: tuple[Array, ...], times: tuple[Array, ...]) -> None:
    """Refuse events below zero, and time that is not positive.

    Raises
    ------
    ValueError
        Naming the rows.
    """
    wrong = np.any([column < 0 for column in events], axis=0)
    if wrong.any():
        raise ValueError(f"events are negative (rows {np.flatnonzero(wrong).tolist()})")
    wrong = np.any([column <= 0 for column in times], axis=0)
    if wrong.any():
        raise ValueError(f"time is not positive (rows {np.flatnonzero(wrong).tolist()})")


def _rate_ratio(x1: Array, x2: Array, t1: Array, t2: Array) -> tuple[Array, Array]:
    return np.log(x1 / t1) - np.log(x2 / t2), 1 / x1 + 1 / x2


def _rate_difference(x1: Array, x2: Array, t1: Array, t2: Array) -> tuple[Array, Array]:
    return x1 / t1 - x2 / t2, x1 / t1**2 + x2 / t2**2


def _root_rate_difference(x1: Array, x2: Array, t1: Array, t2: Array) -> tuple[Array, Array]:
    return np.sqrt(x1 / t1) - np.sqrt(x2 / t2), 1 / (4 * t1) + 1 / (4 * t2)


def _rate(x: Array, t: Array) -> tuple[Array, Array]:
    return x / t, x / t**2


def _log_rate(x: Array, t: Array) -> tuple[Array, Array]:
    return np.log(x / t), 1 / x


def _root_rate(x: Array, t: Array) -> tuple[Array, Array]:
    return np.sqrt(x / t), 1 / (4 * t)


def _freeman_tukey_rate(x: Array, t: Array) -> tuple[Array, Array]:
    return (np.sqrt(x / t) + np.sqrt((x + 1) / t)) / 2, 1 / (4 * t)


TWO_GROUPS: Final[dict[str, TwoGroups]] = {
    "IRR": _rate_ratio,
    "IRD": _rate_difference,
    "IRSD": _root_rate_difference,
}
ONE_GROUP: Final[dict[str, OneGroup]] = {
    "IR": _rate,
    "IRLN": _log_rate,
    "IRS": _root_rate,
    "IRFT": _freeman_tukey_rate,
}
