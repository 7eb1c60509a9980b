"""Patients rebuilt from a record's figures, and how they agree with what is printed: what commands and reports show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtrit

from metasyn.errors import MetasynError, UsageError
from metasyn.evidence.reconstructions import ReconstructionInput
from metasyn.pooling.arrays import Array
from metasyn.survival import (
    KaplanMeier,
    Reconstruction,
    against_published,
    draw_band,
    hazard_ratio,
    kaplan_meier,
    reconstruct,
    rmst_difference,
)
from metasyn.survival.from_summary import SummaryReconstruction, from_summary

Method = Literal["joint", "guyot", "liu"]
AGREEMENT_COLUMNS = ("arm", "quantity", "given", "low", "high", "achieved", "difference", "within", "fitted")
BOTH = "both"
FOLLOWED = 0.9  # share of the draws whose curves must be known at the horizon of the RMST
LEVEL = 0.95


class ReconstructionError(MetasynError):
    """A record's figures cannot be reconstructed, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """An estimate of rebuilt patients, treatment against comparator, over all draws.

    Attributes
    ----------
    share : float
        Share of the variance that comes from not knowing the patients (between draws); 0 for one reconstruction.
    """

    estimate: float
    se: float
    ci_low: float
    ci_high: float
    level: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rebuilt:
    """A study's patients, rebuilt.

    Attributes
    ----------
    method : str
        joint, guyot or liu from curves; summary from printed figures alone.
    patients : DataFrame
        arm (id), draw (0), time, event: those of the typical curves, which are drawn.
    drawn : DataFrame or None
        The same columns, draws 1 and on, from the posterior.
    curves : tuple of KaplanMeier
        Of `patients`, one per arm.
    bands : tuple of DataFrame or None
        Pointwise band of the draws: time, survival, ci_low, ci_high.
    agreement : DataFrame
        Columns `AGREEMENT_COLUMNS`: printed figures with their interval of rounding, beside those of the patients (the
        median of the draws). `within` is missing where there is no interval; `fitted` tells what was used from what is compared.
    conflicts : tuple of str
        Printed figures that cannot stand together.
    log_hr, rmst : Combined or None
        Of the patients; None for one arm, and for the RMST where the horizon is beyond the data.
    """

    given: ReconstructionInput
    method: str
    draws: int
    seed: int
    patients: pd.DataFrame
    drawn: pd.DataFrame | None
    curves: tuple[KaplanMeier, ...]
    bands: tuple[pd.DataFrame | None, ...]
    agreement: pd.DataFrame
    conflicts: tuple[str, ...]
    grade: str | None
    log_hr: Combined | None
    rmst: Combined | None
    horizon: float | None
    notes: tuple[str, ...]

    @property
    def events(self) -> tuple[int, ...]:
        """Events of the typical patients, per arm."""
        return tuple(curve.events_total for curve in self.curves)


def rebuild(
    given: ReconstructionInput,
    *,
    method: Method | None = None,
    draws: int = 100,
    seed: int = 0,
    horizon: float | None = None,
) -> Rebuilt:
    """Rebuild the patients of a study.

    Parameters
    ----------
    given : ReconstructionInput
        What the record prints.
    method : {"joint", "guyot", "liu"} or None
        For digitised curves; None is joint where there are curves.
    draws : int
        Draws from the posterior, where only figures are printed; 1 gives the typical patients alone. Curves give one
        reconstruction.
    seed : int
        Of the draws.
    horizon : float or None
        Of the restricted mean survival time, in the record's unit; by default the last printed time of summaries, or
        the last time with a tenth of each arm at risk for curves.

    Raises
    ------
    ReconstructionError
        If the figures are not enough, or cannot be what they are said to be.
    UsageError
        If a method for curves is asked for where none is digitised.
    """
    where = f"{given.study}, {given.outcome}"
    if given.why_not is not None:
        raise ReconstructionError(f"{where}: {given.why_not}")
    if method is not None and not given.digitised:
        raise UsageError(
            f"{where} has no digitised curve: the method {method} is for curves; leave it out to rebuild from the printed figures"
        )
    try:
        if given.digitised:
            return _from_curves(given, method or "joint", seed, horizon)
        return _from_figures(given, draws, seed, horizon)
    except ValueError as fault:
        raise ReconstructionError(f"{where}: {fault}") from fault


def _from_figures(given: ReconstructionInput, draws: int, seed: int, horizon: float | None) -> Rebuilt:
    typical = _summary(given, 1, seed)
    made = typical if draws == 1 else _summary(given, draws, seed)
    patients = _patients(typical, given.arms)
    drawn = None if draws == 1 else _patients(made, given.arms, first=1)
    analysed = patients if drawn is None else drawn
    asked = typical.last_reported_time if horizon is None else horizon
    log_hr, rmst, reached, notes = _contrast(analysed, given.arms, asked, shorten=horizon is None)
    agreement = made.agreement.assign(fitted=~made.agreement["quantity"].str.contains("not fitted"))
    return Rebuilt(
        given=given,
        method="summary",
        draws=draws,
        seed=seed,
        patients=patients,
        drawn=drawn,
        curves=_curves(patients, given.arms),
        bands=tuple(None if drawn is None else draw_band(drawn[drawn["arm"] == arm]) for arm in given.arms),
        agreement=agreement[list(AGREEMENT_COLUMNS)],
        conflicts=tuple(conflict.message for conflict in made.conflicts),
        grade=None,
        log_hr=log_hr,
        rmst=rmst,
        horizon=reached,
        notes=tuple(dict.fromkeys((*given.notes, *_part_digitised(given), *made.notes, *notes))),
    )


def _summary(given: ReconstructionInput, draws: int, seed: int) -> SummaryReconstruction:
    return from_summary(
        given.summaries,
        hr=given.hr,
        hr_ci=given.hr_ci,
        hr_level=given.hr_level,
        p=given.p,
        p_relation=given.p_relation,
        total_events=given.total_events,
        compared_hr=given.compared_hr,
        draws=draws,
        seed=seed,
        hr_decimals=given.hr_decimals,
        p_decimals=given.p_decimals,
    )


def _part_digitised(given: ReconstructionInput) -> tuple[str, ...]:
    there = [arm for arm, curve in zip(given.labels, given.curves, strict=True) if curve is not None]
    return (f"only {there[0]} has a digitised curve: it is not used, so that both arms are rebuilt alike",) if there else ()  # fmt: skip


def _patients(made: SummaryReconstruction, arms: Sequence[str], first: int = 0) -> pd.DataFrame:
    frame = made.ipd
    return pd.DataFrame(
        {
            "arm": np.asarray(arms, dtype=object)[frame["arm"]],
            "draw": frame["draw"] + first,
            "time": frame["time"],
            "event": frame["event"],
        }
    )


def _from_curves(given: ReconstructionInput, method: Method, seed: int, horizon: float | None) -> Rebuilt:
    summaries = given.summaries or (None,) * len(given.arms)
    parts, tables, notes = [], [], list(given.notes)
    rebuilt: list[Reconstruction] = []
    for arm, label, digitised, printed in zip(given.arms, given.labels, given.curves, summaries, strict=True):
        assert digitised is not None
        one = reconstruct(
            digitised.curve,
            n=printed.n if printed is not None else None,
            at_risk=digitised.at_risk,
            events=printed.events if printed is not None else None,
            method=method,
        )
        rebuilt.append(one)
        parts.append(one.ipd.assign(arm=arm, draw=0)[["arm", "draw", "time", "event"]])
        notes += [f"{label}: {note}" for note in one.notes]
        tables.append(_given_rows(label, one))
        if printed is not None:
            median = math.inf if isinstance(printed.median, str) else printed.median
            found = one.against(median=median, rates=[(rate.time, rate.survival) for rate in printed.rates])
            tables.append(_printed_rows(label, found))
    grade: str = max((one.grade for one in rebuilt), key=("close", "fair", "poor").index)
    patients = pd.concat(parts, ignore_index=True)
    if len(rebuilt) == 2 and given.hr is not None:
        p = given.p if given.p_relation == "=" else None
        found, _ = against_published(rebuilt[0], rebuilt[1], hr=given.hr, hr_ci=given.hr_ci, p=p, level=given.hr_level)
        tables.append(_printed_rows(BOTH, found))
    log_hr, rmst, reached, more = _contrast(patients, given.arms, horizon, shorten=False)
    return Rebuilt(
        given=given,
        method=method,
        draws=1,
        seed=seed,
        patients=patients,
        drawn=None,
        curves=_curves(patients, given.arms),
        bands=(None,) * len(given.arms),
        agreement=pd.concat(tables, ignore_index=True),
        conflicts=(),
        grade=grade,
        log_hr=log_hr,
        rmst=rmst,
        horizon=reached,
        notes=tuple(dict.fromkeys((*notes, *more))),
    )


def _given_rows(label: str, one: Reconstruction) -> pd.DataFrame:
    """What the reconstruction was given: counts must be met, distances have no interval."""
    table = one.agreement
    distance = table["quantity"].str.contains("distance")
    met = table["difference"] == 0
    within: Any = [None if far else bool(same) for far, same in zip(distance, met, strict=True)]
    return table.assign(arm=label, low=table["given"], high=table["given"], within=within, fitted=True)[list(AGREEMENT_COLUMNS)]  # fmt: skip


def _printed_rows(label: str, found: pd.DataFrame) -> pd.DataFrame:
    """Printed figures that took no part."""
    rows = found.rename(columns={"published": "given", "reconstructed": "achieved"})
    return rows.assign(arm=label, low=math.nan, high=math.nan, within=None, fitted=False)[list(AGREEMENT_COLUMNS)]


def _curves(patients: pd.DataFrame, arms: Sequence[str]) -> tuple[KaplanMeier, ...]:
    members = [patients[patients["arm"] == arm] for arm in arms]
    return tuple(kaplan_meier(one["time"], one["event"]) for one in members)


def _contrast(
    patients: pd.DataFrame, arms: Sequence[str], horizon: float | None, *, shorten: bool
) -> tuple[Combined | None, Combined | None, float | None, tuple[str, ...]]:
    """Log hazard ratio and RMST difference over draws; the horizon; and notes."""
    if len(arms) == 1:
        return None, None, None, ()
    draws = [
        (one["time"].to_numpy(), one["event"].to_numpy(), (one["arm"] == arms[0]).to_numpy(dtype=float))
        for _, one in patients.groupby("draw", sort=True)
    ]
    ratios = [(ratio.log_hr, ratio.se) for ratio in (hazard_ratio(*one) for one in draws)]
    log_hr = _combined(ratios) if np.isfinite(ratios).all() else None
    notes = ["the rebuilt patients give no finite hazard ratio"] if log_hr is None else []
    reach = np.array([min(_reach(*one, arm) for arm in (0, 1)) for one in draws])
    enough = float(np.quantile(reach, 1 - FOLLOWED, method="lower"))
    if horizon is not None and horizon > enough:
        if not shorten:
            notes.append(f"no RMST to {horizon:g}: the rebuilt patients are followed to {enough:.4g}")
            return log_hr, None, None, tuple(notes)
        notes.append(f"RMST to {enough:.4g} and not to {horizon:g}: so far {FOLLOWED:.0%} of the draws are followed")
        horizon = enough
    kept = [one for one, last in zip(draws, reach, strict=True) if horizon is None or last >= horizon]
    if len(kept) < len(draws):
        notes.append(
            f"{len(draws) - len(kept)} of {len(draws)} draws are not followed to {horizon:.4g}, and left out of the RMST"
        )
    found = [rmst_difference(*one, horizon=horizon) for one in kept]
    return log_hr, _combined([(one.estimate, one.se) for one in found]), found[0].horizon, tuple(notes)


def _reach(time: Array, event: npt.NDArray[Any], group: npt.NDArray[Any], arm: int) -> float:
    """How far an arm's curve is known: its last time, or without end where it has fallen to 0."""
    times, events = time[group == arm], event[group == arm]
    last = float(times.max())
    return math.inf if events[times == last].all() else last


def _combined(estimates: Sequence[tuple[float, float]]) -> Combined:
    """Rubin's rules: the variance within draws, and that between them with its penalty for few draws.

    Rubin DB (1987). Multiple Imputation for Nonresponse in Surveys, eqs (3.1.2) to (3.1.6).
    """
    values, errors = np.array(estimates, dtype=float).T
    m = len(values)
    within = float(np.mean(errors**2))
    between = (1 + 1 / m) * float(np.var(values, ddof=1)) if m > 1 else 0.0
    se = math.sqrt(within + between)
    df = (m - 1) * (1 + within / between) ** 2 if between > 0 else math.inf
    half = float(stdtrit(df, 0.5 + LEVEL / 2)) * se if math.isfinite(df) else 1.959963984540054 * se
    mean = float(np.mean(values))
    share = between / (within + between) if within + between > 0 else 0.0
    return Combined(estimate=mean, se=se, ci_low=mean - half, ci_high=mean + half, level=LEVEL, share=share)


def patient_rows(rebuilt: Rebuilt) -> list[dict[str, Any]]:
    """Patients as rows: arm, draw, time, event; of every draw where there are draws, else of the one reconstruction."""
    frame = rebuilt.patients if rebuilt.drawn is None else rebuilt.drawn
    return [
        {"arm": arm, "draw": int(draw), "time": float(time), "event": int(event)}
        for arm, draw, time, event in frame.itertuples(index=False)
    ]
