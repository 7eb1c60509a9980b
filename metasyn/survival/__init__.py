"""Survival: patients analysed, curves and reported summaries turned back into patients, and many studies together."""

from metasyn.survival.compare import Comparison, compare
from metasyn.survival.cox import CoxFit, HazardRatio, cox, hazard_ratio
from metasyn.survival.curve import AtRisk, Curve, RisingCurveError, check_at_risk, clean_curve
from metasyn.survival.from_summary import SummaryReconstruction, from_summary
from metasyn.survival.imputation import CombinedEstimate, CombinedVector, combine, combine_studies, combine_vectors
from metasyn.survival.jitter import jitter
from metasyn.survival.kaplan_meier import KaplanMeier, kaplan_meier
from metasyn.survival.landmark import LandmarkDifferences, landmark_difference
from metasyn.survival.log_rank import LogRank, MaxCombo, log_rank, max_combo
from metasyn.survival.parametric import ParametricFit, ParametricFits, parametric, parametric_fits
from metasyn.survival.piecewise import PiecewiseHazardRatio, piecewise_hazard_ratio
from metasyn.survival.pool_curves import PooledCurve, pool_curves
from metasyn.survival.pool_ipd import PooledIpd, pool_ipd
from metasyn.survival.proportional_hazards import ProportionalHazards, proportional_hazards
from metasyn.survival.reconstruct import reconstruct
from metasyn.survival.reconstruction import Reconstruction, against_published
from metasyn.survival.rmst import Rmst, RmstDifference, rmst, rmst_difference
from metasyn.survival.rmst_pool import PooledRmst, pool_rmst
from metasyn.survival.smooth_hazard import SmoothHazard, draw_band, smooth_hazard
from metasyn.survival.summary_conflicts import Conflict
from metasyn.survival.summary_input import ArmSummary, LandmarkRate
from metasyn.survival.time_varying import TimeVaryingHazardRatio, time_varying_hazard_ratio

__all__ = [
    "ArmSummary",
    "AtRisk",
    "CombinedEstimate",
    "CombinedVector",
    "Comparison",
    "Conflict",
    "CoxFit",
    "Curve",
    "HazardRatio",
    "KaplanMeier",
    "LandmarkDifferences",
    "LandmarkRate",
    "LogRank",
    "MaxCombo",
    "ParametricFit",
    "ParametricFits",
    "PiecewiseHazardRatio",
    "PooledCurve",
    "PooledIpd",
    "PooledRmst",
    "ProportionalHazards",
    "Reconstruction",
    "RisingCurveError",
    "Rmst",
    "RmstDifference",
    "SmoothHazard",
    "SummaryReconstruction",
    "TimeVaryingHazardRatio",
    "against_published",
    "check_at_risk",
    "clean_curve",
    "combine",
    "combine_studies",
    "combine_vectors",
    "compare",
    "cox",
    "draw_band",
    "from_summary",
    "hazard_ratio",
    "jitter",
    "kaplan_meier",
    "landmark_difference",
    "log_rank",
    "max_combo",
    "parametric",
    "parametric_fits",
    "piecewise_hazard_ratio",
    "pool_curves",
    "pool_ipd",
    "pool_rmst",
    "proportional_hazards",
    "reconstruct",
    "rmst",
    "rmst_difference",
    "smooth_hazard",
    "time_varying_hazard_ratio",
]
