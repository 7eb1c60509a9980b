"""Clicked anew: the band that digitising leaves."""

from __future__ import annotations

import numpy as np
import pytest
from survival_reference import dataset

from metasyn.survival import kaplan_meier
from metasyn.survival.curve import clean_curve
from metasyn.survival.jitter import jitter, learned_noise


def clicks(grade):
    found = dataset("sim_exponential")["clicks"][grade]["arms"][0]
    return found["time"], found["survival"]


def test_curves_of_steps_have_no_error():
    made = jitter(clicks("vector"), n=150, draws=3)
    first = made[made["draw"] == 0][["time", "event"]].to_numpy()
    for draw in (1, 2):
        assert (made[made["draw"] == draw][["time", "event"]].to_numpy() == first).all()


@pytest.mark.parametrize(("grade", "noise"), [("good", 0.003), ("coarse", 0.01)])
def test_the_noise_of_the_clicks_is_found(grade, noise):
    assert noise / 2.5 < learned_noise(clean_curve(*clicks(grade)), 150) < noise * 2.5


def test_the_band_is_as_wide_as_the_error_of_a_click():
    made = jitter(clicks("good"), n=150, draws=20, noise=0.02)
    assert (made.groupby("draw").size() == 150).all()
    level = [
        float(kaplan_meier(one["time"], one["event"]).at([10.0])["survival"].iloc[0]) for _, one in made.groupby("draw")
    ]
    assert 0.002 < np.std(level) < 0.02  # smoothing takes most of it away


def test_the_same_seed_gives_the_same_draws():
    one, other = (jitter(clicks("coarse"), n=150, draws=2, seed=4) for _ in range(2))
    assert (one == other).all(axis=None)


@pytest.mark.parametrize(("options", "message"), [({"draws": 0}, "at least 1"), ({"noise": 0.2}, "between 0 and 0.05")])
def test_odd_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        jitter(clicks("good"), n=150, **options)
