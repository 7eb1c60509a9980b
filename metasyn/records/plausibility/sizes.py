"""Numbers of patients of sets and arms, rows given twice, identifiers, lost zeros."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from metasyn.records.figures import Contrast, Row
from metasyn.records.plausibility.facts import Facts
from metasyn.records.plausibility.finding import Found
from metasyn.records.printed import Printed
from metasyn.records.structure import ALL
from metasyn.records.study import AnalysisSet
from metasyn.records.validation import Loc

REASON = re.compile(
    r"exclu|left out|lost|missing|withdr|not (?:treated|assess|evalua)|evaluable|never|fewer|one patient|difference",
    re.IGNORECASE,
)


def set_sizes(facts: Facts) -> Iterator[Found]:
    """Sizes of sets that do not go together, without a reason.

    The arms of a set add up to its `all`; no set is larger than the population or than the record's largest set; a set of
    all patients has the population's number and the arms' own numbers; two sets of the same method, analysis and condition
    have the same numbers. A set that is a part by its `analysis`, `conditioning`, `landmark` or `population`, or whose note
    gives a number or says who was left out, has its reason.

    Cause: a wrong digit; safety and efficacy populations mixed.
    What to do: look up the numbers. A set that differs for a reason says it in `analysis`, `conditioning`, `population` or
    `note`.
    """
    study = facts.study
    for name, item in study.sets.items():
        arms = {arm: facts.size(name, arm) for arm in facts.whole_arms}
        added = sum(n or 0 for n in arms.values())
        if ALL in item.n and len(arms) >= 2 and all(n is not None for n in arms.values()) and added != item.n[ALL]:
            yield Found(
                ("sets", name, "n", ALL),
                f"is not the sum of its arms ({item.n[ALL]}, sum {added}); accepted: {added}, or the right sizes of the arms",
                f"{' + '.join(f'{n} ({arm})' for arm, n in arms.items())} = {added}, not {item.n[ALL]}",
                "error",
            )
        yield from _against_population(facts, name, item)
        for arm, n in item.n.items():
            own = study.arms[arm].n if arm in study.arms else None
            elsewhere = any(arm in other.n for other_name, other in study.sets.items() if other_name != name)
            whole = (
                item.method in ("rct", "none")
                and (item.population is None or not elsewhere)
                and item.analysis in (None, "itt", "as-treated")
            )
            if own is not None and n > own:
                yield Found(
                    ("sets", name, "n", arm),
                    f"has more patients than the arm ({n} of {own}); accepted: at most {own}",
                    f"{n} > {own}",
                )
            elif own is not None and whole and n != own and not _reason(item, n, own):
                yield Found(
                    ("sets", name, "n", arm),
                    f"differs from the arm's own number ({n}, {own}); accepted: {own}, or a note that says why",
                    f"{n} != {own}",
                )
            parent = study.arms[arm].subset_of if arm in study.arms else None
            if parent is not None and parent in item.n and n > item.n[parent]:
                yield Found(
                    ("sets", name, "n", arm),
                    f"has more patients than the arm it is a part of ({n} of {item.n[parent]}); accepted: at most {item.n[parent]}",
                    f"{n} > {item.n[parent]}",
                )
    yield from _alike(facts)


def _reason(item: AnalysisSet, *sizes: int) -> bool:
    """Whether a set says why its size differs: by its kind, or by a note that names a number or who was left out."""
    if item.conditioning is not None or item.landmark is not None or item.analysis not in (None, "itt", "as-treated"):
        return True
    note = item.note or ""
    numbers = {*sizes, abs(sizes[0] - sizes[-1])}
    return any(re.search(rf"\b{n}\b", note) for n in numbers) or bool(REASON.search(note))


def _against_population(facts: Facts, name: str, item: AnalysisSet) -> Iterator[Found]:
    population, everybody = facts.study.population.n, facts.size(name, ALL)
    if population is None or everybody is None or everybody == population:
        return
    loc: Loc = ("sets", name, "n", ALL) if ALL in item.n else ("sets", name, "n")
    if everybody > population:
        yield Found(
            loc,
            f"has more patients than the population ({everybody} of {population}); accepted: at most {population}",
            f"{everybody} > {population}",
        )
    elif (
        item.method == "none" and ALL in item.n and item.population is None and not _reason(item, everybody, population)
    ):
        yield Found(
            loc,
            f"has fewer patients than the population, and nothing says why ({everybody} of {population}); accepted: {population}, or a note",
            f"{everybody} < {population}",
        )


def _alike(facts: Facts) -> Iterator[Found]:
    sets = list(facts.study.sets.items())
    largest = max(sets, key=lambda pair: facts.size(pair[0], ALL) or 0, default=None)
    for position, (name, item) in enumerate(sets):
        for other_name, other in sets[:position]:
            kinds = [
                (s.method, s.analysis, s.conditioning, s.landmark, s.population, s.time_origin, s.label)
                for s in (item, other)
            ]
            for arm in item.n:
                n, m = item.n[arm], other.n.get(arm)
                if (
                    m is not None
                    and kinds[0][:-1] == kinds[1][:-1]
                    and n != m
                    and not (_reason(item, n, m) or _reason(other, n, m))
                ):
                    yield Found(
                        ("sets", name, "n", arm),
                        f"differs from set {other_name}, and nothing says why ({n} and {m}); accepted: equal numbers, or a note",
                        f"{n} != {m}",
                    )
        if (
            largest is None
            or name == largest[0]
            or item.population != largest[1].population
            or item.conditioning != largest[1].conditioning
        ):
            continue
        for arm, n in item.n.items():
            most = largest[1].n.get(arm)
            if most is not None and n > most:
                yield Found(
                    ("sets", name, "n", arm),
                    f"has more patients than set {largest[0]} ({n} of {most}); accepted: at most {most}",
                    f"{n} > {most}",
                )


def duplicate_row(facts: Facts) -> Iterator[Found]:
    """A row given twice.

    Two contrasts, survival rows, responses or adverse events that name the same outcome, arms, set, model, cutoff and
    assessor (and note) are one figure; with different numbers a report could not choose between them.

    Cause: a row copied and not changed; two data cuts without `cutoff`; the same figure from two places, which belongs in
    `also_printed`.
    What to do: delete one, or say what distinguishes them.
    """
    seen: dict[str, dict[tuple[object, ...], Loc]] = defaultdict(dict)
    for loc, row in facts.rows:
        section = str(loc[0])
        if section not in ("contrasts", "survival", "responses", "adverse_events"):
            continue
        key = _identity(row)
        first = seen[section].setdefault(key, loc)
        if first != loc and _figures(row) & _figures(getattr(facts.study, section)[int(first[1])]):
            yield Found(
                loc,
                f"gives the same figure as {section}[{first[1]}]; accepted: one row per figure, or what distinguishes them (cutoff, assessor, set, model, note)",
            )


NUMBERS = (
    "estimate",
    "ci",
    "p",
    "median",
    "median_ci",
    "events",
    "percent",
    "at_risk",
    "curve",
    "rates",
    "favours",
    "o_minus_e",
    "variance",
)


def _identity(row: Row) -> tuple[object, ...]:
    left_out = {*NUMBERS, "source", "inferred", "seen", "also_printed", "n", "denominator", "p_sides", "ci_method"}
    if not isinstance(row, Contrast) or row.estimate is not None:
        left_out.add("note")  # rows with a p only are told apart by their note
    if isinstance(row, Contrast) and row.estimate is not None:
        left_out.add("p_test")
    return tuple(repr(value) for name, value in row.__dict__.items() if name not in left_out)


def _figures(row: Row) -> set[str]:
    """Which kinds of number a row gives; rates by their times."""
    given = {name for name in ("estimate", "median", "events", "percent") if row.__dict__.get(name) is not None}
    if isinstance(row, Contrast) and row.estimate is None and row.p is not None:
        given.add("p")
    return given | {f"rate {rate.at}" for rate in row.__dict__.get("rates", ())}


def identifier(facts: Facts) -> Iterator[Found]:
    """A registration number or PMID of an impossible form.

    ClinicalTrials.gov numbers are NCT and eight digits, ISRCTN numbers ISRCTN and eight, PMIDs up to eight digits.

    Cause: a digit is missing or too many.
    What to do: look the number up.
    """
    registration = facts.study.registration
    many = isinstance(registration, list)
    numbers = registration if isinstance(registration, list) else ([registration] if registration else [])
    for index, number in enumerate(numbers):
        loc: Loc = ("registration", index) if many else ("registration",)
        for prefix in ("NCT", "ISRCTN"):
            if number.upper().startswith(prefix) and not re.fullmatch(rf"{prefix}\d{{8}}", number):
                yield Found(
                    loc,
                    f"is no {prefix} number ({number}); accepted: {prefix} and eight digits",
                    f"{len(re.sub(r'[^0-9]', '', number))} digits",
                )
    for name, publication in facts.study.reports.items():
        if publication.pmid is not None and not re.fullmatch(r"[1-9]\d{0,7}", publication.pmid):
            yield Found(("reports", name, "pmid"), f"is no PMID ({publication.pmid}); accepted: up to eight digits")


def lost_zeros(facts: Facts) -> Iterator[Found]:
    """Numbers with fewer decimals than their neighbours, as if a last zero had been dropped.

    `0.7 [0.54, 0.91]` was most likely printed as 0.70: a spreadsheet or a YAML tool drops the zero, and with it nine
    tenths of the precision. metasyn takes every number as printed, so all arithmetic on such a row is wider than it need
    be. One note per record, at the first of them.

    What to do: type the zeros that the paper prints.
    """
    losing: list[tuple[Loc, Printed]] = []
    for loc, row in facts.rows:
        for names in (("estimate", "ci"), ("median", "median_ci")):
            values: list[Printed] = []
            for name in names:
                value = row.__dict__.get(name)
                values += [
                    item
                    for item in (value if isinstance(value, tuple) else (value,))
                    if isinstance(item, Printed) and item.exact
                ]
            most = max((value.decimals for value in values), default=0)
            losing += [
                ((*loc, names[0]), value)
                for value in values
                if value.decimals == most - 1 and most >= 1 and len(values) > 1
            ]
    if losing:
        examples = ", ".join(str(value) for _, value in losing[:6])
        yield Found(
            losing[0][0],
            f"has a decimal less than its neighbours ({examples}{', …' if len(losing) > 6 else ''}; {len(losing)} in the record); accepted: the zeros that the paper prints",
        )
