"""The tutorial does what it says: its commands are run in order, in a folder of their own, and print what the page promises.

A block of Bash is run; the block of YAML after "Save this as `file`" is saved; a block of text is what the Bash before it prints, where
`…` stands for anything on that line. A comment `<!-- tutorial: … -->` before a block says what is special about it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SAVED = re.compile(r"Save this as `(?P<path>[^`]+)`[^\n]*:\n\n$|save this as `(?P<later>[^`]+)`:\n\n$")
MARK = re.compile(r"<!-- tutorial: (?P<said>[^>]*) -->\n$")


@dataclass(frozen=True)
class Step:
    """One block of the page."""

    language: str
    text: str
    mark: str  # what the comment before it says
    file: str | None  # where a block of YAML is saved


def steps() -> list[Step]:
    found = []
    for block in BLOCK.finditer(PAGE):
        before = PAGE[: block.start()]
        mark, saved = MARK.search(before), SAVED.search(before)
        file = None if saved is None else saved["path"] or saved["later"]
        found.append(Step(block["language"], block["text"], "" if mark is None else mark["said"], file))
    return found


def environment() -> dict[str, str]:
    """This interpreter's commands first on the path, and lines that no terminal folds."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "COLUMNS": "300"}


class Shell:
    """One shell session: blocks run in the folder in which the one before ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, text: str) -> tuple[int, str]:
        place = self.folder / ".place"
        script = f"trap 'pwd > {place}' EXIT\n{text}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env=environment(), text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.folder = Path(place.read_text(encoding="utf-8").strip())
        place.unlink()
        return done.returncode, done.stdout

    def run_until(self, text: str, awaited: str, *, seconds: float = 60) -> str:
        """Start a command that does not end by itself, wait for its word, and end it."""
        log = self.folder / ".output"
        with log.open("w") as stream:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {text}"], cwd=self.folder, env=environment(), stdout=stream, stderr=stream
            )
            end = time.monotonic() + seconds
            while awaited not in log.read_text() and process.poll() is None and time.monotonic() < end:
                time.sleep(0.1)
            process.terminate()
            process.wait(timeout=30)
        output = log.read_text(encoding="utf-8")
        log.unlink()
        return output


def missing(promised: str, output: str) -> list[str]:
    """Promised lines that do not stand in the output in that order."""
    absent, rest = [], " ".join(output.split())
    for line in promised.strip().splitlines():
        found = re.search(".*?".join(re.escape(" ".join(part.split())) for part in line.split("…")), rest)
        if found is None:
            absent.append(line)
        else:
            rest = rest[found.end() :]
    return absent


def carry_out(step: Step, shell: Shell) -> str:
    if step.mark.startswith("until "):
        # on a port that is free: the page's own may be taken where the tests run
        output = shell.run_until(f"{step.text.strip()} --port 0", step.mark.removeprefix("until "))
        assert step.mark.removeprefix("until ") in output, output
        return output
    code, output = shell.run(step.text)
    expected = {"exit 1": {1}, "any exit": {0, 1}}.get(step.mark, {0})
    assert code in expected, f"{step.text}\nended with {code}:\n{output}"
    return output


def test_the_commands_of_the_tutorial_print_what_it_promises(tmp_path):
    shell, output = Shell(tmp_path), ""
    for step in steps():
        if step.language == "bash" and not step.mark.startswith("skip"):
            output = carry_out(step, shell)
        elif step.language == "yaml":
            assert step.file is not None, f"no file is named for this block:\n{step.text}"
            (shell.folder / step.file).write_text(step.text, encoding="utf-8")
        elif step.language == "text":
            assert not missing(step.text, output), f"promised and not printed: {missing(step.text, output)}\n{output}"
    report = (shell.folder / "reports" / "build" / "asthma-tablets" / "index.html").read_text(encoding="utf-8")
    assert "Rahman 2025" in report
    assert len((shell.folder / "reports" / "history" / "asthma-tablets.jsonl").read_text().splitlines()) == 2


def test_the_slip_of_the_tutorial_is_the_only_thing_that_check_finds():
    typed = [step.text for step in steps() if step.language == "yaml" and step.file and "studies/" in step.file]
    assert len(typed) == 3
    assert [text.count("[0.36, 0.99]") for text in typed] == [0, 1, 0]


def test_every_command_stands_for_powershell_too():
    languages = [step.language for step in steps() if step.language in {"bash", "powershell"}]
    pairs = "".join(language[0] for language in languages)
    assert re.fullmatch(r"(bp)+b?", pairs), pairs  # the last is cron's, which Windows does not have


def test_a_promise_that_is_not_kept_is_noticed():
    assert missing("HR 0.74…studies", "so HR 0.74 of 2 studies") == []
    assert missing("HR 0.74…studies", "HR 0.75 of 2 studies") == ["HR 0.74…studies"]
    assert missing("b\na", "a b") == ["a"]
