"""Each check with an example that it must find and a near miss that it must leave alone."""

from __future__ import annotations

import pytest

from metasyn.records import find_layout, read_records


def found(project, **options) -> list[tuple[str, str]]:
    project.record("a-2024", **options)
    records, problems = read_records(find_layout(project.root), cache=False)
    assert not problems
    return [(finding.check, finding.path) for finding in records.findings if finding.accepted is None]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"ci": "[0.91, 0.54]"}, [("interval-order", "contrasts[0].ci")]),
        ({"ci": "[0.54, 0.54]", "estimate": "0.54"}, []),
        ({"estimate": "0.95"}, [("estimate-in-interval", "contrasts[0].ci")]),
        ({"estimate": "0.9", "ci": "[0.54, 0.88]"}, []),  # 0.9 may be 0.87, rounded
        ({"estimate": "0.90", "ci": "[0.54, 0.88]"}, [("estimate-in-interval", "contrasts[0].ci")]),
        ({"ci": "[0.54, not-reached]"}, []),
        ({"estimate": "-0.36", "ci": "[-0.62, -0.09]"}, [("positive-ratio", "contrasts[0].estimate"), ("positive-ratio", "contrasts[0].ci"), ("positive-ratio", "contrasts[0].ci")]),
        ({"estimate": "0.00", "ci": "[0.00, 0.10]"}, []),  # may be 0.004, rounded
    ],
)  # fmt: skip
def test_contrasts(project, options, expected):
    assert sorted(found(project, **options)) == sorted(expected)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ('{outcome: OS, arm: drug, set: main, rates: [{at: 12, percent: 158.1}], source: "main: x"}', [("percent-range", "survival[0].rates[0].percent")]),
        ('{outcome: OS, arm: drug, set: main, rates: [{at: 12, percent: 100}], source: "main: x"}', []),
        ('{outcome: OS, arm: drug, set: main, events: 101, source: "main: x"}', [("events-within-n", "survival[0].events")]),
        ('{outcome: OS, arm: drug, set: main, events: 100, source: "main: x"}', []),
        ('{outcome: OS, arm: drug, set: main, median: 10.1, median_ci: [8.1, 9.9], source: "main: x"}', [("estimate-in-interval", "survival[0].median_ci")]),
    ],
)  # fmt: skip
def test_survival(project, row, expected):
    project.record("a-2024")
    project.add_row("a-2024", "survival", row)
    records, problems = read_records(find_layout(project.root), cache=False)
    assert not problems
    assert [(finding.check, finding.path) for finding in records.findings] == expected


def test_p_value_range(project):
    assert found(project, replace=("ci: [0.54, 0.91]", "ci: [0.54, 0.91], p: 1.2")) == [
        ("p-value-range", "contrasts[0].p")
    ]
    assert found(project, replace=("ci: [0.54, 0.91]", "ci: [0.54, 0.91], p: <0.001")) == []


def test_an_accepted_finding_stays_and_carries_its_reason(project):
    project.record(
        "a-2024",
        ci="[0.91, 0.54]",
        extra="accepted:\n  - {check: interval-order, path: 'contrasts[0]', why: printed so}\n",
    )
    records, problems = read_records(find_layout(project.root), cache=False)
    assert not problems
    (finding,) = records.findings
    assert finding.accepted == "printed so"
    assert (finding.line, finding.arithmetic) == (15, "0.91 > 0.54")
