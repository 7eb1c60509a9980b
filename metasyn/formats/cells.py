"""Cells of tables that spreadsheets open: a text that would run as a formula is guarded on the way out and read back as it was."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_RISKY = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_GUARDED = re.compile("'+[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def formula_like(text: str) -> bool:
    """Whether a spreadsheet may take the text for a formula; numbers with a sign are not."""
    return bool(re.match("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]", text)) and not _NUMBER.fullmatch(text)


def guarded(text: str) -> str:
    """The text with an apostrophe before it where it begins as a formula does."""
    return f"'{text}" if _RISKY.match(text) and not _NUMBER.fullmatch(text) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return text[1:] if _GUARDED.match(text) else text


def plain(value: Any) -> str | float | int | bool | None:
    """A value as a cell holds it: numbers with all their digits, nothing for what is missing."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return str(value)


def csv_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """CSV with a head line, LF, and floats at full precision."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_text(plain(row.get(column))) for column in columns])
    return stream.getvalue()


def _text(value: str | float | int | bool | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return guarded(value.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n"))
    return repr(value)
