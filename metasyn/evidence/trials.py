"""Which records report the same trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from metasyn.evidence.candidate import Candidate
from metasyn.records import Study


def trials_of(rows: Sequence[Candidate], studies: Mapping[str, Study]) -> dict[str, tuple[str, ...]]:
    """The records of each candidate's trial, by record: those that share a registration number, or say that they share a control arm."""
    import networkx

    links = networkx.Graph()
    present = list(dict.fromkeys(row["study"] for row in rows))
    for row in rows:
        links.add_node(("record", row["study"]))
        numbers = studies[row["study"]].registration or []
        for number in [numbers] if isinstance(numbers, str) else numbers:
            links.add_edge(("record", row["study"]), ("registration", number))
        if row.get("shares") in present:
            links.add_edge(("record", row["study"]), ("record", row["shares"]))
    found: dict[str, tuple[str, ...]] = {}
    for part in networkx.connected_components(links):
        ids = tuple(name for name in present if ("record", name) in part)
        found |= dict.fromkeys(ids, ids)
    return found
