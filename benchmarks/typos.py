"""How many slips of the hand do `metasyn check` and `metasyn verify` catch?

Seeded typing errors are made in copies of records, one at a time: two digits exchanged, a decimal point lost, the arms of two
figures or of a comparison exchanged, months and years mixed, a wrong number of patients. A slip counts as caught where the
record no longer loads, or an error or warning appears that the untouched record does not have.

    python benchmarks/typos.py wen-2026=wen.txt ji-2025=ji.txt … [--number 200] [--seed 1]

Each argument is a record of this project and the text or PDF of its paper.
"""

from __future__ import annotations

import argparse
import copy
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from metasyn.records import Study, find_layout, load_records
from metasyn.records.plausibility import check_plausibility
from metasyn.records.validation import path_text
from metasyn.records.verification import read_paper, verify
from metasyn.records.yaml_reader import read_document

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ("contrasts", "survival", "responses", "adverse_events", "prognostic", "baseline")
NUMERIC = ("estimate", "ci", "p", "median", "median_ci", "percent", "events", "n", "mean", "sd")
Data = dict[str, Any]
Slip = Callable[[Data, random.Random], str | None]


def _in_place(data: Data, random_: random.Random, change: Callable[[str, random.Random], str | None]) -> str | None:
    """Change one number of a random row of results."""
    options = [(section, index) for section in RESULTS for index in range(len(data.get(section) or ()))]
    for section, index in random_.sample(options, len(options)):
        found: list[tuple[Any, Any]] = []

        def walk(value: Any, top: str, found: list[tuple[Any, Any]] = found) -> None:
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                name = key if isinstance(key, str) else top
                if isinstance(item, (dict, list)) and key not in ("also_printed", "model", "subgroup", "inferred"):
                    walk(item, name if name in NUMERIC else top if isinstance(key, int) else name)
                elif (
                    isinstance(item, str)
                    and (name in NUMERIC or (top in NUMERIC))
                    and re.fullmatch(r"[<>]?\d*\.?\d+", item)
                ):
                    found.append((value, key))

        walk(data[section][index], "")
        random_.shuffle(found)
        for container, key in found:
            new = change(container[key], random_)
            if new is not None and new != container[key]:
                said = f"{section}[{index}].{key}: {container[key]} -> {new}"
                container[key] = new
                return said
    return None


def digits_exchanged(data: Data, random_: random.Random) -> str | None:
    """Two neighbouring digits exchanged."""

    def change(text: str, random_: random.Random) -> str | None:
        places = [
            i for i in range(len(text) - 1) if text[i].isdigit() and text[i + 1].isdigit() and text[i] != text[i + 1]
        ]
        if not places:
            return None
        i = random_.choice(places)
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]

    return _in_place(data, random_, change)


def decimal_lost(data: Data, random_: random.Random) -> str | None:
    """A decimal point lost, or moved by one place."""

    def change(text: str, random_: random.Random) -> str | None:
        if "." not in text or float(text.lstrip("<>")) == 0:
            return None
        whole, fraction = text.split(".")
        if random_.random() < 0.5:
            return (whole.lstrip("0") + fraction) or None
        return f"{whole}{fraction[0]}.{fraction[1:]}".rstrip(".") if fraction else None

    return _in_place(data, random_, change)


def arms_exchanged(data: Data, random_: random.Random) -> str | None:
    """The arms of two rows, of two cells, or of a comparison exchanged."""
    kind = random_.choice(["rows", "rows", "cells", "contrast"])
    if kind == "contrast":
        rows = [(i, row) for i, row in enumerate(data.get("contrasts") or ()) if "estimate" in row]
        if not rows:
            return None
        index, row = random_.choice(rows)
        row["treatment"], row["comparator"] = row["comparator"], row["treatment"]
        return f"contrasts[{index}]: treatment and comparator"
    if kind == "cells" and data.get("baseline"):
        index = random_.randrange(len(data["baseline"]))
        arms = data["baseline"][index]["arms"]
        pair = [name for name in arms if name != "all"][:2]
        if len(pair) < 2 or arms[pair[0]] == arms[pair[1]]:
            return None
        arms[pair[0]], arms[pair[1]] = arms[pair[1]], arms[pair[0]]
        return f"baseline[{index}]: cells of {pair[0]} and {pair[1]}"
    section = random_.choice([s for s in ("survival", "responses", "adverse_events") if data.get(s)])
    rows = data[section]
    for _ in range(200):
        i, j = random_.sample(range(len(rows)), 2)
        same = all(
            str(rows[i].get(k)) == str(rows[j].get(k))
            for k in ("outcome", "set", "category", "term", "grades", "assessment", "attribution")
        )
        figures = [
            {k: v for k, v in rows[x].items() if k in ("median", "median_ci", "percent", "events", "rates")}
            for x in (i, j)
        ]
        if (
            same
            and rows[i]["arm"] != rows[j]["arm"]
            and "all" not in (rows[i]["arm"], rows[j]["arm"])
            and figures[0] != figures[1]
        ):
            rows[i]["arm"], rows[j]["arm"] = rows[j]["arm"], rows[i]["arm"]
            return f"{section}[{i}] and [{j}]: arms"
    return None


def other_unit(data: Data, random_: random.Random) -> str | None:
    """Months for years, or years for months."""
    kind = random_.choice(["unit", "at", "median"])
    if kind == "unit":
        data["time_unit"] = "years" if data["time_unit"] == "months" else "months"
        return f"time_unit: {data['time_unit']}"
    rows = [
        (i, row)
        for i, row in enumerate(data.get("survival") or ())
        if (row.get("rates") if kind == "at" else "median" in row and row["median"] != "not-reached")
    ]
    if not rows:
        return None
    index, row = random_.choice(rows)
    if kind == "at":
        rate = random_.choice(row["rates"])
        old = rate["at"]
        rate["at"] = f"{float(old) / 12:g}"
        return f"survival[{index}].rates at {old} -> {rate['at']}"
    old = row["median"]
    row["median"] = f"{float(old) / 12:.2f}"
    return f"survival[{index}].median: {old} -> {row['median']}"


def wrong_denominator(data: Data, random_: random.Random) -> str | None:
    """The number of patients of an arm replaced by another number of the record, or given to a row from another set."""
    sizes = sorted({n for item in data["sets"].values() for n in (item.get("n") or {}).values()})
    options = [(name, arm) for name, item in data["sets"].items() for arm in (item.get("n") or {})]
    used = [
        (s, i)
        for s in ("responses", "adverse_events")
        for i, row in enumerate(data.get(s) or ())
        if "percent" in row and row["arm"] != "all"
    ]
    if random_.random() < 0.5 and used:
        section, index = random_.choice(used)
        row = data[section][index]
        right = (data["sets"].get(row["set"], {}).get("n") or {}).get(row["arm"])
        other = random_.choice([n for n in sizes if n != right] or sizes)
        row["n"] = other
        return f"{section}[{index}].n: {other}"
    name, arm = random_.choice(options)
    old = data["sets"][name]["n"][arm]
    other = random_.choice([n for n in sizes if n != old] or sizes)
    data["sets"][name]["n"][arm] = other
    return f"sets.{name}.n.{arm}: {old} -> {other}"


SLIPS: dict[str, Slip] = {
    "two digits exchanged": digits_exchanged,
    "decimal point lost": decimal_lost,
    "arms exchanged": arms_exchanged,
    "months for years": other_unit,
    "wrong denominator": wrong_denominator,
}


def alarms_of_check(data: Data) -> set[tuple[str, str]] | None:
    """Errors and warnings of check; None where the record does not load."""
    try:
        study = Study.model_validate(data)
    except ValidationError:
        return None
    return {(f.check, path_text(f.loc)) for f in check_plausibility(study) if f.severity != "note"}


def alarms_of_verify(data: Data, text: Any, vocabulary: Any) -> set[tuple[str, str]]:
    """Errors and warnings of verify."""
    found = verify(Study.model_validate(data), text, vocabulary).found
    return {(check, path_text(item.loc)) for check, item in found if item.severity != "note"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("papers", nargs="+", metavar="ID=TEXT")
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--missed", action="store_true", help="list what was missed")
    asked = parser.parse_args()
    layout = find_layout(ROOT)
    records = load_records(layout)
    papers = {}
    for pair in asked.papers:
        id, _, path = pair.partition("=")
        data = read_document((layout.studies / f"{id}.yaml").read_bytes(), id).data
        text = read_paper(Path(path))
        papers[id] = (data, text, alarms_of_check(data) or set(), alarms_of_verify(data, text, records.vocabulary))
    random_ = random.Random(asked.seed)
    table: Counter[tuple[str, str]] = Counter()
    missed = []
    kinds = list(SLIPS)
    for number in range(asked.number):
        kind, said = kinds[number % len(kinds)], None
        while said is None:
            id = random_.choice(sorted(papers))
            original, text, checked, verified = papers[id]
            data = copy.deepcopy(original)
            said = SLIPS[kind](data, random_)
        by_check = alarms_of_check(data)
        loads = by_check is not None
        in_check = by_check is None or bool(by_check - checked)
        in_verify = loads and bool(alarms_of_verify(data, text, records.vocabulary) - verified)
        caught = {(True, True): "both", (True, False): "check", (False, True): "verify", (False, False): "missed"}[
            in_check, in_verify
        ]
        table[kind, caught] += 1
        if caught == "missed":
            missed.append(f"{kind}: {id} {said}")
    print(f"{'slip':24}{'n':>5}{'check only':>12}{'verify only':>13}{'both':>6}{'missed':>8}{'caught':>8}")
    for kind in [*kinds, "all"]:
        row = [
            sum(v for (k, c), v in table.items() if c == column and kind in (k, "all"))
            for column in ("check", "verify", "both", "missed")
        ]
        print(
            f"{kind:24}{sum(row):5}{row[0]:12}{row[1]:13}{row[2]:6}{row[3]:8}{100 * (1 - row[3] / max(1, sum(row))):7.0f}%"
        )
    for line in missed if asked.missed else ():
        print(line)


if __name__ == "__main__":
    main()
