"""The picture of a network: nothing overlaps, and what is drawn is what the graph says."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
from artists import assert_legible, lines, patches, text_boxes, written
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from network_frames import contrasts, long_name, strategies
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.plots.network_circle import circular_order, crosses_box, crossings
from metasyn.plots.network_graph import network
from metasyn.plots.style import figure_bytes, text_width
from metasyn.plots.wrapped_text import wrap

COUNTS = (2, 3, 5, 9, 12, 22, 40)
KINDS = ("studies", "patients", "risk-of-bias")


def discs(ax):
    """Centre and radius of every node in pixels."""
    unit = ax.transData.transform([[0, 0], [1, 0]])
    inch = unit[1, 0] - unit[0, 0]
    return [(ax.transData.transform(patch.center), patch.radius * inch) for patch in patches(ax, "node")]


def boxes(ax, *gids):
    renderer = ax.figure.canvas.get_renderer()
    return [(text, text.get_window_extent(renderer).extents) for text in ax.texts if text.get_gid() in gids]


def assert_clear(ax):
    """Texts overlap neither each other nor nodes, lines to names cross no name, nodes do not touch, and all is in the axes."""
    assert_legible(ax.figure)
    frame = ax.get_window_extent().extents
    nodes = discs(ax)
    for text, box in boxes(ax, "name", "edge number", "part", "key"):
        assert (box[:2] >= frame[:2] - 0.5).all(), text.get_text()
        assert (box[2:] <= frame[2:] + 0.5).all(), text.get_text()
        for centre, radius in nodes:
            away = np.hypot(*(centre - np.clip(centre, box[:2], box[2:])))
            assert away >= radius, text.get_text()
    names = boxes(ax, "name")
    for leader in lines(ax, "leader"):
        path = ax.transData.transform(leader.get_xydata())
        assert [text.get_text() for text, box in names if crosses_box(path, np.add(box, (1, 1, -1, -1)))] == []
    for number, (centre, radius) in enumerate(nodes):
        for other, its in nodes[number + 1 :]:
            assert np.hypot(*(centre - other)) > radius + its


@pytest.mark.parametrize("n", COUNTS)
def test_nothing_overlaps_in_a_network_of_long_names(n):
    ax = network(strategies(n), edges=KINDS[n % 3])
    for dpi in (100, 200):
        ax.figure.set_dpi(dpi)
        assert_clear(ax)
    assert ax.figure.get_size_inches()[0] <= 7.0 + 1e-9


@pytest.mark.parametrize(("n", "parts"), [(4, 2), (9, 4), (14, 5), (22, 11), (40, 3), (40, 12), (5, 5)])
def test_nothing_overlaps_in_unconnected_parts(n, parts):
    ax = network(strategies(n, parts=parts), edges="risk-of-bias" if parts < n else "studies")
    assert_clear(ax)
    assert sorted(written(ax, "part")) == sorted(f"part {number}" for number in range(1, parts + 1))


@pytest.mark.parametrize(
    ("n", "parts", "size"),
    [(3, 1, (3.5, 3.0)), (12, 1, (3.5, 3.0)), (14, 5, (4.0, 7.0)), (22, 1, (9.0, 3.0)), (22, 1, (4.0, 7.0))],
)
def test_nothing_overlaps_in_axes_that_are_given(n, parts, size):
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    assert network(strategies(n, parts=parts), ax) is ax
    assert_clear(ax)


@pytest.mark.parametrize("name", ["senn2013", "linde2016", "dong2013", "sim_perf_40x300"])
def test_a_fit_shows_its_treatments_and_its_direct_studies(name):
    fit = fit_network(contrasts(name))
    ax = network(fit)
    assert_clear(ax)
    assert sorted(" ".join(text.split()) for text in written(ax, "name")) == sorted(fit.treatments)
    pairs = np.triu(fit.direct_studies.to_numpy())
    assert len(lines(ax, "edge")) == (pairs > 0).sum()
    numbers = sorted(int(text) for text in written(ax, "edge number"))
    shown = sorted(pairs[pairs > 0] if (pairs > 0).sum() <= 40 else pairs[pairs > 1])
    room = sum("no room" in text for text in written(ax, "legend"))
    assert numbers == shown or (room and len(numbers) >= 0.95 * len(shown))


@pytest.mark.parametrize("n", [9, 12])
def test_every_name_stands_next_to_its_own_node(n):
    graph = strategies(n, name=lambda i: f"name {i}")
    ax = network(graph)
    centres = np.array([centre for centre, _ in discs(ax)])
    for own, (_, box) in enumerate(boxes(ax, "name")):
        away = np.hypot(*(centres - np.clip(centres, box[:2], box[2:])).T)
        assert np.argmin(away) == own


def test_areas_of_nodes_are_patients_and_unknown_numbers_are_hollow():
    graph = nx.path_graph(4)
    for node, patients in enumerate((400, 1600, 900, None)):
        graph.nodes[node]["patients"] = patients
    nodes = patches(network(graph), "node")
    areas = [node.radius**2 for node in nodes]
    assert_allclose(np.array(areas[:3]) / areas[1], [0.25, 1, 9 / 16])
    assert [node.get_facecolor()[:3] == (1.0, 1.0, 1.0) for node in nodes] == [False, False, False, True]
    assert "patients not known" in written(network(graph), "legend")


def test_nodes_of_a_fit_are_as_large_as_their_studies():
    fit = fit_network(contrasts("senn2013"))
    rows = contrasts("senn2013")
    nodes = dict(zip(fit.treatments, patches(network(fit), "node"), strict=True))
    studies = {
        name: rows.loc[(rows["treatment"] == name) | (rows["comparator"] == name), "study"].nunique() for name in nodes
    }
    assert_allclose((nodes["metf"].radius / nodes["plac"].radius) ** 2, studies["metf"] / studies["plac"])


@pytest.mark.parametrize(("edges", "key"), [("studies", "studies"), ("patients", "patients")])
def test_widths_of_edges_rise_with_what_they_stand_for(edges, key):
    graph = nx.path_graph(5)
    for number, (_, _, data) in enumerate(graph.edges(data=True)):
        data.update(studies=(1, 2, 5, 9)[number], patients=(4000, 900, 300, 50)[number])
    ax = network(graph, edges=edges)
    drawn = [line.get_linewidth() for line in lines(ax, "edge")]
    values = [data[key] for _, _, data in graph.edges(data=True)]
    slope = np.diff(drawn) / np.diff(values)
    assert_allclose(slope, slope[0])
    assert slope[0] > 0
    assert sorted(written(ax, "edge number")) == sorted(f"{value:,}" for value in values)


def test_judgements_have_their_shares_of_an_edge():
    graph = nx.Graph()
    graph.add_edge("A", "B", studies=8, risk_of_bias={"low": 4, "some-concerns": 2, "critical": 1})
    ax = network(graph, edges="risk-of-bias")
    shares = {}
    for line in ax.lines:
        if str(line.get_gid()).startswith("edge: "):
            points = line.get_xydata()
            shares[line.get_gid().removeprefix("edge: ")] = np.hypot(*np.diff(points, axis=0).T).sum()
    total = sum(shares.values())
    assert {name: pytest.approx(length / total) for name, length in shares.items()} == {
        "low": 0.5,
        "some concerns": 0.25,
        "critical": 0.125,
        "not assessed": 0.125,
    }
    colours = [line.get_color() for line in ax.lines if str(line.get_gid()).startswith("edge: ")]
    assert len(set(colours)) == 4
    assert {"low", "some concerns", "critical", "not assessed"} <= set(written(ax, "legend"))


@pytest.mark.parametrize("edges", ["studies", "risk-of-bias"])
def test_edges_without_a_randomised_study_are_dashed(edges):
    graph = nx.Graph()
    for ends, designs in (("AB", ["rct", "retrospective-cohort"]), ("AC", ["prospective-cohort"]), ("AD", "rct"), ("AE", None)):  # fmt: skip
        graph.add_edge(*ends, designs=designs, risk_of_bias={"low": 1})
    ax = network(graph, edges=edges)
    drawn = [line for line in ax.lines if str(line.get_gid()).startswith("edge")]
    assert [line.is_dashed() for line in drawn] == [False, True, False, False]
    assert "non-randomised studies only" in written(ax, "legend")


def test_trials_of_three_arms_are_shaded_between_their_nodes():
    graph = nx.complete_graph(4)
    graph.graph["multi_arm"] = [(0, 1, 2)]
    graph.edges[1, 3]["multi_arm"] = [(3, 2, 1), (1, 2, 3), (1, 3)]
    ax = network(graph)
    shades = patches(ax, "multi-arm")
    assert len(shades) == 2
    centres = [node.center for node in patches(ax, "node")]
    for shade, arms in zip(shades, ((0, 1, 2), (1, 2, 3)), strict=True):
        assert {tuple(np.round(corner, 9)) for corner in shade.get_xy()} == {tuple(np.round(centres[arm], 9)) for arm in arms}  # fmt: skip


def test_names_of_a_study_list_are_counted_once():
    graph = nx.Graph()
    graph.add_edge("A", "B", studies=["one", "two"])
    graph.add_edge("A", "C", studies=["two", "two", "three"])
    assert sorted(written(network(graph), "edge number")) == ["2", "2"]


def test_parts_keep_the_numbers_of_their_nodes_and_stand_apart():
    graph = nx.Graph()
    graph.add_edge("A", "B")
    graph.add_edge("C", "D")
    for node, part in zip("ABCD", (1, 1, 0, 0), strict=True):  # from 0 on
        graph.nodes[node]["part"] = part
    ax = network(graph)
    captions = {text.get_text(): text.get_position()[0] for text in ax.texts if text.get_gid() == "part"}
    assert captions["part 1"] < captions["part 2"]
    x = [node.center[0] for node in patches(ax, "node")]
    assert max(x[2:]) < min(x[:2])


def test_numbers_with_a_key_stand_for_names_that_do_not_fit():
    ax = network(strategies(40))
    assert written(ax, "name") == [str(number) for number in range(1, 41)]
    key = [" ".join(text.split()) for text in written(ax, "key")]
    assert sorted(key[1::2], key=str.casefold) == key[1::2]
    assert set(key[1::2]) == {long_name(i) for i in range(40)}
    assert written(network(strategies(5)), "key") == []
    assert len(written(network(strategies(5), key=True), "key")) == 10


def test_the_order_in_which_a_graph_was_built_does_not_matter():
    graph = strategies(12, parts=2)
    other = nx.Graph(multi_arm=graph.graph["multi_arm"])
    other.add_nodes_from(reversed(list(graph.nodes(data=True))))
    other.add_edges_from((b, a, data) for a, b, data in reversed(list(graph.edges(data=True))))
    first, second = (figure_bytes(network(each).figure, "svg") for each in (graph, other))
    assert first == second


def test_one_node_alone():
    graph = nx.Graph()
    graph.add_node("A", label="base + drug A > a device that has a long name")
    assert_clear(network(graph))


@given(st.integers(4, 12), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_crossings_are_counted_and_never_more_than_in_alphabetical_order(n, random):
    pairs = [(a, b) for a in range(n) for b in range(a)]
    edges = random.sample(pairs, k=min(len(pairs), 2 * n))
    order = circular_order(range(n), edges)
    assert sorted(order) == list(range(n))
    place = {node: number for number, node in enumerate(order)}
    ends = [sorted((place[a], place[b])) for a, b in edges]
    assert crossings(order, edges) == sum(a < c < b < d for a, b in ends for c, d in ends)
    assert crossings(order, edges) <= crossings(range(n), edges)


def test_a_ring_in_any_order_is_drawn_without_crossings():
    random = np.random.default_rng(4)
    for _ in range(20):
        ring = random.permutation(9).tolist()
        edges = [(ring[i], ring[(i + 1) % 9]) for i in range(9)]
        assert crossings(circular_order(range(9), edges), edges) == 0


def test_names_break_before_signs_and_lose_nothing():
    name = "base + drug A > {base + drug A + device} > consolidation: drug A"
    assert wrap(name, 2.1, 8.0) == ("base + drug A", "> {base + drug A + device}", "> consolidation: drug A")
    for width in (0.3, 0.7, 1.3, 2.0, 9.0):
        broken = wrap(name, width, 8.0)
        assert "".join("".join(broken).split()) == "".join(name.split())
        assert all(text_width(line, size=8.0) <= max(width, 0.12) for line in broken)
    assert wrap("", 1.0) == ("",)
    assert math.isclose(len(wrap("x" * 60, 1.0)), 60 * text_width("x" * 60) / 60, rel_tol=0.4)


def graph_with(**data):
    graph = nx.Graph()
    graph.add_edge("A", "B", **data)
    return graph


@pytest.mark.parametrize(
    ("graph", "options", "words"),
    [
        (graph_with(), {"edges": "trials"}, "edges is 'trials'; accepted: studies, patients, risk-of-bias"),
        (graph_with(), {"edges": "patients"}, "no edge has any"),
        (graph_with(), {"edges": "risk-of-bias"}, "no edge has a judgement"),
        (graph_with(studies=0), {}, "studies of A – B is 0; accepted: a whole number from 1"),
        (graph_with(studies=[]), {}, "studies of A – B is"),
        (graph_with(studies=2.5), {}, "studies of A – B is 2.5"),
        (graph_with(studies=2, risk_of_bias={"low": 3}), {}, "judges 3 studies, but the edge has 2"),
        (graph_with(risk_of_bias={"fine": 1}), {}, r"judgement that is not known \(fine\); accepted: low"),
        (graph_with(multi_arm=[("A", "B", "Z")]), {}, "multi_arm names Z"),
        (nx.Graph(), {}, "no nodes"),
        (nx.DiGraph([(1, 2)]), {}, "DiGraph; accepted"),
        (nx.Graph([(1, 1)]), {}, "compares 1 with itself"),
        ("A", {}, "graph_or_fit is a str"),
    ],
)
def test_refuses_what_it_cannot_draw(graph, options, words):
    with pytest.raises(ValueError, match=words):
        network(graph, **options)


def test_refuses_parts_that_disagree_with_the_edges():
    graph = nx.Graph([("A", "B"), ("C", "D")])
    nx.set_node_attributes(graph, 1, "part")
    with pytest.raises(ValueError, match="part of the nodes disagrees"):
        network(graph)
    graph.graph["multi_arm"] = [("A", "B", "C")]
    nx.set_node_attributes(graph, {"A": 1, "B": 1, "C": 2, "D": 2}, "part")
    with pytest.raises(ValueError, match="multi_arm has a trial in unconnected parts"):
        network(graph)


def test_text_boxes_sees_the_texts():
    assert len(text_boxes(network(strategies(5)).figure)) > 10
