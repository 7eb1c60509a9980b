"""Slips of the hand in copies of coherent papers: what check and verify catch together."""

from __future__ import annotations

import copy
import importlib.util
import random
import sys
from collections import Counter
from pathlib import Path

from prose import text_of

from metasyn.records import Study
from metasyn.records.verification import PaperText, verify

HERE = Path(__file__).parent


def load(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


simulated = load("simulated_papers", HERE.parent / "plausibility" / "simulated.py")
typos = load("typos", HERE.parent.parent.parent / "benchmarks" / "typos.py")


def test_nothing_is_said_of_records_that_hold_what_their_paper_prints():
    for seed in range(30):
        data = simulated.paper(seed)
        result = verify(Study.model_validate(data), PaperText(text_of(data)), None)
        assert [item for item in result.found if item[1].severity != "note"] == []
        assert {item.status for item in result.located} <= {"printed", "far"}
        assert len(result.located) > 50


def test_nine_of_ten_slips_are_caught():
    random_ = random.Random(5)
    papers = {}
    for seed in range(20):
        data = simulated.paper(seed)
        text = PaperText(text_of(data))
        papers[seed] = (data, text, typos.alarms_of_check(data), typos.alarms_of_verify(data, text, None))
    caught, made = Counter(), Counter()
    for number in range(200):
        kind = list(typos.SLIPS)[number % len(typos.SLIPS)]
        said = None
        while said is None:
            original, text, checked, verified = papers[random_.choice(list(papers))]
            data = copy.deepcopy(original)
            said = typos.SLIPS[kind](data, random_)
        by_check = typos.alarms_of_check(data)
        made[kind] += 1
        caught[kind] += (
            by_check is None or bool(by_check - checked) or bool(typos.alarms_of_verify(data, text, None) - verified)
        )
    assert sum(caught.values()) >= 180, (caught, made)
    assert min(caught[kind] / made[kind] for kind in made) >= 0.75, (caught, made)
