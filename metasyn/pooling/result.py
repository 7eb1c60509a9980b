"""What a pool is: numbers only, ready to print or to draw."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

RATIO_MEASURES = frozenset(
    {"HR", "csHR", "sHR", "HR-ratio", "RR", "OR", "IRR", "PETO", "ROM", "CVR", "VR", "PLN", "IRLN"}
)


def is_ratio(measure: str | None) -> bool:
    """Whether effects of this measure are logs of ratios, to be shown as exp(effect)."""
    return measure in RATIO_MEASURES


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PooledEstimate:
    """A pooled effect on the analysis scale (log for ratios).

    Notes
    -----
    At k = 1 nothing is pooled: the estimate is the study's, its interval is normal, and what needs two studies is NaN.
    """

    estimate: float
    se: float  # the standard error that the interval uses
    ci_low: float
    ci_high: float
    statistic: float  # estimate / se
    df: float | None  # of the reference t distribution; None where it is normal
    p_value: float  # two-sided, of the estimate against 0
    k: int  # studies
    tau2: float  # 0 by definition for EE
    tau2_se: float
    tau2_ci: tuple[float, float]  # Q-profile
    i2: float  # percent
    i2_ci: tuple[float, float]  # percent, from tau2_ci
    h2: float
    h2_ci: tuple[float, float]  # from tau2_ci
    q: float  # Cochran's
    q_df: int
    q_p_value: float
    pi_low: float | None  # None for EE, NaN at k = 1
    pi_high: float | None
    weights: npt.NDArray[np.float64]  # shape (k,), sum 1
    level: float
    measure: str | None
    tau2_method: str
    ci_method: str
    pi_method: str | None
    labels: tuple[str, ...]  # of the studies
    effects: npt.NDArray[np.float64]  # shape (k,), as given
    standard_errors: npt.NDArray[np.float64]  # shape (k,), as given
    notes: tuple[str, ...]

    @property
    def studies(self) -> pd.DataFrame:
        """Studies with normal intervals: study effect se ci_low ci_high weight; k rows."""
        half = -float(ndtri((1 - self.level) / 2)) * self.standard_errors
        return pd.DataFrame(
            {
                "study": list(self.labels),
                "effect": self.effects,
                "se": self.standard_errors,
                "ci_low": self.effects - half,
                "ci_high": self.effects + half,
                "weight": self.weights,
            }
        )

    def back(self, value: float) -> float:
        """A value of the analysis scale on the scale people read: exp for ratios."""
        return math.exp(value) if is_ratio(self.measure) else value

    def summary(self) -> str:
        """The pool in one line, as people read it."""
        name = self.measure or "estimate"
        text = (
            f"{name} {self.back(self.estimate):.2f} ({self.level:.0%} CI {self.back(self.ci_low):.2f} to "
            f"{self.back(self.ci_high):.2f}), k = {self.k}"
        )
        if self.k > 1 and self.tau2_method != "EE":
            text += f", tau2 = {self.tau2:.3f}, I2 = {self.i2:.0f}%"
        return text
