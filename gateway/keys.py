"""Who may use the machine API: keys of which only the hash is known here.

What belongs here: reading the keys of the environment, and judging a request's. What does not: people, who sign in at the
console (`pages/session.py`).

`AIOS_API_KEYS` is a list of `name=sha256` separated by commas; `python -m gateway --new-key NAME` makes one. Without any key the
API is closed, but in the local deployment: there it is open to this machine's own programs. A browser on this machine runs
other people's pages, so whatever says that it comes from another site, or calls us by a name that is not this machine's, or
came through a proxy, is not one of them.
"""

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from aios_core.errors import ConfigurationError
from gateway.refusals import Refused

VARIABLE = "AIOS_API_KEYS"
LOCAL = "local"
_ENTRY = re.compile(r"(?P<name>[A-Za-z0-9_.-]{1,64})=(?P<digest>[0-9a-f]{64})")
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip")


def new_key(name: str) -> tuple[str, str]:
    """A fresh key, and its entry for `AIOS_API_KEYS`. Raises ConfigurationError for a name that can't be one."""
    key = f"aios_{secrets.token_urlsafe(32)}"
    entry = f"{name}={hashlib.sha256(key.encode()).hexdigest()}"
    if not _ENTRY.fullmatch(entry):
        raise ConfigurationError(f"a key's name has letters, digits, `_`, `.` and `-`, at most 64; not `{name[:80]}`")
    return key, entry


def read_keys(text: str | None) -> dict[str, str]:
    """SHA-256 -> name. Raises ConfigurationError; what was wrong is not shown, since it may be a key."""
    found: dict[str, str] = {}
    for place, entry in enumerate((text or "").split(","), start=1):
        if not entry.strip():
            continue
        match = _ENTRY.fullmatch(entry.strip())
        if match is None:
            raise ConfigurationError(
                f"{VARIABLE}: entry {place} is not `name=sha256`; make one with `python -m gateway --new-key NAME`"
            )
        found[match["digest"]] = match["name"]
    return found


class Keys:
    """The keys of one gateway. `open_here`: without a key, programs of this machine may pass."""

    def __init__(self, known: Mapping[str, str], *, open_here: bool) -> None:
        self._known = known
        self._open_here = open_here and not known

    def who(self, head: Mapping[bytes, bytes], client: str | None) -> str:
        """The name of the key that a request carries. Raises Refused."""
        if self._open_here and _from_here(head, client):
            return LOCAL
        given = head.get(b"x-api-key")
        if given is None:
            scheme, _, value = head.get(b"authorization", b"").partition(b" ")
            given = value.strip() if scheme.lower() == b"bearer" else None
        if given is None:
            raise Refused(401, "key.missing", f"send an API key as `Authorization: Bearer ...`; {self._where()}")
        name = self._known.get(hashlib.sha256(given).hexdigest())
        if name is None:
            raise Refused(401, "key.unknown", f"this API key is not known here; {self._where()}")
        return name

    def _where(self) -> str:
        if self._open_here:
            return (
                f"only programs of this machine, calling it by its own name, pass without one until {VARIABLE} is set"
            )
        return "whoever runs this gateway has it" if self._known else f"none is set up: {VARIABLE} is empty"


def _from_here(head: Mapping[bytes, bytes], client: str | None) -> bool:
    if any(name in head for name in _FORWARDED) or not _is_loopback(client):
        return False
    host = head.get(b"host", b"").decode("latin-1")
    if not _names_here(host):
        return False
    origin = head.get(b"origin")
    if head.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
        return False
    return origin is None or origin.decode("latin-1").partition("://")[2] == host


_HERE: dict[str, bool] = {}


def _names_here(host: str) -> bool:
    known = _HERE.get(host)
    if known is None:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        known = name == "localhost" or _is_loopback(name)
        if len(_HERE) < 100:
            _HERE[host] = known
    return known


_LOOPBACK: dict[str | None, bool] = {None: False}


def _is_loopback(client: str | None) -> bool:
    known = _LOOPBACK.get(client)
    if known is None:
        try:
            known = ipaddress.ip_address(client or "").is_loopback
        except ValueError:
            known = False
        if len(_LOOPBACK) < 1_000:
            _LOOPBACK[client] = known
    return known
