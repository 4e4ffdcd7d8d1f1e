"""A declared API over real HTTP calls of the client: requests, authentication, cursors."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import orjson
import pytest
from pydantic import ValidationError

from aios_core.canonical.mapper import map_record
from aios_core.declaration.listing import Listing
from aios_core.declaration.sources import HttpSource
from resources.connectors.failures import SourceDenied, SourceMalformed
from resources.connectors.http import HttpClient, RetryPolicy
from resources.connectors.json_api.auth import opened
from resources.connectors.json_api.connector import JsonApiConnector

URL = "https://desk.example.com"


def source(**told: Any) -> HttpSource:
    return HttpSource.model_validate(
        {
            "connector": "http",
            "provides": "tickets",
            "url": URL,
            "auth": {"kind": "bearer", "token": "${DESK_TOKEN}"},
            "listing": {
                "path": "/v1/search",
                "method": "POST",
                "body": {"filter": {"changed_since": "{since}"}, "after": "{token}", "limit": "{size}"},
                "items": "data.rows",
                "id": "key",
                "updated": "changed",
                "since": "epoch_ms",
                "sorted": True,
                "paging": "token",
                "following": "data.next",
                "size": 2,
            },
            "mapping": {
                "subject": "title",
                "body": {"field": "text", "markup": "html"},
                "created_at": "made",
                "updated_at": "changed",
                "status": {"field": "state", "values": {"2": "open", "5": "closed"}},
                "queue": {"field": "team", "values": {"7": "billing"}},
                "deleted": "archived",
            },
        }
        | told
    )


def connector(declared: HttpSource, answer: Callable[[httpx.Request], httpx.Response]) -> JsonApiConnector:
    auth, _ = opened(declared.auth, url=URL, expand=lambda text: text.replace("${DESK_TOKEN}", "t0ken"))
    http = HttpClient(
        name="desk",
        base_url=URL,
        auth=auth,
        transport=httpx.MockTransport(answer),
        sleep=lambda _: None,
        policy=RetryPolicy(attempts=2),
    )
    return JsonApiConnector(name="desk", http=http, listings={"tickets": [declared.listing]})


def row(key: int, second: int) -> dict[str, Any]:
    moment = f"2026-11-20T12:00:{second:02d}Z"
    return {"key": key, "changed": moment, "made": moment, "title": "Bill", "text": "<p>Too&nbsp;high</p>", "state": 2}


def test_a_list_by_post_is_asked_with_what_the_declaration_says_and_goes_on_where_it_ended() -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer t0ken"
        body = orjson.loads(request.content)
        asked.append(body)
        rows = [row(1, 1), row(2, 2)] if len(asked) == 1 else [row(2, 2), row(3, 3)] if len(asked) == 2 else []
        return httpx.Response(200, json={"data": {"rows": rows, "next": "n" if rows else None}})

    pages = list(connector(source(), answer).read(object="tickets", cursor=None))
    assert asked[0] == {"filter": {"changed_since": 0}, "limit": 2}
    assert asked[1] == {"filter": {"changed_since": 1795176002000}, "limit": 2}
    assert [r.external_id for p in pages for r in p.records] == ["1", "2", "2", "3"]
    assert [p.done for p in pages] == [False, False, True]
    again = list(connector(source(), answer).read(object="tickets", cursor=pages[-1].cursor))
    assert asked[-1]["filter"]["changed_since"] == 1795176003000 - 60_000, "a minute of overlap"
    assert again[-1].cursor == pages[-1].cursor


def test_an_item_becomes_a_ticket_by_the_mapping_alone() -> None:
    def mapped(**told: Any) -> Any:
        payload = row(9, 4) | {"team": 7} | told
        return map_record(
            source(),
            source_name="desk",
            object="tickets",
            payload=payload,
            correlation_id="c",
            landed_at=httpx_now,
            external_id="9",
            version="v",
        )

    from datetime import UTC, datetime

    httpx_now = datetime(2026, 11, 21, tzinfo=UTC)
    ticket = mapped()
    assert (ticket.ticket_id, ticket.subject, ticket.body) == ("9", "Bill", "Too high")
    assert (ticket.status, ticket.queue) == ("open", "billing")
    assert mapped(archived=True).status == "deleted"
    assert mapped(archived=False, state=5).status == "closed"


def test_links_are_followed_below_our_own_base_whatever_host_they_name() -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(str(request.url))
        following = {} if len(paths) > 1 else {"Link": '<https://elsewhere.example.org/v1/tickets?page=2>; rel="next"'}
        return httpx.Response(200, json=[{"id": len(paths)}], headers=following)

    declared = source(auth=None, listing={"path": "/v1/tickets", "params": {"page": 1}, "paging": "link"})
    pages = list(connector(declared, answer).read(object="tickets", cursor=None))
    assert paths == [f"{URL}/v1/tickets?page=1", f"{URL}/v1/tickets?page=2"]
    assert [p.cursor for p in pages] == ["", ""]


def test_a_token_that_ran_out_is_asked_for_again_and_a_refused_one_is_an_error() -> None:
    given: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            form = parse_qs(request.content.decode())
            assert form["refresh_token"] == ["first" if not given else f"r{len(given)}"]
            given.append(f"a{len(given) + 1}")
            return httpx.Response(200, json={"access_token": given[-1], "refresh_token": f"r{len(given)}"})
        good = request.headers["authorization"] == "Bearer a2" or refused
        return httpx.Response(200 if good and not refused else 401, json=[] if good else {"error": "expired"})

    refused = False
    declared = source(
        auth={
            "kind": "oauth",
            "token_path": "/oauth/token",
            "client_id": "c",
            "client_secret": "s",
            "refresh_token": "first",
        },
        listing={"path": "/v1/tickets"},
    )
    client = connector(declared, answer)
    assert list(client.read(object="tickets", cursor=None))[-1].done
    assert given == ["a1", "a2"], "a new one may have been revoked by the time it is shown"
    refused = True
    with pytest.raises(SourceDenied):
        list(client.read(object="tickets", cursor=None))
    assert given == ["a1", "a2", "a3"], "asked for once more, and not for ever"


def test_a_token_answer_that_was_cut_short_is_asked_for_again_and_is_no_wrong_configuration() -> None:
    bodies = [b'{"access_tok', b'{"access_token": "a1"}']

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            return httpx.Response(200, content=bodies.pop(0))
        return httpx.Response(200, json=[{"id": 1}])

    auth = {"kind": "oauth", "token_path": "/oauth/token", "client_id": "c", "client_secret": "s"}
    client = connector(source(auth=auth, listing={"path": "/v1/tickets"}), answer)
    assert list(client.read(object="tickets", cursor=None))[-1].done
    assert bodies == []


def test_an_answer_without_its_list_is_malformed_not_empty() -> None:
    declared = source(auth=None, listing={"path": "/v1/tickets", "items": "tickets"})
    with pytest.raises(SourceMalformed, match="without a list at `tickets`"):
        list(
            connector(declared, lambda _: httpx.Response(200, json={"error": "x"})).read(object="tickets", cursor=None)
        )


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"paging": "page"}, "needs `{page}`"),
        ({"params": {"page": "{page}"}}, "has no meaning"),
        ({"paging": "token", "params": {"t": "{token}"}}, "needs `following`"),
        ({"params": {"since": "{since}"}}, "belong together"),
        ({"sorted": True}, "`updated`, which is missing"),
        ({"most_pages": 3}, "only be read to its end"),
    ],
)
def test_a_list_that_could_not_be_read_is_refused_when_it_is_declared(told: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Listing.model_validate({"path": "/x"} | told)
