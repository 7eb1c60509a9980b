"""Network meta-analysis of contrasts between treatments."""

from metasyn.network.design import QDecomposition
from metasyn.network.estimate import NetworkEstimate, fit_network

__all__ = ["NetworkEstimate", "QDecomposition", "fit_network"]
