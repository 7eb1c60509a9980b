"""RevMan 5 reviews: what is in the file reaches the records, and what cannot be read is said."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import pytest
from numpy.testing import assert_allclose
from transfers import loaded, made_project, stated, vocabulary

import metasyn as ms
from metasyn.errors import EvidenceError
from metasyn.formats.revman import read_revman
from metasyn.pooling.counts import pool_counts

# Typed after inst/extdata/Fleiss1993.rm5 of R's package meta (written by RevMan 5.0.23), shortened, treatments renamed, one reference invented.
FLEISS = Path(__file__).parent / "fleiss1993.rm5"


@pytest.fixture
def words(tmp_path):
    return vocabulary(tmp_path / "words")


def review(
    outcomes: str,
    studies: str = '<STUDY ID="STD-A" NAME="Able 2001" YEAR="2001"/><STUDY ID="STD-B" NAME="Baker 2002" YEAR="2002"/>',
) -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<COCHRANE_REVIEW><COVER_SHEET><TITLE>A review</TITLE></COVER_SHEET>
<STUDIES_AND_REFERENCES><STUDIES><INCLUDED_STUDIES>{studies}</INCLUDED_STUDIES></STUDIES></STUDIES_AND_REFERENCES>
<ANALYSES_AND_DATA><COMPARISON ID="CMP-001" NO="1"><NAME>A versus B</NAME>
{outcomes}
</COMPARISON></ANALYSES_AND_DATA></COCHRANE_REVIEW>""".encode()


def outcome(kind: str, data: str, *, measure: str = "", name: str = "Death", attributes: str = 'CI_STUDY="95"') -> str:
    return (
        f'<{kind}_OUTCOME ID="CMP-001.01" {attributes}{f" EFFECT_MEASURE={chr(34)}{measure}{chr(34)}" if measure and kind in ("DICH", "CONT") else ""}>'
        f"<NAME>{name}</NAME><GROUP_LABEL_1>A</GROUP_LABEL_1><GROUP_LABEL_2>B</GROUP_LABEL_2>"
        f"{f'<EFFECT_MEASURE>{measure}</EFFECT_MEASURE>' if kind in ('IV', 'IPD') else ''}{data}</{kind}_OUTCOME>"
    )


def test_records_of_a_review_load_and_pool_to_what_revman_computed(tmp_path, words):
    drafts = read_revman(FLEISS.read_bytes(), "fleiss1993.rm5", stated(words))
    assert [draft.id for draft in drafts][:3] == ["mrc-1", "cdp", "mrc-2"]
    evidence = loaded(made_project(tmp_path / "made", drafts))
    effects = evidence.effects(outcome="death", measure="OR")
    assert len(effects) == 7
    counts = {
        name: effects[name].astype(float)
        for name in ("events_treatment", "n_treatment", "events_comparator", "n_comparator")
    }
    pooled = pool_counts(method="MH", measure="OR", **counts)
    # RevMan's own pool in that file: OR 0.8968655609130709 [0.8405144008917793, 0.9569947088336491]
    assert_allclose(
        [math.exp(value) for value in (pooled.estimate, pooled.ci_low, pooled.ci_high)],
        [0.8968655609130709, 0.8405144008917793, 0.9569947088336491],
        rtol=1e-12,
    )


def test_a_studys_standard_error_follows_from_the_interval_as_revman_has_it(tmp_path, words):
    effects = loaded(made_project(tmp_path / "made", read_revman(FLEISS.read_bytes(), "f.rm5", stated(words)))).effects(
        outcome="death", measure="OR"
    )
    row = effects.set_index("study").loc["mrc-1"]
    # the file's SE; its interval was made with z = 1.96 to many digits, so the two agree to rounding
    assert_allclose([row["effect"], row["se"]], [math.log(0.7197141500975687), 0.1972198088133556], rtol=1e-8)


def test_means_without_an_estimate_give_hedges_g(tmp_path, words):
    effects = loaded(
        made_project(
            tmp_path / "made",
            read_revman(FLEISS.read_bytes(), "f.rm5", stated(words, outcomes={"Length of stay": "stay"})),
        )
    ).effects(outcome="stay", measure="SMD")
    assert len(effects) == 5
    row = effects.set_index("study").loc["davis"]
    # by hand: sd = sqrt((4.7^2 + 3.8^2) / 2), d = -1.5 / sd, J(24) = 0.968434...; metasyn's own effect size is tested elsewhere
    made = ms.effects.effect_size(
        "SMD",
        mean_treatment=[5.0],
        sd_treatment=[4.7],
        n_treatment=[13],
        mean_comparator=[6.5],
        sd_comparator=[3.8],
        n_comparator=[13],
    )
    assert_allclose([row["effect"], row["se"]], [made["effect"][0], made["se"][0]], rtol=1e-12)
    assert "mean 5.0, SD 4.7, n 13" in row["note"]
    assert "estimate" in row["inferred"]


def test_references_come_from_the_primary_one(words):
    amis = next(draft for draft in read_revman(FLEISS.read_bytes(), "f.rm5", stated(words)) if draft.id == "amis")
    assert (
        'main: {label: AMIS, title: A randomized trial of A, authors: ["Müller A", Second B], journal: Invented Journal, pmid: 123, doi: 10.1000/x1, year: 1981}'
        in amis.text
    )


def test_events_of_a_counted_outcome_are_rows_of_counts(tmp_path, words):
    data = '<DICH_DATA STUDY_ID="STD-A" EVENTS_1="5" TOTAL_1="50" EVENTS_2="9" TOTAL_2="51" EFFECT_SIZE="" CI_START="" CI_END=""/>'
    drafts = read_revman(review(outcome("DICH", data, measure="RR", name="Nausea")), "r.rm5", stated(words))
    row = loaded(made_project(tmp_path / "made", drafts)).effects(outcome="nausea").iloc[0]
    assert_allclose(
        [row["effect"], row["se"]],
        [math.log((5 / 50) / (9 / 51)), math.sqrt(1 / 5 - 1 / 50 + 1 / 9 - 1 / 51)],
        rtol=1e-12,
    )


def test_events_without_an_estimate_give_one_that_the_record_calls_computed(tmp_path, words):
    data = '<DICH_DATA STUDY_ID="STD-A" EVENTS_1="0" TOTAL_1="50" EVENTS_2="9" TOTAL_2="51" EFFECT_SIZE="" CI_START="" CI_END=""/>'
    drafts = read_revman(review(outcome("DICH", data, measure="OR")), "r.rm5", stated(words))
    assert "computed from events and patients, 1/2 added to each cell" in drafts[0].text
    row = loaded(made_project(tmp_path / "made", drafts)).effects(outcome="death", measure="OR").iloc[0]
    assert_allclose(row["effect"], math.log(0.5 * 42.5 / (50.5 * 9.5)), rtol=1e-12)


def test_o_minus_e_and_variance_give_the_log_rank_ratio_and_the_record_says_unverified(tmp_path, words):
    data = '<IPD_DATA STUDY_ID="STD-A" EVENTS_1="40" TOTAL_1="100" EVENTS_2="52" TOTAL_2="100" O_E="-6.4" VAR="22.1"/>'
    drafts = read_revman(
        review(outcome("IPD", data, measure="Hazard Ratio", name="Overall survival")), "r.rm5", stated(words)
    )
    assert "no public example file could verify" in " ".join(drafts[0].notes)
    row = loaded(made_project(tmp_path / "made", drafts)).effects(outcome="OS").iloc[0]
    assert_allclose([row["effect"], row["se"]], [-6.4 / 22.1, 22.1**-0.5], rtol=1e-12)


def test_generic_inverse_variance_takes_the_estimate_on_the_analysis_scale(tmp_path, words):
    data = '<IV_DATA STUDY_ID="STD-A" ESTIMATE="-0.3567" SE="0.15" EFFECT_SIZE="" CI_START="" CI_END="" TOTAL_1="0" TOTAL_2="0"/>'
    drafts = read_revman(
        review(outcome("IV", data, measure="Hazard Ratio", name="Overall survival")), "r.rm5", stated(words)
    )
    assert "no public example file could verify" in " ".join(drafts[0].notes)
    row = loaded(made_project(tmp_path / "made", drafts)).effects(outcome="OS").iloc[0]
    assert_allclose([row["effect"], row["se"]], [-0.3567, 0.15], rtol=1e-12)


def test_an_estimate_that_contradicts_its_logarithm_is_not_understood(words):
    data = '<IV_DATA STUDY_ID="STD-A" ESTIMATE="0.70" SE="0.15" EFFECT_SIZE="0.70" CI_START="0.52" CI_END="0.94"/>'
    (draft,) = read_revman(
        review(outcome("IV", data, measure="Hazard Ratio", name="Overall survival")), "r.rm5", stated(words)
    )
    assert "not understood" in draft.text
    assert "estimate:" not in draft.text


def test_swapped_events_keep_their_counts_and_lose_the_estimate(words):
    data = '<DICH_DATA STUDY_ID="STD-A" EVENTS_1="5" TOTAL_1="50" EVENTS_2="9" TOTAL_2="51" EFFECT_SIZE="1.1" CI_START="0.9" CI_END="1.3"/>'
    (draft,) = read_revman(
        review(outcome("DICH", data, measure="RR", attributes='CI_STUDY="95" SWAP_EVENTS="YES"')),
        "r.rm5",
        stated(words),
    )
    assert "estimate:" not in draft.text
    assert "events: {a: 5, b: 9}" in draft.text


def test_a_study_in_several_subgroups_gives_subgroups_of_its_patients_and_one_in_one_gives_a_remark(words):
    cell = '<DICH_DATA STUDY_ID="STD-{}" EVENTS_1="5" TOTAL_1="50" EVENTS_2="9" TOTAL_2="51" EFFECT_SIZE="0.57" CI_START="0.2" CI_END="1.6"/>'
    groups = "".join(
        f'<DICH_SUBGROUP ID="CMP-001.01.0{n}" NO="{n}"><NAME>{name}</NAME>{data}</DICH_SUBGROUP>'
        for n, name, data in ((1, "men", cell.format("A")), (2, "women", cell.format("A") + cell.format("B")))
    )
    able, baker = read_revman(review(outcome("DICH", groups, measure="RR")), "r.rm5", stated(words))
    assert able.text.count("subgroup: {factor: RevMan subgroup, level:") == 2
    assert "subgroup: {" not in baker.text
    assert "RevMan subgroup: women" in baker.text


def test_the_interval_of_a_study_has_the_level_of_the_review(words):
    data = '<DICH_DATA STUDY_ID="STD-A" EVENTS_1="5" TOTAL_1="50" EVENTS_2="9" TOTAL_2="51" EFFECT_SIZE="0.57" CI_START="0.2" CI_END="1.6"/>'
    (draft,) = read_revman(
        review(outcome("DICH", data, measure="RR", attributes='CI_STUDY="99"')), "r.rm5", stated(words)
    )
    assert "level: 0.99" in draft.text


def test_every_cell_that_is_no_number_is_named_with_line_field_and_value(words):
    data = '<DICH_DATA STUDY_ID="STD-A" EVENTS_1="five" TOTAL_1="50" EVENTS_2="9" TOTAL_2="51.5"/>\n<DICH_DATA STUDY_ID="STD-B" EVENTS_1="5" TOTAL_1="50" EVENTS_2="9" TOTAL_2="51" EFFECT_SIZE="0,57"/>'
    with pytest.raises(EvidenceError) as caught:
        read_revman(review(outcome("DICH", data, measure="RR")), "r.rm5", stated(words))
    messages = [str(problem) for problem in caught.value.problems]
    assert len(messages) == 3
    assert messages[0].startswith("r.rm5:5:")
    assert "EVENTS_1" in messages[0]
    assert "(five)" in messages[0]
    assert "accepted" in messages[0]
    assert "(0,57)" in messages[2]
    assert messages[2].startswith("r.rm5:6:")


def test_missing_facts_are_listed_and_left_empty_not_guessed(words):
    data = '<DICH_DATA STUDY_ID="STD-A" EVENTS_1="5" TOTAL_1="50" EVENTS_2="9" TOTAL_2="51"/>'
    (draft,) = read_revman(
        review(outcome("DICH", data, measure="RR", name="Something else")),
        "r.rm5",
        stated(words, disease=None, line=None, design=None, by=None),
    )
    for field in ("design.type", "population.disease", "population.line", "extraction.by", "outcome Something else"):
        assert any(one.startswith(field) for one in draft.missing), field
    assert "population: {disease: , line: }" in draft.text
    assert {problem.check for problem in draft.problems(words)} >= {"missing-field"} or draft.problems(words)


def test_an_rm5_inside_an_archive_is_read_in_memory(words):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes.txt", "x")
        archive.writestr("../../review.rm5", FLEISS.read_bytes())
    assert len(read_revman(stream.getvalue(), "review.zip", stated(words))) == 12


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"<html><body/></html>", "root html"),
        (review(""), "holds no study data"),
        (b"<COCHRANE_REVIEW><STUDY></COCHRANE_REVIEW>", "not well-formed"),
    ],
)
def test_other_files_are_refused_with_what_is_accepted(raw, said, words):
    with pytest.raises(EvidenceError, match=said) as caught:
        read_revman(raw, "r.rm5", stated(words))
    assert "accepted" in str(caught.value)
