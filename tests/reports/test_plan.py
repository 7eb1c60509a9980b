"""A locked analysis plan: every later departure is told, and a plan that was tampered with is said loudly."""

from __future__ import annotations

import hashlib
import json

import pytest

from metasyn.errors import MetasynError, UsageError
from metasyn.reports.changes.plan import (
    deviations,
    load_plans,
    lock_plan,
    plan_content,
    plan_hash,
    plan_path,
)
from metasyn.reports.changes.plan_asked import DeviationAsked
from metasyn.reports.changes.plan_page import NO_PLAN, plan_parts, plan_values
from metasyn.reports.question import Question

PLANNED = {
    "title": "Does a supplement lower blood pressure?",
    "key": {"disease": "hypertension"},
    "comparisons": [{"name": "Supplement added", "add": "supplement"}],
    "outcomes": ["SBP", "stroke"],
    "model": {"ci": "HK"},
}


def question(**fields) -> Question:
    return Question.model_validate(PLANNED | fields)


@pytest.fixture
def path(tmp_path):
    place = plan_path(tmp_path, "salt")
    lock_plan(place, question(), date="2026-01-05")
    return place


def departed(path, now: Question, *reasons: tuple[str, str], recorded=None):
    asked = [DeviationAsked(field=field, why=why) for field, why in reasons]
    found = deviations(now, load_plans(path), reasons=asked, recorded=recorded)
    assert found is not None
    return found


def test_a_definition_as_it_was_locked_departs_in_nothing(path):
    found = departed(path, question())
    assert (found.analysis, found.editorial, found.problems) == ((), (), ())
    assert "The analysis is the one that was planned." in plan_parts(found)["lines"]


def test_writing_a_default_down_is_no_departure(path):
    assert not departed(path, question(model={"ci": "HK", "tau2": "REML", "level": "0.95"}, combine_designs="false")).analysis  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "field", "before", "now"),
    [
        ({"model": {"ci": "z"}}, "model.ci", "HK", "z"),
        ({"model": {"ci": "HK", "level": "0.9"}}, "model.level", "0.95", "0.9"),
        ({"outcomes": ["SBP"]}, "outcomes", "[SBP, stroke]", "[SBP]"),
        ({"combine_designs": "true"}, "combine_designs", "no", "yes"),
        ({"key": {"disease": ["hypertension", "prehypertension"]}}, "key.disease", "[hypertension]", "[hypertension, prehypertension]"),
        ({"exclude": [{"study": "a", "why": "retracted"}]}, "exclude", "none", "[{study: a, why: retracted}]"),
        ({"prefer": [{"method": "rct"}]}, "prefer", None, "[{method: rct}]"),
        ({"comparisons": [{"name": "Supplement added", "add": "salt"}]}, "comparisons", None, "[{name: Supplement added, add: salt}]"),
        ({"certainty": {"important_difference": {"RR": "0.9"}}}, "certainty", "nothing stated", None),
    ],
)  # fmt: skip
def test_every_field_that_numbers_depend_on_is_told_before_and_now(path, fields, field, before, now):
    found = departed(path, question(**fields))
    (one,) = found.analysis
    assert one.field == field
    assert one.meaning
    assert one.why is None
    assert before is None or one.before == before
    assert now is None or one.now == now
    assert plan_parts(found)["analysis"][0]["why"] == "no reason given"
    assert "no reason is given" in " ".join(plan_parts(found)["lines"])


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "Another title"},
        {"question": "In other words?"},
        {"commentary": ["A remark."]},
        {"comparisons": [{"name": "Tablet added", "add": "supplement"}]},
    ],
)
def test_words_for_the_reader_stand_apart(path, fields):
    found = departed(path, question(**fields))
    assert not found.analysis
    assert len(found.editorial) == 1


def test_reasons_fit_their_field_and_those_below(path):
    now = question(model={"ci": "z", "level": "0.9"}, outcomes=["SBP"])
    found = departed(path, now, ("model", "the panel asked"), ("model.ci", "few studies"), ("prefer", "idle"))
    assert {one.field: one.why for one in found.analysis} == {
        "outcomes": None,
        "model.ci": "few studies",
        "model.level": "the panel asked",
    }
    assert [one.field for one in found.unused] == ["prefer"]
    assert "for 1 of them no reason is given" in " ".join(plan_parts(found)["lines"])


def test_a_field_does_not_cover_one_that_begins_alike(path):
    found = departed(path, question(outcomes=["SBP"]), ("outcome", "a slip of the pen"))
    assert found.analysis[0].why is None


def test_a_common_effect_keeps_the_interval_that_goes_with_it():
    assert plan_content(question(model={"tau2": "EE"}))["model"]["ci"] == "z"
    assert plan_content(question(model={"tau2": "EE", "ci": "t"}))["model"]["ci"] == "t"


def test_the_hash_is_that_of_the_canonical_content(path):
    (plan,) = json.loads(path.read_text(encoding="utf-8"))["plans"]
    text = json.dumps(plan["content"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert plan["sha256"] == hashlib.sha256(text.encode()).hexdigest() == plan_hash(plan_content(question()))
    assert (plan["locked"], plan["why"], plan["edition"]) == ("2026-01-05", None, None)


def test_a_plan_that_was_changed_is_said_loudly(path):
    path.write_text(path.read_text(encoding="utf-8").replace('"HK"', '"z"'), encoding="utf-8")
    found = departed(path, question(model={"ci": "z"}))
    assert not found.analysis
    assert "has been changed since" in found.problems[0]
    assert plan_parts(found)["problems"]


def test_a_plan_that_was_replaced_by_hand_is_told_by_the_last_edition(path):
    locked = load_plans(path)[-1].sha256
    assert not departed(path, question(), recorded=locked).problems
    assert "is not among the plans on file" in departed(path, question(), recorded="0" * 64).problems[0]


def test_locking_again_needs_its_reason_and_keeps_what_was(path):
    later = question(model={"ci": "z"})
    with pytest.raises(UsageError, match="--again --why"):
        lock_plan(path, later, date="2026-02-01")
    with pytest.raises(UsageError, match="needs its reason"):
        lock_plan(path, later, date="2026-02-01", again=True)
    with pytest.raises(UsageError, match="nothing to lock again"):
        lock_plan(path, question(), date="2026-02-01", again=True, why="x")
    lock_plan(path, later, date="2026-02-01", again=True, why="a new statistician", edition=4)
    first, second = load_plans(path)
    assert (first.content["model"]["ci"], second.content["model"]["ci"]) == ("HK", "z")
    found = departed(path, later)
    assert not found.analysis
    lines = " ".join(plan_parts(found)["lines"])
    assert "It replaces the plan of 2026-01-05. Why: a new statistician." in lines
    assert "Edition 4 of this report had been recorded by then" in lines


def test_fields_that_came_into_being_later_stand_at_their_defaults(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    plan = content["plans"][0]
    del plan["content"]["subgroups"]
    plan["sha256"] = plan_hash(plan["content"])
    path.write_text(json.dumps(content), encoding="utf-8")
    assert not departed(path, question()).analysis
    assert departed(path, question(subgroups=["design.type"])).analysis[0].field == "subgroups"


def test_alerts_and_networks_of_a_plan_load_again():
    """Without that, a field that came into being later would count as a departure."""
    asked = question(
        alerts=[{"when": "ci-crosses-null"}, {"when": "estimate-moves", "by": "0.1", "scale": "log"}],
        network={"reference": "salt", "important_difference": "0.9"},
        certainty={"important_difference": {"RR": "0.9"}, "horizons": ["12", "24"]},
        survival={"horizon": "24"},
    )
    assert plan_content(Question.model_validate(plan_content(asked))) == plan_content(asked)


def test_a_plan_that_no_longer_loads_is_still_compared(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    content["plans"][0]["content"]["bygone"] = "x"
    path.write_text(json.dumps(content), encoding="utf-8")
    (one,) = departed(path, question()).analysis
    assert (one.field, one.before, one.now) == ("bygone", "x", "not there")


def test_without_a_plan_the_report_says_that_and_no_more(tmp_path):
    assert deviations(question(), load_plans(plan_path(tmp_path, "none"))) is None
    assert plan_parts(None) == {"lines": [NO_PLAN], "problems": [], "analysis": [], "editorial": []}
    assert plan_values(None) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"plans": []}', '{"plans": [{}]}', '{"plans": 3}'])
def test_a_file_that_holds_no_plan_is_refused(tmp_path, text):
    path = plan_path(tmp_path, "salt")
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MetasynError, match="is no file of analysis plans"):
        load_plans(path)
