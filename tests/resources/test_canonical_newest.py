"""The newest canonical rows, as the Dagster UI shows them."""

from resources.canonical import CanonicalStore
from resources.database import Database


def test_the_newest_versions_are_shown_and_an_empty_automation_shows_none(database: Database) -> None:
    store = CanonicalStore(database)
    assert store.newest("customers", automation="care").num_rows == 0
    with database.connection() as connection:
        for number in range(7):
            connection.execute(
                "insert into customers values ('care', 'crm', %s, '1', 'c', now(), now(), '{\"plan\": \"plus\"}', %s)",
                (f"a{number}", number),
            )
    newest = store.newest("customers", automation="care", limit=3)
    assert newest.column("customer_id").to_pylist() == ["a6", "a5", "a4"]
