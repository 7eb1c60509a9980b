"""What the tests of `metasyn serve` share: a request without a network, a built folder, lines of the lists."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasyn.errors import Problem
from metasyn.serve.addresses import known_hosts
from metasyn.serve.snapshot import RecordLine, ReportLine

HOST = "localhost:8137"
HOSTS = known_hosts(8137)
SOON = 20.0  # s; what is waited for comes within a fraction of it, also on a machine that is busy

DEFINITION = """
title: New drug in condition X
key: {disease: condition-x, line: 1, time_origin: randomisation}
comparisons: [{name: New drug added, add: new}]
outcomes: [OS]
"""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def ask(app: Any, path: str, *, method: str = "GET", host: str | None = HOST, headers: Mapping[str, str] | None = None,
        hosts: tuple[str, ...] = ()) -> Answer:  # fmt: skip
    """One request, handed to the application as a server would."""
    from urllib.parse import unquote

    path, _, query = path.partition("?")
    named = [(b"host", one.encode()) for one in (hosts or ((host,) if host is not None else ()))]
    given = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": named + given, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8137),
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], fields, b"".join(message.get("body", b"") for message in sent[1:]))


def report_folder(root: Path, name: str = "one", files: Mapping[str, bytes] | None = None) -> Path:
    """A built report of a few files, as its manifest lists them."""
    from metasyn.reports.building.manifest import digest

    folder = root / "reports" / "build" / name
    contents = {"index.html": b"<!DOCTYPE html><p>report</p>", "tables/pools.csv": b"a,b\n", **(files or {})}
    for file, raw in contents.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(raw)
    listed = {file: digest(raw) for file, raw in contents.items()}
    (folder / "manifest.json").write_text(json.dumps({"files": listed, "inputs": {}}), encoding="utf-8")
    return folder


def problem(file: str = "evidence/studies/a.yaml", line: int = 3, **changed: Any) -> Problem:
    values: dict[str, Any] = {"file": file, "line": line, "column": 5, "path": "contrasts[0].ci", "check": "interval-order",
                              "severity": "error", "message": "has its limits the wrong way round"}  # fmt: skip
    return Problem(**{**values, **changed})


def report_line(**changed: Any) -> ReportLine:
    values: dict[str, Any] = {"name": "one", "title": "One", "version": "v1", "built": None, "wrong": (), "changes": "",
                              "stopped": None, "defined": True}  # fmt: skip
    return ReportLine(**{**values, **changed})


def record_line(id: str = "a") -> RecordLine:
    return RecordLine(
        id=id,
        file=f"evidence/studies/{id}.yaml",
        name=id,
        diseases=("condition X",),
        loads=True,
        findings=0,
        accepted=0,
    )
