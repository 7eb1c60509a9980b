"""How studies were searched for and selected (evidence/search.yaml): the file's schema, its loader, and whether its counts add up."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from metasyn.errors import EvidenceError, Problem
from metasyn.records.fields import Count, Date, Flag, Model, Slug, Text
from metasyn.records.layout import Layout
from metasyn.records.validation import Loc, did_you_mean, listed, problem_at, read_model
from metasyn.records.yaml_reader import Document

FILE = "search.yaml"
ALL = "all"  # the entry for every report without one of its own
SCREENED_KINDS = ("database", "register")  # their records are screened; those of other sources are sought at once


class Source(Model):
    """One place that was searched."""

    name: Text
    kind: Literal["database", "register", "website", "organisation", "citations", "other"]
    """Records of databases and registers are screened; those of other kinds have the counts under `other`."""
    platform: Text | None = None
    """Through what it was searched, where it has several doors."""
    coverage: tuple[Date, Date] | None = None
    """First and last date of what it holds, or of what was asked of it."""
    searched: Date
    """When it was last searched."""
    strategy: Text | None = None
    """The full string, with filters and limits, as it was run."""
    identified: Count
    """Records that it gave."""


class Removed(Model):
    """Records that were taken out before screening."""

    duplicates: Count
    by_automation: Count = 0
    """Marked as not eligible by a tool."""
    other: Count = 0


class OtherMethods(Model):
    """What became of records from websites, organisations, citations and other sources."""

    sought: Count
    """Reports that were looked for in full."""
    not_retrieved: Count
    assessed: Count
    """Reports that were read in full."""
    excluded_reports: dict[Text, Count] = {}
    """Reason: reports left out for it."""


class Included(Model):
    """What the review holds: studies, and the reports (publications) on them."""

    studies: Count
    reports: Count


class Process(Model):
    """Who did a step, and how."""

    reviewers: Count
    """People per record, report or study."""
    independent: Flag
    """Whether they worked without knowing of each other's answers."""
    tools: Text | None = None
    """Automation that took part; empty for none."""
    note: Text | None = None


class Living(Model):
    """How the review is kept up to date."""

    why: Text | None = None
    """Why it is kept up to date."""
    schedule: Text | None = None
    """When each source is searched again, or what triggers it."""
    further_steps: Text | None = None
    """When screening, extraction, assessment, analysis and publication follow."""
    retirement: Text | None = None
    """When it ends; or that there is no such plan."""
    retired: Flag | None = None
    """Whether this is the last version."""
    trigger: Text | None = None
    """What led to this version."""
    preceding: Text | None = None
    """Citation of the version before; or that there is none."""
    question_changed: Text | None = None
    """How the question changed since that version and why; or that it did not."""
    methods_changed: Text | None = None
    """How the methods changed since that version and why; or that they did not."""
    data_updates: Text | None = None
    """How data of studies that were already included are brought up to date."""
    bias_updates: Text | None = None
    """How their risk of bias is assessed again."""
    repeated_analysis: Text | None = None
    """Whether and how analysis allows for being repeated."""
    limitations: Text | None = None
    """What keeping it up to date leaves open."""
    roles: Text | None = None
    """Who did what in this version, and how authorship changed."""


class Statements(Model):
    """What no record and no number says, in the authors' words."""

    abstract: Text | None = None
    rationale: Text | None = None
    rationale_network: Text | None = None
    """Why strategies are compared as a network."""
    eligibility: Text | None = None
    """Which studies were looked for."""
    outcomes: Text | None = None
    """How outcomes are defined."""
    data_items: Text | None = None
    """Other variables that were sought, funding of studies among them."""
    reporting_bias: Text | None = None
    """How results that are missing were looked for, and what came of it."""
    excluded_studies: Text | None = None
    """Studies that seem to fit and were left out, each with its citation and the reason."""
    interpretation: Text | None = None
    limitations_of_evidence: Text | None = None
    limitations_of_review: Text | None = None
    implications: Text | None = None
    registration: Text | None = None
    """Register and number; or that there is none."""
    protocol: Text | None = None
    """Where it can be had; or that none was written."""
    amendments: Text | None = None
    """Changes to what was registered or to the protocol; or that there are none."""
    support: Text | None = None
    """Money and other support for the review, and the role of those who gave it."""
    competing_interests: Text | None = None
    availability: Text | None = None
    """Where records, code and other material can be had."""


class Search(Model):
    """One search, from its sources to what was included."""

    sources: list[Source] = Field(min_length=1)
    removed: Removed
    screened: Count
    """Records whose title and abstract were read."""
    excluded: Count
    """Of these, records left out."""
    excluded_by_automation: Count | None = None
    """Of those left out, how many a tool left out; empty for none."""
    sought: Count
    """Reports that were looked for in full."""
    not_retrieved: Count
    assessed: Count
    """Reports that were read in full."""
    excluded_reports: dict[Text, Count] = {}
    """Reason: reports left out for it."""
    other: OtherMethods | None = None
    """The same for sources that are neither database nor register."""
    included: Included
    """What this search added."""
    previous: Included | None = None
    """What earlier versions of the review held."""
    selection: Process | None = None
    """Who screened records and read reports."""
    collection: Process | None = None
    """Who took figures from reports."""
    assessment: Process | None = None
    """Who judged risk of bias."""
    living: Living = Living()
    statements: Statements = Statements()

    def identified(self, *, screened: bool) -> int:
        """Records of databases and registers (`screened`), or of other sources."""
        return sum(each.identified for each in self.sources if (each.kind in SCREENED_KINDS) is screened)

    @property
    def last_searched(self) -> str:
        """The latest date of a search."""
        return max(each.searched for each in self.sources)


class SearchFile(Model):
    """The searches of a project (evidence/search.yaml)."""

    format: Literal["1"]
    searches: dict[Slug, Search] = Field(min_length=1)
    """Name of a report, or `all` for those without an entry of their own."""

    def of(self, report: str) -> Search | None:
        """The search behind a report: its own, else the one for all; None where there is neither."""
        return self.searches.get(report, self.searches.get(ALL))


def search_path(layout: Layout) -> Path | None:
    """Where a project's search file would stand; None for a bare folder of records, which has no evidence folder."""
    return layout.studies.parent / FILE if layout.curves is not None else None


def load_search(
    path: Path | None, file: str = f"evidence/{FILE}", *, reports: Collection[str] | None = None
) -> SearchFile | None:
    """Read a search file.

    Parameters
    ----------
    path : Path or None
        As `search_path` gives it.
    file : str
        Its name, for the messages.
    reports : collection of str or None
        The reports of the project; a search for another is refused. None admits every name.

    Returns
    -------
    SearchFile or None
        None where there is no file.

    Raises
    ------
    EvidenceError
        Carries every problem of the file, counts that do not add up among them.
    """
    if path is None or not (path.exists() or path.is_symlink()):
        return None
    if path.is_symlink() or not path.is_file():
        what = "a link, which may lead out of the folder" if path.is_symlink() else "a folder"
        raise EvidenceError([_of_file(file, f"is {what}; accepted: a file")])
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise EvidenceError([_of_file(file, f"cannot be read ({error.strerror}); accepted: a file that can")]) from None
    found, document, problems = read_model(SearchFile, raw, file)
    if found is not None:
        problems += _unknown_reports(found, document, file, reports)
        for name, search in found.searches.items():
            for loc, message, arithmetic in _mismatches(search):
                place: Loc = ("searches", name, *loc)
                problems.append(
                    problem_at(document, file, place, message, check="search-counts", arithmetic=arithmetic)
                )
    if found is None or problems:
        raise EvidenceError(problems)
    return found


def _of_file(file: str, message: str) -> Problem:
    return Problem(file=file, line=1, column=1, path="", check="file", severity="error", message=message)


def _unknown_reports(
    found: SearchFile, document: Document, file: str, reports: Collection[str] | None
) -> list[Problem]:
    names = [] if reports is None else [name for name in found.searches if name != ALL and name not in reports]
    return [
        problem_at(
            document, file, ("searches", name),
            f"is not a report ({name}){did_you_mean(name, [*(reports or ()), ALL])}; accepted: {listed([ALL, *sorted(reports or ())], 40)}",
            check="unknown-word", key=True,
        )
        for name in names
    ]  # fmt: skip


Mismatch = tuple[Loc, str, str]  # field, message, arithmetic


def _mismatches(search: Search) -> Iterator[Mismatch]:
    """Every count that does not follow from those before it, by the PRISMA 2020 flow diagram."""
    removed = search.removed
    identified = search.identified(screened=True)
    taken_out = removed.duplicates + removed.by_automation + removed.other
    yield from _difference(
        ("screened",), search.screened, (identified, "identified"), (taken_out, "removed before screening")
    )
    yield from _at_most(("excluded",), search.excluded, search.screened, "screened")
    if search.excluded_by_automation is not None:
        yield from _at_most(("excluded_by_automation",), search.excluded_by_automation, search.excluded, "excluded")
    yield from _difference(("sought",), search.sought, (search.screened, "screened"), (search.excluded, "excluded"))
    yield from _retrieved((), search)
    other = search.other
    elsewhere = search.identified(screened=False)
    if other is not None:
        yield from _at_most(("other", "sought"), other.sought, elsewhere, "identified by other methods")
        yield from _retrieved(("other",), other)
    elif elsewhere:
        yield (
            ("included",),
            f"follows sources that are neither database nor register ({elsewhere} records) without their counts; "
            "accepted: the field other, with sought, not_retrieved and assessed",
            f"{elsewhere} identified by other methods",
        )
    yield from _included(search)
    for number, source in enumerate(search.sources):
        if source.coverage is not None:
            first, last = source.coverage
            shared = min(len(first), len(last))  # a year may stand beside a day
            if first[:shared] > last[:shared]:
                message = (
                    f"ends before it begins ({first} to {last}); accepted: [first, last], perhaps [{last}, {first}]"
                )
                yield ("sources", number, "coverage"), message, f"{first} > {last}"


def _retrieved(loc: Loc, stage: Search | OtherMethods) -> Iterator[Mismatch]:
    yield from _at_most((*loc, "not_retrieved"), stage.not_retrieved, stage.sought, "sought")
    yield from _difference(
        (*loc, "assessed"), stage.assessed, (stage.sought, "sought"), (stage.not_retrieved, "not retrieved")
    )
    left_out = sum(stage.excluded_reports.values())
    if left_out > stage.assessed:
        parts = " + ".join(map(str, stage.excluded_reports.values()))
        message = f"leaves out more reports than were assessed ({left_out}); accepted: at most {stage.assessed} in all"
        yield (*loc, "excluded_reports"), message, f"{parts} = {left_out}, above {stage.assessed} assessed"


def _included(search: Search) -> Iterator[Mismatch]:
    """Reports included follow from those assessed; several may be on one study, never one on several."""
    stages: list[Search | OtherMethods] = [search] if search.other is None else [search, search.other]
    kept = [stage.assessed - sum(stage.excluded_reports.values()) for stage in stages]
    sum_text = " + ".join(
        f"({stage.assessed} assessed - {sum(stage.excluded_reports.values())} excluded)" for stage in stages
    )
    reports = search.included.reports
    if reports != sum(kept):
        message = f"does not follow from the reports assessed ({reports}); accepted: {sum(kept)} = {sum_text}"
        yield ("included", "reports"), message, f"{sum_text} = {sum(kept)}, not {reports}"
    for name, both in (("included", search.included), ("previous", search.previous)):
        if both is not None:
            yield from _at_most((name, "studies"), both.studies, both.reports, "reports")
            if both.reports and not both.studies:
                message = f"has no study for its reports (0); accepted: from 1 to {both.reports}"
                yield (name, "studies"), message, f"{both.reports} reports on 0 studies"


def _difference(loc: Loc, given: int, whole: tuple[int, str], part: tuple[int, str]) -> Iterator[Mismatch]:
    expected = whole[0] - part[0]
    if given != expected:
        sum_text = f"{whole[0]} {whole[1]} - {part[0]} {part[1]}"
        hint = f"{expected} = {sum_text}" if expected >= 0 else f"counts that fit; {sum_text} is below 0"
        yield (
            loc,
            f"does not follow from the counts before it ({given}); accepted: {hint}",
            f"{sum_text} = {expected}, not {given}",
        )


def _at_most(loc: Loc, given: int, limit: int, what: str) -> Iterator[Mismatch]:
    if given > limit:
        yield (
            loc,
            f"is more than there were ({given}); accepted: at most {limit}, the number {what}",
            f"{given} > {limit} {what}",
        )
