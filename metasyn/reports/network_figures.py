"""Figures of a report's networks, with the words for readers who cannot see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from metasyn.reports.building.drawing import Drawing
from metasyn.reports.network_section import NetworkResult
from metasyn.reports.words import body_words, key_words


def network_figures(result: NetworkResult) -> Iterator[Drawing]:
    """Everything that is drawn of a network."""
    name, label = result.name, result.label
    yield Drawing(name, f"{label}: which strategies are compared", _graph, (result.network.graph, _edges(result)))
    analysis = result.analysis
    if analysis is None:
        return
    fit, ratio, measure = result.fits[0], result.exponentiate, result.network.measure
    sides = ("favours the strategy", "favours the reference")
    favours = sides if result.small_is_good else (sides[1], sides[0])
    every = f"{label}: every strategy versus"
    yield Drawing(f"{name}-forest", f"{every} {fit.reference}", _forest, (fit, measure, favours))
    yield Drawing(f"{name}-league", f"{every} every other", _league, (fit, ratio, measure))
    yield Drawing(f"{name}-ranks", f"{label}: probability of each rank", _ranks, (analysis.ranking,))
    if analysis.contributions is not None:
        title = f"{label}: share of each study in each estimate"
        yield Drawing(f"{name}-contributions", title, _contributions, (analysis.contributions,))
    yield Drawing(
        f"{name}-thresholds", f"{label}: how far estimates may move", _thresholds, (analysis.thresholds, measure)
    )
    if result.components is not None:
        yield Drawing(f"{name}-components", f"{label}: components", _components, (result.components, measure))


def _graph(graph: Any, edges: Literal["studies", "risk-of-bias"]) -> Any:
    from metasyn.plots import network

    return network(graph, edges=edges).figure


def _forest(fit: Any, measure: str, favours: tuple[str, str]) -> Any:
    from metasyn.plots import reference_forest

    return reference_forest(fit, measure=measure, favours=favours).figure


def _league(fit: Any, exponentiate: bool, measure: str) -> Any:
    from metasyn.plots import league_heat_map

    return league_heat_map(fit, exponentiate=exponentiate, measure=measure).figure


def _ranks(ranking: Any) -> Any:
    from metasyn.plots import rankogram

    return rankogram(ranking).figure


def _contributions(contributions: Any) -> Any:
    from metasyn.plots import contribution_heat_map

    return contribution_heat_map(contributions).figure


def _thresholds(thresholds: Any, measure: str) -> Any:
    from metasyn.plots import threshold

    return threshold(thresholds, measure=measure).figure


def _components(components: Any, measure: str) -> Any:
    from metasyn.plots import component_forest

    return component_forest(components, measure=measure).figure


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
