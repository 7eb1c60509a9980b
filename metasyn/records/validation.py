"""From a model's complaints to problems that name file, line, field, value and what would be accepted."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from metasyn.errors import Problem, Severity
from metasyn.records.look_alikes import in_latin
from metasyn.records.printed import kind_of
from metasyn.records.yaml_reader import Document, read_document

M = TypeVar("M", bound=BaseModel)
Loc = tuple[str | int, ...]


def path_text(loc: Iterable[str | int]) -> str:
    """A path as people write it: contrasts[3].ci[1]."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else str(step))
    return text


def problem_at(
    document: Document,
    file: str,
    loc: Loc,
    message: str,
    *,
    check: str,
    key: bool = False,
    severity: Severity = "error",
    arithmetic: str | None = None,
    accepted: str | None = None,
) -> Problem:
    """A problem at the place that a path leads to."""
    line, column = document.places.of(loc, key=key)
    return Problem(
        file=file,
        line=line,
        column=column,
        path=path_text(loc),
        check=check,
        severity=severity,
        message=message,
        arithmetic=arithmetic,
        accepted=accepted,
    )


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """'; did you mean X?' for the nearest of the known words, else nothing."""
    known = list(words)
    lowered = {other.lower(): other for other in known}
    if word.lower() in lowered:
        return f"; did you mean {lowered[word.lower()]}?"
    near = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return f"; did you mean {lowered[near[0]]}?" if near else ""


def listed(words: Iterable[str], limit: int = 12) -> str:
    """Known words in a row, shortened."""
    known = [str(word) for word in words]
    return ", ".join(known[:limit]) + (", …" if len(known) > limit else "") if known else "(none defined)"


def validate(model: type[M], document: Document, file: str) -> tuple[M | None, list[Problem]]:
    """Validate a document's data against a model.

    Returns
    -------
    (model or None, problems)
        None where there is any problem.
    """
    try:
        return model.model_validate(document.data), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)
    problems = [_problem(model, document, file, detail) for detail in details]
    return None, _without_repeats(_without_echoes(problems))


def read_model(model: type[M], raw: bytes, file: str) -> tuple[M | None, Document, list[Problem]]:
    """Read a YAML file that holds one model.

    Returns
    -------
    (model or None, document, problems)
        The document says where each field stands; the model is None where the file does not hold one.
    """
    document = read_document(raw, file)
    problems = [problem for problem in document.problems if problem.severity == "error"]
    if document.data is None:
        return None, document, problems
    made, complaints = validate(model, document, file)
    return made, document, problems + complaints


def _without_echoes(problems: list[Problem]) -> list[Problem]:
    """Leave out `set is missing` beside `set:itt has no space`: one mistake, one line."""
    glued = {
        problem.path.partition(":")[0]
        for problem in problems
        if problem.check == "unknown-field" and ":" in problem.path
    }
    return [problem for problem in problems if not (problem.check == "missing-field" and problem.path in glued)]


def _without_repeats(problems: list[Problem]) -> list[Problem]:
    unique: dict[tuple[int, int, str, str], Problem] = {}
    for problem in problems:
        unique.setdefault((problem.line, problem.column, problem.path, problem.message), problem)
    return list(unique.values())


def _problem(model: type[BaseModel], document: Document, file: str, detail: ErrorDetails) -> Problem:
    loc = _real_loc(document.data, detail["loc"])
    kind, value = detail["type"], detail.get("input")
    if kind in ("field", "printed"):
        return problem_at(document, file, loc, detail["msg"], check="value")
    if kind == "missing":
        return problem_at(
            document,
            file,
            loc,
            f"is missing; accepted: the field {loc[-1]}{_meaning(model, loc)}",
            check="missing-field",
        )
    if kind == "extra_forbidden":
        return problem_at(
            document,
            file,
            loc,
            _unknown_field(model, loc, value, _parent(document.data, loc)),
            check="unknown-field",
            key=True,
        )
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return problem_at(document, file, loc, f"is {kind_of(value)}; accepted: a mapping, field: value", check="type")
    if kind in ("list_type", "tuple_type"):
        return problem_at(
            document, file, loc, f"is {kind_of(value)}; accepted: a list, each entry after a dash", check="type"
        )
    if kind == "literal_error":
        expected = [word.strip("' ") for word in re.split(r",| or ", str(detail.get("ctx", {}).get("expected", "")))]
        shown = kind_of(value) if not isinstance(value, str) else value
        return problem_at(
            document,
            file,
            loc,
            f"is not a known word ({shown}){did_you_mean(str(value), expected)}; accepted: {', '.join(expected)}",
            check="unknown-word",
        )
    if kind == "string_type":
        advice = "; one that begins with [ or { goes in quotes" if isinstance(value, (dict, list)) else ""
        return problem_at(document, file, loc, f"is {kind_of(value)}; accepted: a text{advice}", check="type")
    if kind == "string_too_short":
        return problem_at(document, file, loc, "is empty; accepted: a text", check="value")
    if kind == "too_short":
        return problem_at(document, file, loc, "is empty; accepted: at least one entry", check="value")
    return problem_at(document, file, loc, f"{detail['msg']} ({kind_of(value)})", check="value")


def _real_loc(data: Any, loc: tuple[Any, ...]) -> Loc:
    """The part of pydantic's path that is a path in the data (without its names of union members and functions)."""
    real: list[str | int] = []
    here = data
    for position, step in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(here, dict):
            if step in here or (last and isinstance(step, str) and not step.startswith(("function-", "nullable"))):
                real.append(step)
                here = here.get(step)
        elif isinstance(here, list) and isinstance(step, int):
            real.append(step)
            here = here[step] if 0 <= step < len(here) else None
    return tuple(real)


def _is_mapping(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is dict or any(
        getattr(inner, "__origin__", None) is dict for inner in getattr(annotation, "__args__", ())
    )


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation holds, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in models_in(inner)]


def _owner(model: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    """Walk the path; a step into a mapping of models consumes one key."""
    here: type[BaseModel] = model
    mapping = False
    for step in loc[:-1]:
        if isinstance(step, int):
            continue
        if mapping:
            mapping = False
            continue
        field = here.model_fields.get(step) or next((f for f in here.model_fields.values() if f.alias == step), None)
        inner = models_in(field.annotation) if field is not None else []
        if field is None or not inner:
            return None
        here, mapping = inner[0], _is_mapping(field.annotation)
    return here


def _meaning(model: type[BaseModel], loc: Loc) -> str:
    owner = _owner(model, loc)
    field = owner.model_fields.get(str(loc[-1])) if owner else None
    return (
        f" ({field.description.strip().splitlines()[0].rstrip('.')})" if field is not None and field.description else ""
    )


def _parent(data: Any, loc: Loc) -> dict[str, Any]:
    """The mapping that holds the last step of a path."""
    for step in loc[:-1]:
        data = data[step]
    return data if isinstance(data, dict) else {}


def _unknown_field(model: type[BaseModel], loc: Loc, value: Any, parent: dict[str, Any]) -> str:
    name = str(loc[-1])
    owner = _owner(model, loc)
    fields = [info.alias or field for field, info in owner.model_fields.items()] if owner else []
    latin = in_latin(name)
    if latin in fields and latin != name:
        foreign = next(character for character in name if not character.isascii())
        return f"looks like {latin} and is written with another letter ({unicodedata.name(foreign, repr(foreign))}); accepted: {latin}, typed with Latin letters"
    glued = re.fullmatch(r"([A-Za-z_]\w*):(\S.*)", name)
    if glued and value is None:
        return f"has no space after the colon ({name}); accepted: {glued[1]}: {glued[2]}"
    if value is None and re.fullmatch(r"\d+%?", name):
        keys = list(parent)
        before = keys[keys.index(name) - 1] if name in keys[1:] else None
        if before is not None and isinstance(parent[before], str) and re.fullmatch(r"-?\d+", parent[before]):
            whole = parent[before]
            meant = f"{before}: {whole}.{name} if it is a decimal comma"
            if len(name) == 3 and whole != "0":
                meant += f", {before}: {whole}{name} if it marks thousands"
            return f"follows a comma inside a number ({before}: {whole},{name}); accepted: {meant}"
        return f"is a number without a field ({name}); accepted: field: {name}"
    if value is None and re.search(r"\s", name):
        return f"is text after a comma ({name}); accepted: a text with a comma inside {{ }} goes in quotes"
    return f"is not a field here ({name}){did_you_mean(name, fields)}; accepted: {listed(fields, 40)}"
