"""The page of a check: the answer of `metasyn explain`."""

from __future__ import annotations

from metasyn.cli.output import print_json, print_table
from metasyn.errors import UsageError
from metasyn.records.plausibility import page, severities
from metasyn.records.validation import did_you_mean

MEANING = {
    "error": "error: it cannot be right. The run fails until the record is corrected or says under accepted why it stands.",
    "warning": "warning: it can hardly be right. `metasyn check --strict` fails until the record is corrected or accepts it.",
    "note": "note: worth knowing. Nothing fails.",
}


def explain_check(id: str | None, *, json: bool) -> None:
    """Print what a check does, or all checks with one line each.

    Raises
    ------
    UsageError
        For an id that no check has.
    """
    known = severities()
    if id is None:
        lines = {name: (page(name) or "").splitlines()[0] for name in known}
        if json:
            print_json([{"check": name, "severity": known[name], "summary": line} for name, line in lines.items()])
        else:
            print_table(
                "Checks", ["check", "severity", "finds"], [[name, known[name], line] for name, line in lines.items()]
            )
        return
    text = page(id)
    if text is None:
        raise UsageError(f"no check {id}{did_you_mean(id, known)}; `metasyn explain` without an id lists all")
    if json:
        print_json({"check": id, "severity": known[id], "page": text})
        return
    print(f"{id}\n\n{text.rstrip()}\n\n{MEANING[known[id]]}")
    print(f"To accept it:\n\n  accepted:\n    - {{check: {id}, path: <path of the finding>, why: <the reason>}}")
