"""Risk of bias: signalling answers run through a tool's published algorithm, with the path in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from metasyn.bias_tools.rob2 import ROB_2
from metasyn.bias_tools.robins_i import ROBINS_I
from metasyn.bias_tools.robins_i_v2 import GO_ON, ROBINS_I_V2
from metasyn.bias_tools.tool import (
    NOT_ASSESSABLE,
    REVIEWER,
    Domain,
    Question,
    Tool,
    Walk,
    descend,
    leaves,
    shown,
    walk,
)

TOOLS: Mapping[tuple[str, str], Tool] = MappingProxyType(
    {(tool.name, tool.version): tool for tool in (ROB_2, ROBINS_I, ROBINS_I_V2)}
)
EFFECTS = ("assignment", "adhering")
Answers = Mapping[str, str | Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainJudgement:
    """Judgement of one domain.

    Attributes
    ----------
    domain, title : str
    judgement : str
        A word of the tool; `reviewer's judgement` where the tool leaves it to the reviewer and none is given; `not assessable` where answers
        are wanting.
    algorithm : str or None
        What the algorithm gives, where there is one and the answers settle it.
    possible : tuple of str
        Judgements that the answers leave, best first.
    path : tuple of str
        The way through the algorithm, in words.
    wanting : tuple of str
        Questions that were reached and have no answer.
    """

    domain: str
    title: str
    judgement: str
    algorithm: str | None
    possible: tuple[str, ...]
    path: tuple[str, ...]
    wanting: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Risk of bias of one result.

    Attributes
    ----------
    tool, version : str
    effect : str or None
        assignment or adhering; None where the question that chooses it is not answered.
    domains : Mapping of str to DomainJudgement
        In the tool's order; empty where the triage ended the assessment.
    overall : str
        A word of the tool, or `not assessable`.
    possible : tuple of str
        Overall judgements that the domains allow, that of the rule first.
    path : tuple of str
        How the overall judgement came about, in words.
    notes : tuple of str
    """

    tool: str
    version: str
    effect: str | None
    domains: Mapping[str, DomainJudgement]
    overall: str
    possible: tuple[str, ...]
    path: tuple[str, ...]
    notes: tuple[str, ...]

    def summary(self) -> str:
        """One line per domain, and the overall judgement."""
        lines = [f"{each.domain}: {each.judgement} ({'; '.join(each.path)})" for each in self.domains.values()]
        return "\n".join([*lines, f"overall: {self.overall} ({'; '.join(self.path)})"])


def tools() -> tuple[Tool, ...]:
    """Tools and versions that `risk_of_bias` knows, each with domains, questions, answers and judgements."""
    return tuple(TOOLS.values())


def tool_of(tool: str, version: str) -> Tool:
    """A tool in a version.

    Raises
    ------
    ValueError
        If it is not known.
    """
    if (tool, str(version)) not in TOOLS:
        known = ", ".join(f"{name} {year}" for name, year in TOOLS)
        raise ValueError(f"tool and version are not known ({tool} {version}); accepted: {known}")
    return TOOLS[tool, str(version)]


def risk_of_bias(
    tool: str,
    version: str,
    answers: Answers,
    *,
    effect: str | None = None,
    judgements: Mapping[str, str] | None = None,
    overall: str | None = None,
) -> Assessment:
    """Risk of bias of one result by a published tool.

    Parameters
    ----------
    tool, version : str
        As `tools()` lists them: RoB 2 2019, ROBINS-I 2016, ROBINS-I V2 2025.
    answers : mapping of str to str
        Answers (Y, PY, PN, N, NI, NA, and WN, SN, WY, SY in ROBINS-I V2) by number of the question; or such mappings by domain. Answers to
        questions off the path are not used; a question on it without an answer leaves the domain `not assessable`, unless every answer to it would end alike.
    effect : str or None
        Effect of interest: assignment or adhering. By default assignment, or what C4 of ROBINS-I V2 says.
    judgements : mapping of str to str or None
        The reviewer's judgements by domain. They stand where no algorithm was published, and in place of the algorithm's elsewhere, which
        the notes say.
    overall : str or None
        The reviewer's overall judgement; by default that of the tool's rule, for ROBINS-I 2016 the mildest that the domains allow.

    Returns
    -------
    Assessment

    Raises
    ------
    ValueError
        If tool, domain, question, answer or judgement is not known, or `overall` is not among those that the domains allow.

    References
    ----------
    Sterne et al. 2019, BMJ 366:l4898 (RoB 2); Sterne et al. 2016, BMJ 355:i4919 (ROBINS-I); ROBINS-I V2, draft of 20 November 2025.
    """
    used = tool_of(tool, version)
    given = _flat(used, answers)
    chosen = _effect(used, effect, given)
    _known_answers(used, given, chosen)
    asked = dict(judgements or {})
    notes = list(used.notes)
    domains = used.domains[chosen or EFFECTS[0]]
    _known_judgements(used, domains, asked)
    if effect is None and used.chooses is None and used.algorithm:
        notes.append("effect was not given: the effect of assignment is taken")
    ended, path = _triage(used, given)
    critical = used.words[-1]
    judged = (
        {}
        if ended == {critical}
        else {each.name: _judge(used, each, given, chosen, asked.get(each.name)) for each in domains}
    )
    notes += [
        f"{each.domain}: the reviewer's judgement ({shown(each.judgement)}) stands in place of the algorithm's ({shown(each.algorithm)})"
        for each in judged.values()
        if each.algorithm is not None and each.algorithm != each.judgement
    ]
    if judged:
        possible, reason, unsettled = _overall(used, judged)
    else:
        possible, reason, unsettled = (critical,), f"the triage ends the assessment: {shown(critical)}", False
    if judged and critical in ended and possible != (critical,):  # the triage may yet end it
        possible, reason, unsettled = (
            (*(word for word in possible if word != critical), critical),
            "the triage (B1 to B3) is not answered",
            True,
        )
    word, last, more = _final(used, possible, overall, reason, unsettled)
    return Assessment(
        tool=used.name,
        version=used.version,
        effect=chosen,
        domains=MappingProxyType(judged),
        overall=word,
        possible=possible,
        path=(*path, *last),
        notes=(*notes, *more),
    )


def _flat(tool: Tool, answers: Answers) -> dict[str, str]:
    """Answers by question, from those and from mappings by domain."""
    names = {domain.name for domains in tool.domains.values() for domain in domains}
    found: dict[str, str] = {}
    for key, value in answers.items():
        if isinstance(value, Mapping):
            if key not in names:
                raise ValueError(
                    f"answers has a domain that {tool.name} lacks ({key}); accepted: {', '.join(sorted(names))}"
                )
            found.update({str(question): str(answer) for question, answer in value.items()})
        else:
            found[str(key)] = str(value)
    return found


def _effect(tool: Tool, effect: str | None, answers: Mapping[str, str]) -> str | None:
    if effect is not None and effect not in EFFECTS:
        raise ValueError(f"effect is not known ({effect}); accepted: {', '.join(EFFECTS)}")
    if tool.chooses is None:
        return effect or EFFECTS[0]
    said = answers.get(tool.chooses)
    chosen = None if said is None else EFFECTS[said in ("Y", "PY")]
    if effect is not None and chosen is not None and effect != chosen:
        raise ValueError(
            f"effect is {effect}, but {tool.chooses} is {said}, which means {chosen}; accepted: one of them, or both alike"
        )
    return chosen or effect


def _known_answers(tool: Tool, answers: Mapping[str, str], effect: str | None) -> None:
    for id, answer in answers.items():
        wrong = why_not_answer(tool, id, answer, effect)
        if wrong is not None:
            raise ValueError(f"answers {wrong}")


def why_not_answer(tool: Tool, id: str, answer: str, effect: str | None = None) -> str | None:
    """What is wrong with an answer; None where the tool offers it. Without an effect, one that any of them offers is right."""
    having = [
        tool.questions(each)[id] for each in ((effect,) if effect else tool.domains) if id in tool.questions(each)
    ]
    if not having:
        return f"has a question that {tool.name} {tool.version} lacks ({id}); accepted: {', '.join(tool.questions(effect))}"
    options = list(dict.fromkeys(option for question in having for option in question.options))
    return (
        None
        if answer in options
        else f"has an answer that question {id} lacks ({answer}); accepted: {', '.join(options)}"
    )


def _known_judgements(tool: Tool, domains: Sequence[Domain], judgements: Mapping[str, str]) -> None:
    names, words = [domain.name for domain in domains], (*tool.words, *tool.outside)
    for name, word in judgements.items():
        if name not in names:
            raise ValueError(f"judgements has a domain that {tool.name} lacks ({name}); accepted: {', '.join(names)}")
        if word not in words:
            raise ValueError(
                f"judgements has a word that {tool.name} lacks ({name}: {word}); accepted: {', '.join(words)}"
            )


def walk_domain(tool: Tool, domain: Domain, answers: Mapping[str, str], effect: str | None) -> Walk:
    """The way through a domain; open where it depends on an effect that is not known."""
    same = (
        len({id(next(each for each in domains if each.name == domain.name)) for domains in tool.domains.values()}) == 1
    )
    if effect is None and not same:
        question = tool.chooses or "effect"
        return Walk(None, tool.words, (f"{question} not answered",), (question,))
    return walk(tool, domain, answers)


def _judge(
    tool: Tool, domain: Domain, answers: Mapping[str, str], effect: str | None, reviewer: str | None
) -> DomainJudgement:
    way = walk_domain(tool, domain, answers, effect)
    path = way.path
    if reviewer is not None:
        path = (*path, f"{shown(reviewer)}, {REVIEWER}")
    elif not path:
        path = (REVIEWER,)
    return DomainJudgement(
        domain=domain.name,
        title=domain.title,
        judgement=reviewer or way.judgement or (REVIEWER if way.reviewer else NOT_ASSESSABLE),
        algorithm=way.judgement,
        possible=way.possible,
        path=path,
        wanting=way.wanting,
    )


def _triage(tool: Tool, answers: Mapping[str, str]) -> tuple[set[str], tuple[str, ...]]:
    """What the triage can still say (go on, or the judgement that ends the assessment), and its path."""
    if tool.triage is None:
        return {GO_ON}, ()
    path: list[str] = []
    descend(tool.triage, answers, path)
    return leaves(tool.triage, answers), tuple(path)


def _overall(tool: Tool, judged: Mapping[str, DomainJudgement]) -> tuple[tuple[str, ...], str, bool]:
    """Overall judgements that the domains allow, the rule's first; why; and whether a domain leaves them open."""
    words = (*tool.words, *tool.outside)
    known = [each.judgement for each in judged.values() if each.judgement in words]
    wanting = [each for each in judged.values() if each.judgement not in words]
    if wanting and tool.words[-1] not in known:
        ends = [[word for word in each.possible if word in tool.words] for each in wanting]
        low = tool.worst([*(word for word in known if word in tool.words), *(end[0] for end in ends)])
        high = tool.overall([*known, *(end[-1] for end in ends)])[-1]
        between = tool.words[tool.severity(low) : tool.severity(high) + 1]
        return between, f"open for want of {', '.join(each.domain for each in wanting)}", len(between) > 1
    allowed = tool.overall(known)
    worst = ", ".join(each.domain for each in judged.values() if each.judgement == allowed[0])
    if allowed[0] == tool.words[0]:
        return allowed, f"every domain is {shown(allowed[0])}", False
    ground = (
        "no domain is at serious or critical risk, and without information is"
        if allowed[0] in tool.outside
        else "the worst domain is"
    )
    return allowed, f"{shown(allowed[0])}: {ground} {worst}", False


def _final(
    tool: Tool, possible: tuple[str, ...], reviewer: str | None, reason: str, unsettled: bool
) -> tuple[str, list[str], list[str]]:
    """The overall judgement, what to add to the path, and notes."""
    if reviewer is not None and reviewer not in possible:
        raise ValueError(
            f"overall is {reviewer}, which the domains do not allow ({reason}); accepted: {', '.join(possible)}"
        )
    if reviewer is not None:
        return reviewer, [reason, f"{shown(reviewer)}, {REVIEWER}"], []
    if unsettled:
        return NOT_ASSESSABLE, [reason], []
    more = tool.several.get(possible[0])
    if more in possible:
        return (
            possible[0],
            [reason],
            [
                f"several domains are {shown(possible[0])}: the reviewer may judge the result {shown(more or '')} overall"
            ],
        )
    return possible[0], [reason], []


__all__ = [
    "EFFECTS",
    "NOT_ASSESSABLE",
    "REVIEWER",
    "Assessment",
    "Domain",
    "DomainJudgement",
    "Question",
    "Tool",
    "risk_of_bias",
    "tool_of",
    "tools",
    "walk_domain",
    "why_not_answer",
]
