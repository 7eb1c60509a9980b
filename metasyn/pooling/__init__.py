"""Pairwise meta-analysis of effects with standard errors."""

from metasyn.pooling import priors
from metasyn.pooling.bayes import Posterior, pool_bayes, prior_sensitivity
from metasyn.pooling.counts import CountsEstimate, pool_counts
from metasyn.pooling.gosh import Gosh, gosh
from metasyn.pooling.heterogeneity_interval import (
    HeterogeneityInterval,
    ImportantShare,
    heterogeneity_interval,
    important_share,
)
from metasyn.pooling.influence import cumulative, influence, leave_one_out, shrinkage
from metasyn.pooling.joint_outcomes import joint_outcomes
from metasyn.pooling.multilevel import MultilevelEstimate, multilevel
from metasyn.pooling.multivariate import MultivariateEstimate, multivariate
from metasyn.pooling.permutation import PermutationTest, permutation_test
from metasyn.pooling.pool import pool
from metasyn.pooling.pool_many import pool_many
from metasyn.pooling.priors import (
    HalfCauchy,
    HalfNormal,
    HalfT,
    InverseGamma,
    LogNormal,
    LogT,
    Normal,
    Uniform,
    rhodes,
    turner,
)
from metasyn.pooling.regression import MetaRegression, meta_regression
from metasyn.pooling.result import PooledEstimate, is_ratio
from metasyn.pooling.robust import RobustEstimate, robust
from metasyn.pooling.sampling_covariance import block_covariance
from metasyn.pooling.subgroups import Subgroups, subgroups

__all__ = [
    "CountsEstimate",
    "Gosh",
    "HalfCauchy",
    "HalfNormal",
    "HalfT",
    "HeterogeneityInterval",
    "ImportantShare",
    "InverseGamma",
    "LogNormal",
    "LogT",
    "MetaRegression",
    "MultilevelEstimate",
    "MultivariateEstimate",
    "Normal",
    "PermutationTest",
    "PooledEstimate",
    "Posterior",
    "RobustEstimate",
    "Subgroups",
    "Uniform",
    "block_covariance",
    "cumulative",
    "gosh",
    "heterogeneity_interval",
    "important_share",
    "influence",
    "is_ratio",
    "joint_outcomes",
    "leave_one_out",
    "meta_regression",
    "multilevel",
    "multivariate",
    "permutation_test",
    "pool",
    "pool_bayes",
    "pool_counts",
    "pool_many",
    "prior_sensitivity",
    "priors",
    "rhodes",
    "robust",
    "shrinkage",
    "subgroups",
    "turner",
]
