"""Estimates that are the same under another name: a comparison or a strategy that was renamed is not a study withdrawn."""

from __future__ import annotations

from metasyn.reports.changes.edition import Edition, studies_by_id
from metasyn.reports.changes.what_changed import Values, same_number

SHARED = 0.5  # of the studies of either: from here two estimates of one place are taken for one


def renamed(before: Edition, now: Edition) -> dict[str, str]:
    """Names of today's estimates that had another name before, with that name.

    A pool counts as the same where outcome, population and design agree and the treatment that is added, or at least half of the studies;
    a comparison within a network where besides the network every number agrees.
    """
    gone = {name: values for name, values in before.estimates.items() if name not in now.estimates}
    new = {name: values for name, values in now.estimates.items() if name not in before.estimates}
    pairs = sorted(
        (
            (-likeness, name, old)
            for name, values in new.items()
            for old, was in gone.items()
            if (likeness := _likeness(old, was, name, values, now)) > 0
        ),
    )
    found: dict[str, str] = {}
    for _, name, old in pairs:
        if name not in found and old not in found.values():
            found[name] = old
    return found


def _likeness(old: str, was: Values, name: str, values: Values, now: Edition) -> float:
    """How much two estimates are one: 0 where they are not."""
    if was["measure"] != values["measure"] or "kind" not in values:  # older lines do not say what they are of
        return 0.0
    if values["kind"] == "network":
        place = name[: len(name) - len(values["comparison"])]
        same = old.startswith(place) and all(same_number(was[field], values[field]) for field in ("estimate", "se"))
        return 1.0 if same and was["estimate"] != 0 else 0.0
    place = name[len(values["comparison"]) :]  # ": outcome (population, design)"
    if not old.endswith(place) or old.startswith("network: "):
        return 0.0
    had, has = (set(studies_by_id(list(each["studies"]), now.names)) for each in (was, values))
    shared = len(had & has) / max(1, len(had | has))
    if was.get("add") is not None and was["add"] == values["add"]:
        return 1.0 + shared
    return shared if shared >= SHARED else 0.0
