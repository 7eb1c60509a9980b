"""Counts of one or two arms as checked arrays, which studies carry information, and the effect each study shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, xlogy

from metasyn.pooling.arrays import check_labels, rows, vector

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
PATIENTS, PERSON_TIME = ("OR", "RR", "RD"), ("IRR", "IRD")  # two arms
ONE_ARM = ("PLO", "IRLN")  # logit of a proportion, log of a rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Events and the patients or person-time they arose in, k studies of one or two arms (treatment first)."""

    measure: str
    events: Array  # shape (k, arms)
    size: Array  # shape (k, arms): patients, or person-time for IRR, IRD, IRLN
    labels: tuple[str, ...]

    @property
    def k(self) -> int:
        """Studies."""
        return len(self.labels)

    @property
    def by_time(self) -> bool:
        """Whether `size` is person-time: events are Poisson, not binomial."""
        return self.measure in (*PERSON_TIME, "IRLN")

    @property
    def informative(self) -> Mask:
        """Studies with events in some arm and, of patients, non-events in some arm, shape (k,); all studies of one arm."""
        if self.measure in ONE_ARM:
            return np.ones(self.k, dtype=bool)
        some = self.events.sum(axis=1) > 0
        return np.asarray(some if self.by_time else some & ((self.size - self.events).sum(axis=1) > 0))

    def take(self, keep: Mask) -> Counts:
        """The studies at which a mask is true."""
        labels = tuple(label for label, kept in zip(self.labels, keep, strict=True) if kept)
        return Counts(measure=self.measure, events=self.events[keep], size=self.size[keep], labels=labels)

    def named(self, mask: Mask) -> str:
        """Names of the studies at which a mask is true."""
        return ", ".join(label for label, named in zip(self.labels, mask, strict=True) if named)

    def log_constant(self) -> Array:
        """What the log-likelihood of each study holds beside its parameters, shape (k,)."""
        if self.by_time:
            return np.asarray((xlogy(self.events, self.size) - gammaln(self.events + 1)).sum(axis=1))
        return np.asarray(log_choose(self.size, self.events).sum(axis=1))


def log_choose(n: Array, x: Array) -> Array:
    """Log of the binomial coefficient."""
    return np.asarray(gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1))


def read_counts(
    measure: str,
    events: Sequence[tuple[str, npt.ArrayLike | None]],
    size: Sequence[tuple[str, npt.ArrayLike | None]],
    labels: Sequence[str] | None,
) -> Counts:
    """Check columns (name, values), one of each per arm, and put them side by side.

    Raises
    ------
    ValueError
        If a column is missing, lengths differ, a value is missing, infinite or negative, sizes are not positive, or events
        exceed the patients; argument and rows are named.
    """
    columns: dict[str, Array] = {}
    for name, values in (*events, *size):
        if values is None:
            needed = ", ".join(name for name, _ in (*events, *size))
            raise ValueError(f"{name} is missing; measure {measure} needs {needed}")
        columns[name] = vector(name, values)
    lengths = {name: column.size for name, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError("lengths differ: " + ", ".join(f"{name} has {length}" for name, length in lengths.items()))
    for (x_name, _), (n_name, _) in zip(events, size, strict=True):
        x, n = columns[x_name], columns[n_name]
        if x.size == 0:
            raise ValueError("there are no studies to pool")
        if (x < 0).any():
            raise ValueError(f"{x_name} has negative values (rows {rows(x < 0)}); accepted: 0 or more")
        if (n <= 0).any():
            raise ValueError(f"{n_name} is not positive (rows {rows(n <= 0)}); accepted: more than 0")
        if n_name.startswith("n") and (x > n).any():
            raise ValueError(f"{x_name} exceeds {n_name} (rows {rows(x > n)}); accepted: at most {n_name}")
    return Counts(
        measure=measure,
        events=np.stack([columns[name] for name, _ in events], axis=1),
        size=np.stack([columns[name] for name, _ in size], axis=1),
        labels=tuple(check_labels(labels, next(iter(lengths.values())))),
    )


def observed_effects(counts: Counts) -> tuple[Array, Array]:
    """Effect and sampling variance of each study, shape (k,) each; 1/2 is added to the cells of tables that have a zero.

    For the heterogeneity statistics only; nothing is added where counts are pooled. Of person-time 1/2 is added to the events
    of both arms where one is 0.
    """
    x, n = counts.events, counts.size
    if counts.by_time:
        x = x + 0.5 * (x == 0).any(axis=1, keepdims=True)
        if counts.measure == "IRD":
            return (x[:, 0] / n[:, 0]) - (x[:, 1] / n[:, 1]), np.asarray((x / n**2).sum(axis=1))
        return _contrast(np.log(x / n)), np.asarray((1 / x).sum(axis=1))
    half = 0.5 * ((x == 0) | (x == n)).any(axis=1, keepdims=True)
    x, n = x + half, n + 2 * half
    if counts.measure == "RD":
        risk = x / n
        return _contrast(risk), np.asarray((risk * (1 - risk) / n).sum(axis=1))
    if counts.measure == "RR":
        return _contrast(np.log(x / n)), np.asarray((1 / x - 1 / n).sum(axis=1))
    return _contrast(np.log(x / (n - x))), np.asarray((1 / x + 1 / (n - x)).sum(axis=1))


def _contrast(values: Array) -> Array:
    return values[:, 0] - values[:, 1] if values.shape[1] == 2 else values[:, 0]
