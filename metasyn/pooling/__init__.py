"""Pairwise meta-analysis of effects with standard errors."""

from metasyn.pooling.pool import pool
from metasyn.pooling.pool_many import pool_many
from metasyn.pooling.result import PooledEstimate, is_ratio

__all__ = ["PooledEstimate", "is_ratio", "pool", "pool_many"]
