"""The showcase says what the program says."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from metasyn.records import find_layout, read_records

ROOT = Path(__file__).parent.parent
PAPERS = ("wen-2026", "zhang-s-2026", "ji-2025", "zhang-j-2025", "xue-2026")


def test_the_page_on_the_five_papers_holds_the_findings_and_no_others():
    records, _ = read_records(find_layout(ROOT), cache=False)
    text = (ROOT / "docs" / "five-papers.md").read_text(encoding="utf-8")
    found = Counter(
        (finding.check, finding.path, finding.arithmetic)
        for finding in records.findings
        if Path(finding.file).stem in PAPERS and finding.check != "lost-zeros"
    )
    told = Counter(
        (check, path, arithmetic or None)
        for check, path, arithmetic in re.findall(
            r"^- \*\*([\w-]+)\*\* \(\w+\), `([^`]+)`: .*(?:\n  `([^`]+)`)?", text, re.MULTILINE
        )
    )
    assert told == found


def test_every_warning_on_the_five_papers_is_settled():
    records, _ = read_records(find_layout(ROOT), cache=False)
    open_ones = [finding for finding in records.findings if finding.severity != "note" and finding.accepted is None]
    assert open_ones == []
