"""Trial sequential analysis: is the information of a cumulative meta-analysis enough to conclude?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan, sqrt
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from metasyn.pooling.arrays import check_effects, check_labels
from metasyn.pooling.bayes import pool_bayes
from metasyn.pooling.pool import pool
from metasyn.pooling.priors import TauPrior
from metasyn.pooling.spending import LEAST_STEP, Boundaries, boundaries

Array = npt.NDArray[np.float64]
Status = Literal["crossed", "futile", "reached", "open"]

COLUMNS = (
    "label", "k", "tau2", "estimate", "se", "ci_low", "ci_high", "adjusted_low", "adjusted_high", "z", "information", "counted",
    "fraction", "tested", "spent", "boundary", "futility", "crossed",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SequentialAnalysis:
    """A cumulative meta-analysis with boundaries.

    Attributes
    ----------
    looks : DataFrame
        One row per look: label; k; tau2; estimate, se, ci_low, ci_high (normal, as if it were the only look); adjusted_low, adjusted_high
        (repeated confidence interval: the boundary times se); z; information (1/variance of the estimate, scaled under diversity);
        counted (the largest information so far, on which alpha is spent); fraction (counted over required, not capped); tested (whether
        there was a test at this look); spent (two-sided alpha); boundary and futility (of abs z; NaN where untested); crossed.
    delta : float
        The effect to detect, on the analysis scale, its sign dropped.
    required : float
        Required information: ((z(1 - alpha/2) + z(power))/delta)^2.
    heterogeneity : {"fixed", "diversity", "prior"}
        How tau2 enters; `fixed_by_design` says whether it is the same at every look.
    tau2_at_end : float
        Estimated from all studies, whatever was assumed.
    status : {"crossed", "futile", "reached", "open"}
        crossed: a boundary was crossed at `decided_at`; futile: abs(z) fell inside the futility boundary at the last tested look;
        reached: the required information is there and no boundary was crossed; open: none of these.
    decided_at : str or None
        Label of the look that decided.
    sign : int
        Of the estimate at that look, else of the last one.
    """

    looks: pd.DataFrame
    delta: float
    alpha: float
    power: float
    spending: str
    rho: float | None
    futility: str | None
    heterogeneity: Literal["fixed", "diversity", "prior"]
    tau2: float | None
    diversity: float | None
    diversity_estimated: bool
    tau_prior: str | None
    estimator: str
    tau2_at_end: float
    required: float
    status: Status
    decided_at: str | None
    sign: int
    notes: tuple[str, ...]

    @property
    def fixed_by_design(self) -> bool:
        """Whether tau2 is the same at every look."""
        return self.heterogeneity == "fixed"

    @property
    def fraction(self) -> float:
        """Share of the required information at the last look, not capped."""
        return float(self.looks["fraction"].iloc[-1])

    def summary(self) -> str:
        """The reading in words."""
        share = f"{_percent(self.fraction)} of the required information"
        if self.status == "crossed":
            at = self.looks.loc[self.looks["label"] == self.decided_at].iloc[0]
            return f"boundary crossed {'above' if self.sign > 0 else 'below'} no effect at look {self.decided_at}, with {_percent(at['fraction'])} of the required information"
        if self.status == "futile":
            return f"futility at look {self.decided_at}: an effect of {self.delta:.3g} or more is unlikely; {share}"
        if self.status == "reached":
            return f"the required information was reached at look {self.decided_at} and no boundary was crossed"
        return f"no conclusion: {share}"


def trial_sequential(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    look: Sequence[object],
    *,
    delta: float,
    alpha: float = 0.05,
    power: float = 0.9,
    spending: str = "obrien-fleming",
    rho: float = 3.0,
    tau2: float | None = None,
    diversity: float | Literal["estimate"] | None = None,
    tau_prior: TauPrior | None = None,
    estimator: str = "REML",
    futility: str | None = None,
    studies: Sequence[str] | None = None,
) -> SequentialAnalysis:
    """Monitor a random-effects meta-analysis with boundaries that hold the two-sided error over all looks.

    Parameters
    ----------
    effect, se : array, shape (rows,)
        On the analysis scale (log for ratios).
    look : sequence, length rows
        Label of the look at which a row came in; looks are in the order of their first row.
    delta : float
        The smallest effect worth detecting, on the analysis scale: log(0.8), say. Its sign does not matter.
    alpha, power : float
        Two-sided error over all looks, and power of the fixed-sample test.
    spending, rho, futility
        As `boundaries`; futility spends 1 - power, and is non-binding.
    tau2 : float or None
        Between-study variance, fixed by design.
    diversity : float, "estimate" or None
        Share by which the variance of a random-effects pool exceeds what a common effect would give; "estimate": of all rows.
    tau_prior : TauPrior or None
        tau2 is its posterior mean at each look. Exactly one of the three is given.
    estimator : str
        Of tau2, with diversity, and for `tau2_at_end`.
    studies : sequence of str or None
        Names; a name that comes again at a later look replaces the earlier row (a new data cutoff).

    Returns
    -------
    SequentialAnalysis

    Raises
    ------
    ValueError
        If a value is outside its range, a study stands twice in one look, or not exactly one way of heterogeneity is given.

    Notes
    -----
    With tau2 fixed, the weights of a study never change, and z at the looks is exactly a normal sequence with independent increments of
    information, as the boundaries assume: the joint distribution is the one integrated, also where a later cutoff replaces an earlier
    one, if both are efficient. Estimated anew at each look, tau2 moves the weights of studies that were already seen, information may
    fall, and the type I error is only near alpha, above it for few studies. So a fixed tau2 is the design; `diversity` reproduces
    trial sequential analysis as it is usually done (z with tau2 re-estimated, one diversity for the information of every look),
    `tau_prior` steadies the estimate. Where information does not grow over its largest value so far, there is no test at that look and
    no alpha is spent. From the first look at or beyond the required information no alpha is left, and later looks have no test.
    The required information is that of a single test; looking costs a little of the power.

    References
    ----------
    Wetterslev et al. 2008, J Clin Epidemiol 61:64-75; Wetterslev et al. 2009, BMC Medical Research Methodology 9:86 (diversity); Higgins,
    Whitehead and Simmonds 2011, Statistics in Medicine 30:903-21; Jennison and Turnbull 1989, JRSS B 51:305-61 (repeated intervals).
    """
    y, v = check_effects(effect, se)
    names = check_labels(studies, y.size)
    labels = [str(each) for each in look]
    if len(labels) != y.size:
        raise ValueError(f"look has {len(labels)} values for {y.size} rows; accepted: one label per row")
    _check_design(delta, power, tau2, diversity, tau_prior)
    required = float(((-ndtri(alpha / 2) + ndtri(power)) / delta) ** 2) if 0 < alpha < 0.5 else nan
    order = list(dict.fromkeys(labels))
    groups = [_current(names, labels, order[: place + 1]) for place in range(len(order))]
    end = _pooled(y[groups[-1]], v[groups[-1]], estimator)
    share = _diversity(v[groups[-1]], end) if diversity == "estimate" else diversity
    made = [_at_look(y[rows], v[rows], tau2, share, tau_prior, estimator) for rows in groups]
    information = np.array([each.information for each in made])
    counted = np.maximum.accumulate(information)
    grew = np.array([True, *(counted[1:] > counted[:-1] * (1 + LEAST_STEP))])
    limits = boundaries(
        counted[grew], required=required, alpha=alpha, spending=spending, rho=rho, futility=futility, delta=delta, beta=1 - power
    )  # fmt: skip
    frame = _frame(order, groups, made, counted / required, counted, grew, limits)
    status, at = _status(frame, futility is not None)
    return SequentialAnalysis(
        looks=frame,
        delta=abs(float(delta)),
        alpha=alpha,
        power=power,
        spending=spending,
        rho=limits.rho,
        futility=futility,
        heterogeneity="fixed" if tau2 is not None else "prior" if tau_prior is not None else "diversity",
        tau2=tau2,
        diversity=None if share is None else float(share),
        diversity_estimated=diversity == "estimate",
        tau_prior=None if tau_prior is None else tau_prior.name,
        estimator=estimator,
        tau2_at_end=end[1],
        required=required,
        status=status,
        decided_at=None if at is None else str(frame["label"].iloc[at]),
        sign=int(np.sign(frame["estimate"].iloc[-1 if at is None else at])),
        notes=_notes(frame, tau2, end[1], estimator, status, at),
    )


class _Look(NamedTuple):
    """The pool at a look."""

    estimate: float
    se: float
    tau2: float
    information: float


def _check_design(
    delta: float, power: float, tau2: float | None, diversity: float | str | None, tau_prior: TauPrior | None
) -> None:
    if not np.isfinite(delta) or delta == 0:
        raise ValueError(f"delta is no effect to detect ({delta:g}); accepted: other than 0 on the analysis scale, such as log(0.8)")  # fmt: skip
    if not 0.5 < power < 1:
        raise ValueError(f"power is not between 0.5 and 1 ({power:g}); accepted: such as 0.9")
    given = [name for name, value in (("tau2", tau2), ("diversity", diversity), ("tau_prior", tau_prior)) if value is not None]  # fmt: skip
    if len(given) != 1:
        raise ValueError(f"heterogeneity is given by {' and '.join(given) or 'nothing'}; accepted: exactly one of tau2, diversity, tau_prior")  # fmt: skip
    if tau2 is not None and not 0 <= tau2 < inf:
        raise ValueError(f"tau2 is not a variance ({tau2:g}); accepted: 0 or more")
    if isinstance(diversity, str):
        if diversity != "estimate":
            raise ValueError(f"diversity is no share ({diversity}); accepted: 0 or more and below 1, or 'estimate'")
    elif diversity is not None and not 0 <= diversity < 1:
        raise ValueError(f"diversity is no share ({diversity:g}); accepted: 0 or more and below 1, or 'estimate'")


def _current(names: Sequence[str], labels: Sequence[str], seen: Sequence[str]) -> list[int]:
    """Rows that count at the last of the looks seen: of each study the one that came in last."""
    found: dict[str, int] = {}
    for look in seen:
        rows = [row for row, label in enumerate(labels) if label == look]
        inside = [names[row] for row in rows]
        twice = sorted({name for name in inside if inside.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands twice in look {look}; accepted: one row per study and look")
        found |= dict(zip(inside, rows, strict=True))
    return list(found.values())


def _pooled(y: Array, v: Array, estimator: str) -> tuple[float, float, float]:
    """Estimate, tau2 and Wald variance; one study has no tau2."""
    made = pool(y, np.sqrt(v), tau2=estimator, ci="z")
    return made.estimate, 0.0 if made.k == 1 else made.tau2, made.se**2


def _diversity(v: Array, end: tuple[float, float, float]) -> float:
    # Wetterslev 2009: D2 = (v_R - v_F)/v_R, of the variances of the random- and common-effect pools
    return max(0.0, 1 - float(1 / np.sum(1 / v)) / end[2])


def _at_look(
    y: Array, v: Array, tau2: float | None, share: float | None, tau_prior: TauPrior | None, estimator: str
) -> _Look:
    if share is not None:
        estimate, between, variance = _pooled(y, v, estimator)
        # the common-effect information, less the share that heterogeneity costs: it grows with every study
        return _Look(estimate, sqrt(variance), between, float((1 - share) * np.sum(1 / v)))
    between = tau2 if tau2 is not None else _posterior_mean(y, v, tau_prior)
    weights = 1 / (v + between)
    total = float(weights.sum())
    return _Look(float(weights @ y) / total, 1 / sqrt(total), between, total)


def _posterior_mean(y: Array, v: Array, tau_prior: TauPrior | None) -> float:
    assert tau_prior is not None
    tau = pool_bayes(y, np.sqrt(v), tau_prior=tau_prior).tau
    mean, sd = float(tau.mean), float(tau.sd)
    if not np.isfinite(mean) or not np.isfinite(sd):
        raise ValueError(f"tau2 has no posterior mean under {tau_prior.name} with {y.size} studies; accepted: a prior with a lighter tail, such as HalfNormal(0.5)")  # fmt: skip
    return mean**2 + sd**2


def _frame(
    order: Sequence[str], groups: Sequence[Sequence[int]], made: Sequence[_Look], fraction: Array, counted: Array,
    grew: npt.NDArray[np.bool_], limits: Boundaries,
) -> pd.DataFrame:  # fmt: skip
    naive = -float(ndtri(limits.alpha / 2))
    rows, place, spent = [], -1, 0.0
    for number, (label, one) in enumerate(zip(order, made, strict=True)):
        boundary, inner = nan, nan
        if grew[number]:
            place += 1
            boundary, spent = float(limits.boundary[place]), float(limits.spent[place])
            inner = nan if limits.futility is None else float(limits.futility[place])
        z = one.estimate / one.se
        rows.append(
            {
                "label": label,
                "k": len(groups[number]),
                "tau2": one.tau2,
                "estimate": one.estimate,
                "se": one.se,
                "ci_low": one.estimate - naive * one.se,
                "ci_high": one.estimate + naive * one.se,
                "adjusted_low": one.estimate - boundary * one.se,
                "adjusted_high": one.estimate + boundary * one.se,
                "z": z,
                "information": one.information,
                "counted": float(counted[number]),
                "fraction": float(fraction[number]),
                "tested": not np.isnan(boundary),
                "spent": spent,
                "boundary": boundary,
                "futility": inner,
                "crossed": bool(abs(z) >= boundary),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _status(frame: pd.DataFrame, with_futility: bool) -> tuple[Status, int | None]:
    """What the looks amount to, and the row that says so: the first crossing decides, whatever comes after."""
    crossed = np.flatnonzero(frame["crossed"])
    if crossed.size:
        return "crossed", int(crossed[0])
    tested = np.flatnonzero(frame["tested"])
    last = frame.iloc[int(tested[-1])]
    if last["fraction"] >= 1:
        return "reached", int(tested[-1])
    if with_futility and abs(last["z"]) < last["futility"]:
        return "futile", int(tested[-1])
    return "open", None


def _notes(
    frame: pd.DataFrame, tau2: float | None, at_end: float, estimator: str, status: Status, at: int | None
) -> tuple[str, ...]:
    notes = []
    if tau2 is not None and at_end > tau2:
        notes.append(f"tau2 of all studies is {at_end:.3g} ({estimator}), above the {tau2:.3g} assumed: the boundaries are too lenient, and information is overstated")  # fmt: skip
    fell = list(map(str, frame.loc[frame["information"] < frame["counted"], "label"]))
    if fell:
        notes.append(f"information was less than before at look {', '.join(fell)}, as the estimated heterogeneity rose: no test there, and no alpha spent")  # fmt: skip
    after = frame.loc[~frame["tested"] & (frame["fraction"] >= 1), "label"]
    if len(after) and status != "open":
        notes.append(f"shown without a test, as no alpha was left: {', '.join(map(str, after))}")
    if status == "crossed" and at is not None:
        last = frame.iloc[-1]
        if at < len(frame) - 1 and last["tested"] and not last["crossed"]:
            notes.append("at the last look the statistic is inside the boundary again; the first crossing stands")
        if np.sign(last["estimate"]) != np.sign(frame["estimate"].iloc[at]):
            notes.append("the last estimate lies on the other side of no effect than the one that crossed")
    return tuple(notes)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
