"""Field types that the models of records share: how a scalar's text becomes a value, and what is said if it does not."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from metasyn.errors import StrategyError
from metasyn.records.printed import NOT_REACHED, Printed, explain_not_a_number, kind_of, parse_printed
from metasyn.strategy import parse_strategy


class Model(BaseModel):
    """Base of all record models: immutable, unknown fields are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True, coerce_numbers_to_str=True
    )


def refuse(message: str) -> PydanticCustomError:
    """An error whose message is shown as it stands."""
    return PydanticCustomError("field", "{message}", {"message": message})


def single_number(value: Any, *, example: str) -> float:
    """A field of a definition that is one plain number, as a float.

    Parameters
    ----------
    example : str
        What would be accepted, for the message.

    Raises
    ------
    PydanticCustomError
        If it is no number, or a relation or a word for one.
    """
    try:
        printed = parse_printed(str(value))
    except ValueError as fault:
        raise refuse(str(fault)) from None
    if not printed.exact or printed.value is None:
        raise refuse(f"is not a single number ({value}); accepted: such as {example}")
    return float(printed.value)


def _count(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise refuse(f"is {kind_of(value)}; accepted: a whole number of patients or events")
    text = value.strip()
    if re.fullmatch(r"\d+", text):
        if len(text) > 12:
            raise refuse(f"is larger than any number of patients ({text[:40]}); accepted: a count such as 98")
        return int(text)
    if re.fullmatch(r"\d+\.0*", text):
        raise refuse(f"is not a whole number ({text}); accepted: {text.split('.')[0]}")
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        raise refuse(f"is not a whole number of 0 or more ({text}); accepted: a count such as 98")
    raise refuse(explain_not_a_number(text).replace("0.790 or <0.001, or not-reached", "98"))


def _exact(value: Any) -> Any:
    """A printed number that is neither a bound nor not-reached."""
    printed = _open(value)
    if not printed.exact:
        raise refuse(f"is not a single number ({printed}); accepted: a number as printed, such as 0.790")
    return printed


def _bounded(value: Any) -> Any:
    """A printed number or a bound."""
    printed = _open(value)
    if not printed.reached:
        raise refuse(f"is not a number ({printed}); accepted: a number or a bound as printed, such as 0.029 or <0.001")
    return printed


def _open(value: Any) -> Printed:
    """A printed number, a bound, or not-reached."""
    if isinstance(value, Printed):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = repr(value)
    if not isinstance(value, str):
        raise refuse(f"is {kind_of(value)}; accepted: one number as printed, such as 0.790")
    try:
        return parse_printed(value)
    except ValueError as problem:
        raise refuse(str(problem)) from None


def _interval(value: Any) -> Any:
    if isinstance(value, tuple):
        return value
    if not isinstance(value, list):
        dashed = re.fullmatch(r"\s*([\d.]+)\s*(?:[-–—]|to)\s*([\d.]+)\s*", value) if isinstance(value, str) else None
        hint = f"[{dashed[1]}, {dashed[2]}]" if dashed else "[low, high], such as [0.468, 0.790]"
        raise refuse(f"is {kind_of(value)}; accepted: {hint}")
    if len(value) == 4 and all(isinstance(item, str) and item.strip().isdigit() for item in value):
        raise refuse(
            f"has four numbers ({', '.join(value)}), as if decimal commas were meant; accepted: "
            f"[{value[0]}.{value[1]}, {value[2]}.{value[3]}]"
        )
    if len(value) != 2:
        shown = ", ".join(str(item) for item in value)
        dashed = re.fullmatch(r"\s*([\d.]+)\s*[-–—]\s*([\d.]+)\s*", shown)
        hint = f"[{dashed[1]}, {dashed[2]}], with a comma" if dashed else "two, [low, high]"
        raise refuse(f"has {len(value)} {'entry' if len(value) == 1 else 'numbers'} ([{shown}]); accepted: {hint}")
    return tuple(value)


def _text(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        raise refuse(f"is {kind_of(value)}; accepted: a text; one that begins with [ or {{ goes in quotes")
    if value is None:
        raise refuse("is empty; accepted: a text")
    text = str(value).strip()
    if not text:
        raise refuse("is empty; accepted: a text")
    return text


def _slug(value: Any) -> Any:
    text = _text(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", text):
        raise refuse(f"is not an id ({text}); accepted: small letters, digits, - and . such as wen-2026")
    return text


def _flag(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise refuse(f"is not true or false ({value}); accepted: true or false")


def _date(value: Any) -> Any:
    text = _text(value)
    match = re.fullmatch(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", text)
    if match is None or (match[2] and not 1 <= int(match[2]) <= 12) or (match[3] and not 1 <= int(match[3]) <= 31):
        raise refuse(f"is not a date ({text}); accepted: 2026-11-20, 2026-11 or 2026")
    return text


def _strategy_text(value: Any) -> Any:
    text = _text(value)
    try:
        parse_strategy(text)
    except StrategyError as problem:
        raise refuse(str(problem)) from None
    return text


def _doi(value: Any) -> Any:
    text = _text(value)
    bare = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", text)
    if not re.fullmatch(r"10\.\d{4,9}/\S+", bare):
        raise refuse(f"is not a DOI ({text}); accepted: 10. and the rest, such as 10.1056/NEJMoa1809064")
    if bare != text:
        raise refuse(f"has more than the DOI ({text}); accepted: {bare}")
    return text


def _https(value: Any) -> Any:
    text = _text(value)
    if not re.fullmatch(r"https://[^\s\"'<>]+", text):
        raise refuse(f"is not an https address ({text}); accepted: https:// and the rest, without spaces or quotes")
    return text


def _grades(value: Any) -> Any:
    if value == "any":
        return "any"
    if isinstance(value, str) and value.strip().startswith((">", "<")):
        raise refuse(f"is not a list of grades ({value}); accepted: the grades themselves, [3, 4, 5], or any")
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)) or not value:
        raise refuse(f"is {kind_of(value)}; accepted: a list of grades, [3, 4, 5], or any")
    grades = []
    for item in value:
        if not (isinstance(item, int) or (isinstance(item, str) and item.strip().isdigit())) or not 1 <= int(item) <= 5:
            raise refuse(f"has a grade that is not 1 to 5 ({item}); accepted: a list such as [3, 4, 5], or any")
        grades.append(int(item))
    return sorted(set(grades))


def _level(value: Any) -> Any:
    printed = _exact(value)
    if not 0 < printed.value < 1:
        wrong = printed.value
        hint = f"{wrong / 100:g}" if 1 < wrong < 100 else "0.95"
        raise refuse(f"is not a fraction between 0 and 1 ({printed}); accepted: {hint}")
    return float(printed.value)


def _per_arm(value: Any) -> Any:
    """A bare number stands for all arms together."""
    return {"all": value} if isinstance(value, (str, int)) else value


_NUMBER_SCHEMA = {"anyOf": [{"type": "number"}, {"type": "string"}]}

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Slug = Annotated[str, BeforeValidator(_slug), Field(json_schema_extra={"pattern": "^[a-z0-9][a-z0-9.-]*$"})]
Count = Annotated[int, BeforeValidator(_count), Field(json_schema_extra={"minimum": 0})]
PerArm = Annotated[dict[str, Count], BeforeValidator(_per_arm, json_schema_input_type=dict[str, Count] | Count)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Date = Annotated[str, BeforeValidator(_date), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}]})]
StrategyText = Annotated[str, BeforeValidator(_strategy_text)]
Doi = Annotated[str, BeforeValidator(_doi)]
Https = Annotated[str, BeforeValidator(_https)]
Level = Annotated[float, BeforeValidator(_level)]
Number = Annotated[Printed, BeforeValidator(_exact)]
"""A printed number: neither a bound nor not-reached."""
Bound = Annotated[Printed, BeforeValidator(_bounded)]
"""A printed number or bound, such as a p value."""
Open = Annotated[Printed, BeforeValidator(_open)]
"""A printed number, a bound, or not-reached."""
Interval = Annotated[
    tuple[Open, Open],
    BeforeValidator(_interval),
    WithJsonSchema({"type": "array", "items": _NUMBER_SCHEMA, "minItems": 2, "maxItems": 2}),
]
Grades = Annotated[
    list[int] | Literal["any"],
    BeforeValidator(_grades),
    WithJsonSchema(
        {"anyOf": [{"const": "any"}, {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 5}}]}
    ),
]
Seen = Literal["full-text", "abstract", "secondary"]

__all__ = [
    "NOT_REACHED",
    "Bound",
    "Count",
    "Date",
    "Doi",
    "Flag",
    "Grades",
    "Https",
    "Interval",
    "Level",
    "Model",
    "Number",
    "Open",
    "PerArm",
    "Printed",
    "Seen",
    "Slug",
    "StrategyText",
    "Text",
    "refuse",
]
