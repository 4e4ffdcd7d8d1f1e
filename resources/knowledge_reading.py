"""Reading every declared source of knowledge into the store: what the asset and the command do alike.

What belongs here: the order, and what becomes of sources that are declared no more. What does not: one source
(`connectors/knowledge/`) and storing (`knowledge.py`).
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

from aios_core.automation import HelpCenterSource, Knowledge
from resources.connectors.knowledge.opening import open_articles
from resources.declarations import Declared
from resources.deployments import expand
from resources.knowledge import KnowledgeStore, Stored


def read_sources(
    declared: Declared, knowledge: Knowledge, store: KnowledgeStore, *, now: datetime
) -> Iterator[tuple[str, Stored]]:
    """Every declared source in turn; one that fails raises after those before it were stored."""
    name = declared.automation.name
    for source, spec in knowledge.sources.items():
        relist = timedelta(minutes=spec.relist_minutes) if isinstance(spec, HelpCenterSource) else timedelta()
        with closing(open_articles(source, spec, folder=declared.folder, expand=expand)) as opened:
            yield source, store.read(opened, automation=name, name=source, relist=relist, now=now)
    store.forget_sources_besides(list(knowledge.sources), automation=name, now=now)
