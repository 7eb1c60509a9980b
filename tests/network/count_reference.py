"""Reading the reference networks of counts (tests/reference/SOURCES.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

COUNTS = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted((Path(__file__).parent.parent / "reference" / "network" / "counts").glob("*.json"))
}


def arms(name: str) -> pd.DataFrame:
    """The arms of a network as `fit_network_counts` takes them."""
    return pd.DataFrame(COUNTS[name]["arms"]).rename(columns={"treat": "treatment", "event": "events"})


def count_cases(*names: str) -> list[Any]:
    """(name of the network, expected) of the cases with one of the names."""
    return [
        pytest.param(name, case["expected"], id=f"{name}: {case['name']}")
        for name, content in COUNTS.items()
        for case in content["cases"]
        if case["name"] in names
    ]


def expected_of(name: str, case: str) -> dict[str, Any]:
    """What R gave for one case of one network."""
    (found,) = (each["expected"] for each in COUNTS[name]["cases"] if each["name"] == case)
    return found


def matrix(frame: pd.DataFrame, expected: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Entries off the diagonal, of a frame and of an expected matrix in its order."""
    assert sorted(frame.index) == sorted(expected["rows"])
    values = np.array(expected["values"], dtype=float)
    off = ~np.eye(len(values), dtype=bool)
    return frame.loc[expected["rows"], expected["cols"]].to_numpy()[off], values[off]


def column(values: list[Any]) -> np.ndarray:
    """Numbers with NaN for R's NA."""
    return np.array([np.nan if value is None else value for value in values], dtype=float)
