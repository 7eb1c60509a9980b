"""Rebuilt survival curves as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metasyn.reports.survival_figures import survival_alt
from metasyn.reports.survival_pools import SurvivalPool
from metasyn.reports.survival_section import RebuiltStudy, SurvivalSection
from metasyn.reports.survival_values import agreement_texts, comparison_lines, input_words
from metasyn.reports.words import body_words, key_words


def survival_parts(section: SurvivalSection, images: Mapping[str, str]) -> dict[str, Any]:
    """What the template shows.

    Parameters
    ----------
    images : mapping
        Name of a figure to its data image.
    """
    several = len({(one.comparison, one.rebuilt.given.outcome) for one in section.studies}) > 1
    return {
        "studies": [_study(one, images, several=several) for one in section.studies],
        "pools": [_pool(pool) for pool in section.pools],
        "missing": [{"name": one.name, "outcome": one.outcome, "why": one.why} for one in section.not_rebuilt],
    }


def _pool(pool: SurvivalPool) -> dict[str, Any]:
    values, unit = pool.values, pool.values["time_unit"]
    lines = [f"{len(pool.names)} studies rebuilt: {', '.join(pool.names)}."]
    rmst, varying = values["rmst"], values["time_varying"]
    rows = []
    if rmst is not None:
        within = f"{rmst['estimate']:z.2f} ({rmst['ci_low']:z.2f} to {rmst['ci_high']:z.2f}) {unit}"
        what = f"Restricted mean survival to {values['horizon']:g} {unit}, difference: {within}"
        lines.append(f"{what}, {rmst['k']} {'study' if rmst['k'] == 1 else 'studies, random effects'}. {rmst['share']:.0%} of the variance is due to not knowing the patients.")  # fmt: skip
        rows = [
            (str(row["study"]), f"{row['estimate']:z.2f} ({row['se']:.2f})" if row["contributes"] else "left out", str(row["reason"] or ""))
            for row in rmst["studies"]
        ]  # fmt: skip
    if varying is not None:
        told = "; ".join(f"{row['hr']:.2f} ({row['ci_low']:.2f} to {row['ci_high']:.2f}) at {row['time']:.3g}" for row in varying["at"])  # fmt: skip
        p = varying["slope_p_value"]
        lines.append(f"Hazard ratio over time ({unit}): {told}; p of a trend with log time {'< 0.001' if p < 0.001 else f'{p:.3f}'}.")  # fmt: skip
    if values["curves"] is not None:
        lines.append(_pooled_survival(values["curves"], unit))
    return {
        "heading": f"{pool.label}: {key_words(pool.key)}, {body_words(pool.body)}",
        "lines": [*lines, *values["notes"]],
        "rows": rows,
        "caption": f"RMST difference to {values['horizon']:g} {unit} (se) of each study" if rows else "",
    }


def _pooled_survival(curves: Mapping[str, Any], unit: str) -> str:
    """Survival of both sides at each time of the grid."""
    sides = [curves["treatment"]["at"], curves["comparator"]["at"]]
    told = [
        f"{row['time']:.3g}: " + " against ".join(f"{one['survival']:.0%} ({one['ci_low']:.0%} to {one['ci_high']:.0%})" for one in (row, other))
        for row, other in zip(*sides, strict=True)
        if None not in (row["survival"], row["ci_low"], other["survival"], other["ci_low"])
    ]  # fmt: skip
    return (
        f"Pooled survival, random effects, treatment against comparator, at {unit} {'; '.join(told)}. It compares arms across studies: the differences above keep to each study's own."
        if told
        else ""
    )


def _study(one: RebuiltStudy, images: Mapping[str, str], *, several: bool) -> dict[str, Any]:
    made, given = one.rebuilt, one.rebuilt.given
    rows = agreement_texts(made)
    off = sum(row[4] == "no" for row in rows)
    return {
        "anchor": one.name,
        "heading": f"{given.name}: {one.label}" + (f" ({one.comparison})" if several else ""),
        "image": images.get(one.name),
        "alt": survival_alt(made, one.label),
        "caption": _caption(one),
        "lines": [input_words(made), *comparison_lines(made)],
        "conflicts": made.conflicts,
        "agreement": rows,
        "agreement_title": f"{given.name}: {len(rows)} printed figures beside those of the rebuilt patients, "
        + ("all agree" if off == 0 else f"{off} beyond rounding and one patient's step"),
        "notes": made.notes,
        "why_not": one.why_not,
    }


def _caption(one: RebuiltStudy) -> str:
    made = one.rebuilt
    if made.method == "summary":
        band = f"Lines: the typical curves. Bands: 95% of {made.draws} curves that the printed figures leave possible; they are not confidence intervals of survival."
        end = " What lies beyond the last printed time is supposed."
    else:
        band = "Lines and bands: Kaplan-Meier curves of the rebuilt patients with 95% intervals; dots: the digitised points."
        end = ""
    return f"{band}{end} Diamonds and squares: rates and medians as printed, with their intervals. Numbers at risk are those of the rebuilt patients, not printed ones."
