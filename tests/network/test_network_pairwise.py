"""Separate meta-analyses of direct comparisons against netmeta's netpairwise, and by what they must equal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from network_reference import close, network
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal

from metasyn.network import fit_network
from metasyn.network.pairwise import pairwise
from metasyn.pooling import pool

ROBUSTNESS = Path(__file__).parent.parent / "reference" / "network" / "robustness"
CASES = [
    pytest.param(content["id"], case, id=f"{content['id']}: {case['name']}")
    for content in (json.loads(file.read_text(encoding="utf-8")) for file in sorted(ROBUSTNESS.glob("*.json")))
    for case in content["cases"]
    if case["name"] == "netpairwise"
]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_pairwise_pools_agree_with_netmeta(name, case):
    # R lists a pair of baker2009 a second time the other way round, with no studies
    there = [number for number, k in enumerate(case["expected"]["k"]) if k > 0]
    expected = {key: [values[number] for number in there] for key, values in case["expected"].items()}
    table = pairwise(fit_network(network(name))).set_index("comparison")
    places, signs = [], []
    for label in expected["comparison"]:
        # the two names may be the other way round in R
        (place,) = [
            number
            for number, (a, b) in enumerate(zip(table["treatment"], table["comparator"], strict=True))
            if label in (f"{a}:{b}", f"{b}:{a}")
        ]
        places.append(place)
        signs.append(1 if table.index[place] == label else -1)
    assert sorted(places) == list(range(len(table)))
    sign, got = np.array(signs), table.iloc[places]
    assert (got["k"] == expected["k"]).all()
    for prefix, key in (("", "random"), ("common_", "common")):
        se = np.array(expected[f"seTE_{key}"], dtype=float)
        assert close(sign * got[f"{prefix}estimate"], expected[f"TE_{key}"], se)
        assert close(got[f"{prefix}se"], se, 0)
        low, high = got[f"{prefix}ci_low"], got[f"{prefix}ci_high"]
        assert close(np.where(sign > 0, low, -high), expected[f"lower_{key}"], se)
        assert close(np.where(sign > 0, high, -low), expected[f"upper_{key}"], se)
        # 1e-7: p values of 1e-100 lose digits to the quantile they come from
        assert close(got[f"{prefix}p_value"], expected[f"pval_{key}"], 0, tol=1e-7)
    pooled = np.array(expected["k"]) > 1
    if pooled.any():
        assert close(got["tau2"], expected["tau2"], 1.0)
        assert close(got["i2"] / 100, expected["I2"], 1.0)
        assert close(got["q"], expected["Q"], 1.0)
        assert close(got["q_p_value"], expected["pval_Q"], 1e-6)
    assert got.loc[~pooled, ["tau2", "i2", "q_p_value"]].isna().to_numpy().all()


@pytest.mark.parametrize("options", [{}, {"tau2": "REML", "ci": "HK"}, {"tau2": "PM", "ci": "t", "level": 0.9}])
def test_a_row_is_the_pool_of_its_studies(options):
    frame = network("smokingcessation")
    row = pairwise(frame, **options).set_index("comparison").loc["A:C"]
    own = frame[["treatment", "comparator"]].apply(set, axis=1) == {"A", "C"}
    effect = np.where(frame["treatment"] == "A", 1, -1) * frame["effect"]
    pooled = pool(effect[own], frame.loc[own, "se"], **({"tau2": "DL", "ci": "z"} | options))
    names = ["estimate", "se", "ci_low", "ci_high", "p_value", "tau2", "q"]
    assert_allclose(row[names].to_numpy(dtype=float), [getattr(pooled, name) for name in names], rtol=1e-10)
    assert (row["k"], row["q_df"]) == (own.sum(), own.sum() - 1)


def test_with_one_tau2_of_zero_rows_are_the_direct_estimates_of_the_fit():
    fit = fit_network(network("senn2013"), tau2="EE")
    table = pairwise(fit, tau2="EE")
    for name, square in (("estimate", fit.direct), ("se", fit.direct_se), ("k", fit.direct_studies)):
        direct = [square.loc[a, b] for a, b in zip(table["treatment"], table["comparator"], strict=True)]
        assert_allclose(table[name], direct, rtol=1e-12)
    assert len(table) == fit.direct.notna().to_numpy().sum() / 2


def test_order_and_direction_of_rows_do_not_matter():
    frame = network("sim_strategies_a")
    turned = frame.iloc[::-1].copy()
    turned[["treatment", "comparator"]] = turned[["comparator", "treatment"]].to_numpy()
    turned["effect"] *= -1
    assert_frame_equal(pairwise(turned), pairwise(frame), rtol=1e-10)
    assert_frame_equal(pairwise(fit_network(frame)), pairwise(frame))


def test_unconnected_parts_have_their_rows_too():
    rows = [("1", "d", "C", 0.2, 0.1), ("2", "B", "a", -0.1, 0.1), ("3", "a", "B", 0.3, 0.1)]
    table = pairwise(pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se"]))
    assert table["comparison"].tolist() == ["a:B", "C:d"]
    assert_allclose(table["common_estimate"], [0.2, -0.2])
    assert table["k"].tolist() == [2, 1]


def test_bad_input_is_refused_as_by_the_fit():
    frame = network("sim_star_a")
    with pytest.raises(ValueError, match="effects lacks columns se"):
        pairwise(frame.drop(columns="se"))
    with pytest.raises(ValueError, match="no rows"):
        pairwise(frame.iloc[:0])
    with pytest.raises(ValueError, match="comparator is missing"):
        pairwise(frame.assign(comparator=[None, *frame["comparator"][1:]]))
    with pytest.raises(ValueError, match="se is not positive"):
        pairwise(frame.assign(se=0.0))
    with pytest.raises(ValueError, match="tau2 is not a known code"):
        pairwise(frame, tau2="moments")
