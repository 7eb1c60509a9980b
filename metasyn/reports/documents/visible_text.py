"""Text as another program may hold it: without what is not seen."""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufffe\uffff]")


def visible(text: str) -> str:
    """A text without control characters, halves of surrogate pairs and characters that turn the direction of writing; line breaks stay."""
    return "".join(map(_kept, _INVISIBLE.sub("", text)))


def one_line(text: str) -> str:
    """A visible text on one line, with single spaces."""
    return " ".join(visible(text).split())


def _kept(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in ("Cc", "Zl", "Zp"):
        return character if character == "\n" else " "
    return "" if kind in ("Cs", "Cn") else character
