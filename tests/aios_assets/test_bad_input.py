"""Bad input, missing models and killed runs: what is wrong stops there and says so, the rest goes on, nothing is lost."""

import csv
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aios_assets import jobs
from aios_assets.main_job import StageFailed
from resources.declarations import Declared, load_declaration
from resources.modes import ModeStore
from resources.quarantine import QuarantineStore
from resources.reconciliation import Reconciliation
from tests.aios_assets import small_desk
from tests.aios_assets.conftest import Desk
from tests.aios_assets.small_desk import BEFORE, COLUMNS, DECLARATION, MONDAY, START, TUESDAY
from tests.conftest import PROJECT
from tests.whole_platform import Platform


def spoil(file: Path, rows: int) -> None:
    """Give the first rows a creation that is no time."""
    lines = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(r | ({"opened": "yesterday"} if n < rows else {}) for n, r in enumerate(lines))


def verdicts(platform: Platform) -> dict[tuple[str, int], int]:
    """(verdict, model version) -> standing decisions: the newest of each ticket."""
    rows = platform.rows(
        "select verdict, model_version from (select distinct on (ticket_id) * from decisions"
        " order by ticket_id, decided_at desc) d"
    )
    return dict(Counter(rows))


# --- batches


def test_a_batch_with_too_many_bad_records_stops_before_anything_is_decided(desk: Desk) -> None:
    platform, declared = desk.platform, desk.declared
    spoil(small_desk.arrive(desk.folder, MONDAY, rows=30, first=1000), rows=12)

    with pytest.raises(StageFailed, match="quality"):
        platform.run(declared)

    assert platform.rows("select count(*) from decisions") == [(0,)]
    assert platform.shown(declared, "features") == {}
    assert "12 of 30" in _why_blocked(desk)
    assert platform.rows("select count(*), min(code) from quarantine") == [(12, "record.bad_time")]


def test_what_follows_a_blocked_batch_waits_until_its_records_are_worked_off(desk: Desk) -> None:
    platform, declared = desk.platform, desk.declared
    spoil(small_desk.arrive(desk.folder, START, rows=30, first=500), rows=6)
    platform.execute(declared, jobs.INGEST)  # within the limit: these may stay open for ever
    platform.execute(declared, jobs.SCORE, START)
    spoil(small_desk.arrive(desk.folder, MONDAY, rows=30, first=1000), rows=12)
    platform.execute(declared, jobs.INGEST, succeeds=False)
    requests, why = platform.tick(declared, "arrivals")
    assert requests == []
    assert "12 of 30" in why

    platform.execute(declared, jobs.INGEST, succeeds=False)  # nothing new was read, and nothing got better
    assert platform.tick(declared, "arrivals")[0] == []

    store = QuarantineStore(platform.database)
    of_the_batch = [entry for entry in store.list("desk") if int(entry.external_id) >= 1000]
    for entry in of_the_batch[:3]:
        store.drop(entry.quarantine_id)
    platform.execute(declared, jobs.INGEST, succeeds=False)  # nine of thirty are still too many
    for entry in of_the_batch[3:]:
        store.drop(entry.quarantine_id)
    platform.execute(declared, jobs.INGEST)
    [request], _ = platform.tick(declared, "arrivals")
    assert request.run_key.startswith(f"score:{MONDAY}:{MONDAY}")


def test_a_few_bad_records_are_set_aside_and_the_rest_goes_on(desk: Desk) -> None:
    spoil(small_desk.arrive(desk.folder, MONDAY, rows=30, first=1000), rows=3)

    summary = desk.platform.run(desk.declared)

    assert (summary["landed"], summary["quarantined"], summary["canonical"]) == (30, 3, 27)
    assert sum(summary["decisions"].values()) == 27
    assert (summary["lost"], summary["duplicated"]) == (0, 0)


def test_one_bad_record_that_comes_alone_blocks_nothing(desk: Desk) -> None:
    spoil(small_desk.arrive(desk.folder, MONDAY, rows=1, first=1000), rows=1)
    desk.platform.execute(desk.declared, jobs.INGEST)


def _why_blocked(desk: Desk) -> str:
    requests, why = desk.platform.tick(desk.declared, "arrivals")
    assert requests == []
    return why or ""


# --- files


def test_empty_files_land_nothing_and_stop_nothing(desk: Desk) -> None:
    (desk.folder / "inbox" / "empty.csv").write_bytes(b"")
    (desk.folder / "inbox" / "header.csv").write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    small_desk.arrive(desk.folder, MONDAY, rows=9, first=1000)

    summary = desk.platform.run(desk.declared)

    assert (summary["landed"], sum(summary["decisions"].values()), summary["lost"]) == (9, 9, 0)


def test_a_file_that_breaks_off_is_named_and_the_others_are_decided(desk: Desk) -> None:
    (desk.folder / "inbox" / "broken.csv.gz").write_bytes(b"\x1f\x8b\x08\x00 not really gzip")
    small_desk.arrive(desk.folder, MONDAY, rows=9, first=1000)
    text = (desk.folder / "defs.yaml").read_text(encoding="utf-8")
    declared = _declared_anew(desk, text.replace("inbox/*.csv", "inbox/*"))

    summary = desk.platform.run(declared)

    assert (summary["landed"], sum(summary["decisions"].values()), summary["lost"]) == (9, 9, 0)
    assert "broken.csv.gz" in desk.platform.shown(declared, "export_landing")["problem"]


def _declared_anew(desk: Desk, text: str) -> Declared:
    (desk.folder / "defs.yaml").write_text(text, encoding="utf-8")
    return load_declaration(desk.folder / "defs.yaml")


# --- labels


def test_a_label_that_training_never_saw_counts_as_an_error_and_is_learnt_next_time(desk: Desk) -> None:
    platform = desk.platform
    text = (desk.folder / "defs.yaml").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.strip().startswith("queues:")]
    declared = _declared_anew(desk, "\n".join(kept))
    small_desk.arrive(desk.folder, MONDAY, rows=90, first=1000)
    platform.run(declared)

    small_desk.settle(
        desk.folder, MONDAY, rows=90, first=1000, agents=lambda queue: "gardens" if queue == "rooms" else queue
    )
    platform.execute(declared, jobs.INGEST)
    platform.execute(declared, jobs.ASSESS)

    assert platform.shown(declared, "quality")["settled"] == 90
    assert platform.shown(declared, "quality")["accuracy"] == pytest.approx(2 / 3, abs=0.05)
    platform.execute(declared, jobs.TRAIN)
    newest = platform.registry.versions("desk")[0]
    assert "gardens" in newest.classes


def test_a_label_that_is_no_declared_queue_is_set_aside(desk: Desk) -> None:
    platform = desk.platform
    small_desk.settle(
        desk.folder,
        MONDAY,
        rows=30,
        first=1000,
        agents=lambda queue: "gardens" if queue == "rooms" else queue,
    )
    platform.execute(desk.declared, jobs.INGEST, succeeds=False)  # ten of thirty are too many
    assert QuarantineStore(platform.database).counts("desk") == {"check.queue_declared": 10}
    assert platform.rows("select count(*) from outcomes where queue = 'gardens'") == [(0,)]


# --- time


CRM = """    crm:
      connector: file
      provides: customers
      path: crm/*.csv
      mapping: {customer_id: id, plan: plan, known_at: known}
"""


def test_a_customer_fact_from_the_future_reaches_neither_features_nor_training(untrained: Desk, policy: str) -> None:
    platform, folder = untrained.platform, untrained.folder
    text = DECLARATION.replace(
        "        resolved_at: closed\n", "        resolved_at: closed\n        customer_id: number\n" + CRM
    ).replace("{text: [body]}", "{text: [body], customer: [{name: plan, kind: categorical}]}")
    declared = _declared_anew(untrained, text)
    (folder / "crm").mkdir()
    known, planted = f"{BEFORE}T00:00:00Z", f"{START}T00:00:00Z"
    for day, first in ((BEFORE, 0), (MONDAY, 1000)):
        small_desk.settle(folder, day, rows=6, first=first)
    small_desk.arrive(folder, MONDAY, rows=6, first=1000)
    numbers = [*range(6), *range(1000, 1006)]
    _customers(folder / "crm" / "1.csv", numbers, "basic", known)
    # of tickets that came before START; and for Monday's, a day after
    _customers(folder / "crm" / "2.csv", range(6), "leak", planted)
    _customers(folder / "crm" / "3.csv", range(1000, 1006), "leak", f"{TUESDAY}T00:00:00Z")

    platform.execute(declared, jobs.INGEST)
    platform.execute(declared, jobs.SCORE, MONDAY)
    platform.execute(declared, jobs.TRAIN, succeeds=False)  # twelve rows are too few to fit

    assert platform.rows("select count(*) from customers where attributes ->> 'plan' = 'leak'") == [(12,)]
    features = platform.lake.read_partition(automation="desk", dataset="features", day=MONDAY)
    assert features.column("crm_plan").to_pylist() == ["basic"] * 6
    assert platform.shown(declared, "training_set")["rows"] == 12
    from aios_core.training.snapshot import snapshot_from_bytes

    learnt = snapshot_from_bytes(platform.lake.get(platform.shown(declared, "training_set")["path"]))
    assert learnt.column("crm_plan").to_pylist() == ["basic"] * 12


def _customers(file: Path, numbers, plan: str, known: str) -> None:
    lines = ["id,plan,known", *(f"{n},{plan},{known}" for n in numbers)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


# --- no model


def test_without_a_model_people_decide_until_there_is_one(untrained: Desk) -> None:
    platform, declared = untrained.platform, untrained.declared
    small_desk.arrive(untrained.folder, MONDAY, rows=30, first=1000)
    platform.execute(declared, jobs.INGEST)
    platform.execute(declared, jobs.SCORE, MONDAY)
    assert verdicts(platform) == {("review", 0): 30}
    assert platform.rows("select distinct rule from decisions") == [("no_model",)]
    assert platform.tick(declared, "arrivals") == ([], "every known ticket is decided")
    # one is decided by a person before the model comes: that stays
    platform.rows(
        "update review_cases set state = 'decided', verdict_queue = 'rooms', verdict = 'correct', decided_by = 'ana',"
        " decided_at = now() where ticket_id = '1000' returning case_id"
    )

    small_desk.settle(untrained.folder, BEFORE, rows=150, first=0)
    platform.execute(declared, jobs.INGEST)
    platform.execute(declared, jobs.TRAIN)
    [request], _ = platform.tick(declared, "arrivals")
    assert request.run_key.startswith(f"score:{MONDAY}:{MONDAY}")
    platform.execute(declared, jobs.SCORE, MONDAY)

    assert sum(count for (_, version), count in verdicts(platform).items() if version == 1) == 29
    assert platform.tick(declared, "arrivals") == ([], "every known ticket is decided")
    assert platform.rows("select count(*) from review_cases where state = 'waiting' and queue = 'unknown'") == [(0,)]
    assert platform.rows("select state, verdict_queue from review_cases where ticket_id = '1000'") == [
        ("decided", "rooms")
    ]


def test_what_a_person_has_decided_is_not_asked_again_when_a_newer_model_decides_its_day(desk: Desk) -> None:
    platform, declared = desk.platform, desk.declared
    # everything to people, so that each decision asks for a case
    ModeStore(platform.database).set(
        automation="desk", mode="review_only", reason="to see cases", actor="test", now=datetime.now(UTC)
    )
    small_desk.arrive(desk.folder, MONDAY, rows=30, first=1000)
    platform.execute(declared, jobs.INGEST)
    platform.execute(declared, jobs.SCORE, MONDAY)
    platform.rows(
        "update review_cases set state = 'decided', verdict_queue = 'rooms', verdict = 'corrected', decided_by = 'ana',"
        " decided_at = now() where ticket_id = '1000' returning case_id"
    )
    small_desk.settle(desk.folder, START, rows=60, first=2000)
    platform.execute(declared, jobs.INGEST)
    platform.execute(declared, jobs.TRAIN)
    assert platform.registry.current(name="desk") == 2

    platform.execute(declared, jobs.SCORE, MONDAY)
    assert verdicts(platform)[("review", 1)] == 30  # scored by the new version, and nothing decided anew

    platform.execute(declared, jobs.SCORE, MONDAY, config={"ops": {"desk__decisions": {"config": {"again": True}}}})

    assert verdicts(platform) == {("review", 2): 30}
    assert platform.rows("select state, verdict_queue from review_cases where ticket_id = '1000'") == [
        ("decided", "rooms")
    ]
    # the others wait once, for the newer decision
    assert platform.rows(
        "select d.model_version, c.state, count(*) from review_cases c join decisions d using (decision_id)"
        " where c.ticket_id <> '1000' group by 1, 2"
    ) == [(2, "waiting", 29)]


def test_without_a_model_tickets_go_where_the_declaration_says(untrained: Desk) -> None:
    platform = untrained.platform
    declared = _declared_anew(
        untrained, DECLARATION.replace("{audit_share: 0}", "{audit_share: 0, fallback_queue: rooms}")
    )
    small_desk.arrive(untrained.folder, MONDAY, rows=9, first=1000)
    platform.execute(declared, jobs.INGEST)
    platform.execute(declared, jobs.SCORE, MONDAY)
    assert platform.rows("select verdict, queue, count(*) from decisions group by 1, 2") == [("fallback", "rooms", 9)]


# --- kills

# 20 decisions a transaction, so that there is a middle to be killed in
RUNNING = textwrap.dedent("""
    import sys
    from datetime import date
    from pathlib import Path

    import dagster as dg

    from aios_assets import decisions, naming, partitions
    from aios_assets.definitions import build_defs
    from resources.declarations import load_declaration

    folder, *steps = sys.argv[1:]
    decisions.ROWS_AT_ONCE = 20
    declared = load_declaration(Path(folder) / "desk" / "defs.yaml")
    definitions = build_defs(folders=[Path(folder)])
    with dg.DagsterInstance.ephemeral() as instance:
        for step in steps:
            job, _, day = step.partition(":")
            tags = partitions.range_tags(date.fromisoformat(day), date.fromisoformat(day)) if day else {}
            definitions.resolve_job_def(naming.job_name(declared, job)).execute_in_process(instance=instance, tags=tags)
""")


@pytest.mark.slow
def test_runs_killed_while_landing_and_while_deciding_lose_nothing_and_double_nothing(desk: Desk) -> None:
    platform, declared = desk.platform, desk.declared
    rows, a_file = 1200, 20
    for first in range(1000, 1000 + rows, a_file):
        small_desk.arrive(desk.folder, MONDAY, rows=a_file, first=first)

    def landed() -> int:
        return platform.rows("select count(*) from landing_records where external_id::int >= 1000")[0][0]

    def decided() -> int:
        return platform.rows("select count(*) from decisions")[0][0]

    _killed_once(lambda: landed() > 0, platform, jobs.INGEST)
    assert 0 < landed() < rows
    platform.execute(declared, jobs.INGEST)
    assert landed() == rows
    _killed_once(lambda: decided() > 0, platform, f"{jobs.SCORE}:{MONDAY}")
    assert 0 < decided() < rows
    platform.execute(declared, jobs.SCORE, MONDAY)

    assert decided() == rows
    assert platform.rows("select count(distinct ticket_id) from decisions") == [(rows,)]
    balance = Reconciliation(platform.database).of(automation="desk")
    assert (balance.lost, balance.duplicated) == (0, 0)
    # each decision that asks for a person has its case, entered with it
    assert platform.rows(
        "select count(*) from decisions d full join review_cases c on c.decision_id = d.decision_id"
        " where (d.verdict = 'review') <> (c.case_id is not null)"
    ) == [(0,)]


def _killed_once(begun: Callable[[], bool], platform: Platform, *steps: str) -> None:
    """Run the steps in a process of their own, and kill it in the moment that they have begun."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNING, str(platform.folder), *steps],
        cwd=PROJECT,
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    give_up = time.monotonic() + 60
    try:
        while not begun():
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < give_up, "the run did not begin"
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
