"""What a record does about a finding: nothing, an entry under `accepted`, or an entry that accepts nothing."""

from __future__ import annotations

from metasyn.records import find_layout, read_records


def findings(project, accepted: str = "", **options):
    project.record("a-2024", extra=f"accepted:\n  - {accepted}\n" if accepted else "", **options)
    records, problems = read_records(find_layout(project.root), cache=False)
    assert not problems
    return records.findings


def test_an_accepted_finding_stays_and_carries_its_reason(project):
    (finding,) = findings(project, "{check: interval-order, path: 'contrasts[0]', why: printed so}", ci="[0.91, 0.54]")
    assert (finding.check, finding.path, finding.accepted) == ("interval-order", "contrasts[0].ci", "printed so")
    assert (finding.line, finding.arithmetic) == (15, "0.91 > 0.54")


def test_an_entry_covers_its_row_and_no_other(project):
    # contrasts[1] is not contrasts[10], and a section covers all its rows
    (finding, unused) = findings(
        project, "{check: interval-order, path: 'contrasts[1]', why: printed so}", ci="[0.91, 0.54]"
    )
    assert (finding.check, finding.accepted) == ("interval-order", None)
    assert (unused.check, unused.path) == ("accepted-unused", "accepted[0]")
    (finding,) = findings(project, "{check: interval-order, path: contrasts, why: printed so}", ci="[0.91, 0.54]")
    assert finding.accepted == "printed so"


def test_an_entry_with_an_unknown_check_is_told_with_the_nearest(project):
    (unused,) = findings(project, "{check: p-value-of-ci, path: 'contrasts[0]', why: x}")
    assert "did you mean p-value-from-ci?" in unused.message


def test_an_entry_for_the_paper_s_text_is_left_to_verify(project):
    assert findings(project, "{check: not-printed, path: 'contrasts[0].p', why: in Figure 2 only}") == []
