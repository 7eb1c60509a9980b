"""Networks as plain values: the same in results.json, in CSV files and at the command line."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Any

import pandas as pd

from metasyn.certainty.network_confidence import DOMAINS
from metasyn.network import ComponentEstimate, NetworkEstimate
from metasyn.reports.network_section import NetworkAnalysis, NetworkResult, edges

LEAGUE_COLUMNS = (
    "treatment", "comparator", "estimate", "se", "ci_low", "ci_high", "p_value", "pi_low", "pi_high", "direct", "direct_se",
    "direct_studies", "estimate_displayed", "ci_low_displayed", "ci_high_displayed",
)  # fmt: skip
RANK_COLUMNS = (
    "treatment",
    "sucra",
    "p_score",
    "mean_rank",
    "rank_low",
    "rank_high",
    "probability_best",
    "probability_within",
)
EDGE_COLUMNS = ("part", "treatment", "comparator", "studies", "patients", "estimate", "ci_low", "ci_high")
CONFIDENCE_COLUMNS = ("treatment", "comparator", *(name for domain in DOMAINS for name in (domain, f"{domain}_why")))
NODE_COLUMNS = ("node", "study", "arm", "as_recorded")
WHERE = ("outcome", "disease", "line", "biomarker", "time_origin", "body")


def league_rows(fit: NetworkEstimate, *, exponentiate: bool) -> list[dict[str, Any]]:
    """Every pair of treatments once, the later name versus the earlier one."""
    rows = []
    names = fit.treatments
    for j, comparator in enumerate(names):
        for treatment in names[j + 1 :]:
            row: dict[str, Any] = {"treatment": treatment, "comparator": comparator}
            for name, frame in _frames(fit).items():
                row[name] = frame.loc[treatment, comparator]
            row["direct_studies"] = int(row["direct_studies"])
            for name in ("estimate", "ci_low", "ci_high"):
                row[f"{name}_displayed"] = exp(row[name]) if exponentiate else row[name]
            rows.append(row)
    return rows


def _frames(fit: NetworkEstimate) -> dict[str, pd.DataFrame]:
    return {
        "estimate": fit.league,
        "se": fit.league_se,
        "ci_low": fit.league_ci_low,
        "ci_high": fit.league_ci_high,
        "p_value": fit.league_p,
        "pi_low": fit.league_pi_low,
        "pi_high": fit.league_pi_high,
        "direct": fit.direct,
        "direct_se": fit.direct_se,
        "direct_studies": fit.direct_studies,
    }


def network_values(result: NetworkResult) -> dict[str, Any]:
    """A network as results.json holds it."""
    network = result.network
    return {
        "outcome": result.outcome,
        "measure": network.measure,
        "key": network.key,
        "body": network.body,
        "parts": [list(part) for part in network.parts],
        "records": {trial.name: list(trial.records) for trial in network.trials},
        "strategies": [
            {"node": node, "patients": data["patients"], "studies": list(data["studies"]), "part": data["part"]}
            for node, data in sorted(network.graph.nodes(data=True))
        ],
        "comparisons": edges(result).to_dict("records"),
        "why_no_ranking": result.why_no_ranking,
        "fits": [fit_values(fit, exponentiate=result.exponentiate) for fit in result.fits],
        "analysis": None if result.analysis is None else _analysis_values(result.analysis),
        "components": None if result.components is None else component_values(result.components),
        "why_no_components": result.why_no_components,
        "transitivity": result.transitivity.findings.to_dict("records"),
        "merged": network.merged.to_dict("records"),
        "assumed": network.assumed.to_dict("records"),
        "left_out": network.left_out.to_dict("records"),
        "notes": list(result.notes),
    }


def fit_values(fit: NetworkEstimate, *, exponentiate: bool) -> dict[str, Any]:
    """A fitted part."""
    names = ("tau2", "i2", "q", "q_df", "q_p_value", "k", "designs", "reference", "level", "tau2_method", "ci_method")
    return {
        **{name: getattr(fit, name) for name in names},
        "treatments": list(fit.treatments),
        "league": league_rows(fit, exponentiate=exponentiate),
        "notes": list(fit.notes),
    }


def _analysis_values(analysis: NetworkAnalysis) -> dict[str, Any]:
    ranking, coherence = analysis.ranking, analysis.coherence
    return {
        "ranking": ranking.table.to_dict("records"),
        "rank_probabilities": {str(name): list(row) for name, row in zip(ranking.probabilities.index, ranking.probabilities.to_numpy(), strict=True)},
        "rank_error": ranking.error,
        "important_difference": ranking.important_difference,
        "coherence": {
            "assessable": coherence.assessable,
            "verdict": coherence.verdict,
            "findings": _records(coherence.findings),
        },
        "contributions": None
        if analysis.contributions is None
        else {str(name): row for name, row in analysis.contributions.to_dict("index").items()},
        "thresholds": {"best": list(analysis.thresholds.best), "rows": _records(analysis.thresholds.table)},
        "leave_one_out": _records(analysis.leave_one_out.studies),
        "bayes": {
            "tau_prior": analysis.bayes.tau_prior.name,
            "tau": {"median": analysis.bayes.tau.median, "central": list(analysis.bayes.tau.central)},
            "vs_reference": _records(analysis.bayes.vs_reference),
            "predictive_vs_reference": _records(analysis.bayes.predictive_vs_reference),
            "ranking": _records(analysis.bayes.ranking),
        },
        "confidence": _records(analysis.confidence),
        "correlation": None if analysis.sweep is None else _records(analysis.sweep),
    }  # fmt: skip


def component_values(made: ComponentEstimate) -> dict[str, Any]:
    """An additive model: components, the test of additivity, and what can be told apart."""
    told = made.identifiability
    names = (
        "q_additive",
        "q_additive_df",
        "q_standard",
        "q_standard_df",
        "q_difference",
        "q_difference_df",
        "q_difference_p_value",
        "tau2",
    )
    return {
        "components": _records(made.components.rename_axis("component").reset_index()),
        **{name: getattr(made, name) for name in names},
        "rank": told.rank,
        "estimable_functions": list(map(str, told.estimable_functions.index)),
        "aliases": list(told.aliases),
        "confounding": _records(told.confounding),
        "notes": list(made.notes),
    }  # fmt: skip


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame, None for what is missing."""
    return [
        {str(name): None if value is None or (not isinstance(value, (tuple, list)) and pd.isna(value)) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]  # fmt: skip


def network_tables(results: Sequence[NetworkResult]) -> dict[str, tuple[list[dict[str, Any]], tuple[str, ...]]]:
    """Tables by file name: rows and columns; none without networks."""
    if not results:
        return {}
    league: list[dict[str, Any]] = []
    ranks: list[dict[str, Any]] = []
    compared: list[dict[str, Any]] = []
    nodes: list[dict[str, Any]] = []
    confidence: list[dict[str, Any]] = []
    for result in results:
        where = {"outcome": result.outcome, **result.network.key, "body": result.network.body}
        for fit in result.fits:
            league += [where | row for row in league_rows(fit, exponentiate=result.exponentiate)]
        if result.analysis is not None:
            ranks += [where | row for row in _records(result.analysis.ranking.table)]
            confidence += [where | row for row in _records(result.analysis.confidence)]
        compared += [where | row for row in _records(edges(result))]
        nodes += [where | row for row in _records(result.network.merged)]
    tables: dict[str, tuple[list[dict[str, Any]], tuple[str, ...]]] = {
        "network-league": (league, (*WHERE, *LEAGUE_COLUMNS)),
        "network-comparisons": (compared, (*WHERE, *EDGE_COLUMNS)),
        "network-strategies": (nodes, (*WHERE, *NODE_COLUMNS)),
    }
    if ranks:
        tables["network-confidence"] = (confidence, (*WHERE, *CONFIDENCE_COLUMNS))
        tables["network-ranking"] = (ranks, (*WHERE, *RANK_COLUMNS))
    return tables
