"""R scripts that compute a report's pooled numbers again with metafor, and networks with netmeta.

A script is data and calls: it reads no file and needs only the packages it names. Every number is printed beside metasyn's with the
difference, and the script stops with an error where they differ by more than one part in a million.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from metasyn.network import NetworkEstimate
from metasyn.pooling import PooledEstimate, Subgroups
from metasyn.pooling.counts import CountsEstimate
from metasyn.records import Study
from metasyn.reports.answers import OutcomeResult, Stratum
from metasyn.reports.documents.visible_text import one_line
from metasyn.reports.further import COUNTS

TESTS = {"z": "z", "t": "t", "HK": "knha", "HK_adhoc": "adhoc"}
CONTROL = "list(threshold = 1e-13, tol = 1e-14, maxiter = 10000)"
INTERVAL_PI = ("normal, se of the interval", "t(k-1), se of the interval")  # what metafor's predict() gives
HEAD = """\
# Written by metasyn. Runs with: Rscript <this file>
# Pooled numbers are computed again by metafor (https://www.metafor-project.org) from the effects below, on the analysis scale (logs of
# ratios). The columns are R's number, metasyn's number and the difference. The script stops where a number differs by more than
# 1e-6 of itself (or 1e-9, for numbers at 0).
suppressPackageStartupMessages(library(metafor))
disagree <- character(0)
where <- ""
section <- function(text) {
  where <<- text
  cat("\\n", text, "\\n", sep = "")
}
compare <- function(what, r, metasyn) {
  r <- as.numeric(r)
  difference <- r - metasyn
  cat(sprintf("  %-24s %20.12g %20.12g %12.3g\\n", what, r, metasyn, difference))
  if (!is.finite(difference) || abs(difference) > 1e-6 * abs(metasyn) + 1e-9) disagree <<- c(disagree, paste0(where, ": ", what))
}
beside <- function(what, r, metasyn) {
  cat(sprintf("  %-24s %20.12g %20.12g %12.3g (not judged)\\n", what, as.numeric(r), metasyn, as.numeric(r) - metasyn))
}
aside <- function(text) cat("  ", text, "\\n", sep = "")
"""
TAIL = """
if (length(disagree) > 0) stop("numbers that differ from metasyn's: ", paste(disagree, collapse = "; "))
cat("\\nall numbers agree\\n")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedNetwork:
    """A network's contrasts and its fit, under a title."""

    title: str
    measure: str
    effects: pd.DataFrame  # study treatment comparator effect se
    fit: NetworkEstimate


def r_string(text: str) -> str:
    """A text as an R string: plain ASCII, nothing in it can end the string."""
    escaped = []
    for character in one_line(text):
        code = ord(character)
        if character in ('"', "\\"):
            escaped.append(f"\\{character}")
        elif 32 <= code < 127:
            escaped.append(character)
        else:
            escaped.append(f"\\u{{{code:04x}}}" if code <= 0xFFFF else f"\\U{{{code:08x}}}")
    return f'"{"".join(escaped)}"'


def r_number(value: float | None) -> str:
    """A number with all its digits."""
    if value is None or math.isnan(value):
        return "NA_real_"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return repr(float(value))


def r_vector(values: Iterable[Any]) -> str:
    """A vector of numbers or of strings."""
    return f"c({', '.join(r_string(value) if isinstance(value, str) else r_number(float(value)) for value in values)})"


def report_script(
    title: str,
    answered: Sequence[OutcomeResult],
    networks: Sequence[FittedNetwork] = (),
    studies: Mapping[str, Study] | None = None,
) -> str:
    """The R script of a report.

    Parameters
    ----------
    title : str
        The report's.
    answered : sequence of OutcomeResult
        Its results: headlines, alternatives, methods for few events, leave-one-out, subgroups.
    networks : sequence of FittedNetwork
        Its networks; computed again where netmeta is installed.
    studies : mapping or None
        The records: their attributes say which study is in which subgroup; without them subgroups are left out.

    Returns
    -------
    str
        ASCII, LF.
    """
    blocks = [HEAD, f'cat({r_string(title)}, "\\n", sep = "")\n']
    for result in answered:
        for stratum in result.strata:
            blocks += _stratum(result, stratum, studies or {})
    blocks += [_network(network) for network in networks]
    return "\n".join([*blocks, TAIL])


def _stratum(result: OutcomeResult, stratum: Stratum, studies: Mapping[str, Study]) -> list[str]:
    key = ", ".join(str(value) for value in stratum.key.values() if value is not None)
    title = f"{result.outcome}, {result.comparison}: {result.measure}, {key}, {stratum.body}, k = {len(stratum.rows)}"
    if stratum.headline is None:
        return [f'section({r_string(title)})\naside("one study: nothing is pooled")\n']
    rows = stratum.rows
    lines = [
        f"section({r_string(title)})",
        f"study <- {r_vector(rows['name'])}",
        f"yi <- {r_vector(rows['effect'])}",
        f"sei <- {r_vector(rows['se'])}",
    ]
    if not rows[list(COUNTS)].isna().any().any():
        lines += [
            f"{name} <- {r_vector(rows[column])}"
            for name, column in zip(("ai", "n1i", "ci", "n2i"), COUNTS, strict=True)
        ]
    seen: list[tuple[str, str, str | None]] = []
    for label, pooled in [("headline", stratum.headline), *(("alternative", other) for other in stratum.alternatives)]:
        code = (pooled.tau2_method, pooled.ci_method, pooled.pi_method)
        if code not in seen:
            seen.append(code)
            lines += _pool(label, pooled)
    for made in stratum.further.few_events:
        lines += _few_events(made)
    if stratum.further.leave_one_out is not None:
        lines += _leave_one_out(stratum.further.leave_one_out, stratum)
    for name, made_of in stratum.further.subgroups:
        if studies:
            lines += _subgroups(name, made_of, stratum, studies)
    if stratum.further.bayes:
        lines.append(
            'aside("the Bayesian intervals beside these are not computed again: they need the package bayesmeta")'
        )
    return ["\n".join(lines) + "\n"]


def _call(tau2: str, ci: str, level: float, *, subset: str = "") -> str:
    """A call of rma with the same estimator and interval."""
    data = f"yi = yi{subset}, sei = sei{subset}, slab = study{subset}"
    control = "" if tau2 == "EE" else f", control = {CONTROL}"
    return f'rma({data}, method = "{tau2}", test = "{TESTS.get(ci, "z")}", level = {r_number(100 * level)}{control})'


def _pool(label: str, pooled: PooledEstimate) -> list[str]:
    lines = [f'aside("{label}: tau2 {pooled.tau2_method}, interval {pooled.ci_method}")']
    if pooled.tau2_method == "MH":
        lines.append(
            f'res <- rma.mh(ai = ai, n1i = n1i, ci = ci, n2i = n2i, slab = study, measure = "{pooled.measure}", level = {r_number(100 * pooled.level)})'
        )
        return lines + _compare([*_estimate(pooled), ("I2", "res$I2", pooled.i2), ("Q", "res$QE", pooled.q)])
    lines.append(f"res <- {_call(pooled.tau2_method, pooled.ci_method, pooled.level)}")
    found: list[tuple[str, str, float | None]] = [("estimate", "res$beta", pooled.estimate)]
    if pooled.ci_method in TESTS:
        found = _estimate(pooled)
    else:
        lines.append(
            f'aside("metafor has no interval {pooled.ci_method}: its estimate, tau2, I2 and Q are compared, and the interval is not")'
        )
    found += [("tau2", "res$tau2", pooled.tau2), ("I2", "res$I2", pooled.i2), ("Q", "res$QE", pooled.q)]
    lines += _compare(found)
    return lines + _prediction(pooled)


def _estimate(pooled: PooledEstimate | CountsEstimate) -> list[tuple[str, str, float | None]]:
    return [
        ("estimate", "res$beta", pooled.estimate),
        ("se", "res$se", pooled.se),
        ("ci_low", "res$ci.lb", pooled.ci_low),
        ("ci_high", "res$ci.ub", pooled.ci_high),
    ]


def _compare(found: Iterable[tuple[str, str, float | None]]) -> list[str]:
    return [
        f'compare("{what}", {expression}, {r_number(value)})'
        for what, expression, value in found
        if value is not None and math.isfinite(value)
    ]


def _prediction(pooled: PooledEstimate) -> list[str]:
    ends = [("pi_low", pooled.pi_low), ("pi_high", pooled.pi_high)]
    if any(value is None or not math.isfinite(value) for _, value in ends):
        return []
    tail = f"1 - (1 - {r_number(pooled.level)}) / 2"
    if pooled.pi_method in INTERVAL_PI and pooled.ci_method in TESTS:
        lines, limits = ["pi <- predict(res)"], ("pi$pi.lb", "pi$pi.ub")
    elif pooled.pi_method == "V":  # t(k-1) with Wald's standard error, which metafor does not give by name
        lines = [
            "wald <- 1 / sqrt(sum(1 / (sei^2 + res$tau2)))",
            f"half <- qt({tail}, df = length(yi) - 1) * sqrt(wald^2 + res$tau2)",
        ]
        limits = ("res$beta - half", "res$beta + half")
    else:
        return [f'aside("the prediction interval ({pooled.pi_method}) is not computed again")']
    return lines + _compare((what, limit, value) for (what, value), limit in zip(ends, limits, strict=True))


def _few_events(made: CountsEstimate) -> list[str]:
    counts = f"ai = ai, n1i = n1i, ci = ci, n2i = n2i, level = {r_number(100 * made.level)}"
    if made.method == "GLMM":
        call = f'rma.glmm({counts}, measure = "{made.measure}", model = "{made.model}", method = "ML")'
        return [
            'aside("few events: generalised linear mixed model; both programs maximise numerically, so the numbers stand beside each other")',
            'if (requireNamespace("lme4", quietly = TRUE) && requireNamespace("BiasedUrn", quietly = TRUE)) {',
            f"res <- {call}",
            f'beside("estimate", res$beta, {r_number(made.estimate)})',
            f'beside("se", res$se, {r_number(made.se)})',
            f'beside("tau2", res$tau2, {r_number(made.tau2)})',
            '} else aside("not computed: it needs the packages lme4 and BiasedUrn")',
        ]
    call = f"rma.peto({counts})" if made.method == "Peto" else f'rma.mh({counts}, measure = "{made.measure}")'
    return [f'aside("few events: {made.method} {made.measure}")', f"res <- {call}", *_compare(_estimate(made))]


def _leave_one_out(table: pd.DataFrame, stratum: Stratum) -> list[str]:
    """The pools without each study in turn, by the definition's estimator and interval."""
    asked = next(
        (one for one in [*stratum.alternatives, stratum.headline] if one is not None and one.tau2_method != "MH"), None
    )
    if asked is None:
        return []
    lines = [f'aside("without each study in turn: tau2 {asked.tau2_method}")']
    for place, (_, row) in enumerate(table.iterrows(), 1):
        lines.append(f"res <- {_call(asked.tau2_method, 'z', asked.level, subset=f'[-{place}]')}")
        lines += [
            f'compare(paste("without", study[{place}]), res$beta, {r_number(row["estimate"])})',
            *_compare([("tau2", "res$tau2", row["tau2"])]),
        ]
    return lines


def _subgroups(name: str, made: Subgroups, stratum: Stratum, studies: Mapping[str, Study]) -> list[str]:
    """Each subgroup of two or more studies by itself."""
    of = [_attribute(studies[study], name) for study in stratum.rows["study"]]
    lines: list[str] = []
    for group, row in made.groups.iterrows():
        places = [str(place) for place, value in enumerate(of, 1) if value == str(group)]
        if len(places) < 2 or len(places) != row["k"]:
            continue
        ci, members = made.overall.ci_method, ", ".join(places)
        lines.append(f"res <- {_call(made.overall.tau2_method, ci, made.overall.level, subset=f'[c({members})]')}")
        values = [("estimate", "res$beta"), ("tau2", "res$tau2"), ("Q", "res$QE")]
        values += [("se", "res$se"), ("ci_low", "res$ci.lb"), ("ci_high", "res$ci.ub")] if ci in TESTS else []
        names = {"Q": "q"}
        lines += [
            f"compare({r_string(f'{group}: {what}')}, {expression}, {r_number(float(row[names.get(what, what)]))})"
            for what, expression in values
        ]
    head = f"aside({r_string(f'subgroups by {name}: tau2 {made.overall.tau2_method}, each its own')})"
    return [head, *lines] if lines else []


def _attribute(study: Any, path: str) -> str:
    """An attribute as subgroups are named by it."""
    for step in path.split("."):
        study = getattr(study, step, None)
    value = ", ".join(map(str, study)) if isinstance(study, list) else study
    return "not stated" if value is None else str(value)


def _network(network: FittedNetwork) -> str:
    """A network by netmeta: effects versus the reference, tau2 and Q."""
    fit, frame = network.fit, network.effects
    ratio = network.measure if network.measure in ("HR", "OR", "RR", "RD", "MD", "SMD", "IRR") else ""
    method = fit.tau2_method if fit.tau2_method in ("DL", "ML", "REML") else "DL"
    common = fit.tau2_method == "EE"
    lines = [
        f"section({r_string(f'network: {network.title}')})",
        '# needs the package netmeta: install.packages("netmeta")',
        'if (requireNamespace("netmeta", quietly = TRUE)) {',
        f"contrasts <- data.frame(study = {r_vector(frame['study'])}, treat1 = {r_vector(frame['treatment'])}, treat2 = {r_vector(frame['comparator'])}, "
        f"TE = {r_vector(frame['effect'])}, seTE = {r_vector(frame['se'])})",
        f'net <- netmeta::netmeta(TE, seTE, treat1, treat2, study, data = contrasts, sm = "{ratio}", reference.group = {r_string(fit.reference)}, '
        f'method.tau = "{method}", level = {r_number(fit.level)}, tol.multiarm = 0.05)',
    ]
    if common:
        lines += [
            "te <- if (is.null(net$TE.common)) net$TE.fixed else net$TE.common",
            "se <- if (is.null(net$seTE.common)) net$seTE.fixed else net$seTE.common",
        ]
    else:
        lines += ["te <- net$TE.random", "se <- net$seTE.random"]
    function = (
        "compare" if fit.tau2_method in ("EE", "DL") else "beside"
    )  # netmeta's REML and ML stop earlier than metafor's do here
    for treatment in fit.treatments:
        if treatment != fit.reference:
            place = f"[{r_string(treatment)}, {r_string(fit.reference)}]"
            estimate, error = (float(frame.at[treatment, fit.reference]) for frame in (fit.league, fit.league_se))  # type: ignore[arg-type]
            for what, matrix, value in (("effect", "te", estimate), ("se", "se", error)):
                lines.append(f"{function}({r_string(f'{what}, {treatment}')}, {matrix}{place}, {r_number(value)})")
    lines += _compare([("Q", "net$Q", fit.q)])
    if not common and math.isfinite(fit.tau2):
        lines.append(f'{function}("tau2", net$tau^2, {r_number(fit.tau2)})')
    lines.append('} else aside("not computed: it needs the package netmeta")')
    return "\n".join(lines) + "\n"
