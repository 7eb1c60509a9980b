"""ROBINS-I, 2016: seven domains whose judgements are the reviewer's, since no algorithm was published.

Questions are short paraphrases; answer by the tool's own wording and its guidance of 1 August 2016 (https://www.riskofbias.info).
Source: Sterne, Hernán, Reeves et al. 2016, BMJ 355:i4919 (Table 1: reaching a judgement; Table 2: overall).
"""

from __future__ import annotations

from types import MappingProxyType

from metasyn.bias_tools.tool import FIVE, FIVE_OR_NA, FOUR, Domain, Question, Tool


def _questions(*given: tuple[str, str, str]) -> tuple[Question, ...]:
    """Number, text and when asked; those with a condition may be not applicable."""
    return tuple(
        Question(id=id, text=text, options=FIVE_OR_NA if asked else FIVE, asked=asked) for id, text, asked in given
    )


_BASELINE = "if only baseline confounding matters"
_VARYING = "if time-varying confounding matters"

_CONFOUNDING = Domain(
    name="confounding",
    title="Bias due to confounding",
    questions=(
        Question(id="1.1", text="Could confounding affect this effect in this study?", options=FOUR),
        *_questions(
            ("1.2", "Was participants' follow-up split by the intervention received?", "if 1.1 is yes"),
            ("1.3", "Were switches likely related to factors that predict the outcome?", "if 1.2 is yes"),
            ("1.4", "Did a suitable analysis control for all important confounding domains?", _BASELINE),
            ("1.5", "Were these domains measured validly and reliably?", "if 1.4 is yes"),
            ("1.6", "Did the authors control for variables that the intervention could have changed?", _BASELINE),
            ("1.7", "Did a suitable analysis control for confounding domains and for time-varying confounding?", _VARYING),
            ("1.8", "Were these domains measured validly and reliably?", "if 1.7 is yes"),
        ),
    ),
)  # fmt: skip
_SELECTION = Domain(
    name="selection",
    title="Bias in selection of participants into the study",
    questions=_questions(
        ("2.1", "Did selection rest on what was seen of participants after the intervention began?", ""),
        ("2.2", "Were these variables likely associated with the intervention?", "if 2.1 is yes"),
        ("2.3", "Were they likely influenced by the outcome or by a cause of it?", "if 2.2 is yes"),
        ("2.4", "Did follow-up and intervention begin together for most participants?", ""),
        ("2.5", "Did the analysis likely correct for selection bias?", "if 2.2 and 2.3 are yes, or 2.4 is no"),
    ),
)
_CLASSIFICATION = Domain(
    name="classification",
    title="Bias in classification of interventions",
    questions=_questions(
        ("3.1", "Were the intervention groups clearly defined?", ""),
        ("3.2", "Was the information that defines them recorded when the intervention began?", ""),
        ("3.3", "Could knowing the outcome, or its risk, have affected classification?", ""),
    ),
)
_DEVIATIONS = Domain(
    name="deviations",
    title="Bias due to deviations from intended interventions",
    questions=_questions(
        ("4.1", "Were there deviations beyond usual practice?", "for the effect of assignment"),
        ("4.2", "Were they unbalanced between the groups and likely to affect the outcome?", "if 4.1 is yes"),
        ("4.3", "Were important co-interventions balanced?", "for the effect of starting and adhering"),
        ("4.4", "Was the intervention delivered as intended for most?", "for the effect of starting and adhering"),
        ("4.5", "Did participants adhere to it?", "for the effect of starting and adhering"),
        ("4.6", "Was the analysis right for the effect of starting and adhering?", "if 4.3, 4.4 or 4.5 is no"),
    ),
)
_MISSING = Domain(
    name="missing-data",
    title="Bias due to missing data",
    questions=_questions(
        ("5.1", "Were outcome data there for all or nearly all participants?", ""),
        ("5.2", "Were participants left out for want of data on the intervention?", ""),
        ("5.3", "Were participants left out for want of data on other variables of the analysis?", ""),
        ("5.4", "Are shares and reasons of missing data alike across the groups?", "if 5.1 is no, or 5.2 or 5.3 is yes"),
        ("5.5", "Is there evidence that results withstand the missing data?", "if 5.1 is no, or 5.2 or 5.3 is yes"),
    ),
)  # fmt: skip
_MEASUREMENT = Domain(
    name="measurement",
    title="Bias in measurement of the outcome",
    questions=_questions(
        ("6.1", "Could knowing the intervention have influenced the outcome measure?", ""),
        ("6.2", "Did assessors know the intervention received?", ""),
        ("6.3", "Were the methods of assessment comparable across the groups?", ""),
        ("6.4", "Were systematic errors of measurement related to the intervention?", ""),
    ),
)
_REPORTING = Domain(
    name="reporting",
    title="Bias in selection of the reported result",
    questions=_questions(
        ("7.1", "Was the effect likely chosen by its value among several outcome measurements?", ""),
        ("7.2", "Was it likely chosen among several analyses?", ""),
        ("7.3", "Was it likely chosen among several subgroups?", ""),
    ),
)
_DOMAINS = (_CONFOUNDING, _SELECTION, _CLASSIFICATION, _DEVIATIONS, _MISSING, _MEASUREMENT, _REPORTING)

ROBINS_I = Tool(
    name="ROBINS-I",
    version="2016",
    title="Risk of bias in non-randomised studies of interventions",
    published="12 October 2016; guidance of 1 August 2016",
    source="Sterne et al. 2016, BMJ 355:i4919",
    words=("low", "moderate", "serious", "critical"),
    outside=("no-information",),
    domains=MappingProxyType({"assignment": _DOMAINS, "adhering": _DOMAINS}),
    algorithm=False,
    notes=(
        "No algorithm was published for ROBINS-I of 2016: the domain judgements are the reviewer's, and only their coherence is "
        "checked (overall at least as severe as the worst domain).",
    ),
)
