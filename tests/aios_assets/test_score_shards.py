"""A large day in shards: runs of their own make its scores ahead, and `scores` finds them done."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.automation_tick_evaluation_context import build_run_requests_with_backfill_policies
from dagster._core.definitions.events import AssetKeyPartitionKey

from aios_assets import jobs, naming, partitions, scoring
from resources.chunks import chunks_folder
from tests.aios_assets import small_desk

DAY = small_desk.MONDAY
ROWS = 45


@pytest.fixture
def large(desk, monkeypatch):
    """A day of ten chunks, to be scored in three shards."""
    monkeypatch.setenv("AIOS_SHARDS_PER_DAY", "3")
    monkeypatch.setattr(scoring, "CHUNK_ROWS", 5)
    small_desk.arrive(desk.folder, DAY, rows=ROWS, first=1_000)
    desk.platform.execute(desk.declared, jobs.INGEST)
    return desk


def materialized(desk, name, partition, **tags):
    definitions = desk.platform.definitions()
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=desk.platform.instance,
        asset_selection=[naming.key(desk.declared, name)],
        partition_key=partition,
        tags=naming.run_tags(desk.declared) | tags,
    )
    assert result.success
    return desk.platform.shown(desk.declared, name)


def scores(desk):
    return desk.platform.lake.read_partition(automation="desk", dataset="scores", day=DAY)


def test_shards_in_any_order_make_the_day_and_scores_has_nothing_left_to_do(large):
    materialized(large, "features", str(DAY))
    scored = [
        materialized(large, partitions.SHARDS, dg.MultiPartitionKey({"day": str(DAY), "shard": shard}))["scored_now"]
        for shard in ("2", "3", "1")
    ]
    assert scored == [15, 15, 15]
    assert large.platform.lake.paths(chunks_folder("desk", "scores", DAY)) != []
    told = materialized(large, "scores", str(DAY))
    assert (told["rows"], told["scored_now"]) == (ROWS, 0)
    assert sorted(scores(large).column("ticket_id").to_pylist()) == [str(n) for n in range(1_000, 1_000 + ROWS)]
    assert told["placement"].keys() == {"CPUExecutionProvider"}
    assert sum(map(len, told["nodes"].values())) == sum(told["placement"].values())


def test_a_missing_shard_is_made_by_scores_itself_and_a_small_day_is_left_to_it(large, monkeypatch):
    materialized(large, "features", str(DAY))
    materialized(large, partitions.SHARDS, dg.MultiPartitionKey({"day": str(DAY), "shard": "1"}))
    assert materialized(large, "scores", str(DAY))["scored_now"] == 30
    monkeypatch.setattr(scoring, "CHUNK_ROWS", ROWS)
    told = materialized(large, partitions.SHARDS, dg.MultiPartitionKey({"day": str(DAY), "shard": "1"}))
    assert told["scored_now"] == 0


def test_a_backfill_asks_for_a_run_for_every_day_and_shard(large):
    graph = large.platform.definitions().resolve_asset_graph()
    key = naming.key(large.declared, partitions.SHARDS)
    keys = graph.get(key).partitions_def.get_partition_keys(current_time=datetime.now(UTC))
    wanted = {k for k in keys if k.keys_by_dimension["day"] in (str(DAY), str(DAY + timedelta(days=1)))}
    requests = build_run_requests_with_backfill_policies(
        asset_partitions={AssetKeyPartitionKey(key, k) for k in wanted},
        asset_graph=graph,
        dynamic_partitions_store=dg.DagsterInstance.ephemeral(),
    )
    ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    assert {tuple(request.tags[end] for end in ends) for request in requests} == {(str(k), str(k)) for k in wanted}
    assert len(requests) == 6
    materialized(large, "features", str(DAY))
    told = materialized(large, partitions.SHARDS, None, **dict.fromkeys(ends, f"{DAY}|3"))
    assert told["scored_now"] == 15
    # and `scores` of a day waits for every one of its shards
    mapping = graph.get_partition_mapping(naming.key(large.declared, "scores"), key)
    assert isinstance(mapping, dg.MultiToSingleDimensionPartitionMapping)


def test_without_the_setting_there_are_no_shards(desk, monkeypatch):
    monkeypatch.delenv("AIOS_SHARDS_PER_DAY", raising=False)
    assert not desk.platform.definitions().resolve_asset_graph().has(naming.key(desk.declared, partitions.SHARDS))
