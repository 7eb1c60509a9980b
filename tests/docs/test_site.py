"""The site follows the code: its references list what the package has, its pages name commands and options that exist, its formulas are read."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="Sphinx is not installed (the extra `docs`), so the site's parts were not tried")
pytest.importorskip("latex2mathml", reason="latex2mathml is not installed (the extra `docs`), so no formula was read")

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
PUBLIC = ("metasyn", "metasyn.effects", "metasyn.pooling", "metasyn.survival", "metasyn.network", "metasyn.certainty",
          "metasyn.plots", "metasyn.evidence", "metasyn.reports")  # fmt: skip


@pytest.fixture
def parts(monkeypatch):
    """The site's own extensions."""
    monkeypatch.syspath_prepend(str(DOCS / "_extensions"))
    return importlib.import_module


def shell_lines(text: str) -> list[str]:
    blocks = re.findall(r"^ *```(?:bash|powershell)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [line.strip().split(" # ")[0].split(" #")[0] for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_its_documentation(parts, name):
    text = parts("public_api").module_page(name)
    module = importlib.import_module(name)
    for one in module.__all__:
        if not one.startswith("_") and type(getattr(module, one)).__name__ != "module":
            assert re.search(rf"^\.\. (auto\w+|py:data):: {re.escape(name)}\.{one}$", text, re.MULTILINE), one


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_module_has_a_page(name):
    page = DOCS / "api" / f"{name.removeprefix('metasyn.')}.md"
    assert f"```{{public-api}} {name}\n```" in page.read_text(encoding="utf-8")


def test_the_command_line_reference_has_every_command_of_the_help(parts):
    done = subprocess.run([sys.executable, "-m", "metasyn", "--help"], capture_output=True, text=True, check=True)
    listed = re.findall(r"^  (\w+)  ", done.stdout.split("Commands:")[1], re.MULTILINE)
    assert set(parts("command_line").commands()) == set(listed)
    text = parts("command_line").reference()
    assert all(f"## metasyn {name}\n" in text for name in listed)
    assert "| `-C`, `--project` PROJECT |" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_a_page_names_commands_and_options_that_exist(parts, page):
    known = parts("command_line").commands()
    for line in shell_lines(page.read_text(encoding="utf-8")):
        for words in (part.split() for part in re.split(r"&&|\|\||;|\|", line)):
            if words[:1] == ["metasyn"] and len(words) > 1 and not words[1].startswith("-"):
                assert words[1] in known, line
                options = {name for one in known[words[1]].params for name in [*one.opts, *one.secondary_opts]}
                assert {word for word in words[2:] if word.startswith("-")} <= options, line


def test_every_formula_is_read(parts):
    formulas = [
        found for page in PAGES for found in re.findall(r"^```math\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    ]
    assert len(formulas) > 50
    for text in formulas:
        made = parts("formulas").mathml(text, "block")
        # what the converter does not know it sets as it stands
        assert "&amp;" not in made, text
        assert "\\" not in made.replace("\\_", ""), text


def test_links_between_pages_lead_to_files():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_examples_are_listed_where_they_are_built_and_missed_where_not(parts, tmp_path):
    reports = parts("built_reports")
    assert "No report was built" in reports.listing(reports.built(tmp_path))
    (tmp_path / "a-report").mkdir()
    (tmp_path / "a-report" / "index.html").write_text("x", encoding="utf-8")
    (tmp_path / "a-report" / "results.json").write_text('{"title": "A <b> & C"}', encoding="utf-8")
    text = reports.listing(reports.built(tmp_path))
    assert '<a href="examples/a-report/index.html">A &lt;b&gt; &amp; C</a>' in text


def test_python_of_the_how_to_page_runs(tmp_path):
    page = (DOCS / "how-to" / "from-python.md").read_text(encoding="utf-8")
    with_project, without = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    subprocess.run([sys.executable, "-m", "metasyn", "init", str(tmp_path / "p")], check=True, capture_output=True)
    for code, promised in ((with_project, "example-2024"), (without, "HR 0.8")):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], cwd=tmp_path / "p", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert promised in done.stdout, done.stdout
    assert (tmp_path / "p" / "forest.png").stat().st_size > 1000
