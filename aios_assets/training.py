"""Training: labelled tickets become a candidate, and a candidate that agrees with scikit-learn a model version.

What belongs here: the three assets from snapshot to registry, and the gate as a check. What does not: fitting and export
(`aios_core/training`), the gate's verdicts (`aios_core/lifecycle`) and what it measures (`resources/gatekeeper.py`).

The loop outcomes -> training -> scoring -> outcomes is broken at the registry: scoring asks it for the champion, so
`champion.py` is an asset of its own that nothing here is upstream of.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, time
from typing import Any

import dagster as dg
import pyarrow as pa

from aios_assets import champion, features, naming, rollout
from aios_assets.metadata import latest_metadata, markdown_table, plot, sample
from aios_core.automation import Automation
from aios_core.explanation.page import explanation_markdown
from aios_core.explanation.version import EXPLANATION_FILE, read_explanation
from aios_core.features.build import build_features
from aios_core.lifecycle.states import CHAMPION
from aios_core.scoring.model import read_manifest
from aios_core.training.parity import Parity
from aios_core.training.snapshot import snapshot_bytes, snapshot_from_bytes
from resources import clock
from resources.canonical import CanonicalStore
from resources.changed_rules import ChangedRules
from resources.comparisons import snapshot_path
from resources.dagster_resources import DatabaseResource, LakeResource, RegistryResource
from resources.declarations import Declared
from resources.deployments import deployment
from resources.doubts import Doubted, Doubts
from resources.monitoring import MonitorStore
from resources.registry import Registry

DOUBTS_SHOWN = 60
CANDIDATE_CHECK, GATE_CHECK = "onnx_agrees_with_scikit_learn", "promotion_gate"


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    return [_training_set(declared), _candidate(declared), _model_version(declared)]


def cutoff(automation: Automation, *, now: datetime) -> datetime:
    """Outcomes known before this moment may be learnt from."""
    until = automation.model.training.until
    return datetime.combine(until, time.min, tzinfo=UTC) if until else now


def _training_set(declared: Declared) -> dg.AssetsDefinition:
    automation = declared.automation
    training = automation.model.training
    upstream = ["tickets", "outcomes", *(["customers"] if automation.sources_of("customers") else [])]
    spec = naming.spec(
        declared,
        "training_set",
        plane="model",
        kinds=["parquet"],
        deps=upstream,
        description=(
            "A frozen snapshot of labelled tickets with features as they were known when each ticket came. One row is "
            "one ticket and the outcome known for it by then, without labels that a rollback has put in doubt and nobody has "
            "settled anew, or that are older than a changed rule. Its id is the hash of its content."
        ),
        columns=features.columns(automation) | {"label": "string"},
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, "training_set"))
    def training_set(database: DatabaseResource, lake: LakeResource, models: RegistryResource) -> dg.MaterializeResult:
        store, now = CanonicalStore(database.open()), clock.now()
        labelled = store.tickets_labelled(
            automation=automation.name,
            known_before=cutoff(automation, now=now),
            window_days=training.window_days,
            limit=training.max_rows,
        )
        table = build_features(
            labelled,
            contacts=store.contacts(automation=automation.name),
            customers=store.customers(automation=automation.name),
            features=automation.features,
        )
        doubts = _doubts(automation, labelled, table, database, lake, models, now=now)
        table = _without(table.append_column("label", labelled.column("label")), doubts)
        content, snapshot_id = snapshot_bytes(table)
        path = snapshot_path(automation.name, snapshot_id)
        lake.open().put(path, content)
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "snapshot_id": snapshot_id,
                "taken_at": now.isoformat(),
                "path": path,
                "rows": table.num_rows,
                "labels": markdown_table(table.column("label").value_counts().to_pylist()),
                **_doubted(doubts, labelled),
                "sample": sample(table, ["ticket_id", "created_at", "text", "label"]),
            },
        )

    return training_set


def _doubts(
    automation: Automation,
    labelled: pa.Table,
    features: pa.Table,
    database: DatabaseResource,
    lake: LakeResource,
    models: RegistryResource,
    *,
    now: datetime,
) -> list[Doubted]:
    """What rollbacks and pauses say against these labels; nothing where the automation wants them learnt all the same."""
    training, accelerator = automation.model.training, deployment().accelerator
    stores: dict[str, Any] = {"database": database.open(), "lake": lake.open(), "registry": models.open()}
    found: list[Doubted] = []
    if training.leave_doubted:
        found += Doubts(automation, **stores, accelerator=accelerator).of(labelled, features, now=now)
    if training.leave_outdated:
        found += ChangedRules(automation, **stores, accelerator=accelerator).of(labelled, features, now=now)
    return found


def _without(table: pa.Table, doubts: Sequence[Doubted]) -> pa.Table:
    out = {place for doubt in doubts for place in doubt.places}
    return table.take(pa.array([n for n in range(table.num_rows) if n not in out], pa.int64())) if out else table


def _doubted(doubts: Sequence[Doubted], labelled: pa.Table) -> dict[str, Any]:
    """What is shown of the labels that were left out: by incident, day and queue."""
    if not doubts:
        return {}
    days, queues = labelled.column("label_known_at").to_pylist(), labelled.column("label").to_pylist()
    found = Counter((d.incident_id, days[n].date(), queues[n]) for d in doubts for n in d.places)
    rows = [
        {"incident": i, "known on": day, "label": queue, "tickets": n} for (i, day, queue), n in sorted(found.items())
    ]
    told = {
        f"doubt_of_incident_{d.incident_id}": " ".join(part for part in (d.told, d.why_not) if part)
        for d in doubts
        if d.told or d.why_not
    }
    return told | {
        "doubted": len({place for d in doubts for place in d.places}),
        **({"left_out": markdown_table(rows[-DOUBTS_SHOWN:])} if rows else {}),
    }


def _candidate(declared: Declared) -> dg.AssetsDefinition:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "candidate",
        plane="model",
        kinds=["scikitlearn", "onnx"],
        deps=["training_set"],
        description=(
            "A model fitted on the training set, calibrated out of fold, judged on the newest rows held back, and "
            "exported as a dense numeric ONNX graph with everything fitted inside the version. Not yet registered."
        ),
    )
    check = dg.AssetCheckSpec(
        CANDIDATE_CHECK,
        asset=spec.key,
        blocking=True,
        description=(
            "scikit-learn's own pipeline on the raw strings against our tokenizer and ONNX Runtime: labels equal on "
            "every row, probabilities within 1e-4. A candidate that disagrees is never registered."
        ),
    )

    @dg.multi_asset(specs=[spec], check_specs=[check], name=naming.job_name(declared, "candidate"))
    def candidate(
        context: dg.AssetExecutionContext, lake: LakeResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        from aios_core.training.trainers import Task, train
        from resources.model_folders import read_folder
        from resources.runtime import open_session

        snapshot = latest_metadata(context, naming.key(declared, "training_set"))
        store = lake.open()
        table = snapshot_from_bytes(store.get(snapshot["path"]))
        task = Task(
            features=table.drop_columns(["label"]),
            labels=table.column("label").to_pylist(),
            automation=automation,
            snapshot_id=snapshot["snapshot_id"],
            open_session=lambda onnx: open_session(onnx, accelerator="cpu"),
            read_folder=lambda named: read_folder(named, beside=declared.folder),
            progress=context.log.info,
        )
        trained = train(task)
        files, agreement = trained.files, trained.agreement
        metrics = read_manifest(files)["metrics"]
        folder = f"{automation.name}/candidates/{snapshot['snapshot_id']}-{automation.version}"
        for path, content in files.items():
            store.put(f"{folder}/{path}", content)
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "folder": folder,
                "files": dg.JsonMetadataValue(sorted(files)),
                "snapshot_id": snapshot["snapshot_id"],
                "snapshot_taken_at": snapshot["taken_at"],
                "agreement": dg.JsonMetadataValue(asdict(agreement)),
                **{f"held_back/{k}": v for k, v in metrics.items() if isinstance(v, float)},
            },
        )
        yield dg.AssetCheckResult(
            asset_key=spec.key,
            check_name=CANDIDATE_CHECK,
            passed=agreement.agrees,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={
                "rows": agreement.rows,
                "label_mismatches": agreement.label_mismatches,
                "max_probability_error": agreement.max_probability_error,
            },
        )

    return candidate


def _model_version(declared: Declared) -> dg.AssetsDefinition:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "model_version",
        plane="model",
        kinds=["onnx", "postgres"],
        deps=["candidate"],
        description=(
            "An immutable version in the registry: ONNX file, fitted state, snapshot id, metrics and model card, laid "
            "out as Triton and KServe read it. Past the promotion gate it goes where the declared `lifecycle.path` leads: to "
            "champion, or into the shadow of the one there is."
        ),
    )
    check = dg.AssetCheckSpec(
        GATE_CHECK,
        asset=spec.key,
        description=(
            "Parity, quality on the frozen evaluation set, fairness of error across queues and tiers, latency, open incidents: each "
            "with its number. A version that fails is kept and not promoted; nothing downstream waits for it."
        ),
    )

    @dg.multi_asset(specs=[spec], check_specs=[check], name=naming.job_name(declared, "model_version"))
    def model_version(
        context: dg.AssetExecutionContext, database: DatabaseResource, lake: LakeResource, models: RegistryResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        candidate = latest_metadata(context, naming.key(declared, "candidate"))
        store, registry = lake.open(), models.open()
        files = {path: store.get(f"{candidate['folder']}/{path}") for path in candidate["files"]}
        version = _register(registry, automation, files, snapshot_id=candidate["snapshot_id"])
        told = rollout.enter(
            declared,
            rollout.gatekeeper(declared, database, lake, models),
            registry,
            version=version,
            agreement=Parity(**candidate["agreement"]),
            actor=f"run:{context.run.run_id}",
        )
        if told.alias == CHAMPION:
            champion.report(declared, context.instance, version=version, reason=told.reason)
        context.log.info("version %d: %s", version, told.reason)
        MonitorStore(database.open()).retraining_done(
            automation=automation.name,
            started_at=datetime.fromisoformat(candidate["snapshot_taken_at"]),
            now=clock.now(),
        )
        metrics = registry.get(automation.model_name, version).metrics
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "model": automation.model_name,
                "version": version,
                "promoted": told.alias == CHAMPION,
                "alias": told.alias or "none",
                "gate": told.reason,
                "card": dg.MetadataValue.md(files["card.md"].decode()),
                "calibration": plot(files["calibration.png"], "calibration on held-back rows"),
                **rollout.compared(declared, store, told.gate),
                **_explained(automation, version, files),
                **{k: v for k, v in metrics.items() if isinstance(v, float)},
            },
        )
        yield rollout.gate_check(spec.key, GATE_CHECK, told.gate)

    return model_version


def _explained(automation: Automation, version: int, files: dict[str, bytes]) -> dict[str, dg.MetadataValue]:
    """What the version goes by and where it errs; empty for a candidate that was made before there were explanations."""
    if EXPLANATION_FILE not in files:
        return {}
    page = f"{deployment().gateway_url}/models/{automation.model_name}/versions/{version}"
    told = explanation_markdown(read_explanation(files[EXPLANATION_FILE]))
    return {"explanation": dg.MetadataValue.md(told), "explained": dg.MetadataValue.url(page)}


def _register(registry: Registry, automation: Automation, files: dict[str, bytes], *, snapshot_id: str) -> int:
    manifest = read_manifest(files)
    return registry.register(
        name=automation.model_name,
        automation=automation.name,
        kind=manifest["kind"],
        files=files,
        snapshot_id=snapshot_id,
        classes=manifest["classes"],
        metrics=manifest["metrics"],
        card=json.loads(files["card.json"]),
    )
