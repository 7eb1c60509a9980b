"""Figures of the sequential boundaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from metasyn.reports.building.drawing import Drawing
from metasyn.reports.sequential_section import SequentialResult


def sequential_figures(results: Sequence[SequentialResult]) -> Iterator[Drawing]:
    """For each result with boundaries, its cumulative z against information."""
    for one in results:
        if one.analysis is not None:
            title = f"{one.label}: cumulative evidence and its boundaries"
            yield Drawing(one.figure, title, _sequential, (one.analysis, one.measure, one.better))


def _sequential(analysis: Any, measure: str, better: str | None) -> Any:
    from metasyn.plots.sequential import sequential

    return sequential(analysis, measure=measure, better=better).figure
