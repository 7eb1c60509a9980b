"""What moved between two editions of a report, which studies moved it, and what a panel asked to be told of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from metasyn.reports.changes.alerts import Alert, Settled, raised_alerts, unwatched
from metasyn.reports.changes.alerts_asked import AlertAsked
from metasyn.reports.changes.edition import Edition, studies_by_id
from metasyn.reports.changes.renaming import renamed
from metasyn.reports.changes.what_changed import (
    CertaintyChange,
    EstimateChange,
    RankingChange,
    StudyChange,
    Values,
    same_values,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What a report says otherwise than an earlier edition.

    Attributes
    ----------
    report : str
        Its name.
    since : str or None
        The earlier edition in words; None where there is none.
    since_number, since_date
        Of the earlier edition, where it is recorded.
    studies : tuple of StudyChange
        By id.
    estimates : tuple of EstimateChange
        Every estimate of before or now, by name.
    certainties : tuple of CertaintyChange
        Only those that changed.
    rankings : tuple of RankingChange
        Every network ranked before or now.
    alerts : tuple of Alert
        Those raised, then those held back.
    unwatched : tuple of str
        Alerts of the definition that fit nothing in the report.
    notes : tuple of str
        What else changed: the definition, the program, the analysis plan.
    """

    report: str
    since: str | None
    since_number: int | None = None
    since_date: str | None = None
    studies: tuple[StudyChange, ...] = ()
    estimates: tuple[EstimateChange, ...] = ()
    certainties: tuple[CertaintyChange, ...] = ()
    rankings: tuple[RankingChange, ...] = ()
    alerts: tuple[Alert, ...] = ()
    unwatched: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def raised(self) -> tuple[Alert, ...]:
        """The alerts that a panel is to look at."""
        return tuple(alert for alert in self.alerts if alert.held_back is None)

    @property
    def held_back(self) -> tuple[Alert, ...]:
        """The alerts that wait for more information."""
        return tuple(alert for alert in self.alerts if alert.held_back is not None)

    @property
    def moved_estimates(self) -> tuple[EstimateChange, ...]:
        """Those that are there before and now and say something else."""
        return tuple(one for one in self.estimates if one.moved and one.before is not None and one.now is not None)

    @property
    def new_estimates(self) -> tuple[EstimateChange, ...]:
        """Those that were not there before."""
        return tuple(one for one in self.estimates if one.before is None)

    @property
    def gone_estimates(self) -> tuple[EstimateChange, ...]:
        """Those that are not there any more."""
        return tuple(one for one in self.estimates if one.now is None)

    @property
    def moved(self) -> bool:
        """Whether the report says anything else; a record edited without effect, and a new name, do not count."""
        return (
            any(one.moved for one in self.estimates)
            or any(one.what != "edited" for one in self.studies)
            or bool(self.certainties)
            or any(one.order_changed for one in self.rankings)
        )


def movement(
    before: Edition | None,
    now: Edition,
    asked: Sequence[AlertAsked] = (),
    *,
    report: str,
    settled: Settled = None,
    history: Sequence[Edition] = (),
) -> Movement:
    """Compare two editions of a report.

    Parameters
    ----------
    before : Edition or None
        None where there is none to compare with.
    now : Edition
        Of `metasyn.reports.changes.edition.edition_of`, or recorded.
    asked : sequence of AlertAsked
        The alerts of the definition.
    report : str
        Its name.
    settled : mapping, callable or None
        For an estimate's name whether a sequential boundary was `crossed`, is `open`, was found `futile` or `not-asked` for, and the share
        of the required information; None where no boundaries are drawn.
    history : sequence of Edition
        All recorded editions, the oldest first, so that small steps in one direction add up to an alert.
    """
    if before is None:
        return Movement(report=report, since=None, unwatched=unwatched(asked, now))
    names = {old: new for new, old in renamed(before, now).items()}
    studies = _studies(before, now, names)
    estimates = _estimates(before, now, {one.study: one.what for one in studies}, names)
    certainties = _certainties(before, now, names)
    rankings = _rankings(before, now)
    return Movement(
        report=report,
        since=before.title,
        since_number=before.number,
        since_date=before.date,
        studies=studies,
        estimates=estimates,
        certainties=certainties,
        rankings=rankings,
        alerts=raised_alerts(asked, estimates, certainties, rankings, settled=settled, history=history or (before,)),
        unwatched=unwatched(asked, now),
        notes=_notes(before, now, studies),
    )


def exit_code(movements: Collection[Movement]) -> int:
    """For a scheduler: 3 where an alert is raised, 4 where something moved without one, 0 where there is nothing to look at."""
    if any(one.raised for one in movements):
        return 3
    return 4 if any(one.moved for one in movements) else 0


def _of(values: Values, now: Edition) -> set[str]:
    """The studies of an estimate by their ids, as today's edition knows them."""
    return set(studies_by_id(list(values["studies"]), now.names))


def _studies(before: Edition, now: Edition, names: Mapping[str, str]) -> tuple[StudyChange, ...]:
    if before.studies is not None and now.studies is not None:
        old, new = before.studies, now.studies
    else:  # recorded before digests were kept: by the estimates alone, so that an edit cannot be told
        old, new = (
            {study: "" for values in each.estimates.values() for study in _of(values, now)} for each in (before, now)
        )
    found = []
    for study in sorted({*old, *new}):
        if study not in old:
            what = "added"
        elif study in new:
            what = "edited" if old[study] != new[study] else ""
        else:
            what = "left" if now.present is not None and study in now.present else "withdrawn"
        if what:
            touched = {names.get(name, name) for name, values in before.estimates.items() if study in _of(values, now)}
            touched |= {name for name, values in now.estimates.items() if study in _of(values, now)}
            found.append(StudyChange(study=study, what=what, estimates=tuple(sorted(touched))))  # type: ignore[arg-type]
    return tuple(found)


def _estimates(
    before: Edition, now: Edition, studies: Mapping[str, str], names: Mapping[str, str]
) -> tuple[EstimateChange, ...]:
    was = {new: old for old, new in names.items()}
    old = {names.get(name, name): values for name, values in before.estimates.items()}
    found = []
    for name in sorted({*old, *now.estimates}):
        found.append(
            _estimate(name, old.get(name), now.estimates.get(name), before, now, studies, was_named=was.get(name))
        )
    return tuple(found)


def _estimate(
    name: str,
    old: Values | None,
    new: Values | None,
    before: Edition,
    now: Edition,
    studies: Mapping[str, str],
    *,
    was_named: str | None,
) -> EstimateChange:
    had, has = (set() if values is None else _of(values, now) for values in (old, new))
    moved = old is None or new is None or had != has or not same_values(old, new)
    causes: list[str] = []
    touched = sorted((had ^ has) | {study for study in had & has if studies.get(study) == "edited"})
    if old is None or (new is None and old.get("kind") == "network"):  # only what came or went with it
        touched = [study for study in touched if study in studies]
    unasked = None if old is None or new is not None else _no_longer_asked(old, now)
    if unasked is not None:
        causes = [unasked]
    elif moved:
        out = {} if new is None and old is None else now.left_out.get(_pair(new or old or {}), {})
        causes = [_cause(study, study in has, study in had, studies.get(study), out.get(study)) for study in touched]
        causes += _other_causes(old, new, before, now, touched)
    return EstimateChange(
        name=name,
        before=old,
        now=new,
        was_named=was_named,
        moved=moved,
        causes=tuple(causes),
        studies=tuple(touched) if moved else (),
    )


def _pair(values: Values) -> tuple[str, str]:
    return str(values.get("comparison")), str(values.get("outcome"))


def _cause(study: str, has: bool, had: bool, what: str | None, why_not: str | None) -> str:
    """What happened to one study of an estimate."""
    if has and had:
        return f"edited {study}"
    if has:
        return {"added": f"added {study}", "edited": f"now uses {study}, whose record was edited"}.get(
            str(what), f"now uses {study}"
        )
    if what == "withdrawn":
        return f"withdrawn {study}"
    edited = ", whose record was edited" if what == "edited" else ""
    return f"no longer uses {study}{edited}" + (f" ({why_not})" if why_not else "")


def _no_longer_asked(values: Values, now: Edition) -> str | None:
    pair = _pair(values)
    if now.asked is None or values.get("kind") != "pool" or pair in now.asked:
        return None
    return f"the definition no longer asks for {pair[1]} of {pair[0]}"


def _other_causes(
    old: Values | None, new: Values | None, before: Edition, now: Edition, touched: Sequence[str]
) -> list[str]:
    """Why an estimate moved beside its studies, or where no study tells it."""
    if touched:
        return ["the definition changed too"] if _definition_changed(before, now) and old and new else []
    if _definition_changed(before, now):
        return ["the definition changed"]
    if before.version is not None and now.version is not None and before.version != now.version:
        return [f"computed by metasyn {now.version}, before by {before.version}"]
    if before.inputs is not None and now.inputs is not None and before.inputs != now.inputs:
        return ["another input changed: the vocabulary, baseline risks or curves"]
    return ["the inputs do not tell why"]


def _definition_changed(before: Edition, now: Edition) -> bool:
    known = before.definition is not None and now.definition is not None
    return known and before.definition != now.definition


def _certainties(before: Edition, now: Edition, names: Mapping[str, str]) -> tuple[CertaintyChange, ...]:
    if before.certainty is None or now.certainty is None:
        return ()  # not asked for in one of them: nothing to compare
    old = {names.get(name, name): rated for name, rated in before.certainty.items()}
    found = []
    for name in sorted(set(old) & set(now.certainty)):
        was, is_now = old[name], now.certainty[name]
        domains = {**was["domains"], **is_now["domains"]}
        changed = tuple(
            (domain, was["domains"].get(domain), is_now["domains"].get(domain))
            for domain in domains
            if was["domains"].get(domain) != is_now["domains"].get(domain)
        )
        if changed or (was["certainty"], was["at_most"]) != (is_now["certainty"], is_now["at_most"]):
            found.append(
                CertaintyChange(name=name, before=certainty_words(was), now=certainty_words(is_now), domains=changed)
            )
    return tuple(found)


def certainty_words(rated: Values) -> str:
    """A certainty as the report says it: low; not rated in full, at most low."""
    text = str(rated["certainty"])
    return f"{text}, at most {rated['at_most']}" if rated["at_most"] not in (None, text) else text


def _rankings(before: Edition, now: Edition) -> tuple[RankingChange, ...]:
    if before.rankings is None or now.rankings is None:
        return ()
    found = []
    for name in sorted({*before.rankings, *now.rankings}):
        was, is_now = before.rankings.get(name), now.rankings.get(name)
        either = is_now or was or {}
        found.append(
            RankingChange(
                name=name,
                outcome=either["outcome"],
                before=tuple(was["order"]) if was else (),
                now=tuple(is_now["order"]) if is_now else (),
                error=float(either["error"] or 0.0),
            )
        )
    return tuple(found)


def _notes(before: Edition, now: Edition, studies: Sequence[StudyChange]) -> tuple[str, ...]:
    notes = []
    if _definition_changed(before, now):
        notes.append("The definition of the report changed.")
        if any(one.what == "added" for one in studies):
            notes.append("A study that is new here may have been recorded before, for another question.")
    if before.version is not None and now.version is not None and before.version != now.version:
        notes.append(f"Made with metasyn {now.version}; before, with {before.version}.")
    if before.plan != now.plan:
        if now.plan is None:
            notes.append("An analysis plan was locked before, and there is none now.")
        else:
            notes.append("The analysis plan was locked anew." if before.plan else "An analysis plan was locked.")
    if before.studies is None and now.studies is not None:
        notes.append(f"{_capital(before.title)} keeps no digests of records, so an edited record cannot be told.")
    return tuple(notes)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
