"""The Dagster resources: thin shells that open the plain clients of this package for one run.

What belongs here: `dg.ConfigurableResource` classes without logic; this is the only file in `resources/` that imports
Dagster. What does not: anything that the gateway needs too.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

from aios_core.automation import Automation
from aios_core.declaration.sources import Source
from resources.database import Database
from resources.lake import Lake

if TYPE_CHECKING:
    from aios_core.scoring.model import ScoringModel
    from resources.connectors.base import Connector
    from resources.connectors.traffic import SharedTraffic
    from resources.registry import Registry


class DatabaseResource(dg.ConfigurableResource):
    """Postgres: the one system of record for state."""

    url: str

    _opened: Database | None = PrivateAttr(default=None)

    def open(self) -> Database:
        """The connection pool of this process, opened at first use; refuses a schema of another version."""
        if self._opened is None:
            self._opened = Database(self.url)
            self._opened.require_current_schema()
        return self._opened

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 (Dagster's signature)
        if self._opened is not None:
            self._opened.close()
            self._opened = None


class LakeResource(dg.ConfigurableResource):
    """Partitioned Parquet and artifacts, on a local disk or an object store."""

    url: str

    def open(self) -> Lake:
        return Lake(self.url)


class RegistryResource(dg.ConfigurableResource):
    """Model versions and aliases."""

    database: DatabaseResource
    lake: LakeResource

    _opened: "Registry | None" = PrivateAttr(default=None)

    def open(self) -> "Registry":
        from resources.ledger import Ledger
        from resources.registry import Registry

        if self._opened is None:
            database = self.database.open()
            self._opened = Registry(database, lake=self.lake.open(), ledger=Ledger(database))
        return self._opened

    def load(self, *, name: str, version: int) -> "ScoringModel":
        """A version ready to score on the accelerator that the deployment declares."""
        from resources.deployments import deployment

        return self.open().load(name=name, version=version, accelerator=deployment().accelerator)


class ConnectorsResource(dg.ConfigurableResource):
    """Clients of the external systems that an automation declares as sources. Their quotas and breakers are everybody's."""

    database: DatabaseResource

    @contextlib.contextmanager
    def open(
        self, source: Source, *, automation: Automation, folder: Path, made: "list[SharedTraffic] | None" = None
    ) -> Iterator["Connector"]:
        """An open connector; what it shares with others is put into `made`."""
        from resources.connectors.factory import connected

        database = self.database.open()
        with connected(source, automation=automation, folder=folder, database=database, made=made) as connector:
            yield connector
