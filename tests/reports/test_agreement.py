"""Every output of a report says the same: one changed digit in any carrier is found."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_report import made_report

from metasyn.plots import forest
from metasyn.plots.forest_blocks import ForestBlock, ForestRow
from metasyn.reports.building.drawing import drawn_texts
from metasyn.reports.documents.agreement import ReportError, disagreements, require_agreement
from metasyn.reports.documents.agreement_expected import findings, headlines, leagues, overview
from metasyn.reports.documents.page_tree import page_tree


def other_digit(text: str, place: int = -1) -> str:
    """A text with one digit changed."""
    digits = [match.start() for match in re.finditer(r"\d", text)]
    at = digits[place]
    return text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]


def checked(files=None, texts=None):
    made = made_report()
    return disagreements(made.content, {**made.files, **(files or {})}, {**made.texts, **(texts or {})})


def in_zip(raw: bytes, member: str, old: str, new: str) -> bytes:
    """An archive with the first occurrence of a text in one member replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(out, "w") as target:
        assert member in source.namelist()
        for name in source.namelist():
            content = source.read(name)
            if name == member:
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode(), 1)
            target.writestr(name, content)
    return out.getvalue()


def test_a_report_as_built_agrees_with_itself():
    assert checked() == []


def test_what_is_expected_of_a_report_is_not_nothing():
    content = made_report().content
    assert len(overview(content)) == 3  # two designs of one outcome, and an outcome without a figure
    assert [one.sentence.split(". ")[0] for one in headlines(content)] == [
        "condition-x, line 1, from randomisation (randomised): 5 studies",
        "condition-x, line 1, from randomisation (not randomised): one study, Author A 2024",
    ]
    assert [len(one.cells) for one in leagues(content)] == [
        3,
        0,
    ]  # three strategies in pairs; the other network is not ranked
    assert any("per 1000" in words for one in findings(content) for words in one.words)


@pytest.mark.parametrize("row", [0, 1])
def test_a_digit_of_the_overview_of_the_page_is_found(row):
    html = made_report().html
    result = overview(made_report().content)[row][1]
    start = html.index('id="overview"')
    at = html.index(f">{result}<", start)
    changed = html[:at] + html[at:].replace(result, other_digit(result), 1)
    assert any("index.html, results at a glance" in line for line in checked({"index.html": changed.encode()}))


@pytest.mark.parametrize("row", [0, 1])
def test_a_digit_of_the_answer_in_brief_is_found(row):
    html = made_report().html
    result = overview(made_report().content)[row][1]
    at = html.index(result, html.index('id="brief"'))
    changed = html[:at] + html[at:].replace(result, other_digit(result), 1)
    assert any("the answer in brief: says" in line for line in checked({"index.html": changed.encode()}))


@pytest.mark.parametrize("column", [4, 5, 6])
def test_studies_prediction_interval_and_i2_of_the_overview_are_held_to_the_result(column):
    html, text = made_report().html, overview(made_report().content)[0][column]
    start = html.index('id="overview"')
    at = html.index(f">{text}", start)
    changed = html[:at] + html[at:].replace(text, other_digit(text), 1)
    assert any("results at a glance, row 1" in line for line in checked({"index.html": changed.encode()}))


def test_a_digit_of_a_sentence_of_the_page_is_found():
    html, one = made_report().html, headlines(made_report().content)[0]
    start = html.index(f'id="{one.anchor}"')
    at = html.index("5 studies. ", start)
    changed = html[:at] + html[at:].replace("5 studies. ", "6 studies. ", 1)
    assert any("does not say" in line for line in checked({"index.html": changed.encode()}))


def test_a_digit_of_the_words_of_a_figure_is_found():
    html, one = made_report().html, headlines(made_report().content)[0]
    words = one.alternative[-1]
    assert words in html
    changed = html.replace(words, other_digit(words))
    assert any("words of the figure" in line for line in checked({"index.html": changed.encode()}))


def test_an_estimate_used_that_is_printed_otherwise_is_found():
    html, one = made_report().html, headlines(made_report().content)[0]
    printed = one.printed[0]
    changed = html.replace(f">{printed}<", f">{other_digit(printed)}<")
    assert changed != html
    assert any("estimates used" in line for line in checked({"index.html": changed.encode()}))


CHANGED_COLUMNS = [
    ("tables/pools.csv", "estimate"), ("tables/pools.csv", "ci_low"), ("tables/pools.csv", "i2"), ("tables/pools.csv", "k"),
    ("tables/pools.csv", "pi_high"), ("tables/network-league.csv", "estimate"), ("tables/network-league.csv", "ci_high_displayed"),
    ("tables/summary-of-findings.csv", "difference"), ("tables/summary-of-findings.csv", "ci_low_displayed"), ("tables/summary-of-findings.csv", "participants"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "column"), CHANGED_COLUMNS)
def test_a_digit_of_a_table_is_found(file, column):
    head, *rows = csv.reader(io.StringIO(made_report().files[file].decode()))
    place = head.index(column)
    rows[0][place] = other_digit(rows[0][place])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([head, *rows])
    assert any(line.startswith(f"{file}, row 1, {column}") for line in checked({file: out.getvalue().encode()}))


def test_a_missing_row_and_a_missing_table_are_found():
    raw = made_report().files["tables/pools.csv"]
    assert any("rows" in line for line in checked({"tables/pools.csv": raw[: raw.rindex(b"\n", 0, -1) + 1]}))
    files = {name: raw for name, raw in made_report().files.items() if name != "tables/pools.csv"}
    assert "tables/pools.csv: is missing" in disagreements(made_report().content, files, made_report().texts)


def test_a_digit_of_a_forest_plot_is_found_both_ways():
    one = headlines(made_report().content)[0]
    texts = list(made_report().texts[one.figure])
    pooled = one.drawn[-2]
    texts[texts.index(pooled)] = other_digit(pooled)
    found = checked(texts={one.figure: texts})
    assert f"figures/{one.figure}: does not say {pooled!r}" in found
    assert f"figures/{one.figure}: says {other_digit(pooled)!r}, which no result is" in found


def test_a_figure_that_is_not_drawn_is_found():
    one = headlines(made_report().content)[0]
    texts = {name: found for name, found in made_report().texts.items() if name != one.figure}
    assert f"figures/{one.figure}: is not drawn" in disagreements(made_report().content, made_report().files, texts)


def test_a_digit_of_the_forest_plot_of_a_network_is_found():
    one = leagues(made_report().content)[0]
    name = f"{one.anchor}-forest"
    texts = [other_digit(text) if text == one.drawn[0] else text for text in made_report().texts[name]]
    assert any(line.startswith(f"figures/{name}") for line in checked(texts={name: texts}))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_digit_of_the_league_of_the_page_is_found(number):
    html, cell = made_report().html, leagues(made_report().content)[0].cells[number]
    changed = html.replace(f">{cell}<", f">{other_digit(cell)}<")
    assert changed != html
    assert any("all comparisons" in line for line in checked({"index.html": changed.encode()}))


def test_a_digit_of_an_absolute_effect_is_found():
    html = made_report().html
    one = next(one for one in findings(made_report().content) if len(one.words) > 4)
    start = html.index('id="certainty"')
    changed = html[:start] + html[start:].replace(one.words[4], other_digit(one.words[4]), 1)
    assert any("index.html, summary of findings" in line for line in checked({"index.html": changed.encode()}))


def test_a_digit_of_word_is_found():
    result = overview(made_report().content)[0][1]
    raw = in_zip(made_report().files["report.docx"], "word/document.xml", f">{result}<", f">{other_digit(result)}<")
    # the answer in brief has it first; the table at a glance comes second
    again = in_zip(raw, "word/document.xml", f">{result}<", f">{other_digit(result)}<")
    assert any(line.startswith("report.docx") for line in checked({"report.docx": again}))


def test_a_digit_of_a_sentence_in_word_is_found():
    raw = in_zip(
        made_report().files["report.docx"], "word/document.xml", "(randomised): 5 studies", "(randomised): 4 studies"
    )
    assert any("report.docx, Overall survival" in line for line in checked({"report.docx": raw}))


def test_a_digit_of_the_workbook_is_found():
    value = json.loads(made_report().files["results.json"])["results"][0]["strata"][0]["headline"]["estimate"]
    raw = made_report().files["report.xlsx"]
    sheets = [name for name in zipfile.ZipFile(io.BytesIO(raw)).namelist() if name.startswith("xl/worksheets/")]
    changed = next(
        in_zip(raw, name, f"<v>{value!r}</v>", f"<v>{other_digit(repr(value))}</v>")
        for name in sheets
        if f"<v>{value!r}</v>".encode() in zipfile.ZipFile(io.BytesIO(raw)).read(name)
    )
    assert any("report.xlsx, pools, row 1, estimate" in line for line in checked({"report.xlsx": changed}))


def test_a_digit_of_a_text_of_the_workbook_is_found():
    result = overview(made_report().content)[0][1]
    raw = in_zip(made_report().files["report.xlsx"], "xl/worksheets/sheet1.xml", result, other_digit(result))
    assert any("report.xlsx, overview" in line for line in checked({"report.xlsx": raw}))


def test_a_digit_of_results_json_is_found():
    made = made_report()
    value = repr(json.loads(made.files["results.json"])["results"][0]["strata"][0]["headline"]["ci_low"])
    changed = made.files["results.json"].decode().replace(value, other_digit(value), 1)
    assert any(line.startswith("results.json") for line in checked({"results.json": changed.encode()}))


def test_the_build_is_refused_and_told_what_disagrees():
    made = made_report()
    require_agreement(made.content, made.files, made.texts)
    one = headlines(made.content)[0]
    with pytest.raises(ReportError, match="is not drawn"):
        require_agreement(
            made.content, made.files, {name: texts for name, texts in made.texts.items() if name != one.figure}
        )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(min_value=-2.5, max_value=2.5), st.floats(min_value=0.02, max_value=1.0))
def test_any_other_headline_than_that_of_the_results_is_found_wherever_its_text_differs(estimate, half):
    made = made_report()
    content = json.loads(
        json.dumps(made.content, default=lambda value: value.item() if hasattr(value, "item") else list(value))
    )
    before = [one.sentence for one in headlines(content)]
    content["results"][0]["strata"][0]["headline"] |= {
        "estimate": estimate,
        "ci_low": estimate - half,
        "ci_high": estimate + half,
    }
    found = disagreements(content, made.files, made.texts)
    carriers = {"index.html", "report.docx", "report.xlsx", "tables/pools.csv", "results.json"}
    if [one.sentence for one in headlines(content)] != before:
        assert all(any(line.startswith(carrier) for line in found) for carrier in carriers)
        assert any(line.startswith("figures/") for line in found)
    else:
        assert any(line.startswith("tables/pools.csv") for line in found)  # the text is the same, the number is not


@settings(max_examples=60, deadline=None)
@given(st.floats(min_value=-3, max_value=3), st.floats(min_value=0.01, max_value=2))
def test_every_text_of_a_figure_is_read_back(effect, half):
    from metasyn.plots.forest import effect_text

    text = effect_text(effect, effect - half, effect + half, "HR")
    row = ForestRow(left=("A",), effect=effect, ci_low=effect - half, ci_high=effect + half, weight=None, right=(text,))
    axes = forest([ForestBlock(title="Title", rows=(row,))], measure="HR", left_heads=("Study",), right_heads=("HR",))
    assert {"A", text, "Title", "Study", "HR"} <= set(drawn_texts(axes.figure))


def test_the_tree_of_a_page_leaves_out_what_opens_on_demand():
    tree = page_tree(
        '<main><p>HR <button>0.72</button><span popover id="x">source 9.99</span>.</p><p hidden>no</p><script>1</script>'
        "<table><tr><th>a<br>b</th><td>1 <b>2</b></td></tr></table></main>"
    )
    assert tree.text() == "HR 0.72.\na\nb1 2"
    assert tree.by_id("x") is None
