"""Figures of results: each function draws what it is handed and returns the axes."""

from metasyn.plots.forest import ForestBlock, ForestRow, forest
from metasyn.plots.style import figure_bytes, style

__all__ = ["ForestBlock", "ForestRow", "figure_bytes", "forest", "style"]
