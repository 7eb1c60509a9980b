"""Pseudo patients from reported numbers alone: medians, rates, counts and a hazard ratio, without a curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from metasyn.pooling.arrays import Array, check_code, check_level
from metasyn.survival.summary_agreement import agreement
from metasyn.survival.summary_arithmetic import impossible
from metasyn.survival.summary_conflicts import Conflict, misfits
from metasyn.survival.summary_figures import Contrast, arm_name, figures
from metasyn.survival.summary_input import ArmSummary
from metasyn.survival.summary_model import grid_of
from metasyn.survival.summary_patients import patients
from metasyn.survival.summary_posterior import draw, posterior, typical

RELATIONS = ("=", "<", "<=", ">", ">=")
TRANSFORMS = ("log-log", "log", "plain")
REDRAWN = 6  # times that draws whose patients are followed too briefly are drawn anew
SHAPE_KINDS = ("survival", "band", "spread")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SummaryReconstruction:
    """Pseudo patients that would have printed the reported numbers.

    Notes
    -----
    With `draws=1` the patients follow one curve per arm, the typical one. With more, each draw is a set of patients
    from the posterior: an analysis is done on each, and its results combined (Rubin's rules), so that what is not
    known widens the interval. Conflicting figures are fitted all the same; `conflicts` says which not to believe.
    """

    ipd: pd.DataFrame  # arm (0 treatment, 1 control), label, draw, time, event; n rows for each arm and draw
    conflicts: tuple[Conflict, ...]
    agreement: (
        pd.DataFrame
    )  # arm, quantity, given, low, high, achieved, difference, within; achieved: median over draws
    n: tuple[int, ...]
    draws: int
    horizon: float  # where those still followed are censored
    last_reported_time: float  # of the curves; beyond it they are the prior's, and what counts and hazard ratio imply
    arms: tuple[str, ...]
    notes: tuple[str, ...]


def from_summary(
    arms: Sequence[ArmSummary],
    *,
    hr: float | None = None,
    hr_ci: tuple[float, float] | None = None,
    hr_level: float = 0.95,
    p: float | None = None,
    p_relation: str = "=",
    total_events: int | None = None,
    accrual: float | None = None,
    ci_transform: str | None = None,
    compared_hr: float | None = None,
    draws: int = 1,
    seed: int | np.random.Generator = 0,
    hr_decimals: int | None = None,
    p_decimals: int | None = None,
) -> SummaryReconstruction:
    """Reconstruct patients from the reported numbers of one analysis set.

    The cumulative hazards of event and censoring of the trial's own Kaplan-Meier curves are latent, cell by cell: a smooth
    Gaussian process common to the arms, another for the log hazard ratio, and the roughness of a sample of n. Every
    printed number is a statement about them, as precise as it was printed; all are fitted jointly. See
    docs/methods/summary-reconstruction.md.

    Parameters
    ----------
    arms : sequence of ArmSummary
        One arm, or treatment and control in this order; all of one analysis set.
    hr, hr_ci : float, (low, high), optional
        Marginal hazard ratio, treatment to control, of these patients by an unadjusted Cox model. An adjusted, weighted
        or time-dependent one is no function of these curves: give it as `compared_hr`.
    hr_level : float
        Coverage of `hr_ci`.
    p, p_relation : float, {"=", "<", "<=", ">", ">="}
        Two-sided p of the log-rank test.
    total_events : int, optional
        Events of both arms together.
    accrual : float, optional
        Duration of accrual, in the unit of the other times.
    ci_transform : {"log-log", "log", "plain"}, optional
        Scale of the intervals of rates and medians. Without it, that in the middle of which the rates lie, if one is.
    compared_hr : float, optional
        A hazard ratio that is compared in `agreement` and never fitted.
    draws : int
        1: the typical reconstruction. More: that many draws from the posterior.
    seed : int or Generator
        Of the draws.
    hr_decimals, p_decimals : int, optional
        Decimals to which they were printed; without them those that the numbers show.

    Raises
    ------
    ValueError
        If a value cannot be what it is said to be, or nothing says how survival falls. Numbers that contradict each
        other raise nothing: they are in `conflicts`.

    References
    ----------
    Oliver DS, He N, Reynolds AC (1996). Conditioning permeability fields to pressure data. ECMOR V. Bardsley JM, Solonen A,
    Haario H, Laine M (2014). SIAM Journal on Scientific Computing 36:A1895-910 (randomise, then optimise).
    """
    listed = _check_arms(arms)
    contrast = _check_contrast(listed, hr, hr_ci, hr_level, p, p_relation, total_events, hr_decimals, p_decimals)
    _check_shape(listed, contrast.hr is not None or contrast.hr_ci is not None)
    if ci_transform is not None:
        check_code("ci_transform", ci_transform, TRANSFORMS)
    accrual = _positive("accrual", accrual)
    compared_hr = _positive("compared_hr", compared_hr)
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
        raise ValueError(f"draws is not a whole number of at least 1 ({draws!r})")
    rng = np.random.default_rng(seed)
    found = figures(listed, contrast, ci_transform)
    n = np.array([arm.n for arm in listed], dtype=float)
    grid = grid_of(listed, found, accrual)
    post = posterior(found, grid, n)
    counted = [arm.events for arm in listed]
    if draws == 1:
        made = patients(typical(post), grid, n, counted, contrast.total_events)
    else:
        until = np.array([_printed_until(arm) for arm in listed])
        made = _followed(
            lambda number: patients(draw(post, number, rng), grid, n, counted, contrast.total_events, rng),
            int(draws),
            until,
        )
    names = tuple(arm_name(listed, index) for index in range(len(listed)))
    arithmetic = impossible(listed, contrast)
    accused = {conflict.figures[0] for conflict in arithmetic} | {c.figures[-1] for c in arithmetic}
    joint = [conflict for conflict in misfits(post) if conflict.figures[0] not in accused]
    return SummaryReconstruction(
        ipd=_frame(made, names),
        conflicts=(*arithmetic, *joint),
        agreement=agreement(listed, contrast, made, ci_transform, compared_hr),
        n=tuple(arm.n for arm in listed),
        draws=int(draws),
        horizon=float(grid.edges[-1]),
        last_reported_time=max((f.time for f in found if f.kind in SHAPE_KINDS and math.isfinite(f.time)), default=0.0),
        arms=names,
        notes=_notes(listed, contrast, bool(arithmetic or joint)),
    )


def _printed_until(arm: ArmSummary) -> float:
    """The last time at which a curve was read: somebody was at risk there."""
    median = arm.median if isinstance(arm.median, int | float) and math.isfinite(arm.median) else 0.0
    return max([float(median), *(float(rate.time) for rate in arm.rates)])


def _followed(make: Callable[[int], list[tuple[Array, Array]]], draws: int, until: Array) -> list[tuple[Array, Array]]:
    """Draws in which every arm still has somebody at risk at its last printed time; others are drawn anew, a few times."""
    made = make(draws)
    for _ in range(REDRAWN):
        short = np.any([time[:, -1] < limit * (1 - 1e-9) for (time, _), limit in zip(made, until, strict=True)], axis=0)
        if not short.any():
            break
        again = make(int(short.sum()))
        for (time, event), (new_time, new_event) in zip(made, again, strict=True):
            time[short], event[short] = new_time, new_event
    return made


def _check_arms(arms: Any) -> list[ArmSummary]:
    if isinstance(arms, ArmSummary):
        arms = [arms]
    if not hasattr(arms, "__iter__"):
        raise ValueError(f"arms is not a sequence of ArmSummary ({arms!r})")
    listed = list(arms)
    if len(listed) not in (1, 2):
        raise ValueError(f"arms has {len(listed)} entries; accepted: one arm, or treatment and control")
    for index, arm in enumerate(listed):
        if not isinstance(arm, ArmSummary):
            raise ValueError(f"arms[{index}] is not an ArmSummary ({arm!r})")
    return listed


def _check_shape(arms: list[ArmSummary], compared: bool) -> None:
    """Something must say how survival falls: of each arm, or of one with a hazard ratio that leads to the other."""
    shaped = [
        bool(arm.rates)
        or isinstance(arm.median, float)
        or any(limit is not None for limit in arm.median_ci or ())
        or (arm.events is not None and arm.follow_up is not None)
        for arm in arms
    ]
    for index, arm in enumerate(arms):
        if not shaped[index] and not (compared and any(shaped)) and not (arm.median is not None and any(shaped)):
            raise ValueError(
                f"{arm_name(arms, index)}: nothing says how survival falls; needed: a median, a limit of it, a rate, or "
                "events with a median follow-up (or a hazard ratio to an arm that has one of these)"
            )


def _check_contrast(
    arms: list[ArmSummary],
    hr: Any,
    hr_ci: Any,
    level: float,
    p: Any,
    relation: str,
    total: Any,
    hr_decimals: int | None,
    p_decimals: int | None,
) -> Contrast:
    hr = _positive("hr", hr)
    limits = _check_interval(hr_ci)
    check_level(level)
    check_code("p_relation", relation, RELATIONS)
    if len(arms) == 1 and (hr is not None or limits is not None or p is not None):
        raise ValueError("hr, hr_ci and p compare two arms; one was given")
    if p is not None and (isinstance(p, bool) or not isinstance(p, int | float | np.number) or not 0 <= p <= 1):
        raise ValueError(f"p is not a probability from 0 to 1 ({p!r})")
    if p == 0:
        raise ValueError('p is 0; accepted: the bound it was printed with, p=0.001, p_relation="<"')
    if total is not None:
        n = sum(arm.n for arm in arms)
        if isinstance(total, bool) or not isinstance(total, int | float | np.number) or total != int(total):
            raise ValueError(f"total_events is not a whole number ({total!r})")
        if not 0 <= total <= n:
            raise ValueError(f"total_events is not from 0 to the number of patients ({total} of {n})")
        total = int(total)
    return Contrast(
        hr=hr,
        hr_ci=limits,
        level=level,
        p=None if p is None else float(p),
        p_relation=relation,
        total_events=total,
        hr_decimals=hr_decimals,
        p_decimals=p_decimals,
    )


def _positive(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | np.number)
        or not math.isfinite(value)
        or value <= 0
    ):
        raise ValueError(f"{name} is not a number above 0 ({value!r})")
    return float(value)


def _check_interval(limits: Any) -> tuple[float, float] | None:
    if limits is None or (hasattr(limits, "__len__") and len(limits) == 0):
        return None
    if isinstance(limits, str) or not hasattr(limits, "__len__") or len(limits) != 2:
        raise ValueError(f"hr_ci is not a pair ({limits!r}); accepted: (low, high)")
    low, high = (_positive("hr_ci", limit) for limit in limits)
    if low is None or high is None:
        raise ValueError(f"hr_ci lacks a limit ({limits!r}); accepted: (low, high)")
    if low >= high:
        raise ValueError(f"hr_ci has its lower limit not below its upper one ({low:g}, {high:g})")
    return low, high


def _frame(made: list[tuple[Any, Any]], names: tuple[str, ...]) -> pd.DataFrame:
    parts = []
    for arm, (time, event) in enumerate(made):
        draws, n = time.shape
        parts.append(
            pd.DataFrame(
                {
                    "arm": np.full(draws * n, arm),
                    "label": np.full(draws * n, names[arm]),
                    "draw": np.repeat(np.arange(draws), n),
                    "time": time.ravel(),
                    "event": event.ravel().astype(int),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _notes(arms: list[ArmSummary], contrast: Contrast, conflicting: bool) -> tuple[str, ...]:
    notes = []
    if conflicting:
        notes.append("figures contradict each other (see conflicts): the reconstruction meets none of those well")
    if all(arm.follow_up is None for arm in arms):
        notes.append("no median follow-up: how long patients were followed is supposed from the reported times")
    if contrast.total_events is None and any(arm.events is None for arm in arms) and contrast.hr_ci is None:
        notes.append("neither events nor an interval of the hazard ratio: the number of events is supposed")
    if len(arms) == 2 and contrast.hr is None and contrast.hr_ci is None:
        notes.append("no hazard ratio: the arms are tied by the prior alone")
    return tuple(notes)
