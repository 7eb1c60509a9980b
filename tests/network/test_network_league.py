"""League tables as printed, P-scores, and the frame of a forest plot."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from network_reference import CONTENT, cases, close, network
from numpy.testing import assert_allclose

from metasyn.network import fit_network


def numbers(cell: str) -> list[float]:
    return [float(text) for text in re.findall(r"-?\d+\.\d+", cell)]


@pytest.mark.parametrize(("name", "case"), cases("netleague"))
def test_league_table_agrees_with_netmeta_in_both_triangles(name, case):
    for key, tau2 in (("common", "EE"), ("random", "DL")):
        table = fit_network(network(name), tau2=tau2).league_table(digits=4)
        for i, row in enumerate(case["expected"][key]):
            for j, cell in enumerate(row.split(" | ")):
                if i == j or cell.strip() == ".":
                    assert table.iloc[i, j] == cell.strip()
                else:  # half a unit of the last digit may round either way
                    assert_allclose(numbers(table.iloc[i, j]), numbers(cell), atol=1.01e-4)


def test_league_table_in_ratios():
    frame = pd.DataFrame(
        {"study": ["1", "2"], "treatment": ["B", "C"], "comparator": ["A", "A"], "effect": np.log([0.5, 2]), "se": 0.1}
    )
    table = fit_network(frame).league_table(digits=1, exponentiate=True)
    assert table.to_numpy().tolist() == [
        ["A", "2.0 (1.6 to 2.4)", "0.5 (0.4 to 0.6)"],
        ["2.0 (1.6 to 2.4)", "B", "."],
        ["0.5 (0.4 to 0.6)", "0.2 (0.2 to 0.3)", "C"],
    ]
    assert fit_network(frame).league_table().iloc[1, 0] == "0.69 (0.50 to 0.89)"


RANKED = [parameters for name in ("desirable", "undesirable") for parameters in cases(f"netrank_small_{name}")]


@pytest.mark.parametrize(("name", "case"), RANKED)
def test_p_scores_agree_with_netmeta(name, case):
    small_is_good = case["call"]["small_values"] == "desirable"
    for key, tau2 in (("common", "EE"), ("random", "DL")):
        ranks = fit_network(network(name), tau2=tau2).ranking(small_is_good=small_is_good)
        expected = case["expected"][key]
        got = ranks.set_index("treatment").loc[list(expected), "p_score"]
        assert close(got, list(expected.values()), 1.0)


@pytest.mark.parametrize("name", sorted(set(CONTENT) - {"sim_disconnected_a"}))
def test_p_scores_average_one_half_and_turn_with_the_direction(name):
    fit = fit_network(network(name))
    good, bad = (fit.ranking(small_is_good=flag) for flag in (True, False))
    assert_allclose(good["p_score"].mean(), 0.5)
    assert good["p_score"].is_monotonic_decreasing
    merged = good.merge(bad, on="treatment")
    assert_allclose(merged["p_score_x"] + merged["p_score_y"], 1)
    assert_allclose(good["expected_rank"].sum(), sum(range(1, len(good) + 1)))


def test_effects_without_any_spread_share_the_rank():
    frame = pd.DataFrame(
        {"study": list("123"), "treatment": ["B", "C", "C"], "comparator": ["A", "A", "B"], "effect": 0.0, "se": 0.1}
    )
    for ci in ("z", "HK"):
        assert_allclose(fit_network(frame, ci=ci).ranking()["p_score"], 0.5)


def test_forest_frame_is_the_column_of_the_reference():
    fit = fit_network(network("senn2013"), reference="plac")
    frame = fit.against_reference()
    assert list(frame.columns) == [
        "treatment", "estimate", "se", "ci_low", "ci_high", "p_value", "pi_low", "pi_high", "direct", "direct_se", "studies",
    ]  # fmt: skip
    assert frame["treatment"].tolist() == [name for name in fit.treatments if name != "plac"]
    row = frame.set_index("treatment").loc["metf"]
    assert row["estimate"] == fit.league.loc["metf", "plac"]
    assert row["pi_low"] == fit.league_pi_low.loc["metf", "plac"]
    assert row["studies"] == 4


def test_reference_is_the_treatment_of_most_studies_unless_given():
    assert fit_network(network("senn2013")).reference == "plac"
    assert fit_network(network("senn2013"), reference="sulf").reference == "sulf"


def test_summary_is_one_line():
    text = fit_network(network("smokingcessation")).summary()
    assert text == "treatments 4, studies 24, designs 8, tau2 = 0.450 (REML), I2 = 89%, Q = 202.62 with 23 df"
