"""P values and standardised differences of tables, computed again from the counts and means beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from math import comb, prod, sqrt

from metasyn.records.figures import AdverseEvent, Baseline, BaselineCell, Response
from metasyn.records.plausibility.facts import Facts
from metasyn.records.plausibility.finding import Found
from metasyn.records.plausibility.ranges import Range, gap, shown, shown_range, spread, z_of_p
from metasyn.records.printed import Printed
from metasyn.records.validation import Loc

TIE = 10**7  # tables whose probabilities differ by less than one part in this are as likely
MOST_TABLES = 300_000
EXACT = 20_000  # patients: beyond, Fisher's test is chi-square's and its whole numbers are long
Table = list[list[int]]  # one row per level, one column per arm


def chi_square_p(table: Sequence[Sequence[int]], *, corrected: bool = False) -> float | None:
    """Pearson's chi-square test; with Yates's continuity correction for a table of two by two."""
    from scipy.special import chdtrc  # heavy, and only where a table has a p value

    rows, columns = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    everybody = sum(rows)
    if min(rows) == 0 or min(columns) == 0:
        return None
    statistic = 0.0
    for i, j in product(range(len(rows)), range(len(columns))):
        expected = rows[i] * columns[j] / everybody
        distance = abs(table[i][j] - expected)
        statistic += (max(0.0, distance - 0.5) if corrected else distance) ** 2 / expected
    return float(chdtrc((len(rows) - 1) * (len(columns) - 1), statistic))


def fisher_p(table: Sequence[Sequence[int]]) -> float:
    """Fisher's exact test of a two by two table: the probability of all tables no likelier than this one."""
    (a, b), (c, d) = table
    treated, having, everybody = a + c, a + b, a + b + c + d
    low, high = max(0, having - (everybody - treated)), min(having, treated)
    ways = [comb(treated, x) * comb(everybody - treated, having - x) for x in range(low, high + 1)]
    here = ways[a - low]
    return sum(w for w in ways if w * TIE <= here * (TIE + 1)) / sum(ways)


def freeman_halton_p(table: Sequence[Sequence[int]]) -> float | None:
    """The exact test of a table of several rows and two columns (Freeman and Halton 1951); None beyond MOST_TABLES.

    Every table with the same margins is listed row by row; those no likelier than this one are added up.
    """
    import numpy as np  # heavy, and only for such tables

    rows = sorted((sum(row), row[0]) for row in table)
    if prod(n + 1 for n, _ in rows[:-1]) > MOST_TABLES:
        return None
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, sum(n for n, _ in rows) + 1)))])

    def log_ways(n: int, k: np.ndarray) -> np.ndarray:
        return np.asarray(log_factorial[n] - log_factorial[k] - log_factorial[n - k])

    treated = sum(k for _, k in rows)
    used, weight = np.zeros(1, dtype=int), np.zeros(1)
    for n, _ in rows[:-1]:
        counts = np.arange(n + 1)
        used = (used[:, None] + counts[None, :]).ravel()
        weight = (weight[:, None] + log_ways(n, counts)[None, :]).ravel()
        weight, used = weight[used <= treated], used[used <= treated]
    last = treated - used
    fits = last <= rows[-1][0]
    weight = weight[fits] + log_ways(rows[-1][0], last[fits])
    here = sum(float(log_ways(n, np.array([k]))[0]) for n, k in rows)
    relative = np.exp(weight - weight.max())
    return float(relative[weight <= here + 1e-7].sum() / relative.sum())


def _by_tests(table: Table, test: str | None) -> dict[str, float]:
    """P values by the tests that may have been used; none where the named test cannot be computed here."""
    two_by_two = len(table) == 2 and len(table[0]) == 2
    found: dict[str, float | None] = {}
    if test in (None, "chi-square", "other"):
        found["chi-square"] = chi_square_p(table)
        if two_by_two:
            found["chi-square with continuity correction"] = chi_square_p(table, corrected=True)
    if two_by_two and test in (None, "fisher", "other") and sum(map(sum, table)) <= EXACT:
        found["Fisher"] = fisher_p(table)
    elif len(table[0]) == 2 and test in ("fisher", "other"):
        found["Fisher-Freeman-Halton"] = freeman_halton_p(table)
    return {name: p for name, p in found.items() if p is not None}


def _reproduces(p: Printed, values: Sequence[float]) -> bool:
    low, high = (
        p.rounding() if p.exact else ((0.0, p.value or 0.0) if p.relation in ("<", "<=") else (p.value or 0.0, 1.0))
    )
    # 0.99 and more is often cut to >0.99 or 1.00, and halves of the last digit are rounded either way
    return any(low - 1e-9 <= value <= high + 1e-9 for value in values) or (
        low >= 0.985 and any(v >= 0.985 for v in values)
    )


def count_p_value(facts: Facts) -> Iterator[Found]:
    """A p value of a table of counts that no usual test reproduces.

    For baseline rows, responses and adverse events with the counts of both arms: Pearson's chi-square, the same with
    continuity correction, and Fisher's exact test (Freeman and Halton's for several levels), or the one that `p_test` names. For a variable of several
    levels the whole table and each level against the rest are tried. A p that none of them gives is a warning; where the
    nearest is on the same side of 0.05 and within 0.02 it is a note, since missing values and mid-p variants do that.

    Cause: a wrong digit in p or in a count; another test; patients with missing values.
    What to do: look up counts, p and test.
    """
    groups: dict[tuple[str, str], list[tuple[int, Baseline]]] = defaultdict(list)
    for index, row in enumerate(facts.study.baseline):
        groups[(row.variable, row.set)].append((index, row))
    for members in groups.values():
        for index, row in members:
            if row.p is not None and row.p.value is not None:
                yield from _judge(
                    ("baseline", index, "p"), row.p, row.p_test, _baseline_tables(facts, row, [m for _, m in members])
                )
    for index, contrast in enumerate(facts.study.contrasts):
        if (
            contrast.p is None
            or contrast.estimate is not None
            or contrast.subgroup is not None
            or contrast.p.value is None
        ):
            continue
        arms = (contrast.treatment, contrast.comparator)
        tables = _count_tables(facts, contrast.outcome, contrast.adverse_event, contrast.set, arms)
        if tables:
            yield from _judge(("contrasts", index, "p"), contrast.p, contrast.p_test, tables)


def _judge(loc: Loc, p: Printed, test: str | None, tables: list[Table]) -> Iterator[Found]:
    values: dict[str, float] = {}
    if test == "fisher" and tables and len(tables[0]) > 2 and not _by_tests(tables[0], test):
        return  # of the whole variable, whose exact test is out of reach here
    for table in tables:
        for name, value in _by_tests(table, test).items():
            values.setdefault(f"{name} of {' and '.join('/'.join(map(str, row)) for row in table)}", value)
    if not values or _reproduces(p, list(values.values())):
        return
    printed = p.value or 0.0
    nearest = min(values.items(), key=lambda item: abs(item[1] - printed))
    mild = abs(nearest[1] - printed) <= 0.02 and (nearest[1] < 0.05) == (printed < 0.05)
    yield Found(
        loc,
        f"is not the p of its counts ({p}{f' by {test}' if test else ''}); accepted: {nearest[1]:.3f}, or the test and counts that give {p}",
        "; ".join(f"{name}: {value:.4f}" for name, value in list(values.items())[:6]),
        "note" if mild else None,
    )


def _baseline_tables(facts: Facts, row: Baseline, variable: list[Baseline]) -> list[Table]:
    """The whole variable, and this level against the rest."""
    arms = [name for name in facts.whole_arms if name in row.arms] or [name for name in row.arms if name != "all"]
    if len(arms) < 2:
        return []
    tables: list[Table] = []
    levels = [
        other for other in variable if all(name in other.arms and other.arms[name].n is not None for name in arms)
    ]
    counts = [[other.arms[name].n or 0 for name in arms] for other in levels]
    complete = len(levels) == len(variable) >= 2
    if complete:
        tables.append([level for level in counts if any(level)])
    if row in levels:
        own = [row.arms[name].n or 0 for name in arms]
        wholes = [[facts.size(row.set, name) for name in arms]]
        if complete:
            wholes.append([sum(column) for column in zip(*counts, strict=True)])
        for whole in wholes:
            rest = [(n if n is not None else -1) - k for n, k in zip(whole, own, strict=True)]
            if min(rest) >= 0:
                tables.append([own, rest])
    return [table for table in tables if len(table) >= 2]


def _count_tables(facts: Facts, outcome: str, term: str | None, set_name: str, arms: tuple[str, str]) -> list[Table]:
    """Tables of every adverse-event or response row that both arms have and that the comparison may be of."""
    rows: list[AdverseEvent | Response] = []
    if term is not None:
        rows += [row for row in facts.study.adverse_events if row.term == term]
    else:
        rows += [row for row in facts.study.responses if row.category == outcome]
    cells: dict[tuple[object, ...], dict[str, tuple[int, int]]] = defaultdict(dict)
    for row in rows:
        n = row.n if row.n is not None else row.__dict__.get("denominator") or facts.size(row.set, row.arm)
        if row.set != set_name or row.arm not in arms or row.events is None or not n or row.events > n:
            continue
        if isinstance(row, AdverseEvent):
            key: tuple[object, ...] = (row.attribution, str(row.grades), row.term_as_printed)
        else:
            key = (row.assessment, row.cutoff, row.assessor)
        cells[key][row.arm] = (row.events, n - row.events)
    return [
        [[cell[arms[0]][0], cell[arms[1]][0]], [cell[arms[0]][1], cell[arms[1]][1]]]
        for cell in cells.values()
        if len(cell) == 2
    ]


def _moments(cell: BaselineCell) -> tuple[Range, Range] | None:
    if cell.mean is None or cell.sd is None:
        return None
    low, high = spread(cell.sd)
    return spread(cell.mean), (max(low, 0.0), high)


def mean_p_value(facts: Facts) -> Iterator[Found]:
    """A p value of two means that a t-test on the printed means and standard deviations does not give.

    Student's and Welch's t over the rounding of means and standard deviations. Where `p_test` says t-test, a p outside is
    a warning; where the test is unsaid the comparison is made in z, and only a distance above 1.5 counts, since a rank
    test on skewed values can differ much.

    Cause: a wrong digit; another test; patients with missing values.
    What to do: look up means, standard deviations, p and test.
    """
    from scipy.special import stdtr  # heavy, and only where a table has a p value

    for index, row in enumerate(facts.study.baseline):
        arms = [name for name in facts.whole_arms if name in row.arms]
        if row.p is None or row.p.value is None or len(arms) != 2 or row.p_test not in (None, "t-test", "other"):
            continue
        moments, sizes = [_moments(row.arms[name]) for name in arms], [facts.size(row.set, name) for name in arms]
        if moments[0] is None or moments[1] is None or not all(n and n > 1 for n in sizes):
            continue
        n1, n2 = (float(n) for n in sizes if n)
        values = []
        for m1, m2, s1, s2 in product(moments[0][0], moments[1][0], moments[0][1], moments[1][1]):
            welch = s1**2 / n1 + s2**2 / n2
            pooled = ((n1 - 1) * s1**2 + (n2 - 1) * s2**2) / (n1 + n2 - 2) * (1 / n1 + 1 / n2)
            if min(s1, s2) > 0:
                df = welch**2 / ((s1**2 / n1) ** 2 / (n1 - 1) + (s2**2 / n2) ** 2 / (n2 - 1))
                values += [
                    2 * float(stdtr(df, -abs(m1 - m2) / sqrt(welch))),
                    2 * float(stdtr(n1 + n2 - 2, -abs(m1 - m2) / sqrt(pooled))),
                ]
        overlapping = moments[0][0][0] <= moments[1][0][1] and moments[1][0][0] <= moments[0][0][1]
        if not values:
            continue
        by_t = (min(values), 1.0 if overlapping else max(values))
        low, high = (
            row.p.rounding()
            if row.p.exact
            else ((0.0, row.p.value) if row.p.relation in ("<", "<=") else (row.p.value, 1.0))
        )
        if gap(by_t, (low, high)) == 0 or (low >= 0.985 and by_t[1] >= 0.985):
            continue
        z_distance = gap(
            (z_of_p(min(by_t[1], 1.0)), z_of_p(by_t[0])), (z_of_p(min(high, 1.0)), z_of_p(max(low, 1e-12)))
        )
        if row.p_test == "t-test" or z_distance > 1.5:
            cells = " and ".join(
                f"{row.arms[name].mean} (SD {row.arms[name].sd}, n {n})" for name, n in zip(arms, sizes, strict=True)
            )
            yield Found(
                ("baseline", index, "p"),
                f"is not the p of its means ({row.p} for {cells}); accepted: {shown_range(by_t)} by a t-test, or the test that gives {row.p}",
                f"t-test {shown_range(by_t)}, z {shown(z_of_p(by_t[1]))}; printed {row.p}",
            )


def standardised_difference(facts: Facts) -> Iterator[Found]:
    """A standardised mean difference that its means or proportions do not give.

    Means: the difference over sqrt((s1^2 + s2^2) / 2), over the pooled, or over the first arm's standard deviation.
    Proportions: the same with p(1-p) (Austin 2009, Statistics in Medicine 28:3083-107). Rounding of every cell is carried,
    the sign is ignored. Weighted sets are passed over: their cells are weighted in ways the table does not show. For a
    variable of several levels the difference may be of the whole variable, so only rows with a difference of their own
    at two levels are compared.

    Cause: a wrong digit; another formula; a difference of the set before matching.
    What to do: look up the row; accept what the paper prints.
    """
    for index, row in enumerate(facts.study.baseline):
        method = facts.study.sets[row.set].method
        arms = [name for name in facts.whole_arms if name in row.arms]
        if (
            row.smd is None
            or row.smd.value is None
            or len(arms) != 2
            or method in ("iptw", "smrw", "overlap-weighting", "entropy-balancing")
        ):
            continue
        cells = [row.arms[name] for name in arms]
        values = _standardised(cells, [facts.size(row.set, name) for name in arms])
        same_variable = sum(other.variable == row.variable and other.set == row.set for other in facts.study.baseline)
        if values is None or (cells[0].mean is None and same_variable > 2):
            continue
        low, high = (
            row.smd.rounding()
            if row.smd.exact
            else ((0.0, row.smd.value) if row.smd.relation in ("<", "<=") else (row.smd.value, 9.0))
        )
        printed = (min(abs(low), abs(high)) if low * high > 0 else 0.0, max(abs(low), abs(high)))
        if gap(values, printed) > 0:
            yield Found(
                ("baseline", index, "smd"),
                f"is not the standardised difference of its cells ({row.smd}); accepted: {shown_range(values)}",
                f"over the rounding of the cells and the usual denominators: {shown_range(values)}; printed {row.smd}",
            )


def _standardised(cells: list[BaselineCell], sizes: list[int | None]) -> Range | None:
    moments = [_moments(cell) for cell in cells]
    if moments[0] is not None and moments[1] is not None:
        values, crossing = [], False
        (m1s, s1s), (m2s, s2s) = moments[0], moments[1]
        crossing = m1s[0] <= m2s[1] and m2s[0] <= m1s[1]
        weights = [float(n or 2) for n in sizes]
        for m1, m2, s1, s2 in product(m1s, m2s, s1s, s2s):
            pooled = ((weights[0] - 1) * s1**2 + (weights[1] - 1) * s2**2) / max(sum(weights) - 2, 1)
            values += [abs(m1 - m2) / sqrt(v) for v in ((s1**2 + s2**2) / 2, pooled, s1**2, s2**2) if v > 0]
        return (0.0 if crossing else min(values), max(values)) if values else None
    shares: list[Range] = []
    for cell, n in zip(cells, sizes, strict=True):
        if cell.n is not None and (cell.of or n):
            share = cell.n / (cell.of or n or 1)
            shares.append((share, share))
        elif cell.percent is not None:
            low, high = spread(cell.percent)
            shares.append((max(low, 0.0) / 100, min(high, 100.0) / 100))
        else:
            return None
    values = []
    for p1, p2 in product(*shares):
        for v in ((p1 * (1 - p1) + p2 * (1 - p2)) / 2, p1 * (1 - p1), p2 * (1 - p2)):
            if v > 0:
                values.append(abs(p1 - p2) / sqrt(v))
    crossing = shares[0][0] <= shares[1][1] and shares[1][0] <= shares[0][1]
    return (0.0 if crossing else min(values), max(values)) if values else None


__all__ = ["chi_square_p", "count_p_value", "fisher_p", "mean_p_value", "standardised_difference"]
