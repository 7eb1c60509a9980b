"""The contrast table into records: CSV with one row per comparison (wide) or per arm (long).

Every cell stays the text that was typed. A cell that cannot be what its column says stops the import, and all such cells are named
at once. Rows of one study become one record.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from metasyn.errors import EvidenceError, Problem
from metasyn.formats.cells import formula_like, unguarded
from metasyn.formats.contrast_columns import FOREIGN, LONG_COLUMNS, OTHER_NAMES, WIDE_COLUMNS, complaint
from metasyn.formats.contrast_rows import add_arm, add_comparison, pair_arms, study_facts
from metasyn.formats.draft import Builder, Facts, RecordDraft, slug, unique
from metasyn.formats.intake import as_text, problem, refuse
from metasyn.records.validation import did_you_mean, listed
from metasyn.reports.documents.visible_text import one_line

LONGEST_CELL = 10_000  # characters
MOST_ROWS = 100_000
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row: where it stands, and its cells that are not empty, by column."""

    line: int
    cells: dict[str, str]

    def get(self, name: str) -> str | None:
        """A cell's text; None where it is empty or there is no such column."""
        return self.cells.get(name)


def read_contrast_table(raw: bytes, name: str, facts: Facts) -> tuple[RecordDraft, ...]:
    """Records from a contrast table.

    Parameters
    ----------
    raw : bytes
        The file's content: UTF-8, separated by commas, semicolons or tabs, decimal points.
    name : str
        Its name, for messages and sources.
    facts : Facts
        What the table does not say.

    Returns
    -------
    tuple of RecordDraft
        One per study, in the order of the table.

    Raises
    ------
    EvidenceError
        Carries every bad cell, with line, number of the cell in its line, column, value and what is accepted.
    """
    rows, long = read_rows(raw, name, facts)
    studies: dict[str, list[TableRow]] = {}
    for row in rows:
        studies.setdefault(row.get("id") or row.cells["study"], []).append(row)
    drafts: list[RecordDraft] = []
    problems: list[Problem] = []
    for key, members in studies.items():
        study = members[0].get("study") or key
        id = members[0].get("id") or unique(slug(study, "study"), [draft.id for draft in drafts])
        builder = Builder(id, facts, name=study)
        builder.extraction_note = f"imported from a table ({one_line(name)})"
        problems += study_facts(builder, members, name)
        for row in members:
            problems += add_arm(builder, row, name) if long else add_comparison(builder, row, name)
        if long:
            pair_arms(builder, members)
        drafts.append(builder.draft())
    if problems:
        raise EvidenceError(problems)
    return tuple(drafts)


def is_contrast_table(head: str) -> bool:
    """Whether a first line names the columns of a contrast table."""
    names = set(_names(_split(head)))
    return "study" in names or "id" in names if names & {"treatment", "comparator", "arm"} else False


def read_rows(raw: bytes, name: str, facts: Facts) -> tuple[list[TableRow], bool]:
    """The rows of a table with every cell checked, and whether it is the long form."""
    text = as_text(raw, name)
    columns, delimiter = _columns(text, name)
    long = "arm" in columns
    problems: list[Problem] = []
    rows: list[TableRow] = []
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        next(reader)
        start = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                row, found = _row(cells, columns, start, name, long, facts)
                rows.append(row)
                problems += found
            start = reader.line_num + 1
            if len(rows) > MOST_ROWS:
                refuse(name, f"has more than {MOST_ROWS:,} rows; accepted: at most {MOST_ROWS:,}", line=start)
            if len(problems) > 200:
                break
    except csv.Error as fault:
        refuse(
            name,
            f"cannot be read as CSV ({fault}); accepted: cells in straight quotes where they hold the separator",
            line=reader.line_num,
        )
    if not rows:
        refuse(name, "has a head line and no rows; accepted: one row per comparison, or per arm")
    if problems:
        raise EvidenceError(problems)
    return rows, long


def _split(line: str) -> list[str]:
    """The cells of a head line; none where it is no CSV."""
    try:
        return next(csv.reader([line], delimiter=max(DELIMITERS, key=line.count)), [])
    except csv.Error:
        return []


def _names(cells: Sequence[str]) -> list[str]:
    plain = [one_line(cell).lower().replace(" ", "_") for cell in cells]
    named = [OTHER_NAMES.get(name, name) for name in plain]
    if (
        "t1" in plain and "study" not in named and "id" in named
    ):  # CINeMA's id is a number of the study, not an id of a record
        named[named.index("id")] = "study"
    elif "t1" in plain and "id" in named:
        named[named.index("id")] = "_number"
    return named


def _columns(text: str, name: str) -> tuple[list[str], str]:
    head = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=head.count)
    columns = _names(_split(head))
    known = [column.name for column in (LONG_COLUMNS if "arm" in columns else WIDE_COLUMNS)]
    problems = []
    for place, column in enumerate(columns, 1):
        if column in FOREIGN or column == "_number":
            continue
        if column not in known:
            message = f"is not a column of the table ({column[:60] or 'empty'}){did_you_mean(column, known)}; accepted: {listed(known, 80)}"
            problems.append(problem(name, message, column=place, path=column))
        elif column in columns[: place - 1]:
            problems.append(
                problem(name, f"names a column twice ({column}); accepted: each once", column=place, path=column)
            )
    needed = ["arm"] if "arm" in columns else ["treatment", "comparator"]
    absent = [one for one in needed if one not in columns] + ([] if {"study", "id"} & set(columns) else ["study"])
    if absent:
        problems.append(
            problem(
                name,
                f"lacks columns ({', '.join(absent)}); accepted: a head line with study, outcome, treatment, comparator or arm",
            )
        )
    if problems:
        raise EvidenceError(problems)
    return columns, delimiter


def _row(
    cells: Sequence[str], columns: Sequence[str], line: int, name: str, long: bool, facts: Facts
) -> tuple[TableRow, list[Problem]]:
    problems: list[Problem] = []
    if len(cells) != len(columns):
        message = f"has {len(cells)} cells, and the head line {len(columns)}; accepted: as many (a cell that holds the separator goes in quotes)"
        return TableRow(line, {}), [problem(name, message, line=line)]
    found: dict[str, str] = {}
    for place, (column, cell) in enumerate(zip(columns, cells, strict=True), 1):
        text = cell.strip()
        if not text or column in FOREIGN or column == "_number":
            continue
        said = _cell_complaint(column, text, long)
        if said is not None:
            problems.append(problem(name, said, line=line, column=place, path=column))
        found[column] = one_line(unguarded(text))
    if "outcome" not in found and facts.outcome is not None:
        found["outcome"] = facts.outcome
    if "measure" not in found and facts.measure is not None:
        found["measure"] = facts.measure
    needed = ("outcome", "arm") if long else ("outcome", "treatment", "comparator")
    lacking = [column for column in needed if column not in found] + ([] if {"study", "id"} & set(found) else ["study"])
    problems += [
        problem(name, f"is empty ({column}); accepted: a text", line=line, column=columns.index(column) + 1 if column in columns else 1, path=column)
        for column in lacking
    ]  # fmt: skip
    found.setdefault("study", found.get("id", ""))
    return TableRow(line, found), problems


def _cell_complaint(column: str, text: str, long: bool) -> str | None:
    if len(text) > LONGEST_CELL:
        return f"is too long ({len(text):,} characters); accepted: at most {LONGEST_CELL:,}"
    if formula_like(text):
        return f"begins as a formula of a spreadsheet does ({one_line(text)[:60]}); accepted: the text itself, with an apostrophe before it if it begins so"
    return complaint(column, one_line(unguarded(text)), long=long)
