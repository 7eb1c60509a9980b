"""What a check finds, and what a check is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metasyn.errors import Severity
from metasyn.records.validation import Loc

if TYPE_CHECKING:
    from metasyn.records.plausibility.facts import Facts


@dataclass(frozen=True, slots=True)
class Found:
    """One implausible place in a record, as a check sees it.

    Attributes
    ----------
    loc : tuple
        Path of the field.
    message : str
        What is wrong, with the value.
    arithmetic : str or None
        The calculation that gives it away.
    severity : str or None
        Where it differs from the check's own.
    """

    loc: Loc
    message: str
    arithmetic: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A check: its severity, and the function whose docstring is its page.

    `error` cannot be right; `warning` can hardly be right and wants a look into the paper; `note` is worth knowing and
    needs no answer.
    """

    severity: Severity
    function: Callable[[Facts], Iterator[Found]]

    @property
    def page(self) -> str:
        """What `metasyn explain` prints: what is compared, what rounding allows, what to do."""
        return inspect.getdoc(self.function) or ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One implausible place in a record, with the id and severity of the check that found it."""

    check: str
    severity: Severity
    loc: Loc
    message: str
    arithmetic: str | None = None
