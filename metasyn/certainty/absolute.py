"""Absolute effects: what a relative effect means at a baseline risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isfinite

MEASURES = ("HR", "RR", "OR", "RD")
KINDS = ("risk", "survival")
DIRECTIONS = ("lower", "higher")
NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberNeeded:
    """Number needed to treat: for one more patient to benefit (NNTB) or to be harmed (NNTH).

    Attributes
    ----------
    estimate : float or None
        1 / |difference|; None where the interval includes no effect.
    low, high : float or None
        Its limits; None where the interval includes no effect.
    benefit, harm : float or None
        Where the interval includes no effect, its two ends: patients for one benefit and for one harm, with infinity between them. None for an
        end that is no effect.
    text : str
        Whole numbers, rounded up: `NNTB 10 (6 to 28)`, or `NNTB 10 to infinity to NNTH 40`.
    """

    estimate: float | None
    low: float | None
    high: float | None
    benefit: float | None
    harm: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsoluteEffect:
    """What a relative effect means in patients with a baseline risk; proportions between 0 and 1.

    Attributes
    ----------
    of : str
        What the proportions are of: risk (of the event) or survival (without it).
    control, treatment : float
        Proportion without and with the treatment.
    difference, ci_low, ci_high : float
        Treatment minus control, with the limits that follow from those of the relative effect; NaN where the baseline cannot carry them, or no
        interval is given.
    by_baseline : tuple of (baseline, difference, ci_low, ci_high)
        The same at each limit of the baseline's own interval; empty where it has none. Its uncertainty is shown apart, never mixed in.
    number_needed : NumberNeeded or None
        None without an interval, or where it is not known which direction is better.
    horizon : float or None
        Time of the proportions, in the unit of the baseline.
    notes : tuple of str
    """

    of: str
    control: float
    treatment: float
    difference: float
    ci_low: float
    ci_high: float
    by_baseline: tuple[tuple[float, float, float, float], ...]
    number_needed: NumberNeeded | None
    measure: str
    horizon: float | None
    notes: tuple[str, ...]

    def summary(self, per: int = 1000) -> str:
        """The effect in one line, per so many patients."""
        more = "more" if self.difference >= 0 else "fewer"
        text = f"{per * self.treatment:.0f} instead of {per * self.control:.0f} per {per}: {abs(per * self.difference):.0f} {more}"
        if isfinite(self.ci_low):
            text += f" (from {_signed(per * self.ci_low)} to {_signed(per * self.ci_high)})"
        return text


def absolute_effect(
    estimate: float,
    *,
    measure: str,
    baseline: float,
    ci: Sequence[float] | None = None,
    baseline_ci: Sequence[float] | None = None,
    baseline_of: str | None = None,
    better: str | None = None,
    horizon: float | None = None,
) -> AbsoluteEffect:
    """Absolute effect of a relative one, at a baseline risk.

    Parameters
    ----------
    estimate : float
        The ratio (not its log), or the risk difference.
    measure : str
        HR, RR, OR or RD.
    baseline : float
        Proportion without the treatment, between 0 and 1.
    ci : (low, high) or None
        Limits of the relative effect.
    baseline_ci : (low, high) or None
        Limits of the baseline.
    baseline_of : str or None
        risk or survival; by default survival for HR, risk otherwise. The result is given for the same.
    better : str or None
        Whether fewer events are better (lower) or more (higher); None: not known, and no number needed to treat is given.
    horizon : float or None
        Time that the baseline is for; it is only passed on.

    Raises
    ------
    ValueError
        If a number is out of its range, limits are out of order or do not hold the estimate, or a word is not known.

    References
    ----------
    HR: S_treatment = S_control^HR (Altman and Andersen 1999, BMJ 319:1492-5). RR, OR, RD: Cochrane Handbook 6.5, section 15.4.4.
    Numbers needed to treat and their intervals: Altman 1998, BMJ 317:1309-12.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure {measure} has no absolute effect here; accepted: {', '.join(MEASURES)}")
    of = ("survival" if measure == "HR" else "risk") if baseline_of is None else baseline_of
    if of not in KINDS:
        raise ValueError(f"baseline_of is not known ({of}); accepted: {', '.join(KINDS)}")
    if better is not None and better not in DIRECTIONS:
        raise ValueError(f"better is not known ({better}); accepted: {', '.join(DIRECTIONS)}, or None")
    _check_proportion("baseline", baseline)
    limits = _limits("ci", ci, estimate, ratio=measure != "RD")
    around = _limits("baseline_ci", baseline_ci, baseline, ratio=False)
    notes = _notes(measure, better)
    at = [_difference(value, baseline, measure, of) for value in (estimate, *limits)]
    treatment = baseline + at[0]
    if any(value != value for value in at):
        notes.append(
            "the relative effect cannot be applied to this baseline: it gives a proportion outside 0 to 1, and what does is left empty"
        )
    low, high = (min(at[1:]), max(at[1:])) if limits and not any(v != v for v in at[1:]) else (NAN, NAN)
    apart = []
    for limit in around:
        _check_proportion("baseline_ci", limit)
        found = [_difference(value, limit, measure, of) for value in (estimate, *limits)]
        ends = found[1:] or [NAN]
        known = not any(value != value for value in ends)
        apart.append((limit, found[0], min(ends) if known else NAN, max(ends) if known else NAN))
    good = None if better is None else (1.0 if (better == "higher") == (of == "risk") else -1.0)
    if of == "survival" and good is not None and measure == "RD":
        notes.append("the risk difference is of events; the proportions are of patients without one")
    if good is not None and low != low:
        notes.append("without an interval no number needed to treat is given: it may include no effect")
    needed = None if good is None else _number_needed(good * at[0], *sorted((good * low, good * high)))
    return AbsoluteEffect(
        of=of,
        control=baseline,
        treatment=treatment,
        difference=at[0],
        ci_low=low,
        ci_high=high,
        by_baseline=tuple(apart),
        number_needed=needed,
        measure=measure,
        horizon=horizon,
        notes=tuple(notes),
    )


def _notes(measure: str, better: str | None) -> list[str]:
    notes = ["the interval is that of the relative effect; the baseline's own uncertainty stands apart"]
    if measure == "HR":
        notes.append(
            "proportional hazards are assumed up to the horizon: survival with treatment is survival without it to the power of the HR"
        )
    elif measure in ("RR", "OR"):
        name = "risk" if measure == "RR" else "odds"
        notes.append(f"the {name} ratio is taken to hold at this baseline risk")
    if better is None:
        notes.append("which direction is better is not said, so no number needed to treat is given")
    return notes  # fmt: skip


def _difference(value: float, baseline: float, measure: str, of: str) -> float:
    """Treatment minus control, on the scale of the baseline; NaN where no proportion has that effect."""
    risk = 1 - baseline if of == "survival" else baseline
    sign = -1 if of == "survival" else 1
    if measure == "HR":  # on survival, where no digits are lost
        survival = baseline if of == "survival" else 1 - baseline
        return -sign * float(survival**value - survival)
    if measure == "OR":
        return sign * (risk * value / (1 - risk + risk * value) - risk)
    treated = risk * value if measure == "RR" else risk + value
    return sign * (treated - risk) if 0 <= treated <= 1 else NAN


def _number_needed(gain: float, low: float, high: float) -> NumberNeeded | None:
    """From the gain (benefit above 0) and its limits."""
    if gain != gain or low != low:
        return None
    if low <= 0 <= high:
        benefit, harm = (1 / high if high > 0 else None), (-1 / low if low < 0 else None)
        parts = [f"NNTB {ceil(benefit - 1e-9)}"] if benefit is not None else []
        parts += ["infinity"]
        parts += [f"NNTH {ceil(harm - 1e-9)}"] if harm is not None else []
        return NumberNeeded(estimate=None, low=None, high=None, benefit=benefit, harm=harm, text=" to ".join(parts))
    name = "NNTB" if gain > 0 else "NNTH"
    ends = sorted((1 / abs(low), 1 / abs(high)))
    shown = [ceil(value - 1e-9) for value in (1 / abs(gain), *ends)]
    return NumberNeeded(
        estimate=1 / abs(gain),
        low=ends[0],
        high=ends[1],
        benefit=None,
        harm=None,
        text=f"{name} {shown[0]} ({shown[1]} to {shown[2]})",
    )


def _limits(name: str, ci: Sequence[float] | None, estimate: float, *, ratio: bool) -> tuple[float, ...]:
    if not isfinite(estimate) or (ratio and estimate <= 0):
        raise ValueError(f"estimate is not {'a positive number' if ratio else 'a number'} ({estimate}); accepted: {'a ratio, not its log' if ratio else 'a difference'}")  # fmt: skip
    if ci is None:
        return ()
    if len(ci) != 2:
        raise ValueError(f"{name} has {len(ci)} values; accepted: (low, high)")
    low, high = (float(value) for value in ci)
    if not (isfinite(low) and isfinite(high)) or (ratio and low <= 0):
        raise ValueError(f"{name} is not two {'positive ' if ratio else ''}numbers ({low}, {high})")
    if not low <= estimate <= high:
        raise ValueError(f"{name} does not hold its estimate ({low} to {high}, {estimate})")
    return low, high


def _check_proportion(name: str, value: float) -> None:
    if not isfinite(value) or not 0 < value < 1:
        raise ValueError(
            f"{name} is not a proportion between 0 and 1 ({value}); accepted: such as 0.55, not 55 and neither 0 nor 1"
        )


def _signed(value: float) -> str:
    return f"{abs(value):.0f} {'more' if value >= 0 else 'fewer'}"
