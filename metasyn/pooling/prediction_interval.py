"""Prediction intervals: where the true effect of a further comparable study is expected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from metasyn.pooling.block import Block, Sums
from metasyn.pooling.interval import Reference, critical_value, hartung_knapp, kenward_roger

Array = npt.NDArray[np.float64]
DRAWS_LOG2 = 16  # of the bootstrap: 65,536 points of a scrambled Sobol sequence, for the error of plain draws is some 20 times larger
SEED = 20191
LEAST_DF = 1e-8  # below, what is left is rounding


def _wald(_block: Block, sums: Sums) -> Array:
    return 1 / np.sqrt(sums.total)


@dataclass(frozen=True, slots=True)
class PredictionMethod:
    """A standard error of the mean, to which tau2 is added, and the distribution of the sum."""

    name: str
    reference: Callable[[Block, Sums, Reference], Reference]  # (block, sums at tau2, the interval's se and df)


def _lowered(df: Array | float | None, by: float) -> Array | float | None:
    return None if df is None else df - by


PI_METHODS: dict[str, PredictionMethod] = {
    "V": PredictionMethod("t(k-1), Wald se: Veroniki et al. 2019, Research Synthesis Methods 10:23-43", lambda b, s, _r: (_wald(b, s), b.k - 1.0)),
    "HTS": PredictionMethod("t(k-2), Wald se: Higgins, Thompson and Spiegelhalter 2009, J R Stat Soc A 172:137-59", lambda b, s, _r: (_wald(b, s), b.k - 2.0)),
    "HK": PredictionMethod("t(k-1), Hartung-Knapp se", lambda b, s, _r: hartung_knapp(b, s, 0.95)),
    "HK-PR": PredictionMethod("t(k-2), Hartung-Knapp se: Partlett and Riley 2017, Statistics in Medicine 36:301-17", lambda b, s, _r: (hartung_knapp(b, s, 0.95)[0], b.k - 2.0)),
    "KR": PredictionMethod("t with Kenward-Roger's df and se: Partlett and Riley 2017", lambda b, s, _r: kenward_roger(b, s, 0.95)),
    "KR-PR": PredictionMethod("t with Kenward-Roger's df less 1 and se", lambda b, s, _r: (kenward_roger(b, s, 0.95)[0], _lowered(kenward_roger(b, s, 0.95)[1], 1.0))),
    "S": PredictionMethod("normal, Wald se", lambda b, s, _r: (_wald(b, s), None)),
    "riley": PredictionMethod("t(k-2), se of the interval: Riley, Higgins and Deeks 2011, BMJ 342:d549", lambda b, _s, r: (r[0], max(1.0, b.k - 2.0))),
    "t": PredictionMethod("t(k-1), se of the interval", lambda b, _s, r: (r[0], b.k - 1.0)),
    "simple": PredictionMethod("normal, without the se of the mean", lambda _b, _s, r: (np.zeros_like(r[0]), None)),
}  # fmt: skip
BOOTSTRAP = "NNF"  # Nagashima, Noma and Furukawa 2019: see `bootstrap`


def predict(
    block: Block, sums: Sums, tau2: Array, interval: Reference, level: float, method: str | None
) -> tuple[Array, Array]:
    """Limits of the prediction interval on the analysis scale, shape (n,) each; NaN where no degrees of freedom are left.

    Parameters
    ----------
    interval : tuple
        Standard error and degrees of freedom of the interval of the mean.
    method : str or None
        None: that standard error and its distribution; otherwise a key of `PI_METHODS`.
    """
    se, df = interval if method is None else PI_METHODS[method].reference(block, sums, interval)
    if df is not None and np.any(np.asarray(df) <= LEAST_DF):
        df = np.where(np.asarray(df) <= LEAST_DF, np.nan, df)
        usable = np.isfinite(df)
        quantile = np.where(usable, critical_value(level, np.where(usable, df, 1.0)), np.nan)
    else:
        quantile = np.asarray(critical_value(level, df))
    half = quantile * np.sqrt(se**2 + tau2)
    centre = block.origin + sums.mean
    return centre - half, centre + half


def bootstrap(block: Block, level: float, *, seed: int = SEED) -> tuple[float, float]:
    """Prediction interval of one pool (a block of shape (k,)) by a parametric bootstrap of tau2.

    tau2 is drawn from its confidence distribution: H(tau2) = P(Q > q; tau2), where Q is Cochran's statistic and q the one observed,
    a sum of chi-squares weighted by the eigenvalues of W^(-1/2) P (V + tau2 I) P W^(-1/2). Each draw gives a mean with its
    Hartung-Knapp standard error; a new effect is mean + tau z - t(k-1) se.

    References
    ----------
    Nagashima, Noma and Furukawa 2019, Statistical Methods in Medical Research 28:1689-702, algorithm 1.
    """
    from metasyn.pooling.quadratic_form import weighted_chi_square_sf  # used by this interval alone

    y, v = block.effect, block.variance
    k = y.size
    w = 1 / v
    total = w.sum()
    q = float(Sums.at(block, 0.0).q)
    root = np.sqrt(w)
    centring = np.eye(k) - np.outer(root, root) / total  # W^(-1/2) P W^(-1/2)

    def above(tau2: float) -> float:
        scaled = np.sqrt(1 + tau2 * w)  # sd of the effects in units of their sampling error
        eigenvalues = np.linalg.eigvalsh(scaled[:, None] * centring * scaled)[1:]
        return weighted_chi_square_sf(q, eigenvalues)

    from scipy.stats.qmc import Sobol  # heavy, and used here alone

    points = Sobol(3, seed=seed).random_base2(DRAWS_LOG2).T
    uniform, normal, student = points[0], ndtri(points[1]), stdtrit(k - 1, points[2])
    drawn = _invert(above, uniform, scale=float(np.ptp(y) ** 2 + v.max()))
    column = Block(block.origin, y[:, None], v[:, None])
    new: list[Array] = []
    for part in np.array_split(np.arange(drawn.size), max(1, drawn.size * k // 2_000_000)):
        sums = Sums.at(column, drawn[part])
        se = np.sqrt(sums.q / (k - 1) / sums.total)
        new.append(sums.mean + np.sqrt(drawn[part]) * normal[part] - student[part] * se)
    limits = np.quantile(np.concatenate(new), [(1 - level) / 2, (1 + level) / 2]) + block.origin
    return float(limits[0]), float(limits[1])


def _invert(cdf: Callable[[float], float], uniform: Array, *, scale: float) -> Array:
    """Quantiles of a distribution on tau2 >= 0 with an atom at 0, by linear interpolation in tau on a fine grid of its cdf."""
    top = scale
    while cdf(top) < 1 - 0.1 / uniform.size and top < 1e12 * scale:
        top *= 4
    tau = np.sqrt(top) * np.linspace(0, 1, 400) ** 2  # dense near 0, where most of the mass of small tau lies
    levels = np.maximum.accumulate([cdf(value**2) for value in tau])
    distinct = np.concatenate([[True], np.diff(levels) > 0])
    return np.asarray(np.interp(uniform, levels[distinct], tau[distinct], left=0.0) ** 2)
