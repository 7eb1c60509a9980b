"""E-values, power and the bias needed, against worked answers of the papers that define them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import REFERENCE
from hypothesis import given
from hypothesis import strategies as st

from metasyn.certainty import (
    bias_to_explain_away,
    detectable_hazard_ratio,
    e_value,
    events_needed,
    power,
    share_beyond_under_bias,
    significant_hazard_ratio,
)
from metasyn.pooling import pool

ITEMS = {item["id"]: item for item in json.loads((REFERENCE / "survival" / "formulas.json").read_text())["items"]}


def items(prefix: str) -> list:
    return [
        pytest.param(item["inputs"], item["outputs"], id=name)
        for name, item in ITEMS.items()
        if name.startswith(prefix)
    ]


@pytest.mark.parametrize(("given_", "expected"), items("g_evalue_hr"))
def test_hazard_ratios_as_vanderweele_and_ding(given_, expected):
    rare = e_value(given_["hr"], ci=given_["ci"], measure="HR", rare=True)
    common = e_value(given_["hr"], ci=given_["ci"], measure="HR", rare=False)
    assert (rare.estimate, rare.limit) == pytest.approx(
        (expected["rare"]["evalue"], expected["rare"]["evalue_limit"]), rel=1e-12
    )
    assert (common.estimate, common.limit) == pytest.approx(
        (expected["common"]["evalue"], expected["common"]["evalue_limit"]), rel=1e-12
    )
    assert common.risk_ratio == pytest.approx(expected["common"].get("rr", common.risk_ratio), rel=1e-12)
    unknown = e_value(given_["hr"], ci=given_["ci"], measure="HR")
    assert unknown.estimate == common.estimate
    assert unknown.if_rare == (rare.estimate, rare.limit)


def test_the_published_risk_ratio():
    found = e_value(3.9, ci=(1.8, 8.7), measure="RR")
    assert (round(found.estimate, 2), round(found.limit, 1)) == (7.26, 3.0)
    assert "immortal time" in found.notes[0]


@given(st.floats(0.05, 20), st.floats(1.01, 3))
def test_a_ratio_and_its_inverse_have_the_same_e_values(ratio, factor):
    for measure in ("RR", "HR", "OR"):
        one = e_value(ratio, ci=(ratio / factor, ratio * factor), measure=measure)
        other = e_value(1 / ratio, ci=(1 / ratio / factor, factor / ratio), measure=measure)
        assert one.estimate == pytest.approx(other.estimate, rel=1e-9)
        assert one.limit == pytest.approx(other.limit, rel=1e-9)
        assert 1 <= one.limit <= one.estimate


def test_a_confounder_of_that_strength_explains_the_ratio_away():
    found = e_value(2.0, measure="RR").estimate
    # the largest bias of a confounder with risk ratios E and E (Ding and VanderWeele 2016)
    assert found * found / (2 * found - 1) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-0.3, {"measure": "HR"}), "not a positive number"),
        ((0.7, {"measure": "MD"}), "accepted: RR, HR, OR"),
        ((0.7, {"ci": (0.8, 0.9), "measure": "HR"}), "does not hold the estimate"),
        ((0.7, {"ci": (0.5,), "measure": "HR"}), "accepted: \\(low, high\\)"),
    ],
)
def test_what_is_no_ratio_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        e_value(arguments[0], **arguments[1])


def test_one_limit_alone_is_enough_if_it_is_the_nearer_one():
    assert e_value(0.7, ci=(None, 0.9), measure="RR").limit == pytest.approx(1 / 0.9 + np.sqrt(1 / 0.9 * (1 / 0.9 - 1)))
    assert e_value(0.7, ci=(0.5, None), measure="RR").limit is None
    assert e_value(0.7, ci=(None, 1.2), measure="RR").limit == 1


@pytest.mark.parametrize(("given_", "expected"), items("e_schoenfeld_power"))
def test_power_as_schoenfeld(given_, expected):
    options = {"allocation": given_["allocation"], "alpha": given_["alpha_two_sided"]}
    assert power(given_["events"], given_["hr"], **options) == pytest.approx(expected["power"], rel=1e-12)
    both = power(given_["events"], given_["hr"], both_tails=True, **options)
    assert both == pytest.approx(expected["power_both_tails"], rel=1e-12)
    assert significant_hazard_ratio(given_["events"], **options) == pytest.approx(
        expected["minimal_hr_significant"], rel=1e-12
    )
    assert detectable_hazard_ratio(given_["events"], **options) == pytest.approx(
        expected["detectable_hr_80"], rel=1e-12
    )


@pytest.mark.parametrize(("given_", "expected"), items("e_events_needed"))
def test_events_as_schoenfeld_and_freedman(given_, expected):
    options = {"allocation": given_["allocation"], "power": given_["power"], "alpha": given_["alpha_two_sided"]}
    assert events_needed(given_["hr"], **options) == pytest.approx(expected["schoenfeld"], rel=1e-12)
    assert events_needed(given_["hr"], method="freedman", **options) == pytest.approx(expected["freedman"], rel=1e-12)
    reached = power(
        events_needed(given_["hr"], **options),
        given_["hr"],
        allocation=given_["allocation"],
        alpha=given_["alpha_two_sided"],
    )
    assert reached == pytest.approx(given_["power"])


def test_numbers_out_of_range_are_refused():
    for call in (
        lambda: power(0, 0.7),
        lambda: power(100, 0.7, alpha=2),
        lambda: events_needed(1.0),
        lambda: events_needed(0.7, method="x"),
        lambda: power(100, 0.7, allocation=(1, 0)),
    ):
        with pytest.raises(ValueError, match=r"not|accepted"):
            call()


EFFECTS = (np.log([0.5, 0.6, 0.7, 0.75, 0.9, 0.4]), np.array([0.15, 0.2, 0.1, 0.12, 0.2, 0.25]))


def test_the_bias_that_is_needed_leaves_the_share_that_was_asked_for():
    pooled = pool(*EFFECTS, measure="HR")
    assert pooled.tau2 > 0
    for share, threshold in ((0.1, 1.0), (0.3, 0.9), (0.5, 0.8)):
        found = bias_to_explain_away(pooled, share=share, threshold=threshold)
        left, _ = share_beyond_under_bias(pooled, threshold=threshold, bias_mean=np.log(found.bias_factor))
        assert left == pytest.approx(share)
        assert found.confounding**2 / (2 * found.confounding - 1) == pytest.approx(found.bias_factor)
        assert found.bias_factor_ci[0] < found.bias_factor < found.bias_factor_ci[1]


def test_the_share_agrees_with_simulated_true_effects_and_is_free_of_the_sign():
    pooled = pool(*EFFECTS, measure="HR")
    true = pooled.estimate + np.sqrt(pooled.tau2) * np.random.default_rng(1).standard_normal(1_000_000)
    share, _ = share_beyond_under_bias(pooled, threshold=0.8)
    assert share == pytest.approx(float((true < np.log(0.8)).mean()), abs=2e-3)
    turned = pool(-EFFECTS[0], EFFECTS[1], measure="HR")
    assert share_beyond_under_bias(turned, threshold=1.25) == pytest.approx(
        share_beyond_under_bias(pooled, threshold=0.8)
    )


def test_the_standard_error_of_the_share_is_its_delta_method():
    pooled = pool(*EFFECTS, measure="HR")
    step = 1e-6
    moved = share_beyond_under_bias(replace(pooled, estimate=pooled.estimate + step), threshold=0.9)[0]
    wider = share_beyond_under_bias(replace(pooled, tau2=pooled.tau2 + step), threshold=0.9)[0]
    here, se = share_beyond_under_bias(pooled, threshold=0.9)
    slopes = np.array([moved - here, wider - here]) / step
    assert se == pytest.approx(float(np.hypot(slopes[0] * pooled.se, slopes[1] * pooled.tau2_se)), rel=1e-4)


def test_a_threshold_on_the_other_side_is_refused():
    with pytest.raises(ValueError, match="other side of 1"):
        bias_to_explain_away(pool(*EFFECTS, measure="HR"), threshold=1.2)
