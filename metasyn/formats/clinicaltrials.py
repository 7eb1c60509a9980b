"""Results that a trial posted on ClinicalTrials.gov (API v2, JSON) to a record draft, with what was not understood.

Nothing is guessed: the registry does not say which of two groups a ratio has in its numerator, what an outcome is called here, or from
when times are counted. The first group of an analysis is taken for the treatment, which the draft lists as inferred and to be confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metasyn.formats.clinicaltrials_outcomes import add_outcome
from metasyn.formats.clinicaltrials_safety import add_adverse_events, add_baseline
from metasyn.formats.draft import MAIN, Builder, Facts, RecordDraft, unique
from metasyn.formats.intake import as_text, read_json, refuse
from metasyn.formats.json_access import listed, mapping, text_at
from metasyn.reports.documents.visible_text import one_line

MASKING = {
    "NONE": "open-label",
    "SINGLE": "single-blind",
    "DOUBLE": "double-blind",
    "TRIPLE": "triple-blind",
    "QUADRUPLE": "quadruple-blind",
}
PLACE = "main: posted results"


def read_clinicaltrials(raw: bytes, name: str, facts: Facts) -> tuple[RecordDraft, ...]:
    """Record drafts from a study object, or from an answer with several.

    Parameters
    ----------
    raw : bytes
        JSON as https://clinicaltrials.gov/api/v2/studies/NCT… answers it.
    name : str
        The file's name, for messages.
    facts : Facts
        What the registry does not say; `outcomes` maps titles of outcome measures, and terms of adverse events, to words.

    Returns
    -------
    tuple of RecordDraft

    Raises
    ------
    EvidenceError
        If the file is no such JSON, or no study in it has posted results.
    """
    data = read_json(as_text(raw, name), name)
    studies = listed(data, "studies") if isinstance(data, dict) and "studies" in data else [data]
    if not all(isinstance(study, dict) and "protocolSection" in study for study in studies) or not studies:
        refuse(
            name,
            "is JSON, and no study of ClinicalTrials.gov (no protocolSection); accepted: a study object of the API v2",
        )
    drafts: list[RecordDraft] = []
    for study in studies:
        if "resultsSection" not in study:
            continue
        drafts.append(_draft(study, facts, [draft.id for draft in drafts]))
    if not drafts:
        refuse(name, "has no posted results (no resultsSection); accepted: a study with results")
    return tuple(drafts)


def _draft(study: dict[str, Any], facts: Facts, taken: list[str]) -> RecordDraft:
    protocol, results = mapping(study, "protocolSection"), mapping(study, "resultsSection")
    number = text_at(protocol, "identificationModule", "nctId") or "unnumbered"
    builder = Builder(
        unique(one_line(number).lower().replace(" ", "-"), taken),
        facts,
        name=text_at(protocol, "identificationModule", "acronym"),
    )
    builder.extraction_note = "imported from posted results of ClinicalTrials.gov; no paper was read"
    builder.head["registration"] = number
    _publications(builder, protocol, number)
    _design(builder, protocol)
    _participant_flow(builder, results)
    for measure in listed(results, "outcomeMeasuresModule", "outcomeMeasures"):
        add_outcome(builder, measure, PLACE)
    add_adverse_events(builder, mapping(results, "adverseEventsModule"), PLACE)
    add_baseline(builder, mapping(results, "baselineCharacteristicsModule"), PLACE)
    known = {
        "participantFlowModule",
        "outcomeMeasuresModule",
        "adverseEventsModule",
        "baselineCharacteristicsModule",
        "moreInfoModule",
    }
    builder.notes += [f"not understood: the section {one_line(str(key))[:60]}" for key in results if key not in known]
    return builder.draft()


def _publications(builder: Builder, protocol: dict[str, Any], number: str) -> None:
    title = text_at(protocol, "identificationModule", "officialTitle") or text_at(
        protocol, "identificationModule", "briefTitle"
    )
    main: dict[str, Any] = {"label": f"ClinicalTrials.gov, {number}"}
    if title:
        main["title"] = title
    posted = text_at(protocol, "statusModule", "resultsFirstPostDateStruct", "date") or ""
    if posted[:4].isdigit():
        main["year"] = posted[:4]
    if number.upper().startswith("NCT") and number[3:].isdigit():
        main["url"] = f"https://clinicaltrials.gov/study/{number.upper()}"
    builder.reports[MAIN] = main | {"kind": "posted results", "seen": "secondary"}
    for reference in listed(protocol, "referencesModule", "references"):
        pmid, citation = text_at(reference, "pmid"), text_at(reference, "citation")
        if text_at(reference, "type") in ("RESULT", "DERIVED") and pmid and pmid.isdigit():
            builder.reports[f"pmid-{pmid}"] = {"label": citation or f"PMID {pmid}", "pmid": pmid}


def _design(builder: Builder, protocol: dict[str, Any]) -> None:
    design = mapping(protocol, "designModule")
    kind, info = text_at(design, "studyType"), mapping(design, "designInfo")
    allocation, model = text_at(info, "allocation"), text_at(info, "interventionModel")
    if kind == "INTERVENTIONAL" and allocation == "RANDOMIZED":
        builder.design["type"] = "rct"
    elif kind == "INTERVENTIONAL" and model == "SINGLE_GROUP":
        builder.design["type"] = "single-arm"
    elif kind == "OBSERVATIONAL" and text_at(info, "timePerspective") in ("PROSPECTIVE", "RETROSPECTIVE"):
        builder.design["type"] = f"{str(text_at(info, 'timePerspective')).lower()}-cohort"
    phases = [
        one_line(str(phase)).removeprefix("PHASE")
        for phase in listed(design, "phases")
        if str(phase).startswith("PHASE")
    ]
    if phases:
        builder.design["phase"] = "/".join(phases)
    masking = MASKING.get(text_at(info, "maskingInfo", "masking") or "")
    if masking:
        builder.design["blinding"] = masking
    countries = sorted(
        {text_at(place, "country") or "" for place in listed(protocol, "contactsLocationsModule", "locations")} - {""}
    )
    if countries:
        builder.design["country"] = countries[0] if len(countries) == 1 else countries
    count = text_at(design, "enrollmentInfo", "count")
    if text_at(design, "enrollmentInfo", "type") == "ACTUAL" and count and count.isdigit():
        builder.population["n"] = count
    conditions = [one_line(str(one)) for one in listed(protocol, "conditionsModule", "conditions")]
    if conditions:
        builder.notes.append(f"conditions as registered: {'; '.join(conditions)[:400]}")


def _participant_flow(builder: Builder, results: dict[str, Any]) -> None:
    """Groups as arms, those who started as the set's patients, and every other milestone as a note."""
    flow = mapping(results, "participantFlowModule")
    arms = {
        text_at(group, "id"): builder.arm(text_at(group, "title") or "unnamed group")
        for group in listed(flow, "groups")
    }
    started: dict[str, str] = {}
    for period in listed(flow, "periods"):
        title = text_at(period, "title") or "a period"
        for kind, counts in _milestones(period):
            found = {arms[key]: value for key, value in counts.items() if key in arms and value.isdigit()}
            if kind == "STARTED" and not started:
                started = found
            elif found:
                builder.notes.append(
                    f"flow, {title}: {kind} " + ", ".join(f"{value} ({arm})" for arm, value in found.items())
                )
    method = "rct" if builder.design.get("type") == "rct" else None
    builder.analysis_set(method=method, n=started, label="participant flow: all who started" if started else None)


def _milestones(period: dict[str, Any]) -> Iterator[tuple[str, dict[str | None, str]]]:
    for section, inner in (("milestones", "achievements"), ("dropWithdraws", "reasons")):
        for one in listed(period, section):
            counts = {text_at(entry, "groupId"): text_at(entry, "numSubjects") or "" for entry in listed(one, inner)}
            yield text_at(one, "type") or "unnamed", counts
