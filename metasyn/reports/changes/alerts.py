"""The alerts that a definition asks for: what happened in one sentence, why, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metasyn.pooling import is_ratio
from metasyn.reports.changes.alerts_asked import AlertAsked
from metasyn.reports.changes.edition import Edition
from metasyn.reports.changes.estimate_words import estimate_words, limits_words, signed, value_words
from metasyn.reports.changes.what_changed import (
    CertaintyChange,
    EstimateChange,
    RankingChange,
    Values,
    displayed,
    same_number,
)

SettledAs = (
    tuple[str, float | None] | tuple[str, float | None, int]
)  # status, share of the information, side of a crossing
Settled = Mapping[str, SettledAs] | Callable[[str], SettledAs] | None
GATED = frozenset({"ci-crosses-null", "estimate-moves"})
DRIFTING = frozenset({"estimate-moves", "heterogeneity-rises"})
SLACK = 1e-9  # so that a step of exactly the size asked for counts in spite of rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One change that a panel asked to be told of.

    Attributes
    ----------
    when : str
        The kind, as the definition has it.
    about : str
        The estimate or network.
    sentence : str
        What happened, with the numbers before and now.
    why : str
        Which studies, or what else, stand behind it; empty where that is not known.
    next_step : str
        What to do.
    before, now : float, str or None
        What changed, as printed: an estimate, a limit, I², a certainty, the first strategy.
    studies : tuple of str
        The studies behind it.
    held_back : str or None
        Why it is shown and not raised; None where it is raised.
    by, scale : float and str, or None
        The size asked for, where the definition has several alerts of a kind.
    """

    when: str
    about: str
    outcome: str
    sentence: str
    why: str
    next_step: str
    before: float | str | None
    now: float | str | None
    studies: tuple[str, ...]
    held_back: str | None = None
    by: float | None = None
    scale: str | None = None

    @property
    def kept(self) -> dict[str, Any]:
        """What the history keeps of it."""
        return {"when": self.when, "about": self.about, "by": self.by, "scale": self.scale, "held_back": self.held_back}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What an alert saw."""

    sentence: str
    next_step: str
    before: float | str | None
    now: float | str | None


def raised_alerts(
    asked: Sequence[AlertAsked],
    estimates: Sequence[EstimateChange],
    certainties: Sequence[CertaintyChange],
    rankings: Sequence[RankingChange],
    *,
    settled: Settled = None,
    history: Sequence[Edition] = (),
) -> tuple[Alert, ...]:
    """The alerts that fit what changed: those raised, then those held back, each in the order of the definition.

    Parameters
    ----------
    asked : sequence of AlertAsked
        The alerts of the definition.
    estimates, certainties, rankings : sequences of changes
        What changed.
    settled : mapping, callable or None
        See `movement`.
    history : sequence of Edition
        All recorded editions, the oldest first.
    """
    found: list[Alert] = []
    for alert in asked:
        if alert.when == "ranking-flips":
            found += [made for one in rankings if (made := _of_ranking(alert, one, estimates, history)) is not None]
        elif alert.when == "certainty-changes":
            by_name = {one.name: one for one in estimates}
            found += [made for one in certainties if (made := _of_certainty(alert, one, by_name)) is not None]
        else:
            found += [made for one in estimates if (made := _of_estimate(alert, one, settled, history)) is not None]
    return tuple(sorted(found, key=lambda one: one.held_back is not None))


def unwatched(asked: Sequence[AlertAsked], now: Edition) -> tuple[str, ...]:
    """Alerts that fit nothing in the report, as the definition has them: they would stay silent whatever happens."""
    return tuple(alert.words() for alert in asked if not _watches_any(alert, now))


def _watches_any(alert: AlertAsked, now: Edition) -> bool:
    if alert.when == "ranking-flips":
        return any(alert.outcome in (None, one["outcome"]) for one in (now.rankings or {}).values())
    values = [now.estimates.get(name) for name in now.certainty or ()] if alert.when == "certainty-changes" else list(now.estimates.values())  # fmt: skip
    return any(one is not None and _watches(alert, one) for one in values)


def _watches(alert: AlertAsked, values: Values) -> bool:
    """Whether an estimate is meant: of the outcome and comparison, in a measure that has the scale."""
    ratio = is_ratio(values["measure"])
    scale_fits = {"log": ratio, "ratio": ratio, "absolute": not ratio}.get(str(alert.scale), True)
    return scale_fits and alert.watches(str(values.get("outcome")), str(values.get("comparison")))


def _of_estimate(
    alert: AlertAsked, change: EstimateChange, settled: Settled, history: Sequence[Edition]
) -> Alert | None:
    before, now = change.before, change.now
    if before is None or now is None or not (change.moved and change.comparable and _watches(alert, now)):
        return None
    seen = SEEN[alert.when](alert, change.name, before, now)
    if seen is None and alert.when in GATED:
        seen = _still_due(alert, change, history)
    if seen is None and alert.when in DRIFTING:
        seen = _drifted(alert, change, history)
    if seen is None:
        return None
    return Alert(
        when=alert.when,
        about=change.name,
        outcome=str(now.get("outcome")),
        sentence=seen.sentence,
        why=_sentence("; ".join(change.causes)),
        next_step=seen.next_step
        if change.studies
        else seen.next_step.replace("the studies named", "what changed beside the studies"),
        before=seen.before,
        now=seen.now,
        studies=change.studies,
        held_back=_held_back(settled, change.name, alert.when, now) if alert.when in GATED else None,
        by=alert.by,
        scale=alert.scale,
    )


def _held_back(settled: Settled, name: str, when: str, now: Values) -> str | None:
    """Why an alert waits: a boundary was asked for and is not crossed on the side of the estimate.

    An interval that has come to include no effect waits for nothing: that is the safer message.
    """
    if settled is None or (when == "ci-crosses-null" and _side(now) == 0):
        return None
    found = settled(name) if callable(settled) else settled.get(name, ("not-asked", None))
    status, fraction, crossed = found if len(found) == 3 else (*found, 0)
    share = "" if fraction is None else f" ({fraction:.0%} of the required information)"
    if status == "open":
        return f"not yet conclusive{share}"
    if when == "ci-crosses-null" and status == "futile":
        return "the required information is there, and no boundary was crossed"
    if status == "crossed" and crossed and crossed * float(now["estimate"]) < 0:
        return "the boundary was crossed on the other side of no effect"
    return None


def _still_due(alert: AlertAsked, change: EstimateChange, history: Sequence[Edition]) -> _Seen | None:
    """What was seen and held back, and is still so: against the edition before the one at which it was first held back."""
    names, due = {change.name, change.was_named}, None
    for place in range(len(history) - 1, 0, -1):
        entries = [one for one in history[place].alerts if one["when"] == alert.when and one["about"] in names]
        if any(one.get("held_back") is None for one in entries):
            break
        if entries:
            due = history[place - 1]
    if due is None or change.now is None:
        return None
    values = next((values for _, values in _under_names(change, due) if values is not None), None)
    return None if values is None else SEEN[alert.when](alert, change.name, values, change.now)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _crosses_null(_: AlertAsked, name: str, before: Values, now: Values) -> _Seen | None:
    was, side = _side(before), _side(now)
    if was is None or side is None or was == side:
        return None
    nothing, has = f"{displayed(0.0, now['measure']):g}", side == 0
    what = (
        "now includes no effect"
        if has
        else "now excludes no effect"
        if was == 0
        else "now lies on the other side of no effect"
    )
    sentence = f"{name}: the interval {what} ({nothing}): {estimate_words(now)}; before, {estimate_words(before)}."
    step = (
        "Check the studies named and the forest plot before the earlier conclusion is repeated. That an interval includes no effect does not show that there is none."
        if has
        else "Check the studies named, the certainty and the sensitivity analyses before a recommendation changes: repeated looks make a first crossing easier to reach by chance."
    )

    return _Seen(sentence, step, limits_words(before), limits_words(now))


def _side(values: Values) -> int | None:
    """On which side of no effect an interval lies: -1, 1, or 0 where it includes it; None without an interval."""
    if values["ci_low"] is None or values["ci_high"] is None:
        return None
    return 1 if values["ci_low"] > 0 else -1 if values["ci_high"] < 0 else 0


def _moves(alert: AlertAsked, name: str, before: Values, now: Values, since: str = "") -> _Seen | None:
    assert alert.by is not None
    step = _step(alert, before, now)
    if step is None or abs(step) < alert.by * (1 - SLACK):
        return None
    unit = {
        "log": "on the log scale",
        "ratio": "on the ratio scale",
        "se": "old standard errors",
        "absolute": f"in {now['measure']}",
    }[str(alert.scale)]
    sentence = (
        f"{name}: the estimate moved by {signed(step)} {unit}{since} (asked for: {alert.by:g} or more): {estimate_words(now)}; "
        f"{'then' if since else 'before'}, {estimate_words(before)}."
    )
    after = "Check the studies named, then whether the estimate of now would change what is recommended."
    return _Seen(sentence, after, _shown(before), _shown(now))


def _step(alert: AlertAsked, before: Values, now: Values) -> float | None:
    """How far the estimate went on the scale asked for."""
    change = float(now["estimate"]) - float(before["estimate"])
    if alert.scale == "se":
        return change / float(before["se"]) if before["se"] else None
    if alert.scale == "ratio":
        return displayed(now["estimate"], now["measure"]) - displayed(before["estimate"], before["measure"])
    return change


def _shown(values: Values) -> float:
    return displayed(values["estimate"], values["measure"])


def _rises(alert: AlertAsked, name: str, before: Values, now: Values, since: str = "") -> _Seen | None:
    assert alert.by is not None
    was, is_now = _heterogeneity(alert, before), _heterogeneity(alert, now)
    if was is None or is_now is None or is_now - was < alert.by * (1 - SLACK):
        return None
    word, unit = ("I²", " percentage points") if alert.of == "i2" else ("τ", "")
    shown = [f"{value:.0f}%" if alert.of == "i2" else f"{value:.2f}" for value in (was, is_now)]
    sentence = (
        f"{name}: heterogeneity rose{since}: {word} {shown[1]} from {now['k']} studies, {'then' if since else 'before'} {shown[0]} from {before['k']} "
        f"(asked for: a rise of {alert.by:g}{unit} or more); {estimate_words(now)}."
    )
    step = "Look for what sets the studies apart (patients, design, follow-up) and read the prediction interval beside the mean."
    return _Seen(sentence, step, was, is_now)


def _heterogeneity(alert: AlertAsked, values: Values) -> float | None:
    value = values.get("i2" if alert.of == "i2" else "tau2")
    if value is None:
        return None
    return float(value) if alert.of == "i2" else math.sqrt(float(value))


def _threshold(alert: AlertAsked, name: str, before: Values, now: Values) -> _Seen | None:
    assert alert.at is not None
    fields = (
        {"estimate": "estimate"} if alert.what == "estimate" else {"ci_low": "lower limit", "ci_high": "upper limit"}
    )
    crossed = []
    for field, word in fields.items():
        if before[field] is None or now[field] is None:
            continue
        was, is_now = displayed(before[field], before["measure"]), displayed(now[field], now["measure"])
        if not same_number(was, is_now) and (was < alert.at) != (is_now < alert.at):
            crossed.append((word, was, is_now))
    if not crossed:
        return None
    told = " and ".join(
        f"the {word} crossed {alert.at:g}, from {value_words(was, is_now)[0]} to {value_words(was, is_now)[1]}"
        for word, was, is_now in crossed
    )
    sentence = f"{name}: {told}: {estimate_words(now)}; before, {estimate_words(before)}."
    step = f"Take the recommendation that rests on {alert.at:g} to the panel, with the certainty of this result."
    return _Seen(sentence, step, crossed[0][1], crossed[0][2])


SEEN: dict[str, Callable[[AlertAsked, str, Values, Values], _Seen | None]] = {
    "ci-crosses-null": _crosses_null,
    "estimate-moves": _moves,
    "heterogeneity-rises": _rises,
    "threshold-crossed": _threshold,
}


def _drifted(alert: AlertAsked, change: EstimateChange, history: Sequence[Edition]) -> _Seen | None:
    """The same against the edition at which this alert was last raised, or the first: small steps in one direction add up."""
    start = _start(alert, change, history)
    if start is None or change.now is None:
        return None
    values = next(values for name, values in _under_names(change, start) if values is not None)
    since = f" since {start.title}, in steps that were each too small for an alert"
    see = _moves if alert.when == "estimate-moves" else _rises
    return see(alert, change.name, values, change.now, since)


def _start(alert: AlertAsked, change: EstimateChange, history: Sequence[Edition]) -> Edition | None:
    """Where counting begins: the newest edition that raised this alert, else the oldest that has the estimate in its measure."""
    having = [
        edition
        for edition in history
        if any(v is not None and v["measure"] == change.measure for _, v in _under_names(change, edition))
    ]
    names = {change.name, change.was_named}
    told = [one for one in having if any(_is_raised(alert, entry, names) for entry in one.alerts)]
    return told[-1] if told else (having[0] if having else None)


def _is_raised(alert: AlertAsked, entry: Mapping[str, Any], names: set[str | None]) -> bool:
    """Whether an entry of the history is this alert, raised; older entries hold neither size nor scale."""
    same = entry["when"] == alert.when and entry["about"] in names and entry.get("held_back") is None
    return same and entry.get("by") in (None, alert.by) and entry.get("scale") in (None, alert.scale)


def _under_names(change: EstimateChange, edition: Edition) -> Iterator[tuple[str, Values | None]]:
    for name in (change.name, change.was_named):
        if name is not None:
            values = edition.estimates.get(name)
            if values is not None:
                yield name, values


def _of_certainty(alert: AlertAsked, change: CertaintyChange, estimates: Mapping[str, EstimateChange]) -> Alert | None:
    about = estimates.get(change.name)
    values = about.now if about is not None else None
    if values is None or about is None or not _watches(alert, values) or change.before == change.now:
        return None
    told = "; ".join(f"{domain} {_level(was)}, now {_level(is_now)}" for domain, was, is_now in change.domains)
    sentence = f"{change.name}: certainty is {change.now}, before {change.before}" + (f" ({told})." if told else ".")
    return Alert(
        when=alert.when,
        about=change.name,
        outcome=str(values.get("outcome")),
        sentence=sentence,
        why=_sentence("; ".join(about.causes)),
        next_step="Read the domains named in the summary of findings, and judge again whether the strength of the recommendation still fits.",
        before=change.before,
        now=change.now,
        studies=about.studies,
    )


def _level(level: Any) -> str:
    if level is None:
        return "not judged"
    return f"{level:+d}".replace("-", "−") if isinstance(level, int) and level else str(level)


def _last_clear_order(name: str, history: Sequence[Edition]) -> Sequence[Mapping[str, Any]] | None:
    """The order of the newest edition whose first strategy led by more than the Monte Carlo error; None where none did."""
    for edition in reversed(history):
        found = (edition.rankings or {}).get(name)
        if found is None:
            continue
        order = found["order"]
        if len(order) == 1 or order[0]["sucra"] - order[1]["sucra"] > 2 * found["error"]:
            return list(order)
    return None


def _of_ranking(
    alert: AlertAsked, change: RankingChange, estimates: Sequence[EstimateChange], history: Sequence[Edition]
) -> Alert | None:
    """Whether another strategy comes first than when one last did clearly; leads within the Monte Carlo error are no order."""
    if not change.before or not change.now or alert.outcome not in (None, change.outcome):
        return None
    was, is_now = (_last_clear_order(change.name, history) or change.before)[0], change.now[0]
    if was["treatment"] == is_now["treatment"]:
        return None
    other = next((one for one in change.now if one["treatment"] == was["treatment"]), None)
    if other is not None and is_now["sucra"] - other["sucra"] <= 2 * change.error:
        return None
    place = "is no longer in the network" if other is None else f"now has {other['sucra']:.2f}"
    causes = list(dict.fromkeys(cause for one in _of_network(change.name, estimates) for cause in one.causes))
    return Alert(
        when=alert.when,
        about=change.name,
        outcome=change.outcome,
        sentence=(
            f"{change.name}: {is_now['treatment']} now stands first in the order of strategies (SUCRA {is_now['sucra']:.2f}); "
            f"before, {was['treatment']} did ({was['sucra']:.2f}), which {place}."
        ),
        why=_sentence("; ".join(causes)),
        next_step="Read the league table and the intervals of the ranks: a place in an order says nothing of the size of a difference.",
        before=str(was["treatment"]),
        now=str(is_now["treatment"]),
        studies=tuple(sorted({study for one in _of_network(change.name, estimates) for study in one.studies})),
    )


def _of_network(name: str, estimates: Sequence[EstimateChange]) -> list[EstimateChange]:
    return [one for one in estimates if one.moved and one.name.startswith(f"{name}: ")]
