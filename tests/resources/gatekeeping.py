"""A model with versions of different quality, each with its training snapshot, for tests of the gate; no test of its own."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from aios_core.scoring.model import MANIFEST_FILE
from aios_core.training.export import export
from aios_core.training.files import CARD_FILE, with_golden
from aios_core.training.fit import fit
from aios_core.training.parity import Parity
from aios_core.training.snapshot import snapshot_bytes
from resources.comparisons import snapshot_path
from resources.database import Database
from resources.declarations import TEMPLATES, Declared, load_declaration
from resources.gatekeeper import Gatekeeper
from resources.lake import Lake
from resources.ledger import Ledger
from resources.registry import Registry
from resources.runtime import open_session
from tests.aios_core.training.making import FACTS, TOPICS, automation, model, table, tickets

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
AGREES = Parity(rows=600, label_mismatches=0, max_probability_error=1e-7)
DECLARATION = """
type: aios_assets.automation.AutomationComponent
attributes:
  name: triage
  start_date: 2025-03-01
  sources:
    desk: {{connector: file, provides: tickets, path: tickets.csv, mapping: {{body: text, queue: queue}}}}
  queues: [{{name: billing}}, {{name: outage}}, {{name: roaming}}]
  features: {{customer: [{{name: plan, kind: categorical}}, {{name: tenure_months, kind: numeric}}]}}
  decisions: {{audit_share: 0}}
  lifecycle: {lifecycle}
"""


@dataclass(frozen=True)
class Triage:
    """A model in a registry, and its gate."""

    declared: Declared
    database: Database
    lake: Lake
    registry: Registry

    def keeper(self, **more: object) -> Gatekeeper:
        return Gatekeeper(self.declared, database=self.database, lake=self.lake, registry=self.registry, **more)

    def add(self, *, blind: float = 0.0, rows: int = 600) -> int:
        """A version trained on the first so many tickets of one world, with the text of this share of them lost."""
        files, snapshot_id, snapshot = version_of(blind, rows)
        self.lake.put(snapshot_path("triage", snapshot_id), snapshot)
        manifest = json.loads(files[MANIFEST_FILE])
        return self.registry.register(
            name="triage",
            automation="triage",
            kind=manifest["kind"],
            files=files,
            snapshot_id=snapshot_id,
            classes=manifest["classes"],
            metrics=manifest["metrics"],
            card=json.loads(files[CARD_FILE]),
        )

    def move(self, version: int, *, alias: str = "champion", **more: object):
        return self.keeper().move(
            version, alias=alias, actor="ana", reason="because", now=NOW, **{"agreement": AGREES, **more}
        )

    def standing(self) -> dict[str, int]:
        return {a: v for a, v in self.registry.standing(name="triage").items() if v is not None}


def triage(database: Database, folder: Path, *, lifecycle: str = "{tier: plan}") -> Triage:
    declared = folder / "automations" / "triage"
    declared.mkdir(parents=True)
    (declared / "policy.rego").write_text((TEMPLATES / "policy.rego").read_text(encoding="utf-8"), encoding="utf-8")
    (declared / "defs.yaml").write_text(DECLARATION.format(lifecycle=lifecycle), encoding="utf-8")
    lake = Lake(folder / "lake")
    registry = Registry(database, lake=lake, ledger=Ledger(database))
    return Triage(load_declaration(declared / "defs.yaml"), database, lake, registry)


@cache
def version_of(blind: float, rows: int) -> tuple[dict[str, bytes], str, bytes]:
    """(files, snapshot's id, snapshot) of a version."""
    texts, labels, facts = (part[:rows] for part in tickets(900))
    spec = {"facts": facts, "spec": FACTS}
    snapshot, snapshot_id = snapshot_bytes(table(texts, **spec).append_column("label", [labels]))
    seen = table([text if number % 100 >= blind * 100 else "" for number, text in enumerate(texts)], **spec)
    fitted = fit(seen, labels, model=model(), features_spec=FACTS, queues=tuple(TOPICS))
    # the share is part of the id, so that two versions of the same rows are not the same snapshot
    snapshot_id = f"{snapshot_id}-{blind:g}"
    files = with_golden(export(fitted, automation=automation(), snapshot_id=snapshot_id), seen, open_session)
    return files, snapshot_id, snapshot
