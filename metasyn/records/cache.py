"""Parsed records under .metasyn/cache/: JSON, keyed by content, version and schema; deleting them is always safe."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from metasyn._version import __version__


@lru_cache(maxsize=1)
def _schema_fingerprint() -> str:
    """Changes whenever the code that decides what a valid record is does."""
    digest = hashlib.sha256(__version__.encode())
    folder = Path(__file__).parent
    for name in sorted([*folder.glob("*.py"), folder.parent / "strategy.py"]):
        digest.update(name.read_bytes())
    return digest.hexdigest()


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

    def has(self, key: str) -> bool:
        """Whether there is an entry."""
        return self.folder is not None and (self.folder / key[:2] / f"{key}.json").is_file()

    def get(self, key: str) -> Any | None:
        """The data of a record, every scalar still its text, or None."""
        if self.folder is None:
            return None
        try:
            return json.loads((self.folder / key[:2] / f"{key}.json").read_bytes())
        except (OSError, ValueError):
            return None

    def put(self, key: str, data: Any) -> None:
        """Keep the data of a record; a folder that cannot be written is passed over."""
        if self.folder is None:
            return
        folder = self.folder / key[:2]
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=folder)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(data, stream, ensure_ascii=False, separators=(",", ":"))
            Path(temporary).replace(folder / f"{key}.json")
