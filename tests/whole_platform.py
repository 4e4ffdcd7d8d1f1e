"""A whole platform inside one test: real Postgres, a lake in a folder, an ephemeral Dagster instance, automations in a folder."""

from pathlib import Path
from typing import Any

import dagster as dg

from aios_assets import main_job
from aios_assets.definitions import build_defs
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
