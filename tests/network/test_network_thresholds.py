"""Threshold analysis: by hand, by brute force (move the data, fit again), and in its invariances."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_reference import CONTENT, network
from numpy.testing import assert_allclose
from random_networks import networks

from metasyn.network import NetworkEstimate, fit_network
from metasyn.network.thresholds import thresholds

CONNECTED = sorted(set(CONTENT) - {"sim_disconnected_a"})
TRIANGLE = pd.DataFrame(
    [("1", "B", "A", -0.2, 0.5), ("2", "C", "A", -0.3, 0.5), ("3", "C", "B", -0.1, 0.5)],
    columns=["study", "treatment", "comparator", "effect", "se"],
)


def decided(fit: NetworkEstimate, *, small_is_good: bool = True, width: float = 0.0) -> str:
    """The decision of a fit, written apart from the package."""
    position = fit.league.iloc[:, 0] * (1 if small_is_good else -1)
    return ", ".join(name for name in fit.treatments if position[name] - position.min() <= width)


def moved(frame: pd.DataFrame, row: pd.Series, change: float) -> pd.DataFrame:
    """The frame with treatment versus comparator of one study moved, all contrasts of the comparator's arm with it."""
    frame = frame.copy()
    own = frame["study"].astype(str) == row["study"]
    frame.loc[own & (frame["comparator"].astype(str) == row["comparator"]), "effect"] += change
    frame.loc[own & (frame["treatment"].astype(str) == row["comparator"]), "effect"] -= change
    return frame


def fixed(fit: NetworkEstimate) -> float:
    return 0.0 if np.isnan(fit.tau2) else fit.tau2


def assert_brute_force(fit, frame, table, move, tau2, *, small_is_good=True, width=0.0, rows=8):
    """Just before a threshold the decision stands, just beyond it is the one named; without one it stands for large changes."""
    start = decided(fit, small_is_good=small_is_good, width=width)
    spread = float(fit.league.to_numpy().max())
    for _, row in table.head(rows).iterrows():
        for side, sign in (("low", -1), ("high", 1)):
            change = row[f"threshold_{side}"]
            if np.isfinite(change):
                margin = max(1e-6 * abs(change), 1e-9 * spread)
                points = [(change - sign * margin, start)] if abs(change) > margin else []
                points.append((change + sign * margin, row[f"new_best_{side}"]))
            else:
                assert row[f"new_best_{side}"] is None
                points = [(sign * size * (spread + 1), start) for size in (1, 30, 1000)]
            for by, expected in points:
                again = fit_network(move(frame, row, by), tau2=tau2)
                assert decided(again, small_is_good=small_is_good, width=width) == expected, (row["reading"], by)


def test_three_treatments_by_hand():
    # equal variances: B - A = (2 AB + AC - CB) / 3 = -0.2 and C - A = (2 AC + AB + CB) / 3 = -0.3, so that C is best by 0.1. With A:C lower
    # by u, C rises by 2u/3 and B by u/3: B overtakes at u = 0.3. With A:B higher by u, B falls by 2u/3 and C by u/3: at 0.3; lower by u, C
    # rises by u/3 and reaches A at u = 0.9. With B:C lower by u, C rises and B falls by u/3: at 0.15.
    result = thresholds(fit_network(TRIANGLE, tau2="EE"), by="study")
    table = result.table.set_index("comparison").loc[["A:B", "A:C", "B:C"]]
    assert result.best == ("C",)
    assert table["study"].tolist() == ["1", "2", "3"]
    assert_allclose(table["estimate"], [0.2, 0.3, 0.1])
    assert_allclose(table["threshold_low"], [-0.9, -0.3, -0.15])
    assert_allclose(table["threshold_high"], [0.3, np.inf, np.inf])
    assert_allclose(table["invariant_low"], [-0.7, 0.0, -0.05], atol=1e-15)
    assert_allclose(table["invariant_high"], [0.5, np.inf, np.inf])
    assert_allclose(table["threshold_low_se"], [-1.8, -0.6, -0.3])
    assert_allclose(table["fragility"], [0.6, 0.6, 0.3])
    assert table["new_best_low"].tolist() == ["A", "B", "B"]
    assert table["new_best_high"].tolist() == ["B", None, None]
    assert result.table["comparison"].tolist() == ["B:C", "A:B", "A:C"]  # the most fragile first
    assert table["sensitive"].all()
    assert result.table["reading"].tolist() == [
        "3, B versus C (0.1): B is best instead of C if it falls by more than 0.15 (0.3 se) to -0.05, inside its 95% interval; "
        "no rise changes the decision",
        "1, A versus B (0.2): A is best instead of C if it falls by more than 0.9 (1.8 se) to -0.7, inside its 95% interval; "
        "B is best instead of C if it rises by more than 0.3 (0.6 se) to 0.5, inside its 95% interval",
        "2, A versus C (0.3): B is best instead of C if it falls by more than 0.3 (0.6 se) to 0, inside its 95% interval; "
        "no rise changes the decision",
    ]
    assert result.summary() == (
        "C is best; 3 of 3 study contrasts could change that within their 95% confidence intervals"
    )


def test_influence_of_the_triangle_by_hand():
    result = thresholds(fit_network(TRIANGLE, tau2="EE", reference="A"), by="study")
    columns = {label: result.influence[number] for number, label in enumerate(result.table["comparison"])}
    assert_allclose(columns["A:B"], [0, -2 / 3, -1 / 3], atol=1e-15)
    assert_allclose(columns["B:C"], [0, 1 / 3, -1 / 3], atol=1e-15)


def test_the_decision_set_of_the_triangle_by_hand():
    # C -0.3, B -0.2, A 0 with 0.15 important: {B, C}. B:C higher by u takes B from C by 2u/3: out when that is 0.05, u = 0.075. Lower by u,
    # B passes C and leaves it behind by 0.15 when 2u/3 = 0.25, u = 0.375; A stays 0.25 or more behind the better of them.
    result = thresholds(fit_network(TRIANGLE, tau2="EE"), by="study", important_difference=0.15)
    row = result.table.set_index("comparison").loc["B:C"]
    assert result.best == ("B", "C")
    assert_allclose([row["threshold_low"], row["threshold_high"]], [-0.375, 0.075])
    assert (row["new_best_low"], row["new_best_high"]) == ("B", "C")
    assert "the decision is C instead of B, C if it rises by more than 0.075" in row["reading"]
    assert result.summary().startswith("B, C are within 0.15 of the best; ")


def test_a_larger_effect_may_be_the_better_one():
    # A is best at 0; B is next at -0.2: A:B lower by u takes B up by 2u/3, C by u/3 (A is overtaken by B at 0.3)
    result = thresholds(fit_network(TRIANGLE, tau2="EE"), by="study", small_is_good=False)
    row = result.table.set_index("comparison").loc["A:B"]
    assert result.best == ("A",)
    assert_allclose(row["threshold_low"], -0.3)
    assert row["new_best_low"] == "B"


def test_two_treatments_change_places_where_their_estimate_is_zero():
    frame = pd.DataFrame({"study": ["1", "2"], "treatment": "B", "comparator": "A", "effect": [-0.3, -0.5], "se": 0.2})
    result = thresholds(fit_network(frame, tau2="EE"))
    (row,) = result.table.to_dict("records")
    assert_allclose([row["estimate"], row["threshold_low"], row["invariant_low"]], [0.4, -0.4, 0.0], atol=1e-15)
    assert (row["new_best_low"], row["new_best_high"], row["studies"]) == ("A", None, 2)
    # of one study of two with equal weights: twice as far
    assert_allclose(thresholds(fit_network(frame, tau2="EE"), by="study").table["threshold_low"], -0.8)


@pytest.mark.parametrize("name", CONNECTED)
def test_study_thresholds_agree_with_brute_force(name):
    frame, small = network(name), CONTENT[name].get("small_values", "desirable") == "desirable"
    fit = fit_network(frame, tau2="DL")
    table = thresholds(fit, by="study", small_is_good=small).table
    rows = 1 if len(fit.treatments) > 11 else 3
    assert_brute_force(fit, frame, table, moved, fixed(fit), small_is_good=small, rows=rows)


def pairs(table: pd.DataFrame) -> pd.DataFrame:
    """The comparisons as a network of one two-arm study each."""
    return pd.DataFrame(
        {
            "study": table["comparison"].to_numpy(),
            "treatment": table["treatment"].to_numpy(),
            "comparator": table["comparator"].to_numpy(),
            "effect": table["estimate"].to_numpy(),
            "se": table["se"].to_numpy(),
        }
    )


def move_pair(frame: pd.DataFrame, row: pd.Series, change: float) -> pd.DataFrame:
    return frame.assign(effect=frame["effect"] + change * (frame["study"] == row["comparison"]))


@pytest.mark.parametrize("name", CONNECTED)
def test_comparisons_make_the_same_network_and_their_thresholds_agree_with_brute_force(name):
    fit = fit_network(network(name), tau2="DL")
    table = thresholds(fit).table
    frame = pairs(table)
    same = fit_network(frame, tau2="EE")
    assert_allclose(same.league, fit.league, rtol=1e-9, atol=1e-9)
    assert_allclose(same.league_se, fit.league_se, rtol=1e-9)
    assert_brute_force(fit, frame, table, move_pair, "EE", rows=1 if len(fit.treatments) > 11 else 3)


@pytest.mark.parametrize("name", ["certolizumab", "sim_star_a", "sim_single_loop_a", "hfprevention"])
def test_without_multi_arm_studies_comparisons_are_the_direct_estimates(name):
    fit = fit_network(network(name), tau2="REML", ci="t")
    table = thresholds(fit).table
    for column, square in (
        ("estimate", fit.direct),
        ("se", fit.direct_se),
        ("ci_low", fit.direct_ci_low),
        ("ci_high", fit.direct_ci_high),
    ):
        direct = [square.loc[a, b] for a, b in zip(table["treatment"], table["comparator"], strict=True)]
        assert_allclose(table[column], direct, rtol=1e-10, atol=1e-12)
    assert table["studies"].sum() == fit.contrasts


def test_moving_all_studies_of_a_comparison_is_moving_the_comparison():
    frame = network("sim_single_loop_a")
    fit = fit_network(frame, tau2="DL")
    row = thresholds(fit).table.iloc[0]
    own = frame[["treatment", "comparator"]].apply(set, axis=1) == {row["treatment"], row["comparator"]}
    sign = np.where(frame["treatment"] == row["treatment"], 1.0, -1.0)
    side = "low" if np.isfinite(row["threshold_low"]) else "high"
    for factor, expected in ((0.999, decided(fit)), (1.001, row[f"new_best_{side}"])):
        again = frame.assign(effect=frame["effect"] + own * sign * factor * row[f"threshold_{side}"])
        assert decided(fit_network(again, tau2=fit.tau2)) == expected


@settings(max_examples=12, deadline=None)
@given(networks(more=(0, 5)), st.booleans(), st.sampled_from([0.0, 0.1, 0.7, 3.0]), st.sampled_from(["EE", "DL", 0.3]))
def test_any_network_agrees_with_brute_force(frame, small_is_good, width, tau2):
    fit = fit_network(frame, tau2=tau2)
    options = {"small_is_good": small_is_good, "width": width}
    by_study = thresholds(fit, by="study", small_is_good=small_is_good, important_difference=width)
    assert ", ".join(by_study.best) == decided(fit, **options)
    assert_brute_force(fit, frame, by_study.table, moved, fixed(fit), rows=3, **options)
    table = thresholds(fit, small_is_good=small_is_good, important_difference=width).table
    assert_brute_force(fit, pairs(table), table, move_pair, "EE", rows=3, **options)


@settings(max_examples=8, deadline=None)
@given(networks(more=(0, 5)), st.floats(0.01, 100), st.randoms())
def test_order_direction_and_unit_do_not_matter(frame, factor, random):
    fit = fit_network(frame, tau2="DL")
    order = list(range(len(frame)))
    random.shuffle(order)
    turned = frame.iloc[order].copy()
    flip = [random.random() < 0.5 for _ in order]
    turned.loc[flip, ["treatment", "comparator"]] = turned.loc[flip, ["comparator", "treatment"]].to_numpy()
    turned.loc[flip, "effect"] *= -1
    turned["effect"] *= factor
    turned["se"] *= factor
    for by in ("study", "comparison"):
        keys = ["study", "comparison"] if by == "study" else ["comparison"]
        one = thresholds(fit, by=by).table.set_index(keys)
        other = thresholds(fit_network(turned, tau2="DL"), by=by).table.set_index(keys).loc[one.index]
        for column in ("estimate", "threshold_low", "threshold_high", "invariant_low", "ci_high"):
            assert_allclose(other[column], factor * one[column], rtol=1e-6, atol=1e-7 * factor)
        assert_allclose(other["fragility"], one["fragility"], rtol=1e-6)
        assert other["new_best_low"].tolist() == one["new_best_low"].tolist()
        # with all signs turned, the larger effect is the better one, and low and high change places
        mirror = fit_network(frame.assign(effect=-frame["effect"]), tau2="DL")
        back = thresholds(mirror, by=by, small_is_good=False).table.set_index(keys).loc[one.index]
        assert_allclose(back["threshold_high"], -one["threshold_low"], rtol=1e-6, atol=1e-9)
        assert back["new_best_high"].tolist() == one["new_best_low"].tolist()


@settings(max_examples=12, deadline=None)
@given(networks(more=(0, 5)))
def test_influence_makes_the_estimates_from_the_data(frame):
    fit = fit_network(frame, tau2="DL")
    for by in ("study", "comparison"):
        result = thresholds(fit, by=by)
        made = result.influence.to_numpy() @ result.table["estimate"].to_numpy()
        assert_allclose(made, fit.league[fit.reference], atol=1e-9)


def test_a_tie_of_the_best_is_said_and_any_change_breaks_it():
    frame = TRIANGLE.iloc[:2].assign(effect=[-0.3, -0.3])
    result = thresholds(fit_network(frame, tau2="EE"))
    assert result.best == ("B", "C")
    assert_allclose(result.table[["threshold_low", "threshold_high"]], 0.0)
    row = result.table.set_index("comparison").loc["A:B"]
    assert (row["new_best_low"], row["new_best_high"]) == ("C", "B")
    assert any("equal estimates" in note for note in result.notes)
    assert result.summary().startswith("B, C are best, with equal estimates; ")


def test_all_within_the_important_difference_is_said():
    result = thresholds(fit_network(TRIANGLE, tau2="EE"), important_difference=2.0)
    assert result.best == ("A", "B", "C")
    assert any("nothing is decided" in note for note in result.notes)
    assert np.isfinite(result.table["fragility"]).all()


def test_evidence_that_cannot_change_the_decision_is_infinitely_robust():
    # a chain C - A - B - D: D against B says nothing of A and C, and with B far behind A moving D alone cannot ... upwards
    frame = pd.DataFrame(
        [("1", "C", "A", -1.0, 0.2), ("2", "B", "A", 0.5, 0.2), ("3", "D", "B", 0.5, 0.2)],
        columns=["study", "treatment", "comparator", "effect", "se"],
    )
    table = thresholds(fit_network(frame)).table.set_index("comparison")
    assert_allclose(table.loc["B:D", ["threshold_low", "threshold_high"]].to_numpy(dtype=float), [-np.inf, 2.0])
    assert table.loc["B:D", "new_best_low"] is None
    assert "no fall changes the decision" in table.loc["B:D", "reading"]
    assert any("q_df = 0" in note for note in thresholds(fit_network(frame)).notes)


def test_a_threshold_is_sensitive_exactly_when_it_lies_in_the_interval():
    for name in ("senn2013", "smokingcessation"):
        small = name == "senn2013"
        table = thresholds(fit_network(network(name), level=0.9), small_is_good=small).table
        inside = (table["invariant_low"] >= table["ci_low"]) | (table["invariant_high"] <= table["ci_high"])
        assert (table["sensitive"] == inside).all()
        assert 0 < table["sensitive"].sum() < len(table)
        assert (np.diff(table["fragility"]) >= 0).all()


def test_a_pair_without_information_of_its_own_is_not_assessable():
    # variances 1, 1 and 2 of three contrasts: the arm that two share has no variance, and the third contrast is the other two
    rows = [("1", "B", "A", 0.1, 1.0), ("1", "C", "A", 0.3, 1.0), ("1", "C", "B", 0.2, np.sqrt(2.0))]
    frame = pd.DataFrame(rows, columns=["study", "treatment", "comparator", "effect", "se"])
    result = thresholds(fit_network(frame, tau2="EE"))
    row = result.table.set_index("comparison").loc["B:C"]
    assert np.isnan(row["estimate"])
    assert "not assessable" in row["reading"]
    assert not row["sensitive"]
    assert result.table["comparison"].iloc[-1] == "B:C"
    assert "not assessable, no information of their own: B:C" in result.notes
    assert_allclose(result.table["estimate"].iloc[:2], [-0.1, -0.3])


def test_unusual_arguments_are_refused():
    fit = fit_network(TRIANGLE)
    with pytest.raises(ValueError, match="by is not a known code"):
        thresholds(fit, by="design")
    for value in (-0.1, np.nan, np.inf, "0.1", True):
        with pytest.raises(ValueError, match=r"important_difference is .*accepted"):
            thresholds(fit, important_difference=value)
