"""Net heat against netmeta, by hand, and what holds of it without a reference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from network_reference import CONTENT, close, network
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.network.net_heat import net_heat

FOLDER = Path(__file__).parent.parent / "reference" / "network" / "inconsistency"
HEATS = [
    pytest.param(content["id"], content["reference_group"], case, id=f"{content['id']}: {case['name']}")
    for content in (json.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.json")))
    for case in content["cases"]
    if case["name"].startswith("netheat")
]
LOOPED = ("senn2013", "linde2016", "dong2013", "sim_strategies_a", "sim_single_loop_a")


def heat(name, **options):
    return net_heat(fit_network(network(name)).data, **options)


def triangle():
    rows = [("1", "B", "A", 0.3, 0.2), ("2", "C", "A", 0.9, 0.02**0.5), ("3", "C", "B", 0.2, 0.02**0.5)]
    return fit_network(pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se"])).data


def places(found, expected):
    """Where R's rows stand in ours."""
    own = [
        tuple(frozenset(text.split(":")) for text in pair)
        for pair in zip(found.rows["design"], found.rows["comparison"], strict=True)
    ]
    return [
        own.index(tuple(frozenset(text.split(":")) for text in pair))
        for pair in zip(expected["rows_design"], expected["rows_comparison"], strict=True)
    ]


@pytest.mark.parametrize(("name", "reference", "case"), HEATS)
def test_net_heat_agrees_with_netmeta(name, reference, case):
    expected = case["expected"]
    found = heat(name, random=case["name"].endswith("random"), reference=reference)
    at = places(found, expected)
    assert sorted(at) == list(range(len(found.rows)))
    assert_allclose(np.sqrt(found.tau2), expected["tau"], rtol=1e-8)
    of_r = np.array(expected["Q_diff"]["values"], dtype=float)
    # the scale is the largest part: small ones are differences of such, and R's numbers are kept to 12 digits
    assert close(found.rows["q"].to_numpy()[at], expected["Q_inc_design"], np.nanmax(np.abs(of_r)))
    assert close(found.q_diff.to_numpy()[np.ix_(at, at)], of_r, np.nanmax(np.abs(of_r)))


@pytest.mark.parametrize("name", LOOPED)
@pytest.mark.parametrize("random", [False, True])
def test_parts_add_up_to_q_between_designs(name, random):
    fit = fit_network(network(name))
    found, decomposed = net_heat(fit.data, random), fit.decompose()
    q = decomposed.q_random if random else decomposed.sources["q"][2]
    assert_allclose([found.q, found.rows["q"].sum(), found.designs["q"].sum()], q, rtol=1e-9)
    assert found.q_df == decomposed.q_random_df
    assert_allclose(found.tau2, decomposed.tau2_within if random else 0.0)
    if not random:  # what is left when a design is detached
        detached = (
            decomposed.designs.set_index("design")
            .loc[found.designs["design"], ["q_detached", "df_detached"]]
            .to_numpy()
        )
        seen = found.designs["df"].to_numpy() > 0
        assert_allclose(found.q - found.designs["fall"][seen], detached[seen, 0], atol=1e-9 * found.q)
        assert_allclose(found.q_df - found.designs["df"], detached[:, 1])


@pytest.mark.parametrize("name", LOOPED)
def test_columns_add_up_to_the_fall_of_q(name):
    found = heat(name)
    design = found.rows["design"].to_numpy()
    fall = found.designs.set_index("design")["fall"]
    for column, of in enumerate(design):
        total = found.q_diff.iloc[:, column].to_numpy().sum()
        assert_allclose(total, fall[of], rtol=1e-9, equal_nan=True)


@pytest.mark.parametrize("name", LOOPED)
def test_hat_rows_reproduce_the_network_estimates(name):
    fit = fit_network(network(name), tau2="EE")
    found = net_heat(fit.data)
    assert_allclose(found.hat.to_numpy() @ found.rows["direct"], found.rows["network"], rtol=1e-9, atol=1e-12)
    assert_allclose(found.hat.to_numpy() @ found.hat.to_numpy(), found.hat, atol=1e-9)
    assert_allclose(np.trace(found.hat), len(fit.treatments) - 1, rtol=1e-9)
    league = [fit.league.loc[row.treatment, row.comparator] for row in found.rows.itertuples()]
    assert_allclose(found.rows["network"], league, rtol=1e-9, atol=1e-12)


def test_triangle_by_hand():
    # gap (C:A) - (B:A) - (C:B) = 0.4 with variance 0.04 + 0.02 + 0.02; residuals share it by their variances: 0.2, 0.1, 0.1
    found = net_heat(triangle())
    assert found.rows["label"].tolist() == ["A:B", "A:C", "B:C"]
    assert_allclose(found.rows["q"], [0.2**2 / 0.04, 0.1**2 / 0.02, 0.1**2 / 0.02], rtol=1e-12)
    assert_allclose(found.q_diff, np.tile([[1.0], [0.5], [0.5]], 3), rtol=1e-10)  # any one detached leaves nothing
    assert_allclose(found.designs["fall"], 2.0)
    assert_allclose(found.designs["p_value"], 0.15729920705028513, rtol=1e-12)
    assert_allclose(found.hat.loc["A:B"], [0.5, 0.5, -0.5], rtol=1e-12)  # A:B = half direct, half (A:C) - (B:C)
    assert found.assessable


def test_without_a_loop_it_is_not_assessable():
    found = heat("sim_star_a")
    assert not found.assessable
    assert found.q_diff.isna().all(axis=None)
    assert np.isnan(found.q_p_value)
    assert "not assessable" in found.notes[0]


def test_designs_outside_of_all_loops_are_named():
    found = heat("senn2013")
    unseen = found.designs.loc[found.designs["df"] == 0, "design"].tolist()
    assert sorted(unseen) == ["benf:plac", "migl:plac", "plac:sita", "plac:vild"]
    assert found.q_diff[unseen].isna().all(axis=None)
    assert all(name in found.notes[0] for name in unseen)


def test_only_the_share_within_a_design_depends_on_the_arm_it_is_compared_with():
    one, other = heat("smokingcessation", random=True), heat("smokingcessation", random=True, reference="D")
    assert one.rows["comparison"].tolist() != other.rows["comparison"].tolist()
    pd.testing.assert_frame_equal(one.designs, other.designs, rtol=1e-9)
    by_design = [found.q_diff.groupby(found.rows["design"].to_numpy()).sum().to_numpy() for found in (one, other)]
    assert_allclose(by_design[0], by_design[1], atol=1e-10)


def test_a_given_tau2_takes_the_place_of_both():
    found = heat("senn2013", tau2=0.1)
    assert found.tau2 == 0.1
    assert found.q < heat("senn2013").q


def test_order_is_a_permutation_that_brings_the_loop_together():
    found = heat("senn2013", reference=CONTENT["senn2013"]["reference_group"])
    assert sorted(found.order) == list(range(len(found.rows)))
    hot = [found.order.index(found.rows.index[found.rows["label"] == name][0]) for name in ("metf:sulf", "rosi:sulf")]
    assert abs(hot[0] - hot[1]) == 1


@pytest.mark.parametrize(("option", "message"), [({"reference": "nobody"}, "reference nobody"), ({"tau2": -1.0}, "tau2 is -1"), ({"tau2": np.nan}, "tau2 is nan")])  # fmt: skip
def test_bad_options_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        net_heat(triangle(), **option)


def test_results_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        net_heat(triangle()).q_diff.to_numpy()[0, 0] = 1.0
