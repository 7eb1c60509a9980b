"""Networks of counts against netmetabin, against enumeration and the pairwise pools, and in their invariances."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pandas as pd
import pytest
from count_reference import arms, column, count_cases, expected_of, matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from network_reference import close
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.network.count_effects import count_contrasts
from metasyn.network.count_methods import METHODS
from metasyn.network.counts import CountNetworkEstimate, fit_network_counts
from metasyn.network.hypergeometric import breslow, exact
from metasyn.network.split import split_evidence
from metasyn.pooling import pool_counts

NETWORKS = ("certolizumab", "dong2013", "pagliaro1992", "smokingcessation", "woods2010")
FRAMES = {"TE": "league", "seTE": "league_se", "lower": "league_ci_low", "upper": "league_ci_high", "pval": "league_p"}


def frame(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["study", "treatment", "events", "n"])


SMALL = frame(
    ("1", "A", 3, 50), ("1", "B", 5, 48), ("2", "A", 1, 30), ("2", "C", 4, 33), ("3", "B", 2, 60), ("3", "C", 6, 55),
    ("4", "A", 2, 40), ("4", "B", 4, 41), ("4", "C", 7, 44), ("5", "A", 6, 90), ("5", "B", 9, 95), ("5", "C", 11, 80),
    ("6", "B", 12, 100), ("6", "D", 15, 90), ("7", "A", 4, 20), ("7", "D", 6, 25),
)  # fmt: skip


def assert_league(fit: CountNetworkEstimate, expected: dict, tol: float) -> None:
    se = matrix(fit.league_se, expected["seTE"])[1]
    for name, which in FRAMES.items():
        if name != "pval":
            assert close(*matrix(getattr(fit, which), expected[name]), se, tol=tol), name
    # p values of 1e-37 lose digits to the quantile z they come from: a relative error of z times z squared, up to 200
    assert close(*matrix(fit.league_p, expected["pval"]), 0, tol=1e-7 if tol <= 1e-8 else 200 * tol)


@pytest.mark.parametrize(("name", "expected"), count_cases("netmetabin_MH"))
def test_mantel_haenszel_agrees_with_netmetabin(name, expected):
    fit = fit_network_counts(arms(name), method="MH", reference=expected["reference"])
    assert_league(fit, expected["common"], 1e-8)
    assert fit.q_df == expected["df_Q_between"]
    if fit.q_df:
        assert close([fit.q, fit.q_p_value], [expected["Q_between"], expected["pval_Q_between"]], 1e-6)
    else:
        assert np.isnan([fit.q, fit.q_p_value]).all()
    assert (fit.k, fit.designs, fit.contrasts) == tuple(expected[f"n_{x}"] for x in ("studies", "designs", "contrasts"))
    assert set(fit.data.studies) == set(expected["n_arms_per_study"])


@pytest.mark.parametrize(("name", "expected"), count_cases("netmetabin_LRP"))
def test_penalised_logistic_agrees_with_netmetabin(name, expected):
    fit = fit_network_counts(arms(name), method="logistic")
    assert_league(fit, expected["common"], 1e-6)  # R iterates up to a step of about 1e-6
    assert (fit.k, fit.designs) == (expected["n_studies"], expected["n_designs"])
    assert not len(fit.dropped)


# Fletcher 2012 divides Pearson's statistic over its df by 1 + mean(V'(y - mu)/V); netmetabin leaves out y - mu and divides by 1 + mean(V'/V)
NETMETABIN_LESS = {"certolizumab": 0.881487, "pagliaro1992": 0.893501, "smokingcessation": 0.916612}


@pytest.mark.parametrize(("name", "expected"), count_cases("netmetabin_LRP"))
def test_overdispersion_is_fletchers_and_netmetabin_leaves_the_residual_out(name, expected):
    given_arms = arms(name)
    fit = fit_network_counts(given_arms, method="logistic")
    common, random = (column(expected[which]["vs_reference"]["seTE"]) for which in ("common", "random"))
    there = common > 0
    (factor,) = set(np.round((random[there] / common[there]) ** 2, 6))
    if name not in NETMETABIN_LESS:
        assert factor == 1.0
        return
    assert_allclose(factor / fit.dispersion, NETMETABIN_LESS[name], rtol=1e-5)
    # netmetabin's own formula at the same estimates, so that its number is explained: Pearson's statistic from the score of the levels
    chance, n, events = fitted_chances(given_arms, fit)
    variance = n * chance * (1 - chance)
    df = n.size - given_arms["study"].nunique() - (len(fit.treatments) - 1)
    pearson = ((events - n * chance) ** 2 / variance).sum() / df
    assert_allclose(pearson / (1 + ((1 - 2 * chance) / variance).mean()), factor, rtol=1e-6)
    assert_allclose(
        pearson / (1 + ((1 - 2 * chance) * (events - n * chance) / variance).mean()), fit.dispersion, rtol=1e-8
    )
    # what a user who wants R's numbers does
    widened = fit.widened(factor)
    assert close(*matrix(widened.league_se, expected["random"]["seTE"]), 0, tol=1e-6)
    assert_allclose(fit.widened().league_se, fit.league_se * np.sqrt(fit.dispersion))


def fitted_chances(frame_of_arms: pd.DataFrame, fit: CountNetworkEstimate) -> tuple[np.ndarray, ...]:
    """Risks of all arms: with the effects given, the levels by the same penalised likelihood on full matrices, written apart from the package."""
    x = pd.get_dummies(frame_of_arms["study"]).to_numpy(dtype=float)
    place = fit.league.iloc[:, 0].loc[frame_of_arms["treatment"]].to_numpy()
    treat = pd.get_dummies(frame_of_arms["treatment"]).to_numpy(dtype=float)
    first = list(pd.get_dummies(frame_of_arms["treatment"]).columns).index(fit.treatments[0])
    whole = np.hstack([x, np.delete(treat, first, axis=1)])
    n, events = frame_of_arms["n"].to_numpy(float), frame_of_arms["events"].to_numpy(float)
    level = np.zeros(x.shape[1])
    for _ in range(200):
        p = 1 / (1 + np.exp(-(x @ level + place)))
        w = n * p * (1 - p)
        inverse = np.linalg.inv(whole.T @ (w[:, None] * whole))
        h = w * np.einsum("ij,jk,ik->i", whole, inverse, whole)
        level = level + (x.T @ (events - n * p + h * (0.5 - p))) / (x.T @ w)
    return p, n, events


@pytest.mark.parametrize(("name", "expected"), count_cases("netmetabin_Inverse"))
def test_inverse_variance_agrees_with_netmetabin(name, expected):
    fit = fit_network_counts(arms(name), method="IV")
    assert_league(fit, expected["common"], 1e-8)
    assert close([fit.q, fit.q_p_value], [expected["Q"], expected["pval_Q"]], 1e-6)
    assert fit.q_df == expected["df_Q"]


@pytest.mark.parametrize("measure", ["RR", "RD"])
@pytest.mark.parametrize("name", NETWORKS)
def test_contrasts_with_increments_agree_with_netmeta(name, measure):
    expected = expected_of(name, f"netmeta_{measure}")
    # R was told to keep studies without events (allstudies = TRUE) where there are any
    contrasts = count_contrasts(arms(name), measure=measure, keep_silent=True)
    both = {(r.study, r.treatment, r.comparator): (r.effect, r.se) for r in contrasts.itertuples()}
    both |= {(study, b, a): (-effect, se) for (study, a, b), (effect, se) in both.items()}
    table = expected["comparisons"]
    assert len(table["study"]) == len(contrasts)
    rows = zip(table["study"], table["treat1"], table["treat2"], table["TE"], table["seTE"], strict=True)
    for study, one, other, effect, se in rows:
        assert close(both[study, one, other], [effect, se], se)
    for which, tau2 in (("common", "EE"), ("random", "DL")):
        fit = fit_network(contrasts, tau2=tau2)
        se = matrix(fit.league_se, expected[which]["seTE"])[1]
        assert close(*matrix(fit.league, expected[which]["TE"]), se)
        assert close(*matrix(fit.league_se, expected[which]["seTE"]), 0)
    assert_allclose(fit.tau2, expected["tau2"], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", ["certolizumab", "pagliaro1992", "smokingcessation", "woods2010"])
@pytest.mark.parametrize("measure", ["RR", "RD"])
def test_door_gives_the_same_ratios_and_differences(name, measure):
    fit = fit_network_counts(arms(name), method="IV", measure=measure)
    assert_league(fit, expected_of(name, f"netmeta_{measure}")["common"], 1e-8)


# How far netmetabin's optimiser stays from the maximum of its own likelihood, in the worst pair: in certolizumab a study has 5 of 40 against 5 of
# 40, so that the log odds ratio is 0 there, and R gives 0.0036.
NETMETABIN_OFF = {
    "certolizumab": 4.3e-3, "dong2013": 3.3e-5, "pagliaro1992": 1.5e-6, "smokingcessation": 2.4e-5, "woods2010": 1.7e-5,
}  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), count_cases("netmetabin_NCH"))
def test_breslow_approximation_agrees_with_netmetabin_as_far_as_that_converges(name, expected):
    fit = fit_network_counts(arms(name), method="NCH-Breslow")
    got, value = matrix(fit.league, expected["common"]["TE"])
    assert NETMETABIN_OFF[name] / 2 < np.abs(got - value).max() < NETMETABIN_OFF[name]
    got, value = matrix(fit.league_se, expected["common"]["seTE"])
    assert_allclose(got, value, rtol=0, atol=5e-4)
    assert (fit.k, fit.designs) == (expected["n_studies"], expected["n_designs"])
    versus = dict(zip(*(expected["common"]["vs_reference"][key] for key in ("treat", "TE")), strict=True))
    if name == "certolizumab":
        assert_allclose(versus.pop("Rituximab"), 0.003565, rtol=1e-3)
        assert_allclose(fit.league.loc["Rituximab", "Placebo"], 0, atol=1e-12)
    # without that one treatment all is within the 0.002 of the reference
    assert_allclose(
        [fit.league.loc[treat, expected["reference"]] for treat in versus], list(versus.values()), rtol=0, atol=2e-3
    )
    # the judge: the score of the multinomial likelihood is 0 at ours
    place = np.broadcast_to(fit.league.iloc[:, 0].to_numpy(), fit.data.size.shape)
    assert np.abs(breslow(fit.data.events, fit.data.size, place)[1].sum(axis=0)).max() < 1e-9


RANKED = [
    pytest.param(name, method, id=f"{name}: {method}")
    for name in NETWORKS
    for method in ("MH", "NCH-Breslow")
]  # fmt: skip


@pytest.mark.parametrize(("name", "method"), RANKED)
def test_p_scores_agree_with_netrank(name, method):
    expected = expected_of(name, f"netrank_{method.split('-')[0]}")
    fit = fit_network_counts(arms(name), method=method)
    shown = fit.ranking(small_is_good=expected["small_values"] == "desirable").set_index("treatment")["p_score"]
    # Breslow: what the differing estimates leave
    atol = 1e-8 if method == "MH" else 1e-3
    assert_allclose(shown.loc[list(expected["common"])], list(expected["common"].values()), atol=atol)


@pytest.mark.parametrize(("name", "expected"), count_cases("netsplit_MH"))
def test_split_agrees_with_netsplit(name, expected):
    rows = by_comparison(fit_network_counts(arms(name), method="MH").split(), expected["comparison"])
    for part in ("direct", "indirect", "network"):
        table = expected[f"{part}_common"]
        assert np.array_equal(np.isnan(rows[part]), np.isnan(column(table["TE"]))), part
        if np.isfinite(rows[part]).any():
            assert close(rows[part], column(table["TE"]), column(table["seTE"])), part
            assert close(rows[f"{part}_se"], column(table["seTE"]), 0), part
    table = expected["difference_common"]
    there = np.isfinite(column(table["TE"]))
    assert np.array_equal(rows["assessment"] == "assessable", there)
    if there.any():
        assert close(rows["difference"], column(table["TE"]), 1.0)
        assert close(rows["difference_se"], column(table["seTE"]), 0)
        assert close(rows["p_value"], column(table["p"]), 0, tol=1e-7)
    assert rows["studies"].tolist() == expected["k"]


@pytest.mark.parametrize(("name", "expected"), count_cases("netsplit_NCH"))
def test_split_of_the_approximation_agrees_with_netsplit_as_far_as_that_converges(name, expected):
    rows = by_comparison(fit_network_counts(arms(name), method="NCH-Breslow").split(), expected["comparison"])
    # netmetabin's direct evidence is Mantel-Haenszel's here too
    assert close(rows["direct"], column(expected["direct_common"]["TE"]), column(expected["direct_common"]["seTE"]))
    for part in ("indirect", "network"):
        table = column(expected[f"{part}_common"]["TE"])
        there = np.isfinite(table)
        # the tolerance of the reference, but for the network in which R's optimiser does not keep it
        assert_allclose(rows[part][there], table[there], rtol=0, atol=max(2e-3, NETMETABIN_OFF[name]))
    there = np.isfinite(column(expected["difference_common"]["TE"]))
    assert np.array_equal(rows["assessment"] == "assessable", there)
    assert_allclose(rows["p_value"][there], column(expected["difference_common"]["p"])[there], rtol=0, atol=2e-3)


def by_comparison(split: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Rows in the order and direction of R's comparisons."""
    turned = split.copy()
    turned["comparison"] = split["comparator"] + ":" + split["treatment"]
    for part in ("direct", "indirect", "network", "difference"):
        turned[part] = -split[part]
    return pd.concat([split, turned]).set_index("comparison").loc[names].reset_index()


# --- the exact conditional likelihood


def of_one(events: tuple, size: tuple, theta: tuple) -> tuple[float, np.ndarray, np.ndarray]:
    """The package's log-likelihood, gradient and information of one study."""
    value, gradient, information = exact(*(np.array([row], dtype=float) for row in (events, size, theta)))
    return value[0], gradient[0], information[0]


def enumerated(events: tuple, size: tuple, theta: tuple) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood, gradient and information by summing over all tables."""
    m = sum(events)
    tables = [y for y in itertools.product(*(range(n + 1) for n in size)) if sum(y) == m]
    logs = np.array(
        [sum(math.log(math.comb(n, v)) + v * t for n, v, t in zip(size, y, theta, strict=True)) for y in tables]
    )
    weights = np.exp(logs - logs.max())
    share, values = weights / weights.sum(), np.array(tables, dtype=float)
    mean = share @ values
    own = logs[tables.index(tuple(events))]
    value = own - logs.max() - math.log(weights.sum())
    return value, np.array(events) - mean, (values - mean).T @ (share[:, None] * (values - mean))


@pytest.mark.parametrize(
    ("events", "size", "theta"),
    [
        ((3, 1, 2), (10, 12, 9), (0.0, 0.3, -1.0)),
        ((3, 1, 2, 5), (6, 7, 9, 8), (0.0, 0.3, -1.0, 2.0)),
        ((30, 1), (100, 120), (0.0, 3.0)),
        ((1, 0), (1, 1), (0.0, 0.0)),  # odds of -1 at a node, in arms of one patient
        ((1, 0, 1, 0), (1, 1, 1, 1), (0.0, 0.0, 0.0, 0.0)),
        ((5, 5, 4), (5, 5, 5), (0.0, 1.0, 2.0)),  # one table from the edge
        ((3, 5), (5, 5), (0.0, 25.0)),
        ((0, 200), (250, 240), (0.0, 0.0)),  # far from the expected
    ],
)
def test_exact_likelihood_agrees_with_the_sum_over_all_tables(events, size, theta):
    got = of_one(events, size, theta)
    value, gradient, information = enumerated(events, size, theta)
    assert_allclose(got[0], value, rtol=1e-11, atol=1e-12)
    assert_allclose(got[1], gradient, rtol=1e-11, atol=1e-11)
    assert_allclose(got[2], information, rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6), st.floats(-4, 4)), min_size=2, max_size=4).filter(
        lambda arms: 0 < sum(min(x, n) for x, n, _ in arms) < sum(n for _, n, _ in arms)
    )
)
def test_exact_likelihood_for_any_small_study(drawn):
    size = tuple(n for _, n, _ in drawn)
    events = tuple(min(x, n) for x, n, _ in drawn)
    theta = tuple(t for _, _, t in drawn)
    got = of_one(events, size, theta)
    for mine, sum_over_tables in zip(got, enumerated(events, size, theta), strict=True):
        assert_allclose(mine, sum_over_tables, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("scale", [1, 100, 10_000])
def test_exact_likelihood_of_large_studies_sums_to_its_normaliser(scale):
    # two arms: the noncentral hypergeometric distribution has one sum, taken here with logarithms
    n1, n2, x1, x2, theta = 40 * scale, 30 * scale, 12 * scale, 16 * scale, 0.7
    m = x1 + x2
    x = np.arange(max(0, m - n2), min(n1, m) + 1)
    log_gamma = np.vectorize(math.lgamma, otypes=[float])

    def log_choose(n, k):
        return math.lgamma(n + 1) - log_gamma(k + 1) - log_gamma(n - k + 1)

    terms = log_choose(n1, x) + log_choose(n2, m - x) + x * theta
    weights = np.exp(terms - terms.max())
    mean = (weights * x).sum() / weights.sum()
    variance = (weights * (x - mean) ** 2).sum() / weights.sum()
    _, gradient, information = of_one((x1, x2), (n1, n2), (theta, 0.0))
    assert_allclose(gradient[0], x1 - mean, rtol=1e-7, atol=1e-7 * variance**0.5)
    assert_allclose(information[0, 0], variance, rtol=1e-7)


def test_approximation_is_the_limit_of_rare_events():
    def apart(factor: int) -> float:
        rare = SMALL.assign(n=SMALL["n"] * factor)
        return float(
            np.abs(
                fit_network_counts(rare, method="NCH").league - fit_network_counts(rare, method="NCH-Breslow").league
            )
            .max()
            .max()
        )

    assert apart(1) > 1e-2
    assert apart(1000) < 1e-4


# --- two treatments: the pairwise pools

PAIR = ([3, 0, 12, 40, 7, 0], [50, 30, 100, 90, 2000, 20], [5, 2, 20, 60, 1, 0], [48, 31, 110, 95, 1900, 22])


def two_arms() -> pd.DataFrame:
    x1, n1, x2, n2 = PAIR
    return frame(
        *((f"{i}", "B", x, n) for i, (x, n) in enumerate(zip(x1, n1, strict=True))),
        *((f"{i}", "A", x, n) for i, (x, n) in enumerate(zip(x2, n2, strict=True))),
    )


@pytest.mark.parametrize(("method", "options"), [("MH", {"method": "MH"}), ("NCH", {"method": "GLMM", "model": "CM.EL", "tau2": "EE"}), ("NCH-Breslow", {"method": "GLMM", "model": "CM.AL", "tau2": "EE"})])  # fmt: skip
def test_two_treatments_are_the_pairwise_pool(method, options):
    x1, n1, x2, n2 = PAIR
    pooled = pool_counts(events_treatment=x1, n_treatment=n1, events_comparator=x2, n_comparator=n2, **options)
    fit = fit_network_counts(two_arms(), method=method)
    got = [
        fit.league.loc["B", "A"],
        fit.league_se.loc["B", "A"],
        fit.league_ci_low.loc["B", "A"],
        fit.league_p.loc["B", "A"],
    ]
    # the likelihood of the pool is maximised to 1e-9
    tol = 1e-12 if method == "MH" else 1e-7
    assert_allclose(got, [pooled.estimate, pooled.se, pooled.ci_low, pooled.p_value], rtol=tol, atol=tol)
    if method == "NCH":
        assert_allclose(fit.log_likelihood, pooled.log_likelihood, rtol=1e-10)
    assert (fit.direct_studies.loc["B", "A"], fit.k) == (5, 5)
    assert fit.dropped.to_dict("list") == {
        "study": ["5"],
        "arms": ["A, B"],
        "reason": ["no events in any arm of the study"],
    }


@pytest.mark.parametrize("method", ["MH", "NCH", "logistic", "IV"])
def test_star_of_two_arm_trials_is_its_pairwise_fits(method):
    rows = [("1", "A", 3, 50), ("1", "B", 5, 48), ("2", "A", 1, 30), ("2", "B", 4, 33), ("3", "A", 2, 60), ("3", "C", 6, 55), ("4", "A", 9, 80), ("4", "C", 6, 85)]  # fmt: skip
    whole = fit_network_counts(frame(*rows), method=method)
    for other, part in (("B", rows[:4]), ("C", rows[4:])):
        alone = fit_network_counts(frame(*part), method=method)
        assert_allclose(whole.league.loc[other, "A"], alone.league.loc[other, "A"], rtol=1e-8)
        assert_allclose(whole.league_se.loc[other, "A"], alone.league_se.loc[other, "A"], rtol=1e-8)
        assert_allclose(whole.direct.loc[other, "A"], alone.league.loc[other, "A"], rtol=1e-8)
    assert any("consistency is not assessable" in note for note in whole.notes)
    assert not (whole.split()["assessment"] == "assessable").any()


def test_one_multi_arm_study_has_its_empirical_odds_ratios():
    fit = fit_network_counts(frame(("1", "A", 3, 50), ("1", "B", 5, 48), ("1", "C", 9, 60)), method="MH")
    odds = {"A": 3 / 47, "B": 5 / 43, "C": 9 / 51}
    variance = {"A": 1 / 3 + 1 / 47, "B": 1 / 5 + 1 / 43, "C": 1 / 9 + 1 / 51}
    for one, other in itertools.permutations("ABC", 2):
        assert_allclose(fit.league.loc[one, other], math.log(odds[one] / odds[other]), rtol=1e-12)
        assert_allclose(fit.league_se.loc[one, other] ** 2, variance[one] + variance[other], rtol=1e-12)


def test_inverse_variance_is_fit_network_on_the_contrasts():
    fit = fit_network_counts(SMALL, method="IV", add=0.25)
    same = fit_network(count_contrasts(SMALL, add=0.25), tau2="EE")
    assert_allclose(fit.league, same.league, rtol=1e-10, atol=1e-12)
    assert_allclose(fit.league_se, same.league_se, rtol=1e-10)
    assert_allclose(fit.direct, same.direct, rtol=1e-10)
    assert_allclose([fit.q, fit.q_df], [same.q, same.q_df], rtol=1e-9)
    split, other = fit.split(), split_evidence(same, "SIDDE")
    assert_allclose(split["indirect"], other["indirect"], rtol=1e-8)
    assert_allclose(split["p_value"], other["p_value"], rtol=1e-7)


# --- invariances


@pytest.mark.parametrize("method", list(METHODS))
def test_order_reference_and_names_do_not_matter(method):
    fit = fit_network_counts(SMALL, method=method, reference="A")
    shuffled = fit_network_counts(SMALL.sample(frac=1, random_state=3), method=method, reference="D")
    assert_allclose(shuffled.league, fit.league, rtol=1e-8, atol=1e-10)
    assert_allclose(shuffled.league_se, fit.league_se, rtol=1e-8)
    names = {"A": "z", "B": "M", "C": "a", "D": "k"}
    renamed = fit_network_counts(SMALL.assign(treatment=SMALL["treatment"].map(names)), method=method)
    back = [names[treatment] for treatment in fit.treatments]
    assert_allclose(renamed.league.loc[back, back], fit.league, rtol=1e-8, atol=1e-10)
    assert_allclose(renamed.league_se.loc[back, back], fit.league_se, rtol=1e-8)


@pytest.mark.parametrize("method", ["MH", "NCH", "logistic", "IV"])
def test_counting_the_other_outcome_turns_the_sign(method):
    fit = fit_network_counts(SMALL, method=method)
    turned = fit_network_counts(SMALL.assign(events=SMALL["n"] - SMALL["events"]), method=method)
    assert_allclose(turned.league, -fit.league, rtol=1e-8, atol=1e-10)
    assert_allclose(turned.league_se, fit.league_se, rtol=1e-8)


def test_sparse_fits_agree_where_counts_are_large():
    rng = np.random.default_rng(7)
    rows = []
    for study in range(12):
        chosen = rng.choice(4, size=2 + study % 2, replace=False)
        for treatment in sorted(chosen):
            rows.append((f"{study}", "ABCD"[treatment], int(rng.binomial(40_000, 0.1 + 0.02 * treatment)), 40_000))
    leagues = [fit_network_counts(frame(*rows), method=method).league for method in ("MH", "NCH", "logistic", "IV")]
    for other in leagues[1:]:
        assert_allclose(other, leagues[0], atol=1e-3)


# --- arms without events


def test_arm_without_events_leaves_its_design_in_mantel_haenszel_but_informs_the_exact_likelihood():
    extra = frame(("8", "A", 0, 30), ("8", "D", 4, 30), ("9", "A", 0, 25), ("9", "B", 2, 28), ("9", "C", 3, 27))
    both = pd.concat([SMALL, extra])
    mantel, exactly = (fit_network_counts(both, method=method) for method in ("MH", "NCH"))
    assert "9" in mantel.data.studies  # study 4, of the same design, has events in A
    assert set(mantel.dropped["study"]) == set()  # as has study 7, in A and D
    alone = pd.concat([SMALL[~SMALL["study"].isin(["4", "5", "7"])], extra])
    mantel = fit_network_counts(alone, method="MH")
    assert mantel.dropped.to_dict("list") == {
        "study": ["8", "9", "8"],
        "arms": ["A", "A", "D"],
        "reason": [
            "the arm has no events in any study of the design A:D",
            "the arm has no events in any study of the design A:B:C",
            "it is the only arm left of its study",
        ],
    }
    assert any("8 (A)" in note and "no events in any study of the design A:D" in note for note in mantel.notes)
    assert mantel.data.design_names[mantel.data.design[mantel.data.studies.index("9")]] == "A:B:C"
    assert not len(exactly.dropped)
    moved = fit_network_counts(SMALL, method="NCH").league.loc["D", "A"]
    assert exactly.league.loc["D", "A"] > moved + 0.05


def test_treatment_without_any_event_is_left_out_by_name_and_changes_nothing():
    extra = frame(("8", "E", 0, 30), ("8", "B", 4, 30), ("8", "C", 3, 30), ("9", "E", 0, 25), ("9", "A", 2, 28))
    fit = fit_network_counts(pd.concat([SMALL, extra]), method="NCH")
    assert "E" not in fit.treatments
    assert any(note.startswith("not in the network") and "E" in note for note in fit.notes)
    without = extra[(extra["treatment"] != "E") & (extra["study"] != "9")]
    assert_allclose(fit.league, fit_network_counts(pd.concat([SMALL, without]), method="NCH").league, rtol=1e-9)
    with pytest.raises(ValueError, match="reference E is not in the network; it was left out with all its arms"):
        fit_network_counts(pd.concat([SMALL, extra]), method="NCH", reference="E")
    # the penalty keeps it finite
    assert "E" in fit_network_counts(pd.concat([SMALL, extra]), method="logistic").treatments


def test_leaving_such_a_treatment_out_is_the_limit_of_its_likelihood():
    far, without = of_one((4, 3, 0), (30, 30, 30), (0, 0.2, -60)), of_one((4, 3), (30, 30), (0, 0.2))
    assert_allclose(far[0], without[0], rtol=1e-10)
    assert_allclose(far[1][:2], without[1], atol=1e-10)


def test_silent_studies_are_left_out_and_named():
    silent = frame(("8", "A", 0, 30), ("8", "D", 0, 30), ("9", "A", 25, 25), ("9", "B", 28, 28))
    for method in ("MH", "NCH", "NCH-Breslow", "IV"):
        fit = fit_network_counts(pd.concat([SMALL, silent]), method=method)
        assert_allclose(fit.league, fit_network_counts(SMALL, method=method).league, rtol=1e-10, atol=1e-12)
        assert fit.dropped["reason"].tolist() == [
            "no events in any arm of the study",
            "only events in all arms of the study",
        ]
    differences = fit_network_counts(pd.concat([SMALL, silent]), method="IV", measure="RD")
    assert differences.k == 9
    logistic = fit_network_counts(pd.concat([SMALL, silent]), method="logistic")
    assert any("enter through the penalty" in note and "8, 9" in note for note in logistic.notes)


def test_pair_with_events_on_one_side_has_no_direct_estimate_and_says_so():
    rows = frame(
        ("8", "A", 5, 30),
        ("8", "E", 0, 30),
        ("9", "B", 4, 28),
        ("9", "E", 3, 28),
        ("10", "B", 1, 28),
        ("10", "E", 3, 28),
    )
    fit = fit_network_counts(pd.concat([SMALL, rows]), method="NCH")
    assert np.isnan(fit.direct.loc["A", "E"])
    assert fit.direct_studies.loc["A", "E"] == 1
    assert any("no direct OR of A:E" in note for note in fit.notes)
    row = fit.split().set_index("comparison").loc["A:E"]
    assert row["assessment"].startswith("not assessable: the direct odds ratio is 0, infinite")
    assert np.isfinite([fit.league.loc["A", "E"], row["indirect"]]).all()
    assert np.isnan([row["difference"], row["p_value"]]).all()


# --- refusals


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("x", "A", 3, 2), ("x", "B", 1, 5)], r"events exceeds n: row 0, study x \(A, events 3, n 2\)\. Remedy"),
        ([("x", "A", -1, 2), ("x", "B", 1, 5)], r"events is negative: row 0, study x"),
        ([("x", "A", "few", 2), ("x", "B", 1, 5)], r"events is missing or infinite: row 0, study x"),
        ([("x", "A", 1, 0), ("x", "B", 1, 5)], r"n is not positive: row 0, study x"),
        ([("x", "A", 1, np.inf), ("x", "B", 1, 5)], r"n is missing or infinite: row 0"),
        ([("x", None, 1, 3), ("x", "B", 1, 5)], r"treatment is missing: row 0"),
        ([("x", "A", 1, 3), ("x", "A", 2, 3), ("x", "B", 1, 5)], r"study x gives A 2 times\. Remedy: add up"),
        ([("x", "A", 1, 3), ("y", "B", 1, 5)], "no study has two arms or more"),
        (
            [("x", "A", 1, 3), ("x", "B", 1, 5), ("y", "C", 1, 5), ("y", "D", 1, 5)],
            r"2 unconnected parts.*part 1: A, B",
        ),
        (
            [("x", "A", 0, 3), ("x", "B", 0, 5)],
            r"no study is left to compare anything\nLeft out before: x \(A, B\): no events",
        ),
        ([], "arms has no rows"),
    ],
)
def test_bad_arms_are_refused_with_the_row_and_a_remedy(rows, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        fit_network_counts(frame(*rows), method="MH")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "Peto"}, r"method is not a known code \(Peto\); accepted: MH, NCH, NCH-Breslow, logistic, IV"),
        ({"method": "MH", "measure": "RR"}, "measure RR is not one of method MH; accepted: OR, or method IV"),
        ({"method": "IV", "measure": "HR"}, r"measure is not a known code \(HR\)"),
        ({"method": "MH", "level": 95}, "level is not a fraction"),
        ({"method": "MH", "reference": "Z"}, "reference Z is not in the network; accepted: A, B, C, D"),
        ({"method": "IV", "add": -1}, "add is not a number of 0 or more"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit_network_counts(SMALL, **options)


def test_missing_columns_fractions_and_zero_increments_are_refused():
    with pytest.raises(ValueError, match="arms lacks columns events, n; accepted"):
        fit_network_counts(SMALL[["study", "treatment"]], method="MH")
    with pytest.raises(ValueError, match=r"counts are not whole numbers \(studies 1\); method NCH needs counts"):
        fit_network_counts(SMALL.assign(events=SMALL["events"] + (SMALL.index == 0) * 0.5), method="NCH")
    zero = pd.concat([SMALL, frame(("8", "A", 0, 30), ("8", "D", 4, 30))])
    with pytest.raises(ValueError, match="studies 8, in which an arm has no or only events"):
        fit_network_counts(zero, method="IV", add=0)
    assert fit_network_counts(SMALL, method="IV", add=0).k == 7


def test_odds_ratio_that_the_counts_do_not_bound_is_refused_with_the_two_sides():
    rows = frame(
        ("1", "A", 3, 50), ("1", "B", 5, 48), ("2", "C", 2, 30), ("2", "D", 3, 30), ("3", "A", 0, 30), ("3", "C", 4, 30)
    )
    with pytest.raises(ValueError, match=r"sets of treatments are 0 or infinite: (A, B \| C, D|C, D \| A, B)"):
        fit_network_counts(rows, method="NCH")
    assert fit_network_counts(rows, method="logistic").treatments == ("A", "B", "C", "D")


def test_result_is_closed_to_writing_and_input_is_left_as_it_was():
    before = SMALL.copy()
    fit = fit_network_counts(SMALL, method="MH")
    pd.testing.assert_frame_equal(SMALL, before)
    with pytest.raises(ValueError, match="read-only"):
        fit.league.to_numpy()[0, 1] = 1.0
    with pytest.raises(ValueError, match="dispersion is not a positive number"):
        fit.widened()


def test_tables_of_a_network_of_counts():
    fit = fit_network_counts(SMALL, method="MH", reference="B")
    shown = fit.against_reference()
    assert shown["treatment"].tolist() == ["A", "C", "D"]
    assert_allclose(shown["estimate"], fit.league.loc[["A", "C", "D"], "B"])
    table = fit.league_table(exponentiate=True)
    assert table.loc["C", "A"].startswith(f"{np.exp(fit.league.loc['A', 'C']):.2f} (")
    assert fit.summary().startswith("OR by Mantel-Haenszel: treatments 4, studies 7, designs 6, Q = ")


@st.composite
def sparse_networks(draw: st.DrawFn) -> pd.DataFrame:
    rows = []
    for study in range(draw(st.integers(1, 5))):
        for treatment in draw(st.sets(st.sampled_from("ABCD"), min_size=2, max_size=4)):
            n = draw(st.sampled_from([1, 2, 8, 60, 2000]))
            events = draw(st.sampled_from([0, 0, 1, 2, n // 2, n]))
            rows.append((f"{study}", treatment, min(events, n), n))
    return frame(*rows)


def attempt(drawn: pd.DataFrame, method: str) -> tuple[CountNetworkEstimate | None, str]:
    try:
        return fit_network_counts(drawn, method=method), ""
    except ValueError as refused:
        return None, str(refused)


@settings(max_examples=25, deadline=None)
@given(sparse_networks())
def test_the_sparsest_network_gives_finite_numbers_or_says_why_not(drawn):
    for method in METHODS:
        fit, said = attempt(drawn, method)
        if fit is None:
            assert re.search("no study is left|unconnected parts|are 0 or infinite|not positive definite", said)
            assert method != "logistic" or "unconnected" in said
            continue
        assert np.isfinite(fit.league.to_numpy()).all()
        assert (fit.league_se.to_numpy() + np.eye(len(fit.treatments)) > 0).all()
        split = fit.split()
        assert np.isfinite(split[["network", "network_se"]].to_numpy()).all()
        assert np.isfinite(split.loc[split["assessment"] == "assessable", ["difference", "p_value"]].to_numpy()).all()
        left = set(zip(fit.dropped["study"], fit.dropped["arms"], strict=True))
        lost = sum(len(names.split(", ")) for _, names in left)
        assert lost + int(fit.data.present.sum()) == len(drawn)
