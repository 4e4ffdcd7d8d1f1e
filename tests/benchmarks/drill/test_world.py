"""The drill's world: its automation is the shipped one but for what is said, and its truth is what the agents find out."""

from datetime import UTC, datetime
from pathlib import Path

from aios_core.automation import diff
from benchmarks.drill.world import CHANGES, NAME, SETTLING_HOURS, Size, declare, first_new_day, make_world, truths
from benchmarks.workspace import DECLARATION
from resources.declarations import load_declaration
from sandbox.clock import SECOND
from sandbox.helpdesk.store import FIRST_TICKET_ID
from sandbox.service import Sandbox
from sandbox.settings import Settings

NOW = datetime(2026, 11, 20, 12, 34, tzinfo=UTC)
SMALL = Size(history=300, tickets=40)


def test_the_declaration_differs_from_the_shipped_one_only_where_it_says_so(tmp_path: Path) -> None:
    drilled = load_declaration(declare(tmp_path, start=NOW))
    changed = {path for path, _, _ in diff(load_declaration(DECLARATION).automation, drilled.automation)}
    said = {f"{block}.{name}" for block, values in CHANGES.items() for name in values}
    assert changed <= said | {"name", "description", "start_date"}
    assert drilled.automation.name == NAME
    assert drilled.policy_text == load_declaration(DECLARATION).policy_text
    assert drilled.automation.monitoring.cooldown_hours == 0


def test_all_drills_fit_between_the_worlds_clock_and_the_present(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.sqlite"
    spec = make_world(state, size=SMALL, drills=100, now=NOW)
    sandbox = Sandbox(Settings(until=0, state=state))
    clock = datetime.fromtimestamp(sandbox.clock.now() / SECOND, UTC)
    sandbox.close()
    assert (NOW - clock).total_seconds() / 3600 > SETTLING_HOURS + 100
    assert first_new_day(spec, state) <= clock
    assert first_new_day(spec, state).hour == 0


def test_the_truth_is_that_of_the_agents_also_for_tickets_that_came_later(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.sqlite"
    make_world(state, size=SMALL, drills=1, now=NOW)
    sandbox = Sandbox(Settings(until=0, state=state))
    sandbox.advance(2.0, 30)
    sandbox.advance(0.5, 0)
    sandbox.advance(1.0, 25)
    sandbox.advance(24 * 20, 0)
    verdicts = {str(place + FIRST_TICKET_ID): sandbox.helpdesk.group[place] for place in range(len(sandbox.helpdesk))}
    sandbox.close()
    found = truths(state)

    assert len(found) == 300 + 40 + 30 + 25
    later = list(verdicts)[-55:]
    names = _names_of_groups(verdicts, found)
    agreed = [names[verdicts[ticket]] == found[ticket] for ticket in later if verdicts[ticket]]
    assert len(agreed) >= 50
    assert sum(agreed) / len(agreed) >= 0.9  # agents are wrong now and then


def _names_of_groups(verdicts: dict[str, int], truth: dict[str, str]) -> dict[int, str]:
    """The name that each group number has in the shipped declaration's mapping."""
    queue = load_declaration(DECLARATION).automation.sources["helpdesk"].mapping["queue"]
    return {int(number): name for number, name in queue.values.items()}
