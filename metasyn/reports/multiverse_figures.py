"""Figures of the section on choices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from metasyn.pooling.multiverse import Multiverse
from metasyn.reports.building.drawing import Drawing
from metasyn.reports.multiverse_section import MultiverseResult


def multiverse_figures(results: Sequence[MultiverseResult]) -> Iterator[Drawing]:
    """For every stratum that was crossed, its specification curve."""
    for one in results:
        if one.crossed is not None:
            yield Drawing(one.figure, f"{one.label}: specification curve", _curve, (one.crossed, one.measure))


def _curve(crossed: Multiverse, measure: str) -> Any:
    from metasyn.plots.specification_curve import specification_curve

    return specification_curve(crossed, measure=measure).figure
