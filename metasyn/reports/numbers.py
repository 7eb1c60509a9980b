"""The one place where numbers are rounded for files: 12 significant digits, keys sorted, LF, UTF-8."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

SIGNIFICANT_DIGITS = 12


def rounded(value: Any) -> Any:
    """A value as files hold it: floats at 12 significant digits, NaN and infinities as None."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (np.bool_,)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if not math.isfinite(number):
            return None
        short = float(f"{number:.{SIGNIFICANT_DIGITS}g}")
        return 0.0 if short == 0 else short
    if value is pd.NA:
        return None
    if isinstance(value, Mapping):
        return {str(key): rounded(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return [rounded(inner) for inner in value.tolist()]
    if isinstance(value, Iterable):
        return [rounded(inner) for inner in value]
    raise TypeError(f"{type(value).__name__} has no form in results")


def json_text(value: Any) -> str:
    """JSON with sorted keys and a final newline."""
    return json.dumps(rounded(value), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def csv_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """CSV with a head line; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    return stream.getvalue()


def _cell(value: Any) -> str:
    value = rounded(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") and not isinstance(value, int) else text
