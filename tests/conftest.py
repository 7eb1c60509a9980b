"""What tests share: a small project on disk, and readers of reference data."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REFERENCE = Path(__file__).parent / "reference"
ROOT = Path(__file__).parent.parent

VOCABULARY = """
format: 1
diseases: {condition-x: {label: condition X}, condition-y: {label: condition Y}}
biomarkers: {positive: {label: marker positive}}
outcomes:
  OS: {label: Overall survival, kind: time-to-event, better: lower}
  PFS: {label: Progression-free survival, kind: time-to-event, better: lower}
  ORR: {label: Response, kind: response, category: ORR, better: higher}
  "AE>=3": {label: Adverse events of grade 3 or higher, kind: adverse-event, term: any, grades: [3, 4, 5], better: lower}
treatments:
  standard: {label: standard care}
  new: {label: new class}
  drug-a: {class: new}
  drug-b: {class: new}
  radiation: {label: radiation}
  placebo: {label: placebo, inert: true}
phases: [induction]
adverse_event_terms: {nausea: {label: nausea}}
"""

RECORD = """
format: 1
id: {id}
reports:
  main: {{title: A title, authors: [Author A], year: 2024}}
design: {{type: {design}}}
cohorts: [{cohorts}]
population: {{disease: {disease}, line: 1}}
time_unit: months
arms:
  drug: {{label: drug, strategy: "standard + drug-a", n: 200}}
  control: {{label: control, strategy: "standard + placebo", n: 200}}
sets:
  main: {{method: {method}, n: {{drug: 200, control: 200}}, time_origin: randomisation}}
contrasts:
  - {{outcome: OS, treatment: drug, comparator: control, set: main, measure: HR, estimate: {estimate}, ci: {ci}, source: "main: Table 2"}}
extraction: {{by: a reader, date: 2026-01-02, seen: full-text}}
"""


class Project:
    """A project folder that tests fill."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.studies = root / "evidence" / "studies"
        self.studies.mkdir(parents=True)
        (root / "evidence" / "curves").mkdir()
        (root / "reports").mkdir()
        self.write("evidence/vocabulary.yaml", VOCABULARY)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def record(
        self, id: str, *, estimate: str = "0.70", ci: str = "[0.54, 0.91]", extra: str = "", design: str = "rct",
        method: str = "rct", disease: str = "condition-x", cohorts: str = "", replace: tuple[str, str] | None = None,
    ) -> Path:  # fmt: skip
        text = RECORD.format(
            id=id, estimate=estimate, ci=ci, design=design, method=method, disease=disease, cohorts=cohorts
        )
        text += textwrap.dedent(extra)
        if replace is not None:
            assert replace[0] in text
            text = text.replace(*replace)
        return self.write(f"evidence/studies/{id}.yaml", text)

    def add_row(self, id: str, section: str, row: str) -> None:
        path = self.studies / f"{id}.yaml"
        text = path.read_text(encoding="utf-8")
        if f"\n{section}:\n" in text:
            text = text.replace(f"\n{section}:\n", f"\n{section}:\n  - {row}\n", 1)
        else:
            text += f"{section}:\n  - {row}\n"
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture(scope="session")
def formulas() -> dict[str, Any]:
    """Worked answers of published formulas, by id."""
    items = json.loads((REFERENCE / "survival" / "formulas.json").read_text(encoding="utf-8"))["items"]
    return {item["id"]: item for item in items}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: exit code, standard output, standard error."""
    from metasyn.cli import main

    def runner(*words: object, cwd: Path | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["metasyn", *map(str, words)])
        if cwd is not None:
            monkeypatch.chdir(cwd)
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return runner
