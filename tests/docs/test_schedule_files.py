"""The files for cron, systemd and GitHub Actions are read by those who will read them: cron's line by a shell, units by systemd, workflows as YAML."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCHEDULE = ROOT / "metasyn" / "templates" / "project" / "schedule"
WORKFLOWS = (SCHEDULE / "github-actions.yml", *sorted((ROOT / ".github" / "workflows").glob("*.yml")))
COMMAND = "build --record --exit-code --log-format json"
PLACES = {"/path/to/this/project", "/path/to/venv/bin/metasyn"}


def text(name: str) -> str:
    return (SCHEDULE / name).read_text(encoding="utf-8")


def cron_line() -> str:
    (line,) = [line for line in text("crontab.example").splitlines() if not line.startswith("#")]
    return line


def workflow(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    found["on"] = found.pop(True)  # YAML 1.1 reads the word `on` as true
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(path)["jobs"].values() for step in job["steps"]]


def test_the_cron_line_has_five_times_and_one_command():
    times = cron_line().split(maxsplit=5)
    assert times[:5] == ["15", "3", "*", "*", "*"]
    assert COMMAND in times[5]
    assert "%" not in times[5]  # cron would end the command there and feed it the rest
    assert set(re.findall(r"/path/to/[\w/]+", times[5])) == PLACES


def cron_job(tmp_path: Path, *, code: int) -> subprocess.CompletedProcess[str]:
    """The command of the cron line as cron runs it, with a metasyn that says its arguments and ends with a code."""
    command = tmp_path / "bin" / "metasyn"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\necho "$@"\nexit {code}\n', encoding="utf-8")
    command.chmod(0o755)
    project = tmp_path / "a project"
    project.mkdir()
    job = cron_line().split(maxsplit=5)[5].replace("/path/to/venv/bin/metasyn", str(command))
    job = job.replace("/path/to/this/project", f"'{project}'")
    return subprocess.run(
        ["/bin/sh", "-c", job], env={"PATH": "/usr/bin:/bin"}, cwd="/", capture_output=True, text=True, check=False
    )


def test_a_quiet_night_says_nothing_and_logs_what_was_done(tmp_path):
    done = cron_job(tmp_path, code=0)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "a project" / ".metasyn" / "build.log").read_text() == f"{COMMAND}\n"


def test_a_failed_night_speaks_so_that_cron_mails_it(tmp_path):
    assert cron_job(tmp_path, code=3).stdout == f"{COMMAND}\n"


def test_the_units_start_the_same_command_and_name_each_other():
    service, timer = text("metasyn-build.service"), text("metasyn-build.timer")
    assert f"ExecStart=/usr/bin/env metasyn {COMMAND}\n" in service
    assert "Type=oneshot" in service
    assert re.search(r"^OnCalendar=\*-\*-\* 03:15:00$", timer, re.MULTILINE)
    assert "WantedBy=timers.target" in timer  # without it, enable does nothing


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here; the units were not verified"
)
@pytest.mark.parametrize("fault", [None, ("Type=oneshot", "Tpye=oneshot"), ("/usr/bin/env", "/usr/bin/nevn")])
def test_systemd_verifies_the_units(tmp_path, fault):
    for name in ("metasyn-build.service", "metasyn-build.timer"):
        (tmp_path / name).write_text(text(name).replace(*(fault or ("", ""))), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", *sorted(str(path) for path in tmp_path.iterdir())],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    about_ours = [line for line in (done.stdout + done.stderr).splitlines() if "metasyn-build" in line]
    assert (done.returncode == 0 and not about_ours) is (fault is None), done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_its_actions_and_asks_for_no_more_than_it_needs(path):
    found = workflow(path)
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", name) for name in used), used
    assert found["permissions"].get("contents") in {"read", "write"}
    assert set(found["permissions"]) <= {"contents", "issues"}
    assert "group" in found["concurrency"]
    assert all("timeout-minutes" in job for job in found["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_runs_is_shell(path):
    for step in steps(path):
        if "run" in step:
            plain = re.sub(r"\$\{\{.*?\}\}", "x", step["run"])
            done = subprocess.run(["bash", "-n", "-c", plain], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            # what others write (titles, branch names) reaches a shell as a variable, never as part of its text
            assert "github.event" not in step["run"]


def test_the_nightly_workflow_records_commits_and_fails_visibly():
    path = SCHEDULE / "github-actions.yml"
    runs = "\n".join(step.get("run", "") for step in steps(path))
    assert f"metasyn {COMMAND}" in runs
    assert "git add reports/history" in runs
    assert "gh issue create" in runs
    assert 'exit "$CODE"' in runs
    assert workflow(path)["permissions"] == {"contents": "write", "issues": "write"}
    assert workflow(path)["concurrency"]["cancel-in-progress"] is False


def test_the_workflows_of_this_repository_run_its_scripts():
    runs = {path.name: [step["run"] for step in steps(path) if "run" in step] for path in WORKFLOWS}
    assert runs["ci.yml"] == [".ci/run"]
    assert runs["weekly-newest.yml"][0].startswith(".ci/newest")
    for name in ("run", "newest", "cron-trial"):
        assert os.access(ROOT / ".ci" / name, os.X_OK)
        subprocess.run(["bash", "-n", str(ROOT / ".ci" / name)], check=True)


def test_init_writes_the_files(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "metasyn", "init", str(tmp_path / "p")], check=True, capture_output=True, cwd=tmp_path
    )
    assert {path.name for path in (tmp_path / "p" / "schedule").iterdir()} == {path.name for path in SCHEDULE.iterdir()}
