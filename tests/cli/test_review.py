"""`aios review`: batches that somebody asks for, over decisions in Postgres and shadow scores in the lake."""

import json
from datetime import UTC, datetime

import pyarrow as pa

from aios_core.scoring.schema import SCORE_SCHEMA
from cli import context
from resources.database import Database
from resources.deployments import deployment
from resources.lake import Lake
from resources.reviews import ReviewStore
from resources.stages import SHADOW_SCORES
from tests.cli.conftest import Aios
from tests.review_world import Wanted, automation, record

NAME = "customer_escalations"
OF = ("--automation", NAME)
ASK = ("review", "batch", "--from", "disagreement", *OF)


def decided(database: Database, *, now: datetime) -> None:
    """Five tickets that were automated into `billing`."""
    wanted = [Wanted(ticket_id=f"T{i}", p=0.97, day=now.date()) for i in range(5)]
    record(database, wanted, of=automation(name=NAME), now=now)


def shadow_says(queues: dict[str, str], *, now: datetime) -> None:
    rows = [
        dict.fromkeys(SCORE_SCHEMA.names) | {"source": "helpdesk", "ticket_id": ticket, "queue": queue}
        for ticket, queue in queues.items()
    ]
    Lake(deployment().lake_url).write_partition(
        pa.Table.from_pylist(rows, schema=SCORE_SCHEMA), automation=NAME, dataset=SHADOW_SCORES, day=now.date()
    )


def test_disagreement_takes_the_tickets_to_which_the_shadow_gives_another_queue(aios: Aios, database: Database) -> None:
    now = datetime.now(UTC)
    decided(database, now=now)
    shadow_says({"T0": "billing", "T1": "fraud", "T3": "outage", "gone": "fraud"}, now=now)
    done = aios(*ASK, "--json")
    assert done.exit_code == 0, done.output
    (made,) = json.loads(done.stdout)
    assert (made["waiting"], made["state"], "two models" in made["reason"]) == (2, "open", True)
    cases = ReviewStore(database).cases(automation=NAME, batch=made["batch"])
    assert {c.ticket_id for c in cases} == {"T1", "T3"}
    again = aios(*ASK)
    assert (again.exit_code, made["batch"] in again.stdout) == (0, True)
    assert context.automation(NAME).automation.review.schedule in again.stderr
    assert ReviewStore(database).batch(automation=NAME, batch=made["batch"]).waiting == 2


def test_where_no_version_ran_in_shadow_there_is_nothing_to_compare(aios: Aios, database: Database) -> None:
    decided(database, now=datetime.now(UTC))
    assert "nothing to look at" in aios(*ASK).stdout
    assert ReviewStore(database).batches(automation=NAME) == []
