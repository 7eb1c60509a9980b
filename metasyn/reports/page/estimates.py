"""Estimates of studies on the page: those that enter a result, and those that do not, with the reason."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from metasyn.evidence import Evidence
from metasyn.reports.answers import OutcomeResult
from metasyn.reports.page.cells import DASH, Cell, Table, study_source
from metasyn.reports.words import used_words

OTHER_POPULATION = ("disease is", "line is", "biomarker is", "time origin is")
KINDS_OF_REASONS = {
    "passed over": "another estimate of the same study was preferred",
    "not derivable": "what is printed gives no estimate with a standard error",
    "excluded by the definition": "excluded by the definition",
    "immortal time": "immortal time",
    "a partition inside an arm": "a partition inside an arm",
    "a subgroup": "a subgroup",
    "may share patients": "may share patients with a study that is used",
}


def _printed(row: pd.Series) -> str:
    return row["printed"] if isinstance(row["printed"], str) else DASH


def used_table(
    used: pd.DataFrame, evidence: Evidence, result: OutcomeResult, *, anchor: str, place: str
) -> Table | None:
    """The estimates that enter, each with its source; None without any.

    Parameters
    ----------
    used : DataFrame
        Rows of the strata.
    anchor : str
        Of the section, for the names of elements.
    place : str
        Path of the result in results.json.
    """
    if used.empty:
        return None
    heads = (
        ("Study", "text"), ("Arms compared", "text"), ("As printed", "figure"), ("Analysis scale (se)", "figure"),
        ("How", "text"), ("Source", "text"),
    )  # fmt: skip
    listed = list(zip(result.candidates["study"], result.candidates["path"], strict=True))
    rows = tuple(
        _used_cells(row, evidence, f"from-{anchor}-used-{number_of}", f"{place}.candidates[{listed.index((row['study'], row['path']))}]")
        for number_of, (_, row) in enumerate(used.iterrows())
    )  # fmt: skip
    return Table(caption="Estimates used, and how each was obtained", heads=heads, rows=rows)


def _used_cells(row: pd.Series, evidence: Evidence, id: str, place: str) -> tuple[Cell, ...]:
    scale = f"{row['effect']:.4f} ({row['se']:.4f})"
    rounding = ""
    if not pd.isna(row["se_low"]) and not pd.isna(row["se_high"]):
        rounding = f"rounding allows se {row['se_low']:.4f} to {row['se_high']:.4f}"
    remarks = [f"Left unsaid by the paper: {row['inferred']}."] if isinstance(row["inferred"], str) else []
    remarks += [f"Note: {row['note']}."] if isinstance(row["note"], str) else []
    return (
        Cell(text=row["name"]),
        Cell(text=f"{row['treatment']} against {row['comparator']}"),
        Cell(text=_printed(row), value=float(row["effect"]), source=study_source(id, row, evidence, place)),
        Cell(text=scale, value=float(row["effect"]), more=(rounding,) if rounding else ()),
        Cell(text=row["how"], more=(" ".join(remarks),) if remarks else ()),
        Cell(text=f"{row['path']}; {row['source']}"),
    )


def _is_other(why: str) -> bool:
    return any(reason.startswith(OTHER_POPULATION) for reason in why.split("; "))


def divided(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is about the population asked about, and the rest."""
    other = rows["why_not"].map(lambda why: _is_other(str(why))).astype(bool)
    return rows[~other], rows[other]


def left_out_words(rows: pd.DataFrame) -> str:
    """How many estimates were not used, by the first reason of each; empty where all were."""
    if rows.empty:
        return ""
    kinds: list[str] = []
    for why in map(str, rows["why_not"]):
        known = next((text for start, text in KINDS_OF_REASONS.items() if why.startswith(start)), "another reason")
        kinds.append("another population, line or time origin" if _is_other(why) else known)
    told = "; ".join(f"{count} {kind}" for kind, count in Counter(kinds).most_common())
    verb = "estimate was" if len(rows) == 1 else "estimates were"
    return f"{len(rows)} {verb} not used: {told}."


def left_out_table(caption: str, rows: pd.DataFrame) -> Table | None:
    """Estimates that were not used, each with the reason; None without any."""
    if rows.empty:
        return None
    cells = tuple(
        (
            Cell(text=row["name"]),
            Cell(
                text=f"{row['arm_treatment']} against {row['arm_comparator']}; {row['set']}: {used_words(row)}"
            ),
            Cell(text=_printed(row), value=None if pd.isna(row["effect"]) else float(row["effect"])),
            Cell(text=row["why_not"]),
            Cell(text=f"{row['path']}; {row['source']}"),
        )
        for _, row in rows.iterrows()
    )  # fmt: skip
    heads = (("Study", "text"), ("Set and model", "text"), ("As printed", "figure"), ("Why not", "text"), ("Source", "text"))  # fmt: skip
    return Table(caption=caption, heads=heads, rows=cells)
