"""`aios agent …`: what an agent did on a case, whether it plays again, and a trial that records nothing.

What belongs here: the commands. What does not: running and replaying (`resources/agents/`).
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import context, output

if TYPE_CHECKING:
    from aios_core.agents.proposal import Proposal
    from aios_core.agents.transcript import Event, Transcript

app = typer.Typer(no_args_is_help=True)

Of = Annotated[str, typer.Argument(metavar="DECISION|TICKET", help="A decision's id, or a ticket's: its newest run.")]


@app.command()
def show(of: Of, json: output.AsJson = False) -> None:
    """The whole run: every answer of the model, every call with the policy's word, what it cost, and what followed.

    Texts are as the model saw them, with placeholders for what names a person; the proposal is in the customer's own words.

    aios agent show 35017
    """
    from resources.agents.cases import readable
    from resources.agents.store import AgentStore

    with context.database() as database:
        stored = AgentStore(database).get(of)
    if json:
        output.as_json(readable(stored))
        return
    output.say(f"decision {stored.decision_id}, {stored.made_at:%Y-%m-%d %H:%M} UTC, {stored.model}")
    _print(stored.transcript, stored.proposal)
    output.say(f"\n{stored.outcome} ({stored.why}): {stored.sentence}")
    if not stored.intact:
        output.note("this transcript is not the one that was recorded: its hash differs from the row's")


@app.command()
def replay(of: Of, json: output.AsJson = False) -> None:
    """Play a run again from its transcript and compare: the same proposal must come out, byte for byte. No model is asked.

    Exits with 1 where it does not. A newer version of the agent library may word its messages differently; the transcript names its own.

    aios agent replay 3f0c9a…
    """
    from resources.agents.cases import replay_stored

    with context.database() as database:
        stored, played = replay_stored(database, of)
    same = played.same_proposal and stored.intact
    if json:
        output.as_json(
            {
                "decision_id": stored.decision_id,
                "same": same,
                "same_transcript": played.same_transcript,
                "intact": stored.intact,
                "ending": played.ending.code,
                "recorded_ending": played.recorded.code,
                "proposal": played.proposal.decode(),
                "library": played.library,
                "recorded_library": stored.transcript.terms.library,
            }
        )
    else:
        output.say("the same proposal, byte for byte" if same else "the proposal is NOT the recorded one")
        output.say(f"ending: {played.ending.code} (recorded: {played.recorded.code}) {played.ending.message}".rstrip())
        if not played.same_transcript:
            output.note(f"other events than recorded; {stored.transcript.terms.library} then, {played.library} now")
        if not stored.intact:
            output.note("this transcript is not the one that was recorded: its hash differs from the row's")
    if not same:
        raise typer.Exit(1)


@app.command("try")
def try_(
    ticket: Annotated[str, typer.Option(help="A decided ticket's id.")],
    automation: Annotated[str | None, typer.Option(help="The automation; default: the only one there is.")] = None,
    json: output.AsJson = False,
) -> None:
    """Run an agent on a ticket's newest decision and record nothing. The model is asked, and costs what it costs.

    It runs whatever the policy's `agent_may` says of the case, and tells what that is. Every call is asked of the policy all the same.

    aios agent try --automation customer_escalations --ticket 35017
    """
    from aios_core.agents.proposal import proposal_record, restored
    from aios_core.agents.transcript import transcript_bytes
    from aios_core.decisions.model import UnknownDecision
    from resources.agents.cases import AgentWorker
    from resources.agents.store import Candidate, restorer
    from resources.decisions import DecisionStore
    from resources.deployments import deployment
    from resources.knowledge_index import KnowledgeSearch
    from resources.lake import Lake

    declared = context.automation(automation)
    with context.database() as database:
        found = DecisionStore(database).for_ticket(declared.automation.name, ticket)
        if not found:
            raise UnknownDecision(f"{declared.automation.name} has decided on no ticket {ticket}")
        worker = AgentWorker(declared, database=database, search=KnowledgeSearch(database, Lake(deployment().lake_url)))
        decision = found[0]
        may = worker.may(
            Candidate(decision_id=decision.decision_id, verdict=decision.verdict, record=bytes(decision.record))
        )
        try:
            worker.ready()
            worked = worker.work(decision.decision_id, now=context.now())
        finally:
            worker.close()
    if worked is None:
        raise UnknownDecision(f"ticket {ticket} of decision {decision.decision_id} is gone")
    made = worked.transcript
    proposal = None if made.proposal is None else restored(made.proposal, restorer(worked.masked))
    findings = [] if worked.written is None else list(worked.written.verification.findings)
    if json:
        output.as_json(
            {
                "decision_id": decision.decision_id,
                "agent_may": may,
                "outcome": worked.outcome.kind if not findings else "review",
                "why": worked.outcome.why if not findings else "draft.refused",
                "proposal": None if proposal is None else proposal_record(proposal),
                "findings": [{"sentence": f.sentence, "code": f.code, "message": f.message} for f in findings],
                "transcript": _loaded(transcript_bytes(made)),
            }
        )
        return
    _print(made, proposal)
    for finding in findings:
        output.say(f"refused: {finding.message} ({finding.code})")
    output.say(f"\n{'review' if findings else worked.outcome.kind}: {worked.outcome.sentence}")
    output.note(
        f"the policy says that an agent {'may' if may else 'may not'} look into this case; nothing was recorded"
    )


def _loaded(content: bytes) -> Any:
    import json

    return json.loads(content)


def _print(made: "Transcript", proposal: "Proposal | None") -> None:
    output.table(
        [_row(n, e) for n, e in enumerate(made.events, 1)],
        columns=("no", "what", "said", "policy", "tokens", "seconds"),
        empty="nothing happened",
    )
    limits, spent = made.terms.limits, made.spent
    output.say(
        f"spent: {spent.steps} of {limits.steps} steps, {spent.calls} of {limits.calls} calls, {spent.tokens} of {limits.tokens} tokens,"
        f" {spent.seconds:.1f} of {limits.seconds:g} s, {spent.money:.6f}"
    )
    output.say(f"ended: {made.ending.code} {made.ending.message}".rstrip())
    if proposal is not None:
        output.say(f"proposes: {', '.join(proposal.actions) or 'nothing'}, queue {proposal.queue or 'as it is'}")
        output.say(f"because: {proposal.reason}")
        for line in proposal.reply:
            output.say(f"  {line.text} {''.join(f'[{n}]' for n in line.passages)}".rstrip())


def _row(number: int, event: "Event") -> dict[str, Any]:
    from aios_core.agents.transcript import ToolUse

    if isinstance(event, ToolUse):
        word = f"{'allowed' if event.allowed else 'refused'} ({event.rule})"
        return {"no": number, "what": event.tool, "said": event.result[:160], "policy": word, "seconds": event.seconds}
    said = "; ".join(f"{p.tool}({p.text[:120]})" if p.kind == "call" else p.text[:120] for p in event.parts)
    return {
        "no": number,
        "what": "answer" if event.error is None else event.error,
        "said": said or event.message,
        "tokens": event.tokens_in + event.tokens_out,
        "seconds": event.seconds,
    }
