"""How a version comes to decide: into the stage that its gate and the declared path give it, and onwards from there.

What belongs here: the entry of a new version, the gate as an asset check, and the job that moves a shadow or canary on. What does
not: the verdicts (`aios_core/lifecycle/`), measuring and moving (`resources/gatekeeper.py`, `resources/stages.py`), and when the
job is started (`sensors/rollout.py`).
"""

from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg

from aios_assets import champion, naming
from aios_assets.metadata import markdown_table
from aios_core.lifecycle.advance import advance
from aios_core.lifecycle.gate import Gate
from aios_core.lifecycle.page import comparison_markdown, gate_rows
from aios_core.lifecycle.states import CANDIDATE, CHAMPION, SHADOW
from aios_core.training.parity import Parity
from resources import clock
from resources.comparisons import kept_comparison
from resources.dagster_resources import DatabaseResource, LakeResource, RegistryResource
from resources.declarations import Declared
from resources.deployments import deployment
from resources.gatekeeper import Gatekeeper
from resources.lake import Lake
from resources.registry import Registry
from resources.stages import Stages, forced_past

ADVANCE_OP = "move_version_on"


class AdvanceConfig(dg.Config):
    """`stage` is `shadow` or `canary`; a version that is not there any more is left alone."""

    stage: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """Which alias a new version took, None where it took none; why, in a sentence; and its gate."""

    alias: str | None
    reason: str
    gate: Gate


def gatekeeper(
    declared: Declared, database: DatabaseResource, lake: LakeResource, models: RegistryResource
) -> Gatekeeper:
    return Gatekeeper(
        declared,
        database=database.open(),
        lake=lake.open(),
        registry=models.open(),
        accelerator=deployment().accelerator,
    )


def enter(
    declared: Declared, keeper: Gatekeeper, registry: Registry, *, version: int, agreement: Parity, actor: str
) -> Entered:
    """Ask the gate of a version that was just registered, and move it as far as the declared path leads.

    With no champion, and on the direct path, that is `champion`; on the staged path `shadow`, where no other version is in its
    shadow still: nightly training would otherwise replace each before its evidence is in.
    """
    name, now = keeper.name, clock.now()
    gate = keeper.gate(version, agreement=agreement)
    standing = registry.standing(name=name)
    if standing.get(CHAMPION) == version:
        return Entered(alias=None, reason=f"version {version} is the champion already", gate=gate)
    if version in standing.values():
        place = next(alias for alias, held in standing.items() if held == version)
        if place != CANDIDATE:
            return Entered(alias=None, reason=f"version {version} is the {place} already", gate=gate)
    evidence = {"gate": gate.as_json(), "agreement": asdict(agreement)}
    registry.move(
        name=name, alias=CANDIDATE, version=version, actor=actor, reason="trained", evidence=evidence, now=now
    )
    direct = declared.automation.lifecycle.path == "direct" or standing.get(CHAMPION) is None
    alias = CHAMPION if direct else SHADOW
    if against := gate.against(alias):
        return Entered(alias=None, reason="; ".join(g.told for g in against), gate=gate)
    if alias == SHADOW and (taken := standing.get(SHADOW)) is not None:
        reason = f"passed the gate, and waits as candidate: version {taken} is the shadow still"
        return Entered(alias=None, reason=reason, gate=gate)
    keeper.move(version, alias=alias, actor=actor, reason=gate.reason, now=now, agreement=agreement, asked=gate)
    return Entered(alias=alias, reason=gate.reason, gate=gate)


def gate_check(key: dg.AssetKey, name: str, gate: Gate) -> dg.AssetCheckResult:
    """The gate as a check that warns: each guard's number, and a table of them all."""
    numbers = {f"{g.name}/value": g.value for g in gate.guards if g.value is not None}
    limits = {f"{g.name}/limit": g.limit for g in gate.guards if g.limit is not None}
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=gate.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=gate.reason,
        metadata={"guards": markdown_table(gate_rows(gate)), **numbers, **limits},
    )


def compared(declared: Declared, lake: Lake, gate: Gate) -> dict[str, Any]:
    """The comparison with the champion that the gate was asked beside, as metadata; empty where there was none to make."""
    automation = declared.automation
    if gate.beside is None:
        return {}
    names = {"automation": automation.name, "name": automation.model_name}
    found = kept_comparison(lake, **names, old=gate.beside, new=gate.version)
    if found is None:
        return {}
    page = f"{deployment().gateway_url}/models/{automation.model_name}/compare/{gate.beside}/{gate.version}"
    return {"comparison": dg.MetadataValue.md(comparison_markdown(found)), "console": dg.MetadataValue.url(page)}


def run_config(declared: Declared, config: dict[str, Any]) -> dict[str, Any]:
    """Run config of the advance job's one op."""
    return {"ops": {naming.job_name(declared, ADVANCE_OP): {"config": config}}}


def advance_job(declared: Declared) -> dg.JobDefinition:
    automation = declared.automation

    @dg.op(
        name=naming.job_name(declared, ADVANCE_OP),
        description="Moves the shadow or canary on where its evidence is in, withdraws it where it is worse, and says why.",
    )
    def move_version_on(
        context: dg.OpExecutionContext,
        config: AdvanceConfig,
        database: DatabaseResource,
        lake: LakeResource,
        models: RegistryResource,
    ) -> None:
        registry, now, actor = models.open(), clock.now(), f"run:{context.run_id}"
        keeper = gatekeeper(declared, database, lake, models)
        stages = Stages(declared, database=database.open(), lake=lake.open(), gatekeeper=keeper)
        history = registry.history(keeper.name)
        progress = stages.progress(config.stage, standing=registry.standing(name=keeper.name), history=history)
        if progress is None or progress.version != config.version:
            context.log.info("version %d is not the %s any more: nothing to do", config.version, config.stage)
            return
        found = advance(progress, lifecycle=automation.lifecycle, monitoring=automation.monitoring, now=now)
        context.log.info("version %d as %s: %s: %s", progress.version, config.stage, found.kind, found.reason)
        context.add_output_metadata({"verdict": found.kind, "reason": found.reason})
        evidence = {"progress": progress.as_json()}
        if found.kind == "withdraw":
            registry.withdraw(
                name=keeper.name,
                alias=config.stage,
                version=progress.version,
                actor=actor,
                reason=found.reason,
                evidence=evidence,
                now=now,
            )
        elif found.to is not None:
            forced = forced_past(history, stage=config.stage, version=progress.version)
            keeper.move(
                progress.version,
                alias=found.to,
                actor=actor,
                reason=found.reason,
                now=now,
                asked=Gate(version=progress.version, beside=progress.champion, guards=progress.guards),
                more=evidence | {"forced": sorted(forced)},
            )
            if found.to == CHAMPION:
                champion.report(declared, context.instance, version=progress.version, reason=found.reason)

    @dg.job(
        name=naming.job_name(declared, "advance"),
        description="Look at the version in shadow or canary, and move it on, withdraw it, or let it wait.",
        executor_def=dg.in_process_executor,
        tags=naming.run_tags(declared),
    )
    def advance_version() -> None:
        move_version_on()

    return advance_version
