"""Networks for figures: those of the reference files, and invented ones with long names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

LONG = "base + drug {0} > {{base + drug {0} + device}} > consolidation: drug {0}"


def contrasts(name: str, *, long: bool = False) -> pd.DataFrame:
    """Contrasts of a reference network; with `long` each treatment has a name of several phases."""
    file = Path(__file__).parent.parent / "reference" / "network" / f"{name}.json"
    data = json.loads(file.read_text(encoding="utf-8"))["data"]
    columns = {"study": "study", "treatment": "treat1", "comparator": "treat2", "effect": "TE", "se": "seTE"}
    frame = pd.DataFrame({ours: data[theirs] for ours, theirs in columns.items()})
    frame[["effect", "se"]] = frame[["effect", "se"]].astype(float)
    if long:
        frame[["treatment", "comparator"]] = frame[["treatment", "comparator"]].map(LONG.format)
    return frame.dropna()


def long_name(i: int) -> str:
    """One of four kinds of names, a phase or more."""
    a, b = f"{i}", f"{(7 * i + 3) % 26}"
    return (
        f"base + drug {a} > {{base + drug {a} + device}} > consolidation: drug {b}",
        f"base + drug {a}",
        f"usual care {a} followed by a device on all of the lower parts",
        f"base + drug {a} > maintenance: drug {b} + drug {a}",
    )[i % 4]


def strategies(n: int, parts: int = 1, name: Any = long_name) -> nx.Graph:
    """An invented network: of each part a tree with some loops, and a trial of three arms where it has three nodes."""
    rng = np.random.default_rng(n)
    graph = nx.Graph(multi_arm=[])
    for i in range(n):
        graph.add_node(i, label=name(i), patients=None if i % 5 == 4 else int(rng.integers(40, 2500)))

    def join(a: int, b: int) -> None:
        k = int(rng.integers(1, 7))
        low = int(rng.integers(1, k + 1))
        serious = int(rng.integers(0, k - low + 1))
        graph.add_edge(
            int(a),
            int(b),
            studies=k,
            patients=int(rng.integers(50, 4000)),
            risk_of_bias={"low": low, "serious": serious},
            designs=["rct"] if rng.random() < 0.7 else ["retrospective-cohort"],
        )

    for group in np.array_split(np.arange(n), parts):
        for j in range(1, len(group)):
            join(group[j], group[rng.integers(0, j)])
        for _ in range(len(group) // 2 if len(group) > 2 else 0):
            join(*rng.choice(group, 2, replace=False))
        if len(group) > 2:
            for a, b in ((0, 1), (0, 2), (1, 2)):
                join(group[a], group[b])
            graph.graph["multi_arm"].append(tuple(int(node) for node in group[:3]))
    return graph
