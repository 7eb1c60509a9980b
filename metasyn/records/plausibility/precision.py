"""How precise an estimate can be, given the patients and events it rests on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import exp, inf, sqrt

from metasyn.records.figures import Contrast, Prognostic
from metasyn.records.plausibility.facts import HAZARD_RATIOS, Estimate, Facts
from metasyn.records.plausibility.finding import Found
from metasyn.records.plausibility.ranges import quantile, shown, shown_range, spread
from metasyn.records.printed import Printed
from metasyn.records.structure import ALL
from metasyn.records.validation import Loc


def _groups(facts: Facts, estimate: Estimate) -> tuple[list[tuple[float, str]], str] | None:
    """The most events that each group of a comparison, or both together, can have had, and where that is from."""
    row = estimate.row
    if isinstance(row, Prognostic):
        return _covariate_groups(facts, row)
    bounds: list[tuple[float, str]] = []
    for arm in (row.treatment, row.comparator):
        events, patients = facts.events_of(row, arm), facts.patients_of(row, arm)
        if events is not None and (patients is None or events <= patients):
            bounds.append((events, f"{events} events in {arm}"))
        elif patients is not None:
            bounds.append((patients, f"at most {patients} events in {arm}"))
        else:
            bounds.append((inf, ""))
    together = row.events.get(ALL, _events_of_whole(facts, row))
    if together is not None and sum(bound for bound, _ in bounds) > together:
        return [(together, f"{together} events in all")], "all"
    if all(bound == inf for bound, _ in bounds):
        parent = facts.size(row.set, ALL) or max(facts.study.sets[row.set].n.values(), default=None)
        return ([(parent, f"at most {parent} events in the set")], "all") if parent else None
    return bounds, "arms"


def _events_of_whole(facts: Facts, row: Contrast) -> int | None:
    """Events of the arm that two parts divide, where the paper prints them for the whole arm."""
    parents = {facts.study.arms[arm].subset_of for arm in (row.treatment, row.comparator)}
    parent = parents.pop() if len(parents) == 1 else None
    if parent is None or row.subgroup is not None:
        return None
    n = facts.size(row.set, parent)
    counts = {
        survival.events
        for survival in facts.study.survival
        if survival.events is not None
        and (survival.outcome, survival.arm, survival.subgroup, survival.cutoff)
        == (row.outcome, parent, None, row.cutoff)
        and (survival.set == row.set or (n is not None and facts.size(survival.set, parent) == n))
    }
    return max(counts, default=None)


def _covariate_groups(facts: Facts, row: Prognostic) -> tuple[list[tuple[float, str]], str] | None:
    """Patients with and without a level, where the baseline table prints them; else everybody of the set."""
    if row.level is None or row.reference is None or row.per is not None:
        return None  # a continuous covariate has no such bound
    arm = row.within_arm or ALL
    everybody = facts.size(row.set, arm)
    wanted = {_plain(row.covariate), _plain(row.level)}
    for table_row in facts.study.baseline:
        words = {_plain(table_row.variable), _plain(table_row.level or "")}
        if table_row.set != row.set or words != wanted or everybody is None:
            continue
        cell = table_row.arms.get(arm)
        counts = (
            [cell.n] if cell is not None else [table_row.arms[a].n for a in facts.whole_arms if a in table_row.arms]
        )
        if counts and all(count is not None for count in counts):
            having = sum(count for count in counts if count is not None)
            if 0 < having < everybody:
                rest = everybody - having
                return [(having, f"at most {having} events with it"), (rest, f"at most {rest} without")], "arms"
    return ([(everybody, f"at most {everybody} events in the set")], "all") if everybody else None


def _plain(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum() or character in "<>=≥≤")


def _least_se(bounds: list[tuple[float, str]], kind: str) -> float:
    return 2 / sqrt(bounds[0][0]) if kind == "all" else sqrt(sum(1 / bound for bound, _ in bounds if bound > 0))


def impossible_precision(facts: Facts) -> Iterator[Found]:
    """An interval that is narrower than its patients or events allow.

    The information of a Cox model about a group is at most d1 d2 / (d1 + d2) where d1 and d2 events fell in the two
    groups (at the estimate the expected numbers equal the observed ones, Cox 1972; the Cauchy-Schwarz inequality gives
    the bound). So the standard error of a log hazard ratio is at least sqrt(1/d1 + 1/d2), and 2/sqrt(d) where only the
    total is known. Adjustment and stratification cannot beat it. Where events are not printed, every patient is taken
    to have had one: a bound that no paper can undercut. For rates and percents the bound is the binomial one,
    sqrt(S(1-S)/n), with a fifth of leeway for the scale of the interval.

    Cause: a digit of a limit is wrong; the interval has another level; the estimate rests on more patients than the set
    has; it is a log-rank (observed over expected) interval, which can be a little narrower; or the paper is wrong.
    What to do: look up the interval, the level and the numbers of patients. Weighted analyses get a note only.
    """
    for estimate in facts.estimates:
        row, se = estimate.row, estimate.se
        if row.measure not in HAZARD_RATIOS or se is None:
            continue
        known = _groups(facts, estimate)
        if known is None:
            continue
        bounds, kind = known
        least = _least_se(bounds, kind)
        if se[1] >= least * (1 - 1e-6):
            continue
        weighted = row.model is not None and row.model.kind == "weighted"
        if isinstance(row, Contrast) and facts.study.sets[row.set].method in ("iptw", "smrw", "overlap-weighting"):
            weighted = True
        ci = row.ci or (None, None)
        said = " and ".join(text for _, text in bounds if text)
        yield Found(
            (*estimate.loc, "ci"),
            f"is narrower than its patients allow ([{ci[0]}, {ci[1]}], {said}); accepted: a standard error of at least {shown(least)}",
            f"standard error {shown_range(se)}; least possible {'2/sqrt(d)' if kind == 'all' else 'sqrt(1/d1 + 1/d2)'} = {shown(least)}; "
            f"{shown(4 / se[1] ** 2)} events would be needed even with equal groups",
            "note" if weighted else None,
        )
    yield from _binomial_precision(facts)


def _binomial_precision(facts: Facts) -> Iterator[Found]:
    for index, row in enumerate(facts.study.survival):
        n = row.n if row.n is not None else (facts.size(row.set, row.arm) if row.subgroup is None else None)
        for position, rate in enumerate(row.rates):
            if n and rate.ci is not None and rate.percent.exact:
                yield from _too_narrow(
                    ("survival", index, "rates", position, "ci"), rate.percent, rate.ci, n, row.level
                )
    for index, response in enumerate(facts.study.responses):
        n = (
            response.n
            if response.n is not None
            else (facts.size(response.set, response.arm) if response.subgroup is None else None)
        )
        if n and response.ci is not None and response.percent is not None and response.percent.exact:
            yield from _too_narrow(("responses", index, "ci"), response.percent, response.ci, n, response.level)


def _too_narrow(loc: Loc, percent: Printed, ci: tuple[Printed, Printed], n: int, level: float) -> Iterator[Found]:
    low, high = ci
    if not (low.exact and high.exact) or low.value is None or high.value is None or percent.value is None:
        return
    if not 0 < low.value < high.value < 100 or not 0 < percent.value < 100:
        return
    width = spread(high)[1] - spread(low)[0]
    share = percent.value / 100
    least = 2 * quantile(level) * sqrt(share * (1 - share) / n) * 100
    if width < 0.8 * least:
        implied = share * (1 - share) * (2 * quantile(level) * 100 / width) ** 2
        yield Found(
            loc,
            f"is narrower than {n} patients allow ({percent} [{low}, {high}]); accepted: a width of about {shown(least)} or more",
            f"width {shown(width)}; binomial with n = {n}: {shown(least)}; it would need {implied:.0f} patients",
        )


def implied_events(facts: Facts) -> Iterator[Found]:
    """An unadjusted estimate whose interval implies far fewer events than are printed.

    Without adjustment the variance of a log hazard ratio is close to 1/d1 + 1/d2. A variance more than two and a half times as large means that the estimate rests on other
    patients than the events do.

    Cause: events or interval are of another set, cut or outcome; a digit of a limit is wrong.
    What to do: look up where each of them stands. If the paper prints them so, accept with that reason.
    """
    for estimate in facts.estimates:
        row, se = estimate.row, estimate.se
        if not isinstance(row, Contrast) or row.measure not in HAZARD_RATIOS or se is None or se[0] <= 0:
            continue
        if row.model is None or row.model.kind != "univariable" or row.exposure == "time-dependent":
            continue
        counts = [facts.events_of(row, arm) for arm in (row.treatment, row.comparator)]
        if any(count is None or count == 0 for count in counts):
            continue
        usual = sqrt(sum(1 / count for count in counts if count))
        if se[0] ** 2 > 2.5 * usual**2 and min(count for count in counts if count) >= 5:
            ci = row.ci or (None, None)
            yield Found(
                (*estimate.loc, "ci"),
                f"is wider than its events say ([{ci[0]}, {ci[1]}], {counts[0]} and {counts[1]} events); accepted: events and interval "
                "of the same patients",
                f"standard error {shown_range(se)}; {counts[0]} and {counts[1]} events give about {shown(usual)}; the interval holds the "
                f"information of {shown(4 / se[0] ** 2)} evenly split events",
            )


def adjusted_information(facts: Facts) -> Iterator[Found]:
    """An adjusted estimate that carries a fraction of the crude one's information.

    Information is one over the squared standard error. Adjustment in a Cox model costs some of it (the share is one over
    the variance inflation factor); less than two fifths means that most patients were lost, to missing covariates or to
    a matching that is not named, or that a covariate all but determines the treatment. Half as much again as the crude
    estimate has is a warning too: adjustment does not add events.

    Cause: complete-case analysis; a covariate that follows from the treatment (cycles, doses); a wrong digit.
    What to do: look for the number of patients in the adjusted model. If it is not printed, say so in a note, and do not
    read the adjusted estimate as one of the whole cohort.
    """
    families: dict[tuple[object, ...], list[Estimate]] = defaultdict(list)
    for estimate in facts.estimates:
        row = estimate.row
        if row.measure not in HAZARD_RATIOS or row.model is None or estimate.se is None or estimate.se[0] <= 0:
            continue
        if isinstance(row, Contrast):
            subgroup = (row.subgroup.factor, row.subgroup.level) if row.subgroup else None
            key: tuple[object, ...] = (
                row.outcome,
                row.treatment,
                row.comparator,
                row.set,
                subgroup,
                row.cutoff,
                row.measure,
            )
        else:
            key = (row.outcome, row.covariate, row.level, row.reference, row.per, row.within_arm, row.set)
        families[key].append(estimate)
    for members in families.values():
        crude = next((e for e in members if e.row.model is not None and e.row.model.kind == "univariable"), None)
        for estimate in members:
            model = estimate.row.model
            if crude is None or model is None or model.kind not in ("multivariable", "time-dependent"):
                continue
            crude_se, se = crude.se or (0.0, 0.0), estimate.se or (0.0, 0.0)
            share = (crude_se[1] / se[0]) ** 2, (crude_se[0] / se[1]) ** 2  # most and least that rounding allows
            if share[0] < 0.4 or share[1] > 1.5:
                ci, crude_ci = estimate.row.ci or (None, None), crude.row.ci or (None, None)
                what = "a fraction of" if share[0] < 0.4 else "more than"
                yield Found(
                    (*estimate.loc, "ci"),
                    f"carries {what} the crude estimate's information ([{ci[0]}, {ci[1]}], crude [{crude_ci[0]}, {crude_ci[1]}]); "
                    "accepted: an adjusted model of the same patients",
                    f"standard errors {shown_range(se)} and {shown_range(crude_se)}: {share[1]:.0%} to {share[0]:.0%} of the information"
                    if share[1] != share[0]
                    else f"{share[0]:.0%} of the information",
                )


def estimates_disagree(facts: Facts) -> Iterator[Found]:
    """Two estimates of one comparison that cannot both hold.

    Estimates of one outcome and the same two arms (other models, sets, cuts) share most of their patients, so they lie
    closer than independent ones would. A distance of more than three standard errors of an independent difference, or
    opposite directions that each exclude no effect, is a warning.

    Cause: a wrong digit, arms swapped in one of them, or an analysis that answers another question.
    What to do: look both up; if they stand, say in a note why they differ, and let the report's `prefer` choose.
    """
    families: dict[tuple[object, ...], list[Estimate]] = defaultdict(list)
    for estimate in facts.estimates:
        row = estimate.row
        if (
            isinstance(row, Contrast)
            and row.subgroup is None
            and estimate.effect is not None
            and estimate.se is not None
        ):
            families[(row.outcome, frozenset((row.treatment, row.comparator)), row.measure, row.adverse_event)].append(
                estimate
            )
    for members in families.values():
        for position, second in enumerate(members):
            for first in members[:position]:
                yield from _apart(first, second)


def _apart(first: Estimate, second: Estimate) -> Iterator[Found]:
    if first.effect is None or second.effect is None or first.se is None or second.se is None:
        return
    flip = -1 if first.row.treatment != second.row.treatment else 1  # type: ignore[union-attr]
    one, two = (sum(e) / 2 for e in (first.effect, second.effect))
    two *= flip
    se = sqrt((sum(first.se) / 2) ** 2 + (sum(second.se) / 2) ** 2)
    opposite = one * two < 0 and abs(one) > 1.96 * max(first.se) and abs(two) > 1.96 * max(second.se)
    if se < inf and (abs(one - two) > 3 * se or opposite):
        scale = exp if first.log else float
        yield Found(
            (*second.loc, "estimate"),
            f"disagrees with another estimate of the same comparison ({second.row.estimate} in set {second.row.set}, {first.row.estimate} "
            f"in set {first.row.set}); accepted: estimates that differ by chance or for a reason",
            f"{shown(scale(one))} and {shown(scale(two))}{' (turned round)' if flip < 0 else ''}: {shown(abs(one - two) / se)} standard "
            "errors apart, as if independent",
        )


def contrast_direction(facts: Facts) -> Iterator[Found]:
    """One comparison given in both directions.

    A record that compares a with b in some rows and b with a in others most likely has treatment and comparator swapped
    in the fewer ones: a hazard ratio then means its inverse.

    Cause: treatment and comparator swapped.
    What to do: look up which arm is the reference. Where a paper does turn round, accept the finding with that reason.
    """
    directions: dict[frozenset[str], dict[tuple[str, str], list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, row in enumerate(facts.study.contrasts):
        directions[frozenset((row.treatment, row.comparator))][(row.treatment, row.comparator)].append(index)
    for ways in directions.values():
        if len(ways) == 2:
            usual, other = sorted(ways, key=lambda way: (-len(ways[way]), ways[way][0]))
            for index in ways[other]:
                yield Found(
                    ("contrasts", index, "treatment"),
                    f"is the other way round than in {len(ways[usual])} other {'row' if len(ways[usual]) == 1 else 'rows'} ({other[0]} against {other[1]}); "
                    f"accepted: treatment {usual[0]}, comparator {usual[1]}, unless the paper turns round",
                )
