"""What the policy is told of an agent: where it may be used at all, and each of its calls.

What belongs here: the facts of the rules `agent_may` and `agent_tool`. What does not: Rego (`resources/policy.py`).

Facts are words and flags, as for decisions: no texts, no ids, no floats. A ticket can't talk to the policy.
"""

from collections.abc import Mapping
from typing import Any

from aios_core.agents.tools import Arguments, CheckOutage
from aios_core.decisions.proposal import Facts


def case_facts(recorded: Mapping[str, Any]) -> Facts:
    """The facts of a decision's record, as its own policy saw them, with the verdict that came of it."""
    return {**recorded["policy"]["input"], "verdict": recorded["verdict"]}


def tool_facts(case: Mapping[str, Any], *, tool: str, arguments: Mapping[str, Any]) -> Facts:
    """`arguments` are classes, never values: whose customer, whose ticket, which service."""
    known = {name: case.get(name) for name in ("automation", "queue", "verdict", "priority", "channel", "language")}
    customer = case.get("customer") or {}
    return {
        **known,
        "tool": tool,
        "segment": customer.get("segment"),
        "customer": dict(customer),
        "flags": dict(case.get("flags") or {}),
        "arguments": dict(arguments),
    }


def proposal_facts(case: Mapping[str, Any], *, queue: str | None) -> Facts:
    """What the rule `decision` is asked before an agent's draft goes on: as for any draft, into the queue that it stands in."""
    flags = {**(case.get("flags") or {}), "agent": True}
    own = {name: value for name, value in case.items() if name != "verdict"}
    return {**own, "queue": queue, "proposed": "draft", "flags": flags}


def argument_classes(arguments: Arguments) -> dict[str, str]:
    """What can be said of arguments without the world."""
    if isinstance(arguments, CheckOutage):
        return {"service": arguments.service or "any"}
    return {}
