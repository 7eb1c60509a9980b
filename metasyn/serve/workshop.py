"""The one thread that checks and builds: a save that comes while it works makes it begin again with the newest state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from metasyn.errors import EvidenceError, MetasynError
from metasyn.records import Layout, find_layout
from metasyn.reports import Memory
from metasyn.serve.rebuild import Stopped, SupersededError, rebuild
from metasyn.serve.snapshot import ReportShelf, Snapshot, record_lines


class Workshop:
    """Checks and builds a project whenever it is told of a save.

    Parameters
    ----------
    root : Path
        The project.
    publish : callable
        Handed each new snapshot, in the workshop's thread.
    viewed : callable
        The reports that somebody looks at: they are built first.
    """

    def __init__(self, root: Path, publish: Callable[[Snapshot], None], viewed: Callable[[], tuple[str, ...]]) -> None:
        self._root = root
        self._publish = publish
        self._viewed = viewed
        self._memory = Memory()
        self._shelf = ReportShelf(root)
        self._now = Snapshot()
        self._titles: dict[str, str] = {}
        self._stopped: dict[str, Stopped] = {}
        self._news = threading.Condition()
        self._saved: list[str] = []
        self._first_save: float | None = None  # of those that no finished round has seen
        self._to_do = True
        self._to_look = False

    def start(self) -> None:
        """Begin with the project as it is; the thread ends with the process, and a build is whole or not at all."""
        threading.Thread(target=self._run, name="metasyn-build", daemon=True).start()

    def saved(self, files: Iterable[str]) -> None:
        """Files changed; may be called from any thread."""
        with self._news:
            self._saved += files
            self._first_save = self._first_save or time.monotonic()
            self._to_do = True
            self._news.notify()

    def look_again(self) -> None:
        """Somebody else may have built a report; may be called from any thread."""
        with self._news:
            self._to_look = True
            self._news.notify()

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._to_do or self._to_look)
                to_do, self._to_do, self._to_look = self._to_do, False, False
                saved, self._saved = list(dict.fromkeys(self._saved)), []
            try:
                if to_do:
                    self._round(saved)
                else:
                    self._tell(reports=self._shelf.lines(self._titles, self._stopped))
            except SupersededError:
                continue
            except (MetasynError, OSError) as error:
                self._tell(phase="idle", building=None, failure=str(error))
            except Exception as error:  # a fault of the program must not end what follows the saves
                self._tell(phase="idle", building=None, failure=_fault(error))

    def _round(self, saved: list[str]) -> None:
        if saved:
            self._tell(phase="building", building=None, saved=tuple(saved))
        before = {one.name: one.version for one in self._now.reports}
        layout = find_layout(self._root)
        records, findings, self._titles = record_lines(layout)
        self._stopped = {name: why for name, why in self._stopped.items() if name in self._titles}
        reports = self._shelf.lines(self._titles, self._stopped)
        self._tell(phase="building", records=records, findings=findings, reports=reports, failure=None)
        first = [name for name in self._viewed() if name in self._titles]
        for name in dict.fromkeys([*first, *self._titles]) if records else ():
            self._build(layout, name)
        self._finished(before)

    def _build(self, layout: Layout, name: str) -> None:
        if self._is_superseded():
            raise SupersededError
        self._tell(phase="building", building=name)
        stopped = self._attempt(layout, name)
        self._stopped.pop(name, None)
        if stopped is not None:
            self._stopped[name] = stopped
        self._tell(phase="building", reports=self._shelf.lines(self._titles, self._stopped))

    def _attempt(self, layout: Layout, name: str) -> Stopped | None:
        try:
            return rebuild(
                layout,
                name,
                memory=self._memory,
                waiting=lambda: self._tell(phase="waiting"),
                superseded=self._is_superseded,
            )
        except SupersededError:
            raise
        except EvidenceError as error:
            return Stopped(problems=error.problems)
        except (MetasynError, OSError) as error:
            return Stopped(why=str(error))
        except Exception as error:  # one report that fails stops no other
            return Stopped(why=_fault(error))

    def _finished(self, before: dict[str, str | None]) -> None:
        with self._news:
            if self._to_do:
                raise SupersededError
            began, self._first_save = self._first_save, None
        built = tuple(one.name for one in self._now.reports if one.version != before.get(one.name))
        seconds = None if began is None else time.monotonic() - began
        self._tell(phase="idle", building=None, seconds=seconds, built=built)

    def _is_superseded(self) -> bool:
        with self._news:
            return self._to_do

    def _tell(self, **changed: Any) -> None:
        self._now = replace(self._now, **changed)
        self._publish(self._now)


def _fault(error: Exception) -> str:
    return f"something went wrong inside metasyn ({type(error).__name__}: {error}); this is a fault of the program"
