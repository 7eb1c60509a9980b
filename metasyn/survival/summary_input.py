"""What a paper prints about the survival of one arm: numbers checked, with how precisely each was printed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Literal

NOT_REACHED = "not-reached"
MOST_DECIMALS = 6  # beyond this a number was computed, not printed

Limits = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class LandmarkRate:
    """Survival at a landmark: a proportion, with its pointwise interval where one was printed.

    Raises
    ------
    ValueError
        If the time is not positive, the survival is not a proportion, or a limit is not a proportion.
    """

    time: float
    survival: float
    ci: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", _number("time of a rate", self.time, "a time above 0"))
        if self.time <= 0:
            raise ValueError(f"time of a rate is not above 0 ({self.time:g})")
        object.__setattr__(self, "survival", _proportion(f"survival at {self.time:g}", self.survival))
        limits = _pair(f"ci of the survival at {self.time:g}", self.ci)
        if limits is not None and None in limits:
            raise ValueError(f"ci of the survival at {self.time:g} lacks a limit ({self.ci}); accepted: (low, high)")
        if limits is not None:
            low, high = (_proportion(f"ci of the survival at {self.time:g}", limit) for limit in limits)
            if low > high:
                raise ValueError(
                    f"ci of the survival at {self.time:g} has its lower limit above its upper one ({low:g}, {high:g})"
                )
            limits = (low, high)
        object.__setattr__(self, "ci", limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSummary:
    """The reported numbers of one arm; `None` where something was not reported.

    Parameters
    ----------
    n : int
        Patients.
    events : int, optional
        Patients with the event.
    median : float or "not-reached", optional
        Median survival.
    median_ci : (low, high), optional
        Interval of the median (Brookmeyer and Crowley); `None`, NaN or "not-reached" for a limit not reached.
    rates : sequence of LandmarkRate, (time, survival), (time, survival, low, high) or (time, survival, ci)
        Survival at landmarks as proportions, in any order.
    follow_up : float, optional
        Median follow-up by reverse Kaplan-Meier.
    label : str, optional
        Name of the arm.
    level : float
        Coverage of the arm's intervals.
    time_decimals, survival_decimals : int, optional
        Decimals to which times and proportions were printed. Without them the most that any of the arm's numbers
        shows: 14.0 beside 11.3 has one, 14.0 alone none, which is the cautious reading.

    Raises
    ------
    ValueError
        If a number cannot be what it is said to be; arm, field, value and what is accepted are named. Numbers that
        are possible one by one and contradict each other are no errors: `from_summary` lists them as conflicts.
    """

    n: int
    events: int | None = None
    median: float | Literal["not-reached"] | None = None
    median_ci: Limits | None = None
    rates: Sequence[Any] = ()
    follow_up: float | None = None
    label: str | None = None
    level: float = 0.95
    time_decimals: int | None = None
    survival_decimals: int | None = None

    def __post_init__(self) -> None:
        who = self._name()

        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("n", _count(f"{who}: n", self.n, least=1))
        if self.events is not None:
            put("events", _count(f"{who}: events", self.events, least=0))
            if self.events > self.n:
                raise ValueError(f"{who}: events is above n ({self.events} of {self.n} patients)")
        if not 0 < _number(f"{who}: level", self.level, "a fraction") < 1:
            raise ValueError(f"{who}: level is not a fraction between 0 and 1 ({self.level}); 95 % is 0.95")
        put("median", self._checked_median(who))
        put("median_ci", self._checked_limits(who))
        put("rates", tuple(sorted((_rate(who, rate) for rate in _listed(who, self.rates)), key=_order)))
        if self.follow_up is not None:
            value = _number(f"{who}: follow_up", self.follow_up, "a time above 0, or None where not reported")
            if value <= 0:
                raise ValueError(f"{who}: follow_up is not above 0 ({value:g})")
            put("follow_up", value)
        for name in ("time_decimals", "survival_decimals"):
            if getattr(self, name) is not None:
                put(name, _count(f"{who}: {name}", getattr(self, name), least=0))

    def _name(self) -> str:
        return f"arm {self.label}" if self.label else "arm"

    def _checked_median(self, who: str) -> float | Literal["not-reached"] | None:
        if self.median is None or (isinstance(self.median, float) and math.isnan(self.median)):
            return None
        if isinstance(self.median, str):
            if self.median != NOT_REACHED:
                raise ValueError(f'{who}: median is not known ("{self.median}"); accepted: a time or "{NOT_REACHED}"')
            return "not-reached"
        value = _number(f"{who}: median", self.median, f'a time above 0, "{NOT_REACHED}", or None where not reported')
        if value <= 0:
            raise ValueError(f"{who}: median is not above 0 ({value:g})")
        return value

    def _checked_limits(self, who: str) -> Limits | None:
        limits = _pair(f"{who}: median_ci", self.median_ci)
        if limits is None:
            return None
        for limit in limits:
            if limit is not None and limit <= 0:
                raise ValueError(f"{who}: median_ci has a limit that is not above 0 ({limit:g})")
        low, high = limits
        if low is not None and high is not None and low > high:
            raise ValueError(f"{who}: median_ci has its lower limit above its upper one ({low:g}, {high:g})")
        return None if limits == (None, None) and self.median is None else limits

    def decimals_of_times(self) -> int:
        """Decimals to which the arm's median, its limits and the follow-up were printed."""
        if self.time_decimals is not None:
            return self.time_decimals
        times = [self.median, *(self.median_ci or ()), self.follow_up]
        return max((decimals(value) for value in times if isinstance(value, float)), default=0)

    def decimals_of_survival(self) -> int:
        """Decimals to which the arm's rates and their limits were printed; two at the least."""
        if self.survival_decimals is not None:
            return self.survival_decimals
        values = [value for rate in self.rates for value in (rate.survival, *(rate.ci or ()))]
        return max([2, *map(decimals, values)])


def decimals(value: float) -> int:
    """Decimals a number shows, 0.58 two; at most six."""
    exponent = Decimal(repr(float(value))).normalize().as_tuple().exponent
    return min(max(0, -int(exponent)), MOST_DECIMALS)


def _order(rate: LandmarkRate) -> tuple[float, float]:
    return rate.time, -rate.survival


def _number(name: str, value: Any, accepted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} is not a number ({value!r}); accepted: {accepted}")
    if not math.isfinite(value):
        raise ValueError(f"{name} is missing or infinite ({value}); accepted: {accepted}")
    return float(value)


def _count(name: str, value: Any, *, least: int) -> int:
    number = _number(name, value, f"a whole number of at least {least}")
    if (not isinstance(value, Integral) and number != int(number)) or number < least:
        raise ValueError(f"{name} is not a whole number of at least {least} ({value})")
    return int(number)


def _proportion(name: str, value: Any) -> float:
    number = _number(name, value, "a proportion from 0 to 1")
    if 1 < number <= 100:
        raise ValueError(f"{name} is not a proportion ({number:g}); percent? give {number / 100:g}")
    if not 0 <= number <= 1:
        raise ValueError(f"{name} is not a proportion from 0 to 1 ({number:g})")
    return number


def _pair(name: str, limits: Any) -> Limits | None:
    """Two limits, each a number or None where not reached; None where nothing was given."""
    if limits is None:
        return None
    if isinstance(limits, str) or not hasattr(limits, "__len__") or len(limits) not in (0, 2):
        raise ValueError(f"{name} is not a pair ({limits!r}); accepted: (low, high)")
    if len(limits) == 0:
        return None
    low, high = (
        None
        if limit is None or limit == NOT_REACHED or (isinstance(limit, Real) and not math.isfinite(limit))
        else _number(name, limit, f'(low, high), each a number, None or "{NOT_REACHED}"')
        for limit in limits
    )
    return low, high


def _listed(who: str, rates: Any) -> Sequence[Any]:
    if rates is None:
        return ()
    if isinstance(rates, str | Mapping) or not hasattr(rates, "__iter__"):
        raise ValueError(f"{who}: rates is not a sequence ({rates!r}); accepted: [LandmarkRate(time, survival), ...]")
    return list(rates)


def _rate(who: str, rate: Any) -> LandmarkRate:
    """A rate in any of the accepted forms."""
    accepted = "LandmarkRate(time, survival, ci), (time, survival), (time, survival, low, high)"
    if isinstance(rate, LandmarkRate):
        return rate
    try:
        if isinstance(rate, Mapping):
            return LandmarkRate(rate["time"], rate["survival"], rate.get("ci"))
        parts = list(rate)
        if len(parts) == 4:
            parts = [*parts[:2], None if parts[2] is None and parts[3] is None else (parts[2], parts[3])]
        if len(parts) not in (2, 3):
            raise ValueError(f"a rate has {len(parts)} numbers ({rate!r}); accepted: {accepted}")
        return LandmarkRate(*parts)
    except (TypeError, KeyError):
        raise ValueError(f"{who}: a rate is not readable ({rate!r}); accepted: {accepted}") from None
    except ValueError as problem:
        raise ValueError(f"{who}: {problem}") from None
