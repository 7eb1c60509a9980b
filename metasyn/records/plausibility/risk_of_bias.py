"""Risk of bias as a record holds it, beside what its tool has: domains, words, the overall rule, the path of signalling answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from metasyn.records.plausibility.facts import Facts
from metasyn.records.plausibility.finding import Found
from metasyn.records.study import RiskOfBias
from metasyn.records.validation import Loc, did_you_mean, listed

if TYPE_CHECKING:
    from metasyn.bias_tools.tool import Domain, Tool

VERSIONS = {"RoB 2": "2019", "ROBINS-I": "2016", "ROBINS-I V2": "2025"}  # of the tools, where a record names none
NOT_JUDGED = "no-information"


def _assessments(facts: Facts) -> Iterator[tuple[Loc, RiskOfBias]]:
    bias = facts.study.risk_of_bias
    for index, each in enumerate(bias.every if bias is not None else ()):
        if each.tool != "none":
            yield ("risk_of_bias", index) if bias is not None and bias.others else ("risk_of_bias",), each


def _tool(bias: RiskOfBias) -> Tool | None:
    from metasyn.bias_tools.assessment import TOOLS  # tables and trees; here, so that records load without them

    return TOOLS.get((bias.tool, bias.version or VERSIONS[bias.tool]))


def _answers(bias: RiskOfBias) -> dict[str, tuple[str, Loc]]:
    """Answers by question, with where they stand below the assessment."""
    found: dict[str, tuple[str, Loc]] = {id: (answer, ("answers", id)) for id, answer in bias.answers.items()}
    for name, judgement in bias.domains.items():
        found |= {id: (answer, ("domains", name, "answers", id)) for id, answer in judgement.answers.items()}
    return found


def _effect(tool: Tool, bias: RiskOfBias, answers: dict[str, str]) -> str | None:
    if tool.chooses in answers:
        return "adhering" if answers[tool.chooses] in ("Y", "PY") else "assignment"
    return bias.effect or (None if tool.chooses else "assignment")


def _domains(tool: Tool, bias: RiskOfBias) -> dict[str, Domain]:
    answers = {id: answer for id, (answer, _) in _answers(bias).items()}
    return {domain.name: domain for domain in tool.domains[_effect(tool, bias, answers) or "assignment"]}


def risk_of_bias_words(facts: Facts) -> Iterator[Found]:
    """A version, domain, judgement, question or answer that the tool of the assessment does not have.

    RoB 2 (2019) judges randomisation, deviations, missing-data, measurement and reporting as low, some-concerns or high;
    ROBINS-I (2016) confounding, selection, classification, deviations, missing-data, measurement and reporting as low,
    moderate, serious, critical or no-information; ROBINS-I V2 (2025, a draft) confounding, classification, selection,
    missing-data, measurement and reporting as low, moderate, serious or critical. Each such word is an error. Only
    no-information with RoB 2 or ROBINS-I V2 is a note, one per assessment: there it is an answer to a question and no
    judgement, so that such a domain counts as not judged.

    Cause: a word of another tool or version; a slip of the pen.
    What to do: use the words of the tool that was used. Where nothing could be read, answer the signalling questions with NI
    and take the judgement that the algorithm gives, or leave no-information and know that nothing was judged.
    """
    from metasyn.bias_tools.assessment import why_not_answer

    for loc, bias in _assessments(facts):
        tool = _tool(bias)
        if tool is None:
            yield Found(
                (*loc, "version"), f"is no version of {bias.tool} ({bias.version}); accepted: {VERSIONS[bias.tool]}"
            )
            continue
        domains, words = _domains(tool, bias), (*tool.words, *tool.outside)
        unjudged = []
        for name, judgement in bias.domains.items():
            if name not in domains:
                yield Found(
                    (*loc, "domains", name),
                    f"is no domain of {tool.name} {tool.version} ({name}){did_you_mean(name, domains)}; accepted: {listed(domains)}",
                )
            elif judgement.judgement == NOT_JUDGED and NOT_JUDGED not in words:
                unjudged.append(name)
            elif judgement.judgement not in words:
                yield _no_word((*loc, "domains", name, "judgement"), tool, judgement.judgement)
        if bias.overall == NOT_JUDGED and NOT_JUDGED not in words:
            unjudged.append("overall")
        elif bias.overall not in words:
            yield _no_word((*loc, "overall"), tool, bias.overall)
        if unjudged:
            yield Found(
                (*loc, "overall") if "overall" in unjudged else (*loc, "domains", unjudged[0], "judgement"),
                f"{tool.name} has no judgement {NOT_JUDGED} ({', '.join(unjudged)}): not judged; accepted: {listed(words)}",
                severity="note",
            )
        for id, (answer, place) in _answers(bias).items():
            wrong = why_not_answer(tool, id, answer)
            if wrong is not None:
                yield Found((*loc, *place), wrong)


def _no_word(loc: Loc, tool: Tool, word: str) -> Found:
    return Found(
        loc, f"is no judgement of {tool.name} {tool.version} ({word}); accepted: {listed((*tool.words, *tool.outside))}"
    )


def risk_of_bias_overall(facts: Facts) -> Iterator[Found]:
    """An overall judgement that the judgements of the domains do not allow.

    Overall is the worst domain (Sterne 2016 and 2019; ROBINS-I V2). A better one is an error; so is no-information of
    ROBINS-I where a domain is serious or critical, or where none is without information. A worse one is a warning, but for
    those that the tools leave to the reviewer: high where several domains of RoB 2 are some-concerns; serious where several
    of ROBINS-I V2 are moderate, critical where several are serious; any worse one of ROBINS-I of 2016, which has no
    algorithm. A critical judgement that the triage of ROBINS-I V2 gives stands without domains. No-information in place of
    an overall judgement that the domains have bounded is a note.

    Cause: overall was not changed with a domain; an average was taken.
    What to do: take the worst domain; a worse overall judgement needs its reason under accepted.
    """
    for loc, bias in _assessments(facts):
        tool = _tool(bias)
        known = (*tool.words, *tool.outside) if tool is not None else ()
        if tool is None or bias.overall not in (*known, NOT_JUDGED):
            continue
        words = {name: each.judgement for name, each in bias.domains.items() if each.judgement in known}
        if not words or (tool.triage is not None and bias.overall == tool.words[-1] and not bias.domains):
            continue
        allowed = tool.overall(list(words.values()))
        if bias.overall in allowed:
            continue
        ordered = [word for word in words.values() if word in tool.words]
        worst = tool.worst(ordered) if ordered else tool.words[0]
        names = ", ".join(name for name, word in words.items() if word == worst)
        arithmetic = f"worst domain: {worst} ({names})"
        if bias.overall not in known:  # not judged, although the domains have settled a part of it
            if worst != tool.words[0]:
                yield Found(
                    (*loc, "overall"),
                    f"is not judged ({bias.overall}), though no better than {worst}; accepted: {listed(tool.words[tool.severity(worst) :])}",
                    arithmetic,
                    "note",
                )
            continue
        better = bias.overall in tool.outside or tool.severity(bias.overall) < tool.severity(worst)
        missing = len(bias.domains) < len(_domains(tool, bias)) or len(words) < len(bias.domains)
        if not better and missing:
            continue  # a domain that is not judged may be the worst
        yield Found(
            (*loc, "overall"),
            f"is {'better' if better else 'worse'} than the domains allow ({bias.overall}); accepted: {listed(allowed)}",
            arithmetic,
            severity="error" if better else "warning",
        )


def risk_of_bias_answers(facts: Facts) -> Iterator[Found]:
    """A judgement that its own signalling answers contradict.

    The answers that a record holds are run through the tool's published algorithm (RoB 2: guidance of 22 August 2019;
    ROBINS-I V2: draft of 20 November 2025; none was published for ROBINS-I of 2016, whose answers are not run). Questions
    without an answer may be answered in any way; the judgement is contradicted where no way leads to it. The path is shown.

    Cause: an answer or the judgement was changed alone; a judgement against the algorithm.
    What to do: correct the one that is wrong. Reviewers may overrule an algorithm: then say why under accepted.
    """
    from metasyn.bias_tools.assessment import walk_domain, why_not_answer

    for loc, bias in _assessments(facts):
        tool = _tool(bias)
        if tool is None or not tool.algorithm:
            continue
        answers = {id: answer for id, (answer, _) in _answers(bias).items() if why_not_answer(tool, id, answer) is None}
        effect = _effect(tool, bias, answers)
        for name, domain in _domains(tool, bias).items():
            judgement = bias.domains.get(name)
            if judgement is None or judgement.judgement not in tool.words:
                continue
            if not any(question.id in answers for question in domain.questions):
                continue
            way = walk_domain(tool, domain, answers, effect)
            if judgement.judgement not in way.possible:
                yield Found(
                    (*loc, "domains", name, "judgement"),
                    f"is not what its signalling answers give ({judgement.judgement}); accepted: {listed(way.possible)}",
                    "; ".join(way.path),
                )
