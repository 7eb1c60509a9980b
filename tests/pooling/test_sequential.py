"""Trial sequential analysis: hand arithmetic, invariances, and the error it promises, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm

from metasyn.pooling import pool, pool_bayes
from metasyn.pooling.priors import HalfCauchy, HalfNormal
from metasyn.pooling.sequential import trial_sequential
from metasyn.pooling.spending import boundaries

# invented log hazard ratios of trials of a drug for blood pressure
EFFECT = [-0.35, -0.10, -0.28, 0.05, -0.22]
SE = [0.20, 0.15, 0.12, 0.18, 0.10]
LOOK = ["2015", "2017", "2017", "2020", "2024"]
DELTA = np.log(0.8)


def made(**changes):
    asked = {"delta": DELTA, "tau2": 0.01} | changes
    return trial_sequential(EFFECT, SE, LOOK, **asked)


def test_required_information_by_hand():
    # z(0.975) + z(0.9) over log 0.8, squared: 3.241516 over 0.2231436
    assert made().required == pytest.approx(211.022, abs=1e-3)
    assert made(power=0.8).required == pytest.approx((1.959964 + 0.8416212) ** 2 / DELTA**2, rel=1e-6)


def test_with_tau2_fixed_the_pool_of_a_look_is_the_weighted_mean():
    looks = made().looks
    weights = 1 / (np.square(SE[:3]) + 0.01)
    assert looks["information"].iloc[1] == pytest.approx(weights.sum(), rel=1e-13)
    assert looks["estimate"].iloc[1] == pytest.approx(weights @ EFFECT[:3] / weights.sum(), rel=1e-12)
    assert_allclose(looks["z"], looks["estimate"] / looks["se"])
    assert_allclose(looks["k"], [1, 3, 4, 5])
    assert_allclose(looks["fraction"], looks["information"] / made().required)


def test_boundaries_are_those_of_the_information_at_the_looks():
    analysis = made()
    expected = boundaries(analysis.looks["information"], required=analysis.required)
    assert_allclose(analysis.looks["boundary"], expected.boundary)
    assert_allclose(analysis.looks["spent"], expected.spent)


def test_the_repeated_interval_excludes_no_effect_exactly_when_the_boundary_is_crossed():
    for shift in np.linspace(-0.4, 0.2, 13):
        analysis = trial_sequential(np.array(EFFECT) + shift, SE, LOOK, delta=DELTA, tau2=0.01)
        tested = analysis.looks[analysis.looks["tested"]]
        excludes = (tested["adjusted_low"] > 0) | (tested["adjusted_high"] < 0)
        assert (excludes == tested["crossed"]).all()


def test_the_plain_interval_is_not_altered_by_boundaries():
    analysis = made(alpha=0.05)
    assert_allclose(analysis.looks["ci_low"], analysis.looks["estimate"] - norm.isf(0.025) * analysis.looks["se"])
    tested = analysis.looks[analysis.looks["tested"]]
    assert (tested["adjusted_low"] <= tested["ci_low"] + 1e-12).all()


def test_diversity_is_the_share_of_variance_that_heterogeneity_adds():
    effect = [-0.6, 0.1, -0.3, 0.3, -0.5]
    analysis = trial_sequential(effect, SE, LOOK, delta=DELTA, diversity="estimate", estimator="DL")
    random, common = pool(effect, SE, tau2="DL", ci="z"), pool(effect, SE, tau2="EE", ci="z")
    share = 1 - common.se**2 / random.se**2
    assert share > 0.2
    assert analysis.diversity == pytest.approx(share, rel=1e-12)
    # Wetterslev 2009: required information enlarged by 1/(1 - D2), against common-effect information
    enlarged = analysis.required / (1 - share)
    assert analysis.fraction == pytest.approx(np.sum(1 / np.square(SE)) / enlarged, rel=1e-12)
    assert_allclose(analysis.looks["z"].iloc[-1], random.estimate / random.se, rtol=1e-12)
    # at the end that information is the one of the random-effects pool
    assert analysis.looks["information"].iloc[-1] == pytest.approx(1 / random.se**2, rel=1e-12)
    assert not analysis.fixed_by_design


def test_under_a_prior_tau2_is_its_posterior_mean_at_each_look():
    analysis = made(tau2=None, tau_prior=HalfNormal(0.5))
    tau = pool_bayes(EFFECT[:3], SE[:3], tau_prior=HalfNormal(0.5)).tau
    assert analysis.looks["tau2"].iloc[1] == pytest.approx(tau.mean**2 + tau.sd**2, rel=1e-10)
    assert analysis.tau_prior == "half-normal(0.5)"
    with pytest.raises(ValueError, match="no posterior mean"):
        trial_sequential([0.1], [0.2], ["a"], delta=DELTA, tau_prior=HalfCauchy(1))


def test_where_information_falls_there_is_no_test_and_no_alpha_is_spent():
    # a study far off raises the posterior of tau2, and with it the variance of the pool
    analysis = trial_sequential([-0.3, -0.3, 1.6, 0.0], [0.1, 0.1, 0.1, 0.1], ["a", "b", "c", "d"], delta=DELTA, tau_prior=HalfNormal(1))  # fmt: skip
    looks = analysis.looks
    assert looks["information"].iloc[2] < looks["information"].iloc[1]
    assert not looks["tested"].iloc[2]
    assert np.isnan(looks["boundary"].iloc[2])
    assert looks["spent"].iloc[2] == looks["spent"].iloc[1]
    assert looks["counted"].is_monotonic_increasing
    assert any("information was less than before at look c" in note for note in analysis.notes)


def test_a_later_cutoff_replaces_the_earlier_one_of_the_same_study():
    again = trial_sequential([*EFFECT[:3], -0.4], [*SE[:3], 0.10], ["1", "2", "2", "3"], delta=DELTA, tau2=0.01, studies=["a", "b", "c", "a"])  # fmt: skip
    fresh = trial_sequential([-0.4, *EFFECT[1:3]], [0.10, *SE[1:3]], ["1"] * 3, delta=DELTA, tau2=0.01)
    assert list(again.looks["k"]) == [1, 3, 3]
    for name in ("estimate", "se", "information"):
        assert again.looks[name].iloc[-1] == pytest.approx(fresh.looks[name].iloc[-1], rel=1e-13)


def test_type_i_error_over_all_looks_is_alpha_with_tau2_fixed_also_where_cutoffs_replace_each_other():
    rng, n, tau2 = np.random.default_rng(8), 200_000, 0.02
    early, late = (
        np.array([0.05, 0.04]),
        np.array([0.05, 0.015, 0.02]),
    )  # variances: study 2 comes again, study 3 is new
    own = rng.standard_normal((n, 3)) * np.sqrt(tau2)
    final = own + rng.standard_normal((n, 3)) * np.sqrt(late)
    interim = final[:, 1] + rng.standard_normal(n) * np.sqrt(
        early[1] - late[1]
    )  # efficient: the difference is independent
    one = np.column_stack([final[:, 0], interim])
    z, information = [], []
    for values, v in ((one, early), (final, late)):
        weights = 1 / (v + tau2)
        information.append(weights.sum())
        z.append(values @ weights / np.sqrt(weights.sum()))
    limits = boundaries(information, required=information[-1], spending="pocock").boundary
    share = (np.abs(np.column_stack(z)) >= limits).any(axis=1).mean()
    assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / n)


def test_readings():
    weak = trial_sequential([-0.1, -0.05], [0.2, 0.2], ["1", "2"], delta=DELTA, tau2=0.01)
    assert (weak.status, weak.decided_at) == ("open", None)
    assert weak.summary() == "no conclusion: 19% of the required information"  # 2/0.05 = 40 of 211
    strong = trial_sequential([-0.5, -0.5, -0.5], [0.1, 0.1, 0.1], ["1", "2", "3"], delta=DELTA, tau2=0.0)
    assert (strong.status, strong.decided_at, strong.sign) == ("crossed", "1", -1)
    assert "crossed below no effect at look 1" in strong.summary()
    null = trial_sequential([0.01, -0.01], [0.05, 0.05], ["1", "2"], delta=DELTA, tau2=0.0)
    assert (null.status, null.decided_at) == ("reached", "1")
    assert any("no alpha was left: 2" in note for note in null.notes)
    early = trial_sequential([0.01, -0.01], [0.1, 0.12], ["1", "2"], delta=DELTA, tau2=0.0, futility="pocock")
    assert early.status == "futile"
    assert early.fraction < 1


def test_the_first_crossing_stands_and_a_return_is_said():
    analysis = trial_sequential([-0.8, 0.4], [0.12, 0.1], ["1", "2"], delta=DELTA, tau2=0.0, power=0.99)
    assert (analysis.status, analysis.decided_at) == ("crossed", "1")
    assert any("inside the boundary again" in note for note in analysis.notes)


def test_a_fixed_tau2_below_the_estimate_is_said_to_be_lenient():
    analysis = trial_sequential([-0.8, 0.4, -0.1], [0.1, 0.1, 0.1], ["1", "2", "3"], delta=DELTA, tau2=0.0)
    assert analysis.tau2_at_end > 0.1
    assert any("too lenient" in note for note in analysis.notes)


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0.1, 10), seed=st.integers(0, 1000))
def test_scale_sign_and_order_within_a_look_do_not_matter(scale, seed):
    first = made()
    order = np.concatenate([[0], 1 + np.random.default_rng(seed).permutation(2), [3, 4]])
    other = trial_sequential(
        -scale * np.array(EFFECT)[order], scale * np.array(SE)[order], LOOK, delta=scale * DELTA, tau2=0.01 * scale**2
    )
    assert_allclose(other.looks["z"], -first.looks["z"], rtol=1e-9)
    assert_allclose(other.looks["boundary"], first.looks["boundary"], rtol=1e-7)
    assert_allclose(other.looks["fraction"], first.looks["fraction"], rtol=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"delta": 0}, "no effect to detect"),
        ({"power": 0.4}, "power is not between"),
        ({"tau2": None}, "given by nothing"),
        ({"diversity": 0.2}, "tau2 and diversity"),
        ({"tau2": -0.1}, "not a variance"),
        ({"tau2": None, "diversity": 1.0}, "no share"),
        ({"tau2": None, "diversity": "guess"}, "no share"),
        ({"alpha": 0}, "alpha is not between"),
        ({"studies": ["a", "b", "b", "c", "d"]}, "b stands twice in look 2017"),
    ],
)
def test_what_cannot_be_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        made(**changes)
