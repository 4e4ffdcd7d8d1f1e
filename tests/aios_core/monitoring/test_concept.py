"""Concept drift is told from chance, from a model that was always too sure, and from inputs that changed."""

import numpy as np
import pytest

from aios_core.automation import Monitoring
from aios_core.monitoring.concept import concept, label_shares
from aios_core.monitoring.settled import add_settled, settle
from aios_core.monitoring.sketch import sketch
from tests.aios_core.monitoring.settling import (
    SHARES,
    business_ports_elsewhere,
    day,
    reference,
    refunds_are_complaints,
)

LIMITS = Monitoring()
REFERENCE = reference()


def look(rows, *, recent=None, known=REFERENCE, limits=LIMITS):
    settled = settle(known.cuts, rows)
    over = None if recent is None else add_settled([*(settle(known.cuts, other) for other in recent), settled])
    return concept(
        known.cuts,
        settled,
        limits=limits,
        calibration_error=known.calibration_error,
        trained=known.settled,
        recent=over,
    )


def test_while_the_rule_holds_nothing_drifts():
    found = [look(day(seed, 400, settled=0.5)) for seed in range(40)]
    assert [f.reason for f in found if f.drifted is not False] == []


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_rule_is_found_between_the_two_queues_that_it_concerns(seed):
    found = look(day(seed, 500, settled=0.6, rule=refunds_are_complaints))
    assert found.drifted
    assert (found.moved[0].predicted, found.moved[0].label) == ("billing", "complaint")
    assert found.moved[0].seen > 2 * found.moved[0].expected
    assert "billing turned out to be complaint" in found.reason


def test_a_queue_that_the_version_does_not_know_is_named_as_another_and_so_are_the_customers():
    found = look(day(3, 800, rule=business_ports_elsewhere))
    assert ("porting", "(another)") in {(m.predicted, m.label) for m in found.moved}
    assert {("queue", "porting")} <= {(g.column, g.value) for g in found.gaps}


def test_too_few_settled_tickets_give_no_answer_and_say_so():
    found = look(day(1, 100, settled=0.3))
    assert (found.drifted, found.accuracy) == (None, None)
    assert "50 are needed" in found.reason


def test_a_model_that_was_too_sure_from_the_start_is_forgiven_as_much():
    boastful = reference(overconfident=0.3)
    drawn = [day(seed, 600, overconfident=0.3) for seed in range(8)]
    assert not any(look(rows, known=boastful).drifted for rows in drawn)
    assert all(look(rows).drifted for rows in drawn)  # the same days under a version that kept its word


def some_complaints(label, plan, luck):
    return "complaint" if label == "billing" and luck < 0.09 else label


def test_a_small_change_has_to_last_and_a_large_one_does_not():
    small, calm = day(2, 1_500, rule=some_complaints), [day(seed, 1_500) for seed in (11, 12)]
    assert look(small).drifted
    assert not look(small, recent=calm).drifted
    assert look(small, recent=[day(seed, 1_500, rule=some_complaints) for seed in (13, 14)]).drifted
    assert look(day(2, 1_500, rule=refunds_are_complaints), recent=calm).drifted


def labels(rows, *, limits=LIMITS):
    return label_shares(
        REFERENCE.cuts, REFERENCE.labels, settle(REFERENCE.cuts, rows), sketch(REFERENCE.cuts, rows), limits=limits
    )


def test_tickets_without_an_outcome_count_with_their_probabilities():
    """Urgent queues are settled first: by the settled tickets alone every morning would drift."""
    rows = day(4, 4_000)
    known = zip(rows.column("queue").to_pylist(), rows.column("label").to_pylist(), strict=True)
    urgent = [label if queue == "outage" else None for queue, label in known]
    early = rows.set_column(rows.column_names.index("label"), "label", [urgent])
    found = labels(early)
    assert found.levels.categories == ("billing", "outage", "porting", "complaint")
    assert found.current[:4] / found.current.sum() == pytest.approx(SHARES[[0, 2, 3, 1]], abs=0.03)


def test_class_shares_that_moved_are_seen_in_the_labels():
    moved = labels(day(5, 2_000, settled=0.5, shares=np.array([0.1, 0.1, 0.6, 0.2])))
    assert moved.current[1] / moved.current.sum() > 0.5
    assert labels(day(5, 2_000, settled=0.01)) is None
