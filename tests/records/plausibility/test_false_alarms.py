"""Coherent papers give next to no alarms: at most one error or warning in ten papers."""

from __future__ import annotations

import pytest
from simulated import paper

from metasyn.records import Study
from metasyn.records.plausibility import check_plausibility


def alarms(seeds: range) -> list[str]:
    return [
        f"paper {seed}: {finding.check} at {finding.loc}: {finding.message} ({finding.arithmetic})"
        for seed in seeds
        for finding in check_plausibility(Study.model_validate(paper(seed)))
        if finding.severity != "note"
    ]


def test_two_hundred_coherent_papers_raise_at_most_one_alarm_in_ten():
    told = alarms(range(200))
    assert len(told) <= 20, told


@pytest.mark.slow
def test_three_thousand_coherent_papers_raise_at_most_one_alarm_in_a_hundred():
    told = alarms(range(10_000, 13_000))
    assert len(told) <= 30, told


def test_the_simulated_papers_hold_what_the_checks_read():
    # a simulation without estimates, medians or tables would raise no alarm either
    papers = [paper(seed) for seed in range(30)]
    for section, least in (
        ("contrasts", 60),
        ("survival", 100),
        ("responses", 200),
        ("adverse_events", 200),
        ("baseline", 150),
    ):
        assert sum(len(data[section]) for data in papers) > least
    assert {row.get("p_test") for data in papers for row in data["contrasts"]} >= {
        None,
        "wald",
        "log-rank",
        "likelihood-ratio",
    }
    assert any(row.get("p_sides") == "1" for data in papers for row in data["contrasts"])
    assert any(row.get("level") for data in papers for row in data["contrasts"])
