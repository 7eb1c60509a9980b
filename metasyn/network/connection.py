"""Whether studies connect all treatments of a network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]


def parts(low: Indices, high: Indices, n: int) -> Indices:
    """Number of the connected part of each of n treatments, shape (n,), from contrasts between `low` and `high`."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(low.size, dtype=np.int8), (low, high)), shape=(n, n))
    _, label = connected_components(links, directed=False)
    return np.asarray(label, dtype=np.intp)


def describe_parts(
    study: Indices, low: Indices, high: Indices, owners: tuple[str, ...], labels: tuple[str, ...]
) -> list[str]:
    """A message that names the unconnected parts of a network, and what would connect them; none where it is connected."""
    part = parts(low, high, len(labels))
    count = int(part.max()) + 1
    if count == 1:
        return []
    described = []
    for number in range(count):
        members = [labels[index] for index in np.flatnonzero(part == number)]
        by = [owners[index] for index in np.unique(study[part[low] == number])]
        described.append(f"  part {number + 1}: {', '.join(members)} (studies {', '.join(by)})")
    return [
        f"the network has {count} unconnected parts, and nothing compares a treatment of one with a treatment of another:\n"
        + "\n".join(described)
        + f"\nRemedy: fit each part by itself; to connect them takes at least {count - 1} further "
        + ("study that compares" if count == 2 else "studies that compare")
        + " a treatment of one part with a treatment of another. If two names mean the same treatment, give it one name."
    ]
