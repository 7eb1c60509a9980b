"""Is every recorded number printed in the paper, beside its companions and near the words it belongs to?"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from metasyn.records.figures import Contrast
from metasyn.records.plausibility.finding import Found
from metasyn.records.study import Study
from metasyn.records.validation import Loc
from metasyn.records.verification.groups import Figure, Group, groups
from metasyn.records.verification.paper_text import PaperText, Token
from metasyn.records.vocabulary import Vocabulary

BESIDE = 110  # characters between numbers that stand together, in running text
NEAR = 600  # characters before the numbers, in which the words they belong to stand
MANY = 60  # places of one number that are looked at
UNITS = {"days": ("day",), "weeks": ("week", "wk"), "months": ("month", "mo"), "years": ("year", "yr")}
IN_MONTHS = {"days": 30.4375, "weeks": 4.348, "months": 1.0, "years": 1 / 12}
NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

Status = Literal["printed", "other-digits", "apart", "far", "not-printed", "in-words", "unsaid"]


@dataclass(frozen=True, slots=True)
class Located:
    """A recorded number and where the paper prints it.

    Attributes
    ----------
    figure : Figure
    status : str
        printed (beside its companions), other-digits (0.70 for 0.7), apart (not beside them), far (not near its words),
        in-words (a zero as none), not-printed, unsaid (the record says so itself).
    token : Token or None
        The place.
    """

    figure: Figure
    status: Status
    token: Token | None


@dataclass(frozen=True, slots=True)
class Verification:
    """What a paper's text says about a record.

    Attributes
    ----------
    located : list of Located
        Every recorded number.
    found : list of (check id, Found)
        What does not stand in the text as recorded.
    unused : list of Token
        Results of the paper that no record uses.
    """

    located: list[Located]
    found: list[tuple[str, Found]]
    unused: list[Token]


def verify(study: Study, text: PaperText, vocabulary: Vocabulary | None) -> Verification:
    """Look every number of a record up in its paper's text.

    Numbers of one row that belong together (estimate, interval and p; count and percent) are looked for as a group: the
    place where most of them stand beside each other, near the words of the row, is theirs.

    Returns
    -------
    Verification
    """
    located: list[Located] = []
    found: list[tuple[str, Found]] = []
    anchors: dict[Loc, Token] = {}
    for group in groups(study, vocabulary):
        placed = _place(group, text)
        located += placed
        anchor = next((item.token for item in placed if item.status == "printed" and item.token is not None), None)
        if anchor is not None:
            anchors[group.figures[0].loc] = anchor
        found += _complaints(group, placed, text)
        if anchor is not None and group.unit is not None:
            found += _unit(group, placed, text)
    found += _reversed_arms(study, anchors, text)
    return Verification(located, found, unused_results(located, text))


def _window(token: Token, text: PaperText) -> tuple[int, int]:
    """Where companions of a number stand: its row of a table, else some characters on either side."""
    if text.is_table(token.line):
        return text.line_span(token.line)
    return token.start - BESIDE, token.end + BESIDE


def _place(group: Group, text: PaperText) -> list[Located]:
    best: tuple[float, Token | None, dict[Loc, Token]] = (-1.0, None, {})
    for anchor in group.figures:
        for token in text.places.get(anchor.number, ())[:MANY]:
            beside = _beside(group, anchor, token, text)
            extent = max(t.end for t in beside.values()) - min(t.start for t in beside.values())
            time = 0.5 if _time_near(group, token, text) else 0.0
            score = 2 * len(beside) + _words_near(group, token, text) + time - extent / 10_000
            if score > best[0]:
                best = (score, token, beside)
    near = best[1] is None or not group.words or _words_near(group, best[1], text) > 0
    return [_status(figure, best[2], near, text) for figure in group.figures]


def _beside(group: Group, anchor: Figure, token: Token, text: PaperText) -> dict[Loc, Token]:
    """The numbers of a group that stand beside one of them, each at a place of its own where there are several."""
    start, end = _window(token, text)
    beside = {anchor.loc: token}
    taken = {token.start}
    for figure in group.figures:
        if figure.loc in beside:
            continue
        options = [other for other in text.places.get(figure.number, ()) if start <= other.start < end]
        fresh = [other for other in options if other.start not in taken] or options
        if fresh:
            nearest = min(fresh, key=lambda other: abs(other.start - token.start))
            beside[figure.loc] = nearest
            taken.add(nearest.start)
    return beside


def _status(figure: Figure, beside: dict[Loc, Token], near: bool, text: PaperText) -> Located:
    if figure.loc in beside:
        return Located(figure, "printed" if near else "far", beside[figure.loc])
    if figure.number in text.places:
        return Located(figure, "apart", text.places[figure.number][0])
    same = text.same_value(figure.number)
    if same:
        return Located(figure, "other-digits", same[0])
    if figure.inferred:
        return Located(figure, "unsaid", None)
    if figure.number == "0" and re.search(r"\bno(?:ne)?\b", text.lower):
        return Located(figure, "in-words", None)  # "no grade 5 events"
    return Located(figure, "not-printed", None)


def _words_near(group: Group, token: Token, text: PaperText) -> int:
    """How many of the things that the numbers are of are named before or beside them."""
    start, end = max(0, token.start - NEAR), min(len(text.lower), token.end + BESIDE)
    if text.is_table(token.line):
        start = max(0, text.line_span(max(1, token.line - 40))[0])  # a table's title and the heads of its rows
        end = text.line_span(token.line)[1]
    surroundings = text.lower[start:end]
    return sum(any(word in surroundings for word in words) for words in group.words)


def _times(at: float, unit: str) -> tuple[str, ...]:
    """Ways to write a time: 12-month, 12 months, 1-year."""
    months = at / IN_MONTHS[unit]
    written = []
    for name, heads in UNITS.items():
        value = months * IN_MONTHS[name]
        if name in ("months", "years", unit) and abs(value - round(value, 1)) < 0.01 and value > 0:
            number = f"{value:.1f}".rstrip("0").rstrip(".")
            written += [rf"\b{re.escape(number)}(?:[- ,]|\b)[^.;]{{0,25}}?{head}" for head in heads]
            if number.isdigit() and int(number) < len(NUMBER_WORDS):
                written += [rf"\b{NUMBER_WORDS[int(number)]}[- ]{head}" for head in heads]
    return tuple(written)


def _time_near(group: Group, token: Token, text: PaperText) -> bool:
    if group.at is None or group.unit is None:
        return False
    start, end = max(0, token.start - NEAR), min(len(text.lower), token.end + NEAR)
    if text.is_table(token.line):
        start = max(0, text.line_span(max(1, token.line - 40))[0])
    return any(re.search(pattern, text.lower[start:end]) for pattern in _times(group.at, group.unit))


def _complaints(group: Group, placed: list[Located], text: PaperText) -> list[tuple[str, Found]]:
    found: list[tuple[str, Found]] = []
    beside = [item for item in placed if item.status in ("printed", "far")]
    for item in placed:
        if item.status == "not-printed":
            near = _likeliest(item.figure, beside, group, text)
            hint = f", perhaps {near.number}" if near is not None else ""
            found.append(
                (
                    "not-printed",
                    Found(
                        item.figure.loc,
                        f"is not in the text ({item.figure.printed}); accepted: the number as the paper prints it{hint}",
                        text.snippet(near) if near is not None else None,
                    ),
                )
            )
        elif item.status == "other-digits" and item.token is not None:
            found.append(
                (
                    "printed-with-other-digits",
                    Found(
                        item.figure.loc,
                        f"has other decimals in the text ({item.figure.printed}, printed {item.token.number}); accepted: {item.token.number}",
                        text.snippet(item.token),
                    ),
                )
            )
        elif item.status == "apart" and beside and item.token is not None and not item.figure.inferred:
            others = " and ".join(dict.fromkeys(other.figure.printed for other in beside))
            found.append(
                (
                    "printed-apart",
                    Found(
                        item.figure.loc,
                        f"is in the text, but not beside {others} ({item.figure.printed}); accepted: the number that stands there",
                        text.snippet(beside[0].token) if beside[0].token is not None else None,
                    ),
                )
            )
    return found


def _likeliest(figure: Figure, beside: list[Located], group: Group, text: PaperText) -> Token | None:
    """A number near the row's others, or near its words, that is one slip away from the recorded one."""
    if beside and beside[0].token is not None:
        start, end = _window(beside[0].token, text)
        options = [token for token in text.tokens if start - BESIDE <= token.start < end + BESIDE]
    else:
        options = text.tokens
    close = [token for token in options if token.number != figure.number and _one_slip(token.number, figure.number)]
    return max(close, key=lambda token: _words_near(group, token, text), default=None)


def _one_slip(one: str, other: str) -> bool:
    """Whether two numbers differ by one digit, two neighbouring digits exchanged, or the place of the point."""
    if one.replace(".", "").strip("0") == other.replace(".", "").strip("0"):
        return True
    if len(one) == len(other):
        differing = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
        swapped = (
            len(differing) == 2
            and one[differing[0]] == other[differing[1]]
            and one[differing[1]] == other[differing[0]]
        )
        return len(differing) == 1 or swapped
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return (
        len(longer) - len(shorter) == 1
        and len(shorter) > 2
        and any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))
    )


def _unit(group: Group, placed: list[Located], text: PaperText) -> list[tuple[str, Found]]:
    """A time whose unit in the text is another, and a rate whose time is not near it."""
    token = next(item.token for item in placed if item.token is not None and item.status == "printed")
    figure = group.figures[0]
    if group.at is not None:
        if not _time_near(group, token, text):
            return [
                (
                    "other-time",
                    Found(
                        (*figure.loc[:-1], "at") if figure.loc[-1] == "percent" else figure.loc,
                        f"has no such time near it in the text ({figure.printed} at {group.at:g} {group.unit}); accepted: the time as printed",
                        text.snippet(token, around=120),
                    ),
                )
            ]
        return []
    following = text.lower[token.end : token.end + 80]
    before = text.lower[max(0, token.start - 400) : token.start]
    said = [
        name
        for name, heads in UNITS.items()
        if re.search(rf"^[^.;a-z|]{{0,60}}(?:vs\.?[^.;a-z|]{{0,30}})?\b(?:{'|'.join(heads)})", following)
    ]
    mine = UNITS[group.unit or "months"]
    if said and group.unit not in said and not any(head in before[-80:] for head in mine):
        return [
            (
                "other-time",
                Found(
                    figure.loc,
                    f"is in {said[0]} in the text ({figure.printed} in a record of {group.unit}); accepted: a time in {group.unit}, or time_unit: {said[0]}",
                    text.snippet(token),
                ),
            )
        ]
    return []


def _reversed_arms(study: Study, anchors: dict[Loc, Token], text: PaperText) -> list[tuple[str, Found]]:
    """Pairs of rows, one per arm, whose numbers stand the other way round than the paper's other pairs."""
    pairs = _pairs(study, anchors)
    groups_of_pairs: dict[tuple[str, object], list[tuple[bool, Loc, Loc]]] = defaultdict(list)
    for arms, first, second in pairs:
        one, two = anchors[first], anchors[second]
        if one.line != two.line or one.number == two.number:
            continue
        between = text.lower[min(one.end, two.end) : max(one.start, two.start)]
        if text.is_table(one.line):
            if _once(one, text) and _once(two, text):
                groups_of_pairs["table", _table_start(one.line, text)].append((one.start < two.start, first, second))
        elif len(between) < 60 and re.search(r"\bvs?\b|\bversus\b", between):
            groups_of_pairs["text", arms].append((one.start < two.start, first, second))
    found: list[tuple[str, Found]] = []
    for (kind, _), members in groups_of_pairs.items():
        forward = sum(order for order, _, _ in members)
        usual = forward * 2 >= len(members)
        odd = [(first, second) for order, first, second in members if order != usual]
        if len(members) >= 4 and 0 < len(odd) <= len(members) / 4:
            for first, _ in odd:
                found.append(
                    (
                        "arms-reversed",
                        Found(
                            first,
                            f"stands in the other order than the {len(members) - len(odd)} other pairs of these arms in the text, as if the arms were swapped; accepted: the arm that the number belongs to",
                            text.snippet(anchors[first]),
                            None if kind == "table" or len(odd) == 1 else "note",
                        ),
                    )
                )
    return found


def _once(token: Token, text: PaperText) -> bool:
    """Whether a number stands once in its line, so that its column is known."""
    return sum(other.line == token.line for other in text.places[token.number]) == 1


def _table_start(line: int, text: PaperText) -> int:
    while line > 1 and text.is_table(line - 1):
        line -= 1
    return line


def _pairs(study: Study, anchors: dict[Loc, Token]) -> list[tuple[tuple[str, str], Loc, Loc]]:
    """Numbers of the same thing in the treatment and in the comparator."""
    arms = [(row.treatment, row.comparator) for row in study.contrasts if isinstance(row, Contrast)]
    sides: dict[tuple[object, ...], dict[str, Loc]] = defaultdict(dict)
    for loc in anchors:
        section, index = str(loc[0]), loc[1]
        if section in ("survival", "responses", "adverse_events") and isinstance(index, int):
            row = getattr(study, section)[index]
            same = {name: repr(value) for name, value in row.__dict__.items() if name in SAME}
            times = tuple(str(row.rates[int(loc[3])].at) for _ in (0,) if loc[2] == "rates")
            sides[(section, str(loc[2]), times, tuple(sorted(same.items())))].setdefault(row.arm, loc)
        elif section == "baseline" and isinstance(index, int) and len(loc) > 3 and loc[2] == "arms":
            sides[(section, index)].setdefault(str(loc[3]), loc)
    return [
        ((a, b), side[a], side[b]) for side in sides.values() for a, b in dict.fromkeys(arms) if a in side and b in side
    ]


SAME = (
    "outcome",
    "set",
    "cutoff",
    "assessor",
    "subgroup",
    "category",
    "assessment",
    "term",
    "attribution",
    "grades",
    "term_as_printed",
)


def unused_results(located: list[Located], text: PaperText) -> list[Token]:
    """Results that no row of the record uses: decimals, percents and p values between the heads of results and discussion."""
    used = {item.figure.number for item in located}
    start, end = _results(text)
    found, seen = [], set()
    for token in text.tokens:
        following = text.text[token.end : token.end + 2].strip()
        level = following.startswith("%") and re.match(
            r"\W{0,3}(?:ci\b|confidence)", text.lower[token.end + 1 : token.end + 16]
        )
        a_result = ("." in token.number or following.startswith("%")) and not level
        if a_result and start <= token.start < end and token.number not in used and token.number not in seen:
            seen.add(token.number)
            found.append(token)
    return found


def _results(text: PaperText) -> tuple[int, int]:
    """Where the results stand, by the headings; the whole text where there are none."""
    heading = r"(?m)^[\W\d]*(?:{})\W*$"
    begin = re.search(heading.format("results|patient characteristics|findings"), text.lower)
    start = begin.end() if begin else 0
    finish = re.search(
        heading.format("discussion|conclusions?|references|supporting information|acknowledge?ments?"),
        text.lower[start:],
    )
    return start, start + finish.start() if finish else len(text.lower)
