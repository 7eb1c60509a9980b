"""References: RIS and BibTeX into the `reports:` block of a record, and the publications of records as BibTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from metasyn.errors import EvidenceError
from metasyn.formats.contrast_columns import complaint
from metasyn.formats.draft import slug, unique
from metasyn.formats.intake import as_text, problem, refuse
from metasyn.formats.yaml_text import flow, scalar
from metasyn.reports.documents.visible_text import one_line

MOST = 20_000  # references of one file
MOST_BRACES = 100
RIS_LINE = re.compile(r"^([A-Z][A-Z0-9])  ?-(?: (.*))?$")
RIS_FIELDS = {
    "TI": "title", "T1": "title", "JO": "journal", "JF": "journal", "T2": "journal", "JA": "journal", "PY": "year", "Y1": "year",
    "DO": "doi", "UR": "url", "AN": "pmid", "PM": "pmid",
}  # fmt: skip
RIS_ORDER = ("JF", "T2", "JO", "JA")  # a journal's full name before its short one
BIBTEX_FIELDS = {
    "title": "title",
    "journal": "journal",
    "journaltitle": "journal",
    "year": "year",
    "date": "year",
    "doi": "doi",
    "pmid": "pmid",
    "url": "url",
}
ACCENTS = {
    "`": "\u0300",
    "'": "\u0301",
    "^": "\u0302",
    "~": "\u0303",
    '"': "\u0308",
    "=": "\u0304",
    ".": "\u0307",
    "u": "\u0306",
    "v": "\u030c",
    "H": "\u030b",
    "c": "\u0327",
    "k": "\u0328",
    "r": "\u030a",
}
LETTERS = {
    "ss": "ß",
    "ae": "æ",
    "AE": "Æ",
    "oe": "œ",
    "OE": "Œ",
    "o": "ø",
    "O": "Ø",
    "l": "ł",
    "L": "Ł",
    "aa": "å",
    "AA": "Å",
    "i": "i",
    "j": "j",
}

SYMBOLS = {"backslash": "\\", "asciitilde": "~", "asciicircum": "^"}
LATEX = re.compile(
    r"\\text(?P<symbol>backslash|asciitilde|asciicircum)(?:\{\})?"
    r"|\\(?P<accent>[`'^~\"=.])\s*\{?\\?(?P<on>[A-Za-z])\}?|\\(?P<named>[uvHckr])\s*\{\\?(?P<under>[A-Za-z])\}"
    r"|\\(?P<letter>ss|ae|AE|oe|OE|aa|AA|o|O|l|L|i|j)(?![A-Za-z])\s*|\\(?P<escaped>[&%$#_{}])"
    r"|\\(?:emph|textit|textbf|mathrm|textsuperscript|textsubscript)\b|---|--|~|[{}]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One publication, as the `reports:` block of a record has it; None where the file does not say."""

    title: str | None = None
    authors: tuple[str, ...] = ()
    journal: str | None = None
    year: str | None = None
    doi: str | None = None
    pmid: str | None = None
    url: str | None = None

    def fields(self) -> dict[str, Any]:
        """The fields that are known."""
        found = {name: getattr(self, name) for name in ("title", "authors", "journal", "year", "doi", "pmid", "url")}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items() if value}


def read_ris(raw: bytes, name: str) -> tuple[Reference, ...]:
    """References of a RIS file.

    Raises
    ------
    EvidenceError
        If it holds none, or a line before the first reference is no RIS.
    """
    entries: list[dict[str, list[str]]] = []
    open_entry: dict[str, list[str]] | None = None
    last: list[str] | None = None
    for number, line in enumerate(as_text(raw, name).split("\n"), 1):
        match = RIS_LINE.match(line.rstrip())
        if match is None:
            if not line.strip():
                continue
            if last is None:
                refuse(
                    name,
                    f"is no line of RIS ({one_line(line)[:60]}); accepted: two letters, two spaces, a dash and a value, as TY  - JOUR",
                    line=number,
                )
            last[-1] = f"{last[-1]} {line.strip()}"  # a value that goes on
            continue
        tag, value = match[1], (match[2] or "").strip()
        if tag == "TY":
            open_entry = {"TY": [value]}
            entries.append(open_entry)
        elif tag == "ER":
            open_entry, last = None, None
            continue
        if open_entry is None:
            refuse(name, f"stands outside a reference ({tag}); accepted: TY before it", line=number)
        if tag != "TY":
            open_entry.setdefault(tag, []).append(value)
        last = open_entry[tag]
        if len(entries) > MOST:
            refuse(name, f"holds more than {MOST:,} references; accepted: at most {MOST:,}", line=number)
    if not entries:
        refuse(name, "holds no reference (no TY line); accepted: a RIS file")
    return tuple(_from_ris(entry) for entry in entries)


def _from_ris(entry: Mapping[str, list[str]]) -> Reference:
    said: dict[str, str] = {}
    for tag in (*RIS_ORDER, *RIS_FIELDS):
        if tag in RIS_FIELDS and tag in entry and entry[tag][0]:
            said.setdefault(RIS_FIELDS[tag], entry[tag][0])
    if "pmid" in said and not (
        "PM" in entry or re.search("pubmed|medline", " ".join(entry.get("DB", [])), re.IGNORECASE)
    ):
        del said["pmid"]  # an accession number of another database
    return _reference(said, [name for tag in ("AU", "A1") for name in entry.get(tag, [])])


def _reference(said: Mapping[str, str], authors: Iterable[str]) -> Reference:
    year = re.search(r"\b(1[89]|20)\d\d\b", said.get("year", ""))
    doi = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", one_line(said.get("doi", "")), flags=re.IGNORECASE)
    url = one_line(said.get("url", ""))
    pmid = re.search(r"\d{1,9}", said.get("pmid", "")) or re.search(r"(?<=pubmed\.ncbi\.nlm\.nih\.gov/)\d{1,9}", url)
    return Reference(
        title=one_line(said.get("title", "")) or None,
        authors=tuple(name for one in authors if (name := short_name(one))),
        journal=one_line(said.get("journal", "")) or None,
        year=year[0] if year else None,
        doi=doi if complaint("doi", doi, long=False) is None else None,
        pmid=pmid[0] if pmid else None,
        url=url if complaint("url", url, long=False) is None else None,
    )


def short_name(name: str) -> str:
    """`Last, First Middle` and `First Middle Last` as records have names: `Last FM`; a single word stays."""
    name = one_line(name)
    last, comma, given = name.partition(",")
    if not comma:
        words = name.split()
        if len(words) < 2 or (re.fullmatch(r"[A-Z]{1,4}", words[-1]) and not re.fullmatch(r"[A-Z]\.?", words[0])):
            return name  # `Wen J` already
        last, given = words[-1], " ".join(words[:-1])
    initials = "".join(part[0] for part in re.split(r"[\s.-]+", given) if part and part[0].isalpha())
    return f"{last.strip()} {initials}".strip()


def read_bibtex(raw: bytes, name: str) -> tuple[Reference, ...]:
    """References of a BibTeX file; macros of months and of @string are replaced, LaTeX accents become letters.

    Raises
    ------
    EvidenceError
        If it holds none, or an entry is not closed.
    """
    found = []
    for entry in _bibtex_entries(as_text(raw, name), name):
        said = {BIBTEX_FIELDS[field]: from_latex(text) for field, text in entry.items() if field in BIBTEX_FIELDS}
        people = re.split(r"\s+and\s+", entry.get("author", "").strip()) if entry.get("author", "").strip() else []
        groups = [one.strip() for one in people]
        authors = [
            from_latex(one) if not (one.startswith("{") and one.endswith("}")) else f"{from_latex(one)},"
            for one in groups
        ]
        found.append(_reference(said, [one for one in authors if one != "others"]))
        if len(found) > MOST:
            refuse(name, f"holds more than {MOST:,} references; accepted: at most {MOST:,}")
    if not found:
        refuse(name, "holds no reference (no @article{…} or other entry); accepted: a BibTeX file")
    return tuple(found)


def _bibtex_entries(text: str, name: str) -> Iterator[dict[str, str]]:
    macros: dict[str, str] = {}
    opening = re.compile(r"^[ \t]*@(\w{1,40})[ \t]*\{", re.MULTILINE)
    at, line = 0, 1
    while match := opening.search(text, at):
        line += text.count("\n", at, match.start())
        kind = match[1].lower()
        if kind in ("comment", "preamble"):
            end = match.end()
        else:
            fields, end = _bibtex_fields(text, match.end(), name, line, macros, keyed=kind != "string")
            if kind == "string":
                macros |= fields
            else:
                yield fields
        line += text.count("\n", match.start(), end)
        at = end


def _bibtex_fields(
    text: str, at: int, name: str, line: int, macros: Mapping[str, str], *, keyed: bool
) -> tuple[dict[str, str], int]:
    """`field = value` pairs up to the closing brace, and where that stands."""
    head = re.compile(r"[^,{}=\"]{0,400},").match(text, at) if keyed else None
    if keyed and head is None:
        refuse(name, "has an entry without a key; accepted: @article{key, title = {…}}", line=line)
    at = head.end() if head else at
    fields: dict[str, str] = {}
    pair = re.compile(r"\s*([A-Za-z][\w:+-]{0,60})\s*=\s*")
    while match := pair.match(text, at):
        value, at = _bibtex_value(text, match.end(), name, line, macros)
        fields.setdefault(match[1].lower(), value)
        comma = re.compile(r"\s*,").match(text, at)
        if comma is None:
            break
        at = comma.end()
    closing = re.compile(r"\s*\}").match(text, at)
    if closing is None:
        refuse(
            name,
            "has an entry that is not closed, or a field without its value; accepted: field = {value}, and } at the end",
            line=line,
        )
    return fields, closing.end()


def _bibtex_value(text: str, at: int, name: str, line: int, macros: Mapping[str, str]) -> tuple[str, int]:
    """A value in braces or quotes, a number or a macro; # joins several."""
    parts = []
    while True:
        if text[at : at + 1] in ("{", '"'):
            end = _closing(text, at, name, line)
            parts.append(text[at + 1 : end])
            at = end + 1
        else:
            word = re.compile(r"[\w:.+-]{1,100}").match(text, at)
            if word is None:
                return "".join(parts), at
            parts.append(macros.get(word[0].lower(), word[0]))
            at = word.end()
        joined = re.compile(r"\s*#\s*").match(text, at)
        if joined is None:
            return "".join(parts), at
        at = joined.end()


def _closing(text: str, at: int, name: str, line: int) -> int:
    """Where a value in braces or quotes ends."""
    quoted, depth, place = text[at] == '"', 0, at + (text[at] == '"')
    for match in re.compile(r'\\.|[{}"]', re.DOTALL).finditer(text, place):
        mark = match[0]
        depth += (mark == "{") - (mark == "}")
        if depth > MOST_BRACES:
            refuse(
                name, f"has an entry with more than {MOST_BRACES} braces within each other; accepted: fewer", line=line
            )
        if (quoted and mark == '"' and depth == 0) or (not quoted and mark == "}" and depth == 0):
            return match.start()
        if depth < 0:
            break
    raise EvidenceError(
        [problem(name, "has a value that is not closed; accepted: braces and quotes in pairs", line=line)]
    )


def from_latex(text: str) -> str:
    """Text without LaTeX's braces, accents and escapes."""
    return one_line(LATEX.sub(_plain, text))


def _plain(match: re.Match[str]) -> str:
    """What one piece of LaTeX stands for."""
    if match["symbol"]:
        return SYMBOLS[match["symbol"]]
    if match["accent"] or match["named"]:
        letter = match["on"] or match["under"]
        return unicodedata.normalize("NFC", letter + ACCENTS[match["accent"] or match["named"]])
    if match["letter"]:
        return LETTERS[match["letter"]]
    return match["escaped"] or {"---": "—", "--": "–", "~": " "}.get(match[0], "")


def reports_block(references: Iterable[Reference]) -> str:
    """The `reports:` block of a record, the first publication as main."""
    names: list[str] = []
    lines = ["reports:"]
    for reference in references:
        first = reference.authors[0].split()[0] if reference.authors else reference.title or "publication"
        name = "main" if not names else unique(slug(f"{first[:30]} {reference.year or ''}", "publication"), names)
        names.append(name)
        fields = reference.fields()
        if not {"title", "authors"} & set(fields):
            fields = {"label": reference.doi or reference.pmid or name, **fields}
        lines.append(f"  {scalar(name)}: {flow(fields)}")
    return "\n".join(lines) + "\n"
