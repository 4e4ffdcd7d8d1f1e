"""From a declared source to an open connector.

What belongs here: the choice of connector, and the expansion of `${VAR}` at the last moment, so that a declaration loads
with every secret unset. What does not: anything of one vendor.
"""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from aios_core.automation import FileSource, SalesforceSource, Source, ZendeskSource
from resources.connectors.base import Connector
from resources.connectors.files.connector import FileConnector
from resources.connectors.salesforce import SalesforceConnector
from resources.connectors.zendesk import ZendeskConnector


def open_connector(
    source: Source,
    *,
    folder: Path,
    queues: Sequence[str] = (),
    expand: Callable[[str], str],
    start: date | None = None,
) -> Connector:
    """A connector for `source`; close it after use. `folder` is the automation's own, which relative paths start from.

    `start` is the automation's start_date, used where the source sets no `start_time`; None: from the beginning.
    Raises ConfigurationError for a variable that is not set.
    """
    match source:
        case ZendeskSource():
            return ZendeskConnector(
                source,
                url=expand(source.url),
                email=expand(source.email),
                token=expand(source.token),
                queues=queues,
                start=start,
            )
        case SalesforceSource():
            return SalesforceConnector(
                source,
                url=expand(source.url),
                client_id=expand(source.client_id),
                client_secret=expand(source.client_secret),
            )
        case FileSource():
            return FileConnector(source, pattern=expand(source.path), folder=folder)
