"""The one stream that a page listens to: that something changed, never what; the page then asks for itself again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from metasyn.serve.snapshot import Snapshot

BEAT = 15.0  # s between signs of life, by which connections that ended unnoticed are found
MOST = 64  # pages that may listen at once


class Hub:
    """The newest snapshot, and the pages that wait for the next one."""

    def __init__(self) -> None:
        self.now = Snapshot()
        self._number = 0
        self._changed = asyncio.Event()
        self._listening: list[str] = []
        self._closed = False

    @property
    def viewed(self) -> tuple[str, ...]:
        """Reports that somebody looks at, the page that was opened last first."""
        return tuple(dict.fromkeys(name for name in reversed(self._listening) if name))

    @property
    def is_full(self) -> bool:
        """Whether as many pages listen as may."""
        return len(self._listening) >= MOST

    def publish(self, snapshot: Snapshot) -> None:
        """Keep a snapshot and wake the pages; only in the event loop's thread."""
        self.now = snapshot
        self._wake()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._number += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def stream(self, report: str) -> AsyncIterator[bytes]:
        """Server-sent events: one at once, and one for every change; several that come together are one.

        Parameters
        ----------
        report : str
            The one that the page shows; empty where it shows none.
        """
        self._listening.append(report)
        try:
            while not self._closed:
                told, changed = self._number, self._changed
                yield f"id: {told}\nevent: changed\ndata: {self.now.phase}\n\n".encode()
                while told == self._number and not self._closed:
                    try:
                        await asyncio.wait_for(changed.wait(), BEAT)
                    except TimeoutError:
                        yield b": still here\n\n"
            yield b"event: ended\ndata: \n\n"
        finally:
            self._listening.remove(report)
