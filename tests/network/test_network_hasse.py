"""Partial order over several outcomes: domination, covering relations, levels."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_reference import network

from metasyn.network import fit_network
from metasyn.network.hasse import partial_order
from metasyn.network.rank_probabilities import rank_probabilities

FOLDER = Path(__file__).parent.parent / "reference" / "network" / "ranking"
(POSET,) = (
    case["expected"]
    for case in json.loads((FOLDER / "sim_strategies_a.json").read_text(encoding="utf-8"))["cases"]
    if case["name"] == "netposet"
)


def second_outcome() -> pd.DataFrame:
    data = json.loads((FOLDER / "ranking_pfs.json").read_text(encoding="utf-8"))["data"]
    names = {"treat1": "treatment", "treat2": "comparator", "TE": "effect", "seTE": "se"}
    return pd.DataFrame(data).rename(columns=names)


def scores(**outcomes: list[float]) -> dict[str, pd.Series]:
    return {name: pd.Series(values, index=list("ABCDEFGHIJ")[: len(values)]) for name, values in outcomes.items()}


@pytest.mark.parametrize(("key", "tau2"), [("common", "EE"), ("random", "DL")])
def test_order_over_two_outcomes_agrees_with_netposet(key, tau2):
    fits = {"OS": fit_network(network("sim_strategies_a"), tau2=tau2), "PFS": fit_network(second_outcome(), tau2=tau2)}
    order = partial_order({outcome: fit.ranking() for outcome, fit in fits.items()})
    p = POSET[f"P_{key}"]
    np.testing.assert_allclose(order.scores.loc[p["rows"], p["cols"]], p["values"], rtol=1e-8, atol=1e-8)
    for name, frame in (("M", order.dominates), ("M0", order.covers)):
        expected = POSET[f"{name}_{key}"]
        np.testing.assert_array_equal(frame.loc[expected["rows"], expected["cols"]].astype(int), expected["values"])
    ranked = partial_order({outcome: rank_probabilities(fit, error=0.05) for outcome, fit in fits.items()})
    np.testing.assert_array_equal(ranked.dominates, order.dominates)


def test_a_diamond_by_hand():
    order = partial_order(scores(one=[0.9, 0.6, 0.4, 0.1], two=[0.8, 0.3, 0.5, 0.2]))
    assert order.dominates.loc["A"].tolist() == [False, True, True, True]
    assert order.covers.loc["A"].tolist() == [False, True, True, False]
    assert order.incomparable == (("B", "C"),)
    assert order.levels.tolist() == [1, 2, 2, 3]
    assert order.equal == ()
    assert order.summary() == "treatments 4, outcomes 2, pairs ordered 5 of 6, dominated by none: A"


def test_equal_treatments_do_not_dominate_each_other_but_what_is_below_both():
    order = partial_order(scores(one=[0.7, 0.7 + 1e-15, 0.1], two=[0.6, 0.6, 0.6]))
    assert order.equal == (("A", "B"),)
    assert order.incomparable == ()
    assert order.dominates.loc[["A", "B"], "C"].all()
    assert order.levels.tolist() == [1, 1, 2]


def test_one_outcome_is_a_chain():
    order = partial_order(scores(one=[0.1, 0.9, 0.5]))
    assert order.levels.loc[["B", "C", "A"]].tolist() == [1, 2, 3]
    assert order.covers.to_numpy().sum() == 2
    assert order.notes[-1].startswith("with one outcome")


def test_opposite_outcomes_order_nothing():
    order = partial_order(scores(one=[0.1, 0.5, 0.9], two=[0.9, 0.5, 0.1]))
    assert not order.dominates.to_numpy().any()
    assert len(order.incomparable) == 3
    assert (order.levels == 1).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 10**6))
def test_it_is_an_order_and_covers_are_its_transitive_reduction(n, outcomes, seed):
    values = np.random.default_rng(seed).integers(0, 4, size=(outcomes, n)) / 3  # with ties
    order = partial_order(scores(**{f"o{i}": list(row) for i, row in enumerate(values)}))
    graph = nx.DiGraph(
        list(zip(*[np.array(order.treatments)[axis] for axis in np.nonzero(order.dominates.to_numpy())], strict=True))
    )
    graph.add_nodes_from(order.treatments)
    assert nx.is_directed_acyclic_graph(graph)
    assert set(nx.transitive_closure(graph).edges) == set(graph.edges)
    covers = {(a, b) for a in order.treatments for b in order.treatments if order.covers.loc[a, b]}
    assert covers == set(nx.transitive_reduction(graph).edges)
    pairs = int(order.dominates.to_numpy().sum()) + len(order.incomparable) + len(order.equal)
    assert pairs == n * (n - 1) // 2
    for above, below in graph.edges:
        assert order.levels[above] < order.levels[below]


def test_order_of_rows_and_outcomes_does_not_matter():
    first = scores(one=[0.9, 0.6, 0.4, 0.1], two=[0.8, 0.3, 0.5, 0.2])
    turned = {name: first[name].iloc[::-1] for name in reversed(first)}
    pd.testing.assert_frame_equal(partial_order(first).dominates, partial_order(turned).dominates)


@pytest.mark.parametrize(
    ("rankings", "message"),
    [
        ({}, "rankings is empty"),
        ({"OS": [0.1, 0.2]}, "OS are a list"),
        ({"OS": pd.DataFrame({"treatment": ["A"]})}, "accepted: treatment and p_score or sucra"),
        ({"OS": pd.Series([0.1, 0.2], index=["A", "A"])}, "name A twice"),
        ({"OS": pd.Series([0.1, np.nan], index=["A", "B"])}, "no score for B"),
        ({"OS": pd.Series(["x"], index=["A"])}, "not numbers"),
        ({"OS": pd.Series([], dtype=float)}, "no score for any treatment"),
        ({"OS": pd.Series([0.1, 0.2], index=["A", "B"]), "PFS": pd.Series([0.1], index=["A"])}, "PFS lack B"),
    ],
)
def test_refuses_what_cannot_be_ordered(rankings, message):
    with pytest.raises(ValueError, match=message):
        partial_order(rankings)
