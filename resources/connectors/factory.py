"""From a declared source to an open connector.

What belongs here: the choice of connector, and the expansion of `${VAR}` at the last moment, so that a declaration loads
with every secret unset. What does not: anything of one vendor.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from aios_core.automation import Automation
from aios_core.declaration.source_base import ApiSource
from aios_core.declaration.sources import FileSource, KafkaSource, SalesforceSource, Source, SqlSource, ZendeskSource
from aios_core.declaration.writing import Writing
from aios_core.traffic.quota import Limit
from resources import deployments
from resources.connectors.base import Connector
from resources.connectors.files.connector import FileConnector
from resources.connectors.http import HURRIED, PATIENT, HttpClient, Patience
from resources.connectors.json_api.auth import opened
from resources.connectors.json_api.connector import JsonApiConnector
from resources.connectors.kafka import KafkaConnector
from resources.connectors.salesforce import SalesforceConnector
from resources.connectors.sql import SqlConnector
from resources.connectors.traffic import LONGEST_WAIT, Quota, SharedTraffic, Traffic
from resources.connectors.zendesk import ZendeskConnector
from resources.connectors.zendesk_quota import ZENDESK
from resources.database import Database

Share = Callable[[str, str, str, Quota], Traffic]


def open_connector(
    source: Source,
    *,
    folder: Path,
    queues: Sequence[str] = (),
    expand: Callable[[str], str],
    start: date | None = None,
    traffic: Share | None = None,
    sleep: Callable[[float], None] = time.sleep,
    hurried: bool = False,
) -> Connector:
    """A connector for `source`; close it after use. `folder` is the automation's own, which relative paths start from.

    `start` is the automation's start_date, used where the source sets no `start_time`; None: from the beginning.
    `traffic` gives what processes share for a vendor, its URL, a credential and its quota; None: this client is alone.
    `hurried`: a person waits, so that each request is tried once, for a few seconds.
    Raises ConfigurationError for a variable that is not set.
    """
    match source:
        case ZendeskSource():
            url, email = expand(source.url), expand(source.email)
            return ZendeskConnector(
                source,
                url=url,
                email=email,
                token=expand(source.token),
                queues=queues,
                start=start,
                traffic=traffic and traffic("zendesk", url, email, ZENDESK),
                sleep=sleep,
                patience=HURRIED if hurried else PATIENT,
            )
        case SalesforceSource():
            url, client_id = expand(source.url), expand(source.client_id)
            return SalesforceConnector(
                source,
                url=url,
                client_id=client_id,
                client_secret=expand(source.client_secret),
                traffic=traffic and traffic("salesforce", url, client_id, Quota()),
            )
        case FileSource():
            options = _filled(source.storage_options, expand)
            return FileConnector(source, pattern=expand(source.path), folder=folder, options=options)
        case SqlSource():
            return SqlConnector(source, url=expand(source.url))
        case KafkaSource():
            settings = {name: expand(value) for name, value in source.settings.items()}
            return KafkaConnector(source, brokers=expand(source.brokers), settings=settings)
        case ApiSource():
            patience = HURRIED if hurried else PATIENT
            return _json_api(source, expand=expand, start=start, share=traffic, sleep=sleep, patience=patience)


@contextmanager
def connected(
    source: Source, *, automation: Automation, folder: Path, database: Database, made: list[SharedTraffic] | None = None
) -> Iterator[Connector]:
    """A source's connector with this database's quotas and breakers, closed in the end; what it shares is put into `made`."""
    connector = open_connector(
        source, folder=folder, queues=automation.queue_names, expand=deployments.expand, traffic=shared(database, made)
    )
    try:
        yield connector
    finally:
        connector.close()


def _json_api(
    source: ApiSource,
    *,
    expand: Callable[[str], str],
    start: date | None,
    share: Share | None,
    sleep: Callable[[float], None],
    patience: Patience,
) -> JsonApiConnector:
    url, name = expand(source.url), str(source.connector)  # type: ignore[attr-defined]  # every kind has one
    auth, credential = opened(source.signs_in, url=url, expand=expand)
    limits = ({"": source.allowed} if source.allowed is not None else {}) | source.allowed_at
    known = {part: Limit(name=part or "all", requests=n, seconds=s) for part, (n, s) in limits.items()}
    quota = Quota(
        counts=lambda _method, path: tuple(limit.name for part, limit in known.items() if part in path),
        known={limit.name: limit for limit in known.values()},
    )
    http = HttpClient(
        name=name,
        base_url=url,
        auth=auth,
        headers={header: expand(value) for header, value in source.says.items()},
        traffic=share and share(name, url, credential, quota),
        sleep=sleep,
        timeout_seconds=patience.timeout_seconds,
        policy=patience.policy,
    )
    writing = None if source.writing is None else _expanded(source.writing, expand)
    return JsonApiConnector(name=name, http=http, listings=source.lists, start=start, source=source, writing=writing)


def _expanded(writing: Writing, expand: Callable[[str], str]) -> Writing:
    """What is written, with the variables in it: an author's id, say."""
    return Writing.model_validate(_filled(writing.model_dump(), expand))


def _filled(value: Any, expand: Callable[[str], str]) -> Any:
    """The same with every `${VAR}` in it expanded, however deep it stands."""
    if isinstance(value, str):
        return expand(value) if "${" in value else value
    if isinstance(value, Mapping):
        return {name: _filled(inner, expand) for name, inner in value.items()}
    return [_filled(inner, expand) for inner in value] if isinstance(value, list | tuple) else value


def shared(database: Database, made: list[SharedTraffic] | None = None, *, longest_wait: float = LONGEST_WAIT) -> Share:
    """Quotas and breakers of this database, for every vendor. What is made is kept in `made`, for who wants to look at it."""

    def share(vendor: str, url: str, credential: str, quota: Quota) -> SharedTraffic:
        # a vendor's windows and pauses are real time, also where a platform plays months in minutes
        traffic = SharedTraffic(
            database,
            vendor=vendor,
            url=url,
            credential=credential,
            quota=quota,
            longest_wait=longest_wait,
            clock=lambda: datetime.now(UTC),
        )
        if made is not None:
            made.append(traffic)
        return traffic

    return share
