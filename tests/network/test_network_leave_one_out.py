"""A network without each of its studies: against netmeta, against fits of the rest, and what is said where the rest falls apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_reference import close, network
from numpy.testing import assert_allclose
from random_networks import networks

from metasyn.network import fit_network
from metasyn.network.leave_one_out import leave_one_study_out, study_impact

ROBUSTNESS = Path(__file__).parent.parent / "reference" / "network" / "robustness"
CONTENT = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(ROBUSTNESS.glob("*.json"))}
COLUMNS = ["study", "treatment", "comparator", "effect", "se"]


def cases(name: str) -> list:
    return [
        pytest.param(key, case, id=f"{key}: {name}")
        for key, content in CONTENT.items()
        for case in content["cases"]
        if case["name"] == name
    ]


@pytest.mark.parametrize(("name", "case"), cases("leave_one_out"))
def test_fits_without_a_study_agree_with_netmeta(name, case):
    for key, tau2 in (("common", "EE"), ("random", "DL")):
        reference = CONTENT[name]["reference_group"]
        fit = fit_network(network(name), tau2=tau2, reference=reference)
        result = leave_one_study_out(fit)
        assert sorted(result.studies["study"]) == sorted(case["expected"])
        table = result.studies.set_index("study")
        for study, expected in case["expected"].items():
            row = table.loc[study]
            assert row["connected"] == expected["connected"]
            lost = set(row["treatments_lost"].split(", ")) - {""}
            assert set(expected["trts"]) == set(fit.treatments) - lost
            others = [number for number, treatment in enumerate(expected["trts"]) if treatment != reference]
            shown = result.effects[result.effects["study"] == study].set_index("treatment")
            shown = shown.loc[[expected["trts"][number] for number in others]]
            se = np.array(expected[f"seTE_{key}"])[others]
            assert close(shown["estimate"], np.array(expected[f"TE_{key}"])[others], se)
            assert close(shown["se"], se, 0)
            assert close(row["q"], expected["Q"], 1.0)
            assert row["q_df"] == expected["df_Q"]
            if tau2 == "DL" and expected["df_Q"] > 0:
                assert close(np.sqrt(row["tau2"]), expected["tau"], 1.0)


OPTIONS = [
    {"tau2": "REML"},
    {"tau2": "ML", "ci": "t", "level": 0.9},
    {"tau2": "DL", "ci": "HK"},
    {"tau2": 0.2, "ci": "HK_adhoc"},
    {"tau2": "EE"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", ["smokingcessation", "senn2013", "woods2010"])
def test_every_row_is_the_fit_of_the_rest(name, options):
    frame = network(name)
    fit = fit_network(frame, **options)
    result = leave_one_study_out(fit, small_is_good=False)
    for row in result.studies.iloc[::4].to_dict("records"):
        rest = fit_network(frame[frame["study"] != row["study"]], **options)
        lost = sorted(set(fit.treatments) - set(rest.treatments))
        assert row["treatments_lost"] == ", ".join(lost)
        assert_allclose(row["tau2"], rest.tau2, rtol=1e-7, atol=1e-12)
        assert_allclose(
            [row["q"], row["q_p_value"], row["i2"]], [rest.q, rest.q_p_value, rest.i2], rtol=1e-7, atol=1e-10
        )
        assert row["q_df"] == rest.q_df
        best = rest.league.iloc[:, 0].idxmax()
        assert row["best"] == best
        assert row["best_changes"] == (best != fit.league.iloc[:, 0].idxmax())
        share = (rest.league - fit.league.loc[rest.league.index, rest.league.columns]) / fit.league_se.loc[
            rest.league.index, rest.league.columns
        ].replace(0, np.nan)
        assert_allclose(row["largest_change"], np.nanmax(np.abs(share)), rtol=1e-6, atol=1e-9)
        one, other = row["largest_change_comparison"].split(":")
        assert_allclose(
            row["largest_change_effect"], rest.league.loc[one, other] - fit.league.loc[one, other], rtol=1e-6, atol=1e-9
        )
        if fit.reference not in rest.treatments:
            continue
        shown = result.effects[result.effects["study"] == row["study"]].set_index("treatment")
        for column, square in (
            ("estimate", rest.league),
            ("se", rest.league_se),
            ("ci_low", rest.league_ci_low),
            ("ci_high", rest.league_ci_high),
            ("p_value", rest.league_p),
        ):
            expected = square[fit.reference].drop(fit.reference)
            assert_allclose(shown.loc[expected.index, column], expected, rtol=1e-6, atol=1e-9)
        assert shown.loc[lost, "estimate"].isna().all()


def test_a_study_that_decides_is_named():
    rows = [("1", "B", "A", -0.5, 0.2), ("2", "C", "A", -0.2, 0.2), ("3", "C", "A", -1.2, 0.2)]
    result = leave_one_study_out(fit_network(pd.DataFrame(rows, columns=COLUMNS), tau2="EE"))
    table = result.studies.set_index("study")
    assert result.best == "C"  # at -0.7
    assert table["best"].tolist() == ["C", "C", "B"]
    assert table["best_changes"].tolist() == [False, False, True]
    # without 3, C moves from -0.7 to -0.2, by 0.5 of a standard error of 0.2 / sqrt(2); against B by less, of a larger one
    assert_allclose(table.loc["3", "largest_change"], 0.5 / (0.2 / np.sqrt(2)))
    assert_allclose(table.loc["3", "largest_change_effect"], -0.5)
    assert table.loc["3", "largest_change_comparison"] == "A:C"
    assert table.loc["3", "reading"] == "without 3: B is best instead of C; largest change -0.5 (3.5 se) in A:C"
    assert result.summary() == "C is best; without one study another is, for 1 of 3 studies (3)"
    change = result.effects.set_index(["study", "treatment"]).loc[("3", "C")]
    assert_allclose([change["change"], change["change_se"]], [0.5, 0.5 / (0.2 / np.sqrt(2))])


def test_treatments_that_leave_are_said():
    rows = [("1", "B", "A", -0.5, 0.2), ("2", "C", "A", -0.2, 0.2), ("3", "B", "A", -0.6, 0.2)]
    result = leave_one_study_out(fit_network(pd.DataFrame(rows, columns=COLUMNS), reference="C"))
    table = result.studies.set_index("study")
    assert table["connected"].all()
    assert table["treatments_lost"].tolist() == ["", "C", ""]
    assert "without 2: C leaves the network; B stays best" in table.loc["2", "reading"]
    assert result.effects[result.effects["study"] == "2"]["estimate"].isna().all()
    assert any("2 (C)" in note for note in result.notes)
    assert "no effects versus C without: 2" in result.notes


def test_a_best_treatment_that_leaves_is_replaced_by_the_best_that_is_left():
    rows = [("1", "B", "A", -0.5, 0.2), ("2", "C", "A", -0.9, 0.2)]
    table = leave_one_study_out(fit_network(pd.DataFrame(rows, columns=COLUMNS))).studies.set_index("study")
    assert table["best"].tolist() == ["C", "B"]
    assert table["best_changes"].tolist() == [False, True]
    assert table.loc["2", "reading"].startswith("without 2: C leaves the network; B is best instead of C")


def test_a_network_that_falls_apart_is_not_assessable():
    rows = [
        ("1", "B", "A", -0.5, 0.2),
        ("2", "C", "B", -0.2, 0.2),
        ("3", "D", "C", -0.2, 0.2),
        ("4", "D", "C", 0.1, 0.2),
    ]
    result = leave_one_study_out(fit_network(pd.DataFrame([*rows, ("5", "A", "B", 0.4, 0.2)], columns=COLUMNS)))
    row = result.studies.set_index("study").loc["2"]
    assert not row["connected"]
    assert row["parts"] == "A, B | C, D"
    assert row["best"] is None
    assert row["best_changes"] is pd.NA
    assert np.isnan([row["tau2"], row["q"], row["largest_change"]]).all()
    assert row["q_df"] is pd.NA
    assert row["reading"] == "without 2: the rest falls apart (A, B | C, D): not assessable"
    assert "not assessable, the network falls apart without: 2" in result.notes
    assert result.summary().endswith("not assessable for 1, without which the network falls apart")
    assert result.effects[result.effects["study"] == "2"]["estimate"].isna().all()


def test_one_study_cannot_be_left_out():
    with pytest.raises(ValueError, match="one study, which cannot be left out; accepted"):
        leave_one_study_out(fit_network(pd.DataFrame([("1", "B", "A", -0.5, 0.2)], columns=COLUMNS)))
    assert_allclose(study_impact(fit_network(pd.DataFrame([("1", "B", "A", -0.5, 0.2)], columns=COLUMNS))), [[1.0]])


def with_large_error(frame: pd.DataFrame, study: str, tau2: float) -> pd.DataFrame:
    """The standard errors of a network in which a study has a thousand times the largest one."""
    large = frame.assign(se=np.where(frame["study"] == study, 1000 * frame["se"].max(), frame["se"]))
    return fit_network(large, tau2=tau2).league_se


# without the common effect of smokingcessation, of which R contradicts its own fits without a study: see the test after this one
IMPACTS = [
    pytest.param(*parameters.values, key, id=f"{parameters.id} {key}")
    for parameters in cases("netimpact")
    for key in ("common", "random")
    if (parameters.values[0], key) != ("smokingcessation", "common")
]


@pytest.mark.parametrize(("name", "case", "key"), IMPACTS)
def test_impacts_agree_with_netmeta(name, case, key):
    expected = case["expected"][key]
    values = np.array(expected["values"], dtype=float)
    fit = fit_network(network(name), tau2="EE" if key == "common" else "DL")
    impact = study_impact(fit).loc[expected["rows"], expected["cols"]].to_numpy()
    # R does not leave the study out but gives it a thousand times the largest standard error: with that, its numbers are met
    i, j = np.triu_indices(len(fit.treatments), 1)
    for study, row in list(zip(expected["rows"], values, strict=True))[::3]:
        large = with_large_error(network(name), study, fit.tau2).to_numpy()
        assert_allclose(1 - (fit.league_se.to_numpy()[i, j] / large[i, j]) ** 2, row, rtol=1e-8, atol=1e-8)
    # and leaving it out is more by what such a study still tells: 1.2e-6 at most here
    assert (impact - values > -1e-10).all()
    assert np.abs(impact - values).max() < 1.3e-6


def test_impacts_are_those_of_r_s_own_fits_without_a_study_where_netimpact_contradicts_them():
    content = CONTENT["smokingcessation"]
    (out,) = [case["expected"] for case in content["cases"] if case["name"] == "leave_one_out"]
    (impact,) = [case["expected"]["common"] for case in content["cases"] if case["name"] == "netimpact"]
    fit = fit_network(network("smokingcessation"), tau2="EE", reference="A")
    got = study_impact(fit)
    for study, expected in out.items():
        without = dict(zip(expected["trts"], expected["seTE_common"], strict=True))
        for other in "BCD":
            assert_allclose(
                got.loc[study, f"A:{other}"], 1 - (fit.league_se.loc[other, "A"] / without[other]) ** 2, atol=1e-10
            )
    # netimpact: 0.8600 of A:C would be lost without study 01, in R's own fit it is 0.0204
    assert_allclose(got.loc["01", "A:C"], 0.020385367545, rtol=1e-10)
    assert_allclose(impact["values"][impact["rows"].index("01")][impact["cols"].index("A:C")], 0.860021618681)


def test_the_impact_of_an_only_bridge_is_one():
    rows = [("1", "B", "A", -0.5, 0.2), ("2", "C", "B", -0.2, 0.2), ("3", "B", "A", -0.2, 0.2)]
    impact = study_impact(fit_network(pd.DataFrame(rows, columns=COLUMNS), tau2="EE"))
    assert_allclose(impact.loc["2"], [0.0, 1.0, 1.0])
    assert_allclose(impact.loc["1", "A:B"], 0.5)  # half the information


@settings(max_examples=20, deadline=None)
@given(networks(treatments=5, arms=3, more=(1, 5)), st.randoms())
def test_order_and_direction_do_not_matter_and_impacts_are_shares(frame, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    turned = frame.iloc[order].copy()
    turned[["treatment", "comparator"]] = turned[["comparator", "treatment"]].to_numpy()
    turned["effect"] *= -1
    fit, other = fit_network(frame, tau2="DL"), fit_network(turned, tau2="DL")
    one = leave_one_study_out(fit).studies.set_index("study")
    again = leave_one_study_out(other).studies.set_index("study").loc[one.index]
    for column in ("connected", "treatments_lost", "parts", "best"):
        assert again[column].tolist() == one[column].tolist()
    assert_allclose(again["tau2"], one["tau2"], rtol=1e-7, atol=1e-9)
    assert_allclose(again["largest_change"], one["largest_change"], rtol=1e-6, atol=1e-8)
    impact = study_impact(fit)
    assert_allclose(study_impact(other).loc[impact.index], impact, rtol=1e-7, atol=1e-9)
    assert ((impact >= 0) & (impact <= 1)).to_numpy().all()
