"""Which of a study's estimates is taken: an ordered list of wishes, and an error where it does not decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from metasyn.errors import SelectionError, UsageError
from metasyn.records.figures import Exposure, Measure, ModelKind
from metasyn.records.study import SetMethod
from metasyn.records.validation import did_you_mean

# randomised first (all patients, the latest data cut), then what balances by design, then models, then what is left
DEFAULT_PREFERENCE: tuple[dict[str, Any], ...] = (
    {"method": "rct", "analysis": "itt", "cutoff": "latest"},
    {"method": "rct", "cutoff": "latest"},
    {"method": "psm", "model": "univariable"},
    {"method": "psm"},
    {"method": ["iptw", "smrw", "overlap-weighting", "entropy-balancing", "stratification"]},
    {"model": "multivariable"},
    {"method": ["none", "other"]},
)
WISHES = ("method", "model", "exposure", "set", "analysis", "cutoff", "assessor", "assessment", "measure")

# the words that a record may use, for the wishes that have a closed list
VALUES: dict[str, tuple[str, ...]] = {
    "method": get_args(SetMethod),
    "model": get_args(ModelKind),
    "exposure": get_args(Exposure),
    "measure": get_args(Measure),
    "analysis": ("itt", "modified-itt", "as-treated", "per-protocol", "safety", "evaluable"),
}

Candidate = dict[str, Any]


def check_preference(prefer: Sequence[Mapping[str, Any]]) -> None:
    """Refuse wishes about what candidates do not have.

    Raises
    ------
    UsageError
        Names the wish and those that exist.
    """
    for wish in prefer:
        problem = wish_problem(wish)
        if problem is not None:
            raise UsageError(f"prefer: {problem}")


def wish_problem(wish: Mapping[str, Any]) -> str | None:
    """What is wrong with a wish, or None."""
    for name, value in wish.items():
        if name not in WISHES:
            return f"{name} is nothing to prefer by{did_you_mean(name, WISHES)}; accepted: {', '.join(WISHES)}"
        words = VALUES.get(name)
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if words is not None and item not in words:
                return f"{name} cannot be {item}{did_you_mean(str(item), words)}; accepted: {', '.join(words)}"
    return None


def _fits(candidate: Candidate, wish: Mapping[str, Any]) -> bool:
    for name, wanted in wish.items():
        if name == "cutoff" and wanted in ("latest", "first"):
            continue
        allowed = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        if candidate[name] not in allowed:
            return False
    return True


def _by_cutoff(candidates: list[Candidate], wish: Mapping[str, Any]) -> list[Candidate]:
    """The latest (or first) cutoff, where every candidate's is known."""
    which = wish.get("cutoff")
    if which not in ("latest", "first") or len(candidates) < 2:
        return candidates
    lines = [candidate["cutoff_line"] for candidate in candidates]
    if all(line and line[0] == lines[0][0] for line in lines):  # the records say which follows which
        best_length = (max if which == "latest" else min)(len(line) for line in lines)
        return [candidate for candidate, line in zip(candidates, lines, strict=True) if len(line) == best_length]
    for field in ("cutoff_date", "follow_up"):
        times = [candidate[field] for candidate in candidates]
        comparable = field != "cutoff_date" or len({len(str(time)) for time in times}) == 1
        if comparable and all(time is not None for time in times):  # 2020-06 and 2020-06-20 have no order
            best = max(times) if which == "latest" else min(times)
            return [candidate for candidate in candidates if candidate[field] == best]
    return candidates


def _best_response(candidates: list[Candidate]) -> list[Candidate]:
    """Best response before an unnamed assessment, and that before any other."""
    rank = {"best": 0, None: 1}
    lowest = min(rank.get(candidate["assessment"], 2) for candidate in candidates)
    return [candidate for candidate in candidates if rank.get(candidate["assessment"], 2) == lowest]


def _words(value: Any) -> str:
    return " or ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def choose(
    candidates: list[Candidate],
    prefer: Sequence[Mapping[str, Any]],
    *,
    describe: Callable[[Candidate], str],
    where: str,
) -> tuple[Candidate | None, str]:
    """The candidate that the first fitting wish picks.

    Parameters
    ----------
    candidates : list
        Eligible candidates of one study.
    prefer : sequence of mappings
        Wishes in order.
    describe : callable
        Names a candidate in the error.
    where : str
        What the choice is for.

    Returns
    -------
    (candidate or None, reason)
        None where no wish fits any.

    Raises
    ------
    SelectionError
        If a wish fits several: names them.
    """
    for number, wish in enumerate(prefer, 1):
        fitting = _by_cutoff([candidate for candidate in candidates if _fits(candidate, wish)], wish)
        if len(fitting) > 1:
            fitting = _best_response(fitting)
        if len(fitting) == 1:
            return fitting[0], f"wish {number}: " + ", ".join(f"{name} {_words(value)}" for name, value in wish.items())
        if fitting:
            raise SelectionError(
                f"{where}: wish {number} of prefer ({', '.join(f'{k}: {v}' for k, v in wish.items())}) leaves {len(fitting)} estimates; "
                "make it say which (in a report's prefer, or as --prefer method=…,cutoff=…):\n"
                + "\n".join(f"  - {describe(candidate)}" for candidate in fitting)
            )
    return None, "no wish of prefer fits"
