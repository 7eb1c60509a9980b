"""One change each between two editions: of a study, an estimate, a certainty, an order of strategies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from metasyn.pooling import is_ratio

CLOSE = 1e-8  # relative and absolute: how far optimisers agree between libraries; nothing that anyone prints
NUMBERS = ("estimate", "ci_low", "ci_high", "se", "tau2", "i2", "p_value", "pi_low", "pi_high")
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyChange:
    """A study whose record came, changed or went.

    Attributes
    ----------
    what : str
        `left` where the record is still there and the report has no figure of it any more.
    estimates : tuple of str
        Names of the estimates that rest on it, before or now.
    """

    study: str
    what: Literal["added", "edited", "withdrawn", "left"]
    estimates: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateChange:
    """One estimate before and now.

    Attributes
    ----------
    before, now : mapping or None
        None where it is new, or gone.
    was_named : str or None
        Its name before, where only that changed.
    moved : bool
        Whether any number or study differs; a new name alone is no move.
    causes : tuple of str
        What may have moved it: studies, the definition, the program; for one that is new or gone, the reason as far as it is known.
    studies : tuple of str
        The studies among the causes.
    """

    name: str
    before: Values | None
    now: Values | None
    was_named: str | None = None
    moved: bool = False
    causes: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()

    @property
    def measure(self) -> str:
        """Of now, or of before where it is gone."""
        return str((self.now or self.before or {})["measure"])

    @property
    def comparable(self) -> bool:
        """Whether both are there, in the same measure."""
        return self.before is not None and self.now is not None and self.before["measure"] == self.now["measure"]

    @property
    def difference(self) -> float | None:
        """Now minus before on the analysis scale (log for ratios)."""
        if self.before is None or self.now is None or not self.comparable:
            return None
        return float(self.now["estimate"] - self.before["estimate"])

    @property
    def difference_displayed(self) -> float | None:
        """Now minus before as estimates are printed."""
        if self.before is None or self.now is None or not self.comparable:
            return None
        return displayed(self.now["estimate"], self.measure) - displayed(self.before["estimate"], self.measure)

    @property
    def difference_in_se(self) -> float | None:
        """The difference in standard errors of before."""
        if self.difference is None or self.before is None or not self.before["se"]:
            return None
        return self.difference / float(self.before["se"])


@dataclass(frozen=True, slots=True, kw_only=True)
class CertaintyChange:
    """The certainty of one result before and now.

    Attributes
    ----------
    before, now : str or None
        None where it is not rated.
    domains : tuple of (domain, before, now)
        Those judged otherwise; levels as numbers or words.
    """

    name: str
    before: str | None
    now: str | None
    domains: tuple[tuple[str, Any, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingChange:
    """The order of a network's strategies before and now.

    Attributes
    ----------
    before, now : tuple of mapping
        Strategies in order: treatment, sucra, mean_rank, rank_low, rank_high, p_score; empty where they are not ranked.
    error : float
        Monte Carlo error of a rank's probability.
    """

    name: str
    outcome: str
    before: tuple[Values, ...]
    now: tuple[Values, ...]
    error: float

    @property
    def order_changed(self) -> bool:
        """Whether the strategies stand in another order."""
        return [one["treatment"] for one in self.before] != [one["treatment"] for one in self.now]


def displayed(value: float, measure: str) -> float:
    """A value of the analysis scale as people read it."""
    return math.exp(min(value, 700.0)) if is_ratio(measure) else value


def same_number(one: float | None, other: float | None) -> bool:
    """Whether two numbers agree, or both are absent."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= CLOSE * max(1.0, abs(one), abs(other))


def same_values(before: Values, now: Values) -> bool:
    """Whether an estimate says the same; fields that an older edition lacks are not compared."""
    known = [name for name in NUMBERS if name in before and name in now]
    plain = all(before[name] == now[name] for name in ("k", "measure"))
    return plain and all(same_number(before[name], now[name]) for name in known)
