"""The flow diagram draws the numbers that it is handed, and its texts stay in their boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from artists import assert_legible, patches, written

from metasyn.plots.prisma_flow import Flow, FlowStage, prisma_flow

LONG = "another population than that of the question, or another line of treatment"
FLOW = Flow(
    identified=(("A very long name of an index with its in-process citations", 812), ("Register B", 60)),
    removed=(("duplicates", 260), ("marked by automation", 10), ("other reasons", 2)),
    screened=600,
    excluded=500,
    excluded_by_automation=100,
    retrieval=FlowStage(sought=100, not_retrieved=4, assessed=96, excluded=((LONG, 40), ("no comparison", 30))),
    other_identified=(("reference lists", 12),),
    other_retrieval=FlowStage(sought=9, not_retrieved=1, assessed=8, excluded=(("no comparison", 3),)),
    studies=25,
    reports=31,
    previous_studies=10,
    previous_reports=12,
)
PLAIN = replace(
    FLOW, other_identified=(), other_retrieval=None, previous_studies=None, previous_reports=None, excluded_by_automation=None
)  # fmt: skip
MANY = replace(
    FLOW,
    identified=tuple((f"Index {i:02d} of thirty characters", 100000 + i) for i in range(12)),
    retrieval=replace(FLOW.retrieval, excluded=tuple((f"{LONG} {i}", i) for i in range(12))),
)
FLOWS = {"whole": FLOW, "plain": PLAIN, "many": MANY}
NUMBERS = {
    "identified main": (872, 812, 60),
    "identified main-out": (272, 260, 10, 2),
    "screened main": (600,),
    "screened main-out": (500, 400, 100),
    "sought main": (100,),
    "sought main-out": (4,),
    "assessed main": (96,),
    "assessed main-out": (70, 40, 30),
    "identified other": (12, 12),
    "sought other": (9,),
    "sought other-out": (1,),
    "assessed other": (8,),
    "assessed other-out": (3, 3),
    "included main": (25, 31),
    "identified previous": (10, 12),
    "total main": (35, 43),
}


def text(ax, gid: str) -> str:
    (found,) = written(ax, gid)
    return " ".join(found.split())


@pytest.mark.parametrize("gid", NUMBERS)
def test_every_box_says_its_numbers(gid):
    head, *details = NUMBERS[gid]
    words = text(prisma_flow(FLOW), gid)
    assert f"(n = {head})" in words
    assert all(f": {number}" in words for number in details)


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_texts_do_not_overlap_and_stay_in_their_boxes(flow):
    ax = prisma_flow(flow)
    assert_legible(ax.figure)
    renderer = ax.figure.canvas.get_renderer()
    for drawn in ax.texts:
        if drawn.get_gid() == "phase":
            continue
        (box,) = patches(ax, drawn.get_gid())
        inner, outer = drawn.get_window_extent(renderer), box.get_window_extent(renderer)
        assert outer.x0 <= inner.x0 <= inner.x1 <= outer.x1, drawn.get_text()
        assert outer.y0 <= inner.y0 <= inner.y1 <= outer.y1, drawn.get_text()


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_boxes_and_arrows_cross_nothing(flow):
    ax = prisma_flow(flow)
    boxes = [patch for patch in ax.patches if patch.get_gid() not in ("arrow", "phase")]
    corners = np.array([box.get_bbox().extents for box in boxes])
    for a, first in enumerate(corners):
        for second in corners[a + 1 :]:
            shared = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
            assert shared.min() <= 0
    for arrow in patches(ax, "arrow"):
        path = arrow.get_path().interpolated(50).vertices
        for x0, y0, x1, y1 in corners:
            slack = 0.02
            inside = (
                (path[:, 0] > x0 + slack)
                & (path[:, 0] < x1 - slack)
                & (path[:, 1] > y0 + slack)
                & (path[:, 1] < y1 - slack)
            )
            assert not inside.any()


def test_a_first_review_of_databases_alone_has_neither_other_column():
    ax = prisma_flow(PLAIN)
    titles = [text.get_text() for text in ax.texts if text.get_gid().startswith("title")]
    assert titles == ["Databases and registers"]
    assert not written(ax, "total main")
    assert "Studies included" in text(ax, "included main")
    assert len(patches(ax, "arrow")) == 8  # 4 down, 4 out


def test_phases_stand_beside_their_rows():
    ax = prisma_flow(FLOW)
    assert written(ax, "phase") == ["Identification", "Screening", "Included"]


def test_signs_of_mathematics_in_names_are_text():
    ax = prisma_flow(replace(PLAIN, identified=(("cost in $ and $x_1$", 872),)))
    ax.figure.draw_without_rendering()
    assert "$x_1$: 872" in text(ax, "identified main")


def test_it_draws_on_axes_that_it_is_given():
    from matplotlib.figure import Figure

    ax = Figure(figsize=(16, 9)).add_subplot()
    assert prisma_flow(FLOW, ax) is ax


@pytest.mark.parametrize(("field", "value"), [("screened", -1), ("removed", (("duplicates", -2),))])
def test_a_count_below_0_is_refused(field, value):
    with pytest.raises(ValueError, match=rf"{field}.*below 0.*accepted"):
        replace(FLOW, **{field: value})
