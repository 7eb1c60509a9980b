"""Files made to do harm are refused with a message: bombs, entities, formulas, size, depth, binary."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transfers import stated, vocabulary

from metasyn.errors import EvidenceError, UsageError
from metasyn.formats import intake
from metasyn.formats.cells import csv_table, formula_like, guarded, unguarded
from metasyn.formats.clinicaltrials import read_clinicaltrials
from metasyn.formats.contrast_table import read_contrast_table
from metasyn.formats.intake import as_text, read_json, read_limited, zip_members
from metasyn.formats.kinds import recognise
from metasyn.formats.references import read_bibtex, read_ris
from metasyn.formats.revman import read_revman
from metasyn.reports.documents.visible_text import one_line

HEAD = b"study,outcome,treatment,comparator,note\n"


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    return stated(vocabulary(tmp_path_factory.mktemp("words")))


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return stream.getvalue()


def refused(function, *arguments) -> str:
    with pytest.raises(EvidenceError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "accepted" in message
    return message


def test_a_file_of_100_mb_is_refused_unread(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)
    assert "too large (100,000,000 bytes); accepted: at most 50,000,000 bytes" in refused(read_limited, path)


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "small.csv"
    path.write_bytes(b"x" * 50)
    real = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **k: os.stat_result((*real(self, **k)[:6], 1, *real(self, **k)[7:])))
    assert "too large (more than 10 bytes)" in refused(read_limited, path, 10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_and_a_folder_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert "no regular file" in refused(read_limited, tmp_path / "pipe.csv")
    assert "no regular file" in refused(read_limited, tmp_path)


def test_an_empty_file_is_said_to_be_empty(tmp_path):
    (tmp_path / "a.csv").write_bytes(b" \n ")
    assert "is empty" in refused(read_limited, tmp_path / "a.csv")


def test_a_zip_bomb_is_stopped_while_it_unpacks(facts):
    bomb = zipped(review_rm5=b"<a>" + b" " * 60_000_000 + b"</a>")
    assert len(bomb) < 100_000
    assert "unpacks to more than" in refused(read_revman, bomb, "review.zip", facts)


def test_a_member_that_lies_about_its_size_is_stopped(facts, monkeypatch):
    monkeypatch.setattr(intake, "MAX_BYTES", 1000)
    bomb = bytearray(zipped(review_rm5=b"<a>" + b" " * 200_000 + b"</a>"))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # the size once unpacked, in both headers
        place = bomb.index(signature) + offset
        bomb[place : place + 4] = (10).to_bytes(4, "little")
    assert "archive that cannot be read" in refused(read_revman, bytes(bomb), "review.zip", facts)


def test_an_archive_of_many_members_is_refused():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(intake.MAX_MEMBERS + 1):
            archive.writestr(f"{number}.rm5", b"")
    assert "2,001 members" in refused(zip_members, stream.getvalue(), "many.zip", lambda _: True)


def test_nothing_of_an_archive_reaches_the_disk(tmp_path, monkeypatch, facts):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EvidenceError):
        read_revman(zipped(**{".._.._escape_rm5": b"<a/>"}), "review.zip", facts)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("cut", [3, 10, 40, -30, -5])
def test_a_broken_archive_is_refused(cut, facts):
    refused(
        read_revman,
        zipped(review_rm5=b"<a/>" * 100)[:cut] if cut > 0 else b"PK\x03\x04" + zipped(review_rm5=b"<a/>" * 100)[4:cut],
        "r.zip",
        facts,
    )


DTD = '<?xml version="1.0"?><!DOCTYPE a [{}]><COCHRANE_REVIEW><NAME>&x;</NAME></COCHRANE_REVIEW>'
ENTITIES = {
    "external": '<!ENTITY x SYSTEM "file:///etc/passwd">',
    "remote": '<!ENTITY x SYSTEM "http://127.0.0.1:9/x">',
    "laughs": '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY x "&b;&b;&b;&b;&b;&b;&b;&b;">',
    "quadratic": f'<!ENTITY x "{"a" * 1000}">',
    "parameter": '<!ENTITY % p SYSTEM "file:///etc/passwd"> %p; <!ENTITY x "y">',
}


@pytest.mark.parametrize("name", ENTITIES)
def test_entities_and_document_types_are_refused(name, facts):
    assert "document type or entities" in refused(read_revman, DTD.format(ENTITIES[name]).encode(), "r.rm5", facts)
    assert "document type or entities" in refused(
        read_revman, DTD.format(ENTITIES[name]).encode("utf-16"), "r.rm5", facts
    )


def test_a_document_type_without_entities_is_refused_too(facts):
    assert "document type" in refused(
        read_revman, b'<!DOCTYPE COCHRANE_REVIEW SYSTEM "http://127.0.0.1:9/x.dtd"><COCHRANE_REVIEW/>', "r.rm5", facts
    )


def test_deep_nesting_is_refused(facts):
    deep = 100_000
    assert "nested too deeply" in refused(read_revman, b"<a>" * deep + b"</a>" * deep, "r.rm5", facts)
    assert "nested too deeply" in refused(read_clinicaltrials, b"[" * deep + b"]" * deep, "s.json", facts)
    assert "nested too deeply" in refused(read_json, '{"a":' * 300 + "1" + "}" * 300, "s.json")
    assert "braces" in refused(read_bibtex, b"@article{k, title = " + b"{" * deep + b"}" * deep + b"}", "r.bib")


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\x03" * 100,
        b"study,outcome\x00,treatment\n",
        "study,é\n".encode("latin1"),
        "study,outcome\n".encode("utf-16"),
    ],
)
def test_binary_and_other_encodings_are_refused(raw, facts):
    refused(read_contrast_table, raw, "t.csv", facts)
    refused(read_ris, raw, "t.ris")


def said_of(reader, raw: bytes) -> str:
    """What a reader says of bytes; anything but a refusal passes through as an error."""
    try:
        reader(raw)
    except (EvidenceError, UsageError) as refusal:
        return str(refusal)
    return "accepted"


def test_random_bytes_never_give_a_traceback(facts):
    readers = (
        lambda raw: read_contrast_table(raw, "t.csv", facts),
        lambda raw: read_revman(raw, "r.rm5", facts),
        lambda raw: read_clinicaltrials(raw, "s.json", facts),
        lambda raw: read_ris(raw, "r.ris"),
        lambda raw: read_bibtex(raw, "r.bib"),
        lambda raw: recognise(raw, "r"),
    )

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.binary(max_size=200),
        st.sampled_from([b"", HEAD, b"<COCHRANE_REVIEW>", b"{", b"TY  - JOUR\n", b"@article{a,", b"PK\x03\x04"]),
    )
    def check(tail, start):
        for reader in readers:
            assert "accepted" in said_of(reader, start + tail)

    check()


@pytest.mark.parametrize(
    "formula", ["=1+1", "=cmd|' /C calc'!A0", "@SUM(A1)", "+cmd", "-cmd", "\uff1d1+1", '=HYPERLINK("http://x","y")']
)
def test_a_formula_in_a_cell_is_refused_on_the_way_in_and_guarded_on_the_way_out(formula, facts):
    row = HEAD + b'Able,OS,A,B,"' + formula.replace('"', '""').encode() + b'"\n'
    assert "begins as a formula of a spreadsheet does" in refused(read_contrast_table, row, "t.csv", facts)
    assert guarded(formula) == f"'{formula}"
    assert not formula_like(guarded(formula))
    (draft,) = read_contrast_table(csv_table([{"study": "Able", "outcome": "OS", "treatment": "A", "comparator": "B", "note": formula}], HEAD.decode().strip().split(",")).encode(), "t.csv", facts)  # fmt: skip
    assert draft.problems(facts.vocabulary) == []


@given(st.text(max_size=30))
def test_the_guard_is_undone_whatever_the_text(text):
    assert unguarded(guarded(text)) == text
    assert not formula_like(guarded(text)) or guarded(text) == text


def test_numbers_with_a_sign_need_no_guard():
    assert [guarded(text) for text in ("-0.35", "+1", "-1e-5", "-x")] == ["-0.35", "+1", "-1e-5", "'-x"]


def test_a_cell_of_a_million_characters_and_a_table_without_end_are_refused(facts, monkeypatch):
    assert "accepted" in refused(read_contrast_table, HEAD + b"Able,OS,A,B," + b"x" * 1_000_000 + b"\n", "t.csv", facts)
    assert "too long (20,000 characters)" in refused(
        read_contrast_table, HEAD + b"Able,OS,A,B," + b"x" * 20_000 + b"\n", "t.csv", facts
    )
    monkeypatch.setattr("metasyn.formats.contrast_table.MOST_ROWS", 5)
    assert "more than 5 rows" in refused(read_contrast_table, HEAD + b"Able,OS,A,B,x\n" * 10, "t.csv", facts)


def test_an_unclosed_quote_is_refused_and_not_read_to_the_end(facts):
    refused(read_contrast_table, HEAD + b'Able,OS,A,B,"x\n' + b"Able,OS,A,B,x\n" * 10, "t.csv", facts)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", ".hidden", "C:\\x", "con\nx", "💊"])
def test_a_name_never_becomes_a_path(name, facts):
    row = csv_table(
        [{"study": name, "outcome": "OS", "treatment": "A", "comparator": "B"}],
        ["study", "outcome", "treatment", "comparator"],
    )
    (draft,) = read_contrast_table(row.encode(), "t.csv", facts)
    assert set(draft.id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert draft.id[0] != "-"
    assert draft.problems(facts.vocabulary) == []


@pytest.mark.parametrize(
    "name",
    [
        "a: b",
        "# x",
        "{a: b}",
        "[1, 2]",
        "&a",
        "*a",
        "!tag x",
        "> x",
        "| x",
        "null",
        "~",
        "yes",
        "'x",
        '"x',
        "a\u2028b",
        "a #b",
        "- x",
        "%x",
        "\x1b[31mred",
        "\u202egnp",
    ],
)
def test_a_text_is_data_to_yaml_whatever_it_looks_like(name, facts):
    row = csv_table(
        [{"study": "Able", "outcome": "OS", "treatment": "A", "comparator": "B", "note": name}],
        HEAD.decode().strip().split(","),
    )
    (draft,) = read_contrast_table(row.encode(), "t.csv", facts)
    assert draft.problems(facts.vocabulary) == []
    assert "\x1b" not in draft.text
    assert "\u202e" not in draft.text


def test_cleaning_keeps_words_and_takes_out_control_characters():
    assert one_line(" Müller\u202e \x07 A\u2028B\tC ") == "Müller A B C"


def test_json_with_a_key_twice_or_nan_is_refused():
    assert "names a key twice in one object (a)" in refused(read_json, '{"a": 1, "a": 2}', "s.json")
    assert "holds NaN" in refused(read_json, '{"a": NaN}', "s.json")
    assert read_json('{"a": 0.460, "b": 12345678901234567890}', "s.json") == {"a": "0.460", "b": "12345678901234567890"}


def test_windows_line_ends_are_read():
    assert as_text(b"a\r\nb\rc", "t") == "a\nb\nc"
