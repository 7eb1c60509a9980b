"""Restricted mean survival time of many studies: differences at several horizons, pooled one by one and together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri

from metasyn.pooling.arrays import Array, vector
from metasyn.pooling.pool import check_codes, pool
from metasyn.pooling.result import PooledEstimate
from metasyn.survival.imputation import combine_vectors
from metasyn.survival.joint_pool import JointPool, pool_together
from metasyn.survival.kaplan_meier import Flags, count_at_times
from metasyn.survival.rmst import AT_RISK_SHARE
from metasyn.survival.study_patients import Patients, StudyPatients, left_out_table, two_arm_studies


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PooledRmst:
    """Differences in restricted mean survival time, treatment minus comparator, in the unit of the times.

    Notes
    -----
    `table` has a row for each horizon: horizon, k, estimate, se, ci_low, ci_high, p_value, tau2, i2 (of the horizon's own
    pool), and joint_estimate, joint_se, joint_ci_low, joint_ci_high, joint_p_value, joint_tau2 (of all horizons together;
    NaN where fewer than two horizons are joined).
    """

    table: pd.DataFrame
    pools: tuple[PooledEstimate | None, ...]  # of each horizon; None where no study supports it
    joint: JointPool | None  # of the horizons in `joined`, normal
    joined: tuple[float, ...]
    studies: pd.DataFrame  # study, horizon, contributes, reason, estimate, se; a row for each study and horizon
    covariances: Mapping[str, Array]  # of each study's differences, at the horizons to which it contributes
    left_out: pd.DataFrame  # study, reason: studies that contribute to no horizon
    horizons: tuple[float, ...]
    arms: tuple[str, str]
    level: float
    notes: tuple[str, ...]

    def summary(self) -> str:
        """A line for each horizon that a study supports."""
        return "\n".join(
            f"RMST difference to {row.horizon:g}: {row.estimate:z.2f} ({100 * self.level:g}% CI {row.ci_low:z.2f} to "
            f"{row.ci_high:z.2f}), k = {row.k}"
            for row in self.table[self.table["k"] > 0].itertuples()
        )


def pool_rmst(
    ipd: pd.DataFrame,
    *,
    horizons: Sequence[float] | npt.ArrayLike,
    treatment: Any = None,
    tau2: str = "REML",
    ci: str = "HK",
    structure: str = "HCS",
    level: float = 0.95,
) -> PooledRmst:
    """Pool differences in restricted mean survival time at several horizons.

    Parameters
    ----------
    ipd : DataFrame
        Columns study, arm, time, event; and draw, where a study's patients are draws from a posterior.
    horizons : sequence of float
        Positive, ascending. A study contributes to those that it supports: at which, in each draw, at least a tenth of each
        arm is at risk (the rule by which `rmst_difference` chooses a horizon).
    treatment : label, optional
        Which label of `arm` is the treatment; needed unless arms are 0 and 1.
    tau2, ci, level
        As for `metasyn.pool`, for each horizon by itself.
    structure : str
        Between-study covariance of the horizons in the joint model: HCS (each its variance, one correlation), UN, CS, DIAG or none;
        see `metasyn.pooling.multivariate`. Its intervals are normal.

    Returns
    -------
    PooledRmst
        In the joint model studies with short follow-up lend strength to long horizons, by what horizons share within a
        study and between studies; that leans on the model, the univariate pools do not.

    Raises
    ------
    ValueError
        For bad patients or arms, horizons that do not ascend, an unknown code, or if no study supports any horizon.

    Notes
    -----
    Within an arm, cov(RMST(s), RMST(t)) is the sum over event times u <= min(s, t) of A_s(u) A_t(u) d / (r (r - d)), A_s(u)
    the area under the curve from u to s; the arms' add up. Draws are combined by Rubin's rules for vectors.

    References
    ----------
    Wei Y et al. (2015). Statistics in Medicine 34:2881-98 (RMST from patients of many studies). Weir IR, Tian L, Trinquart
    L (2021). Biostatistics 22:82-96 (horizons together, covariance derived analytically).
    """
    check_codes(tau2, ci, level)
    asked = _check_horizons(horizons)
    studies, arms = two_arm_studies(ipd, treatment)
    found = [_StudyRmst.of(study, asked, arms) for study in studies]
    kept = [one for one in found if one.known.any()]
    reasons = {one.name: one.reasons[0] for one in found if not one.known.any()}
    if not kept:
        raise ValueError(f"no study supports a horizon: {'; '.join(f'{name}: {why}' for name, why in reasons.items())}")
    pools = tuple(_pool_horizon(kept, column, tau2, ci, level) for column in range(asked.size))
    joint, position = _joint(kept, asked, structure)
    return PooledRmst(
        table=_table(asked, pools, joint, position, level),
        pools=pools,
        joint=joint,
        joined=tuple(asked[position].tolist()),
        studies=pd.concat([one.table(asked) for one in found], ignore_index=True),
        covariances={one.name: one.block(one.known) for one in kept},
        left_out=left_out_table(reasons),
        horizons=tuple(asked.tolist()),
        arms=arms,
        level=level,
        notes=_notes(asked, pools, joint, position, reasons),
    )


def rmst_covariance(time: Array, event: Flags, horizons: Array) -> tuple[Array, Array]:
    """RMST of one arm at several horizons, shape (h,), and their covariance matrix, shape (h, h).

    The horizons are not beyond the last time, unless the curve has fallen to 0 there.
    """
    distinct, at_risk, dead, _ = count_at_times(time, event)
    survival = np.concatenate([[1.0], np.cumprod((at_risk - dead) / at_risk)])
    starts = np.concatenate([[0.0], distinct])
    ends = np.append(distinct, math.inf)
    lengths = np.clip(horizons[:, None], starts, ends) - starts  # (h, m + 1): of each step, up to the horizon
    areas = np.where(survival > 0, survival, 0.0) * lengths
    right = np.cumsum(areas[:, ::-1], axis=1)[:, ::-1][:, 1:]  # A_s(u): from each time to the horizon
    left = at_risk - dead
    rate = np.divide(dead, at_risk * left, out=np.zeros_like(dead), where=left > 0)  # the last death leaves no area
    return areas.sum(axis=1), (right * rate) @ right.T


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _StudyRmst:
    """Differences of a study, draws combined; NaN where it does not support the horizon."""

    name: str
    estimate: Array  # shape (h,)
    covariance: Array  # shape (h, h)
    reasons: tuple[str, ...]  # of each horizon; empty where it contributes

    @classmethod
    def of(cls, study: StudyPatients, horizons: Array, arms: tuple[str, str]) -> _StudyRmst:
        h = horizons.size
        estimate, covariance = np.full(h, np.nan), np.full((h, h), np.nan)
        first = study.draws[0].treated
        if first.all() or not first.any():
            reason = f"one arm only ({arms[0] if first.all() else arms[1]})"
            return cls(name=study.name, estimate=estimate, covariance=covariance, reasons=(reason,) * h)
        limit = min(_supported(one) for one in study.draws)
        usable = horizons <= limit
        reasons = np.where(usable, "", f"supported up to {limit:g} only").astype(object)
        if usable.any():
            draws = [_difference(one, horizons[usable]) for one in study.draws]
            combined = combine_vectors([draw[0] for draw in draws], [draw[1] for draw in draws])
            estimate[usable], covariance[np.ix_(usable, usable)] = combined.estimate, combined.total
            reasons[usable & ~(np.diag(covariance) > 0)] = "no variance: no events before the horizon"
            estimate[reasons != ""] = np.nan
        return cls(name=study.name, estimate=estimate, covariance=covariance, reasons=tuple(map(str, reasons)))

    @property
    def known(self) -> Flags:
        return np.isfinite(self.estimate)

    def block(self, keep: Flags) -> Array:
        return self.covariance[np.ix_(keep, keep)]

    def table(self, horizons: Array) -> pd.DataFrame:
        se = np.where(self.known, np.sqrt(np.diag(self.covariance)), np.nan)
        return pd.DataFrame(
            {
                "study": self.name, "horizon": horizons, "contributes": self.known, "reason": self.reasons,
                "estimate": self.estimate, "se": se,
            }
        )  # fmt: skip


def _check_horizons(horizons: Sequence[float] | npt.ArrayLike) -> Array:
    asked = vector("horizons", np.atleast_1d(np.asarray(horizons, dtype=float)))
    if asked.size == 0 or asked[0] <= 0 or (np.diff(asked) <= 0).any():
        raise ValueError(f"horizons do not ascend from above 0 ({', '.join(f'{one:g}' for one in asked)})")
    return asked


def _difference(patients: Patients, horizons: Array) -> tuple[Array, Array]:
    of_arm = [
        rmst_covariance(patients.time[arm], patients.event[arm], horizons)
        for arm in (patients.treated, ~patients.treated)
    ]
    return of_arm[0][0] - of_arm[1][0], of_arm[0][1] + of_arm[1][1]


def _supported(patients: Patients) -> float:
    """The largest horizon that both arms support."""
    return min(_arm_supported(patients.time[arm]) for arm in (patients.treated, ~patients.treated))


def _arm_supported(time: Array) -> float:
    """The last time with a tenth of the arm at risk."""
    needed = max(math.ceil(AT_RISK_SHARE * time.size - 1e-9), 1)
    return float(np.sort(time)[-needed])


def _pool_horizon(kept: Sequence[_StudyRmst], column: int, tau2: str, ci: str, level: float) -> PooledEstimate | None:
    used = [one for one in kept if one.known[column]]
    if not used:
        return None
    effect = [one.estimate[column] for one in used]
    se = [math.sqrt(one.covariance[column, column]) for one in used]
    return pool(effect, se, tau2=tau2, ci=ci, level=level, labels=[one.name for one in used], measure="RMST difference")


def _joint(
    kept: Sequence[_StudyRmst], horizons: Array, structure: str
) -> tuple[JointPool | None, npt.NDArray[np.intp]]:
    """The joint pool of the horizons to which at least two studies contribute (to which one does, if there is one study)."""
    counts = np.sum([one.known for one in kept], axis=0)
    position = np.flatnonzero(counts >= min(2, len(kept)))
    if position.size < 2:
        return None, position[:0]
    number = np.full(horizons.size, -1)
    number[position] = np.arange(position.size)
    parts = []
    for one in kept:
        keep = one.known & (number >= 0)
        if keep.any():
            parts.append((one.estimate[keep], one.block(keep), number[keep]))
    names = [f"horizon {horizons[column]:g}" for column in position]
    joint = pool_together(*zip(*parts, strict=True), structure=structure, names=names)
    return joint, position


def _table(
    horizons: Array,
    pools: Sequence[PooledEstimate | None],
    joint: JointPool | None,
    position: npt.NDArray[np.intp],
    level: float,
) -> pd.DataFrame:
    nothing = dict.fromkeys(("estimate", "se", "ci_low", "ci_high", "p_value", "tau2", "i2"), math.nan)
    rows = []
    for horizon, one in zip(horizons, pools, strict=True):
        values = nothing if one is None else {name: getattr(one, name) for name in nothing}
        rows.append({"horizon": horizon, "k": 0 if one is None else one.k, **values})
    table = pd.DataFrame(rows)
    columns = ("estimate", "se", "ci_low", "ci_high", "p_value", "tau2")
    found = np.full((len(columns), horizons.size), np.nan)
    if joint is not None:
        se = np.sqrt(np.diag(joint.covariance))
        half = float(ndtri(0.5 + level / 2)) * se
        p_value = 2 * ndtr(-np.abs(joint.beta / se))
        found[:, position] = (joint.beta, se, joint.beta - half, joint.beta + half, p_value, joint.tau2)
    return table.assign(**{f"joint_{name}": row for name, row in zip(columns, found, strict=True)})


def _notes(
    horizons: Array, pools: Sequence[PooledEstimate | None], joint: JointPool | None, position: npt.NDArray[np.intp],
    reasons: Mapping[str, str],
) -> tuple[str, ...]:  # fmt: skip
    notes = [f"left out: {name}: {reason}" for name, reason in reasons.items()]
    counts = [0 if one is None else one.k for one in pools]
    if len(set(counts)) > 1:
        each = ", ".join(f"{horizon:g}: {count}" for horizon, count in zip(horizons, counts, strict=True))
        notes.append(f"horizons rest on different studies ({each}): a trend over horizons may be one over studies")
    apart = [f"{horizon:g}" for column, horizon in enumerate(horizons) if column not in position]
    if joint is not None and apart:
        notes.append(f"not in the joint model, as fewer than two studies support them: {', '.join(apart)}")
    return (*notes, *(() if joint is None else joint.notes))
