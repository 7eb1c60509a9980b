"""A locked analysis plan, and every field of the definition that has departed from it since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from metasyn._version import __version__
from metasyn.errors import MetasynError, UsageError
from metasyn.reports.changes.plan_asked import DeviationAsked
from metasyn.reports.question import Question

FORMAT = 1
EDITORIAL = frozenset({"title", "question", "commentary"})  # words for the reader, which no number depends on
ASIDE = frozenset({"deviations"})  # the reasons themselves
MISSING = object()
FIELD_WORDS = {
    "key": "which populations the question is about",
    "comparisons": "what is compared",
    "outcomes": "which outcomes are asked about",
    "prefer": "which estimate of a study is taken",
    "model.tau2": "how heterogeneity is estimated",
    "model.ci": "how the interval is computed",
    "model.level": "the level of intervals",
    "admit_secondary": "whether figures seen only in secondary sources enter",
    "exclude": "which studies are left out",
    "combine_designs": "whether randomised and other studies are pooled together",
    "assume_exchangeable": "over which populations effects are pooled all the same",
    "assume_exchangeable_because": "why they are",
    "subgroups": "which subgroups are compared",
    "sensitivity": "which sensitivity analyses are made",
    "survival": "which survival curves are rebuilt",
    "network": "how strategies are compared as a network",
    "certainty": "how certainty is judged",
    "alerts": "which changes raise an alert",
    "sequential": "the sequential boundaries",
    "multiverse": "which choices are crossed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One locked analysis plan.

    Attributes
    ----------
    locked : str
        The date.
    version : str
        Of metasyn.
    why : str or None
        Why it was locked again; of the first, whatever was said.
    sha256 : str
        As it is written beside the content.
    content : dict
        The definition after validation.
    edition : int or None
        The last edition that was recorded when it was locked: what it says was known by then.
    """

    locked: str
    version: str
    why: str | None
    sha256: str
    content: dict[str, Any]
    edition: int | None

    @property
    def sound(self) -> bool:
        """Whether the hash fits the content."""
        return self.sha256 == plan_hash(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One field that differs from the plan: before and now in words, and the reason that the definition gives."""

    field: str
    meaning: str | None
    before: str
    now: str
    why: str | None

    @property
    def words(self) -> str:
        """The change in one line."""
        return f"{self.before} before, {self.now} now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviations:
    """How a definition differs from its plan.

    Attributes
    ----------
    plan : Plan
        The one in force.
    earlier : tuple of Plan
        Those that were locked before it.
    analysis, editorial : tuple of Deviation
        Fields that numbers depend on, and words for the reader.
    unused : tuple of DeviationAsked
        Reasons for fields that do not differ.
    problems : tuple of str
        What is wrong with the plan itself; to be said loudly.
    """

    plan: Plan
    earlier: tuple[Plan, ...]
    analysis: tuple[Deviation, ...]
    editorial: tuple[Deviation, ...]
    unused: tuple[DeviationAsked, ...]
    problems: tuple[str, ...]


def plan_path(root: Path, name: str) -> Path:
    """Where the plans of a report stand."""
    return root / "reports" / "plans" / f"{name}.json"


def plan_content(question: Question) -> dict[str, Any]:
    """A definition as a plan holds it: every field after validation, with its default where none is stated."""
    content: dict[str, Any] = question.model_dump(mode="json", exclude=set(ASIDE & set(type(question).model_fields)))
    content["model"]["ci"] = question.interval()  # a common effect without a stated interval has another default
    return content


def plan_hash(content: Mapping[str, Any]) -> str:
    """SHA-256 of a plan's content: keys sorted, no spaces, UTF-8."""
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    ).hexdigest()


def load_plans(path: Path) -> tuple[Plan, ...]:
    """The plans of a report, the one in force last; none where the file is absent.

    Raises
    ------
    MetasynError
        If the file is no file of plans.
    """
    if not path.is_file():
        return ()
    try:
        found = tuple(_plan(one) for one in json.loads(path.read_text(encoding="utf-8"))["plans"])
    except (ValueError, KeyError, TypeError):
        found = ()
    if not found:
        raise MetasynError(
            f"{path} is no file of analysis plans; restore it from the repository, or remove it and lock the plan anew"
        )
    return found


def _plan(one: Mapping[str, Any]) -> Plan:
    return Plan(
        locked=str(one["locked"]),
        version=str(one["version"]),
        why=one["why"],
        sha256=str(one["sha256"]),
        content=dict(one["content"]),
        edition=one["edition"],
    )


def lock_plan(
    path: Path,
    question: Question,
    *,
    date: str,
    why: str | None = None,
    again: bool = False,
    edition: int | None = None,
) -> Plan:
    """Write a definition down as the analysis plan of its report; earlier plans are kept.

    Parameters
    ----------
    path : Path
        Of `plan_path`.
    question : Question
        The definition.
    date : str
        The day.
    why : str or None
        Needed where a plan is locked again.
    again : bool
        Whether a plan that is there may be followed by another.
    edition : int or None
        The last edition recorded so far.

    Raises
    ------
    UsageError
        If there is a plan and it is not to be locked again, without a reason, or with nothing that differs.
    """
    earlier = load_plans(path)
    content = plan_content(question)
    if earlier and not again:
        raise UsageError(
            f"{path.stem} has a plan, locked on {earlier[-1].locked}; a later deviation is listed in the report without locking again. "
            f'To put another in its place and keep this one on record: metasyn lock {path.stem} --again --why "…"'
        )
    if earlier and why is None:
        raise UsageError('locking again needs its reason, which the report prints: --why "…"')
    if earlier and plan_hash(earlier[-1].content) == plan_hash(content) and earlier[-1].sound:
        raise UsageError(
            f"the definition of {path.stem} is what was locked on {earlier[-1].locked}; there is nothing to lock again"
        )
    made = Plan(locked=date, version=__version__, why=why, sha256=plan_hash(content), content=content, edition=edition)
    path.parent.mkdir(parents=True, exist_ok=True)
    plans = [
        {name: getattr(one, name) for name in ("locked", "version", "why", "sha256", "content", "edition")}
        for one in (*earlier, made)
    ]
    text = json.dumps({"format": FORMAT, "plans": plans}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
    return made


def deviations(
    question: Question,
    plans: Sequence[Plan],
    *,
    reasons: Sequence[DeviationAsked] = (),
    recorded: str | None = None,
) -> Deviations | None:
    """How a definition differs from the plan in force; None where no plan was locked.

    Parameters
    ----------
    question : Question
        The definition.
    plans : sequence of Plan
        Of `load_plans`.
    reasons : sequence of DeviationAsked
        Those that the definition gives.
    recorded : str or None
        The hash of the plan that the last edition was recorded with.
    """
    if not plans:
        return None
    plan = plans[-1]
    found = [
        Deviation(field=field, meaning=_meaning(field), before=before, now=now, why=_why(field, reasons))
        for field, before, now in differences(_as_today(plan.content), plan_content(question))
    ]
    covered = {one.field for one in reasons if any(_covers(one.field, deviation.field) for deviation in found)}
    return Deviations(
        plan=plan,
        earlier=tuple(plans[:-1]),
        analysis=tuple(one for one in found if not _editorial(one.field)),
        editorial=tuple(one for one in found if _editorial(one.field)),
        unused=tuple(one for one in reasons if one.field not in covered),
        problems=tuple(_problems(plans, recorded)),
    )


def _problems(plans: Sequence[Plan], recorded: str | None) -> Iterator[str]:
    for plan in plans:
        if not plan.sound:
            yield (
                f"The plan locked on {plan.locked} has been changed since: its content has the hash {plan_hash(plan.content)[:12]}, "
                f"and {plan.sha256[:12]} was locked. Restore the file from the repository."
            )
    if recorded is not None and recorded not in {plan.sha256 for plan in plans}:
        yield f"The plan that the last edition was recorded with ({recorded[:12]}) is not among the plans on file."


def _as_today(content: dict[str, Any]) -> dict[str, Any]:
    """A plan with the fields that came into being since, at their defaults; as it stands where it does not load any more."""
    try:
        return plan_content(Question.model_validate(content))
    except ValidationError:
        return content


def differences(before: Any, now: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Fields that differ, each with what stands there before and now, in words; lists are compared as wholes."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in [*before, *(name for name in now if name not in before)]:
            yield from differences(
                before.get(name, MISSING), now.get(name, MISSING), f"{path}.{name}" if path else name
            )
    elif path == "comparisons" and isinstance(before, list) and isinstance(now, list):
        yield from _comparisons(before, now)
    elif before != now:
        yield path, _words(before), _words(now)


def _comparisons(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """What is compared apart from what it is called: a new name is editorial."""
    if [{**one, "name": None} for one in before] == [{**one, "name": None} for one in now]:
        for index, (was, is_now) in enumerate(zip(before, now, strict=True)):
            if was["name"] != is_now["name"]:
                yield f"comparisons[{index}].name", _words(was["name"]), _words(is_now["name"])
    else:
        yield "comparisons", _words(before), _words(now)


def _words(value: Any) -> str:
    """A value as a definition would have it."""
    if value is MISSING:
        return "not there"
    if value is None or value == []:
        return "nothing stated" if value is None else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "[" + ", ".join(_words(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_words(one)}" for name, one in value.items() if one is not None) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _editorial(field: str) -> bool:
    return field in EDITORIAL or (field.startswith("comparisons[") and field.endswith("].name"))


def _meaning(field: str) -> str | None:
    if _editorial(field):
        return None
    return next((FIELD_WORDS[name] for name in sorted(FIELD_WORDS, reverse=True) if _covers(name, field)), None)


def _covers(above: str, field: str) -> bool:
    return field == above or field.startswith((f"{above}.", f"{above}["))


def _why(field: str, reasons: Sequence[DeviationAsked]) -> str | None:
    """The reason for a field; the nearest one above it counts."""
    fitting = [one for one in reasons if _covers(one.field, field)]
    return max(fitting, key=lambda one: len(one.field)).why if fitting else None
