"""A paper's text, normalised so that its numbers can be found, and the numbers in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import unicodedata
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from metasyn.errors import UsageError

LARGEST = 100_000_000  # bytes of a paper's file
LONGEST = 20_000_000  # characters of its text
SECONDS = 60  # for pdftotext

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹣－"), "-")
_SPACES = dict.fromkeys(
    map(ord, "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"), " "
)
_NOTHING = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"), "")
_OTHERS = {ord("∼"): "~", ord("〜"): "~", ord("’"): "'", ord("‘"): "'", ord("“"): '"', ord("”"): '"'}
_TABLE = _DASHES | _SPACES | _NOTHING | _OTHERS
_UNITS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WRITTEN = {word: value for value, word in enumerate(_UNITS, 1)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}
_IN_WORDS = re.compile(rf"\b(?:({'|'.join(_TENS)})(?:[- ]({'|'.join(_UNITS[:9])}))?|({'|'.join(_UNITS)}))\b")
_NUMBER = re.compile(r"(?<![\d.,])(?:\d{1,3}(?:,\d{3})+|\d+)?(?:(?<=\d)\.\d+|(?<![\w.])\.\d+|(?<=\d))(?!\.?\d)")


def normalised(text: str) -> str:
    """Text in which dashes, spaces, decimal points and ligatures have one form each; lines stay lines."""
    text = unicodedata.normalize("NFKC", text.translate(_NOTHING)).translate(_TABLE)
    text = re.sub(r"(?<=\d)[·⋅∙•](?=\d)", ".", text)  # 0·79
    text = re.sub(r"(?<=\d)\.[ \t]+(?=\d{1,3}\b(?!\.))(?<=\b0\. )", ".", text)  # "0. 79", as a PDF breaks it
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")


@dataclass(frozen=True, slots=True)
class Token:
    """A number in the text."""

    start: int
    end: int
    number: str  # with a leading zero, without thousands separators
    line: int  # 1-based


def canonical(number: str) -> str:
    """One writing per printed number: .79 as 0.79, 1,200 as 1200, 007 as 7; decimals stay."""
    number = number.replace(",", "").lstrip("+")
    sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number)
    whole, point, fraction = digits.partition(".")
    return sign + (whole.lstrip("0") or "0") + point + fraction


class PaperText:
    """A paper's text and the places of its numbers.

    Parameters
    ----------
    raw : str
        The text as it came.
    """

    def __init__(self, raw: str) -> None:
        self.text = normalised(raw[:LONGEST])
        self.lower = self.text.lower()

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        starts += [match.end() for match in re.finditer("\n", self.text)]
        return starts

    def line_of(self, position: int) -> int:
        """Line of a character, from 1."""
        return bisect_right(self._line_starts, position)

    def line_span(self, line: int) -> tuple[int, int]:
        """First character of a line and the one after its last."""
        starts = self._line_starts
        return starts[line - 1], (starts[line] - 1 if line < len(starts) else len(self.text))

    def is_table(self, line: int) -> bool:
        """Whether a line is a row of a table, with its cells between bars or wide gaps."""
        start, end = self.line_span(line)
        row = self.text[start:end]
        return row.count("|") >= 2 or row.count("\t") >= 2 or len(re.findall(r"\S {3,}\S", row)) >= 2

    @cached_property
    def tokens(self) -> list[Token]:
        """Every number, in order; those written out up to ninety-nine too. The 1 of a name such as PD-1 is none."""
        found = []
        for match in _NUMBER.finditer(self.text):
            before = self.text[max(0, match.start() - 2) : match.start()]
            named = before[-1:].isalpha() or (before[-1:] == "-" and before[:1].isalpha())
            if match.group() and not named:
                found.append(Token(match.start(), match.end(), canonical(match.group()), self.line_of(match.start())))
        for match in _IN_WORDS.finditer(self.lower):
            value = sum(_WRITTEN[word] for word in match.groups() if word)
            found.append(Token(match.start(), match.end(), str(value), self.line_of(match.start())))
        return sorted(found, key=lambda token: token.start)

    @cached_property
    def places(self) -> dict[str, list[Token]]:
        """Tokens by number."""
        places: dict[str, list[Token]] = defaultdict(list)
        for token in self.tokens:
            places[token.number].append(token)
        return dict(places)

    def same_value(self, number: str) -> list[Token]:
        """Tokens of the same value with other decimals: 0.70 for 0.7."""
        return [
            token
            for other, tokens in self.places.items()
            if other != number and float(other) == float(number)
            for token in tokens
        ]

    def snippet(self, token: Token, *, around: int = 60) -> str:
        """The number in its surroundings, marked."""
        before = self.text[max(0, token.start - around) : token.start]
        after = self.text[token.end : token.end + around]
        return " ".join(f"…{before}»{self.text[token.start : token.end]}«{after}…".split())


def read_paper(path: Path) -> PaperText:
    """Read a paper's text, or a PDF's by poppler's `pdftotext` (no shell, with a time limit).

    Raises
    ------
    UsageError
        If the file is not there, is too large, is neither text nor PDF, or cannot be converted.
    """
    if not path.is_file():
        raise UsageError(f"{path} is not a file; give the paper's text (.txt) or PDF")
    if path.stat().st_size > LARGEST:
        raise UsageError(f"{path} is larger than {LARGEST // 1_000_000} MB; give the paper alone")
    with path.open("rb") as stream:
        is_pdf = stream.read(5) == b"%PDF-"
    raw = _pdf_text(path) if is_pdf else path.read_bytes()
    if b"\0" in raw:
        raise UsageError(f"{path} is neither text nor PDF; convert it to text first")
    text = PaperText(raw.decode("utf-8", errors="replace"))
    if not text.tokens:
        raise UsageError(f"{path} has no numbers in it; a scanned PDF needs text recognition (OCR) first")
    return text


def _pdf_text(path: Path) -> bytes:
    program = shutil.which("pdftotext")
    if program is None:
        raise UsageError(
            "pdftotext is not installed, which reads PDF files; install poppler-utils, or give the paper's text"
        )
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "paper.txt"
        command = [program, "-layout", "-nopgbrk", "-enc", "UTF-8", str(path.resolve()), str(target)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise UsageError(f"{path} took pdftotext more than {SECONDS} s; give the paper's text") from None
        if done.returncode != 0 or not target.is_file():
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise UsageError(f"{path} cannot be read by pdftotext ({said[-1] if said else 'no reason given'})")
        return target.read_bytes()
