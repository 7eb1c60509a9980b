"""A record as the checks read it: estimates on their analysis scale, denominators, survival by arm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from math import inf
from typing import Any

from metasyn.records.figures import AdverseEvent, Contrast, Prognostic, Response, Row, Survival
from metasyn.records.plausibility.ranges import Range, log_range, quantile, spread
from metasyn.records.printed import Printed
from metasyn.records.structure import ALL, ROWS
from metasyn.records.study import Study
from metasyn.records.validation import Loc

RATIOS = frozenset({"HR", "csHR", "sHR", "HR-ratio", "RR", "OR", "IRR", "RMST-ratio"})
HAZARD_RATIOS = frozenset({"HR", "csHR", "sHR"})
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """An effect with its interval on the analysis scale (log for ratios), each limit a range of rounding.

    Attributes
    ----------
    loc, row
        Where it stands.
    effect, low, high : (float, float) or None
        Ranges of the estimate and of its limits; None where not printed or not a number.
    level : float
        Coverage of the interval.
    log : bool
        Whether the scale is logarithmic.
    """

    loc: Loc
    row: Contrast | Prognostic
    effect: Range | None
    low: Range | None
    high: Range | None
    level: float
    log: bool

    @property
    def se(self) -> Range | None:
        """Standard errors that the width of the interval allows; None without two limits in order."""
        if self.low is None or self.high is None or self.high[1] <= self.low[0]:
            return None
        width = 2 * quantile(self.level)
        return max(0.0, self.high[0] - self.low[1]) / width, (self.high[1] - self.low[0]) / width

    @property
    def z(self) -> Range | None:
        """Absolute Wald statistics that estimate and interval allow."""
        se = self.se
        if self.effect is None or se is None or se[1] == 0:
            return None
        low, high = self.effect
        nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        farthest = max(abs(low), abs(high))
        return nearest / se[1], (farthest / se[0] if se[0] > 0 else inf)


def estimate_of(loc: Loc, row: Contrast | Prognostic) -> Estimate:
    """A row's estimate on its analysis scale."""
    log = row.measure in RATIOS

    def scaled(printed: Printed | None) -> Range | None:
        if printed is None or not printed.exact:
            return None
        return log_range(spread(printed)) if log else spread(printed)

    low, high = row.ci if row.ci is not None else (None, None)
    level = row.level if isinstance(row, Contrast) else row.ci_level
    return Estimate(loc, row, scaled(row.estimate), scaled(low), scaled(high), level, log)


@dataclass(frozen=True, slots=True)
class Percent:
    """A printed percent that counts patients of an arm.

    Attributes
    ----------
    loc : tuple
        Path of the percent.
    percent : Printed
        As printed.
    events : int or None
        The count beside it.
    n : int or None
        The patients it should be of: the row's own number, else the size of the arm in the set.
    own : bool
        Whether the row itself states `n`.
    arm, set : str
        Whose it is.
    section : str
        responses, adverse_events or baseline.
    """

    loc: Loc
    percent: Printed
    events: int | None
    n: int | None
    own: bool
    arm: str
    set: str
    section: str


class Facts:
    """One record, with what several checks need computed once.

    Fields of rows are read from the instance's dict where not every row has them: asking a model for a field that it
    lacks takes ten times as long.
    """

    def __init__(self, study: Study) -> None:
        self.study = study

    @cached_property
    def rows(self) -> list[tuple[Loc, Row]]:
        """Every row of figures with its path."""
        return [((section, index), row) for section in ROWS for index, row in enumerate(getattr(self.study, section))]

    @cached_property
    def estimates(self) -> list[Estimate]:
        """Contrasts and covariates that print an estimate."""
        return [
            estimate_of(loc, row)
            for loc, row in self.rows
            if isinstance(row, (Contrast, Prognostic)) and row.estimate is not None
        ]

    def intervals(self) -> Iterator[tuple[Loc, Row, tuple[Printed, Printed], Printed | None]]:
        """Every printed interval with its path, its row and the number it belongs to."""
        for loc, row in self.rows:
            for interval_name, estimate_name in (("ci", "estimate"), ("ci", "percent"), ("median_ci", "median")):
                interval = row.__dict__.get(interval_name)
                if interval is not None and estimate_name in row.__dict__:
                    yield (*loc, interval_name), row, interval, row.__dict__[estimate_name]
            for index, rate in enumerate(row.__dict__.get("rates", ())):
                if rate.ci is not None:
                    yield (*loc, "rates", index, "ci"), row, rate.ci, rate.percent
        for index, row in enumerate(self.study.baseline):
            for arm, cell in row.arms.items():
                for name in ("iqr", "range"):
                    interval = getattr(cell, name)
                    if interval is not None:
                        yield ("baseline", index, "arms", arm, name), row, interval, cell.median

    def size(self, set_name: str | None, arm: str) -> int | None:
        """Patients of an arm in a set: printed, or what the other numbers leave no choice about.

        That is the sum of the arms for everybody, everybody less the other of two arms, and the sum of an arm's parts.
        """
        analysis_set = self.study.sets.get(set_name or "")
        if analysis_set is None:
            return None
        if arm in analysis_set.n:
            return analysis_set.n[arm]
        if arm == ALL:
            whole = [name for name in self.whole_arms if name in analysis_set.n]
            return sum(analysis_set.n[name] for name in whole) if len(whole) >= 2 else None
        others = [name for name in self.whole_arms if name != arm]
        if ALL in analysis_set.n and arm in self.whole_arms and len(others) == 1 and others[0] in analysis_set.n:
            return max(0, analysis_set.n[ALL] - analysis_set.n[others[0]])
        return self._sum_of_parts(arm)

    def _sum_of_parts(self, arm: str) -> int | None:
        """Size of an arm that is printed only by its parts, each in a set of its own without selection."""
        by_partition: dict[str | None, list[str]] = defaultdict(list)
        for name, part in self.study.arms.items():
            if part.subset_of == arm:
                by_partition[part.partition].append(name)
        for names in by_partition.values():
            sizes = [
                max(
                    (item.n[name] for item in self.study.sets.values() if name in item.n and item.method == "none"),
                    default=None,
                )
                for name in names
            ]
            if len(names) >= 2 and all(size is not None for size in sizes):
                return sum(size for size in sizes if size is not None)
        return None

    @cached_property
    def whole_arms(self) -> list[str]:
        """Arms that are no part of another."""
        return [name for name, arm in self.study.arms.items() if arm.subset_of is None]

    @cached_property
    def known_sizes(self) -> dict[int, str]:
        """Numbers of patients that the record names, with their names: what a wrong denominator may have been."""
        names: dict[int, str] = {}
        for set_name, analysis_set in self.study.sets.items():
            for arm, n in analysis_set.n.items():
                names.setdefault(n, f"{arm} in {set_name}")
            everybody = self.size(set_name, ALL)
            if everybody is not None:
                names.setdefault(everybody, f"all of {set_name}")
        if self.study.population.n is not None:
            names.setdefault(self.study.population.n, "the population")
        return names

    @cached_property
    def percents(self) -> list[Percent]:
        """Percents of patients: responses, adverse events, baseline."""
        found = []
        for loc, row in self.rows:
            if isinstance(row, (Response, AdverseEvent)):
                own = row.n if row.n is not None else getattr(row, "denominator", None)
                whole = row.__dict__.get("subgroup") is None
                n = own if own is not None else (self.size(row.set, row.arm) if whole else None)
                if row.percent is not None and row.percent.exact:
                    found.append(
                        Percent(
                            (*loc, "percent"),
                            row.percent,
                            row.events,
                            n,
                            own is not None,
                            row.arm,
                            row.set,
                            str(loc[0]),
                        )
                    )
        for index, table_row in enumerate(self.study.baseline):
            for arm, cell in table_row.arms.items():
                if cell.percent is not None:
                    n = cell.of if cell.of is not None else self.size(table_row.set, arm)
                    where: Loc = ("baseline", index, "arms", arm, "percent")
                    found.append(
                        Percent(where, cell.percent, cell.n, n, cell.of is not None, arm, table_row.set, "baseline")
                    )
        return found

    @cached_property
    def survival_groups(self) -> dict[Key, list[tuple[Loc, Survival]]]:
        """Survival rows of one arm, outcome, set, subgroup, cutoff and assessor: one curve in several rows."""
        groups: dict[Key, list[tuple[Loc, Survival]]] = defaultdict(list)
        for index, row in enumerate(self.study.survival):
            groups[(row.outcome, *curve_key(row))].append((("survival", index), row))
        return groups

    def events_of(self, row: Contrast | Prognostic, arm: str) -> int | None:
        """Events of an arm in a contrast: its own, else those of the arm's survival rows."""
        if isinstance(row, Contrast) and arm in row.events:
            return row.events[arm]
        if row.__dict__.get("subgroup") is not None:
            return None
        counts = {
            other.events
            for other in self.study.survival
            if other.events is not None
            and (other.outcome, other.arm, other.set) == (row.outcome, arm, row.set)
            and other.subgroup is None
            and other.cutoff == row.__dict__.get("cutoff")
        }
        return counts.pop() if len(counts) == 1 else None

    def patients_of(self, row: Contrast, arm: str) -> int | None:
        """Patients of an arm in a contrast: its own number, else the set's, where the row is of the whole set."""
        if arm in row.n:
            return row.n[arm]
        return None if row.subgroup is not None else self.size(row.set, arm)


def curve_key(row: Survival) -> Key:
    """What two survival rows must share to be of the same patients at the same time."""
    subgroup = (row.subgroup.factor, row.subgroup.level) if row.subgroup is not None else None
    return (row.arm, row.set, subgroup, row.cutoff, row.assessor)


def date_range(text: str) -> tuple[date, date] | None:
    """First and last day that a date as printed can mean; None for a day that no calendar has."""
    year, *rest = (int(part) for part in text.split("-"))
    try:
        if not rest:
            return date(year, 1, 1), date(year, 12, 31)
        if len(rest) == 1:
            following = date(year + rest[0] // 12, rest[0] % 12 + 1, 1)
            return date(year, rest[0], 1), date.fromordinal(following.toordinal() - 1)
        return date(year, rest[0], rest[1]), date(year, rest[0], rest[1])
    except ValueError:
        return None
