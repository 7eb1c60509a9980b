"""Network meta-analysis of contrasts between treatments."""

from metasyn.network.bayes import fit_bayes
from metasyn.network.coherence import Coherence
from metasyn.network.counts import CountNetworkEstimate, fit_network_counts
from metasyn.network.design import QDecomposition
from metasyn.network.design_adjusted import Adjustment, DesignComparison
from metasyn.network.estimate import NetworkEstimate, fit_network
from metasyn.network.fit_components import ComponentContrast, ComponentEstimate, fit_components
from metasyn.network.hasse import PartialOrder, partial_order
from metasyn.network.identifiability import Identifiability, identify_components
from metasyn.network.inconsistency import (
    InteractionTest,
    RandomInconsistency,
    interaction_test,
    random_inconsistency,
)
from metasyn.network.leave_one_out import LeaveOneOut, leave_one_study_out, study_impact
from metasyn.network.meta_regression import NetworkMetaRegression, network_meta_regression
from metasyn.network.net_heat import NetHeat
from metasyn.network.pairwise import pairwise
from metasyn.network.posterior import NetworkPosterior
from metasyn.network.rank_probabilities import RankProbabilities, rank_draws, rank_normal
from metasyn.network.thresholds import Thresholds

__all__ = [
    "Adjustment",
    "Coherence",
    "ComponentContrast",
    "ComponentEstimate",
    "CountNetworkEstimate",
    "DesignComparison",
    "Identifiability",
    "InteractionTest",
    "LeaveOneOut",
    "NetHeat",
    "NetworkEstimate",
    "NetworkMetaRegression",
    "NetworkPosterior",
    "PartialOrder",
    "QDecomposition",
    "RandomInconsistency",
    "RankProbabilities",
    "Thresholds",
    "fit_bayes",
    "fit_components",
    "fit_network",
    "fit_network_counts",
    "identify_components",
    "interaction_test",
    "leave_one_study_out",
    "network_meta_regression",
    "pairwise",
    "partial_order",
    "random_inconsistency",
    "rank_draws",
    "rank_normal",
    "study_impact",
]
