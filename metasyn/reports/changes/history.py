"""Recorded editions of a report: reports/history/<name>.jsonl, one line each, appended and never rewritten."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from metasyn.errors import UsageError
from metasyn.reports.changes.edition import Edition, read_edition
from metasyn.reports.numbers import rounded

EPOCH = "SOURCE_DATE_EPOCH"  # reproducible-builds.org: seconds since 1970, in place of the clock


def today() -> str:
    """The date of this day (UTC), or of the moment that SOURCE_DATE_EPOCH gives.

    Raises
    ------
    UsageError
        If SOURCE_DATE_EPOCH is no number of seconds.
    """
    given = os.environ.get(EPOCH, "").strip()
    if not given:
        return datetime.now(UTC).strftime("%Y-%m-%d")
    try:
        return datetime.fromtimestamp(int(given), UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{EPOCH} is no number of seconds since 1970 ({given}); accepted: such as 1767225600, or leave it unset"
        ) from None


def editions(path: Path) -> tuple[Edition, ...]:
    """Every recorded edition, the oldest first; none where there is no history.

    Raises
    ------
    ValueError
        If a line is no edition; names it.
    """
    return tuple(read_edition(line) for line in _lines(path))


def last_edition(path: Path) -> dict[str, Any] | None:
    """The last line of a history as it stands, or None.

    Raises
    ------
    ValueError
        If it is no edition.
    """
    lines = _lines(path, last=True)
    return lines[-1] if lines else None


def edition_numbered(path: Path, number: int) -> Edition:
    """One edition by its number.

    Raises
    ------
    UsageError
        If there is none of that number; says which there are.
    """
    found = editions(path)
    for edition in found:
        if edition.number == number:
            return edition
    there = f"editions {found[0].number} to {found[-1].number} are recorded" if found else "no edition is recorded"
    raise UsageError(f"there is no edition {number} in {path.name}; {there}")


def _lines(path: Path, *, last: bool = False) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    texts = [
        (number, text) for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if text.strip()
    ]
    return [_line(path, number, text) for number, text in (texts[-1:] if last else texts)]


def _line(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except json.JSONDecodeError:
        line = None
    if not isinstance(line, dict) or not isinstance(line.get("estimates"), dict) or "edition" not in line:
        raise ValueError(
            f"{path}: line {number} is no edition; it may be half of one from a merge or a full disk: restore the file from the repository"
        )
    return line


def append_edition(path: Path, now: Edition, *, alerts: Sequence[dict[str, Any]] = (), date: str | None = None) -> bool:
    """Append an edition; nothing when it says the same as the last one.

    Parameters
    ----------
    path : Path
        reports/history/<name>.jsonl.
    now : Edition
        What the report says.
    alerts : sequence of dict
        Those raised against the last edition, as the history keeps them (`Alert.kept`).
    date : str or None
        By default today, which is the only use of a clock.

    Returns
    -------
    bool
        Whether a line was appended.
    """
    line = last_edition(path)
    before = None if line is None else read_edition(line)
    now = replace(now, estimates=rounded(now.estimates))
    if before is not None and before.says_the_same(now):
        return False
    number = 1 if before is None or before.number is None else before.number + 1
    made = replace(now, number=number, date=date or today(), alerts=tuple(alerts))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rounded(made.line()), sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    size = path.stat().st_size if path.exists() else 0
    whole = size == 0 or path.read_bytes().endswith(b"\n")
    with path.open("ab") as stream:
        try:
            stream.write((text if whole else f"\n{text}").encode())
            stream.flush()
            os.fsync(stream.fileno())
        except OSError:  # half a line would stop every later build
            stream.truncate(size)
            raise
    return True
