"""How sure may a reader be: sensitivity to what was not measured, power, absolute effects."""

from metasyn.bias_tools import Assessment, risk_of_bias, tools
from metasyn.certainty.absolute import AbsoluteEffect, absolute_effect
from metasyn.certainty.e_value import EValue, e_value
from metasyn.certainty.grade import GradeProposal, grade, made_on
from metasyn.certainty.grade_domains import Judgement
from metasyn.certainty.network_confidence import network_confidence
from metasyn.certainty.power import detectable_hazard_ratio, events_needed, power, significant_hazard_ratio
from metasyn.certainty.unmeasured import BiasNeeded, bias_curve, bias_to_explain_away, share_beyond_under_bias

__all__ = [
    "AbsoluteEffect",
    "Assessment",
    "BiasNeeded",
    "EValue",
    "GradeProposal",
    "Judgement",
    "absolute_effect",
    "bias_curve",
    "bias_to_explain_away",
    "detectable_hazard_ratio",
    "e_value",
    "events_needed",
    "grade",
    "made_on",
    "network_confidence",
    "power",
    "risk_of_bias",
    "share_beyond_under_bias",
    "significant_hazard_ratio",
    "tools",
]
