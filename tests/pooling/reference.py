"""Reading the reference cases of pairwise synthesis (tests/reference/SOURCES.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

FILES = sorted((Path(__file__).parent.parent / "reference" / "pooling").glob("*.json"))


def cases(*analyses: str) -> list[Any]:
    """Cases of some analyses: (data, case), the effects of the case's measure in the data's yi and vi."""
    found = []
    for file in FILES:
        content = json.loads(file.read_text(encoding="utf-8"))
        data_of = effects_by_measure(content)
        for case in content["cases"]:
            if case["call"]["analysis"] in analyses and case["call"].get("measure") in data_of:
                found.append(pytest.param(data_of[case["call"]["measure"]], case, id=f"{file.stem}: {case['name']}"))
    return found


def effects_by_measure(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The data of a file for each measure that it has effects of: as given for the first, for others as escalc made them."""
    measures = [case["call"].get("measure") for case in content["cases"] if case["call"]["analysis"] == "pool"]
    made = {
        case["call"]["measure"]: content["data"] | {name: case["expected"][name] for name in ("yi", "vi")}
        for case in content["cases"]
        if case["name"] == f"escalc {case['call'].get('measure')}"
    }
    given = {measure: content["data"] for measure in (*measures[:1], "GEN") if "yi" in content["data"]}
    return made | given


def studies(
    data: dict[str, list[Any]], columns: list[str] | None = None
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Effects, standard errors and columns, rows with a gap left out as R leaves them out."""
    y, v = np.array(data["yi"], dtype=float), np.array(data["vi"], dtype=float)
    frame = pd.DataFrame({name: data[name] for name in columns or []}, index=range(y.size))
    present = np.isfinite(y) & np.isfinite(v) & frame.notna().all(axis=1).to_numpy()
    return y[present], np.sqrt(v[present]), frame[present].reset_index(drop=True)


def close(got: Any, expected: Any, se: np.ndarray, rtol: float = 1e-8, atol: float = 1e-8) -> bool:
    """|a - b| <= rtol |b| + atol se at every place where the reference has a number."""
    a = np.atleast_1d(np.asarray(got, dtype=float))
    b = np.array(
        [np.nan if value is None else value for value in np.atleast_1d(np.asarray(expected, dtype=object))], dtype=float
    )
    there = np.isfinite(b)
    assert a.shape == b.shape
    return bool((np.abs(a - b)[there] <= rtol * np.abs(b)[there] + atol * float(np.median(se))).all())
