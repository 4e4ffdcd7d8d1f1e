"""Who we are, as an API wants to hear it.

What belongs here: from a declared way to httpx's. What does not: declaring it (`aios_core/declaration/listing.py`).
"""

from collections.abc import Callable, Generator
from urllib.parse import urljoin

import httpx
import orjson

from aios_core.declaration.listing import Auth, BasicAuth, BearerAuth, HeaderAuth, OAuth
from aios_core.errors import ConfigurationError

Expand = Callable[[str], str]


def opened(auth: Auth | None, *, url: str, expand: Expand) -> tuple[httpx.Auth | None, str]:
    """(httpx's auth, what tells this credential from others: the key of its quota)."""
    match auth:
        case None:
            return None, ""
        case BasicAuth():
            return httpx.BasicAuth(expand(auth.username), expand(auth.password)), expand(auth.username)
        case BearerAuth():
            return _Header("Authorization", f"Bearer {expand(auth.token)}"), expand(auth.token)
        case HeaderAuth():
            return _Header(auth.name, expand(auth.value)), expand(auth.value)
        case OAuth():
            return _Renewed(auth, url=url, expand=expand), expand(auth.client_id)


class _Header(httpx.Auth):
    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[self._name] = self._value
        yield request


class _Renewed(httpx.Auth):
    """A token that is asked for when there is none, and again once it is not accepted: one that ran out is no failure."""

    requires_response_body = True

    def __init__(self, declared: OAuth, *, url: str, expand: Expand) -> None:
        self._url = urljoin(url.rstrip("/") + "/", expand(declared.token_path).lstrip("/"))
        self._form = {"client_id": expand(declared.client_id), "client_secret": expand(declared.client_secret)}
        if declared.refresh_token is not None:
            self._form |= {"grant_type": "refresh_token", "refresh_token": expand(declared.refresh_token)}
        else:
            self._form["grant_type"] = "client_credentials"
        if declared.scope is not None:
            self._form["scope"] = declared.scope
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token is None:
            refused = yield from self._renew()
            if refused is not None:
                return
        request.headers["Authorization"] = f"Bearer {self._token}"
        answer = yield request
        # a new one too may have been revoked by now; where the credentials are wrong no token is given
        if answer.status_code == 401:
            refused = yield from self._renew()
            if refused is None:
                request.headers["Authorization"] = f"Bearer {self._token}"
                yield request

    def _renew(self) -> Generator[httpx.Request, httpx.Response, httpx.Response | None]:
        """None where there is a token now; else the answer, which httpx then takes for that to the request itself."""
        answer = yield httpx.Request("POST", self._url, data=self._form, headers={"Accept": "application/json"})
        if answer.status_code >= 400:
            return answer
        try:
            body = orjson.loads(answer.content)
        except orjson.JSONDecodeError as error:  # cut short, or a proxy's page: asked again like any answer
            raise httpx.DecodingError(f"the token's answer is not JSON: {error}", request=answer.request) from error
        try:
            self._token = str(body["access_token"])
        except (KeyError, TypeError) as error:
            raise ConfigurationError(f"{self._url}: gave no access token; is `token_path` right?") from error
        if isinstance(body.get("refresh_token"), str) and "refresh_token" in self._form:
            self._form["refresh_token"] = body["refresh_token"]  # some vendors give a new one with every token
        return None
