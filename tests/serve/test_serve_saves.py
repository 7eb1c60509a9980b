"""`metasyn serve` without a browser: what a save sets off, how the page is told, how it begins and ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="NOT TESTED: metasyn serve; the extra `serve` is not installed")
pytest.importorskip("uvicorn", reason="NOT TESTED: metasyn serve; the extra `serve` is not installed")
pytest.importorskip("watchfiles", reason="NOT TESTED: metasyn serve; the extra `serve` is not installed")

from serve_pieces import DEFINITION, HOSTS, SOON, ask, report_folder

from metasyn.errors import UsageError
from metasyn.records import find_layout
from metasyn.serve import rebuild as rebuild_module
from metasyn.serve import workshop as workshop_module
from metasyn.serve.addresses import listening_sockets
from metasyn.serve.application import application
from metasyn.serve.events import Hub
from metasyn.serve.pages import status_words
from metasyn.serve.rebuild import Stopped, SupersededError
from metasyn.serve.snapshot import Snapshot
from metasyn.serve.watching import watch
from metasyn.serve.workshop import Workshop

# --- what a save sets off


class Bench:
    """A workshop whose builds are stood in for, and all that it tells."""

    def __init__(self, project: Any, monkeypatch: pytest.MonkeyPatch, viewed: tuple[str, ...] = ()) -> None:
        self.told: list[Snapshot] = []
        self.built: list[str] = []
        self.before_build: Callable[[str], Stopped | None] = lambda _name: None
        monkeypatch.setattr(workshop_module, "rebuild", self._rebuild)
        self.shop = Workshop(project.root, self.told.append, lambda: viewed)

    def _rebuild(self, _layout: Any, name: str, **_kept: Any) -> Stopped | None:
        stopped = self.before_build(name)
        self.built.append(name)
        return stopped

    def until_idle(self, rounds: int = 1) -> Snapshot:
        until(lambda: sum(one.phase == "idle" for one in self.told) >= rounds)
        return self.told[-1]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


@pytest.fixture
def three_reports(project: Any) -> Any:
    project.record("a")
    for name in ("one", "three", "two"):
        project.write(f"reports/{name}.yaml", DEFINITION)
    return project


def test_the_report_that_is_looked_at_is_built_first(three_reports, monkeypatch):
    bench = Bench(three_reports, monkeypatch, viewed=("two",))
    bench.shop.start()
    bench.until_idle()
    assert bench.built == ["two", "one", "three"]


def test_findings_are_told_before_any_report_is_built(three_reports, monkeypatch):
    bench = Bench(three_reports, monkeypatch)
    seen: list[tuple[str, ...]] = []
    bench.before_build = lambda _name: seen.append(tuple(one.check for one in bench.told[-1].findings))
    bench.shop.start()
    bench.until_idle()
    three_reports.record("a", ci="[0.91, 0.54]")
    seen.clear()
    bench.shop.saved(["evidence/studies/a.yaml"])
    last = bench.until_idle(2)
    assert "interval-order" in seen[0]
    assert last.saved == ("evidence/studies/a.yaml",)
    assert last.seconds is not None


def test_a_save_during_a_build_begins_again_with_the_newest_state(three_reports, monkeypatch):
    bench = Bench(three_reports, monkeypatch, viewed=("two",))
    bench.shop.start()
    bench.until_idle()
    bench.built.clear()
    saved_again = False

    def save_meanwhile(name: str) -> None:
        nonlocal saved_again
        if name == "one" and not saved_again:
            saved_again = True
            bench.shop.saved(["evidence/studies/b.yaml"])

    bench.before_build = save_meanwhile
    bench.shop.saved(["evidence/studies/a.yaml"])
    last = bench.until_idle(2)
    assert bench.built == ["two", "one", "two", "one", "three"]  # one was under way, three not begun
    assert last.saved == ("evidence/studies/b.yaml",)


def test_a_build_is_given_up_between_its_steps_and_not_once_it_is_done(three_reports, monkeypatch):
    told: list[str] = []

    def build_all(*_: Any, on_event: Callable[..., None], **__: Any) -> Any:
        for event in ("waiting", "report", "figures"):
            told.append(event)
            on_event(event, {})

    monkeypatch.setattr(rebuild_module, "build_all", build_all)
    layout = find_layout(three_reports.root)
    with pytest.raises(SupersededError):
        rebuild_module.rebuild(layout, "one", memory=None, waiting=lambda: told.append("said"), superseded=lambda: True)
    assert told == ["waiting", "said", "report", "figures"]


def test_saves_that_come_together_are_one_round(three_reports, monkeypatch):
    bench = Bench(three_reports, monkeypatch)
    for name in "abcde":
        bench.shop.saved([f"evidence/studies/{name}.yaml"])
    bench.shop.start()
    assert len(bench.until_idle().saved) == 5
    assert bench.built == ["one", "three", "two"]


def test_a_report_that_fails_stops_no_other_and_says_why(three_reports, monkeypatch):
    bench = Bench(three_reports, monkeypatch)

    def fail(name: str) -> Stopped | None:
        if name == "one":
            raise RuntimeError("unforeseen")
        return Stopped(why="no study") if name == "three" else None

    bench.before_build = fail
    bench.shop.start()
    last = bench.until_idle()
    stopped = {one.name: one.stopped.why for one in last.reports if one.stopped is not None}
    assert "unforeseen" in (stopped["one"] or "")
    assert stopped["three"] == "no study"
    assert bench.built[-1] == "two"
    bench.before_build = lambda _name: None
    bench.shop.saved(["evidence/studies/a.yaml"])
    assert all(one.stopped is None for one in bench.until_idle(2).reports)


def test_what_cannot_be_read_at_all_is_said_and_outlived(three_reports, monkeypatch):
    bench = Bench(three_reports, monkeypatch)
    bench.shop.start()
    bench.until_idle()
    studies, away = three_reports.studies, three_reports.root / "away"
    studies.rename(away)
    bench.shop.saved(["evidence/studies/a.yaml"])
    assert "studies" in (bench.until_idle(2).failure or "")
    away.rename(studies)
    bench.shop.saved(["evidence/studies/a.yaml"])
    assert bench.until_idle(3).failure is None


def test_a_broken_record_keeps_the_report_and_names_the_line(project):
    project.record("a")
    project.record("b", estimate="0.80", ci="[0.60, 1.07]")
    project.write("reports/one.yaml", DEFINITION)
    told: list[Snapshot] = []
    shop = Workshop(project.root, told.append, lambda: ())
    shop.start()
    until(lambda: bool(told) and told[-1].phase == "idle")
    first = told[-1].report("one")
    assert first is not None
    assert first.stopped is None, first.stopped
    assert first.version is not None
    path = project.studies / "b.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("arms:", "arms: {"), encoding="utf-8")
    shop.saved(["evidence/studies/b.yaml"])
    until(lambda: told[-1].phase == "idle" and told[-1].saved == ("evidence/studies/b.yaml",))
    kept = told[-1].report("one")
    assert kept is not None
    assert kept.stopped is not None
    assert (kept.version, kept.wrong) == (first.version, ())
    assert {one.file for one in kept.stopped.problems} == {"evidence/studies/b.yaml"}
    assert [one.loads for one in told[-1].records] == [True, False]


def test_another_build_under_way_is_waited_for_and_said(project):
    from metasyn.reports.building.build_all import EVERY_REPORT
    from metasyn.reports.building.exchange import locked

    project.record("a")
    project.write("reports/one.yaml", DEFINITION)
    told: list[Snapshot] = []
    with locked(project.root / "reports" / "build" / EVERY_REPORT):  # as `metasyn build` holds it
        Workshop(project.root, told.append, lambda: ()).start()
        until(lambda: bool(told) and told[-1].phase == "waiting")
        assert "another metasyn build" in status_words(told[-1])
    until(lambda: told[-1].phase == "idle")
    assert told[-1].built == ("one",)


# --- saves and streams


def watched(root: Path, act: Callable[[], None], enough: Callable[[list[str]], bool]) -> list[str]:
    """The files that the watch tells of while something is done in the project."""
    told: list[str] = []

    async def follow() -> None:
        stop = asyncio.Event()
        watching = asyncio.create_task(
            watch(root, lambda names: told.extend(names), lambda: told.append("built"), stop)
        )
        await asyncio.sleep(1.0)  # until the system watches
        told.clear()
        await asyncio.to_thread(act)
        for _ in range(int(SOON * 20)):
            if enough(told):
                break
            await asyncio.sleep(0.05)
        stop.set()
        await watching

    asyncio.run(follow())
    return told


def test_a_file_that_an_editor_renames_into_place_is_a_save(project):
    path = project.record("a")

    def save() -> None:
        for name in (".a.yaml", ".a.yaml.swp", "a.yaml~", "#draft.yaml", "#a.yaml#", "4913"):
            (project.studies / name).write_text("x", encoding="utf-8")
        new = project.studies / "a.yaml.new"
        new.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        new.replace(path)

    told = watched(project.root, save, lambda told: bool(told))
    assert set(told) == {"evidence/studies/a.yaml"}


def test_definitions_built_folders_and_folders_that_come_later_are_seen(project):
    (project.root / "reports").rmdir()

    def make() -> None:
        (project.root / "reports").mkdir()
        project.write("reports/one.yaml", DEFINITION)
        time.sleep(2.5)
        report_folder(project.root)

    told = watched(project.root, make, lambda told: "built" in told and "reports/one.yaml" in told)
    assert {"reports/one.yaml", "built"} <= set(told)


def test_a_stream_tells_at_once_then_of_changes_and_ends():
    async def listen() -> list[bytes]:
        hub = Hub()
        stream = hub.stream("one")
        told = [await anext(stream)]
        assert hub.viewed == ("one",)
        for phase in ("building", "idle"):  # two that come together are one
            hub.publish(Snapshot(phase=phase))
        told.append(await anext(stream))
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        assert not waiting.done()
        hub.close()
        told.append(await waiting)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert hub.viewed == ()
        return told

    first, second, last = asyncio.run(listen())
    assert b"event: changed" in first
    assert b"data: idle" in second
    assert b"event: ended" in last


def test_only_so_many_pages_may_listen(project):
    hub = Hub()
    hub._listening = ["one"] * 64
    answer = ask(application(project.root, hub, HOSTS), "/events")
    assert answer.status == 503


# --- beginning and ending


def test_it_listens_on_this_machine_alone():
    sockets = listening_sockets(0)
    try:
        assert {one.getsockname()[0] for one in sockets} <= {"127.0.0.1", "::1"}
        assert len({one.getsockname()[1] for one in sockets}) == 1
    finally:
        for one in sockets:
            one.close()


def test_a_port_in_use_is_said_and_no_other_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} is in use.*--port"):
            listening_sockets(port)


@pytest.fixture
def started(project: Any) -> Iterator[subprocess.Popen[str]]:
    project.record("a")
    process = subprocess.Popen(
        [sys.executable, "-m", "metasyn", "serve", "-C", str(project.root), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=project.root, env={**os.environ, "PYTHONWARNINGS": "error::ResourceWarning"},
    )  # fmt: skip
    with process:
        yield process
        if process.poll() is None:
            process.kill()


@pytest.mark.skipif(os.name == "nt", reason="NOT TESTED on Windows: there is no SIGINT to one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_cleanly_also_while_a_page_listens(started, number):
    assert started.stderr is not None
    line = started.stderr.readline()
    assert "http://localhost:" in line
    port = int(line.split("http://localhost:")[1].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"GET /events HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
        assert b"200 OK" in client.recv(4096)
        started.send_signal(number)
        out, err = started.communicate(timeout=SOON)
    assert (started.returncode, out) == (0, "")
    assert "Traceback" not in err


def test_without_the_extra_it_says_what_to_install(project, run, monkeypatch):
    for name in [one for one in sys.modules if one.startswith("metasyn.serve.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, out, err = run("serve", "-C", project.root)
    assert (code, out) == (2, "")
    assert "metasyn-evidence[serve]" in err
    assert "Traceback" not in err


def test_outside_a_project_it_says_so(run, tmp_path):
    code, _, err = run("serve", "-C", tmp_path)
    assert code == 2
    assert "metasyn init" in err
