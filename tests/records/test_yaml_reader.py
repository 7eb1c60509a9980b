"""Bytes to data and places: every scalar stays text, and every refusal says where and what would be accepted."""

from __future__ import annotations

import pytest

from metasyn.records.yaml_reader import MAX_BYTES, read_document


def problems(text: str | bytes) -> list[str]:
    raw = text.encode() if isinstance(text, str) else text
    return [str(problem) for problem in read_document(raw, "x.yaml").problems]


def test_scalars_stay_text_and_null_is_none():
    data = read_document(b"a: no\nb: 12:30\nc: 1e3\nd: 0.790\ne: null\nf: ~\ng:\nh: 'null'\n", "x.yaml").data
    assert data == {"a": "no", "b": "12:30", "c": "1e3", "d": "0.790", "e": None, "f": None, "g": None, "h": "null"}


def test_places_are_those_of_the_file():
    document = read_document(b"a: 1\nrows:\n  - {x: 5, y: [7, 8]}\n", "x.yaml")
    assert document.places.of(("a",)) == (1, 4)
    assert document.places.of(("rows", 0, "y", 1)) == (3, 19)
    assert document.places.of(("rows", 0, "y"), key=True) == (3, 12)
    assert document.places.of(("rows", 0, "absent")) == (3, 5)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "x.yaml:1:1: ", "the file is empty"),
        ("# only a comment\n\n", "x.yaml:1:1: ", "the file is empty"),
        (b"\xff\xfea\x00", "x.yaml:1:1: ", "UTF-16"),
        (b"a: 1\nb: M\xfcller\n", "x.yaml:2:5: ", "is not UTF-8 (byte 0xfc)"),
        ("a: b\x07c\n", "x.yaml:1:5: ", "control character (U+0007)"),
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3:1: ", "names the field a a second time (first on line 1)"),
        ("a: &x 1\n", "x.yaml:1:4: ", "has an anchor (&x)"),
        ("a: *x\n", "x.yaml:1:4: ", ""),
        ("a: !!python/object:os.system [x]\n", "x.yaml:1:4: ", "has a tag"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2:1: ", "begins a second document"),
        ("a:\n\tb: 1\n", "x.yaml:2:1: ", "is indented with a tab; accepted: spaces"),
        (
            "time_unit:months\narms: 1\n",
            "x.yaml:1:1: ",
            "has no space after the colon (time_unit:months); accepted: time_unit: months",
        ),
        (
            "title: Induction: then radiation\n",
            "x.yaml:1:",
            "unquoted colon with a space after it (Induction: then radiation); accepted: the text in quotes",
        ),
        (
            "r: {title: Induction: then radiation, y: 1}\n",
            "x.yaml:1:",
            "unquoted colon with a space after it (Induction: then radiation)",
        ),
        (
            "p: >0.05\n",
            "x.yaml:1:",
            'p: >0.05 is not quoted, and > begins a block of text in YAML (>0.05); accepted: ">0.05" in quotes',
        ),
        ("r: {grades: >=3}\n", "x.yaml:1:", "grades: >=3 is not quoted"),
        ("a: {b: 1\nc: 2\n", "x.yaml:1:4: ", "the { here is not closed"),
        ("a: " + "[" * 60 + "]" * 60 + "\n", "x.yaml:1:", "nested deeper than 50"),
    ],
)
def test_refusals(text, place, words):
    found = problems(text)
    assert found, "nothing was reported"
    assert found[0].startswith(place)
    assert words in found[0]
    assert all("accepted: " in line for line in found)


def test_files_over_the_limit_are_refused_unread():
    assert "too large" in problems(b"a" * (MAX_BYTES + 1))[0]


def test_byte_order_mark_is_skipped_with_a_note():
    document = read_document(b"\xef\xbb\xbfa: 1\n", "x.yaml")
    assert document.data == {"a": "1"}
    assert [problem.severity for problem in document.problems] == ["note"]


def test_windows_line_ends_are_read():
    assert read_document(b"a: 1\r\nb: two\r\n", "x.yaml").data == {"a": "1", "b": "two"}


def test_one_run_finds_mistakes_before_and_after_a_syntax_error():
    found = problems("a:1\nb: 2\nc: x: y\nd: >3\nb: 5\n")
    assert [line.split(":")[1] for line in found] == ["1", "3", "4", "5"]


def test_reading_is_linear_in_hostile_text():
    # neither a long line of brackets nor many broken lines may hang the reader
    assert problems("a: " + "{b: " * 45 + "\n")
    assert len(problems("\n".join(f"k{i}:v{i}" for i in range(200)))) <= 60
