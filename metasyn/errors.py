"""Exceptions of metasyn, and the problem that a person at the keyboard is told about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding in one file: where it stands, what is wrong, what would be accepted."""

    file: str
    line: int  # 1-based; 0 where the file as a whole is meant
    column: int  # 1-based
    path: str  # field, as in contrasts[2].ci; empty for the whole file
    check: str  # id of the check that found it
    severity: Severity
    message: str  # what is wrong (value); accepted: what would be
    arithmetic: str | None = None  # the calculation that gives it away
    accepted: str | None = None  # the reason, where the record accepts the finding

    def __str__(self) -> str:
        """The problem as `file:line:column: field: message`."""
        field = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {field}{self.message}"


class MetasynError(Exception):
    """Base of every exception that metasyn raises on purpose."""


class UsageError(MetasynError):
    """A command or a call was asked for something that does not exist."""


class EvidenceError(MetasynError):
    """Files that cannot be loaded; carries every problem at once.

    Attributes
    ----------
    problems : tuple of Problem
        In order of file, line and column.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.column, p.path)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SelectionError(MetasynError):
    """A preference order leaves several estimates of one study level; names the candidates."""


class StrategyError(ValueError, MetasynError):
    """A treatment strategy that the grammar does not accept."""


class ConvergenceError(MetasynError):
    """An iterative estimator did not converge."""
