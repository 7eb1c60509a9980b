"""How arms are told apart in figures of survival: colour, line, name; and ticks of time."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metasyn.plots.style import ACCENT, CONTRAST, INK
from metasyn.survival.kaplan_meier import KaplanMeier

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours in an order in which neighbours differ in grey print too; line styles tell what colours do not
COLOURS = (ACCENT, CONTRAST, "#00805e", "#b0578d", INK, "#4aa3d8")
DASHES: tuple[Any, ...] = ("-", (0, (7, 1.2)), (0, (6, 1.2, 1, 1.2)), (0, (2.4, 0.9)), (0, (9, 1, 1, 1, 1, 1)), "-")
EXTRAPOLATED: Any = (0, (2, 2.4))  # sparser than any arm's line
LINE_LENGTH = 24  # characters of a name before it is broken
_STEPS = {
    "months": (1, 2, 3, 6, 12, 24, 36, 60),
    "weeks": (1, 2, 4, 8, 13, 26, 52, 104),
    "days": (7, 14, 30, 90, 180, 365),
}


def named(curves: KaplanMeier | Sequence[KaplanMeier] | Mapping[str, KaplanMeier], labels: Sequence[str] | None) -> dict[str, KaplanMeier]:  # fmt: skip
    """Curves by name; arm 1 and so on where none is given.

    Raises
    ------
    ValueError
        If there are no curves, more than six, or names do not fit them or repeat.
    """
    if isinstance(curves, KaplanMeier):
        curves = [curves]
    if isinstance(curves, Mapping):
        labels = list(curves) if labels is None else labels
        curves = list(curves.values())
    names = [f"arm {number}" for number in range(1, len(curves) + 1)] if labels is None else [str(n) for n in labels]
    if not 1 <= len(curves) <= len(COLOURS):
        raise ValueError(f"there are {len(curves)} curves; accepted: 1 to {len(COLOURS)}")
    if len(names) != len(curves):
        raise ValueError(f"labels has {len(names)} names for {len(curves)} curves")
    if len(set(names)) < len(names):
        raise ValueError(f"labels repeat ({', '.join(names)}); accepted: a name of its own for each curve")
    return dict(zip(names, curves, strict=True))


def one_each(name: str, values: Sequence[Any] | None, count: int) -> list[Any]:
    """One value per curve; none where nothing is given."""
    if values is None:
        return [None] * count
    if len(values) != count:
        raise ValueError(
            f"{name} has {len(values)} entries for {count} curves; accepted: one for each, None where there is none"
        )
    return list(values)


def broken(label: str, width: int = LINE_LENGTH) -> str:
    """A name in lines that margins have room for; what goes beyond three lines is cut with an ellipsis."""
    lines = textwrap.wrap(label, width) or [""]
    if len(lines) > 3:
        lines = [*lines[:2], f"{lines[2][: width - 1]}…"]
    return "\n".join(lines)


def time_ticks(until: float, unit: str | None, most: int = 9) -> list[float]:
    """Round times from 0, of which there are at most `most`: multiples of a quarter or a year where the unit has them."""
    steps = [step for step in _STEPS.get(unit or "", ()) if until / step <= most - 0.999]
    step = float(steps[0]) if steps and until / steps[0] >= 2 else _round_step(until, most)
    return [step * number for number in range(math.floor(until / step * (1 + 1e-9)) + 1)]


def _round_step(until: float, most: int) -> float:
    scale = 10.0 ** math.floor(math.log10(until / most))
    return next(scale * step for step in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0) if until / (scale * step) <= most - 0.999)


def time_label(unit: str | None, origin: str | None = None) -> str:
    """Label of an axis of time: Time (months), or Months since randomisation."""
    if origin:
        return f"{(unit or 'time').capitalize()} since {origin}"
    return f"Time ({unit})" if unit else "Time"


def mark_times(ax: Axes, until: float, unit: str | None, origin: str | None, most: int = 9) -> list[float]:
    """Set limits, ticks and label of an axis of time, and return the ticks."""
    ticks = time_ticks(until, unit, most)
    ax.set_xlim(0, until * 1.015)
    ax.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    ax.set_xlabel(time_label(unit, origin))
    return ticks


def name_at_the_end(ax: Axes, names: Sequence[str], heights: Sequence[float]) -> None:
    """Write names right of the panel, each at the height (axes fraction) where its line ends, moved apart where they would meet."""
    figure = ax.get_figure(root=True)
    if figure is None:
        return
    panel = ax.get_window_extent().height / figure.dpi * 72  # points
    texts = [broken(name) for name in names]
    sizes = [(text.count("\n") + 1) * 11.0 + 3 for text in texts]
    order = sorted(range(len(names)), key=lambda arm: heights[arm])
    places = spread([heights[arm] * panel for arm in order], [sizes[arm] for arm in order], panel)
    for arm, place in zip(order, places, strict=True):
        ax.annotate(
            texts[arm],
            (1.0, min(max(heights[arm], 0), 1)),
            xycoords="axes fraction",
            xytext=(12, place - min(max(heights[arm], 0), 1) * panel),
            textcoords="offset points",
            va="center",
            ha="left",
            color=COLOURS[arm],
            arrowprops={
                "arrowstyle": "-",
                "color": COLOURS[arm],
                "lw": 0.7,
                "shrinkA": 0,
                "shrinkB": 1,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
            linespacing=1.05,
            gid="name",
        )


def spread(centres: Sequence[float], sizes: Sequence[float], room: float) -> list[float]:
    """Centres of blocks, given in ascending order, moved apart so that none overlap, within the room where it suffices."""
    groups: list[tuple[float, float, list[int]]] = []  # middle wanted, size, members
    for member, (centre, size) in enumerate(zip(centres, sizes, strict=True)):
        groups.append((centre, size, [member]))
        while True:
            middle, extent, members = groups[-1]
            middle = min(max(middle, extent / 2), max(room - extent / 2, extent / 2))
            groups[-1] = (middle, extent, members)
            if len(groups) == 1 or groups[-2][0] + groups[-2][1] / 2 <= middle - extent / 2 + 1e-9:
                break
            below = groups[-2]
            together = [*below[2], *members]
            groups[-2:] = [(sum(centres[m] for m in together) / len(together), below[1] + extent, together)]
    places = [0.0] * len(centres)
    for middle, extent, members in groups:
        edge = middle - extent / 2
        for member in members:
            places[member] = edge + sizes[member] / 2
            edge += sizes[member]
    return places
