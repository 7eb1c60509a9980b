"""Digitisers' CSV files: what is read, what is changed, and how faults are told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import metasyn as ms
from metasyn.errors import EvidenceError, UsageError
from metasyn.evidence import Evidence
from metasyn.evidence.curves import read_curve_arms, read_curve_file

TIME, SURVIVAL = [0, 6, 12, 24], [1, 0.8, 0.55, 0.3]


def write(tmp_path, text: str | bytes, name: str = "a.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def faults(path, **options) -> list[str]:
    with pytest.raises(EvidenceError) as caught:
        read_curve_arms(path, name="a.csv", **options)
    return [str(problem) for problem in caught.value.problems]


PLAIN = {
    "webplotdigitizer": "0, 1\n6, 0.8\n12, 0.55\n24, 0.3\n",
    "header": "time,survival\n0,1\n6,0.8\n12,0.55\n24,0.3\n",
    "other words": "Months since randomisation,Overall survival probability\n0,1\n6,0.8\n12,0.55\n24,0.3\n",
    "short words": "t,S(t)\n0,1\n6,0.8\n12,0.55\n24,0.3\n",
    "columns turned": "survival,time\n1,0\n0.8,6\n0.55,12\n0.3,24\n",
    "one data set": "Default Dataset,\nX, Y\n0, 1\n6, 0.8\n12, 0.55\n24, 0.3\n",
    "tabs and comments": "# DigitizeIt\n# curve 1\nx\ty\n0\t1\n6\t0.8\n12\t0.55\n24\t0.3\n",
    "spaces": "0 1\n6   0.8\n12 0.55\n24 0.3\n",
    "marks, windows lines, blank lines": "\ufefftime,survival\r\n\r\n0,1\r\n6,0.8\r\n12,0.55\r\n24,0.3\r\n,\r\n",
    "old mac lines": "time,survival\r0,1\r6,0.8\r12,0.55\r24,0.3",
    "quoted": '"time","survival"\n"0","1"\n"6","0.8"\n"12","0.55"\n"24","0.3"\n',
    "exponents": "0e0,1e0\n6E0,8e-1\n1.2e1,5.5e-1\n24,.3\n",
}


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
def test_the_usual_files_are_read_unchanged(tmp_path, text):
    curve = read_curve_file(write(tmp_path, text))
    assert_allclose(curve.time, TIME)
    assert_allclose(curve.survival, SURVIVAL)
    assert curve.changes == ()


@pytest.mark.parametrize(
    "text",
    ["Zeit t;survival\n0;1\n6;0,8\n12;0,55\n24;0,3\n", "0\t1\n6,0\t0,8\n12\t0,55\n24\t0,3\n", "0 1,0\n6 0,8\n12 0,55\n24 0,3\n"],
    ids=["semicolons", "tabs", "spaces"],
)  # fmt: skip
def test_decimal_commas_are_read_and_said(tmp_path, text):
    curve = read_curve_file(write(tmp_path, text.replace("Zeit t", "time")))
    assert_allclose(curve.survival, SURVIVAL)
    assert curve.changes == ("decimal commas read as decimal points",)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("time,survival (%)\n", "divided by 100"),
        ("time,percent surviving\n", "divided by 100"),
        ("# survival: percent\ntime,s\n", "divided by 100"),
        ("time,survival\n", "each curve begins at 100"),
        ("", "each curve begins at 100"),
    ],
)
def test_percent_is_read_and_said(tmp_path, head, said):
    curve = read_curve_file(write(tmp_path, head + "0,100\n6,80\n12,55\n24,30\n"))
    assert_allclose(curve.survival, SURVIVAL)
    assert any(said in change for change in curve.changes)


@pytest.mark.parametrize(
    "text",
    [
        "# unit: months\ntime,survival\n0,1\n12,0.8\n",
        "# time unit = months\n0,1\n12,0.8\n",
        "# time in months\n0,1\n12,0.8\n",
        "# months\n0,1\n12,0.8\n",
        "time (months),survival\n0,1\n12,0.8\n",
        "Months,survival\n0,1\n12,0.8\n",
        "time,survival,unit\n0,1,months\n12,0.8,mo\n",
    ],
)
def test_units_are_converted_and_said(tmp_path, text):
    path = write(tmp_path, text)
    curve = read_curve_file(path, time_unit="days")
    assert_allclose(curve.time, [0, 365.25])
    assert curve.changes == ("times converted from months to days (times 30.4375)",)
    assert_allclose(read_curve_file(path, time_unit="years").time, [0, 1])
    assert_allclose(read_curve_file(path, time_unit="weeks").time, [0, 365.25 / 7])
    assert read_curve_file(path, time_unit="months").changes == ()
    assert_allclose(read_curve_file(path).time, [0, 12])


def test_a_file_without_unit_is_in_the_record_s(tmp_path):
    assert_allclose(read_curve_file(write(tmp_path, PLAIN["header"]), time_unit="years").time, TIME)


PAIRS = "Drug A,,Control,\nX,Y,X,Y\n0,1,0,1\n6,0.8,6,0.7\n12,0.6,,\n"
LONG = "arm,time,survival\nDrug A,0,1\nControl,0,1\nDrug A,6,0.8\nControl,6,0.7\nDrug A,12,0.6\n"


@pytest.mark.parametrize("text", [PAIRS, LONG], ids=["pairs of columns", "arm column"])
def test_several_arms_in_one_file(tmp_path, text):
    path = write(tmp_path, text)
    arms = read_curve_arms(path)
    assert list(arms) == ["Drug A", "Control"]
    assert_allclose(arms["Drug A"].survival, [1, 0.8, 0.6])
    assert_allclose(arms["Control"].survival, [1, 0.7])
    assert_allclose(read_curve_file(path, arm="control").survival, [1, 0.7])
    assert_allclose(read_curve_file(path, arm=["drug", "drug  a"]).survival, [1, 0.8, 0.6])
    with pytest.raises(EvidenceError, match="no curve of placebo; accepted: Drug A, Control"):
        read_curve_file(path, arm="placebo")
    with pytest.raises(EvidenceError, match="2 curves and no arm is asked for"):
        read_curve_file(path)


def test_the_only_curve_of_a_digitiser_is_taken_but_not_that_of_another_arm(tmp_path):
    curve = read_curve_file(write(tmp_path, PLAIN["one data set"]), arm="drug")
    assert_allclose(curve.survival, SURVIVAL)
    with pytest.raises(EvidenceError, match="no curve of drug"):
        read_curve_file(write(tmp_path, "arm,time,survival\ncontrol,0,1\ncontrol,6,0.7\n"), arm="drug")


def test_columns_that_are_not_read_are_said(tmp_path):
    curve = read_curve_file(write(tmp_path, "row,time,survival\n1,0,1\n2,6,0.8\n"))
    assert curve.changes == ("columns that are not read: row",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("time,survival\n0,1\n6,57\n12,0.4\n", "a.csv:3:3: survival: is above 1 (57) in a curve that begins at 1; accepted"),
        ("time,survival\n0,57\n6,40\n", "a.csv:2:3: survival: is above 1 (57) in a curve that begins at 57; accepted"),
        ("time,survival\n0,1\n6,1.2\n12,0.4\n", "a.csv:3:3: survival: is above 1 (1.2); accepted"),
        ("time,survival\n0,1\n6,-0.2\n", "a.csv:3:3: survival: is below 0 (-0.2); accepted"),
        ("time,percent\n0,1\n6,0.8\n", "a.csv:2:3: survival: is the largest survival (1) of a column called percent"),
        ("time,percent\n0,100\n6,120\n", "a.csv:3:3: survival: is above 100 (120)"),
        ("# c\ntime,survival\n0,1\n6,0.5\n12,0.8\n18,0.4\n", "a.csv:5:4: survival: survival rises by 0.3"),
        ("time,survival\n0,1\n", "one point (0); accepted: at least two times"),
        ("time,survival\n3,1\n3,0.4\n", "points at one time only (3)"),
        ("time,survival\n-6,1\n3,0.4\n", "a.csv:2:1: time: is a negative time (-6); accepted: from 0"),
        ("time,survival\n0,1\n6,\n", "a.csv:3:3: survival: is empty; accepted: a number"),
        ("time,survival\n0,1\n6,NaN\n", "a.csv:3:3: survival: is not a finite number (NaN)"),
        ("time,survival\n0,1\n6,1e999\n", "a.csv:3:3: survival"),
        ("time,survival\n0,1\n6,57%\n", "a.csv:3:3: survival: has a percent sign (57%)"),
        ('time,survival\n0,1\n"1,234",0.5\n', "a.csv:3:1: time: has a comma inside a number (1,234)"),
        ("time;survival\n0;1\n1.234,5;0.5\n", "a.csv:3:1: time: has a comma inside a number"),
        ("1,5,0,98\n2,5,0,90\n", "Decimal commas? Put semicolons"),
        ("time,survival\n1,5,0,98\n", "a.csv:2:5: has 4 values under 2 headers"),
        ("time,drug,control\n0,1,1\n", "a.csv:1:1: names no column of survival"),
        ("time,survival,survival 2\n0,1,1\n", "a.csv:1:15: survival: is a second column of survival"),
        ("time,survival\n", "a.csv:1:1: is a header without points"),
        ("", "a.csv:0:1: holds no points"),
        ("# nothing\n\n", "holds no points"),
        ("time (months),survival,unit\n0,1,days\n6,0.8,days\n", "a.csv:2:5: unit: says days where the file said months before"),
        ("# unit: fortnights\n0,1\n6,0.8\n", "a.csv:1:1: unit: is not a unit of time (fortnights)"),
        ("time,survival,arm\n0,1,a\n6,0.8,\n", "a.csv:3:7: arm: is empty"),
        ("A,,A,\nX,Y,X,Y\n0,1,0,1\n", "a.csv:1:4: arm: names two data sets (A)"),
        ("time,survival\n0,1\n6,0.8\0\n", "a.csv:3:1: is not a text file"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_line_column_value_and_what_is_accepted(tmp_path, text, expected):
    found = faults(write(tmp_path, text))
    assert any(expected in message for message in found), found
    assert all("accepted" in message or "not listed" in message for message in found)


def test_bytes_that_are_not_utf_8_are_refused(tmp_path):
    assert "a.csv:2:1: is not UTF-8 (byte 0xe9)" in faults(write(tmp_path, b"time,survival\n\xe9,1\n"))[0]
    assert "UTF-16" in faults(write(tmp_path, "time,survival\n0,1\n".encode("utf-16")))[0]


def test_a_file_over_the_limit_is_refused_and_what_fits_is_read(tmp_path):
    line = b"12.345678,0.512345\n"
    assert "too large" in faults(write(tmp_path, line * 1_000_000))[0]
    time = np.linspace(0, 60, 200_000)
    text = "\n".join(f"{t:.5f},{s:.5f}" for t, s in zip(time, np.exp(-time / 20), strict=True))
    assert read_curve_file(write(tmp_path, text)).n_points_given == 200_000


def test_many_faults_are_not_all_listed(tmp_path):
    found = faults(write(tmp_path, "time,survival\n" + "0,x\n" * 500))
    assert len(found) == 21
    assert "479 more problems" in found[-1]


def test_a_missing_file_and_an_unknown_unit_are_told(tmp_path):
    assert faults(tmp_path / "none.csv") == ["a.csv:0:1: is not there; accepted: a CSV file"]
    with pytest.raises(UsageError, match="fortnights"):
        read_curve_file(write(tmp_path, PLAIN["header"]), time_unit="fortnights")


PIECES = st.lists(
    st.sampled_from(["time", "survival", "%", ",", ";", "\t", " ", "\n", "\r\n", "#", '"', "X", "Y", "unit: days", "months",
                     "0", "1", "0.5", "57", "1e308", "-1e308", "1,5", "-3", "nan", "arm", "A", "\0", "\ufeff", "１", "_"]),
    max_size=40,
)  # fmt: skip


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    raw=st.binary(max_size=80) | PIECES.map(lambda pieces: "".join(pieces).encode()),
    unit=st.sampled_from([None, "years", "days"]),
)
def test_any_bytes_give_curves_or_problems(tmp_path, raw, unit):
    try:
        arms = read_curve_arms(write(tmp_path, raw), time_unit=unit)
    except EvidenceError:
        return
    for curve in arms.values():
        assert (np.diff(curve.survival) <= 0).all()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.tuples(st.floats(-1, 40, width=16), st.floats(-0.125, 120, width=16)), max_size=8),
    mark=st.sampled_from([",", ";", "\t", " "]),
    head=st.sampled_from(["", "time{}survival\n", "months{}percent\n"]),
)
def test_any_numbers_give_curves_or_problems(tmp_path, rows, mark, head):
    text = head.format(mark) + "\n".join(f"{t}{mark}{s}" for t, s in rows)
    try:
        arms = read_curve_arms(write(tmp_path, text), time_unit="days")
    except EvidenceError:
        return
    assert len(arms) == 1


SURVIVAL_ROWS = """
survival:
  - {outcome: OS, arm: drug, set: main, median: 15.53, median_ci: [12.1, not-reached], events: 58, rates: [{at: 12, percent: 58.1, ci: [50.0, 66.2]}, {at: 24, percent: <5}], curve: os.csv, at_risk: [{at: 0, n: 200}, {at: 12, n: 96}], cutoff: final, source: "main: Fig 1"}
  - {outcome: OS, arm: control, set: main, n: 190, median: not-reached, curve: os.csv, source: "main: Fig 1"}
  - {outcome: PFS, arm: drug, set: main, median: 6, source: "main: Fig 2"}
cutoffs: {final: {median_follow_up: 20.5, follow_up_method: reverse Kaplan-Meier, source: "main: Methods"}}
"""
FILE = "arm,years,survival\ndrug,0,1\ndrug,1,0.581\ncontrol,0,1\ncontrol,1,0.6\n"


@pytest.fixture
def evidence(project):
    project.record("a-2024", extra=SURVIVAL_ROWS)
    project.write("evidence/curves/os.csv", FILE)
    return ms.load_evidence(project.root)


def test_curves_come_in_the_record_s_unit_with_their_numbers_at_risk(evidence):
    frame = evidence.curves(outcome="OS")
    assert frame["arm"].tolist() == ["drug", "control"]
    assert frame["n"].tolist() == [200, 190]
    assert_allclose(frame["curve"][0].time, [0, 12])
    assert frame["at_risk"][0]["n"].tolist() == [200, 96]
    assert frame["at_risk"][1] is None
    assert evidence.curves(outcome="PFS").empty
    assert len(evidence.curves(study="a-2024")) == 2
    with pytest.raises(UsageError, match="a-2024"):
        evidence.curves(study="a-2042")


def test_faults_of_curve_files_are_told_with_their_names(evidence, project):
    project.write("evidence/curves/os.csv", FILE.replace("0.6", "57"))
    with pytest.raises(EvidenceError) as caught:
        evidence.curves()
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column) == ("evidence/curves/os.csv", 5, 11)


def test_curves_without_their_folder_are_refused(evidence):
    with pytest.raises(UsageError, match="folder of curves"):
        Evidence(evidence.records).curves()


def test_summaries_hold_what_is_printed(evidence):
    frame = evidence.summaries(outcome="OS")
    drug, control = frame.to_dict("records")
    assert (drug["median"], drug["median_reached"], drug["median_ci_low"], drug["median_decimals"]) == (
        15.53,
        True,
        12.1,
        2,
    )
    assert np.isnan(drug["median_ci_high"])
    assert_allclose(drug["rates"], [(12, 0.581, 0.5, 0.662)])
    assert drug["rate_decimals"] == (3,)
    assert drug["not_read"] == "survival at 24: <5"
    assert (drug["n"], drug["events"], drug["follow_up"], drug["time_unit"]) == (200, 58, 20.5, "months")
    assert np.isnan(control["median"])
    assert not control["median_reached"]
    assert control["n"] == 190
    assert len(evidence.summaries(study="a-2024")) == 3
