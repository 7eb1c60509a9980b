"""Effects from events among the patients of one group: proportions, raw and transformed.

References
----------
Freeman MF, Tukey JW (1950). Annals of Mathematical Statistics 21:607-11: double arcsine.
Miller JJ (1978). The American Statistician 32:138: its inverse (see `back_transform`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Array = npt.NDArray[np.float64]
Formula = Callable[[Array, Array], tuple[Array, Array]]

TAKES: Final = ("events", "n")


def cells(events: Array, n: Array) -> Array:
    """Events and non-events of k groups, shape (2, k).

    Raises
    ------
    ValueError
        If a group is empty, or events are negative or exceed the patients; the rows are named.
    """
    if (n <= 0).any():
        raise ValueError(f"n is not positive (rows {np.flatnonzero(n <= 0).tolist()})")
    wrong = (events < 0) | (events > n)
    if wrong.any():
        raise ValueError(f"events are negative or more than the patients (rows {np.flatnonzero(wrong).tolist()})")
    return np.stack([events, n - events])


def _raw(x: Array, others: Array) -> tuple[Array, Array]:
    n = x + others
    return x / n, x * others / n**3


def _log(x: Array, others: Array) -> tuple[Array, Array]:
    n = x + others
    return np.log(x / n), others / (x * n)  # 1/x - 1/n without its cancellation


def _logit(x: Array, others: Array) -> tuple[Array, Array]:
    return np.log(x) - np.log(others), 1 / x + 1 / others


def _arcsine(x: Array, others: Array) -> tuple[Array, Array]:
    n = x + others
    return np.arcsin(np.sqrt(x / n)), 1 / (4 * n)


def _double_arcsine(x: Array, others: Array) -> tuple[Array, Array]:
    # Half the sum of Freeman and Tukey: on the scale of PAS
    n = x + others
    return (np.arcsin(np.sqrt(x / (n + 1))) + np.arcsin(np.sqrt((x + 1) / (n + 1)))) / 2, 1 / (4 * n + 2)


def _probit(x: Array, others: Array) -> tuple[Array, Array]:
    # Delta method: dz / dp = 1 / phi(z) with phi the normal density
    n = x + others
    z = ndtri(x / n)
    return z, 2 * np.pi * x * others / n**3 * np.exp(z**2)


MEASURES: Final[dict[str, Formula]] = {
    "PR": _raw,
    "PLN": _log,
    "PLO": _logit,
    "PAS": _arcsine,
    "PFT": _double_arcsine,
    "PRZ": _probit,
}
