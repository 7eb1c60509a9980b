"""Network meta-analysis as generalised least squares, with tau2 by moments or (restricted) maximum likelihood.

The a - 1 effects y of a study of a arms versus its first arm have y ~ N(X theta, V + tau2 T), T = (I + J)/2: every contrast of a study has
the same heterogeneity tau2, so that two contrasts which share an arm have covariance tau2/2 (Lu and Ades 2004, Statistics in
Medicine 23:3105-24; Higgins and Whitehead 1996, Statistics in Medicine 15:2733-49). This is the model that Rücker 2012, Research
Synthesis Methods 3:312-24, writes with the pseudoinverse of the weighted Laplacian of the graph.

With T = LL' and the eigenvectors U of L^-1 V L^-T = U diag(l) U', the rotated effects U'L^-1 y are independent with variances l + tau2.
The network is then a meta-regression of independent effects, in which generalised moments (Jackson, White and Riley 2012, Statistics in
Medicine 31:3805-20), ML and REML are the estimators that `pooling` has, without approximation for multi-arm studies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasyn.network.contrasts import Contrasts
from metasyn.network.multi_arm import ArmGroup
from metasyn.pooling.arrays import check_code
from metasyn.pooling.regression_model import RegressionModel, RegressionSums
from metasyn.pooling.tau2 import COMMON, TAU2_METHODS

Array = npt.NDArray[np.float64]
TAU2_CODES = (COMMON, "DL", "ML", "REML")
CI_CODES = ("z", "t", "HK", "HK_adhoc")


def rotation(group: ArmGroup) -> tuple[Array, Array]:
    """U'L^-1 and the variances l of each study, shapes (K, a - 1, a - 1) and (K, a - 1)."""
    m = group.size - 1
    inverse = np.linalg.inv(np.linalg.cholesky((np.eye(m) + 1) / 2))
    variance, vectors = np.linalg.eigh(inverse @ group.covariance @ inverse.T)
    return np.swapaxes(vectors, 1, 2) @ inverse, variance


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkModel:
    """Independent rotated effects of all studies, group by group.

    Attributes
    ----------
    regression : RegressionModel
        Rotated effects, their variances, and the design (m, n - 1): the effect of each treatment versus `base`.
    base : int
        The treatment that most studies have, which keeps the design well conditioned. Results do not depend on it.
    """

    regression: RegressionModel
    base: int

    @classmethod
    def of(cls, contrasts: Contrasts) -> NetworkModel:
        """The model of a checked network."""
        n = len(contrasts.treatments)
        base = most_studied(contrasts)
        effects, variances, designs = [], [], []
        for group in contrasts.groups:
            turn, variance = rotation(group)
            one_hot = np.eye(n)[group.arms]  # (K, a, n)
            design = turn @ (one_hot[:, 1:] - one_hot[:, :1])
            effects.append((turn @ group.effect[:, :, None]).ravel())
            variances.append(variance.ravel())
            designs.append(np.delete(design.reshape(-1, n), base, axis=1))
        model = RegressionModel(np.concatenate(effects), np.concatenate(variances), np.concatenate(designs))
        return cls(regression=model, base=base)

    def tau2(self, method: str) -> float:
        """tau2 by one of `TAU2_CODES`; NaN where no degree of freedom is left to see it."""
        return estimate_tau2(self.regression, method)

    def league(self, sums: RegressionSums) -> tuple[Array, Array]:
        """Effects of row versus column treatment and their variances, shape (n, n) each."""
        n = sums.coefficients.size + 1
        rest = np.delete(np.arange(n), self.base)
        place, root = np.zeros(n), np.zeros((n, n - 1))
        place[rest] = sums.coefficients
        root[rest] = np.linalg.solve(sums.triangle.T, np.eye(n - 1)).T  # root root' is the covariance
        # distances between rows lose fewer digits than differences of variances
        apart = root[:, None, :] - root[None, :, :]
        return place[:, None] - place[None, :], np.einsum("ijp,ijp->ij", apart, apart)


def given_tau2(tau2: str | float) -> float | None:
    """A tau2 that is given as a number; None for one of `TAU2_CODES`.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(tau2, str):
        check_code("tau2", tau2, TAU2_CODES)
        return None
    if isinstance(tau2, bool) or not isinstance(tau2, int | float | np.integer | np.floating) or not 0 <= tau2 < np.inf:
        accepted = ", ".join(TAU2_CODES)
        raise ValueError(f"tau2 is not a number of 0 or more ({tau2}); accepted: {accepted}, or such a number")
    return float(tau2)


def estimate_tau2(regression: RegressionModel, method: str, common: RegressionSums | None = None) -> float:
    """tau2 by one of `TAU2_CODES`, from `common`, the fit at tau2 = 0, where it is there; NaN where no degree of freedom is left to see it."""
    if method == COMMON:
        return 0.0
    if regression.df == 0:
        return float("nan")
    return float(TAU2_METHODS[method].estimate(regression, regression.at(0.0) if common is None else common))


def interval_scale(ci: str, q: float, df: float | None) -> float:
    """What Hartung-Knapp intervals multiply variances by: the generalised Q over its df, for HK_adhoc never below 1; 1 for other codes."""
    if not ci.startswith("HK") or not df:
        return 1.0
    return q / df if ci == "HK" else max(1.0, q / df)


def most_studied(contrasts: Contrasts) -> int:
    """Index of the treatment that most studies have; the first by name of several."""
    arms = np.concatenate([group.arms.ravel() for group in contrasts.groups])
    return int(np.argmax(np.bincount(arms, minlength=len(contrasts.treatments))))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DirectEvidence:
    """Every pair of treatments pooled from the studies that compare them, multi-arm studies among them; (n, n), NaN where there are none."""

    effect: Array  # row versus column
    se: Array
    studies: npt.NDArray[np.intp]


def direct_evidence(contrasts: Contrasts, tau2: float) -> DirectEvidence:
    """Inverse-variance pools of each pair with the tau2 of the network."""
    n = len(contrasts.treatments)
    pair = contrasts.low * n + contrasts.high
    weight = 1 / (contrasts.variance + tau2)
    total = np.bincount(pair, weight, n * n).reshape(n, n)
    weighted = np.bincount(pair, weight * contrasts.effect, n * n).reshape(n, n)
    studies = np.bincount(pair, minlength=n * n).reshape(n, n)
    effect, se = np.full((2, n, n), np.nan)
    there = studies > 0
    effect[there], se[there] = weighted[there] / total[there], total[there] ** -0.5
    return DirectEvidence(
        effect=np.where(there.T, effect.T, -effect), se=np.where(there.T, se.T, se), studies=studies + studies.T
    )
