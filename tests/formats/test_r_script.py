"""R scripts: metafor computes a report's numbers again, and nothing in a record can become code."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from conftest import Project

from metasyn.evidence import Evidence
from metasyn.formats.export_files import export_files
from metasyn.formats.r_script import r_number, r_string
from metasyn.records import find_layout, load_records

ROOT = Path(__file__).parents[2]


@lru_cache
def metafor() -> bool:
    program = shutil.which("Rscript")
    return (
        program is not None
        and subprocess.run([program, "-e", "library(metafor)"], capture_output=True, check=False).returncode == 0
    )


needs_metafor = pytest.mark.skipif("not metafor()", reason="Rscript with metafor is not installed")

SOURCE = """
for (name in commandArgs(TRUE)) {
  output <- file(paste0(name, ".out"), open = "wt", encoding = "UTF-8")
  sink(output)
  error <- tryCatch({ source(name, local = new.env(), encoding = "UTF-8"); "" }, error = conditionMessage)
  sink()
  close(output)
  writeLines(error, paste0(name, ".err"))
}
"""


@dataclass(frozen=True)
class Ran:
    """What a script printed, and the error with which it stopped."""

    script: bytes
    output: str
    error: str


def run_all(scripts: dict[str, bytes], folder: Path) -> dict[str, Ran]:
    """Run scripts, each in an environment of its own, in one session of R: starting R takes longer than a script."""
    for name, script in scripts.items():
        (folder / name).write_bytes(script)
    (folder / "all.R").write_text(SOURCE, encoding="utf-8")
    subprocess.run(
        [str(shutil.which("Rscript")), "--vanilla", "all.R", *scripts], cwd=folder, check=True, capture_output=True
    )
    return {
        name: Ran(
            script,
            (folder / f"{name}.out").read_text(encoding="utf-8"),
            (folder / f"{name}.err").read_text(encoding="utf-8").strip(),
        )
        for name, script in scripts.items()
    }


def scripts_of(root: Path, names: list[str]) -> dict[str, bytes]:
    layout = find_layout(root)
    made, _ = export_files(layout, Evidence(load_records(layout), curves=layout.curves), names, "r")
    return made


DEFINITION = """
title: 'A "question" \\ with quotes'
key: {{disease: condition-x, line: 1}}
comparisons: [{{name: New drug added, add: new}}]
outcomes: [OS, ORR]
model: {{tau2: {tau2}, ci: {ci}, level: {level}}}
sensitivity: [leave-one-out]
subgroups: [design.blinding]
network: {{reference: standard}}
"""
MODELS = [("REML", "HK", 0.95, 8, False), ("PM", "z", 0.9, 8, True), ("EB", "t", 0.99, 6, False), ("EE", "z", 0.95, 5, False), ("DL", "HK_adhoc", 0.95, 2, True)]  # fmt: skip
HOSTILE = ['x"); system("touch owned"); ("', "\\", 'a\\"', "line\nsystem('touch owned')", "# x", "naïve – Å 💊", "`x`", "%s %d", "\u2028system('x')", "${x}"]  # fmt: skip


def simulated(project: Project, studies: int, *, rare: bool = False) -> None:
    """Studies drawn with heterogeneity; `rare` gives few events, so that Mantel-Haenszel is the headline."""
    generator = np.random.default_rng(7)
    events = [0, 3, 1, 2, 6, 4, 2, 8] if rare else [60, 75, 91, 44, 70, 83, 66, 52]
    others = [2, 5, 4, 1, 9, 3, 6, 7] if rare else [50, 48, 88, 40, 61, 85, 47, 50]
    for number in range(studies):
        effect, se = generator.normal(-0.25, 0.3), generator.uniform(0.1, 0.3)
        estimate, low, high = (f"{np.exp(effect + z * se):.3f}" for z in (0, -1.96, 1.96))
        extra = (
            f"responses:\n  - {{category: ORR, arm: drug, set: main, events: {events[number]}, source: 'main: x'}}\n"
            f"  - {{category: ORR, arm: control, set: main, events: {others[number]}, source: 'main: x'}}\n"
        )
        blinding = ("{type: rct}", f"{{type: rct, blinding: {'open' if number % 2 else 'double-blind'}}}")
        project.record(f"study-{number}", estimate=estimate, ci=f"[{low}, {high}]", extra=extra, replace=blinding)


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> dict[str, Ran]:
    """Every script of this file, run once."""
    scripts = {
        f"base-{name}": made
        for name, made in scripts_of(ROOT, ["ici-es-sclc-first-line", "ls-sclc-strategies"]).items()
    }
    for tau2, ci, level, studies, rare in MODELS:
        project = Project(tmp_path_factory.mktemp("project") / tau2)
        simulated(project, studies, rare=rare)
        project.write("reports/question.yaml", DEFINITION.format(tau2=tau2, ci=ci, level=level))
        (scripts[f"{tau2}.R"],) = scripts_of(project.root, ["question"]).values()
    match = re.search(rb'compare\("estimate", res\$beta, (-?[\d.e-]+)\)', scripts["REML.R"])
    assert match is not None
    wrong = match[0].replace(match[1], repr(float(match[1]) * (1 + 3e-6)).encode())
    scripts["wrong.R"] = scripts["REML.R"].replace(match[0], wrong, 1)
    project = Project(tmp_path_factory.mktemp("project") / "hostile")
    for number, name in enumerate(HOSTILE[:6]):
        path = project.record(f"study-{number}", estimate=f"0.{60 + number}")
        quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        path.write_text(path.read_text(encoding="utf-8").replace(f"id: study-{number}\n", f'id: study-{number}\nname: "{quoted}"\n'), encoding="utf-8")  # fmt: skip
    project.write("reports/question.yaml", DEFINITION.format(tau2="REML", ci="HK", level=0.95))
    (scripts["hostile.R"],) = scripts_of(project.root, ["question"]).values()
    scripts["strings.R"] = "\n".join(
        f"cat(paste(utf8ToInt(enc2utf8({r_string(text)})), collapse = ' '), '\\n', sep = '')" for text in HOSTILE
    ).encode()
    return run_all(scripts, tmp_path_factory.mktemp("r"))


@needs_metafor
@pytest.mark.parametrize("name", ["ici-es-sclc-first-line", "ls-sclc-strategies"])
def test_the_evidence_base_gives_the_printed_numbers_in_metafor(name, ran):
    done = ran[f"base-{name}.R"]
    assert done.error == ""
    assert done.output.rstrip().endswith("all numbers agree")
    assert done.output.count("headline") >= 2


@needs_metafor
@pytest.mark.parametrize(("tau2", "ci", "level", "studies", "rare"), MODELS)
def test_a_simulated_report_gives_the_printed_numbers_in_metafor(tau2, ci, level, studies, rare, ran):
    done = ran[f"{tau2}.R"]
    assert done.error == "", done.output[-3000:]
    assert done.output.rstrip().endswith("all numbers agree")
    assert done.output.startswith('A "question" \\ with quotes')
    assert ("tau2 MH" in done.output) == rare
    assert ("subgroups by design.blinding" in done.output) == (studies > 2)
    assert ("without study" in done.output or "without Author A 2024" in done.output) == (studies > 2)
    assert len(re.findall(r"^  (estimate|se|ci_low|ci_high|tau2|I2|Q|pi_low|pi_high) ", done.output, re.MULTILINE)) > 10


@needs_metafor
def test_the_script_stops_where_a_number_differs_by_more_than_a_millionth(ran):
    assert "numbers that differ from metasyn's: OS, New drug added" in ran["wrong.R"].error
    assert "all numbers agree" not in ran["wrong.R"].output


@needs_metafor
def test_names_of_records_are_strings_in_r_and_never_code(ran, tmp_path_factory):
    assert ran["hostile.R"].script.isascii()
    assert ran["hostile.R"].error == ""
    assert list(tmp_path_factory.getbasetemp().rglob("owned")) == []


@needs_metafor
def test_strings_reach_r_as_they_are(ran):
    assert ran["strings.R"].error == ""
    lines = ran["strings.R"].output.split("\n")[:-1]
    assert ["".join(chr(int(code)) for code in line.split()) for line in lines] == [
        " ".join(text.split()) for text in HOSTILE
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_string_in_r_is_ascii_on_one_line_and_ends_where_it_should(text):
    made = r_string(text)
    assert made.isascii()
    assert "\n" not in made
    assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', made)


def test_numbers_in_r_keep_all_digits_and_missing_ones_are_na():
    assert [r_number(value) for value in (0.1, 1e-300, None, float("nan"), float("-inf"))] == [
        "0.1",
        "1e-300",
        "NA_real_",
        "NA_real_",
        "-Inf",
    ]
