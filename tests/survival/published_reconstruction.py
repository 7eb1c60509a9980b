"""The clicked curves whose patients are known, rebuilt by a published algorithm, beside the errors of IPDfromKM."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from survival_reference import DATASETS, dataset, one_arm

from metasyn.survival.cox import hazard_ratio

Column = npt.NDArray[np.float64]
Method = Callable[..., tuple[Column, Column]]
GRADES = ("vector", "good", "coarse")
VARIANTS = ("risk_events", "risk", "events", "none")


def curve(name: str, grade: str, arm: int) -> tuple[Column, Column]:
    """The clicks, sorted by time; of two at one time the one clicked first comes first."""
    clicks = dataset(name)["clicks"][grade]["arms"][arm]
    time, survival = np.array(clicks["time"], float), np.array(clicks["survival"], float)
    order = np.argsort(time, kind="stable")
    return time[order], survival[order]


@cache
def rebuilt(
    method: Method, name: str, grade: str, variant: str, arm: int, *, unit: float = 1.0
) -> tuple[Column, Column]:
    time, survival = curve(name, grade, arm)
    given = dataset(name)["arms"][arm]
    known: dict[str, Any] = {"events": given["events"] if "events" in variant else None}
    if "risk" in variant:
        known["at_risk_time"] = unit * np.array(given["at_risk"]["time"], float)
        known["at_risk_n"] = np.array(given["at_risk"]["n"], float)
    return method(unit * time, survival, n=given["n"], **known)


def accuracies(method: Method, grade: str, variant: str) -> tuple[Column, Column]:
    """Errors of log hazard ratio, events and survival, a row per data set: ours and IPDfromKM's."""
    ours, peers = [], []
    for name in DATASETS:
        peer = dataset(name)["peer"][f"{grade}__{variant}"]["accuracy"]
        peers.append([peer["log_hr_error"], peer["events_diff"], peer["max_abs_s"]])
        arms = [rebuilt(method, name, grade, variant, arm) for arm in (0, 1)]
        true = [one_arm(name, arm) for arm in (0, 1)]
        time, event = (np.concatenate(column) for column in zip(*arms, strict=True))
        group = np.repeat([1, 0], [arms[0][0].size, arms[1][0].size])
        log_hr = hazard_ratio(time, event, group, treatment=1).log_hr
        ours.append(
            [
                abs(log_hr - dataset(name)["truth"]["contrast"]["log_hr"]),
                max(abs(got[1].sum() - truth[1].sum()) for got, truth in zip(arms, true, strict=True)),
                max(_distance(got, truth) for got, truth in zip(arms, true, strict=True)),
            ]
        )
    return np.array(ours, float), np.array(peers, float)


def _distance(got: tuple[Column, Column], true: tuple[Column, Column]) -> float:
    """The largest difference of the curves at 400 times, evenly over the arm's follow-up; carried forward after the last."""
    moments = true[0].max() * (np.arange(400) + 0.5) / 400
    return float(np.abs(_survival(*got, moments) - _survival(*true, moments)).max())


def _survival(time: Column, event: Column, moments: Column) -> Column:
    times, place = np.unique(time, return_inverse=True)
    at_risk = time.size - np.searchsorted(np.sort(time), times)
    steps = np.cumprod(1 - np.bincount(place, event) / at_risk)
    return np.append(1.0, steps)[np.searchsorted(times, moments, side="right")]
