"""Events and patients per arm: as printed, or from a percentage where it fits a whole number of patients."""

from __future__ import annotations

import math
from dataclasses import dataclass

from metasyn.records.figures import AdverseEvent, Response
from metasyn.records.printed import Printed
from metasyn.records.study import Study


@dataclass(frozen=True, slots=True)
class Count:
    """Events of n in one arm, or the reason why there is no such number."""

    events: int | None
    n: int | None
    how: str
    lowest: int | None = None  # where rounding of a percentage leaves several counts
    highest: int | None = None


def patients(study: Study, arm: str, set_name: str, printed: int | None) -> int | None:
    """Patients behind a row: its own n, else the set's, else the arm's where the set is all of the arm."""
    if printed is not None:
        return printed
    analysis_set = study.sets[set_name]
    if arm in analysis_set.n:
        return analysis_set.n[arm]
    narrowed = analysis_set.population or analysis_set.conditioning or analysis_set.landmark or analysis_set.n
    whole = analysis_set.method in ("rct", "none") and analysis_set.analysis in ("itt", None) and not narrowed
    return study.arms[arm].n if whole and arm in study.arms else None


def whole_counts(percent: Printed, n: int) -> list[int]:
    """Every count of n whose percentage rounds to the printed one (the GRIM idea: Brown and Heathers 2017)."""
    low, high = percent.rounding()
    first, last = math.ceil(low * n / 100 - 1e-9), math.floor(high * n / 100 + 1e-9)
    return list(range(max(0, first), min(n, last) + 1))


def count_of(study: Study, row: Response | AdverseEvent) -> Count:
    """Events and patients of a response or an adverse event."""
    n = patients(study, row.arm, row.set, row.n if row.n is not None else row.__dict__.get("denominator"))
    if isinstance(row, AdverseEvent) and row.structural_zero:
        return Count(None, n, "a structural zero: the event cannot occur in this arm")
    if not n:
        return Count(None, n, "not derivable: the number of patients is not printed")
    if row.events is not None:
        if row.events > n:
            return Count(None, n, f"not usable: {row.events} events in {n} patients")
        return Count(row.events, n, "events as printed")
    if row.percent is None or not row.percent.exact:
        return Count(None, n, "not derivable: neither events nor a percentage is printed")
    fitting = whole_counts(row.percent, n)
    if not fitting:
        return Count(
            None,
            n,
            f"not derivable: {row.percent}% of {n} is no whole number of patients, so the denominator is another one",
        )
    value = row.percent.value
    assert value is not None
    nearest = min(fitting, key=lambda count: abs(100 * count / n - value))
    if len(fitting) == 1:
        return Count(nearest, n, f"events from {row.percent}% of {n}")
    how = f"events from {row.percent}% of {n} (rounding allows {fitting[0]} to {fitting[-1]})"
    return Count(nearest, n, how, fitting[0], fitting[-1])
