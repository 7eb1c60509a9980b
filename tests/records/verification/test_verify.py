"""Looking recorded numbers up in a paper's text."""

from __future__ import annotations

import os
import shutil
import subprocess
from copy import deepcopy
from typing import Any

import pytest

from metasyn.errors import UsageError
from metasyn.records import Study
from metasyn.records.verification import PaperText, paper_text, read_paper, verify

DATA: dict[str, Any] = {
    "format": "1", "id": "x-2024", "reports": {"main": {"year": "2024"}}, "design": {"type": "rct"}, "population": {"disease": "X", "line": "1", "n": "400"},
    "time_unit": "months", "arms": {"a": {"label": "A"}, "b": {"label": "B"}}, "sets": {"main": {"method": "rct", "n": {"a": "203", "b": "197"}}},
    "contrasts": [{"outcome": "OS", "treatment": "a", "comparator": "b", "set": "main", "measure": "HR", "estimate": "0.70", "ci": ["0.54", "0.91"], "p": "0.007", "source": "main: text"}],
    "survival": [
        {"outcome": "OS", "arm": "a", "set": "main", "median": "21.3", "rates": [{"at": "12", "percent": "71.5"}], "source": "main: text"},
        {"outcome": "OS", "arm": "b", "set": "main", "median": "15.8", "rates": [{"at": "12", "percent": "60.2"}], "source": "main: text"},
    ],
    "adverse_events": [
        {"term": term, "grades": "any", "arm": arm, "set": "main", "events": events, "percent": percent, "source": "main: Table 2"}
        for term, arm, events, percent in (
            ("rash", "a", "41", "20.2"), ("rash", "b", "22", "11.2"), ("nausea", "a", "63", "31.0"), ("nausea", "b", "58", "29.4"),
            ("fever", "a", "17", "8.4"), ("fever", "b", "12", "6.1"), ("cough", "a", "33", "16.3"), ("cough", "b", "29", "14.7"),
        )
    ],
    "extraction": {"by": "x", "date": "2026-01-01", "seen": "full-text"},
}  # fmt: skip
TEXT = """Background
In earlier work the ratio was 0.83, which is why this trial was thought worth its while by those who planned it and by those who paid.
Results
Of 400 patients, 203 had A and 197 had B.
Overall survival (OS) was longer with A: median 21\u00b73 vs. 15\u00b78 months; HR 0.70, 95% CI: 0.54\u20130.91; P\u2009=\u2009.007.
At 12 months 71.5% were alive with A and 60.2% with B. Quality of life rose by 4.75 points.
Table 2
| Event | A | B |
| Rash | 41 (20.2) | 22 (11.2) |
| Nausea | 63 (31.0) | 58 (29.4) |
| Fever | 17 (8.4) | 12 (6.1) |
| Cough | 33 (16.3) | 29 (14.7) |
Discussion
The ratio of 0.77 elsewhere is another.
"""


def said(text: str = TEXT, **changes: Any) -> list[tuple[str, tuple[Any, ...]]]:
    data = deepcopy(DATA)
    for path, value in changes.items():
        here: Any = data
        *steps, last = path.split("__")
        for step in steps:
            here = here[int(step)] if step.isdigit() else here[step]
        here[int(last) if last.isdigit() else last] = value
    return [(check, found.loc) for check, found in verify(Study.model_validate(data), PaperText(text), None).found]


def test_every_number_is_found_in_its_other_dress():
    result = verify(Study.model_validate(DATA), PaperText(TEXT), None)
    assert result.found == []
    assert {item.status for item in result.located} == {"printed"}
    assert len(result.located) == 2 + 1 + 4 + 4 + 16  # sets, population, contrast, survival, adverse events


def test_results_that_no_row_uses_are_listed_but_not_those_of_other_sections():
    result = verify(Study.model_validate(DATA), PaperText(TEXT), None)
    assert [token.number for token in result.unused] == ["4.75"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"contrasts__0__estimate": "0.07"}, ("not-printed", ("contrasts", 0, "estimate"))),
        ({"contrasts__0__ci": ["0.45", "0.91"]}, ("not-printed", ("contrasts", 0, "ci", 0))),
        ({"contrasts__0__estimate": "0.7"}, ("printed-with-other-digits", ("contrasts", 0, "estimate"))),
        ({"contrasts__0__estimate": "0.83"}, ("printed-apart", ("contrasts", 0, "estimate"))),
        ({"adverse_events__0__percent": "31.0"}, ("printed-apart", ("adverse_events", 0, "percent"))),
        ({"time_unit": "years"}, ("other-time", ("survival", 1, "median"))),
        ({"survival__0__rates": [{"at": "24", "percent": "71.5"}]}, ("other-time", ("survival", 0, "rates", 0, "at"))),
        ({"adverse_events__0__arm": "b", "adverse_events__1__arm": "a"}, ("arms-reversed", ("adverse_events", 1, "percent"))),
        ({"sets__main__n": {"a": "204", "b": "197"}}, ("not-printed", ("sets", "main", "n", "a"))),
    ],
)  # fmt: skip
def test_what_stands_otherwise_is_told(changes, expected):
    assert expected in said(**changes)


def test_a_slip_gets_the_number_that_stands_there():
    data = deepcopy(DATA)
    data["contrasts"][0]["ci"] = ["0.45", "0.91"]
    ((_, found),) = verify(Study.model_validate(data), PaperText(TEXT), None).found
    assert "perhaps 0.54" in found.message
    assert "»0.54«" in (found.arithmetic or "")


def test_what_the_record_itself_infers_is_not_asked_of_the_paper():
    data = deepcopy(DATA)
    data["contrasts"][0] |= {"p": "0.0123", "inferred": ["p"]}
    assert verify(Study.model_validate(data), PaperText(TEXT), None).found == []


@pytest.mark.parametrize(
    ("raw", "numbers"),
    [
        ("HR 0\u00b779 (0\u00b762\u20131\u00b701)", ["0.79", "0.62", "1.01"]),
        ("P<.001, n = 1,204", ["0.001", "1204"]),
        ("PD-1 or PD-L1 in T3-4, CD8, IL6", ["4"]),
        ("Sixty-three patients; one had none", ["63", "1"]),
        ("12\u202f345 and 7", ["12", "345", "7"]),
        ("e\ufb03cacy of 5\u00ad6 mg", ["56"]),
        ("3.5.1 is a section", []),
    ],
)  # fmt: skip
def test_numbers_of_a_text(raw, numbers):
    assert [token.number for token in PaperText(raw).tokens] == numbers


def test_a_file_that_is_no_paper_is_refused_in_words(tmp_path):
    for name, content, said_ in (
        ("a.txt", b"ab\0cd 1.5", "neither text nor PDF"),
        ("b.txt", b"no digits", "no numbers"),
        ("c.pdf", b"%PDF-1.4 broken", "cannot be read by pdftotext"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        if name == "c.pdf" and shutil.which("pdftotext") is None:
            said_ = "pdftotext is not installed"
        with pytest.raises(UsageError, match=said_):
            read_paper(path)
    with pytest.raises(UsageError, match="is not a file"):
        read_paper(tmp_path / "none.txt")


def test_a_text_that_is_not_utf_8_is_read_all_the_same(tmp_path):
    (tmp_path / "latin.txt").write_bytes("HR 0.70 (0.54\u20130.91), Höhe".encode("cp1252", errors="replace"))
    assert "0.70" in read_paper(tmp_path / "latin.txt").places


def test_a_pdf_is_read_by_pdftotext_within_its_time(tmp_path, monkeypatch):
    if shutil.which("pdftotext") is None:
        expected = "METASYN_EXPECT_PDFTOTEXT" in os.environ
        (pytest.fail if expected else pytest.skip)(
            "pdftotext (poppler-utils) is needed to read a PDF; .ci/run installs it"
        )
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with mpl.rc_context({"pdf.fonttype": 42}):
        figure = plt.figure()
        figure.text(0.1, 0.5, "Overall survival: HR 0.70, 95% CI 0.54 to 0.91")
        figure.savefig(tmp_path / "paper; touch pwned.pdf")
        plt.close(figure)
    path = tmp_path / "paper; touch pwned.pdf"
    assert {"0.70", "0.54", "0.91"} <= set(read_paper(path).places)

    def slow(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(paper_text.subprocess, "run", slow)
    with pytest.raises(UsageError, match="more than 60 s"):
        read_paper(path)


def test_the_command_prints_what_is_wrong_and_exits_with_1(run, project, tmp_path):
    project.record("a-2024")
    paper = tmp_path / "paper.txt"
    paper.write_text("Overall survival HR 0.70 (95% CI 0.54-0.91); 200 and 200 patients.", encoding="utf-8")
    code, out, _ = run("verify", "a-2024", "--text", paper, cwd=project.root)
    assert (code, "5 numbers; 5 printed where they belong" in out) == (0, True)
    paper.write_text("Overall survival HR 0.71 (95% CI 0.54-0.91); 200 and 200 patients.", encoding="utf-8")
    code, out, _ = run("verify", "a-2024", "--text", paper, cwd=project.root)
    assert code == 1
    assert "evidence/studies/a-2024.yaml:15:91: contrasts[0].estimate: is not in the text (0.70)" in out
    assert "perhaps 0.71" in out
    project.record(
        "a-2024", extra="accepted: [{check: not-printed, path: 'contrasts[0].estimate', why: in Figure 2}]\n"
    )
    assert run("verify", "a-2024", "--text", paper, cwd=project.root)[0] == 0
    assert run("verify", "a-2025", "--text", paper, cwd=project.root)[0] == 2
    assert run("verify", "a-2024", cwd=project.root)[0] == 2
