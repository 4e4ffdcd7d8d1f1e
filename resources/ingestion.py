"""One read of one source, whole: from its connector into landing, under its contract, answering its webhooks, and noted.

What belongs here: the order of these. What does not: pages into rows (`landing.py`), reading sources side by side (`bulkhead.py`), Dagster's side of it
(`aios_assets/landing.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from aios_core.automation import Automation
from resources import clock
from resources.connectors.base import Connector, Hinted, Page
from resources.connectors.files.connector import FilesIncomplete
from resources.connectors.traffic import SharedTraffic
from resources.contracts import ContractStore, Kept
from resources.database import Database
from resources.landing import LandingStore, Pulled, pull
from resources.source_reads import SourceReads
from resources.webhooks import WebhookStore

NOTHING = Pulled(landed=0, duplicates=0, rejected=0, pages=0)
SHOWN_CHANGES = 20

Connect = Callable[[list[SharedTraffic]], AbstractContextManager[Connector]]
"""Opens the source's connector, and puts what it shares with others into the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What one read brought. `problem` says why it is not all there is; empty: it is."""

    pulled: Pulled = NOTHING
    changes: tuple[str, ...] = ()
    problem: str = ""


def land_source(
    automation: Automation,
    source: str,
    *,
    database: Database,
    connect: Connect,
    moved: Callable[[], None] = lambda: None,
    run_id: str | None = None,
) -> Landed:
    """Everything new of a source, landed. `moved` is called for each page.

    Broken files are told as a problem once anything of the source has ever landed; whatever else goes wrong is raised.
    """
    declaration, named = automation.sources[source], {"automation": automation.name, "source": source}
    store, hooks, contracts = LandingStore(database), WebhookStore(database), ContractStore(database)
    told = hooks.newest(**named)  # what comes from now on may miss this read
    traffic: list[SharedTraffic] = []
    with SourceReads(database).reading(
        **named, connector=declaration.connector, contract=declaration.contract, clock=clock.now, traffic=traffic
    ) as read:
        with connect(traffic) as connector:
            if declaration.told_at is not None and isinstance(connector, Hinted):
                connector.hint(hooks.told_of(**named, path=declaration.told_at))
            kept = Kept(connector=connector, mode=declaration.contract, known=contracts.known(**named))
            readable = _Readable(kept, moved)
            pulled = pull(readable, store, **named, run_id=run_id)
        if readable.problem and not store.count(**named):
            raise readable.problem  # nothing of this source was ever readable: that is no hitch, it is declared wrongly
        changes = tuple(f"{name}: {c.kind} `{c.path}` ({c.found})" for name, found in kept.found.items() for c in found)
        read.landed, read.rejected, read.changes = pulled.landed, pulled.rejected, changes[:SHOWN_CHANGES]
    kept.save(contracts, **named, now=clock.now())
    hooks.answered(**named, up_to=told, now=clock.now())
    return Landed(pulled=pulled, changes=changes, problem=str(readable.problem or ""))


@dataclass(slots=True)
class _Readable:
    """A connector's reading side that tells of each page, and keeps the complaint about broken files: what was readable goes on."""

    connector: Kept
    moved: Callable[[], None]
    problem: FilesIncomplete | None = None

    @property
    def objects(self) -> tuple[str, ...]:
        return self.connector.objects

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        try:
            for page in self.connector.read(object=object, cursor=cursor):
                self.moved()
                yield page
        except FilesIncomplete as error:
            self.problem = error
