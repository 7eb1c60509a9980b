"""What every door of the package checks: arrays of studies, names, levels, codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def vector(name: str, values: Any) -> Array:
    """Numbers as a new array of shape (k,).

    Raises
    ------
    ValueError
        If it is not 1-d, or a value is missing or infinite (the rows are named).
    """
    array = np.array(values, dtype=float)  # a copy: nothing outside can change it
    if array.ndim != 1:
        raise ValueError(f"{name} is not 1-d (shape {array.shape})")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has missing or infinite values (rows {rows(~np.isfinite(array))})")
    return array


def rows(bad: npt.NDArray[np.bool_]) -> str:
    """The row numbers at which a mask is true, as messages show them."""
    return ", ".join(str(row) for row in np.flatnonzero(bad))


def check_effects(effect: npt.ArrayLike, se: npt.ArrayLike) -> tuple[Array, Array]:
    """Effects and variances as arrays of shape (k,).

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, a value is missing or infinite, or a standard error is not positive.
    """
    y, s = vector("effect", effect), vector("se", se)
    if y.size != s.size:
        raise ValueError(f"effect and se have different lengths ({y.size} and {s.size})")
    if y.size == 0:
        raise ValueError("there are no studies to pool")
    if (s <= 0).any():
        raise ValueError(f"se is not positive (rows {rows(s <= 0)})")
    variance = s**2
    if not ((variance > 0) & np.isfinite(variance)).all():
        raise ValueError(f"se is too small or too large to square (rows {rows((variance <= 0) | np.isinf(variance))})")
    return y, variance


def check_labels(labels: Sequence[str] | None, k: int) -> list[str]:
    """Names of the studies; `study 1` and so on where none are given."""
    if labels is None:
        return [f"study {number}" for number in range(1, k + 1)]
    names = [str(label) for label in labels]
    if len(names) != k:
        raise ValueError(f"labels has {len(names)} names for {k} studies")
    return names


def check_level(level: float) -> None:
    """Refuse a level that is not a fraction."""
    if isinstance(level, str) or level is None or not 0 < level < 1:
        raise ValueError(f"level is not a fraction between 0 and 1 ({level}); 95 % is 0.95")


def check_code(name: str, code: str, accepted: Iterable[str]) -> None:
    """Refuse a word that is not among those accepted."""
    if code not in (words := list(accepted)):
        raise ValueError(f"{name} is not a known code ({code}); accepted: {', '.join(words)}")


def read_only(array: Array) -> Array:
    """The array, closed to writing."""
    array.flags.writeable = False
    return array
