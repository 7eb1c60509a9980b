"""The summary of findings as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metasyn.certainty.e_value import COVERS, EValue
from metasyn.certainty.grade import NOT_IN_FULL
from metasyn.certainty.grade_domains import Judgement
from metasyn.certainty.unmeasured import BiasNeeded
from metasyn.plots.forest import effect_text
from metasyn.reports.certainty_section import AbsoluteRow, CertaintyRow, CertaintySection
from metasyn.reports.words import body_words, key_words, measure_name

DASH = "–"
PER = 1000  # patients


def certainty_parts(section: CertaintySection, images: Mapping[str, str]) -> dict[str, Any]:
    """What the template shows: one row per outcome and stratum, and below each what its certainty rests on."""
    alone = len({row.comparison for row in section.rows}) == 1
    return {
        "caption": f"Absolute effects are per {PER} patients at the baseline risk named; the interval is that of the relative effect alone.",
        "rows": [_row(row, alone) for row in section.rows],
        "details": [_details(row, alone) for row in section.rows],
        "unmeasured": [_unmeasured(row, alone, images) for row in section.rows if row.e_value is not None or row.bias],
        "covers": COVERS,
        "notes": list(section.notes),
        "lines": _lines(section),
    }


def _lines(section: CertaintySection) -> list[str]:
    stated = ", ".join(f"{name} {value:g}" for name, value in sorted(section.important_difference.items()))
    lines = [
        f"Smallest important difference, from the definition: {stated}."
        if stated
        else "The definition states no important difference, so imprecision is not rated."
    ]
    if any(row.measure == "HR" and any(one.effect is not None for one in row.absolutes) for row in section.rows):
        lines.append("Absolute effects from hazard ratios assume proportional hazards up to the horizon.")
    return lines


def _name(row: CertaintyRow, alone: bool) -> str:
    return row.label if alone else f"{row.label} ({row.comparison})"


def _row(row: CertaintyRow, alone: bool) -> dict[str, Any]:
    k = len(row.studies)
    people = (
        f"{row.participants}" if row.participants is not None else "number not printed by every study"
    )  # fmt: skip
    return {
        "outcome": _name(row, alone),
        "population": key_words(row.key),
        "body": body_words(row.body),
        "participants": f"{people} ({k} {'study' if k == 1 else 'studies'})",
        "relative": f"{row.measure} {effect_text(row.estimate, row.ci_low, row.ci_high, row.measure)}",
        "absolute": [absolute_text(one) for one in row.absolutes] or [f"none: {row.why_no_absolute}"],
        "certainty": row.proposal.summary(),
        "symbol": _symbol(row),
    }


def _symbol(row: CertaintyRow) -> str:
    """Four circles, full up to the certainty; hollow ones beyond, nothing where it is not rated in full."""
    made = row.proposal
    if made.at_most is None or made.certainty == NOT_IN_FULL:
        return ""
    full = {"very low": 1, "low": 2, "moderate": 3, "high": 4}[made.at_most]
    return "⊕" * full + "◯" * (4 - full)


def absolute_text(one: AbsoluteRow) -> str:
    """An absolute effect in one line, or why there is none."""
    risk = one.risk
    when = f"At {risk.horizon} {risk.time_unit}" if risk.horizon is not None else "Over follow-up"
    if one.effect is None:
        return f"{when} ({risk.id}): none, as {one.why_not}"
    effect = one.effect
    what = "without the event" if effect.of == "survival" else "with the event"
    text = f"{when}, {what}: {effect.summary(PER)}"
    if effect.number_needed is not None:
        text += f"; {effect.number_needed.text}"
    if effect.by_baseline:
        ends = [f"of {PER * control:.0f}: {_signed(PER * value)}" for control, value, _, _ in effect.by_baseline]
        text += f". With a baseline {', '.join(ends)}"
    share = "" if one.at_risk is None else f"; {one.at_risk:.0%} at risk {one.at_risk_how}"
    return f"{text}. Baseline: {risk.population}{share} ({risk.id})"


def _signed(value: float) -> str:
    return f"{abs(value):.0f} {'more' if value >= 0 else 'fewer'}"


def _details(row: CertaintyRow, alone: bool) -> dict[str, Any]:
    made = row.proposal
    return {
        "title": f"{_name(row, alone)}: {key_words(row.key)}, {body_words(row.body)}: {made.summary()}",
        "start": f"{(made.start or 'not rated').capitalize()} to begin with: {made.start_why}.",
        "domains": [] if made.start is None else [_domain(each) for each in made.judgements],
        "notes": [f"{note[:1].upper()}{note[1:]}." for note in made.notes],
        "sources": [f"{one.risk.id}: {_quoted(one)}" for one in row.absolutes],
        "made_on": made.made_on[:12],
    }


def _quoted(one: AbsoluteRow) -> str:
    risk = one.risk
    where = f" (record {risk.study}, {risk.path})" if risk.study is not None else ""
    printed = risk.survival if risk.survival is not None else risk.risk
    limits = f" [{risk.ci[0]}, {risk.ci[1]}]" if risk.ci is not None else ""
    return f"{printed}%{limits}, {risk.population}; {risk.source}{where}" + (f" ({risk.note})" if risk.note else "")


def _domain(each: Judgement) -> dict[str, str]:
    why = each.why + (f". Proposed by rule: {each.proposed}" if each.proposed is not None else "")
    if each.stale:
        why = f"Stale: made on other records or estimates ({(each.made_on or '')[:12]}). {why}"
    levels = f"{each.levels:+d}" if isinstance(each.levels, int) and each.levels else str(each.levels)
    return {"domain": each.domain, "levels": levels.replace("-", "−"), "why": why, "rule": each.rule}


def _unmeasured(row: CertaintyRow, alone: bool, images: Mapping[str, str]) -> dict[str, Any]:
    lines = []
    if row.e_value is not None:
        lines += _e_value_lines(row, row.e_value)
    lines += [_bias_line(each) for each in row.bias]
    if row.why_no_bias is not None and not row.bias:
        lines.append(f"Bias needed to explain a pool away: not computed, {row.why_no_bias}.")
    notes = [*(row.e_value.notes[1:] if row.e_value is not None else ()), *(n for b in row.bias for n in b.notes)]
    shown = [f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in dict.fromkeys(notes)]
    return {
        "title": f"{_name(row, alone)}: {key_words(row.key)}",
        "lines": lines,
        "notes": shown,
        "image": images.get(row.figure),
        "alt": "Share of studies with a true effect, over the bias that every study may carry. "
        + " ".join(map(_bias_line, row.bias)),
    }


def _e_value_lines(row: CertaintyRow, found: EValue) -> list[str]:
    lines = [f"E-value of the {measure_name(row.measure)}: {found.estimate:.2f}, of the limit nearer to no effect {_number(found.limit)}."]  # fmt: skip
    if found.if_rare is not None and found.if_common is not None:
        rare, common = (f"{pair[0]:.2f} ({_number(pair[1])})" for pair in (found.if_rare, found.if_common))
        lines.append(
            f"If fewer than 15% have the event: {rare}; if more: {common}. Estimate, then its limit in brackets."
        )
    return lines


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}"


def _bias_line(each: BiasNeeded) -> str:
    what = "any effect in the direction of the pool" if each.threshold == 1 else f"an effect beyond {each.threshold:.2f}"  # fmt: skip
    low, high = each.bias_factor_ci
    return (
        f"To leave no more than {each.share:.0%} of studies with {what}, every study would need a bias of {each.bias_factor:.2f} as a risk ratio "
        f"({each.level:.0%} CI {low:.2f} to {high:.2f}), which takes confounding of {each.confounding:.2f} with treatment and outcome."
    )
