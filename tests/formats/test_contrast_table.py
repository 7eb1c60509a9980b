"""The contrast table: every digit there and back, every bad cell named."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from transfers import loaded, made_project, stated, vocabulary

from metasyn.errors import EvidenceError
from metasyn.evidence import Evidence
from metasyn.formats.contrast_columns import LONG_COLUMNS, WIDE_COLUMNS
from metasyn.formats.contrast_export import arm_table, contrast_table, effects_of
from metasyn.formats.contrast_table import read_contrast_table
from metasyn.records import find_layout, load_records

ROOT = Path(__file__).parents[2]
SAME = [
    "effect",
    "se",
    "se_low",
    "se_high",
    "how",
    "level",
    "n_treatment",
    "n_comparator",
    "events_treatment",
    "events_comparator",
]
KEY = ["study", "outcome", "arm_treatment", "arm_comparator", "disease", "line", "biomarker", "time_origin", "body"]


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return vocabulary(tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="module")
def base() -> Evidence:
    layout = find_layout(ROOT)
    return Evidence(load_records(layout), curves=layout.curves)


def table(*rows: dict[str, str]) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


ROW = {"study": "Able 2001", "outcome": "OS", "treatment": "A", "comparator": "B", "measure": "HR", "estimate": "0.70", "ci_low": "0.540", "ci_high": "0.91"}  # fmt: skip


def test_effects_of_the_evidence_base_come_back_from_a_table_to_the_last_digit(base, tmp_path):
    before = effects_of(base, base.vocabulary.outcomes)
    text = contrast_table(base, before)
    facts = stated(base.vocabulary, disease=None, line=None, design=None, time_unit=None, method=None, time_origin=None)
    drafts = read_contrast_table(text.encode(), "table.csv", facts)
    words = (ROOT / "evidence" / "vocabulary.yaml").read_bytes()
    after = effects_of(loaded(made_project(tmp_path / "made", drafts, words)), base.vocabulary.outcomes)
    one, two = (
        frame.fillna({"biomarker": "-", "time_origin": "-"}).set_index(KEY).sort_index() for frame in (before, after)
    )
    assert len(one) > 80
    assert list(one.index) == list(two.index)
    for name in SAME:
        assert (
            one[name].astype(object).where(one[name].notna(), None).tolist()
            == two[name].astype(object).where(two[name].notna(), None).tolist()
        ), name


def test_a_table_of_arms_comes_back_with_every_count(base, tmp_path):
    before = effects_of(base, ["ORR", "AE>=3"])
    facts = stated(base.vocabulary, disease=None, line=None, design=None, time_unit=None, method=None, time_origin=None)
    drafts = read_contrast_table(arm_table(base, before).encode(), "arms.csv", facts)
    words = (ROOT / "evidence" / "vocabulary.yaml").read_bytes()
    after = effects_of(loaded(made_project(tmp_path / "made", drafts, words)), ["ORR", "AE>=3"])
    one, two = (
        frame.fillna({"biomarker": "-", "time_origin": "-"}).set_index(KEY).sort_index() for frame in (before, after)
    )
    shared = one.index.intersection(two.index)
    assert len(shared) == len(one)
    assert one.loc[shared, "effect"].tolist() == two.loc[shared, "effect"].tolist()
    assert one.loc[shared, "se"].tolist() == two.loc[shared, "se"].tolist()


def test_printed_text_stays_as_typed(words):
    (draft,) = read_contrast_table(table(ROW | {"p": "<0.001", "level": "0.99"}), "t.csv", stated(words))
    assert "estimate: 0.70, ci: [0.540, 0.91], level: 0.99, p: <0.001" in draft.text


def test_a_record_from_a_table_loads_and_what_is_missing_is_listed(words):
    (draft,) = read_contrast_table(table(ROW), "t.csv", stated(words))
    assert draft.problems(words) == []
    assert [one.split(":")[0] for one in draft.missing] == ["arms.a.strategy", "arms.b.strategy"]
    (draft,) = read_contrast_table(
        table(ROW), "t.csv", stated(words, disease=None, design=None, by=None, time_unit=None)
    )
    assert {"design.type", "population.disease", "extraction.by", "time_unit"} <= {
        one.split(":")[0] for one in draft.missing
    }
    assert "population: {disease: , line: 1}" in draft.text
    assert any("population.disease" in problem.path for problem in draft.problems(words))


@pytest.mark.parametrize(
    ("change", "column", "said"),
    [
        ({"estimate": "0,70"}, "estimate", "decimal comma (0,70); accepted: a decimal point, 0.70"),
        ({"estimate": "about 0.7"}, "estimate", "is not a number (about 0.7)"),
        ({"ci_low": "0.54-0.91"}, "ci_low", "is a range (0.54-0.91)"),
        ({"measure": "hazard"}, "measure", "is not one of the words for it (hazard); accepted: 'HR'"),
        ({"treatment_n": "98.5"}, "treatment_n", "is not a whole number of 0 or more (98.5)"),
        ({"level": "95"}, "level", "accepted: 0.95"),
        ({"p": "p<0.05"}, "p", "without '=' or a letter"),
        ({"id": "Able 2001"}, "id", "is not an id (Able 2001)"),
        ({"doi": "none"}, "doi", "is not a DOI (none)"),
        ({"url": "javascript:alert(1)"}, "url", "is not an https address"),
        ({"treatment_strategy": "A > > B"}, "treatment_strategy", "accepted"),
        ({"se": "0", "effect": "0.1"}, "se", "is not above 0 (0)"),
        ({"ci_high": ""}, "ci_low", "gives one limit of an interval"),
        ({"comparator": "A"}, "comparator", "is the treatment arm itself (A)"),
        ({"outcome": ""}, "outcome", "is empty (outcome)"),
    ],
)  # fmt: skip
def test_a_bad_cell_is_named_with_line_column_value_and_what_is_accepted(change, column, said, words):
    good = {name: ROW.get(name, "") for name in [*ROW, *change]}
    with pytest.raises(EvidenceError) as caught:
        read_contrast_table(table(good, good | change), "t.csv", stated(words))
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.path) == ("t.csv", 3, column)
    assert said in problem.message
    assert "accepted" in problem.message


def test_all_bad_cells_are_named_at_once(words):
    with pytest.raises(EvidenceError) as caught:
        read_contrast_table(
            table(ROW | {"estimate": "x"}, ROW, ROW | {"estimate": "y", "ci_low": "z"}), "t.csv", stated(words)
        )
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [(2, 6), (4, 6), (4, 7)]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"study,outcome,treatment,comparator,estimte\nA,OS,a,b,1\n", "did you mean estimate?"),
        (b"study,outcome,treatment,comparator,estimate,estimate\nA,OS,a,b,1,1\n", "names a column twice"),
        (b"study,outcome\nA,OS\n", "lacks columns (treatment, comparator)"),
        (b"study,outcome,treatment,comparator\nA,OS,a\n", "has 3 cells, and the head line 4"),
        (b"study,outcome,treatment,comparator\n", "no rows"),
        (b'study,outcome,treatment,comparator\n"A"x,OS,a,b\n', "cannot be read as CSV"),
        (b"study,outcome,treatment,comparator,effect,se\nA,OS,a,b,0.1,0.2\n", "an effect without its measure"),
    ],
)
def test_a_table_that_is_none_is_refused(raw, said, words):
    with pytest.raises(EvidenceError, match=r".") as caught:
        read_contrast_table(raw, "t.csv", stated(words))
    assert said in str(caught.value)


def test_tables_of_netmeta_and_cinema_are_read_with_the_outcome_and_measure_that_a_person_states(tmp_path, words):
    netmeta = b"study,treat1,treat2,TE,seTE\nAble,A,B,-0.35667494393873245,0.13\n"
    cinema = b"id,t1,t2,effect,se,rob,indirectness\n1,A,B,-0.35667494393873245,0.13,1,2\n"
    for number, raw in enumerate((netmeta, cinema)):
        drafts = read_contrast_table(raw, "t.csv", stated(words, outcome="OS", measure="HR"))
        row = loaded(made_project(tmp_path / str(number), drafts)).effects(outcome="OS").iloc[0]
        # through a ratio and an interval and back: two roundings of a double
        assert_allclose([row["effect"], row["se"]], [-0.35667494393873245, 0.13], rtol=1e-14)
        assert row["inferred"] == "estimate, ci"
        assert "computed from the effect and its standard error" in drafts[0].text


def test_semicolons_tabs_and_a_byte_order_mark_are_read(words):
    for separator in (";", "\t"):
        raw = b"\xef\xbb\xbf" + table(ROW).replace(b",", separator.encode())
        assert len(read_contrast_table(raw, "t.csv", stated(words))) == 1


def test_rows_of_one_study_are_one_record_and_equal_names_of_other_studies_are_told_apart(words):
    drafts = read_contrast_table(
        table(ROW, ROW | {"outcome": "PFS"}, ROW | {"study": "Äble 2001!"}), "t.csv", stated(words)
    )
    assert [draft.id for draft in drafts] == ["able-2001", "able-2001-2"]


def test_rows_that_contradict_each_other_on_the_study_are_refused(words):
    with pytest.raises(EvidenceError, match="differs between rows of able-2001"):
        read_contrast_table(
            table(ROW | {"design": "rct"}, ROW | {"design": "single-arm", "outcome": "PFS"}), "t.csv", stated(words)
        )


@pytest.mark.parametrize(
    ("column", "group"), [("cutoff_date", {"cutoff": "final"}), ("title", {}), ("doi", {"report": "main"})]
)
def test_rows_that_contradict_each_other_on_a_cutoff_or_a_publication_are_refused(column, group, words):
    one, two = ("2024-01-01", "2025-01-01") if column == "cutoff_date" else ("10.1000/a", "10.1000/b")
    with pytest.raises(EvidenceError, match="differs between rows of the") as caught:
        read_contrast_table(
            table(ROW | group | {column: one}, ROW | group | {"outcome": "PFS", column: two}), "t.csv", stated(words)
        )
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [(3, column)]


def test_arms_of_one_label_are_one_unless_their_strategies_differ(words):
    rows = [
        ROW | {"treatment_strategy": text, "outcome": outcome}
        for text, outcome in (("", "OS"), ("drug-a", "PFS"), ("standard", "death"))
    ]
    (draft,) = read_contrast_table(table(*rows), "t.csv", stated(words))
    assert "  a: {label: A, strategy: drug-a}\n  a-2: {label: A, strategy: standard}\n" in draft.text


def test_an_effect_that_a_question_turns_round_is_exported_as_its_record_has_it(project, tmp_path):
    project.record(
        "study-a",
        replace=(
            "treatment: drug, comparator: control, set: main, measure: HR",
            "treatment: control, comparator: drug, set: main, measure: HR",
        ),
    )
    evidence = loaded(project.root)
    effects = effects_of(evidence, ["OS"], {"comparison": "new"})
    assert effects["reversed"].tolist() == [True]
    text = contrast_table(evidence, effects)
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["treatment_arm"], row["estimate"], float(row["effect"])) == ("control", "0.70", -effects["effect"][0])
    words = (project.root / "evidence" / "vocabulary.yaml").read_bytes()
    drafts = read_contrast_table(text.encode(), "t.csv", stated(evidence.vocabulary))
    back = effects_of(loaded(made_project(tmp_path / "made", drafts, words)), ["OS"], {"comparison": "new"})
    assert back[["effect", "se", "arm_treatment", "n_treatment"]].equals(
        effects[["effect", "se", "arm_treatment", "n_treatment"]]
    )


def test_long_tables_pair_arms_by_role_and_ask_where_none_is_given(tmp_path, words):
    rows = [
        {"study": "S", "outcome": "stay", "arm": arm, "role": role, "mean": mean, "sd": sd, "n": n, "measure": "MD"}
        for arm, role, mean, sd, n in (("A", "treatment", "5.0", "4.7", "13"), ("B", "comparator", "6.5", "3.8", "14"))
    ]
    effects = loaded(
        made_project(tmp_path / "made", read_contrast_table(table(*rows), "t.csv", stated(words)))
    ).effects(outcome="stay", measure="MD")
    assert_allclose([effects["effect"][0], effects["se"][0]], [-1.5, math.sqrt(4.7**2 / 13 + 3.8**2 / 14)], rtol=1e-12)
    (draft,) = read_contrast_table(table(*[row | {"role": ""} for row in rows]), "t.csv", stated(words))
    assert any("which arm is compared with which" in one for one in draft.missing)


def test_every_column_is_documented():
    page = (ROOT / "docs" / "import-export.md").read_text(encoding="utf-8")
    for column in (*WIDE_COLUMNS, *LONG_COLUMNS):
        assert f"`{column.name}`" in page, column.name
        assert column.meaning


TEXTS = st.text(
    st.characters(blacklist_characters="\0\r", blacklist_categories=("Cs",)), max_size=30
)  # the bare ones are refused: no CSV


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    label=TEXTS,
    note=TEXTS,
    estimate=st.decimals(min_value="0.01", max_value="9.99", places=3).map(str),
)
def test_whatever_stands_in_a_text_the_record_loads_and_keeps_its_figure(label, note, estimate, words):
    row = ROW | {"treatment": f"x{label}", "note": f"n{note}", "estimate": estimate, "ci_low": "0.001", "ci_high": "99"}
    (draft,) = read_contrast_table(table(row), "t.csv", stated(words))
    assert draft.problems(words) == []
    assert f"estimate: {estimate}" in draft.text
