"""What this process found before, by fingerprint, so that an edit recomputes only what it touches."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

Found = TypeVar("Found")
LIMIT = 4000  # results; a report has some hundred


class Memory:
    """Results by key; the ones that were not asked for longest go first.

    Parameters
    ----------
    limit : int
        How many results are kept.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._found: OrderedDict[str, Any] = OrderedDict()
        self._lock = Lock()

    def recall(self, key: str, make: Callable[[], Found]) -> Found:
        """What is kept under a key; else it is made, and kept.

        Parameters
        ----------
        key : str
            A fingerprint of everything that the result depends on.
        make : callable
            Makes the result; what it raises is not kept.
        """
        kept = self.peek(key)
        if kept is not None:
            found: Found = kept
            return found
        made = make()
        self.put(key, made)
        return made

    def peek(self, key: str) -> Any:
        """What is kept under a key, or None."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def put(self, key: str, made: Any) -> None:
        """Keep a result; None is not one."""
        with self._lock:
            self._found[key] = made
            while len(self._found) > self._limit:
                self._found.popitem(last=False)

    def items(self) -> list[tuple[str, Any]]:
        """Everything that is kept, by key."""
        with self._lock:
            return list(self._found.items())
