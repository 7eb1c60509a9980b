"""Figures of a report's networks, with the words for readers who cannot see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from metasyn.reports.network_section import NetworkResult
from metasyn.reports.words import body_words, key_words


def network_figures(result: NetworkResult) -> Iterator[tuple[str, str, Any]]:
    """Name, title and figure of everything that is drawn of a network."""
    from metasyn.plots import (
        component_forest,
        contribution_heat_map,
        league_heat_map,
        network,
        rankogram,
        reference_forest,
        threshold,
    )

    name, label = result.name, result.label
    yield name, f"{label}: which strategies are compared", network(result.network.graph, edges=_edges(result)).figure
    analysis = result.analysis
    if analysis is None:
        return
    fit, ratio, measure = result.fits[0], result.exponentiate, result.network.measure
    sides = ("favours the strategy", "favours the reference")
    favours = sides if result.small_is_good else (sides[1], sides[0])
    forest = reference_forest(fit, measure=measure, favours=favours)
    yield f"{name}-forest", f"{label}: every strategy versus {fit.reference}", forest.figure
    league = league_heat_map(fit, exponentiate=ratio, measure=measure)
    yield f"{name}-league", f"{label}: every strategy versus every other", league.figure
    yield f"{name}-ranks", f"{label}: probability of each rank", rankogram(analysis.ranking).figure
    if analysis.contributions is not None:
        shares = contribution_heat_map(analysis.contributions)
        yield f"{name}-contributions", f"{label}: share of each study in each estimate", shares.figure
    limits = threshold(analysis.thresholds, measure=measure)
    yield f"{name}-thresholds", f"{label}: how far estimates may move", limits.figure
    if result.components is not None:
        parts = component_forest(result.components, measure=measure)
        yield f"{name}-components", f"{label}: components", parts.figure


def _edges(result: NetworkResult) -> Literal["studies", "risk-of-bias"]:
    """Risk of bias on the lines where any study is judged."""
    judged = {name for *_, shares in result.network.graph.edges(data="risk_of_bias") for name in shares}
    return "risk-of-bias" if judged - {"not assessed"} else "studies"


def network_alt(result: NetworkResult) -> str:
    """The network in words."""
    graph = result.network.graph
    parts = [
        f"Network of {len(graph)} strategies, {result.label.lower()}, {key_words(result.network.key)}, {body_words(result.network.body)}."
    ]
    for one, other, data in sorted(graph.edges(data=True), key=lambda edge: sorted(edge[:2])):
        parts.append(f"{one} with {other}: {', '.join(data['studies'])}.")
    return " ".join(parts)
