"""metasyn: evidence synthesis over published summary statistics.

Subpackages load on first use, so that `import metasyn` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from metasyn._version import __version__

if TYPE_CHECKING:
    from metasyn import effects, plots, pooling, records, strategy, survival
    from metasyn.errors import EvidenceError, MetasynError, Problem
    from metasyn.evidence import Evidence, load_evidence
    from metasyn.pooling import PooledEstimate, pool

_SUBPACKAGES = frozenset({"effects", "plots", "pooling", "records", "reports", "strategy", "survival"})
_HOMES = {
    "Evidence": "evidence",
    "load_evidence": "evidence",
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
    "PooledEstimate",
    "Problem",
    "__version__",
    "effects",
    "load_evidence",
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
