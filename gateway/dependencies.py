"""What a page asks for: the stores, the time, and who is signed in.

What belongs here: FastAPI dependencies. What does not: the things themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from fastapi import Depends, Form, Request

from gateway.metrics import Requests
from gateway.rendering import Pages
from gateway.security import COOKIE, Session, Sessions, comes_from_elsewhere
from gateway.settings import Settings
from resources.console import ConsoleViews
from resources.console_case import CaseViews
from resources.database import Database
from resources.decision_search import DecisionSearch
from resources.lake import Lake
from resources.reviews import ReviewStore
from resources.users import User, UserStore

if TYPE_CHECKING:
    from resources.explanations import Explanations
    from resources.knowledge_index import KnowledgeSearch


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything opened once for the whole app."""

    settings: Settings
    database: Database
    lake: Lake
    sessions: Sessions
    pages: Pages
    requests: Requests
    clock: Callable[[], datetime]
    explanations: Callable[[], "Explanations"]
    knowledge: Callable[[], "KnowledgeSearch"]

    @property
    def reviews(self) -> ReviewStore:
        return ReviewStore(self.database)

    @property
    def users(self) -> UserStore:
        return UserStore(self.database)

    @property
    def views(self) -> ConsoleViews:
        return ConsoleViews(self.database)

    @property
    def beside(self) -> CaseViews:
        return CaseViews(self.database)

    @property
    def search(self) -> DecisionSearch:
        return DecisionSearch(self.database)


class SignInNeeded(Exception):
    """No valid session. `target` is where to go after the sign-in."""

    def __init__(self, target: str, *, lost: bool = False) -> None:
        super().__init__(target)
        self.target = target
        self.lost = lost  # something was posted, and was not taken


class Forbidden(Exception):
    """A post that this site's own page did not send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is signed in, with the token for their forms."""

    user: User
    token: str

    @property
    def username(self) -> str:
        return self.user.username


# What asks nobody is `async`: it runs where it is called. FastAPI hands everything else to a thread, and under load each
# hand-over waits for the threads that are at work.


async def services(request: Request) -> Services:
    return request.app.state.services  # type: ignore[no-any-return]


Opened = Annotated[Services, Depends(services)]


async def now(opened: Opened) -> datetime:
    return opened.clock()


Now = Annotated[datetime, Depends(now)]


def session(request: Request, opened: Opened, at: Now) -> tuple[Session, User] | None:
    """The session whose account still exists and whose password hasn't changed since."""
    found = opened.sessions.read(request.cookies.get(COOKIE), now=at)
    user = opened.users.get(found.username) if found else None
    return (found, user) if found and user and user.stamp == found.stamp else None


MaybeSession = Annotated[tuple[Session, User] | None, Depends(session)]


async def person(request: Request, opened: Opened, found: MaybeSession) -> Person:
    """Who reads this page. Raises SignInNeeded."""
    if found is None:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        raise SignInNeeded(here if request.method == "GET" else _page_of(request), lost=request.method != "GET")
    return Person(user=found[1], token=opened.sessions.token(found[0]))


Reader = Annotated[Person, Depends(person)]


async def poster(
    request: Request, opened: Opened, reader: Reader, found: MaybeSession, token: Annotated[str, Form()] = ""
) -> Person:
    """Who posts this form, from a page of ours. Raises SignInNeeded, Forbidden."""
    if found is None or comes_from_elsewhere(request) or not opened.sessions.token_fits(found[0], token):
        raise Forbidden("this form did not come from a page of the console, or the page is from an earlier sign-in")
    return reader


Poster = Annotated[Person, Depends(poster)]


def said(text: str | None, *, longest: int = 2_000) -> str:
    """What a person typed into a form, fit for a text column: no NUL, trimmed, bounded."""
    return (text or "").replace("\0", "").strip()[:longest]


def to(*parts: str) -> str:
    """A path of this site from parts; slashes inside a part stay."""
    return "/" + "/".join(quote(p, safe="/") for p in parts)


def _page_of(request: Request) -> str:
    """The page a form stands on: its address without the last, doing, word."""
    path = request.url.path
    return path if path.startswith("/batches/") else path.rsplit("/", 1)[0] or "/"
