"""Looks: the points in time at which new primary information came in.

A build, a corrected number or a second reading is no look: every look shows the figures as they stand in the records today.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from metasyn.records.study import Study
from metasyn.reports.answers import Stratum
from metasyn.reports.changes.edition import Edition
from metasyn.reports.words import body_words, key_words

UNDATED = "no date"
NOW = "this build"
SAME = (
    "arm_treatment", "arm_comparator", "set", "measure", "analysis", "model", "exposure", "assessor", "assessment", "reversed",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What was known at a look.

    Attributes
    ----------
    label : str
        A year, an edition, or that there is no date.
    added : tuple of str
        Names of the studies that came in.
    updated : tuple of str
        Names of those that came with a later data cutoff.
    arrived : tuple of str
        Ids of both.
    rows : DataFrame
        The effects known by then, one row per study.
    """

    label: str
    added: tuple[str, ...]
    updated: tuple[str, ...]
    arrived: tuple[str, ...]
    rows: pd.DataFrame

    @property
    def news(self) -> tuple[str, ...]:
        """What came in, as tables list it."""
        return (*self.added, *(f"{name} (later cutoff)" for name in self.updated))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looks:
    """Looks in order, and what to know of how they were found.

    Attributes
    ----------
    by : {"date", "edition"}
        The first recorded date of each study, or the recorded edition in which it first stood.
    """

    by: str
    looks: tuple[Look, ...]
    notes: tuple[str, ...]


Arrival = tuple[str, pd.Series]  # label of the look, row of a study


def looks_by_date(stratum: Stratum, candidates: pd.DataFrame, studies: Mapping[str, Study]) -> Looks:
    """Looks in the order of the years in which studies were first published, as recorded.

    A study without a year of publication goes by its first data cutoff, else by the end of its enrolment; without any, it comes last.
    Studies of one year are one look. An earlier data cutoff is a look of its own where the records order the cutoffs, date both to
    different years, and the later one has more information.
    """
    arrivals: list[Arrival] = []
    other: dict[str, list[str]] = {}
    for _, row in stratum.rows.iterrows():
        study = studies[row["study"]]
        year, how = first_year(study)
        if how != "publication":
            other.setdefault(how, []).append(str(row["name"]))
        arrivals += _versions(study, row, candidates, year)
    order = sorted({label for label, _ in arrivals}, key=lambda label: (label == UNDATED, label))
    notes = [f"{_and(names)}: no year of publication is recorded; {WITHOUT_YEAR[how]}" for how, names in sorted(other.items())]  # fmt: skip
    return Looks(by="date", looks=_stack(arrivals, order), notes=tuple(notes))


WITHOUT_YEAR = {
    "cutoff": "the year of the data cutoff is taken",
    "enrolment": "the year in which enrolment ended is taken",
    "none": "nor any other date, so put last, and the order of looks is partly unknown",
}


def first_year(study: Study) -> tuple[str, str]:
    """The year in which a study first came in, and by what: publication, cutoff, enrolment or none."""
    years = [str(report.year) for report in study.reports.values() if report.year is not None]
    if years:
        return min(years), "publication"
    cutoffs = [cutoff.date[:4] for cutoff in study.cutoffs.values() if cutoff.date is not None]
    if cutoffs:
        return min(cutoffs), "cutoff"
    if study.design.enrolment is not None:
        return study.design.enrolment[1][:4], "enrolment"
    return UNDATED, "none"


def _versions(study: Study, used: pd.Series, candidates: pd.DataFrame, first: str) -> list[Arrival]:
    """The row that is used, and before it the last of its earlier cutoffs that came in another year."""
    year = _year_of(study, used)
    earlier = [row for row in _earlier(study, used, candidates) if row["se"] > used["se"]]
    if first == UNDATED or year is None or year <= first or not earlier:
        return [(first, used)]
    # of several earlier cutoffs one is shown: between them years are hardly ever recorded
    return [(first, earlier[-1]), (year, used)]


def _earlier(study: Study, used: pd.Series, candidates: pd.DataFrame) -> list[pd.Series]:
    """Eligible rows that differ from the used one only by a cutoff that precedes it, the earliest first."""
    line = _line(study, used["cutoff"])
    found = {}
    for _, row in candidates[candidates["study"] == used["study"]].iterrows():
        alike = all(_same(row[name], used[name]) for name in SAME) and _fewer_events(row, used)
        passed_over = isinstance(row["why_not"], str) and row["why_not"].startswith("passed over for ")
        if alike and passed_over and row["cutoff"] in line and pd.notna(row["effect"]) and pd.notna(row["se"]):
            found[row["cutoff"]] = row
    return [found[cutoff] for cutoff in line if cutoff in found]


def _line(study: Study, cutoff: Any) -> list[str]:
    """Cutoffs before one, the earliest first: by `after`, and by dates of the same precision."""
    if not isinstance(cutoff, str) or cutoff not in study.cutoffs:
        return []
    chain: list[str] = []
    step = study.cutoffs[cutoff].after
    while step is not None and step in study.cutoffs and step not in chain and step != cutoff:
        chain.append(step)
        step = study.cutoffs[step].after
    date = study.cutoffs[cutoff].date
    dated = {
        name: other.date
        for name, other in study.cutoffs.items()
        if date is not None and other.date is not None and len(other.date) == len(date) and other.date < date
    }
    by_date = sorted((name for name in dated if name not in chain), key=lambda name: str(dated[name]))
    return [*by_date, *reversed(chain)]


def _fewer_events(row: pd.Series, used: pd.Series) -> bool:
    """Whether no printed count of events contradicts that the later cutoff has more."""
    pairs = [(row[name], used[name]) for name in ("events_treatment", "events_comparator")]
    known = [(before, after) for before, after in pairs if pd.notna(before) and pd.notna(after)]
    return all(before <= after for before, after in known) and (not known or any(b < a for b, a in known))


def _year_of(study: Study, row: pd.Series) -> str | None:
    """Year of the publication that a row was read in, else of its cutoff."""
    report = study.reports.get(str(row["source"]).split(":")[0].strip())
    if report is not None and report.year is not None:
        return str(report.year)
    cutoff = study.cutoffs.get(row["cutoff"]) if isinstance(row["cutoff"], str) else None
    return cutoff.date[:4] if cutoff is not None and cutoff.date is not None else None


def _same(one: Any, other: Any) -> bool:
    return bool((pd.isna(one) and pd.isna(other)) or one == other)


def looks_by_edition(
    name: str, stratum: Stratum, candidates: pd.DataFrame, studies: Mapping[str, Study], editions: Sequence[Edition]
) -> Looks | None:
    """Looks at the recorded editions in which studies first stood, so that alpha is spent as information came in.

    Parameters
    ----------
    name : str
        Of the result in editions, as `result_name` gives it.
    editions : sequence of Edition
        Oldest first.

    Returns
    -------
    Looks or None
        None where no edition has the result with any of its present studies. An edition's estimate may hold `cutoffs` (study to cutoff):
        a cutoff that precedes today's was then what was known.
    """
    rows = {str(row["study"]): row for _, row in stratum.rows.iterrows()}
    arrivals: list[Arrival] = []
    current: dict[str, Any] = {}
    order, gone = [], set()
    for edition in editions:
        estimate = edition.estimates.get(name)
        if estimate is None:
            continue
        label = edition.title
        gone |= set(estimate["studies"]) - set(rows)
        for study in estimate["studies"]:
            if study in rows:
                row = _as_of(studies[study], rows[study], candidates, (estimate.get("cutoffs") or {}).get(study))
                if study not in current or _moved_on(current[study], row):
                    arrivals.append((label, row))
                    current[study] = row
        order.append(label)
    if not arrivals:
        return None
    arrivals += [(NOW, row) for study, row in rows.items() if study not in current or _moved_on(current[study], row)]
    notes = []
    if gone:
        notes.append(f"{_and(sorted(gone))} stood in an earlier edition and is not used now: its part of the information is not counted at any look")  # fmt: skip
    seen = {label for label, _ in arrivals}
    return Looks(
        by="edition", looks=_stack(arrivals, [label for label in (*order, NOW) if label in seen]), notes=tuple(notes)
    )


def result_name(comparison: str, outcome: str, stratum: Stratum) -> str:
    """What editions call a result."""
    return f"{comparison}: {outcome} ({key_words(stratum.key)}, {body_words(stratum.body)})"


def _as_of(study: Study, row: pd.Series, candidates: pd.DataFrame, cutoff: str | None) -> pd.Series:
    """The row of the cutoff that an edition used, where it precedes today's; else today's."""
    for earlier in _earlier(study, row, candidates):
        if cutoff is not None and earlier["cutoff"] == cutoff:
            return earlier
    return row


def _moved_on(before: pd.Series, now: pd.Series) -> bool:
    return not _same(before["cutoff"], now["cutoff"])


def _stack(arrivals: Sequence[Arrival], order: Sequence[str]) -> tuple[Look, ...]:
    """Looks that each hold, of every study seen by then, the row that came last."""
    known: dict[str, pd.Series] = {}
    looks = []
    for label in order:
        came = {str(row["study"]): row for at, row in arrivals if at == label}
        added = tuple(str(row["name"]) for study, row in came.items() if study not in known)
        updated = tuple(str(row["name"]) for study, row in came.items() if study in known)
        known |= came
        rows = pd.DataFrame(list(known.values())).reset_index(drop=True)
        looks.append(Look(label=label, added=added, updated=updated, arrived=tuple(came), rows=rows))
    return tuple(looks)


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
