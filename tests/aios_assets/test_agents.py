"""Agents as an asset of the scoring job, and asked by the command line: a real endpoint, real decisions."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("pydantic_ai", reason="the extra `assistant` is not installed")

from aios_assets import jobs
from cli.main import app
from resources.declarations import load_declaration
from tests.aios_assets import small_desk
from tests.aios_assets.conftest import Desk
from tests.aios_assets.small_desk import DECLARATION, MONDAY
from tests.resources.openai_endpoint import Endpoint, Reply, openai_endpoint

CASES = 3
MAY = """
default agent_may := false

agent_may if input.queue in {"laptops", "accounts", "rooms"}
"""


def declaration(endpoint: Endpoint) -> str:
    return f"""{DECLARATION}
  knowledge:
    sources:
      handbook: {{connector: folder, path: handbook}}
    encoder: null
  drafts:
    on_automate: false
    model: {{url: {endpoint.url}, name: small, price_in: 1, price_out: 1}}
  agents:
    verdicts: [review, draft]
    tools: [search_knowledge, read_ticket]
    per_run: {CASES}
""".replace("decisions: {audit_share: 0}", "decisions: {audit_share: 1}")


def act(request: dict[str, Any]) -> Reply:
    """A model that searches once, and then proposes a person."""
    if any(message["role"] == "tool" for message in request["messages"]):
        return _calls("propose_action", reason="A colleague should look at it.", needs_person=True)
    return _calls("search_knowledge", query="laptop screen broken")


def _calls(tool: str, **arguments: Any) -> Reply:
    call = {"id": "x", "type": "function", "function": {"name": tool, "arguments": json.dumps(arguments)}}
    return Reply(message={"role": "assistant", "content": None, "tool_calls": [call]}, reason="tool_calls")


def test_scoring_lets_agents_look_once_and_the_command_line_shows_tries_and_replays(desk: Desk, monkeypatch) -> None:
    platform = desk.platform
    monkeypatch.setenv("AIOS_AUTOMATIONS", str(platform.folder))
    with openai_endpoint(answer=act) as endpoint:
        desk.declared.file.write_text(declaration(endpoint), encoding="utf-8")
        policy = desk.folder / "policy.rego"
        policy.write_text(policy.read_text(encoding="utf-8") + MAY, encoding="utf-8")
        declared = load_declaration(desk.declared.file)
        (declared.folder / "handbook").mkdir()
        (declared.folder / "handbook" / "screen.md").write_text(
            "# A broken laptop screen\n\nBring the laptop with the broken screen to desk 3.", encoding="utf-8"
        )
        platform.execute(declared, jobs.KNOWLEDGE)
        small_desk.arrive(declared.folder, MONDAY, rows=9, first=1_000)
        platform.execute(declared, jobs.INGEST)

        platform.execute(declared, jobs.SCORE, MONDAY)

        shown = platform.shown(declared, "agents")
        told = {name: shown[name] for name in ("runs", "drafts", "to_people", "steps", "tool_calls", "refused_calls")}
        assert told == {
            "runs": CASES, "drafts": 0, "to_people": CASES, "steps": 2 * CASES, "tool_calls": CASES, "refused_calls": 0,
        }  # fmt: skip
        assert "per_run" in shown["note"]

        with platform.database.connection() as connection:
            ((decision, ticket), *more) = connection.execute(
                "select decision_id, ticket_id from agent_transcripts order by ticket_id"
            ).fetchall()
            assert len(more) == CASES - 1
            waiting = {row[0] for row in connection.execute("select ticket_id from review_cases").fetchall()}
            assert {ticket, *(row[1] for row in more)} <= waiting

        by_decision, by_ticket = (asked("agent", "show", of, "--json") for of in (decision, ticket))
        assert by_decision == by_ticket
        assert (by_decision["intact"], by_decision["why"], by_decision["calls"]) == (True, "asked", 1)
        assert "asks for a person" in said("agent", "show", decision)
        assert asked("agent", "replay", decision, "--json")["same"]

        before = len(endpoint.requests)
        tried = asked("agent", "try", "--automation", "desk", "--ticket", ticket, "--json")
        assert (tried["agent_may"], tried["outcome"], len(endpoint.requests) - before) == (True, "review", 2)
        with platform.database.connection() as connection:
            assert connection.execute("select count(*) from agent_transcripts").fetchone() == (CASES,)

    unknown = CliRunner().invoke(app, ["agent", "show", "nobody"])
    assert (unknown.exit_code, "no agent has looked into" in unknown.stderr) == (1, True)


def said(*words: str) -> str:
    answer = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert answer.exit_code == 0, answer.stderr
    return answer.stdout


def asked(*words: str) -> Any:
    return json.loads(said(*words))
