"""The commands behind import and export: what they write, print and refuse."""

from __future__ import annotations

import pytest
from transfers import loaded, made_project, stated

from metasyn.cli.transfer import run_export, run_import, stated_facts
from metasyn.errors import EvidenceError, UsageError
from metasyn.evidence import Evidence
from metasyn.records import find_layout, load_records, read_vocabulary

TABLE = "study,outcome,treatment,comparator,measure,estimate,ci_low,ci_high\nAble 2001,OS,A,B,HR,0.70,0.54,0.91\n"


@pytest.fixture
def place(tmp_path):
    root = made_project(tmp_path / "project")
    words, _ = read_vocabulary(find_layout(root))
    source = tmp_path / "table.csv"
    source.write_text(TABLE, encoding="utf-8")
    return root, source, stated(words)


def test_import_writes_records_that_load_and_says_what_is_missing(place, capsys):
    root, source, facts = place
    written = run_import(source, None, root / "evidence" / "studies", facts=facts)
    printed = capsys.readouterr()
    assert [path.name for path in written] == ["able-2001.yaml"]
    assert str(written[0]) in printed.out
    assert "able-2001: to fill in: arms.a.strategy" in printed.err
    assert "1 record, 1 without a problem of structure" in printed.err
    assert "not taken: Covariates" in printed.err
    assert len(loaded(root).effects(outcome="OS")) == 1


def test_import_overwrites_nothing(place):
    root, source, facts = place
    run_import(source, None, root / "evidence" / "studies", facts=facts)
    with pytest.raises(UsageError, match="nothing is overwritten"):
        run_import(source, "contrasts", root / "evidence" / "studies", facts=facts)


def test_import_without_a_place_prints(place, capsys):
    _, source, facts = place
    assert run_import(source, None, None, facts=facts) == ()
    assert "id: able-2001" in capsys.readouterr().out


def test_import_of_references_prints_or_writes_a_block(tmp_path, capsys):
    source = tmp_path / "a.bib"
    source.write_text("@article{a, title = {T}, author = {Wen, J}, year = 2024}\n", encoding="utf-8")
    run_import(source, None, None)
    assert capsys.readouterr().out == "reports:\n  main: {title: T, authors: [Wen J], year: 2024}\n"
    assert run_import(source, None, tmp_path / "block.yaml") == (tmp_path / "block.yaml",)


def test_import_refuses_unknown_kinds_and_bad_files_before_it_writes(place, tmp_path):
    root, source, facts = place
    with pytest.raises(UsageError, match=r"no format revmann can be imported; did you mean revman\?"):
        run_import(source, "revmann", None)
    source.write_text(TABLE + "Baker,OS,A,B,HR,x,1,2\n", encoding="utf-8")
    with pytest.raises(EvidenceError, match="is not a number"):
        run_import(source, None, root / "evidence" / "studies", facts=facts)
    assert list((root / "evidence" / "studies").iterdir()) == []


def test_export_writes_one_file_or_a_folder_and_says_what_is_not_carried(place, tmp_path, capsys):
    root, source, facts = place
    run_import(source, None, root / "evidence" / "studies", facts=facts)
    layout = find_layout(root)
    evidence = Evidence(load_records(layout))
    assert run_export(layout, evidence, ["OS"], "csv", tmp_path / "os.csv") == (tmp_path / "os.csv",)
    assert "not carried: Only rows" in capsys.readouterr().err
    assert run_export(layout, evidence, ["OS"], "json", tmp_path / "folder") == (tmp_path / "folder" / "os.json",)
    with pytest.raises(UsageError, match="nothing to export as csv"):
        run_export(layout, evidence, ["PFS"], "csv", tmp_path / "x.csv")


def test_several_files_need_a_folder(place, tmp_path):
    root, source, facts = place
    source.write_text(TABLE + "Able 2001,PFS,A,B,HR,0.80,0.6,1.1\n", encoding="utf-8")
    run_import(source, None, root / "evidence" / "studies", facts=facts)
    layout = find_layout(root)
    with pytest.raises(UsageError, match="give a folder"):
        run_export(layout, Evidence(load_records(layout)), ["OS", "PFS"], "csv", tmp_path / "one.csv")
    assert not (tmp_path / "one.csv").exists()


def test_names_of_outcomes_are_mapped_to_words_of_the_vocabulary(place):
    root, _, _ = place
    facts = stated_facts(find_layout(root), ["Overall survival (ITT) = OS", "a=b=PFS"], by="x", line="1")
    assert facts.outcomes == {"Overall survival (ITT)": "OS", "a=b": "PFS"}
    assert (facts.by, facts.line, facts.disease) == ("x", "1", None)
    assert facts.vocabulary is not None
    with pytest.raises(UsageError, match="maps no outcome"):
        stated_facts(None, ["OS"])
    with pytest.raises(UsageError, match=r"PF is no outcome of the vocabulary; did you mean PFS\?"):
        stated_facts(find_layout(root), ["x=PF"])
