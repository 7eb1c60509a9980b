"""What a build says: folders on standard output; on standard error messages for people, or one JSON object a line for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from metasyn.cli.output import print_problems, progress

if TYPE_CHECKING:
    from metasyn.errors import Problem
    from metasyn.records import Layout
    from metasyn.reports.building.build_all import BuildOutcome, ReportOutcome

LEVELS = {"failed": "error", "problem": "error", "waiting": "warning", "finding": "error", "alerts": "warning"}


class BuildLog:
    """Messages of one build.

    Parameters
    ----------
    form : str
        text, or json: one object a line with time (UTC), level, event and what belongs to it.
    """

    def __init__(self, form: Literal["text", "json"]) -> None:
        self._json = form == "json"
        self._folders: list[Path] = []

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, Mapping[str, Any]], None]]:
        """What `build_all` tells its events to: a bar where a person watches, lines for machines."""
        if self._json:
            yield self._machine_event
            return
        with progress("figures") as advance:

            def heard(event: str, values: Mapping[str, Any]) -> None:
                if event == "waiting":
                    print("metasyn: another build is running here; waiting for it to end", file=sys.stderr)
                elif event == "figures" and advance is not None:
                    advance(values["done"], values["of"])

            yield heard

    def _machine_event(self, event: str, values: Mapping[str, Any]) -> None:
        if event == "waiting":
            self._line("waiting", why="another build is running here")
        elif event == "report":
            self._line(values["state"], **{name: values[name] for name in ("name", "recorded", "why")}, seconds=round(values["seconds"], 3))  # fmt: skip

    def report(self, folder: Path, state: str) -> None:
        """A report that was left alone before anything was read."""
        self._folders.append(folder)
        if self._json:
            self._line(state, name=folder.name)
        print(folder / "index.html")
        self._alerts(folder)

    def outcome(self, outcome: BuildOutcome, layout: Layout) -> int:
        """Everything that is left to say, and the exit code: 0 done, 1 problems found."""
        self._problems(outcome.problems)
        for one in outcome.reports:
            if one.state == "failed":
                self._failed(one, layout)
            else:
                self._folders.append(one.folder)
                print(one.folder / "index.html")
        for folder in self._folders:
            self._alerts(folder)
        for finding in outcome.findings:
            if finding.severity == "error" and finding.accepted is None:
                self._finding(finding)
        return 1 if outcome.failed else 0

    def _alerts(self, folder: Path) -> None:
        """How many alerts a report raises against its last edition."""
        alerts = _told(folder)["alerts"]
        if alerts and self._json:
            self._line("alerts", name=folder.name, alerts=[alert["sentence"] for alert in alerts])
        elif alerts:
            print(f"metasyn: {folder.name}: {len(alerts)} {'alert' if len(alerts) == 1 else 'alerts'}; see {folder / 'changes.md'}", file=sys.stderr)  # fmt: skip

    def _finding(self, finding: Problem) -> None:
        """A row that no pool takes up, because its numbers cannot be right."""
        if self._json:
            self._line("finding", **asdict(finding))
        else:
            print(
                f"metasyn: {finding}. It is left out of every result until it is corrected, or accepted with a reason; see metasyn check",
                file=sys.stderr,
            )

    def _failed(self, one: ReportOutcome, layout: Layout) -> None:
        self._problems(one.problems)
        if one.why is not None and not self._json:
            print(f"metasyn: {layout.name(layout.root / 'reports' / f'{one.name}.yaml')}: {one.why}", file=sys.stderr)

    def _problems(self, problems: tuple[Problem, ...]) -> None:
        if self._json:
            for problem in problems:
                self._line("problem", **asdict(problem))
        elif problems:
            print_problems(sorted(problems, key=lambda p: (p.file, p.line, p.column, p.path)))

    def _line(self, event: str, **values: Any) -> None:
        head = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": LEVELS.get(event, "info")}
        print(json.dumps({**head, "event": event, **values}, ensure_ascii=False), file=sys.stderr)

    def moved(self) -> int:
        """Exit code for a scheduler: 3 where a report raised an alert, 4 where anything else moved, 0 where nothing did."""
        codes = [int(_told(folder)["exit_code"]) for folder in self._folders]
        return 3 if 3 in codes else max(codes, default=0)


def _told(folder: Path) -> dict[str, Any]:
    """What a report says has moved."""
    found: dict[str, Any] = json.loads((folder / "changes.json").read_text(encoding="utf-8"))
    return found
