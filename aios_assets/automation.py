"""AutomationComponent: a declaration becomes assets, checks and jobs. Thin: the stages next to this file build them.

What belongs here: the Dagster component over `aios_core.automation.Automation`. What does not: the schema itself, and the
schedules and sensors, which stand above the assets (`sensors/`) and are added by the composition root.
"""

from collections.abc import Iterator
from typing import Self

import dagster as dg
from pydantic import BaseModel

from aios_assets import (
    actions,
    agents,
    agreement,
    alerts,
    canonical,
    challenger,
    champion,
    decisions,
    drafts,
    estimate,
    features,
    jobs,
    knowledge,
    landing,
    monitoring,
    quality,
    requesters,
    review,
    score_shards,
    scoring,
    shadow,
    synthetic,
    training,
    value,
)
from aios_core.automation import Automation
from resources.declarations import DECLARATION_FILE, Declared, load_declaration
from resources.policy import RegoPolicy

STAGES = (
    landing,
    canonical,
    requesters,
    features,
    training,
    champion,
    score_shards,
    scoring,
    shadow,
    decisions,
    agents,
    drafts,
    actions,
    review,
    agreement,
    monitoring,
    estimate,
    quality,
    value,
    alerts,
    challenger,
    synthetic,
    knowledge,
)


class AutomationComponent(dg.Component):
    """One business process, from its sources to its value, declared in one YAML file."""

    def __init__(self, declared: Declared) -> None:
        self.declared = declared

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return Automation

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:  # noqa: ARG003 (Dagster's signature)
        # Read through our own loader, so that the policy file and every message are the same as for the gateway.
        return cls(load_declaration(context.path / DECLARATION_FILE))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 (Dagster's signature)
        return definitions_of(self.declared)


def definitions_of(declared: Declared) -> dg.Definitions:
    """Assets, checks and jobs of one automation; resources are bound by the composition root."""
    RegoPolicy(declared.policy_text, name=str(declared.folder / declared.automation.decisions.policy)).check(
        queues=declared.automation.queue_names
    )
    return dg.Definitions(assets=list(_assets(declared)), jobs=jobs.build(declared))


def _assets(declared: Declared) -> Iterator[dg.AssetsDefinition | dg.AssetSpec]:
    for stage in STAGES:
        yield from stage.build(declared)
