"""The canary's share: sticky, monotone, accurate, and not the audit slice."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.decisions.model import in_audit_slice
from aios_core.lifecycle.routing import in_canary, route, version_for

TICKETS = [f"T-{n}" for n in range(20_000)]
text = st.text(max_size=30)
share = st.floats(min_value=0, max_value=1)


@settings(deadline=None)
@given(automation=text, ticket=text, share=share)
def test_the_answer_is_always_the_same_and_the_whole_and_none_are_exact(automation, ticket, share):
    assert in_canary(automation, ticket, share) == in_canary(automation, ticket, share)
    assert in_canary(automation, ticket, 1.0)
    assert not in_canary(automation, ticket, 0.0)


@settings(deadline=None)
@given(automation=text, ticket=text, shares=st.tuples(share, share))
def test_whoever_is_in_stays_in_when_the_share_grows(automation, ticket, shares):
    small, large = sorted(shares)
    assert not in_canary(automation, ticket, small) or in_canary(automation, ticket, large)


def test_the_share_is_what_was_declared_and_differs_by_automation():
    for wanted in (0.01, 0.1, 0.5):
        found = sum(in_canary("care", t, wanted) for t in TICKETS) / len(TICKETS)
        assert abs(found - wanted) < 4 * (wanted * (1 - wanted) / len(TICKETS)) ** 0.5
    both = sum(in_canary("care", t, 0.1) and in_canary("billing", t, 0.1) for t in TICKETS)
    assert 100 < both < 300


def test_the_canary_is_independent_of_the_audit_slice():
    canary = [in_canary("care", t, 0.1) for t in TICKETS]
    audit = [in_audit_slice("care", t, 0.1) for t in TICKETS]
    both = sum(a and b for a, b in zip(canary, audit, strict=True))
    assert abs(both / len(TICKETS) - 0.01) < 0.003


@settings(deadline=None)
@given(
    tickets=st.lists(text, max_size=50),
    champion=st.none() | st.integers(1, 5),
    canary=st.none() | st.integers(1, 5),
    share=share,
)
def test_many_tickets_are_routed_like_each_alone(tickets, champion, canary, share):
    found = route("care", tickets, champion=champion, canary=canary, share=share)
    assert found == [version_for(t, automation="care", champion=champion, canary=canary, share=share) for t in tickets]
    assert set(found) <= {champion, canary}


def test_without_a_canary_the_champion_decides_and_without_either_nobody_does():
    assert route("care", ["a", "b"], champion=3, canary=None, share=1.0) == [3, 3]
    assert route("care", ["a"], champion=None, canary=None, share=0.5) == [None]
    assert route("care", ["a", "b"], champion=None, canary=4, share=1.0) == [4, 4]
