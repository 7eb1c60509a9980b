"""The network fit against netmeta and metafor, against an independent likelihood, and in its invariances."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_reference import below, cases, close, network
from numpy.testing import assert_allclose
from random_networks import networks

from metasyn.network import NetworkEstimate, fit_network
from metasyn.pooling import pool

FRAMES = {"TE": "league", "seTE": "league_se", "lower": "league_ci_low", "upper": "league_ci_high", "pval": "league_p"}


def assert_league(fit: NetworkEstimate, expected: dict) -> None:
    se = below(fit.league_se, expected["seTE"])[1]
    for name, frame in FRAMES.items():
        if name in expected:
            # 1e-8: closed form; p values of 1e-100 lose digits to the quantile they come from
            tol = 1e-7 if name == "pval" else 1e-8
            assert close(*below(getattr(fit, frame), expected[name]), 0 if name == "pval" else se, tol=tol), name


def assert_prediction(fit: NetworkEstimate, expected: dict) -> None:
    for name, frame in (("lower", fit.league_pi_low), ("upper", fit.league_pi_high)):
        if name in expected["prediction"]:
            got, value = below(frame, expected["prediction"][name])
            assert close(got, value, 1.0)


@pytest.mark.parametrize(("name", "case"), cases("netmeta_DL", "netmeta_subnet1", "netmeta_subnet2"))
def test_moments_and_common_effect_agree_with_netmeta(name, case):
    expected = case["expected"]
    frame = network(name, expected.get("studies"))
    common, random = fit_network(frame, tau2="EE"), fit_network(frame, tau2="DL")
    assert_league(common, expected["common"])
    assert_league(random, expected["random"])
    assert_prediction(random, expected)
    assert close(random.tau2, expected["tau2"], 1.0)
    for fit in (common, random):
        assert close([fit.q, fit.q_p_value, fit.i2 / 100], [expected[key] for key in ("Q", "pval_Q", "I2")], 1e-6)
        assert (fit.q_df, fit.k) == (expected["df_Q"], expected["n_studies"])
        assert (fit.designs, fit.contrasts) == (expected["n_designs"], expected["n_contrasts"])


@pytest.mark.parametrize(("name", "case"), cases("netmeta_ML", "netmeta_REML"))
def test_likelihoods_agree_with_netmeta(name, case):
    expected = case["expected"]
    if "caution" not in case:
        fit = fit_network(network(name), tau2=case["call"]["method_tau"])
        # what R's optimiser leaves: a relative 1e-5, and some 1e-10 where tau2 is 0
        assert_allclose(fit.tau2, expected["tau2"], rtol=1e-5, atol=1e-8)
    # with R's tau2 all else is closed form, also where R leaves multi-arm covariances out of tau2 (`caution`)
    at_same = fit_network(network(name), tau2=expected["tau2"])
    assert_league(at_same, expected["random"])
    assert_prediction(at_same, expected)


@pytest.mark.parametrize(("name", "case"), cases("metafor_ML", "metafor_REML"))
def test_likelihoods_agree_with_metafor_which_has_exact_multi_arm_covariances(name, case):
    expected = case["expected"]
    fit = fit_network(network(name), tau2=case["call"]["method"], reference=case["call"]["reference"])
    # what R's optimiser leaves: a relative 1e-5, and some 1e-10 where tau2 is 0
    assert_allclose(fit.tau2, expected["tau2"], rtol=1e-5, atol=1e-8)
    shown = fit.against_reference().set_index("treatment").loc[expected["treat"]]
    assert close(shown["estimate"], expected["b"], expected["se"], tol=1e-5)
    assert close(shown["se"], expected["se"], 0, tol=1e-5)
    assert close(fit.q, expected["QE"], 0)
    assert fit.q_df == expected["df_QE"]


@pytest.mark.parametrize(
    ("name", "method", "difference"),
    [
        ("senn2013", "REML", -1.13262e-3),
        ("senn2013", "ML", -3.52415e-4),
        ("sim_strategies_a", "REML", 1.87223e-4),
        ("sim_strategies_a", "ML", 1.66156e-4),
        ("linde2016", "REML", -1.24017e-2),
        ("linde2016", "ML", -2.76403e-3),
    ],
)
def test_netmeta_without_arms_is_off_by_this_much_in_tau2(name, method, difference):
    (case,) = (parameters.values[1] for parameters in cases(f"netmeta_{method}") if parameters.values[0] == name)
    assert "caution" in case
    fit = fit_network(network(name), tau2=method)
    assert_allclose(fit.tau2 - case["expected"]["tau2"], difference, rtol=1e-3)


def log_likelihood(frame: pd.DataFrame, tau2: float, *, restricted: bool) -> float:
    """The likelihood of a network on full matrices, study by study, written apart from the package."""
    names = sorted(set(frame["treatment"]) | set(frame["comparator"]))
    rows, values, blocks = [], [], []
    for _, study in frame.groupby("study"):
        known = {(r.treatment, r.comparator): (r.effect, r.se**2) for r in study.itertuples()}
        known |= {(b, a): (-d, v) for (a, b), (d, v) in known.items()}
        base, *others = sorted({arm for pair in known for arm in pair})
        size = len(others)
        variance = np.empty((size, size))
        for i, a in enumerate(others):
            values.append(known[a, base][0])
            rows.append([(name == a) - (name == base) for name in names[1:]])
            for j, b in enumerate(others):
                apart = known[a, b][1] if a != b else 0.0
                variance[i, j] = (known[a, base][1] + known[b, base][1] - apart) / 2
        blocks.append(variance + tau2 * (np.eye(size) + 1) / 2)
    x, y = np.array(rows, dtype=float), np.array(values)
    m = np.zeros((y.size, y.size))
    at = 0
    for block in blocks:
        m[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    w = np.linalg.inv(m)
    information = x.T @ w @ x
    residual = y - x @ np.linalg.solve(information, x.T @ w @ y)
    value = -np.linalg.slogdet(m)[1] - residual @ w @ residual
    return (value - np.linalg.slogdet(information)[1] if restricted else value) / 2


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize(
    "name", ["baker2009", "dong2013", "linde2016", "senn2013", "depression", "smokingcessation", "woods2010"]
)
def test_likelihood_is_at_its_maximum_where_the_estimate_says(name, method):
    frame = network(name)
    fit = fit_network(frame, tau2=method)
    step = 1e-3 * max(fit.tau2, 1e-3)
    low, middle, high = (
        log_likelihood(frame, value, restricted=method == "REML")
        for value in (max(0.0, fit.tau2 - step), fit.tau2, fit.tau2 + step)
    )
    if fit.tau2 == 0:
        assert high <= middle
        return
    assert middle >= max(low, high)
    # the vertex of the parabola through the three; 2 % of the step is what differences of rounded likelihoods can tell
    vertex = step / 2 * (low - high) / (low - 2 * middle + high)
    assert abs(vertex) <= 0.02 * step


@pytest.mark.parametrize(("name", "case"), cases("netmeta_tau_preset"))
def test_given_tau2_agrees_with_netmeta(name, case):
    fit = fit_network(network(name), tau2=case["call"]["tau_preset"] ** 2)
    assert (fit.tau2_method, fit.tau2) == ("given", pytest.approx(0.04))
    assert_league(fit, case["expected"]["random"])
    assert_prediction(fit, case["expected"])


@pytest.mark.parametrize(("name", "case"), cases("netmeta_level90_ref_metf"))
def test_level_and_reference_agree_with_netmeta(name, case):
    fit = fit_network(network(name), tau2="DL", level=0.9, reference="metf")
    assert fit.reference == case["expected"]["reference"]
    assert_league(fit, case["expected"]["random"])


@pytest.mark.parametrize(("name", "case"), cases("netsplit_back_calculation"))
def test_direct_estimates_agree_with_netmeta(name, case):
    expected = case["expected"]
    pairs = [text.split(":") for text in expected["comparison"]]
    for tau2, key in (("EE", "direct_common"), ("DL", "direct_random")):
        fit = fit_network(network(name), tau2=tau2)
        se = np.array(expected[key]["seTE"], dtype=float)
        assert close([fit.direct.loc[a, b] for a, b in pairs], expected[key]["TE"], np.nan_to_num(se))
        assert close([fit.direct_se.loc[a, b] for a, b in pairs], se, 0)
        assert [fit.direct_studies.loc[a, b] for a, b in pairs] == expected["k"]


PAIRWISE = {"effect": [-0.45, -0.10, -0.62, 0.08, -0.3], "se": [0.20, 0.15, 0.30, 0.25, 0.1]}


@pytest.mark.parametrize("ci", ["z", "t", "HK", "HK_adhoc"])
@pytest.mark.parametrize("tau2", ["EE", "DL", "ML", "REML"])
def test_two_treatments_are_a_pairwise_pool(tau2, ci):
    frame = pd.DataFrame(PAIRWISE | {"treatment": "new", "comparator": "old", "study": list("abcde")})
    fit = fit_network(frame, tau2=tau2, ci=ci)
    pooled = pool(PAIRWISE["effect"], PAIRWISE["se"], tau2=tau2, ci=ci, prediction=None if ci != "z" else "V")
    got = [frame.loc["new", "old"] for frame in (fit.league, fit.league_se, fit.league_ci_low, fit.league_ci_high)]
    assert_allclose(got, [pooled.estimate, pooled.se, pooled.ci_low, pooled.ci_high], rtol=1e-10)
    assert_allclose(fit.league_p.loc["new", "old"], pooled.p_value, rtol=1e-9)
    assert_allclose([fit.tau2, fit.q, fit.q_p_value], [pooled.tau2, pooled.q, pooled.q_p_value], rtol=1e-9)
    assert (fit.q_df, fit.k) == (pooled.q_df, pooled.k)
    if tau2 == "EE":
        assert np.isnan(fit.league_pi_low.loc["new", "old"])
    else:
        got = [fit.league_pi_low.loc["new", "old"], fit.league_pi_high.loc["new", "old"]]
        assert_allclose(got, [pooled.pi_low, pooled.pi_high], rtol=1e-10)


def test_star_of_two_arm_trials_is_its_pairwise_pools():
    frame = network("sim_star_a")
    fit = fit_network(frame, tau2="EE", reference="Ref")
    for row in fit.against_reference().itertuples():
        part = frame[(frame["treatment"] == row.treatment) | (frame["comparator"] == row.treatment)]
        sign = np.where(part["treatment"] == row.treatment, 1, -1)
        pooled = pool(sign * part["effect"], part["se"], tau2="EE", ci="z")
        assert_allclose([row.estimate, row.se, row.p_value], [pooled.estimate, pooled.se, pooled.p_value], rtol=1e-9)
        assert_allclose([row.direct, row.direct_se], [row.estimate, row.se], rtol=1e-9)


def test_single_loop_by_hand():
    # A-B direct 0.3 with variance 0.04; indirect by C 0.9 - 0.2 = 0.7 with variance 0.02 + 0.02 = 0.04: the mean of both
    frame = pd.DataFrame(
        [("1", "B", "A", 0.3, 0.2), ("2", "C", "A", 0.9, 0.02**0.5), ("3", "C", "B", 0.2, 0.02**0.5)],
        columns=["study", "treatment", "comparator", "effect", "se"],
    )
    fit = fit_network(frame, tau2="EE")
    assert_allclose([fit.league.loc["B", "A"], fit.league_se.loc["B", "A"]], [0.5, 0.02**0.5], rtol=1e-12)
    assert_allclose([fit.q, fit.i2], [0.4**2 / 0.08, 50.0], rtol=1e-12)  # the loop's gap over its variance
    # trace of P T: one residual contrast with variance 0.08, to which each study adds tau2 once
    assert_allclose(fit_network(frame, tau2="DL").tau2, (0.16 - 0.08) / 3, rtol=1e-12)


TREE = pd.DataFrame(
    [("1", "B", "A", 0.3, 0.2), ("2", "C", "A", 0.9, 0.1)], columns=["study", "treatment", "comparator", "effect", "se"]
)


@pytest.mark.parametrize("tau2", ["EE", "DL", "ML", "REML"])
@pytest.mark.parametrize("ci", ["z", "t", "HK"])
def test_tree_of_single_studies_says_that_nothing_can_be_assessed(tau2, ci):
    fit = fit_network(TREE, tau2=tau2, ci=ci)
    assert_allclose([fit.league.loc["B", "C"], fit.league_se.loc["B", "C"]], [-0.6, 0.05**0.5], rtol=1e-12)
    assert (fit.q, fit.q_df, fit.q_p_value, fit.i2, fit.ci_method, fit.df) == (0.0, 0, 1.0, 0.0, "z", None)
    assert fit.tau2 == 0 if tau2 == "EE" else np.isnan(fit.tau2)
    assert np.isnan(fit.league_pi_low.loc["A", "B"])
    assert any("q_df = 0" in note for note in fit.notes)
    assert any("not assessable" in note for note in fit.notes)


def test_diagonal_and_antisymmetry():
    fit = fit_network(network("woods2010_hr"))
    for frame in (fit.league, fit.league_se, fit.league_ci_low, fit.league_ci_high, fit.league_pi_low):
        assert (np.diag(frame) == 0).all()
    assert np.isnan(np.diag(fit.league_p)).all()
    assert_allclose(fit.league, -fit.league.T, atol=1e-15)
    assert_allclose(fit.league_ci_low, -fit.league_ci_high.T, atol=1e-15)


def test_results_are_closed_to_writing():
    fit = fit_network(network("woods2010_hr"))
    with pytest.raises(ValueError, match="read-only"):
        fit.league.iloc[0, 1] = 1.0
    with pytest.raises(AttributeError):
        fit.tau2 = 1.0


def same(one: NetworkEstimate, other: NetworkEstimate) -> None:
    names = list(one.league.index)
    assert_allclose([one.tau2, one.q, one.i2], [other.tau2, other.q, other.i2], rtol=1e-7, atol=1e-9)
    for frame in ("league", "league_se", "league_ci_low", "league_pi_high", "direct", "direct_se"):
        assert_allclose(getattr(one, frame), getattr(other, frame).loc[names, names], rtol=1e-7, atol=1e-8)


METHODS = st.sampled_from(["EE", "DL", "ML", "REML"])


@settings(max_examples=40, deadline=None)
@given(networks(), METHODS, st.randoms())
def test_order_direction_and_reference_do_not_matter(frame, tau2, random):
    fit = fit_network(frame, tau2=tau2)
    order = list(range(len(frame)))
    random.shuffle(order)
    turned = frame.iloc[order].copy()
    flip = [random.random() < 0.5 for _ in order]
    turned.loc[flip, ["treatment", "comparator"]] = turned.loc[flip, ["comparator", "treatment"]].to_numpy()
    turned.loc[flip, "effect"] *= -1
    other = fit_network(turned, tau2=tau2, reference=random.choice(fit.treatments))
    same(fit, other)
    back = other.against_reference().set_index("treatment")["estimate"]
    assert_allclose(back, fit.league[other.reference].drop(other.reference).loc[back.index], rtol=1e-7, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(networks(), METHODS, st.floats(0.01, 100), st.randoms())
def test_names_sign_and_unit_carry_through(frame, tau2, factor, random):
    fit = fit_network(frame, tau2=tau2)
    new = [f"x{i}" for i in range(len(fit.treatments))]
    random.shuffle(new)
    names = dict(zip(fit.treatments, new, strict=True))
    changed = frame.assign(
        treatment=frame["treatment"].map(names),
        comparator=frame["comparator"].map(names),
        effect=-factor * frame["effect"],
        se=factor * frame["se"],
    )
    other = fit_network(changed, tau2=tau2)
    order = [names[name] for name in fit.treatments]
    assert_allclose(other.tau2, factor**2 * fit.tau2, rtol=1e-6, atol=1e-9 * factor**2)
    assert_allclose(other.q, fit.q, rtol=1e-8, atol=1e-9)
    assert_allclose(other.league.loc[order, order], -factor * fit.league, rtol=1e-6, atol=1e-7 * factor)
    assert_allclose(other.league_se.loc[order, order], factor * fit.league_se, rtol=1e-6, atol=1e-9)
    ranks, mirrored = fit.ranking(), other.ranking(small_is_good=False)
    scores = mirrored.set_index("treatment").loc[[names[t] for t in ranks["treatment"]], "p_score"]
    assert_allclose(scores, ranks["p_score"], rtol=1e-6, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(networks())
def test_effects_add_up_along_any_path(frame):
    league = fit_network(frame).league.to_numpy()
    assert_allclose(league[:, :1] + league[:1, :], league, atol=1e-10)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"reference": "Q"}, "reference Q is not in the network; accepted: A, B, C"),
        ({"tau2": "PM"}, "tau2 is not a known code"),
        ({"tau2": -0.1}, "tau2 is not a number of 0 or more"),
        ({"tau2": None}, "tau2 is not a number of 0 or more"),
        ({"tau2": float("nan")}, "tau2 is not a number of 0 or more"),
        ({"ci": "KR"}, "ci is not a known code"),
        ({"level": 95}, "level is not a fraction"),
    ],
)
def test_unknown_options_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        fit_network(TREE, **keywords)
