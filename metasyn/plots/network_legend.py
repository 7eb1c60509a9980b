"""What sizes, colours and lines of a network's picture stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from metasyn.plots.network_content import NOT_ASSESSED, ORDER, NetworkContent
from metasyn.plots.network_layout import KEY_SIZE, SEVERAL, Edges, edge_sizes, edge_width, node_radius, node_sizes
from metasyn.plots.risk_of_bias import LIGHTS
from metasyn.plots.wrapped_text import text_size

EDGE_COLOUR = "#6b7f93"
_UNJUDGED = "#b9bec4"
LEGEND_LINE = 0.2  # inches from line to line
SYMBOL = 0.32  # inches, width of what stands before a text
SHADED = 12  # designs of three arms or more: more shades than these cannot be told apart
_APART = 0.22  # inches between entries


@dataclass(frozen=True, slots=True, kw_only=True)
class LegendEntry:
    """A symbol with its text."""

    kind: Literal["node", "unknown", "edge", "dashed", "judgement", "multi-arm", "words"]
    text: str
    size: float = 0.0  # radius of a node in inches, width of a line in points
    colour: str = EDGE_COLOUR

    @property
    def indent(self) -> float:
        """Where the text begins, inches."""
        return 0.0 if self.kind == "words" else self.symbol + 0.07

    @property
    def symbol(self) -> float:
        """Width of the symbol, inches."""
        return max(2 * self.size, 0.12) if self.kind in ("node", "unknown") else SYMBOL

    @property
    def height(self) -> float:
        """Height of the entry, inches."""
        return max(LEGEND_LINE, 2 * self.size + 0.06) if self.kind in ("node", "unknown") else LEGEND_LINE

    @property
    def width(self) -> float:
        """Width with the space behind it, inches."""
        return self.indent + text_size((self.text,), KEY_SIZE)[0] + _APART


def judgement_colour(name: str) -> str:
    """Colour of a judgement; grey where there is none."""
    return _UNJUDGED if name in (NOT_ASSESSED, "no information") else LIGHTS[name].face


def legend_entries(content: NetworkContent, edges: Edges, numbered: frozenset[int]) -> list[LegendEntry]:
    """Entries of a legend; `numbered` are the edges that bear a number."""
    found = [*_nodes(content), *_lines(content, edges, numbered)]
    if any(not edge.randomised for edge in content.edges):
        found.append(LegendEntry(kind="dashed", text="non-randomised studies only", size=2.2))
    designs = len(content.multi_arm)
    if designs > SHADED:
        found.append(LegendEntry(kind="words", text=f"{designs} designs of three arms or more are not shaded"))
    elif designs:
        found.append(LegendEntry(kind="multi-arm", text="trial of three arms or more"))
    if edges == "risk-of-bias":
        found += _judgements(content)
    return found


def rows_of(entries: list[LegendEntry], width: float) -> list[list[LegendEntry]]:
    """Entries in rows of a width in inches."""
    rows: list[list[LegendEntry]] = []
    left = 0.0
    for entry in entries:
        if not rows or left + entry.width - _APART > width:
            rows.append([])
            left = 0.0
        rows[-1].append(entry)
        left += entry.width
    return rows


def _nodes(content: NetworkContent) -> list[LegendEntry]:
    by_patients = any(node.patients is not None for node in content.nodes)
    sizes = node_sizes(content)
    largest = max((size for size in sizes if size is not None), default=0)
    found = []
    for size in _examples(largest) if largest else ():
        of = _of(size, "patients" if by_patients else "studies")
        found.append(LegendEntry(kind="node", text=of, size=node_radius(content, size)))
    if largest and None in sizes:
        text = "patients not known" if by_patients else "studies not known"
        found.append(LegendEntry(kind="unknown", text=text, size=node_radius(content, None)))
    return found


def _lines(content: NetworkContent, edges: Edges, numbered: frozenset[int]) -> list[LegendEntry]:
    sizes = edge_sizes(content, edges)
    largest = max((size for size in sizes if size is not None), default=0)
    if not largest:
        return []
    what = "patients" if edges == "patients" else "studies"
    crowded = len(sizes) > SEVERAL
    examples = _examples(largest) if edges == "patients" else sorted({1, largest})
    found = [
        LegendEntry(kind="edge", text=_of(size, what), size=edge_width(size, largest, edges, len(sizes)))
        for size in examples
    ]
    without = [size for edge, size in enumerate(sizes) if edge not in numbered]
    text = f"number on a line: {what}"
    why = ["not known"] if None in without else []
    if crowded and 1 in without:
        why.append(_of(1, what))
    short = sum(size is not None and not (crowded and size == 1) for size in without)
    if short:
        why.append(f"no room ({short} {'line' if short == 1 else 'lines'})")
    return [*found, LegendEntry(kind="words", text=text + (f"; no number: {' or '.join(why)}" if why else ""))]


def _judgements(content: NetworkContent) -> list[LegendEntry]:
    """One entry per colour, with all judgements that have it."""
    used = {name for edge in content.edges for name, _ in edge.risk_of_bias}
    by_colour: dict[str, list[str]] = {}
    for name in ORDER:
        if name in used:
            by_colour.setdefault(judgement_colour(name), []).append(name)
    head = LegendEntry(kind="words", text="risk of bias, as shares of a line's studies:")
    return [
        head,
        *(
            LegendEntry(kind="judgement", text=" / ".join(names), size=6.0, colour=colour)
            for colour, names in by_colour.items()
        ),
    ]


def _examples(largest: int) -> list[int]:
    """Round sizes: the largest below the largest there is, and a fifth of it where that is a whole number from 1 on."""
    power = 10 ** math.floor(math.log10(largest))
    top = max(step * power for step in (1, 2, 5) if step * power <= largest)
    return sorted({max(1, top // 5), top})


def _of(size: int, what: str) -> str:
    return f"{size:,} {what}" if size != 1 else {"patients": "1 patient", "studies": "1 study"}[what]
