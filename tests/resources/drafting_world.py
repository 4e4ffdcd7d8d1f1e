"""Tickets with decisions, articles in an index, and the asset's work on them; no test of its own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from aios_assets.drafts import Made, draft_all
from aios_core.automation import Automation
from aios_core.retrieval.articles import Article, ArticleKey, Section
from resources import clock
from resources.connectors.knowledge.base import ArticlePage
from resources.database import Database
from resources.declarations import Declared
from resources.knowledge import KnowledgeStore
from resources.knowledge_index import IndexBuilder, KnowledgeSearch
from resources.lake import Lake
from resources.outbox import Delivered, Outbox
from tests import review_world
from tests.review_world import NOW, POLICY, Wanted

KNOWLEDGE = {"sources": {"kb": {"connector": "folder", "path": "kb"}}, "encoder": None}
TWICE = (
    "Two amounts in one month are mostly a reservation and the payment itself. The reservation disappears within five working days.\n"
    "If your bank shows two collected direct debits for the same invoice, we pay one back."
)
ROAMING = "Roaming is off on new lines. Switch it on in the app under Plan > Abroad. It can take two hours."
PERSON = {
    "name": "Maria Quintanilla",
    "email": "maria.q@example.com",
    "phone": "+15550001234",
    "external_id": "ACC-778899",
}


def declaration(*, drafts: dict[str, Any] | None = None, **changes: Any) -> Automation:
    return review_world.automation(
        knowledge=KNOWLEDGE, drafts={"signature": "Your care team"} | (drafts or {}), **changes
    )


def article(number: int, title: str, text: str, *, language: str = "en", **more: Any) -> Article:
    return Article(
        key=ArticleKey("kb", str(number)),
        title=title,
        sections=(Section(headings=(), text=text),),
        language=language,
        **more,
    )


ARTICLES = (article(1, "I was charged twice", TWICE), article(2, "Switch roaming on before a trip", ROAMING))


def asks(ticket_id: str, p: float, **more: Any) -> Wanted:
    """A ticket about two amounts, sorted with this probability."""
    text = {"subject": "Charged twice", "body": "Two amounts in one month: is one a reservation? I was charged twice."}
    return Wanted(ticket_id=ticket_id, p=p, **(text | more))


@dataclass
class World:
    """One automation's knowledge, tickets and drafts."""

    database: Database
    lake: Lake
    automation: Automation
    now: datetime = NOW

    @property
    def declared(self) -> Declared:
        return Declared(self.automation, Path(), Path("defs.yaml"), POLICY)

    def knows(self, *articles: Article, index: bool = True) -> None:
        page = ArticlePage(articles=articles)
        KnowledgeStore(self.database).put(page, automation=self.automation.name, name="kb", now=self.now)
        if index:
            self.index()

    def index(self) -> None:
        assert self.automation.knowledge is not None
        builder = IndexBuilder(self.database, self.lake)
        builder.build(self.automation.name, self.automation.knowledge, folder=Path(), now=self.now)

    def search(self) -> KnowledgeSearch:
        return KnowledgeSearch(self.database, self.lake)

    def decided(self, *wanted: Wanted) -> list[str]:
        return review_world.record(self.database, list(wanted), of=self.automation, now=self.now)

    def draft(self) -> Made:
        """What the asset does, now."""
        with clock.running_on(lambda: self.now):
            return draft_all(self.declared, database=self.database, lake=self.lake)

    def deliver(self, helpdesk: Any) -> Delivered:
        return Outbox(self.database).deliver(
            automation=self.automation, target="helpdesk", connector=helpdesk, now=self.now
        )

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def person(self, payload: dict[str, Any] = PERSON) -> None:
        """What the helpdesk and the CRM say of the requester."""
        with self.database.connection() as connection:
            connection.execute("update landing_records set payload = %s", (Jsonb(payload),))

    def column(self, query: str) -> list[Any]:
        with self.database.connection() as connection:
            return [row[0] for row in connection.execute(query).fetchall()]


def world(database: Database, folder: Path, **changes: Any) -> World:
    return World(database, Lake(folder / "lake"), declaration(**changes))
