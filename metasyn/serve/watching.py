"""Saves, as the file system tells of them; editors that write a new file and rename it are seen by the new name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from watchfiles import Change, awatch

QUIET = 80  # ms without another change, after which a save counts as done
LONGEST = 600  # ms of changes one after the other, after which those so far are told of
LOOK = 1000  # ms, after which it is looked whether the folder is still the one that is watched
WRITTEN = frozenset({".yaml", ".yml", ".csv"})

Tell = Callable[[set[Path]], None]


async def watch(root: Path, saved: Callable[[set[str]], None], built: Callable[[], None], stop: asyncio.Event) -> None:
    """Tell of every save until stopped.

    Parameters
    ----------
    root : Path
        The project.
    saved : callable
        Handed the names of files in evidence/ and definitions in reports/, relative to the project.
    built : callable
        Called when a folder of built reports was exchanged.
    stop : asyncio.Event
        Ends the watch.
    """

    def sources(paths: set[Path]) -> None:
        names = {path.relative_to(root).as_posix() for path in paths if path.suffix in WRITTEN}
        if names:
            saved(names)

    await asyncio.gather(
        _follow(root / "evidence", sources, stop, recursive=True),
        _follow(root / "reports", sources, stop, recursive=False),
        _follow(root / "reports" / "build", lambda _paths: built(), stop, recursive=False),
    )


async def _follow(folder: Path, tell: Tell, stop: asyncio.Event, *, recursive: bool) -> None:
    """Follow a folder, also one that comes later, or goes and comes back as another; what it then holds counts as saved."""
    here = _identity(folder)
    while not stop.is_set():
        if here is None:
            await asyncio.sleep(LOOK / 1000)
        else:
            await _follow_this(folder, here, tell, stop, recursive=recursive)
        before, here = here, _identity(folder)
        if here is not None and here != before and not stop.is_set():
            tell(set(folder.rglob("*") if recursive else folder.glob("*")))


async def _follow_this(folder: Path, identity: int, tell: Tell, stop: asyncio.Event, *, recursive: bool) -> None:
    """Follow a folder until another, or none, has its name."""
    with contextlib.suppress(FileNotFoundError):  # gone before it could be watched
        async for changes in awatch(
            folder,
            watch_filter=_is_written,
            debounce=LONGEST,
            step=QUIET,
            stop_event=stop,
            rust_timeout=LOOK,
            yield_on_timeout=True,
            recursive=recursive,
        ):
            if changes:
                tell({Path(name) for _, name in changes})
            if _identity(folder) != identity:
                return


def _identity(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino if folder.is_dir() else None
    except OSError:
        return None


def _is_written(_change: Change, name: str) -> bool:
    """Not an editor's own: swap files, backups, half-written copies."""
    path = Path(name)
    return not path.name.startswith((".", "#")) and not path.name.endswith("~")
