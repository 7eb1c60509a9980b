"""The publications of studies as BibTeX, for a reference manager."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from metasyn.records.study import Publication, Study
from metasyn.reports.documents.visible_text import one_line

_INITIALS = re.compile(r"(.+) ([A-Z]{1,4})")
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def bibtex(studies: Iterable[Study]) -> str:
    """Publications of studies, one entry each.

    Parameters
    ----------
    studies : iterable of Study

    Returns
    -------
    str
        Keys are the study's id and, after the first publication, also the publication's name; empty without publications.
    """
    taken: set[str] = set()
    entries = [_entry(key, publication) for study in studies for key, publication in _keyed(study, taken)]
    return "\n\n".join(entries) + "\n" if entries else ""


def _keyed(study: Study, taken: set[str]) -> Iterator[tuple[str, Publication]]:
    """Publications under keys that no other entry has."""
    for place, (name, publication) in enumerate(study.reports.items()):
        wanted = study.id if place == 0 else f"{study.id}-{_word(name)}"
        key, number = wanted, 1
        while key in taken:
            number += 1
            key = f"{wanted}-{number}"
        taken.add(key)
        yield key, publication


def _entry(key: str, publication: Publication) -> str:
    fields = {
        "title": publication.title or publication.label,
        "author": " and ".join(_author(author) for author in publication.authors) or None,
        "journal": publication.journal,
        "year": publication.year,
        "doi": publication.doi,
        "pmid": publication.pmid,
        "url": publication.url,
        "note": None if publication.title else publication.kind,
    }
    kind = "article" if publication.journal else "misc"
    lines = [
        f"  {field} = {{{value if field == 'author' else _escaped(str(value))}}},"
        for field, value in fields.items()
        if value
    ]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _author(author: str) -> str:
    """`Wen J` as BibTeX has it, `Wen, J.`; a name without initials is one word."""
    match = _INITIALS.fullmatch(author)
    if match is None:
        return f"{{{_escaped(author)}}}"
    return f"{_escaped(match[1])}, {' '.join(f'{letter}.' for letter in match[2])}"


def _escaped(text: str) -> str:
    return re.sub(r"[\\{}&%$#_~^]", lambda match: _LATEX.get(match[0], f"\\{match[0]}"), one_line(text))


def _word(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-") or "publication"
