"""The publications of a report's studies as BibTeX."""

from __future__ import annotations

from made_report import made_report

from metasyn.formats.references import read_bibtex
from metasyn.reports.documents.bibliography import bibtex


def test_every_publication_of_the_included_studies_is_an_entry_that_reads_back():
    evidence = made_report().report.evidence
    studies = [evidence.studies[name] for name in made_report().report.involved]
    text = bibtex(studies)
    assert text.count("@") == sum(len(study.reports) for study in studies)
    assert "@article{third-2025," in text
    back = read_bibtex(text.encode(), "references.bib")
    assert {one.title for one in back} == {"A title", "Radiation & more"}
    assert next(one for one in back if one.doi == "10.1000/third").authors == ("Third A",)


def test_keys_are_unique_and_no_study_gives_no_text():
    study = made_report().report.evidence.studies["third-2025"]
    text = bibtex([study, study])
    assert "@article{third-2025," in text
    assert "@article{third-2025-2," in text
    assert bibtex([]) == ""
