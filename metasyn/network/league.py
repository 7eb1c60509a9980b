"""The league table as it is printed: network estimates below the diagonal, direct ones above it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
NOTHING = "."


def two_triangles(
    network: tuple[Array, Array, Array],
    direct: tuple[Array, Array, Array],
    treatments: Sequence[str],
    *,
    digits: int,
    exponentiate: bool,
) -> pd.DataFrame:
    """Text of a league table.

    Parameters
    ----------
    network, direct : tuple of three arrays, shape (n, n)
        Estimate, lower and upper limit of row versus column treatment; NaN where there are none.
    digits : int
        Decimals.
    exponentiate : bool
        Print ratios, from effects that are logs.

    Returns
    -------
    DataFrame of str
        Names on the diagonal. In both triangles a cell compares the treatment that comes first on the diagonal with the one that
        comes later, so that a cell and its mirror image speak of the same contrast. `.` where no study compares the two directly.
    """
    n = len(treatments)
    cells = np.full((n, n), NOTHING, dtype=object)
    for i in range(n):
        cells[i, i] = treatments[i]
        for j in range(i + 1, n):
            cells[i, j] = _cell([values[i, j] for values in direct], digits, exponentiate)
            cells[j, i] = _cell([values[i, j] for values in network], digits, exponentiate)
    return pd.DataFrame(cells, index=list(treatments), columns=list(treatments))


def _cell(values: list[float], digits: int, exponentiate: bool) -> str:
    if np.isnan(values[0]):
        return NOTHING
    with np.errstate(over="ignore", under="ignore"):
        shown = [float(np.exp(value)) if exponentiate else float(value) for value in values]
    estimate, low, high = (f"{round(value, digits) + 0.0:.{digits}f}" for value in shown)
    return f"{estimate} ({low} to {high})"
