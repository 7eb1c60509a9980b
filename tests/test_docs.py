"""README says what is true: its commands and its Python run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_there_are_two_commands_for_all_set_up():
    commands = re.findall(r"^```bash\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL)
    assert len(commands) == 2
    assert commands[0].endswith("metasyn build")
    assert "pytest" in commands[1]
    assert all("-c constraints.txt" in command for command in commands)


PROMISED = (
    r"HR 0\.7\d \(95% CI 0\.6\d to 0\.\d\d\), k = 8",
    r"joint: 150 patients, 67 events; .*; close\n\[1800, 2760\] \(\)",
    r"treatments 6, studies 11, .*\nPD-L1 \+ platinum-doublet > PD-L1: SUCRA 0\.\d\d, mean rank \d\.\d \(95% interval 1 to",
)


def test_python_of_the_readme_runs_in_the_checkout():
    blocks = re.findall(r"^```python\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL)
    for code, promised in zip(blocks, PROMISED, strict=True):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert re.match(promised, done.stdout), done.stdout


def test_the_package_names_no_drug_disease_or_phase():
    words = {
        "atezolizumab",
        "durvalumab",
        "sclc",
        "nsclc",
        "radiotherapy",
        "chemotherapy",
        "induction",
        "consolidation",
        "oncology",
    }
    for path in (ROOT / "metasyn").rglob("*.py"):
        text = path.read_text(encoding="utf-8").lower()
        assert not [word for word in words if re.search(rf"\b{word}\b", text)], path
