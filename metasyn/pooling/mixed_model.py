"""The linear mixed model y ~ N(X beta, V + sum of theta_k D_k), V known, by (restricted) maximum likelihood.

With M = V + sum(theta_k D_k), W = M^-1, P = W - W X (X'WX)^-1 X'W and r = Py, the log-likelihoods are, up to constants,
-(log|M| + y'Py)/2 and -(log|M| + log|X'WX| + y'Py)/2. In theta, for the restricted one,

    score_k        = (r'D_k r - tr(P D_k)) / 2
    information_kl = tr(P D_k P D_l) / 2                      (expected)
    hessian_kl     = tr(P D_k P D_l) / 2 - r'D_k P D_l r      (second derivatives)

with W for P in the traces for the unrestricted one (Harville 1977, J Am Stat Assoc 72:320-38). M is block diagonal by cluster: the
rows are split into the connected components of its pattern, and components of equal size are computed side by side.

The columns of X are replaced by an orthonormal basis Q of theirs, X = QR: the restricted likelihood then needs no |X'X| (it is that
of the n - p contrasts K'y with K'X = 0, K'K = 1, as in R's metafor), and columns such as calendar years cost no digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metasyn.errors import ConvergenceError

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
STEPS = 500
CONVERGED = 1e-10  # the rise of the log-likelihood that a step promises, below which steps are no longer searched along
NOISE = (
    1e-7  # the same, below which a rise that does not come is put down to rounding (variances of very different size)
)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters phi of the coefficients theta of the D_k, with their bounds.

    Attributes
    ----------
    lower, upper : array, shape (m,)
        Bounds of phi.
    map : callable
        phi -> theta (K,), its Jacobian (K, m), its second derivatives (K, m, m).
    starts : callable
        Total variance -> values of phi from which the likelihood is climbed.
    """

    lower: Array
    upper: Array
    map: Callable[[Array], tuple[Array, Array, Array]]
    starts: Callable[[float], list[Array]]


def nonnegative(design: Array) -> Parameters:
    """theta = design @ phi with phi >= 0; design is (K, m). Starts: equal shares, each parameter nearly alone, nearly nothing."""
    m = design.shape[1]
    second = np.zeros((*design.shape, m))

    def starts(total: float) -> list[Array]:
        shares = np.full((m + 2, m), 0.02)
        shares[0], shares[-1] = 1 / max(m, 1), 0.01
        shares[np.arange(1, m + 1), np.arange(m)] = 0.9
        return [total * share for share in shares[: 1 if m == 0 else m + 2]]

    return Parameters(np.zeros(m), np.full(m, np.inf), lambda phi: (design @ phi, design, second), starts)


@dataclass(frozen=True, slots=True)
class Group:
    """B components of M of m rows each: indices (B, m), V (B, m, m), the D_k (K, B, m, m), y and Q side by side (B, m, 1 + p)."""

    rows: Indices
    v: Array
    d: Array
    yq: Array


@dataclass(frozen=True, slots=True)
class Point:
    """The log-likelihood at one theta, without constants, and what it is made of.

    Attributes
    ----------
    w, pressed, u : list of array
        By group: W (B, m, m); Py (B, m); and U (B, m, p) with P = W - U U'.
    beta : array, shape (p,)
        Coefficients of Q.
    root : array, shape (p, p)
        Upper triangular, root'root = Q'WQ.
    """

    value: float
    rss: float
    w: list[Array]
    pressed: list[Array]
    u: list[Array]
    beta: Array
    root: Array


@dataclass(frozen=True, slots=True)
class Likelihood:
    """(Restricted) likelihood of theta, for effects in units of `scale`."""

    groups: list[Group]
    restricted: bool
    n: int
    p: int

    @classmethod
    def of(cls, y: Array, q: Array, v: Array, structures: Sequence[Array], *, restricted: bool) -> Likelihood:
        """Of y (n,), orthonormal Q (n, p), V (n, n) and the D_k (n, n)."""
        d = np.array(structures, dtype=float).reshape(len(structures), *v.shape)
        yq = np.column_stack([y, q])
        groups = []
        for rows in components((v != 0) | (d != 0).any(axis=0)):
            left, right = rows[:, :, None], rows[:, None, :]
            groups.append(Group(rows, v[left, right], d[:, left, right], yq[rows]))
        return cls(groups, restricted, y.size, q.shape[1])

    def at(self, theta: Array) -> Point | None:
        """The likelihood at theta; None where M is not positive definite."""
        log_determinant, inverses, whitened = 0.0, [], []
        for group in self.groups:
            try:
                lower = np.linalg.cholesky(group.v + np.tensordot(theta, group.d, axes=1))
            except np.linalg.LinAlgError:
                return None
            log_determinant += 2 * float(np.log(np.diagonal(lower, axis1=1, axis2=2)).sum())
            inverse = np.linalg.solve(lower, np.broadcast_to(np.eye(lower.shape[1]), lower.shape))
            inverses.append(inverse)
            whitened.append(inverse @ group.yq)
        flat = np.concatenate([block.reshape(-1, 1 + self.p) for block in whitened])
        basis, root = np.linalg.qr(flat[:, 1:])
        along = basis.T @ flat[:, 0]
        residual = flat[:, 0] - basis @ along
        rss = float(residual @ residual)
        value = -(log_determinant + rss) / 2
        if self.restricted:
            value -= float(np.log(np.abs(np.diagonal(root))).sum())
        w, pressed, u, first = [], [], [], 0
        for inverse in inverses:
            count, size = inverse.shape[:2]
            part, first = slice(first, first + count * size), first + count * size
            turned = np.swapaxes(inverse, 1, 2)
            w.append(turned @ inverse)
            pressed.append((turned @ residual[part].reshape(count, size, 1))[:, :, 0])
            u.append(turned @ basis[part].reshape(count, size, self.p))
        return Point(value, rss, w, pressed, u, np.linalg.solve(root, along), root)

    def derivatives(self, point: Point) -> tuple[Array, Array, Array]:
        """Score (K,), Hessian (K, K) and expected information (K, K) in theta."""
        count, p = self.groups[0].d.shape[0], self.p
        trace, quadratic = np.zeros(count), np.zeros(count)
        curve, bent, uwu = np.zeros((3, count, count))
        udu, udr = np.zeros((count, p, p)), np.zeros((count, p))
        for group, w, r, u in zip(self.groups, point.w, point.pressed, point.u, strict=True):
            d = group.d
            dw, dr, du = d @ w, np.einsum("kbij,bj->kbi", d, r), d @ u
            wdr, wdu = np.einsum("bij,kbj->kbi", w, dr), w @ du
            trace += np.einsum("kbii->k", dw)
            flat, turned = dw.reshape(count, -1), np.swapaxes(dw, 2, 3).reshape(count, -1)
            curve += flat @ turned.T
            quadratic += np.einsum("bi,kbi->k", r, dr)
            bent += dr.reshape(count, -1) @ wdr.reshape(count, -1).T
            if p and self.restricted:
                uwu += du.reshape(count, -1) @ wdu.reshape(count, -1).T
            udu += np.einsum("bip,kbiq->kpq", u, du)
            udr += np.einsum("bip,kbi->kp", u, dr)
        bent = bent - udr @ udr.T  # r'D P D r
        if self.restricted:
            trace = trace - np.einsum("kpp->k", udu)
            curve = curve - 2 * uwu + np.einsum("kpq,lqp->kl", udu, udu)
        return (quadratic - trace) / 2, curve / 2 - bent, curve / 2


def components(pattern: npt.NDArray[np.bool_]) -> list[Indices]:
    """Rows of the connected components of a symmetric pattern, an array (B, m) for each size m."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    _, label = connected_components(csr_array(pattern.astype(np.int8)), directed=False)
    order = np.argsort(label, kind="stable")
    sizes = np.bincount(label)
    of_row = sizes[label[order]]
    return [order[of_row == size].reshape(-1, size) for size in np.unique(sizes)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedModelFit:
    """A fitted model, in the units of y.

    Attributes
    ----------
    theta, phi : array, shape (K,) and (m,)
        Coefficients of the structures, and their parameters.
    beta, covariance : array, shape (p,) and (p, p)
        Coefficients of X, and (X'WX)^-1.
    marginal : array, shape (n, n)
        M.
    log_likelihood : float
        With all constants.
    q : float
        y'Py at this theta.
    score : array, shape (m,)
        Derivatives of the log-likelihood by phi in units of `scale`; at a maximum 0, or pointing out of the bounds.
    identified : bool
        Whether the information about the parameters off their bounds has full rank.
    """

    theta: Array
    phi: Array
    beta: Array
    covariance: Array
    marginal: Array
    log_likelihood: float
    q: float
    score: Array
    identified: bool


def orthonormal(x: Array, terms: Sequence[str]) -> tuple[Array, Array]:
    """Q and R of X = QR, shapes (n, p) and (p, p).

    Raises
    ------
    ValueError
        If a column is a combination of those before it; it is named.
    """
    q, r = np.linalg.qr(x)
    dependent = np.abs(np.diagonal(r)) <= 1e-10 * np.linalg.norm(x, axis=0)
    if dependent.any():
        raise ValueError(
            f"moderators: {terms[int(np.argmax(dependent))]} is constant or a combination of the terms before it; leave it out"
        )
    return q, r


def fit_mixed_model(
    y: Array,
    x: Array,
    v: Array,
    structures: Sequence[Array],
    parameters: Parameters,
    *,
    restricted: bool,
    terms: Sequence[str],
) -> MixedModelFit:
    """Fit y (n,) on X (n, p) with known V (n, n) and structures D_k (n, n), all of them; the highest of the maxima found.

    Raises
    ------
    ValueError
        If V is not positive definite, X not of full rank, or n is not above p.
    ConvergenceError
        If no start leads to a maximum.
    """
    n, p = x.shape
    if n <= p:
        raise ValueError(f"effect: {n} effects are too few for {p} coefficients; at least {p + 1} are needed")
    q, r = orthonormal(x, terms)
    spread = float(np.square(y - q @ (q.T @ y)).sum()) / (n - p)
    # a power of two costs no digits; of the residual variance and the smallest sampling variance the larger
    scale = 2.0 ** round(math.log2(max(spread, float(np.diagonal(v).min()))) / 2)
    likelihood = Likelihood.of(y / scale, q, v / scale**2, structures, restricted=restricted)
    if likelihood.at(np.zeros(len(structures))) is None:
        raise ValueError("covariance is not positive definite")
    best: tuple[Point, Array, Array, bool] | None = None
    for start in parameters.starts(1.0):
        found = climb(likelihood, parameters, start)
        if found is not None and (best is None or found[0].value > best[0].value + 1e-11):
            best = found
    if best is None:
        raise ConvergenceError(f"the likelihood was not maximised in {STEPS} steps from any start")
    point, phi, score, identified = best
    theta = parameters.map(phi)[0] * scale**2
    back = np.linalg.inv(point.root @ r) * scale
    degrees = n - p if restricted else n
    return MixedModelFit(
        theta=theta,
        phi=phi,
        beta=np.asarray(scale * np.linalg.solve(r, point.beta), dtype=float),
        covariance=back @ back.T,
        marginal=v + np.tensordot(theta, np.array(structures).reshape(len(structures), n, n), axes=1),
        log_likelihood=point.value - degrees * (math.log(2 * math.pi) / 2 + math.log(scale)),
        q=point.rss,
        score=score,
        identified=identified,
    )


def climb(likelihood: Likelihood, parameters: Parameters, start: Array) -> tuple[Point, Array, Array, bool] | None:
    """The maximum above a start: point, phi, score, whether identified; None where it is not reached.

    Newton's steps where the likelihood is concave and Fisher's scoring where it is not, projected on the bounds. Own code, because
    scipy's optimisers with bounds stop at relative changes, some digits short of where second derivatives lead at no cost.
    """
    phi, before = start, np.inf
    point = likelihood.at(parameters.map(phi)[0])
    if point is None:
        return None
    if not phi.size:
        return point, phi, phi, True
    for _ in range(STEPS):
        score, step, identified = _direction(likelihood, parameters, point, phi)
        promise = float(score @ step) / 2  # the rise of the log-likelihood that the step expects
        close = (
            promise <= CONVERGED
        )  # rises drown in rounding, while the score still has digits: go on while the promise falls
        if promise == 0 or (close and promise >= before / 4):
            return point, phi, score, identified
        before = promise
        ahead = _search(likelihood, parameters, point, phi, score, step, 1 if close else 40)
        if ahead is None:
            return (point, phi, score, identified) if promise <= NOISE else None
        phi, point = ahead
    return None


def _search(
    likelihood: Likelihood, parameters: Parameters, point: Point, phi: Array, score: Array, step: Array, tries: int
) -> tuple[Array, Point] | None:
    """The first of the step and its halves that raises the likelihood as Armijo asks; a single try need not rise."""
    for halving in range(tries):
        ahead = np.clip(phi + step / 2**halving, parameters.lower, parameters.upper)
        if np.array_equal(ahead, phi):
            return None
        there = likelihood.at(parameters.map(ahead)[0])
        if there is None:
            continue
        if tries == 1 or there.value - point.value >= 1e-4 * float(score @ (ahead - phi)):
            return ahead, there
    return None


def _direction(likelihood: Likelihood, parameters: Parameters, point: Point, phi: Array) -> tuple[Array, Array, bool]:
    """Score and step in phi, and whether the information of the free parameters has full rank."""
    _, jacobian, second = parameters.map(phi)
    by_theta, hessian_theta, information_theta = likelihood.derivatives(point)
    score = jacobian.T @ by_theta
    bend = np.einsum("k,kab->ab", by_theta, second)
    hessian = jacobian.T @ hessian_theta @ jacobian + bend
    values, vectors = np.linalg.eigh(bend)
    # of the second derivatives of theta their size, so that the curvature is positive and no step far longer than they allow
    information = jacobian.T @ information_theta @ jacobian + (vectors * np.abs(values)) @ vectors.T
    at_low, at_high = phi <= parameters.lower, phi >= parameters.upper
    free = ~((at_low & (score <= 0)) | (at_high & (score >= 0)))
    identified = True
    while free.any():
        inside = np.ix_(free, free)
        step = np.zeros_like(phi)
        step[free], identified = _solve(hessian[inside], information[inside], score[free])
        outward = free & ((at_low & (step < 0)) | (at_high & (step > 0)))
        if not outward.any():
            return score, step, identified
        free &= ~outward
    return score, np.zeros_like(phi), identified


def _solve(hessian: Array, information: Array, score: Array) -> tuple[Array, bool]:
    """A step uphill, and whether the curvature has full rank; scaled to the diagonals of both curvatures."""
    curvature = np.maximum(np.abs(np.diagonal(hessian)), np.diagonal(information))
    size = np.sqrt(np.where(curvature > 0, curvature, 1.0))
    values, vectors = np.linalg.eigh(-hessian / np.outer(size, size))
    full = bool(values.min() > 1e-9 * max(1.0, values.max()))
    if not full:
        values, vectors = np.linalg.eigh(information / np.outer(size, size))
        full = bool(values.min() > 1e-9 * values.max())
    kept = values > 1e-9 * values.max()
    along = vectors.T @ (score / size)
    return (vectors[:, kept] @ (along[kept] / values[kept])) / size, full
