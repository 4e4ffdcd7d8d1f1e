"""Synthetic transactions: a marked ticket that goes the whole way, and what is said of it at the end.

What belongs here: the mark, the name under which marked tickets live, and the verdict on one transaction (a probe). What does not:
sending one on its way and reading where it is (`resources/probes.py`).

A marked ticket must be in no statistic. It is not filtered out where statistics are read, which each new reader would have to
know of: from the moment it is canonical it lives in a namespace of its own, `NAME.synthetic`, which is the automation in all but its
name. Nothing that asks for the automation's tickets, scores, decisions, outcomes or cases finds it. No automation can be called so,
as names have no dot.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from aios_core.automation import Automation

MARK = "aios_synthetic"  # the tag on the helpdesk's ticket
SUFFIX = ".synthetic"

State = Literal["open", "passed", "late", "wrong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One transaction as far as it is known to have come; a station that was not reached has no time."""

    probe_id: str
    asked_at: datetime
    ticket_id: str | None = None
    verdict: str | None = None
    queue: str | None = None
    sending: str | None = None  # state of its newest write: pending | sent | dead | superseded | dry_run
    created_at: datetime | None = None
    landed_at: datetime | None = None
    decided_at: datetime | None = None
    sent_at: datetime | None = None
    seen_at: datetime | None = None


def namespace(automation: str) -> str:
    """Where the marked tickets of an automation live."""
    return automation + SUFFIX


def is_synthetic(automation: str) -> bool:
    """Whether this is such a namespace."""
    return automation.endswith(SUFFIX)


def is_marked(tags: Collection[str]) -> bool:
    """Whether a ticket with these tags is a marked one."""
    return MARK in tags


def twin(automation: Automation) -> Automation:
    """The automation under whose name marked tickets are decided: the same model and rules, and no audit slice.

    Nobody should have to look at a marked ticket, and one that went to people by lot would look as if it had lost its way.
    """
    return automation.model_copy(
        update={
            "name": namespace(automation.name),
            "model": automation.model.model_copy(update={"name": automation.model_name}),
            "decisions": automation.decisions.model_copy(update={"audit_share": 0.0}),
        }
    )


def judged(probe: Probe, automation: Automation, *, now: datetime, held_back: bool = False) -> tuple[State, str]:
    """(state, what is wrong) of a probe. `held_back`: the automation, or the queue, is in review only, so nothing is written.

    It has passed once its decision is what is expected and the write that follows was read back from the helpdesk.
    """
    declared = automation.synthetic
    if probe.decided_at is not None:
        if declared.queue is not None and probe.queue != declared.queue:
            return "wrong", f"decided into {probe.queue or 'no queue'}, {declared.queue} was expected"
        if probe.verdict == "review" and held_back:
            return "passed", ""
        if probe.verdict == "review":
            return "wrong", "went to people: no usable model or too little confidence; declare a clearer text"
        if probe.sending in ("dead", "superseded"):
            return "wrong", f"its write to the helpdesk is {probe.sending}: `aios state` tells why"
        if (
            probe.seen_at is not None
            or probe.sending == "dry_run"
            or (probe.sending is None and not _writes(probe, automation))
        ):
            return "passed", ""
    if now - probe.asked_at > timedelta(minutes=declared.within_minutes):
        return "late", f"after {declared.within_minutes:g} minutes it was {_waits_for(probe)}"
    return "open", ""


def _writes(probe: Probe, automation: Automation) -> bool:
    return probe.verdict in ("automate", "fallback") or (probe.verdict == "draft" and automation.actions.note_on_draft)


def _waits_for(probe: Probe) -> str:
    stations = (
        (probe.created_at, "not created: does the helpdesk answer?"),
        (probe.landed_at, "not ingested: does the job `ingest` run?"),
        (probe.decided_at, "not decided: does the job `score` run?"),
        (probe.sent_at, "decided and not written back: does the outbox move?"),
    )
    return next((said for at, said in stations if at is None), "written back and not seen in the helpdesk")
