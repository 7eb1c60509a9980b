"""Direct against indirect evidence, against netmeta, by hand, and what holds of it without a reference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_reference import CONTENT, close, network
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.network.split import ASSESSABLE, NO_DIRECT, NO_INDIRECT, NO_OTHER_DESIGN, split_evidence
from metasyn.pooling import pool

FOLDER = Path(__file__).parent.parent / "reference" / "network" / "inconsistency"
SPLITS = [
    pytest.param(content["id"], case, kind, id=f"{content['id']}: {case['name']} {kind}")
    for content in (json.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.json")))
    for case in content["cases"]
    if case["name"].startswith("netsplit")
    for kind in ("common", "random")
]


def contrasts(*rows):
    return pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se"])


def netmeta_tau2(name, method):
    (case,) = (case for case in CONTENT[name]["cases"] if case["name"] == f"netmeta_{method}")
    return case["expected"]["tau2"]


def in_order(splits, comparisons):
    """Rows as R lists them, all signs as in R."""
    place = {frozenset((row.treatment, row.comparator)): row.Index for row in splits.itertuples()}
    found = splits.loc[[place[frozenset(name.split(":"))] for name in comparisons]].reset_index(drop=True)
    turned = found["treatment"] != [name.split(":")[0] for name in comparisons]
    for column in ("direct", "indirect", "network", "difference"):
        found[column] = np.where(turned, -found[column], found[column])
    return found


def assert_agrees(found, expected, kind, tol):
    assert close(found["proportion"], expected[f"prop_{kind}"], 1.0, tol=tol)
    for part in ("direct", "indirect", "network", "difference"):
        of_r = expected[f"{part}_{kind}"]
        p = found["p_value" if part == "difference" else f"{part}_p_value"]
        there = np.isfinite(np.array(of_r["TE"], dtype=float))
        assert np.isfinite(found[part]).tolist() == there.tolist()  # neither more nor fewer numbers than netmeta
        if there.any():
            se = np.nan_to_num(np.array(of_r["seTE"], dtype=float))
            assert close(found[part], of_r["TE"], se, tol=tol)
            assert close(found[f"{part}_se"], of_r["seTE"], 0.0, tol=tol)
            assert close(p, of_r["p"], 1e-3, tol=10 * tol)  # of a small p the statistic loses a digit


@pytest.mark.parametrize(("name", "case", "kind"), SPLITS)
def test_split_agrees_with_netmeta(name, case, kind):
    expected, method = case["expected"], "SIDDE" if case["name"].endswith("SIDDE") else "back-calculation"
    estimator = "REML" if case["name"].endswith("REML") else "DL"
    tau2 = "EE" if kind == "common" else estimator
    if tau2 == "REML":  # the same tau2, so that only the split is compared; the next test takes metasyn's own
        tau2 = netmeta_tau2(name, "REML")
    found = in_order(split_evidence(fit_network(network(name), tau2=tau2), method), expected["comparison"])
    assert_agrees(found, expected, kind, 1e-8)


REML = [case for case in SPLITS if case.id.endswith("REML random")]


@pytest.mark.parametrize(("name", "case", "kind"), REML)
def test_split_with_reml_agrees_with_netmeta_where_its_tau2_is_exact(name, case, kind):
    found = in_order(split_evidence(fit_network(network(name), tau2="REML")), case["expected"]["comparison"])
    if "caution" not in case:
        assert_agrees(found, case["expected"], kind, 1e-5)  # netmeta's optimiser
        return
    # netmeta's tau2 is that of a diagonal covariance: 0.10105 instead of the exact 0.09992 (senn2013)
    apart = np.abs(found["network_se"] / np.array(case["expected"]["network_random"]["seTE"]) - 1).max()
    assert apart < (1e-8 if name == "woods2010_hr" else 0.01)  # woods2010_hr: tau2 is 0 for both


def test_triangle_by_hand():
    # direct C:B 0.2 with variance 0.02; indirect (C:A) - (B:A) = 0.9 - 0.3 = 0.6 with variance 0.02 + 0.04
    fit = fit_network(
        contrasts(("1", "B", "A", 0.3, 0.2), ("2", "C", "A", 0.9, 0.02**0.5), ("3", "C", "B", 0.2, 0.02**0.5)),
        tau2="EE",
    )
    for method in ("back-calculation", "SIDDE"):
        row = split_evidence(fit, method).set_index("comparison").loc["B:C"]
        assert_allclose([row.direct, row.indirect, row.difference], [-0.2, -0.6, 0.4], rtol=1e-12)
        assert_allclose([row.direct_se**2, row.indirect_se**2, row.difference_se**2], [0.02, 0.06, 0.08], rtol=1e-12)
        assert_allclose([row.proportion, row.network], [0.75, -0.3], rtol=1e-12)
        half = 1.959963984540054 * 0.08**0.5
        assert_allclose([row.ci_low, row.ci_high], [0.4 - half, 0.4 + half], rtol=1e-12)
        assert_allclose(row.p_value, 0.15729920705028513, rtol=1e-12)  # of z = sqrt(2)
        assert row.assessment == ASSESSABLE


def test_network_estimate_is_the_weighted_mean_of_direct_and_indirect():
    splits = split_evidence(fit_network(network("dong2013")))
    seen = splits[splits["assessment"] == ASSESSABLE]
    mean = seen["proportion"] * seen["direct"] + (1 - seen["proportion"]) * seen["indirect"]
    assert_allclose(mean, seen["network"], rtol=1e-10)
    assert_allclose(1 / seen["direct_se"] ** 2 + 1 / seen["indirect_se"] ** 2, 1 / seen["network_se"] ** 2, rtol=1e-10)


def test_both_methods_agree_where_every_study_has_two_arms():
    # with one tau2 for both, the network without a comparison's studies is all that is indirect
    fit = fit_network(network("sim_single_loop_a"), tau2=0.02)
    back, sidde = split_evidence(fit), split_evidence(fit, "SIDDE")
    pd.testing.assert_frame_equal(back.drop(columns="assessment"), sidde.drop(columns="assessment"), rtol=1e-10)


def test_sidde_estimates_tau2_in_what_remains():
    frame = network("senn2013")
    splits = split_evidence(fit_network(frame, tau2="REML"), "SIDDE").set_index("comparison")
    without = frame.groupby("study").filter(
        lambda study: not {"metf", "sulf"} <= set(study[["treatment", "comparator"]].stack())
    )
    rest = fit_network(without, tau2="REML")
    row = splits.loc["metf:sulf"]
    assert_allclose(
        [row.indirect, row.indirect_se],
        [rest.league.loc["metf", "sulf"], rest.league_se.loc["metf", "sulf"]],
        rtol=1e-9,
    )


def test_sidde_keeps_the_tau2_of_the_network_where_the_rest_knows_none():
    rows = [("1", "B", "A", 0.1, 0.1), ("2", "B", "A", 0.9, 0.1), ("3", "C", "A", 0.4, 0.1), ("4", "C", "B", 0.3, 0.1)]
    fit = fit_network(contrasts(*rows), tau2="DL")
    assert fit.tau2 > 0.01
    row = split_evidence(fit, "SIDDE").set_index("comparison").loc["A:B"]  # indirect from studies 3 and 4 alone
    assert_allclose(row.indirect_se**2, 0.02 + 2 * fit.tau2, rtol=1e-10)


def test_star_is_nowhere_assessable():
    splits = split_evidence(fit_network(network("sim_star_a")))
    assert set(splits["assessment"]) == {NO_DIRECT, NO_INDIRECT}
    assert splits["p_value"].isna().all()
    assert splits.loc[splits["studies"] > 0, "indirect"].isna().all()
    assert_allclose(splits.loc[splits["studies"] > 0, "proportion"], 1.0, rtol=1e-12)
    assert_allclose(splits.loc[splits["studies"] == 0, "proportion"], 0.0)


def test_three_arm_studies_of_one_design_are_no_loop_even_where_their_weights_differ():
    # by arithmetic the two studies, of unlike precision, leave 1 - P above 0; but no other design speaks of it
    rows = []
    for study, arms in (("1", (0.01, 0.05, 0.02)), ("2", (0.08, 0.01, 0.03))):
        means = {"1": (0.0, 0.3, 0.5), "2": (0.0, 0.1, 0.8)}[study]
        rows += [
            (study, "ABC"[i], "ABC"[j], means[i] - means[j], (arms[i] + arms[j]) ** 0.5)
            for i, j in ((0, 1), (0, 2), (1, 2))
        ]
    splits = split_evidence(fit_network(contrasts(*rows), tau2="EE"))
    assert (splits["proportion"] < 0.99).any()
    assert (splits["assessment"] == NO_INDIRECT).all()
    assert splits[["indirect", "difference", "p_value"]].isna().all(axis=None)


def test_sidde_says_where_no_other_design_connects():
    splits = split_evidence(fit_network(network("woods2010")), "SIDDE")
    assert (splits["assessment"] == NO_OTHER_DESIGN).all()


def test_two_treatments_have_direct_evidence_alone():
    fit = fit_network(network("hfprevention"), tau2="DL")
    (row,) = split_evidence(fit).itertuples()
    assert row.studies == fit.k
    assert np.isnan(row.indirect)
    assert row.assessment == NO_INDIRECT


def test_t_intervals_keep_the_df_of_the_fit():
    fit = fit_network(network("senn2013"), ci="t")
    splits = split_evidence(fit)
    assert_allclose(
        splits["network_ci_low"], [fit.league_ci_low.loc[row.treatment, row.comparator] for row in splits.itertuples()]
    )
    assert_allclose(
        splits["network_p_value"], [fit.league_p.loc[row.treatment, row.comparator] for row in splits.itertuples()]
    )


def test_direct_is_the_pool_of_its_studies():
    frame = network("sim_single_loop_a")
    row = split_evidence(fit_network(frame, tau2="EE")).set_index("comparison").loc["A:B"]
    part = frame[frame["treatment"].isin(["A", "B"]) & frame["comparator"].isin(["A", "B"])]
    pooled = pool(np.where(part["treatment"] == "A", 1, -1) * part["effect"], part["se"], tau2="EE", ci="z")
    assert_allclose([row.direct, row.direct_se], [pooled.estimate, pooled.se], rtol=1e-12)


@pytest.mark.parametrize("method", ["back-calculation", "SIDDE"])
@given(seed=st.integers(0, 10**6), factor=st.floats(0.01, 100))
@settings(max_examples=8, deadline=None)
def test_order_direction_scale_and_names_do_not_matter(method, seed, factor):
    frame = network("sim_strategies_a")
    rng = np.random.default_rng(seed)
    turned = frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)
    flip = rng.random(len(turned)) < 0.5
    turned.loc[flip, ["treatment", "comparator"]] = turned.loc[flip, ["comparator", "treatment"]].to_numpy()
    turned["effect"] = np.where(flip, -turned["effect"], turned["effect"]) * factor
    turned["se"] *= factor
    names = sorted(set(frame["treatment"]) | set(frame["comparator"]))
    renamed = dict(zip(names, rng.permutation([f"t{number}" for number in range(len(names))]), strict=True))
    turned[["treatment", "comparator"]] = turned[["treatment", "comparator"]].replace(renamed)
    one, other = (split_evidence(fit_network(data, tau2="DL"), method) for data in (frame, turned))
    other = in_order(other, [f"{renamed[row.treatment]}:{renamed[row.comparator]}" for row in one.itertuples()])
    for column in ("direct", "indirect", "network", "difference", "difference_se"):
        assert_allclose(other[column], one[column] * factor, rtol=1e-7, atol=1e-9 * factor)
    assert_allclose(other[["proportion", "p_value"]], one[["proportion", "p_value"]], rtol=1e-6, atol=1e-9)
    assert other["assessment"].tolist() == one["assessment"].tolist()


def test_planted_conflict_is_found_where_it_was_planted():
    rows = []
    for number in range(12):
        pair = ("BA", "CA", "CB")[number % 3]
        truth = {"BA": 0.2, "CA": 0.5, "CB": 0.3 + 1.0}[pair]  # C:B is off by 1
        rows.append((str(number), pair[0], pair[1], truth, 0.1))
    row = split_evidence(fit_network(contrasts(*rows), tau2="EE")).set_index("comparison").loc["B:C"]
    assert_allclose(row.difference, -1.0, rtol=1e-10)
    assert row.p_value < 1e-10


def test_an_unknown_method_is_named():
    with pytest.raises(ValueError, match="method"):
        split_evidence(fit_network(network("woods2010")), "node")
