"""When decisions turn out wrong: the judge, the sensors, the jobs, and what the next tickets meet, all together."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pytest

from aios_assets import champion, jobs, naming
from aios_assets.remedies import verdict
from aios_assets.training import _register
from aios_core.monitoring.evidence import Evidence, ModelQuality, Tally
from aios_core.monitoring.verdict import Remedy
from aios_core.training.export import export
from aios_core.training.files import with_golden
from aios_core.training.fit import fit
from aios_core.training.snapshot import snapshot_from_bytes
from resources.assessments import AssessmentStore
from resources.incidents import IncidentStore
from resources.modes import ModeStore
from resources.monitoring import Incident, MonitorStore
from resources.registry import Registry
from resources.runtime import open_session
from tests.aios_assets import small_desk
from tests.aios_assets.conftest import Desk
from tests.aios_assets.small_desk import MONDAY, TUESDAY, swapped

ROWS = 90  # a day's tickets; the judge asks for 50 settled ones


def plant_version_trained_on_wrong_labels(desk: Desk) -> int:
    """Made, registered and promoted as any other: nothing but its labels is wrong, which no gate can see."""
    automation, registry = desk.declared.automation, desk.platform.registry
    snapshot = registry.get("desk", 1).snapshot_id
    table = snapshot_from_bytes(desk.platform.lake.get(f"desk/training_sets/{snapshot}.parquet"))
    labels = [swapped(label) for label in table.column("label").to_pylist()]
    fitted = fit(
        table.drop_columns(["label"]),
        labels,
        model=automation.model,
        features_spec=automation.features,
        queues=automation.queue_names,
    )
    files = with_golden(export(fitted, automation=automation, snapshot_id=snapshot), table, open_session)
    version = _register(registry, automation, files, snapshot_id=snapshot)
    registry.move(
        name="desk",
        alias="champion",
        version=version,
        actor="a hasty engineer",
        reason="it passed the gate",
        evidence={},
        now=datetime.now(UTC),
    )
    return version


def decide_day(desk: Desk, day: date, *, first: int, rows: int = ROWS) -> None:
    small_desk.arrive(desk.folder, day, rows=rows, first=first)
    desk.platform.execute(desk.declared, jobs.INGEST)
    desk.platform.execute(desk.declared, jobs.SCORE, day)


def outcomes_come(
    desk: Desk, day: date, *, first: int, rows: int = ROWS, agents: small_desk.Agents = small_desk.right
) -> dict[str, Any]:
    """Agents settle the day's tickets, and the judge looks; what it said."""
    small_desk.settle(desk.folder, day, rows=rows, first=first, agents=agents)
    desk.platform.execute(desk.declared, jobs.INGEST)
    desk.platform.execute(desk.declared, jobs.ASSESS)
    return desk.platform.shown(desk.declared, "quality")


def decided(desk: Desk, day: date) -> Counter[tuple[str, str]]:
    """(queue, verdict) of a day's decisions."""
    rows = desk.platform.rows("select queue, verdict, count(*) from decisions where day = %s group by 1, 2", day)
    return Counter({(queue, verdict): n for queue, verdict, n in rows})


def what_for(request: dg.RunRequest) -> str:
    """The run's key without the hour in it, which lets a failed run be tried again later."""
    return (request.run_key or "").rpartition(":")[0]


def incidents(desk: Desk) -> list[Incident]:
    return MonitorStore(desk.platform.database).incidents(automation="desk", open_only=True)


def follow(desk: Desk, sensor: str, job: str) -> dg.RunRequest:
    """The one run a sensor asks for, run."""
    [request], _ = desk.platform.tick(desk.declared, sensor)
    desk.platform.execute(desk.declared, job, config=request.run_config)
    return request


def test_a_version_that_got_worse_is_rolled_back_and_the_next_tickets_are_scored_by_the_last_good_one(
    desk: Desk,
) -> None:
    platform, declared = desk.platform, desk.declared
    bad = plant_version_trained_on_wrong_labels(desk)
    decide_day(desk, MONDAY, first=1000)
    assert platform.rows("select distinct model_version from decisions") == [(bad,)]
    assert platform.tick(declared, "rollback") == ([], "the newest assessment asks for no rollback")

    found = outcomes_come(desk, MONDAY, first=1000)

    assert (found["remedy"], found["settled"]) == ("rollback", ROWS)
    [asked], _ = platform.tick(declared, "rollback")
    [asked_again], _ = platform.tick(declared, "rollback")
    assert what_for(asked) == what_for(asked_again)
    assert platform.tick(declared, "narrow")[0] == []

    platform.execute(declared, jobs.ROLLBACK, config=asked.run_config)

    assert platform.registry.current(name="desk") == 1
    newest = platform.registry.history("desk")[0]
    assert (newest.alias, newest.version, newest.previous_version) == ("champion", 1, bad)
    assert "Version 1 is better than version 2" in newest.reason
    assert newest.evidence["champion"]["version"] == bad
    [incident] = incidents(desk)
    assert (incident.remedy, incident.evidence["from_version"]) == ("rollback", bad)
    assert platform.shown(declared, "champion")["version"] == 1
    assert platform.tick(declared, "rollback")[0] == []

    decide_day(desk, TUESDAY, first=2000)

    assert platform.rows("select distinct model_version from decisions where day = %s", TUESDAY) == [(1,)]
    assert {queue for queue, _ in decided(desk, TUESDAY)} == {"laptops", "accounts", "rooms"}


def test_what_a_rollback_has_proved_wrong_is_not_learnt_again(desk: Desk) -> None:
    """The next training would else learn the same labels, pass the gate on held-back rows that are wrong likewise, and be rolled back."""
    platform, declared = desk.platform, desk.declared
    plant_version_trained_on_wrong_labels(desk)
    decide_day(desk, MONDAY, first=1000)
    outcomes_come(desk, MONDAY, first=1000)
    follow(desk, "rollback", jobs.ROLLBACK)
    small_desk.settle(desk.folder, TUESDAY, rows=60, first=3000, agents=swapped)
    platform.execute(declared, jobs.INGEST)

    platform.execute(declared, jobs.TRAIN)

    shown = platform.shown(declared, "training_set")
    learnt = snapshot_from_bytes(platform.lake.get(shown["path"])).select(["ticket_id", "label"]).to_pylist()
    wrong = {str(n) for n in range(3000, 3060) if swapped(queue := list(small_desk.PHRASES)[n % 3]) != queue}
    assert not wrong & {row["ticket_id"] for row in learnt}
    assert shown["doubted"] == len(wrong) == 40
    assert {str(n) for n in range(3000, 3060)} - wrong <= {row["ticket_id"] for row in learnt}
    assert {str(n) for n in range(1000, 1000 + ROWS)} <= {row["ticket_id"] for row in learnt}


def test_a_rollback_that_runs_twice_moves_once(desk: Desk) -> None:
    platform = desk.platform
    plant_version_trained_on_wrong_labels(desk)
    decide_day(desk, MONDAY, first=1000)
    outcomes_come(desk, MONDAY, first=1000)
    asked = follow(desk, "rollback", jobs.ROLLBACK)
    before = platform.registry.history("desk"), incidents(desk), _champion_events(desk)

    platform.execute(desk.declared, jobs.ROLLBACK, config=asked.run_config)

    assert (platform.registry.history("desk"), incidents(desk), _champion_events(desk)) == before


def _champion_events(desk: Desk) -> int:
    key = naming.key(desk.declared, "champion")
    return len(desk.platform.instance.fetch_materializations(key, limit=100).records)


def test_a_version_that_was_rolled_back_from_is_not_promoted_again_by_training(desk: Desk) -> None:
    platform, declared = desk.platform, desk.declared
    small_desk.settle(desk.folder, MONDAY, rows=60, first=1000)
    platform.execute(declared, jobs.INGEST)
    platform.execute(declared, jobs.TRAIN)
    assert platform.shown(declared, "model_version")["promoted"] is True
    assert platform.registry.current(name="desk") == 2
    by_hand = {"from_version": 2, "reason": "people complain"}
    op = naming.job_name(declared, "move_champion_back")
    platform.execute(declared, jobs.ROLLBACK, config={"ops": {op: {"config": by_hand}}})

    platform.execute(declared, jobs.TRAIN)

    trained = platform.shown(declared, "model_version")
    assert (trained["version"], trained["promoted"]) == (2, False)
    assert "was left" in trained["gate"]
    assert platform.registry.current(name="desk") == 1


def test_where_the_world_changed_queues_are_held_to_review_until_a_new_version_takes_over(desk: Desk) -> None:
    platform, declared = desk.platform, desk.declared
    decide_day(desk, MONDAY, first=1000)
    assert decided(desk, MONDAY)["laptops", "automate"] > 0

    found = outcomes_come(desk, MONDAY, first=1000, agents=swapped)

    assert found["remedy"] == "narrow"
    assert platform.tick(declared, "rollback")[0] == []
    follow(desk, "narrow", jobs.NARROW)
    assert ModeStore(platform.database).current("desk") == {"laptops": "review_only", "accounts": "review_only"}
    assert {i.queue for i in incidents(desk)} == {"laptops", "accounts"}
    assert platform.tick(declared, "narrow")[0] == []

    decide_day(desk, TUESDAY, first=2000)

    verdicts = decided(desk, TUESDAY)
    assert verdicts["rooms", "automate"] > 0
    assert {verdict for queue, verdict in verdicts if queue != "rooms"} == {"review"}

    [asked], _ = platform.tick(declared, "retraining")
    [asked_again], _ = platform.tick(declared, "retraining")
    assert what_for(asked) == what_for(asked_again)

    # far more of the new world than of the old: what is learnt is what holds now
    small_desk.settle(desk.folder, TUESDAY, rows=500, first=3000, agents=swapped)
    platform.execute(declared, jobs.INGEST)
    platform.execute(declared, jobs.TRAIN)

    assert platform.shown(declared, "model_version")["promoted"] is True
    assert platform.registry.current(name="desk") == 2
    assert set(ModeStore(platform.database).current("desk").values()) == {"normal"}
    assert incidents(desk) == []
    assert platform.tick(declared, "retraining")[0] == []


class Killed(Exception):
    """Stands for the end of a process at this place."""


def killed(*_: Any, **__: Any) -> None:
    raise Killed


def test_a_rollback_killed_on_either_side_of_its_move_is_one_rollback_and_what_was_decided_is_made_good(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, declared = desk.platform, desk.declared
    bad = plant_version_trained_on_wrong_labels(desk)
    decide_day(desk, MONDAY, first=1000)
    platform.execute(declared, jobs.ASSESS)
    seen = AssessmentStore(platform.database).newest(automation="desk")
    assert seen is not None
    # no outcome is known: both versions are estimated on the same tickets
    assert seen.evidence.champion_estimate is not None
    assert seen.evidence.last_good_estimate is not None
    assert (seen.evidence.champion_estimate.rows, seen.evidence.last_good_estimate.rows) == (ROWS, ROWS)
    assert seen.evidence.champion_failures.decisions == ROWS
    outcomes_come(desk, MONDAY, first=1000, rows=60)
    [asked], _ = platform.tick(declared, "rollback")
    assert asked.tags.get("dagster/priority") == "10"
    assert "aios/automation" not in asked.tags  # else it would wait for the automation's other runs

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "rollback", killed)
        platform.execute(declared, jobs.ROLLBACK, config=asked.run_config, succeeds=False)
    assert platform.registry.current(name="desk") == bad
    [again], _ = platform.tick(declared, "rollback")  # no cooldown: nothing was rolled back yet
    with monkeypatch.context() as patch:
        patch.setattr(champion, "report", killed)
        platform.execute(declared, jobs.ROLLBACK, config=again.run_config, succeeds=False)
    assert platform.registry.current(name="desk") == 1
    platform.execute(declared, jobs.ROLLBACK, config=again.run_config)

    assert platform.shown(declared, "champion")["version"] == 1
    assert (
        len([m for m in platform.registry.history("desk") if m.alias == "champion" and m.previous_version == bad]) == 1
    )
    [incident] = incidents(desk)
    assert (
        MonitorStore(platform.database).rollbacks_since(automation="desk", since=datetime(2000, 1, 1, tzinfo=UTC)) == 1
    )

    [asked], _ = platform.tick(declared, "repair")
    platform.execute(declared, jobs.REPAIR, config=asked.run_config)

    story = IncidentStore(platform.database).story(incident.incident_id)
    assert story.repair is not None
    # agents have settled sixty; of the thirty that are open, the bad version acted wrongly on these
    [(wrong,)] = platform.rows(
        "select count(*) from decisions where model_version = %s and ticket_id::int >= 1060 and verdict <> 'review'"
        " and queue <> 'rooms'",
        bad,
    )
    assert wrong >= 10
    fates = story.repair.fates
    assert (fates["settled"], fates.get("corrected", 0) + fates.get("review", 0), fates["unchanged"]) == (
        60,
        wrong,
        30 - wrong,
    )
    assert platform.rows(
        "select count(*) from corrections c join decisions d on d.decision_id = c.corrected_by where d.model_version <> 1"
    ) == [(0,)]
    assert platform.tick(declared, "repair") == ([], "no rollback leaves anything to make good")


def judged(desk: Desk, evidence: Evidence, at: datetime) -> None:
    found = verdict(desk.declared, evidence, now=at)
    AssessmentStore(desk.platform.database).save(automation="desk", evidence=evidence, remedy=found, now=at)


def test_what_a_person_has_lifted_is_not_held_again_by_what_they_have_seen(desk: Desk) -> None:
    platform, declared, now = desk.platform, desk.declared, datetime.now(UTC)
    unfit = Evidence(champion=ModelQuality(version=1, overall=Tally(rows=200, correct=90)))
    judged(desk, unfit, now)
    [asked], _ = platform.tick(declared, "narrow")
    platform.execute(declared, jobs.NARROW, config=asked.run_config)
    [incident] = incidents(desk)

    IncidentStore(platform.database).close(
        incident.incident_id, actor="person:ada", why="the import was broken", now=datetime.now(UTC)
    )

    assert ModeStore(platform.database).current("desk") == {"*": "normal"}
    assert platform.tick(declared, "narrow")[0] == []
    judged(desk, unfit, datetime.now(UTC))
    assert len(platform.tick(declared, "narrow")[0]) == 1


def test_the_policy_has_a_say_in_a_remedy(desk: Desk) -> None:
    better = Evidence(
        champion=ModelQuality(version=2, overall=Tally(rows=200, correct=170)),
        last_good=ModelQuality(version=1, overall=Tally(rows=200, correct=190)),
        last_good_only=20,
    )
    now = datetime.now(UTC)
    assert verdict(desk.declared, better, now=now).kind == "rollback"
    freeze = 'remedy := {"remedy": "narrow", "rule": "freeze"} if input.remedy == "rollback"'
    vetoed = verdict(replace(desk.declared, policy_text=f"{desk.declared.policy_text}\n{freeze}\n"), better, now=now)
    assert (vetoed.kind, vetoed.queues) == ("narrow", ("*",))
    broken = verdict(replace(desk.declared, policy_text="nonsense"), better, now=now)
    assert isinstance(broken, Remedy)
    assert (broken.kind, "no usable answer" in broken.reason) == ("rollback", True)
