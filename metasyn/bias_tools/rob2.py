"""RoB 2, version of 22 August 2019, for individually randomised parallel-group trials.

Questions are short paraphrases; answer by the tool's own wording and its guidance (https://www.riskofbias.info).
Sources: Sterne, Savović, Page et al. 2019, BMJ 366:l4898; Higgins, Savović, Page and Sterne, revised guidance of 22 August 2019
(suggested algorithms for each domain); Cochrane Handbook 6, chapter 8.
"""

from __future__ import annotations

from types import MappingProxyType

from metasyn.bias_tools.tool import FIVE, FIVE_OR_NA, FOUR_OR_NA, Ask, Domain, Question, Tool, ask

LOW, SOME, HIGH = "low", "some-concerns", "high"
_AWARE = "if 2.1 or 2.2 is not no"


def _randomisation() -> Domain:
    concealed = ask(
        "1.1", {"Y PY NI": ask("1.3", {"N PN NI": LOW, "Y PY": SOME}), "N PN": SOME}
    )  # not random, yet concealed: some concerns whatever the baseline shows
    unknown = ask("1.3", {"N PN NI": SOME, "Y PY": HIGH})
    return Domain(
        name="randomisation",
        title="Bias arising from the randomisation process",
        questions=(
            Question(id="1.1", text="Was the sequence of allocation random?", options=FIVE),
            Question(id="1.2", text="Was it concealed until participants were enrolled and assigned?", options=FIVE),
            Question(id="1.3", text="Do differences at baseline point to a fault of randomisation?", options=FIVE),
        ),
        parts=(ask("1.2", {"Y PY": concealed, "NI": unknown, "N PN": HIGH}),),
    )


def _aware(unaware: Ask | str, aware: Ask | str) -> Ask:
    return ask("2.1", {"N PN": ask("2.2", {"N PN": unaware, "Y PY NI": aware}), "Y PY NI": aware})


_AWARENESS = (
    Question(id="2.1", text="Did participants know their assigned intervention?", options=FIVE),
    Question(id="2.2", text="Did carers or those who delivered the interventions know it?", options=FIVE),
)


def _assignment() -> Domain:
    balanced = ask("2.5", {"Y PY": SOME, "N PN NI": HIGH})
    affected = ask("2.4", {"N PN": SOME, "Y PY NI": balanced})
    deviations = _aware(LOW, ask("2.3", {"N PN": LOW, "NI": SOME, "Y PY": affected}))
    analysis = ask("2.6", {"Y PY": LOW, "N PN NI": ask("2.7", {"N PN": SOME, "Y PY NI": HIGH})})
    return Domain(
        name="deviations",
        title="Bias due to deviations from intended interventions (effect of assignment)",
        questions=(
            *_AWARENESS,
            Question(id="2.3", text="Were there deviations that arose from the trial context?", options=FIVE_OR_NA, asked=_AWARE),
            Question(id="2.4", text="Were these likely to affect the outcome?", options=FIVE_OR_NA, asked="if 2.3 is yes"),
            Question(id="2.5", text="Were they balanced between the groups?", options=FIVE_OR_NA, asked="if 2.4 is not no"),
            Question(id="2.6", text="Was the analysis right for the effect of assignment?", options=FIVE),
            Question(
                id="2.7", text="Could analysing participants in another group than theirs have changed the result much?",
                options=FIVE_OR_NA, asked="if 2.6 is not yes",
            ),
        ),
        parts=(deviations, analysis),
    )  # fmt: skip


def _adhering() -> Domain:
    analysis = ask("2.6", {"Y PY": SOME, "N PN NI": HIGH})
    adherence = ask("2.4", {"NA N PN": ask("2.5", {"NA N PN": LOW, "Y PY NI": analysis}), "Y PY NI": analysis})
    return Domain(
        name="deviations",
        title="Bias due to deviations from intended interventions (effect of adhering)",
        questions=(
            *_AWARENESS,
            Question(
                id="2.3", text="Were important interventions outside the protocol balanced between the groups?",
                options=FIVE_OR_NA, asked=f"{_AWARE}, where applicable",
            ),
            Question(
                id="2.4", text="Did the intervention fail to be delivered in a way that could affect the outcome?",
                options=FIVE_OR_NA, asked="where applicable",
            ),
            Question(
                id="2.5", text="Did participants fail to adhere in a way that could affect their outcomes?",
                options=FIVE_OR_NA, asked="where applicable",
            ),
            Question(
                id="2.6", text="Was the analysis right for the effect of adhering?",
                options=FIVE_OR_NA, asked="if 2.3 is not yes, or 2.4 or 2.5 is not no",
            ),
        ),
        parts=(_aware(adherence, ask("2.3", {"NA Y PY": adherence, "N PN NI": analysis})),),
    )  # fmt: skip


def _missing() -> Domain:
    depends = ask("3.3", {"N PN": LOW, "Y PY NI": ask("3.4", {"N PN": SOME, "Y PY NI": HIGH})})
    return Domain(
        name="missing-data",
        title="Bias due to missing outcome data",
        questions=(
            Question(id="3.1", text="Were outcome data there for all or nearly all who were randomised?", options=FIVE),
            Question(id="3.2", text="Is there evidence that missing data did not bias the result?", options=FOUR_OR_NA, asked="if 3.1 is not yes"),
            Question(id="3.3", text="Could missingness depend on the true value of the outcome?", options=FIVE_OR_NA, asked="if 3.2 is no"),
            Question(id="3.4", text="Is it likely that it did?", options=FIVE_OR_NA, asked="if 3.3 is not no"),
        ),
        parts=(ask("3.1", {"Y PY": LOW, "N PN NI": ask("3.2", {"Y PY": LOW, "N PN": depends})}),),
    )  # fmt: skip


def _measurement() -> Domain:
    def assessors(best: str) -> Ask:
        likely = ask("4.5", {"N PN": SOME, "Y PY NI": HIGH})
        return ask("4.3", {"N PN": best, "Y PY NI": ask("4.4", {"N PN": best, "Y PY NI": likely})})

    differed = ask("4.2", {"N PN": assessors(LOW), "NI": assessors(SOME), "Y PY": HIGH})
    return Domain(
        name="measurement",
        title="Bias in measurement of the outcome",
        questions=(
            Question(id="4.1", text="Was the method of measuring the outcome unsuitable?", options=FIVE),
            Question(id="4.2", text="Could measurement or ascertainment have differed between the groups?", options=FIVE),
            Question(id="4.3", text="Did assessors know the intervention received?", options=FIVE_OR_NA, asked="if 4.1 and 4.2 are not yes"),
            Question(id="4.4", text="Could that knowledge have influenced the assessment?", options=FIVE_OR_NA, asked="if 4.3 is not no"),
            Question(id="4.5", text="Is it likely that it did?", options=FIVE_OR_NA, asked="if 4.4 is not no"),
        ),
        parts=(ask("4.1", {"N PN NI": differed, "Y PY": HIGH}),),
    )  # fmt: skip


def _reporting() -> Domain:
    planned = ask("5.1", {"Y PY": LOW, "N PN NI": SOME})
    return Domain(
        name="reporting",
        title="Bias in selection of the reported result",
        questions=(
            Question(id="5.1", text="Was the analysis by a plan that was final before outcome data were seen unblinded?", options=FIVE),
            Question(id="5.2", text="Was the result likely chosen by its value among several outcome measurements?", options=FIVE),
            Question(id="5.3", text="Was it likely chosen by its value among several analyses?", options=FIVE),
        ),
        parts=(
            ask(
                "5.2",
                {
                    "N PN": ask("5.3", {"N PN": planned, "NI": SOME, "Y PY": HIGH}),
                    "NI": ask("5.3", {"N PN NI": SOME, "Y PY": HIGH}),
                    "Y PY": HIGH,
                },
            ),
        ),
    )  # fmt: skip


_OTHERS = (_missing(), _measurement(), _reporting())

ROB_2 = Tool(
    name="RoB 2",
    version="2019",
    title="Revised Cochrane risk-of-bias tool for randomised trials",
    published="22 August 2019",
    source="Sterne et al. 2019, BMJ 366:l4898, and the guidance of 22 August 2019",
    words=(LOW, SOME, HIGH),
    domains=MappingProxyType(
        {
            "assignment": (_randomisation(), _assignment(), *_OTHERS),
            "adhering": (_randomisation(), _adhering(), *_OTHERS),
        }
    ),
    algorithm=True,
    several=MappingProxyType({SOME: HIGH}),
)
