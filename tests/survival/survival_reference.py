"""The survival data sets whose patients are known, with what R makes of them (tests/reference/SOURCES.md)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import settings
from hypothesis import strategies as st

FOLDER = Path(__file__).parent.parent / "reference" / "survival"
few = settings(max_examples=30, deadline=None)  # trials by hypothesis: small ones, quick to cover
Patients = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.intp]]


@cache
def dataset(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


# bonner_lrc is a published figure: nobody knows its patients
DATASETS = sorted(
    file.stem for file in FOLDER.glob("*.json") if file.stem != "formulas" and dataset(file.stem).get("ipd")
)
ARMS = [(name, arm) for name in DATASETS for arm in (0, 1)]


def patients(name: str) -> Patients:
    """Times, events and groups (1 treatment, 0 control)."""
    arms = [arm["ipd"] for arm in dataset(name)["ipd"]["arms"]]
    time = np.concatenate([arm["time"] for arm in arms]).astype(float)
    event = np.concatenate([arm["status"] for arm in arms]).astype(float)
    return time, event, np.repeat([1, 0], [len(arm["time"]) for arm in arms])


def one_arm(name: str, arm: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Times and events of the treatment (0) or the control (1)."""
    time, event, group = patients(name)
    return time[group == 1 - arm], event[group == 1 - arm]


def contrast(name: str) -> dict[str, Any]:
    return dataset(name)["truth"]["contrast"]


def worked_example() -> dict[str, Any]:
    """The small data set with ties of formulas.json."""
    return formula("h_km_small_worked")


def formula(identifier: str) -> dict[str, Any]:
    items = json.loads((FOLDER / "formulas.json").read_text(encoding="utf-8"))["items"]
    return next(item for item in items if item["id"] == identifier)


def numbers(values: Any) -> npt.NDArray[np.float64]:
    """null as NaN."""
    return np.array(
        [np.nan if value is None else value for value in np.atleast_1d(np.array(values, dtype=object))], float
    )


@st.composite
def trials(draw: st.DrawFn, *, least: int = 6, most: int = 40) -> Patients:
    """Two arms, ties on purpose, at least two events in each."""
    n = draw(st.integers(least, most))
    time = np.array(draw(st.lists(st.integers(1, 12), min_size=n, max_size=n)), dtype=float)
    event = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=float)
    group = np.arange(n) % 2
    for arm in (0, 1):
        event[np.flatnonzero(group == arm)[:2]] = 1
    return time, event, group
