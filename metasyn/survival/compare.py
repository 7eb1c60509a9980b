"""Two arms compared in every way that this package knows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metasyn.pooling.arrays import Array, check_level
from metasyn.survival.cox import HazardRatio, hazard_ratio
from metasyn.survival.kaplan_meier import Flags, KaplanMeier, check_patients, check_two_arms, kaplan_meier
from metasyn.survival.landmark import LandmarkDifferences, compare_at
from metasyn.survival.log_rank import COMBINED, LogRank, MaxCombo, log_rank, max_combo
from metasyn.survival.proportional_hazards import ProportionalHazards, proportional_hazards
from metasyn.survival.rmst import RmstDifference, rmst_difference

DOUBT = 0.05  # p of the test of proportional hazards below which the notes say what the hazard ratio then is


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Survival of treatment and comparator: curves, medians, ratios, differences and tests."""

    arms: tuple[str, str]
    n: tuple[int, int]
    events: tuple[int, int]
    treatment: KaplanMeier  # log-log intervals
    comparator: KaplanMeier
    medians: pd.DataFrame  # arm, median, limits by log-log and by log, median_follow_up; NaN: not reached
    hazard_ratio: HazardRatio
    log_rank: LogRank
    weighted: tuple[LogRank, ...]  # FH(0,1), FH(1,0), FH(1,1)
    max_combo: MaxCombo | None  # None: no event while both arms were at risk
    proportional_hazards: ProportionalHazards  # on the Kaplan-Meier scale of time
    rmst: RmstDifference
    landmarks: LandmarkDifferences | None  # None: none asked for
    level: float
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The comparison in lines."""
        ratio, test, rmst = self.hazard_ratio, self.proportional_hazards.global_test, self.rmst
        shown = self.medians[["median", "ci_low_log_log", "ci_high_log_log"]].to_numpy(dtype=float)
        lines = [
            *(
                f"{arm}: {events} events in {n}, median {_shown(median)} "
                f"({100 * self.level:g}% CI {_shown(low)} to {_shown(high)})"
                for arm, n, events, (median, low, high) in zip(self.arms, self.n, self.events, shown, strict=True)
            ),
            f"{ratio.summary()}, p {_p(ratio.p_value)}" + (f", {ratio.strata} strata" if ratio.strata > 1 else ""),
            f"log-rank p {_p(self.log_rank.p_value)}"
            + (f", MaxCombo p {_p(self.max_combo.p_value)}" if self.max_combo else ""),
            f"proportional hazards p {_p(test.p_value)}",
            f"{rmst.summary()}, p {_p(rmst.p_value)}; ratio {rmst.ratio:.2f} "
            f"({rmst.ratio_ci_low:.2f} to {rmst.ratio_ci_high:.2f})",
        ]
        if self.landmarks is not None:
            lines.append(self.landmarks.summary())
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def compare(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: Any,
    *,
    treatment: Any = None,
    strata: Any = None,
    horizon: float | None = None,
    landmarks: npt.ArrayLike = (),
    level: float = 0.95,
) -> Comparison:
    """Compare the survival of two arms.

    Parameters
    ----------
    time, event : array, shape (n,)
        Follow-up, not negative; 1 event, 0 censored. For the `ipd` of a reconstruction: `ipd["time"]`, `ipd["event"]`.
    group : array, shape (n,)
        0 and 1 (1 is the treatment), or two labels.
    treatment : label, optional
        Which label is the treatment; needed unless groups are 0 and 1.
    strata : array, shape (n,), optional
        Labels. Hazard ratio, tests of equality and of proportional hazards are stratified; curves, medians, RMST and
        landmarks are of the arms as a whole (said in the notes).
    horizon : float, optional
        Of the restricted mean survival time; chosen as in `rmst_difference` where none is given.
    landmarks : array, shape (q,), optional
        Times at which survival is compared.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        For bad patients, groups, strata, times or level, or a horizon beyond an arm's data.
    """
    check_level(level)
    times, events = check_patients(time, event)
    treated, arms = check_two_arms(group, times.size, treatment)
    who: dict[str, Any] = {"group": group, "treatment": treatment}
    first, second = (kaplan_meier(times[arm], events[arm], level=level) for arm in (treated, ~treated))
    tests = [log_rank(times, events, **who, strata=strata, rho=rho, gamma=gamma) for rho, gamma in COMBINED]
    ratio = hazard_ratio(times, events, **who, strata=strata, level=level)
    proportional = proportional_hazards(times, events, treated.astype(float), names=("treatment",), strata=strata)
    restricted = rmst_difference(times, events, **who, horizon=horizon, level=level)
    at = np.atleast_1d(np.asarray(landmarks, dtype=float))
    rates = compare_at(first, second, at, arms=arms, level=level) if at.size else None
    return Comparison(
        arms=arms,
        n=(first.n, second.n),
        events=(first.events_total, second.events_total),
        treatment=first,
        comparator=second,
        medians=_medians(times, events, treated, arms, level),
        hazard_ratio=ratio,
        log_rank=tests[0],
        weighted=tuple(tests[1:]),
        max_combo=max_combo(times, events, **who, strata=strata) if tests[0].df else None,
        proportional_hazards=proportional,
        rmst=restricted,
        landmarks=rates,
        level=level,
        notes=_notes(ratio, tests[0], proportional, restricted, rates, stratified=strata is not None),
    )


def _medians(time: Array, event: Flags, treated: Flags, arms: tuple[str, str], level: float) -> pd.DataFrame:
    table = []
    for arm, members in zip(arms, (treated, ~treated), strict=True):
        double_log, log = (
            kaplan_meier(time[members], event[members], level=level, transform=transform)
            for transform in ("log-log", "log")
        )
        table.append((arm, log.median, *double_log.median_ci, *log.median_ci, log.median_follow_up))
    limits = ["ci_low_log_log", "ci_high_log_log", "ci_low_log", "ci_high_log"]
    return pd.DataFrame(table, columns=["arm", "median", *limits, "median_follow_up"])


def _notes(
    ratio: HazardRatio,
    test: LogRank,
    proportional: ProportionalHazards,
    restricted: RmstDifference,
    rates: LandmarkDifferences | None,
    *,
    stratified: bool,
) -> tuple[str, ...]:
    notes: list[str] = []
    p_value = proportional.global_test.p_value
    if p_value < DOUBT:
        notes.append(
            f"hazards are not proportional (score test p {_p(p_value)}): the hazard ratio is an average that depends on "
            "how long and how completely patients were followed; look at the RMST difference and at landmark survival"
        )
    if stratified:
        notes.append("curves, medians, RMST and landmarks are not stratified")
    rest = (*ratio.notes, *test.notes, *proportional.notes, *restricted.notes, *(rates.notes if rates else ()))
    return tuple(dict.fromkeys((*notes, *rest)))


def _shown(time: float) -> str:
    return "not reached" if math.isnan(time) else f"{time:.4g}"


def _p(p_value: float) -> str:
    if math.isnan(p_value):
        return "not known"
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"
