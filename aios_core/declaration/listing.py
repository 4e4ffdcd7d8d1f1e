"""How a JSON API over HTTP lists what changed, and how it wants to know who asks: all by declaration.

What belongs here: what can be said of an API without code. What does not: asking (`resources/connectors/json_api/`). A vendor of our own is
such a declaration too, kept beside its mapper in `aios_core/canonical/`.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from aios_core.declaration.base import Declared

_PLACEHOLDER = re.compile(r"\{(since|page|offset|token|size)\}")
Method = Literal["GET", "POST"]
Pages = Literal["page", "offset", "token", "link", "none"]
PLACED: dict[Pages, str] = {"page": "page", "offset": "offset", "token": "token"}


class Listing(Declared):
    """One list of an API. `{since}`, `{size}` and `{page}`, `{offset}` or `{token}` stand in `params`, `body` and `path` for what is asked.

    A value that is only a placeholder with nothing to say is left out: the first page has no token.
    """

    path: str = Field(description="Below the source's URL")
    method: Method = "GET"
    params: dict[str, str | int | bool] = Field(default_factory=dict, description="Query parameters")
    body: dict[str, Any] | None = Field(None, description="JSON, for lists that are asked for by POST")
    items: str = Field("", description="Dotted path of the list in the answer; empty: the answer is the list")
    id: str = Field("id", description="Dotted path of an item's id")
    updated: str | None = Field(
        None, description="Dotted path of when an item last changed; none: all is read each time"
    )
    since: str = Field(
        "iso",
        description="How `{since}` is written: `iso` (8601), `epoch` (seconds since 1970), `epoch_ms`, or a strftime format (UTC)",
    )
    exclusive: bool = Field(False, description="The API gives what changed after `{since}`, without that moment itself")
    sorted: bool = Field(False, description="Oldest change first: a page then ends where the next one may begin")
    paging: Pages = "none"
    size: int = Field(100, ge=1, le=10_000, description="Items a page")
    first: int = Field(1, ge=0, description="Number of the first page")
    most_pages: int | None = Field(None, ge=1, description="The API gives no more pages of one question")
    following: str | None = Field(
        None, description="Dotted path of the next page's token, or of its URL for `link`; none: the `Link` header's"
    )
    more: str | None = Field(None, description="Dotted path of a flag; false: this was the last page")
    last: str | None = Field(None, description="Dotted path of a flag; true: this was the last page")
    overlap_seconds: float = Field(60.0, ge=0, description="A read begins so long before the last one's newest change")
    ignore: tuple[str, ...] = Field((), description="Fields that change by themselves and make no new version")

    @model_validator(mode="after")
    def _consistent(self) -> "Listing":
        used = set(_PLACEHOLDER.findall(f"{self.path}{self.params}{self.body}"))
        wanted = PLACED.get(self.paging)
        if wanted and wanted not in used:
            raise ValueError(f"paging by {self.paging} needs `{{{wanted}}}` in `params`, `body` or `path`")
        if strange := used & set(PLACED.values()) - {wanted}:
            raise ValueError(f"`{{{min(strange)}}}` has no meaning where `paging` is {self.paging}")
        if self.paging == "token" and self.following is None:
            raise ValueError("paging by token needs `following`: where an answer has the next page's token")
        if ("since" in used) != (self.updated is not None):
            raise ValueError("`{since}` and `updated` belong together: the one asks for what the other says")
        if self.sorted and self.updated is None:
            raise ValueError("`sorted` means by `updated`, which is missing")
        if self.most_pages is not None and not self.sorted:
            raise ValueError("an API that ends after `most_pages` can only be read to its end where it is `sorted`")
        return self


class BasicAuth(Declared):
    """User name and password, or whatever a vendor wants in their places."""

    kind: Literal["basic"]
    username: str = Field(description="`${VAR}` allowed")
    password: str = Field(description="Always `${VAR}`, or a word without meaning where the name is the secret")


class BearerAuth(Declared):
    """A token in the `Authorization` header."""

    kind: Literal["bearer"]
    token: str = Field(description="Always `${VAR}`")


class HeaderAuth(Declared):
    """A token in a header of the vendor's own."""

    kind: Literal["header"]
    name: str
    value: str = Field(description="Always `${VAR}`")


class OAuth(Declared):
    """OAuth 2: by client credentials, or by a refresh token where there is one. A token is asked for again once it is not accepted."""

    kind: Literal["oauth"]
    token_path: str = Field(description="Below the source's URL, or a whole URL; `${VAR}` allowed")
    client_id: str = Field(description="`${VAR}` allowed")
    client_secret: str = Field(description="Always `${VAR}`")
    refresh_token: str | None = Field(None, description="Always `${VAR}`")
    scope: str | None = None


Auth = Annotated[BasicAuth | BearerAuth | HeaderAuth | OAuth, Field(discriminator="kind")]
