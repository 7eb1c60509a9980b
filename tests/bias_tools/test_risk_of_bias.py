"""Risk of bias: every way through every algorithm, the published mappings, and what is not settled."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement, product

import pytest

from metasyn.bias_tools.assessment import risk_of_bias, tools
from metasyn.bias_tools.tool import NOT_ASSESSABLE, REVIEWER, Ask, Domain, Tool, walk

ROB2, ROBINS, V2 = tools()
YES, NO = ("Y", "PY"), ("N", "PN")


def every_domain(tool: Tool) -> Iterator[tuple[str, Domain]]:
    for effect, domains in tool.domains.items():
        for domain in domains:
            yield f"{tool.name} {effect} {domain.name}", domain


DOMAINS = [pytest.param(tool, domain, id=name) for tool in (ROB2, V2) for name, domain in every_domain(tool)]


def ways(tool: Tool, domain: Domain) -> Iterator[dict[str, str]]:
    """Every set of answers to the questions that are reached, and to no other."""
    options = {question.id: question.options for question in domain.questions}

    def further(answers: dict[str, str]) -> Iterator[dict[str, str]]:
        way = walk(tool, domain, answers)
        reached = next(iter(_reached(domain, answers, way.wanting)), None)
        if reached is None:
            yield answers
            return
        for answer in options[reached]:
            if answer != "NA" or "NA" in _tree(domain, reached).follows:
                yield from further({**answers, reached: answer})

    yield from further({})


def _reached(domain: Domain, answers: dict[str, str], wanting: tuple[str, ...]) -> list[str]:
    return [id for id in wanting if id not in answers]


def _tree(domain: Domain, id: str) -> Ask:
    def look(tree: object) -> Iterator[Ask]:
        if isinstance(tree, Ask):
            if tree.question == id:
                yield tree
            for branch in tree.follows.values():
                yield from look(branch)

    return next(found for tree in (*domain.parts, *domain.beyond.values()) for found in look(tree))


def rob2(answers: dict[str, str], domain: str, effect: str = "assignment") -> str:
    return risk_of_bias("RoB 2", "2019", answers, effect=effect).domains[domain].judgement


def given(numbers: str, answers: str) -> dict[str, str]:
    return dict(zip(numbers.split(), answers.split(), strict=True))


@pytest.mark.parametrize(("tool", "domain"), DOMAINS)
def test_every_way_through_a_domain_ends_in_one_judgement_or_at_the_reviewer(tool, domain):
    count = 0
    for answers in ways(tool, domain):
        way = walk(tool, domain, answers)
        count += 1
        assert way.wanting == ()
        assert set(way.possible) <= set(tool.words)
        assert (way.judgement is not None and way.possible == (way.judgement,)) != way.reviewer
    assert count > 20


@pytest.mark.parametrize(("tool", "domain"), DOMAINS)
def test_every_option_of_a_question_leads_somewhere_and_every_question_is_reached(tool, domain):
    options = {question.id: set(question.options) for question in domain.questions}
    reached = set()

    def look(tree):
        if isinstance(tree, Ask):
            reached.add(tree.question)
            assert set(tree.follows) <= options[tree.question]
            assert options[tree.question] - set(tree.follows) <= {"NA"}, tree.question
            for branch in tree.follows.values():
                look(branch)

    for tree in (*domain.parts, *domain.beyond.values()):
        look(tree)
    assert reached == set(options)


# answers from best to worst, by question; a question that only chooses the way has no order
FEAR_YES, FEAR_NO = ("N", "NI", "Y"), ("Y", "NI", "N")
WEIGHED_NO, WEIGHED_YES = ("Y", "WN", "SN"), ("N", "WY", "SY")
ORDERS = {
    "RoB 2 randomisation": {"1.1": ("Y", "N"), "1.2": FEAR_NO, "1.3": FEAR_YES},
    "RoB 2 deviations": {**dict.fromkeys(("2.1", "2.2"), FEAR_YES), "2.3": FEAR_YES, "2.4": FEAR_YES, "2.5": FEAR_NO, "2.6": FEAR_NO, "2.7": FEAR_YES},
    "RoB 2 adhering deviations": {
        **dict.fromkeys(("2.1", "2.2", "2.4", "2.5"), FEAR_YES), **dict.fromkeys(("2.3", "2.6"), FEAR_NO),
    },
    "RoB 2 missing-data": {"3.1": FEAR_NO, "3.2": ("Y", "N"), "3.3": FEAR_YES, "3.4": FEAR_YES},
    "RoB 2 measurement": dict.fromkeys(("4.1", "4.3", "4.4", "4.5"), ("N", "NI", "Y")) | {"4.2": FEAR_YES},
    "RoB 2 reporting": {"5.1": FEAR_NO, "5.2": FEAR_YES, "5.3": FEAR_YES},
    "ROBINS-I V2 confounding": {"1.2": WEIGHED_NO, "1.3": ("N", "Y"), "1.4": ("N", "Y")},
    "ROBINS-I V2 classification": {"2.1": FEAR_NO, "2.2": FEAR_NO, "2.3": ("SY", "WY", "N"), "2.4": WEIGHED_YES, "2.5": FEAR_YES},
    "ROBINS-I V2 selection": {"3.1": ("Y", "WN"), "3.2": FEAR_YES, "3.3": ("N", "Y"), "3.4": FEAR_YES, "3.6": FEAR_NO, "3.7": FEAR_NO, "3.8": FEAR_YES},
    "ROBINS-I V2 missing-data": {**dict.fromkeys(("4.1", "4.2", "4.3"), FEAR_NO), "4.5": FEAR_YES, "4.6": WEIGHED_NO, "4.9": WEIGHED_NO, "4.10": WEIGHED_NO, "4.11": ("Y", "N")},
    "ROBINS-I V2 measurement": {"5.1": FEAR_YES, "5.2": FEAR_YES, "5.3": WEIGHED_YES},
    "ROBINS-I V2 reporting": {"6.1": FEAR_NO, "6.2": FEAR_YES, "6.3": FEAR_YES, "6.4": FEAR_YES},
}  # fmt: skip


def orders(tool: Tool, effect: str, domain: Domain) -> dict[str, tuple[str, ...]]:
    name = f"{tool.name} {domain.name}"
    return ORDERS.get(f"{tool.name} {effect} {domain.name}", ORDERS[name])


@pytest.mark.parametrize(
    ("tool", "effect", "domain"),
    [
        pytest.param(tool, effect, domain, id=f"{tool.name} {effect} {domain.name}")
        for tool in (ROB2, V2)
        for effect, domains in tool.domains.items()
        for domain in domains
        if not (effect == "adhering" and tool is V2)
    ],
)
def test_a_worse_answer_never_improves_the_judgement(tool, effect, domain):
    order = orders(tool, effect, domain)
    rest = {question.id: "Y" for question in domain.questions if question.id not in order}
    fixed = (
        [{}, {"4.4": "N", "4.7": "Y"}, {"4.4": "N", "4.7": "N"}]
        if domain.name == "missing-data" and tool is V2
        else [{}]
    )
    for base in fixed:
        for answers in product(*order.values()):
            before = {**rest, **base, **dict(zip(order, answers, strict=True))}
            severity = tool.severity(walk(tool, domain, before).possible[0])
            for question, scale in order.items():
                place = scale.index(before[question])
                for worse in scale[place + 1 : place + 2]:
                    after = {**before, question: worse}
                    assert tool.severity(walk(tool, domain, after).possible[-1]) >= severity, (before, question, worse)


def test_where_the_draft_itself_is_not_monotone():
    """Two places where the drawings give a milder judgement for a worse answer; they are kept as they are."""
    confounding = V2.domains["assignment"][0]
    full = walk(V2, confounding, {"1.1": "Y", "1.3": "Y", "1.4": "N", "1.2": "WN"})
    uncontrolled = walk(V2, confounding, {"1.1": "SN", "1.4": "N"})
    assert (full.judgement, uncontrolled.judgement) == ("critical", "serious")
    missing = next(domain for domain in V2.domains["assignment"] if domain.name == "missing-data")
    imputed = {"4.1": "N", "4.2": "Y", "4.3": "Y", "4.4": "N", "4.7": "Y"}
    assert walk(V2, missing, {**imputed, "4.8": "Y", "4.9": "SN", "4.11": "N"}).judgement == "critical"
    assert walk(V2, missing, {**imputed, "4.8": "N"}).judgement == "serious"


# suggested mapping of answers to judgements: guidance of 22 August 2019, and Cochrane Handbook 6, chapter 8
@pytest.mark.parametrize(
    ("answers", "judgement"),
    [
        ("Y Y N", "low"), ("NI PY NI", "low"), ("PY Y PY", "some-concerns"), ("N Y N", "some-concerns"), ("PN PY Y", "some-concerns"),
        ("Y NI PN", "some-concerns"), ("N NI NI", "some-concerns"), ("Y NI Y", "high"), ("Y N N", "high"), ("NI PN NI", "high"),
    ],
)  # fmt: skip
def test_rob2_randomisation_by_the_published_mapping(answers, judgement):
    assert rob2(given("1.1 1.2 1.3", answers), "randomisation") == judgement


@pytest.mark.parametrize(
    ("answers", "judgement"),
    [
        ("N N NA NA NA Y NA", "low"), ("Y Y N NA NA PY NA", "low"), ("NI N NI NA NA Y NA", "some-concerns"), ("Y N Y N NA Y NA", "some-concerns"),
        ("Y Y Y Y Y Y NA", "some-concerns"), ("Y Y Y NI N Y NA", "high"), ("Y Y PY PY NI Y NA", "high"), ("N N NA NA NA N N", "some-concerns"),
        ("N N NA NA NA NI NI", "high"), ("Y Y NI NA NA N PY", "high"),
    ],
)  # fmt: skip
def test_rob2_deviations_for_assignment_by_the_published_mapping(answers, judgement):
    assert rob2(given("2.1 2.2 2.3 2.4 2.5 2.6 2.7", answers), "deviations") == judgement


@pytest.mark.parametrize(
    ("answers", "judgement"),
    [
        ("N N NA N N NA", "low"), ("N PN NA NA NA NA", "low"), ("Y Y Y N PN NA", "low"), ("Y N NA NA N NA", "low"),
        ("N N NA Y N Y", "some-concerns"), ("N N NA N NI PN", "high"), ("Y Y N NA NA PY", "some-concerns"), ("NI N NI N N NI", "high"),
    ],
)  # fmt: skip
def test_rob2_deviations_for_adhering_by_the_published_mapping(answers, judgement):
    assert rob2(given("2.1 2.2 2.3 2.4 2.5 2.6", answers), "deviations", "adhering") == judgement


@pytest.mark.parametrize(
    ("answers", "judgement"),
    [("Y NA NA NA", "low"), ("N PY NA NA", "low"), ("NI N PN NA", "low"), ("N N NI N", "some-concerns"), ("N PN Y NI", "high")],
)  # fmt: skip
def test_rob2_missing_data_by_the_published_mapping(answers, judgement):
    assert rob2(given("3.1 3.2 3.3 3.4", answers), "missing-data") == judgement


@pytest.mark.parametrize(
    ("answers", "judgement"),
    [
        ("Y NA NA NA NA", "high"), ("N Y NA NA NA", "high"), ("NI N N NA NA", "low"), ("N N NI N NA", "low"), ("N N Y Y N", "some-concerns"),
        ("N N Y NI NI", "high"), ("N NI N NA NA", "some-concerns"), ("N NI Y N NA", "some-concerns"), ("N NI Y Y PN", "some-concerns"), ("N NI Y Y Y", "high"),
    ],
)  # fmt: skip
def test_rob2_measurement_by_the_published_mapping(answers, judgement):
    chosen = {id: answer for id, answer in given("4.1 4.2 4.3 4.4 4.5", answers).items() if answer != "NA"}
    assert rob2(chosen, "measurement") == judgement


@pytest.mark.parametrize(
    ("answers", "judgement"),
    [("Y N PN", "low"), ("NI N N", "some-concerns"), ("Y NI N", "some-concerns"), ("N NI NI", "some-concerns"), ("Y Y N", "high"), ("Y NI PY", "high")],
)  # fmt: skip
def test_rob2_reporting_by_the_published_mapping(answers, judgement):
    assert rob2(given("5.1 5.2 5.3", answers), "reporting") == judgement


V2_PATHS = [
    ("confounding", "N", "1.1=Y 1.3=N 1.2=Y 1.4=N", "low"), ("confounding", "N", "1.1=Y 1.3=NI 1.2=WN 1.4=PN", "moderate"),
    ("confounding", "N", "1.1=PY 1.3=N 1.2=Y 1.4=Y", "serious"), ("confounding", "N", "1.1=Y 1.3=N 1.2=NI", "serious"),
    ("confounding", "N", "1.1=WN 1.3=N 1.2=Y 1.4=N", "moderate"), ("confounding", "N", "1.1=WN 1.3=Y 1.4=N 1.2=Y", "serious"),
    ("confounding", "N", "1.1=Y 1.3=Y 1.4=Y", "critical"), ("confounding", "N", "1.1=SN 1.4=N", "serious"), ("confounding", "N", "1.1=NI 1.4=Y", "critical"),
    ("confounding", "Y", "1.1=Y 1.2=Y 1.3=Y 1.5=N", "low"), ("confounding", "Y", "1.1=Y 1.2=WN 1.3=WN 1.5=N", "moderate"),
    ("confounding", "Y", "1.1=N 1.4=Y", "critical"), ("confounding", "Y", "1.1=NI 1.4=N 1.5=N", "serious"), ("confounding", "Y", "1.1=Y 1.2=SN 1.5=N", "serious"),
    ("classification", "N", "2.1=Y 2.4=N 2.5=N", "low"), ("classification", "N", "2.1=N 2.2=N 2.3=SY 2.4=N 2.5=NI", "moderate"),
    ("classification", "N", "2.1=Y 2.4=SY 2.5=N", "serious"), ("classification", "N", "2.1=NI 2.2=NI 2.3=WY 2.4=SY", "critical"),
    ("classification", "N", "2.1=N 2.2=N 2.3=N 2.4=N 2.5=Y", "critical"),
    ("selection", "N", "3.1=Y 3.2=N 3.3=N", "low"), ("selection", "N", "3.1=WN 3.3=N", "moderate"), ("selection", "N", "3.1=Y 3.2=Y 3.3=Y 3.4=N", "moderate"),
    ("selection", "N", "3.1=SN 3.3=N 3.6=Y", "moderate"), ("selection", "N", "3.1=SN 3.3=N 3.6=N 3.7=NI 3.8=N", "serious"),
    ("selection", "N", "3.1=Y 3.2=N 3.3=Y 3.4=Y 3.5=Y 3.6=N 3.7=N 3.8=Y", "critical"),
    ("missing-data", "N", "4.1=Y 4.2=PY 4.3=Y", "low"), ("missing-data", "N", "4.1=N 4.2=Y 4.3=Y 4.4=Y 4.5=N", "low"),
    ("missing-data", "N", "4.1=Y 4.2=N 4.3=Y 4.4=NI 4.5=Y 4.6=Y 4.11=N", "moderate"), ("missing-data", "N", "4.1=Y 4.2=Y 4.3=NI 4.4=N 4.7=Y 4.8=NI", "serious"),
    ("missing-data", "N", "4.1=Y 4.2=N 4.3=Y 4.4=N 4.7=NI 4.10=SN 4.11=N", "critical"),
    ("measurement", "N", "5.1=N 5.2=Y 5.3=WY", "moderate"), ("measurement", "N", "5.1=NI 5.2=N", "moderate"), ("measurement", "N", "5.1=Y", "serious"),
    ("measurement", "N", "5.1=NI 5.2=Y 5.3=SY", "serious"),
    ("reporting", "N", "6.1=Y", "low"), ("reporting", "N", "6.1=N 6.2=N 6.3=NI 6.4=N", "moderate"), ("reporting", "N", "6.1=NI 6.2=NI 6.3=NI 6.4=NI", "serious"),
    ("reporting", "N", "6.1=N 6.2=Y 6.3=NI 6.4=NI", "serious"), ("reporting", "N", "6.1=N 6.2=Y 6.3=N 6.4=PY", "critical"),
]  # fmt: skip


@pytest.mark.parametrize(("domain", "per_protocol", "path", "judgement"), V2_PATHS)
def test_robins_i_v2_on_which_the_transcriptions_agree(domain, per_protocol, path, judgement):
    answers = dict(step.split("=") for step in path.split())
    result = risk_of_bias("ROBINS-I V2", "2025", {**answers, "C4": per_protocol})
    assert result.domains[domain].judgement == judgement
    asked = [step.split()[0] for step in result.domains[domain].path[:-1] if step[0].isdigit()]
    assert asked == [id for id in answers if id in asked]  # in the order of the drawing, and nothing else


def test_where_transcriptions_of_the_draft_differ_the_reviewer_decides():
    answers = {"C4": "Y", "1.1": "Y", "1.2": "SN", "1.5": "Y"}
    domain = risk_of_bias("ROBINS-I V2", "2025", answers).domains["confounding"]
    assert (domain.judgement, domain.algorithm, domain.possible) == (REVIEWER, None, ("serious", "critical"))
    decided = risk_of_bias("ROBINS-I V2", "2025", answers, judgements={"confounding": "critical"})
    assert decided.domains["confounding"].judgement == "critical"
    assert decided.overall == "critical"  # whatever the other domains are


def whole(tool: Tool, words: tuple[str, ...]) -> dict[str, str]:
    return dict(zip((domain.name for domain in tool.domains["assignment"]), words, strict=True))


@pytest.mark.parametrize("tool", [ROB2, V2], ids=lambda tool: tool.name)
def test_overall_is_the_worst_domain_and_only_several_may_be_raised(tool):
    size = len(tool.domains["assignment"])
    triage = {"B1": "Y", "B3": "N", "C4": "N"} if tool is V2 else {}
    for words in combinations_with_replacement(tool.words, size):
        result = risk_of_bias(tool.name, tool.version, triage, judgements=whole(tool, words))
        worst = max(words, key=tool.severity)
        assert result.overall == worst
        raised = tool.several.get(worst) if words.count(worst) > 1 else None
        assert result.possible == ((worst, raised) if raised else (worst,))


def test_several_concerns_may_be_judged_high_and_one_may_not():
    two = whole(ROB2, ("low", "some-concerns", "low", "some-concerns", "low"))
    result = risk_of_bias("RoB 2", "2019", {}, judgements=two)
    assert (result.overall, result.possible) == ("some-concerns", ("some-concerns", "high"))
    assert any("may judge the result high overall" in note for note in result.notes)
    assert risk_of_bias("RoB 2", "2019", {}, judgements=two, overall="high").overall == "high"
    one = two | {"measurement": "low"}
    with pytest.raises(
        ValueError, match=r"overall is high, which the domains do not allow .*; accepted: some-concerns"
    ):
        risk_of_bias("RoB 2", "2019", {}, judgements=one, overall="high")
    with pytest.raises(ValueError, match="overall is low"):
        risk_of_bias("RoB 2", "2019", {}, judgements=one, overall="low")


def test_robins_i_of_2016_has_no_algorithm_and_only_coherence_is_checked():
    words = whole(ROBINS, ("serious", "low", "low", "moderate", "low", "low", "low"))
    nothing = risk_of_bias("ROBINS-I", "2016", {"1.1": "Y", "2.1": "N"})
    assert {each.judgement for each in nothing.domains.values()} == {REVIEWER}
    assert nothing.overall == NOT_ASSESSABLE
    result = risk_of_bias("ROBINS-I", "2016", {}, judgements=words)
    assert (result.overall, result.possible) == ("serious", ("serious", "critical"))
    assert "No algorithm was published" in result.notes[0]
    with pytest.raises(ValueError, match="overall is moderate"):
        risk_of_bias("ROBINS-I", "2016", {}, judgements=words, overall="moderate")


def test_no_information_overall_needs_a_domain_without_information_and_none_serious():
    words = whole(ROBINS, ("moderate", "no-information", "low", "low", "low", "low", "low"))
    assert risk_of_bias("ROBINS-I", "2016", {}, judgements=words).overall == "no-information"
    assert risk_of_bias("ROBINS-I", "2016", {}, judgements=words, overall="moderate").overall == "moderate"
    assert risk_of_bias("ROBINS-I", "2016", {}, judgements=words | {"confounding": "critical"}).overall == "critical"


@pytest.mark.parametrize(
    "answers", [{"B1": "N", "B2": "Y"}, {"B1": "PY", "B3": "PY"}, {"B1": "N", "B2": "N", "B3": "Y"}]
)
def test_the_triage_of_robins_i_v2_can_end_the_assessment(answers):
    result = risk_of_bias("ROBINS-I V2", "2025", answers)
    assert (result.overall, dict(result.domains)) == ("critical", {})
    assert "the triage ends the assessment" in result.path[-1]


def test_a_triage_without_answers_leaves_overall_open():
    words = whole(V2, ("low",) * 6)
    result = risk_of_bias("ROBINS-I V2", "2025", {}, effect="assignment", judgements=words)
    assert (result.overall, result.possible) == (NOT_ASSESSABLE, ("low", "critical"))


def test_what_is_not_answered_is_not_assessable_unless_every_answer_ends_alike():
    result = risk_of_bias("RoB 2", "2019", {"1.2": "Y", "4.1": "Y"}, effect="assignment")
    assert result.domains["randomisation"].judgement == NOT_ASSESSABLE
    assert result.domains["randomisation"].wanting == ("1.1",)
    assert result.domains["randomisation"].possible == ("low", "some-concerns")
    assert result.domains["measurement"].judgement == "high"
    assert result.overall == "high"  # nothing is worse
    silent = risk_of_bias("RoB 2", "2019", {"2.1": "Y", "2.2": "Y", "2.3": "Y", "2.4": "Y", "2.5": "N"})
    assert silent.domains["deviations"].judgement == "high"  # whatever 2.6 and 2.7 say


def test_without_c4_the_questions_on_confounding_are_not_known():
    domain = risk_of_bias("ROBINS-I V2", "2025", {"1.1": "Y"}).domains["confounding"]
    assert (domain.judgement, domain.wanting) == (NOT_ASSESSABLE, ("C4",))


def test_answers_off_the_path_change_nothing_and_answers_may_come_by_domain():
    answers = given("3.1 3.2 3.3 3.4", "Y N Y Y")
    assert rob2(answers, "missing-data") == "low"
    nested = risk_of_bias("RoB 2", "2019", {"missing-data": answers, "reporting": given("5.1 5.2 5.3", "Y N N")})
    assert [nested.domains[name].judgement for name in ("missing-data", "reporting")] == ["low", "low"]


def test_a_judgement_against_the_algorithm_stands_and_is_told():
    answers = given("5.1 5.2 5.3", "NI N N")
    result = risk_of_bias("RoB 2", "2019", answers, judgements={"reporting": "low"})
    assert (result.domains["reporting"].judgement, result.domains["reporting"].algorithm) == ("low", "some-concerns")
    assert any("stands in place of the algorithm's (some concerns)" in note for note in result.notes)


def test_the_tools_are_listed_with_their_domains_and_questions():
    listed = {(tool.name, tool.version): [domain.name for domain in tool.domains["assignment"]] for tool in tools()}
    assert {key: len(names) for key, names in listed.items()} == {
        ("RoB 2", "2019"): 5,
        ("ROBINS-I", "2016"): 7,
        ("ROBINS-I V2", "2025"): 6,
    }
    assert [len(ROB2.questions(effect)) for effect in ("assignment", "adhering")] == [22, 21]
    assert len(ROBINS.questions()) == 34
    assert [len(V2.questions(effect)) for effect in ("assignment", "adhering")] == [39, 40]
    assert "summary" in dir(risk_of_bias("RoB 2", "2019", {}))


def test_the_summary_shows_the_path_in_words():
    text = risk_of_bias("RoB 2", "2019", given("1.1 1.2 1.3", "PY Y NI")).summary()
    assert "randomisation: low (1.2 yes; 1.1 probably yes; 1.3 no information; low)" in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("RoB 2", "2018", {}), r"tool and version are not known \(RoB 2 2018\); accepted: RoB 2 2019, ROBINS-I 2016, ROBINS-I V2 2025"),
        (("RoB 2", "2019", {"9.9": "Y"}), r"answers has a question that RoB 2 2019 lacks \(9\.9\); accepted: 1\.1, "),
        (("RoB 2", "2019", {"1.1": "yes"}), r"answers has an answer that question 1\.1 lacks \(yes\); accepted: Y, PY, PN, N, NI"),
        (("RoB 2", "2019", {"confounding": {"1.1": "Y"}}), r"answers has a domain that RoB 2 lacks \(confounding\)"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        risk_of_bias(*call)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"effect": "itt"}, r"effect is not known \(itt\); accepted: assignment, adhering"),
        ({"judgements": {"selection": "low"}}, "judgements has a domain that RoB 2 lacks"),
        ({"judgements": {"reporting": "serious"}}, r"judgements has a word that RoB 2 lacks \(reporting: serious\); accepted: low, some-concerns, high"),
    ],
)  # fmt: skip
def test_options_that_are_not_known_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        risk_of_bias("RoB 2", "2019", {}, **options)


def test_c4_and_effect_must_agree():
    with pytest.raises(ValueError, match="effect is assignment, but C4 is Y, which means adhering"):
        risk_of_bias("ROBINS-I V2", "2025", {"C4": "Y"}, effect="assignment")
