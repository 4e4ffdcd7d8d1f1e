"""The whole way of promise 5: a real model, scored in one batch, decided, recorded; and each decision made again alone."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from aios_core.automation import Automation
from aios_core.decisions.decide import decide
from aios_core.decisions.model import Decision, rules_for
from aios_core.errors import ModelError
from aios_core.scoring.model import read_manifest
from aios_core.scoring.stream import score_stream
from aios_core.training.export import export
from aios_core.training.files import with_golden
from aios_core.training.fit import fit
from resources.database import Database
from resources.decisions import DecisionStore
from resources.lake import Lake
from resources.ledger import Ledger
from resources.policy import RegoPolicy
from resources.registry import Registry
from resources.runtime import open_session
from tests.aios_core.decisions.making import features
from tests.resources.deciding import CLASSES, NOW, automation, ticket

POLICY = (Path(__file__).parents[2] / "aios_assets/defs/customer_escalations/policy.rego").read_text()
WORDS = {
    "billing": "bill charge invoice refund amount paid money twice",
    "fraud": "stolen fraud unknown order swap card police hacked",
    "outage": "no signal outage down network slow tower service",
}
CARE = automation(
    model={"min_df": 1, "char_ngrams": [2, 4], "training": {"min_rows": 20}},
    features={"customer": [{"name": "segment", "kind": "categorical"}, {"name": "tenure_months", "kind": "numeric"}]},
    decisions={"automate": {"accuracy": 0.6}, "draft": {"accuracy": 0.4}, "audit_share": 0.1},
)


def world(count: int) -> tuple[list[dict[str, object]], list[str]]:
    chance = random.Random(7)
    rows, labels = [], []
    for number in range(count):
        label = chance.choice(CLASSES)
        words = chance.choices(WORDS[label].split(), k=5) + chance.choices(" ".join(WORDS.values()).split(), k=3)
        rows.append(
            ticket(
                number,
                text=" ".join(words),
                language=chance.choice(["en", "de", None]),
                crm_segment=chance.choice(["enterprise", "consumer", None]),
                crm_tenure_months=chance.choice([None, 3.0, 47.25]),
            )
        )
        labels.append(label)
    return rows, labels


@pytest.fixture
def registry(database: Database, tmp_path: Path) -> Registry:
    """Holds version 1 of a model trained on 240 tickets."""
    rows, labels = world(240)
    fitted = fit(features(rows), labels, model=CARE.model, features_spec=CARE.features, queues=CARE.queue_names)
    made = Registry(database, lake=Lake(tmp_path))
    files = with_golden(export(fitted, automation=CARE, snapshot_id="s1"), features(rows), open_session)
    manifest = read_manifest(files)
    version = made.register(
        name=CARE.model_name,
        automation=CARE.name,
        kind=manifest["kind"],
        files=files,
        snapshot_id="s1",
        classes=manifest["classes"],
        metrics=manifest["metrics"],
        card={},
    )
    assert version == 1
    return made


def decided(registry: Registry, declared: Automation = CARE) -> list[Decision]:
    rows, _ = world(120)
    subjects = features(rows)
    model = registry.load(name="care", version=1, accelerator="cpu")
    scored = pa.Table.from_batches(list(_scored(subjects, model)))
    policy = RegoPolicy(POLICY)
    rules = rules_for(
        declared,
        policy_revision=policy.revision,
        model_version=1,
        manifest=registry.manifest(name="care", version=1),
        modes={"outage": "review_only"},
    )
    return decide(subjects, scored, rules=rules, policy=policy.ask)


def _scored(subjects: pa.Table, model: object) -> Iterator[pa.RecordBatch]:
    yield from score_stream(iter(subjects.to_batches()), model=model, batch_size=50)  # type: ignore[arg-type]


def test_every_decision_of_a_day_replays_byte_for_byte_on_its_own(
    database: Database, registry: Registry, tmp_path: Path
) -> None:
    made = decided(registry)
    assert {"automate", "review"} <= {d.verdict for d in made}
    assert any(d.rule.startswith("policy:") for d in made)
    DecisionStore(database).record(made, automation=CARE, policy_text=POLICY, now=NOW)
    elsewhere = Registry(database, lake=Lake(tmp_path))  # loads the version anew, as another process would
    for decision in made[::3]:
        again = DecisionStore(database).replay(decision.decision_id, registry=elsewhere)
        assert again.identical, again.differences
    assert Ledger(database).verify().ok
    assert DecisionStore(database).counts("care", date(2026, 11, 20), NOW.date() + timedelta(days=1))["fallback"] == 0


def test_a_decision_whose_model_file_was_changed_does_not_replay(
    database: Database, registry: Registry, tmp_path: Path
) -> None:
    made = decided(registry)[:1]
    DecisionStore(database).record(made, automation=CARE, policy_text=POLICY, now=NOW)
    [model] = tmp_path.rglob("model.onnx")
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(bytes(content))
    with pytest.raises(ModelError):
        DecisionStore(database).replay(made[0].decision_id, registry=Registry(database, lake=Lake(tmp_path)))
