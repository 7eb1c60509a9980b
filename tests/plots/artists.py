"""Reading figures: their artists by name, and where their texts stand on the page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.text import Text

from metasyn.pooling import PooledEstimate, pool

SIZES = (3, 13, 60)
NAMES = ("Okafor", "Lindqvist", "de la Cruz", "Wu", "Papadopoulos", "Smith")


def studies(k: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Invented log hazard ratios, standard errors and names of k studies."""
    rng = np.random.default_rng(k)
    se = rng.uniform(0.08, 0.5, k)
    return rng.normal(-0.25, 0.25, k) + se * rng.normal(size=k), se, [f"{NAMES[i % 6]} {1960 + i}" for i in range(k)]


def pooled(k: int, **options: Any) -> PooledEstimate:
    """Their pool."""
    effect, se, labels = studies(k)
    return pool(effect, se, **{"labels": labels, "measure": "HR", **options})


def counts(k: int) -> pd.DataFrame:
    """Invented counts of two arms of k studies."""
    rng = np.random.default_rng(k)
    n_treatment, n_comparator = rng.integers(40, 400, k), rng.integers(40, 400, k)
    return pd.DataFrame(
        {
            "study": studies(k)[2],
            "events_treatment": rng.binomial(n_treatment, rng.uniform(0.05, 0.35, k)),
            "n_treatment": n_treatment,
            "events_comparator": rng.binomial(n_comparator, rng.uniform(0.1, 0.4, k)),
            "n_comparator": n_comparator,
        }
    )


def lines(ax: Any, gid: str) -> list[Any]:
    """Lines of a name."""
    return [line for line in ax.lines if line.get_gid() == gid]


def patches(ax: Any, gid: str) -> list[Any]:
    """Patches of a name."""
    return [patch for patch in ax.patches if patch.get_gid() == gid]


def collections(ax: Any, gid: str) -> list[Any]:
    """Collections (points, bands) of a name."""
    return [collection for collection in ax.collections if collection.get_gid() == gid]


def points(ax: Any, gid: str = "studies") -> np.ndarray:
    """Places of points, shape (k, 2)."""
    (drawn,) = collections(ax, gid)
    return np.asarray(drawn.get_offsets())


def outline(ax: Any, gid: str) -> np.ndarray:
    """Corners of a band, shape (m, 2)."""
    (band,) = collections(ax, gid)
    return np.asarray(band.get_paths()[0].vertices)


def written(ax: Any, gid: str) -> list[str]:
    """Texts of a name."""
    return [text.get_text() for text in ax.texts if text.get_gid() == gid]


def _panels(ax: Any) -> list[Any]:
    return [ax, *(panel for child in ax.child_axes for panel in _panels(child))]


def text_boxes(figure: Any) -> list[tuple[str, Any]]:
    """Every text that is seen, ticks within the limits and legends included, with its box on the page."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    texts: list[Any] = list(figure.texts)
    for panel in {id(panel): panel for ax in figure.axes for panel in _panels(ax)}.values():
        texts += [panel.title, *panel.texts]
        for axis in (panel.xaxis, panel.yaxis):
            low, high = sorted(axis.get_view_interval())
            texts += [axis.label] if axis.get_visible() else []
            slack = 1e-9 * (high - low)
            ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
            texts += [label for place, label in ticks if low - slack <= place <= high + slack]
        if panel.get_legend() is not None:
            texts += panel.get_legend().get_texts()
    seen = {id(text): text for text in texts if text.get_text().strip() and text.get_visible()}
    # the text alone: an annotation's own box would take in the line that leads to it
    return [(text.get_text(), Text.get_window_extent(text, renderer)) for text in seen.values()]


def assert_legible(figure: Any) -> None:
    """No two texts overlap, and all of them lie in the figure."""
    boxes = text_boxes(figure)
    assert boxes
    names = [text for text, _ in boxes]
    corners = np.array([box.extents for _, box in boxes])  # x0 y0 x1 y1
    shared = np.minimum(corners[:, None, 2:], corners[None, :, 2:]) - np.maximum(
        corners[:, None, :2], corners[None, :, :2]
    )
    overlap = shared.min(axis=2) > 0.01  # pixels
    np.fill_diagonal(overlap, False)
    assert not overlap.any(), [(names[a], names[b]) for a, b in zip(*np.nonzero(overlap), strict=True) if a < b]
    outside = (corners[:, :2] < 0).any(axis=1) | (corners[:, 2:] > figure.get_size_inches() * figure.dpi).any(axis=1)
    assert not outside.any(), [names[place] for place in np.flatnonzero(outside)]
