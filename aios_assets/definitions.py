"""The one composition root: every automation found, its schedules and sensors, and the resources they share.

What belongs here: finding and joining. What does not: any logic. Tests pass `resource_overrides`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from aios_assets import pods, retention
from aios_assets.automation import definitions_of
from resources.dagster_resources import ConnectorsResource, DatabaseResource, LakeResource, RegistryResource
from resources.declarations import find_declarations
from resources.deployments import OWN_AUTOMATIONS, PROJECT, deployment
from sensors import everything, schedules


def build_defs(
    *, resource_overrides: Mapping[str, Any] | None = None, folders: Sequence[Path] | None = None
) -> dg.Definitions:
    """All of the platform: the project's own automations and those in `folders` (default: AIOS_AUTOMATIONS)."""
    outside = find_declarations(deployment().automations if folders is None else folders)
    own = find_declarations([OWN_AUTOMATIONS])
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=PROJECT),
        *(definitions_of(declared) for declared in outside),
        *(everything.build(declared) for declared in [*own, *outside]),
        retention.build(),
        dg.Definitions(schedules=schedules.platform()),
        dg.Definitions(resources=resources() | dict(resource_overrides or {}), executor=pods.default_executor()),
    )


def resources() -> dict[str, Any]:
    """The shared resources; the environment is read when a run starts, so that definitions load with nothing set."""
    database = DatabaseResource(url=dg.EnvVar("AIOS_DATABASE_URL"))
    lake = LakeResource(url=dg.EnvVar("AIOS_LAKE_URL"))
    return {
        "database": database,
        "lake": lake,
        "models": RegistryResource(database=database, lake=lake),
        "connectors": ConnectorsResource(database=database),
    }


@dg.definitions
def defs() -> dg.Definitions:
    return build_defs()
