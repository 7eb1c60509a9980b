"""metasyn: evidence synthesis over published summary statistics.

Subpackages load on first use, so that `import metasyn` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from metasyn._version import __version__

if TYPE_CHECKING:
    from metasyn import certainty, effects, network, plots, pooling, records, strategy, survival
    from metasyn.errors import EvidenceError, MetasynError, Problem
    from metasyn.evidence import Evidence, load_evidence
    from metasyn.network import NetworkEstimate, fit_network
    from metasyn.pooling import PooledEstimate, pool

_SUBPACKAGES = frozenset(
    {"certainty", "effects", "network", "plots", "pooling", "records", "reports", "strategy", "survival"}
)
_HOMES = {
    "Evidence": "evidence",
    "load_evidence": "evidence",
    "NetworkEstimate": "network",
    "fit_network": "network",
    "PooledEstimate": "pooling",
    "pool": "pooling",
    "EvidenceError": "errors",
    "MetasynError": "errors",
    "Problem": "errors",
}

__all__ = [
    "Evidence",
    "EvidenceError",
    "MetasynError",
    "NetworkEstimate",
    "PooledEstimate",
    "Problem",
    "__version__",
    "certainty",
    "effects",
    "fit_network",
    "load_evidence",
    "network",
    "plots",
    "pool",
    "pooling",
    "records",
    "strategy",
    "survival",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"metasyn.{_HOMES[name]}"), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"metasyn.{name}")
    raise AttributeError(f"module 'metasyn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
