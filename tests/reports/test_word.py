"""The Word document: the page's words in Word's own forms, with the same bytes each time."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile

import pytest
from made_report import made_report

from metasyn.errors import UsageError
from metasyn.reports.documents.page_tree import page_tree
from metasyn.reports.documents.word import word_report
from metasyn.reports.documents.word_parts import WordWriter, bookmark_name, column_widths, png_size, tidy

docx = pytest.importorskip("docx")
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


@pytest.fixture(scope="module")
def document():
    return docx.Document(io.BytesIO(made_report().files["report.docx"]))


def of_html(body: str, figures=None):
    raw = word_report(f"<html><body><main>{body}</main></body></html>", figures or {})
    return docx.Document(io.BytesIO(raw))


def words(text: str) -> str:
    return " ".join(text.split())


def test_every_heading_and_paragraph_stands_on_the_page_too(document):
    page = words(page_tree(made_report().html).text())
    plain = {"Caption"}  # "Table 1." is Word's own
    for paragraph in document.paragraphs:
        if paragraph.style.name not in plain and not paragraph.text.startswith("On the page: "):
            for line in filter(None, map(words, paragraph.text.split("\n"))):
                name, _, said = line.partition(": ")
                assert line in page or (name in page and said in page), line


def test_every_cell_of_every_table_stands_on_the_page_too(document):
    page = words(page_tree(made_report().html).text())
    texts = {cell.text for table in document.tables for row in table.rows for cell in row.cells}
    assert len(texts) > 100
    for text in texts:
        assert all(words(line) in page for line in text.split("\n")), text


def test_every_table_that_the_page_shows_unfolded_is_a_native_table(document):
    page = page_tree(made_report().html)
    folded = sum(len(list(one.find_all("table"))) for one in page.find_all("details") if "open" not in one.attributes)
    assert folded
    assert len(document.tables) == len(list(page.find_all("table"))) - folded


def test_text_of_records_is_data():
    titles = [
        one.text
        for one in docx.Document(io.BytesIO(made_report().files["report.docx"])).paragraphs
        if one.style.name == "Title"
    ]
    assert titles == ["A question <b>& more"]


def test_head_rows_are_repeated_and_rows_hold_together(document):
    for table in document.tables:
        rows = table._tbl.tr_lst
        assert rows[0].find(f"{W}trPr/{W}tblHeader") is not None
        assert all(row.find(f"{W}trPr/{W}cantSplit") is not None for row in rows)
        assert table._tbl.tblPr.find(f"{W}tblCaption").get(f"{W}val")


def test_captions_are_numbered_by_fields_in_order(document):
    captions = [one for one in document.paragraphs if one.style.name == "Caption"]
    codes = [code.text for one in captions for code in one._p.iter(f"{W}instrText")]
    assert set(codes) == {r" SEQ Table \* ARABIC ", r" SEQ Figure \* ARABIC "}
    for kind in ("Table", "Figure"):
        numbered = [one.text.split(".")[0] for one in captions if one.text.startswith(kind)]
        assert numbered == [f"{kind} {number}" for number in range(1, len(numbered) + 1)]
    assert len(captions) == len(document.tables) + len(document.inline_shapes)


def test_every_figure_has_the_words_of_the_page(document):
    alts = {image.attributes["alt"] for image in page_tree(made_report().html).find_all("img")}
    shown = [shape._inline.docPr.get("descr") for shape in document.inline_shapes]
    assert shown
    assert set(shown) <= alts
    ids = [shape._inline.docPr.get("id") for shape in document.inline_shapes]
    assert len(set(ids)) == len(ids)


def test_headings_have_ranks_for_navigation_and_links_reach_them(document):
    names = [one.style.name for one in document.paragraphs]
    assert names.count("Title") == 1
    assert {"Heading 1", "Heading 2"} <= set(names)
    marks = {mark.get(f"{W}name") for mark in document.element.body.iter(f"{W}bookmarkStart")}
    inner = {link.get(f"{W}anchor") for link in document.element.body.iter(f"{W}hyperlink")} - {None}
    contents = {bookmark_name(link.attributes["href"][1:]) for nav in page_tree(made_report().html).find_all("nav") for link in nav.find_all("a")}  # fmt: skip
    assert contents <= inner
    assert contents <= marks


def test_pages_turn_for_wide_tables_alone(document):
    sides = {(section.page_width > section.page_height) for section in document.sections}
    assert sides == {True, False}
    narrow = of_html("<section id='a'><h2>A</h2><table><tr><th>a</th></tr><tr><td>1</td></tr></table></section>")
    assert len(narrow.sections) == 1
    six = "".join(f"<th>{n}</th>" for n in range(6))
    wide = of_html(f"<section id='a'><h2>A</h2><table><tr>{six}</tr><tr>{six}</tr></table></section>")
    assert wide.sections[-1].page_width > wide.sections[-1].page_height


def test_properties_hold_no_person_and_no_clock(document):
    core = document.core_properties
    assert (core.author, core.last_modified_by, core.comments) == ("", "", "")
    assert core.title == "A question <b>& more"
    assert core.language == "en-GB"
    with zipfile.ZipFile(io.BytesIO(made_report().files["report.docx"])) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert "docProps/thumbnail.jpeg" not in archive.namelist()
    assert {lang.get(f"{W}val") for lang in document.styles.element.iter(f"{W}lang")} == {"en-GB"}


def test_the_same_page_gives_the_same_bytes_in_another_process(tmp_path):
    page = "<section id='s'><h2>Head</h2><p class='banner'><strong>Bold.</strong> Text</p><ul><li><a href='https://a.b/c'>x</a></li><li><a href='https://a.b/d'>y</a></li></ul></section>"
    code = "import sys, hashlib; from metasyn.reports.documents.word import word_report; print(hashlib.sha256(word_report(sys.argv[1], {})).hexdigest())"
    seen = {
        subprocess.run([sys.executable, "-c", code, page], env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone}, check=True, capture_output=True, text=True).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }  # fmt: skip
    assert len(seen) == 1


def test_only_the_web_and_the_document_itself_are_linked_to():
    made = of_html(
        "<p><a href='javascript:alert(1)'>bad</a> <a href='file:///etc'>worse</a> <a href='https://doi.org/x'>good</a></p>"
    )
    targets = [relation.target_ref for relation in made.part.rels.values() if relation.is_external]
    assert targets == ["https://doi.org/x"]
    assert made.paragraphs[-1].text == "bad worse good"


def test_what_is_unfolded_stands_under_its_summary_and_of_what_is_folded_the_page_is_named():
    made = of_html(
        "<section id='a'><h2>A</h2><details open><summary>More</summary><p>Inside</p></details><details><summary>Rest</summary><p>Away</p></details>"
        "<p>HR <button>0.7</button><span popover>from</span></p></section>"
    )
    assert [(one.style.name, one.text) for one in made.paragraphs] == [
        ("Heading 1", "A"),
        ("Heading 2", "More"),
        ("Normal", "Inside"),
        ("Muted", "On the page: Rest."),
        ("Normal", "HR 0.7"),
    ]


def test_names_and_what_is_said_of_them_share_a_paragraph():
    made = of_html("<dl><div><dt>Certainty</dt><dd>Low. <a href='#x'>More</a></dd></div></dl>")
    assert [one.text for one in made.paragraphs] == ["Certainty: Low. More"]


def test_control_characters_do_not_break_the_document():
    made = of_html("<p>a\x01b\u202ec</p><table><tr><th>h</th></tr><tr><td>\x0c1</td></tr></table>")
    assert made.paragraphs[0].text == "a bc"


def test_a_figure_too_large_to_read_is_named_with_its_words():
    png = made_report().drawn["new-drug-added-os"].png
    tall = png[:16] + (40_000).to_bytes(4, "big") * 2 + png[24:]
    import base64

    made = of_html(
        f"<figure><img src='data:image/svg+xml;base64,{base64.b64encode(b'<svg/>').decode()}' alt='All of it.'></figure>",
        {"big": (b"<svg/>", tall)},
    )
    assert made.paragraphs[0].text == "Figure too large for a page: it stands in figures/big.svg. All of it."
    assert not made.inline_shapes


@pytest.mark.parametrize("anchor", ["overview", "new-drug-added-os", "x" * 90, "9-lives"])
def test_bookmarks_are_names_that_word_accepts(anchor):
    name = bookmark_name(anchor)
    assert len(name) <= 40
    assert name[0].isalpha()
    assert name.replace("_", "").isalnum()


def test_long_anchors_that_begin_alike_stay_apart():
    assert bookmark_name("x" * 50 + "a") != bookmark_name("x" * 50 + "b")


def test_columns_fill_no_more_than_the_page():
    heads, long = ["Study", "Why"], "a very long reason " * 20
    widths = column_widths(heads, [["A 2024", long], ["B 2025", "short"]], 170)
    assert sum(widths) == pytest.approx(170)
    assert widths[1] > widths[0]
    assert sum(column_widths(["a", "b"], [["1", "2"]], 170)) < 60  # a small table is not torn apart
    assert sum(column_widths(["x" * 30] * 20, [["y"] * 20], 170)) == pytest.approx(170)


def test_the_size_of_a_figure_is_what_its_file_states():
    # 200 dots per inch: 25.4 mm are 200 pixels
    png = made_report().drawn["new-drug-added-os"].png
    width, _ = png_size(png)
    assert width == pytest.approx(int.from_bytes(png[16:20], "big") / 200 * 25.4, rel=1e-3)
    with pytest.raises(ValueError, match="no PNG"):
        png_size(b"GIF89a")


def test_spaces_at_the_ends_of_lines_go():
    assert tidy([(" a ", False, None), ("\n", False, None), (" b", True, None), (" ", False, None)]) == [
        ("a ", False, None),
        ("\n", False, None),
        ("b", True, None),
    ]


def test_without_python_docx_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(UsageError, match=r"pip install 'metasyn-evidence\[word\]'"):
        WordWriter("x")
