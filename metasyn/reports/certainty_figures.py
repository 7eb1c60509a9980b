"""Figures of the section on certainty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metasyn.reports.building.drawing import Drawing
from metasyn.reports.certainty_section import CertaintySection


def certainty_figures(section: CertaintySection | None) -> Iterator[Drawing]:
    """For each pool of studies that are not all randomised, the bias that would explain it away."""
    for row in section.rows if section is not None else ():
        if row.bias_curve is not None:
            title = f"{row.label}: bias that would explain the pool away"
            yield Drawing(row.figure, title, _bias_needed, (row.bias_curve, row.bias[0]))


def _bias_needed(curve: Any, bias: Any) -> Any:
    from metasyn.plots import bias_needed

    return bias_needed(curve, bias).figure
