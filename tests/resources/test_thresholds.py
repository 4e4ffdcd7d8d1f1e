"""Cut-offs proposed on a real model's tickets, tried on recorded decisions, and accepted into a file by a person."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from aios_core.decisions.decide import decide
from aios_core.decisions.model import rules_for
from aios_core.decisions.thresholds import Thresholds
from aios_core.lifecycle.evaluation import keys_of
from aios_core.thresholds.proposal import Settings, read_proposal
from aios_core.thresholds.tickets import ThresholdError
from resources.comparisons import Comparer
from resources.database import Database
from resources.decisions import DecisionStore
from resources.declarations import load_declaration
from resources.ledger import Ledger
from resources.policy import RegoPolicy
from resources.threshold_accept import accept
from resources.threshold_history import recorded
from resources.threshold_replay import replay_history
from resources.thresholds import Proposer, ThresholdStore, UnknownProposal
from tests.resources.gatekeeping import NOW, Triage, triage

ASKED = Settings(max_error=0.2, confidence=0.8, days=400)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Triage:
    """A champion, and decisions on the tickets that it held back, a tenth of them reviewed since."""
    made = triage(database, tmp_path)
    file = made.declared.file
    file.write_text(
        file.read_text().replace("{audit_share: 0}", "{audit_share: 0.1, costs: {wrong_automation: 5}}  # ours")
    )
    made = Triage(load_declaration(file), made.database, made.lake, made.registry)
    made.add()
    made.move(1)
    decide_held_back(made)
    return made


def decide_held_back(desk: Triage) -> None:
    declared, policy = desk.declared, RegoPolicy(desk.declared.policy_text)
    comparer = Comparer(declared, database=desk.database, lake=desk.lake, registry=desk.registry)
    row = desk.registry.get("triage", 1)
    frozen = comparer.frozen(row)
    features = comparer.features_of(row, keys_of(frozen))
    rules = rules_for(declared.automation, policy_revision=policy.revision, model_version=1, manifest=desk.registry.manifest(name="triage", version=1))  # fmt: skip
    scores = frozen.select(["source", "ticket_id", "ticket_version", "probabilities", "queue"])
    made = decide(features, scores, rules=rules, policy=policy.ask, day_of=NOW.date() - timedelta(days=3))
    DecisionStore(desk.database).record(made, automation=declared.automation, policy_text=declared.policy_text, now=NOW)
    labels = dict(zip(keys_of(frozen), frozen.column("label").to_pylist(), strict=True))
    with desk.database.connection() as conn:
        for d in made:
            label = labels[d.source, d.ticket_id, d.ticket_version]
            origin = "review" if d.verdict == "review" else "helpdesk"
            conn.execute(
                "insert into outcomes (automation, source, ticket_id, queue, origin, actor, correlation_id, event_time, known_at)"
                " values ('triage', %s, %s, %s, %s, 'ana', 'c', %s, %s)",
                (d.source, d.ticket_id, label, origin, NOW, NOW),
            )


def proposer(desk: Triage) -> Proposer:
    return Proposer(desk.declared, database=desk.database, lake=desk.lake, registry=desk.registry)


def kept(desk: Triage, asked: Settings = ASKED):
    found = proposer(desk).propose(asked, now=NOW)
    ThresholdStore(desk.database).keep(found, actor="ana", now=NOW)
    return found


def count(desk: Triage, table: str) -> int:
    with desk.database.connection() as conn:
        return conn.execute(f"select count(*) from {table}").fetchone()[0]


def test_a_proposal_is_made_kept_once_and_found_again_and_nothing_moves(desk: Triage) -> None:
    before = desk.declared.file.read_bytes(), count(desk, "decisions"), count(desk, "ledger")
    found = kept(desk)
    assert kept(desk) == found
    assert (desk.declared.file.read_bytes(), count(desk, "decisions"), count(desk, "ledger")) == before
    [stored] = ThresholdStore(desk.database).of("triage")
    assert stored.proposal == found == read_proposal(found.as_json())
    assert stored.accepted_by is None
    assert found.basis.stream_rows == 120
    assert found.proposed.cost <= found.now.cost
    # every queue has too few tickets for a test of its own, so they choose together, and what was tested is below the limit
    assert {plan.kind for plan in found.queues} == {"shared"}
    assert all(0 < plan.seen.bound <= 0.2 for plan in found.queues)
    with pytest.raises(UnknownProposal, match="aios thresholds list"):
        ThresholdStore(desk.database).get("nothing")


def test_a_limit_that_so_few_tickets_cannot_prove_leaves_the_cut_offs_and_says_so(desk: Triage) -> None:
    found = proposer(desk).propose(Settings(max_error=0.01, confidence=0.95, days=400), now=NOW)
    assert {plan.kind for plan in found.queues} == {"kept"}
    assert not found.changes
    assert found.proposed.cost == pytest.approx(found.now.cost)
    assert [plan.load for plan in found.queues] == [plan.load_now for plan in found.queues]
    assert any("the shared cut-offs: fewer than" in note for note in found.notes)
    with pytest.raises(ThresholdError, match="decided nothing"):
        proposer(desk).propose(ASKED, now=NOW + timedelta(days=900))


def test_only_outcomes_that_somebody_looked_at_count_and_the_audit_slice_stands_for_many(desk: Triage) -> None:
    made = recorded(desk.database, "triage", first=date(2020, 1, 1), last=NOW.date())
    assert len(made) == 120
    assert not any(r.trusted for r in made if r.verdict == "automate")
    assert all(r.trusted for r in made if r.verdict == "review")
    drawn = [r for r in made if r.audit and r.rule == "audit" and r.content["band"] == "high"]
    assert drawn
    assert {r.weight for r in drawn} == {10.0}
    assert {r.weight for r in made if r.trusted and not r.audit} == {1.0}


def test_history_decided_again_under_its_own_cut_offs_is_the_same_and_under_others_says_what_differs(
    desk: Triage,
) -> None:
    before = count(desk, "decisions"), count(desk, "ledger")
    automation = desk.declared.automation
    same = replay_history(desk.database, automation, Thresholds(automate=0.9, draft=0.6), days=400, now=NOW)
    assert same.same == same.decisions == 120
    people = replay_history(desk.database, automation, Thresholds(automate=None, draft=None), days=400, now=NOW)
    assert people.whole.reviews_now == 120
    assert people.whole.automated_now == people.whole.wrong_now == 0
    assert sum(people.verdicts.values()) == 120
    one = Thresholds(automate=0.9, draft=0.6, queues={"billing": Thresholds(automate=None, draft=None)})
    billing = replay_history(desk.database, automation, one, days=400, now=NOW)
    assert {q.queue: q.changed > 0 for q in billing.queues} == {"billing": True, "outage": False, "roaming": False}
    assert (count(desk, "decisions"), count(desk, "ledger")) == before


def test_accepting_changes_these_leaves_alone_keeps_comments_and_is_in_the_ledger_once(desk: Triage) -> None:
    found, file = kept(desk), desk.declared.file
    assert found.changes
    before = file.read_text()
    tried = accept(desk.database, desk.declared, found.proposal_id, by="Ana", now=NOW, champion=1, dry_run=True)
    assert tried.patch.startswith("---")
    assert file.read_text() == before
    done = accept(desk.database, desk.declared, found.proposal_id, by="Ana", now=NOW, champion=1)
    assert done.patch == tried.patch
    after = load_declaration(file)
    assert after.automation.version == done.version
    assert "# ours" in file.read_text()
    assert {path.split(".")[0] for path in found.changes} == {"decisions"}
    again = accept(desk.database, after, found.proposal_id, by="Eve", now=NOW, champion=1)
    assert (again.written, again.patch) == (False, "")
    stored = ThresholdStore(desk.database).get(found.proposal_id)
    assert (stored.accepted_by, stored.accepted_at, stored.accepted_as) == ("Ana", NOW, done.version)
    entries = [e for e in Ledger(desk.database).entries() if e.kind == "thresholds"]
    assert [e.subject for e in entries] == [found.proposal_id]
    assert Ledger(desk.database).verify().ok


def test_an_acceptance_that_died_between_file_and_record_is_recorded_by_the_next(desk: Triage) -> None:
    found, file = kept(desk), desk.declared.file
    done = accept(desk.database, desk.declared, found.proposal_id, by="Ana", now=NOW, champion=1)
    with desk.database.connection() as conn:
        conn.execute("update threshold_proposals set accepted_by = null, accepted_at = null, accepted_as = null")
    before = file.read_bytes()
    again = accept(desk.database, load_declaration(file), found.proposal_id, by="Ana", now=NOW, champion=1)
    assert (again.version, again.written, file.read_bytes()) == (done.version, False, before)
    assert ThresholdStore(desk.database).get(found.proposal_id).accepted_by == "Ana"


def test_what_a_proposal_was_not_made_for_is_refused(desk: Triage) -> None:
    found, file = kept(desk), desk.declared.file
    before = file.read_text()
    with pytest.raises(ThresholdError, match="--anyway"):
        accept(desk.database, desk.declared, found.proposal_id, by="Ana", now=NOW, champion=2)
    file.write_text(before.replace("wrong_automation: 5", "wrong_automation: 50"))
    with pytest.raises(ThresholdError, match="propose again"):
        accept(desk.database, load_declaration(file), found.proposal_id, by="Ana", now=NOW, champion=1)
    # somebody saves the file after it was read
    with pytest.raises(ThresholdError, match="changed by somebody"):
        _accept_while_saving(desk, found.proposal_id, before)
    assert ThresholdStore(desk.database).get(found.proposal_id).accepted_by is None
    assert not [e for e in Ledger(desk.database).entries() if e.kind == "thresholds"]


def _accept_while_saving(desk: Triage, proposal_id: str, before: str) -> None:
    from resources.threshold_accept import _write

    _write(desk.declared.file, before, before + "\n", "")
