"""The methods of a report in words, with the references they rest on."""

from __future__ import annotations

from metasyn.pooling.tau2 import TAU2_METHODS
from metasyn.reports.question import Question

TAU2_WORDS = {
    "EE": "a common-effect model",
    **{
        code: f"a random-effects model with the {method.name} estimate of τ²"
        for code, method in TAU2_METHODS.items()
        if code not in ("ML", "REML")
    },
    "ML": "a random-effects model with τ² by maximum likelihood",
    "REML": "a random-effects model with τ² by restricted maximum likelihood (Viechtbauer 2005)",
}

REFERENCES = (
    "Altman DG, Bland JM. How to obtain the confidence interval from a P value. BMJ 2011;343:d2090.",
    "Brown NJL, Heathers JAJ. The GRIM test. Social Psychological and Personality Science 2017;8:363-9.",
    "Guyot P, Ades AE, Ouwens MJNM, Welton NJ. Enhanced secondary analysis of survival data: reconstructing the data from published Kaplan-Meier survival curves. BMC Medical Research Methodology 2012;12:9.",
    "Greenland S, Robins JM. Estimation of a common effect parameter from sparse follow-up data. Biometrics 1985;41:55-68.",
    "Higgins JPT, Thompson SG. Quantifying heterogeneity in a meta-analysis. Statistics in Medicine 2002;21:1539-58.",
    "Higgins JPT, Thompson SG, Spiegelhalter DJ. A re-evaluation of random-effects meta-analysis. J R Stat Soc A 2009;172:137-59.",
    "Knapp G, Hartung J. Improved tests for a random effects meta-regression with a single covariate. Statistics in Medicine 2003;22:2693-710.",
    "Page MJ, McKenzie JE, Bossuyt PM, et al. The PRISMA 2020 statement: an updated guideline for reporting systematic reviews. BMJ 2021;372:n71.",
    "Parmar MKB, Torri V, Stewart L. Extracting summary statistics to perform meta-analyses of the published literature for survival endpoints. Statistics in Medicine 1998;17:2815-34.",
    "Partlett C, Riley RD. Random effects meta-analysis: coverage performance of 95% confidence and prediction intervals following REML estimation. Statistics in Medicine 2017;36:301-17.",
    "Röver C. Bayesian random-effects meta-analysis using the bayesmeta R package. Journal of Statistical Software 2020;93(6).",
    "Rubin DB. Multiple Imputation for Nonresponse in Surveys. Wiley, 1987.",
    "Sterne JAC, et al. ROBINS-I: a tool for assessing risk of bias in non-randomised studies of interventions. BMJ 2016;355:i4919.",
    "Sterne JAC, et al. RoB 2: a revised tool for assessing risk of bias in randomised trials. BMJ 2019;366:l4898.",
    "Stijnen T, Hamza TH, Özdemir P. Random effects meta-analysis of event outcome in the framework of the generalized linear mixed model with applications in sparse data. Statistics in Medicine 2010;29:3046-67.",
    "Tierney JF, Stewart LA, Ghersi D, Burdett S, Sydes MR. Practical methods for incorporating summary time-to-event data into meta-analysis. Trials 2007;8:16.",
    "Viechtbauer W. Bias and efficiency of meta-analytic variance estimators in the random-effects model. J Educ Behav Stat 2005;30:261-93.",
    "Viechtbauer W. Confidence intervals for the amount of heterogeneity in meta-analysis. Statistics in Medicine 2007;26:37-52.",
)


NETWORK_REFERENCES = (
    "Hutton B, Salanti G, Caldwell DM, et al. The PRISMA extension statement for reporting of systematic reviews incorporating network meta-analyses of health care interventions. Annals of Internal Medicine 2015;162:777-84.",
    "Davies AL, Papakonstantinou T, Nikolakopoulou A, Rücker G, Galla T. Network meta-analysis and random walks. Statistics in Medicine 2022;41:2091-114.",
    "Higgins JPT, Jackson D, Barrett JK, Lu G, Ades AE, White IR. Consistency and inconsistency in network meta-analysis. Research Synthesis Methods 2012;3:98-110.",
    "Phillippo DM, Dias S, Welton NJ, Caldwell DM, Taske N, Ades AE. Threshold analysis as an alternative to GRADE for assessing confidence in guideline recommendations based on network meta-analyses. Annals of Internal Medicine 2019;170:538-46.",
    "Rücker G. Network meta-analysis, electrical networks and graph theory. Research Synthesis Methods 2012;3:312-24.",
    "Rücker G, Petropoulou M, Schwarzer G. Network meta-analysis of multicomponent interventions. Biometrical Journal 2020;62:808-21.",
    "Rücker G, Schwarzer G. Ranking treatments in frequentist network meta-analysis works without resampling methods. BMC Medical Research Methodology 2015;15:58.",
)


def references(question: Question) -> list[str]:
    """What the methods rest on, in alphabetical order."""
    return sorted(REFERENCES + (NETWORK_REFERENCES if question.network is not None else ()))


def _network(question: Question) -> list[str]:
    """Paragraphs on networks, where the definition asks for them."""
    if question.network is None:
        return []
    return [
        "Networks compare strategies within one disease, line, biomarker stratum, time origin and outcome, randomised studies apart from others; "
        f"{question.network.coarsening().describe()}. All contrasts of a multi-arm trial enter with their covariance: where no source prints it, it is 1 over the events of the shared "
        "arm, else it follows from the numbers of patients, and it is varied over correlations from 0.3 to 0.7. Records of one trial are one study; studies that may share patients never "
        "meet. Effects follow from generalised least squares with exact multi-arm covariances and Wald intervals (Rücker 2012); prediction intervals use t.",
        "Strategies are ranked only where randomised studies connect at least three of them and more than one study does: SUCRA, the interval of the rank and the probability of being best, by "
        "quasi-Monte Carlo from the joint distribution (Rücker and Schwarzer 2015). Coherence is judged by separating direct from indirect evidence and by the design-by-treatment interaction (Higgins "
        "et al. 2012); where no loop is closed by independent designs it is not assessable. Shares of studies follow random walks along the flow of evidence (Davies et al. 2022). Thresholds say how "
        "far an estimate may move before another strategy is best (Phillippo et al. 2019)."
        + (
            " Component effects assume that effects add up (Rücker et al. 2020)." if question.network.components else ""
        ),
    ]


def methods(question: Question) -> list[str]:
    """Paragraphs that say what was done."""
    level = f"{question.model.level:.0%}"
    wishes = "; ".join(", ".join(f"{name} {_value(value)}" for name, value in wish.items()) for wish in question.prefer)
    return [
        "Figures were typed from the publications as printed and are pooled on the log scale. A hazard ratio's standard error comes from its printed "
        "confidence interval; without one, from the exact p value of its own test, or from the events. Where no hazard ratio is printed, from the log-rank "
        "O-E and its variance, from an exact log-rank p value with events and direction, or from the ratio of medians with events (Parmar 1998; Tierney 2007). "
        "A p value of another test is not used for a standard error, a bound such as p < 0.001 only bounds it, and what the figures do not identify gets no number.",
        "Risk ratios come from events and patients per arm. Where only a percentage is printed, the count is taken if it fits a whole number of the patients "
        "(the GRIM idea, Brown and Heathers 2017); if none fits, the row is left out.",
        f"One estimate per study enters. It is the first that one of these wishes singles out, in order: {wishes}. Others are listed with the reason.",
        "Not eligible for a pool, and listed: models that condition on variables measured after baseline; exposures that begin after time zero with neither "
        "landmark nor time-dependent analysis; comparisons inside an arm; subgroups and interactions; subdistribution or cause-specific hazard ratios among hazard "
        "ratios; records at critical risk of bias; pooled records beside their components"
        + ("." if question.admit_secondary else "; figures seen only in secondary sources.")
        + (
            " Figures seen only in secondary sources are admitted here, and marked so in the table of studies."
            if question.admit_secondary
            else ""
        ),
        "Studies are pooled only within one disease, line of treatment, biomarker stratum and time origin, and randomised studies apart from others"
        + (", except that this definition combines designs." if question.combine_designs else "."),
        f"Pools use {TAU2_WORDS[question.model.tau2]}, and {level} confidence intervals by {_interval(question.model.ci)}. "
        "Where the Hartung-Knapp interval is narrower than the common-effect interval, or τ² is 0, the wider of the two is shown and the text says so; "
        "with two studies it is not used as a headline; with fewer than five studies several intervals stand side by side. "
        "τ² has its Q-profile interval (Viechtbauer 2007); I² follows from τ² (Higgins and Thompson 2002). "
        "Prediction intervals use t with k - 1 degrees of freedom; they are printed from 3 studies and drawn from 5.",
        "With fewer than five studies of log ratios, Bayesian intervals with a half-normal prior of scale 0.5 on τ stand beside these, with scales 0.25 and 1 to "
        "show how far the prior carries them (Röver 2020); the integrals are numerical, not simulated. Where an arm of some study had fewer than 5 events, the "
        "Mantel-Haenszel method without continuity correction is quoted, and Peto's method and an exact conditional mixed model stand beside it (Greenland and "
        "Robins 1985; Stijnen et al. 2010). Funnel plots and tests of small-study effects need ten studies and are left out below.",
        "Survival curves are rebuilt for each study from a digitised curve with its numbers at risk where there is one (after Guyot et al. 2012), else from the "
        "printed medians, survival rates, numbers of events and marginal hazard ratio of one set of patients at one data cutoff, jointly and each weighted by how "
        "precisely it is printed. An adjusted or time-dependent hazard ratio is compared and never fitted. Draws from the posterior are combined by Rubin's rules "
        "(Rubin 1987), so that what is not known of the patients widens the intervals. No pool of hazard ratios uses rebuilt patients; differences in restricted mean survival and the hazard ratio over log time are pooled from them, and said to be.",
        *_network(question),
    ]


def _value(value: object) -> str:
    return " or ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _interval(code: str) -> str:
    return {
        "HK": "the Hartung-Knapp method (Knapp and Hartung 2003)",
        "HK_adhoc": "the Hartung-Knapp method with its variance never below Wald's (Knapp and Hartung 2003)",
        "KR": "the Kenward-Roger method (Partlett and Riley 2017)",
        "z": "Wald's method",
        "t": "Wald's method with t quantiles",
    }[code]
