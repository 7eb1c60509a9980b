"""Parsed records under .metasyn/cache/: JSON, keyed by content, version and schema; deleting them is always safe."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from metasyn._version import __version__
from metasyn.errors import Problem


@lru_cache(maxsize=1)
def _schema_fingerprint() -> str:
    """Changes whenever the code that decides what a valid record is does."""
    digest = hashlib.sha256(__version__.encode())
    folder = Path(__file__).parent
    for name in sorted([*folder.rglob("*.py"), folder.parent / "strategy.py"]):
        digest.update(name.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """A record whose structure is sound.

    Attributes
    ----------
    data : bytes
        Its data as JSON, every scalar still its text.
    findings : tuple of Problem
        Notes and plausibility findings, with their places.
    """

    data: bytes
    findings: tuple[Problem, ...]


class Cache:
    """Records whose structure was found sound, by content.

    Parameters
    ----------
    folder : Path or None
        Where the entries lie; None keeps none.
    context : str
        What besides the content decides about validity (the vocabulary's content).
    """

    def __init__(self, folder: Path | None, context: str) -> None:
        self.folder = folder
        self._salt = f"{_schema_fingerprint()}:{context}"

    def key(self, raw: bytes, file: str) -> str:
        """Name of the entry for a file's content."""
        return hashlib.sha256(b"\0".join([self._salt.encode(), file.encode(), raw])).hexdigest()

    def get(self, key: str) -> Entry | None:
        """What is known of a record, or None."""
        if self.folder is None:
            return None
        try:
            head, _, data = (self.folder / key[:2] / f"{key}.json").read_bytes().partition(b"\n")
            return Entry(data, tuple(Problem(**finding) for finding in json.loads(head)))
        except (OSError, ValueError, TypeError):
            return None

    def put(self, key: str, entry: Entry) -> None:
        """Keep what is known of a record; a folder that cannot be written is passed over."""
        if self.folder is None:
            return
        folder = self.folder / key[:2]
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=folder)
            with os.fdopen(handle, "wb") as stream:
                stream.write(json.dumps([asdict(finding) for finding in entry.findings]).encode() + b"\n" + entry.data)
            Path(temporary).replace(folder / f"{key}.json")
