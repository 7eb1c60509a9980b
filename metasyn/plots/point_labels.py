"""Names beside points: as many as have a place where they touch neither each other nor a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from metasyn.plots.style import INK, RULE, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
SIZE = 8.0  # of the font, points
# directions in which a name is tried, and how far from the edge of the point, in points
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_DISTANCES = (3.0, 12.0, 22.0)


def label_points(
    ax: Axes, x: Array, y: Array, texts: Sequence[str], *, order: Sequence[int], radius: Array | float = 3.0
) -> list[int]:
    """Write names beside points of axes whose limits are set, the first in `order` first; a name without a place is left out.

    Parameters
    ----------
    x, y : array, shape (k,)
        The points, data coordinates.
    order : sequence of int
        Which points are named, the most important first.
    radius : array, shape (k,), or float
        Of the points, in points of 1/72 inch.

    Returns
    -------
    list of int
        The points that are named.
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        return []
    unit = 72 / figure.dpi
    places = ax.transData.transform(np.column_stack([x, y])) * unit  # in points
    frame = ax.get_window_extent()
    panel = np.array([frame.x0, frame.y0, frame.x1, frame.y1]) * unit
    radii = np.broadcast_to(np.asarray(radius, dtype=float), places.shape[:1])
    taken = np.column_stack([places - radii[:, None], places + radii[:, None]])  # x0 y0 x1 y1
    named = []
    written = np.empty((0, 4))
    for point in order:
        size = np.array([text_width(texts[point], size=SIZE) * 72 + 2, SIZE * 1.4])
        found = _place(places[point], float(radii[point]), size, panel, taken, point, written)
        if found is None:
            continue
        box, far = found
        taken, written = np.vstack([taken, box]), np.vstack([written, box])
        if far:
            taken = np.vstack([taken, _line(places[point], box)])
        centre = (box[:2] + box[2:]) / 2
        ax.annotate(
            texts[point],
            (float(x[point]), float(y[point])),
            xytext=tuple(centre - places[point]),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=SIZE,
            color=INK,
            arrowprops={"arrowstyle": "-", "color": RULE, "lw": 0.6, "shrinkA": 0, "shrinkB": 2} if far else None,
            zorder=6,
            gid="label",
        )
        named.append(int(point))
    return named


def _place(
    place: Array, radius: float, size: Array, panel: Array, taken: Array, own: int, written: Array
) -> tuple[Array, bool] | None:
    """A box beside a point that is free, and whether it is so far off that a line must lead to it."""
    others = np.ones(len(taken), dtype=bool)
    for distance in _DISTANCES:
        if distance == _DISTANCES[0]:
            others[own] = False  # a diagonal name may touch the square around its own round point
        for direction in _DIRECTIONS:
            reach = radius + distance
            step = np.array(direction) * reach * (0.75 if all(direction) else 1.0)
            centre = place + step + np.array(direction) * size / 2
            box = np.concatenate([centre - size / 2, centre + size / 2])
            inside = (box[:2] >= panel[:2]).all() and (box[2:] <= panel[2:]).all()
            blocked = taken[others]
            touched = _overlap(box[None, :], blocked)
            crossed = distance > _DISTANCES[0] and _overlap(_line(place, box), written)
            if inside and not touched and not crossed:
                return box, distance > _DISTANCES[0]
        others[own] = True
    return None


def _line(place: Array, box: Array) -> Array:
    """Small boxes along the line from a point to its name."""
    centre = (box[:2] + box[2:]) / 2
    at = place + np.linspace(0.2, 1, 12)[:, None] * (centre - place)
    outside = (at < box[:2]).any(axis=1) | (at > box[2:]).any(axis=1)
    return np.hstack([at[outside] - 0.5, at[outside] + 0.5])


def _overlap(boxes: Array, others: Array) -> bool:
    return bool(
        (
            (boxes[:, None, 0] < others[:, 2])
            & (boxes[:, None, 2] > others[:, 0])
            & (boxes[:, None, 1] < others[:, 3])
            & (boxes[:, None, 3] > others[:, 1])
        ).any()
    )
