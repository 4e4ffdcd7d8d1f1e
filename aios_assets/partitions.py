"""The partitions: a day of tickets (UTC, by creation), and a review batch. A ticket is a row, never a partition.

What belongs here: their definitions, and going over the days of a run. What does not: what is done with a day.
"""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from resources.declarations import Declared
from resources.deployments import deployment

# A range of days is scored as one run: 1,000 partitions are 37 s so, and over an hour as runs of their own.
DAYS_AT_ONCE = 31
SHARDS = "score_shards"


def days(declared: Declared) -> dg.DailyPartitionsDefinition:
    """UTC days from the declaration's start_date up to and including today."""
    return dg.DailyPartitionsDefinition(start_date=declared.automation.start_date.isoformat(), end_offset=1)


def review_batches(declared: Declared) -> dg.DynamicPartitionsDefinition:
    return dg.DynamicPartitionsDefinition(name=f"{declared.automation.name}__review_batches")


def range_tags(first: date, last: date) -> dict[str, str]:
    """Run tags that make one run of all days from `first` to `last`, both included."""
    return {ASSET_PARTITION_RANGE_START_TAG: first.isoformat(), ASSET_PARTITION_RANGE_END_TAG: last.isoformat()}


def days_of(context: dg.AssetExecutionContext) -> list[date]:
    """The days of this run, in order."""
    return [date.fromisoformat(k) for k in context.partition_keys]


def months_of(context: dg.AssetExecutionContext) -> Iterator[list[date]]:
    """The days of this run in pieces of at most a month: one query a piece, and memory set by a month of tickets."""
    days = days_of(context)
    for start in range(0, len(days), DAYS_AT_ONCE):
        yield days[start : start + DAYS_AT_ONCE]


def day_after(day: date) -> date:
    return day + timedelta(days=1)


def shards_of_days(declared: Declared) -> dg.MultiPartitionsDefinition | None:
    """Each day in shards, numbered from 1, where the deployment fans a day out; else None."""
    count = deployment().shards_per_day
    if count is None:
        return None
    numbers = [str(number) for number in range(1, count + 1)]
    return dg.MultiPartitionsDefinition({"day": days(declared), "shard": dg.StaticPartitionsDefinition(numbers)})


def shard_deps() -> list[str]:
    """What `scores` waits for in a backfill of both."""
    return [] if deployment().shards_per_day is None else [SHARDS]


def backfill_policy() -> dg.BackfillPolicy:
    """One run over all days; or, where the deployment says so, a run for every few days, side by side."""
    days = deployment().days_per_run
    return dg.BackfillPolicy.single_run() if days is None else dg.BackfillPolicy.multi_run(max_partitions_per_run=days)
