"""Hazard ratios of many studies by windows of time, and whether they are equal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from metasyn.pooling.arrays import Array, check_level, vector
from metasyn.pooling.pool import check_codes, pool
from metasyn.pooling.result import PooledEstimate
from metasyn.survival.cox import ChiSquared
from metasyn.survival.imputation import combine_vectors
from metasyn.survival.joint_pool import pool_together, wald
from metasyn.survival.study_patients import StudyPatients, left_out_table, two_arm_studies
from metasyn.survival.two_arm_likelihood import Deaths, deaths, fit_constant


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PiecewiseHazardRatio:
    """Hazard ratios in windows (start, end] of time, each among those still at risk at its start."""

    windows: pd.DataFrame  # start, end, k, log_hr, se, hr, ci_low, ci_high (of hr), p_value, tau2, i2
    pools: tuple[PooledEstimate | None, ...]  # of each window; None where no study has an estimate
    equality: ChiSquared  # of the pooled log hazard ratios of the windows, from the joint pool; NaN for fewer than two
    within_studies: ChiSquared  # of equality in every study: the studies' own chi-squares added up
    studies: (
        pd.DataFrame
    )  # study, start, end, log_hr, se, events_treatment, events_comparator, reason (empty if pooled)
    left_out: pd.DataFrame  # study, reason: studies without an estimate in any window
    structure: str  # of the between-study covariance in the joint pool
    arms: tuple[str, str]
    level: float
    notes: tuple[str, ...]

    def summary(self) -> str:
        """A line for each window with an estimate, and the test."""
        lines = [
            f"{row.start:g} to {row.end:g}: HR {row.hr:.2f} ({100 * self.level:g}% CI {row.ci_low:.2f} to {row.ci_high:.2f}), k = {row.k}"
            for row in self.windows[self.windows["k"] > 0].itertuples()
        ]
        p = "< 0.001" if self.equality.p_value < 0.001 else f"= {self.equality.p_value:.3f}"
        return "\n".join([*lines, f"equal over windows: p {p}"])


def piecewise_hazard_ratio(
    ipd: pd.DataFrame,
    *,
    cuts: Sequence[float] | npt.ArrayLike,
    treatment: Any = None,
    tau2: str = "REML",
    ci: str = "HK",
    structure: str = "CS",
    level: float = 0.95,
) -> PiecewiseHazardRatio:
    """Pool the hazard ratio of each window of time.

    Parameters
    ----------
    ipd : DataFrame
        Columns study, arm, time, event; and draw, where a study's patients are draws from a posterior.
    cuts : sequence of float
        Where windows meet, positive and ascending: c1, c2 makes (0, c1], (c1, c2], (c2, the end]. An event at time 0 is of
        the first window.
    treatment : label, optional
        Which label of `arm` is the treatment; needed unless arms are 0 and 1.
    tau2, ci, level
        As for `metasyn.pool`, for each window by itself.
    structure : str
        Between-study covariance of the windows in the joint pool, which the test of equality rests on: CS (one variance, one
        correlation), DIAG, HCS, UN or none; see `metasyn.pooling.multivariate`.

    Returns
    -------
    PiecewiseHazardRatio
        The hazard ratio of a later window compares those who got so far, no longer as randomised.

    Raises
    ------
    ValueError
        For bad patients or arms, cuts that do not ascend, an unknown code, or if no study is left.

    Notes
    -----
    The Cox model with a coefficient for each window (patients cut into episodes, entry at the start of each) has a
    likelihood that is a product over windows: their estimates are those of the windows one by one and uncorrelated.

    References
    ----------
    Cox DR (1972). Journal of the Royal Statistical Society B 34:187-220. Andersen PK, Gill RD (1982). Annals of
    Statistics 10:1100-20 (delayed entry).
    """
    check_codes(tau2, ci, level)
    check_level(level)
    edges = _edges(cuts)
    studies, arms = two_arm_studies(ipd, treatment)
    found = [_StudyWindows.of(study, edges, arms) for study in studies]
    reasons = {one.name: one.reasons[0] for one in found if not one.known.any()}
    kept = [one for one in found if one.known.any()]
    if not kept:
        raise ValueError(
            f"there are no studies to pool: {'; '.join(f'{name}: {why}' for name, why in reasons.items())}"
        )
    pools = tuple(_pool_window(kept, window, tau2, ci, level) for window in range(edges.size - 1))
    equality, used, notes = _equality(kept, edges.size - 1, structure)
    return PiecewiseHazardRatio(
        windows=_window_table(edges, pools, max(float(one.last) for one in found)),
        pools=pools,
        equality=equality,
        within_studies=_within_studies(kept),
        studies=pd.concat([one.table(edges) for one in found], ignore_index=True),
        left_out=left_out_table(reasons),
        structure=used,
        arms=arms,
        level=level,
        notes=(*(f"left out: {name}: {reason}" for name, reason in reasons.items()), *notes),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _StudyWindows:
    """Log hazard ratios of a study's w windows, draws combined; NaN where there is none."""

    name: str
    estimate: Array  # shape (w,)
    covariance: Array  # shape (w, w); without draws diagonal
    events: Array  # shape (w, 2): of treatment and comparator, mean over draws
    reasons: tuple[str, ...]  # of each window; empty where there is an estimate
    last: float

    @classmethod
    def of(cls, study: StudyPatients, edges: Array, arms: tuple[str, str]) -> _StudyWindows:
        parts = [
            [whole.within(low, high) for low, high in pairwise(edges)] for whole in (deaths(one) for one in study.draws)
        ]
        fits = [[fit_constant(part) for part in row] for row in parts]
        events = np.mean([[_events(part) for part in row] for row in parts], axis=0)
        reasons = tuple(
            next((_reason(row[w], arms) for row, of in zip(parts, fits, strict=True) if of[w].reason), "")
            for w in range(edges.size - 1)
        )
        known = np.array([reason == "" for reason in reasons])
        estimate, covariance = np.full(known.size, np.nan), np.full((known.size, known.size), np.nan)
        if known.any():
            values = np.array([[fit.beta[0] for fit in row] for row in fits])[:, known]
            variances = np.array([[fit.covariance[0, 0] for fit in row] for row in fits])[:, known]
            combined = combine_vectors(values, variances[:, :, None] * np.eye(int(known.sum())))
            estimate[known], covariance[np.ix_(known, known)] = combined.estimate, combined.total
        last = max(float(one.time.max()) for one in study.draws)
        return cls(name=study.name, estimate=estimate, covariance=covariance, events=events, reasons=reasons, last=last)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        return np.isfinite(self.estimate)

    def block(self) -> Array:
        return self.covariance[np.ix_(self.known, self.known)]

    def table(self, edges: Array) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "study": self.name, "start": np.maximum(edges[:-1], 0.0), "end": np.minimum(edges[1:], self.last),
                "log_hr": self.estimate, "se": np.sqrt(np.diag(self.covariance)),
                "events_treatment": self.events[:, 0], "events_comparator": self.events[:, 1], "reason": self.reasons,
            }
        )  # fmt: skip


def _edges(cuts: Sequence[float] | npt.ArrayLike) -> Array:
    inner = vector("cuts", np.atleast_1d(np.asarray(cuts, dtype=float)))
    if inner.size == 0 or inner[0] <= 0 or (np.diff(inner) <= 0).any():
        raise ValueError(f"cuts do not ascend from above 0 ({', '.join(f'{cut:g}' for cut in inner)})")
    return np.concatenate([[-math.inf], inner, [math.inf]])


def _events(part: Deaths) -> tuple[float, float]:
    return float(part.share.sum()), float((1 - part.share).sum())


def _reason(part: Deaths, arms: tuple[str, str]) -> str:
    if part.time.size == 0:
        return "no events in the window"
    for name, count in zip(arms, _events(part), strict=True):
        if count == 0:
            return f"no events under {name} in the window"
    return fit_constant(part).reason or "no estimate"


def _pool_window(kept: Sequence[_StudyWindows], window: int, tau2: str, ci: str, level: float) -> PooledEstimate | None:
    used = [one for one in kept if one.known[window]]
    if not used:
        return None
    effect = [one.estimate[window] for one in used]
    se = [math.sqrt(one.covariance[window, window]) for one in used]
    return pool(effect, se, tau2=tau2, ci=ci, level=level, labels=[one.name for one in used], measure="HR")


def _equality(kept: Sequence[_StudyWindows], windows: int, structure: str) -> tuple[ChiSquared, str, tuple[str, ...]]:
    """Wald's test that the pooled log hazard ratios of all windows with an estimate are one."""
    present = np.flatnonzero(np.any([one.known for one in kept], axis=0))
    if present.size < 2:
        none = ChiSquared(statistic=math.nan, df=0, p_value=math.nan)
        return none, structure, ("fewer than two windows have an estimate: there is no test of equality",)
    number = np.full(windows, -1)
    number[present] = np.arange(present.size)
    fit = pool_together(
        [one.estimate[one.known] for one in kept],
        [one.block() for one in kept],
        [number[one.known] for one in kept],
        structure=structure,
        names=[f"window {window + 1}" for window in present],
    )
    statistic, df = wald(fit.beta, fit.covariance)
    return ChiSquared(statistic=statistic, df=df, p_value=float(chdtrc(df, statistic))), fit.structure, fit.notes


def _within_studies(kept: Sequence[_StudyWindows]) -> ChiSquared:
    tests = [wald(one.estimate[one.known], one.block()) for one in kept if one.known.sum() > 1]
    if not tests:
        return ChiSquared(statistic=math.nan, df=0, p_value=math.nan)
    statistic, df = sum(test[0] for test in tests), sum(test[1] for test in tests)
    return ChiSquared(statistic=statistic, df=df, p_value=float(chdtrc(df, statistic)))


def _window_table(edges: Array, pools: Sequence[PooledEstimate | None], last: float) -> pd.DataFrame:
    found = []
    for low, high, one in zip(edges, edges[1:], pools, strict=False):
        row: dict[str, float] = {"start": max(low, 0.0), "end": min(high, last), "k": 0 if one is None else one.k}
        nothing = dict.fromkeys(("log_hr", "se", "hr", "ci_low", "ci_high", "p_value", "tau2", "i2"), math.nan)
        found.append(row | (nothing if one is None else {
            "log_hr": one.estimate, "se": one.se, "hr": math.exp(one.estimate), "ci_low": math.exp(one.ci_low),
            "ci_high": math.exp(one.ci_high), "p_value": one.p_value, "tau2": one.tau2, "i2": one.i2,
        }))  # fmt: skip
    return pd.DataFrame(found)
