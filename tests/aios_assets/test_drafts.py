"""Drafts as an asset of the scoring and review jobs, and asked by the command line."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aios_assets import jobs
from aios_core.errors import DeclarationError
from cli.main import app
from resources.declarations import TEMPLATES, load_declaration, scaffold
from resources.deployments import OWN_AUTOMATIONS
from tests.aios_assets import small_desk
from tests.aios_assets.conftest import Desk
from tests.aios_assets.small_desk import DECLARATION, MONDAY

DRAFTS = """
  knowledge:
    sources:
      handbook: {connector: folder, path: handbook}
    encoder: null
  drafts:
    signature: The desk
    on_automate: true
"""
ARTICLES = {
    "screen.md": "# A broken laptop screen\n\nBring the laptop with the broken screen to desk 3.",
    "password.md": "# Reset a password\n\nYour login is locked after five tries. Choose *forgotten* where you sign in to reset it.",
    "projector.md": "# The projector is dark\n\nThe projector of a room stays dark until its cable is in the left socket.",
}


def test_scoring_drafts_replies_once_and_the_command_line_shows_and_tries_them(desk: Desk, monkeypatch) -> None:
    platform = desk.platform
    monkeypatch.setenv("AIOS_AUTOMATIONS", str(platform.folder))
    desk.declared.file.write_text(DECLARATION + DRAFTS, encoding="utf-8")
    declared = load_declaration(desk.declared.file)
    (declared.folder / "handbook").mkdir()
    for name, text in ARTICLES.items():
        (declared.folder / "handbook" / name).write_text(text, encoding="utf-8")
    platform.execute(declared, jobs.KNOWLEDGE)
    small_desk.arrive(declared.folder, MONDAY, rows=9, first=1_000)
    platform.execute(declared, jobs.INGEST)
    platform.execute(declared, jobs.SCORE, MONDAY)
    shown = platform.shown(declared, "drafts")
    assert shown["drafts"] == 9, shown
    assert shown["passed"] >= 2, shown  # by words alone, an odd word more makes a gap of a question
    assert shown["passed"] + shown["refused"] + shown["without_answer"] == 9
    assert (shown["left"], shown["cost"]) == (0, 0.0)
    platform.execute(declared, jobs.REVIEW)
    assert platform.shown(declared, "drafts")["drafts"] == 0

    with platform.database.connection() as connection:
        row = connection.execute(
            "select decision_id, ticket_id from drafts where passed and answers limit 1"
        ).fetchone()
    assert row is not None
    by_decision, by_ticket = (ask("draft", "show", of, "--json", "--calls") for of in row)
    assert by_decision == by_ticket
    assert by_decision["verification"]["passed"]
    assert by_decision["text"].endswith("The desk")
    assert by_decision["calls"] == []
    assert "passed: en, by embedded" in said("draft", "show", row[0])

    tried = ask(
        "draft", "try", "--automation", "desk", "--text", "The screen of my laptop is broken, the screen!", "--json"
    )
    assert "Bring the laptop with the broken screen to desk 3." in tried["text"]
    assert [source["article_id"] for source in tried["sources"]] == ["screen.md"]
    nothing = ask("draft", "try", "--automation", "desk", "--text", "Where can I buy a zebra?", "--json")
    assert (nothing["answers"], nothing["degraded"]) == (False, "no article answers this")
    wrong = CliRunner().invoke(app, ["draft", "try", "--automation", "desk", "--text", "x", "--fact", "plan"])
    assert wrong.exit_code == 2
    missing = CliRunner().invoke(app, ["draft", "show", "nobody"])
    assert missing.exit_code == 1
    assert "there is no draft" in missing.stderr


def test_an_automation_without_drafts_has_nothing_of_them(tmp_path: Path) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text(DECLARATION, encoding="utf-8")
    (tmp_path / "policy.rego").write_text((TEMPLATES / "policy.rego").read_text(encoding="utf-8"), encoding="utf-8")
    declared = load_declaration(file)
    assert "drafts" not in repr([job.selection for job in jobs.build(declared) if hasattr(job, "selection")])


def test_the_shipped_automation_drafts_replies_from_the_help_center() -> None:
    shipped = load_declaration(OWN_AUTOMATIONS / "customer_escalations" / "defs.yaml").automation
    assert shipped.drafts is not None
    assert shipped.drafts.model is None
    assert shipped.knowledge is not None


@pytest.mark.parametrize(("of", "first"), [("shipped", "    # model:"), ("scaffolded", "  # knowledge:")])
def test_the_commented_blocks_of_declarations_load_once_they_are_uncommented(
    tmp_path: Path, of: str, first: str
) -> None:
    file = scaffold("mine", folder=tmp_path, today=small_desk.TODAY)
    if of == "shipped":
        file.write_text((OWN_AUTOMATIONS / "customer_escalations" / "defs.yaml").read_text(encoding="utf-8"))
        shutil.copy(OWN_AUTOMATIONS / "customer_escalations" / "policy.rego", file.parent)
    lines = _uncommented(file.read_text(encoding="utf-8").splitlines(), first)
    if of == "shipped":
        lines = _uncommented(lines, "  # agents:")
    file.write_text("\n".join(lines), encoding="utf-8")
    loaded = load_declaration(file).automation
    assert loaded.drafts is not None
    assert loaded.drafts.signature == "Your care team"
    assert (loaded.drafts.model is not None) == (of == "shipped")
    assert (loaded.agents is not None) == (of == "shipped")
    assert loaded.knowledge is not None


def _uncommented(lines: list[str], first: str) -> list[str]:
    """From the line `first` to the next empty one."""
    start = lines.index(first)
    end = next(n for n in range(start, len(lines)) if not lines[n].strip())
    return [*lines[:start], *(line.replace("# ", "", 1) for line in lines[start:end]), *lines[end:]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("drafts: {templates: {en: {openings: {laptop: Hi.}}}}", "no queue is called `laptop`"),
        ("drafts: {model: {url: http://x/v1, name: m, daily_budget: 3}}", "price_in"),
        ("drafts: {model: {url: http://x/v1, name: m, key: sk-123}}", "key"),
    ],
)
def test_what_is_wrong_with_drafts_is_said_by_line(tmp_path: Path, wrong: str, said: str) -> None:
    file = tmp_path / "defs.yaml"
    (tmp_path / "policy.rego").write_text((TEMPLATES / "policy.rego").read_text(encoding="utf-8"), encoding="utf-8")
    knowledge = DRAFTS[: DRAFTS.index("  drafts:")]
    file.write_text(f"{DECLARATION}{knowledge}  {wrong}\n", encoding="utf-8")
    with pytest.raises(DeclarationError, match=said):
        load_declaration(file)
    file.write_text(f"{DECLARATION}  drafts: {{}}\n", encoding="utf-8")
    with pytest.raises(DeclarationError, match="declare `knowledge:` too"):
        load_declaration(file)


def ask(*arguments: str):
    return json.loads(said(*arguments))


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout
