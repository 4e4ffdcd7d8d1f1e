"""What follows from a run: the decision's draft or a person, and never anything bolder than the decision."""

from hypothesis import given
from hypothesis import strategies as st

from aios_core.agents.outcome import outcome_of
from aios_core.agents.proposal import Line, Proposal
from aios_core.agents.transcript import Ending

ENDINGS = (
    "proposed", "steps", "calls", "seconds", "tokens", "money", "model.failed", "model.oversized", "tool.timeout", "forbidden", "failed",
)  # fmt: skip
policies = st.sampled_from(["automate", "draft", "review"]).map(lambda v: {"verdict": v, "rule": "r"}) | st.just(
    {"error": "e"}
)
proposals = st.builds(
    Proposal,
    queue=st.sampled_from([None, "billing", "roaming"]),
    actions=st.sampled_from([(), ("route",), ("reply",), ("route", "reply")]),
    reply=st.just((Line(text="Hello."),)),
    reason=st.just("because"),
    needs_person=st.booleans(),
)


@given(st.sampled_from(["draft", "review"]), st.sampled_from(ENDINGS), st.none() | proposals, policies)
def test_every_run_ends_in_the_decisions_draft_or_with_a_person(
    verdict: str, ending: str, proposal: Proposal | None, policy: dict[str, str]
) -> None:
    outcome = outcome_of(verdict=verdict, queue="billing", ending=Ending(code=ending), proposal=proposal, policy=policy)
    assert outcome.kind in ("draft", "review")
    assert outcome.why
    assert outcome.sentence
    if outcome.kind == "draft":
        assert (verdict, ending) == ("draft", "proposed")
        assert proposal is not None
        assert not proposal.needs_person
        assert proposal.actions == ("reply",)
        assert policy.get("verdict") in ("automate", "draft")


def test_a_reply_within_the_decision_goes_on() -> None:
    proposal = Proposal(queue="billing", actions=("reply",), reply=(Line(text="Hi."),), reason="r", needs_person=False)
    outcome = outcome_of(
        verdict="draft",
        queue="billing",
        ending=Ending(code="proposed"),
        proposal=proposal,
        policy={"verdict": "draft", "rule": "r"},
    )
    assert outcome.kind == "draft"
