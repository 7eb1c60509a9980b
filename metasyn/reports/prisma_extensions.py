"""Answers to the items of PRISMA-NMA (networks) and PRISMA-LSR (living reviews)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metasyn.records.search import Living
from metasyn.reports.network_section import NetworkResult
from metasyn.reports.prisma_answers import Answer, Facts, Word, counted, full, names, none, part, stated

NETWORKS = "networks"
# items of PRISMA-NMA that ask what items of PRISMA 2020 ask
SAME: dict[str, tuple[str, ...]] = {
    "2": ("2",),
    "4": ("4",),
    "5": ("24a", "24b"),
    "7": ("6",),
    "8": ("7",),
    "9": ("8",),
    "10": ("9",),
    "11": ("10a", "10b"),
    "12": ("11",),
    "15": ("14",),
    "17": ("16a",),
    "18": ("17",),
    "19": ("18",),
    "20": ("19",),
    "22": ("21",),
    "24": ("23a",),
    "25": ("23b", "23c"),
    "26": ("23d",),
    "27": ("25",),
}


def together(answers: Mapping[str, Answer], items: Sequence[str]) -> Answer:
    """One answer from those to items of PRISMA 2020: answered where all are, not reported where none is."""
    words = {answers[item].word for item in items}
    word = words.pop() if len(words) == 1 else "partly"
    where = f"As item{'s' if len(items) > 1 else ''} {' and '.join(items)} of PRISMA 2020."
    return Answer(word, where, answers[items[0]].anchor)


def answers_nma(facts: Facts, networks: Sequence[NetworkResult], base: Mapping[str, Answer]) -> dict[str, Answer]:
    """One answer per item of PRISMA-NMA.

    Parameters
    ----------
    networks : sequence of NetworkResult
        Those of the report; empty where studies make none.
    base : mapping
        Answers to PRISMA 2020.
    """
    shared = {item: together(base, items) for item, items in SAME.items()}
    listed = {str(study) for result in facts.answered for study in result.candidates["study"]}
    missing = sorted(
        {trial.name for one in networks for trial in one.network.trials if not listed & set(trial.records)}
    )
    for item, table in (("18", "studies"), ("19", "risk of bias")) if missing else ():
        lacking = f"{shared[item].words} The table of {table} lacks {names(missing)}."
        word: Word = "not reported" if shared[item].word == "not reported" else "partly"
        shared[item] = shared[item]._replace(word=word, words=lacking)
    found = {**shared, **_nma_methods(facts, base), **_nma_results(networks)}
    if networks:
        return found
    # a page without networks has no such section to lead to
    return {item: answer._replace(anchor="") if answer.anchor == NETWORKS else answer for item, answer in found.items()}


def _nma_methods(facts: Facts, base: Mapping[str, Answer]) -> dict[str, Answer]:
    asked = facts.question.network
    named = "network" in facts.question.title.lower()
    if facts.search is None:
        title = none("No search is documented, so the report is headed as selected records.")
    else:
        title = full("Title.") if named else none("The title does not name a network meta-analysis.")
    why = facts.said.rationale_network
    rationale = none("Why strategies are compared as a network is not said (statements.rationale_network).")
    if why is not None:
        rationale = (full if base["3"].word == "answered" else part)(f"Stated: {why}")
    merged = f"nodes: {asked.coarsening().describe()}." if asked is not None else "how nodes are named is not said."
    eligible = base["5"].word == "answered"
    nodes = (full if eligible else part)(f"Studies: as item 5 of PRISMA 2020; {merged}", NETWORKS)
    made = full("Methods of networks, with references.", "methods")
    if asked is None:
        made = none("The definition asks for no network, so Methods do not describe one.")
    more = "important_difference, " if asked is not None and asked.important_difference is not None else ""
    more += "components, " if asked is not None and asked.components else ""
    return {
        "1": title,
        "3": rationale,
        "6": nodes,
        "S1": part("Graph, table of comparisons and what may modify effects are shown; Methods do not describe it.", NETWORKS),
        "13": Answer(made.word, f"Measures by outcome; ranks with their uncertainty. {made.words}", made.anchor),
        "14": made,
        "S2": made,
        "16": Answer(made.word, f"Thresholds, leave-one-out, {more}priors and correlations. {made.words}", made.anchor),
    }  # fmt: skip


def _nma_results(networks: Sequence[NetworkResult]) -> dict[str, Answer]:
    if not networks:
        return dict.fromkeys(("S3", "S4", "21", "S5", "23"), none("No studies make a network."))
    total = counted(len(networks), "network")
    split = sum(len(one.network.parts) > 1 for one in networks)
    analysed = [one for one in networks if one.analysis is not None]
    assessable = sum(one.analysis.coherence.assessable for one in networks if one.analysis is not None)
    islands = f"; {split} fall into islands that nothing connects" if split else ""
    fitted = sum(bool(one.fits) for one in networks)
    if not analysed:
        coherence = none(f"Of {total}, none can bear it; each says why.", NETWORKS)
        further = none(f"Of {total}, none can bear them; each says why.", NETWORKS)
    else:
        coherence = full(
            f"Each of {len(analysed)} says what is known; loops that independent designs close: in {assessable}.",
            NETWORKS,
        )
        if not assessable:
            coherence = part("Not assessable: independent designs close no loop.", NETWORKS)
        whole = len(analysed) == len(networks)
        further = (full if whole else part)(f"{len(analysed)} of {total}; the others say why not.", NETWORKS)
    return {
        "S3": full(f"Figure of each of {total}.", NETWORKS),
        "S4": full(f"Comparisons with studies and patients, for each of {total}{islands}.", NETWORKS),
        "21": (full if fitted == len(networks) else part)(f"Estimates of {fitted} of {total}, with intervals.", NETWORKS),
        "S5": coherence,
        "23": further,
    }  # fmt: skip


def answers_lsr(facts: Facts, history: Mapping[str, Any] | None) -> dict[str, Answer]:
    """One answer per item of PRISMA-LSR.

    Parameters
    ----------
    history : mapping or None
        The last recorded edition, as `metasyn.reports.changes.history.last_edition` gives it.
    """
    living = facts.search.living if facts.search is not None else Living()
    titled = "living" in facts.question.title.lower()
    edition = f"edition {history['edition']} of {history['date']}" if history is not None else None
    version = f"compared with {edition}" if edition else "no edition is recorded"
    title = none(f"The title does not say living; {version}.")
    if titled:
        title = part(f"Title; the number of this version is not in it; {version}.")
    elif edition is not None:
        title = part(f"The title does not say living; {version}.")
    retired = none("Not said (living.retired in the search file).")
    if living.retired is not None:
        retired = full("This is the last version." if living.retired else "Further versions are planned.")
    changed = none("No edition is recorded to compare with.")
    if edition is not None:
        changed = full(f"changes.md lists every estimate that moved since {edition}, with studies added and removed.")
    return {
        "1": title,
        "2": retired,
        "3": _several(living, {"why": "why", "preceding": "version before"}, edition and f"last recorded: {edition}"),
        "4": _one(living, "question_changed"),
        "L1": _several(living, {"schedule": "searches", "further_steps": "further steps", "retirement": "end"}),
        "9": _one(living, "data_updates"),
        "11": _one(living, "bias_updates"),
        "13": _one(living, "repeated_analysis"),
        "L2": _one(living, "methods_changed"),
        "16a": _selection(facts, living),
        "L3": changed,
        "23c": _one(living, "limitations"),
        "L4": _one(living, "roles"),
    }


def _one(living: Living, field: str) -> Answer:
    return stated(getattr(living, field), field, none(f"Not said (living.{field} in the search file)."))


def _several(living: Living, fields: Mapping[str, str], known: str | None = None) -> Answer:
    """An item of several parts: answered where all are stated."""
    found = {word: getattr(living, field) for field, word in fields.items()}
    told = [f"{word}: {text}" for word, text in found.items() if text is not None]
    missing = [f"living.{field}" for field, word in fields.items() if found[word] is None]
    if not missing:
        return full("; ".join(told))
    lines = [*told, *([known] if known else [])]
    rest = f"not said: {', '.join(missing)} in the search file."
    return part(f"{'; '.join(lines)}; {rest}") if lines else none(f"N{rest[1:]}")


def _selection(facts: Facts, living: Living) -> Answer:
    if facts.search is None:
        return none("There is no evidence/search.yaml, so no numbers and no flow.")
    if living.trigger is None:
        return part("Flow diagram; what led to this version is not said (living.trigger).", "prisma")
    if facts.search.previous is None and living.preceding is None:
        return part(
            f"{living.trigger} Whether there was a version before is not said (previous, living.preceding).", "prisma"
        )
    return full(f"{living.trigger} Flow diagram, with what earlier versions held.", "prisma")
