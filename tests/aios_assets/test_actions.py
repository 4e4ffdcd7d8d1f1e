"""What the asset says of a dry run."""

from types import SimpleNamespace
from typing import Any

from aios_assets.actions import kept_back
from resources.database import Database
from tests.resources.test_dry_run import DRY, kept, people


def test_a_dry_run_shows_what_it_would_have_done_beside_what_people_did(database: Database) -> None:
    kept(database, "1", "billing")
    people(database, "1", "billing", hours=2)
    kept(database, "2", "billing")
    people(database, "2", "outage", hours=2)
    kept(database, "3", "outage")
    declared: Any = SimpleNamespace(automation=DRY)
    opens: Any = SimpleNamespace(open=lambda: database)
    shown = kept_back(declared, opens)
    assert (shown["would_have_moved"], shown["people_did_the_same"], shown["people_did_something_else"]) == (3, 1, 1)
    assert shown["agreement"] == 0.5
    assert "billing" in shown["beside_what_people_did"].md_str
