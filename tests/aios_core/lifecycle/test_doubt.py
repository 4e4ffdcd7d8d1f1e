"""Labels that a rollback has put in doubt are not learnt again, and nothing else is left out."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aios_core.lifecycle.doubt import Doubt, Label, disproved, doubted
from aios_core.monitoring.evidence import Disagreement, evidence_of

MONDAY = datetime(2026, 11, 16, 9, tzinfo=UTC)
DOUBT = Doubt(pairs=frozenset({("outage", "billing")}), until=MONDAY + timedelta(days=7))


def label(queue="outage", said="billing", *, day=0, reviewed=False):
    return Label(queue=queue, known_at=MONDAY + timedelta(days=day), reviewed=reviewed, said=said)


def test_a_label_that_the_proven_version_contradicts_is_in_doubt():
    # a right one beside each wrong one, so that no batch is doubted as a whole
    rows = [label(), label(said="outage"), label("billing", "billing")]
    assert doubted(rows, DOUBT) == [True, False, False]


def test_most_of_a_days_labels_of_a_queue_in_doubt_put_all_of_them_in_doubt_but_what_is_confirmed():
    batch = [label(), label(), label(), label(said="fraud"), label(said="outage")]
    rows = [*batch, label(said="fraud", day=1), label("fraud", "billing")]
    assert doubted(rows, DOUBT) == [True, True, True, True, False, False, False]


def test_what_a_reviewer_says_is_never_in_doubt():
    assert doubted([label(reviewed=True), label(), label()], DOUBT) == [False, True, True]


def test_what_is_settled_anew_later_counts_again():
    assert doubted([label(day=6), label(day=7)], DOUBT) == [True, False]


def test_without_a_proof_nothing_is_in_doubt():
    assert not any(doubted([label(), label()], Doubt(pairs=frozenset(), until=DOUBT.until)))


def test_a_pair_of_queues_is_blamed_where_the_outcomes_prove_the_last_good_version_right():
    proven = Disagreement(champion="outage", last_good="billing", champion_right=1, last_good_right=9)
    chance = Disagreement(champion="fraud", last_good="billing", champion_right=2, last_good_right=4)
    few = Disagreement(champion="fraud", last_good="outage", champion_right=0, last_good_right=2)
    worse = Disagreement(champion="billing", last_good="fraud", champion_right=9, last_good_right=0)
    assert disproved([proven, chance, few, worse]) == {("outage", "billing")}


def test_disagreements_count_tickets_on_which_one_of_the_two_was_right():
    labels = ["billing", "billing", "outage", "fraud", "billing"]
    champion = ["outage", "outage", "outage", "outage", "billing"]
    last_good = ["billing", "billing", "billing", "billing", "billing"]
    found = evidence_of(labels, champion=(2, champion), last_good=(1, last_good)).disagreements
    assert found == (Disagreement(champion="outage", last_good="billing", champion_right=1, last_good_right=2),)


ROWS = st.lists(
    st.builds(
        label,
        st.sampled_from(["billing", "outage"]),
        st.sampled_from(["billing", "outage", None]),
        day=st.integers(0, 9),
        reviewed=st.booleans(),
    )
)


@given(rows=ROWS, order=st.randoms())
def test_the_order_of_labels_makes_no_difference(rows, order):
    shuffled = list(enumerate(rows))
    order.shuffle(shuffled)
    found = doubted([row for _, row in shuffled], DOUBT)
    assert [in_doubt for _, in_doubt in sorted(zip((n for n, _ in shuffled), found, strict=True))] == doubted(
        rows, DOUBT
    )


@given(rows=ROWS)
def test_only_labels_of_a_blamed_queue_that_are_open_to_doubt_are_ever_left_out(rows):
    for row, in_doubt in zip(rows, doubted(rows, DOUBT), strict=True):
        assert not in_doubt or (row.queue == "outage" and not row.reviewed and row.known_at < DOUBT.until)
