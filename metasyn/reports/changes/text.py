"""What moved, in words for a panel and in fields for a notifier: changes.md and changes.json."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from metasyn.pooling import is_ratio
from metasyn.reports.changes.alerts import Alert
from metasyn.reports.changes.estimate_words import decimals_apart, estimate_words, signed
from metasyn.reports.changes.movement import Movement, exit_code
from metasyn.reports.changes.what_changed import EstimateChange, RankingChange, StudyChange, Values, displayed
from metasyn.reports.numbers import json_text

SCHEMA_VERSION = "1.0.0"  # of changes.json
FIRST = "There is no recorded edition to compare with."
NOTHING = "Nothing moved."
STUDY_WORDS = {
    "added": "added",
    "edited": "record edited",
    "withdrawn": "withdrawn",
    "left": "recorded, and no longer of this report",
}


def changes_md(movement: Movement) -> str:
    """What moved, in Markdown; the same text whenever nothing did."""
    blocks = ["# What changed", *_blocks(movement)]
    return "\n\n".join(blocks) + "\n"


def _blocks(movement: Movement) -> Iterator[str]:
    if movement.since is None:
        yield FIRST
    else:
        yield f"Compared with {escaped(movement.since)}."
        yield f"**{summary(movement)}**"
    yield from _section("Alerts", [_alert_line(alert) for alert in movement.raised], ordered=True)
    yield from _section("Seen, and held back", [_alert_line(alert) for alert in movement.held_back])
    yield from _section("Studies", [study_line(one) for one in movement.studies])
    yield from _section("Estimates that moved", [moved_line(one) for one in in_order(movement.moved_estimates)])
    yield from _section("New estimates", [new_line(one) for one in in_order(movement.new_estimates)])
    yield from _section("No longer there", [gone_line(one) for one in in_order(movement.gone_estimates)])
    yield from _section("Certainty", [certainty_line(one) for one in movement.certainties])
    yield from _section("Order of strategies", order_lines(movement.rankings))
    yield from _section("New names", renamed_lines(movement.estimates))
    yield from _section("To know", [*movement.notes, *unwatched_lines(movement.unwatched)])


def _section(title: str, lines: Sequence[str], *, ordered: bool = False) -> Iterator[str]:
    if lines:
        yield f"## {title}"
        marks = [f"{number}." if ordered else "-" for number in range(1, len(lines) + 1)]
        yield "\n".join(f"{mark} {escaped(line)}" for mark, line in zip(marks, lines, strict=True))


def escaped(text: str) -> str:
    """A text that Markdown shows as it stands: on one line, no mark-up, no HTML, no links; intervals stay readable unrendered."""
    line = re.sub(r"\s+", " ", text)
    line = re.sub(r"[\\`*<]|(?<!\w)_|_(?!\w)|\](?=[(\[:])|&(?=#?\w+;)|~(?=~)", r"\\\g<0>", line)
    return re.sub(r"^(\d+)(?=[.)])", r"\1\\", re.sub(r"^(?=[#>+=-])", r"\\", line))


def summary(movement: Movement) -> str:
    """The first thing read: how many alerts, studies and estimates."""
    if not movement.moved and not movement.raised:
        edited = [one.study for one in movement.studies]
        return f"{NOTHING} Edited without effect: {', '.join(edited)}." if edited else NOTHING
    parts = [_count(len(movement.raised), "alert")] if movement.raised else ["No alert"]
    if movement.held_back:
        parts[0] += f", and {len(movement.held_back)} held back"
    studies = [f"{len(names)} {word}" for word, names in _by_what(movement.studies).items()]
    if studies:
        parts.append(f"Studies: {', '.join(studies)}")
    kept = [one for one in movement.estimates if one.before is not None and one.now is not None]
    parts.append(f"{len(movement.moved_estimates)} of {_count(len(kept), 'estimate')} moved")
    if movement.new_estimates or movement.gone_estimates:
        parts[-1] += f", {len(movement.new_estimates)} new, {len(movement.gone_estimates)} gone"
    if movement.certainties:
        parts.append(f"Certainty judged otherwise for {_count(len(movement.certainties), 'result')}")
    return ". ".join(parts) + "."


def _count(many: int, word: str) -> str:
    return f"{many} {word}" if many == 1 else f"{many} {word}s"


def _by_what(studies: Sequence[StudyChange]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in studies:
        found.setdefault({"left": "no longer of this report"}.get(one.what, one.what), []).append(one.study)
    return found


def _alert_line(alert: Alert) -> str:
    waits = f"Not raised, {alert.held_back}. " if alert.held_back is not None else ""
    why = f" Why: {alert.why}" if alert.why else ""
    return f"{waits}{alert.sentence}{why} Next: {alert.next_step}"


def study_line(one: StudyChange) -> str:
    """A study that came, changed or went, and how many estimates rest on it."""
    pools = [name for name in one.estimates if not name.startswith("network: ")]
    networks = dict.fromkeys(name.rpartition("): ")[0] + ")" for name in one.estimates if name.startswith("network: "))
    touched = "; ".join([*pools, *networks])
    return f"{one.study}: {STUDY_WORDS[one.what]}; it bears on {touched or 'no estimate'}."


def in_order(changes: Sequence[EstimateChange]) -> list[EstimateChange]:
    """Pools before networks, each by name."""
    return sorted(changes, key=lambda one: ((one.now or one.before or {}).get("kind") == "network", one.name))


def before_and_now(one: EstimateChange) -> tuple[str, str]:
    """An estimate before and now, with as many decimals as it takes to see the difference."""
    before, now = one.before or {}, one.now or {}
    pairs = [
        (displayed(before[name], before["measure"]), displayed(now[name], now["measure"]))
        for name in ("estimate", "ci_low", "ci_high")
        if before[name] is not None and now[name] is not None
    ]
    decimals = decimals_apart(pairs)
    return estimate_words(before, decimals), estimate_words(now, decimals)


def difference_words(one: EstimateChange) -> list[str]:
    """The difference as printed, on the log scale where that is another, and in standard errors of before; nothing of two measures."""
    if one.difference is None or one.difference_displayed is None:
        return []
    words = [f"difference {signed(one.difference_displayed)}"]
    if is_ratio(one.measure):
        words.append(f"log {signed(one.difference)}")
    if one.difference_in_se is not None:
        words.append(f"{signed(one.difference_in_se)} old standard errors")
    return words


def heterogeneity_line(one: EstimateChange) -> str | None:
    """I² before and now, where it is another in print."""
    shown = [_percent((values or {}).get("i2")) for values in (one.before, one.now)]
    return f"I² {shown[0]} → {shown[1]}" if shown[0] != shown[1] and None not in shown else None


def _percent(value: Any) -> str | None:
    return None if value is None else f"{value:.0f}%"


def moved_line(one: EstimateChange) -> str:
    """An estimate that moved: before, now, how far, and why."""
    before, now = before_and_now(one)
    aside = [*difference_words(one), *([line] if (line := heterogeneity_line(one)) is not None else [])]
    text = f"{one.name}: {before} → {now}" + (f" ({'; '.join(aside)})" if aside else "")
    return f"{text}. Why: {'; '.join(one.causes)}."


def new_line(one: EstimateChange) -> str:
    """An estimate that was not there before."""
    return f"{one.name}: {estimate_words(one.now or {})}. Why: {'; '.join(one.causes)}."


def gone_line(one: EstimateChange) -> str:
    """An estimate that is not there any more."""
    return f"{one.name}: it was {estimate_words(one.before or {})}. Why: {'; '.join(one.causes)}."


def certainty_line(one: Any) -> str:
    """A certainty before and now, and the domains that made it so."""
    domains = "; ".join(f"{name} {_level(before)} → {_level(now)}" for name, before, now in one.domains)
    change = f"{one.before} → {one.now}" if one.before != one.now else f"{one.now}, as before"
    return f"{one.name}: {change}" + (f" ({domains})." if domains else ".")


def _level(level: Any) -> str:
    if isinstance(level, int):
        return f"{level:+d}".replace("-", "−") if level else "0"
    return "not judged" if level is None else str(level)


def order_lines(rankings: Sequence[RankingChange]) -> list[str]:
    """Orders of strategies that are other than before."""
    lines = []
    for one in rankings:
        if not one.order_changed:
            continue
        before, now = (", ".join(str(row["treatment"]) for row in rows) for rows in (one.before, one.now))
        if not one.before:
            lines.append(f"{one.name}: ranked for the first time: {now}.")
        elif not one.now:
            lines.append(f"{one.name}: no longer ranked; it was {before}.")
        else:
            lines.append(f"{one.name}: {now}; before, {before}.")
    return lines


def renamed_lines(estimates: Sequence[EstimateChange]) -> list[str]:
    """Estimates that have another name, which is no move."""
    return [f"{one.was_named} is now called {one.name}." for one in estimates if one.was_named is not None]


def unwatched_lines(alerts: Sequence[str]) -> list[str]:
    """Alerts that would stay silent whatever happens."""
    return [
        f"The alert {{{words}}} watches nothing: no result of this report has its outcome, comparison and scale."
        for words in alerts
    ]


def changes_json(movement: Movement) -> dict[str, Any]:
    """What moved, for a program that tells people.

    Returns
    -------
    dict
        schema_version, report, since, moved, exit_code, summary, alerts, held_back, studies, estimates (those that moved, are new or gone;
        effects on the analysis scale, `*_displayed` as printed), unchanged (how many), certainties, rankings, renamed, notes.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "report": movement.report,
        "since": None
        if movement.since is None
        else {"edition": movement.since_number, "date": movement.since_date, "title": movement.since},
        "moved": movement.moved,
        "exit_code": exit_code((movement,)),
        "summary": FIRST if movement.since is None else summary(movement),
        "alerts": [_alert_values(alert) for alert in movement.raised],
        "held_back": [_alert_values(alert) for alert in movement.held_back],
        "studies": [
            {"study": one.study, "what": one.what, "estimates": list(one.estimates)} for one in movement.studies
        ],
        "estimates": [_estimate_values(one) for one in in_order(movement.estimates) if one.moved],
        "unchanged": sum(not one.moved for one in movement.estimates),
        "certainties": [
            {
                "estimate": one.name,
                "before": one.before,
                "now": one.now,
                "domains": [{"domain": name, "before": was, "now": is_now} for name, was, is_now in one.domains],
            }
            for one in movement.certainties
        ],
        "rankings": [
            {
                "network": one.name,
                "before": [row["treatment"] for row in one.before],
                "now": [row["treatment"] for row in one.now],
            }
            for one in movement.rankings
            if one.order_changed
        ],
        "renamed": {one.name: one.was_named for one in movement.estimates if one.was_named is not None},
        "notes": [*movement.notes, *unwatched_lines(movement.unwatched)],
    }


def changes_json_text(movement: Movement) -> str:
    """changes.json."""
    return json_text(changes_json(movement))


def _alert_values(alert: Alert) -> dict[str, Any]:
    return {
        "when": alert.when,
        "about": alert.about,
        "outcome": alert.outcome,
        "sentence": alert.sentence,
        "why": alert.why,
        "next": alert.next_step,
        "before": alert.before,
        "now": alert.now,
        "studies": list(alert.studies),
        "held_back": alert.held_back,
    }


def _estimate_values(one: EstimateChange) -> dict[str, Any]:
    return {
        "estimate": one.name,
        "what": "new" if one.before is None else "gone" if one.now is None else "moved",
        "before": _side(one.before),
        "now": _side(one.now),
        "difference": one.difference,
        "difference_displayed": one.difference_displayed,
        "difference_in_se": one.difference_in_se,
        "causes": list(one.causes),
        "studies": list(one.studies),
    }


def _side(values: Values | None) -> dict[str, Any] | None:
    """What an edition holds of an estimate, with what is printed of it."""
    if values is None:
        return None
    shown = {
        f"{name}_displayed": None if values[name] is None else displayed(values[name], values["measure"])
        for name in ("estimate", "ci_low", "ci_high")
    }
    return {**values, **shown}
