"""Tables as an Excel workbook: text stays text, no formula, no link, the same bytes each time."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from metasyn.errors import UsageError
from metasyn.formats.cells import guarded, plain
from metasyn.formats.intake import clean

LONGEST = 32_000  # characters that Excel keeps in a cell, less room for what is said of a cut
STAMP = datetime(2000, 1, 1)  # a workbook's properties demand a time, and a clock would change the bytes
ZIP_STAMP = (1980, 1, 1, 0, 0, 0)

Table = tuple[Sequence[str], Sequence[Mapping[str, Any]]]


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

    Raises
    ------
    UsageError
        If openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.styles import Font
        from openpyxl.writer.excel import save_workbook
    except ImportError:
        raise UsageError(
            "Excel files are written by openpyxl, which is not installed: pip install 'metasyn-evidence[excel]'"
        ) from None
    book = Workbook()
    book.remove(book.worksheets[0])
    book.properties.creator, book.properties.created, book.properties.modified = "metasyn", STAMP, STAMP
    for title, (columns, rows) in sheets.items():
        sheet = book.create_sheet(title[:31])
        for place, column in enumerate(columns, 1):
            sheet.cell(1, place, column).font = Font(bold=True)
        for line, row in enumerate(rows, 2):
            for place, column in enumerate(columns, 1):
                value = plain(row.get(column))
                if value is None:
                    continue
                cell = sheet.cell(line, place)
                if isinstance(value, str):
                    cell.value, cell.data_type = _text(value), "s"  # never "f", whatever the text begins with
                else:
                    cell.value = value
        sheet.freeze_panes = "A2"
    stream = io.BytesIO()
    save_workbook(book, stream)
    return _with_fixed_dates(stream.getvalue())


def _text(value: str) -> str:
    text = guarded(clean(value))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … (cut: longer than a cell holds)"


def _with_fixed_dates(raw: bytes) -> bytes:
    """The archive again, its members dated alike and without the time of writing."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(stream, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "docProps/core.xml":
                content = _stamped(content)
            target.writestr(zipfile.ZipInfo(entry.filename, ZIP_STAMP), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _stamped(core: bytes) -> bytes:
    """The properties with the fixed time in both places: openpyxl writes the clock's into the second."""
    stamp = STAMP.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    return re.sub(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*", rb"\g<1>" + stamp, core)
