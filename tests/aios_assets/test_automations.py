"""An automation is one folder: adding a second one needs no Python."""

import csv
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from aios_assets.definitions import build_defs
from tests.whole_platform import Platform

DECLARATION = """
type: aios_assets.automation.AutomationComponent
attributes:
  name: {name}
  start_date: 2026-03-01
  sources:
    export:
      connector: file
      provides: tickets
      path: {path}
      id_column: number
      mapping:
        body: {text_column}
        queue: {queue_column}
        status: state
        created_at: opened
        resolved_at: closed
  queues:
    - {{name: {first}}}
    - {{name: {second}}}
  features: {{text: [body]}}
  model:
    min_df: 1
    training: {{until: 2026-03-01, min_rows: 50}}
  decisions: {{tickets: all}}
  monitoring: {{min_rows: 20}}
"""

PHRASES = {
    "laptops": ["the screen of my laptop is broken", "my keyboard lost a key", "the battery swells"],
    "accounts": ["i can't sign in", "please reset my password", "my account is locked"],
    "rooms": ["the projector in room 4 is dark", "room 12 is double booked", "the meeting room is too cold"],
    "parking": ["the gate does not open", "my badge fails at the garage", "somebody stands in my parking lot"],
}


def _export(path: Path, queues: tuple[str, str], text: str, queue: str, *, rows: int = 400) -> Path:
    random = np.random.default_rng(7)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["number", text, queue, "state", "opened", "closed"])
        for number in range(rows):
            chosen = queues[random.integers(2)]
            phrase = PHRASES[chosen][random.integers(3)]
            # the last fifth comes after training.until: it has a day partition and is decided
            month, day = ("02", 1 + number % 28) if number < rows * 4 // 5 else ("03", 1 + number % 3)
            opened = f"2026-{month}-{day:02d}T08:00:00Z"
            writer.writerow(
                [number, f"{phrase}, case {number}", chosen, "solved", opened, opened.replace("08:", "12:")]
            )
    return path


@pytest.mark.slow
def test_two_automations_with_other_names_stand_side_by_side_without_python(
    platform: Platform, tmp_path: Path, policy: str
) -> None:
    helpdesk = _export(tmp_path / "helpdesk.csv", ("laptops", "accounts"), "complaint", "team")
    facilities = _export(tmp_path / "facilities.csv", ("rooms", "parking"), "what", "who")
    first = platform.declare(
        "it_desk",
        DECLARATION.format(
            name="it_desk",
            path=helpdesk,
            text_column="complaint",
            queue_column="team",
            first="laptops",
            second="accounts",
        ),
        policy,
    )
    second = platform.declare(
        "facilities",
        DECLARATION.format(
            name="facilities", path=facilities, text_column="what", queue_column="who", first="rooms", second="parking"
        ),
        policy,
    )

    summaries = [platform.run(first), platform.run(second)]

    for summary in summaries:
        assert (summary["landed"], summary["lost"], summary["duplicated"]) == (400, 0, 0)
        assert summary["scored"] == sum(summary["decisions"].values()) == 80
        assert summary["metrics"]["accuracy"] > 0.95
    keys = platform.definitions().resolve_asset_graph().get_all_asset_keys()
    for name in ("it_desk", "facilities", "customer_escalations"):
        assert dg.AssetKey([name, "decisions"]) in keys
    # a range of days is one run; its picture is kept once and not with each day
    drift = platform.instance.fetch_materializations(dg.AssetKey(["it_desk", "drift"]), limit=100).records
    assert [r.partition_key for r in drift if "psi" in r.asset_materialization.metadata] == ["2026-03-03"]
    assert len(drift) == 3
    assert platform.registry.current(name="it_desk") == platform.registry.current(name="facilities") == 1
    with platform.database.connection() as connection:
        queues = connection.execute("select automation, array_agg(distinct queue) from decisions group by 1").fetchall()
    assert {a: set(q) for a, q in queues} == {"it_desk": {"laptops", "accounts"}, "facilities": {"rooms", "parking"}}


def test_running_the_same_loop_again_lands_decides_and_sends_nothing_twice(
    platform: Platform, tmp_path: Path, policy: str
) -> None:
    export = _export(tmp_path / "helpdesk.csv", ("laptops", "accounts"), "complaint", "team")
    declared = platform.declare(
        "it_desk",
        DECLARATION.format(
            name="it_desk",
            path=export,
            text_column="complaint",
            queue_column="team",
            first="laptops",
            second="accounts",
        ),
        policy,
    )
    platform.run(declared)

    again = platform.run(declared)

    assert (again["landed"], again["scored"], again["lost"], again["duplicated"]) == (0, 0, 0, 0)
    assert again["model"]["version"] == 1  # the same training set is the same version
    with platform.database.connection() as connection:
        assert connection.execute("select count(*) from decisions").fetchone() == (80,)


def test_every_definition_loads_with_no_secret_set() -> None:
    # the fixtures for all tests have taken every AIOS_* variable away
    repository = build_defs(folders=[]).get_repository_def()
    names = {job.name for job in repository.get_all_jobs()}
    assert {
        f"customer_escalations__{j}" for j in ("ingest", "train", "score", "review", "collect", "rollback")
    } <= names
    assert {s.name for s in repository.sensor_defs} >= {"customer_escalations__arrivals_sensor"}
