"""Figures of the section on certainty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metasyn.reports.certainty_section import CertaintySection


def certainty_figures(section: CertaintySection | None) -> Iterator[tuple[str, str, Any]]:
    """Name, title and figure: for each pool of studies that are not all randomised, the bias that would explain it away."""
    from metasyn.plots import bias_needed

    for row in section.rows if section is not None else ():
        if row.bias_curve is not None:
            yield (
                row.figure,
                f"{row.label}: bias that would explain the pool away",
                bias_needed(row.bias_curve, row.bias[0]).figure,
            )
