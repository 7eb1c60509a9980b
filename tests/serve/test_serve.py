"""`metasyn serve` without a browser: who is answered, what is served, and what the page says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("starlette", reason="NOT TESTED: metasyn serve; the extra `serve` is not installed")
pytest.importorskip("uvicorn", reason="NOT TESTED: metasyn serve; the extra `serve` is not installed")
pytest.importorskip("watchfiles", reason="NOT TESTED: metasyn serve; the extra `serve` is not installed")

from serve_pieces import DEFINITION, HOST, HOSTS, Answer, ask, problem, record_line, report_folder, report_line

from metasyn.records import find_layout
from metasyn.reports.project_checks import check_project
from metasyn.serve.application import application
from metasyn.serve.events import Hub
from metasyn.serve.guard import Guard
from metasyn.serve.pages import banner, finding_groups, render, status_words
from metasyn.serve.rebuild import Stopped
from metasyn.serve.snapshot import ReportShelf, Snapshot, changes_in_words


@pytest.fixture
def site(project: Any) -> Callable[..., Answer]:
    """Asks the page of a project with one record and one built report."""
    project.record("a")
    project.write("reports/one.yaml", DEFINITION)
    report_folder(project.root)
    hub = Hub()
    records, findings = check_project(find_layout(project.root))
    assert list(records.studies) == ["a"]
    hub.now = Snapshot(phase="idle", findings=findings, records=(record_line(),), reports=(report_line(),))
    app = application(project.root, hub, HOSTS)
    return lambda path, **given: ask(app, path, **given)


# --- who may ask


@pytest.mark.parametrize("host", ["localhost:8137", "127.0.0.1:8137", "[::1]:8137", "LOCALHOST:8137"])
def test_the_names_of_this_machine_are_answered(site, host):
    assert site("/", host=host).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8137", "localhost", "localhost:8138", "localhost.evil.example:8137", "127.0.0.2:8137",
     "0.0.0.0:8137", "localhost:8137@evil.example", "", None],
)  # fmt: skip
def test_a_name_that_was_made_to_lead_here_is_refused(site, host):
    assert site("/", host=host).status == 403
    assert site("/reports/one/index.html", host=host).status == 403


def test_two_hosts_are_refused(site):
    assert site("/", hosts=(HOST, "evil.example")).status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_nothing_but_reading_is_answered(site, method):
    for path in ("/", "/events", "/reports/one/index.html", "/nowhere"):
        answer = site(path, method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost:9999", "http://127.0.0.1:8137", "https://localhost:8137"],
)
def test_another_origin_is_refused(site, origin):
    assert site("/", headers={"Origin": origin}).status == 403


def test_the_own_origin_is_answered(site):
    assert site("/", headers={"Origin": "http://localhost:8137"}).status == 200


@pytest.mark.parametrize("where", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("mode", "dest", "status"),
    [("navigate", "document", 200), ("navigate", "iframe", 403), ("navigate", "object", 403), ("no-cors", "script", 403),
     ("no-cors", "image", 403), ("cors", "empty", 403), (None, None, 403)],
)  # fmt: skip
def test_another_site_may_link_here_and_do_no_more(site, where, mode, dest, status):
    headers = {"Sec-Fetch-Site": where}
    if mode is not None:
        headers |= {"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    assert site("/", headers=headers).status == status


@pytest.mark.parametrize(
    "path", ["/", "/assets/serve.js", "/reports/one/index.html", "/reports/one/tables/pools.csv", "/nowhere"]
)
def test_every_answer_carries_the_headers(site, path):
    headers = site(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors" in headers["content-security-policy"]
    assert "server" not in headers


def test_the_page_admits_only_its_own_parts_and_no_script_in_it(site):
    answer = site("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert b"<style" not in answer.body
    assert answer.body.count(b"<script") == 1
    assert b'<script src="/assets/serve.js" defer></script>' in answer.body


def test_a_fault_of_the_program_shows_no_traceback():
    async def broken(scope, receive, send):
        raise RuntimeError("secret of the inside")

    said: list[str] = []
    answer = ask(Guard(broken, HOSTS, said.append), "/")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert b"Traceback" not in answer.body
    assert len(said) == 1
    assert "secret of the inside" in said[0]


# --- what is served


def test_a_built_file_is_served_as_it_is(site, project):
    page = site("/reports/one/index.html")
    assert page.body == (project.root / "reports/build/one/index.html").read_bytes()
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "sandbox allow-scripts" in page.headers["content-security-policy"]
    assert "allow-same-origin" not in page.headers["content-security-policy"]
    assert site("/reports/one/tables/pools.csv").headers["content-type"] == "text/csv; charset=utf-8"
    assert site("/reports/one/index.html", method="HEAD").status == 200


def test_what_was_not_built_is_not_served(site, project):
    folder = project.root / "reports" / "build" / "one"
    (folder / "stray.html").write_text("not in the manifest", encoding="utf-8")
    (project.root / "secret.txt").write_text("secret", encoding="utf-8")
    for path in (
        "/reports/one/stray.html", "/reports/one/../../../secret.txt", "/reports/one/%2e%2e/%2e%2e/%2e%2e/secret.txt",
        "/reports/one/..%2f..%2f..%2fsecret.txt", "/reports/..%2f..%2fsecret.txt", "/reports/one//etc/passwd", "/reports/one/%2fetc%2fpasswd",
        "/reports/one/tables", "/reports/one/tables/", "/reports/one/tables\\pools.csv", "/reports/one/index.html%00", "/reports/two/index.html",
        "/reports/../index.html", "/reports/%2e/index.html", "/reports/.one.new-7/index.html", "/assets/page.html.j2", "/assets/../server.py",
        "/view/two", "/build/one/index.html",
    ):  # fmt: skip
        assert site(path).status == 404, path


def test_a_manifest_cannot_lead_out_of_its_folder(site, project):
    (project.root / "secret.txt").write_text("secret", encoding="utf-8")
    (project.root / "reports/build/.hidden").write_text("secret", encoding="utf-8")
    names = [
        "../../../secret.txt",
        "/etc/passwd",
        str(project.root / "secret.txt"),
        ".hidden",
        "../.hidden",
        "tables/../.env",
    ]
    folder = report_folder(project.root, "one", {".hidden": b"x"})
    (folder / "manifest.json").write_text(json.dumps({"files": dict.fromkeys(names, "0")}), encoding="utf-8")
    for name in names:
        assert site(f"/reports/one/{name}").status == 404, name


def test_links_out_of_a_built_folder_are_not_followed(site, project):
    (project.root / "secret.csv").write_text("secret", encoding="utf-8")
    pools = project.root / "reports/build/one/tables/pools.csv"
    pools.unlink()
    pools.symlink_to(project.root / "secret.csv")
    assert site("/reports/one/tables/pools.csv").status == 404
    real = project.root / "elsewhere"
    report_folder(project.root, "two").rename(real)
    (project.root / "reports/build/two").symlink_to(real)
    assert site("/reports/two/index.html").status == 404


def test_a_drawing_with_a_script_cannot_run_it(site, project):
    report_folder(project.root, "one", {"figures/a.svg": b"<svg onload='1'/>"})
    policy = site("/reports/one/figures/a.svg").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy


def test_a_record_is_shown_as_text(project):
    project.record("a", replace=("title: A title", "title: <script>alert(1)</script>"))
    hub = Hub()
    found = problem(line=2, message="<b>bold</b>")
    hub.now = Snapshot(phase="idle", findings=(found,), records=(record_line(),))
    page = ask(application(project.root, hub, HOSTS), "/source/evidence/studies/a.yaml").body.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "<b>bold" not in page
    line = page.split('id="L2"')[1].split('id="L3"')[0]
    assert "id: a" in line
    assert "&lt;b&gt;bold&lt;/b&gt;" in line


def test_only_the_files_of_the_project_are_shown_as_text(site, project):
    (project.root / ".metasyn").mkdir(exist_ok=True)
    (project.root / ".metasyn/x.yaml").write_text("x", encoding="utf-8")
    (project.root / "secret.yaml").write_text("secret", encoding="utf-8")
    (project.studies / "link.yaml").symlink_to(project.root / "secret.yaml")
    (project.studies / ".swap.yaml").write_text("x", encoding="utf-8")
    (project.root / "evidence/.draft.yaml").write_text("x", encoding="utf-8")
    for file in ("secret.yaml", ".metasyn/x.yaml", "evidence/studies/link.yaml", "evidence/studies/.swap.yaml", "evidence/.draft.yaml", "evidence/studies/../../secret.yaml",
                 "/etc/passwd", "evidence/studies", "evidence/studies/none.yaml"):  # fmt: skip
        assert site(f"/source/{file}").status == 404, file
    for file in ("evidence/studies/a.yaml", "evidence/vocabulary.yaml", "reports/one.yaml"):
        assert site(f"/source/{file}").status == 200, file


# --- what the page says


def test_the_page_says_what_check_says(project, run):
    project.record("a", ci="[0.91, 0.54]")
    project.record("b", extra="nonsense: 1\n")
    trial = ("year: 2024", "year: 2024, doi: 10.1000/182")
    project.record("c", replace=trial)
    project.record("d", replace=trial, estimate="0.75")
    project.write("reports/one.yaml", DEFINITION.replace("outcomes: [OS]", "outcomes: [SO]"))
    project.write("evidence/baseline-risks.yaml", "format: 1\nrisks: nothing\n")
    _, out, _ = run("check", project.root, "--json")
    _, findings = check_project(find_layout(project.root))
    said = json.loads(out)["findings"]
    assert "same-cohort" in {one["check"] for one in said}  # what only several records together show
    assert {one["file"] for one in said} >= {"evidence/studies/a.yaml", "evidence/studies/b.yaml", "reports/one.yaml"}
    assert [{name: getattr(one, name) for name in said[0]} for one in findings] == said


def test_the_file_just_saved_comes_first():
    a, b, c = problem("a.yaml"), problem("b.yaml", severity="note"), problem("c.yaml", accepted="a misprint")
    groups = finding_groups(Snapshot(findings=(a, b, c), saved=("c.yaml",)))
    assert [(group.file, group.just_saved) for group in groups] == [
        ("c.yaml", True),
        ("a.yaml", False),
        ("b.yaml", False),
    ]


def test_an_empty_project_says_what_to_do():
    assert "metasyn new" in render("p", Snapshot(phase="idle"))
    without_report = render("p", Snapshot(phase="idle", records=(record_line(),)))
    assert "There are no reports yet" in without_report
    assert "reports/first.yaml" in without_report


def test_the_banner_says_which_line_keeps_the_report_back():
    fault = problem()
    line = report_line(stopped=Stopped(problems=(fault,), why="not built, because"))
    text = banner(line, Snapshot(phase="idle", findings=(fault,)))
    assert text == f"This report shows the state before {fault.file}, line 3, was broken: {fault.message}"
    assert "mended" in (banner(line, Snapshot(phase="building")) or "")
    assert banner(report_line(), Snapshot()) is None


def test_the_status_says_how_long_it_took_and_what_is_left():
    done = Snapshot(phase="idle", seconds=0.84, built=("one",), findings=(problem(), problem(accepted="so printed")))
    assert status_words(done) == "Rebuilt in 0.8 s: one. 1 finding to settle."
    assert "another metasyn build" in status_words(Snapshot(phase="waiting", building="one"))
    left = Snapshot(phase="idle", seconds=0.1, reports=(report_line(stopped=Stopped(why="x")),))
    assert status_words(left) == "Checked in 0.1 s; not rebuilt: one. No findings to settle."


def test_the_list_says_whether_a_report_is_whole_and_what_moved(tmp_path):
    told = {"since": {"edition": 1}, "alerts": [{}], "estimates": [{}, {}]}
    folder = report_folder(tmp_path, files={"changes.json": json.dumps(told).encode()})
    shelf = ReportShelf(tmp_path)
    (line,) = shelf.lines({"one": "One"}, {})
    assert (line.wrong, line.changes, line.defined) == ((), "1 alert, 2 estimates moved since the last edition", True)
    (folder / "index.html").write_text("changed by hand, longer than before", encoding="utf-8")
    (again,) = shelf.lines({}, {})
    assert "is not the file that was built" in again.wrong[0]
    assert not again.defined
    for said, words in (
        ({"since": None}, "no edition is recorded yet"),
        ({"since": {}, "alerts": [], "estimates": []}, "nothing moved since the last edition"),
    ):
        (folder / "changes.json").write_text(json.dumps(said), encoding="utf-8")
        assert changes_in_words(folder) == words
