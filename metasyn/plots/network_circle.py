"""One connected part of a network on a circle: the order of its nodes, and its names outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
GAP = 0.06  # inches between what must not touch
LED = 0.2  # inches from a node to its name from which on a line leads there
ROUNDS = 8  # of sifting; a few are enough


def crossings(order: Sequence[int], edges: Sequence[tuple[int, int]]) -> int:
    """Pairs of edges that cross as chords of a circle with the nodes in this order."""
    place = {node: number for number, node in enumerate(order)}
    ends = np.array([sorted((place[a], place[b])) for a, b in edges], dtype=np.intp).reshape(-1, 2)
    a, b = ends[:, :1], ends[:, 1:]
    return int(((a < a.T) & (b > a.T) & (b < b.T)).sum())


def circular_order(nodes: Sequence[int], edges: Sequence[tuple[int, int]]) -> list[int]:
    """Order of nodes around a circle with few crossings of edges; the first node stays first.

    References
    ----------
    Baur and Brandes 2004, Crossing reduction in circular layouts, Lecture Notes in Computer Science 3353:332-43 (circular sifting).
    """
    beside: dict[int, set[int]] = {node: set() for node in nodes}
    for a, b in edges:
        beside[a].add(b)
        beside[b].add(a)
    orders = []
    for order in (list(nodes), _walk(nodes, beside)):
        for _ in range(ROUNDS if len(order) > 3 else 0):
            gain = sum(_sift(node, order, beside) for node in sorted(nodes, key=lambda node: -len(beside[node])))
            if not gain:
                break
        orders.append(order)
    order = min(orders, key=lambda each: crossings(each, edges))
    first = order.index(nodes[0])
    order = order[first:] + order[:first]
    return order if len(order) < 3 or order[1] < order[-1] else [order[0], *order[:0:-1]]


def _walk(nodes: Sequence[int], beside: dict[int, set[int]]) -> list[int]:
    """Nodes in the order of a walk in depth, each time to the unseen neighbour that has the fewest; a ring stays a ring."""
    seen: dict[int, None] = {}
    stack = sorted(nodes, key=lambda node: (len(beside[node]), node), reverse=True)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            stack += sorted(beside[node] - seen.keys(), key=lambda other: (len(beside[other]), other), reverse=True)
    return list(seen)


def _sift(node: int, order: list[int], beside: dict[int, set[int]]) -> int:
    """Move a node to the place with the fewest crossings; how many that saves."""
    n, start = len(order), order.index(node)
    others = order[start + 1 :] + order[:start]
    place = {other: number for number, other in enumerate(others)}
    change, best, best_after = 0, 0, 0
    for number, passed in enumerate(others[:-1]):
        # the node is before `passed` and goes behind it; distances run on from there around the circle
        x = np.sort([(place[other] - number) % (n - 1) for other in beside[node] if other != passed])
        y = np.sort([(place[other] - number) % (n - 1) for other in beside[passed] if other != node])
        below = int(
            np.searchsorted(x, y, side="left").sum()
        )  # pairs with x before y, which cross as long as the node comes first
        same = int(np.searchsorted(x, y, side="right").sum()) - below
        change += x.size * y.size - same - 2 * below
        if change < best:
            best, best_after = change, number + 1
    if best < 0:
        order[:] = [*others[:best_after], node, *others[best_after:]]
    return -best


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Places in inches about the centre of the circle.

    Attributes
    ----------
    centres : array, shape (n, 2)
        Of the nodes.
    boxes : array, shape (n, 4)
        Of their names: x0 y0 x1 y1.
    align : tuple of str
        Of each name: left, right or center.
    leaders : tuple of arrays, shape (2, 2)
        Lines to names that stand apart from their nodes.
    extent : array, shape (4,)
        Of all.
    """

    centres: Array
    boxes: Array
    align: tuple[str, ...]
    leaders: tuple[Array, ...]
    extent: Array


def on_circle(radii: Array, sizes: Array, *, across: float, flat: bool) -> Circle:
    """Nodes clockwise from the top with their names outside; higher than wide where the names need it.

    Parameters
    ----------
    radii : array, shape (n,)
        Of the nodes, inches.
    sizes : array, shape (n, 2)
        Width and height of the names, inches.
    across : float
        Half the width of the circle, inches.
    flat : bool
        Start at the left: for two nodes beside each other.
    """
    n = radii.size
    angle = (np.pi if flat else np.pi / 2) - 2 * np.pi * np.arange(n) / n
    direction = np.column_stack([np.cos(angle), np.sin(angle)])
    direction[np.abs(direction) < 1e-9] = 0.0
    side = np.sign(direction[:, 0]).astype(int)
    stacks = [float((sizes[side == which, 1] + GAP).sum()) for which in (1, -1)]
    shape = np.array([across, max(across, 0.52 * max(stacks) if n > 2 else 0.0)]) * (n > 1)
    centres = direction * shape
    boxes = np.zeros((n, 4))
    for which in (1, -1):
        own = np.flatnonzero(side == which)
        own = own[np.argsort(-centres[own, 1], kind="stable")]
        for clear in (radii[own], radii[own] * 0 + radii.max()) if own.size else ():
            boxes[own] = _column(centres[own], direction[own], radii[own], sizes[own], shape, clear + GAP, which)
            if not _touch(boxes[own], centres, radii):  # a name is close to its own node, or clear of the largest
                break
    if n == 1:
        direction = np.array([[0.0, -1.0]])
    for node in np.flatnonzero(side == 0).tolist():
        boxes[node] = _above(node, centres, direction, radii, sizes, boxes[side != 0])
    align = tuple({1: "left", -1: "right", 0: "center"}[int(which)] for which in side)
    leaders = tuple(_leader(centres[node], radii[node], boxes[node]) for node in range(n))
    discs = np.column_stack([centres - radii[:, None], centres + radii[:, None]])
    everything = np.vstack([boxes, discs])
    extent = np.concatenate([everything[:, :2].min(axis=0), everything[:, 2:].max(axis=0)])
    kept = tuple(line for line in leaders if float(np.hypot(*(line[1] - line[0]))) > LED)
    return Circle(centres=centres, boxes=boxes, align=align, leaders=kept, extent=extent)


def _column(centres: Array, direction: Array, radii: Array, sizes: Array, shape: Array, clear: Array, side: int) -> Array:  # fmt: skip
    """Names of one side from the top, near their nodes, off each other, and off the circle by `clear`."""
    height = sizes[:, 1] + GAP
    wanted = centres[:, 1] + direction[:, 1] * (radii + GAP + sizes[:, 1] / 2)
    y = -_apart(-wanted, height)
    nearest = np.where(np.abs(y) > sizes[:, 1] / 2, np.abs(y) - sizes[:, 1] / 2, 0.0)
    inside = np.clip(1 - (nearest / (shape[1] + clear)) ** 2, 0.0, 1.0)
    x = np.maximum((shape[0] + clear) * np.sqrt(inside), np.where(inside > 0, 0.0, np.abs(centres[:, 0])))
    x = np.maximum(x, GAP)
    boxes = np.column_stack([x, y - sizes[:, 1] / 2, x + sizes[:, 0], y + sizes[:, 1] / 2])
    mirrored = centres * [side, 1]
    lines = np.array([_leader(centre, radius, box) for centre, radius, box in zip(mirrored, radii, boxes, strict=True)])
    if any(
        crosses_box(line, box) for i, line in enumerate(lines) for j, box in enumerate(boxes) if i != j
    ):  # then all names begin at one vertical
        boxes[:, [0, 2]] += (shape[0] + clear.max() - x)[:, None]
    return boxes if side > 0 else boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1]


def _touch(boxes: Array, centres: Array, radii: Array) -> bool:
    """Whether a box touches a disc."""
    away = centres[None] - np.clip(centres[None], boxes[:, None, :2], boxes[:, None, 2:])
    return bool((np.hypot(away[..., 0], away[..., 1]) < radii + GAP / 2).any())


def _apart(wanted: Array, height: Array) -> Array:
    """Rising places nearest to those wanted (squares) for things of these heights: isotonic regression with the heights taken off."""
    offset = np.concatenate([[0.0], np.cumsum((height[1:] + height[:-1]) / 2)])
    groups: list[tuple[float, int]] = []
    for place in wanted - offset:
        groups.append((float(place), 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (last, n_last), (mean, n) = groups.pop(), groups.pop()
            groups.append(((mean * n + last * n_last) / (n + n_last), n + n_last))
    return np.asarray(offset + np.array([mean for mean, n in groups for _ in range(n)]), dtype=float)


def _above(node: int, centres: Array, direction: Array, radii: Array, sizes: Array, others: Array) -> Array:
    """Box of the name over the topmost node or under the lowest, clear of the names beside it."""
    width, height = sizes[node]
    up = float(np.sign(direction[node, 1])) or 1.0
    edge = centres[node, 1] * up + radii[node] + GAP
    near = others[(others[:, 0] < width / 2 + GAP) & (others[:, 2] > -width / 2 - GAP)]
    beyond = near[:, 3] if up > 0 else -near[:, 1]
    edge = max([edge, *(beyond + GAP).tolist()])
    low, high = sorted((edge * up, (edge + height) * up))
    return np.array([-width / 2, low, width / 2, high])


def _leader(centre: Array, radius: float, box: Array) -> Array:
    """Line from the rim of a node to the nearest point of its name."""
    target = np.clip(centre, box[:2], box[2:])
    away = target - centre
    long = float(np.hypot(*away))
    return np.vstack([centre + away * min(1.0, radius / long) if long else centre, target])


def crosses_box(line: Array, box: Array) -> bool:
    """Whether a straight line from line[0] to line[1] enters a box x0 y0 x1 y1."""
    low, high = 0.0, 1.0
    for axis in (0, 1):
        start, step = float(line[0, axis]), float(line[1, axis] - line[0, axis])
        near, far = float(box[axis]) - start, float(box[axis + 2]) - start
        if abs(step) < 1e-12:
            if near >= 0 or far <= 0:
                return False
            continue
        first, last = sorted((near / step, far / step))
        low, high = max(low, first), min(high, last)
    return low < high
