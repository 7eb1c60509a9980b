"""Tables as an Excel workbook: numbers are numbers, text stays text, no formula, no link, the same bytes each time."""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from metasyn.errors import UsageError
from metasyn.reports.documents.visible_text import visible
from metasyn.reports.page.cells import Table as PageTable

LONGEST = 32_000  # characters that Excel keeps in a cell, less room for what is said of a cut
STAMP = datetime(2000, 1, 1)  # a workbook's properties demand a time, and a clock would change the bytes
ZIP_STAMP = (1980, 1, 1, 0, 0, 0)
NARROWEST, WIDEST = 8, 60  # characters of a column
TITLE = 31  # characters of a sheet's name

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_RISKY = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_GUARDED = frozenset("=+-@\t")
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,14})")
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")

Table = tuple[Sequence[str], Sequence[Mapping[str, Any]]]

NOTES = (
    "Research software, not medical advice. Check every figure against its source.",
    "effect, estimate, se, ci_low, ci_high, pi_low and pi_high are on the analysis scale: natural logs for ratios (HR, RR, OR), the printed scale else; "
    "names that end in _displayed are on the scale people read.",
    "i2 is in percent; weights, risks and survival are fractions; tau2 is on the squared analysis scale.",
    "Times are in the unit that the column time_unit or the record gives.",
    "The sheet overview has the texts of the report's page; the other sheets are the files in tables/, at 12 significant digits.",
    "An empty cell is a value that does not exist or was not printed; it is never zero.",
    "A text that begins as a formula does has an apostrophe before it.",
)


def workbook(sheets: Mapping[str, Table]) -> bytes:
    """An .xlsx file.

    Parameters
    ----------
    sheets : mapping
        Name of a sheet to its columns and rows.

    Returns
    -------
    bytes
        Numbers are numbers; a text that a spreadsheet would take for a formula has an apostrophe before it and is stored as text.
        The head row stays in view and filters its columns.

    Raises
    ------
    UsageError
        If openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.writer.excel import save_workbook
    except ImportError:
        raise UsageError(
            "Excel files are written by openpyxl, which is not installed: pip install 'metasyn-evidence[excel]'"
        ) from None
    book = Workbook()
    book.remove(book.worksheets[0])
    book.properties.creator, book.properties.created, book.properties.modified = "metasyn", STAMP, STAMP
    names: list[str] = []
    for title, (columns, rows) in sheets.items():
        names.append(_sheet_name(title, names))
        _fill(book.create_sheet(names[-1]), columns, rows)
    stream = io.BytesIO()
    save_workbook(book, stream)
    return _with_fixed_dates(stream.getvalue())


def report_workbook(overview: PageTable, tables: Mapping[str, bytes]) -> bytes:
    """The workbook of a report.

    Parameters
    ----------
    overview : PageTable
        The page's table of results at a glance.
    tables : mapping
        Name of a table, without folder and ending, to its CSV as built.

    Returns
    -------
    bytes
        Sheets overview, one per table, and notes.

    Raises
    ------
    UsageError
        If openpyxl is not installed.
    """
    heads = [head for head, _ in overview.heads]
    rows = [{head: cell.text for head, cell in zip(heads, row, strict=True)} for row in overview.rows]
    sheets: dict[str, Table] = {"overview": (heads, rows)}
    order = sorted(tables, key=lambda name: (name != "pools", name))
    sheets |= {name: typed_table(tables[name]) for name in order}
    sheets["notes"] = (("text",), [{"text": line} for line in NOTES])
    return workbook(sheets)


def typed_table(raw: bytes) -> Table:
    """Columns and rows of a CSV; a column whose every value is a number holds numbers, true and false are truth values."""
    lines = list(csv.reader(io.StringIO(raw.decode())))
    columns, body = lines[0], lines[1:]
    numeric = [_is_numeric([row[place] for row in body]) for place in range(len(columns))]
    rows = [
        {name: _typed(text, as_number) for name, text, as_number in zip(columns, row, numeric, strict=True)}
        for row in body
    ]
    return columns, rows


def _is_numeric(texts: Sequence[str]) -> bool:
    """Whether a column is of numbers: printed figures keep their text, 0.790 has three decimals."""
    filled = [text for text in texts if text]
    return bool(filled) and all(_is_number(text) for text in filled)


def _is_number(text: str) -> bool:
    """A number that comes back as it was written: not 0.790, which would become 0.79, nor 007."""
    if _WHOLE.fullmatch(text):
        return True
    return bool(_DECIMAL.fullmatch(text)) and repr(float(text)) == text


def _typed(text: str, as_number: bool) -> str | float | int | bool | None:
    if not text:
        return None
    if as_number:
        return int(text) if _WHOLE.fullmatch(text) else float(text)
    if text[:1] == "'" and text[1:2] in _GUARDED:
        text = text[1:]  # the file's guard; the sheet has its own
    return {"true": True, "false": False}.get(text, text)


def _fill(sheet: Any, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    bold, ground, top = Font(bold=True), PatternFill("solid", fgColor="FFEEF1F4"), Alignment(vertical="top", wrap_text=True)  # fmt: skip
    widths = [len(str(column)) + 3 for column in columns]  # the button of the filter covers the end
    for place, column in enumerate(columns, 1):
        head = sheet.cell(1, place, str(column))
        head.font, head.fill = bold, ground
    for line, row in enumerate(rows, 2):
        for place, column in enumerate(columns, 1):
            value = cell_value(row.get(column))
            if value is None:
                continue
            cell = sheet.cell(line, place)
            if isinstance(value, str):
                cell.value, cell.data_type = value, "s"  # never "f", whatever the text begins with
                if len(value) > WIDEST:
                    cell.alignment = top
            else:
                cell.value = value
            widths[place - 1] = max(widths[place - 1], min(len(str(value)) + 1, WIDEST))
    for place, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(place)].width = max(width, NARROWEST)
    sheet.freeze_panes = "A2"
    if rows:
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{len(rows) + 1}"


def cell_value(value: Any) -> str | float | int | bool | None:
    """A value as a cell holds it: numbers with all their digits, texts guarded, nothing for what is missing."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return _text(str(value))


def _text(value: str) -> str:
    kept = visible(value).strip()
    text = f"'{kept}" if _RISKY.match(kept.lstrip()) and not _NUMBER.fullmatch(kept) else kept
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … (cut: longer than a cell holds)"


def _sheet_name(title: str, taken: Sequence[str]) -> str:
    """A name that Excel accepts and no other sheet has, whatever the case of its letters."""
    plain = re.sub(r"[\[\]:*?/\\']", " ", title).strip() or "sheet"
    name, number = plain[:TITLE], 1
    while name.lower() in (one.lower() for one in taken):
        number += 1
        name = f"{plain[: TITLE - len(str(number)) - 1]} {number}"
    return name


def _with_fixed_dates(raw: bytes) -> bytes:
    """The archive again, its members dated alike and without the time of writing."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(stream, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "docProps/core.xml":
                content = _stamped(content)
            info = zipfile.ZipInfo(entry.filename, ZIP_STAMP)
            info.create_system = 3  # the same on every system
            target.writestr(info, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _stamped(core: bytes) -> bytes:
    """The properties with the fixed time in both places: openpyxl writes the clock's into the second."""
    stamp = STAMP.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    return re.sub(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*", rb"\g<1>" + stamp, core)
