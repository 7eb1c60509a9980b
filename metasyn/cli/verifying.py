"""Is a record's every number in its paper, and do two readers agree: the answers of `metasyn verify`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from metasyn.cli.output import print_json, print_problems, print_table
from metasyn.errors import EvidenceError, Problem, UsageError
from metasyn.records import Layout, find_layout, load_records
from metasyn.records.plausibility import Finding, as_problems
from metasyn.records.validation import did_you_mean, listed, path_text
from metasyn.records.verification import Verification, compare, read_paper, verify
from metasyn.records.verification.pages import VERIFY
from metasyn.records.yaml_reader import Document, read_document

STATUSES = {
    "printed": "printed where they belong",
    "far": "printed, but not near their words",
    "in-words": "a zero, said in words",
    "unsaid": "not in the text, as the record says",
    "apart": "printed, but not beside their companions",
    "other-digits": "printed with other decimals",
    "not-printed": "not in the text",
}


def record_path(layout: Layout, id: str) -> Path:
    """The file of a record, named by its id or its path.

    Raises
    ------
    UsageError
        If there is none.
    """
    given = Path(id)
    if given.suffix in (".yaml", ".yml"):
        if not given.is_file():
            raise UsageError(f"{given} does not exist; give a record's id or file")
        return given
    known = {path.stem: path for path in layout.files()}
    if id not in known:
        raise UsageError(f"no record {id}{did_you_mean(id, known)}; there are: {listed(known, 40)}")
    return known[id]


def verify_against_text(layout: Layout, id: str, paper: Path, *, json: bool, unused: bool) -> bool:
    """Print what stands in the paper otherwise than in the record; whether nothing of it is unsettled."""
    text = read_paper(paper)  # before the records: its mistakes are the quicker ones to mend
    path = record_path(layout, id)
    records = load_records(find_layout(path))
    study, name = records.studies[path.stem], records.files[path.stem]
    document = read_document(path.read_bytes(), name)
    result = verify(study, text, records.vocabulary)
    findings = [
        Finding(check, item.severity or VERIFY[check][0], item.loc, item.message, item.arithmetic)
        for check, item in result.found
    ]
    problems = sorted(as_problems(study, findings, document, name), key=lambda p: (p.line, p.column, p.path))
    unsettled = any(problem.severity != "note" and problem.accepted is None for problem in problems)
    if json:
        print_json(_as_json(path.stem, paper, result, problems, text))
        return not unsettled
    print_problems(problems)
    counts: Counter[str] = Counter(item.status for item in result.located)
    print(
        f"{path.stem}: {len(result.located)} numbers; "
        + ", ".join(f"{counts[s]} {words}" for s, words in STATUSES.items() if counts[s])
    )
    if result.unused:
        print(
            f"{len(result.unused)} results of the paper that no row uses" + (":" if unused else "; --unused lists them")
        )
        if unused:
            for token in result.unused:
                print(f"  {paper.name}:{token.line}: {text.snippet(token)}")
    return not unsettled


def _as_json(id: str, paper: Path, result: Verification, problems: list[Problem], text: Any) -> dict[str, Any]:
    fields = ("file", "line", "column", "path", "check", "severity", "message", "arithmetic", "accepted")
    return {
        "schema_version": "1.0.0",
        "study": id,
        "text": paper.name,
        "figures": [
            {
                "path": path_text(item.figure.loc),
                "printed": item.figure.printed,
                "status": item.status,
                "line": item.token.line if item.token is not None else None,
                "snippet": text.snippet(item.token) if item.token is not None else None,
            }
            for item in result.located
        ],
        "findings": [{name: getattr(problem, name) for name in fields} for problem in problems],
        "unused": [
            {"number": token.number, "line": token.line, "snippet": text.snippet(token)} for token in result.unused
        ],
    }


def verify_against_record(layout: Layout, id: str, other: Path, *, json: bool) -> bool:
    """Print where two people's records of one paper differ; whether they agree."""
    path = record_path(layout, id)
    first, second = _read(path), _read(other)
    result = compare(first.data, second.data)
    if json:
        print_json(
            {
                "schema_version": "1.0.0",
                "first": path.name,
                "second": other.name,
                "agreement": result.statistics(),
                "disagreements": [
                    {"first": f.first, "second": f.second, "value": f.value, "other": f.other, "number": f.number}
                    for f in result.disagreements
                ],
                "only_first": result.only_first,
                "only_second": result.only_second,
            }
        )
        return not (result.disagreements or result.only_first or result.only_second)
    for field in result.disagreements:
        places = [_line(document, at) for document, at in ((first, field.first), (second, field.second))]
        where = f"{path}:{places[0]}: {field.first}: {field.value or '(nothing)'}"
        print(
            f"{where}    {other}:{places[1]}: {'' if field.second == field.first else field.second + ': '}{field.other or '(nothing)'}"
        )
    for name, paths in ((path.name, result.only_first), (other.name, result.only_second)):
        for at in paths:
            print(
                f"only in {name}:{_line(first if name == path.name and paths is result.only_first else second, at)}: {at}"
            )
    print_table(
        f"Agreement of {path.name} and {other.name}",
        ["", "fields", "agree", "share", "95 % CI"],
        [
            [row["kind"], str(row["fields"]), str(row["agree"]), "" if row["share"] is None else f"{row['share']:.1%}",
             "" if row["share"] is None else f"{row['ci_low']:.1%} to {row['ci_high']:.1%}"]
            for row in result.statistics()
        ],
        right=frozenset({"fields", "agree", "share"}),
    )  # fmt: skip
    return not (result.disagreements or result.only_first or result.only_second)


def _read(path: Path) -> Document:
    if not path.is_file():
        raise UsageError(f"{path} does not exist; give the other record's file")
    document = read_document(path.read_bytes(), path.name)
    errors = [problem for problem in document.problems if problem.severity == "error"]
    if errors or not isinstance(document.data, dict):
        raise EvidenceError(
            errors
            or [
                Problem(
                    file=path.name,
                    line=1,
                    column=1,
                    path="",
                    check="type",
                    severity="error",
                    message="is no record; accepted: a mapping, field: value",
                )
            ]
        )
    return document


def _line(document: Document, path: str) -> int:
    steps: list[str | int] = []
    for part in path.replace("]", "").replace("[", ".#").split("."):
        steps.append(int(part[1:]) if part.startswith("#") else part)
    return document.places.of(tuple(steps))[0]
