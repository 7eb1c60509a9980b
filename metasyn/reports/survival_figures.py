"""The figure of rebuilt survival curves: what is drawn over them, and that the numbers at risk are not printed ones."""

from __future__ import annotations

from typing import Any

from metasyn.evidence.rebuilt import Rebuilt

ORIGINS = {
    "treatment-start": "start of treatment",
    "randomisation": "randomisation",
    "phase-completion": "completion of the phase before",
    "progression": "progression",
    "diagnosis": "diagnosis",
}

BEYOND = 1.2  # of the last printed time: what is drawn beyond is supposed


def survival_figure(rebuilt: Rebuilt, label: str) -> Any:
    """Figure of the rebuilt curves with their band, the printed figures over them, and rebuilt numbers at risk under them.

    Parameters
    ----------
    label : str
        What the outcome is called.
    """
    from metasyn.plots import survival
    from metasyn.plots.style import MUTED

    given = rebuilt.given
    ax = survival(
        rebuilt.curves,
        labels=given.labels,
        time_unit=given.time_unit,
        time_origin=ORIGINS.get(given.time_origin or ""),
        outcome=label,
        bands=rebuilt.bands,
        reported=given.summaries or None,
        clicks=[None if one is None else one.curve for one in given.curves] if rebuilt.method != "summary" else None,
        censored=rebuilt.method != "summary",
        until=_until(rebuilt),
    )
    head: Any = next(text for text in ax.texts if text.get_gid() == "table head")
    row = head.xyann[1]
    ax.annotate("as rebuilt, not as printed", (0, 0), xycoords="axes fraction", xytext=(-3, row), textcoords="offset points",
                ha="left", va="baseline", color=MUTED, style="italic", annotation_clip=False, gid="table flag")  # fmt: skip
    return ax.figure


def _until(rebuilt: Rebuilt) -> float | None:
    """End of the axis: a little beyond the last printed time, because what follows is supposition; None for curves."""
    if rebuilt.method != "summary":
        return None
    times = [
        time
        for arm in rebuilt.given.summaries
        for time in (arm.median, *(arm.median_ci or ()), arm.follow_up, *(rate.time for rate in arm.rates))
        if isinstance(time, float)
    ]
    last = max(curve.last_time for curve in rebuilt.curves)
    return min(last, BEYOND * max([*times, rebuilt.horizon or 0.0])) if times else None


def survival_alt(rebuilt: Rebuilt, label: str) -> str:
    """The figure in words."""
    given = rebuilt.given
    parts = [f"Rebuilt curves of {label.lower()}, {given.name}, in {given.time_unit}."]
    for name, curve in zip(given.labels, rebuilt.curves, strict=True):
        median = f"median {curve.median:.3g}" if curve.median == curve.median else "median not reached"
        parts.append(f"{name}: {curve.n} patients, {median}.")
    return " ".join(parts)
