"""`aios draft …`: replies made of articles, with what backs each sentence.

What belongs here: the commands. What does not: writing and verifying (`resources/drafting.py`).
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import context, output

if TYPE_CHECKING:
    from aios_core.drafting.model import Draft, Verification

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(
    of: Annotated[str, typer.Argument(metavar="TICKET|DECISION", help="A ticket's or a decision's id.")],
    automation: Annotated[
        str | None, typer.Option(help="Of this automation, where several have such a ticket.")
    ] = None,
    calls: Annotated[
        bool, typer.Option("--calls", help="With what a language model was sent (masked) and answered.")
    ] = False,
    json: output.AsJson = False,
) -> None:
    """The newest draft for a ticket or decision: sentence by sentence, with sources, findings, drafter, tokens and cost.

    aios draft show 35017
    """
    from resources.drafts import DraftStore
    from resources.llm_calls import ModelCalls

    with context.database() as database:
        stored = DraftStore(database).find(of, automation=automation)
        asked = ModelCalls(database).of(stored.decision_id) if calls else []
    known = ("decision_id", "attempt", "automation", "source", "ticket_id", "created_at", "passed", "answers", "degraded",
             "material_hash", "tokens", "cost")  # fmt: skip
    if json:
        more = {"calls": [dict(call) for call in asked]} if calls else {}
        output.as_json(
            {name: getattr(stored, name) for name in known} | _content(stored.draft, stored.verification) | more
        )
        return
    output.say(f"decision {stored.decision_id}, attempt {stored.attempt}, {stored.created_at:%Y-%m-%d %H:%M} UTC")
    _print(stored.draft, stored.verification)
    for call in asked:
        output.say(f"\nasked {call['model']}, {call['state']}, {call['tokens_in']} + {call['tokens_out']} tokens:")
        for message in call["messages"]:
            output.say(f"[{message['role']}]\n{message['content']}")
        output.say(f"[answer]\n{call['answer'] or call['error']}")


@app.command("try")
def try_(
    text: Annotated[str, typer.Option(help="What a customer wrote.")],
    automation: Annotated[str | None, typer.Option(help="The automation; default: the only one there is.")] = None,
    subject: Annotated[str, typer.Option(help="The ticket's subject.")] = "",
    queue: Annotated[str | None, typer.Option(help="As if it had been sorted into this queue.")] = None,
    language: Annotated[str | None, typer.Option(help="The ticket's language; default: guessed.")] = None,
    fact: Annotated[list[str] | None, typer.Option(help="A fact of the customer, NAME=VALUE; may be repeated.")] = None,
    json: output.AsJson = False,
) -> None:
    """Write and verify a reply to a text, and record no draft. A language model is asked where one is declared, and costs what it costs.

    aios draft try --automation customer_escalations --text "I was charged twice" --fact plan=Gold
    """
    from aios_core.drafting.written import Asked
    from resources.deployments import deployment
    from resources.drafting import DraftWriter
    from resources.knowledge_index import KnowledgeSearch
    from resources.lake import Lake

    facts = _facts(fact or [])
    declared = context.automation(automation)
    with context.database() as database:
        search = KnowledgeSearch(database, Lake(deployment().lake_url))
        writer = DraftWriter(declared, database=database, search=search, progress=output.note)
        asked = Asked(ticket_id="try", subject=subject, body=text, language=language, queue=queue, customer=facts)
        written = writer.write(asked, subject="try", now=context.now())
        writer.close()
    if json:
        output.as_json({"answers": written.answers} | _content(written.draft, written.verification))
        return
    _print(written.draft, written.verification)


def _facts(given: list[str]) -> dict[str, Any]:
    pairs = [one.partition("=") for one in given]
    for name, equals, _ in pairs:
        if not equals or not name.strip():
            raise typer.BadParameter(f"`{name}` is no fact; write NAME=VALUE", param_hint="--fact")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _content(draft: "Draft", verification: "Verification") -> dict[str, Any]:
    from aios_core.drafting.record import draft_record

    return draft_record(draft) | {
        "text": draft.text,
        "verification": {"passed": verification.passed} | asdict(verification),
    }


def _print(draft: "Draft", verification: "Verification") -> None:
    if draft.degraded:
        output.note(f"degraded: {draft.degraded}")
    output.say(draft.text or "no reply")
    output.say("")
    cited = [
        {"no": s.number, "article": str(s.key), "passage": " > ".join(s.headings), "url": s.url} for s in draft.sources
    ]
    output.table(cited, columns=("no", "article", "passage", "url"), empty="nothing is cited")
    for finding in verification.findings:
        where = "the draft" if finding.sentence is None else f"sentence {finding.sentence + 1}"
        output.say(f"refused: {where}: {finding.message} ({finding.code})")
    for check, why in verification.skipped.items():
        output.note(f"not checked: {check}: {why}")
    drafter = draft.drafter
    cost = f", {drafter.tokens_in} + {drafter.tokens_out} tokens, {drafter.cost:.6f}" if drafter.kind == "model" else ""
    verdict = "no reply" if not draft.sentences else "passed" if verification.passed else "refused"
    output.say(
        f"{verdict}: {draft.language}, by {drafter.kind} {drafter.name}{cost}, {len(verification.checks)} checks"
    )
