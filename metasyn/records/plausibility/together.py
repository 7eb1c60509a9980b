"""Records beside each other: one cohort under several names, a study far from the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import exp, sqrt

from metasyn.records.figures import Contrast
from metasyn.records.plausibility.facts import Estimate, date_range, estimate_of
from metasyn.records.plausibility.finding import Found
from metasyn.records.plausibility.ranges import quantile, shown
from metasyn.records.structure import ALL
from metasyn.records.study import Study
from metasyn.records.vocabulary import Vocabulary
from metasyn.strategy import parse_strategy

FAR = 3.0  # standard errors from what the others say


@dataclass(frozen=True, slots=True)
class Collection:
    """Every record of a project, and its words."""

    studies: Mapping[str, Study]
    vocabulary: Vocabulary | None


FoundIn = tuple[str, Found]  # study id, and what was found in it


def same_cohort(collection: Collection) -> Iterator[FoundIn]:
    """One cohort under several records.

    Two records are taken for one cohort where they share a registration number, the DOI or PMID of a report that is the
    study's own (not a secondary source), or two hazard ratios with their intervals to the last digit; and for overlapping
    cohorts where they have the same disease, line and country, enrolled at overlapping times, and share an author or the
    sizes of two arms. Records with a common tag in `cohorts`, a pooled analysis that names the other among its
    `components`, and records tied by `shared_control_with` are known to belong together and pass.

    Cause: one trial extracted twice, from an abstract and from the full report; two papers on one cohort.
    What to do: merge the two records into one study with several `reports`; or give both the same tag in `cohorts`, and
    they are never pooled as independent.
    """
    studies = list(collection.studies.items())
    owners: dict[str, list[str]] = defaultdict(list)
    for id, study in studies:
        for mark in _marks(study):
            owners[mark].append(id)
    told: set[tuple[str, str]] = set()
    for mark, ids in owners.items():
        for first, second in combinations(sorted(set(ids)), 2):
            if (first, second) in told or _tied(collection.studies[first], collection.studies[second]):
                continue
            kind = mark.split(" ", 1)[0]
            if (
                kind == "HR"
                and sum({first, second} <= set(others) for m, others in owners.items() if m.startswith("HR ")) < 2
            ):
                continue
            told.add((first, second))
            yield (
                second,
                Found(
                    ("registration",)
                    if kind == "registration"
                    else ("cohorts",)
                    if "cohorts" in collection.studies[second].model_fields_set
                    else ("id",),
                    f"is the cohort of {first} too ({mark}); accepted: one record for both, or a common tag in cohorts",
                    f"both have {mark}",
                ),
            )
    for (first, one), (second, two) in combinations(studies, 2):
        if (min(first, second), max(first, second)) not in told and not _tied(one, two):
            reason = _overlap(one, two)
            if reason:
                yield (
                    second,
                    Found(
                        ("design", "enrolment") if two.design.enrolment else ("id",),
                        f"may share patients with {first} ({reason}); accepted: a common tag in cohorts if it does, the reason under accepted if not",
                        reason,
                    ),
                )


def _marks(study: Study) -> list[str]:
    registration = study.registration
    numbers = registration if isinstance(registration, list) else [registration] if registration else []
    marks = [f"registration {number}" for number in numbers]
    for publication in study.reports.values():
        if (publication.seen or study.extraction.seen) != "secondary":
            marks += [f"DOI {publication.doi.lower()}"] if publication.doi else []
            marks += [f"PMID {publication.pmid}"] if publication.pmid else []
    for row in study.contrasts:
        if row.measure == "HR" and row.estimate is not None and row.ci is not None:
            marks.append(f"HR {row.outcome} {row.estimate} [{row.ci[0]}, {row.ci[1]}]")
    return list(dict.fromkeys(marks))


def _tied(one: Study, two: Study) -> bool:
    shared = any(
        row.shared_control_with == other.id for study, other in ((one, two), (two, one)) for row in study.contrasts
    )
    component = one.id in two.design.components or two.id in one.design.components
    return bool(set(one.cohorts) & set(two.cohorts)) or shared or component


def _overlap(one: Study, two: Study) -> str | None:
    same = (one.population.disease, one.population.line, one.design.country) == (
        two.population.disease,
        two.population.line,
        two.design.country,
    )
    if not same or one.design.country is None or one.design.enrolment is None or two.design.enrolment is None:
        return None
    if one.registration and two.registration:
        return None  # registered trials that have different numbers
    ends = [date_range(text) for study in (one, two) for text in study.design.enrolment or ()]
    if any(end is None for end in ends):
        return None
    (a, b, c, d) = (end for end in ends if end is not None)
    if a[0] > d[1] or c[0] > b[1]:
        return None
    authors = {a.casefold() for report in one.reports.values() for a in report.authors} & {
        a.casefold() for report in two.reports.values() for a in report.authors
    }
    sizes = _sizes(one) & _sizes(two)
    if authors:
        return f"same disease, line and country, overlapping enrolment, a common author: {', '.join(sorted(authors))}"
    if len(sizes) >= 2:
        return f"same disease, line and country, overlapping enrolment, arms of the same sizes: {', '.join(map(str, sorted(sizes)))}"
    return None


def _sizes(study: Study) -> set[int]:
    return {n for item in study.sets.values() for arm, n in item.n.items() if arm != ALL and n >= 20}


def outlying_study(collection: Collection) -> Iterator[FoundIn]:
    """A study that lies far from the others that ask the same.

    Records of one disease, line, biomarker stratum, outcome and added treatment (by class) are pooled without the study
    in question (DerSimonian and Laird 1986), from four studies on. A distance of more than three standard errors
    (of the study, of the pooled effect, and tau2 together) is a warning; the opposite direction, beyond 1.96 standard
    errors of a pooled effect that excludes 1, a note. One estimate per study is used, the first hazard ratio of its
    widest set.

    Cause: arms swapped, an inverted ratio, a wrong digit; or the study is different.
    What to do: look up its hazard ratio and which arm is the reference. If it stands, the report's sensitivity analyses
    show what it does.
    """
    groups: dict[tuple[object, ...], dict[str, tuple[Estimate, float]]] = defaultdict(dict)
    for id, study in collection.studies.items():
        if study.design.type == "pooled":
            continue
        for index, row in enumerate(study.contrasts):
            if (
                row.measure != "HR"
                or row.subgroup is not None
                or row.ci is None
                or row.exposure not in ("fixed", "landmark")
            ):
                continue
            question = _question(study, row, collection.vocabulary)
            estimate = estimate_of(("contrasts", index), row)
            if question is not None and estimate.effect is not None and estimate.se is not None and estimate.se[0] > 0:
                groups[question[0]].setdefault(id, (estimate, question[1]))
    for members in groups.values():
        if len(members) >= 4:
            for id in members:
                yield from _distance(id, members)


def _question(study: Study, row: Contrast, vocabulary: Vocabulary | None) -> tuple[tuple[object, ...], float] | None:
    """What a contrast asks, and the sign that turns it towards the arm that adds something."""
    arms = [study.arms[name] for name in (row.treatment, row.comparator)]
    if any(arm.subset_of is not None or arm.strategy is None for arm in arms):
        return None
    given = [_classes(arm.strategy or "", vocabulary) for arm in arms]
    more, less = given[0] - given[1], given[1] - given[0]
    if not more and not less:
        return None
    population = study.sets[row.set].population or study.population
    disease = population.disease or study.population.disease
    sides = tuple(sorted(more)), tuple(sorted(less))
    sign = 1.0 if len(more) > len(less) or (len(more) == len(less) and sides[0] <= sides[1]) else -1.0
    key = (
        disease,
        population.line or study.population.line,
        population.biomarker,
        row.outcome,
        sides if sign > 0 else sides[::-1],
    )
    return key, sign


def _classes(strategy: str, vocabulary: Vocabulary | None) -> frozenset[str]:
    """Treatments by their widest class, without the inert ones."""
    found = set()
    for treatment in parse_strategy(strategy).treatments():
        name = treatment.name
        words = vocabulary.treatments if vocabulary is not None else {}
        if name in words and words[name].inert:
            continue
        while name in words and words[name].class_ is not None:
            name = words[name].class_ or name
        found.add(name)
    return frozenset(found)


def _distance(id: str, members: dict[str, tuple[Estimate, float]]) -> Iterator[FoundIn]:
    effects = {other: sign * sum(e.effect or (0, 0)) / 2 for other, (e, sign) in members.items()}
    variances = {other: (sum(e.se or (0, 0)) / 2) ** 2 for other, (e, _) in members.items()}
    others = [other for other in members if other != id]
    weights = [1 / variances[other] for other in others]
    mean = sum(w * effects[o] for w, o in zip(weights, others, strict=True)) / sum(weights)
    q = sum(w * (effects[o] - mean) ** 2 for w, o in zip(weights, others, strict=True))
    spare = sum(weights) - sum(w * w for w in weights) / sum(weights)
    tau2 = max(0.0, (q - len(others) + 1) / spare)
    weights = [1 / (variances[other] + tau2) for other in others]
    mean = sum(w * effects[o] for w, o in zip(weights, others, strict=True)) / sum(weights)
    se = 1 / sqrt(sum(weights))
    distance = abs(effects[id] - mean) / sqrt(variances[id] + tau2 + se**2)
    opposite = effects[id] * mean < 0 and abs(mean) > quantile(0.95) * se and distance > quantile(0.95)
    if distance > FAR or opposite:
        estimate = members[id][0]
        yield (
            id,
            Found(
                (*estimate.loc, "estimate"),
                f"lies far from the {len(others)} other studies that ask the same ({estimate.row.estimate}{', turned round' if members[id][1] < 0 else ''}; the others "
                f"{exp(mean):.2f}); accepted: the direction and digits that the paper prints",
                f"without it: {exp(mean):.2f} (tau2 {tau2:.3f}); {shown(distance)} standard errors apart",
                "warning" if distance > FAR else "note",
            ),
        )
