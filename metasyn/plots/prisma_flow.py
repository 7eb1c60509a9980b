"""The flow diagram of PRISMA 2020: from what was identified to what was included.

Page MJ, McKenzie JE, Bossuyt PM, et al. The PRISMA 2020 statement. BMJ 2021;372:n71, figure 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from metasyn.plots.style import ACCENT, BAND, FONT_SIZE, INK, MUTED, new_axes, style
from metasyn.plots.wrapped_text import text_size, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Counts = tuple[tuple[str, int], ...]  # name: number

# inches
WIDTH, PAD, GAP_X, GAP_Y = 2.45, 0.09, 0.34, 0.26
RAIL, EDGE = 0.3, 0.12  # the phases at the left; around everything
LEAST = {"identified": 1.15, "included": 0.75}  # heights of rows that a phase's name stands beside alone


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowStage:
    """From reports sought to reports left out."""

    sought: int
    not_retrieved: int
    assessed: int
    excluded: Counts  # reason: reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The numbers of a flow diagram.

    Attributes
    ----------
    identified, removed : tuple of (str, int)
        Records by database or register; records taken out before screening, by reason.
    screened, excluded : int
        Records.
    excluded_by_automation : int or None
        How many of those left out a tool left out.
    retrieval : FlowStage
        Reports, from databases and registers.
    other_identified, other_retrieval
        The same for websites, citations and other sources; empty and None without any.
    studies, reports : int
        What this search added.
    previous_studies, previous_reports : int or None
        What earlier versions held; None for a first one.
    """

    identified: Counts
    removed: Counts
    screened: int
    excluded: int
    excluded_by_automation: int | None = None
    retrieval: FlowStage
    other_identified: Counts = ()
    other_retrieval: FlowStage | None = None
    studies: int
    reports: int
    previous_studies: int | None = None
    previous_reports: int | None = None

    def __post_init__(self) -> None:
        for name, number in _numbers(self):
            if number < 0:
                raise ValueError(f"{name} is below 0 ({number}); accepted: counts of 0 or more")


def _numbers(part: Flow | FlowStage) -> Iterator[tuple[str, int]]:
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, FlowStage):
            yield from _numbers(value)
        elif isinstance(value, tuple):
            yield from ((f"{field.name} ({name})", number) for name, number in value)
        elif value is not None:
            yield field.name, value


@dataclass(frozen=True, slots=True)
class _Box:
    row: str
    column: str
    lines: tuple[str, ...]
    size: tuple[float, float]  # of the text, inches


ROWS = ("title", "identified", "screened", "sought", "assessed", "included", "total")
COLUMNS = ("previous", "main", "main-out", "other", "other-out")
PHASES = {"Identification": ("identified",), "Screening": ("screened", "sought", "assessed"), "Included": ("included", "total")}  # fmt: skip


def prisma_flow(flow: Flow, ax: Axes | None = None) -> Axes:
    """Draw the flow of records, reports and studies.

    Parameters
    ----------
    flow : Flow
        The numbers; they are drawn as they are.
    ax : Axes or None
        By default those of a new figure, as large as the boxes need. Given axes get limits in inches, so boxes and letters
        fit where the axes are at least that large.

    Returns
    -------
    Axes
        In inches from the upper left corner.
    """
    with style():
        boxes = {(box.row, box.column): box for box in _boxes(flow)}
        rows = [row for row in ROWS if any(place[0] == row for place in boxes)]
        columns = [column for column in COLUMNS if any(place[1] == column for place in boxes)]
        left = {column: EDGE + RAIL + GAP_X / 2 + number * (WIDTH + GAP_X) for number, column in enumerate(columns)}
        middle, height, end = _rows(boxes, rows)
        across = left[columns[-1]] + WIDTH + EDGE
        if ax is None:
            ax = new_axes(width=across, height=end, left=0.0, right=0.0, top=0.0, bottom=0.0)
        ax.set(xlim=(0, across), ylim=(end, 0), xticks=[], yticks=[], aspect="equal")
        ax.spines[:].set_visible(False)
        _phases(ax, rows, middle, height)
        edges = {}
        for (row, column), box in boxes.items():
            tall = box.size[1] + 2 * PAD
            edges[row, column] = (left[column], middle[row] - tall / 2, left[column] + WIDTH, middle[row] + tall / 2)
            _draw(ax, box, edges[row, column], middle[row])
        _arrows(ax, edges)
    return ax


def _boxes(flow: Flow) -> Iterator[_Box]:
    yield _title("main", "Databases and registers")
    yield _box("identified", "main", "Records identified", sum(n for _, n in flow.identified), flow.identified)
    yield _box(
        "identified", "main-out", "Records removed before screening", sum(n for _, n in flow.removed), flow.removed
    )
    by_tool = flow.excluded_by_automation
    split = () if by_tool is None else (("by people", flow.excluded - by_tool), ("by automation", by_tool))
    yield _box("screened", "main", "Records screened", flow.screened)
    yield _box("screened", "main-out", "Records excluded", flow.excluded, split)
    yield from _stage_boxes("main", flow.retrieval)
    if flow.other_retrieval is not None:
        yield _title("other", "Other methods")
        yield _box(
            "identified", "other", "Records identified", sum(n for _, n in flow.other_identified), flow.other_identified
        )
        yield from _stage_boxes("other", flow.other_retrieval)
    new = flow.previous_studies is not None
    yield _box(
        "included",
        "main",
        f"{'New studies' if new else 'Studies'} included",
        flow.studies,
        (("reports of them", flow.reports),),
    )
    if flow.previous_studies is not None:
        held = flow.previous_reports or 0
        yield _title("previous", "Previous versions")
        yield _box(
            "identified", "previous", "Studies included before", flow.previous_studies, (("reports of them", held),)
        )
        total = (("reports of them", flow.reports + held),)
        yield _box("total", "main", "Studies included in all", flow.studies + flow.previous_studies, total)


def _stage_boxes(column: str, stage: FlowStage) -> Iterator[_Box]:
    yield _box("sought", column, "Reports sought for retrieval", stage.sought)
    yield _box("sought", f"{column}-out", "Reports not retrieved", stage.not_retrieved)
    yield _box("assessed", column, "Reports assessed for eligibility", stage.assessed)
    yield _box("assessed", f"{column}-out", "Reports excluded", sum(n for _, n in stage.excluded), stage.excluded)


def _box(row: str, column: str, head: str, number: int, details: Counts = ()) -> _Box:
    room = WIDTH - 2 * PAD - 0.06
    lines = [*wrap(head, room), f"(n = {number})"]
    for name, count in details:
        first, *more = wrap(f"{name}: {count}", room - 0.12)
        lines += [first, *(f"  {line}" for line in more)]
    return _Box(row, column, tuple(lines), text_size(tuple(lines)))


def _title(column: str, text: str) -> _Box:
    lines = wrap(text, WIDTH - 2 * PAD)
    return _Box("title", column, lines, text_size(lines, bold=True))


def _rows(boxes: dict[tuple[str, str], _Box], rows: Sequence[str]) -> tuple[dict[str, float], dict[str, float], float]:
    """Middle and height of each row, and where the last ends."""
    middle, height = {}, {}
    y = EDGE
    for row in rows:
        tallest = max(box.size[1] for (at, _), box in boxes.items() if at == row) + 2 * PAD
        height[row] = max(tallest, LEAST.get(row, 0.0))
        middle[row] = y + height[row] / 2
        y += height[row] + GAP_Y
    return middle, height, y - GAP_Y + EDGE


def _phases(ax: Axes, rows: Sequence[str], middle: dict[str, float], height: dict[str, float]) -> None:
    from matplotlib.patches import Rectangle

    for name, of in PHASES.items():
        here = [row for row in of if row in rows]
        top = middle[here[0]] - height[here[0]] / 2
        end = middle[here[-1]] + height[here[-1]] / 2
        ax.add_patch(Rectangle((EDGE, top), RAIL, end - top, facecolor=BAND, edgecolor="none", gid="phase"))
        _text(ax, EDGE + RAIL / 2, (top + end) / 2, name, "phase", rotation=90, weight="bold", ha="center")


def _draw(ax: Axes, box: _Box, edge: tuple[float, float, float, float], y: float) -> None:
    from matplotlib.patches import Rectangle

    x0, top, x1, end = edge
    title = box.row == "title"
    filled = (
        {"facecolor": BAND, "edgecolor": "none"} if title else {"facecolor": "white", "edgecolor": MUTED, "lw": 0.9}
    )
    ax.add_patch(Rectangle((x0, top), x1 - x0, end - top, gid=f"{box.row} {box.column}", zorder=2, **filled))
    text = "\n".join(box.lines)
    place = {"weight": "bold", "ha": "center"} if title else {"ha": "left"}
    _text(ax, (x0 + x1) / 2 if title else x0 + PAD, y, text, f"{box.row} {box.column}", **place)


def _text(ax: Axes, x: float, y: float, text: str, gid: str, **options: Any) -> None:
    drawn = ax.text(x, y, text, va="center", fontsize=FONT_SIZE, color=INK, zorder=3, gid=gid, **options)
    drawn.set_parse_math(False)


def _arrows(ax: Axes, edges: dict[tuple[str, str], tuple[float, float, float, float]]) -> None:
    for column in ("main", "other"):
        down = [row for row in ROWS[1:] if (row, column) in edges]
        for before, after in pairwise(down):
            a, b = edges[before, column], edges[after, column]
            _line(ax, [(_mid(a, 0), a[3]), (_mid(b, 0), b[1])])
        for row in down:
            if (row, f"{column}-out") in edges:
                a, b = edges[row, column], edges[row, f"{column}-out"]
                _line(ax, [(a[2], _mid(a, 1)), (b[0], _mid(b, 1))])
    # from beside: down to the row, then across
    for start, goal, side in (
        (("assessed", "other"), ("included", "main"), 2),
        (("identified", "previous"), ("total", "main"), 0),
    ):
        if start in edges:
            a, b = edges[start], edges[goal]
            _line(ax, [(_mid(a, 0), a[3]), (_mid(a, 0), _mid(b, 1)), (b[side], _mid(b, 1))])


def _mid(edge: tuple[float, float, float, float], axis: int) -> float:
    return (edge[axis] + edge[axis + 2]) / 2


def _line(ax: Axes, corners: list[tuple[float, float]]) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    ax.add_patch(
        FancyArrowPatch(path=Path(corners), arrowstyle="-|>", mutation_scale=9, color=ACCENT, lw=1.0, zorder=1, gid="arrow", shrinkA=0, shrinkB=0)
    )  # fmt: skip
