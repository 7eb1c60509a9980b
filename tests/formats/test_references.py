"""References: RIS and BibTeX into a record's `reports:` block, and publications out as BibTeX."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasyn.errors import EvidenceError
from metasyn.evidence import Evidence
from metasyn.formats.references import Reference, from_latex, read_bibtex, read_ris, reports_block, short_name
from metasyn.records import find_layout, load_records
from metasyn.records.study import Publication
from metasyn.records.yaml_reader import read_document
from metasyn.reports.documents.bibliography import bibtex
from metasyn.reports.documents.visible_text import one_line

RIS = """TY  - JOUR
AU  - Wen, Jing
AU  - van der Berg, Jan Piet
TI  - A trial of A
JO  - J Inv
JF  - Journal of Inventions
PY  - 2024/05/06/
DO  - https://doi.org/10.1000/XYZ
AN  - 38000001
DB  - PubMed
UR  - https://pubmed.ncbi.nlm.nih.gov/38000001/
AB  - An abstract
that goes on.
ER  -

TY  - CONF
T1  - A second
A1  - Able A
AN  - 77
DB  - Embase
Y1  - 2023
ER  -
"""

BIB = r"""
@string{joi = "Journal of " # inventions}
@comment{nothing}
@article{wen2024,
  author = {Wen, Jing and M{\"u}ller, Hans-J{\"o}rg and {The Invented Group}},
  title = {A {T}rial of {A} \& {B}: 50\% more},
  journal = joi,
  year = 2024, doi = "10.1000/xyz",
  pmid = {38000001}
}
@misc{x, title = "Other, with {"}quotes{"}", date = {2023-05}}
"""


def test_ris_is_read():
    first, second = read_ris(RIS.encode(), "r.ris")
    assert first == Reference(
        title="A trial of A", authors=("Wen J", "van der Berg JP"), journal="Journal of Inventions", year="2024", doi="10.1000/XYZ",
        pmid="38000001", url="https://pubmed.ncbi.nlm.nih.gov/38000001/",
    )  # fmt: skip
    assert second == Reference(title="A second", authors=("Able A",), year="2023")  # an Embase number is no PMID


def test_bibtex_is_read_with_macros_accents_and_escapes():
    first, second = read_bibtex(BIB.encode(), "r.bib")
    assert first == Reference(
        title="A Trial of A & B: 50% more", authors=("Wen J", "Müller HJ", "The Invented Group"), journal="Journal of inventions", year="2024",
        doi="10.1000/xyz", pmid="38000001",
    )  # fmt: skip
    assert (second.title, second.year) == ('Other, with "quotes"', "2023")


@pytest.mark.parametrize(
    ("given_name", "short"),
    [
        ("Wen, Jing", "Wen J"),
        ("Jing Wen", "Wen J"),
        ("Wen J", "Wen J"),
        ("J. Wen", "Wen J"),
        ("Study Group,", "Study Group"),
        ("Müller, Hans-Jörg", "Müller HJ"),
        ("WHO", "WHO"),
    ],
)
def test_names_are_shortened_as_records_have_them(given_name, short):
    assert short_name(given_name) == short


@pytest.mark.parametrize(
    ("text", "plain"),
    [(r"\'{e}\`a\c{c}\ss{} \O re", "éàçß Øre"), (r"{\v{S}}", "Š"), (r"\emph{x}", "x"), ("a--b", "a–b")],
)
def test_latex_becomes_letters(text, plain):
    assert from_latex(text) == plain


def test_the_block_is_one_that_a_record_can_have():
    text = reports_block([*read_ris(RIS.encode(), "r"), *read_bibtex(BIB.encode(), "b"), Reference(doi="10.1000/a")])
    document = read_document(text.encode(), "x.yaml")
    assert document.problems == []
    assert list(document.data["reports"]) == ["main", "able-2023", "wen-2024", "other-with-quotes-2023", "publication"]
    for entry in document.data["reports"].values():
        Publication.model_validate(entry)


def test_publications_come_back_from_bibtex():
    layout = find_layout(Path(__file__).parents[2])
    studies = Evidence(load_records(layout)).studies.values()
    publications = [publication for study in studies for publication in study.reports.values()]
    back = read_bibtex(bibtex(studies).encode(), "all.bib")
    assert len(back) == len(publications)
    for one, other in zip(publications, back, strict=True):
        assert other.title == (one.title or one.label)
        assert other.authors == one.authors
        assert (other.journal, other.year, other.doi) == (
            one.journal,
            None if one.year is None else str(one.year),
            one.doi,
        )
        assert other.url == one.url


@given(st.text(alphabet=st.characters(blacklist_categories=("Cc", "Cs", "Cn", "Zl", "Zp")), min_size=1, max_size=40))
def test_any_title_comes_back_from_bibtex_but_for_what_latex_reads_as_dashes(title):
    class One:
        id = "a"
        reports = {"main": Publication(title=f"t{title}", year=2024)}

    (back,) = read_bibtex(bibtex([One()]).encode(), "a.bib")  # type: ignore[list-item]
    assert back.title == one_line(f"t{title}").replace("---", "—").replace("--", "–")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"hello\n", "is no line of RIS"),
        (b"AU  - Wen J\n", "outside a reference"),
        (b"  \n\n", "holds no reference"),
    ],
)
def test_what_is_no_ris_is_refused_with_its_line(raw, said):
    with pytest.raises(EvidenceError, match=said):
        read_ris(raw, "r.ris")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"@article{a, title = {open", "not closed"),
        (b"@article{a, title = {x}, year", "not closed"),
        (b"@article{title = {x}}", "without a key"),
        (b"nothing", "holds no reference"),
        (b'@article{a, title = "x}"}', "not closed"),
    ],
)
def test_what_is_no_bibtex_is_refused_with_its_line(raw, said):
    with pytest.raises(EvidenceError, match=said):
        read_bibtex(raw, "r.bib")
