"""The platform of the play: its own Postgres, lake and Dagster instance, and an automation that is the telecom's but for its dates.

What belongs here: standing it up, running its jobs in this process, and asking its sensors what they would start. What does not: when
each is asked (`play.py`), and any stage's work, which the jobs' assets do.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

from aios_assets import jobs, main_job, naming, partitions
from aios_assets.simulation.world import World
from resources.dagster_resources import ConnectorsResource, DatabaseResource, LakeResource, RegistryResource
from resources.database import Database
from resources.declarations import DECLARATION_FILE, Declared, load_declaration
from resources.deployments import OWN_AUTOMATIONS
from resources.embedded_postgres import EmbeddedPostgres
from resources.lake import Lake
from resources.ledger import Ledger
from resources.registry import Registry

SOURCE, NAME = "customer_escalations", "telecom"
# nothing of a play outlives its Postgres, so that its disk need not be waited for
POSTGRES = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
FRESH_AFTER_DAYS = 30

# What a play declares otherwise than the telecom does; the page names it.
DECLARED: Mapping[str, Any] = {
    # one retraining a week, on the last four weeks: what has changed is in most of what is learnt within a fortnight
    "model": {"training": {"window_days": 28}, "char_ngrams": [3, 4]},
    "schedules": {"train": "0 3 * * 1"},
    # in an ordinary week one automatic decision in sixty is wrong
    "monitoring": {"max_automated_errors": 0.05},
    # a play is about triage: its people decide the same with a reply beside the ticket or without
    "drafts": None,
    # its helpdesk knows every customer's id
    "identity": {"by": []},
}


@dataclass(slots=True)
class Clock:
    """The play's clock: it goes on with the wall's, from wherever it was set last."""

    at: datetime
    _elapsed: Any
    _since: float = field(init=False)

    def __post_init__(self) -> None:
        self._since = self._elapsed()

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self._elapsed() - self._since)

    def set(self, at: datetime) -> None:
        """Never backwards."""
        self.at, self._since = max(at, self.now()), self._elapsed()


@dataclass(slots=True)
class Platform:
    """One automation on a platform of its own."""

    declared: Declared
    database: Database
    lake: Lake
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    resources: Mapping[str, Any]
    _seen: set[str] = field(default_factory=set)

    @property
    def registry(self) -> Registry:
        return Registry(self.database, lake=self.lake, ledger=Ledger(self.database))

    def run(
        self,
        job: str,
        *,
        tags: Mapping[str, str] | None = None,
        only: str | None = None,
        config: Mapping[str, Any] | None = None,
        partition: str | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Run one job of the automation, or `only` one of its assets; the metadata of what it made. Raises StageFailed."""
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags={**naming.run_tags(self.declared), **(tags or {})},
            run_config=dict(config) if config else None,
            partition_key=partition,
            asset_selection=[naming.key(self.declared, only)] if only else None,
            raise_on_error=False,
        )
        if not result.success:
            raise main_job.StageFailed(main_job.failure(job, result))
        return {
            m.asset_key.path[-1]: {k: v.value for k, v in m.metadata.items()}
            for m in (e.step_materialization_data.materialization for e in result.get_asset_materialization_events())
        }

    def job(self, name: str) -> str:
        return naming.job_name(self.declared, name)

    def deliver(self, day: date) -> None:
        """Send what people's verdicts have left in the outbox."""
        self.run(self.job(jobs.SCORE), only="actions", tags=partitions.range_tags(day, day))

    def follow(self, sensor: str) -> list[dict[str, dict[str, Any]]]:
        """Ask a sensor, and run what it starts, each run key once as Dagster does."""
        definition = self.definitions.resolve_sensor_def(naming.job_name(self.declared, f"{sensor}_sensor"))
        only = {name: self.resources[name] for name in definition.required_resource_keys}
        with (
            dg.partition_loading_context(dynamic_partitions_store=self.instance),
            dg.build_sensor_context(instance=self.instance, resources=only, definitions=self.definitions) as context,
        ):
            answer = definition.evaluate_tick(context)
        made = []
        for request in answer.run_requests or []:
            if request.run_key is None or request.run_key not in self._seen:
                self._seen |= {request.run_key} if request.run_key else set()
                made.append(
                    self.run(
                        str(definition.job_name),
                        tags=request.tags,
                        config=request.run_config,
                        partition=request.partition_key,
                    )
                )
        return made


@contextmanager
def standing(world: World, *, home: Path, first_day: date) -> Iterator[Platform]:
    """A platform under `home`, whose sources are the play's world, whatever the environment names otherwise."""
    folder = home / "automations"
    declared = declare(folder / NAME, first_day=first_day)
    with ExitStack() as stack:
        postgres = EmbeddedPostgres(home=home, settings=POSTGRES, tied=True)
        url = postgres.start()
        stack.callback(postgres.stop)
        database = stack.enter_context(Database(url))
        database.migrate()
        stack.enter_context(_environment(_variables(world, home=home, folder=folder, database_url=url)))
        from aios_assets.definitions import build_defs

        instance = stack.enter_context(dg.DagsterInstance.ephemeral())
        _keep_connected(instance)
        resources = _kept(stack, database_url=url, lake_url=str(home / "lake"))
        yield Platform(
            declared=declared,
            database=database,
            lake=Lake(str(home / "lake")),
            definitions=build_defs(folders=[folder], resource_overrides=resources),
            instance=instance,
            resources=resources,
        )


def _keep_connected(instance: dg.DagsterInstance) -> None:
    """Dagster's storage in memory opens its database anew for each event, which is a sixth of a play's time; here it is kept open."""
    for storage in (instance.event_log_storage, instance.run_storage):
        opened = create_engine(
            storage._engine.url,  # type: ignore[attr-defined]  # noqa: SLF001 (there is no other way in)
            poolclass=QueuePool,
            connect_args={"check_same_thread": False},
        )
        storage._engine = opened  # type: ignore[attr-defined]  # noqa: SLF001


def _kept(stack: ExitStack, *, database_url: str, lake_url: str) -> dict[str, Any]:
    """The platform's own resources, opened once for all runs of the play: connections and loaded versions outlive a run."""
    database, lake = DatabaseResource(url=database_url), LakeResource(url=lake_url)
    stack.callback(lambda: database.open().close())
    opened = {
        "database": database,
        "lake": lake,
        "models": RegistryResource(database=database, lake=lake),
        "connectors": ConnectorsResource(database=database),
    }
    return {name: dg.ResourceDefinition.hardcoded_resource(resource) for name, resource in opened.items()}


def declare(folder: Path, *, first_day: date) -> Declared:
    """The telecom's declaration and policy, from `first_day` on and with what a play declares otherwise."""
    own = OWN_AUTOMATIONS / SOURCE
    content = yaml.safe_load((own / DECLARATION_FILE).read_text(encoding="utf-8"))
    attributes = _merged(content["attributes"], {**DECLARED, "name": NAME, "start_date": first_day})
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({**content, "attributes": attributes}, sort_keys=False)
    (folder / DECLARATION_FILE).write_text(text, encoding="utf-8")
    policy = attributes["decisions"]["policy"]
    (folder / policy).write_text((own / policy).read_text(encoding="utf-8"), encoding="utf-8")
    return load_declaration(folder / DECLARATION_FILE)


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **one,
        **{
            name: _merged(one[name], value)
            if isinstance(value, Mapping) and isinstance(one.get(name), Mapping)
            else value
            for name, value in other.items()
        },
    }


def _variables(world: World, *, home: Path, folder: Path, database_url: str) -> dict[str, str]:
    zendesk, salesforce = world.credentials["zendesk"], world.credentials["salesforce"]
    return {
        "AIOS_DEPLOYMENT": "local",
        "AIOS_HOME": str(home),
        "AIOS_DATABASE_URL": database_url,
        "AIOS_LAKE_URL": str(home / "lake"),
        "AIOS_SANDBOX_URL": world.url,
        "AIOS_AUTOMATIONS": str(folder),
        # a helpdesk that somebody has exported is a real one: a play must never write there
        "AIOS_ZENDESK_URL": world.url,
        "AIOS_ZENDESK_EMAIL": zendesk["email"],
        "AIOS_ZENDESK_TOKEN": zendesk["token"],
        "AIOS_SALESFORCE_URL": world.url,
        "AIOS_SALESFORCE_CLIENT_ID": salesforce["client_id"],
        "AIOS_SALESFORCE_CLIENT_SECRET": salesforce["client_secret"],
    }


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def midnight_after(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
