"""What a YAML syntax error most likely is, said to the person who typed it, and the line as it may have been meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import yaml

_KEY = r"[A-Za-z_][\w .>=()+/-]*?"


@dataclass(frozen=True, slots=True)
class Fault:
    """A line at fault.

    `mended` is only for reading on, to find further problems: a file with a fault is never accepted.
    """

    line: int  # 1-based
    column: int
    message: str
    mended: str
    known: bool  # whether a rule recognised it, so that it is no mere consequence of an earlier one


def diagnose(lines: list[str], error: yaml.YAMLError) -> Fault:
    """The fault behind a syntax error.

    The parser often stumbles one line or two after the mistake, so that the lines above are looked at too.
    """
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = max(1, min(mark.line + 1, len(lines))) if mark is not None else 1
    column = mark.column + 1 if mark is not None else 1
    problem = str(getattr(error, "problem", error))
    for number in range(line, max(0, line - 3), -1):
        text = lines[number - 1]
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        for rule in _RULES:
            found = rule(text, problem, number == line) or _missing_colon(lines, number, problem)
            if found is not None:
                return Fault(number, column if number == line else 1, *found, known=True)
    opened = getattr(error, "context_mark", None)
    # libyaml counts some rare characters as line breaks, so that its lines may run past ours
    if "expected ',' or" in problem and opened is not None and opened.line < len(lines):
        bracket = lines[opened.line][opened.column : opened.column + 1]
        return Fault(
            opened.line + 1,
            opened.column + 1,
            f"the {bracket} here is not closed, or a comma is missing by line {line}; accepted: every {bracket} with its partner, "
            "and texts with , : # [ ] { } in quotes",
            "" if opened.line + 1 == line or not lines[line - 1].strip() else lines[opened.line],
            known=False,
        )
    return Fault(
        line,
        column,
        f"is not YAML here ({_short(lines[line - 1].strip())}): {problem}; accepted: key: value with one space after the colon, "
        "every [ and { closed, and texts with : # [ ] { } , in quotes",
        "",
        known=False,
    )


def _missing_space(text: str, _problem: str, _at_mark: bool) -> tuple[str, str] | None:
    """`median:15.5` alone on its line."""
    body = text.strip()
    match = re.fullmatch(rf"((?:- )?{_KEY}):([^\s/].*)", body)
    if match is None or ": " in body:
        return None
    meant = f"{match[1]}: {match[2]}"
    indent = text[: len(text) - len(text.lstrip())]
    return f"has no space after the colon ({_short(body)}); accepted: {_short(meant)}", indent + meant


def _missing_colon(lines: list[str], number: int, problem: str) -> tuple[str, str] | None:
    """`arms` alone on its line, with an indented line below."""
    text = lines[number - 1]
    below = next((line for line in lines[number:] if line.strip()), "")
    indent = len(text) - len(text.lstrip())
    opens = len(below) - len(below.lstrip()) > indent and not text.strip().startswith("- ")
    if (
        not re.fullmatch(r"\s*[A-Za-z_][\w-]*\s*", text)
        or not opens
        or ("expected" not in problem and "mapping values" not in problem)
    ):
        return None
    word = text.strip()
    return f"{word}: has no colon ({word}); accepted: {word}:", text.rstrip() + ":"


def _special_start(text: str, _problem: str, at_mark: bool) -> tuple[str, str] | None:
    """`p: >0.05`: a value that begins with a sign of YAML's own."""
    match = re.search(r"(?<![\w\"'])([A-Za-z_]\w*): (>=?\s*[\d.]+|[%@`]\S*|[*&][^\s,}]*)", text)
    if match is None or not at_mark:
        return None
    field, value = match[1], match[2]
    why = "begins a block of text in YAML" if value.startswith(">") else "has a meaning of its own in YAML"
    meant = "[3, 4, 5]" if field == "grades" and value.startswith(">") else f'"{value}"'
    advice = f"the grades themselves, {meant}" if field == "grades" and value.startswith(">") else f"{meant} in quotes"
    return (
        f"{field}: {value} is not quoted, and {value[0]} {why} ({value}); accepted: {advice}",
        text.replace(f"{field}: {value}", f"{field}: {meant}", 1),
    )


def _colon_in_block(text: str, problem: str, _at_mark: bool) -> tuple[str, str] | None:
    """`title: First: a study` on a line of its own."""
    match = re.fullmatch(rf"(\s*(?:- )?{_KEY}): ([^\s\"'{{\[].*: .*)", text)
    return _colon(text, match[2]) if match is not None and "mapping values" in problem else None


def _colon_in_flow(text: str, problem: str, at_mark: bool) -> tuple[str, str] | None:
    """`{title: First: a study}`."""
    if not at_mark or ("mapping values" not in problem and "expected ',' or" not in problem):
        return None
    match = re.search(r"(?<![\w\"'])[A-Za-z_]\w*: ([^\"'{}\[\],:]+: [^\"'{}\[\],]*)", text)
    return _colon(text, match[1]) if match is not None else None


def _colon(text: str, value: str) -> tuple[str, str]:
    meant = value.strip().replace('"', "'")
    return (
        f'holds an unquoted colon with a space after it ({_short(value.strip())}); accepted: the text in quotes, "{_short(meant)}"',
        text.replace(value, f'"{meant}"', 1),
    )


_RULES: tuple[Callable[[str, str, bool], tuple[str, str] | None], ...] = (
    _missing_space,
    _special_start,
    _colon_in_block,
    _colon_in_flow,
)


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
