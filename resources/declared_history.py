"""The declarations that decisions were made under, as Postgres keeps them.

What belongs here: reading them back. What does not: writing them, which is part of recording decisions
(`resources/recording.py`), and declarations as files (`resources/declarations.py`).
"""

from typing import Any

from psycopg import Connection
from pydantic import ValidationError

from aios_core.automation import Automation
from aios_core.errors import DeclarationError
from resources.database import Database

# the one that decided last, which after a return to an older version is not the one seen last
_NEWEST = """
select p.version, p.content from declarations p
left join lateral (select max(d.decided_at) as decided_at from decisions d
                   where d.automation = p.automation and d.declaration = p.version) last on true
where p.automation = %s
order by last.decided_at desc nulls last, p.seen_at desc, p.version
limit 1
"""


def declared_as(connection: Connection[Any], version: str) -> Automation | None:
    """The declaration of this version; None where it is not kept, or is of a schema that this code no longer reads."""
    row = connection.execute("select content from declarations where version = %s", (version,)).fetchone()
    try:
        return None if row is None else Automation.model_validate(row[0])
    except ValidationError:
        return None


def newest_declaration(database: Database, automation: str) -> Automation | None:
    """The declaration under which this automation decided last; None where it never did. Raises DeclarationError."""
    with database.connection() as connection:
        row = connection.execute(_NEWEST, (automation,)).fetchone()
    if row is None:
        return None
    version, content = row
    try:
        return Automation.model_validate(content)
    except ValidationError as error:
        raise DeclarationError(
            f"the recorded declaration {version} of {automation} can't be read by this version of the code"
            f" ({error.error_count()} differences in its schema); compare with a file instead: --against"
        ) from error
