"""One report, built by the door that `metasyn build` uses, and given up when a newer save makes it pointless."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from metasyn.errors import Problem
from metasyn.records import Layout
from metasyn.reports import Memory, build_all


class SupersededError(Exception):
    """A file was saved while a report was being built from the state before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Why a report could not be built; the one built before stays.

    Attributes
    ----------
    problems : tuple of Problem
        Of the files at fault.
    why : str or None
        In words, where no file is at fault.
    """

    problems: tuple[Problem, ...] = ()
    why: str | None = None


def rebuild(
    layout: Layout, name: str, *, memory: Memory, waiting: Callable[[], None], superseded: Callable[[], bool]
) -> Stopped | None:
    """Build one report where anything that it rests on changed.

    Parameters
    ----------
    layout : Layout
        The project.
    name : str
        Of the definition.
    memory : Memory
        What earlier builds of this process found.
    waiting : callable
        Called where another run holds the lock.
    superseded : callable
        Whether a file was saved since; asked between the steps of a build.

    Returns
    -------
    Stopped or None
        None where the report is as it should be.

    Raises
    ------
    SupersededError
        If the build was given up; nothing was written.
    """

    def on_event(event: str, _values: Mapping[str, Any]) -> None:
        if event == "waiting":
            waiting()
        elif event != "report" and superseded():  # a report that is done is left as it is
            raise SupersededError

    outcome = build_all(layout, [name], workers=1, memory=memory, on_event=on_event)
    if not outcome.reports:  # the vocabulary, or the folder of records itself
        return Stopped(problems=outcome.problems)
    made = outcome.reports[0]
    if made.state != "failed":
        return None
    why = made.why or ""
    return Stopped(problems=made.problems or tuple(one for one in outcome.problems if one.file in why), why=made.why)
