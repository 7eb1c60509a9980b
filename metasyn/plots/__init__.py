"""Figures of results: each function draws what it is handed and returns the axes."""

from metasyn.plots.baujat import baujat
from metasyn.plots.bias_needed import bias_needed
from metasyn.plots.bias_summary import bias_summary
from metasyn.plots.bubble import bubble
from metasyn.plots.component_forest import component_forest
from metasyn.plots.contribution_heat_map import contribution_heat_map
from metasyn.plots.cumulative import cumulative
from metasyn.plots.drapery import drapery
from metasyn.plots.forest import ForestBlock, ForestRow, forest, forests
from metasyn.plots.funnel import funnel
from metasyn.plots.gosh import gosh
from metasyn.plots.hasse import hasse
from metasyn.plots.labbe import labbe
from metasyn.plots.league_heat_map import league_heat_map
from metasyn.plots.leave_one_out import leave_one_out
from metasyn.plots.net_heat import net_heat
from metasyn.plots.network_graph import network
from metasyn.plots.posterior import posterior
from metasyn.plots.prisma_flow import prisma_flow
from metasyn.plots.profile_likelihood import profile_likelihood
from metasyn.plots.radial import radial
from metasyn.plots.rankogram import rankogram
from metasyn.plots.reference_forest import reference_forest
from metasyn.plots.sequential import sequential
from metasyn.plots.specification_curve import specification_curve
from metasyn.plots.split_forest import split_forest
from metasyn.plots.style import figure_bytes, style
from metasyn.plots.survival import survival
from metasyn.plots.survival_panels import hazard, log_minus_log, rmst_area, schoenfeld
from metasyn.plots.threshold import threshold
from metasyn.plots.traffic_light import traffic_light

__all__ = [
    "ForestBlock",
    "ForestRow",
    "baujat",
    "bias_needed",
    "bias_summary",
    "bubble",
    "component_forest",
    "contribution_heat_map",
    "cumulative",
    "drapery",
    "figure_bytes",
    "forest",
    "forests",
    "funnel",
    "gosh",
    "hasse",
    "hazard",
    "labbe",
    "league_heat_map",
    "leave_one_out",
    "log_minus_log",
    "net_heat",
    "network",
    "posterior",
    "prisma_flow",
    "profile_likelihood",
    "radial",
    "rankogram",
    "reference_forest",
    "rmst_area",
    "schoenfeld",
    "sequential",
    "specification_curve",
    "split_forest",
    "style",
    "survival",
    "threshold",
    "traffic_light",
]
