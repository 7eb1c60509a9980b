"""The additive model of component effects as generalised least squares, beside the standard model that it restricts.

With theta = C beta a study's rotated effects (see `model`) have the mean D C beta, D those of the network model. D C need not have full
rank, so the fit is of the estimable functions gamma = B beta with D C = (D C)[:, pivots] B (see `components.EstimableSpace`): no pseudoinverse
decides what an effect that nobody can know shall be. What unconnected parts share are components, so they are fitted as one model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from metasyn.network.components import ZERO, ComponentMatrix, EstimableSpace, difference_rows
from metasyn.network.connection import parts
from metasyn.network.contrasts import Contrasts
from metasyn.network.model import NetworkModel
from metasyn.pooling.interval import critical_value, two_sided_p
from metasyn.pooling.regression_model import RegressionModel, RegressionSums

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComponentModel:
    """Independent rotated effects on the estimable functions of components, and on the treatments of each connected part.

    Attributes
    ----------
    additive : RegressionModel
        Design (m, r): the estimable functions `space.basis` of component effects.
    standard : RegressionModel
        Design (m, n - parts): in every part the effect of each treatment versus one of them. The additive model is nested in it.
    space : EstimableSpace
        Of the contrasts.
    part : array of int, shape (n,)
        Connected part of each treatment.
    """

    additive: RegressionModel
    standard: RegressionModel
    space: EstimableSpace
    part: Indices

    @classmethod
    def of(cls, contrasts: Contrasts, matrix: ComponentMatrix) -> ComponentModel:
        """The models of a checked network.

        Raises
        ------
        ValueError
            If no contrast has sides with different components.
        """
        space = EstimableSpace.of(difference_rows(matrix.matrix, contrasts.low, contrasts.high))
        if space.rank == 0:
            raise ValueError(
                "effects have no contrast between treatments with different components: no component can be estimated. Accepted: studies that "
                "compare treatments which differ in a component other than the inactive one"
            )
        n = len(contrasts.treatments)
        part = parts(contrasts.low, contrasts.high, n)
        network = NetworkModel.of(contrasts)
        versus_base = network.regression.design  # (m, n - 1)
        others = np.delete(np.arange(n), network.base)
        # one treatment of every other part is the base there; whichever, the fit is the same
        roots = [
            np.flatnonzero(part == number)[0] for number in range(int(part.max()) + 1) if number != part[network.base]
        ]
        components = (matrix.matrix - matrix.matrix[network.base])[np.ix_(others, space.pivots)]
        effect, variance = network.regression.effect, network.regression.variance
        return cls(
            additive=RegressionModel(effect, variance, versus_base @ components),
            standard=RegressionModel(effect, variance, versus_base[:, ~np.isin(others, roots)]),
            space=space,
            part=part,
        )


def additivity(model: ComponentModel, tau2_standard: float) -> dict[str, Any]:
    """Q of both models and of their difference by name (q_..., q_..._df, q_..._p_value; `ComponentEstimate` says what they are).

    The difference is given again with weights 1/(variance + tau2_standard), for Q of the common effect rejects too often where effects are
    heterogeneous.
    """
    q, df = {}, {"additive": model.additive.df, "standard": model.standard.df}
    for name, each in (("additive", model.additive), ("standard", model.standard)):
        q[name] = float(each.at(0.0).q) if each.df else 0.0
    df["difference"] = df["additive"] - df["standard"]
    q["difference"] = max(0.0, q["additive"] - q["standard"]) if df["difference"] else 0.0
    apart = float(model.additive.at(tau2_standard).q) - float(model.standard.at(tau2_standard).q)
    q["difference_random"] = max(0.0, apart) if df["difference"] else 0.0
    found: dict[str, Any] = {}
    for name, value in q.items():
        of = df[name.removesuffix("_random")]
        found[f"q_{name}"] = value
        found[f"q_{name}_p_value"] = float(chdtrc(of, value)) if of else float("nan")
    return found | {f"q_{name}_df": of for name, of in df.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComponentFit:
    """Estimates of the r estimable functions.

    Attributes
    ----------
    space : EstimableSpace
        What the functions are.
    coefficients : array, shape (r,)
        Their estimates.
    root : array, shape (r, r)
        root root' is their covariance.
    """

    space: EstimableSpace
    coefficients: Array
    root: Array

    @classmethod
    def of(cls, space: EstimableSpace, sums: RegressionSums, scale: float) -> ComponentFit:
        """From a weighted fit, variances multiplied by `scale`."""
        root = np.linalg.solve(sums.triangle, np.eye(space.rank)) * np.sqrt(scale)
        coefficients = sums.coefficients.copy()
        for array in (root, coefficients):
            array.flags.writeable = False
        return cls(space=space, coefficients=coefficients, root=root)

    def estimate(self, functions: Array) -> tuple[Array, Array]:
        """Estimates and standard errors of functions of component effects, shape (..., p) to (...); NaN where not estimable."""
        short = functions[..., self.space.pivots]
        known = self.space.estimable(functions)
        # the length of a vector loses fewer digits than a quadratic form
        se = np.sqrt(((short @ self.root) ** 2).sum(axis=-1))
        return np.where(known, short @ self.coefficients, np.nan), np.where(known, se, np.nan)

    def columns(self, functions: Array, df: float | None, level: float) -> dict[str, Array]:
        """estimate se ci_low ci_high p_value of functions, shape (..., p) to (...) each; p_value NaN of functions that are 0."""
        estimate, se = self.estimate(functions)
        half = critical_value(level, df) * se
        with np.errstate(divide="ignore", invalid="ignore"):  # effects without any spread have HK standard errors of 0
            p_value = two_sided_p(estimate / se, df)
        return {
            "estimate": estimate,
            "se": se,
            "ci_low": estimate - half,
            "ci_high": estimate + half,
            "p_value": np.where((np.abs(functions) < ZERO).all(axis=-1), np.nan, p_value),
        }
