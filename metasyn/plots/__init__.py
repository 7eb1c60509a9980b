"""Figures of results: each function draws what it is handed and returns the axes."""

from metasyn.plots.baujat import baujat
from metasyn.plots.bubble import bubble
from metasyn.plots.cumulative import cumulative
from metasyn.plots.drapery import drapery
from metasyn.plots.forest import ForestBlock, ForestRow, forest, forests
from metasyn.plots.funnel import funnel
from metasyn.plots.gosh import gosh
from metasyn.plots.labbe import labbe
from metasyn.plots.leave_one_out import leave_one_out
from metasyn.plots.posterior import posterior
from metasyn.plots.profile_likelihood import profile_likelihood
from metasyn.plots.radial import radial
from metasyn.plots.style import figure_bytes, style
from metasyn.plots.survival import survival
from metasyn.plots.survival_panels import hazard, log_minus_log, rmst_area, schoenfeld

__all__ = [
    "ForestBlock",
    "ForestRow",
    "baujat",
    "bubble",
    "cumulative",
    "drapery",
    "figure_bytes",
    "forest",
    "forests",
    "funnel",
    "gosh",
    "hazard",
    "labbe",
    "leave_one_out",
    "log_minus_log",
    "posterior",
    "profile_likelihood",
    "radial",
    "rmst_area",
    "schoenfeld",
    "style",
    "survival",
]
