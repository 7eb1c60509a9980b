"""Two people's records of one paper, compared field by field."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

from metasyn.records.printed import parse_printed
from metasyn.records.structure import ROWS
from metasyn.records.validation import Loc, path_text
from metasyn.records.verification.paper_text import canonical

LEFT_OUT = frozenset({"source", "note", "inferred", "seen", "also_printed", "label", "term_as_printed"})
IDENTITY = (
    "outcome", "treatment", "comparator", "arm", "set", "category", "assessment", "term", "grades", "attribution", "covariate", "level",
    "reference", "variable", "quantity", "within_arm", "subgroup", "cutoff", "assessor", "measure", "model", "adverse_event",
)  # fmt: skip
ENOUGH = 0.5  # of the identity and the numbers of two rows must agree for them to be one row
Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of both records.

    Attributes
    ----------
    first, second : str
        Its path in each; the same unless rows or ids stand in another order.
    value, other : str
        What each has; empty where it has nothing.
    number : bool
        Whether either is a number.
    agrees : bool
        Whether both are the same number (with the same decimals) or text.
    """

    first: str
    second: str
    value: str
    other: str
    number: bool
    agrees: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two extractions agree.

    Attributes
    ----------
    fields : list of Field
        Every field that both records give, in order.
    only_first, only_second : list of str
        Rows that one record has and the other has not.
    """

    fields: list[Field]
    only_first: list[str]
    only_second: list[str]

    @property
    def disagreements(self) -> list[Field]:
        """What a third person has to settle."""
        return [field for field in self.fields if not field.agrees]

    def statistics(self) -> list[dict[str, Any]]:
        """Fields, agreements and their share with its 95 % Wilson interval (1927), for numbers, words and all."""
        rows = []
        for name, chosen in (("numbers", True), ("words", False), ("all", None)):
            members = [field for field in self.fields if chosen is None or field.number is chosen]
            agreeing = sum(field.agrees for field in members)
            rows.append({"kind": name, "fields": len(members), "agree": agreeing, **_wilson(agreeing, len(members))})
        return rows


def _wilson(k: int, n: int) -> dict[str, float | None]:
    if n == 0:
        return {"share": None, "ci_low": None, "ci_high": None}
    z, share = 1.959963984540054, k / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return {"share": share, "ci_low": max(0.0, centre - half), "ci_high": min(1.0, centre + half)}


def compare(first: Data, second: Data) -> Agreement:
    """Compare two records of one paper.

    Rows are matched by what they are of (outcome, arms, set, term, ...) and by their numbers, since two people name arms
    and sets differently and list rows in another order; ids of arms and sets are matched by their sizes and labels first.
    Sources, notes and what is marked as inferred are left out.

    Parameters
    ----------
    first, second : mapping
        The data of the records, every scalar its text.

    Returns
    -------
    Agreement
    """
    names = {
        section: _match_names(first.get(section) or {}, second.get(section) or {})
        for section in ("arms", "sets", "cutoffs")
    }
    fields: list[Field] = []
    only_first, only_second = [], []
    for section in ("registration", "design", "population", "time_unit"):
        fields += _fields((section,), (section,), first.get(section), second.get(section), names)
    for section, matched in names.items():
        for here, there in matched.items():
            fields += _fields((section, here), (section, there), first[section][here], second[section][there], names)
        only_first += [f"{section}.{name}" for name in first.get(section) or {} if name not in matched]
        only_second += [f"{section}.{name}" for name in second.get(section) or {} if name not in matched.values()]
    for section in ROWS:
        ours, theirs = list(first.get(section) or ()), list(second.get(section) or ())
        pairs = _match_rows(ours, theirs, names)
        for i, j in pairs.items():
            fields += _fields((section, i), (section, j), ours[i], theirs[j], names)
        only_first += [f"{section}[{i}]" for i in range(len(ours)) if i not in pairs]
        only_second += [f"{section}[{j}]" for j in range(len(theirs)) if j not in pairs.values()]
    return Agreement(fields, only_first, only_second)


def _match_names(ours: Data, theirs: Data) -> dict[str, str]:
    """Ids of the second record by those of the first: the same id, else the most alike."""
    matched = {name: name for name in ours if name in theirs}
    rest, others = [n for n in ours if n not in matched], [n for n in theirs if n not in matched]
    scored = sorted(
        ((_alike(ours[a], theirs[b]), a, b) for a in rest for b in others),
        key=lambda item: (-item[0], item[1], item[2]),
    )
    for score, a, b in scored:
        if score >= ENOUGH and a not in matched and b not in matched.values():
            matched[a] = b
    return matched


def _alike(one: Any, other: Any) -> float:
    ours, theirs = dict(_leaves((), one)), dict(_leaves((), other))
    numbers = {value for value in ours.values() if _is_number(value)} & {
        value for value in theirs.values() if _is_number(value)
    }
    words = [
        set(" ".join(values).lower().split()) for values in ((v for v in ours.values()), (v for v in theirs.values()))
    ]
    overlap = len(words[0] & words[1]) / max(1, min(len(words[0]), len(words[1])))
    return overlap + (0.5 if numbers else 0.0)


def _leaves(loc: Loc, value: Any) -> list[tuple[Loc, str]]:
    if isinstance(value, Mapping):
        return [leaf for key, item in value.items() for leaf in _leaves((*loc, key), item)]
    if isinstance(value, (list, tuple)):
        return [leaf for index, item in enumerate(value) for leaf in _leaves((*loc, index), item)]
    return [] if value is None else [(loc, str(value).strip())]


def _is_number(text: str) -> bool:
    try:
        return parse_printed(text).value is not None
    except ValueError:
        return False


def _translated(name: str, value: Any, names: Mapping[str, Mapping[str, str]]) -> Any:
    """A value of the first record in the second one's ids."""
    section = {
        "treatment": "arms",
        "comparator": "arms",
        "arm": "arms",
        "within_arm": "arms",
        "favours": "arms",
        "set": "sets",
        "cutoff": "cutoffs",
    }.get(name)
    return names[section].get(value, value) if section is not None and isinstance(value, str) else value


def _match_rows(ours: list[Data], theirs: list[Data], names: Mapping[str, Mapping[str, str]]) -> dict[int, int]:
    """Rows of the second list by those of the first, the most alike first."""
    scored = []
    marks = [_marks(row, names) for row in ours]
    others = [_marks(row, None) for row in theirs]
    by_mark: dict[object, list[int]] = defaultdict(list)
    for j, mark in enumerate(others):
        for item in mark[0] | mark[1]:
            by_mark[item].append(j)
    for i, (identity, numbers) in enumerate(marks):
        for j in {j for item in identity | numbers for j in by_mark[item]}:
            same = len(identity & others[j][0]) / max(1, len(identity | others[j][0]))
            shared = len(numbers & others[j][1]) / max(1, max(len(numbers), len(others[j][1])))
            score = (same + shared) / 2 if numbers or others[j][1] else same
            if same >= ENOUGH or score >= ENOUGH:
                scored.append((-score, i, j))
    matched: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(scored):
        if i not in matched and j not in taken:
            matched[i] = j
            taken.add(j)
    return dict(sorted(matched.items()))


def _marks(row: Data, names: Mapping[str, Mapping[str, str]] | None) -> tuple[frozenset[object], frozenset[object]]:
    identity, numbers = set(), set()
    for name, value in row.items():
        if name in IDENTITY and value is not None:
            identity.add((name, str(_translated(name, value, names) if names is not None else value)))
        elif name not in LEFT_OUT:
            numbers |= {canonical(text.lstrip("<>=~ ")) for _, text in _leaves((), value) if _is_number(text)}
    return frozenset(identity), frozenset(numbers)


def _fields(here: Loc, there: Loc, ours: Any, theirs: Any, names: Mapping[str, Mapping[str, str]]) -> list[Field]:
    """Every leaf that either has, compared."""
    one = {loc: text for loc, text in _leaves((), ours) if not LEFT_OUT & set(loc)}
    two = {loc: text for loc, text in _leaves((), theirs) if not LEFT_OUT & set(loc)}
    renamed = {}
    for loc, text in one.items():
        steps = tuple(names["arms"].get(step, step) if isinstance(step, str) else step for step in loc)
        last = next((step for step in reversed(loc) if isinstance(step, str)), str(here[-1]))
        renamed[steps] = (loc, str(_translated(last, text, names)), text)
    found = []
    for loc in dict.fromkeys([*renamed, *two]):
        original, value, shown = renamed.get(loc, (loc, "", ""))
        other = two.get(loc, "")
        number = _is_number(shown or other)
        same = canonical(value) == canonical(other) if number and value and other else value == other
        found.append(Field(path_text((*here, *original)), path_text((*there, *loc)), shown, other, number, same))
    return found
