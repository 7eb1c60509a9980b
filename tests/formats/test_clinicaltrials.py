"""Posted results of ClinicalTrials.gov: figures as posted, nothing guessed, the rest listed."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from typing import Any

import pytest
from numpy.testing import assert_allclose
from transfers import loaded, made_project, stated, vocabulary

from metasyn.errors import EvidenceError
from metasyn.formats.clinicaltrials import read_clinicaltrials

GROUPS = [{"id": "OG000", "title": "Drug A"}, {"id": "OG001", "title": "Standard"}]


def denoms(*counts: str, prefix: str = "OG") -> list[dict[str, Any]]:
    return [
        {
            "units": "Participants",
            "counts": [{"groupId": f"{prefix}00{place}", "value": value} for place, value in enumerate(counts)],
        }
    ]


def one_class(*values: dict[str, str], title: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "categories": [{"measurements": [{"groupId": f"OG00{place}", **value} for place, value in enumerate(values)]}]
    }
    return made | ({"title": title} if title else {})


# An invented trial; fields and words of enumerations are those of a recorded answer of the API (NCT02296125, 2026), for adverse events
# and baseline those of the published data structure.
STUDY: dict[str, Any] = {
    "protocolSection": {
        "identificationModule": {"nctId": "NCT00000000", "acronym": "INVENTED", "officialTitle": "A randomised study of drug A"},
        "statusModule": {"resultsFirstPostDateStruct": {"date": "2020-05-06"}},
        "conditionsModule": {"conditions": ["Condition X"]},
        "designModule": {
            "studyType": "INTERVENTIONAL", "phases": ["PHASE3"],
            "designInfo": {"allocation": "RANDOMIZED", "interventionModel": "PARALLEL", "maskingInfo": {"masking": "TRIPLE"}},
            "enrollmentInfo": {"count": 556, "type": "ACTUAL"},
        },
        "contactsLocationsModule": {"locations": [{"country": "Norway"}, {"country": "Chile"}, {"country": "Norway"}]},
        "referencesModule": {"references": [{"pmid": "12345", "type": "RESULT", "citation": "Able A. A trial."}, {"pmid": "9", "type": "BACKGROUND", "citation": "x"}]},
    },
    "resultsSection": {
        "participantFlowModule": {
            "groups": [{"id": "FG000", "title": "Drug A"}, {"id": "FG001", "title": "Standard"}],
            "periods": [
                {
                    "title": "Overall Study",
                    "milestones": [{"type": "STARTED", "achievements": [{"groupId": "FG000", "numSubjects": "279"}, {"groupId": "FG001", "numSubjects": "277"}]}],
                    "dropWithdraws": [{"type": "Withdrawal by Subject", "reasons": [{"groupId": "FG000", "numSubjects": "18"}, {"groupId": "FG001", "numSubjects": "8"}]}],
                }
            ],
        },
        "baselineCharacteristicsModule": {
            "groups": [{"id": "BG000", "title": "Drug A"}, {"id": "BG001", "title": "Standard"}, {"id": "BG002", "title": "Total"}],
            "denoms": denoms("279", "277", "556", prefix="BG"),
            "measures": [
                {
                    "title": "Age, Continuous", "paramType": "MEAN", "dispersionType": "STANDARD_DEVIATION", "unitOfMeasure": "Years",
                    "classes": [{"categories": [{"measurements": [{"groupId": "BG000", "value": "62.6", "spread": "10.50"}, {"groupId": "BG002", "value": "63", "spread": "11"}]}]}],
                },
                {
                    "title": "Sex: Female, Male", "paramType": "COUNT_OF_PARTICIPANTS", "unitOfMeasure": "Participants",
                    "classes": [{"categories": [{"title": "Female", "measurements": [{"groupId": "BG000", "value": "178"}, {"groupId": "BG001", "value": "172"}]}]}],
                },
                {"title": "Odd", "paramType": "GEOMETRIC_MEAN", "classes": [{"categories": [{"measurements": [{"groupId": "BG000", "value": "1"}]}]}]},
            ],
        },
        "outcomeMeasuresModule": {
            "outcomeMeasures": [
                {
                    "type": "PRIMARY", "title": "Median Progression Free Survival (PFS) (Months)", "paramType": "MEDIAN",
                    "dispersionType": "95% Confidence Interval", "unitOfMeasure": "Months", "timeFrame": "up to 27 months", "groups": GROUPS,
                    "denoms": denoms("279", "277"),
                    "classes": [one_class({"value": "18.9", "lowerLimit": "15.2", "upperLimit": "21.4"}, {"value": "10.2", "lowerLimit": "9.6", "upperLimit": "NA", "comment": "upper limit was not reached"})],
                    "analyses": [
                        {"groupIds": ["OG000", "OG001"], "nonInferiorityType": "SUPERIORITY", "pValue": "<0.0001", "statisticalMethod": "Log Rank",
                         "paramType": "Hazard Ratio (HR)", "paramValue": "0.460", "ciPctValue": "95", "ciNumSides": "TWO_SIDED", "ciLowerLimit": "0.37", "ciUpperLimit": "0.57"},
                        {"groupIds": ["OG002", "OG003"], "paramType": "Hazard Ratio (HR)", "paramValue": "0.56", "ciLowerLimit": "0.37", "ciUpperLimit": "0.85"},
                        {"groupIds": ["OG000", "OG001"], "paramType": "Slope", "paramValue": "0.56"},
                    ],
                },
                {
                    "type": "SECONDARY", "title": "Objective Response Rate", "paramType": "COUNT_OF_PARTICIPANTS", "unitOfMeasure": "Participants",
                    "groups": GROUPS, "denoms": denoms("279", "277"), "classes": [one_class({"value": "223"}, {"value": "210"})],
                },
                {
                    "type": "SECONDARY", "title": "Quality of life", "paramType": "MEAN", "dispersionType": "Standard Deviation", "unitOfMeasure": "points",
                    "groups": GROUPS, "denoms": denoms("279", "277"), "classes": [one_class({"value": "3.1", "spread": "1"}, {"value": "3.0", "spread": "1"})],
                },
            ]
        },
        "adverseEventsModule": {
            "timeFrame": "2 years",
            "eventGroups": [
                {"id": "EG000", "title": "Drug A", "seriousNumAffected": 60, "seriousNumAtRisk": 279, "deathsNumAffected": 12, "deathsNumAtRisk": 279},
                {"id": "EG001", "title": "Standard", "seriousNumAffected": 70, "seriousNumAtRisk": 277, "deathsNumAffected": 10, "deathsNumAtRisk": 277},
            ],
            "seriousEvents": [{"term": "Pneumonia", "stats": [{"groupId": "EG000", "numAffected": 5, "numAtRisk": 279}]}],
            "otherEvents": [{"term": "Queasiness", "stats": [{"groupId": "EG000", "numAffected": 30, "numAtRisk": 279}, {"groupId": "EG001", "numAffected": 50, "numAtRisk": 277}]}],
        },
    },
    "hasResults": True,
}  # fmt: skip
NAMES = {
    "Median Progression Free Survival (PFS) (Months)": "PFS",
    "Objective Response Rate": "ORR",
    "Queasiness": "nausea",
}


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return vocabulary(tmp_path_factory.mktemp("words"))


def read(words, study=STUDY, **facts):
    said = {"time_unit": None, "design": None, "method": None, "outcomes": NAMES} | facts
    (draft,) = read_clinicaltrials(json.dumps(study).encode(), "NCT00000000.json", stated(words, **said))
    return draft


def test_a_study_with_results_is_a_record_that_loads(words, tmp_path):
    draft = read(words)
    assert draft.problems(words) == []
    study = loaded(made_project(tmp_path / "made", [draft])).studies["nct00000000"]
    assert (study.name, study.registration, study.design.type, study.design.phase, study.design.blinding) == (
        "INVENTED",
        "NCT00000000",
        "rct",
        "3",
        "triple-blind",
    )
    assert study.design.country == ["Chile", "Norway"]
    assert (study.population.n, study.time_unit) == (556, "months")
    assert study.sets["main"].n == {"drug-a": 279, "standard": 277}
    assert study.reports["main"].url == "https://clinicaltrials.gov/study/NCT00000000"
    assert study.reports["pmid-12345"].pmid == "12345"
    assert "pmid-9" not in study.reports
    assert any("Withdrawal by Subject 18 (drug-a), 8 (standard)" in note for note in study.notes)


def test_an_analysis_of_two_groups_is_a_contrast_as_posted(words, tmp_path):
    evidence = loaded(made_project(tmp_path / "made", [read(words)]))
    row = evidence.effects(outcome="PFS").iloc[0]
    assert row["printed"] == "HR 0.460 [0.37, 0.57], p <0.0001"
    assert (row["arm_treatment"], row["arm_comparator"], row["n_treatment"]) == ("drug-a", "standard", 279)
    assert row["inferred"] == "treatment, comparator"


def test_which_group_a_ratio_is_of_is_asked_for(words):
    assert any("which the registry does not say" in one for one in read(words).missing)


def test_medians_keep_their_digits_and_a_limit_is_not_reached_only_where_a_comment_says_so(words):
    text = read(words).text
    assert "median: 18.9, median_ci: [15.2, 21.4]" in text
    assert "median: 10.2, median_ci: [9.6, not-reached]" in text
    silent = deepcopy(STUDY)
    del silent["resultsSection"]["outcomeMeasuresModule"]["outcomeMeasures"][0]["classes"][0]["categories"][0][
        "measurements"
    ][1]["comment"]
    assert "median: 10.2" in read(words, silent).text
    assert "not-reached" not in read(words, silent).text


def test_counts_of_responses_and_of_mapped_adverse_events_are_rows(words, tmp_path):
    evidence = loaded(made_project(tmp_path / "made", [read(words)]))
    response, nausea = (evidence.effects(outcome=name).iloc[0] for name in ("ORR", "nausea"))
    assert [response[name] for name in ("events_treatment", "n_treatment", "events_comparator", "n_comparator")] == [
        223,
        279,
        210,
        277,
    ]
    assert_allclose(float(nausea["effect"]), math.log((30 / 279) / (50 / 277)), rtol=1e-12)


def test_baseline_keeps_counts_means_and_the_total(words, tmp_path):
    study = loaded(made_project(tmp_path / "made", [read(words)])).studies["nct00000000"]
    age, sex = study.baseline
    assert str(age.arms["drug-a"].sd) == "10.50"
    assert str(age.arms["all"].mean) == "63"
    assert (sex.level, sex.arms["standard"].n, sex.arms["standard"].of) == ("Female", 172, 277)


def test_what_was_not_understood_is_listed(words):
    notes = " | ".join(read(words).notes)
    for said in (
        "analysis 2 of 'Median Progression Free Survival (PFS) (Months)', of groups OG002, OG003",
        "analysis 3",
        "'Quality of life'",
        "1 serious terms are not taken",
        "serious adverse events: 60/279 (drug-a), 70/277 (standard)",
        "1 categories of baseline",
        "conditions as registered: Condition X",
    ):
        assert said in notes, said


def test_an_outcome_that_is_no_word_is_asked_for_and_not_renamed(words):
    draft = read(words, outcomes={})
    assert any(one.startswith("outcome Median Progression Free Survival") for one in draft.missing)
    assert draft.problems(words) != []


def test_times_in_another_unit_are_not_converted(words):
    draft = read(words, time_unit="weeks")
    assert "survival:" not in draft.text
    assert any("not understood: 2 values" in note for note in draft.notes)


def test_a_one_sided_interval_is_a_remark_not_an_interval(words):
    study = deepcopy(STUDY)
    study["resultsSection"]["outcomeMeasuresModule"]["outcomeMeasures"][0]["analyses"][0]["ciNumSides"] = "ONE_SIDED"
    text = read(words, study).text
    assert "one-sided interval 0.37 to 0.57" in text
    assert "ci: [0.37" not in text


def test_an_answer_with_several_studies_gives_those_with_results(words):
    without = {"protocolSection": STUDY["protocolSection"], "hasResults": False}
    drafts = read_clinicaltrials(json.dumps({"studies": [without, STUDY, STUDY]}).encode(), "s.json", stated(words))
    assert [draft.id for draft in drafts] == ["nct00000000", "nct00000000-2"]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"a": 1}', "no study of ClinicalTrials.gov"),
        (b"[1, 2]", "no study of ClinicalTrials.gov"),
        (b'{"protocolSection": {}}', "no posted results"),
        (b'{"studies": []}', "no study"),
        (b'{"protocolSection": {', "is not JSON"),
    ],
)
def test_other_json_is_refused_with_what_is_accepted(raw, said, words):
    with pytest.raises(EvidenceError, match=said) as caught:
        read_clinicaltrials(raw, "s.json", stated(words))
    assert "accepted" in str(caught.value)


@pytest.mark.parametrize("value", [None, "x", 3, [], {}, [None], [{"id": None}], {"groups": "x"}])
def test_odd_shapes_anywhere_give_a_draft_or_a_message_and_no_traceback(value, words):
    paths = [("resultsSection", name) for name in STUDY["resultsSection"]] + [
        ("protocolSection", name) for name in STUDY["protocolSection"]
    ]
    for section, module in paths:
        study = deepcopy(STUDY)
        study[section][module] = value
        read_clinicaltrials(json.dumps(study).encode(), "s.json", stated(words))
        for key in STUDY[section][module]:
            study = deepcopy(STUDY)
            study[section][module][key] = value
            read_clinicaltrials(json.dumps(study).encode(), "s.json", stated(words))
