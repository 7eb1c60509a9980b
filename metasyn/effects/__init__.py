"""Effects of studies on the analysis scale, each with its standard error and how it was obtained."""

from metasyn.effects import hazard_ratio
from metasyn.effects.back_transform import NaturalScale, back_transform, natural_scale
from metasyn.effects.effect_size import effect_size
from metasyn.effects.hazard_ratio import LogEffect

__all__ = ["LogEffect", "NaturalScale", "back_transform", "effect_size", "hazard_ratio", "natural_scale"]
