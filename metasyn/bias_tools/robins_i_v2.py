"""ROBINS-I V2, draft of 20 November 2025, for follow-up (cohort) studies: triage, six domains, algorithms.

Questions are short paraphrases; answer by the tool's own wording (https://www.riskofbias.info/welcome/robins-i-v2, CC BY-NC-ND).
The tool prints its algorithms as drawings. What stands here is what independent published transcriptions of these drawings agree on;
where they do not, the leaf is the reviewer's judgement between their readings. docs/methods/risk-of-bias.md lists both.
"""

from __future__ import annotations

from types import MappingProxyType

from metasyn.bias_tools.tool import FIVE, FIVE_OR_NA, FOUR, FOUR_OR_NA, Ask, Domain, Question, Tool, ask

LOW, MODERATE, SERIOUS, CRITICAL = WORDS = ("low", "moderate", "serious", "critical")
GO_ON = "go on"
NO_BY_WEIGHT = ("Y", "PY", "WN", "SN", "NI")
YES_BY_WEIGHT = ("SY", "WY", "PN", "N", "NI")


def _or_na(options: tuple[str, ...]) -> tuple[str, ...]:
    return ("NA", *options)


_TRIAGE_QUESTIONS = (
    Question(id="B1", text="Did the authors try at all to control for confounding in this result?", options=FOUR),
    Question(id="B2", text="Is confounding so likely that an unadjusted result should not be considered?", options=FOUR_OR_NA, asked="if B1 is no"),
    Question(id="B3", text="Was the method of measuring the outcome unsuitable?", options=FOUR),
    Question(id="C4", text="Did the analysis account for switches and other deviations during follow-up?", options=FOUR),
)  # fmt: skip


def _triage() -> Ask:
    measured = ask("B3", {"Y PY": CRITICAL, "N PN": GO_ON})
    return ask("B1", {"Y PY": measured, "N PN": ask("B2", {"Y PY": CRITICAL, "N PN": measured})})


def _baseline_confounding() -> Domain:
    """Variant A: the analysis estimates the effect of assignment, so that baseline confounding alone matters."""
    best = ask("1.4", {"N PN": LOW, "Y PY": SERIOUS})
    lesser = ask("1.4", {"N PN": MODERATE, "Y PY": SERIOUS})
    adjusted_too_much = ask("1.4", {"N PN": ask("1.2", {"Y PY": SERIOUS, "WN SN NI": CRITICAL}), "Y PY": CRITICAL})
    full = ask("1.2", {"Y PY": best, "WN": lesser, "SN NI": SERIOUS})
    mostly = ask("1.2", {"Y PY WN": lesser, "SN NI": SERIOUS})
    tree = ask(
        "1.1",
        {
            "Y PY": ask("1.3", {"N PN NI": full, "Y PY": adjusted_too_much}),
            "WN": ask("1.3", {"N PN NI": mostly, "Y PY": adjusted_too_much}),
            "SN NI": ask("1.4", {"N PN": SERIOUS, "Y PY": CRITICAL}),
        },
    )
    questions = (
        Question(id="1.1", text="Were all important confounding factors controlled for that needed it?", options=NO_BY_WEIGHT),
        Question(id="1.2", text="Were they measured validly and reliably?", options=_or_na(NO_BY_WEIGHT), asked="if 1.1 is yes or no of little weight"),
        Question(
            id="1.3", text="Were variables controlled for that the intervention could have changed?",
            options=FIVE_OR_NA, asked="if 1.1 is yes or no of little weight",
        ),
        Question(id="1.4", text="Do negative controls, bias analysis or other grounds suggest serious uncontrolled confounding?", options=FOUR),
    )  # fmt: skip
    return Domain(name="confounding", title="Bias due to confounding (baseline)", questions=questions, parts=(tree,))


def _varying_confounding() -> Domain:
    """Variant B: the analysis estimates the per-protocol effect, so that time-varying confounding matters as well."""
    best = ask("1.5", {"N PN": LOW, "Y PY": SERIOUS})
    lesser = ask("1.5", {"N PN": MODERATE, "Y PY": SERIOUS})
    # two transcriptions end here at serious, three ask 1.5 and end at critical where it is yes
    uncontrolled = ask("1.5", {"N PN": SERIOUS, "Y PY": (SERIOUS, CRITICAL)})
    unsuitable = ask("1.4", {"N PN NI": ask("1.5", {"N PN": SERIOUS, "Y PY": CRITICAL}), "Y PY": CRITICAL})
    full = ask("1.3", {"Y PY": best, "WN": lesser, "SN NI": SERIOUS})
    mostly = ask("1.3", {"Y PY WN": lesser, "SN NI": SERIOUS})
    suitable = ask("1.2", {"Y PY": full, "WN": mostly, "SN NI": uncontrolled})
    questions = (
        Question(id="1.1", text="Could the method of analysis control for time-varying as well as baseline confounding?", options=FIVE),
        Question(
            id="1.2", text="Were all important baseline and time-varying factors controlled for that needed it?",
            options=_or_na(NO_BY_WEIGHT), asked="if 1.1 is yes",
        ),
        Question(id="1.3", text="Were they measured validly and reliably?", options=_or_na(NO_BY_WEIGHT), asked="if 1.2 is yes or no of little weight"),
        Question(id="1.4", text="Were variables controlled for that were measured after the intervention began?", options=FIVE_OR_NA, asked="if 1.1 is not yes"),
        Question(id="1.5", text="Do negative controls or other grounds suggest serious uncontrolled confounding?", options=FOUR),
    )  # fmt: skip
    tree = ask("1.1", {"Y PY": suitable, "N PN NI": unsuitable})
    return Domain(
        name="confounding", title="Bias due to confounding (baseline and time-varying)", questions=questions, parts=(tree,)
    )  # fmt: skip


def _classification() -> Domain:
    errors = [ask("2.5", {"N PN": WORDS[level], "Y PY NI": WORDS[level + 1]}) for level in range(3)]
    influenced = (
        ask("2.4", {"N PN": errors[0], "WY NI": errors[1], "SY": errors[2]}),
        ask("2.4", {"N PN": errors[1], "WY NI": errors[2], "SY": CRITICAL}),
        ask("2.4", {"N PN": errors[2], "WY NI SY": CRITICAL}),
    )
    avoided = ask("2.3", {"SY": influenced[0], "WY NI": influenced[1], "N PN": influenced[2]})
    late = ask("2.2", {"Y PY": influenced[0], "N PN NI": avoided})
    return Domain(
        name="classification",
        title="Bias in classification of interventions",
        questions=(
            Question(id="2.1", text="Could the strategies be told apart when follow-up began?", options=FIVE),
            Question(id="2.2", text="Did nearly all events happen after they could be?", options=FIVE_OR_NA, asked="if 2.1 is not yes"),
            Question(id="2.3", text="Did the analysis avoid the problem that they could not?", options=_or_na(YES_BY_WEIGHT), asked="if 2.2 is not yes"),
            Question(id="2.4", text="Did knowing the outcome, or its risk, influence classification?", options=YES_BY_WEIGHT),
            Question(id="2.5", text="Were other errors of classification likely?", options=FIVE),
        ),
        parts=(ask("2.1", {"Y PY": influenced[0], "N PN NI": late}),),
    )  # fmt: skip


def _selection() -> Domain:
    start = ask("3.1", {"Y PY": ask("3.2", {"N PN NI": LOW, "Y PY": MODERATE}), "WN NI": MODERATE, "SN": SERIOUS})
    outcome = ask("3.5", {"N PN NI": MODERATE, "Y PY": SERIOUS})
    other = ask(
        "3.3", {"N PN": LOW, "NI": MODERATE, "Y PY": ask("3.4", {"N PN": LOW, "NI": MODERATE, "Y PY": outcome})}
    )
    severe = ask("3.8", {"N PN NI": SERIOUS, "Y PY": CRITICAL})
    corrected = ask("3.6", {"Y PY": MODERATE, "N PN NI": ask("3.7", {"Y PY": MODERATE, "N PN NI": severe})})
    return Domain(
        name="selection",
        title="Bias in selection of participants into the study or the analysis",
        questions=(
            Question(id="3.1", text="Did follow-up begin when the strategies began?", options=NO_BY_WEIGHT),
            Question(id="3.2", text="Were events of a time after their start left out?", options=FIVE_OR_NA, asked="if 3.1 is yes"),
            Question(id="3.3", text="Did selection rest on what was seen after the start, beyond 3.1 and 3.2?", options=FIVE),
            Question(id="3.4", text="Were these variables likely associated with the intervention?", options=FIVE_OR_NA, asked="if 3.3 is yes"),
            Question(id="3.5", text="Were they likely influenced by the outcome or by a cause of it?", options=FIVE_OR_NA, asked="if 3.4 is yes"),
            Question(
                id="3.6", text="Did the analysis likely correct for these biases?", options=FIVE_OR_NA,
                asked="if 3.1 is no of great weight, or 3.5 is yes",
            ),
            Question(id="3.7", text="Did sensitivity analyses show that they hardly matter?", options=FIVE_OR_NA, asked="if 3.6 is not yes"),
            Question(id="3.8", text="Are they so severe that the result should be kept out of a synthesis?", options=FIVE_OR_NA, asked="if 3.7 is not yes"),
        ),
        parts=(start, other),
        beyond=MappingProxyType({SERIOUS: corrected}),
    )  # fmt: skip


def _missing() -> Domain:
    evidence = [ask("4.11", {"Y PY": WORDS[level], "N PN": WORDS[level + 1]}) for level in range(3)]
    explained = ask("4.6", {"Y PY": evidence[0], "WN NI": evidence[1], "SN": evidence[2]})
    complete_case = ask("4.5", {"N PN": LOW, "Y PY NI": explained})
    imputed = ask("4.9", {"Y PY": LOW, "WN NI": evidence[1], "SN": evidence[2]})
    otherwise = ask("4.10", {"Y PY": LOW, "WN NI": evidence[1], "SN": evidence[2]})
    imputation = ask("4.7", {"Y PY": ask("4.8", {"Y PY": imputed, "N PN NI": SERIOUS}), "N PN NI": otherwise})
    incomplete = ask("4.4", {"Y PY NI": complete_case, "N PN": imputation})
    tree = ask("4.3", {"Y PY": LOW, "N PN NI": incomplete})
    for question in ("4.2", "4.1"):
        tree = ask(question, {"Y PY": tree, "N PN NI": incomplete})
    return Domain(
        name="missing-data",
        title="Bias due to missing data",
        questions=(
            Question(id="4.1", text="Was the intervention known for all or nearly all participants?", options=FIVE),
            Question(id="4.2", text="Was the outcome known for all or nearly all?", options=FIVE),
            Question(id="4.3", text="Were important confounders known for all or nearly all?", options=FIVE),
            Question(id="4.4", text="Is it an analysis of complete cases?", options=FIVE_OR_NA, asked="if 4.1, 4.2 or 4.3 is not yes"),
            Question(id="4.5", text="Was being left out likely related to the true value of the outcome?", options=FIVE_OR_NA, asked="if 4.4 is not no"),
            Question(id="4.6", text="Do variables of the model likely explain that relation?", options=_or_na(NO_BY_WEIGHT), asked="if 4.5 is not no"),
            Question(id="4.7", text="Were missing values imputed?", options=FIVE_OR_NA, asked="if 4.4 is no"),
            Question(id="4.8", text="Is missing at random, or completely at random, reasonable?", options=FIVE_OR_NA, asked="if 4.7 is yes"),
            Question(id="4.9", text="Was imputation done suitably?", options=_or_na(NO_BY_WEIGHT), asked="if 4.8 is yes"),
            Question(id="4.10", text="Was another suitable method used?", options=_or_na(NO_BY_WEIGHT), asked="if 4.7 is not yes"),
            Question(
                id="4.11", text="Is there evidence that missing data did not bias the result?", options=FOUR_OR_NA,
                asked="if 4.5 is not no, or 4.9 or 4.10 is not yes",
            ),
        ),
        parts=(tree,),
    )  # fmt: skip


def _measurement() -> Domain:
    known = ask("5.3", {"N PN": LOW, "WY NI": MODERATE, "SY": SERIOUS})
    unclear = ask("5.3", {"N PN WY NI": MODERATE, "SY": SERIOUS})
    same = ask("5.2", {"N PN": LOW, "Y PY NI": known})
    return Domain(
        name="measurement",
        title="Bias in measurement of the outcome",
        questions=(
            Question(id="5.1", text="Could measurement or ascertainment have differed between the groups?", options=FIVE),
            Question(id="5.2", text="Did assessors know the intervention received?", options=FIVE_OR_NA, asked="if 5.1 is not yes"),
            Question(id="5.3", text="Could that knowledge have influenced the assessment?", options=_or_na(YES_BY_WEIGHT), asked="if 5.2 is not no"),
        ),
        parts=(
            ask("5.1", {"N PN": same, "NI": ask("5.2", {"N PN": MODERATE, "Y PY NI": unclear}), "Y PY": SERIOUS}),
        ),
    )  # fmt: skip


def _reporting() -> Domain:
    def chosen(questions: tuple[str, ...], yes: int, unclear: int) -> Ask | str:
        """Two yes: critical. One yes, or no information on all three: serious. Some no information: moderate."""
        if not questions:
            return CRITICAL if yes > 1 else SERIOUS if yes == 1 or unclear == 3 else MODERATE if unclear else LOW
        first, rest = questions[0], questions[1:]
        return ask(
            first,
            {
                "N PN": chosen(rest, yes, unclear),
                "NI": chosen(rest, yes, unclear + 1),
                "Y PY": chosen(rest, yes + 1, unclear),
            },
        )

    several = [
        Question(id=id, text=f"Was the result likely chosen by its value among several {what}?", options=FIVE_OR_NA, asked="if 6.1 is not yes")
        for id, what in (("6.2", "outcome measurements"), ("6.3", "analyses"), ("6.4", "subgroups"))
    ]  # fmt: skip
    return Domain(
        name="reporting",
        title="Bias in selection of the reported result",
        questions=(
            Question(id="6.1", text="Was it reported by an available plan made beforehand?", options=FIVE),
            *several,
        ),
        parts=(ask("6.1", {"Y PY": LOW, "N PN NI": chosen(("6.2", "6.3", "6.4"), 0, 0)}),),
    )


_OTHERS = (_classification(), _selection(), _missing(), _measurement(), _reporting())

ROBINS_I_V2 = Tool(
    name="ROBINS-I V2",
    version="2025",
    title="Risk of bias in non-randomised studies of interventions, version 2, for follow-up studies",
    published="20 November 2025, a draft",
    source="ROBINS-I V2 development group (Sterne, Higgins et al.), draft of 20 November 2025, riskofbias.info",
    words=WORDS,
    domains=MappingProxyType(
        {"assignment": (_baseline_confounding(), *_OTHERS), "adhering": (_varying_confounding(), *_OTHERS)}
    ),
    algorithm=True,
    several=MappingProxyType({MODERATE: SERIOUS, SERIOUS: CRITICAL}),
    triage=_triage(),
    triage_questions=_TRIAGE_QUESTIONS,
    chooses="C4",
    notes=(
        "ROBINS-I V2 is a draft (20 November 2025) for follow-up studies; its algorithms are drawings, taken here from independent "
        "transcriptions that agree, and left to the reviewer where they do not.",
        "Low for confounding, and low overall, mean low except for concerns about uncontrolled confounding.",
    ),
)
