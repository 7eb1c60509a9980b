"""The summary of findings as plain values: the same in results.json and in CSV files."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from metasyn.certainty.e_value import EValue
from metasyn.certainty.unmeasured import BiasNeeded
from metasyn.reports.certainty_section import AbsoluteRow, CertaintyRow, CertaintySection

WHERE = ("comparison", "outcome", "disease", "line", "biomarker", "time_origin", "body")
FINDING_COLUMNS = (
    *WHERE, "studies", "participants", "events", "measure", "estimate_displayed", "ci_low_displayed", "ci_high_displayed", "baseline_risk",
    "horizon", "time_unit", "of", "control", "treatment", "difference", "difference_low", "difference_high", "number_needed",
    "why_no_absolute", "start", "certainty", "at_most", "stale", "made_on",
)  # fmt: skip
DOMAIN_COLUMNS = (*WHERE, "domain", "levels", "why", "rule", "proposed", "stale", "made_on")


def certainty_values(section: CertaintySection) -> dict[str, Any]:
    """The section as results.json holds it."""
    return {
        "tool": "GRADE",
        "important_difference": section.important_difference,
        "rows": [_row(row) for row in section.rows],
        "notes": list(section.notes),
    }


def certainty_tables(section: CertaintySection | None) -> dict[str, tuple[list[dict[str, Any]], tuple[str, ...]]]:
    """Tables by file name: rows and columns; none without results."""
    if section is None or not section.rows:
        return {}
    findings: list[dict[str, Any]] = []
    domains: list[dict[str, Any]] = []
    for row in section.rows:
        where = {"comparison": row.comparison, "outcome": row.outcome, **row.key, "body": row.body}
        common = where | _relative(row) | _rating(row) | {"studies": len(row.studies)}
        if not row.absolutes:
            findings.append(common | {"why_no_absolute": row.why_no_absolute})
        for one in row.absolutes:
            value = _absolute(one)
            needed = value.pop("number_needed")
            findings.append(common | value | {"number_needed": needed and needed["text"], "why_no_absolute": value["why_not"]})  # fmt: skip
        domains += [where | asdict(each) for each in row.proposal.judgements]
    return {"summary-of-findings": (findings, FINDING_COLUMNS), "certainty-domains": (domains, DOMAIN_COLUMNS)}


def _row(row: CertaintyRow) -> dict[str, Any]:
    return {
        "comparison": row.comparison,
        "outcome": row.outcome,
        "key": row.key,
        "body": row.body,
        "studies": list(row.studies),
        **_relative(row),
        "estimate": row.estimate,
        "ci_low": row.ci_low,
        "ci_high": row.ci_high,
        "level": row.level,
        "absolute": [_absolute(one) for one in row.absolutes],
        "why_no_absolute": row.why_no_absolute,
        **_rating(row),
        "start_why": row.proposal.start_why,
        "domains": [asdict(each) for each in row.proposal.judgements],
        "notes": list(row.proposal.notes),
        "e_value": None if row.e_value is None else _e_value(row.e_value),
        "why_no_e_value": row.why_no_e_value,
        "bias_to_explain_away": [_bias(each) for each in row.bias],
        "why_no_bias": row.why_no_bias,
    }


def _relative(row: CertaintyRow) -> dict[str, Any]:
    return {
        "participants": row.participants,
        "events": row.events,
        "measure": row.measure,
        "estimate_displayed": row.back(row.estimate),
        "ci_low_displayed": row.back(row.ci_low),
        "ci_high_displayed": row.back(row.ci_high),
    }


def _rating(row: CertaintyRow) -> dict[str, Any]:
    made = row.proposal
    return {
        "start": made.start,
        "certainty": made.certainty,
        "at_most": made.at_most,
        "stale": ", ".join(made.stale) or None,
        "made_on": made.made_on,
    }


def _absolute(one: AbsoluteRow) -> dict[str, Any]:
    risk, effect = one.risk, one.effect
    value: dict[str, Any] = {
        "baseline_risk": risk.id,
        "horizon": None if risk.horizon is None else risk.horizon.value,
        "time_unit": risk.time_unit,
        "of": risk.of,
        "control": risk.proportion,
        "control_ci": None if risk.limits is None else list(risk.limits),
        "population": risk.population,
        "source": _source(one),
        "at_risk": one.at_risk,
        "at_risk_how": one.at_risk_how,
        "why_not": one.why_not,
        "treatment": None,
        "difference": None,
        "difference_low": None,
        "difference_high": None,
        "by_baseline": [],
        "number_needed": None,
        "notes": [],
    }
    if effect is not None:
        value |= {
            "treatment": effect.treatment,
            "difference": effect.difference,
            "difference_low": effect.ci_low,
            "difference_high": effect.ci_high,
            "by_baseline": [
                dict(zip(("control", "difference", "difference_low", "difference_high"), each, strict=True))
                for each in effect.by_baseline
            ],
            "number_needed": None if effect.number_needed is None else asdict(effect.number_needed),
            "notes": list(effect.notes),
        }
    return value


def _source(one: AbsoluteRow) -> str:
    risk = one.risk
    return f"{risk.study}, {risk.path}; {risk.source}" if risk.study is not None else risk.source


def _e_value(found: EValue) -> dict[str, Any]:
    return {
        "estimate": found.estimate,
        "limit": found.limit,
        "if_rare": None if found.if_rare is None else list(found.if_rare),
        "if_common": None if found.if_common is None else list(found.if_common),
        "risk_ratio": found.risk_ratio,
        "notes": list(found.notes),
    }


def _bias(found: BiasNeeded) -> dict[str, Any]:
    return {
        "threshold": found.threshold,
        "share": found.share,
        "bias_factor": found.bias_factor,
        "bias_factor_ci": list(found.bias_factor_ci),
        "confounding": found.confounding,
        "confounding_ci": list(found.confounding_ci),
        "notes": list(found.notes),
    }
