"""Hazard ratios of many studies from their patients, known or reconstructed: pooled in two stages, and in one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from metasyn.pooling.arrays import Array
from metasyn.pooling.interval import critical_value, two_sided_p
from metasyn.pooling.pool import check_codes, pool
from metasyn.pooling.result import PooledEstimate
from metasyn.survival.cox import ChiSquared
from metasyn.survival.imputation import combine
from metasyn.survival.reconstruction_share import JitterBand, ReconstructionShare, jitter_band, reconstruction_share
from metasyn.survival.study_patients import StudyPatients, left_out_table, two_arm_studies, why_not
from metasyn.survival.two_arm_likelihood import Deaths, TwoArmFit, deaths, fit_constant, log_likelihood, together

DRAWS_ARE = ("posterior", "jitter")
FEW_DF = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OneStage:
    """One log hazard ratio of all studies, each with its own baseline hazard (Cox stratified by study)."""

    log_hr: float
    se: float
    hr: float
    ci_low: float  # of hr
    ci_high: float
    statistic: float  # log_hr / se
    p_value: float
    df: float  # of t; infinite where the reference is normal
    fraction_missing: float  # of the information, NaN without draws
    draws: int
    studies: int
    events: float  # of the patients in it; mean over draws
    likelihood_ratio: ChiSquared | None  # of treatment by study; None with draws


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PooledIpd:
    """Hazard ratios of many studies.

    Notes
    -----
    `studies` has a row for each study that is pooled: study, used ("printed", "reconstructed", by which patients are meant
    that the frame holds), effect and se as pooled (log hazard ratio), draws, n_treatment, n_comparator, events_treatment,
    events_comparator (means over draws), reconstructed, reconstructed_se, within_se, between_sd, fraction_missing,
    printed, printed_se, difference (reconstructed less printed).
    """

    two_stage: PooledEstimate  # of the log hazard ratios
    one_stage: OneStage | None  # None where no patients are used and nothing is in it
    heterogeneity: ChiSquared  # treatment by study: Wald's test that all log hazard ratios are one (Cochran's Q)
    reconstruction: ReconstructionShare  # how much of the interval's width the draws are
    jitter: JitterBand | None
    studies: pd.DataFrame
    left_out: pd.DataFrame  # study, reason
    arms: tuple[str, str]
    level: float
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The pool in a line or three."""
        lines = [self.two_stage.summary()]
        if (one := self.one_stage) is not None:
            lines.append(
                f"one stage, stratified by study: HR {one.hr:.2f} ({100 * self.level:g}% CI {one.ci_low:.2f} to {one.ci_high:.2f})"
            )
        if self.reconstruction.studies:
            lines.append(self.reconstruction.summary())
        return "\n".join(lines)


def pool_ipd(
    ipd: pd.DataFrame,
    *,
    treatment: Any = None,
    tau2: str = "REML",
    ci: str = "HK",
    level: float = 0.95,
    prediction: str | None = None,
    printed: pd.DataFrame | None = None,
    draws_are: str | Mapping[str, str] = "posterior",
) -> PooledIpd:
    """Pool the hazard ratios of studies whose patients are given.

    Parameters
    ----------
    ipd : DataFrame
        Columns study, arm, time, event; and draw, where a study's patients are given several times over.
    treatment : label, optional
        Which label of `arm` is the treatment; needed unless arms are 0 and 1.
    tau2, ci, level, prediction
        As for `metasyn.pool`.
    printed : DataFrame, optional
        Columns study, effect, se: log hazard ratios as printed (treatment to comparator), of studies in `ipd` or others.
        A printed hazard ratio is pooled; what the patients of that study give is shown beside it, and never used.
    draws_are : {"posterior", "jitter"}, or a mapping of studies to these
        Draws from a posterior (`from_summary`) are imputations: Rubin's rules widen the study's standard error. Jitter
        replicates (`jitter`) are none: the study has their mean, without widening, and the pool is made anew with each
        replicate, which gives a band.

    Returns
    -------
    PooledIpd
        In two stages: Cox (Efron) in each draw of each study, draws combined, studies pooled. In one stage: Cox
        stratified by study, in which a study with a printed hazard ratio has the normal likelihood of that ratio in the
        place of its patients. The k-th draws of all studies go together (a study with fewer starts again).

    Raises
    ------
    ValueError
        For bad patients, arms or printed effects, an unknown code or kind of draws, or if no study is left.

    References
    ----------
    Cox DR (1972). Journal of the Royal Statistical Society B 34:187-220. Rubin DB (1987). Multiple Imputation for
    Nonresponse in Surveys, chapter 3. Burke DL, Ensor J, Riley RD (2017). Statistics in Medicine 36:855-75 (one stage
    and two).
    """
    check_codes(tau2, ci, level, prediction)
    studies, arms = two_arm_studies(ipd, treatment)
    given = _check_printed(printed)
    kinds = _check_kinds(draws_are, studies)
    fitted, reasons = {}, {}
    for study in studies:
        own = _StudyFit.of(study)
        reason = why_not(study, arms) or own.reason
        if reason is None:
            fitted[study.name] = own
        elif study.name not in given.index:
            reasons[study.name] = reason
        else:
            reasons[study.name] = f"{reason}: its patients are not used, its printed hazard ratio is pooled"
    table = _study_table(fitted, given, kinds)
    if len(table) == 0:
        raise ValueError(
            f"there are no studies to pool: {'; '.join(f'{name}: {why}' for name, why in reasons.items())}"
        )
    names = table["study"].tolist()
    options: dict[str, Any] = {"tau2": tau2, "ci": ci, "level": level}
    two_stage = pool(table["effect"], table["se"], **options, prediction=prediction, labels=names, measure="HR")
    used = [name for name, how in zip(names, table["used"], strict=True) if how == "reconstructed"]
    one_stage = _one_stage({name: fitted[name] for name in used}, given, kinds, level)
    replicates = {
        name: fitted[name].moments for name in used if kinds[name] == "jitter" and len(fitted[name].draws) > 1
    }
    return PooledIpd(
        two_stage=two_stage,
        one_stage=one_stage,
        heterogeneity=ChiSquared(statistic=two_stage.q, df=two_stage.q_df, p_value=two_stage.q_p_value),
        reconstruction=reconstruction_share(two_stage, _added_variance(table, kinds), **options),
        jitter=jitter_band(names, table["effect"].to_numpy(), table["se"].to_numpy(), replicates, **options),
        studies=table,
        left_out=left_out_table(reasons),
        arms=arms,
        level=level,
        notes=(*_notes(table, reasons, fitted, kinds), *two_stage.notes),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _StudyFit:
    patients: StudyPatients
    draws: tuple[Deaths, ...]
    fits: tuple[TwoArmFit, ...]

    @classmethod
    def of(cls, study: StudyPatients) -> _StudyFit:
        sets = tuple(deaths(one) for one in study.draws)
        return cls(patients=study, draws=sets, fits=tuple(fit_constant(one) for one in sets))

    @property
    def reason(self) -> str | None:
        """Why there is no estimate in one of the draws."""
        return next((fit.reason for fit in self.fits if fit.reason is not None), None)

    @property
    def moments(self) -> tuple[Array, Array]:
        """Log hazard ratio and variance of each draw."""
        return np.array([fit.beta[0] for fit in self.fits]), np.array([fit.covariance[0, 0] for fit in self.fits])

    def counts(self) -> dict[str, float]:
        sizes = [
            (one.treated.sum(), (~one.treated).sum(), one.event[one.treated].sum(), one.event[~one.treated].sum())
            for one in self.patients.draws
        ]
        names = ("n_treatment", "n_comparator", "events_treatment", "events_comparator")
        return dict(zip(names, np.mean(sizes, axis=0).tolist(), strict=True))


def _check_printed(printed: pd.DataFrame | None) -> pd.DataFrame:
    """The printed effects, indexed by study."""
    columns = ("study", "effect", "se")
    if printed is None:
        return pd.DataFrame({"effect": [], "se": []}, index=pd.Index([], name="study", dtype=object), dtype=float)
    missing = [name for name in columns if name not in printed]
    if missing:
        raise ValueError(f"printed lacks columns {', '.join(missing)}; accepted: {', '.join(columns)}")
    study = printed["study"].reset_index(drop=True)
    if study.isna().any() or study.astype(str).duplicated().any():
        raise ValueError("printed has a study that is missing or comes twice; accepted: one row per study")
    effect, se = (pd.to_numeric(printed[name]).to_numpy(dtype=float) for name in ("effect", "se"))
    bad = ~(np.isfinite(effect) & np.isfinite(se) & (se > 0))
    if bad.any():
        raise ValueError(
            f"printed has an effect that is no number or a se that is not positive ({', '.join(study[bad].astype(str))})"
        )
    return pd.DataFrame({"effect": effect, "se": se}, index=pd.Index(study.astype(str), name="study"))


def _check_kinds(draws_are: str | Mapping[str, str], studies: tuple[StudyPatients, ...]) -> dict[str, str]:
    names = [study.name for study in studies]
    kinds = dict.fromkeys(names, draws_are) if isinstance(draws_are, str) else {str(s): k for s, k in draws_are.items()}
    wrong = sorted({str(kind) for kind in kinds.values()} - set(DRAWS_ARE))
    if wrong:
        raise ValueError(f"draws_are is not a known code ({', '.join(wrong)}); accepted: {', '.join(DRAWS_ARE)}")
    unsaid = [study.name for study in studies if len(study.draws) > 1 and study.name not in kinds]
    if unsaid:
        raise ValueError(
            f"draws_are does not say what the draws of {', '.join(unsaid)} are; accepted: posterior, jitter"
        )
    return {name: str(kinds.get(name, "posterior")) for name in names}


def _study_table(fitted: Mapping[str, _StudyFit], given: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    found = []
    for name, own in fitted.items():
        one = combine(*own.moments)
        widened = kinds[name] == "posterior"
        row: dict[str, Any] = {"study": name, "used": "reconstructed", "effect": one.estimate}
        row |= {"se": one.se if widened else math.sqrt(one.within), "draws": one.draws, **own.counts()}
        row |= {"reconstructed": one.estimate, "reconstructed_se": row["se"], "within_se": math.sqrt(one.within)}
        row |= {"between_sd": math.sqrt(one.between), "fraction_missing": one.fraction_missing if widened else math.nan}
        row |= {"df": one.df if widened else math.inf}
        found.append(row)
    own_rows = pd.DataFrame(found, columns=COLUMNS[:-3]) if found else pd.DataFrame(columns=COLUMNS[:-3])
    table = own_rows.set_index("study").reindex([*fitted, *(name for name in given.index if name not in fitted)])
    for column, source in (("printed", "effect"), ("printed_se", "se")):
        table[column] = given[source].reindex(table.index)
    known = table["printed"].notna()
    table["used"] = np.where(known, "printed", "reconstructed")
    table["effect"] = table["printed"].where(known, table["effect"]).astype(float)
    table["se"] = table["printed_se"].where(known, table["se"]).astype(float)
    table["draws"] = table["draws"].fillna(0).astype(int)
    numbers = [name for name in COLUMNS[3:-3] if name not in ("se", "draws")]
    table[numbers] = table[numbers].astype(float)
    table["difference"] = table["reconstructed"] - table["printed"]
    return table.rename_axis("study").reset_index()


COLUMNS = (
    "study", "used", "effect", "se", "draws", "n_treatment", "n_comparator", "events_treatment", "events_comparator",
    "reconstructed", "reconstructed_se", "within_se", "between_sd", "fraction_missing", "df",
    "printed", "printed_se", "difference",
)  # fmt: skip


def _added_variance(table: pd.DataFrame, kinds: Mapping[str, str]) -> Array:
    """What Rubin's rules add to the variance of each pooled effect; 0 for a printed one and for jitter."""
    imputed = (table["used"] == "reconstructed") & table["study"].map(kinds).eq("posterior")
    return np.where(imputed, table["se"] ** 2 - table["within_se"].fillna(0) ** 2, 0.0)


def _one_stage(
    fitted: Mapping[str, _StudyFit], given: pd.DataFrame, kinds: Mapping[str, str], level: float
) -> OneStage | None:
    if not fitted:
        return None
    precision = float((1 / given["se"] ** 2).sum())
    known = (float((given["effect"] / given["se"] ** 2).sum()) / precision, precision) if len(given) else None
    count = max(len(own.draws) for own in fitted.values())
    fits, events = [], []
    for k in range(count):
        sets = together([own.draws[k % len(own.draws)] for own in fitted.values()])
        fits.append(fit_constant(sets, known=known))
        events.append(sets.time.size)
    one = combine([fit.beta[0] for fit in fits], [fit.covariance[0, 0] for fit in fits])
    imputed = any(kinds[name] == "posterior" and len(own.draws) > 1 for name, own in fitted.items())
    se, df = (one.se, one.df) if imputed else (math.sqrt(one.within), math.inf)
    reference = None if math.isinf(df) else df
    half = float(critical_value(level, reference)) * se
    return OneStage(
        log_hr=one.estimate,
        se=se,
        hr=math.exp(one.estimate),
        ci_low=math.exp(one.estimate - half),
        ci_high=math.exp(one.estimate + half),
        statistic=one.estimate / se,
        p_value=float(two_sided_p(one.estimate / se, reference)),
        df=df,
        fraction_missing=one.fraction_missing if imputed else math.nan,
        draws=count,
        studies=len(fitted) + len(given),
        events=float(np.mean(events)),
        likelihood_ratio=_likelihood_ratio(fitted, given, one.estimate) if count == 1 else None,
    )


def _likelihood_ratio(fitted: Mapping[str, _StudyFit], given: pd.DataFrame, log_hr: float) -> ChiSquared:
    """Of a log hazard ratio for each study against one of all: the likelihood is a product over studies."""
    gain = sum(own.fits[0].log_likelihood - log_likelihood(own.draws[0], log_hr) for own in fitted.values())
    gain += float(((given["effect"] - log_hr) ** 2 / given["se"] ** 2).sum()) / 2
    df, statistic = len(fitted) + len(given) - 1, max(2 * gain, 0.0)
    return ChiSquared(statistic=statistic, df=df, p_value=float(chdtrc(df, statistic)) if df else 1.0)


def _notes(
    table: pd.DataFrame, reasons: Mapping[str, str], fitted: Mapping[str, _StudyFit], kinds: Mapping[str, str]
) -> tuple[str, ...]:
    notes = [f"left out: {name}: {reason}" for name, reason in reasons.items()]
    both = table[(table["used"] == "printed") & table["reconstructed"].notna()]
    if len(both):
        far = both.iloc[int(both["difference"].abs().to_numpy().argmax())]
        notes.append(
            f"{len(both)} printed hazard ratio(s) pooled in the place of reconstructed ones, which differ by up to "
            f"{far['difference']:+.3f} on the log scale ({far['study']})"
        )
    if (table["used"] == "printed").any():
        notes.append(
            "one stage: a study with a printed hazard ratio has that ratio's normal likelihood, not its patients'"
        )
    imputed = table[table["study"].map(kinds).eq("posterior") & (table["used"] == "reconstructed")]
    few = imputed[imputed["df"] < FEW_DF]
    if len(few):
        notes.append(
            f"few draws for what they vary (Rubin's degrees of freedom below {FEW_DF:g}: {', '.join(few['study'])}): take more, "
            "as the pool takes each standard error for known"
        )
    if any(kinds[name] == "jitter" and len(own.draws) > 1 for name, own in fitted.items()):
        notes.append(
            "draws that are jitter replicates widen no standard error: the band shows what digitising may do, and is no interval"
        )
    return tuple(notes)
