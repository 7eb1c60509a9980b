"""P values beside the intervals they should go with."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from metasyn.errors import Severity
from metasyn.records.figures import Contrast
from metasyn.records.plausibility.facts import Estimate, Facts
from metasyn.records.plausibility.finding import Found
from metasyn.records.plausibility.ranges import Range, gap, quantile, shown, shown_range, two_sided, z_of_p

SAME_TEST = (0.02, 0.02)  # slack in z, absolute and relative: t and likelihood-ratio tests, profile intervals
UNSAID = (0.10, 0.08)
OTHER_TEST = (0.30, 0.15)  # a log-rank or stratified test beside a Cox interval
WORTH_A_NOTE = 0.1  # in z
OTHER_TESTS = frozenset({"log-rank", "stratified-log-rank", "wilcoxon", "gray", "score", "likelihood-ratio", "other"})


def z_range_of(estimate: Estimate) -> Range | None:
    """Statistics that the printed p allows, unsigned; a bound leaves one side open."""
    p = estimate.row.p
    if p is None or p.value is None:
        return None
    sides = int(estimate.row.p_sides) if isinstance(estimate.row, Contrast) else 2
    low, high = p.rounding()
    if not p.exact:
        low, high = (0.0, p.value) if p.relation in ("<", "<=") else (p.value, 1.0)
    low, high = max(low, 0.0), min(high, 1.0)
    if p.value == 0:
        low = 0.0
    return z_of_p(high, sides=sides) if sides == 2 or high < 0.5 else 0.0, z_of_p(low, sides=sides)


def p_value_from_ci(facts: Facts) -> Iterator[Found]:
    """A printed p that does not follow from the interval beside it.

    The interval gives the standard error (its width over twice the quantile of its level), estimate over standard
    error the statistic, and that the p (Altman and Bland, BMJ 2011;343:d2304). All four numbers are ranges of rounding.
    A small distance (above 0.1, or across the border of significance) is a note where the p is of another test than the
    interval (log-rank beside Wald) or of one that is unsaid, and nothing where the two are the same; a large one is a warning. The distance is measured in z: 0.02 and 2 percent for the
    same test, 0.1 and 8 percent where the test is unsaid, 0.3 and 15 percent for another test.

    Cause: a digit of p or of the interval is wrong; p is one-sided, or of another test, model or data cut.
    What to do: look up both. Set `p_test` and `p_sides` if the paper says them; else accept with that reason. metasyn
    never takes a standard error from a p of another test.
    """
    for estimate in facts.estimates:
        implied, printed = estimate.z, z_range_of(estimate)
        if implied is None or printed is None:
            continue
        distance = gap(implied, printed)
        if distance == 0:
            continue
        test = estimate.row.p_test
        absolute, relative = SAME_TEST if test == "wald" else (OTHER_TEST if test in OTHER_TESTS else UNSAID)
        farther = max(edge for edge in (*implied, *printed) if edge < inf)
        beyond = distance > absolute + relative * farther
        small = distance < WORTH_A_NOTE and not _across(implied, printed, estimate)
        if not beyond and (test == "wald" or small):
            continue
        severity: Severity = "warning" if beyond else "note"
        yield Found((*estimate.loc, "p"), *_p_words(estimate, implied, printed, beyond=beyond), severity)


def _across(implied: Range, printed: Range, estimate: Estimate) -> bool:
    """Whether interval and p lie on different sides of significance."""
    border = quantile(estimate.level)
    return implied[1] < border <= printed[0] or printed[1] < border <= implied[0]


def _p_words(estimate: Estimate, implied: Range, printed: Range, *, beyond: bool) -> tuple[str, str]:
    row = estimate.row
    by_interval = shown_range((two_sided(implied[1]), two_sided(implied[0])))
    low, high = row.ci or (None, None)
    test = f" of a {row.p_test} test" if row.p_test else ""
    advice = (
        "accepted: a p of the same test and model, or the reason under accepted"
        if beyond
        else "such a distance is usual between a log-rank or stratified test and a Wald interval"
    )
    one_sided = " one-sided" if isinstance(row, Contrast) and row.p_sides == "1" else ""
    hint = ""
    if beyond and not one_sided and row.p is not None and row.p.exact and row.p.value:
        halved = (z_of_p(row.p.rounding()[1], sides=1), z_of_p(max(row.p.rounding()[0], 1e-300), sides=1))
        if gap(halved, implied) == 0:
            hint = "; it fits as a one-sided p"
    return (
        f"does not follow from its interval ({row.p}{one_sided}{test} beside {row.estimate} [{low}, {high}]{hint}); {advice}",
        f"standard error {shown_range(estimate.se or (0, 0))}, z {shown_range(implied)}, two-sided p {by_interval}; the printed p has z "
        f"{shown_range(printed)}",
    )


def significance(facts: Facts) -> Iterator[Found]:
    """Significance claimed where the interval includes no effect, or denied where the interval excludes it.

    p is compared with one minus the level of the interval. Only figures whose rounding leaves no doubt on either side
    count. A p of another test than the interval's (log-rank beside a Cox interval) gets a note, since both can be
    right; the same test, or one unsaid, a warning.

    Cause: a digit of p or of a limit is wrong; p and interval are of different models (univariable, multivariable).
    What to do: look both up; say in a note which of them the conclusion rests on.
    """
    for estimate in facts.estimates:
        p, low, high = estimate.row.p, estimate.low, estimate.high
        if p is None or p.value is None or low is None or high is None:
            continue
        if isinstance(estimate.row, Contrast) and estimate.row.p_sides == "1":
            continue
        smallest, largest = p.rounding() if p.exact else _bound(p.relation, p.value)
        alpha = 1 - estimate.level
        includes, excludes = low[1] < 0 < high[0], low[0] > 0 or high[1] < 0
        claimed = includes and largest < alpha - 1e-9
        denied = excludes and smallest > alpha + 1e-9
        if claimed or denied:
            test = estimate.row.p_test
            ci = estimate.row.ci or (None, None)
            null = "1" if estimate.log else "0"
            what = (
                "is significant, but the interval includes"
                if claimed
                else "is not significant, but the interval excludes"
            )
            yield Found(
                (*estimate.loc, "p"),
                f"{what} {null} ({p} beside [{ci[0]}, {ci[1]}]); accepted: p and interval of one test, or the reason under accepted",
                f"{'p < ' if claimed else 'p > '}{shown(alpha)} and {ci[0]} {'<' if includes else 'to'} "
                f"{f'{null} < {ci[1]}' if includes else f'{ci[1]}, without {null}'}",
                "note" if test in OTHER_TESTS or (estimate.z is not None and _rounding_doubt(estimate)) else None,
            )


def _bound(relation: str, value: float) -> Range:
    return (0.0, value) if relation in ("<", "<=") else ((value, 1.0) if relation in (">", ">=") else (value, value))


def _rounding_doubt(estimate: Estimate) -> bool:
    """Whether p and the interval agree in z, so that only the convention at the border differs."""
    printed, implied = z_range_of(estimate), estimate.z
    return printed is not None and implied is not None and gap(printed, implied) < 0.05
