"""A marked ticket through the full path, on a whole platform over a sandbox's HTTP: it comes back, and no statistic has seen it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from aios_assets import jobs
from aios_core.synthetic import MARK, namespace
from resources import clock
from resources.canonical import CanonicalStore
from resources.declarations import Declared
from resources.settled import SettledStore
from tests.whole_platform import Platform

PROJECT = Path(__file__).resolve().parents[2]
AUTH = ("agent@example.com/token", "sandbox-token")
QUEUES = [
    *("billing", "outage", "roaming", "porting", "device"),
    *("cancellation", "fraud", "complaint", "activation", "plan_change"),
]
TODAY = datetime.now(UTC).date()
BODY = "My bill is wrong: I was charged twice on my invoice this month, please refund the payment to my account."


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    """The URL of a small helpdesk whose clock stands."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--frozen-clock", "--no-recent-guard", "--tickets", "30",
               "--history", "250", "--history-days", "8", "--new-days", "1"]  # fmt: skip
    child = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    yield json.loads(child.stdout.readline())["url"]
    child.kill()
    child.communicate()


@pytest.fixture
def care(platform: Platform, policy: str, sandbox: str) -> Declared:
    """An automation over it that sends a marked ticket every five minutes."""
    groups = "".join(f'\n            "{4001 + n}": {name}' for n, name in enumerate(QUEUES))
    declared = f"""
type: aios_assets.automation.AutomationComponent
attributes:
  name: care
  start_date: {TODAY - timedelta(days=1)}
  sources:
    helpdesk:
      connector: zendesk
      url: {sandbox}
      email: agent@example.com
      token: sandbox-token
      mapping:
        queue:
          field: group_id
          values:{groups}
  queues: [{", ".join(f"{{name: {q}}}" for q in QUEUES)}]
  model:
    char_ngrams: null
    min_df: 1
    training: {{min_rows: 50, min_macro_f1: 0}}
  decisions: {{automate: 0.2, draft: 0.1, audit_share: 0.5}}
  actions: {{source: helpdesk}}
  monitoring: {{min_rows: 20}}
  synthetic: {{every_minutes: 5, body: "{BODY}", queue: billing}}
"""
    return platform.declare("care", declared, policy)


def helpdesk(sandbox: str, ticket_id: str) -> httpx.Response:
    return httpx.get(f"{sandbox}/api/v2/tickets/{ticket_id}.json", auth=AUTH, timeout=20)


def statistics(platform: Platform) -> dict[str, Any]:
    """What anything that counts, trains or judges would find of the automation."""
    store, database = CanonicalStore(platform.database), platform.database
    until = datetime.now(UTC) + timedelta(days=2)
    first = TODAY - timedelta(days=3)
    tables = ("outcomes", "decisions", "review_cases", "outbox", "monitor_days", "estimates")
    counts = {t: platform.rows(f"select count(*) from {t} where automation = 'care'")[0][0] for t in tables}
    datasets = {
        (d, day): platform.lake.rows_of(automation="care", dataset=d, day=day)
        for d in ("features", "scores")
        for day in (TODAY - timedelta(days=n) for n in range(4))
        if platform.lake.has_partition(automation="care", dataset=d, day=day)
    }
    return {
        **counts,
        # versions come and go: what we write to a ticket comes back as one
        "tickets": platform.rows("select count(distinct ticket_id) from tickets where automation = 'care'"),
        "lake": datasets,
        "training": store.tickets_labelled(
            automation="care", known_before=until, window_days=60, limit=10_000
        ).num_rows,
        "settled": len(SettledStore(database).rows(automation="care", first=first, last=TODAY, until=until)),
        "promise": platform.rows("select day, promise from estimates where automation = 'care' order by 1"),
        "drift": platform.rows("select day, rows, sketch from monitor_days where automation = 'care' order by 1"),
    }


def test_a_marked_ticket_comes_back_as_decided_is_removed_and_leaves_every_statistic_as_it_was(
    platform: Platform, care: Declared, sandbox: str
) -> None:
    for job in (jobs.INGEST, jobs.TRAIN):
        platform.execute(care, job)
    days = (TODAY - timedelta(days=1), TODAY)
    platform.execute(care, jobs.SCORE, *days)
    platform.execute(care, jobs.MONITOR, *days)
    before = statistics(platform)
    assert before["decisions"] > 10
    assert before["review_cases"] > 0

    platform.execute(care, jobs.SYNTHETIC)  # a marked ticket is made
    [(ticket_id,)] = platform.rows("select ticket_id from probes where automation = 'care'")
    assert helpdesk(sandbox, ticket_id).json()["ticket"]["tags"] == [MARK]

    platform.execute(care, jobs.INGEST)  # from here on the ordinary jobs, nothing else
    [request], _ = platform.tick(care, "arrivals")
    assert request.tags["dagster/asset_partition_range_end"] <= str(TODAY)
    platform.execute(care, jobs.SCORE, *days)
    assert MARK in helpdesk(sandbox, ticket_id).json()["ticket"]["tags"]
    assert "aios" in helpdesk(sandbox, ticket_id).json()["ticket"]["tags"]
    assert platform.tick(care, "arrivals")[0] == []

    later = datetime.now(UTC) + timedelta(minutes=5)
    with clock.running_on(lambda: later):
        result = platform.execute(care, jobs.SYNTHETIC)
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, check.description) == (True, "it came back as expected")
    shown = platform.rows(
        "select state, verdict, queue, landed_at, decided_at, sent_at, seen_at, removed_at from probes where ticket_id = %s",
        ticket_id,
    )
    assert shown[0][:3] == ("passed", "automate", "billing")
    assert all(moment is not None for moment in shown[0][3:])
    assert helpdesk(sandbox, ticket_id).status_code == 404

    platform.execute(care, jobs.INGEST)  # its deletion arrives too
    platform.execute(care, jobs.MONITOR, *days)
    after = statistics(platform)
    assert after == before
    marked = platform.rows("select distinct automation from decisions where ticket_id = %s", ticket_id)
    assert marked == [(namespace("care"),)]
    assert platform.rows("select 1 from review_cases where automation = %s", namespace("care")) == []


def test_a_probe_that_nobody_decides_is_late_and_the_check_fails_with_the_station(
    platform: Platform, care: Declared
) -> None:
    platform.execute(care, jobs.SYNTHETIC)
    with clock.running_on(lambda: datetime.now(UTC) + timedelta(minutes=20)):
        result = platform.execute(care, jobs.SYNTHETIC)
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert "not ingested" in check.description
    assert platform.rows("select state, removed_at is not null from probes order by asked_at limit 1") == [
        ("late", True)
    ]
