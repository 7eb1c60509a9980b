"""Alerts: each kind raised by what it names, and by nothing else; numbers by hand."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from metasyn.reports.changes.alerts_asked import AlertAsked, alert_problems
from metasyn.reports.changes.edition import Edition
from metasyn.reports.changes.movement import exit_code, movement
from metasyn.reports.changes.page import changes_parts
from metasyn.reports.changes.text import changes_json, changes_md

NAME = "Supplement added: mortality (hypertension, randomised)"
NETWORK = "network: mortality (hypertension, randomised)"


def pool(hr: float = 0.8, low: float = 0.7, high: float = 0.95, **values):
    return {
        "estimate": math.log(hr), "ci_low": math.log(low), "ci_high": math.log(high), "se": 0.1, "tau2": 0.01, "i2": 20.0,
        "p_value": 0.04, "k": 2, "measure": "HR", "studies": ["a", "b"], "kind": "pool", "comparison": "Supplement added",
        "add": "supplement", "outcome": "mortality", "key": {}, "body": "randomised",
    } | values  # fmt: skip


def asked(**fields) -> AlertAsked:
    return AlertAsked.model_validate({name: str(value) for name, value in fields.items()})


def moved(before: dict, now: dict, *alerts: AlertAsked, settled=None, history=(), **fields):
    old = Edition(number=2, date="2026-02-01", estimates={NAME: before}, studies={"a": "1", "b": "2"})
    new = Edition(estimates={NAME: now}, studies={"a": "1", "b": "2", "c": "3"}, **fields)
    return movement(old, new, alerts, report="salt", settled=settled, history=history or (old,))


CI = asked(when="ci-crosses-null")
LOG = asked(when="estimate-moves", by="0.1", scale="log")


@pytest.mark.parametrize(
    ("before", "now", "word"),
    [
        (pool(high=0.95), pool(0.85, 0.7, 1.03, studies=["a", "b", "c"], k=3), "includes"),
        (pool(high=1.03), pool(0.8, 0.7, 0.95, studies=["a", "b", "c"], k=3), "excludes"),
    ],
)
def test_an_interval_that_crosses_no_effect_is_told_both_ways(before, now, word):
    result = moved(before, now, CI)
    (alert,) = result.raised
    assert f"now {word} no effect (1)" in alert.sentence
    assert "3 studies" in alert.sentence
    assert alert.why == "Added c."
    assert alert.studies == ("c",)
    assert exit_code([result]) == 3


def test_an_interval_that_stays_on_its_side_is_not_told():
    assert not moved(pool(), pool(0.7, 0.6, 0.9), CI).alerts
    assert not moved(pool(high=1.1), pool(0.9, 0.6, 1.2), CI).alerts
    assert not moved(pool(ci_low=None, ci_high=None), pool(high=1.2), CI).alerts


def test_no_effect_of_a_difference_is_zero():
    before = pool(measure="MD", estimate=-3.0, ci_low=-5.0, ci_high=-1.0)
    (alert,) = moved(before, before | {"ci_high": 0.5}, CI).raised
    assert "no effect (0)" in alert.sentence


# HR 0.80 to 0.88: log(1.1) = 0.0953, 0.08 on the ratio scale, 0.953 of an old se of 0.1
@pytest.mark.parametrize(
    ("scale", "below", "above"), [("log", "0.0953", "0.0954"), ("ratio", "0.08", "0.081"), ("se", "0.953", "0.954")]
)
def test_an_estimate_moves_on_the_scale_that_is_named(scale, below, above):
    before, now = pool(0.8), pool(0.88)
    assert len(moved(before, now, asked(when="estimate-moves", by=below, scale=scale)).raised) == 1
    assert not moved(before, now, asked(when="estimate-moves", by=above, scale=scale)).alerts
    assert len(moved(now, before, asked(when="estimate-moves", by=below, scale=scale)).raised) == 1


def test_a_step_of_exactly_the_size_counts():
    before = pool(measure="MD", estimate=0.3)
    assert moved(before, before | {"estimate": 0.1 + 0.2 + 0.1}, asked(when="estimate-moves", by="0.1", scale="absolute")).raised  # fmt: skip


def test_scales_that_a_measure_does_not_have_watch_nothing_and_say_so():
    difference = pool(measure="MD")
    for scale in ("log", "ratio"):
        result = moved(difference, difference | {"estimate": 9.0}, asked(when="estimate-moves", by="0.1", scale=scale))
        assert not result.alerts
        assert "watches nothing" in changes_md(result)
    assert moved(pool(), pool(0.5), asked(when="estimate-moves", by="0.1", scale="absolute")).unwatched


def test_small_steps_in_one_direction_add_up():
    steps = [math.log(0.8) + 0.04 * step for step in range(4)]
    history = tuple(
        Edition(number=n, date=f"2026-0{n}-01", estimates={NAME: pool(estimate=steps[n - 1])}) for n in (1, 2, 3)
    )
    result = moved(pool(estimate=steps[2]), pool(estimate=steps[3]), LOG, history=history)
    (alert,) = result.raised
    assert "moved by +0.12 on the log scale since edition 1 of 2026-01-01" in alert.sentence
    told = Edition(number=2, date="2026-02-01", estimates={NAME: pool(estimate=steps[1])}, alerts=({"when": "estimate-moves", "about": NAME},))  # fmt: skip
    assert not moved(pool(estimate=steps[2]), pool(estimate=steps[3]), LOG, history=(history[0], told, history[2])).alerts  # fmt: skip


def test_nothing_is_told_again_while_an_estimate_stands_still():
    first = Edition(number=1, date="2026-01-01", estimates={NAME: pool(0.5)})
    assert not moved(pool(), pool(), LOG, history=(first,)).alerts


@pytest.mark.parametrize(
    ("of", "by", "raised"), [("i2", "30", 1), ("i2", "31", 0), ("tau", "0.1", 1), ("tau", "0.11", 0)]
)
def test_heterogeneity_rises_and_a_fall_is_not_told(of, by, raised):
    before, now = pool(i2=20.0, tau2=0.01), pool(i2=50.0, tau2=0.04)  # tau 0.1 to 0.2
    alert = asked(when="heterogeneity-rises", by=by, of=of)
    assert len(moved(before, now, alert).raised) == raised
    assert not moved(now, before, alert).alerts


def test_heterogeneity_of_one_study_is_not_compared():
    assert not moved(pool(i2=None, tau2=None), pool(i2=90.0), asked(when="heterogeneity-rises", by="5")).alerts


def test_the_threshold_of_a_recommendation_is_crossed_either_way():
    alert = asked(when="threshold-crossed", outcome="mortality", at="0.8")
    for before, now in ((0.78, 0.82), (0.82, 0.78)):
        (one,) = moved(pool(before), pool(now), alert).raised
        assert f"the estimate crossed 0.8, from {before} to {now}" in one.sentence
    assert not moved(pool(0.82), pool(0.9), alert).alerts
    limit = asked(when="threshold-crossed", outcome="mortality", at="0.9", what="limit")
    (one,) = moved(pool(0.8, 0.7, 0.88), pool(0.8, 0.7, 0.93), limit).raised
    assert "the upper limit crossed 0.9, from 0.88 to 0.93" in one.sentence
    assert not moved(pool(0.95, 0.7, 1.2), pool(0.85, 0.7, 1.2), limit).alerts


def test_outcome_and_comparison_narrow_an_alert():
    for fields in ({"outcome": "stroke"}, {"comparison": "Tablet added"}):
        result = moved(pool(), pool(0.5), asked(when="estimate-moves", by="0.1", scale="log", **fields))
        assert not result.alerts
        assert result.unwatched
    named = asked(when="estimate-moves", by="0.1", scale="log", outcome="mortality", comparison="Supplement added")
    assert moved(pool(), pool(0.5), named).raised


def rated(certainty: str, **domains):
    return {NAME: {"certainty": certainty, "at_most": certainty, "domains": domains}}


def test_certainty_that_changes_is_told_with_its_domains():
    old = Edition(number=2, date="2026-02-01", estimates={NAME: pool()}, certainty=rated("moderate", imprecision=0))
    new = Edition(estimates={NAME: pool()}, certainty=rated("low", imprecision=-1))
    alert = asked(when="certainty-changes")
    (one,) = movement(old, new, [alert], report="salt").raised
    assert "certainty is low, before moderate (imprecision 0, now −1)" in one.sentence
    same = Edition(estimates={NAME: pool()}, certainty=rated("moderate", imprecision=-1))
    assert not movement(old, same, [alert], report="salt").alerts
    assert movement(old, Edition(estimates={NAME: pool()}), [alert], report="salt").unwatched


def ranked(*order: tuple[str, float], error: float = 0.001):
    return {NETWORK: {"outcome": "mortality", "error": error, "order": [{"treatment": name, "sucra": value} for name, value in order]}}  # fmt: skip


def test_another_strategy_in_first_place_is_told_and_a_tie_is_not():
    alert = asked(when="ranking-flips")
    old = Edition(number=2, date="2026-02-01", rankings=ranked(("salt", 0.9), ("diet", 0.7), ("none", 0.1)))
    flipped = Edition(rankings=ranked(("diet", 0.85), ("salt", 0.8), ("none", 0.1)))
    (one,) = movement(old, flipped, [alert], report="salt").raised
    assert "diet now stands first in the order of strategies (SUCRA 0.85); before, salt did (0.90), which now has 0.80" in one.sentence  # fmt: skip
    assert "best" not in one.sentence
    tied = Edition(rankings=ranked(("diet", 0.8501), ("salt", 0.85)))
    assert not movement(old, tied, [alert], report="salt").alerts
    lower = Edition(rankings=ranked(("salt", 0.9), ("none", 0.3), ("diet", 0.2)))
    assert not movement(old, lower, [alert], report="salt").alerts
    left = Edition(rankings=ranked(("diet", 0.9), ("none", 0.1)))
    assert "which is no longer in the network" in movement(old, left, [alert], report="salt").raised[0].sentence


def test_open_boundaries_hold_alerts_back_and_crossed_ones_let_them_through():
    before, now = pool(high=1.05), pool(0.6, 0.5, 0.8)
    for settled in ({NAME: ("open", 0.43)}, lambda _: ("open", 0.43)):
        result = moved(before, now, CI, LOG, settled=settled)
        assert not result.raised
        assert [alert.held_back for alert in result.held_back] == ["not yet conclusive (43% of the required information)"] * 2  # fmt: skip
        assert exit_code([result]) == 4
        assert "Not raised, not yet conclusive (43% of the required information)." in changes_md(result)
        assert changes_json(result)["alerts"] == []
        assert len(changes_parts(result)["held"]) == 2
    for status in ("crossed", "not-asked"):
        assert len(moved(before, now, CI, LOG, settled={NAME: (status, 1.0)}).raised) == 2
    (held,) = moved(before, now, CI, LOG, settled={NAME: ("futile", 1.0)}).held_back
    assert held.held_back == "the required information is there, and no boundary was crossed"
    assert len(moved(before, now, CI, settled={}).raised) == 1


def test_a_flip_within_the_monte_carlo_error_is_told_when_it_is_clear():
    clear = Edition(number=1, date="2026-01-01", rankings=ranked(("salt", 0.9), ("diet", 0.7)))
    tied = Edition(number=2, date="2026-02-01", rankings=ranked(("diet", 0.8501), ("salt", 0.85)))
    flipped = Edition(rankings=ranked(("diet", 0.95), ("salt", 0.2)))
    alert = asked(when="ranking-flips")
    (told,) = movement(tied, flipped, (alert,), report="salt", history=(clear, tied)).raised
    assert (told.before, told.now) == ("salt", "diet")
    assert not movement(tied, Edition(rankings=ranked(("diet", 0.8502), ("salt", 0.85))), (alert,), report="salt", history=(clear, tied)).alerts  # fmt: skip


def test_an_interval_on_the_other_side_of_no_effect_is_told():
    (alert,) = moved(pool(0.67, 0.55, 0.82), pool(1.49, 1.22, 1.82), CI).raised
    assert "now lies on the other side of no effect (1)" in alert.sentence


def test_an_alert_that_was_held_back_is_raised_when_the_boundary_is_crossed():
    open_, excludes = pool(high=1.05), pool(0.75, 0.6, 0.93)
    held = moved(open_, excludes, CI, settled={NAME: ("open", 0.4)}).alerts
    assert [alert.held_back is not None for alert in held] == [True]
    history = (
        Edition(number=1, date="2026-01-01", estimates={NAME: open_}),
        Edition(number=2, date="2026-02-01", estimates={NAME: excludes}, alerts=tuple(one.kept for one in held)),
    )
    later = pool(0.74, 0.62, 0.89)
    (waits,) = moved(excludes, later, CI, settled={NAME: ("open", 0.8)}, history=history).alerts
    assert waits.held_back == "not yet conclusive (80% of the required information)"
    (alert,) = moved(excludes, later, CI, settled={NAME: ("crossed", 1.0, -1)}, history=history).raised
    assert "now excludes no effect" in alert.sentence
    told = (*history, Edition(number=3, date="2026-03-01", estimates={NAME: later}, alerts=(alert.kept,)))
    assert not moved(later, pool(0.73, 0.62, 0.88), CI, settled={NAME: ("crossed", 1.0, -1)}, history=told).alerts


def test_a_boundary_crossed_on_one_side_settles_nothing_on_the_other():
    benefit = pool(0.75, 0.6, 0.93)
    (alert,) = moved(pool(high=1.05), benefit, CI, settled={NAME: ("crossed", 1.0, 1)}).alerts
    assert alert.held_back == "the boundary was crossed on the other side of no effect"
    assert moved(pool(high=1.05), benefit, CI, settled={NAME: ("crossed", 1.0, -1)}).raised


def test_that_an_interval_has_come_to_include_no_effect_waits_for_nothing():
    assert moved(pool(), pool(0.85, 0.7, 1.03), CI, settled={NAME: ("open", 0.4)}).raised


def test_alerts_of_two_sizes_do_not_reset_each_other():
    large = asked(when="estimate-moves", by="0.3", scale="log")
    steps = [math.log(0.8) + 0.12 * step for step in range(4)]
    history: tuple[Edition, ...] = (Edition(number=1, date="2026-01-01", estimates={NAME: pool(estimate=steps[0])}),)
    seen = []
    for number in (1, 2, 3):
        result = moved(pool(estimate=steps[number - 1]), pool(estimate=steps[number]), LOG, large, history=history)
        seen.append([alert.by for alert in result.raised])
        kept = tuple(alert.kept for alert in result.alerts)
        history += (Edition(number=number + 1, date="2026-02-01", estimates={NAME: pool(estimate=steps[number])}, alerts=kept),)  # fmt: skip
    assert seen == [[0.1], [0.1], [0.1, 0.3]]  # 0.36 since the first


def test_boundaries_hold_back_no_other_alert():
    threshold = asked(when="threshold-crossed", outcome="mortality", at="0.8")
    assert moved(pool(0.85), pool(0.7), threshold, settled={NAME: ("open", 0.2)}).raised


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"when": "estimate-moves", "by": "0.1"}, "does not say scale"),
        ({"when": "estimate-moves"}, "does not say by and scale"),
        ({"when": "heterogeneity-rises"}, "does not say by"),
        ({"when": "threshold-crossed", "at": "0.8"}, "does not say outcome"),
        ({"when": "ci-crosses-null", "by": "0.1"}, "has by, which ci-crosses-null does not know"),
        ({"when": "estimate-moves", "by": "-1", "scale": "log"}, "is not a step above 0"),
        ({"when": "estimate-moves", "by": "soon", "scale": "log"}, "soon"),
        ({"when": "estimate-moves", "by": "0.1", "scale": "logg"}, "absolute"),
        ({"when": "never"}, "ci-crosses-null"),
        ({"when": "ci-crosses-null", "outcom": "x"}, "outcom"),
    ],
)
def test_alerts_that_cannot_be_are_refused(fields, words):
    with pytest.raises(ValidationError, match=words):
        AlertAsked.model_validate(fields)


def test_words_that_a_report_does_not_have_are_found():
    alerts = [asked(when="ci-crosses-null", outcome="mortalty", comparison="x"), asked(when="ranking-flips")]
    found = alert_problems(alerts, outcomes=["mortality"], comparisons=["Supplement added"], network=False)
    assert [place for place, _ in found] == [(0, "outcome"), (0, "comparison"), (1, "when")]
    assert "did you mean mortality?" in found[0][1]
    assert not alert_problems(alerts[1:], outcomes=[], comparisons=[], network=True)
