"""Entries of the cache that are old are let go: what still counts is made again, and the folder does not grow for ever."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

KEPT_FOR = 90 * 24 * 3600.0  # seconds


def let_go_of_old_entries(cache: Path, *, older_than: float = KEPT_FOR) -> int:
    """Remove entries that were written long ago.

    Parameters
    ----------
    cache : Path
        .metasyn/cache of a project.
    older_than : float
        Seconds.

    Returns
    -------
    int
        How many were removed.
    """
    limit, removed = time.time() - older_than, 0
    for path in cache.rglob("*.json") if cache.is_dir() else ():
        with contextlib.suppress(OSError):  # another run may have been faster
            if path.stat().st_mtime < limit:
                path.unlink()
                removed += 1
    return removed
