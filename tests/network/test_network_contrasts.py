"""What a frame of contrasts must fulfil, and what a person is told where it does not."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from network_reference import network
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.network.contrasts import read_contrasts

COLUMNS = ["study", "treatment", "comparator", "effect", "se"]
THREE_ARMS = [("x", "B", "A", -0.2, 0.10), ("x", "C", "A", -0.5, 0.12), ("x", "C", "B", -0.3, 0.13)]


def frame(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


def of_arms(variances: list[float], means: list[float] | None = None, study: str = "x") -> pd.DataFrame:
    """A study with independent arms A, B, ... of these variances and means."""
    means = means or [0.0] * len(variances)
    pairs = itertools.combinations(range(len(variances)), 2)
    return frame(
        *((study, "ABCDE"[j], "ABCDE"[i], means[j] - means[i], (variances[i] + variances[j]) ** 0.5) for i, j in pairs)
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            THREE_ARMS[:2],
            r"study x has 3 arms and needs 3 x 2 / 2 = 3 contrasts, but gives 2; missing: C versus B\. "
            r"Remedy: C versus B is -0\.5 - \(-0\.2\) = -0\.3 by way of A, with variance 0\.0144 \+ 0\.01 - 2 v",
        ),
        (
            [("x", "A", "B", 0.1, 0.1), ("x", "C", "D", 0.1, 0.1)],
            r"study x has 4 arms and needs 4 x 3 / 2 = 6 contrasts, but gives 2; missing: C versus A, .*as studies of their own",
        ),
        (
            [*THREE_ARMS[:2], ("x", "C", "B", 0.3, 0.13)],
            r"study x has inconsistent contrasts: A versus B 0\.2 and B versus C -0\.3 make 0\.2 \+ \(-0\.3\) = -0\.1, "
            r"but A versus C is given as 0\.5; they differ by -0\.6.*Remedy: look for a wrong sign",
        ),
        (
            [*THREE_ARMS[:2], ("x", "C", "B", -0.3, 0.22)],
            r"study x has standard errors that give its arm A a negative variance: \(var\(A, B\) \+ var\(A, C\) - var\(B, C\)\) / 2 = "
            r"\(0\.01 \+ 0\.0144 - 0\.0484\) / 2 = -0\.012.*Remedy",
        ),
        (
            [("x", "A", "B", 0.1, 0.1), ("y", "C", "D", 0.1, 0.1), ("z", "D", "C", 0.1, 0.1)],
            r"2 unconnected parts(.|\n)*part 1: A, B \(studies x\)\n  part 2: C, D \(studies y, z\)\nRemedy: fit each part by itself; "
            r"to connect them takes at least 1 further study",
        ),
        ([("x", "A", "A", 0.1, 0.1)], r"a treatment is compared with itself: row 0, study x \(A versus A.*Remedy"),
        (
            [("x", "A", "B", 0.1, 0.1), ("x", "B", "A", -0.2, 0.1)],
            r"study x gives B versus A 2 times \(effects -0\.1, -0\.2\).*Remedy: keep one",
        ),
        ([("x", "A", "B", 0.1, 0.0)], r"se is not positive: row 0, study x .*Remedy"),
        ([("x", "A", "B", 0.1, -0.2)], r"se is not positive: row 0, study x .*se -0\.2"),
        ([("x", "A", "B", np.nan, 0.1)], r"effect is missing or infinite: row 0, study x"),
        ([("x", "A", "B", "0,7", 0.1)], r"effect is missing or infinite: row 0, study x \(A versus B, effect 0,7"),
        ([("x", "A", "B", 0.1, np.inf)], r"se is missing or infinite: row 0, study x"),
        ([("x", "A", None, 0.1, 0.1)], r"comparator is missing: row 0, study x"),
        ([(np.nan, "A", "B", 0.1, 0.1)], r"study is missing: row 0"),
        ([("x", "A", "B", 0.1, 1e-200)], r"beyond 1e-50 to 1e\+50 in size: row 0, study x"),
        ([], "effects has no rows"),
    ],
)
def test_bad_network_is_refused_with_study_arithmetic_and_remedy(rows, message):
    with pytest.raises(ValueError, match=message):
        fit_network(frame(*rows))


def test_missing_columns_are_named():
    with pytest.raises(ValueError, match="effects lacks columns effect, se; accepted: a frame with study, treatment"):
        fit_network(frame(*THREE_ARMS).drop(columns=["effect", "se"]))


def test_faults_of_several_studies_are_shown_together():
    rows = [*THREE_ARMS[:2], ("y", "B", "A", 0.1, 0.1), ("y", "C", "A", 0.1, 0.1), ("z", "A", "C", 0.1, 0.1)]
    with pytest.raises(ValueError, match="study x has 3 arms") as refused:
        fit_network(frame(*rows))
    assert len(re.findall("study . has 3 arms", str(refused.value))) == 2


def test_rows_are_numbered_by_position_not_by_index():
    faulty = frame(*THREE_ARMS, ("y", "A", "A", 0.0, 1.0)).set_index(pd.Index([7, 7, 7, 7]))
    with pytest.raises(ValueError, match="row 3, study y"):
        fit_network(faulty)


def test_reference_network_of_two_parts_is_refused():
    with pytest.raises(ValueError, match="2 unconnected parts"):
        fit_network(network("sim_disconnected_a"))


@pytest.mark.parametrize("arms", [[0.1, 0.2, 0.3], [0.3, 0.01, 0.2, 0.4], [0.1, 0.2, 0.3, 0.4, 0.5]])
def test_covariance_of_contrasts_is_the_variance_of_the_shared_arm(arms):
    (group,) = read_contrasts(of_arms(arms)).groups
    assert_allclose(group.covariance[0], np.diag(arms[1:]) + arms[0], rtol=1e-12)


def test_covariance_needs_no_independent_arms():
    # variances of differences of correlated arms, as after adjustment: V_ij = S_ii + S_jj - 2 S_ij
    root = np.array([[1.0, 0, 0, 0], [0.3, 0.9, 0, 0], [0.2, 0.1, 0.8, 0], [-0.1, 0.2, 0.3, 1.1]]) / 5
    s = root @ root.T
    pairs = list(itertools.combinations(range(4), 2))
    rows = [("x", "ABCD"[j], "ABCD"[i], 0.0, (s[i, i] + s[j, j] - 2 * s[i, j]) ** 0.5) for i, j in pairs]
    (group,) = read_contrasts(frame(*rows)).groups
    contrast = np.column_stack([-np.ones(3), np.eye(3)])
    assert_allclose(group.covariance[0], contrast @ s @ contrast.T, rtol=1e-10)


def test_arms_without_variance_at_the_edge():
    assert fit_network(of_arms([0.0, 0.1, 0.2])).k == 1  # one arm known exactly: its contrasts are independent
    with pytest.raises(ValueError, match=r"study x .* not positive definite .*Remedy"):
        fit_network(of_arms([1e-13, 1e-13, 0.2, 0.2]))  # two arms known exactly: so is their contrast


def test_negative_variance_of_an_arm_among_four_is_refused():
    faulty = of_arms([0.02, 0.02, 0.02, 0.02])
    faulty.loc[5, "se"] = 0.5  # D versus C
    with pytest.raises(ValueError, match=r"study x has standard errors that give its arm A a negative variance: least"):
        fit_network(faulty)


def test_rounding_of_printed_effects_is_taken_and_said():
    rows = [("x", "B", "A", -0.21, 0.15), ("x", "C", "A", -0.51, 0.16), ("x", "C", "B", -0.31, 0.17)]
    fit = fit_network(frame(*rows))  # -0.21 - 0.31 = -0.52, off by 0.01
    assert any("study x: its contrasts close only up to 0.067 of a standard error" in note for note in fit.notes)
    # least squares move each contrast by a third of the gap
    assert_allclose(fit.league.loc["B", "A"], -0.21 + 0.01 / 3, rtol=1e-10)
    assert_allclose(fit.league.loc["C", "A"], -0.51 - 0.01 / 3, rtol=1e-10)
    exact = fit_network(of_arms([0.1, 0.2, 0.3], [0.1, 0.4, 0.9]))
    assert not any("close only" in note for note in exact.notes)


def test_names_are_text_in_alphabetical_order_without_regard_to_capitals():
    rows = [("1", "beta", "Alpha", 0.1, 0.1), ("2", "Gamma", "beta", 0.1, 0.1), (3, "alpha", "Gamma", 0.1, 0.1)]
    fit = fit_network(frame(*rows))
    assert fit.treatments == ("Alpha", "alpha", "beta", "Gamma")
    assert list(fit.league.columns) == list(fit.treatments)
    numbered = fit_network(frame((1, 2, 1, 0.1, 0.1)))
    assert numbered.league.loc["2", "1"] == pytest.approx(0.1)


def test_other_columns_and_mappings_are_welcome():
    wide = frame(*THREE_ARMS).assign(arm_treatment="?", how="printed")
    assert_allclose(fit_network(wide).league, fit_network(frame(*THREE_ARMS).to_dict("list")).league)


def test_input_is_left_as_it_was():
    given = frame(*THREE_ARMS)
    before = given.copy()
    fit_network(given)
    pd.testing.assert_frame_equal(given, before)
