"""Network meta-regression against netmeta's netmetareg, against the pairwise meta-regression, and by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from network_reference import network
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.network.meta_regression import network_meta_regression
from metasyn.pooling import meta_regression

ROBUSTNESS = Path(__file__).parent.parent / "reference" / "network" / "robustness"
CONTENT = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(ROBUSTNESS.glob("*.json"))}
CASES = [
    pytest.param(name, case, id=f"{name}: {case['name']}")
    for name, content in CONTENT.items()
    for case in content["cases"]
    if case["name"].startswith("netmetareg")
]


def with_covariate(name: str, column: str) -> pd.DataFrame:
    frame = network(name)
    values = CONTENT[name]["data_columns"][column]
    assert len(values) == len(frame)
    return frame.assign(**{column: values})


@pytest.mark.parametrize(("name", "case"), CASES)
def test_coefficients_agree_with_netmeta(name, case):
    expected, column = case["expected"], case["call"]["covariate"].split(" ")[0]
    frame = with_covariate(name, column)
    fit = network_meta_regression(
        frame, column, assumption=case["call"]["assumption"], reference=CONTENT[name]["reference_group"]
    )
    # a network of two treatments has an intercept in R; `nonref` is the interaction of all treatments but the reference
    only = next(treatment for treatment in fit.treatments if treatment != fit.reference)
    terms = [term.strip("`").replace("nonref", "all").replace("intrcpt", only) for term in expected["coefficient"]]
    got = fit.coefficients.set_index("term").loc[terms]
    assert len(got) == len(fit.coefficients)
    # 1e-5: what R's optimiser of REML leaves in tau2, and in what depends on it
    assert_allclose(fit.tau2, expected["tau2"], rtol=1e-5, atol=1e-8)
    se = np.array(expected["se"])
    for key, column in (
        ("b", "estimate"),
        ("se", "se"),
        ("lower", "ci_low"),
        ("upper", "ci_high"),
        ("zval", "statistic"),
    ):
        assert (
            np.abs(got[column] - expected[key]) <= 1e-5 * (np.abs(expected[key]) + (1 if key == "zval" else se))
        ).all(), key
    assert_allclose(got["p_value"], expected["pval"], rtol=1e-4)
    assert_allclose(fit.q, expected["QE"], rtol=1e-8)
    assert fit.q_df == expected["df_QE"]
    assert_allclose(fit.q_p_value, expected["pval_QE"], rtol=1e-7)


@pytest.mark.parametrize("options", [{"ci": "z"}, {"ci": "HK"}, {"tau2": "DL", "ci": "t"}])
def test_a_network_of_two_treatments_is_the_meta_regression(options):
    frame = with_covariate("hfprevention", "secondary")
    fit = network_meta_regression(frame, "secondary", reference="control", **options)
    sign = np.where(frame["treatment"] == "statin", 1, -1)
    other = meta_regression(sign * frame["effect"], frame["se"], frame[["secondary"]], **options)
    for column in ("estimate", "se", "p_value", "ci_low"):
        assert_allclose(fit.coefficients[column], other.coefficients[column], rtol=1e-7)
    assert_allclose([fit.tau2, fit.qm, fit.qm_p_value], [other.tau2, other.qm, other.qm_p_value], rtol=1e-7)


def test_effects_do_not_depend_on_where_the_covariate_has_its_zero():
    frame = with_covariate("smokingcessation", "rob")
    for assumption in ("common", "independent"):
        one = network_meta_regression(frame, "rob", assumption=assumption, reference="A")
        other = network_meta_regression(
            frame.assign(rob=10 * (frame["rob"] - 1.5)), "rob", assumption=assumption, reference="A"
        )
        assert_allclose(other.tau2, one.tau2, rtol=1e-6)
        shown, again = one.effects_at(2.0), other.effects_at(5.0)
        assert_allclose(again.drop(columns="treatment"), shown.drop(columns="treatment"), rtol=1e-5)


def test_independent_interactions_do_not_depend_on_the_reference_but_common_ones_do():
    frame = with_covariate("smokingcessation", "rob")
    league = {}
    for reference in "AC":
        for assumption in ("common", "independent"):
            fit = network_meta_regression(frame, "rob", assumption=assumption, reference=reference, tau2="DL")
            at = fit.effects_at(2.0).set_index("treatment")["estimate"].to_dict() | {reference: 0.0}
            league[reference, assumption] = at["B"] - at["D"]
    assert_allclose(league["A", "independent"], league["C", "independent"], rtol=1e-8)
    assert abs(league["A", "common"] - league["C", "common"]) > 1e-3


def test_without_an_association_the_effects_are_those_of_the_network():
    # pairs of studies with the same estimate at -1 and 1: the interaction is 0, and effects at 0 are the network's
    rows = [
        (f"{b}{a}{x}", b, a, effect, 0.2, x)
        for (b, a, effect) in (("B", "A", -0.3), ("C", "A", -0.5), ("C", "B", -0.1))
        for x in (-1, 1)
    ]
    frame = pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se", "x"])
    fit, plain = (
        network_meta_regression(frame, "x", tau2="EE", reference="A"),
        fit_network(frame, tau2="EE", reference="A"),
    )
    assert_allclose(fit.coefficients["estimate"], [*plain.league.loc[["B", "C"], "A"], 0.0], atol=1e-14)
    assert_allclose(fit.coefficients["se"].iloc[:2], plain.league_se.loc[["B", "C"], "A"])
    # of A:B and A:C information 2/0.04 each, all of it on the slope, and that of B:C says nothing of a common one; the cost of two
    # effects is none, as x is balanced
    assert_allclose(fit.coefficients["se"].iloc[2], (4 / 0.04) ** -0.5)


def test_interactions_that_cannot_be_told_apart_are_left_out_and_said():
    frame = with_covariate("certolizumab", "duration")
    fit = network_meta_regression(frame, "duration", assumption="independent", reference="Placebo")
    assert fit.not_estimable == ("Etanercept", "Rituximab")
    assert any("Etanercept, Rituximab" in note for note in fit.notes)
    at = fit.effects_at(5.0).set_index("treatment")
    assert at.loc[["Etanercept", "Rituximab"]].isna().to_numpy().all()
    assert at.drop(index=["Etanercept", "Rituximab"]).notna().to_numpy().all()


def test_a_covariate_by_study_is_the_column():
    frame = with_covariate("smokingcessation", "rob")
    by_study = dict(zip(frame["study"], frame["rob"], strict=True))
    column, mapped = network_meta_regression(frame, "rob"), network_meta_regression(frame, by_study)
    assert_allclose(mapped.coefficients["estimate"], column.coefficients["estimate"])
    assert mapped.coefficients["term"].iloc[-1] == "all:covariate"


def test_bad_covariates_are_refused():
    frame = with_covariate("smokingcessation", "rob")
    for covariate, message in (
        ("year", "covariate year is not a column of effects"),
        ({"01": 1.0}, "missing or no finite number for studies 02, 03"),
        (3.0, "covariate is a float; accepted"),
    ):
        with pytest.raises(ValueError, match=message):
            network_meta_regression(frame, covariate)
    with pytest.raises(ValueError, match="differs within studies 01"):
        network_meta_regression(frame.assign(rob=np.arange(len(frame))), "rob")
    with pytest.raises(ValueError, match="cannot be told from the effects"):
        network_meta_regression(frame.assign(rob=2.0), "rob")
    with pytest.raises(ValueError, match="missing or no finite number"):
        network_meta_regression(frame.assign(rob="high"), "rob")
    with pytest.raises(ValueError, match="assumption is not a known code"):
        network_meta_regression(frame, "rob", assumption="exchangeable")
    with pytest.raises(ValueError, match="reference Q is not in the network"):
        network_meta_regression(frame, "rob", reference="Q")
