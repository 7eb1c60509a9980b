"""A number as a paper prints it: the text, and what the text says about the value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Relation = Literal["=", "<", ">", "<=", ">=", "~"]

NOT_REACHED = "not-reached"
LARGEST = 1e12  # no paper prints a larger number; squares of larger ones leave the range of floats
LONGEST = 32  # characters of a number

_NUMBER = re.compile(r"(?P<relation><=|>=|≤|≥|<|>|~|≈)?\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_RELATIONS: dict[str, Relation] = {"≤": "<=", "≥": ">=", "≈": "~", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "~": "~"}


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed number.

    `0.790` has three decimals and `0.79` two: they are different statements about the value.

    Attributes
    ----------
    text : str
        As printed.
    value : float or None
        The number in the text; None where the text is `not-reached`.
    decimals : int
        Digits after the decimal point.
    relation : str
        `=` unless the text is a bound (`<0.001`) or an approximation (`~60`).
    """

    text: str
    value: float | None
    decimals: int
    relation: Relation = "="

    @property
    def reached(self) -> bool:
        """Whether the text holds a number."""
        return self.value is not None

    @property
    def exact(self) -> bool:
        """Whether the text prints a value rather than a bound, an approximation or `not-reached`."""
        return self.value is not None and self.relation == "="

    def rounding(self) -> tuple[float, float]:
        """Lowest and highest value that rounds to the printed text.

        Returns
        -------
        (float, float)
            Half a unit of the last digit to either side; the open side of a bound is infinite, and
            `not-reached` gives (nan, nan).
        """
        if self.value is None:
            return (float("nan"), float("nan"))
        mantissa_decimals, exponent = _decimals_and_exponent(self.text)
        half = 0.5 * 10.0 ** (exponent - mantissa_decimals)
        if self.relation in ("<", "<="):
            return (float("-inf"), self.value)
        if self.relation in (">", ">="):
            return (self.value, float("inf"))
        return (self.value - half, self.value + half)

    def __str__(self) -> str:
        """The text as printed."""
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _from_scalar,
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "anyOf": [
                {"type": "number"},
                {
                    "type": "string",
                    "pattern": r"^(not-reached|(<=|>=|≤|≥|<|>|~|≈)?\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)$",
                },
            ],
            "description": "A number as printed (0.790 keeps three decimals), a bound (<0.001), or not-reached.",
        }


def _decimals_and_exponent(text: str) -> tuple[int, int]:
    mantissa, _, exponent = text.lower().partition("e")
    _, _, fraction = mantissa.partition(".")
    return len(fraction), int(exponent) if exponent else 0


@lru_cache(maxsize=65536)
def parse_printed(text: str) -> Printed:
    """Read the text of a printed number.

    Raises
    ------
    ValueError
        With what is wrong and what would be accepted.
    """
    stripped = text.strip()
    if stripped == NOT_REACHED:
        return Printed(stripped, None, 0)
    match = _NUMBER.fullmatch(stripped)
    if match is None:
        raise ValueError(explain_not_a_number(stripped))
    number = match["number"]
    if len(number) > LONGEST or abs(float(number)) >= LARGEST:
        raise ValueError(
            f"is larger or longer than any number of a paper ({stripped[:40]}); accepted: the number as printed"
        )
    relation = _RELATIONS[match["relation"]] if match["relation"] else "="
    return Printed(stripped, float(number), max(0, _decimals_and_exponent(number)[0]), relation)


def explain_not_a_number(text: str) -> str:
    """Say why a text is not a printed number, with the likely cause where one can be seen."""
    accepted = "accepted: a number as printed, such as 0.790 or <0.001, or not-reached"
    if re.fullmatch(r"[<>=≤≥~]*\s*-?\d{1,3}(,\d{3})+(\.\d+)?", text) and not re.fullmatch(r"-?0,\d{3}", text):
        return f"has a comma inside a number ({text}); accepted: {text.replace(',', '')} if the comma marks thousands, {text.replace(',', '.', 1)} if it is a decimal comma"
    if re.fullmatch(r"[<>=≤≥~]*\s*-?\d*,\d+", text):
        return f"has a decimal comma ({text}); accepted: a decimal point, {text.replace(',', '.')}"
    if "·" in text:
        return f"has a raised decimal point ({text}); accepted: a full stop, {text.replace('·', '.')}"
    if text.endswith("%"):
        return f"has a percent sign ({text}); accepted: the number alone, {text.rstrip('% ')} (percent stays percent)"
    if text.lower().replace(" ", "").replace("-", "").replace("_", "") in {
        "nr",
        "notreached",
        "ne",
        "notestimable",
        "nottreached",
    }:
        return f"is not a number ({text}); accepted: not-reached, where the paper says so"
    if re.match(r"[−–—]\d", text):
        return f"has a dash for a minus sign ({text}); accepted: -{text[1:]}"
    if text.startswith("=") or text.lower().startswith("p"):
        return f"is not a number ({text}); accepted: the number alone, without '=' or a letter"
    if re.fullmatch(r"[\d.,]+\s*(-|–|—|to)\s*[\d.,]+", text):
        return f"is a range ({text}); accepted: [low, high] where an interval belongs, one number elsewhere"
    return f"is not a number ({text}); {accepted}"


def _from_scalar(value: Any) -> Printed:
    if isinstance(value, Printed):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = repr(value)
    if not isinstance(value, str):
        raise PydanticCustomError(
            "printed", "is {kind}; accepted: one number as printed, such as 0.790 or <0.001", {"kind": kind_of(value)}
        )
    try:
        return parse_printed(value)
    except ValueError as problem:
        raise PydanticCustomError("printed", "{message}", {"message": str(problem)}) from None


def kind_of(value: object) -> str:
    """What a YAML value is, in a word a person knows."""
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping {...}"
    if isinstance(value, list):
        return "a list [...]"
    return f"a text ({value})"
