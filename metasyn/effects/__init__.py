"""Effects of studies on the analysis scale, each with its standard error and how it was obtained."""

from metasyn.effects import hazard_ratio
from metasyn.effects.effect_size import effect_size
from metasyn.effects.hazard_ratio import LogEffect

__all__ = ["LogEffect", "effect_size", "hazard_ratio"]
