"""Pooling of counts without effects per study: Mantel-Haenszel, Peto, generalised linear mixed models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from metasyn.pooling.arrays import check_code, check_level, rows
from metasyn.pooling.count_data import ONE_ARM, PATIENTS, PERSON_TIME, Counts, observed_effects, read_counts
from metasyn.pooling.glmm import MODELS, MixedFit, fit_mixed
from metasyn.pooling.interval import critical_value, two_sided_p
from metasyn.pooling.mantel_haenszel import RD_VARIANCES, Test, breslow_day, cochran_mantel_haenszel, mantel_haenszel
from metasyn.pooling.peto import peto
from metasyn.pooling.result import is_ratio

MEASURES = {"MH": (*PATIENTS, *PERSON_TIME), "Peto": ("OR",), "GLMM": tuple(MODELS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CountsEstimate:
    """A pooled effect from counts: log for OR, RR, IRR and IRLN, logit for PLO, raw for RD and IRD; None does not apply."""

    estimate: float
    se: float
    ci_low: float
    ci_high: float
    level: float
    statistic: float  # estimate / se, against the normal distribution
    p_value: float
    k: int  # studies given
    k_effects: int  # studies that carry information: those in q
    tau2: float  # 0 by definition for one common effect; NaN where one study cannot tell
    tau2_se: float
    sigma2: float | None  # variance of the studies' levels, UM.RS
    i2: float  # percent
    h2: float
    q: float | None  # MH, Peto: Cochran's, about the pooled estimate
    q_df: int
    q_p_value: float | None
    q_wald: float | None  # GLMM: Wald test of equal effects in the saturated model
    q_wald_p_value: float | None
    q_lrt: float | None  # GLMM: likelihood ratio test against the saturated model
    q_lrt_p_value: float | None
    cochran_mh: float | None  # Cochran-Mantel-Haenszel test of no association, 1 df
    cochran_mh_p_value: float | None
    cochran: float | None  # the same with Cochran's binomial variance
    cochran_p_value: float | None
    breslow_day: float | None
    breslow_day_p_value: float | None
    tarone: float | None
    tarone_p_value: float | None
    log_likelihood: float | None
    nodes: int | None  # quadrature nodes per random effect
    measure: str
    method: str
    model: str | None
    tau2_method: str
    labels: tuple[str, ...]
    notes: tuple[str, ...]

    def back(self, value: float) -> float:
        """A value of the analysis scale on the scale people read: exp for ratios and rates, inverse logit for PLO."""
        if self.measure == "PLO":
            return float(1 / (1 + np.exp(-value)))
        return float(np.exp(value)) if is_ratio(self.measure) else value

    def summary(self) -> str:
        """The pool in one line, as people read it."""
        digits = 2 if is_ratio(self.measure) else 4
        low, middle, high = (f"{self.back(v):.{digits}f}" for v in (self.ci_low, self.estimate, self.ci_high))
        name = " ".join(word for word in (self.method, self.model) if word)
        return f"{self.measure} {middle} ({self.level:.0%} CI {low} to {high}), k = {self.k}, {name}"


def pool_counts(
    *,
    method: str,
    measure: str = "OR",
    events_treatment: npt.ArrayLike | None = None,
    n_treatment: npt.ArrayLike | None = None,
    time_treatment: npt.ArrayLike | None = None,
    events_comparator: npt.ArrayLike | None = None,
    n_comparator: npt.ArrayLike | None = None,
    time_comparator: npt.ArrayLike | None = None,
    events: npt.ArrayLike | None = None,
    n: npt.ArrayLike | None = None,
    time: npt.ArrayLike | None = None,
    model: str = "CM.EL",
    tau2: str = "ML",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
    correction: bool = False,
    nodes: int | None = None,
    rd_variance: str = "Sato",
) -> CountsEstimate:
    """Pool counts; nothing is added to any cell.

    Parameters
    ----------
    method : str
        MH (Mantel-Haenszel) or Peto, both with one common effect, or GLMM.
    measure : str
        MH: OR, RR, RD (patients), IRR, IRD (person-time). Peto: OR. GLMM: OR, IRR, and of one arm PLO (logit of a proportion)
        and IRLN (log rate).
    events_treatment, n_treatment, events_comparator, n_comparator : array, shape (k,)
        Events and patients of OR, RR, RD; `time_treatment` and `time_comparator` take the place of n for IRR and IRD.
    events, n, time : array, shape (k,)
        One arm: events with n for PLO, with time for IRLN.
    model : str
        GLMM of OR: CM.EL (exact conditional), CM.AL (its binomial approximation for rare events), UM.FS and UM.RS (unconditional
        with fixed or random study levels). Of IRR: CM.EL, UM.FS, UM.RS.
    tau2 : str
        GLMM: ML (random effects) or EE (one common effect).
    level : float
        Coverage of the interval.
    labels : sequence of str or None
        Names of the studies, shape (k,).
    correction : bool
        Continuity correction of 1/2 in the Cochran-Mantel-Haenszel test.
    nodes : int or None
        GLMM: quadrature nodes per random effect (1 is Laplace's approximation); None for 7, 15 (OR CM.EL), 1 (UM.RS).
    rd_variance : str
        MH of RD: Sato, or Greenland-Robins.

    Returns
    -------
    CountsEstimate

    Raises
    ------
    ValueError
        For columns that are missing, superfluous or impossible, unknown codes, counts that are not whole in a GLMM, or an
        estimate that is infinite or undefined.
    ConvergenceError
        If the likelihood of a GLMM cannot be maximised.
    """
    check_code("method", method, MEASURES)
    check_code("measure", measure, MEASURES[method])
    check_level(level)
    check_code("rd_variance", rd_variance, RD_VARIANCES)
    if method == "GLMM":
        check_code("tau2", tau2, ("ML", "EE"))
        if measure not in ONE_ARM:
            check_code("model", model, MODELS[measure])
        if nodes is not None and not (isinstance(nodes, int | np.integer) and 1 <= nodes <= 100):
            raise ValueError(f"nodes is not a whole number from 1 to 100 ({nodes})")
    given = {
        "events_treatment": events_treatment, "events_comparator": events_comparator, "events": events,
        "n_treatment": n_treatment, "n_comparator": n_comparator, "n": n,
        "time_treatment": time_treatment, "time_comparator": time_comparator, "time": time,
    }  # fmt: skip
    counts = _read(measure, given, labels)
    common = _Common(level=level, counts=counts)
    if method == "MH":
        return _mantel_haenszel(common, correction, rd_variance)
    if method == "Peto":
        return _peto(common)
    return _mixed(common, model, tau2, nodes)


def _read(measure: str, given: dict[str, npt.ArrayLike | None], labels: Sequence[str] | None) -> Counts:
    size = "time" if measure in (*PERSON_TIME, "IRLN") else "n"
    arms = ("",) if measure in ONE_ARM else ("_treatment", "_comparator")
    used = {f"{what}{arm}" for what in ("events", size) for arm in arms}
    for name, values in given.items():
        if values is not None and name not in used:
            raise ValueError(f"{name} has no place in measure {measure}; accepted: {', '.join(sorted(used))}")
    return read_counts(
        measure,
        [(f"events{arm}", given[f"events{arm}"]) for arm in arms],
        [(f"{size}{arm}", given[f"{size}{arm}"]) for arm in arms],
        labels,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    """What all methods share."""

    level: float
    counts: Counts

    def result(self, estimate: float, se: float, *, method: str, notes: list[str]) -> CountsEstimate:
        """The estimate and its normal interval; what a method adds is put in by `replace`."""
        half = float(critical_value(self.level, None)) * se
        statistic = estimate / se if se > 0 else nan
        nones: dict[str, Any] = dict.fromkeys(
            ("sigma2", "q", "q_p_value", "q_wald", "q_wald_p_value", "q_lrt", "q_lrt_p_value", "cochran_mh",
             "cochran_mh_p_value", "cochran", "cochran_p_value", "breslow_day", "breslow_day_p_value", "tarone",
             "tarone_p_value", "log_likelihood", "nodes", "model")
        )  # fmt: skip
        if se == 0:
            notes = [
                *notes,
                "the standard error is 0: no arm shows any variation; statistic and p value are not defined",
            ]
        return CountsEstimate(
            **nones,
            estimate=estimate,
            se=se,
            ci_low=estimate - half,
            ci_high=estimate + half,
            level=self.level,
            statistic=statistic,
            p_value=nan if isnan(statistic) else float(two_sided_p(statistic, None)),
            k=self.counts.k,
            k_effects=int(self.counts.informative.sum()),
            tau2=0.0,
            tau2_se=nan,
            i2=0.0,
            h2=1.0,
            q_df=0,
            measure=self.counts.measure,
            method=method,
            tau2_method="EE",
            labels=self.counts.labels,
            notes=tuple(notes),
        )

    def silent(self) -> list[str]:
        """Notes on the studies that carry no information."""
        out = ~self.counts.informative
        if not out.any():
            return []
        what = "no events in either arm" if self.counts.by_time else "no events, or only events, in both arms"
        names = self.counts.named(out)
        if self.counts.measure in ("RD", "IRD"):
            return [f"{what}: {names}; in the pooled difference, but left out of the test of heterogeneity"]
        return [f"{what}: {names}; of no information on the {self.counts.measure}"]


def _with_q(result: CountsEstimate, q: float, k_effects: int) -> CountsEstimate:
    df = max(0, k_effects - 1)
    return replace(
        result,
        k_effects=k_effects,
        q=q,
        q_df=df,
        q_p_value=float(chdtrc(df, q)) if df else 1.0,
        i2=100 * max(0.0, (q - df) / q) if q > 0 else 0.0,
        h2=q / df if df else 1.0,
    )


def _mantel_haenszel(common: _Common, correction: bool, rd_variance: str) -> CountsEstimate:
    counts = common.counts
    if counts.measure in ("OR", "RR", "IRR") and not counts.informative.any():
        raise ValueError(f"no study carries information on the {counts.measure}: there are no events, or only events")
    estimate, se = mantel_haenszel(counts, rd_variance)
    result = common.result(estimate, se, method="MH", notes=common.silent())
    informative = counts.take(counts.informative)
    q = 0.0
    if informative.k:
        effect, variance = observed_effects(informative)
        q = float(((effect - estimate) ** 2 / variance).sum())
    result = _with_q(result, q, informative.k)
    if counts.measure not in ("OR", "IRR"):
        return result
    association, cochran = cochran_mantel_haenszel(counts, correction=correction)
    result = replace(result, **_test("cochran_mh", association), **_test("cochran", cochran))
    if counts.measure == "IRR":
        return result
    homogeneity, tarone = breslow_day(counts, estimate)
    return replace(result, **_test("breslow_day", homogeneity), **_test("tarone", tarone))


def _test(name: str, test: Test | None) -> dict[str, Any]:
    return {} if test is None else {name: test.statistic, f"{name}_p_value": test.p_value}


def _peto(common: _Common) -> CountsEstimate:
    estimate, se, q, k_effects = peto(common.counts)
    notes = common.silent()
    n1, n2 = common.counts.size.T
    if (np.maximum(n1, n2) > 3 * np.minimum(n1, n2)).any():
        notes.append("some studies have arms of very different size, where Peto's odds ratio is biased")
    if abs(estimate) > 1:
        notes.append("the effect is large (odds ratio beyond 1/e to e), where Peto's odds ratio is biased towards 1")
    return _with_q(common.result(estimate, se, method="Peto", notes=notes), q, k_effects)


def _mixed(common: _Common, model: str, tau2: str, nodes: int | None) -> CountsEstimate:
    counts = common.counts
    sizes = np.zeros_like(counts.size) if counts.by_time else counts.size
    broken = ((counts.events % 1 != 0) | (sizes % 1 != 0)).any(axis=1)
    if broken.any():
        raise ValueError(
            f"counts are not whole numbers (rows {rows(broken)}); a mixed model needs counts, MH and Peto do not"
        )
    informative = counts.take(counts.informative)
    if informative.k == 0:
        raise ValueError(f"no study carries information on the {counts.measure}: there are no events, or only events")
    random = tau2 == "ML" and informative.k > 1
    fit = fit_mixed(informative, model=model, random=random, nodes=nodes)
    one_arm = counts.measure in ONE_ARM
    notes = common.silent() + _mixed_notes(fit, model, tau2, informative.k, one_arm, nodes)
    result = common.result(fit.estimate, fit.se, method="GLMM", notes=notes)
    undefined = tau2 == "ML" and not random
    i2, h2 = (nan, nan) if undefined else _i2(informative, fit.tau2)
    df = informative.k - 1
    return replace(
        result,
        tau2=nan if undefined else fit.tau2,
        tau2_se=fit.tau2_se,
        sigma2=fit.sigma2,
        i2=i2,
        h2=h2,
        q_df=df,
        q_wald=fit.q_wald,
        q_wald_p_value=float(chdtrc(df, fit.q_wald)) if df else 1.0,
        q_lrt=fit.q_lrt,
        q_lrt_p_value=float(chdtrc(df, fit.q_lrt)) if df else 1.0,
        log_likelihood=fit.log_likelihood,
        nodes=fit.nodes,
        model=None if one_arm else model,
        tau2_method=tau2,
    )


def _mixed_notes(fit: MixedFit, model: str, tau2: str, k: int, one_arm: bool, nodes: int | None) -> list[str]:
    notes = []
    if tau2 == "ML" and k == 1:
        notes.append("one informative study: tau2 is not estimable, the effect is that of one common-effect model")
    elif tau2 == "ML":
        if fit.tau2 == 0:
            notes.append(
                f"tau2 = 0, the edge of its range: heterogeneity not estimable from {k} studies; not evidence of consistency"
            )
        if fit.other_tau2 is not None:
            notes.append(f"the likelihood has a second, lower maximum at tau2 = {fit.other_tau2:.3g}")
        if k < 5:
            notes.append(
                f"k = {k}: with fewer than 5 informative studies tau2 is hardly estimable, and ML makes it too small"
            )
    if fit.sigma2 == 0:
        notes.append("sigma2 = 0, the edge of its range: the studies' levels do not vary")
    if model == "UM.RS" and not one_arm and nodes is None:
        notes.append("the likelihood is Laplace's approximation (nodes = 1); see nodes for quadrature")
    return notes


def _i2(counts: Counts, tau2: float) -> tuple[float, float]:
    """I2 and H2 from tau2 and the typical variance of Higgins and Thompson 2002, equation (9)."""
    if counts.k == 1:
        return 0.0, 1.0
    weights = 1 / observed_effects(counts)[1]
    typical = (counts.k - 1) / float(weights.sum() - (weights**2).sum() / weights.sum())
    return 100 * tau2 / (tau2 + typical), tau2 / typical + 1
