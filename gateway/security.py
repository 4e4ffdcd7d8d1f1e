"""Sessions, form tokens and response headers of the console.

What belongs here: what a browser must prove, and what it is told to refuse. What does not: accounts (`resources/users.py`)
and pages.

A session is a signed cookie (user name, the password's stamp, time of issue, nonce); the server keeps nothing. Forms carry
a token derived from the nonce, so that another site can't post in a signed-in person's name; a `SameSite=Lax` cookie and the
browser's own word on where a post comes from are the second and third fence.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from fastapi import Request
from itsdangerous import BadSignature, URLSafeSerializer

COOKIE = "aios_session"

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Reports bring their scripts inside themselves. The sandbox gives them an origin of their own: no cookie, no console.
REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval';"
    " style-src 'unsafe-inline'; img-src data: blob:; font-src data:; worker-src blob:; frame-ancestors 'none'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What the cookie says, once its signature and age are right."""

    username: str
    stamp: str
    issued: datetime
    nonce: str


class Sessions:
    """Makes and reads session cookies and form tokens under one secret."""

    def __init__(self, secret_key: str, *, lifetime: timedelta) -> None:
        self._secret = secret_key.encode()
        self._lifetime = lifetime
        self._signer = URLSafeSerializer(
            secret_key, salt="aios.console.session", signer_kwargs={"digest_method": hashlib.sha256}
        )

    @property
    def lifetime(self) -> timedelta:
        return self._lifetime

    def start(self, *, username: str, stamp: str, now: datetime) -> str:
        """A cookie's value for a person who has just proved who they are."""
        return self._signer.dumps([username, stamp, int(now.timestamp()), secrets.token_urlsafe(12)])

    def read(self, cookie: str | None, *, now: datetime) -> Session | None:
        """The session, or None where the cookie is absent, forged or too old."""
        if not cookie:
            return None
        try:
            username, stamp, issued, nonce = self._signer.loads(cookie)
            session = Session(
                username=str(username), stamp=str(stamp), issued=datetime.fromtimestamp(issued, UTC), nonce=str(nonce)
            )
        except (BadSignature, ValueError, TypeError, OverflowError):
            return None
        return (
            session if session.issued <= now + timedelta(minutes=1) and now < session.issued + self._lifetime else None
        )

    def token(self, session: Session) -> str:
        """The form token that belongs to a session."""
        return hmac.new(self._secret, f"form:{session.nonce}".encode(), hashlib.sha256).hexdigest()

    def token_fits(self, session: Session, token: str) -> bool:
        return hmac.compare_digest(self.token(session).encode(), token.encode())


def comes_from_elsewhere(request: Request) -> bool:
    """The browser says that another site sent this. Clients that say nothing are judged by their token alone."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    return origin not in (None, "null") and urlsplit(origin).netloc != request.headers.get("host")


def local_path(target: str | None) -> str:
    """Where to go after the sign-in: a path of this site, else the front page."""
    if not target or not target.startswith("/") or target.startswith("//") or "\\" in target:
        return "/"
    return "/" if any(ord(c) < 32 for c in target) else target
