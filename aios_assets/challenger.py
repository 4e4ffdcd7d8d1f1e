"""The challenger: once a day the champion and the best other version are heard on the same sample of recent tickets.

What belongs here: the asset and its check. What does not: what each version says (`resources/challenges.py`), who wins
(`aios_core/lifecycle/challenge.py`), and moving any alias: the gate and the judge do that on evidence of their own.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from aios_assets import naming, rollout
from aios_assets.estimate_shown import interval
from aios_assets.metadata import markdown_table
from aios_core.lifecycle.challenge import Challenge
from aios_core.lifecycle.page import comparison_markdown
from resources import clock
from resources.challenges import Challenger
from resources.dagster_resources import DatabaseResource, LakeResource, RegistryResource
from resources.declarations import Declared

CHECK = "champion_holds"


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    spec = naming.spec(
        declared,
        "challenger",
        plane="observe",
        kinds=["onnx", "postgres"],
        deps=["scores", "outcomes"],
        description=(
            "The champion beside the best other version (canary, shadow, candidate or last good) on the same random sample of "
            "the window's tickets, once a day: how often they agree, what each promises, who was right where an outcome is "
            "known, and who wins. Days in shadow are read, not scored again. No alias moves by it."
        ),
    )
    check = dg.AssetCheckSpec(
        CHECK,
        asset=spec.key,
        description=(
            "The other version is not clearly better than the champion: by McNemar's test where enough of the sample is "
            "settled, else by estimates whose intervals do not meet. Where it is, see why it does not decide: `aios model show`."
        ),
    )

    @dg.multi_asset(specs=[spec], check_specs=[check], name=naming.job_name(declared, "challenger"))
    def challenger(
        database: DatabaseResource, lake: LakeResource, models: RegistryResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        keeper = rollout.gatekeeper(declared, database, lake, models)
        found = Challenger(
            declared, database=database.open(), lake=lake.open(), registry=models.open(), comparer=keeper.comparer
        ).challenge(now=clock.now())
        yield dg.MaterializeResult(asset_key=spec.key, metadata=_shown(found))
        yield dg.AssetCheckResult(
            asset_key=spec.key,
            check_name=CHECK,
            passed=found is None or found.winner != "challenger",
            severity=dg.AssetCheckSeverity.WARN,
            description=_said(found),
        )

    return [challenger]


def _said(found: Challenge | None) -> str:
    if found is None:
        return "there is no other version, or no ticket, to hear the champion beside"
    beside = f"version {found.challenger} ({found.alias}) beside champion {found.champion}"
    return f"{beside}: {found.winner}, by {found.by}; {found.rows} tickets, {found.settled} of them settled and new to both"


def _shown(found: Challenge | None) -> dict[str, Any]:
    if found is None:
        return {"rows": 0}
    rows = [
        {"version": version, "as": alias, "estimated": interval(estimated), "right": right}
        for version, alias, estimated, right in zip(
            (found.champion, found.challenger), ("champion", found.alias), found.estimated, _right(found), strict=True
        )
    ]
    ours, theirs = found.estimated
    compared = found.compared
    return {
        "rows": found.rows,
        "champion": found.champion,
        "challenger": found.challenger,
        "agreement": found.agreed / found.rows,
        "settled": found.settled,
        "winner": found.winner,
        "by": found.by,
        "versions": markdown_table(rows),
        **{
            name: e.accuracy
            for name, e in (("champion_estimated", ours), ("challenger_estimated", theirs))
            if e.accuracy is not None
        },
        **(
            {}
            if compared is None
            else {
                "champion_realised": compared.old_accuracy,
                "challenger_realised": compared.new_accuracy,
                "comparison": dg.MetadataValue.md(comparison_markdown(compared)),
            }
        ),
    }


def _right(found: Challenge) -> tuple[str, str]:
    if found.compared is None:
        return "", ""
    return f"{found.compared.old_accuracy:.1%}", f"{found.compared.new_accuracy:.1%}"
