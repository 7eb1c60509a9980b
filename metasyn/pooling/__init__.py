"""Pairwise meta-analysis of effects with standard errors."""

from metasyn.pooling import priors
from metasyn.pooling.bayes import Posterior, pool_bayes, prior_sensitivity
from metasyn.pooling.gosh import Gosh, gosh
from metasyn.pooling.heterogeneity_interval import (
    HeterogeneityInterval,
    ImportantShare,
    heterogeneity_interval,
    important_share,
)
from metasyn.pooling.influence import cumulative, influence, leave_one_out, shrinkage
from metasyn.pooling.permutation import PermutationTest, permutation_test
from metasyn.pooling.pool import pool
from metasyn.pooling.pool_many import pool_many
from metasyn.pooling.regression import MetaRegression, meta_regression
from metasyn.pooling.result import PooledEstimate, is_ratio
from metasyn.pooling.subgroups import Subgroups, subgroups

__all__ = [
    "Gosh",
    "HeterogeneityInterval",
    "ImportantShare",
    "MetaRegression",
    "PermutationTest",
    "PooledEstimate",
    "Posterior",
    "Subgroups",
    "cumulative",
    "gosh",
    "heterogeneity_interval",
    "important_share",
    "influence",
    "is_ratio",
    "leave_one_out",
    "meta_regression",
    "permutation_test",
    "pool",
    "pool_bayes",
    "pool_many",
    "prior_sensitivity",
    "priors",
    "shrinkage",
    "subgroups",
]
