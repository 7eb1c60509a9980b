"""Many pools at once: the numbers of `pool`, whatever the order and the mixture of sizes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from metasyn.pooling import pool, pool_many


def simulated(groups: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rng.integers(1, 15, groups))
    se = 10 ** rng.uniform(-1.5, 0.3, group.size)
    effect = rng.normal(rng.normal(0, rng.choice([0.0, 0.2, 1.0], group.size)), se)
    order = rng.permutation(group.size)
    return effect[order], se[order], group[order]


@pytest.mark.parametrize("tau2", ["EE", "DL", "HE", "HS", "HSk", "SJ", "ML", "REML", "EB", "PM", "PMM"])
@pytest.mark.parametrize("ci", ["z", "t", "HK", "HK_adhoc", "HK_adhoc_ci", "HK_adhoc_IQWiG6", "KR"])
def test_each_row_is_what_pool_gives(tau2, ci):
    if ci == "KR" and tau2 != "REML":
        pytest.skip("Kenward-Roger goes with REML")
    effect, se, group = simulated(60, seed=3)
    table = pool_many(effect, se, group, tau2=tau2, ci=ci, heterogeneity_ci=True)
    assert list(table.index) == sorted(set(group))
    for name, row in table.iterrows():
        alone = pool(effect[group == name], se[group == name], tau2=tau2, ci=ci)
        for column, value in row.items():
            if column.startswith("tau2_ci"):
                expected = alone.tau2_ci[column.endswith("high")]
            else:
                expected = getattr(alone, column)
            expected = np.nan if expected is None else expected
            # 1e-9: sums over studies run in another order; near 0 what counts is the size of the se
            assert_allclose(value, expected, rtol=1e-9, atol=1e-9 * alone.standard_errors.min(), err_msg=column)


def test_groups_may_be_words_and_come_in_any_order():
    table = pool_many([0.1, 0.5, 0.2], [0.1, 0.2, 0.3], pd.Series(["b", "a", "b"], index=[9, 8, 7]))
    assert list(table.index) == ["a", "b"]
    assert list(table["k"]) == [1, 2]
    assert_allclose(table.loc["a", "estimate"], 0.5)


@pytest.mark.parametrize(
    ("group", "message"),
    [([1, 1], "group has 2 values for 3 studies"), ([1.0, np.nan, 1.0], "group has missing values")],
)
def test_bad_groups_are_refused(group, message):
    with pytest.raises(ValueError, match=message):
        pool_many([0.1, 0.2, 0.3], [0.1, 0.1, 0.1], group)
