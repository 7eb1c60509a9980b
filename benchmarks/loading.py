"""How long 1,000 records of 30 KB take to load, cold and warm, where the time goes, and how much memory it takes.

    python benchmarks/loading.py [RECORDS]

Each measurement runs in a process of its own. The peer, in the same run and on the same files, is PyYAML's own
`yaml.load` with its C loader: it builds data without places, text of scalars, or any check.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROW = (
    "  - {{outcome: {outcome}, treatment: drug, comparator: control, set: main, measure: HR, estimate: 0.{a}, ci: [0.{b}, 1.{c}], "
    "p: 0.{d}, p_test: log-rank, model: {{kind: multivariable, covariates: [age, sex, stage]}}, exposure: fixed, cutoff: final, "
    'subgroup: {{factor: factor-{i}, level: level-{i}}}, source: "main: Results; Table {i}", inferred: [set, p_test]}}\n'
)
SURVIVAL = (
    "  - {{outcome: OS, arm: drug, set: main, median: 1{a}.{b}, median_ci: [9.8, not-reached], events: {c}, "
    'rates: [{{at: 12, percent: 5{a}.1}}, {{at: 24, percent: 4{a}.3}}], source: "main: Table 2"}}\n'
)


def record(number: int, size: int = 30_000) -> str:
    """An invented record of about `size` bytes."""
    head = (
        f"format: 1\nid: study-{number}\nreports:\n  main: {{title: Study {number}, authors: [Author A], year: 2024}}\n"
        "design: {type: rct}\npopulation: {disease: condition-x, line: 1}\ncutoffs: {final: {date: 2024-01-01}}\ntime_unit: months\n"
        'arms:\n  drug: {label: drug, strategy: "standard + drug-a > drug-a", n: 200}\n'
        '  control: {label: control, strategy: "standard + placebo", n: 200}\n'
        "sets:\n  main: {method: rct, n: {drug: 200, control: 200}, time_origin: randomisation}\n"
    )
    tail = "extraction: {by: a reader, date: 2026-01-02, seen: full-text}\n"
    contrasts, survival, i = [], [], 0
    while len(head) + sum(map(len, contrasts)) + sum(map(len, survival)) + len(tail) + 24 < size:
        i += 1
        seed = number * 7919 + i
        contrasts.append(
            ROW.format(
                outcome="OS" if i % 2 else "PFS",
                a=60 + seed % 39,
                b=40 + seed % 19,
                c=10 + seed % 80,
                d=10 + seed % 89,
                i=i,
            )
        )
        if i % 4 == 0:
            survival.append(SURVIVAL.format(a=seed % 9, b=seed % 10, c=50 + seed % 100))
    return head + "contrasts:\n" + "".join(contrasts) + "survival:\n" + "".join(survival) + tail


def make_project(root: Path, records: int) -> None:
    """A project of invented records."""
    from metasyn.cli.project import make_project as init

    init(root)
    vocabulary = root / "evidence" / "vocabulary.yaml"
    text = vocabulary.read_text(encoding="utf-8")
    text = text.replace(
        "  response:", "  PFS: {label: Progression-free survival, kind: time-to-event, better: lower}\n  response:", 1
    )
    vocabulary.write_text(text, encoding="utf-8")
    for path in (root / "evidence" / "studies").glob("*.yaml"):
        path.unlink()
    for number in range(records):
        (root / "evidence" / "studies" / f"study-{number}.yaml").write_text(record(number), encoding="utf-8")


def child(what: str, root: Path) -> None:
    """One measurement; prints seconds and peak memory as JSON."""
    files = sorted((root / "evidence" / "studies").glob("*.yaml"))
    parts: dict[str, float] = {}
    start = time.perf_counter()
    if what == "peer":
        import yaml

        start = time.perf_counter()
        for path in files:
            yaml.load(path.read_bytes(), yaml.CSafeLoader)
    elif what in ("cold", "warm"):
        import metasyn as ms

        evidence = ms.load_evidence(root)
        assert len(evidence.studies) == len(files)
        assert str(evidence.studies["study-0"].contrasts[0].estimate).startswith("0.")
    else:
        from metasyn.records import find_layout
        from metasyn.records.plausibility import check_plausibility
        from metasyn.records.structure import check_structure
        from metasyn.records.study import Study
        from metasyn.records.validation import validate
        from metasyn.records.vocabulary import Vocabulary
        from metasyn.records.yaml_reader import read_document, read_file

        layout = find_layout(root)
        assert layout.vocabulary is not None
        vocabulary, _ = validate(Vocabulary, read_file(layout.vocabulary, "v"), "v")
        for path in files:
            marks = [time.perf_counter()]
            document = read_document(path.read_bytes(), path.name)
            marks.append(time.perf_counter())
            study, problems = validate(Study, document, path.name)
            marks.append(time.perf_counter())
            assert study is not None, problems
            check_structure(study, document, path.name, vocabulary=vocabulary, curves=None)
            marks.append(time.perf_counter())
            check_plausibility(study)
            marks.append(time.perf_counter())
            for name, a, b in zip(
                ("YAML to data and places", "models", "structure", "plausibility"), marks, marks[1:], strict=False
            ):
                parts[name] = parts.get(name, 0.0) + b - a
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "memory": memory, "worker": workers, "parts": parts}))


def measure(what: str, root: Path) -> dict[str, object]:
    """Run one measurement in its own process."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", what, str(root)], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def main() -> None:
    """Print the table."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        make_project(root, records)
        sizes = [path.stat().st_size for path in (root / "evidence" / "studies").iterdir()]
        print(f"{records} records, {sum(sizes) / len(sizes) / 1000:.1f} KB each")
        peer = measure("peer", root)
        for what in ("cold", "warm", "parts"):
            found = measure(what, root)
            ratio = float(str(found["seconds"])) / float(str(peer["seconds"]))
            print(
                f"{what:6} {found['seconds']:7.2f} s   {ratio:5.2f} x yaml.load   peak {found['memory']:.0f} MB (a worker {found['worker']:.0f} MB)"
            )
            for name, seconds in dict(found["parts"]).items():  # type: ignore[call-overload]
                print(f"         {seconds:7.2f} s   {name} (one process)")
        print(
            f"peer   {peer['seconds']:7.2f} s   yaml.load with the C loader, no checks   peak {peer['memory']:.0f} MB"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
