"""Exports: every digit, text that stays text, the columns that other tools document, and what cannot be carried."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import metasyn as ms
from metasyn.errors import EvidenceError, UsageError
from metasyn.evidence import Evidence
from metasyn.formats.export_files import export_files
from metasyn.formats.exports import cinema_table, effects_json, netmeta_table
from metasyn.formats.kinds import EXPORTS, IMPORTS, cannot_carry, recognise
from metasyn.records import find_layout, load_records
from metasyn.reports.documents.workbook import workbook

openpyxl = pytest.importorskip("openpyxl")
ROOT = Path(__file__).parents[2]
FORMULA = '=HYPERLINK("http://127.0.0.1/x","click")'


@pytest.fixture(scope="module")
def layout():
    return find_layout(ROOT)


@pytest.fixture(scope="module")
def base(layout) -> Evidence:
    return Evidence(load_records(layout), curves=layout.curves)


def rows(text: str | bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text if isinstance(text, str) else text.decode())))


def test_json_of_effects_has_every_digit(base):
    effects = base.effects(outcome="OS")
    content = json.loads(effects_json(effects))
    assert [row["effect"] for row in content["effects"]] == effects["effect"].tolist()
    assert [row["se"] for row in content["effects"]] == effects["se"].tolist()


def test_netmeta_table_has_its_columns_and_fits_as_the_network_does(base):
    (network, *_) = base.networks(outcome="PFS", key={"disease": "ES-SCLC"})
    table = rows(netmeta_table(network))
    assert list(table[0]) == ["study", "treat1", "treat2", "TE", "seTE"]
    frame = {"study": "study", "treatment": "treat1", "comparator": "treat2"}
    back = pd.DataFrame(
        {
            **{name: [row[column] for row in table] for name, column in frame.items()},
            "effect": [float(row["TE"]) for row in table],
            "se": [float(row["seTE"]) for row in table],
        }
    )
    one, two = ms.fit_network(network.part_effects(0)), ms.fit_network(back)
    assert np.array_equal(one.league.to_numpy(), two.league.to_numpy())
    assert one.tau2 == two.tau2 or (np.isnan(one.tau2) and np.isnan(two.tau2))


def test_cinema_table_has_its_documented_columns_and_leaves_what_is_not_judged_empty(base):
    networks = base.networks(outcome="OS", key={"disease": "LS-SCLC"})
    network = next(one for one in networks if one.body == "non-randomised")
    text, notes = cinema_table(network, base.studies)
    table = rows(text)
    assert list(table[0])[:7] == ["id", "t1", "t2", "effect", "se", "rob", "indirectness"]
    assert all(row["id"].isdigit() for row in table)
    assert {row["rob"] for row in table} <= {"", "1", "2", "3"}
    assert {row["indirectness"] for row in table} == {""}
    assert any("indirectness is not judged" in note for note in notes)
    members = {trial.name: trial.records for trial in network.trials}
    study = table[0]["study"]
    judged, _ = cinema_table(network, base.studies, dict.fromkeys(members[study], 2))
    assert {row["indirectness"] for row in rows(judged) if row["study"] == study} == {"2"}
    levels = {
        "low": "1",
        "some-concerns": "2",
        "moderate": "2",
        "high": "3",
        "serious": "3",
        "critical": "3",
        "no-information": "",
    }
    for row in table:
        found = [base.studies[record].risk_of_bias for record in members[row["study"]]]
        if len(found) == 1 and found[0] is not None:
            assert row["rob"] == levels[found[0].overall]


def test_a_workbook_has_numbers_as_numbers_and_no_formula_and_no_link():
    raw = workbook(
        {
            "effects": (
                ("study", "effect", "note", "none"),
                [{"study": FORMULA, "effect": -0.1234567890123456, "note": "+x", "none": np.nan}],
            )
        }
    )
    sheet = openpyxl.load_workbook(io.BytesIO(raw))["effects"]
    assert [cell.value for cell in sheet[2]] == [f"'{FORMULA}", -0.1234567890123456, "'+x", None]
    assert [cell.data_type for cell in sheet[2]] == ["s", "n", "s", "n"]
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        parts = b"".join(archive.read(name) for name in archive.namelist())
    assert b"<f>" not in parts
    assert b"hyperlink" not in parts.lower().replace(b"=hyperlink(", b"")


def test_a_workbook_has_the_same_bytes_each_time(monkeypatch):
    sheets = {"a": (("x",), [{"x": "ä\x07\u202e"}, {"x": "y" * 40_000}])}
    first = workbook(sheets)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert workbook(sheets) == first
    sheet = openpyxl.load_workbook(io.BytesIO(first))["a"]
    assert sheet["A2"].value == "ä"
    assert sheet["A3"].value.endswith("(cut: longer than a cell holds)")


def test_a_missing_openpyxl_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'metasyn-evidence[excel]'")):
        workbook({})


@pytest.fixture
def asked(project):
    """A small project with a report: its layout and evidence."""
    for number, estimate in enumerate(("0.70", "0.72", "0.69")):
        project.record(f"study-{number}", estimate=estimate)
    project.write(
        "reports/question.yaml",
        "title: Q\nkey: {disease: condition-x}\ncomparisons: [{name: New, add: new}]\noutcomes: [OS]\nnetwork: {reference: standard}\n",
    )
    layout = find_layout(project.root)
    return layout, Evidence(load_records(layout))


def test_a_report_as_a_workbook_has_its_pools_effects_and_network(asked):
    made, _ = export_files(*asked, ["question"], "excel")
    book = openpyxl.load_workbook(io.BytesIO(made["question.xlsx"]))
    assert book.sheetnames == ["pools", "effects", "left out", "network", "read me"]
    tables = {
        sheet.title: [
            dict(zip(next(sheet.iter_rows(values_only=True)), row, strict=True))
            for row in sheet.iter_rows(values_only=True, min_row=2)
        ]
        for sheet in book
    }
    effects = asked[1].effects(outcome="OS")
    pooled = ms.pool(effects["effect"], effects["se"])
    assert tables["pools"][0]["k"] == 3
    assert_allclose(tables["pools"][0]["tau2"], pooled.tau2, rtol=1e-15)
    # a workbook's numbers have 16 significant digits
    assert_allclose([row["effect"] for row in tables["effects"]], effects["effect"].tolist(), rtol=1e-15)


def test_a_report_as_json_is_what_its_folder_holds(asked):
    made, _ = export_files(*asked, ["question"], "json")
    content = json.loads(made["question.json"])
    assert content["report"] == "question"
    assert content["results"][0]["strata"][0]["k"] == 3
    assert content["networks"]


@pytest.mark.parametrize("to", ["csv", "arms", "netmeta", "cinema", "bibtex", "r"])
def test_every_format_is_made_of_a_report(to, layout, base):
    made, _ = export_files(layout, base, ["ici-es-sclc-first-line"], to)
    assert made
    assert all(content.strip() for content in made.values())
    assert all(re.fullmatch(r"[a-z0-9-]+\.[A-Za-z]+", name) for name in made)


def test_unknown_names_and_formats_are_refused_with_what_there_is(layout, base):
    with pytest.raises(UsageError, match=r"neither a report nor an outcome; did you mean PFS\?"):
        export_files(layout, base, ["PFSS"], "csv")
    with pytest.raises(UsageError, match=r"no format exel; did you mean excel\?"):
        export_files(layout, base, ["OS"], "exel")
    with pytest.raises(UsageError, match="is an outcome; accepted: names of reports"):
        export_files(layout, base, ["OS"], "r")


def test_every_format_says_what_it_cannot_carry():
    for kind in {*IMPORTS, *EXPORTS}:
        sentences = cannot_carry(kind)
        assert sentences
        assert all(sentence.endswith(".") for sentence in sentences), kind
    assert "unverified" in " ".join(cannot_carry("revman"))
    with pytest.raises(UsageError, match="no format x"):
        cannot_carry("x")


@pytest.mark.parametrize(
    ("raw", "name", "kind"),
    [
        (b"study,outcome,treatment,comparator\n", "a.txt", "contrasts"),
        (b"studlab;treat1;treat2;TE;seTE\n", "a", "contrasts"),
        (b"anything,else\n", "a.csv", "contrasts"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><COCHRANE_REVIEW/>", "a.csv", "revman"),
        (b"PK\x03\x04xx", "review.zip", "revman"),
        (b' {"protocolSection": {}}', "a.txt", "clinicaltrials"),
        (b"TY  - JOUR\n", "a.txt", "ris"),
        (b"% comment\n@article{a,", "a.txt", "bibtex"),
    ],
)
def test_a_file_is_known_by_its_content_before_its_name(raw, name, kind):
    assert recognise(raw, name) == kind


@pytest.mark.parametrize(
    ("raw", "name", "said"),
    [
        (b"hello", "a.txt", "in no format that can be imported"),
        (b"\x89PNG\r\n", "a.png", "contrasts: contrast table"),
        (b"PK\x03\x04", "a.xlsx", "office file"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_is_accepted(raw, name, said):
    with pytest.raises(EvidenceError, match=said):
        recognise(raw, name)
