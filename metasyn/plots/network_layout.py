"""Lays out a picture of a network in inches: parts beside each other, names, edges and their numbers, and a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from metasyn.plots.network_circle import Circle, circular_order, on_circle
from metasyn.plots.network_content import NetworkContent, NetworkEdge
from metasyn.plots.wrapped_text import text_size, wrap

Array = npt.NDArray[np.float64]
Edges = Literal["studies", "patients", "risk-of-bias"]

NAME_SIZE = 8.0  # points
NUMBER_SIZE = 7.0
KEY_SIZE = 7.5
LEAST = 4.6  # inches: a legend in fewer has too many lines
BETWEEN = 0.3  # between parts
CAPTION = 0.24  # height of a part's caption
WRAPS = (1.75, 2.1, 2.5, 1.4)  # widths of lines that are tried for names
TALLEST = 8.0  # of the parts: beyond it numbers stand for names
KEY_COLUMN = 3.2  # largest width of a column of the key, inches
SEVERAL = 40  # edges: of more, those of one study bear no number
_ALONG = (
    0.5,
    0.45,
    0.55,
    0.4,
    0.6,
    0.35,
    0.65,
    0.3,
    0.7,
    0.25,
    0.75,
    0.2,
    0.8,
)  # where on an edge its number may stand


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Lines of text and the box that they fill: x0 y0 x1 y1 in inches."""

    lines: tuple[str, ...]
    box: tuple[float, float, float, float]
    align: str = "center"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLayout:
    """Everything in inches, x from the left margin on and y from the lowest name upwards; the key is below.

    Attributes
    ----------
    width, top, bottom : float
        Right end, upper end, and lower end of parts and key.
    centres, radii : array, shapes (n, 2) and (n,)
        Of the nodes.
    names : tuple of Words
        At the nodes: their labels, or numbers where `key` has the labels.
    leaders : tuple of array, shape (2, 2)
        From nodes to names that stand apart.
    paths : tuple of array, shape (p, 2)
        Of the edges.
    widths : tuple of float
        Of the edges, points.
    numbers : dict of int to Words
        On the edges, by index; edges without room have none.
    captions, key : tuple of Words
        Names of parts, and labels by number.
    """

    width: float
    top: float
    bottom: float
    centres: Array
    radii: Array
    names: tuple[Words, ...]
    leaders: tuple[Array, ...]
    paths: tuple[Array, ...]
    widths: tuple[float, ...]
    numbers: dict[int, Words]
    captions: tuple[Words, ...]
    key: tuple[Words, ...]


def lay_out(
    content: NetworkContent, *, edges: Edges, width: float, tallest: float, by_number: bool | None = None
) -> NetworkLayout:
    """The layout of a network.

    Parameters
    ----------
    width, tallest : float
        Room for the parts, inches. Where names do not fit, numbers stand at the nodes and a key below; that may be higher.
    by_number : bool or None
        Whether numbers stand for the names; None where names do not fit.
    """
    members = content.members()
    orders = {part: circular_order(nodes, _inside(content, nodes)) for part, nodes in members.items()}
    radii = _radii(content)
    room = width
    labels = [node.label for node in content.nodes]
    circles = None
    for wrapped_at in () if by_number else WRAPS:
        names = [wrap(label, wrapped_at, NAME_SIZE) for label in labels]
        circles = _circles(orders, radii, names, room, cramped=by_number is False)
        if circles is not None and (by_number is False or _pack(circles, room)[1] <= tallest):
            break
        circles = None
    key: list[Words] = []
    if circles is None:
        names = [(str(number + 1),) for number in range(len(labels))]
        circles = _circles(orders, radii, names, room, cramped=True)
        assert circles is not None  # cramped circles take the room they need
        key = _key(labels, max(room, KEY_COLUMN))
    corners, tall, wide = _pack(circles, room)
    return _assemble(content, edges, orders, circles, corners, (max(wide, LEAST), tall), radii, names, key)


def _inside(content: NetworkContent, nodes: Sequence[int]) -> list[tuple[int, int]]:
    own = set(nodes)
    return [edge.ends for edge in content.edges if edge.ends[0] in own]


def _radii(content: NetworkContent) -> Array:
    """Radii with areas by patients; by studies where no node has patients; alike where nothing is known."""
    return np.array([node_radius(content, size) for size in node_sizes(content)])


def node_radius(content: NetworkContent, size: int | None) -> float:
    """Radius in inches of a node of a size; of those without a size that of a middling one."""
    crowd = max(len(nodes) for nodes in content.members().values())
    several = any(node.part != content.nodes[0].part for node in content.nodes)
    most = float(np.clip(2.2 / crowd, 0.075, 0.15 if several else 0.2))
    largest = max((known for known in node_sizes(content) if known is not None), default=0)
    return most * (0.55 if size is None or not largest else max(float(np.sqrt(size / largest)), 0.3))


def node_sizes(content: NetworkContent) -> list[int | None]:
    """What areas of nodes stand for: patients where one node has them, else studies."""
    by_patients = [node.patients for node in content.nodes]
    return by_patients if any(size is not None for size in by_patients) else [node.studies for node in content.nodes]


def edge_sizes(content: NetworkContent, edges: Edges) -> list[int | None]:
    """What widths of edges stand for."""
    return [edge.patients if edges == "patients" else edge.studies for edge in content.edges]


def edge_width(size: int | None, largest: int, edges: Edges, count: int) -> float:
    """Width of one of so many lines in points, rising evenly from that of one study or of no patients."""
    least, most = (2.2 if edges == "risk-of-bias" else 0.6 if count > SEVERAL else 0.9), (5.0 if count > 15 else 7.0)
    if size is None:
        return least
    first = 0 if edges == "patients" else 1
    return least + (most - least) * (size - first) / max(largest - first, 4)


def _circles(
    orders: dict[int, list[int]], radii: Array, names: list[tuple[str, ...]], room: float, *, cramped: bool
) -> dict[int, Circle] | None:
    """A circle per part that is no wider than the room; None where one is too wide."""
    sizes = np.array([text_size(lines, NAME_SIZE) for lines in names])
    circles = {}
    for part, order in orders.items():
        n = len(order)
        alone = n == 2 and len(orders) == 1
        wanted = 0.25 + 0.09 * n if len(orders) > 1 else 0.55 + 0.1 * n
        across, least = float(np.clip(wanted, 0.5, 2.6)), max(0.5, 0.055 * n)
        if n == 2:
            across = 1.0 if alone else 0.5
        for _ in range(6):
            circle = on_circle(radii[order], sizes[order], across=across, flat=alone)
            excess = float(circle.extent[2] - circle.extent[0]) - room
            if excess <= 0 or across <= least:
                break
            across = max(least, across - excess / 2 - 0.005)
        if excess > 0 and not cramped:
            return None
        circles[part] = circle
    return circles


def _pack(circles: dict[int, Circle], room: float) -> tuple[dict[int, tuple[float, float]], float, float]:
    """Lower left corners of parts in rows, down from 0 and about x = 0; their height and width."""
    several = len(circles) > 1
    rows: list[list[int]] = []
    wide = {part: float(circle.extent[2] - circle.extent[0]) for part, circle in circles.items()}
    tall = {part: float(circle.extent[3] - circle.extent[1]) for part, circle in circles.items()}
    if several:
        wide = {part: max(value, 0.6) for part, value in wide.items()}
    left = 0.0
    for part in circles:
        if not rows or left + wide[part] > room:
            rows.append([])
            left = 0.0
        rows[-1].append(part)
        left += wide[part] + BETWEEN
    corners, y, widest = {}, 0.0, 0.0
    for row in rows:
        full = sum(wide[part] for part in row) + BETWEEN * (len(row) - 1)
        height = max(tall[part] for part in row)
        y -= (CAPTION if several else 0.0) + height
        x = -full / 2
        for part in row:
            corners[part] = (x, y + height - tall[part])
            x += wide[part] + BETWEEN
        y -= BETWEEN if row is not rows[-1] else 0.0
        widest = max(widest, full)
    return corners, -y, widest


def _key(labels: list[str], room: float) -> list[Words]:
    """Numbers and labels in columns, boxes from (0, 0) down."""
    sign = text_size((f"{len(labels)}",), KEY_SIZE, True)[0] + 0.06
    longest = sign + max(text_size((label,), KEY_SIZE)[0] for label in labels)
    columns = max(1, int((room + BETWEEN) // (min(longest, KEY_COLUMN) + BETWEEN)))
    wide = min((room - BETWEEN * (columns - 1)) / columns, max(longest, KEY_COLUMN))
    entries = [wrap(label, wide - sign, KEY_SIZE) for label in labels]
    heights = [text_size(lines, KEY_SIZE)[1] + 0.04 for lines in entries]
    target, words = sum(heights) / columns, []
    column, y = 0, 0.0
    for number, (lines, height) in enumerate(zip(entries, heights, strict=True)):
        if column < columns - 1 and -y + height / 2 > target:
            column, y = column + 1, 0.0
        x = column * (wide + BETWEEN)
        top = y - text_size(("0",), KEY_SIZE)[1]
        words.append(Words(lines=(str(number + 1),), box=(x, top, x + sign - 0.05, y), align="right"))
        words.append(Words(lines=lines, box=(x + sign, y - height + 0.04, x + wide, y), align="left"))
        y -= height
    return words


def _assemble(
    content: NetworkContent, edges: Edges, orders: dict[int, list[int]], circles: dict[int, Circle],
    corners: dict[int, tuple[float, float]], size: tuple[float, float], radii: Array, names: Sequence[tuple[str, ...]], key: list[Words],
) -> NetworkLayout:  # fmt: skip
    """Move everything to its place on the page, and draw edges between."""
    width, tall = max([size[0], *(words.box[2] for words in key)]), size[1]
    placed: dict[int, Words] = {}
    centres, middles = np.zeros((2, len(content.nodes), 2))
    captions, leaders = [], []
    for part, circle in circles.items():
        corner = np.add(corners[part], (width / 2, tall))
        shift = corner - circle.extent[:2]
        centres[orders[part]], middles[orders[part]] = circle.centres + shift, shift
        leaders += [line + shift for line in circle.leaders]
        for node, box, align in zip(orders[part], circle.boxes + np.tile(shift, 2), circle.align, strict=True):
            placed[node] = Words(lines=names[node], box=_four(box), align=align)
        if len(circles) > 1:
            text = (f"part {part}",)
            top, own = shift[1] + circle.extent[3] + CAPTION, text_size(text, NAME_SIZE, True)
            box = np.array([corner[0], top - own[1], corner[0] + own[0], top])
            captions.append(Words(lines=text, box=_four(box), align="left"))
    sizes = edge_sizes(content, edges)
    largest = max((each for each in sizes if each is not None), default=1)
    widths = tuple(edge_width(each, largest, edges, len(sizes)) for each in sizes)
    paths = tuple(
        _path(edge, centres, radii, orders[content.nodes[edge.ends[0]].part], middles[edge.ends[0]], line)
        for edge, line in zip(content.edges, widths, strict=True)
    )
    ordered = tuple(placed[node] for node in range(len(content.nodes)))
    taken = np.array([words.box for words in (*ordered, *captions)])
    below = np.array([0.0, -BETWEEN, 0.0, -BETWEEN])
    moved = tuple(Words(lines=each.lines, box=_four(np.array(each.box) + below), align=each.align) for each in key)
    return NetworkLayout(
        width=width, top=tall, bottom=min([0.0, *(each.box[1] for each in moved)]), centres=centres, radii=radii, names=ordered,
        leaders=tuple(leaders), paths=paths, widths=widths, numbers=_numbers(sizes, [edge.ends for edge in content.edges], paths, taken, centres, radii),
        captions=tuple(captions), key=moved,
    )  # fmt: skip


def _four(box: Array) -> tuple[float, float, float, float]:
    return float(box[0]), float(box[1]), float(box[2]), float(box[3])


def _path(edge: NetworkEdge, centres: Array, radii: Array, order: list[int], middle: Array, width: float) -> Array:
    """A straight line, or a curve that is bent inwards until it passes clear of the nodes between."""
    a, b = centres[edge.ends[0]], centres[edge.ends[1]]
    others = [node for node in order if node not in edge.ends]
    t = np.linspace(0, 1, 25)[:, None]
    path = a + t * (b - a)
    for bend in np.linspace(0, 1, 11) if others else ():
        control = (a + b) / 2 + bend * (middle - (a + b) / 2)
        path = (1 - t) ** 2 * a + 2 * t * (1 - t) * control + t**2 * b
        distance = np.hypot(*np.moveaxis(path[:, None, :] - centres[others][None], 2, 0)).min(axis=0)
        if (distance > radii[others] + width / 144 + 0.02).all():
            break
    return np.asarray(path, dtype=float)


def _numbers(
    sizes: list[int | None], ends: list[tuple[int, int]], paths: tuple[Array, ...], taken: Array, centres: Array, radii: Array
) -> dict[int, Words]:  # fmt: skip
    """Numbers on edges where they touch no node, no name and no other number, and cross few other edges; the largest first."""
    count = len(sizes)
    fine = np.linspace(0, 1, 60)
    coarse = np.linspace(0, 1, 25)
    if not count:
        return {}
    points = np.array([[np.interp(fine, coarse, path[:, axis]) for axis in (0, 1)] for path in paths]).reshape(count, 2, -1)  # fmt: skip
    placed: dict[int, Words] = {}
    for edge in sorted(range(count), key=lambda edge: -(sizes[edge] or 0)):
        size = sizes[edge]
        if size is None or (count > SEVERAL and size == 1):
            continue
        text = (f"{size:,}",)
        half = np.array(text_size(text, NUMBER_SIZE)) / 2 + 0.015
        if not _leaves_to_see(paths[edge], half, radii[list(ends[edge])]):
            continue
        best: tuple[int, Array] | None = None
        for along in _ALONG:
            at = np.array([np.interp(along, coarse, paths[edge][:, axis]) for axis in (0, 1)])
            box = np.concatenate([at - half, at + half])
            if not _free(box, taken, centres, radii):
                continue
            within = (np.abs(points - at[:, None]) < half[:, None]).all(axis=1).any(axis=1)
            crossed = int(within.sum()) - int(within[edge])
            if best is None or crossed < best[0]:
                best = crossed, box
        if best is not None:
            taken = np.vstack([taken, best[1]])
            placed[edge] = Words(lines=text, box=_four(best[1]))
    return placed


def _leaves_to_see(path: Array, half: Array, rims: Array) -> bool:
    """Whether a box of this half width and height on a line leaves a good part of it to see."""
    run = path[-1] - path[0]
    length = float(np.hypot(*run))
    along = np.abs(run) / length
    covered = 2 * float((half / np.maximum(along, 1e-9)).min())
    return covered <= 0.65 * (length - float(rims.sum()))


def _free(box: Array, taken: Array, centres: Array, radii: Array) -> bool:
    shared = np.minimum(box[2:], taken[:, 2:]) - np.maximum(box[:2], taken[:, :2])
    if (shared > 0).all(axis=1).any():
        return False
    away = centres - np.clip(centres, box[:2], box[2:])
    return bool((np.hypot(away[:, 0], away[:, 1]) > radii + 0.01).all())
