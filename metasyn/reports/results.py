"""results.json: every number of a report, and what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from metasyn.evidence import COLUMNS
from metasyn.pooling import PooledEstimate, Posterior, Subgroups
from metasyn.pooling.counts import CountsEstimate
from metasyn.reports.answers import OutcomeResult, Stratum
from metasyn.reports.certainty_values import certainty_values
from metasyn.reports.changes.plan_page import plan_values
from metasyn.reports.further import Joint
from metasyn.reports.multiverse_values import multiverse_values
from metasyn.reports.network_values import network_values
from metasyn.reports.sequential_values import sequential_values
from metasyn.reports.survival_section import survival_values

if TYPE_CHECKING:
    from metasyn.reports.report import Report

SCHEMA_VERSION = "2.0.0"


def results(report: Report) -> dict[str, Any]:
    """The content of results.json, before rounding.

    Returns
    -------
    dict
        schema_version, report, title, results: a list with comparison, outcome, measure, strata and candidates; survival:
        what was rebuilt of each study's survival, which enters no result; networks: strategies compared with each other; certainty: the
        summary of findings; multiverse and sequential: how results depend on choices, and how they came in; plan: what departs from it.
        Effects are on the analysis scale (log for ratios); `*_ratio` fields are exp of them.
    """
    question = report.question
    return {
        "schema_version": SCHEMA_VERSION,
        "report": report.name,
        "title": question.title,
        "model": question.model.model_dump(),
        "assume_exchangeable": question.assume_exchangeable,
        "assume_exchangeable_because": question.assume_exchangeable_because,
        "results": [_outcome(result) for result in report.answered],
        "joint_outcomes": [_joint_values(one) for one in report.joint],
        "survival": survival_values(report.survival),
        "certainty": None if report.certainty is None else certainty_values(report.certainty),
        "networks": [network_values(one) for one in report.networks],
        "multiverse": multiverse_values(report.multiverse),
        "sequential": sequential_values(report.sequential),
        "plan": plan_values(report.deviations),
    }


def _outcome(result: OutcomeResult) -> dict[str, Any]:
    return {
        "comparison": result.comparison,
        "add": result.add,
        "outcome": result.outcome,
        "label": result.label,
        "measure": result.measure,
        "strata": [_stratum(stratum) for stratum in result.strata],
        "candidates": [row_values(row) for _, row in result.candidates.iterrows()],
    }


def row_values(row: pd.Series) -> dict[str, Any]:
    """A candidate as plain values, with None for what is absent."""
    return {name: None if row[name] is None or pd.isna(row[name]) else row[name] for name in COLUMNS}


def _stratum(stratum: Stratum) -> dict[str, Any]:
    return {
        "key": stratum.key,
        "body": stratum.body,
        "studies": list(stratum.rows["study"]),
        "k": len(stratum.rows),
        "headline": pooled_values(stratum.headline) if stratum.headline is not None else None,
        "headline_why": stratum.headline_why,
        "alternatives": [pooled_values(pooled) for pooled in stratum.alternatives],
        "bayes": [_posterior_values(posterior) for posterior in stratum.further.bayes],
        "few_events": [_count_values(made) for made in stratum.further.few_events],
        "leave_one_out": None
        if stratum.further.leave_one_out is None
        else stratum.further.leave_one_out.to_dict("records"),
        "subgroups": [_subgroup_values(name, made) for name, made in stratum.further.subgroups],
    }


def _joint_values(joint: Joint) -> dict[str, Any]:
    return {
        "comparison": joint.comparison,
        "key": joint.key,
        "body": joint.body,
        "outcomes": list(joint.outcomes),
        "rows": joint.table.to_dict("records"),
    }


def _posterior_values(posterior: Posterior) -> dict[str, Any]:
    marginals: dict[str, Any] = {"mu": posterior.mu, "tau": posterior.tau, "predictive": posterior.predictive}
    summaries = {
        name: {"mean": m.mean, "median": m.median, "sd": m.sd, "central": list(m.central), "shortest": list(m.shortest)}
        for name, m in marginals.items()
    }
    return {"tau_prior": posterior.tau_prior.name, "level": posterior.level, **summaries}


def _count_values(made: CountsEstimate) -> dict[str, Any]:
    names = (
        "method",
        "measure",
        "model",
        "estimate",
        "se",
        "ci_low",
        "ci_high",
        "p_value",
        "k",
        "k_effects",
        "tau2",
        "level",
    )
    return {name: getattr(made, name) for name in names} | {"notes": list(made.notes)}


def _subgroup_values(name: str, made: Subgroups) -> dict[str, Any]:
    return {
        "by": name,
        "groups": [{"group": str(group), **row.to_dict()} for group, row in made.groups.iterrows()],
        "q_between": made.q_between,
        "q_between_df": made.q_between_df,
        "q_between_p_value": made.q_between_p_value,
    }


def pooled_values(pooled: PooledEstimate) -> dict[str, Any]:
    """A pooled estimate as plain values."""
    values: dict[str, Any] = {
        name: getattr(pooled, name)
        for name in (
            "estimate",
            "se",
            "ci_low",
            "ci_high",
            "statistic",
            "df",
            "p_value",
            "k",
            "tau2",
            "tau2_se",
            "i2",
            "h2",
            "q",
            "q_df",
            "q_p_value",
            "pi_low",
            "pi_high",
            "level",
            "measure",
            "tau2_method",
            "ci_method",
            "pi_method",
        )
    }
    values["tau2_ci"], values["i2_ci"] = list(pooled.tau2_ci), list(pooled.i2_ci)
    values["notes"] = list(pooled.notes)
    values["studies"] = [
        {
            "study": row.study,
            "effect": row.effect,
            "se": row.se,
            "ci_low": row.ci_low,
            "ci_high": row.ci_high,
            "weight": row.weight,
        }
        for row in pooled.studies.itertuples()
    ]
    for field in ("estimate", "ci_low", "ci_high", "pi_low", "pi_high"):
        if values[field] is not None:
            values[f"{field}_displayed"] = pooled.back(values[field])
    return values
