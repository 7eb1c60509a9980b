"""How evidence flows through a network: the graph as an electrical circuit, and measures of indirectness.

A study with contrasts of covariance V is a set of conductors between its arms: its Laplacian L_s = B'V^-1 B, with B the contrasts of its arms. Its
entries off the diagonal are minus the weights 1/V_ij of contrasts with inflated (adjusted) variances that count every piece of information once. With L
the sum over studies and p = L^- (e_i - e_j) the potentials when a current of 1 enters at treatment i and leaves at j, the network estimate is

    theta_i - theta_j = sum over studies of (L_s p)' y_s,

y_s the effects of the arms up to a constant: the currents L_s p that enter each study are the coefficients of its arms. They add up to 0 in each study.

References
----------
Rücker 2012, Research Synthesis Methods 3:312-24 (graph and circuit); Rücker and Schwarzer 2014, Statistics in Medicine 33:4353-69 (adjusted weights);
König, Krahn and Binder 2013, Statistics in Medicine 32:5414-29 (flow of evidence and its measures).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.contrasts import Contrasts
from metasyn.network.design import designs_of
from metasyn.network.model import direct_evidence, most_studied
from metasyn.network.multi_arm import ArmGroup

if TYPE_CHECKING:
    from metasyn.network.estimate import NetworkEstimate

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
ROUNDING = 1e-12  # a weight, as part of its study's largest, below which it is the rounding of 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Circuit:
    """A network of n treatments and m contrasts as conductors, with a current of 1 for each of its c = n(n - 1)/2 comparisons.

    Attributes
    ----------
    contrasts : Contrasts
        The network.
    laplacians : tuple of array, shape (K, a, a)
        Of the studies of each group.
    low, high : array of int, shape (c,)
        The comparisons, `low` versus `high`, in order: the current enters at `low` and leaves at `high`.
    potential : array, shape (c, n)
        Of each treatment, that of one of them being 0; differences are free of that choice.
    weight : array, shape (m,)
        Conductance of each contrast, 1 over its adjusted variance. Negative only where arms of a study are correlated.
    """

    contrasts: Contrasts
    laplacians: tuple[Array, ...]
    low: Indices
    high: Indices
    potential: Array
    weight: Array

    @classmethod
    def of(cls, contrasts: Contrasts, tau2: float) -> Circuit:
        """The circuit of a checked network at a heterogeneity variance."""
        laplacians = tuple(study_laplacians(group, tau2) for group in contrasts.groups)
        weight = _weights(contrasts, laplacians)
        low, high = np.triu_indices(len(contrasts.treatments), 1)
        potential = potentials(contrasts, weight)
        for array in (low, high, potential, weight, *laplacians):
            array.flags.writeable = False
        return cls(contrasts=contrasts, laplacians=laplacians, low=low, high=high, potential=potential, weight=weight)

    def arm_currents(self, group: int) -> Array:
        """Current that each study of a group takes up at each of its arms, shape (c, K, a): its arms' coefficients in each estimate."""
        arms = self.contrasts.groups[group].arms
        currents: Array = np.einsum("kab,ckb->cka", self.laplacians[group], self.potential[:, arms])
        return currents

    @property
    def labels(self) -> list[str]:
        """Names of the comparisons."""
        return comparison_labels(self.contrasts.treatments, self.low, self.high)


def study_laplacians(group: ArmGroup, tau2: float) -> Array:
    """B'(V + tau2 T)^-1 B of each study, shape (K, a, a), from the exact covariance of its contrasts."""
    m = group.size - 1
    precision = np.linalg.inv(group.covariance + tau2 * (np.eye(m) + 1) / 2)
    laplacian = np.zeros((group.study.size, m + 1, m + 1))
    laplacian[:, 1:, 1:] = (precision + np.swapaxes(precision, 1, 2)) / 2
    laplacian[:, 0, 1:] = -laplacian[:, 1:, 1:].sum(axis=1)
    laplacian[:, 1:, 0] = laplacian[:, 0, 1:]
    laplacian[:, 0, 0] = -laplacian[:, 0, 1:].sum(axis=1)
    return laplacian


def potentials(contrasts: Contrasts, weight: Array) -> Array:
    """Potential of each treatment with a current of 1 for each comparison, shape (c, n), from the conductances of the contrasts."""
    n = len(contrasts.treatments)
    conductance = np.bincount(contrasts.low * n + contrasts.high, weight, n * n).reshape(n, n)
    conductance = conductance + conductance.T
    rest = np.delete(np.arange(n), most_studied(contrasts))  # that treatment has potential 0
    kept = (np.diag(conductance.sum(axis=1)) - conductance)[np.ix_(rest, rest)]
    scale = np.diag(kept) ** -0.5  # well conditioned also where precisions differ much
    inverse = np.linalg.inv(scale[:, None] * kept * scale)
    resistance = np.zeros((n, n))
    resistance[np.ix_(rest, rest)] = scale[:, None] * (inverse + inverse.T) / 2 * scale
    low, high = np.triu_indices(n, 1)
    difference: Array = resistance[low] - resistance[high]
    return difference


def comparison_labels(treatments: tuple[str, ...], low: Indices, high: Indices) -> list[str]:
    """'A:B' for A versus B."""
    return [f"{treatments[a]}:{treatments[b]}" for a, b in zip(low.tolist(), high.tolist(), strict=True)]


def assumed_tau2(fit: NetworkEstimate) -> float:
    """tau2 with which the estimates of a fit were made: 0 where nothing is known of it."""
    return 0.0 if np.isnan(fit.tau2) else float(fit.tau2)


def evidence_measures(fit: NetworkEstimate) -> pd.DataFrame:
    """How direct the evidence is for each comparison, and on how many legs it stands.

    Parameters
    ----------
    fit : NetworkEstimate
        Weights are those of its tau2.

    Returns
    -------
    DataFrame
        One row for each of the n(n - 1)/2 comparisons, named 'A:B':

        - direct_proportion: variance of the network estimate over that of the direct one, 0 to 1: share of direct evidence; 0 where no study
          compares the two.
        - mean_path_length: sum over designs of the current through each: through how many designs evidence runs on average; 1 where all of it
          comes from studies with both treatments. Beyond 2 König, Krahn and Binder ask for particular caution.
        - minimal_parallelism, minimal_parallelism_studies: 1 over the largest current through any one design, any one study: the least number
          of independent ways, or studies, on which the estimate stands. 1: all of the evidence runs through one.

    Notes
    -----
    The current through a design of several arms is what enters it at some of its arms and leaves at others: half the sum of the absolute
    coefficients of its arms, the absolute coefficient of its effect for two arms.

    References
    ----------
    König, Krahn and Binder 2013, Statistics in Medicine 32:5414-29 (proportion, mean path length, minimal parallelism).
    """
    circuit = Circuit.of(fit.data, assumed_tau2(fit))
    length, by_design, by_study = _throughput(circuit)
    columns = {
        "direct_proportion": _direct_proportion(circuit, assumed_tau2(fit)),
        "mean_path_length": length,
        "minimal_parallelism": 1 / by_design,
        "minimal_parallelism_studies": 1 / by_study,
    }
    return pd.DataFrame(columns, index=pd.Index(circuit.labels, name="comparison"))


def _throughput(circuit: Circuit) -> tuple[Array, Array, Array]:
    """Sum over designs, largest design and largest study of the currents through them, shape (c,) each."""
    numbers = designs_of(circuit.contrasts)[0]
    length, by_design, by_study = np.zeros((3, circuit.low.size))
    for group, number in enumerate(numbers):
        currents = circuit.arm_currents(group)
        through = np.abs(currents).sum(axis=2) / 2
        by_study = np.maximum(by_study, through.max(axis=1))
        order = np.argsort(number, kind="stable")
        first = np.flatnonzero(np.diff(number[order], prepend=-1))
        together = np.abs(np.add.reduceat(currents[:, order], first, axis=1)).sum(axis=2) / 2
        by_design = np.maximum(by_design, together.max(axis=1))
        length = length + together.sum(axis=1)
    return length, by_design, by_study


def _direct_proportion(circuit: Circuit, tau2: float) -> Array:
    rows = np.arange(circuit.low.size)
    variance = circuit.potential[rows, circuit.low] - circuit.potential[rows, circuit.high]
    direct = direct_evidence(circuit.contrasts, tau2).se[circuit.low, circuit.high]
    # no direct estimate has a smaller variance than the network's: beyond 1 is rounding
    return np.where(np.isnan(direct), 0.0, np.minimum(1.0, variance / np.where(np.isnan(direct), 1.0, direct) ** 2))


def _weights(contrasts: Contrasts, laplacians: tuple[Array, ...]) -> Array:
    weight = np.zeros(contrasts.study.size)
    for group, laplacian in zip(contrasts.groups, laplacians, strict=True):
        i, j = np.triu_indices(group.size, 1)
        conducted = -laplacian[:, i, j]
        conducted[np.abs(conducted) < ROUNDING * np.abs(conducted).max(axis=1, keepdims=True)] = 0.0
        # contrasts are in order of study and arms, as the pairs are
        weight[np.isin(contrasts.study, group.study)] = conducted.ravel()
    return weight
