"""Pairwise meta-analysis of effects with standard errors."""

from metasyn.pooling import priors
from metasyn.pooling.bayes import Posterior, pool_bayes, prior_sensitivity
from metasyn.pooling.begg import BeggTest, begg
from metasyn.pooling.counts import CountsEstimate, pool_counts
from metasyn.pooling.egger import EggerTest, egger
from metasyn.pooling.excess_significance import ExcessSignificance, excess_significance
from metasyn.pooling.fail_safe_n import FailSafeN, fail_safe_n
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
from metasyn.pooling.multiverse import Alternative, Multiverse, StudySet, multiverse
from metasyn.pooling.permutation import PermutationTest, permutation_test
from metasyn.pooling.pet_peese import PetPeese, pet_peese
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
from metasyn.pooling.profile import profile_likelihood
from metasyn.pooling.regression import MetaRegression, meta_regression
from metasyn.pooling.result import PooledEstimate, is_ratio
from metasyn.pooling.robust import RobustEstimate, robust
from metasyn.pooling.sampling_covariance import block_covariance
from metasyn.pooling.selection_model import SelectionModel, selection_model
from metasyn.pooling.sequential import SequentialAnalysis, trial_sequential
from metasyn.pooling.small_study import (
    SmallStudyTest,
    deeks,
    harbord,
    macaskill,
    peters,
    schwarzer,
    small_study_test,
)
from metasyn.pooling.subgroups import Subgroups, subgroups
from metasyn.pooling.trim_and_fill import TrimAndFill, trim_and_fill

__all__ = [
    "Alternative",
    "BeggTest",
    "CountsEstimate",
    "EggerTest",
    "ExcessSignificance",
    "FailSafeN",
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
    "Multiverse",
    "Normal",
    "PermutationTest",
    "PetPeese",
    "PooledEstimate",
    "Posterior",
    "RobustEstimate",
    "SelectionModel",
    "SequentialAnalysis",
    "SmallStudyTest",
    "StudySet",
    "Subgroups",
    "TrimAndFill",
    "Uniform",
    "begg",
    "block_covariance",
    "cumulative",
    "deeks",
    "egger",
    "excess_significance",
    "fail_safe_n",
    "gosh",
    "harbord",
    "heterogeneity_interval",
    "important_share",
    "influence",
    "is_ratio",
    "joint_outcomes",
    "leave_one_out",
    "macaskill",
    "meta_regression",
    "multilevel",
    "multivariate",
    "multiverse",
    "permutation_test",
    "pet_peese",
    "peters",
    "pool",
    "pool_bayes",
    "pool_counts",
    "pool_many",
    "prior_sensitivity",
    "priors",
    "profile_likelihood",
    "rhodes",
    "robust",
    "schwarzer",
    "selection_model",
    "shrinkage",
    "small_study_test",
    "subgroups",
    "trial_sequential",
    "trim_and_fill",
    "turner",
]
