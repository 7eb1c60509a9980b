"""The interaction test, random inconsistency, and what a reader is told of coherence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from network_reference import cases, close, network
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from metasyn.network import fit_network
from metasyn.network.coherence import CONFLICT, NOT_ASSESSABLE, NOT_SEEN, OPEN, OPPOSITE, POSSIBLE, WORRIES, coherence
from metasyn.network.inconsistency import interaction_test, random_inconsistency

FILE = Path(__file__).parent.parent / "reference" / "network" / "inconsistency_model" / "metafor_REML.json"
MODELS = [
    pytest.param(case["network"], case, id=case["network"])
    for case in json.loads(FILE.read_text(encoding="utf-8"))["cases"]
]


def contrasts(*rows):
    return pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se"])


def checked(name):
    return fit_network(network(name), tau2="EE").data


def loop(off, se=0.1, studies=12):
    """Three treatments, two-arm studies, with C:B off by some amount."""
    truth = {"BA": 0.2, "CA": 0.5, "CB": 0.3 + off}
    rng = np.random.default_rng(3)
    pairs = [("BA", "CA", "CB")[number % 3] for number in range(studies)]
    return contrasts(*((str(number), *pair, truth[pair] + rng.normal(0, se), se) for number, pair in enumerate(pairs)))


class TestInteraction:
    @pytest.mark.parametrize(("name", "case"), cases("decomp_design"))
    def test_moments_agree_with_netmeta(self, name, case):
        full = case["expected"]["full_interaction_random"]
        if not full:
            pytest.skip("not computed by netmeta")
        found = interaction_test(checked(name), "DL")
        if not full["df"]:
            assert not found.assessable
            return
        assert close([found.q, found.tau2], [full["Q"], full["tau_within"] ** 2], 1e-6)
        assert found.df == full["df"]
        assert_allclose(found.p_value, full["pval"], rtol=1e-7)

    @pytest.mark.parametrize("method", ["DL", "ML", "REML"])
    def test_tau2_within_is_that_of_separate_designs_put_together(self, method):
        # one comparison in many studies, and one study that closes no loop: tau2 within is tau2 of the pool
        frame = network("hfprevention")
        pooled = fit_network(frame, tau2=method).tau2
        more = pd.concat([frame, contrasts(("new", "control", "other", 0.1, 0.2))])
        assert_allclose(interaction_test(fit_network(more, tau2="EE").data, method).tau2, pooled, rtol=1e-8, atol=1e-12)

    @pytest.mark.parametrize("method", ["EE", "DL", "REML"])
    def test_statistic_is_walds_of_the_loop(self, method):
        frame = loop(0.5)
        fit = fit_network(frame, tau2="EE")
        found = interaction_test(fit.data, method)
        weights = dict.fromkeys(("BA", "CA", "CB"), 4 / (0.01 + found.tau2))
        mean = {
            pair: frame.loc[(frame["treatment"] == pair[0]) & (frame["comparator"] == pair[1]), "effect"].mean()
            for pair in weights
        }
        gap = mean["CA"] - mean["BA"] - mean["CB"]
        assert_allclose(found.q, gap**2 / sum(1 / weight for weight in weights.values()), rtol=1e-9)
        assert found.df == 1

    def test_a_given_tau2_is_taken(self):
        data = checked("senn2013")
        reml = interaction_test(data, "REML")
        given = interaction_test(data, reml.tau2)
        assert_allclose(given.q, reml.q, rtol=1e-12)
        assert given.tau2_method == "given"

    def test_no_second_study_is_said(self):
        found = interaction_test(loop_data(), "REML")
        assert np.isnan(found.tau2)
        assert found.assessable
        assert "no design has two studies" in found.notes[0]

    def test_star_is_not_assessable(self):
        found = interaction_test(checked("sim_star_a"))
        assert not found.assessable
        assert np.isnan(found.p_value)
        assert "not assessable" in found.notes[0]

    @pytest.mark.parametrize(
        ("tau2", "message"),
        [("PM", "tau2 is not a known code"), (-0.1, "tau2 is not a number"), (np.nan, "tau2 is not a number")],
    )
    def test_bad_tau2_is_refused(self, tau2, message):
        with pytest.raises(ValueError, match=message):
            interaction_test(checked("woods2010"), tau2)


def spoken(found, comparison):
    """What is said of a comparison."""
    (row,) = found.findings[
        (found.findings["kind"] == "comparison") & (found.findings["about"] == comparison)
    ].itertuples()
    return row


def loop_data():
    return fit_network(loop(0.4, studies=3), tau2="EE").data


class TestRandomInconsistency:
    @pytest.mark.parametrize(("name", "case"), MODELS)
    def test_agrees_with_metafor(self, name, case):
        expected = case["expected"]
        found = random_inconsistency(checked(name))
        # variances that are 0 here stop at 1e-12 to 2e-9 in R's optimiser
        assert_allclose(
            [found.tau2, found.gamma2], [expected["tau2"], expected["gamma2_inconsistency"]], rtol=1e-5, atol=1e-8
        )
        reference = case["call"]["reference"]
        assert close(found.league.loc[expected["treat"], reference], expected["b"], expected["se"], tol=1e-6)
        assert close(found.league_se.loc[expected["treat"], reference], expected["se"], 0.0, tol=1e-6)

    @pytest.mark.parametrize("name", ["baker2009", "depression", "sim_single_loop_a"])
    def test_is_the_highest_restricted_likelihood_of_the_full_covariance(self, name):
        frame, data = network(name), checked(name)
        found = random_inconsistency(data)
        assert found.gamma2 > 0
        y, x, blocks, shared = dense(data)

        def deviance(variances):
            tau2, gamma2 = variances
            covariance = blocks[0] + tau2 * blocks[1] + gamma2 * shared
            inverse = np.linalg.inv(covariance)
            information = x.T @ inverse @ x
            residual = y - x @ np.linalg.solve(information, x.T @ inverse @ y)
            return np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1] + residual @ inverse @ residual

        here = deviance((found.tau2, found.gamma2))
        scale = frame["se"].median() ** 2
        for start in ((0.1, 0.1), (1.0, 0.0), (0.0, 1.0), (3.0, 3.0)):
            there = minimize(deviance, np.array(start) * scale, bounds=[(0, None)] * 2, method="L-BFGS-B")
            assert here <= there.fun + 1e-9
        assert_allclose(found.likelihood_ratio, minimum_without(deviance, scale) - here, atol=1e-6)

    def test_gamma2_of_0_is_the_consistency_model_with_reml(self):
        found, fit = random_inconsistency(checked("senn2013")), fit_network(network("senn2013"), tau2="REML")
        assert found.gamma2 == 0
        assert_allclose(found.tau2, fit.tau2, rtol=1e-9)
        pd.testing.assert_frame_equal(found.league_se, fit.league_se, rtol=1e-9)
        assert found.p_value == 1.0
        assert "not evidence that there is none" in found.notes[0]

    def test_scale_of_effects(self):
        frame = network("sim_single_loop_a")
        larger = frame.assign(effect=3 * frame["effect"], se=3 * frame["se"])
        one, other = (random_inconsistency(fit_network(data).data) for data in (frame, larger))
        assert_allclose([other.tau2, other.gamma2], [9 * one.tau2, 9 * one.gamma2], rtol=1e-7)
        assert_allclose(other.p_value, one.p_value, rtol=1e-7)

    @pytest.mark.parametrize(
        "data", [checked("sim_star_a"), checked("certolizumab"), loop_data()], ids=["star", "tree", "no second study"]
    )
    def test_where_gamma2_cannot_be_seen_it_is_not_assessable(self, data):
        found = random_inconsistency(data)
        assert not found.assessable
        assert np.isnan([found.tau2, found.gamma2, found.p_value]).all()
        assert found.league.isna().all(axis=None)
        assert "not assessable" in found.notes[0]


def dense(data):
    """Effects, design, [sampling covariance, T] and the shared T of designs, with no rotation: the model as it is written."""
    size = sum(group.arms.shape[0] * (group.size - 1) for group in data.groups)
    y, x = np.zeros(size), np.zeros((size, len(data.treatments)))
    sampling, same, shared = np.zeros((3, size, size))
    at, rows_of = 0, {}
    for group in data.groups:
        m = group.size - 1
        for study in range(group.arms.shape[0]):
            rows = np.arange(at, at + m)
            y[rows] = group.effect[study]
            x[rows, group.arms[study, 1:]] = 1
            x[rows, group.arms[study, 0]] = -1
            inside = np.ix_(rows, rows)
            sampling[inside], same[inside] = group.covariance[study], (np.eye(m) + 1) / 2
            rows_of.setdefault(tuple(group.arms[study]), []).append(rows)
            at += m
    for several in rows_of.values():
        for rows in several:
            for others in several:
                shared[np.ix_(rows, others)] = (np.eye(rows.size) + 1) / 2
    return y, x[:, 1:], (sampling, same), shared


def minimum_without(deviance, scale):
    return min(
        minimize(lambda tau2: deviance((tau2[0], 0.0)), [start * scale], bounds=[(0, None)], method="L-BFGS-B").fun
        for start in (0.1, 1.0, 5.0)
    )


class TestWords:
    def test_findings_are_sorted_by_worry(self):
        for name in ("baker2009", "sim_single_loop_a", "depression", "sim_strategies_a"):
            findings = coherence(fit_network(network(name))).findings
            rest = findings[~((findings["kind"] == "network") & (findings["worry"] == CONFLICT))]
            order = [WORRIES.index(worry) for worry in rest["worry"]]
            assert order == sorted(order)
            for _, group in rest[rest["kind"] != "network"].groupby("worry"):
                assert (group["p_value"].isna() | (group["p_value"].diff().fillna(0) >= -1e-11)).all()

    def test_every_comparison_and_design_is_spoken_of_once(self):
        fit = fit_network(network("sim_strategies_a"))
        found = coherence(fit)
        kinds = found.findings["kind"].value_counts()
        n = len(fit.treatments)
        assert kinds.to_dict() == {"network": 1, "comparison": n * (n - 1) // 2, "design": fit.designs}
        compared = found.findings[found.findings["kind"] == "comparison"]
        assert sorted(compared["about"]) == sorted(found.splits["comparison"])

    def test_planted_conflict_leads(self):
        found = coherence(fit_network(loop(1.0), tau2="EE"))
        assert found.findings.loc[0, "kind"] == "network"
        assert found.findings.loc[0, "worry"] == CONFLICT
        assert found.verdict.startswith("The designs contradict each other (p < 0.001)")
        assert "conflict in 3 of the 3 comparisons" in found.verdict
        row = spoken(found, "B:C")
        assert row.worry in (CONFLICT, OPPOSITE)
        assert "direct" in row.statement

    def test_opposite_directions_are_said(self):
        row = spoken(coherence(fit_network(loop(-0.8), tau2="EE")), "B:C")
        assert row.worry == OPPOSITE  # direct about 0.5, indirect about -0.3
        assert "opposite directions" in row.statement

    def test_what_could_not_have_been_seen_is_open(self):
        row = spoken(coherence(fit_network(loop(0.0, se=1.0), tau2="EE")), "B:C")
        assert row.worry == OPEN
        assert "not excluded" in row.statement

    def test_precise_agreement_is_no_conflict_seen(self):
        found = coherence(fit_network(loop(0.0, se=0.001), tau2="EE"))
        row = spoken(found, "B:C")
        assert row.worry == NOT_SEEN
        assert "not evidence of coherence" in found.verdict

    @pytest.mark.parametrize("name", ["sim_star_a", "certolizumab", "hfprevention"])
    def test_without_a_loop_nothing_is_called_coherent(self, name):
        found = coherence(fit_network(network(name)))
        assert not found.assessable
        assert set(found.findings["worry"]) == {NOT_ASSESSABLE}
        assert found.findings.loc[0, "kind"] == "network"
        assert "not assessable" in found.verdict
        assert "conflict" not in found.summary()

    def test_comparisons_without_a_loop_say_so_beside_others(self):
        found = coherence(fit_network(network("senn2013"))).findings.set_index("about")
        assert found.loc["benf:plac", "worry"].tolist() == [NOT_ASSESSABLE] * 2  # comparison and design
        assert found.loc["benf:metf", "statement"] == "benf:metf: not assessable: no study compares the two directly"

    def test_direct_evidence_that_nothing_checks_ranks_above_none(self):
        found = coherence(fit_network(network("senn2013"))).findings
        silent = found[(found["worry"] == NOT_ASSESSABLE) & (found["kind"] == "comparison")]["statement"]
        none = silent.str.contains("no study compares").to_numpy()
        assert (np.diff(none.astype(int)) >= 0).all()

    def test_inconsistency_that_passes_for_heterogeneity_is_said(self):
        found = coherence(fit_network(network("sim_single_loop_a"), tau2="REML"))
        assert any("may pass for heterogeneity" in note for note in found.notes)

    def test_ml_is_tested_with_reml_within_designs(self):
        fit = fit_network(network("sim_perf_40x300"), tau2="ML")
        # ML of the interaction model: tau2 0 and p 2e-33, with 257 effects for 300 studies
        assert interaction_test(fit.data, "ML").tau2 == 0
        assert coherence(fit).test.p_value > 0.9

    def test_designs_are_tested_at_the_tau2_of_the_whole_test(self):
        found = coherence(fit_network(network("sim_strategies_a"), tau2="REML"))
        assert_allclose(found.designs["q"].sum(), found.test.q, rtol=1e-9)

    def test_sidde_can_be_put_in(self):
        found = coherence(fit_network(network("senn2013")), method="SIDDE")
        assert found.findings["statement"].str.contains("do not connect").any() or found.assessable
        with pytest.raises(ValueError, match="method"):
            coherence(fit_network(network("senn2013")), method="none")

    def test_summary_holds_what_speaks_against_coherence_and_no_more(self):
        found = coherence(fit_network(network("baker2009")))
        assert (found.findings["worry"] == POSSIBLE).any()
        lines = found.summary().split("\n")
        assert len(lines) == 1 + found.findings["worry"].isin(WORRIES[:3]).sum() + len(found.notes)
