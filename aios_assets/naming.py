"""How everything of an automation is named in Dagster: one place, so that two automations never collide.

What belongs here: keys, groups, job names and the arguments all assets share. What does not: asset bodies.
"""

from collections.abc import Iterable
from typing import Any

import dagster as dg

from resources.declarations import Declared


def key(declared: Declared, name: str) -> dg.AssetKey:
    """`<automation>/<name>`: an automation owns a namespace of assets."""
    return dg.AssetKey([declared.automation.name, name])


def job_name(declared: Declared, name: str) -> str:
    return f"{declared.automation.name}__{name}"


def spec(
    declared: Declared,
    name: str,
    *,
    plane: str,
    kinds: Iterable[str],
    description: str,
    deps: Iterable[str] = (),
    columns: dict[str, str] | None = None,
    **more: Any,
) -> dg.AssetSpec:
    """The spec of one asset; `deps` are names in the same automation, `columns` maps name to type."""
    metadata = {"dagster/column_schema": column_schema(columns)} if columns else {}
    return dg.AssetSpec(
        key(declared, name),
        deps=[key(declared, d) for d in deps],
        description=description,
        group_name=f"{declared.automation.name}_{plane}",
        kinds=set(kinds),
        owners=list(declared.automation.owners),
        metadata=metadata,
        tags={"aios/automation": declared.automation.name},
        **more,
    )


def column_schema(columns: dict[str, str]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])


def run_tags(declared: Declared) -> dict[str, str]:
    """On every run of the automation: the queue limits its concurrent runs by this tag."""
    return {"aios/automation": declared.automation.name}


def urgent_tags(declared: Declared) -> dict[str, str]:
    """On a remedy's run, instead of those: it waits neither for the automation's other runs nor behind others in the queue."""
    return {"aios/remedy": declared.automation.name, "dagster/priority": "10"}
