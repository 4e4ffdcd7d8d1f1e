"""Real tickets through the shipped examples: files, landing, canonical, labels."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from aios_core.automation import Automation
from resources.canonical import CanonicalStore
from resources.connectors.factory import open_connector
from resources.database import Database
from resources.declarations import load_declaration
from resources.deployments import expand
from resources.landing import LandingStore, pull

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

pytestmark = pytest.mark.data


def ingest(name: str, database: Database, data: Path) -> tuple[Automation, int, int]:
    """The automation, and how many rows landed and became tickets."""
    declared = load_declaration(EXAMPLES / name / "defs.yaml")
    automation = declared.automation
    landed = 0
    for source in automation.sources:
        connector = open_connector(
            automation.sources[source],
            folder=declared.folder,
            queues=automation.queue_names,
            expand=lambda text: expand(text, {"AIOS_DATA": str(data)}),
        )
        pulled = pull(connector, LandingStore(database), automation=automation.name, source=source)
        assert pulled.rejected == 0
        landed += pulled.landed
    progress = CanonicalStore(database).catch_up(automation=automation, sources=automation.sources)
    assert progress.quarantined == 0
    return automation, landed, progress.written


def test_banking77_becomes_labelled_tickets_of_77_queues(database: Database, shared_data: Path) -> None:
    automation, landed, written = ingest("banking77", database, shared_data)
    assert (landed, written) == (13_083, 13_083)
    store = CanonicalStore(database)
    before_test = datetime(2024, 2, 1, tzinfo=UTC)
    table = store.tickets_labelled(automation=automation.name, known_before=before_test, window_days=365, limit=10**6)
    assert table.num_rows == 10_003
    assert len(set(table["label"].to_pylist())) == 77
    assert [count for _, count, _ in store.undecided_days(automation=automation)] == [3_080]


def test_hadoop_issues_keep_sixty_months_of_their_own_time(database: Database, shared_data: Path) -> None:
    automation, landed, written = ingest("hadoop_issues", database, shared_data)
    assert (landed, written) == (2_503, 2_503)
    store = CanonicalStore(database)
    later = datetime(2025, 6, 1, tzinfo=UTC)
    table = store.tickets_labelled(automation=automation.name, known_before=later, window_days=3000, limit=10**6)
    assert 1_700 < table.num_rows < 2_503
    assert set(table["label"].to_pylist()) <= set(automation.queue_names)
    months = {(t.year, t.month) for t in table["created_at"].to_pylist()}
    assert len(months) >= 59
    assert all(k >= c for k, c in zip(table["known_at"].to_pylist(), table["created_at"].to_pylist(), strict=True))
