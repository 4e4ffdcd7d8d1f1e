"""What follows from a run: the decision's draft, or a person. There is no third thing.

What belongs here: the choice. What does not: recording it (`resources/agents/store.py`).

An agent can make a decision more careful and can give it a better reply. It can't make one bolder: a case that waits for a person goes on
waiting, with the proposal beside it, and a ticket that would be sorted elsewhere goes to a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aios_core.agents.proposal import Proposal
from aios_core.agents.transcript import PROPOSED, Ending
from aios_core.decisions.proposal import CAUTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`draft`: the verified reply goes the way of every draft. `review`: a person decides. `why` is a stable word."""

    kind: Literal["draft", "review"]
    why: str
    sentence: str


def outcome_of(
    *, verdict: str, queue: str | None, ending: Ending, proposal: Proposal | None, policy: Mapping[str, Any]
) -> Outcome:
    """What follows for a decision with this verdict and queue.

    `policy` is what the policy's `decision` says of the proposal as a draft: {"verdict", "rule"}, or {"error"}. Whether the reply stands
    its verification is looked at when the draft is recorded, as for every draft.
    """
    if ending.code != PROPOSED or proposal is None:
        return _person(ending.code, f"the agent came to no proposal: {ending.message or ending.code}")
    if proposal.needs_person:
        return _person("asked", f"the agent asks for a person: {proposal.reason}")
    if verdict != "draft":
        return _person("verdict", f"the verdict is {verdict}; the proposal is shown beside the case")
    if "route" in proposal.actions:
        return _person("route", f"the agent would sort it into {proposal.queue}, and the decision says {queue}")
    if "reply" not in proposal.actions:
        return _person("no_reply", "the agent proposes no reply")
    if "error" in policy:
        return _person("policy_error", f"the policy gave no usable answer: {policy['error']}")
    if CAUTION[policy["verdict"]] > CAUTION["draft"]:
        return _person("policy", f"policy rule `{policy['rule']}` asks for {policy['verdict']}")
    return Outcome(kind="draft", why="verified", sentence="the reply goes the way of every draft")


def _person(why: str, sentence: str) -> Outcome:
    return Outcome(kind="review", why=why, sentence=sentence)
