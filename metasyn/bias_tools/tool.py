"""Parts of a tool for risk of bias: questions, decision trees, and the walk through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType

FIVE = ("Y", "PY", "PN", "N", "NI")
FIVE_OR_NA = ("NA", *FIVE)
FOUR = ("Y", "PY", "PN", "N")
FOUR_OR_NA = ("NA", *FOUR)
ANSWERS = {
    "Y": "yes",
    "PY": "probably yes",
    "PN": "probably no",
    "N": "no",
    "NI": "no information",
    "NA": "not applicable",
    "WN": "no, of little weight",
    "SN": "no, of great weight",
    "WY": "yes, of little weight",
    "SY": "yes, of great weight",
}
NOT_ASSESSABLE = "not assessable"
REVIEWER = "reviewer's judgement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A signalling question, in short neutral words; the wording to answer by is the tool's own.

    Attributes
    ----------
    id : str
        The tool's number of the question.
    text : str
    options : tuple of str
        Answers that the tool offers.
    asked : str
        When it is asked; empty where always.
    """

    id: str
    text: str
    options: tuple[str, ...]
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question of a decision tree, with what follows from each answer."""

    question: str
    follows: Mapping[str, Ask | str | tuple[str, ...]]


def ask(question: str, branches: Mapping[str, Ask | str | tuple[str, ...]]) -> Ask:
    """A question with its branches; a key holds the answers that go one way ("Y PY"), separated by blanks."""
    follows = {answer: branch for answers, branch in branches.items() for answer in answers.split()}
    return Ask(question, MappingProxyType(follows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain of a tool.

    Attributes
    ----------
    name : str
        Key in records.
    title : str
    questions : tuple of Question
    parts : tuple of Ask
        Decision trees; the worst of their judgements counts. Empty where no algorithm was published.
    beyond : Mapping of str to Ask
        Trees that follow a combined judgement.
    """

    name: str
    title: str
    questions: tuple[Question, ...]
    parts: tuple[Ask, ...] = ()
    beyond: Mapping[str, Ask] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A version of a tool.

    Attributes
    ----------
    name, version, title, source : str
    published : str
        Date of the version, and whether it is a draft.
    words : tuple of str
        Judgements of a domain, best first.
    outside : tuple of str
        Judgements outside that order (no information).
    domains : Mapping of str to tuple of Domain
        By effect of interest: assignment or adhering; both may have the same.
    algorithm : bool
        Whether algorithms were published.
    several : Mapping of str to str
        Overall judgement that the reviewer may reach where several domains have the key as their judgement and none a worse one.
    triage : Ask or None
        Asked before the domains; its leaves are a judgement that ends the assessment, or `go on`.
    triage_questions : tuple of Question
    chooses : str or None
        The question whose answer chooses the effect.
    notes : tuple of str
        What every assessment by the tool says.
    """

    name: str
    version: str
    title: str
    published: str
    source: str
    words: tuple[str, ...]
    outside: tuple[str, ...] = ()
    domains: Mapping[str, tuple[Domain, ...]]
    algorithm: bool
    several: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    triage: Ask | None = None
    triage_questions: tuple[Question, ...] = ()
    chooses: str | None = None
    notes: tuple[str, ...] = ()

    def severity(self, word: str) -> int:
        """Place of a judgement in the order, 0 for the best."""
        return self.words.index(word)

    def worst(self, words: Sequence[str]) -> str:
        """The worst of some judgements."""
        return max(words, key=self.severity)

    def questions(self, effect: str | None = None) -> dict[str, Question]:
        """Questions by number; without an effect, those of all effects (the first where a number has several)."""
        found = {question.id: question for question in self.triage_questions}
        for name, domains in self.domains.items():
            if effect in (None, name):
                for domain in domains:
                    for question in domain.questions:
                        found.setdefault(question.id, question)
        return found

    def overall(self, words: Sequence[str]) -> tuple[str, ...]:
        """Overall judgements that the domains' judgements allow, that of the rule first.

        A judgement outside the order (no information) is allowed only where a domain has it and none is at serious or critical risk.
        """
        judged = [word for word in words if word in self.words]
        worst = self.worst(judged) if judged else self.words[0]
        if self.algorithm:
            raised = self.several.get(worst)
            return (worst, raised) if raised is not None and judged.count(worst) > 1 else (worst,)
        allowed = self.words[self.severity(worst) :]
        unclear = [word for word in self.outside if word in words and self.severity(worst) < 2]
        return (*unclear, *allowed)


@dataclass(frozen=True, slots=True)
class Walk:
    """A way through a domain.

    Attributes
    ----------
    judgement : str or None
        None where it is open.
    possible : tuple of str
        Judgements that the answers leave, best first.
    path : tuple of str
        The answers that led there, in words.
    wanting : tuple of str
        Questions that were reached and have no answer.
    reviewer : bool
        Whether the reviewer decides among `possible`.
    """

    judgement: str | None
    possible: tuple[str, ...]
    path: tuple[str, ...]
    wanting: tuple[str, ...]
    reviewer: bool = False


def leaves(tree: Ask | str | tuple[str, ...], answers: Mapping[str, str]) -> set[str]:
    """Judgements that a tree can still reach, whatever the unanswered questions are answered."""
    if isinstance(tree, Ask):
        given = answers.get(tree.question, "")
        branches = [tree.follows[given]] if given in tree.follows else tree.follows.values()
        return {word for branch in branches for word in leaves(branch, answers)}
    return {tree} if isinstance(tree, str) else set(tree)


def descend(
    tree: Ask | str | tuple[str, ...], answers: Mapping[str, str], path: list[str]
) -> str | tuple[str, ...] | Ask:
    """Follow the answers down a tree as far as they go; the path is written along."""
    while isinstance(tree, Ask):
        given = answers.get(tree.question, "")
        if given not in tree.follows:
            return tree
        path.append(f"{tree.question} {ANSWERS[given]}")
        tree = tree.follows[given]
    return tree


def walk(tool: Tool, domain: Domain, answers: Mapping[str, str]) -> Walk:
    """The way of a set of answers through a domain's algorithm."""
    if not domain.parts:
        return Walk(None, (*tool.words, *tool.outside), (), (), reviewer=True)
    path: list[str] = []
    ends = [descend(part, answers, path) for part in domain.parts]
    wanting = [end.question for end in ends if isinstance(end, Ask)]
    possible: set[str] = set()
    for words in product(*(sorted(leaves(part, answers)) for part in domain.parts)):
        worst = tool.worst(words)
        possible |= leaves(domain.beyond[worst], answers) if worst in domain.beyond else {worst}
    reviewer = any(isinstance(end, tuple) for end in ends)
    if not wanting and not reviewer:
        worst = tool.worst([end for end in ends if isinstance(end, str)])
        if worst in domain.beyond:
            path.append(f"so far {shown(worst)}")
            end = descend(domain.beyond[worst], answers, path)
            wanting += [end.question] if isinstance(end, Ask) else []
    ordered = tuple(word for word in tool.words if word in possible)
    judgement = ordered[0] if len(ordered) == 1 else None
    path.append(_end(ordered, wanting, reviewer))
    return Walk(judgement, ordered, tuple(path), tuple(wanting), reviewer and judgement is None and not wanting)


def _end(possible: Sequence[str], wanting: Sequence[str], reviewer: bool) -> str:
    words = " or ".join(shown(word) for word in possible)
    if len(possible) == 1:
        return words
    if wanting:
        return f"{' and '.join(wanting)} not answered: {words}"
    return f"{words}, {REVIEWER}" if reviewer else words


def shown(word: str) -> str:
    """A judgement as people read it."""
    return word.replace("-", " ")
