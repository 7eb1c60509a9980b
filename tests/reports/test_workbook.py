"""The workbook of a report: numbers are numbers, no formula, every table, the same bytes."""

from __future__ import annotations

import csv
import io
import sys
import zipfile

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_report import made_report

from metasyn.errors import UsageError
from metasyn.reports.documents.workbook import cell_value, report_workbook, typed_table, workbook
from metasyn.reports.numbers import csv_text
from metasyn.reports.page.sections import overview


@pytest.fixture(scope="module")
def book():
    return openpyxl.load_workbook(io.BytesIO(made_report().files["report.xlsx"]))


def tables():
    return {name[7:-4]: raw for name, raw in made_report().files.items() if name.startswith("tables/")}


def test_there_is_a_sheet_for_the_overview_every_table_and_the_notes(book):
    assert book.sheetnames == ["overview", "pools", *sorted(set(tables()) - {"pools"}), "notes"]


def test_every_value_of_every_table_is_there_and_numbers_are_numbers(book):
    for name, raw in tables().items():
        head, *rows = csv.reader(io.StringIO(raw.decode()))
        there = [[cell.value for cell in row] for row in book[name].iter_rows()]
        assert there[0] == head
        assert len(there) == len(rows) + 1
        for row, shown in zip(rows, there[1:], strict=True):
            for text, value in zip(row, shown, strict=True):
                back = "" if value is None else {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)  # fmt: skip
                assert back == text or float(back) == float(text)
    place = tables()["pools"].decode().split("\n")[0].split(",").index("estimate")
    assert isinstance(book["pools"].cell(2, place + 1).value, float)


def test_the_overview_is_that_of_the_page(book):
    made = overview(made_report().report)
    assert [cell.value for cell in book["overview"][1]] == [head for head, _ in made.heads]
    assert [[cell.value for cell in row] for row in book["overview"].iter_rows(min_row=2)] == [[cell.text for cell in row] for row in made.rows]  # fmt: skip


def test_heads_stay_in_view_filter_and_columns_are_wide_enough(book):
    for sheet in book.worksheets:
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref is not None
        for cell in sheet[1]:
            assert sheet.column_dimensions[cell.column_letter].width >= len(cell.value) + 3


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "＝1", "'=1", "http://a.b"])
def test_no_text_becomes_a_formula_or_a_link(text):
    raw = report_workbook(overview(made_report().report), {"t": csv_text([{"a": text}], ["a"]).encode()})
    cell = openpyxl.load_workbook(io.BytesIO(raw))["t"]["A2"]
    assert cell.data_type == "s"
    assert cell.hyperlink is None
    assert cell.value == text or (
        cell.value.startswith("'") and cell.value.lstrip("'").strip() == text.lstrip("'").strip()
    )
    assert cell.value[0] not in "=+-@\t＝"


def test_a_printed_figure_keeps_its_text():
    columns, rows = typed_table(b"estimate,k,share,flag\n0.790,3,0.5,true\n0.65,4,,false\n")
    assert columns == ["estimate", "k", "share", "flag"]
    assert rows == [{"estimate": "0.790", "k": 3, "share": 0.5, "flag": True}, {"estimate": "0.65", "k": 4, "share": None, "flag": False}]  # fmt: skip


@given(
    st.lists(
        st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**14), 10**14)),
        min_size=1,
        max_size=8,
    )
)
def test_numbers_come_back_as_the_csv_holds_them(values):
    raw = csv_text([{"a": value} for value in values], ["a"]).encode()
    _, rows = typed_table(raw)
    texts = raw.decode().split("\n")[1:-1]
    assert [float(row["a"]) for row in rows] == [float(text) for text in texts]


@given(st.text(max_size=60))
def test_no_text_of_a_record_breaks_a_cell(text):
    value = cell_value(text)
    assert isinstance(value, str)
    raw = workbook({"s": (("a",), [{"a": text}])})
    back = openpyxl.load_workbook(io.BytesIO(raw))["s"]["A2"].value or ""
    assert back.replace("_x000D_", "").split() == value.split()


def test_names_of_sheets_are_such_as_excel_takes():
    made = workbook({"a" * 40: (("x",), []), "A" * 40: (("x",), []), "b:c/d": (("x",), [])})
    names = openpyxl.load_workbook(io.BytesIO(made)).sheetnames
    assert names == ["a" * 31, "A" * 29 + " 2", "b c d"]


def test_the_same_tables_give_the_same_bytes_without_a_clock():
    made = overview(made_report().report)
    assert report_workbook(made, tables()) == made_report().files["report.xlsx"]
    with zipfile.ZipFile(io.BytesIO(made_report().files["report.xlsx"])) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.read("docProps/core.xml").count(b"2000-01-01T00:00:00Z") == 2


def test_without_openpyxl_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UsageError, match=r"pip install 'metasyn-evidence\[excel\]'"):
        workbook({"s": (("a",), [])})
