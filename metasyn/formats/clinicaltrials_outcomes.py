"""Outcome measures of ClinicalTrials.gov: medians, rates, counts, and analyses of two groups."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from metasyn.formats.contrast_columns import complaint
from metasyn.formats.draft import Builder
from metasyn.formats.json_access import listed, text_at
from metasyn.records.printed import NOT_REACHED

UNITS = {"day": "days", "week": "weeks", "month": "months", "year": "years"}
MEASURES = (
    (re.compile(r"hazard ratio|cox proportional hazard", re.IGNORECASE), "HR"),
    (re.compile(r"odds ratio", re.IGNORECASE), "OR"),
    (re.compile(r"(risk|relative risk) ?(ratio|\(rr\))|relative risk", re.IGNORECASE), "RR"),
    (re.compile(r"risk difference", re.IGNORECASE), "RD"),
    (re.compile(r"rate ratio", re.IGNORECASE), "IRR"),
    (re.compile(r"mean difference", re.IGNORECASE), "MD"),
    (re.compile(r"median difference", re.IGNORECASE), "median-difference"),
)
TESTS = (
    (re.compile(r"stratified log.?rank", re.IGNORECASE), "stratified-log-rank"),
    (re.compile(r"log.?rank", re.IGNORECASE), "log-rank"),
    (re.compile(r"fisher", re.IGNORECASE), "fisher"),
    (re.compile(r"^chi.?squared?$", re.IGNORECASE), "chi-square"),
    (re.compile(r"mann.?whitney", re.IGNORECASE), "mann-whitney"),
    (re.compile(r"^t-test", re.IGNORECASE), "t-test"),
)
NOT_YET = re.compile(
    r"not (been |yet )?reached|not (been )?(estimable|evaluable|calculable)|could not be (estimated|calculated)|^N[ER]\b",
    re.IGNORECASE,
)
INTERVAL = re.compile(r"(\d+(?:\.\d+)?)\s*%?\s*confidence interval", re.IGNORECASE)
TIME_POINT = re.compile(
    r"(?:at |month |year |week )?(?P<at>\d+(?:\.\d+)?)[ -]*(?P<unit>day|week|month|year)s?", re.IGNORECASE
)
PEOPLE = re.compile(r"^participants?$", re.IGNORECASE)
PERCENT = re.compile(r"percent(age)?( of participants)?|^%|proportion of participants \(%\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Measure:
    """An outcome measure with its groups as arms."""

    title: str
    word: str
    arms: dict[str | None, str]
    sizes: dict[str | None, str]  # group to its participants
    kind: str  # paramType
    unit: str
    dispersion: str
    common: dict[str, Any]  # set, source, note


def add_outcome(builder: Builder, measure: Any, place: str) -> None:
    """An outcome measure's figures to rows; what is not understood to the builder's notes."""
    title = text_at(measure, "title") or "an outcome without a title"
    if (text_at(measure, "reportingStatus") or "POSTED") != "POSTED":
        return
    arms = {
        text_at(group, "id"): builder.arm(text_at(group, "title") or "unnamed group")
        for group in listed(measure, "groups")
    }
    remarks = [text_at(measure, "timeFrame"), text_at(measure, "populationDescription")]
    one = Measure(
        title=title,
        word=builder.facts.word(title),
        arms=arms,
        sizes=_sizes(listed(measure, "denoms")),
        kind=text_at(measure, "paramType") or "",
        unit=text_at(measure, "unitOfMeasure") or "",
        dispersion=text_at(measure, "dispersionType") or "",
        common={
            "set": next(iter(builder.sets)) if builder.sets else builder.analysis_set(),
            "source": f"{place}, {(text_at(measure, 'type') or 'outcome').lower()}: {title}",
            "note": "; ".join(remark for remark in remarks if remark) or None,
        },
    )
    _measurements(builder, one, listed(measure, "classes"))
    for number, analysis in enumerate(listed(measure, "analyses"), 1):
        _analysis(builder, one, analysis, number)


def _sizes(denoms: list[Any]) -> dict[str | None, str]:
    for entry in denoms:
        if PEOPLE.match(text_at(entry, "units") or ""):
            return {text_at(count, "groupId"): text_at(count, "value") or "" for count in listed(entry, "counts")}
    return {}


def _measurements(builder: Builder, one: Measure, classes: list[Any]) -> None:
    """Values per group; a table of several categories or classes is read only where each class is a time."""
    unread = 0
    for entry in classes:
        categories = listed(entry, "categories")
        title = text_at(entry, "title")
        if len(categories) != 1 or (len(classes) > 1 and not (title and TIME_POINT.fullmatch(title))):
            unread += 1
            continue
        sizes = _sizes(listed(entry, "denoms")) or one.sizes
        for value in listed(categories[0], "measurements"):
            arm = one.arms.get(text_at(value, "groupId"))
            if arm is None or not _value(builder, one, arm, value, sizes.get(text_at(value, "groupId")), title):
                unread += 1
    if unread:
        form = f"{one.kind or 'no kind'}, {one.unit or 'no unit'}; {one.dispersion or 'no dispersion'}"
        builder.notes.append(f"not understood: {unread} values or tables of '{one.title}' ({form})")


def _value(builder: Builder, one: Measure, arm: str, value: Any, n: str | None, when: str | None) -> bool:
    """A group's value as a row; False where it is not understood."""
    n = n if n is not None and n.isdigit() else None
    printed = _figure(text_at(value, "value"), text_at(value, "comment"))
    counted = builder.count_section(one.word)
    if printed is None:
        return False
    if counted is not None:
        section, said = counted
        whole = printed.isdigit()
        if one.kind in ("COUNT_OF_PARTICIPANTS", "NUMBER") and PEOPLE.match(one.unit) and whole:
            builder.add(section, **said, arm=arm, **one.common, events=printed, n=n)
            return True
        if PERCENT.match(one.unit) and printed != NOT_REACHED:
            builder.add(section, **said, arm=arm, **one.common, percent=printed, n=n)
            return True
        return False
    unit = _time_unit(one.unit)
    if one.kind == "MEDIAN" and unit is not None and _same_unit(builder, unit):
        limits, level = _limits(one, value)
        builder.add(
            "survival", outcome=one.word, arm=arm, **one.common, n=n, median=printed, median_ci=limits, level=level
        )
        return True
    moment = TIME_POINT.fullmatch(when) if when else None
    if (
        moment is not None
        and PERCENT.match(one.unit)
        and _same_unit(builder, UNITS[moment["unit"].lower()])
        and printed != NOT_REACHED
    ):
        limits, level = _limits(one, value)
        rate = {"at": moment["at"], "percent": printed} | ({"ci": limits} if limits else {})
        builder.add(
            "survival", outcome=one.word, arm=arm, **one.common, n=n, rates=[rate], level=level if limits else None
        )
        return True
    return False


def _figure(text: str | None, comment: str | None) -> str | None:
    """A value as printed; `not-reached` only where a comment says so."""
    if text is None:
        return None
    if text.upper() in ("NA", "NR", "NE"):
        return NOT_REACHED if comment is not None and NOT_YET.search(comment) else None
    text = text.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", text) else text
    return text if complaint("estimate", text, long=False) is None else None


def _time_unit(unit: str) -> str | None:
    match = re.match(r"^(day|week|month|year)s?\b", unit.strip(), re.IGNORECASE)
    return UNITS[match[1].lower()] if match else None


def _same_unit(builder: Builder, unit: str) -> bool:
    """Whether times in this unit can stand in the record, which has one unit: the first that is met, or the one a person states."""
    builder.head["time_unit"] = builder.head.get("time_unit") or builder.facts.time_unit or unit
    return bool(builder.head["time_unit"] == unit)


def _limits(one: Measure, value: Any) -> tuple[list[str] | None, str | None]:
    """An interval, where the dispersion says it is one, and its level unless 95%."""
    match = INTERVAL.search(one.dispersion)
    comment = text_at(value, "comment")
    ends = [_figure(text_at(value, name), comment) for name in ("lowerLimit", "upperLimit")]
    if match is None or ends[0] is None or ends[1] is None:
        return None, None
    return [str(end) for end in ends], _level(match[1])


def _level(percent: str | None) -> str | None:
    if (
        percent is None
        or not re.fullmatch(r"\d+(\.\d+)?", percent)
        or float(percent) == 95
        or not 0 < float(percent) < 100
    ):
        return None
    return f"{float(percent) / 100:.6g}"


def _analysis(builder: Builder, one: Measure, analysis: Any, number: int) -> None:
    groups = [text if isinstance(text, str) else "" for text in listed(analysis, "groupIds")]
    kind, estimate = text_at(analysis, "paramType"), _figure(text_at(analysis, "paramValue"), None)
    where = f"analysis {number} of '{one.title}'"
    if len(groups) != 2 or any(group not in one.arms for group in groups) or one.arms[groups[0]] == one.arms[groups[1]]:
        builder.notes.append(
            f"not understood: {where}, of groups {', '.join(groups) or 'unsaid'}; it is not of two groups of its outcome measure"
        )
        return
    measure = next((name for pattern, name in MEASURES if kind and pattern.search(kind)), None)
    if kind and measure is None:
        builder.notes.append(
            f"not understood: {where}, whose parameter is {kind} {text_at(analysis, 'paramValue') or ''}"
        )
        estimate = None
    p, method = _p_value(analysis), text_at(analysis, "statisticalMethod")
    if estimate is None and p is None:
        return
    limits, level = _analysis_limits(analysis)
    sided = (text_at(analysis, "ciNumSides") or "TWO_SIDED").upper().replace("-", "_")
    remarks = [
        one.common["note"],
        f"method: {method}" if method else None,
        text_at(analysis, "statisticalComment"),
        text_at(analysis, "estimateComment"),
        text_at(analysis, "groupDescription"),
    ]
    if limits and sided.startswith("ONE"):
        remarks.append(f"one-sided interval {limits[0]} to {limits[1]}")
        limits = None
    purpose = text_at(analysis, "nonInferiorityType")
    if purpose and not purpose.upper().startswith("SUPERIORITY"):
        remarks.append(f"purpose: {purpose.lower().replace('_', ' ')}")
    treatment, comparator = one.arms[groups[0]], one.arms[groups[1]]
    builder.compare(treatment, comparator)
    builder.add(
        "contrasts", outcome=one.word, treatment=treatment, comparator=comparator, set=one.common["set"],
        measure=measure if estimate is not None else None, estimate=estimate, ci=limits if estimate is not None else None,
        level=level if limits else None, p=p, p_test=next((test for pattern, test in TESTS if method and pattern.search(method)), "other" if method else None),
        n={one.arms[group]: one.sizes[group] for group in groups if one.sizes.get(group, "").isdigit()},
        source=f"{one.common['source']}, analysis {number}", inferred=["treatment", "comparator"],
        note="; ".join(remark for remark in remarks if remark) or None,
    )  # fmt: skip
    builder.missing.append(
        f"{where}: that the figure is of {treatment} against {comparator}, which the registry does not say (it names them in this order)"
    )


def _p_value(analysis: Any) -> str | None:
    text = (text_at(analysis, "pValue") or "").replace(" ", "").lstrip("=")
    return text if text and complaint("p", text, long=False) is None else None


def _analysis_limits(analysis: Any) -> tuple[list[str] | None, str | None]:
    ends = [
        _figure(text_at(analysis, name), text_at(analysis, f"{name}Comment"))
        for name in ("ciLowerLimit", "ciUpperLimit")
    ]
    if ends[0] is None or ends[1] is None:
        return None, None
    return [str(end) for end in ends], _level(text_at(analysis, "ciPctValue"))
