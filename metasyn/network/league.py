"""The league table as it is printed: network estimates below the diagonal, direct ones above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
NOTHING = "."
# columns of `against_reference` and the frames that they come from; a result without a frame is without the column
AGAINST = {
    "estimate": "league",
    "se": "league_se",
    "ci_low": "league_ci_low",
    "ci_high": "league_ci_high",
    "p_value": "league_p",
    "pi_low": "league_pi_low",
    "pi_high": "league_pi_high",
    "direct": "direct",
    "direct_se": "direct_se",
    "studies": "direct_studies",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeagueFrames:
    """Effects of all pairs of n treatments: square frames, rows and columns the treatments; an entry is row versus column."""

    league: pd.DataFrame
    league_se: pd.DataFrame
    league_ci_low: pd.DataFrame
    league_ci_high: pd.DataFrame
    league_p: pd.DataFrame  # two-sided
    direct: pd.DataFrame  # pooled from the studies that compare the two; NaN where none does
    direct_se: pd.DataFrame
    direct_ci_low: pd.DataFrame
    direct_ci_high: pd.DataFrame
    direct_studies: pd.DataFrame  # how many, integer
    treatments: tuple[str, ...]  # in alphabetical order
    reference: str

    def league_table(self, *, digits: int = 2, exponentiate: bool = False) -> pd.DataFrame:
        """The league as it is printed: network below the diagonal, direct above, treatments in the order of their names.

        Parameters
        ----------
        digits : int
            Decimals.
        exponentiate : bool
            Print ratios, where effects are their logs.
        """
        network = (self.league.to_numpy(), self.league_ci_low.to_numpy(), self.league_ci_high.to_numpy())
        direct = (self.direct.to_numpy(), self.direct_ci_low.to_numpy(), self.direct_ci_high.to_numpy())
        return two_triangles(network, direct, self.treatments, digits=digits, exponentiate=exponentiate)

    def against_reference(self) -> pd.DataFrame:
        """Every other treatment versus the reference, for a forest plot.

        Returns
        -------
        DataFrame
            treatment estimate se ci_low ci_high p_value, pi_low pi_high where there are prediction intervals, direct direct_se studies (that
            compare the two); n - 1 rows.
        """
        columns = {
            name: getattr(self, frame)[self.reference] for name, frame in AGAINST.items() if hasattr(self, frame)
        }
        return pd.DataFrame(columns).drop(index=self.reference).rename_axis("treatment").reset_index()


def square_frame(values: npt.NDArray[Any], names: Sequence[str]) -> pd.DataFrame:
    """A read-only square frame over an array, which is not copied and becomes read-only too."""
    values.flags.writeable = False
    return pd.DataFrame(values, index=list(names), columns=list(names), copy=False)


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
