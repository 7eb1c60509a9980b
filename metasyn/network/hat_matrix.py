"""Hat matrices: every network estimate as a linear combination of what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.design import designs_of
from metasyn.network.evidence_flow import Circuit, assumed_tau2, comparison_labels
from metasyn.pooling.arrays import check_code

if TYPE_CHECKING:
    from metasyn.network.estimate import NetworkEstimate

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
HAT_CODES = ("comparison", "design", "contrast")


def hat_matrix(fit: NetworkEstimate, *, by: str = "comparison") -> pd.DataFrame:
    """Coefficients of the observed effects in every network estimate.

    Parameters
    ----------
    fit : NetworkEstimate
        Weights are those of its tau2.
    by : str
        What the columns are:

        - comparison: the direct comparisons 'A:B'. Effects are pooled over the studies of each with adjusted weights (multi-arm studies with
          the inflated variances that count every piece of information once). A row is a flow of evidence of 1 from A to B.
        - design: the basic contrasts of each design (set of treatments), pooled over its studies: of the reference of the fit versus each
          other arm, or of the first arm where the reference is not among them. Columns are pairs (design, contrast), two-arm designs first.
        - contrast: every contrast of every study, as given. Columns are pairs (study, contrast).

    Returns
    -------
    DataFrame
        One row for each of the n(n - 1)/2 comparisons 'A:B', A versus B. Coefficients are those of contrasts in the direction of their label.
        The rows of the comparisons that a study makes are those of the hat matrix in the narrow sense, which is idempotent.

    Raises
    ------
    ValueError
        If the code is not known.

    References
    ----------
    comparison: Papakonstantinou et al. 2018, F1000Research 7:610; Davies et al. 2022, Statistics in Medicine 41:2091-114. design: Krahn, Binder and
    König 2013, BMC Medical Research Methodology 13:35. contrast: Rücker 2012, Research Synthesis Methods 3:312-24.
    """
    check_code("by", by, HAT_CODES)
    circuit = Circuit.of(fit.data, assumed_tau2(fit))
    columns: pd.Index
    if by == "comparison":
        low, high, hat = comparison_hat(circuit)
        columns = pd.Index(comparison_labels(fit.treatments, low, high), name="direct")
    elif by == "contrast":
        data = fit.data
        hat = conducted(circuit, data.low, data.high, circuit.weight)
        names = comparison_labels(fit.treatments, data.low, data.high)
        owners = [data.studies[study] for study in data.study]
        columns = pd.MultiIndex.from_arrays([owners, names], names=["study", "contrast"])
    else:
        hat, columns = _design_hat(circuit, fit.treatments.index(fit.reference))
    hat.flags.writeable = False
    return pd.DataFrame(hat, index=pd.Index(circuit.labels, name="comparison"), columns=columns, copy=False)


def conducted(circuit: Circuit, low: Indices, high: Indices, weight: Array) -> Array:
    """Current from `low` to `high` through conductors of some weights, for each comparison, shape (c, conductors)."""
    current: Array = weight * (circuit.potential[:, low] - circuit.potential[:, high])
    return current


def comparison_hat(circuit: Circuit) -> tuple[Indices, Indices, Array]:
    """The two treatments of each of the d direct comparisons, in order, and the coefficients of their effects, shape (c, d)."""
    data, n = circuit.contrasts, len(circuit.contrasts.treatments)
    pair, place = np.unique(data.low * n + data.high, return_inverse=True)
    low, high = pair // n, pair % n
    weight = np.asarray(np.bincount(place, circuit.weight), dtype=float)
    return low, high, conducted(circuit, low, high, weight)


def _design_hat(circuit: Circuit, reference: int) -> tuple[Array, pd.MultiIndex]:
    """Coefficients of the basic contrasts of designs: with base arm b and currents x of the arms, sum of x_a y_a = sum of x_a (y_a - y_b)."""
    treatments, blocks, names = circuit.contrasts.treatments, [], []
    for group, number in enumerate(designs_of(circuit.contrasts)[0]):
        arms, currents = circuit.contrasts.groups[group].arms, circuit.arm_currents(group)
        for design in np.unique(number):
            own = number == design
            members = arms[np.argmax(own)].tolist()
            base = reference if reference in members else members[0]
            label = ":".join(treatments[arm] for arm in members)
            whole = currents[:, own].sum(axis=1)
            for place, arm in enumerate(members):
                if arm == base:
                    continue
                first, second = sorted((arm, base))
                blocks.append(whole[:, place] * (1 if arm == first else -1))
                names.append((label, f"{treatments[first]}:{treatments[second]}"))
    return np.column_stack(blocks), pd.MultiIndex.from_tuples(names, names=["design", "contrast"])
