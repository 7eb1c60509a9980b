"""Contributions against netmeta, against paths counted one by one, by hand, and in their invariances."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_reference import network
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.network.contributions import contributions
from metasyn.network.hat_matrix import hat_matrix

FOLDER = Path(__file__).parent.parent / "reference" / "network" / "contribution"
COLUMNS = ["study", "treatment", "comparator", "effect", "se"]
METHODS = ("shortest", "random-walk")
NAMES = {"netcontrib_shortestpath": "shortest", "netcontrib_randomwalk": "random-walk"}


def reference():
    found = []
    for file in sorted(FOLDER.glob("*.json")):
        for case in json.loads(file.read_text(encoding="utf-8"))["cases"]:
            if case["name"] in NAMES:
                found += [
                    pytest.param(file.stem, NAMES[case["name"]], model, case["expected"][model], id=f"{file.stem}: {case['name']} {model}")
                    for model in ("common", "random")
                ]  # fmt: skip
    return found


def frame_of(rows):
    return pd.DataFrame([(f"S{k}", b, a, effect, se) for k, (a, b, effect, se) in enumerate(rows)], columns=COLUMNS)


def two_arm(seed, *, n, studies):
    """A connected network of two-arm studies, dense where studies are many."""
    rng = np.random.default_rng(seed)
    ends = [(int(rng.integers(k)), k) for k in range(1, n)]
    ends += [tuple(sorted(rng.choice(n, 2, replace=False).tolist())) for _ in range(studies - n + 1)]
    names = [f"T{k}" for k in rng.permutation(n)]
    return frame_of([(names[a], names[b], rng.normal(), rng.uniform(0.1, 1)) for a, b in ends])


def flows(fit):
    """Of each comparison its two ends and {(from, to): flow}."""
    hat = hat_matrix(fit)
    for label in hat.index:
        source, sink = label.split(":")
        edges = {}
        for edge, value in hat.loc[label].items():
            a, b = edge.split(":")
            if abs(value) > 1e-12:
                edges[(a, b) if value > 0 else (b, a)] = abs(value)
        yield label, source, sink, edges


def undirected(shares, columns):
    return [shares.get(tuple(c.split(":")), 0.0) + shares.get(tuple(c.split(":")[::-1]), 0.0) for c in columns]


def every_path(source, sink, edges):
    """All paths with their probability, by going along each."""
    out = {a: sum(flow for (u, _), flow in edges.items() if u == a) for a, _ in edges}

    def on(path, probability):
        if path[-1] == sink:
            yield path, probability
            return
        for (u, v), flow in edges.items():
            if u == path[-1]:
                yield from on([*path, v], probability * flow / out[u])

    yield from on([source], 1.0)


def path_by_path(source, sink, edges, columns):
    """Shortest paths one after the other, ties by treatments' first appearance among the directed edges."""
    seen = {}
    for column in columns:
        a, b = column.split(":")
        for name in (b, a) if (a, b) not in edges else (a, b):
            seen.setdefault(name, len(seen))
    left, shares = dict(edges), dict.fromkeys(edges, 0.0)
    while True:
        paths = {source: [source]}  # breadth first
        waiting = [source]
        for u in waiting:
            for v in sorted((v for (a, v), flow in left.items() if a == u and flow > 1e-12), key=seen.__getitem__):
                if v not in paths:
                    paths[v] = [*paths[u], v]
                    waiting.append(v)
        if sink not in paths:
            return shares
        steps = list(pairwise(paths[sink]))
        carried = min(left[step] for step in steps)
        for step in steps:
            left[step] -= carried
            shares[step] += carried / len(steps)


@pytest.mark.parametrize(("name", "method", "model", "expected"), reference())
def test_contributions_agree_with_netmeta(name, method, model, expected):
    frame = contributions(fit_network(network(name), tau2="DL" if model == "random" else "EE"), method=method)
    assert list(frame.columns) == expected["cols"]
    assert len(frame) == len(expected["rows"])
    # closed form; the reference has 12 digits
    assert_allclose(frame.loc[expected["rows"]], expected["values"], rtol=1e-8, atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 8), st.integers(0, 12))
def test_the_random_walk_is_the_sum_over_all_paths(seed, n, more):
    fit = fit_network(two_arm(seed, n=n, studies=n - 1 + more), tau2="EE")
    frame = contributions(fit, method="random-walk")
    for label, source, sink, edges in flows(fit):
        shares = {}
        for path, probability in every_path(source, sink, edges):
            for step in pairwise(path):
                shares[step] = shares.get(step, 0.0) + probability / (len(path) - 1)
        assert_allclose(frame.loc[label], undirected(shares, frame.columns), atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 10), st.integers(0, 30))
def test_the_shortest_paths_are_those_found_one_after_the_other(seed, n, more):
    fit = fit_network(two_arm(seed, n=n, studies=n - 1 + more), tau2="EE")
    frame = contributions(fit, method="shortest")
    for label, source, sink, edges in flows(fit):
        shares = path_by_path(source, sink, edges, frame.columns)
        assert_allclose(frame.loc[label], undirected(shares, frame.columns), atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_forty_treatments_and_300_studies(method):
    fit = fit_network(network("sim_perf_40x300"), tau2="DL")
    frame = contributions(fit, method=method)
    assert frame.shape == (780, 278)
    assert_allclose(frame.sum(axis=1), 1.0, rtol=1e-10)
    # a path of one edge at least: no share is more than the flow along the edge
    assert (frame.to_numpy() <= np.abs(hat_matrix(fit).to_numpy()) + 1e-12).all()


def test_some_of_forty_treatments_path_by_path():
    fit = fit_network(network("sim_perf_40x300"), tau2="DL")
    frame = contributions(fit, method="shortest")
    for number, (label, source, sink, edges) in enumerate(flows(fit)):
        if number % 197 == 0:
            shares = path_by_path(source, sink, edges, frame.columns)
            assert_allclose(frame.loc[label], undirected(shares, frame.columns), atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_triangle_by_hand(method):
    fit = fit_network(frame_of([("A", "B", 0.1, 1.0), ("A", "C", 0.2, 1.0), ("B", "C", 0.3, 1.0)]), tau2="EE")
    # 2/3 directly; 1/3 over two edges, each of which gets 1/6
    assert_allclose(contributions(fit, method=method).loc["A:B"], [2 / 3, 1 / 6, 1 / 6], atol=1e-12)


def test_a_diamond_with_a_bridge_by_hand():
    # a Wheatstone bridge of variances A-B 1, A-C 2, B-C 1, B-D 2, C-D 1
    variances = [("A", "B", 1), ("A", "C", 2), ("B", "C", 1), ("B", "D", 2), ("C", "D", 1)]
    fit = fit_network(frame_of([(a, b, 0.0, variance**0.5) for a, b, variance in variances]), tau2="EE")
    # with x from A to B, 1 - x from A to C and 2x - 1 from B to C, x + (2x - 1) = 2 (1 - x): x = 3/5
    assert_allclose(hat_matrix(fit).loc["A:D"], [3 / 5, 2 / 5, 1 / 5, 2 / 5, 3 / 5], atol=1e-12)
    # shortest first: A-B-D 2/5, A-C-D 2/5, then A-B-C-D 1/5
    shortest = contributions(fit, method="shortest").loc["A:D"]
    assert_allclose(shortest, np.array([1 + 1 / 3, 1, 1 / 3, 1, 1 + 1 / 3]) / 5, atol=1e-12)
    # a walker has no other paths here
    assert_allclose(contributions(fit, method="random-walk").loc["A:D"], shortest, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_in_a_tree_the_edges_of_the_only_path_have_equal_shares(method):
    fit = fit_network(frame_of([("A", "B", 0.1, 1.0), ("B", "C", 0.2, 0.1), ("C", "D", 0.3, 3.0)]), tau2="EE")
    frame = contributions(fit, method=method)
    assert_allclose(frame.loc["A:D"], 1 / 3, atol=1e-12)
    assert_allclose(frame.loc["B:D"], [0, 1 / 2, 1 / 2], atol=1e-12)


@pytest.mark.parametrize("by", ["comparison", "study"])
@pytest.mark.parametrize("method", METHODS)
def test_a_star_has_one_or_two_contributors(method, by):
    frame = contributions(fit_network(network("sim_star_a"), tau2="DL"), method=method, by=by)
    assert_allclose(frame.sum(axis=1), 1.0, rtol=1e-12)
    if by == "comparison":
        assert set(np.round(frame.to_numpy().ravel(), 12)) == {0.0, 0.5, 1.0}


@pytest.mark.parametrize("method", METHODS)
def test_of_two_treatments_all_evidence_is_direct_and_studies_have_their_weights(method):
    data = network("hfprevention")
    fit = fit_network(data, tau2="DL")
    assert_allclose(contributions(fit, method=method), [[1.0]])
    shares = contributions(fit, method=method, by="study").iloc[0]
    weight = 1 / (data["se"].to_numpy() ** 2 + fit.tau2)
    assert_allclose(shares[data["study"].astype(str)], weight / weight.sum(), rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_studies_of_a_comparison_share_by_weight(method):
    # A-B: variances 1 and 3, together 3/4
    rows = [("A", "B", 0.1, 1.0), ("A", "B", 0.1, 3**0.5), ("A", "C", 0.2, 1.0), ("B", "C", 0.3, 1.0)]
    fit = fit_network(frame_of(rows), tau2="EE")
    direct, studies = contributions(fit, method=method), contributions(fit, method=method, by="study")
    assert list(studies.columns) == ["S0", "S1", "S2", "S3"]
    assert_allclose(studies["S0"], 0.75 * direct["A:B"], atol=1e-12)
    assert_allclose(studies["S1"], 0.25 * direct["A:B"], atol=1e-12)
    assert_allclose(studies[["S2", "S3"]], direct[["A:C", "B:C"]], atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_multi_arm_study_adds_up_its_parts_of_several_comparisons(method):
    # arms of variance 1/2 each: weights of the contrasts 2 x 2 / 6 = 2/3; a study of A and B with weight 2
    rows = [("x", "B", "A", 0.1, 1.0), ("x", "C", "A", 0.2, 1.0), ("x", "C", "B", 0.1, 1.0), ("y", "B", "A", 0.0, 0.5**0.5)]  # fmt: skip
    fit = fit_network(pd.DataFrame(rows, columns=COLUMNS), tau2="EE")
    direct, studies = contributions(fit, method=method), contributions(fit, method=method, by="study")
    # A:B conducts 2 + 2/3 directly and 1/3 by way of C
    assert_allclose(direct.loc["A:B"], [8 / 9, 1 / 18, 1 / 18], atol=1e-12)
    assert_allclose(studies.loc["A:B", "x"], 8 / 9 * (2 / 3) / (8 / 3) + 1 / 9, atol=1e-12)
    assert_allclose(studies.sum(axis=1), 1.0, rtol=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_the_random_walk_is_free_of_names(seed):
    data = two_arm(seed, n=7, studies=16)
    backwards = {f"T{k}": f"U{9 - k}" for k in range(7)}
    renamed = data.replace({"treatment": backwards, "comparator": backwards})
    frame, other = (contributions(fit_network(each, tau2="EE"), method="random-walk") for each in (data, renamed))
    rows, columns = (
        [":".join(backwards[end] for end in reversed(label.split(":"))) for label in labels]
        for labels in (frame.index, frame.columns)
    )
    assert_allclose(other.loc[rows, columns], frame, atol=1e-10)


def test_shares_by_shortest_paths_can_depend_on_names_and_say_so():
    data = network("linde2016")
    names = sorted({*data["treatment"], *data["comparator"]}, key=str.casefold)
    backwards = {name: f"U{99 - number}" for number, name in enumerate(names)}
    renamed = data.replace({"treatment": backwards, "comparator": backwards})
    frame, other = (contributions(fit_network(each, tau2="DL")) for each in (data, renamed))
    rows, columns = (
        [":".join(backwards[end] for end in reversed(label.split(":"))) for label in labels]
        for labels in (frame.index, frame.columns)
    )
    apart = np.abs(other.loc[rows, columns].to_numpy() - frame.to_numpy()).max()
    assert 0.001 < apart < 0.05
    assert any("depend" in note for note in frame.attrs["notes"])
    assert not contributions(fit_network(data, tau2="DL"), method="random-walk").attrs["notes"]


@pytest.mark.parametrize("method", METHODS)
def test_contributions_are_free_of_order_direction_effects_and_scale(method):
    data = network("senn2013")
    frame = contributions(fit_network(data, tau2="EE"), method=method)
    turned = data.sample(frac=1, random_state=1).rename(columns={"treatment": "comparator", "comparator": "treatment"})
    turned = turned.assign(effect=0.0, se=turned["se"] * 7)
    assert_allclose(contributions(fit_network(turned, tau2="EE"), method=method), frame, atol=1e-10)


@pytest.mark.parametrize("by", ["comparison", "study"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["woods2010", "dong2013", "smokingcessation", "stowe2010"])
def test_shares_are_shares(name, method, by):
    frame = contributions(fit_network(network(name), tau2="REML"), method=method, by=by)
    assert_allclose(frame.sum(axis=1), 1.0, rtol=1e-10)
    assert frame.to_numpy().min() >= 0
    assert not frame.to_numpy().flags.writeable


def four_arms(variances):
    rows = [("x", b, a, 0.0, variances[a + b] ** 0.5) for a, b in ("AB", "AC", "AD", "BC", "BD", "CD")]
    return fit_network(pd.DataFrame(rows, columns=COLUMNS), tau2="EE")


def test_a_study_whose_correlated_arms_have_a_negative_weight_is_refused_by_name():
    # variances made of weights of which one, B:C, is below 0: positive definite, but not of independent arms
    weights = np.array([[0, 1, 3, 1], [1, 0, -0.3, 3], [3, -0.3, 0, 1], [1, 3, 1, 0]])
    resistance = np.linalg.pinv(np.diag(weights.sum(axis=1)) - weights)
    i = np.diag(resistance)
    variance = i[:, None] + i[None, :] - 2 * resistance
    fit = four_arms({a + b: variance["ABCD".index(a), "ABCD".index(b)] for a, b in ("AB", "AC", "AD", "BC", "BD", "CD")})  # fmt: skip
    assert_allclose(hat_matrix(fit).loc["B:C", "B:C"], -0.3 * variance[1, 2], rtol=1e-10)
    with pytest.raises(ValueError, match=r"study x, B:C \(-0.3\).*Remedy"):
        contributions(fit)


@pytest.mark.parametrize("method", METHODS)
def test_rounded_standard_errors_of_a_very_large_arm_are_allowed_for_and_noted(method):
    # arm A would have variance (0.1 + 0.1 - 0.20005) / 2 < 0
    rows = [("x", "B", "A", 0.1, 0.1**0.5), ("x", "C", "A", 0.2, 0.1**0.5), ("x", "C", "B", 0.1, 0.20005**0.5)]
    fit = fit_network(pd.DataFrame([*rows, ("y", "C", "B", 0.3, 5.0)], columns=COLUMNS), tau2="EE")
    frame = contributions(fit, method=method)
    assert_allclose(frame.sum(axis=1), 1.0, rtol=1e-10)
    alone = fit_network(pd.DataFrame(rows, columns=COLUMNS), tau2="EE")
    shares = contributions(alone, method=method)
    assert_allclose(shares.loc["B:C"], [0.5, 0.5, 0.0], atol=1e-12)
    assert "study x, B:C" in shares.attrs["notes"][0]


def test_refuses_codes_that_it_does_not_know():
    fit = fit_network(network("sim_star_a"), tau2="EE")
    with pytest.raises(ValueError, match=r"method is not a known code .cccp.; accepted: shortest, random-walk"):
        contributions(fit, method="cccp")
    with pytest.raises(ValueError, match=r"by is not a known code .arm.; accepted: comparison, study"):
        contributions(fit, by="arm")
