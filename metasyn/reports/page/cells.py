"""What tables of the page are made of: cells that may carry where their number comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from metasyn.evidence import Evidence
from metasyn.pooling import PooledEstimate
from metasyn.reports.answers import Stratum
from metasyn.reports.numbers import rounded
from metasyn.reports.words import heterogeneity_words, number

DASH = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a number comes from.

    Attributes
    ----------
    id : str
        Of the element on the page.
    lines : tuple of (str, str)
        What kind of place, and which.
    """

    id: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell.

    Attributes
    ----------
    text : str
    value : float or None
        By which rows are sorted, where the text does not begin with a number that would do.
    source : Source or None
        Opens from the text.
    more : tuple of str
        Further lines, muted.
    href : str or None
        A place on the page that the text links to.
    """

    text: str
    value: float | None = None
    source: Source | None = None
    more: tuple[str, ...] = ()
    href: str | None = None

    @property
    def key(self) -> str:
        """The value as an attribute holds it, rounded as in files; empty without one."""
        found = rounded(self.value)
        return "" if found is None else repr(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the page.

    Attributes
    ----------
    heads : tuple of (str, str)
        Name of a column and its kind: text, figure (kept on one line) or n (a number, to the right).
    stack : bool
        Whether rows become cards on a narrow screen, for tables that hold sentences; else they scroll under a fixed first column.
    fixed : bool
        Whether the order of rows means something, so that it cannot be changed.
    """

    caption: str
    heads: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]
    stack: bool = True
    fixed: bool = False


def texts(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, kinds: str = "", stack: bool = False
) -> Table:
    """A table of plain texts.

    Parameters
    ----------
    kinds : str
        One letter per column: t text, f figure, n number; text where there is none.
    """
    names = {"t": "text", "f": "figure", "n": "n"}
    letters = kinds.ljust(len(heads), "t")
    # a square table under the numbers of its rows is read by place: another order would make its triangles meaningless
    numbered = [str(place) for place in range(1, len(heads))]
    fixed = len(rows) == len(heads) - 1 and len(rows) > 1 and list(heads[1:]) == numbered
    return Table(
        caption=caption,
        heads=tuple((head, names[letter]) for head, letter in zip(heads, letters, strict=True)),
        rows=tuple(tuple(Cell(text=str(cell)) for cell in row) for row in rows),
        stack=stack,
        fixed=fixed,
    )


def study_source(id: str, row: pd.Series, evidence: Evidence, place: str) -> Source:
    """Where an estimate of a study comes from.

    Parameters
    ----------
    row : Series
        A row of candidates.
    place : str
        Path of the row in results.json.
    """
    lines = [
        ("Study", str(row["name"])),
        ("Read in", f"{row['source']} (seen: {row['seen']})"),
        ("Record", f"{evidence.records.files[str(row['study'])]}, {row['path']}"),
        ("As printed", str(row["printed"]) if isinstance(row["printed"], str) else "no ratio is printed"),
        ("How obtained", str(row["how"])),
    ]
    if not pd.isna(row["effect"]):
        lines.append(("Analysis scale", f"{row['effect']:.4f}, standard error {row['se']:.4f}"))
    lines.append(("In the files", f"results.json, {place}"))
    return Source(id=id, lines=tuple(lines))


def pooled_source(id: str, pooled: PooledEstimate, stratum: Stratum, place: str) -> Source:
    """Where a pooled number comes from: its studies with their weights, its model, its place in results.json."""
    names = [f"{name} ({weight:.0%})" for name, weight in zip(stratum.rows["name"], pooled.weights, strict=True)]
    model = f"{pooled.tau2_method}; {stratum.headline_why}"
    p = number(pooled.p_value, 4)
    p_text = p if p.startswith("<") else f"= {p}"
    return Source(
        id=id,
        lines=(
            ("Pooled from", f"{'; '.join(map(str, names))} (share of the weight)"),
            ("Model", model),
            ("Heterogeneity", " ".join(heterogeneity_words(pooled)[:1])),
            (
                "Analysis scale",
                f"{pooled.estimate:.4f}, standard error {pooled.se:.4f}, p {p_text}",
            ),
            ("In the files", f"results.json, {place}"),
        ),
    )
