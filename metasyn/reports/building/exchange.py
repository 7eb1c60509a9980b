"""Putting a finished folder in the place of an old one, so that a reader sees one or the other and never a mixture.

On Linux `renameat2` exchanges the two names in one step. Elsewhere two renames under a lock do it, and a start that
finds them half done completes them.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from metasyn.errors import MetasynError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def sync_tree(folder: Path) -> None:
    """Write every file and folder below a folder through to the disk."""
    for path in [*sorted(folder.rglob("*")), folder]:
        if path.is_dir() and os.name == "nt":
            continue  # folders cannot be opened there
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _exchange_names(new: Path, old: Path) -> bool:
    """Exchange two names atomically; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    if renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code), str(old))


def replace_folder(new: Path, target: Path) -> None:
    """Put a finished folder at the target's name and remove what was there.

    Parameters
    ----------
    new : Path
        The finished folder, beside the target.
    target : Path
        The name that readers open; a folder or nothing.
    """
    sync_tree(new)
    if not target.exists():
        new.rename(target)
    elif _exchange_names(new, target):
        shutil.rmtree(new)
    else:
        retired = _retired(target)
        target.rename(retired)
        new.rename(target)
        shutil.rmtree(retired)
    with contextlib.suppress(OSError):  # some file systems cannot sync a folder
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _retired(target: Path) -> Path:
    return target.with_name(f".{target.name}.retired")


def recover(target: Path) -> None:
    """Complete or undo what a killed run left beside the target."""
    retired = _retired(target)
    if retired.exists():
        if target.exists():
            shutil.rmtree(retired)
        else:
            retired.rename(target)
    for left in target.parent.glob(f".{target.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def locked(target: Path, *, waiting: Callable[[], None] | None = None, wait: bool = True) -> Iterator[None]:
    """Hold the one lock for building this target.

    Parameters
    ----------
    waiting : callable or None
        Called once where another run holds it, before waiting for it to end.
    wait : bool
        Whether to wait at all.

    Raises
    ------
    MetasynError
        If another run holds it and `wait` is False.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f".{target.name}.lock")
    with path.open("a", encoding="utf-8") as stream:
        if not _hold(stream, block=False):
            if not wait:
                raise MetasynError("another run of metasyn is building here; it was left alone, and nothing was built")
            if waiting is not None:
                waiting()
            _hold(stream, block=True)
        yield


def _hold(stream: TextIO, *, block: bool) -> bool:
    """Take the lock of an open file until it is closed; False where another run has it."""
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX if block else fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:  # pragma: no cover
            import msvcrt

            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK if block else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        if block:
            raise
        return False
    return True
