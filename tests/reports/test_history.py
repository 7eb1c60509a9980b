"""Recorded editions: a line each, appended when something is said otherwise, and never rewritten."""

from __future__ import annotations

import json

import pytest

from metasyn.errors import UsageError
from metasyn.evidence import Evidence
from metasyn.records import find_layout, load_records
from metasyn.reports.changes.edition import Edition, edition_of, read_edition, settled_of
from metasyn.reports.changes.history import append_edition, edition_numbered, editions, last_edition, today
from metasyn.reports.report import make_report

DEFINITION = """
title: A question
key: {disease: condition-x, line: 1}
comparisons: [{name: New drug added, add: new}]
outcomes: [OS]
certainty: {important_difference: {HR: 0.9}}
"""
NAME = "New drug added: OS (condition-x, line 1, from randomisation, randomised)"


@pytest.fixture
def content(project):
    for number, estimate in enumerate(("0.70", "0.80", "0.75")):
        project.record(f"study-{number}", estimate=estimate, ci=f"[{float(estimate) - 0.2:.2f}, 1.10]")
    path = project.write("reports/question.yaml", DEFINITION)
    layout = find_layout(project.root)
    return make_report(path, Evidence(load_records(layout, cache=False)), layout).values()


@pytest.fixture
def inputs():
    return {f"evidence/studies/study-{n}.yaml": f"{n}" * 64 for n in range(3)} | {"reports/question.yaml": "d" * 64}


def test_an_edition_holds_what_a_reader_may_have_acted_on(content, inputs):
    made = edition_of(content, inputs=inputs, plan="p" * 64)
    values = made.estimates[NAME]
    headline = content["results"][0]["strata"][0]["headline"]
    for name in ("estimate", "ci_low", "ci_high", "se", "tau2", "i2", "p_value", "pi_low", "pi_high"):
        assert values[name] == pytest.approx(headline[name], rel=1e-11)
    assert (values["k"], values["body"], values["measure"]) == (3, "randomised", "HR")
    assert made.studies == {f"study-{n}": f"{n}" * 64 for n in range(3)}
    assert made.certainty[NAME]["certainty"] == content["certainty"]["rows"][0]["certainty"]
    assert (made.plan, made.definition) == ("p" * 64, "d" * 64)


def test_an_edition_survives_its_line(content, inputs, tmp_path):
    made = edition_of(content, inputs=inputs)
    assert append_edition(tmp_path / "q.jsonl", made, alerts=[{"when": "ci-crosses-null", "about": NAME}], date="2026-03-01")  # fmt: skip
    (read,) = editions(tmp_path / "q.jsonl")
    assert read.says_the_same(made)
    assert read.estimates == made.estimates
    assert (read.number, read.date, read.title) == (1, "2026-03-01", "edition 1 of 2026-03-01")
    assert read.alerts == ({"when": "ci-crosses-null", "about": NAME},)


def test_nothing_is_appended_when_nothing_changed(content, inputs, tmp_path):
    history = tmp_path / "deep" / "q.jsonl"
    assert append_edition(history, edition_of(content, inputs=inputs), date="2026-03-01")
    raw = history.read_bytes()
    assert not append_edition(history, edition_of(content, inputs=inputs), date="2026-03-02")
    assert history.read_bytes() == raw
    assert append_edition(history, edition_of(content, inputs=inputs | {"evidence/studies/study-1.yaml": "9" * 64}), date="2026-03-03")  # fmt: skip
    assert history.read_bytes().startswith(raw)
    assert [one.number for one in editions(history)] == [1, 2]


@pytest.mark.parametrize("change", [{"plan": "q"}, {"studies": {"study-0": "z"}}, {"certainty": {}}, {"rankings": {}}, {"estimates": {}}])  # fmt: skip
def test_everything_recorded_counts_as_a_change(change):
    before = Edition(plan="p", studies={}, certainty=None, rankings=None, estimates={"x": {}})
    fields = {name: getattr(before, name) for name in ("plan", "studies", "certainty", "rankings", "estimates")}
    assert not before.says_the_same(Edition(**fields | change))


def test_the_history_and_another_version_make_no_edition(content, inputs):
    plain = edition_of(content, inputs=inputs)
    assert plain.says_the_same(edition_of(content, inputs=inputs | {"reports/history/question.jsonl": "h"}))
    assert plain.says_the_same(read_edition(plain.line() | {"version": "0.0.1", "date": "2020-01-01"}))


def test_a_line_of_an_earlier_version_is_read(tmp_path):
    old = {"edition": 4, "date": "2025-06-01", "inputs": "x", "estimates": {NAME: {"estimate": -0.2, "k": 2}}}
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps(old) + "\n", encoding="utf-8")
    assert last_edition(path) == old
    (read,) = editions(path)
    assert (read.number, read.studies, read.certainty, read.alerts) == (4, None, None, ())
    assert append_edition(path, Edition(), date="2026-01-01")
    assert [one.number for one in editions(path)] == [4, 5]


@pytest.mark.parametrize("text", ["{", "[]", '{"edition": 1}', '{"estimates": {}}', '{"edition": 1, "estimates": []}'])
def test_half_a_line_is_refused_by_its_number(tmp_path, text):
    path = tmp_path / "q.jsonl"
    path.write_text('{"edition": 1, "date": "2026-01-01", "estimates": {}}\n' + text + "\n", encoding="utf-8")
    for read in (editions, last_edition):
        with pytest.raises(ValueError, match="line 2 is no edition"):
            read(path)


def test_no_history_is_no_edition(tmp_path):
    assert last_edition(tmp_path / "none.jsonl") is None
    assert editions(tmp_path / "none.jsonl") == ()
    with pytest.raises(UsageError, match="no edition is recorded"):
        edition_numbered(tmp_path / "none.jsonl", 1)


def test_an_edition_by_its_number(tmp_path):
    path = tmp_path / "q.jsonl"
    for number in range(3):
        append_edition(path, Edition(plan=str(number)), date="2026-01-01")
    assert edition_numbered(path, 2).plan == "1"
    with pytest.raises(UsageError, match="editions 1 to 3 are recorded"):
        edition_numbered(path, 7)


def test_the_date_follows_source_date_epoch(monkeypatch, tmp_path):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01T00:00:00Z: date -u -d @1767225600
    assert today() == "2026-01-01"
    append_edition(tmp_path / "q.jsonl", Edition())
    assert editions(tmp_path / "q.jsonl")[0].date == "2026-01-01"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        today()


def test_settled_is_told_by_the_name_of_the_estimate(content):
    stratum = content["results"][0]["strata"][0]
    one = {"comparison": "New drug added", "outcome": "OS", "key": stratum["key"], "body": "randomised"}
    told = {"sequential": [one | {"settled": "open", "boundaries": {"fraction": 0.43}}]}
    assert settled_of(told) == {NAME: ("open", 0.43, 0)}
    assert settled_of({"sequential": [one | {"settled": "not-asked", "boundaries": None}]}) == {
        NAME: ("not-asked", None, 0)
    }
    assert settled_of({}) == {}
