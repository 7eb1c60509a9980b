"""Parts and wholes: arms and their parts, response categories, grades, levels and columns of a baseline table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from math import prod

from metasyn.errors import Severity
from metasyn.records.figures import AdverseEvent, Baseline, Response
from metasyn.records.plausibility.facts import Facts
from metasyn.records.plausibility.finding import Found
from metasyn.records.plausibility.percents import counts_of, denominators_of
from metasyn.records.plausibility.ranges import SLACK, gap, shown, spread, total
from metasyn.records.structure import ALL
from metasyn.records.validation import Loc


def partition_sizes(facts: Facts) -> Iterator[Found]:
    """Parts of an arm whose sizes do not add up to it.

    Where a paper divides an arm (by sequence, cycles, dose) and prints the size of each part, the sizes must add up to
    the arm (or leave some out). Where it prints percents only, all sizes are searched that fit every percent of a part;
    if no choice of them adds up to the arm, the nearest is told.

    Cause: patients counted twice or left out; percents of other patients.
    What to do: look for the sizes of the parts. If the paper does not print them, accept with the sum as the reason.
    """
    parts: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name, arm in facts.study.arms.items():
        if arm.subset_of is not None and arm.partition is not None:
            for set_name in facts.study.sets:
                parts[(set_name, arm.subset_of, arm.partition)].append(name)
    for (set_name, parent, partition), names in parts.items():
        whole = facts.size(set_name, parent)
        if whole is None or len(names) < 2:
            continue
        known = [facts.size(set_name, name) for name in names]
        options = [
            [size] if size is not None else _possible_sizes(facts, set_name, name, whole)
            for name, size in zip(names, known, strict=True)
        ]
        if any(not sizes for sizes in options) or prod(map(len, options)) > 10_000:
            continue
        printed = all(size is not None for size in known)
        sums = {sum(sizes) for sizes in product(*options)}
        if whole in sums or (printed and max(sums) < whole):
            continue  # parts may leave patients out, where the paper prints their sizes
        first = next(iter(facts.study.sets[set_name].n))
        loc: Loc = ("sets", set_name, "n", parent if parent in facts.study.sets[set_name].n else first)
        said = " and ".join(
            f"{' or '.join(map(str, sizes))} ({name})" for name, sizes in zip(names, options, strict=True)
        )
        nearest = min(sums, key=lambda total_size: abs(total_size - whole))
        yield Found(
            loc,
            f"is not the sum of its parts by {partition} ({parent} {whole}, parts {said}); accepted: parts that add up to {whole}",
            f"{'sizes' if printed else 'the only sizes that fit the percents of each part'}: {said}; the nearest sum is {nearest}, not {whole}",
            "error" if printed else None,
        )


def _possible_sizes(facts: Facts, set_name: str, arm: str, whole: int) -> list[int]:
    """The sizes of a part that fit all its percents; none where fewer than three percents are printed."""
    items = [
        (spread(p.percent), p.events)
        for p in facts.percents
        if (p.set, p.arm) == (set_name, arm) and p.section != "baseline"
    ]
    return denominators_of(items, whole) if len(items) >= 3 else []


def response_parts(facts: Facts) -> Iterator[Found]:
    """Responses that do not add up: ORR against CR and PR, DCR against SD too, all categories against the patients.

    Counts are compared exactly, percents as ranges of rounding. Rows of one arm, set, assessment, cutoff and assessor
    belong together.

    Cause: a wrong digit; confirmed and unconfirmed responses mixed; patients who could not be assessed.
    What to do: look up the response table. Give rows of different kinds different `assessment` texts.
    """
    groups: dict[tuple[object, ...], dict[str, tuple[Loc, Response]]] = defaultdict(dict)
    for index, row in enumerate(facts.study.responses):
        subgroup = (row.subgroup.factor, row.subgroup.level) if row.subgroup else None
        groups[(row.arm, row.set, row.assessment, row.cutoff, row.assessor, subgroup, row.n)].setdefault(
            row.category, (("responses", index), row)
        )
    for group in groups.values():
        for whole, parts in (("ORR", ("CR", "PR")), ("DCR", ("CR", "PR", "SD")), ("DCR", ("ORR", "SD"))):
            if whole in group and all(part in group for part in parts):
                yield from _sum_of(group, whole, parts)
        if {"ORR", "DCR"} <= set(group):
            yield from _at_most(*group["ORR"], *group["DCR"], "ORR is above DCR")
        n = next(
            (
                facts.size(row.set, row.arm) if row.n is None else row.n
                for _, row in group.values()
                if row.subgroup is None
            ),
            None,
        )
        kinds = [name for name in ("CR", "PR", "SD", "PD") if name in group]
        counts = [group[name][1].events for name in kinds]
        if n is not None and kinds and all(count is not None for count in counts) and sum(c or 0 for c in counts) > n:
            yield Found(
                (*group[kinds[-1]][0], "events"),
                f"makes more responses than patients ({sum(c or 0 for c in counts)} of {n}); accepted: at most {n} together",
                f"{' + '.join(str(count) for count in counts)} = {sum(c or 0 for c in counts)} > {n}",
                "error",
            )


def _sum_of(group: dict[str, tuple[Loc, Response]], whole: str, parts: tuple[str, ...]) -> Iterator[Found]:
    loc, row = group[whole]
    members = [group[part][1] for part in parts]
    counts = [member.events for member in members]
    if row.events is not None and all(count is not None for count in counts):
        added = sum(count or 0 for count in counts)
        if added != row.events:
            yield Found(
                (*loc, "events"),
                f"is not {' + '.join(parts)} ({row.events}, sum {added}); accepted: {added}, or the right parts",
                f"{' + '.join(str(count) for count in counts)} = {added}, not {row.events}",
            )
        return
    percents = [member.percent for member in members]
    if row.percent is None or not row.percent.exact or any(p is None or not p.exact for p in percents):
        return
    added_range = total([spread(p) for p in percents if p is not None])
    if gap(added_range, spread(row.percent)) > 0:
        yield Found(
            (*loc, "percent"),
            f"is not {' + '.join(parts)} ({row.percent}, sum {shown(sum(added_range) / 2)}); accepted: the sum, or the right parts",
            f"{' + '.join(str(p) for p in percents)} = {shown(sum(added_range) / 2)}, not {row.percent}",
        )


def _at_most(
    loc: Loc,
    row: AdverseEvent | Response,
    _: Loc,
    larger: AdverseEvent | Response,
    what: str,
    severity: Severity | None = None,
) -> Iterator[Found]:
    """A part that is above its whole, by counts of the same patients or by percents."""
    same = row.n == larger.n and row.__dict__.get("denominator") == larger.__dict__.get("denominator")
    if row.events is not None and larger.events is not None and same:
        if row.events > larger.events:
            yield Found(
                (*loc, "events"),
                f"{what} ({row.events} against {larger.events}); accepted: at most {larger.events}",
                f"{row.events} > {larger.events}",
                severity,
            )
        return
    if row.percent is not None and larger.percent is not None and row.percent.exact and larger.percent.exact:
        low, high = spread(row.percent)[0], spread(larger.percent)[1]
        if low > high + SLACK:
            yield Found(
                (*loc, "percent"),
                f"{what} ({row.percent} against {larger.percent}); accepted: at most {larger.percent}",
                f"{row.percent} > {larger.percent}",
                severity,
            )


def grade_order(facts: Facts) -> Iterator[Found]:
    """Adverse events of some grades, or of one kind, that outnumber those that include them.

    In one arm and set: events of grades 3 to 5 cannot exceed those of any grade, one term cannot exceed any term, the
    treatment-related cannot exceed those of any cause. Counts are compared where both are printed, else percents.

    Cause: two cells were swapped, a digit is wrong, or the rows count events in one place and patients in another.
    What to do: look up both cells.
    """
    groups: dict[tuple[object, ...], list[tuple[Loc, AdverseEvent]]] = defaultdict(list)
    for index, row in enumerate(facts.study.adverse_events):
        groups[(row.arm, row.set, row.cutoff)].append((("adverse_events", index), row))
    for members in groups.values():
        for loc, row in members:
            for other_loc, other in members:
                if other_loc != loc and _part_of(row, other):
                    yield from _at_most(loc, row, other_loc, other, f"is above {_named(other)}")


def _part_of(row: AdverseEvent, other: AdverseEvent) -> bool:
    grades = _grades(row) <= _grades(other)
    term = other.term == row.term and (other.term_as_printed == row.term_as_printed or _grades(row) < _grades(other))
    upward = _grades(row) >= frozenset(
        range(min(_grades(row)), 6)
    )  # a patient's worst grade of one term may be 2, of all 3
    term = term or (upward and other.term == "any" and row.term != "any")
    term = term and (upward or other.attribution == row.attribution)
    cause = other.attribution in ("any", row.attribution)
    same = (row.term, row.attribution, _grades(row)) == (other.term, other.attribution, _grades(other))
    return grades and term and cause and not same


def _grades(row: AdverseEvent) -> frozenset[int]:
    return frozenset(range(1, 6)) if row.grades == "any" else frozenset(int(grade) for grade in row.grades)


def _named(row: AdverseEvent) -> str:
    cause = "" if row.attribution == "any" else f"{row.attribution} "
    grades = "any grade" if row.grades == "any" else f"grade {', '.join(str(grade) for grade in row.grades)}"
    return f"{cause}{row.term if row.term != 'any' else 'any event'}, {grades}"


def grade_parts(facts: Facts) -> Iterator[Found]:
    """Grades that do not add up: grades 1-2 and 3-5 against any grade, per term.

    Each patient counts once at the worst grade, so rows of disjoint grades that together make up the grades of a third
    row must add up to it, in counts exactly and in percents within rounding.

    Cause: a wrong digit; or the paper counts a patient in several rows, which a note should say.
    What to do: look up the cells.
    """
    groups: dict[tuple[object, ...], list[tuple[Loc, AdverseEvent]]] = defaultdict(list)
    for index, row in enumerate(facts.study.adverse_events):
        n = row.n if row.n is not None else row.denominator
        groups[(row.arm, row.set, row.cutoff, row.term, row.attribution, n)].append((("adverse_events", index), row))
    for members in groups.values():
        for loc, whole in members:
            parts = [row for _, row in members if _grades(row) < _grades(whole)]
            grades = [_grades(part) for part in parts]
            if (
                len(parts) < 2
                or frozenset().union(*grades) != _grades(whole)
                or sum(map(len, grades)) != len(_grades(whole))
            ):
                continue
            counts = [part.events for part in parts]
            if whole.events is not None and all(count is not None for count in counts):
                added = sum(count or 0 for count in counts)
                if added != whole.events:
                    yield Found(
                        (*loc, "events"),
                        f"is not the sum of its grades ({whole.events}, sum {added}); accepted: {added}, or the right parts",
                        f"{' + '.join(str(count) for count in counts)} = {added}, not {whole.events}",
                    )


def baseline_parts(facts: Facts) -> Iterator[Found]:
    """Levels of a baseline variable, or columns of a baseline row, that do not add up.

    Where the percents of a variable's levels add up to 100 within rounding, its levels divide the patients, and the
    counts must add up to the arm. Where they add up to fewer and the percents are of these fewer, patients without a
    value were left out: a note, because the paper should say how many. In every row the counts of the arms must add up
    to the column of everybody.

    Cause: a wrong digit; missing values that the paper does not mention.
    What to do: look up the cells; say in a note how many are missing, or accept what the paper gets wrong.
    """
    groups: dict[tuple[str, str], list[tuple[int, Baseline]]] = defaultdict(list)
    for index, row in enumerate(facts.study.baseline):
        groups[(row.variable, row.set)].append((index, row))
        yield from _columns(facts, index, row)
    for (variable, set_name), members in groups.items():
        if len(members) < 2 or any(row.level is None for _, row in members):
            continue
        for arm in members[0][1].arms:
            cells = [row.arms.get(arm) for _, row in members]
            n = facts.size(set_name, arm)
            if n is None or any(cell is None or cell.n is None or cell.percent is None for cell in cells):
                continue
            percents = total([spread(cell.percent) for cell in cells if cell is not None and cell.percent is not None])
            counts = [cell.n for cell in cells if cell is not None and cell.n is not None]
            if not percents[0] - SLACK <= 100 <= percents[1] + SLACK or sum(counts) == n:
                continue
            fits = all(
                cell.n in counts_of(spread(cell.percent), sum(counts))
                for cell in cells
                if cell is not None and cell.percent is not None and cell.n is not None
            )
            loc: Loc = ("baseline", members[0][0], "arms", arm, "n")
            arithmetic = f"{' + '.join(map(str, counts))} = {sum(counts)}, not {n}"
            if sum(counts) < n and fits:
                yield Found(
                    loc,
                    f"belongs to levels that add up to {sum(counts)} of {n} patients ({variable}, {arm}), and the percents are of {sum(counts)}; "
                    f"accepted: the {n - sum(counts)} without a value said in a note",
                    arithmetic,
                    "note",
                )
            else:
                yield Found(
                    loc,
                    f"belongs to levels that do not add up to the patients ({variable}, {arm}: {sum(counts)} against {n}); accepted: counts that add up to {n}",
                    arithmetic,
                )


def _columns(facts: Facts, index: int, row: Baseline) -> Iterator[Found]:
    everybody = row.arms.get(ALL)
    arms = [name for name in facts.whole_arms if name in facts.study.sets[row.set].n]
    if everybody is None or everybody.n is None or len(arms) < 2 or any(name not in row.arms for name in arms):
        return
    counts = [row.arms[name].n for name in arms]
    sizes, whole = [facts.size(row.set, name) for name in arms], facts.size(row.set, ALL)
    if any(count is None for count in counts) or None in sizes or sum(size or 0 for size in sizes) != whole:
        return
    added = sum(count or 0 for count in counts)
    if added != everybody.n:
        yield Found(
            ("baseline", index, "arms", ALL, "n"),
            f"is not the sum of its arms ({everybody.n}, sum {added}); accepted: {added}, or the right counts of the arms",
            f"{' + '.join(f'{count} ({name})' for count, name in zip(counts, arms, strict=True))} = {added}, not {everybody.n}",
        )


def mean_of_arms(facts: Facts) -> Iterator[Found]:
    """A mean of everybody that is not the weighted mean of the arms.

    With every patient measured, the mean of all is the mean of the arms weighted by their sizes. Outside what rounding
    allows but between the arms' means, some values are missing, and the paper should say how many: a note. Outside the
    arms' means it cannot be right.

    Cause: a wrong digit; missing values.
    What to do: look up the three means.
    """
    for index, row in enumerate(facts.study.baseline):
        everybody = row.arms.get(ALL)
        arms = [name for name in facts.whole_arms if name in row.arms]
        if everybody is None or everybody.mean is None or len(arms) < 2:
            continue
        means = [row.arms[name].mean for name in arms]
        sizes = [facts.size(row.set, name) for name in arms]
        if any(mean is None for mean in means) or any(size is None for size in sizes):
            continue
        ranges = [spread(mean) for mean in means if mean is not None]
        weights = [size or 0 for size in sizes]
        weighted = (
            sum(w * r[0] for w, r in zip(weights, ranges, strict=True)) / sum(weights),
            sum(w * r[1] for w, r in zip(weights, ranges, strict=True)) / sum(weights),
        )
        if gap(weighted, spread(everybody.mean)) == 0:
            continue
        between = (min(r[0] for r in ranges), max(r[1] for r in ranges))
        inside = gap(between, spread(everybody.mean)) == 0
        yield Found(
            ("baseline", index, "arms", ALL, "mean"),
            f"is not the weighted mean of its arms ({everybody.mean}, {' and '.join(str(m) for m in means)}); accepted: about "
            f"{sum(weighted) / 2:.{everybody.mean.decimals}f}, or the number with a value in each arm",
            f"({' + '.join(f'{w} x {m}' for w, m in zip(weights, means, strict=True))}) / {sum(weights)} = {sum(weighted) / 2:.{everybody.mean.decimals}f}",
            "note" if inside else None,
        )
