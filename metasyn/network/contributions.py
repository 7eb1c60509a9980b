"""Contribution matrices: the share of each direct comparison, or each study, in every network estimate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.contrasts import Contrasts
from metasyn.network.evidence_flow import Circuit, assumed_tau2, comparison_labels, potentials
from metasyn.network.evidence_paths import random_walk_shares, shortest_path_shares
from metasyn.network.hat_matrix import comparison_hat
from metasyn.pooling.arrays import check_code

if TYPE_CHECKING:
    from metasyn.network.estimate import NetworkEstimate

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
SHARES = {"shortest": shortest_path_shares, "random-walk": random_walk_shares}
BY_CODES = ("comparison", "study")
NEGLIGIBLE = (
    1e-3  # a negative weight, as part of its study's largest: what rounded standard errors of a very large arm leave
)


def contributions(fit: NetworkEstimate, *, method: str = "shortest", by: str = "comparison") -> pd.DataFrame:
    """Share of each direct comparison, or of each study, in every network estimate.

    Parameters
    ----------
    fit : NetworkEstimate
        Weights are those of its tau2.
    method : str
        How the flow of evidence from A to B (the row of `hat_matrix` for A:B) is taken apart into paths, on each of which every edge has an equal share:

        - shortest: the path of fewest edges first, with all that it can carry. Between paths of the same length the order is a convention (that of
          netmeta), by the names of the treatments; other names may give other shares.
        - random-walk: every path, with the probability that a walker takes it. Free of names and of order.
    by : str
        comparison; or study: the share of each direct comparison divided among its studies by their adjusted weights. A multi-arm study adds up its
        parts of several comparisons.

    Returns
    -------
    DataFrame
        One row for each of the n(n - 1)/2 comparisons 'A:B'; columns the direct comparisons, or the studies. Shares from 0 to 1; rows add up to 1.
        `attrs["notes"]` says what a reader must know.

    Raises
    ------
    ValueError
        If a code is not known; or a multi-arm study has arms so correlated that a contrast has a negative weight, so that evidence does
        not flow along paths.

    Notes
    -----
    Adjusted weights are those of Rücker and Schwarzer 2014, Statistics in Medicine 33:4353-69: contrasts of a multi-arm study have inflated variances, so
    that together they weigh what the study knows. Shares say where an estimate comes from, not what it would be without a study.

    References
    ----------
    Papakonstantinou et al. 2018, F1000Research 7:610 (shortest); Davies et al. 2022, Statistics in Medicine 41:2091-114 (random walk); Papakonstantinou et
    al. 2020, Campbell Systematic Reviews 16:e1080 (studies).
    """
    check_code("method", method, tuple(SHARES))
    check_code("by", by, BY_CODES)
    circuit, notes = _flowing(Circuit.of(fit.data, assumed_tau2(fit)))
    low, high, hat = comparison_hat(circuit)
    shares = SHARES[method](low, high, hat, circuit.low, circuit.high, len(fit.treatments))
    columns = pd.Index(comparison_labels(fit.treatments, low, high), name="direct")
    if by == "study":
        shares = shares @ _studies_of(fit.data, circuit.weight)
        columns = pd.Index(fit.data.studies, name="study")
    if method == "shortest":
        notes += (
            "between paths of the same length the order follows the names of treatments: shares may depend on them",
        )
    shares.flags.writeable = False
    frame = pd.DataFrame(shares, index=pd.Index(circuit.labels, name="comparison"), columns=columns, copy=False)
    frame.attrs["notes"] = notes
    return frame


def _flowing(circuit: Circuit) -> tuple[Circuit, tuple[str, ...]]:
    """The circuit without negative weights, and what was done to them."""
    data, weight = circuit.contrasts, circuit.weight
    below = np.flatnonzero(weight < 0)
    if not below.size:
        return circuit, ()
    largest = np.zeros(len(data.studies))
    np.maximum.at(largest, data.study, np.abs(weight))
    names = comparison_labels(data.treatments, data.low, data.high)
    listed = [f"study {data.studies[data.study[row]]}, {names[row]} ({weight[row]:.4g})" for row in below]
    if (weight[below] < -NEGLIGIBLE * largest[data.study[below]]).any():
        raise ValueError(
            f"contributions are not defined: with correlated arms a contrast has a negative weight: {'; '.join(listed)}; evidence does not flow along paths. "
            "Remedy: check the standard errors of the study; or use hat_matrix, which allows for it."
        )
    weight = np.maximum(weight, 0.0)
    note = f"weights slightly below 0, as rounded standard errors of a very large arm leave them, taken as 0: {'; '.join(listed)}"
    return replace(circuit, weight=weight, potential=potentials(data, weight)), (note,)


def _studies_of(data: Contrasts, weight: Array) -> Array:
    """Part of each study in each direct comparison, shape (d, studies)."""
    pair, place = np.unique(data.low * len(data.treatments) + data.high, return_inverse=True)
    part = np.zeros((pair.size, len(data.studies)))
    part[place, data.study] = weight  # a study gives a contrast once
    total = part.sum(axis=1, keepdims=True)
    shares: Array = np.divide(part, total, out=np.zeros_like(part), where=total > 0)
    return shares
