"""metasyn network."""

from __future__ import annotations

import csv
import io
import json

import pytest


@pytest.fixture
def two_drugs(project):
    project.record("one")
    project.record("two", estimate="0.80", ci="[0.62, 1.03]", replace=("standard + drug-a", "standard + radiation"))
    project.record("three", estimate="0.75", ci="[0.58, 0.97]")
    return project


def test_the_terminal_shows_comparisons_ranks_and_what_they_hang_on(run, two_drugs):
    code, out, _ = run("network", "OS", "--merge-inert", cwd=two_drugs.root)
    assert code == 0
    for text in ("3 strategies, 3 studies, connected", "drug-a + standard", "SUCRA", "coherence:", "robustness:"):
        assert text in out


def test_islands_get_no_ranking_and_the_reason(run, two_drugs):
    path = two_drugs.studies / "two.yaml"
    path.write_text(
        path.read_text()
        .replace("standard + radiation", "radiation + drug-b")
        .replace("standard + placebo", "radiation + placebo")
    )
    _, out, _ = run("network", "OS", "--merge-inert", cwd=two_drugs.root)
    assert "2 islands" in out
    assert "no ranking: the studies form 2 islands that nothing connects" in out
    assert "SUCRA" not in out


def test_json_and_csv_hold_the_same_numbers(run, two_drugs):
    made = json.loads(run("network", "OS", "--merge-inert", "--json", cwd=two_drugs.root)[1])
    rows = list(csv.DictReader(io.StringIO(run("network", "OS", "--merge-inert", "--csv", cwd=two_drugs.root)[1])))
    league = made["networks"][0]["fits"][0]["league"]
    assert len(rows) == len(league) == 3
    assert [float(row["estimate"]) for row in rows] == [row["estimate"] for row in league]


def test_files_are_saved(run, two_drugs, tmp_path):
    code, _, _ = run("network", "OS", "--merge-inert", "--out", str(tmp_path / "out"), cwd=two_drugs.root)
    assert code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"network-league.csv", "network-ranking.csv"} <= names
    assert any(name.endswith("-ranks.svg") for name in names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["OS", "--coarsen", "klass"], "did you mean class"),
        (["OS", "--to", "nonsense"], "treatment nonsense is not known"),
        (["OS", "--tau2", "PM"], "accepted: EE, DL, ML, REML"),
        (["OS", "--json", "--csv"], "give one of them"),
        (["survival"], "outcome survival is not known"),
    ],
)
def test_wrong_usage_is_told(run, two_drugs, arguments, message):
    code, _, err = run("network", *arguments, cwd=two_drugs.root)
    assert code == 2
    assert message in err
