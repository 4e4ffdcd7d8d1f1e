"""The sandbox's world as files: tickets as Parquet and as CSV, and what the CRM knows of each customer."""

import csv
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measuring import timed
from benchmarks.workspace import HISTORY_DAYS, NEW_DAYS, UNTIL, Workspace
from sandbox.generate import Chunk, generate, write_file
from sandbox.salesforce.ids import record_id
from sandbox.world.customers import PLANS, Facts
from sandbox.world.queues import SEGMENTS
from sandbox.world.spec import WorldSpec
from sandbox.world.world import World

if TYPE_CHECKING:
    from _csv import Writer


def run(workspace: Workspace) -> dict[str, Any]:
    spec = WorldSpec(
        seed=workspace.seed,
        tickets=workspace.new,
        new_days=float(NEW_DAYS),
        history=workspace.history,
        history_days=float(HISTORY_DAYS),
    )
    until = int(UNTIL.timestamp())
    with timed() as watch, workspace.tickets_csv.open("w", encoding="utf-8", newline="") as lines:
        chunks = _copied(generate(spec, until=until), csv.writer(lines))
        rows = write_file(chunks, workspace.tickets_parquet)
        customers = _customers(World(spec), workspace)
    return {**watch.figures(rows), "customers": customers}


def _copied(chunks: Iterable[Chunk], writer: "Writer") -> Iterator[Chunk]:
    """The same chunks, with their rows written as CSV on the way."""
    for number, chunk in enumerate(chunks):
        if number == 0:
            writer.writerow(chunk.columns)
        writer.writerows(zip(*chunk.columns.values(), strict=True))
        yield chunk


def _customers(world: World, workspace: Workspace) -> int:
    """One row a version of a customer: what was true at first, and after the one change that some have had."""
    customers = world.customers
    everyone = np.arange(len(customers))
    changed = everyone[customers.changed_at < 0]
    names = ("customer_id", "updated_at", "plan", "segment", "autopay", "tenure_months", "monthly_spend", "churn_risk")
    with workspace.customers_csv.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(names)
        writer.writerows(_versions(everyone, customers.before, customers.modified_at))
        writer.writerows(_versions(changed, customers.after, customers.changed_at))
    return len(everyone) + len(changed)


def _versions(who: Any, facts: Facts, since: Any) -> Iterator[tuple[Any, ...]]:
    moments = np.datetime_as_string((np.floor(since[who]) + UNTIL.timestamp()).astype("datetime64[s]"))
    for index, moment in zip(who.tolist(), moments.tolist(), strict=True):
        yield (
            record_id("Account", index + 1),
            f"{moment}Z",
            PLANS[facts.plan[index]],
            SEGMENTS[facts.segment[index]],
            str(bool(facts.autopay[index])).lower(),
            int(facts.tenure[index]),
            float(facts.spend[index]),
            float(facts.churn[index]),
        )
