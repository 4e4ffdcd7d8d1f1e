"""A whole platform inside one test: real Postgres, a lake in a folder, an ephemeral Dagster instance, automations in a folder."""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from aios_assets import main_job, naming, partitions
from aios_assets.definitions import build_defs, resources
from resources.database import Database
from resources.declarations import Declared, load_declaration
from resources.lake import Lake
from resources.ledger import Ledger
from resources.registry import Registry


class Platform:
    """What tests ask of it: run an automation's loop, and look at the state it leaves."""

    def __init__(self, database: Database, lake: Lake, folder: Path, instance: dg.DagsterInstance) -> None:
        self.database, self.lake, self.folder, self.instance = database, lake, folder, instance
        self.registry = Registry(database, lake=lake, ledger=Ledger(database))

    def declare(self, name: str, text: str, policy: str) -> Declared:
        """Write an automation into the folder that AIOS_AUTOMATIONS names."""
        target = self.folder / name
        target.mkdir(parents=True)
        (target / "policy.rego").write_text(policy, encoding="utf-8")
        (target / "defs.yaml").write_text(text, encoding="utf-8")
        return load_declaration(target / "defs.yaml")

    def definitions(self) -> dg.Definitions:
        return build_defs(folders=[self.folder])

    def run(self, declared: Declared, **more: Any) -> dict[str, Any]:
        """The main job of one automation."""
        return main_job.run(
            declared,
            definitions=self.definitions(),
            instance=self.instance,
            database=self.database,
            registry=self.registry,
            **more,
        )

    def execute(
        self, declared: Declared, job: str, *days: date, config: dict[str, Any] | None = None, succeeds: bool = True
    ) -> dg.ExecuteInProcessResult:
        """One job, over all days from the first to the last of those given."""
        tags = naming.run_tags(declared)
        if days:
            tags |= partitions.range_tags(min(days), max(days))
        result = (
            self.definitions()
            .resolve_job_def(naming.job_name(declared, job))
            .execute_in_process(instance=self.instance, tags=tags, run_config=config, raise_on_error=False)
        )
        assert result.success == succeeds, [e.message for e in result.all_events if e.is_failure]
        return result

    def tick(self, declared: Declared, sensor: str) -> tuple[list[dg.RunRequest], str | None]:
        """What a sensor asks for now, and why it skips where it asks for nothing."""
        definitions = self.definitions()
        found = definitions.resolve_sensor_def(naming.job_name(declared, f"{sensor}_sensor"))
        only = {name: resource for name, resource in resources().items() if name in found.required_resource_keys}
        with dg.build_sensor_context(instance=self.instance, resources=only, definitions=definitions) as context:
            answer = found.evaluate_tick(context)
        return list(answer.run_requests or []), answer.skip_message

    def shown(self, declared: Declared, asset: str) -> dict[str, Any]:
        """The metadata of an asset's newest materialization; empty where it has none."""
        event = self.instance.get_latest_materialization_event(naming.key(declared, asset))
        if event is None or event.asset_materialization is None:
            return {}
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.database.connection() as connection:
            return connection.execute(query, parameters).fetchall()
