"""What the helpdesk says of a ticket beside what triage decides by, attachments' names included: read from the landed payload when somebody looks.

What belongs here: finding the payload. What does not: what it means (`aios_core/canonical/details.py`).
"""

from typing import Any

from psycopg import Connection

from aios_core.automation import Automation
from aios_core.canonical.details import Details, details_of


def ticket_details(
    connection: Connection[Any], automation: Automation, *, source: str, ticket_id: str, version: str
) -> Details:
    """Of one version of a ticket; empty where its payload was erased, or its source is no longer declared."""
    declared = automation.sources.get(source)
    found = connection.execute(_PAYLOAD, (automation.name, source, ticket_id, version)).fetchone()
    if declared is None or found is None or not isinstance(found[0], dict):
        return Details()
    return details_of(declared, found[0])


_PAYLOAD = """
select l.payload from tickets t join landing_records l on l.landing_id = t.landing_id
where t.automation = %s and t.source = %s and t.ticket_id = %s and t.version = %s
"""
