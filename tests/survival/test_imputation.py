"""Rubin's rules: arithmetic by hand, limiting cases, coverage, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metasyn.survival.imputation import CombinedEstimate, combine, combine_studies, combine_vectors

Q, U = [1.0, 2, 3], [0.5, 0.7, 0.6]


def test_three_draws_by_hand() -> None:
    # mean 2, within 0.6, between 1, T = 0.6 + 4/3, r = (4/3)/0.6 = 20/9, df = 2 (1 + 9/20)^2 = 4.205,
    # and (20/9 + 2/7.205) / (29/9) is missing
    one = combine(Q, U)
    assert_allclose([one.estimate, one.within, one.between, one.total], [2, 0.6, 1, 0.6 + 4 / 3], rtol=1e-15)
    assert_allclose([one.relative_increase, one.df], [20 / 9, 4.205], rtol=1e-14)
    assert_allclose(one.fraction_missing, (20 / 9 + 2 / 7.205) * 9 / 29, rtol=1e-14)
    assert_allclose(one.se, math.sqrt(one.total), rtol=1e-15)


def test_few_patients_by_hand() -> None:
    # Barnard and Rubin: g = (4/3)/(29/15) = 20/29; d = 21/23 * 20 * 9/29; df = 1/(1/4.205 + 1/d)
    d = 21 / 23 * 20 * 9 / 29
    assert_allclose(combine(Q, U, complete_df=20).df, 1 / (1 / 4.205 + 1 / d), rtol=1e-14)


@pytest.mark.parametrize("complete_df", [3.0, 20.0, 400.0])
def test_degrees_of_freedom_never_exceed_those_of_complete_data(complete_df: float) -> None:
    for spread in (0.0, 0.01, 1.0, 100.0):
        assert combine(spread * np.array(Q), U, complete_df=complete_df).df <= complete_df


def test_draws_that_agree_add_nothing() -> None:
    one = combine([1, 1, 1, 1], [2, 2, 2, 2])
    assert (one.between, one.se, one.df, one.fraction_missing) == (0, math.sqrt(2), math.inf, 0)


def test_one_draw_is_itself_and_says_nothing_of_what_is_missing() -> None:
    one = combine([0.3], [0.04])
    assert_allclose([one.estimate, one.se], [0.3, 0.2], rtol=1e-15)
    assert one.df == math.inf
    assert math.isnan(one.fraction_missing)


def test_without_variance_within_all_is_missing() -> None:
    one = combine(Q, [0, 0, 0])
    assert (one.fraction_missing, one.df) == (1.0, 2.0)


def test_many_studies_are_combined_as_one_by_one() -> None:
    rng = np.random.default_rng(5)
    study = np.repeat(["b", "a", "c"], [4, 1, 7])
    order = rng.permutation(study.size)
    q, u = rng.normal(size=study.size), rng.uniform(0.1, 1, study.size)
    table = combine_studies(study[order], q[order], u[order], complete_df=50)
    for name in "abc":
        alone = combine(q[study == name], u[study == name], complete_df=50)
        for field in ("estimate", "se", "within", "between", "df", "fraction_missing", "draws"):
            assert_allclose(table.loc[name, field], getattr(alone, field), rtol=1e-13)
    assert list(table.columns) == list(CombinedEstimate.__slots__)


def test_vectors_have_the_scalars_on_the_diagonal_and_turn_with_their_axes() -> None:
    rng = np.random.default_rng(6)
    q, root = rng.normal(size=(5, 2)), rng.normal(size=(5, 2, 2))
    u = root @ root.transpose(0, 2, 1)
    both = combine_vectors(q, u)
    for j in range(2):
        assert_allclose(both.total[j, j], combine(q[:, j], u[:, j, j]).total, rtol=1e-13)
    turn = np.array([[2.0, 1], [0, -1]])
    turned = combine_vectors(q @ turn.T, turn @ u @ turn.T)
    assert_allclose(turned.total, turn @ both.total @ turn.T, rtol=1e-12)
    assert not both.total.flags.writeable


def test_intervals_over_draws_from_the_posterior_cover() -> None:
    # y ~ N(mu, 1) of 40, half of them missing; draws from the posterior predictive under a flat prior
    rng = np.random.default_rng(7)
    from scipy.special import stdtrit

    n, seen, m, hits, trials = 40, 20, 10, 0, 1500
    for _ in range(trials):
        y = rng.normal(0, 1, seen)
        mean = rng.normal(y.mean(), 1 / math.sqrt(seen), m)
        filled = (y.sum() + (n - seen) * mean + rng.normal(0, math.sqrt(n - seen), m)) / n
        one = combine(filled, np.full(m, 1 / n))
        hits += abs(one.estimate) <= stdtrit(one.df, 0.975) * one.se
    assert abs(hits / trials - 0.95) < 0.02  # 3.5 standard errors of the simulation


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: combine([1, 2], [1]), "estimate and variance have different lengths"),
        (lambda: combine([], []), "there are no draws"),
        (lambda: combine([1, np.nan], [1, 1]), "estimate has missing or infinite values \\(rows 1\\)"),
        (lambda: combine([1, 2], [1, -1]), "variance is negative \\(rows 1\\)"),
        (lambda: combine([1, 2], [1, 1], complete_df=0), "complete_df is not positive"),
        (lambda: combine_studies(["a"], [1, 2], [1, 1]), "study, estimate and variance"),
        (lambda: combine_studies(["a", None], [1, 2], [1, 1]), "study is missing \\(rows 1\\)"),
        (lambda: combine_vectors([[1, 2]], [[1, 2]]), "do not fit"),
        (lambda: combine_vectors([[1.0, np.inf]], [np.eye(2)]), "missing or infinite values \\(draws 0\\)"),
    ],
)
def test_refusals(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
