"""Effects of two groups from the four cells of a 2x2 table.

The cells are a, b (events and non-events under treatment) and c, d (under the comparator). Every formula takes them
as arrays of shape (k,), after any correction for zeros, and returns effect and sampling variance on the analysis scale.

References
----------
Fleiss JL, Berlin JA (2009). Effect sizes for dichotomous data. In Cooper, Hedges, Valentine (eds), The Handbook of
Research Synthesis and Meta-Analysis, 2nd ed., chapter 13: risk difference, risk ratio, odds ratio, phi.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Array = npt.NDArray[np.float64]
Formula = Callable[[Array, Array, Array, Array], tuple[Array, Array]]

TAKES: Final = ("events_treatment", "n_treatment", "events_comparator", "n_comparator")

COX_SCALE: Final = 1.65  # Cox (1970): a logit over 1.65 is close to a probit
LOGISTIC_SD: Final = np.pi / np.sqrt(3)  # standard deviation of the standard logistic distribution


def cells(events_treatment: Array, n_treatment: Array, events_comparator: Array, n_comparator: Array) -> Array:
    """The four cells a, b, c, d of k tables, shape (4, k).

    Raises
    ------
    ValueError
        If a group is empty, or events are negative or exceed the patients; the rows are named.
    """
    empty = (n_treatment <= 0) | (n_comparator <= 0)
    if empty.any():
        raise ValueError(f"n_treatment or n_comparator is not positive (rows {np.flatnonzero(empty).tolist()})")
    wrong = (
        (events_treatment < 0)
        | (events_comparator < 0)
        | (events_treatment > n_treatment)
        | (events_comparator > n_comparator)
    )
    if wrong.any():
        raise ValueError(f"events are negative or more than the patients (rows {np.flatnonzero(wrong).tolist()})")
    return np.stack(
        [events_treatment, n_treatment - events_treatment, events_comparator, n_comparator - events_comparator]
    )


def uninformative(table: Array) -> npt.NDArray[np.bool_]:
    """Tables in which nobody, or everybody, of both groups has the event, shape (k,)."""
    a, b, c, d = table
    return np.asarray(((a == 0) & (c == 0)) | ((b == 0) & (d == 0)))


def _risk_ratio(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    return np.log(a / (a + b)) - np.log(c / (c + d)), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)


def _odds_ratio(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    return np.log(a) - np.log(b) - np.log(c) + np.log(d), _woolf(a, b, c, d)


def _woolf(a: Array, b: Array, c: Array, d: Array) -> Array:
    return np.asarray(1 / a + 1 / b + 1 / c + 1 / d)  # Woolf 1955: variance of the log odds ratio


def _risk_difference(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    n_treatment, n_comparator = a + b, c + d
    p_treatment, p_comparator = a / n_treatment, c / n_comparator
    return (
        p_treatment - p_comparator,
        p_treatment * (1 - p_treatment) / n_treatment + p_comparator * (1 - p_comparator) / n_comparator,
    )


def _arcsine_difference(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    # Rücker, Schwarzer, Carpenter, Olkin, Statistics in Medicine 2009;28:721-38
    n_treatment, n_comparator = a + b, c + d
    effect = np.arcsin(np.sqrt(a / n_treatment)) - np.arcsin(np.sqrt(c / n_comparator))
    return effect, 1 / (4 * n_treatment) + 1 / (4 * n_comparator)


def _peto(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    # Yusuf et al., Progress in Cardiovascular Diseases 1985;27:335-71: (O - E) / V and 1 / V, V hypergeometric
    n_treatment, n_comparator, events, others = a + b, c + d, a + c, b + d
    total = n_treatment + n_comparator
    expected = n_treatment * events / total
    variance = n_treatment * n_comparator * events * others / (total**2 * (total - 1))
    return (a - expected) / variance, 1 / variance


def _phi(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    # Variance by the delta method for one multinomial sample: Yule 1912; Bishop, Fienberg, Holland, Discrete
    # Multivariate Analysis (1975), chapter 11.
    total = a + b + c + d
    row1, row2, column1, column2 = (a + b) / total, (c + d) / total, (a + c) / total, (b + d) / total
    margins = row1 * row2 * column1 * column2
    phi = (a * d - b * c) / (total**2 * np.sqrt(margins))
    rows, columns = row1 - row2, column1 - column2
    variance = (
        1
        - phi**2
        + phi * (1 + phi**2 / 2) * rows * columns / np.sqrt(margins)
        - 0.75 * phi**2 * (rows**2 / (row1 * row2) + columns**2 / (column1 * column2))
    ) / total
    return phi, variance


def _yule_q(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    # Yule 1912: Q = (OR - 1) / (OR + 1); delta method, dQ / dlogOR = (1 - Q^2) / 2
    q = (a * d - b * c) / (a * d + b * c)
    return q, (1 - q**2) ** 2 / 4 * _woolf(a, b, c, d)


def _yule_y(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    # Yule 1912: Y = (sqrt OR - 1) / (sqrt OR + 1); delta method, dY / dlogOR = (1 - Y^2) / 4
    same, other = np.sqrt(a * d), np.sqrt(b * c)
    y = (same - other) / (same + other)
    return y, (1 - y**2) ** 2 / 16 * _woolf(a, b, c, d)


def _d_by_cox(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    # Cox, Analysis of Binary Data (1970); Sánchez-Meca et al., Psychological Methods 2003;8:448-67
    log_odds, variance = _odds_ratio(a, b, c, d)
    return log_odds / COX_SCALE, variance / COX_SCALE**2


def _d_by_logistic(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    # Hasselblad and Hedges, Psychological Bulletin 1995;117:167-78; Chinn, Statistics in Medicine 2000;19:3127-31
    log_odds, variance = _odds_ratio(a, b, c, d)
    return log_odds / LOGISTIC_SD, variance / LOGISTIC_SD**2


def _probit_difference(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    # Sánchez-Meca et al. 2003; delta method, dz / dp = 1 / phi(z) with phi the normal density
    n_treatment, n_comparator = a + b, c + d
    p_treatment, p_comparator = a / n_treatment, c / n_comparator
    z_treatment, z_comparator = ndtri(p_treatment), ndtri(p_comparator)
    variance = (
        2
        * np.pi
        * (
            p_treatment * (1 - p_treatment) * np.exp(z_treatment**2) / n_treatment
            + p_comparator * (1 - p_comparator) * np.exp(z_comparator**2) / n_comparator
        )
    )
    return z_treatment - z_comparator, variance


MEASURES: Final[dict[str, Formula]] = {
    "RR": _risk_ratio,
    "OR": _odds_ratio,
    "RD": _risk_difference,
    "AS": _arcsine_difference,
    "PETO": _peto,
    "PHI": _phi,
    "YUQ": _yule_q,
    "YUY": _yule_y,
    "OR2DN": _d_by_cox,
    "OR2DL": _d_by_logistic,
    "PBIT": _probit_difference,
}
