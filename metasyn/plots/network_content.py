"""What a picture of a network shows, read from a fitted network or from a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metasyn.network.connection import parts
from metasyn.plots.risk_of_bias import LIGHTS, light

if TYPE_CHECKING:
    from networkx import Graph

    from metasyn.network import NetworkEstimate

NOT_ASSESSED = "not assessed"
ORDER = ("low", "some concerns", "moderate", "unclear", "high", "serious", "critical", "no information", NOT_ASSESSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkNode:
    """A treatment or strategy."""

    label: str
    part: int  # from 1
    patients: int | None = None  # None: not known
    studies: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEdge:
    """A direct comparison."""

    ends: tuple[int, int]  # indices of nodes
    studies: int
    patients: int | None = None
    risk_of_bias: tuple[
        tuple[str, int], ...
    ] = ()  # judgement and its studies, from low to not assessed; together all studies
    randomised: bool = True  # False where only non-randomised studies compare the two


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkContent:
    """Nodes in alphabetical order of their labels, capitals not counted, the edges between them, and trials of three arms or more."""

    nodes: tuple[NetworkNode, ...]
    edges: tuple[NetworkEdge, ...]
    multi_arm: tuple[tuple[int, ...], ...] = ()

    def members(self) -> dict[int, list[int]]:
        """Nodes of each part."""
        found: dict[int, list[int]] = {}
        for place, node in enumerate(self.nodes):
            found.setdefault(node.part, []).append(place)
        return dict(sorted(found.items()))


def content_of(graph_or_fit: Graph | NetworkEstimate) -> NetworkContent:
    """Read a fitted network or a graph.

    Raises
    ------
    ValueError
        Says which node or edge cannot be drawn, and what is accepted.
    """
    import networkx as nx

    from metasyn.network import NetworkEstimate

    if isinstance(graph_or_fit, NetworkEstimate):
        return _of_fit(graph_or_fit)
    if isinstance(graph_or_fit, nx.Graph) and not (graph_or_fit.is_directed() or graph_or_fit.is_multigraph()):
        return _of_graph(graph_or_fit)
    given = type(graph_or_fit).__name__
    raise ValueError(f"graph_or_fit is a {given}; accepted: a NetworkEstimate, or an undirected networkx Graph without parallel edges")  # fmt: skip


def _of_fit(fit: NetworkEstimate) -> NetworkContent:
    arms = np.concatenate([group.arms.ravel() for group in fit.data.groups])
    count = np.bincount(arms, minlength=len(fit.treatments))
    studies = fit.direct_studies.to_numpy()
    pairs = np.argwhere(np.triu(studies) > 0).tolist()
    place = {name: number for number, name in enumerate(fit.treatments)}
    return NetworkContent(
        nodes=tuple(
            NetworkNode(label=name, part=1, studies=int(k)) for name, k in zip(fit.treatments, count, strict=True)
        ),
        edges=tuple(NetworkEdge(ends=(i, j), studies=int(studies[i, j])) for i, j in pairs),
        multi_arm=tuple(tuple(place[arm] for arm in design) for design in fit.data.designs if len(design) > 2),
    )


def _of_graph(graph: Graph) -> NetworkContent:
    if not graph:
        raise ValueError("graph_or_fit has no nodes; accepted: a graph with at least one")
    labels = {node: str(data.get("label") or node) for node, data in graph.nodes(data=True)}
    names = sorted(labels, key=lambda node: (labels[node].casefold(), labels[node], str(node)))
    place = {name: number for number, name in enumerate(names)}
    edges: list[NetworkEdge] = []
    named: dict[Any, list[Any]] = {}
    for one, other, data in graph.edges(data=True):
        if one == other:
            raise ValueError(f"graph_or_fit compares {labels[one]} with itself; accepted: edges between two nodes")
        between = f"{labels[one]} – {labels[other]}"
        edges.append(_edge(place[one], place[other], data, between))
        for end in (one, other):
            named.setdefault(end, []).append(data.get("studies", 1))
    edges.sort(key=lambda edge: edge.ends)
    numbers = _part_numbers(graph, names, edges)
    nodes = tuple(
        NetworkNode(
            label=labels[name],
            part=numbers[place[name]],
            patients=_count(graph.nodes[name].get("patients"), f"patients of {labels[name]}", least=0),
            studies=_distinct(named.get(name, [])),
        )
        for name in names
    )
    return NetworkContent(nodes=nodes, edges=tuple(edges), multi_arm=_multi_arm(graph, place, numbers))


def _edge(one: int, other: int, data: Mapping[str, Any], between: str) -> NetworkEdge:
    given = data.get("studies", 1)
    studies = len(set(given)) if _listed(given) else _count(given, f"studies of {between}", least=1)
    if not studies:
        raise ValueError(f"studies of {between} is {given!r}; accepted: a number from 1 on, or a list of names")
    return NetworkEdge(
        ends=(min(one, other), max(one, other)),
        studies=studies,
        patients=_count(data.get("patients"), f"patients of {between}", least=0),
        risk_of_bias=_judged(data.get("risk_of_bias"), studies, between),
        randomised=_randomised(data.get("designs")),
    )


def _judged(given: Mapping[str, Any] | None, studies: int, between: str) -> tuple[tuple[str, int], ...]:
    """Judgements from low on with their studies; studies without a judgement are not assessed."""
    found: dict[str, int] = {}
    for word, number in (given or {}).items():
        plain = str(word).strip().lower().replace("-", " ").replace("_", " ")
        if plain != NOT_ASSESSED and plain not in LIGHTS:
            accepted = ", ".join((*LIGHTS, NOT_ASSESSED))
            raise ValueError(f"risk_of_bias of {between} has a judgement that is not known ({word}); accepted: {accepted}")  # fmt: skip
        name = plain if plain == NOT_ASSESSED else light(plain).name
        found[name] = found.get(name, 0) + (_count(number, f"risk_of_bias of {between} ({word})", least=0) or 0)
    left = studies - sum(found.values())
    if left < 0:
        raise ValueError(f"risk_of_bias of {between} judges {sum(found.values())} studies, but the edge has {studies}")
    found[NOT_ASSESSED] = found.get(NOT_ASSESSED, 0) + left
    return tuple((name, found[name]) for name in ORDER if found.get(name))


def _randomised(designs: Any) -> bool:
    """Whether one of the studies is randomised; where nothing is said no edge is marked."""
    if designs is None:
        return True
    words = [designs] if isinstance(designs, str) else [str(word) for word in designs]
    return not words or any(word.strip().lower() in ("rct", "randomised", "randomized") for word in words)


def _count(value: Any, name: str, *, least: int) -> int | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    whole = isinstance(value, int | np.integer) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or value < least:
        raise ValueError(f"{name} is {value!r}; accepted: a whole number from {least} on, or None where it is not known")  # fmt: skip
    return int(value)


def _listed(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str)


def _distinct(studies: list[Any]) -> int | None:
    """How many studies have a treatment; None where edges give numbers alone, for a study of three arms stands on several."""
    if not studies or not all(_listed(given) for given in studies):
        return None
    return len({str(name) for given in studies for name in given})


def _part_numbers(graph: Graph, names: list[Any], edges: list[NetworkEdge]) -> list[int]:
    """Number of each node's part: as the nodes say, else in the order of the parts' first names."""
    ends = np.array([edge.ends for edge in edges], dtype=np.intp).reshape(-1, 2)
    found = parts(ends[:, 0], ends[:, 1], len(names))
    said = [graph.nodes[name].get("part") for name in names]
    if any(number is None for number in said):
        first = list(dict.fromkeys(found.tolist()))
        return [first.index(number) + 1 for number in found.tolist()]
    pairs = {(int(number), int(word)) for number, word in zip(found, said, strict=True)}
    if not len(pairs) == len({number for number, _ in pairs}) == len({word for _, word in pairs}):
        raise ValueError("part of the nodes disagrees with the edges; accepted: one number for all nodes that edges connect, another for each other part")  # fmt: skip
    shift = 1 - min(min(int(word) for word in said), 1)  # numbers from 0 on are shown from 1 on
    return [int(word) + shift for word in said]


def _multi_arm(graph: Graph, place: dict[Any, int], numbers: list[int]) -> tuple[tuple[int, ...], ...]:
    given = list(graph.graph.get("multi_arm") or [])
    for _, _, data in graph.edges(data=True):
        given += data.get("multi_arm") or []
    found = set()
    for arms in given:
        unknown = [str(arm) for arm in arms if arm not in place]
        if unknown:
            raise ValueError(f"multi_arm names {', '.join(unknown)}, which the graph does not have; accepted: tuples of its nodes")  # fmt: skip
        members = tuple(sorted({place[arm] for arm in arms}))
        if len({numbers[member] for member in members}) > 1:
            raise ValueError(f"multi_arm has a trial in unconnected parts ({', '.join(map(str, arms))}); its arms must be joined by edges")  # fmt: skip
        if len(members) > 2:
            found.add(members)
    return tuple(sorted(found))
