"""One arm's rows of a record as an ArmSummary: percent as proportions with their decimals, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from metasyn.records.figures import Contrast, Survival
from metasyn.records.printed import Printed
from metasyn.records.study import Study
from metasyn.survival.summary_input import ArmSummary

REVERSE = re.compile(r"reverse|inverse|kaplan|potential", re.IGNORECASE)  # words for follow-up by reverse Kaplan-Meier


def follow_up_of(study: Study, cutoff: str | None, notes: list[str]) -> float | None:
    """Median follow-up by reverse Kaplan-Meier; any other is no statement about who was censored when."""
    entry = study.cutoffs.get(cutoff) if cutoff is not None else None
    value = entry.median_follow_up if entry is not None else None
    if entry is None or value is None or not value.exact:
        return None
    if entry.follow_up_method is not None and REVERSE.search(entry.follow_up_method):
        return value_of(value)
    how = f"it is of {entry.follow_up_method}" if entry.follow_up_method else "how it was computed is unsaid"
    notes.append(f"median follow-up of {value} {study.time_unit} is not used: {how}, and only one by reverse Kaplan-Meier says when patients were censored")  # fmt: skip
    return None


def arm_summary(
    study: Study, arm: str, set_name: str, rows: Sequence[Survival], contrasts: Sequence[Contrast],
    follow_up: float | None, notes: list[str],
) -> ArmSummary:  # fmt: skip
    """One arm's rows together; ValueError says what is missing or cannot be."""
    label = study.arms[arm].label
    n = _patients(study, arm, set_name, rows, contrasts, notes)
    if n is None:
        together = study.sets[set_name].n.get("all")
        more = f" ({together} in all arms together)" if together is not None else ""
        raise ValueError(f"the number of patients of {label} is not printed{more}")
    medians = [row for row in rows if row.median is not None]
    median: float | Literal["not-reached"] | None = None
    limits: tuple[float | None, float | None] | None = None
    level, decimals = 0.95, []
    for row in medians[:1]:
        assert row.median is not None
        median = value_of(row.median) if row.median.exact else "not-reached" if not row.median.reached else None
        if median is None:
            notes.append(f"median {row.median} of {label} is a bound, and not used")
        limits = (
            None
            if row.median_ci is None or median is None
            else (value_of(row.median_ci[0]), value_of(row.median_ci[1]))
        )
        level = row.level
        decimals = [value.decimals for value in (row.median, *(row.median_ci or ())) if value.exact]
    if len({str(row.median) for row in medians}) > 1:
        notes.append(f"{label} has more than one median of one cutoff ({', '.join(str(r.median) for r in medians)}); the first is used")  # fmt: skip
    rates, places = _rates(rows, level, label, notes)
    return ArmSummary(
        n=n,
        events=_events(arm, rows, contrasts),
        median=median,
        median_ci=limits,
        rates=rates,
        follow_up=follow_up,
        label=label,
        level=level,
        time_decimals=max(decimals, default=None) if decimals else None,
        survival_decimals=max(places, default=None) if places else None,
    )


def _rates(
    rows: Sequence[Survival], level: float, label: str, notes: list[str]
) -> tuple[list[tuple[Any, ...]], list[int]]:
    """Printed percents as proportions, with their decimals."""
    found: dict[float, tuple[Any, ...]] = {}
    places = []
    for row in rows:
        for rate in row.rates:
            time = value_of(rate.at)
            if not rate.percent.exact:
                notes.append(f"survival at {rate.at} of {label} is printed as {rate.percent}, and not used")
                continue
            if time is None or time <= 0 or time in found:
                continue
            percents = (rate.percent, *(rate.ci or ()))
            kept = percents if abs(row.level - level) < 1e-9 and all(p.exact for p in percents) else percents[:1]
            found[time] = (time, *(_proportion(percent) for percent in kept))
            places += [percent.decimals + 2 for percent in kept]
    return list(found.values()), places


def _proportion(percent: Printed) -> float:
    assert percent.value is not None
    return round(percent.value / 100, percent.decimals + 2)


def _patients(
    study: Study, arm: str, set_name: str, rows: Sequence[Survival], contrasts: Sequence[Contrast], notes: list[str]
) -> int | None:
    """Patients of an arm as printed; where both arms together are printed and the other is, the rest."""
    sizes = study.sets[set_name].n
    printed = [row.n for row in rows if row.n is not None] + [_whole(row.n.get(arm)) for row in contrasts]
    n = next((value for value in printed if value is not None), None) or sizes.get(arm)
    whole = [name for name, entry in study.arms.items() if entry.subset_of is None]
    if n is None and "all" in sizes and len(whole) == 2 and arm in whole:
        other = sizes.get(next(name for name in whole if name != arm))
        if other is not None and 0 < other < sizes["all"]:
            n = sizes["all"] - other
            notes.append(f"patients of {study.arms[arm].label}: {sizes['all']} - {other} = {n}")
    return n


def _events(arm: str, rows: Sequence[Survival], contrasts: Sequence[Contrast]) -> int | None:
    printed = [row.events for row in rows] + [_whole(row.events.get(arm)) for row in contrasts]
    return next((value for value in printed if value is not None), None)


def total_events(fitted: Contrast | None, contrasts: Sequence[Contrast], summaries: Sequence[ArmSummary]) -> int | None:
    """Events of both arms together, where those of an arm are not printed."""
    if all(arm.events is not None for arm in summaries):
        return None
    ordered = [fitted, *contrasts] if fitted is not None else contrasts
    return next((total for row in ordered if (total := _whole(row.events.get("all"))) is not None), None)


def why_not_enough(summaries: Sequence[ArmSummary], curves: Sequence[object | None], compared: bool) -> str | None:
    """What must be printed for a curve to be drawn through it."""
    if all(curve is not None for curve in curves):
        return None
    shaped = [
        bool(arm.rates) or isinstance(arm.median, float) or any(limit is not None for limit in arm.median_ci or ())
        or (arm.events is not None and arm.follow_up is not None)
        for arm in summaries
    ]  # fmt: skip
    bare = [arm.label for arm, said in zip(summaries, shaped, strict=True) if not said]
    if not any(shaped):
        return "no median, limit of a median or survival rate is printed of these patients at one cutoff"
    if bare and not compared and not all(arm.median is not None for arm in summaries):
        return f"of {' and '.join(map(str, bare))} neither a median nor a survival rate is printed, and no marginal hazard ratio leads there"  # fmt: skip
    return None


def figures_of(arm: ArmSummary) -> int:
    """How many printed numbers there are beside n."""
    limits = sum(limit is not None for limit in arm.median_ci or ())
    return (arm.median is not None) + limits + (arm.events is not None) + sum(1 + 2 * (rate.ci is not None) for rate in arm.rates) + (arm.follow_up is not None)  # fmt: skip


def _whole(value: Any) -> int | None:
    number = value_of(value) if isinstance(value, Printed) else value
    return int(number) if number is not None and float(number) == int(number) else None


def value_of(printed: Printed | None) -> float | None:
    """The number printed; None where there is none, a bound, or not-reached."""
    return float(printed.value) if printed is not None and printed.exact and printed.value is not None else None
