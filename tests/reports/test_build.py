"""A built report: what is in the folder, that it is whole, the same each time, and safe to open."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest
from numpy.testing import assert_allclose

import metasyn as ms
from metasyn.errors import EvidenceError, SelectionError, UsageError
from metasyn.evidence import Evidence
from metasyn.records import find_layout, load_records
from metasyn.reports import build, definitions, verify
from metasyn.reports.building.exchange import recover, replace_folder

DEFINITION = """
title: A question
key: {disease: condition-x, line: 1}
comparisons: [{name: New drug added, add: new}]
outcomes: [OS, ORR]
"""


def make(project, name: str = "question", definition: str = DEFINITION, **options):
    project.write(f"reports/{name}.yaml", definition)
    layout = find_layout(project.root)
    return build(project.root / "reports" / f"{name}.yaml", Evidence(load_records(layout)), layout, **options)


@pytest.fixture
def filled(project):
    for number, (estimate, ci) in enumerate(
        [
            ("0.70", "[0.54, 0.91]"),
            ("0.85", "[0.64, 1.13]"),
            ("0.60", "[0.45, 0.80]"),
            ("0.95", "[0.70, 1.29]"),
            ("0.55", "[0.40, 0.76]"),
        ]
    ):
        project.record(f"study-{number}", estimate=estimate, ci=ci)
    project.record("cohort-2024", estimate="0.50", ci="[0.40, 0.63]", design="retrospective-cohort", method="none")
    project.record("other-2024", disease="condition-y")
    return project


def test_folder_holds_what_the_design_says(filled):
    built = make(filled)
    names = {path.relative_to(built.folder).as_posix() for path in built.folder.rglob("*") if path.is_file()}
    assert {
        "index.html",
        "results.json",
        "changes.md",
        "manifest.json",
        "tables/pools.csv",
        "figures/new-drug-added-os.svg",
        "figures/new-drug-added-os.png",
    } <= names
    assert verify(built.folder) == []


def test_results_are_those_of_pool(filled):
    built = make(filled)
    content = json.loads((built.folder / "results.json").read_text(encoding="utf-8"))
    stratum = content["results"][0]["strata"][0]
    effects = ms.load_evidence(filled.root).effects(
        outcome="OS", comparison="new", key={"disease": "condition-x"}, designs=["rct"]
    )
    pooled = ms.pool(effects["effect"], effects["se"])
    assert_allclose(
        [stratum["headline"][name] for name in ("estimate", "se", "ci_low", "ci_high", "tau2")],
        [pooled.estimate, pooled.se, pooled.ci_low, pooled.ci_high, pooled.tau2],
        rtol=1e-11,
    )
    assert (stratum["body"], stratum["k"]) == ("randomised", 5)


def test_results_fit_the_committed_schema(filled):
    built = make(filled)
    schema = json.loads((Path(ms.__file__).parent / "reports" / "schema" / "results.json").read_text(encoding="utf-8"))
    content = json.loads((built.folder / "results.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(content)
    del content["results"][0]["strata"][0]["headline"]["tau2"]
    with pytest.raises(jsonschema.ValidationError, match="tau2"):
        jsonschema.Draft202012Validator(schema).validate(content)


def test_designs_stay_apart_unless_the_definition_asks(filled):
    (result, _) = make(filled).results
    assert [(stratum.body, len(stratum.rows)) for stratum in result.strata] == [
        ("randomised", 5),
        ("non-randomised", 1),
    ]
    (result, _) = make(filled, "combined", DEFINITION + "combine_designs: true\n").results
    assert [(stratum.body, len(stratum.rows)) for stratum in result.strata] == [("all designs", 6)]


def test_populations_are_strata_without_an_overall_result_unless_said_exchangeable(filled):
    both = DEFINITION.replace("disease: condition-x", "disease: [condition-x, condition-y]")
    built = make(filled, "both", both)
    assert [stratum.key["disease"] for stratum in built.results[0].strata] == [
        "condition-x",
        "condition-y",
        "condition-x",
    ]
    assert "there is no overall result" in (built.folder / "index.html").read_text(encoding="utf-8")
    pooled = make(
        filled,
        "pooled",
        both + "assume_exchangeable: [disease]\nassume_exchangeable_because: the biology is the same\n",
    )
    assert [len(stratum.rows) for stratum in pooled.results[0].strata] == [6, 1]
    page = (pooled.folder / "index.html").read_text(encoding="utf-8")
    assert page.index("the biology is the same") < page.index("Results at a glance")


def test_exchangeability_needs_a_reason(filled):
    with pytest.raises(EvidenceError, match="has no reason"):
        make(filled, "bad", DEFINITION + "assume_exchangeable: [disease]\n")


def test_same_inputs_same_bytes(filled):
    def contents(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    first = contents(make(filled).folder)
    assert contents(make(filled).folder) == first


def test_manifest_names_inputs_and_no_place_or_time(filled):
    built = make(filled)
    manifest = json.loads((built.folder / "manifest.json").read_text(encoding="utf-8"))
    assert (
        manifest["inputs"]["evidence/studies/study-0.yaml"]
        == hashlib.sha256((filled.studies / "study-0.yaml").read_bytes()).hexdigest()
    )
    assert str(filled.root) not in json.dumps(manifest)
    assert set(manifest) == {"files", "formats", "inputs", "schema_version", "seed", "versions"}


@pytest.mark.parametrize("damage", ["change", "remove", "add"])
def test_verify_finds_damage(filled, damage):
    folder = make(filled).folder
    if damage == "change":
        (folder / "results.json").write_text("{}")
    elif damage == "remove":
        (folder / "index.html").unlink()
    else:
        (folder / "extra.txt").write_text("x")
    assert len(verify(folder)) == 1


class Page(HTMLParser):
    """Collects what a browser would load, run or show instead of a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_page_is_self_contained_and_its_policy_forbids_the_rest(filled):
    text = (make(filled).folder / "index.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object")]
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [{}]  # one, and it loads nothing
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert images
    assert all(str(image["src"]).startswith("data:image/svg+xml;base64,") for image in images)
    assert all(len(str(image["alt"])) > 40 for image in images)
    (policy,) = [
        attributes["content"]
        for tag, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'" in policy
    assert "not medical advice" in text


def test_text_from_records_is_escaped_and_only_safe_links_become_links(project):
    project.record(
        "a-2024",
        replace=(
            "title: A title, authors: [Author A]",
            "title: A title, authors: ['<script>alert(1)</script>'], doi: 10.1000/x",
        ),
    )
    folder = make(project).folder
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
    assert 'href="https://doi.org/10.1000/x"' in text
    project.record("a-2024", replace=("title: A title", "title: A title, url: 'javascript:alert(1)'"))
    with pytest.raises(EvidenceError, match="is not an https address"):
        make(project)


def test_a_formula_in_a_text_does_not_reach_a_spreadsheet(project):
    project.record("a-2024", replace=("id: a-2024", "id: a-2024\nname: '=cmd|x'"))
    text = next((make(project).folder / "tables").glob("*os-candidates.csv")).read_text(encoding="utf-8")
    assert "'=cmd|x" in text
    assert ",=cmd" not in text


def test_headline_is_the_wider_interval_where_hartung_knapp_is_narrow(project):
    for number, (estimate, ci) in enumerate(
        [
            ("0.80", "[0.60, 1.07]"),
            ("0.81", "[0.61, 1.08]"),
            ("0.79", "[0.59, 1.06]"),
            ("0.80", "[0.61, 1.05]"),
            ("0.82", "[0.60, 1.12]"),
        ]
    ):
        project.record(f"study-{number}", estimate=estimate, ci=ci)
    (result, _) = make(project).results
    (stratum,) = result.strata
    assert stratum.headline.ci_method == "z"
    assert "it is the wider" in stratum.headline_why
    narrow = next(pooled for pooled in stratum.alternatives if pooled.ci_method == "HK")
    assert narrow.ci_high - narrow.ci_low < stratum.headline.ci_high - stratum.headline.ci_low


def test_two_studies_have_no_hartung_knapp_headline_and_several_intervals(project):
    project.record("a-2024")
    project.record("b-2024", estimate="0.95", ci="[0.70, 1.29]")
    built = make(project)
    (stratum,) = built.results[0].strata
    assert stratum.headline.ci_method == "z"
    assert [pooled.ci_method for pooled in stratum.alternatives] == ["HK", "HK_adhoc", "z"]
    assert "Several intervals for 2 studies" in (built.folder / "index.html").read_text(encoding="utf-8")


def test_one_study_is_not_pooled(project):
    project.record("a-2024")
    (stratum,) = make(project).results[0].strata
    assert stratum.headline is None


def test_one_study_twice_in_a_pool_is_refused(project):
    project.record("a-2024", replace=("sets:", '  low: {label: low, strategy: "standard + drug-b"}\nsets:'))
    project.add_row(
        "a-2024",
        "contrasts",
        '{outcome: OS, treatment: low, comparator: control, set: main, measure: HR, estimate: 0.80, ci: [0.60, 1.07], source: "main: x"}',
    )
    with pytest.raises(SelectionError, match="enter one pool twice"):
        make(project)


def test_definition_mistakes_are_all_said_with_their_place(project):
    project.record("a-2024")
    with pytest.raises(EvidenceError) as refused:
        make(
            project,
            definition="title: x\nkey: {disease: condition-q}\ncomparisons: [{name: n, add: drug-c}]\noutcomes: [OSS]\nmodle: {}\nprefer: [{methd: rct}]\n",
        )
    text = str(refused.value)
    for words in ("did you mean model?", "did you mean method?"):
        assert words in text
    with pytest.raises(EvidenceError) as refused:
        make(
            project,
            definition="title: x\nkey: {disease: condition-q}\ncomparisons: [{name: n, add: drug-c}]\noutcomes: [OSS]\n",
        )
    assert str(refused.value).count("is not a word of evidence/vocabulary.yaml") == 3


def test_record_appends_an_edition_only_when_something_changed(filled):
    history = filled.root / "reports" / "history" / "question.jsonl"
    assert make(filled, record_edition=True).recorded
    assert not make(filled, record_edition=True).recorded
    assert len(history.read_text(encoding="utf-8").splitlines()) == 1
    filled.record("new-2025", estimate="0.40", ci="[0.30, 0.53]")
    built = make(filled)
    text = (built.folder / "changes.md").read_text(encoding="utf-8")
    assert "added new-2025" in text
    assert "5 studies → HR" in text
    assert not built.recorded
    assert make(filled, record_edition=True).recorded
    assert len(history.read_text(encoding="utf-8").splitlines()) == 2


def test_definitions_by_name(project):
    project.write("reports/question.yaml", DEFINITION)
    assert [path.stem for path in definitions(project.root)] == ["question"]
    with pytest.raises(UsageError, match="did you mean question"):
        definitions(project.root, ["questoin"])


def test_exchange_leaves_the_old_or_the_new_folder(tmp_path, monkeypatch):
    target = tmp_path / "report"
    for way in ("exchange", "renames"):
        if way == "renames":
            monkeypatch.setattr("metasyn.reports.building.exchange._exchange_names", lambda *_: False)
        for content in ("one", "two"):
            new = tmp_path / ".report.new-1"
            new.mkdir()
            (new / "file").write_text(content)
            replace_folder(new, target)
            assert (target / "file").read_text() == content
        assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_killed_run_is_completed_on_the_next_start(tmp_path):
    target, retired = tmp_path / "report", tmp_path / ".report.retired"
    retired.mkdir()
    (retired / "file").write_text("old")
    (tmp_path / ".report.new-99").mkdir()
    recover(target)
    assert (target / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    retired.mkdir()
    recover(target)
    assert not retired.exists()


def test_a_common_effect_model_has_a_wald_interval_unless_the_definition_says_otherwise(project):
    project.record("a-2024")
    project.record("b-2024", estimate="0.95", ci="[0.70, 1.29]")
    for stated, expected in (("{tau2: EE}", "z"), ("{tau2: EE, ci: t}", "t"), ("{tau2: EE, ci: HK}", "z")):
        (stratum,) = make(project, definition=DEFINITION + f"model: {stated}\n").results[0].strata
        assert stratum.headline.ci_method == expected


def test_the_reports_of_this_project_are_what_they_say():
    """The pool of randomised trials holds eight trials and nothing else; the other reports pool nothing."""
    from metasyn.reports import analyse, load_question

    root = Path(__file__).parents[2]
    evidence = ms.load_evidence(root)
    found = {
        path.stem: analyse(load_question(path, path.name, evidence.vocabulary), evidence) for path in definitions(root)
    }
    survival = found["ici-es-sclc-first-line"][0]
    assert [(stratum.body, len(stratum.rows)) for stratum in survival.strata] == [("randomised", 8)]
    pools = [
        stratum.headline
        for name in ("ici-other-settings", "thoracic-radiotherapy")
        for result in found[name]
        for stratum in result.strata
    ]
    assert pools
    assert not any(pools)
    assert all(result.left_out["why_not"].notna().all() for results in found.values() for result in results)


def test_a_single_study_is_shown_with_the_limits_that_its_paper_prints(project):
    project.record("a-2024", estimate="0.67", ci="[0.48, 0.95]")  # the standard error would give 0.94
    folder = make(project).folder
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "0.67 [0.48, 0.95]" in text
    assert re.search(r"(?<![\d.])0\.94(?!\d|rem)", text) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("outcomes: [OS, ORR]", "outcomes: [OS, OS]"), "stands for the same section as OS"),
        (("comparisons: [{name: New drug added, add: new}]", "comparisons: [{name: A b, add: new}, {name: A-b, add: drug-a}]"), "stands for the same section as A b"),
        (("line: 1}", "line: 1, time_origin: randomization}"), "did you mean randomisation?"),
        (("outcomes:", "prefer: [{method: RCT}]\noutcomes:"), "did you mean rct?"),
    ],
)  # fmt: skip
def test_definitions_that_could_not_be_answered_are_refused(project, change, words):
    project.record("a-2024")
    with pytest.raises(EvidenceError) as refused:
        make(project, definition=DEFINITION.replace(*change))
    assert words in str(refused.value)


def test_cautions_of_the_record_reach_the_reader(project):
    project.record(
        "a-2024",
        extra="notes: [deaths do not add up]\n",
        replace=("ci: [0.54, 0.91]", "ci: [0.54, 0.91], note: interval looks narrow, inferred: [set]"),
    )
    text = (make(project).folder / "index.html").read_text(encoding="utf-8")
    assert "deaths do not add up" in text
    assert "Note: interval looks narrow." in text
    assert "Left unsaid by the paper: set." in text
