"""Q within and between designs against netmeta, and what holds of it without a reference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from network_reference import cases, close, network
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.pooling import pool


def by_design(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Rows in the order of R's names of the designs, whose treatments are sorted by R's alphabet."""
    keys = [frozenset(name.split(":")) for name in frame["design"]]
    return frame.iloc[[keys.index(frozenset(name.split(":"))) for name in names]]


@pytest.mark.parametrize(("name", "case"), cases("decomp_design"))
def test_decomposition_agrees_with_netmeta(name, case):
    expected = case["expected"]
    found = fit_network(network(name), tau2="DL").decompose()
    total = expected["Q_decomp"]
    assert close(found.sources["q"], total["Q"], 1e-6)
    assert found.sources["df"].tolist() == total["df"]
    assert close(np.nan_to_num(found.sources["p_value"], nan=1.0), [1 if p is None else p for p in total["pval"]], 1e-6)
    within = expected["Q_within_by_design"]
    rows = by_design(found.designs, within["design"])
    assert close(rows["q"], within["Q"], 1e-6)
    assert rows["df"].tolist() == within["df"]
    detached = expected["Q_between_after_detaching"]
    assert found.assessable == bool(detached["design"])  # R lists none where there is no loop
    if found.assessable:
        rows = by_design(found.designs, detached["design"])
        assert close(rows["q_detached"], detached["Q"], 1e-6)
        assert rows["df_detached"].tolist() == detached["df"]
    if full := expected["full_interaction_random"]:
        assert close([found.q_random, found.tau2_within], [full["Q"], full["tau_within"] ** 2], 1e-6)
        assert found.q_random_df == full["df"]


@pytest.mark.parametrize(("name", "case"), cases("netmeta_DL"))
def test_parts_add_up_to_the_q_of_the_fit(name, case):
    fit = fit_network(network(name))
    found = fit.decompose()
    q = found.sources.set_index("source")["q"]
    assert_allclose(q["within designs"] + q["between designs"], fit.q, rtol=1e-10)
    assert_allclose(found.designs["q"].sum(), q["within designs"], rtol=1e-10)
    assert found.designs["studies"].sum() == fit.k
    expected = case["expected"]
    if expected.get("Q_within") is not None:
        assert_allclose(q["within designs"], expected["Q_within"], rtol=1e-8)


def test_star_has_no_loop_and_says_so():
    fit = fit_network(network("sim_star_a"))
    found = fit.decompose()
    assert not found.assessable
    assert np.isnan(found.sources["p_value"][2])
    assert np.isnan(found.q_random_p_value)
    assert any("not assessable" in note for note in fit.notes)


def test_within_a_design_of_two_arms_is_cochrans_q_of_its_pool():
    frame = network("sim_star_a")
    designs = fit_network(frame).decompose().designs
    for row in designs.itertuples():
        arms = set(row.design.split(":"))
        part = frame[frame["treatment"].isin(arms) & frame["comparator"].isin(arms)]
        sign = np.where(part["treatment"] == min(arms), 1, -1)
        pooled = pool(sign * part["effect"], part["se"], tau2="EE", ci="z")
        assert_allclose([row.q, row.df], [pooled.q, pooled.q_df], rtol=1e-9, atol=1e-12)


def test_triangle_of_two_arm_trials_by_hand():
    frame = pd.DataFrame(
        [("1", "B", "A", 0.3, 0.2), ("2", "C", "A", 0.9, 0.02**0.5), ("3", "C", "B", 0.2, 0.02**0.5)],
        columns=["study", "treatment", "comparator", "effect", "se"],
    )
    found = fit_network(frame).decompose()
    assert found.assessable
    assert_allclose(found.sources["q"], [2.0, 0.0, 2.0], atol=1e-12)  # gap 0.4, variance 0.08
    assert found.sources["df"].tolist() == [1, 0, 1]
    assert found.designs["df_detached"].tolist() == [0, 0, 0]
    assert np.isnan(found.tau2_within)  # no design has two studies
