"""Reading the reference networks (tests/reference/SOURCES.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

CONTENT = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted((Path(__file__).parent.parent / "reference" / "network").glob("*.json"))
}


def network(name: str, studies: list[str] | None = None) -> pd.DataFrame:
    """The contrasts of a network as `fit_network` takes them, without those that R could not compute."""
    data = CONTENT[name]["data"]
    frame = pd.DataFrame(
        {
            "study": data["study"],
            "treatment": data["treat1"],
            "comparator": data["treat2"],
            "effect": np.array(data["TE"], dtype=float),
            "se": np.array(data["seTE"], dtype=float),
        }
    ).dropna()
    return frame if studies is None else frame[frame["study"].isin(studies)]


def cases(*names: str) -> list[Any]:
    """(name of the network, case) of the cases with one of the names."""
    return [
        pytest.param(name, case, id=f"{name}: {case['name']}")
        for name, content in CONTENT.items()
        for case in content["cases"]
        if case["name"] in names
    ]


def below(frame: pd.DataFrame, expected: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Entries below the diagonal, of a frame and of the expected triangle in its order of treatments."""
    order, rows, columns = expected["treatments"], *np.tril_indices(len(expected["treatments"]), -1)
    values = np.array([value for row in expected["below"] for value in row], dtype=float)
    return frame.loc[order, order].to_numpy()[rows, columns], values


def close(got: Any, expected: Any, scale: Any, *, tol: float = 1e-8) -> bool:
    """|a - b| <= tol (|b| + scale) at every place where the reference has a number; the scale is a standard error."""
    a, b = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    assert a.shape == b.shape
    there = np.isfinite(b)
    assert there.any()
    assert np.isfinite(a[there]).all()
    bound = tol * (np.abs(b) + np.broadcast_to(np.asarray(scale, dtype=float), b.shape))
    return bool((np.abs(a - b)[there] <= bound[there]).all())
