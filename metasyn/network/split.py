"""Direct against indirect evidence of every comparison, by back-calculation or from separate designs (SIDDE)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.connection import parts
from metasyn.network.contrasts import Contrasts
from metasyn.network.design import designs_of, interaction_design
from metasyn.network.model import TAU2_CODES, NetworkModel, direct_evidence, rotation
from metasyn.pooling.arrays import check_code
from metasyn.pooling.interval import critical_value, two_sided_p
from metasyn.pooling.regression_model import RegressionModel, RegressionSums
from metasyn.pooling.tau2 import COMMON

if TYPE_CHECKING:
    from metasyn.network.estimate import NetworkEstimate

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
BACK_CALCULATION, SIDDE = "back-calculation", "SIDDE"
SPLIT_METHODS = (BACK_CALCULATION, SIDDE)
ASSESSABLE = "assessable"
NO_DIRECT = "not assessable: no study compares the two directly"
NO_INDIRECT = "not assessable: no loop of independent designs, nothing indirect to hold the direct evidence against"
NO_OTHER_DESIGN = "not assessable: the studies without one of the two do not connect them"
INSENSITIVE = 1e-9  # weight of a design in direct minus network evidence, below which it is rounding


def split_evidence(fit: NetworkEstimate, method: str = BACK_CALCULATION) -> pd.DataFrame:
    """Every comparison split into direct and indirect evidence.

    Parameters
    ----------
    fit : NetworkEstimate
        Of n treatments.
    method : str
        back-calculation: what the network estimate has beyond the direct one. SIDDE: the network without the studies that have both treatments.

    Returns
    -------
    DataFrame
        One row for each of the n(n - 1)/2 comparisons, on the analysis scale: treatment comparator comparison studies (that compare the two),
        proportion (of direct evidence: network variance over direct variance); estimate, _se, _ci_low, _ci_high, _p_value of direct, of
        indirect and of network; difference (direct minus indirect) difference_se ci_low ci_high p_value (of the difference); assessment
        (assessable, or not assessable and why). Where nothing direct or nothing indirect exists it is NaN, and so is the difference.

    Raises
    ------
    ValueError
        If the method is not known.

    Notes
    -----
    With the variances V of the network and D >= V of the direct estimate, the direct evidence has the share P = V/D, and the network estimate is the mean of
    direct and indirect with weights P and 1 - P; so indirect = (network - P direct)/(1 - P) with variance V/(1 - P). A comparison whose direct
    evidence cannot differ from the network's whatever effects designs have (all its studies have one design, which meets no other on it) is not
    assessable, even where differing precisions leave 1 - P above 0.

    SIDDE estimates tau2 anew, by the fit's method, in the part of the remaining network that holds both treatments; where that part has no degree of
    freedom, the tau2 of the whole network stays. Standard errors are Wald's also where the fit's intervals are Hartung-Knapp; t intervals keep
    the df of the fit.

    References
    ----------
    Dias, Welton, Caldwell and Ades 2010, Statistics in Medicine 29:932-44; König, Krahn and Binder 2013, Statistics in Medicine 32:5414-29
    (back-calculation); Efthimiou et al. 2019, Statistics in Medicine 38:2992-3012 (SIDDE).
    """
    check_code("method", method, SPLIT_METHODS)
    data = fit.data
    tau2 = 0.0 if np.isnan(fit.tau2) else fit.tau2
    model = NetworkModel.of(data)
    sums = model.regression.at(tau2)
    network, variance = model.league(sums)
    direct = direct_evidence(data, tau2)
    low, high = np.triu_indices(len(data.treatments), 1)
    there = np.flatnonzero(direct.studies[low, high] > 0)
    beyond, seen = _beyond_direct(data, model, sums, low[there], high[there])
    direct_effect, direct_variance = direct.effect[low, high], direct.se[low, high] ** 2
    network_effect, network_variance = network[low, high], variance[low, high]
    rest = np.ones(low.size)  # 1 - P, without the cancellation of a difference of variances
    rest[there] = beyond / direct_variance[there]
    indirect, indirect_variance = network_effect.copy(), network_variance.copy()
    if method == SIDDE:
        kept = _Remainders(model, data, fit.tau2_method, tau2)
        found = np.array([kept.estimate(int(i), int(j)) for i, j in zip(low[there], high[there], strict=True)])
        indirect[there], indirect_variance[there] = found.reshape(-1, 2).T
    else:
        apart = (direct_effect - network_effect)[there]
        with np.errstate(divide="ignore", invalid="ignore"):
            indirect[there] = np.where(seen, network_effect[there] - (1 - rest[there]) / rest[there] * apart, np.nan)
            indirect_variance[there] = np.where(seen, network_variance[there] / rest[there], np.nan)
    reasons = np.full(low.size, NO_DIRECT, dtype=object)
    reasons[there] = np.where(
        np.isfinite(indirect[there]), ASSESSABLE, NO_OTHER_DESIGN if method == SIDDE else NO_INDIRECT
    )
    names = np.array(data.treatments, dtype=object)
    triples = {
        "direct": (direct_effect, direct_variance),
        "indirect": (indirect, indirect_variance),
        "network": (network_effect, network_variance),
    }
    return _frame(names[low], names[high], direct.studies[low, high], 1 - rest, triples, reasons, fit)


def _frame(
    treatment: npt.NDArray[np.object_],
    comparator: npt.NDArray[np.object_],
    studies: Indices,
    proportion: Array,
    triples: dict[str, tuple[Array, Array]],
    reasons: npt.NDArray[np.object_],
    fit: NetworkEstimate,
) -> pd.DataFrame:
    columns: dict[str, npt.NDArray[np.generic]] = {
        "treatment": treatment,
        "comparator": comparator,
        "comparison": treatment + ":" + comparator,
        "studies": studies,
        "proportion": proportion,
    }
    critical = float(critical_value(fit.level, fit.df))
    for name, (effect, variance) in triples.items():
        se = np.sqrt(variance)
        columns |= {
            name: effect,
            f"{name}_se": se,
            f"{name}_ci_low": effect - critical * se,
            f"{name}_ci_high": effect + critical * se,
            f"{name}_p_value": two_sided_p(effect / se, fit.df),
        }
    difference = triples["direct"][0] - triples["indirect"][0]
    se = np.sqrt(triples["direct"][1] + triples["indirect"][1])
    return pd.DataFrame(
        columns
        | {
            "difference": difference,
            "difference_se": se,
            "ci_low": difference - critical * se,
            "ci_high": difference + critical * se,
            "p_value": two_sided_p(difference / se, fit.df),
            "assessment": reasons,
        }
    )


def _beyond_direct(
    data: Contrasts, model: NetworkModel, sums: RegressionSums, low: Indices, high: Indices
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Of pairs with direct evidence the variance of direct minus network estimate, and whether inconsistency can show in it; shape (p,) each."""
    n = len(data.treatments)
    inverse = np.linalg.solve(sums.triangle, np.eye(n - 1))
    root = np.insert(inverse, model.base, 0.0, axis=0)  # root root' is the covariance of the effects versus base
    apart = _direct_weights(data, sums, low, high) - (root[low] - root[high]) @ sums.basis.T * np.sqrt(sums.weights)
    number, size, _ = designs_of(data)
    # what effects of its own each design would add to direct minus network: nothing where the pair closes no loop
    seen = np.abs(apart @ interaction_design(data, number, size)).max(axis=1, initial=0.0) > INSENSITIVE
    return (apart**2 / sums.weights).sum(axis=1), seen


def _direct_weights(data: Contrasts, sums: RegressionSums, low: Indices, high: Indices) -> Array:
    """Direct estimates, low versus high, as sums over the rotated effects: shape (p, m)."""
    n = len(data.treatments)
    place = np.zeros((n, n), dtype=np.intp)
    place[low, high] = np.arange(low.size)
    weights = np.zeros((low.size, sums.weights.size))
    total, first = np.zeros(low.size), 0
    for group in data.groups:
        k, m = group.arms.shape[0], group.size - 1
        turn, _ = rotation(group)
        back = np.concatenate([np.zeros((k, 1, m)), np.linalg.inv(turn)], axis=1)  # arms versus the first one
        rows = first + np.arange(k * m).reshape(k, m)
        variance = 1 / sums.weights[rows]
        for i, j in zip(*np.triu_indices(group.size, 1), strict=True):
            along = back[:, i] - back[:, j]
            weight = 1 / (along**2 * variance).sum(axis=1)
            pair = place[group.arms[:, i], group.arms[:, j]]
            weights[pair[:, None], rows] += weight[:, None] * along
            np.add.at(total, pair, weight)
        first += k * m
    return weights / total[:, None]


class _Remainders:
    """Networks without the studies that have a given pair; each is fitted once."""

    def __init__(self, model: NetworkModel, data: Contrasts, tau2_method: str, tau2: float) -> None:
        regression, n = model.regression, len(data.treatments)
        self._regression = regression
        self._design = np.insert(regression.design, model.base, -regression.design.sum(axis=1), axis=1)  # (m, n)
        self._owner = np.concatenate([np.repeat(group.study, group.size - 1) for group in data.groups])
        self._has = np.zeros((len(data.studies), n), dtype=bool)
        for group in data.groups:
            self._has[group.study[:, None], group.arms] = True
        self._data, self._method, self._tau2 = data, tau2_method, tau2
        self._fitted: dict[tuple[bytes, bytes], tuple[Array, Array, Indices]] = {}

    def estimate(self, low: int, high: int) -> tuple[float, float]:
        """Effect of low versus high and its variance; NaN where what remains does not connect them."""
        data, n = self._data, len(self._data.treatments)
        keep = ~(self._has[:, low] & self._has[:, high])
        of = keep[data.study]
        part = parts(data.low[of], data.high[of], n)
        if part[low] != part[high]:
            return np.nan, np.nan
        inside = part == part[low]
        key = keep.tobytes(), inside.tobytes()
        if key not in self._fitted:
            self._fitted[key] = self._fit(keep, inside)
        effect, variance, place = self._fitted[key]
        return float(effect[place[low], place[high]]), float(variance[place[low], place[high]])

    def _fit(self, keep: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_]) -> tuple[Array, Array, Indices]:
        """League of the treatments inside, its variances, and of each treatment its place there."""
        rows = (keep & (self._has & inside).any(axis=1))[self._owner]
        columns = np.flatnonzero(inside)
        base = int(np.argmax((self._has[keep][:, columns]).sum(axis=0)))
        design = np.delete(self._design[np.ix_(rows, columns)], base, axis=1)
        whole = self._regression
        reduced = NetworkModel(regression=RegressionModel(whole.effect[rows], whole.variance[rows], design), base=base)
        anew = self._method in TAU2_CODES and self._method != COMMON and reduced.regression.df > 0
        tau2 = reduced.tau2(self._method) if anew else self._tau2
        effect, variance = reduced.league(reduced.regression.at(tau2))
        return effect, variance, np.cumsum(inside) - 1
