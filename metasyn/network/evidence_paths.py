"""A flow of evidence from one treatment to another, divided among the edges that its paths run along.

The row of the hat matrix for a comparison is a flow of 1 from its first treatment to its second, along potentials that fall, and so without cycles. Both
ways of taking it apart into paths give each edge of a path its share, the flow of the path over the number of its edges. The shares of all edges add up
to 1. Neither enumerates paths.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
NOTHING = 1e-13  # a flow, as part of the whole of 1, that is the rounding of 0
AT_ONCE = 200_000  # entries of flow matrices that are worked on together: what fits in a processor's cache


def random_walk_shares(low: Indices, high: Indices, hat: Array, source: Indices, sink: Indices, n: int) -> Array:
    """Share of each edge when a walker at a treatment takes each way on with the probability of its part of the flow.

    Parameters
    ----------
    low, high : array of int, shape (d,)
        Edges.
    hat : array, shape (c, d)
        Flow from `low` to `high` for each comparison, without cycles.
    source, sink : array of int, shape (c,)
        Where each flow of 1 enters and leaves.
    n : int
        Treatments.

    Returns
    -------
    array, shape (c, d)
        Rows add up to 1.

    Notes
    -----
    With F_l(u) the probability that the walk is at u after l steps and B_m(v) that it is at the sink m steps after v, the share of the edge from u to
    v is P_uv times the sum over l and m of F_l(u) B_m(v) / (l + 1 + m): all paths through the edge by their lengths, of which there are at most n,
    in O(n^3) for each comparison. This is the sum over paths of Davies et al. 2022, Statistics in Medicine 41:2091-114.
    """
    shares = np.empty_like(hat)
    size = max(1, AT_ONCE // n**2)
    for first in range(0, len(hat), size):
        part = slice(first, first + size)
        flow = _directed(low, high, hat[part], n)
        rows = np.arange(len(flow))
        flow[rows, sink[part]] = 0.0
        out = flow.sum(axis=2, keepdims=True)
        move = np.divide(flow, out, out=np.zeros_like(flow), where=out > 0)
        start, end = np.zeros((2, len(flow), n))
        start[rows, source[part]] = end[rows, sink[part]] = 1.0
        before, after = [start[:, None, :]], [end[:, :, None]]
        while (step := before[-1] @ move).any():
            before.append(step)
        while (step := move @ after[-1]).any():
            after.append(step)
        forward, backward = np.concatenate(before, axis=1), np.concatenate(after, axis=2)
        length = np.arange(forward.shape[1])[:, None] + np.arange(backward.shape[2]) + 1
        both = move * (np.swapaxes(forward, 1, 2) @ (1 / length) @ np.swapaxes(backward, 1, 2))
        shares[part] = both[:, low, high] + both[:, high, low]
    return shares


def shortest_path_shares(low: Indices, high: Indices, hat: Array, source: Indices, sink: Indices, n: int) -> Array:
    """Share of each edge when the flow is taken apart path by path, the one of fewest edges first, each with as much as it can carry.

    Parameters and result as of `random_walk_shares`.

    Notes
    -----
    The algorithm of Papakonstantinou et al. 2018, F1000Research 7:610. Among shortest paths the order is a convention, and shares may depend on it. Here
    treatments are ranked by where they first appear when the edges are written one after the other, each in the direction of its flow, and of the
    shortest paths the first in the order of the ranks along it is taken; this reproduces netmeta.

    A path never gets shorter when others are taken away. All paths of one length are therefore found together along edges that come one step nearer
    to the sink (Dinitz 1970, Soviet Math Doklady 11:1277-80), for many comparisons side by side.
    """
    shares = np.zeros_like(hat)
    size = max(1, 20 * AT_ONCE // n**2)
    for first in range(0, len(hat), size):
        part = slice(first, first + size)
        rank = _ranks(low, high, hat[part], n)
        rows = np.arange(len(rank))
        flow = _directed(low, high, hat[part], n)
        order = np.argsort(rank, axis=1)
        flow = np.ascontiguousarray(flow[rows[:, None, None], order[:, :, None], order[:, None, :]])
        share = _take_shortest(flow, rank[rows, source[part]], rank[rows, sink[part]])
        a, b = rank[:, low], rank[:, high]
        shares[part] = share[rows[:, None], a, b] + share[rows[:, None], b, a]
    return shares


def _directed(low: Indices, high: Indices, hat: Array, n: int) -> Array:
    """Flow from row to column treatment, shape (c, n, n)."""
    flow = np.zeros((len(hat), n, n))
    flow[:, low, high] = np.where(hat > NOTHING, hat, 0.0)
    flow[:, high, low] = np.where(hat < -NOTHING, -hat, 0.0)
    return flow


def _ranks(low: Indices, high: Indices, hat: Array, n: int) -> Indices:
    """Rank of each treatment, shape (c, n): by the first edge it is an end of, and on one edge the end where its flow starts."""
    edge = np.arange(low.size)
    earliest = np.full(n, low.size)
    np.minimum.at(earliest, low, edge)
    np.minimum.at(earliest, high, edge)
    forward = hat[:, earliest] > NOTHING
    ends_here = np.where(forward, high[earliest], low[earliest]) == np.arange(n)
    return np.argsort(np.argsort(2 * earliest + ends_here, axis=1), axis=1)


def _take_shortest(flow: Array, source: Indices, sink: Indices) -> Array:
    """Shares (c, n, n) of the edges of flows, which are used up."""
    share = np.zeros_like(flow)
    rows, n = np.arange(len(flow)), flow.shape[1]
    share[rows, source, sink] = flow[rows, source, sink]
    flow[rows, source, sink] = 0.0
    # paths of two edges share none: all at once
    carried = np.minimum(flow[rows, source, :], flow[rows, :, sink])
    share[rows, source, :] += carried / 2
    share[rows, :, sink] += carried / 2
    flow[rows, source, :] -= carried
    flow[rows, :, sink] -= carried
    flow[flow < NOTHING] = 0.0
    left = rows
    for length in range(3, n):
        left = left[flow[left, source[left]].any(axis=1)]
        if not left.size:
            break
        nearer, near = _one_step_nearer(flow[left] > 0, source[left], sink[left], length)
        chosen = left[near]
        _take_length(flow, share, nearer[near], chosen, source[chosen], length)
    return share


def _one_step_nearer(open_: Flags, source: Indices, sink: Indices, length: int) -> tuple[Flags, Flags]:
    """Edges that lead one step nearer to the sink, and whether the source is `length` steps away from it."""
    rows = np.arange(len(open_))
    way = open_.astype(np.float32)
    distance = np.full(open_.shape[:2], length + 1, dtype=np.int16)
    distance[rows, sink] = 0
    front = (distance == 0).astype(np.float32)
    for step in range(1, length + 1):
        reached = ((way @ front[:, :, None])[:, :, 0] > 0) & (distance > length)
        distance[reached] = step
        front = reached.astype(np.float32)
    return open_ & (distance[:, :, None] == distance[:, None, :] + 1), distance[rows, source] == length


def _take_length(flow: Array, share: Array, nearer: Flags, rows: Indices, source: Indices, length: int) -> None:
    """Move all that paths of one length carry from flows to shares.

    `nearer` belongs to the rows that are named. At every turn each row walks from its source by the first edge that is open at each treatment, and so along
    the first path in order; what the path carries closes at least one of its edges, and with that the ways that lead nowhere now.
    """
    n = flow.shape[1]
    onward = _first(nearer.reshape(-1, n)).reshape(-1, n)
    flows, shares, next_of = flow.reshape(-1), share.reshape(-1), onward.reshape(-1)  # one index is faster than three
    walk = np.arange(rows.size)
    while walk.size:
        at = np.empty((length + 1, walk.size), dtype=np.intp)
        at[0] = source[walk]
        for step in range(length):
            at[step + 1] = next_of[walk * n + at[step]]
        edge = (rows[walk] * n + at[:-1]) * n + at[1:]
        there = flows[edge]
        carried = there.min(axis=0)
        there -= carried
        there[there < NOTHING] = 0.0
        flows[edge] = there
        shares[edge] += carried / length
        used, walker = np.nonzero(there == 0)
        _close(nearer, onward, walk[walker], at[used, walker], at[used + 1, walker])
        walk = walk[onward[walk, source[walk]] < n]


def _close(nearer: Flags, onward: Indices, row: Indices, tail: Indices, head: Indices) -> None:
    """Close edges, and all that lead to treatments from which no way leads on; `onward` is where the first open edge of each leads, n where there is none."""
    nearer[row, tail, head] = False
    while row.size:
        first = _first(nearer[row, tail])
        onward[row, tail] = first
        ends = first == onward.shape[1]
        row, ended = row[ends], tail[ends]
        nearer[row, :, ended] = False
        which, tail = np.nonzero(onward[row] == ended[:, None])
        row = row[which]


def _first(open_: Flags) -> Indices:
    """Place of the first flag that is up in each row; their number where none is."""
    place = open_.argmax(axis=1)
    first: Indices = np.where(open_[np.arange(len(open_)), place], place, open_.shape[1])
    return first
