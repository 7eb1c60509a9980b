"""How far the evidence must move before another treatment is the best: threshold analysis for bias.

With tau2 held fixed the estimates of a network are linear in its data: a study's contrast that moves by u moves the treatments by h u, h
its column of the influence matrix H = (X'WX)^-1 X'W. The change u at which the decision changes is therefore a ratio of two numbers, and
what it means does not depend on where a bias comes from (Phillippo, Dias, Ades, Didelez and Welton 2018, J R Stat Soc A 181:843-67;
Phillippo, Dias, Welton, Caldwell, Taske and Ades 2019, Annals of Internal Medicine 170:538-46).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.network.contrasts import Contrasts
from metasyn.network.model import NetworkModel, rotation
from metasyn.pooling.arrays import check_code
from metasyn.pooling.interval import critical_value
from metasyn.pooling.regression_model import RegressionSums

if TYPE_CHECKING:
    from metasyn.network.estimate import NetworkEstimate

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
BY = ("comparison", "study")
LEVEL_TIE = 1e-12  # of the spread of the effects: differences below it are rounding
FLAT = 1e-10  # of a point's largest influence on any difference: less is rounding of an influence of 0
ELEMENTS = 1 << 22  # of an array of treatments x treatments x points


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thresholds:
    """Of every piece of evidence the change that would change the decision, the most fragile first.

    Attributes
    ----------
    table : DataFrame
        One row per study's contrast or per comparison:
        study (by study) or studies (by comparison: how many bring it); comparison, treatment, comparator;
        estimate, se, ci_low, ci_high: treatment versus comparator on the analysis scale. A study's are its own, with its sampling error
        alone; a comparison's are pooled with the network's tau2;
        threshold_low, threshold_high: the smallest changes of the estimate, downwards (0 or negative) and upwards, that change the decision;
        -inf and inf where none does;
        invariant_low, invariant_high: the estimate plus these, between which the decision stands;
        threshold_low_se, threshold_high_se: the changes over se;
        new_best_low, new_best_high: what is decided just beyond (several names joined by commas), None where nothing changes;
        fragility: the smaller of the two changes in units of se, by which rows are sorted;
        sensitive: whether a threshold lies within the confidence interval, so that sampling error alone could decide otherwise;
        reading: the row in words.
    influence : DataFrame
        Change of each treatment (rows) versus the reference per unit change of each row of `table` (columns, by its index).
    best : tuple of str
        The decision: the best treatment, or all that are within the important difference of it, in alphabetical order.
    """

    table: pd.DataFrame
    influence: pd.DataFrame
    best: tuple[str, ...]
    by: str
    important_difference: float
    small_is_good: bool
    tau2: float  # held fixed
    level: float  # of the intervals
    reference: str
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The decision, and how much of the evidence it hangs on."""
        what = "comparisons" if self.by == "comparison" else "study contrasts"
        return (
            f"{_decision(self.best, self.important_difference)}; {int(self.table['sensitive'].sum())} of {len(self.table)} {what} "
            f"could change that within their {100 * self.level:.4g}% confidence intervals"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """m data points, each the effect of treatment `low` versus `high`, and their influence on n treatments."""

    owner: Indices  # study, or number of studies
    low: Indices
    high: Indices
    estimate: Array
    se: Array
    influence: Array  # (n, m): change of each treatment versus the model's base


def thresholds(
    fit: NetworkEstimate, *, small_is_good: bool = True, by: str = "comparison", important_difference: float = 0.0
) -> Thresholds:
    """Threshold analysis of the best treatment of a network.

    Parameters
    ----------
    fit : NetworkEstimate
    small_is_good : bool
        Whether a smaller effect is the better one, as of a log hazard ratio of death.
    by : str
        comparison: the pooled direct estimate of each pair that studies compare; study: of each study its contrasts with its first arm
        by name, where all contrasts of the other arm move with it.
    important_difference : float
        On the analysis scale: the decision is the set of all treatments within this of the best one. 0: the best one.

    Returns
    -------
    Thresholds

    Raises
    ------
    ValueError
        If `by` is not known, or the important difference is not a finite number of 0 or more.

    Notes
    -----
    The decision goes by point estimates, and tau2 is held at the fit's value (0 where nothing shows it). By comparison, multi-arm studies
    enter with the independent pairwise contrasts that have the same information: weights -L_ij, L the weighted Laplacian X'WX over all
    treatments (Rücker 2012, Research Synthesis Methods 3:312-24), which make the network's estimate exactly. Without multi-arm studies
    these are the fit's direct estimates.

    References
    ----------
    Phillippo et al. 2018, J R Stat Soc A 181:843-67 (thresholds); Phillippo et al. 2019, Annals of Internal
    Medicine 170:538-46 (presentation).
    """
    check_code("by", by, BY)
    width = _width(important_difference)
    tau2 = 0.0 if np.isnan(fit.tau2) else fit.tau2
    model = NetworkModel.of(fit.data)
    sums = model.regression.at(tau2)
    points = (
        study_evidence(fit.data, model, sums) if by == "study" else comparison_evidence(fit.data, model, sums, tau2)
    )
    sign = 1.0 if small_is_good else -1.0
    position = sign * fit.league.to_numpy()[:, model.base]
    before, low, after_low = _first_change(position, -sign * points.influence, width)
    _, high, after_high = _first_change(position, sign * points.influence, width)
    df = fit.df if by == "comparison" else None
    half = np.asarray(critical_value(fit.level, df)) * points.se
    names = fit.treatments
    best = _names(before, names)
    reach = {"low": -low, "high": high}
    beyond = {"low": after_low, "high": after_high}
    table = _table(
        fit, points, by, half, reach, {side: _texts(sets, reach[side], names) for side, sets in beyond.items()}
    )
    table["reading"] = [_reading(row, best, width, fit.level) for row in table.to_dict("records")]
    keys = {"fragility": [float(f"{value:.9g}") for value in table["fragility"]]}  # rounding decides no order
    keys |= {name: table[name].tolist() for name in ("study", "comparison") if name in table}
    order = pd.DataFrame(keys).sort_values(list(keys), kind="stable").index
    table = table.loc[order].reset_index(drop=True)
    moved = points.influence - points.influence[names.index(fit.reference)]
    return Thresholds(
        table=table,
        influence=pd.DataFrame(moved[:, order], index=list(names)),
        best=best,
        by=by,
        important_difference=width,
        small_is_good=bool(small_is_good),
        tau2=tau2,
        level=fit.level,
        reference=fit.reference,
        notes=_notes(fit, table, best, by, width),
    )


def _width(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < np.inf:
        raise ValueError(
            f"important_difference is {value}; accepted: a finite number of 0 or more, on the analysis scale"
        )
    return float(value)


def study_evidence(data: Contrasts, model: NetworkModel, sums: RegressionSums) -> Evidence:
    """The contrasts of each study with its first arm, with the influence (X'WX)^-1 X'W, m = sum over studies of arms less 1."""
    n = len(data.treatments)
    turned = np.linalg.solve(sums.triangle, sums.basis.T) * np.sqrt(sums.weights)  # (n - 1, m), of the rotated effects
    owner, low, high, effect, variance, influence = [], [], [], [], [], []
    at = 0
    for group in data.groups:
        k, m = group.effect.shape
        part = turned[:, at : at + k * m].reshape(n - 1, k, m)
        at += k * m
        influence.append(np.einsum("pkr,kri->pki", part, rotation(group)[0]).reshape(n - 1, k * m))
        owner.append(np.repeat(group.study, m))
        low.append(np.repeat(group.arms[:, 0], m))
        high.append(group.arms[:, 1:].ravel())
        effect.append(group.effect.ravel())
        variance.append(np.diagonal(group.covariance, axis1=1, axis2=2).ravel())
    return Evidence(
        owner=np.concatenate(owner),
        low=np.concatenate(low),
        high=np.concatenate(high),
        estimate=-np.concatenate(effect),  # the model has high versus low
        se=np.sqrt(np.concatenate(variance)),
        influence=-np.insert(np.concatenate(influence, axis=1), model.base, 0.0, axis=0),
    )


def comparison_evidence(data: Contrasts, model: NetworkModel, sums: RegressionSums, tau2: float) -> Evidence:
    """The independent pairwise contrasts that make the network's estimate: effects pooled by the weights -L_ij of all studies.

    A pair whose contrasts have no weight of their own (what its multi-arm studies say of it is said by their other contrasts) has NaN.
    """
    n = len(data.treatments)
    weight, weighted = np.zeros((2, n, n))
    for group in data.groups:
        turn, spread = rotation(group)
        inverse = np.swapaxes(turn, 1, 2) @ (turn / (spread + tau2)[:, :, None])
        k, a = group.arms.shape
        laplacian = np.zeros((k, a, a))
        laplacian[:, 1:, 1:] = inverse
        laplacian[:, 0, 1:] = laplacian[:, 1:, 0] = -inverse.sum(axis=2)
        place = np.concatenate([np.zeros((k, 1)), group.effect], axis=1)
        i, j = np.triu_indices(a, 1)
        pair = (group.arms[:, i], group.arms[:, j])
        np.add.at(weight, pair, -laplacian[:, i, j])
        np.add.at(weighted, pair, -laplacian[:, i, j] * (place[:, i] - place[:, j]))
    studies = np.bincount(data.low * n + data.high, minlength=n * n).reshape(n, n)
    low, high = np.nonzero(studies)
    w = weight[low, high]
    w = np.where(w > FLAT * weight.max(), w, np.nan)
    covariance = np.insert(np.insert(sums.covariance, model.base, 0.0, axis=0), model.base, 0.0, axis=1)
    return Evidence(
        owner=studies[low, high],
        low=low,
        high=high,
        estimate=weighted[low, high] / w,
        se=w**-0.5,
        influence=(covariance[:, low] - covariance[:, high]) * w,
    )


def _first_change(position: Array, slope: Array, width: float) -> tuple[Bools, Array, Bools]:
    """When the set of all within `width` of the least position first changes, as treatments move by slope times u, u from 0 upwards.

    Parameters
    ----------
    position : array, shape (n,)
        Smaller is better.
    slope : array, shape (n, m)
        Of each treatment for each data point; NaN where the point says nothing.

    Returns
    -------
    before : array of bool, shape (n,)
        The set at u = 0.
    change : array, shape (m,)
        The smallest u beyond which the set is another one; inf where there is none, NaN where the slope is.
    after : array of bool, shape (m, n)
        The set just beyond.
    """
    n, m = slope.shape
    gap = position[:, None] - position[None, :]
    tie = LEVEL_TIE * max(float(np.abs(gap).max()), width)
    before: Bools = np.all(gap <= width + tie, axis=1)
    change, after = np.full(m, np.nan), np.zeros((m, n), dtype=bool)
    known = np.flatnonzero(np.isfinite(slope).all(axis=0))
    for part in np.array_split(known, max(1, known.size * n * n // ELEMENTS)):
        rise = (slope[:, None, part] - slope[None, :, part]).transpose(2, 0, 1)  # (points, n, n)
        rise[np.abs(rise) <= FLAT * np.abs(rise).max(axis=(1, 2), initial=0.0, keepdims=True)] = 0.0
        change[part] = _crossing(gap, rise, width, tie, before)
        after[part] = _just_beyond(gap, rise, width, change[part])
    return before, change, after


def _crossing(gap: Array, rise: Array, width: float, tie: float, before: Bools) -> Array:
    """The first u at which a member falls more than `width` behind any treatment, or another is within it of all."""
    left = width - gap  # how much further a row may fall behind a column
    with np.errstate(divide="ignore", invalid="ignore"):
        meet = np.where(rise == 0, np.inf, left / rise)
    falling_out = np.where(rise > 0, np.maximum(meet, 0.0), np.inf)
    leave = falling_out[:, before].min(axis=(1, 2), initial=np.inf)
    behind = left < -tie
    catches_up = np.where(behind, np.where(rise < 0, meet, np.inf), 0.0).max(axis=2)
    stays = np.where(behind, np.inf, falling_out).min(axis=2)
    enter = np.where(~before & (catches_up < stays), catches_up, np.inf).min(axis=1)
    return np.asarray(np.minimum(leave, enter), dtype=float)


def _just_beyond(gap: Array, rise: Array, width: float, change: Array) -> Bools:
    """The set at the right of `change`: of those that stand at the limit, who moves inwards."""
    u = np.where(np.isfinite(change), change, 0.0)[:, None, None]
    value = gap + rise * u
    rounding = 1e3 * LEVEL_TIE * (np.abs(gap) + np.abs(rise * u) + width)
    inside = (value < width - rounding) | ((value <= width + rounding) & (rise <= 0))
    return np.asarray(inside.all(axis=2), dtype=bool)


def _names(members: Bools, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name, there in zip(names, members, strict=True) if there)


def _texts(sets: Bools, change: Array, names: Sequence[str]) -> list[str | None]:
    return [
        ", ".join(_names(members, names)) if reached else None
        for members, reached in zip(sets, np.isfinite(change), strict=True)
    ]


def _table(
    fit: NetworkEstimate,
    points: Evidence,
    by: str,
    half: Array,
    reach: dict[str, Array],
    beyond: dict[str, list[str | None]],
) -> pd.DataFrame:
    names = np.array(fit.treatments, dtype=object)
    treatment, comparator = names[points.low], names[points.high]
    owner = (
        {"study": np.array(fit.data.studies, dtype=object)[points.owner]}
        if by == "study"
        else {"studies": points.owner}
    )
    columns: dict[str, Any] = dict(owner)
    columns |= {
        "comparison": [f"{one}:{other}" for one, other in zip(treatment, comparator, strict=True)],
        "treatment": treatment,
        "comparator": comparator,
        "estimate": points.estimate,
        "se": points.se,
        "ci_low": points.estimate - half,
        "ci_high": points.estimate + half,
        "threshold_low": reach["low"] + 0.0,  # not -0.0
        "threshold_high": reach["high"],
        "invariant_low": points.estimate + reach["low"],
        "invariant_high": points.estimate + reach["high"],
        "threshold_low_se": reach["low"] / points.se + 0.0,
        "threshold_high_se": reach["high"] / points.se,
        "new_best_low": pd.Series(beyond["low"], dtype=object),
        "new_best_high": pd.Series(beyond["high"], dtype=object),
    }
    table = pd.DataFrame(columns)
    table["fragility"] = np.minimum(-table["threshold_low_se"], table["threshold_high_se"]) + 0.0
    table["sensitive"] = (-reach["low"] <= half) | (reach["high"] <= half)
    return table


def _decision(best: tuple[str, ...], width: float) -> str:
    if len(best) == 1:
        return f"{best[0]} is best" + (f", and no other is within {width:g} of it" if width else "")
    return f"{', '.join(best)} are " + (f"within {width:g} of the best" if width else "best, with equal estimates")


def _reading(row: dict[Any, Any], best: tuple[str, ...], width: float, level: float) -> str:
    """One row in words."""
    whose = f"{row['study']}, " if "study" in row else ""
    start = f"{whose}{row['treatment']} versus {row['comparator']}"
    if np.isnan(row["estimate"]):
        return f"{start}: not assessable, the studies have no information on this pair beyond that on others"
    outcome = (
        "the decision is {} instead of " + ", ".join(best) if width else "{} is best instead of " + ", ".join(best)
    )
    said = []
    for side, verb in (("low", "falls"), ("high", "rises")):
        change = abs(row[f"threshold_{side}"])
        if np.isfinite(change):
            inside = "inside" if change <= row["ci_high"] - row["estimate"] else "outside"
            end = row[f"invariant_{side}"]
            said.append(
                f"{outcome.format(row[f'new_best_{side}'])} if it {verb} by more than {change:.3g} ({change / row['se']:.3g} se) "
                f"to {0.0 if abs(end) < LEVEL_TIE * change else end:.3g}, {inside} its {100 * level:.4g}% interval"
            )
        else:
            said.append(f"no {'fall' if side == 'low' else 'rise'} changes the decision")
    if not np.isfinite(row["fragility"]):
        said = ["no change of this estimate changes the decision"]
    return f"{start} ({row['estimate']:.3g}): " + "; ".join(said)


def _notes(fit: NetworkEstimate, table: pd.DataFrame, best: tuple[str, ...], by: str, width: float) -> tuple[str, ...]:
    notes = ["the decision goes by point estimates, one data point moves at a time, and tau2 is held fixed"]
    if np.isnan(fit.tau2):
        notes.append("nothing shows tau2 (q_df = 0): thresholds are those of tau2 = 0")
    if len(best) > 1 and width == 0:
        notes.append(
            f"{', '.join(best)} have equal estimates: any change of the evidence that tells them apart changes the decision"
        )
    if len(best) == len(fit.treatments):
        notes.append("all treatments are within the important difference of the best: nothing is decided between them")
    if any(group.size > 2 for group in fit.data.groups):
        notes.append(
            "of a multi-arm study each arm but the first by name moves with all its contrasts"
            if by == "study"
            else "multi-arm studies enter as the independent pairwise contrasts with the same information; estimates differ from the fit's direct ones"
        )
    unknown = table.loc[table["estimate"].isna(), "comparison"]
    if len(unknown):
        notes.append(f"not assessable, no information of their own: {', '.join(unknown)}")
    return tuple(notes)
