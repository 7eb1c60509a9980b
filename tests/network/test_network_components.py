"""Component networks against netmeta, an independent pseudoinverse fit, hand arithmetic, and in their invariances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_reference import close, network
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.network.fit_components import BRIDGE, EVIDENCE, EXTRAPOLATION, ComponentEstimate, fit_components

FOLDER = Path(__file__).parent.parent / "reference" / "network" / "components"
CONTENT = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.json"))}
# what the R code of the cases with a C matrix of their own adds to the components
INTERACTIONS = {
    ("linde2016", "netcomb_interaction_all"): [
        ("Face-to-face CBT", "SSRI"), ("Face-to-face interpsy", "SSRI"), ("Face-to-face PST", "SSRI"),
    ],
    ("linde2016", "netcomb_interaction_one"): [("Face-to-face CBT", "SSRI")],
    ("sim_strategies_a", "netcomb_interaction"): [("IOind", "TRT")],
    ("sim_disconnected_a", "discomb_interaction"): [("IOind", "TRT")],
}  # fmt: skip
INACTIVE = {"linde2016": "Placebo", "sim_strategies_a": "Chemo"}
COLUMNS = {"TE": "estimate", "seTE": "se", "lower": "ci_low", "upper": "ci_high", "pval": "p_value"}


def cases(*kinds: str) -> list[Any]:
    return [
        pytest.param(name, case, id=f"{name}: {case['name']}")
        for name, content in CONTENT.items()
        for case in content["cases"]
        if case["name"].startswith(kinds)
    ]


def fitted(name: str, case: dict[str, Any], tau2: str | float) -> ComponentEstimate:
    """The fit of a case; a C matrix of R's that was made from a fit with an inactive component leaves that one out too."""
    call, interactions = case["call"], INTERACTIONS.get((name, case["name"]), ())
    inactive = INACTIVE.get(name) if interactions else call.get("inactive")
    return fit_components(network(name), inactive=inactive, interactions=interactions, tau2=tau2)


def assert_table(table: pd.DataFrame, expected: dict[str, Any], order: list[str]) -> None:
    shown = table.loc[order] if set(order) <= set(table.index) else table
    se = np.array(expected["seTE"], dtype=float)
    for theirs, ours in COLUMNS.items():
        got, value = shown[ours].to_numpy(), np.array(expected[theirs], dtype=float)
        if not np.isfinite(value).any():
            continue
        # 1e-8: closed form; p values of 1e-50 lose digits to the quantile they come from
        tol, scale = (1e-7, 0.0) if theirs == "pval" else (1e-8, se)
        assert close(got, value, scale, tol=tol), theirs


def assert_fit(fit: ComponentEstimate, expected: dict[str, Any]) -> None:
    assert_table(fit.components, expected["components"], expected["components"]["component"])
    missing = np.array([value is None for value in expected["components"]["TE"]])
    assert (fit.components["estimate"].isna().to_numpy() == missing).all()
    assert_table(fit.combinations, expected["combinations"], expected["combinations"]["treat"])
    for theirs, frame in (("TE", fit.league), ("seTE", fit.league_se)):
        if isinstance(expected.get(theirs), dict):
            order, value = expected[theirs]["rows"], np.array(expected[theirs]["values"], dtype=float)
            se = np.array(expected["seTE"]["values"], dtype=float)
            got = frame.loc[order, order].to_numpy()
            known = np.isfinite(got)  # see the test of what netmeta's pseudoinverse makes up
            assert close(got[known], value[known], se[known]), theirs
            assert (known == estimable_pairs(fit, order)).all()


def estimable_pairs(fit: ComponentEstimate, order: list[str]) -> np.ndarray:
    """Whether the rank of the contrasts' design stays the same with a row for each pair of treatments."""
    c, data = fit.c_matrix.loc[order].to_numpy(), fit.data
    design = fit.c_matrix.to_numpy()[data.high] - fit.c_matrix.to_numpy()[data.low]
    rank = np.linalg.matrix_rank(design)
    return np.array([[np.linalg.matrix_rank(np.vstack([design, a - b])) == rank for b in c] for a in c])


@pytest.mark.parametrize(("name", "case"), cases("netcomb", "discomb"))
def test_fits_agree_with_netmeta(name, case):
    expected = case["expected"]
    preset = "tau_preset" in case["call"]
    common = fitted(name, case, "EE")
    random = fitted(name, case, expected["tau2"] if preset else "DL")
    assert_fit(common, expected["common"])
    assert_fit(random, expected["random"])
    assert close(random.tau2, expected["tau2"], 1.0)
    assert close(random.i2 / 100, expected["I2"], 1.0)
    assert random.identifiability.rank == expected["rank_X"]
    unknown = [name for name, there in random.identifiability.components["estimable"].items() if not there]
    assert unknown == (expected["not_identifiable"] or [])


@pytest.mark.parametrize(
    ("name", "case"), [case for case in cases("discomb") if case.values[1]["expected"]["not_identifiable"]]
)
def test_between_parts_netmeta_gives_numbers_to_contrasts_that_no_study_determines(name, case):
    # Chemo versus IOind holds the effect of Chemo, which no study changes. netmeta's pseudoinverse takes the solution of least norm, in which it is
    # 0: its -IOind is what the assumption "Chemo is inactive" gives, and 0.19 (common) for Chemo versus IOind is that assumption, not an estimate
    expected = case["expected"]["common"]["TE"]
    fit = fitted(name, case, "EE")
    assumed = fit_components(
        network(name), inactive="Chemo", tau2="EE", interactions=INTERACTIONS.get((name, case["name"]), ())
    )
    order = expected["rows"]
    invented = fit.league.loc[order, order].isna().to_numpy()
    assert invented.sum() == 24
    assert fit.league_bridge.loc[order, order].to_numpy()[invented].all()
    values = np.array(expected["values"], dtype=float)
    assert_allclose(assumed.league.loc[order, order].to_numpy()[invented], values[invented], rtol=1e-8, atol=1e-10)
    # any other effect of Chemo fits the studies as well
    c, data = fit.c_matrix.to_numpy().astype(float), fit.data
    beta = np.nan_to_num(fit.components["estimate"].to_numpy())
    moved = beta + 7.0 * (fit.c_matrix.columns == "Chemo")
    assert_allclose((c[data.high] - c[data.low]) @ moved, (c[data.high] - c[data.low]) @ beta, atol=1e-12)


@pytest.mark.parametrize(("name", "case"), cases("netcomb", "discomb"))
def test_q_and_the_test_of_additivity_agree_with_netmeta(name, case):
    expected, fit = case["expected"], fitted(name, case, "DL")
    for kind, ours in (("additive", "q_additive"), ("standard", "q_standard"), ("diff", "q_difference")):
        if expected[f"Q_{kind}"] is None:
            continue  # netmeta has no standard model for unconnected parts
        assert close(getattr(fit, ours), expected[f"Q_{kind}"], 1e-3)
        assert getattr(fit, f"{ours}_df") == expected[f"df_Q_{kind}"]
        p = getattr(fit, f"{ours}_p_value")
        if expected[f"pval_Q_{kind}"] is None:
            assert np.isnan(p)
        else:
            assert close(p, expected[f"pval_Q_{kind}"], 1.0)


@pytest.mark.parametrize(("name", "case"), cases("netcomb", "discomb"))
def test_the_c_matrix_is_that_of_netmeta(name, case):
    expected, fit = case["expected"]["C_matrix"], fitted(name, case, "EE")
    assert list(fit.c_matrix.index) == expected["rows"]
    assert (fit.c_matrix.to_numpy() == np.array(expected["values"])).all()
    plain = [column for column in expected["cols"] if "*" not in column]
    assert list(fit.c_matrix.columns[: len(plain)]) == plain


@pytest.mark.parametrize(("name", "case"), cases("netcomparison"))
def test_contrasts_agree_with_netmeta(name, case):
    call, expected = case["call"], case["expected"]
    for tau2, model in (("EE", "common"), ("DL", "random")):
        fit = fit_components(network(name), inactive=INACTIVE[name], tau2=tau2)
        contrast = fit.contrast(call["treat1"], call["treat2"])
        se = expected[f"seTE.{model}"][0]
        for theirs, ours in COLUMNS.items():
            scale, tol = (0.0, 1e-7) if theirs == "pval" else (se, 1e-8)
            assert close(getattr(contrast, ours), expected[f"{theirs}.{model}"][0], scale, tol=tol)
        assert not contrast.extrapolation


@pytest.mark.parametrize(("name", "case"), cases("netcomplex"))
def test_untried_combinations_are_sums_of_components_and_said_to_be_extrapolations(name, case):
    # netmeta's own numbers are not in the reference; the covariance is that of an independent pseudoinverse fit
    for tau2 in ("EE", "DL"):
        fit = fit_components(network(name), inactive=INACTIVE[name], tau2=tau2)
        beta, covariance = pseudoinverse(fit)
        for combination in case["call"]["complex"]:
            contrast = fit.contrast(combination)
            x = fit.c_matrix.columns.isin([part.strip() for part in combination.split("+")]).astype(float)
            assert_allclose(contrast.estimate, x @ beta, rtol=1e-9)
            assert_allclose(contrast.se, np.sqrt(x @ covariance @ x), rtol=1e-9)
            studied = (fit.c_matrix.to_numpy() == x).all(axis=1).any()
            assert (contrast.extrapolation, contrast.bridge) == (not studied, False)
            assert contrast.basis == (EVIDENCE if studied else EXTRAPOLATION)


def pseudoinverse(fit: ComponentEstimate) -> tuple[np.ndarray, np.ndarray]:
    """The defining equations, beta = (X'WX)^+ X'Wy with the exact covariance of each study, study by study."""
    data, c = fit.data, fit.c_matrix.to_numpy().astype(float)
    information, score = np.zeros((c.shape[1],) * 2), np.zeros(c.shape[1])
    for group in data.groups:
        m = group.size - 1
        for arms, effect, covariance in zip(group.arms, group.effect, group.covariance, strict=True):
            x = c[arms[1:]] - c[arms[:1]]
            weight = np.linalg.inv(covariance + np.nan_to_num(fit.tau2) * (np.eye(m) + 1) / 2)
            information += x.T @ weight @ x
            score += x.T @ weight @ effect
    inverse = np.linalg.pinv(information, rcond=1e-12, hermitian=True)
    return inverse @ score, inverse


def frame(*rows: tuple[str, str, str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se"])


def factorial(se: float = 0.1) -> pd.DataFrame:
    """A, B and both, each against usual care."""
    return frame(
        ("s1", "A", "usual care", -0.2, se), ("s2", "B", "usual care", -0.3, se), ("s3", "A + B", "usual care", -0.4, se)
    )  # fmt: skip


def islands() -> pd.DataFrame:
    """Two unconnected parts that share component B."""
    return frame(
        ("s1", "A+B", "A", -0.2, 0.1), ("s2", "A+B+C", "A+B", -0.3, 0.1), ("s3", "D+B", "D", -0.4, 0.1), ("s4", "D+E", "D", 0.1, 0.1)
    )  # fmt: skip


def test_a_factorial_of_three_trials_by_hand():
    # normal equations of (a, b, a + b) with equal weights: a = (2 ya - yb + yab)/3 = -0.5/3, b = (2 yb - ya + yab)/3 = -0.8/3, both with variance 2/3 se^2;
    # what is left over is (ya + yb - yab)^2 / (3 se^2) = 0.01/0.03, and the standard model leaves nothing
    fit = fit_components(factorial(), inactive="usual care", tau2="EE")
    assert_allclose(fit.components.loc[["A", "B"], "estimate"], [-0.5 / 3, -0.8 / 3], rtol=1e-12)
    assert_allclose(fit.components["se"], np.sqrt(0.02 / 3), rtol=1e-12)
    assert_allclose([fit.q_additive, fit.q_standard, fit.q_difference], [1 / 3, 0, 1 / 3], rtol=1e-12)
    assert (fit.q_additive_df, fit.q_standard_df, fit.q_difference_df) == (1, 0, 1)
    # var(a + b) = 2/3 + 2/3 - 2 (1/3)
    assert_allclose(fit.combinations.loc["A + B", ["estimate", "se"]], [-1.3 / 3, np.sqrt(0.02 / 3)], rtol=1e-12)
    assert not fit.combinations["extrapolation"].any()


def test_an_interaction_is_what_both_do_beyond_their_sum():
    fit = fit_components(factorial(), inactive="usual care", interactions=[("B", "A")], tau2="EE")
    assert list(fit.components.index) == ["A", "B", "A * B"]
    assert_allclose(fit.components["estimate"], [-0.2, -0.3, 0.1], rtol=1e-12)
    assert_allclose(fit.components.loc["A * B", "se"], np.sqrt(0.03), rtol=1e-12)
    assert_allclose(fit.contrast(["A", "B"]).estimate, -0.4)
    assert fit.q_difference_df == 0
    assert np.isnan(fit.q_difference_p_value)
    assert any("not assessable" in note for note in fit.notes)
    assert "additivity not assessable" in fit.summary()


@pytest.mark.parametrize("name", ["A:B", "A*B", "A * B", "B : A"])
def test_an_interaction_given_as_text_keeps_its_name(name):
    fit = fit_components(factorial(), inactive="usual care", interactions=[name])
    assert fit.components.index[-1] == name
    assert_allclose(fit.components.loc[name, "estimate"], 0.1)


def test_names_with_colons_are_read_where_there_is_one_way_to_read_them():
    effects = factorial().replace({"A": "early:A", "B": "late:B", "A + B": "early:A + late:B"})
    fit = fit_components(effects, inactive="usual care", interactions=["early:A:late:B"])
    assert_allclose(fit.components.loc["early:A:late:B", "estimate"], 0.1)


@pytest.mark.parametrize("tau2", ["EE", "DL", "ML", "REML", 0.1])
@pytest.mark.parametrize("ci", ["z", "t", "HK", "HK_adhoc"])
def test_with_a_component_for_each_treatment_it_is_the_standard_network(tau2, ci):
    effects = network("sim_single_loop_a")
    standard = fit_network(effects, tau2=tau2, ci=ci)
    fit = fit_components(effects, inactive=standard.treatments[0], tau2=tau2, ci=ci)
    for name in ("league", "league_se", "league_ci_low", "league_ci_high", "league_p"):
        assert_allclose(getattr(fit, name), getattr(standard, name), rtol=1e-7, atol=1e-12, err_msg=name)
    assert_allclose(
        [fit.q_additive, fit.q_standard, fit.tau2, fit.tau2_standard], [standard.q] * 2 + [standard.tau2] * 2
    )
    assert (fit.q_difference_df, fit.df, fit.ci_method) == (0, standard.df, standard.ci_method)


def test_unconnected_parts_without_a_common_component_are_fitted_as_if_alone():
    parts = islands().replace({"D+B": "D+F"})
    fit = fit_components(parts, tau2="EE")
    for rows in ([0, 1], [2, 3]):
        alone = fit_components(parts.iloc[rows], tau2="EE")
        names = list(alone.league.index)
        assert_allclose(fit.league.loc[names, names], alone.league, atol=1e-14)
    assert fit.league.isna().to_numpy().sum() == 2 * 3 * 3
    assert fit.identifiability.shared == ()


def test_the_standard_model_of_unconnected_parts_is_one_for_each():
    effects = network("sim_disconnected_a")
    fit = fit_components(effects, tau2="EE")
    part = {name: number for number, names in enumerate(fit.identifiability.parts) for name in names}
    fits = [fit_network(effects[effects["treatment"].map(part) == number]) for number in (0, 1)]
    assert_allclose(fit.q_standard, sum(each.q for each in fits))
    assert fit.q_standard_df == sum(each.q_df for each in fits)
    assert_allclose(fit.q_difference, fit.q_additive - fit.q_standard)


def test_a_bridge_between_parts_is_said_to_be_one():
    fit = fit_components(islands(), inactive="D", tau2="EE")
    assert fit.league_bridge.loc["A", "D"]
    assert not fit.league_bridge.loc["D+E", "D+B"]
    bridge = fit.contrast("A+B+C", "A+B")
    assert (bridge.extrapolation, bridge.bridge) == (False, False)
    with pytest.raises(
        ValueError, match="A\\+B versus D\\+B is not estimable: it is A, of which A lies in the null space"
    ):
        fit.contrast("A+B", "D+B")
    assumed = fit_components(islands().replace({"A": "none"}).replace({"A+B": "B", "A+B+C": "B+C"}), inactive="D", components={"none": []})  # fmt: skip
    contrast = assumed.contrast("B+C", "D+B")
    assert (contrast.extrapolation, contrast.bridge, contrast.basis) == (True, True, BRIDGE)
    assert BRIDGE in contrast.summary()
    assert any("unconnected parts" in note for note in assumed.notes)


def test_an_effect_versus_nothing_is_an_extrapolation_where_no_arm_had_nothing():
    fit = fit_components(network("linde2016"), tau2="EE")
    assert fit.combinations["extrapolation"].all()
    assert fit.contrast("Placebo").basis == EXTRAPOLATION
    assert fit.contrast("Placebo").comparator == "none of the components"
    # of the part that holds none of the components it is not
    fit = fit_components(network("sim_disconnected_a"), inactive="Chemo", tau2="EE")
    assert list(fit.combinations["extrapolation"]) == [False] * 4 + [True] * 3


def test_a_refused_contrast_says_what_of_it_is_in_the_null_space():
    # B and C only ever come together
    effects = frame(("s1", "A", "P", -0.2, 0.1), ("s2", "B+C", "P", -0.3, 0.1), ("s3", "A+B+C", "A", -0.1, 0.1))
    fit = fit_components(effects, inactive="P")
    assert fit.components["estimate"].isna().tolist() == [False, True, True]
    with pytest.raises(
        ValueError, match="A\\+B versus P is not estimable: it is A \\+ B, of which B lies in the null space"
    ) as caught:
        fit.contrast("A+B", "P")
    assert "-B + C (moves it by -1 per unit)" in str(caught.value)
    assert "Estimable are A, B + C" in str(caught.value)
    assert_allclose(fit.contrast("B+C").estimate, fit.combinations.loc["B+C", "estimate"])


def test_a_component_that_a_treatment_always_has_cancels():
    effects = factorial().replace({"A": "A+Z", "B": "B+Z", "A + B": "A+B+Z", "usual care": "Z"})
    fit, plain = fit_components(effects), fit_components(factorial(), inactive="usual care")
    assert_allclose(fit.components["estimate"].loc[["A", "B"]], plain.components["estimate"].loc[["A", "B"]])
    assert np.isnan(fit.components.loc["Z", "estimate"])
    assert fit.combinations["estimate"].isna().all()


def test_orders_and_directions_and_names_do_not_matter():
    effects = network("sim_strategies_a")
    fit = fit_components(effects, inactive="Chemo")
    turned = effects.sample(frac=1, random_state=3)
    half = np.arange(len(turned)) % 2 == 0
    turned.loc[half, ["treatment", "comparator"]] = turned.loc[half, ["comparator", "treatment"]].to_numpy()
    turned.loc[half, "effect"] *= -1
    same = fit_components(turned, inactive="Chemo")
    assert_allclose(same.components, fit.components, rtol=1e-9)
    # components in another order and with other names
    renamed = effects.assign(
        **{
            side: effects[side].map(lambda name: " + ".join(reversed([f"z{part[::-1]}" for part in name.split("+")])))
            for side in ("treatment", "comparator")
        }
    )
    other = fit_components(renamed, inactive="z" + "Chemo"[::-1])
    for name in fit.components.index:
        assert_allclose(other.components.loc[f"z{name[::-1]}"], fit.components.loc[name], rtol=1e-8)


def test_effects_on_another_scale_scale_all_results():
    effects = network("sim_strategies_a")
    fit, scaled = (
        fit_components(effects.assign(effect=effects["effect"] * by, se=effects["se"] * by), inactive="Chemo")
        for by in (1.0, 50.0)
    )
    assert_allclose(scaled.league, 50 * fit.league, rtol=1e-6, atol=1e-10)
    assert_allclose([scaled.tau2, scaled.q_difference], [2500 * fit.tau2, fit.q_difference], rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_random_networks_agree_with_a_pseudoinverse_and_with_ranks(seed):
    rng = np.random.default_rng(seed)
    pool = [" + ".join(rng.permutation(list(part))) for part in ("A", "AB", "ABC", "BC", "CD", "D", "AD", "BCDE", "E")]
    rows = []
    for study in range(int(rng.integers(2, 9))):
        arms = rng.choice(pool, int(rng.integers(2, 5)), replace=False)
        place, variance = rng.normal(size=arms.size), rng.uniform(0.01, 0.2, arms.size)
        rows += [
            (f"s{study}", arms[i], arms[j], place[i] - place[j], np.sqrt(variance[i] + variance[j]))
            for i in range(arms.size)
            for j in range(i)
        ]
    fit = fit_components(frame(*rows), tau2=0.05)
    beta, covariance = pseudoinverse(fit)
    c = fit.c_matrix.to_numpy().astype(float)
    known = estimable_pairs(fit, list(fit.c_matrix.index))
    assert (np.isfinite(fit.league.to_numpy()) == known).all()
    apart = c[:, None] - c[None]
    assert_allclose(fit.league.to_numpy()[known], (apart @ beta)[known], atol=1e-7)
    se = np.sqrt(np.maximum(0, np.einsum("ijp,pq,ijq->ij", apart, covariance, apart)))
    assert_allclose(fit.league_se.to_numpy()[known], se[known], atol=1e-6)
    assert fit.q_difference_df >= 0


def test_components_can_be_named_by_treatment():
    effects = factorial().replace({"A": "first arm", "A + B": "both (1+2)", "usual care": "none"})
    named = {"first arm": ["A"], "both (1+2)": ("B", "A"), "none": []}
    fit = fit_components(effects, components=named, tau2="EE")
    assert_allclose(fit.components["estimate"], [-0.5 / 3, -0.8 / 3])
    assert fit.contrast("both (1+2)", "first arm").basis == EVIDENCE
    assert fit.contrast(["B", "A"], "first arm").estimate == fit.contrast("both (1+2)", "first arm").estimate


def test_treatments_with_the_same_components_are_one_and_the_note_says_so():
    fit = fit_components(pd.concat([factorial(), frame(("s4", "B+A", "A", -0.1, 0.1))]), inactive="usual care")
    assert any("A + B, B+A have the same components" in note for note in fit.notes)
    assert fit.league.loc["A + B", "B+A"] == 0
    assert np.isnan(fit.league_p.loc["A + B", "B+A"])


def test_without_degrees_of_freedom_nothing_is_said_of_tau2():
    fit = fit_components(factorial().iloc[:2], inactive="usual care", ci="HK")
    assert np.isnan([fit.tau2, fit.q_additive_p_value, fit.q_difference_p_value]).all()
    assert (fit.q_additive_df, fit.df, fit.ci_method) == (0, None, "z")
    assert_allclose(fit.components["estimate"], [-0.2, -0.3])


def test_heterogeneity_weakens_the_evidence_against_additivity():
    fit = fit_components(network("linde2016"), inactive="Placebo")
    assert fit.tau2_standard > 0
    assert fit.q_difference_random < fit.q_difference
    assert fit.q_difference_random_p_value > fit.q_difference_p_value
    common = fit_components(network("linde2016"), inactive="Placebo", tau2="EE")
    assert_allclose(common.q_difference_random, common.q_difference)


def test_tau2_of_the_additive_model_is_its_own_and_not_the_preset_of_netmeta():
    (case,) = (each.values[1] for each in cases("netcomb_REML_tau"))
    assert "caution" in case
    fit = fit_components(network("sim_strategies_a"), inactive="Chemo", tau2="REML")
    # R's preset is the REML of the standard model with diagonal covariances: off by 1.872e-4 from the exact one, which
    # itself is not that of the additive model, 6.332e-4 below R's
    assert_allclose(fit.tau2_standard - case["expected"]["tau2"], 1.87223e-4, rtol=1e-4)
    assert_allclose(fit.tau2 - case["expected"]["tau2"], -6.33199e-4, rtol=1e-4)


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize(
    ("name", "inactive"), [("sim_strategies_a", "Chemo"), ("sim_disconnected_a", "Chemo"), ("linde2016", "Placebo")]
)
def test_tau2_is_at_the_highest_likelihood_of_the_studies_as_they_are(name, inactive, method):
    from scipy.optimize import minimize_scalar

    fit = fit_components(network(name), inactive=inactive, tau2=method)
    found = minimize_scalar(
        lambda tau2: minus_likelihood(fit, tau2, method == "REML"), bounds=(0, 0.2), options={"xatol": 1e-10}
    )
    # 1e-4: the likelihood is flat at its top to 1e-16 of its value; 1e-9: resolution of the search, for a tau2 of 0
    assert_allclose(fit.tau2, found.x, rtol=1e-4, atol=1e-9)


def minus_likelihood(fit: ComponentEstimate, tau2: float, restricted: bool) -> float:
    """Minus twice the log-likelihood, from the full covariance of each study."""
    c = fit.c_matrix.to_numpy().astype(float)
    information, score, total = np.zeros((c.shape[1],) * 2), np.zeros(c.shape[1]), 0.0
    for group in fit.data.groups:
        m = group.size - 1
        for arms, effect, covariance in zip(group.arms, group.effect, group.covariance, strict=True):
            x, v = c[arms[1:]] - c[arms[:1]], covariance + tau2 * (np.eye(m) + 1) / 2
            weight = np.linalg.inv(v)
            information += x.T @ weight @ x
            score += x.T @ weight @ effect
            total += np.linalg.slogdet(v)[1] + effect @ weight @ effect
    total -= score @ np.linalg.solve(information, score)
    return float(total + (np.linalg.slogdet(information)[1] if restricted else 0.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": " "}, "separator is ' '"),
        ({"inactive": "Placebo"}, "inactive is 'Placebo', which no treatment has; accepted: A, B, usual care"),
        ({"interactions": "A:B"}, r"interactions is 'A:B'; accepted: a sequence"),
        ({"interactions": 3}, "interactions is 3; accepted: a sequence"),
        ({"components": ["A"]}, r"components is \['A'\]; accepted: a mapping"),
        ({"interactions": ["A"]}, "interactions has 'A'; accepted: two or more of A, B"),
        ({"interactions": [("A", "C")]}, "accepted: two or more of A, B"),
        ({"interactions": [("A", "A")]}, "accepted: two or more of A, B"),
        ({"interactions": [("A", "B"), "B:A"]}, "interactions has B:A twice"),
        ({"components": {"A": "A"}}, "treatment 'A' has components 'A'; accepted: a sequence of names"),
        ({"components": {"X": ["A"]}}, "components has X, which is not in the network"),
        ({"components": {"A": ["A", "A"]}}, "has A more than once"),
        ({"components": {"A": [" "]}}, "has a component without a name"),
        ({"tau2": "PM"}, "tau2 is not a known code"),
        ({"tau2": -1.0}, "tau2 is not a number of 0 or more"),
        ({"ci": "Z"}, "ci is not a known code"),
        ({"level": 95}, "level is not a fraction"),
        ({"attributes": {"s9": {"year": 1}}}, "attributes names no study of the network"),
        ({"attributes": {"s1": 3}}, "attributes has 3 for study s1"),
        ({"attributes": [1]}, r"attributes is \[1\]"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit_components(factorial(), **{"inactive": "usual care", **options})


def test_an_interaction_that_nobody_had_is_refused():
    with pytest.raises(ValueError, match="no treatment has A and B together"):
        fit_components(factorial().iloc[:2], inactive="usual care", interactions=["A:B"])


def test_an_ambiguous_text_of_an_interaction_is_refused():
    effects = factorial().replace({"B": "B:C", "A + B": "A + B:C"})
    extra = frame(("s4", "A:B + C", "usual care", 0.0, 0.1))
    with pytest.raises(ValueError, match="can be read in 2 ways"):
        fit_components(pd.concat([effects, extra]), inactive="usual care", interactions=["A:B:C"])


@pytest.mark.parametrize("name", ["A++B", "A +", "+A"])
def test_empty_components_are_refused(name):
    with pytest.raises(ValueError, match="has an empty component at separator"):
        fit_components(factorial().replace({"A + B": name}))


def test_networks_that_tell_nothing_of_components_are_refused():
    with pytest.raises(ValueError, match="no component can be estimated"):
        fit_components(frame(("s1", "A+B", "B+A", 0.1, 0.1)))
    with pytest.raises(ValueError, match="no treatment has a component with an effect"):
        fit_components(frame(("s1", "A", "none", 0.1, 0.1)), inactive="A", components={"none": []})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("A + X",), "treatment 'A \\+ X' has X, which no treatment of the network has"),
        (("A", "B+"), "comparator 'B\\+' has an empty component"),
        ((["A", "A"],), "more than once"),
        ((3,), "accepted: a sequence of names"),
    ],
)
def test_bad_contrasts_are_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        fit_components(factorial(), inactive="usual care").contrast(*asked)


def test_results_cannot_be_changed():
    fit = fit_components(factorial(), inactive="usual care")
    with pytest.raises(AttributeError):
        fit.tau2 = 1.0
    for array in (fit.fit.root, fit.fit.coefficients, fit.matrix.matrix, fit.fit.space.basis):
        with pytest.raises(ValueError, match="read-only"):
            array.flat[0] = 1.0
