from aios_core.canonical.details import Details
from resources.database import Database
from resources.ticket_details import ticket_details
from tests.resources.ingesting import advance, automation, land, rows, ticket


def test_details_are_those_of_the_version_that_was_asked_for(database: Database) -> None:
    file = {"file_name": "bill.pdf", "size": 9, "content_url": "https://files.example.com/bill.pdf?token=secret"}
    land(database, ticket(1, assignee_id=7), ticket(1, 2, assignee_id=8, comments=[{"id": 5, "attachments": [file]}]))
    advance(database)
    first, second = (v for (v,) in rows(database, "select version from tickets order by event_time"))
    about = {"source": "helpdesk", "ticket_id": "1"}
    with database.connection() as connection:
        assert ticket_details(connection, automation(), version=first, **about) == Details(assignee="7")
        found = ticket_details(connection, automation(), version=second, **about)
        assert (found.assignee, found.attachments[0].url) == ("8", "https://files.example.com/bill.pdf")
        assert ticket_details(connection, automation(), version="none", **about) == Details()
