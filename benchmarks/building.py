"""Builds of a project: from nothing, where nothing changed, and after one edit, in a process that has built before.

python benchmarks/building.py [PROJECT]      by default the project of `metasyn init`; the project is copied and left as it is
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from metasyn.cli.project import make_project
from metasyn.records import find_layout
from metasyn.reports import Memory, build_all

EDITS = 5


def copied(source: Path | None, root: Path) -> None:
    if source is None:
        make_project(root)
        return
    for name in ("evidence", "reports"):
        shutil.copytree(source / name, root / name, ignore=shutil.ignore_patterns("build"))


def edited(path: Path, step: int) -> None:
    """Move the first printed estimate of a record by a hundredth."""
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"(estimate: 0\.\d)\d", rf"\g<1>{step % 10}", text, count=1), encoding="utf-8")


def main() -> None:
    source = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        copied(source, root)
        command = [sys.executable, "-m", "metasyn", "build", "-C", str(root)]
        for text in ("from nothing", "nothing changed", "nothing changed"):
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            print(f"| metasyn build, {text} | {time.perf_counter() - started:.2f} s |")
        layout, memory = find_layout(root), Memory()
        name = sorted((root / "reports").glob("*.yaml"))[0].stem
        build_all(layout, [name], memory=memory, force=True)
        shown = (root / "reports" / "build" / name / "tables" / "pools.csv").parent
        used = next(
            line.split(",")[0]
            for path in sorted(shown.glob("*-candidates.csv"))
            for line in path.read_text(encoding="utf-8").splitlines()[1:]
        )
        taken, processor = [], []
        for step in range(EDITS):
            edited(root / "evidence" / "studies" / f"{used}.yaml", step)
            started, before = time.perf_counter(), time.process_time()
            build_all(layout, [name], memory=memory)
            taken.append(time.perf_counter() - started)
            processor.append(time.process_time() - before)
        print(f"| {name} after an edit of {used}, median of {EDITS} | {statistics.median(taken):.2f} s ({statistics.median(processor):.2f} s of one core) |")  # fmt: skip


if __name__ == "__main__":
    main()
