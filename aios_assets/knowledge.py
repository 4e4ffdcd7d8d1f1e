"""Knowledge: articles from their sources, the index that is searched, and the questions that no article answers.

What belongs here: the three assets, of automations that declare `knowledge:`. What does not: reading, indexing and grouping
(`resources/knowledge*.py`, `aios_core/retrieval`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import dagster as dg

from aios_assets import naming
from aios_assets.metadata import markdown_table
from aios_core.automation import Automation, Knowledge
from resources import clock
from resources.canonical import CanonicalStore
from resources.dagster_resources import DatabaseResource, LakeResource
from resources.database import Database
from resources.decisions import DecisionStore
from resources.declarations import Declared
from resources.knowledge import KnowledgeStore, Stored
from resources.knowledge_gaps import GapStore, find_gaps
from resources.knowledge_index import IndexBuilder, KnowledgeSearch, newest_index
from resources.knowledge_reading import read_sources


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    knowledge = declared.automation.knowledge
    if knowledge is None:
        return []
    return [_articles(declared, knowledge), _index(declared, knowledge), _gaps(declared, knowledge)]


def _articles(declared: Declared, knowledge: Knowledge) -> dg.AssetsDefinition:
    spec = naming.spec(
        declared,
        "articles",
        plane="knowledge",
        kinds=["postgres", *{s.connector for s in knowledge.sources.values()}],
        description=(
            "Articles that may answer tickets, as plain text in all their versions. One row is one version of one article; the newest "
            "counts. What a source lists no more is withdrawn, and is cited no more from that moment on."
        ),
        columns={"source": "text", "article_id": "text", "version": "text", "title": "text", "language": "text"},
    )
    check = dg.AssetCheckSpec("whole", asset=spec.key, description="Everything that was found could become an article.")

    @dg.multi_asset(specs=[spec], check_specs=[check], name=naming.job_name(declared, "articles"), can_subset=False)
    def articles(database: DatabaseResource) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        now, store = clock.now(), KnowledgeStore(database.open())
        read = dict(read_sources(declared, knowledge, store, now=now))
        total = Stored()
        for stored in read.values():
            total = total.plus(stored)
        wrong = store.rejected(declared.automation.name)
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "new": total.new,
                "changed": total.changed,
                "withdrawn": total.withdrawn,
                "citable": len(store.listed(declared.automation.name, now=now)),
                "rejected": markdown_table(
                    [{k: r[k] for k in ("source", "article_id", "code", "message")} for r in wrong]
                ),
            },
        )
        yield dg.AssetCheckResult(
            asset_key=spec.key,
            check_name=check.name,
            passed=not wrong,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(wrong)} are no articles; the list says why" if wrong else "everything was read",
        )

    return articles


def _index(declared: Declared, knowledge: Knowledge) -> dg.AssetsDefinition:
    spec = naming.spec(
        declared,
        "knowledge_index",
        plane="knowledge",
        kinds=["parquet"],
        deps=["articles"],
        description=(
            "The passages of all citable articles with their embeddings, in one file in the lake: what searches read. Made again only "
            "where something changed, and only new passages are embedded. A search asks Postgres what may be cited at its own moment."
        ),
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, "knowledge_index"))
    def knowledge_index(
        context: dg.AssetExecutionContext, database: DatabaseResource, lake: LakeResource
    ) -> dg.MaterializeResult:
        builder = IndexBuilder(database.open(), lake.open(), progress=context.log.info)
        built = builder.build(declared.automation.name, knowledge, folder=declared.folder, now=clock.now())
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "articles": built.articles,
                "passages": built.passages,
                "newly_embedded": built.embedded,
                "made_again": built.fresh,
                "search": "words and meaning" if built.encoder else f"words alone: {built.without or 'no encoder'}",
                "path": built.path,
            },
        )

    return knowledge_index


def _gaps(declared: Declared, knowledge: Knowledge) -> dg.AssetsDefinition:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "knowledge_gaps",
        plane="knowledge",
        kinds=["postgres"],
        deps=["knowledge_index", "tickets"],
        description=(
            "Questions that no article answers. One row is a group of tickets of the last `knowledge.gap_days` days whose closest article "
            "is too far away, with how many they are and what deciding them by hand costs: what to write next."
        ),
        columns={"label": "text", "queue": "text", "tickets": "int", "cost": "float", "nearest": "text"},
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, "knowledge_gaps"))
    def knowledge_gaps(
        context: dg.AssetExecutionContext, database: DatabaseResource, lake: LakeResource
    ) -> dg.MaterializeResult:
        now, opened = clock.now(), database.open()
        if newest_index(opened, automation.name) is None:
            raise dg.Failure("there is no index yet; materialize knowledge_index first", allow_retries=False)
        tickets = _tickets(automation, knowledge, opened, now=now)
        search = KnowledgeSearch(opened, lake.open())
        found = find_gaps(tickets, automation=automation, search=search, now=now, progress=context.log.info)
        GapStore(opened).replace(found.gaps, automation=automation.name, currency=automation.value.currency, now=now)
        shown = [
            {"about": g.label, "queue": g.queue or "", "tickets": g.tickets, "cost": g.cost, "closest": g.nearest or ""}
            for g in found.gaps[:20]
        ]
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "tickets": len(tickets),
                "searched_share": found.share,
                "unanswered_share": found.unanswered / max(1, found.searched),
                "cost": sum(g.cost for g in found.gaps),
                "currency": automation.value.currency,
                "told_by": "meaning" if found.by_meaning else "words alone, which miss most gaps",
                "gaps": markdown_table(shown),
            },
        )

    return knowledge_gaps


def _tickets(
    automation: Automation, knowledge: Knowledge, database: Database, *, now: datetime
) -> list[dict[str, Any]]:
    """The newest version of each ticket of the window, with the queue that was decided, else the one that it came with."""
    start, end = (now - timedelta(days=knowledge.gap_days)).date(), now.date() + timedelta(days=1)
    table = CanonicalStore(database).tickets_for_days(automation=automation.name, start=start, end=end)
    wanted = table.select(["source", "ticket_id", "subject", "body", "language", "queue", "created_at"]).to_pylist()
    since = datetime.combine(start, time(), tzinfo=UTC)
    decided = (
        DecisionStore(database).table(automation.name, start, end).select(["source", "ticket_id", "queue"]).to_pylist()
    )
    queues = {(row["source"], row["ticket_id"]): row["queue"] for row in decided}
    newest = {(row["source"], row["ticket_id"]): row for row in wanted if row["created_at"] >= since}
    return [row | {"queue": queues.get(key) or row["queue"]} for key, row in newest.items()]
