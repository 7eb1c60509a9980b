"""Reading files that others made: size, encoding and packing are looked at before anything else is."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from metasyn.errors import EvidenceError, Problem
from metasyn.reports.documents.visible_text import one_line

MAX_BYTES = 50_000_000  # of a file, and of a member of an archive once unpacked
MAX_MEMBERS = 2_000  # of an archive
MAX_RATIO = 200  # bytes unpacked per byte packed; office files reach some 20, bombs 1,000
MAX_DEPTH = 200  # nesting of XML and JSON


def problem(
    file: str, message: str, *, line: int = 1, column: int = 1, path: str = "", check: str = "import"
) -> Problem:
    """A problem of a file to be imported."""
    return Problem(file=file, line=line, column=column, path=path, check=check, severity="error", message=message)


def refuse(file: str, message: str, *, line: int = 1, column: int = 1, path: str = "") -> NoReturn:
    """Stop: the file cannot be imported.

    Raises
    ------
    EvidenceError
        With this one problem.
    """
    raise EvidenceError([problem(file, message, line=line, column=column, path=path)])


def read_limited(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file of at most `limit` bytes.

    Raises
    ------
    EvidenceError
        If it is larger, empty, or no regular file (a folder, a pipe, a device).
    """
    name = path.name
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        refuse(name, "is no regular file; accepted: a file")
    if status.st_size > limit:
        refuse(name, f"is too large ({status.st_size:,} bytes); accepted: at most {limit:,} bytes")
    with path.open("rb") as stream:
        raw = stream.read(limit + 1)
    if len(raw) > limit:
        refuse(name, f"is too large (more than {limit:,} bytes); accepted: at most {limit:,} bytes")
    if not raw.strip():
        refuse(name, "is empty; accepted: a file with content")
    return raw


def as_text(raw: bytes, name: str) -> str:
    """UTF-8 text with LF; a byte-order mark is skipped.

    Raises
    ------
    EvidenceError
        If it is UTF-16, binary or not UTF-8; the place is named.
    """
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        refuse(name, "is UTF-16; accepted: UTF-8 (save it again with the encoding UTF-8)")
    nul = raw.find(b"\0")
    if nul >= 0:
        refuse(
            name, "is binary (it holds a zero byte); accepted: a text file in UTF-8", line=raw.count(b"\n", 0, nul) + 1
        )
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        refuse(
            name,
            f"is not UTF-8 (byte 0x{raw[error.start]:02x}); accepted: UTF-8 (save it again with the encoding UTF-8)",
            line=line,
            column=column,
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_zip(raw: bytes) -> bool:
    """Whether the bytes begin as a zip archive does."""
    return raw[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def zip_members(raw: bytes, name: str, wanted: Callable[[str], bool]) -> list[tuple[str, bytes]]:
    """Members of an archive, read in memory within limits; nothing is unpacked to disk and no member's name is a path.

    Parameters
    ----------
    wanted : callable
        Says of a member's name whether it is read.

    Returns
    -------
    list of (str, bytes)
        Name and content, in the archive's order.

    Raises
    ------
    EvidenceError
        If the archive is broken, encrypted, has too many members, or a member is too large or packed too tightly.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
        entries = archive.infolist()
        if len(entries) > MAX_MEMBERS:
            refuse(name, f"is an archive of {len(entries):,} members; accepted: at most {MAX_MEMBERS:,}")
        return [(entry.filename, _member(archive, entry, name)) for entry in entries if wanted(entry.filename)]
    except EvidenceError:
        raise
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
        EOFError,
    ) as fault:
        refuse(
            name,
            f"is an archive that cannot be read ({one_line(str(fault))[:120]}); accepted: a whole zip without password",
        )
    except Exception as fault:  # decompressors raise errors of their own (zlib.error, lzma.LZMAError)
        refuse(name, f"is an archive that cannot be unpacked ({one_line(str(fault))[:120]}); accepted: a whole zip")


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    """One member, read in pieces: what it says of its own size is not believed."""
    if entry.flag_bits & 1:
        refuse(
            name, f"has an encrypted member ({one_line(entry.filename)[:80]}); accepted: an archive without password"
        )
    limit = min(MAX_BYTES, max(100_000, MAX_RATIO * max(1, entry.compress_size)))
    with archive.open(entry) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        refuse(
            name,
            f"has a member ({one_line(entry.filename)[:80]}) that unpacks to more than {limit:,} bytes; accepted: at most {MAX_BYTES:,} "
            f"bytes and {MAX_RATIO} times its packed size",
        )
    return content


def read_json(text: str, name: str) -> Any:
    """JSON whose numbers stay texts, as printed.

    Raises
    ------
    EvidenceError
        If it is no JSON, names a key twice, holds NaN or Infinity, or is nested too deeply.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            twice = next(key for index, (key, _) in enumerate(items) if key in dict(items[:index]))
            refuse(name, f"names a key twice in one object ({one_line(twice)[:80]}); accepted: each key once")
        return found

    def constant(word: str) -> NoReturn:
        refuse(name, f"holds {word}; accepted: numbers, texts, true, false and null")

    try:
        data = json.loads(text, parse_float=str, parse_int=str, parse_constant=constant, object_pairs_hook=pairs)
    except json.JSONDecodeError as fault:
        refuse(name, f"is not JSON ({fault.msg}); accepted: a JSON file", line=fault.lineno, column=fault.colno)
    except RecursionError:
        refuse(name, f"is nested too deeply; accepted: at most {MAX_DEPTH} levels")
    if _deeper_than(data, MAX_DEPTH):
        refuse(name, f"is nested too deeply; accepted: at most {MAX_DEPTH} levels")
    return data


def _deeper_than(data: Any, limit: int) -> bool:
    level = [data]
    for _ in range(limit):
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True
