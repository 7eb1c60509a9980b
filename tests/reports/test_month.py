"""A month of nightly builds over added, edited, broken, mended and withdrawn studies: every morning the right report stands there."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metasyn as ms
from metasyn.records import find_layout
from metasyn.reports import build_all, verify

DEFINITION = """
title: A question
key: {disease: condition-x, line: 1}
comparisons: [{name: New drug added, add: new}]
outcomes: [OS]
alerts: [{when: ci-crosses-null}, {when: estimate-moves, by: 0.05, scale: log}]
"""
OTHER = DEFINITION.replace("condition-x", "condition-y")
FIRST_DAY = 1_767_225_600  # 2026-01-01, seconds since 1970
NIGHTS = 30


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass
class Month:
    """What the records should say, kept apart from the program: printed hazard ratio and limits by study."""

    project: object
    chance: random.Random
    studies: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    broken: str | None = None

    def printed(self) -> tuple[str, str, str]:
        """A hazard ratio with its interval at two decimals, symmetric on the log scale up to rounding."""
        effect, se = self.chance.gauss(-0.25, 0.2), self.chance.uniform(0.1, 0.25)
        return tuple(f"{np.exp(effect + z * se):.2f}" for z in (0, -1.959964, 1.959964))

    def write(self, id: str) -> None:
        estimate, low, high = self.studies[id]
        self.project.record(id, estimate=estimate, ci=f"[{low}, {high}]")

    def add(self) -> str:
        id = f"study-{len(list(self.project.studies.iterdir())) + self.chance.randrange(1000)}"
        self.studies[id] = self.printed()
        self.write(id)
        return f"added {id}"

    def edit(self) -> str:
        id = self.chance.choice(sorted(self.studies))
        self.studies[id] = self.printed()
        self.write(id)
        return f"edited {id}"

    def withdraw(self) -> str:
        if len(self.studies) < 4:
            return self.add()
        id = self.chance.choice(sorted(self.studies))
        del self.studies[id]
        (self.project.studies / f"{id}.yaml").unlink()
        return f"withdrew {id}"

    def break_one(self) -> str:
        self.broken = self.chance.choice(sorted(self.studies))
        path = self.project.studies / f"{self.broken}.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace("line: 1", "line: one"), encoding="utf-8")
        return f"broke {self.broken}"

    def mend(self) -> str:
        id, self.broken = self.broken, None
        self.write(id)
        return f"mended {id}"

    def day(self) -> list[str]:
        """The commits of one day; a broken record stands for a night or more."""
        if self.broken is not None:
            return [self.mend()] if self.chance.random() < 0.6 else []
        acts = [self.add, self.edit, self.edit, self.withdraw, self.break_one, list]
        return [self.chance.choice(acts)() for _ in range(self.chance.randrange(3)) if self.broken is None]


def from_nothing(project, copy: Path) -> dict[str, bytes]:
    """The report as it is when everything is built in an empty place."""
    build_all(find_layout(copy))
    made = contents(copy / "reports" / "build" / "main")
    shutil.rmtree(copy)
    return made


@pytest.mark.slow
def test_a_month_of_nightly_builds_leaves_the_right_report_every_morning(project, monkeypatch):
    month = Month(project, random.Random(30))
    project.write("reports/main.yaml", DEFINITION)
    project.write("reports/other.yaml", OTHER)
    project.record("elsewhere-2020", disease="condition-y")
    for _ in range(5):
        month.add()
    layout, folder = find_layout(project.root), project.root / "reports" / "build" / "main"
    history = project.root / "reports" / "history" / "main.jsonl"
    kinds, editions, before, last = set(), 0, {}, {}
    for night in range(NIGHTS):
        done = month.day() if night else []
        kinds |= {one.split()[0] for one in done if one}
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(FIRST_DAY + 86_400 * night))
        copy = project.root.with_name("copy")
        if night % 5 == 0:
            shutil.copytree(project.root, copy, ignore=shutil.ignore_patterns("build", ".metasyn"))
        outcome = build_all(layout, record=True)
        main, other = outcome.reports
        assert verify(folder) == []
        assert other.state != "failed"  # a broken record of another disease is nothing to it
        if month.broken is not None:
            assert main.state == "failed"
            assert month.broken in main.why
            assert contents(folder) == before  # the last good report
            assert len(history.read_text(encoding="utf-8").splitlines()) == editions
            shutil.rmtree(copy, ignore_errors=True)
            continue
        assert main.state in ("built", "fresh")
        content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        stratum = content["results"][0]["strata"][0]
        assert sorted(stratum["studies"]) == sorted(month.studies)
        logs = np.log([[float(text) for text in month.studies[id]] for id in stratum["studies"]])
        pooled = ms.pool(logs[:, 0], (logs[:, 2] - logs[:, 1]) / (2 * 1.959963984540054))
        assert_allclose(stratum["headline"]["estimate"], pooled.estimate, rtol=1e-9)
        lines = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
        assert [line["edition"] for line in lines] == list(range(1, len(lines) + 1))
        assert lines[-1]["studies"].keys() == {*month.studies, "elsewhere-2020"}  # listed, as of another population
        recorded = next(v for v in lines[-1]["estimates"].values() if v["outcome"] == "OS")
        assert_allclose(recorded["estimate"], pooled.estimate, rtol=1e-9)
        assert (
            (len(lines) == editions + 1) == main.recorded == (month.studies != last)
        )  # an edition where anything changed
        if main.recorded and editions:
            told = (folder / "changes.md").read_text(encoding="utf-8")
            for id in month.studies.keys() | last.keys():
                assert (id in told) == (month.studies.get(id) != last.get(id))
        editions, before, last = len(lines), contents(folder), dict(month.studies)
        if copy.exists():
            assert from_nothing(project, copy) == before
    assert kinds >= {"added", "edited", "withdrew", "broke", "mended"}
    assert editions > 10
