"""Which format a file is in, and what each format cannot carry."""

from __future__ import annotations

import re

from metasyn.errors import EvidenceError, UsageError
from metasyn.formats.contrast_table import is_contrast_table
from metasyn.formats.intake import is_zip, problem, refuse

IMPORTS = {
    "contrasts": "contrast table, wide or long (.csv)",
    "revman": "RevMan 5 review (.rm5)",
    "clinicaltrials": "posted results of ClinicalTrials.gov (.json)",
    "ris": "references (.ris)",
    "bibtex": "references (.bib)",
}
EXPORTS = {
    "csv": "contrast table, one row per comparison; can be imported again",
    "arms": "contrast table, one row per arm; can be imported again",
    "json": "effects, or a report's results",
    "excel": "effects, or a report's results, as a workbook",
    "netmeta": "contrasts for R's netmeta",
    "cinema": "contrasts for CINeMA",
    "r": "R script that computes a report's pooled numbers again",
    "bibtex": "publications of the studies used",
    "figures": "a report's figures at a journal's width: SVG, PNG (600 dpi) and PDF",
}
_CANNOT = {
    "csv": (
        "Only rows that an effect is taken from are in the table: other figures of a study, and figures that are not used, are not.",
        "Covariates of models, subgroups, figures printed elsewhere (also_printed), curves, rates, baseline tables, risk of bias, accepted "
        "findings and notes of a record have no column.",
        "A publication is carried where a row was read in it; the comparator's row of counts is given the treatment's source.",
    ),
    "contrasts": (
        "Covariates of models, subgroups, figures printed elsewhere, curves, rates, baseline tables and risk of bias have no column.",
        "Judgements of risk of bias or indirectness in CINeMA's columns are not taken: a number is no judgement with its reason.",
    ),
    "arms": (
        "Hazard ratios, their intervals and p values, and anything else that compares arms, have no column.",
        "From medians alone no effect follows where events are not printed.",
    ),
    "revman": (
        "Strategies of arms, the line of treatment, the design and time origins are not in a review: they are asked for.",
        "Forest plots, weights, pooled results, footnotes, tables of characteristics, risk-of-bias tables and the text of the review are not taken.",
        "Generic inverse variance and O-E and variance outcomes are unverified: no public example file was found. So is the archive of RevMan Web.",
    ),
    "clinicaltrials": (
        "The registry does not say which of two groups a ratio is of: the first named is taken for the treatment, and the draft asks to confirm it.",
        "Milestones after the start, and reasons for leaving, become notes; tables of several categories are not read.",
        "Serious and other adverse events are no grades: only terms that a person maps to words of the vocabulary are taken.",
        "Protocol, eligibility criteria, sponsors and sites are not taken.",
        "Adverse events and baseline follow the published data structure and are unverified on an answer of the registry.",
    ),
    "ris": ("Abstracts, keywords, volumes, pages, editors and first names are not taken; a reference has no figures.",),
    "bibtex": (
        "Volumes, pages, editors, abstracts and first names are not in a record, and so neither read nor written.",
        "Figures of the studies have no place in references.",
    ),
    "json": ("Records themselves are not in it: their texts stay in evidence/studies.",),
    "excel": (
        "Figures and prose of the report are not in it; numbers have 16 significant digits.",
        "Texts of more than 32,000 characters are cut, which the cell says; texts that begin as a formula does have an apostrophe before them.",
    ),
    "netmeta": (
        "Population, design, source, measure and what the figures were printed as have no column.",
        "Correlations within studies of several arms are implied by their standard errors; netmeta derives them again.",
    ),
    "cinema": (
        "Risk of bias has three levels: some concerns and moderate become 2; high, serious and critical become 3; no information stays empty.",
        "Domains and reasons behind a judgement, and indirectness that nobody judged, have no place in it.",
    ),
    "figures": ("Figures whose letters would be smaller than 6 points at the width are not made; the message says which width would do.",),
    "r": (
        "Kenward-Roger intervals, bootstrap prediction intervals and Bayesian results are not in metafor: they are named and not compared.",
        "Networks need the package netmeta, and mixed models of few events lme4 and BiasedUrn; without them these parts are skipped with a message.",
        "What a report says of survival, of outcomes fitted jointly and of risk of bias is not in the script.",
    ),
}  # fmt: skip


def cannot_carry(kind: str) -> tuple[str, ...]:
    """What a format has no place for, or an import does not take, in sentences.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    if kind not in _CANNOT:
        raise UsageError(f"no format {kind}; accepted: {', '.join(_CANNOT)}")
    return _CANNOT[kind]


def recognise(raw: bytes, name: str) -> str:
    """The kind of a file to be imported, by its content; its extension decides only where the content does not.

    Raises
    ------
    EvidenceError
        If it is none that can be imported; says what is accepted.
    """
    suffix = name.rsplit(".", 1)[-1].lower() if "." in name else ""
    start = raw[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if is_zip(raw):
        if suffix in ("xlsx", "xlsm", "docx"):
            refuse(name, "is an office file; accepted: save the sheet as CSV in UTF-8")
        return "revman"
    if start[:1] == b"<":
        return "revman"
    if start[:1] in (b"{", b"["):
        return "clinicaltrials"
    text = start.decode("utf-8", errors="ignore")
    if re.match(r"TY  ?-", text):
        return "ris"
    if re.search(r"^[ \t]*@\w+[ \t]*\{", text, re.MULTILINE):
        return "bibtex"
    if "\0" not in text and (is_contrast_table(text.split("\n", 1)[0]) or suffix in ("csv", "tsv")):
        return "contrasts"
    found = {"rm5": "revman", "json": "clinicaltrials", "ris": "ris", "bib": "bibtex"}.get(suffix)
    if found is not None:
        return found
    known = "; ".join(f"{kind}: {what}" for kind, what in IMPORTS.items())
    raise EvidenceError([problem(name, f"is in no format that can be imported; accepted: {known}")])
