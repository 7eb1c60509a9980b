"""Studies on the page: their characteristics, publications and cautions, and what the checks found in their records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metasyn.evidence import Evidence, name_of
from metasyn.records.study import Publication, Study
from metasyn.reports.page.cells import Table, texts


def study_rows(studies: Sequence[Study]) -> list[dict[str, Any]]:
    """Characteristics of studies, as the template shows them."""
    return [_study(study) for study in studies]


def _study(study: Study) -> dict[str, Any]:
    design = study.design
    parts = (
        [design.type.replace("-", " ")]
        + ([f"phase {design.phase}"] if design.phase else [])
        + ([design.blinding] if design.blinding else [])
    )
    if design.centres:
        parts.append(f"{design.centres} centres" if design.centres != 1 else "1 centre")
    if design.country:
        parts.append(design.country if isinstance(design.country, str) else ", ".join(design.country))
    population = study.population
    words = [population.disease, f"line {population.line}"] + ([population.biomarker] if population.biomarker else [])
    if population.n is not None:
        words.append(f"n = {population.n}")
    follow_up = [
        f"{cutoff.median_follow_up} {study.time_unit}" + (f" ({name})" if len(study.cutoffs) > 1 else "")
        for name, cutoff in study.cutoffs.items()
        if cutoff.median_follow_up is not None
    ]
    registration = (
        study.registration
        if isinstance(study.registration, list)
        else [study.registration]
        if study.registration
        else []
    )
    return {
        "name": name_of(study),
        "design": ", ".join(parts),
        "population": ", ".join(words),
        "arms": [
            f"{arm.label}" + (f" ({arm.n})" if arm.n is not None else "")
            for arm in study.arms.values()
            if arm.subset_of is None
        ],
        "follow_up": "; ".join(follow_up) or "not printed",
        "seen": study.extraction.seen,
        "publications": [_publication(publication) for publication in study.reports.values()]
        + [{"text": text, "href": None} for text in registration],
    }


def _publication(publication: Publication) -> dict[str, str | None]:
    authors = (
        f"{publication.authors[0]} et al."
        if len(publication.authors) > 1
        else (publication.authors[0] if publication.authors else None)
    )
    parts = [
        part for part in (authors, publication.journal, str(publication.year) if publication.year else None) if part
    ]
    text = ", ".join(parts) or publication.label or publication.title or publication.kind or "source"
    href = f"https://doi.org/{publication.doi}" if publication.doi else publication.url
    return {"text": text, "href": href}


def findings_table(evidence: Evidence, studies: Sequence[Study]) -> Table | None:
    """What the checks found implausible in the records, with the reason where a record accepts it; None where nothing was."""
    files = {evidence.records.files[study.id] for study in studies}
    rows = [
        (f"{finding.file}: {finding.path}", finding.check, finding.message, finding.accepted or "not accepted")
        for finding in evidence.records.findings
        if finding.file in files and finding.severity != "note"
    ]
    heads = ("Where", "Check", "Finding", "Accepted because")
    return texts("Findings of the checks", heads, rows, stack=True) if rows else None
