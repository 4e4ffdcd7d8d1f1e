"""A proposal: who chooses, who is left as declared and told why, and what would be written."""

import json

import pytest

from aios_core.automation import Automation, Decisions
from aios_core.decisions.thresholds import Thresholds, resolve
from aios_core.thresholds import page
from aios_core.thresholds.plot import curve_html
from aios_core.thresholds.proposal import Proposal, Settings, read_proposal
from aios_core.thresholds.tickets import ThresholdError
from tests.aios_core.thresholds.making import proposal


@pytest.fixture(scope="module")
def found() -> Proposal:
    return proposal(Settings(max_error=0.05))


def plan(made: Proposal, queue: str):
    return next(p for p in made.queues if p.queue == queue)


def test_each_queue_is_treated_by_what_its_tickets_prove(found: Proposal) -> None:
    billing, fraud, outage = (plan(found, q) for q in ("billing", "fraud", "outage"))
    assert (billing.kind, fraud.kind, outage.kind) == ("own", "own", "kept")
    assert billing.seen.bound <= 0.05
    assert billing.proposed.automate < 0.9
    # a third of fraud is wrong, which is proven: nothing is automated any more
    assert fraud.proposed.automate is None
    assert outage.proposed == outage.now
    told = " ".join(found.notes)
    assert "fraud: nothing is automated" in told
    assert "the shared cut-offs: fewer than the 77 tickets" in told


def test_the_whole_is_the_sum_of_its_queues_and_lies_on_the_curve(found: Proposal) -> None:
    for name in ("cost", "wrong", "reviews", "automated", "tickets"):
        assert sum(getattr(p.load, name) for p in found.queues) == pytest.approx(getattr(found.proposed, name))
        assert getattr(found.curve[found.chosen], name) == getattr(found.proposed, name)
    assert found.proposed.tickets == pytest.approx(100)
    assert found.chosen == found.cheapest


def test_what_would_be_written_is_valid_and_decides_as_proposed(found: Proposal) -> None:
    assert "decisions.automate" not in found.changes
    assert found.changes["decisions.queues.fraud.automate"] == "never"
    assert decided_by(found) == proposed_by(found)


def test_a_queue_that_keeps_its_cut_offs_says_so_where_the_shared_ones_move_away_from_under_it() -> None:
    """Two percent of billing are wrong, which is neither proven nor refuted; fraud and outage, faultless, share new cut-offs."""
    made = proposal(Settings(max_error=0.02), errors=(0.02, 0.0, 0.0), rows=(3_000, 350, 350))
    billing, outage = plan(made, "billing"), plan(made, "outage")
    assert (billing.kind, outage.kind) == ("unproven", "shared")
    assert outage.proposed != outage.now
    assert billing.proposed == billing.now
    assert decided_by(made) == proposed_by(made)
    assert any(path.startswith("decisions.queues.billing") for path in made.changes)


QUEUES = ("billing", "fraud", "outage")


def decided_by(made: Proposal) -> list[tuple[float | None, float | None]]:
    """The cut-offs of each queue once the changes stand in a declaration."""
    content = {"automate": 0.9, "draft": 0.6, "queues": {}}
    for path, value in made.changes.items():
        *_, leaf = path.split(".")
        target = content["queues"].setdefault(path.split(".")[2], {}) if ".queues." in path else content
        target[leaf] = value
    limits = resolve(Decisions.model_validate(content), None)
    return [(limits.of(q).automate, limits.of(q).draft) for q in QUEUES]


def proposed_by(made: Proposal) -> list[tuple[float | None, float | None]]:
    return [(p.proposed.automate, p.proposed.draft) for p in (plan(made, q) for q in QUEUES)]


def test_people_who_can_do_less_get_less_and_it_costs_no_less(found: Proposal) -> None:
    tight = proposal(Settings(max_error=0.05, capacity=found.proposed.reviews / 2))
    assert tight.proposed.reviews <= found.proposed.reviews / 2
    assert tight.proposed.cost >= found.proposed.cost
    none = proposal(Settings(max_error=0.05, capacity=0))
    assert any("are the fewest" in note for note in none.notes) == (none.proposed.reviews > 0)


def test_what_is_not_proven_is_not_changed_either_way() -> None:
    """Half of a percent can't be proven of billing; nor is it proven that it errs more often from 0.99 on."""
    made = proposal(Settings(max_error=0.0006), now=Thresholds(automate=0.99, draft=0.6))
    billing = plan(made, "billing")
    assert billing.kind in ("kept", "unproven")
    assert billing.proposed == billing.now


def test_with_half_of_the_tests_ordering_the_cut_offs_the_other_half_is_what_is_told() -> None:
    whole, half = (proposal(Settings(max_error=0.05), halved=h) for h in (False, True))
    assert plan(half, "billing").seen_now.rows < 0.6 * plan(whole, "billing").seen_now.rows
    assert plan(half, "billing").seen.bound <= 0.05


def test_the_same_question_has_the_same_answer_and_survives_json(found: Proposal) -> None:
    assert proposal(Settings(max_error=0.05)) == found
    assert read_proposal(json.loads(json.dumps(found.as_json()))) == found
    assert proposal(Settings(max_error=0.06)).proposal_id != found.proposal_id
    with pytest.raises(ThresholdError, match="propose again"):
        read_proposal({"format": "aios.thresholds/1"})


@pytest.mark.parametrize(
    "wrong", [{"max_error": 0}, {"max_error": 1.2}, {"confidence": 1.0}, {"days": 0}, {"capacity": -1}]
)
def test_what_can_not_be_asked_is_said(wrong: dict) -> None:
    with pytest.raises(ThresholdError, match="can't be"):
        Settings(**wrong)


def test_the_page_says_what_is_guaranteed_and_what_is_only_estimated(found: Proposal) -> None:
    told = page.guarantee(found)
    assert "90% confidence" in told
    assert "5.0%" in told
    assert "exchangeable" in told
    assert "isotonic" in told
    html = curve_html(found)
    assert html.count("<polyline") == 2
    assert "nan" not in html
    rows = page.plan_rows(found)
    assert [r["queue"] for r in rows] == ["billing", "fraud", "outage", "all"]
    assert set(rows[0]) <= set(page.COLUMNS)


def declared(**decisions) -> Automation:
    from tests.aios_core.decisions.making import automation

    return automation(decisions=decisions)


@pytest.mark.parametrize(
    ("decisions", "says"),
    [
        ({"queues": {"nowhere": {"draft": 0.5}}}, "no queue is called `nowhere`"),
        ({"queues": {"billing": {"automate": 0.5}}}, "strictly above"),
        ({"automate": 0.9, "draft": "never"}, "strictly above"),
        ({"queues": {"billing": {"draft": {"accuracy": 0.99}, "automate": {"accuracy": 0.9}}}}, "strictly above"),
    ],
)
def test_a_declaration_that_can_not_be_meant_is_refused(decisions: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        declared(**decisions)


def test_a_queue_may_say_never_and_one_of_both() -> None:
    made = declared(
        queues={
            "billing": {"automate": "never"},
            "fraud": {"automate": "never", "draft": "never"},
            "outage": {"draft": 0.8},
        }
    )
    limits = resolve(made.decisions, None)
    assert [(limits.of(q).automate, limits.of(q).draft) for q in ("billing", "fraud", "outage", "other")] == [
        (None, 0.6),
        (None, None),
        (0.9, 0.8),
        (0.9, 0.6),
    ]
