"""Knowledge as assets, and asked by the command line: from files to citable articles, an index, and the gaps beside it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aios_assets import jobs
from aios_core.errors import DeclarationError
from cli.main import app
from resources.declarations import TEMPLATES, load_declaration
from tests.aios_assets import small_desk
from tests.aios_assets.conftest import standing
from tests.aios_assets.small_desk import DECLARATION, MONDAY

KNOWLEDGE = """
  knowledge:
    sources:
      handbook: {connector: folder, path: handbook}
    encoder: null
"""
ARTICLES = {
    "screen.md": "# A broken laptop screen\n\nBring the laptop with the broken screen to desk 3. <script>steal()</script>",
    "password.md": "# Reset a password\n\nPress *forgotten* on the page where you sign in. Your login is locked after five tries.",
    "empty.md": "",
}


@pytest.fixture
def desk(database_url: str, tmp_path: Path):
    with standing(database_url, tmp_path) as platform:
        (tmp_path / "automations").mkdir(exist_ok=True)
        policy = (TEMPLATES / "policy.rego").read_text(encoding="utf-8")
        declared = platform.declare("desk", DECLARATION + KNOWLEDGE, policy)
        (declared.folder / "handbook").mkdir()
        for name, text in ARTICLES.items():
            (declared.folder / "handbook" / name).write_text(text, encoding="utf-8")
        yield platform, declared


def test_articles_become_citable_are_withdrawn_with_their_file_and_gaps_are_named(desk, monkeypatch) -> None:
    platform, declared = desk
    monkeypatch.setenv("AIOS_AUTOMATIONS", str(platform.folder))
    platform.execute(declared, jobs.KNOWLEDGE)
    assert platform.shown(declared, "articles")["new"] == 2
    assert "knowledge.no_text" in platform.shown(declared, "articles")["rejected"]
    assert platform.shown(declared, "knowledge_index")["search"] == "words alone: the declaration names no encoder"

    found = ask("knowledge", "search", "desk", "screen of my laptop is broken", "--json")
    assert [hit["article"] for hit in found["articles"]] == ["handbook/screen.md"]
    assert found["articles"][0]["title"] == "A broken laptop screen"
    assert "script" not in json.dumps(found)

    small_desk.arrive(declared.folder, MONDAY, rows=30, first=1)
    platform.execute(declared, jobs.INGEST)
    platform.execute(declared, jobs.GAPS)
    assert platform.shown(declared, "knowledge_gaps")["tickets"] == 30
    gaps = ask("knowledge", "gaps", "desk", "--json")
    assert gaps
    assert sum(gap["tickets"] for gap in gaps) < 30  # those about screens and passwords are answered
    assert not any("screen" in gap["label"] for gap in gaps)

    (declared.folder / "handbook" / "screen.md").unlink()
    assert ask("knowledge", "read", "desk", "--json")["sources"]["handbook"]["withdrawn"] == 1
    assert ask("knowledge", "search", "desk", "broken screen", "--json")["articles"] == []
    assert [a["article"] for a in ask("knowledge", "list", "desk", "--json")] == ["handbook/password.md"]


def test_an_automation_without_knowledge_has_nothing_of_it(tmp_path: Path) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text(DECLARATION, encoding="utf-8")
    (tmp_path / "policy.rego").write_text((TEMPLATES / "policy.rego").read_text(encoding="utf-8"), encoding="utf-8")
    declared = load_declaration(file)
    assert not [job.name for job in jobs.build(declared) if "knowledge" in job.name or "gaps" in job.name]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("connector: fodler, path: x", "zendesk_help_center, folder"),
        ("connector: folder, pth: x", "did you mean `path`?"),
        ("path: x", "`connector` is missing"),
    ],
)
def test_a_wrong_source_is_refused_by_line_with_what_there_is(tmp_path: Path, wrong: str, said: str) -> None:
    file = tmp_path / "defs.yaml"
    (tmp_path / "policy.rego").write_text((TEMPLATES / "policy.rego").read_text(encoding="utf-8"), encoding="utf-8")
    text = DECLARATION + KNOWLEDGE.replace("connector: folder, path: handbook", wrong)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError) as refused:
        load_declaration(file)
    assert said in str(refused.value)
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "handbook" in row)
    assert f":{line}:" in str(refused.value)


def ask(*arguments: str):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
