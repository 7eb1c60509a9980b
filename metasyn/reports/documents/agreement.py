"""Whether everything built of a report says the same: every headline, league and absolute effect, in every file that carries it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metasyn.errors import MetasynError
from metasyn.reports.documents.agreement_carriers import Page, WordDocument, csv_rows, sheet_rows
from metasyn.reports.documents.agreement_expected import (
    Finding,
    Headline,
    League,
    findings,
    headlines,
    leagues,
    overview,
    pool_values,
)
from metasyn.reports.numbers import rounded

HEADS = ("Outcome", "Result", "Population", "Design", "Studies", "Prediction interval", "I²")
WORD, WORKBOOK = "report.docx", "report.xlsx"
SHOWN = 12  # disagreements in a message

Carrier = Page | WordDocument

_EFFECT = re.compile(r"-?\d[\d.e+]* \[-?[\d.e+-]+, -?[\d.e+-]+\]")


class ReportError(MetasynError):
    """Outputs of one report contradict each other; a fault of the program, never of a record."""


def require_agreement(
    content: Mapping[str, Any], files: Mapping[str, bytes], texts: Mapping[str, Sequence[str]]
) -> None:
    """Refuse a report whose outputs contradict each other.

    Raises
    ------
    ReportError
        Naming each disagreement.
    """
    found = disagreements(content, files, texts)
    if found:
        more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        told = "\n".join(f"  - {line}" for line in [*found[:SHOWN], *more])
        raise ReportError(
            f"{content['report']}: the outputs do not agree with results.json, so nothing was written. This is a fault of metasyn, not of the records; "
            f"please report it with these lines:\n{told}"
        )


def disagreements(
    content: Mapping[str, Any], files: Mapping[str, bytes], texts: Mapping[str, Sequence[str]]
) -> list[str]:
    """Where an output says something else than results.json.

    Parameters
    ----------
    content : mapping
        The content of results.json before rounding: `Report.values()`.
    files : mapping
        The built files by name: index.html, results.json, tables/*.csv, report.docx and report.xlsx where they are made.
    texts : mapping
        Name of a figure to the texts drawn in it, as `drawn_texts` gives them.

    Returns
    -------
    list of str
        One line per disagreement; empty where all agree.
    """
    expected = headlines(content)
    carriers: list[Carrier] = [Page(files["index.html"])]
    if WORD in files:
        carriers.append(WordDocument(files[WORD]))
    found = _results_file(content, files["results.json"])
    for carrier in carriers:
        found += _overview(content, carrier) + _brief(content, carrier)
        found += [line for one in expected for line in _headline(one, carrier)]
        found += [line for one in leagues(content) for line in _league(one, carrier)]
        found += [line for one in findings(content) for line in _finding(one, carrier)]
    found += [line for one in expected for line in _drawn(one, texts)]
    found += [line for one in leagues(content) for line in _drawn_league(one, texts)]
    found += _tables(content, files)
    return found + (_workbook(content, files) if WORKBOOK in files else [])


def _results_file(content: Mapping[str, Any], raw: bytes) -> list[str]:
    """Where the file holds another value than the results."""
    return [f"results.json, {path}: {there!r}, and the results have {value!r}" for path, value, there in _differences("", rounded(content), json.loads(raw))]  # fmt: skip


def _differences(path: str, value: Any, there: Any) -> Iterator[tuple[str, Any, Any]]:
    if value == there:  # equal branches, which are nearly all, end here
        return
    if isinstance(value, dict) and isinstance(there, dict) and value.keys() == there.keys():
        for name in value:
            yield from _differences(f"{path}.{name}".lstrip("."), value[name], there[name])
    elif isinstance(value, list) and isinstance(there, list) and len(value) == len(there):
        for place, (one, other) in enumerate(zip(value, there, strict=True)):
            yield from _differences(f"{path}[{place}]", one, other)
    else:
        yield path, value, there


def _overview(content: Mapping[str, Any], carrier: Carrier) -> list[str]:
    """Every row of the first table, cell by cell."""
    section = carrier.section("overview")
    tables = [] if section is None else section.tables
    table = next((one for one in tables if any(head.startswith(HEADS[1]) for head in one[0])), None)
    if table is None:
        return [f"{carrier.name}: has no table of results at a glance"]
    return _glance(f"{carrier.name}, results at a glance", overview(content), table)


def _brief(content: Mapping[str, Any], carrier: Carrier) -> list[str]:
    """The first thing that is read: every result it gives is one, and none is left out but those it says it has no room for."""
    section = carrier.section("brief")
    if section is None:
        return [f"{carrier.name}: has no answer in brief"]
    results = [cell for row in overview(content) for cell in row if _EFFECT.search(cell)]
    there = Counter(_EFFECT.findall(section.text))
    wanted = Counter(found for cell in results for found in _EFFECT.findall(cell))
    strange = sorted((there - wanted).elements())
    told = [f"{carrier.name}, the answer in brief: says {text!r}, which no result is" for text in strange]
    more = re.search(r"(\d+) more populations", section.text)
    missing = sorted((wanted - there).elements())
    if len(missing) > (int(more[1]) if more else 0):
        told += [f"{carrier.name}, the answer in brief: does not say {text!r}" for text in missing]
    return told


def _glance(where: str, wanted: Sequence[Sequence[str]], table: Sequence[Sequence[str]]) -> list[str]:
    """A table of results at a glance, its heads first, whatever the order of its columns; a cell's further lines are remarks."""
    places = {head: next((i for i, name in enumerate(table[0]) if name.startswith(head)), None) for head in HEADS}
    missing = [head for head, place in places.items() if place is None]
    if missing:
        return [f"{where}: has no column {', '.join(missing)}"]
    shown = [tuple(row[place].split("\n")[0] for place in places.values() if place is not None) for row in table[1:]]
    return _same_rows(where, HEADS, wanted, shown)


def _same_rows(
    where: str, heads: Sequence[str], wanted: Sequence[Sequence[Any]], shown: Sequence[Sequence[Any]]
) -> list[str]:
    if len(wanted) != len(shown):
        return [f"{where}: {len(shown)} rows, and results.json has {len(wanted)}"]
    return [
        f"{where}, row {number}, {head}: {there!r}, and results.json gives {should!r}"
        for number, (want, row) in enumerate(zip(wanted, shown, strict=True), 1)
        for head, should, there in zip(heads, want, row, strict=True)
        if should != there
    ]


def _headline(one: Headline, carrier: Carrier) -> list[str]:
    """The sentence, the words of the figure, and the estimates used."""
    section = carrier.section(one.anchor)
    if section is None:
        return [f"{carrier.name}: has no section {one.heading}"]
    found = []
    if one.sentence not in section.text:
        found.append(f"{carrier.name}, {one.heading}: does not say {one.sentence!r}")
    found += [
        f"{carrier.name}, {one.heading}, words of the figure: do not say {words!r}"
        for words in one.alternative
        if not any(words in alt for alt in section.alternatives)
    ]
    cells = Counter(cell for table in section.tables for row in table for cell in row)
    return found + [
        f"{carrier.name}, {one.heading}, estimates used: {printed!r} does not stand there"
        for printed, count in Counter(one.printed).items()
        if cells[printed] < count
    ]


def _league(one: League, carrier: Carrier) -> list[str]:
    if not one.ranked:
        return []
    section = carrier.section(one.anchor)
    if section is None:
        return [f"{carrier.name}: has no section {one.heading}"]
    cells = Counter(cell for table in section.tables for row in table for cell in row)
    wanted = Counter(one.cells)
    return [
        f"{carrier.name}, {one.heading}, all comparisons: {cell!r} does not stand there"
        for cell, count in wanted.items()
        if cells[cell] < count
    ]


def _finding(one: Finding, carrier: Carrier) -> list[str]:
    section = carrier.section("certainty")
    if section is None:
        return [f"{carrier.name}: has no summary of findings"]
    rows = [" | ".join(row) for table in section.tables for row in table]
    if any(all(words in row for words in one.words) for row in rows):
        return []
    return [f"{carrier.name}, summary of findings, {one.outcome}: no row says {' and '.join(map(repr, one.words))}"]


def _drawn(one: Headline, texts: Mapping[str, Sequence[str]]) -> list[str]:
    """Everything that the forest plot should say, and no effect that it should not."""
    if one.figure not in texts:
        return [f"figures/{one.figure}: is not drawn"]
    there = set(texts[one.figure])
    found = [f"figures/{one.figure}: does not say {text!r}" for text in one.drawn if text not in there]
    strange = sorted(text for text in there if _EFFECT.fullmatch(text) and text not in one.all_effects)
    return found + [f"figures/{one.figure}: says {text!r}, which no result is" for text in strange]


def _drawn_league(one: League, texts: Mapping[str, Sequence[str]]) -> list[str]:
    figure = f"{one.anchor}-forest"
    if not one.ranked or figure not in texts:
        return []
    there = Counter(texts[figure])
    return [f"figures/{figure}: does not say {text!r}" for text, n in Counter(one.drawn).items() if there[text] < n]


def _tables(content: Mapping[str, Any], files: Mapping[str, bytes]) -> list[str]:
    found = []
    for name, wanted in _wanted_tables(content).items():
        file = f"tables/{name}.csv"
        if file not in files:
            found.append(f"{file}: is missing")
            continue
        found += _same_values(file, wanted, csv_rows(files[file]))
    return found


def _wanted_tables(content: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    wanted = {"pools": pool_values(content)}
    if content["networks"]:
        wanted["network-league"] = [row for one in leagues(content) for row in one.values]
    if content["certainty"] is not None and content["certainty"]["rows"]:
        wanted["summary-of-findings"] = [one.values for one in findings(content)]
    return wanted


def _same_values(where: str, wanted: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if len(wanted) != len(rows):
        return [f"{where}: {len(rows)} rows, and results.json has {len(wanted)}"]
    return [
        f"{where}, row {number}, {column}: {row.get(column)!r}, and results.json has {rounded(value)!r}"
        for number, (want, row) in enumerate(zip(wanted, rows, strict=True), 1)
        for column, value in want.items()
        if not _equal(rounded(value), row.get(column))
    ]


def _equal(value: Any, there: Any) -> bool:
    """A value beside a cell, which holds text in a CSV and a number in a sheet."""
    if value is None:
        return there in (None, "")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(there) == value
        except (TypeError, ValueError):
            return False
    return str(there).removeprefix("'") == str(value).removeprefix("'")


def _workbook(content: Mapping[str, Any], files: Mapping[str, bytes]) -> list[str]:
    sheets = sheet_rows(files[WORKBOOK], {"overview", *_wanted_tables(content)})
    if "overview" not in sheets:
        return [f"{WORKBOOK}: has no sheet overview"]
    rows = sheets["overview"]
    texts = [[str(text or "").removeprefix("'") for text in row.values()] for row in rows]
    found = _glance(f"{WORKBOOK}, overview", overview(content), [list(rows[0]) if rows else [], *texts])
    for name, wanted in _wanted_tables(content).items():
        if name in sheets:
            found += _same_values(f"{WORKBOOK}, {name}", wanted, sheets[name])
        else:
            found.append(f"{WORKBOOK}: has no sheet {name}")
    return found
