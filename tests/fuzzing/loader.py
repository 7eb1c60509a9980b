"""Records that a fuzzer bends, through the whole of loading and checking; run by hand, not by pytest.

    pip install atheris
    python tests/fuzzing/loader.py -max_total_time=600 -timeout=20

A traceback, a file that takes over 20 s, or a file opened outside the project ends the run with the input that did it.
Starting points are the records of `evidence/` and what a project gets from `metasyn init`.
"""

from __future__ import annotations

import os
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["metasyn"]):
    from metasyn.records.layout import find_layout
    from metasyn.records.loader import read_records

EVIDENCE = Path(__file__).resolve().parents[2] / "evidence"
PIECES = [b"\t", b":", b"{", b"}", b"[", b"]", b'"', b"'", b"- ", b">", b"*x", b"&y ", b"\n", b": ", b", ", b"!!python/object:os.system ", b"null",
          b"\xe2\x80\xa8", b"\xc2\x85", b"\xff\xfe", b"\x00", b"1e3", b"1e400", b"nan", b"9" * 40, b"../../../etc/passwd", b"not-reached", b"<", b"  "]  # fmt: skip


def mutate(data: bytes, limit: int, seed: int) -> bytes:
    """Pieces put in, cut out, repeated or swapped, at the places of a record's own tokens."""
    rng = random.Random(seed)
    text = bytearray(data or rng.choice(SEEDS))
    for _ in range(rng.randint(1, 4)):
        if not text:
            text = bytearray(rng.choice(SEEDS))
        place, kind = rng.randrange(len(text)), rng.random()
        if kind < 0.25:
            del text[place : place + rng.randint(1, 40)]
        elif kind < 0.6:
            text[place:place] = rng.choice(PIECES)
        elif kind < 0.75:
            other = rng.randrange(len(text))
            text[place:place] = text[other : other + rng.randint(1, 200)]
        elif kind < 0.9:
            digits = [i for i, byte in enumerate(text) if 48 <= byte <= 57]
            if digits:
                text[rng.choice(digits)] = 48 + rng.randrange(10)
        else:
            text[place] = rng.randrange(256)
    return bytes(text[:limit])


RECORDS = [path.read_bytes() for path in sorted((EVIDENCE / "studies").glob("*.yaml"))]
SEEDS = [
    re.sub(rb"(?m)^id: .*$", b"id: x", record) for record in RECORDS if len(record) < 15_000
]  # sound, so that checks run
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))
LIBRARY = tuple({sys.prefix, sys.base_prefix, str(Path(os.__file__).parent), str(EVIDENCE.parent / "metasyn")})
watching = False


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not watching:
        return
    path = arguments[0]
    if not isinstance(path, (str, bytes, os.PathLike)):
        return
    opened = os.path.realpath(os.fsdecode(path))
    if not opened.startswith((str(FOLDER), *LIBRARY)):
        raise AssertionError(f"opened outside the project: {opened}")


def one_record(data: bytes) -> None:
    global watching
    study = FOLDER / "evidence" / "studies" / "x.yaml"
    study.write_bytes(data)
    watching = True
    try:
        records, problems = read_records(find_layout(FOLDER), cache=False, workers=1)
    finally:
        watching = False
    assert problems or len(records.studies) == 1
    for problem in [*problems, *records.findings]:
        assert problem.message
        assert str(problem)


def main() -> None:
    (FOLDER / "evidence" / "studies").mkdir(parents=True)
    (FOLDER / "evidence" / "curves").mkdir()
    (FOLDER / "evidence" / "vocabulary.yaml").write_bytes((EVIDENCE / "vocabulary.yaml").read_bytes())
    seeds = FOLDER / "seeds"
    seeds.mkdir()
    for index, seed in enumerate(SEEDS):
        (seeds / str(index)).write_bytes(seed)
    sys.addaudithook(watch)
    atheris.Setup([*sys.argv, "-max_len=20000", str(seeds)], one_record, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
