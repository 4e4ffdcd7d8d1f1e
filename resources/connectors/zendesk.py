"""Zendesk: incremental cursor exports of users and tickets, and batched writes that are safe to repeat.

What belongs here: Zendesk's paths, paging and jobs. What does not: what a payload means (`aios_core/canonical/zendesk.py`)
and which update follows from an action (`zendesk_updates.py`).

Exactly once in effect, though Zendesk has no idempotency keys for updates: each update puts its action's key into the
ticket's custom field `aios_decision`, which is read before writing, and carries the read ticket's `updated_at` as
`updated_stamp`, so that of two writers only one gets through and the other reads again.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from datetime import time as day_time
from typing import TYPE_CHECKING, Any

import httpx
from msgspec import Raw

from aios_core.canonical import zendesk
from aios_core.canonical.thread import Message
from aios_core.declaration.sources import ZendeskSource
from aios_core.errors import PermanentError, RecordError, RetryableError
from resources.connectors.base import Page, Record, Reject, WriteResult, ahead, rounds
from resources.connectors.http import PATIENT, Answer, HttpClient, Patience, SourceMalformed, SourceRefused
from resources.connectors.items import content_version, item_reject, to_json_bytes
from resources.connectors.json_api.filling import Request
from resources.connectors.json_api.messages import conversation
from resources.connectors.raw import body_with, parsed, stands
from resources.connectors.traffic import Traffic
from resources.connectors.zendesk_updates import MARKER, Fields, judge_job_result, parts_of, update_for

if TYPE_CHECKING:
    from aios_core.decisions.actions import OutboxAction

PAGE = 1000  # the most that Zendesk gives; it allows 10 such requests a minute
BATCH = 100  # the most tickets that show_many and update_many take
WRITE_TRIES = 3
_export = {name: body_with(name, "after_cursor", "end_of_stream") for name in ("users", "tickets")}
_SENT = WriteResult(external_id="", status="sent")
JOB_SECONDS = 60.0


class ZendeskConnector:
    """One Zendesk account. `start` is the first day whose ticket changes are exported; users come from the beginning,
    since a ticket's requester may be older than the ticket.
    """

    objects: tuple[str, ...] = ("users", "tickets")

    def __init__(
        self,
        source: ZendeskSource,
        *,
        url: str,
        email: str,
        token: str,
        queues: Sequence[str] = (),
        start: date | None = None,
        page_size: int = PAGE,
        traffic: Traffic | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        patience: Patience = PATIENT,
    ) -> None:
        self._source = source
        self._queues = tuple(queues)
        self._start = source.start_time or start
        self._page_size = page_size
        self._sleep = sleep
        self._http = HttpClient(
            name="zendesk",
            base_url=url,
            auth=(f"{email}/token", token),
            traffic=traffic,
            transport=transport,
            sleep=sleep,
            timeout_seconds=patience.timeout_seconds,
            policy=patience.policy,
        )
        self._fields: Fields | None = None
        self._has_show_many = True
        self._hinted: tuple[str, ...] = ()

    def hint(self, ids: Sequence[str]) -> None:
        """Tickets to read by their ids at the end of the next read: an export leaves out what changed in its last minute."""
        self._hinted = tuple(dict.fromkeys(ids))

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        """Pages of up to 1,000, the next one fetched while this one is landed."""
        if object not in self.objects:
            raise PermanentError(f"zendesk: no object `{object}`; there are: {', '.join(self.objects)}")
        return ahead(self._pages(object, cursor))

    def write(self, actions: "Sequence[OutboxAction]") -> list[WriteResult]:
        """One result an action. Several actions on one ticket are written one after the other, in their order."""
        parts = [(place, part) for place, action in enumerate(actions) for part in parts_of(action)]
        results: dict[int, WriteResult] = {}
        for indices in rounds([part.external_id for _, part in parts], limit=BATCH):
            # what follows within an action is written only after what comes before it
            going_on = {i: parts[i] for i in indices if results.get(parts[i][0], _SENT).status == "sent"}
            written = self._write_round({i: part for i, (_, part) in going_on.items()})
            results |= {going_on[i][0]: result for i, result in written.items()}
        return [results[i] for i in range(len(actions))]

    def create(self, *, subject: str, body: str, tags: Sequence[str], external_id: str) -> str:
        """A new ticket's id. Zendesk gives the same ticket to the same idempotency key within two hours."""
        ticket = {"subject": subject, "comment": {"body": body}, "tags": list(tags), "external_id": external_id}
        body_of = self._http.request(
            "POST",
            "/api/v2/tickets.json",
            json={"ticket": ticket},
            headers={"Idempotency-Key": external_id},
            repeatable=False,
        )
        made = body_of.get("ticket")
        if not isinstance(made, dict) or "id" not in made:
            raise SourceMalformed(
                "zendesk: a ticket was made and its id not said; it is found again by its external id"
            )
        return str(made["id"])

    def tags_of(self, ticket_id: str) -> tuple[str, ...] | None:
        """A ticket's tags now; None where there is no such ticket."""
        ticket = self._show(ticket_id)
        return None if ticket is None else tuple(ticket.get("tags") or ())

    def delete(self, ticket_id: str) -> None:
        """Gone afterwards, whether it was there or not."""
        try:
            self._http.request("DELETE", f"/api/v2/tickets/{ticket_id}.json")
        except SourceRefused as error:
            if error.status != 404:
                raise

    def thread(self, ticket_id: str) -> tuple[Message, ...]:
        """A ticket's comments, its description left out."""
        return conversation(self._source.thread, ticket_id=ticket_id, ask=self._send)

    def check(self) -> str:
        """Who we are there, and which declared queues have no group."""
        user = self._http.get("/api/v2/users/me.json").get("user") or {}
        rule = self._source.mapping.get("queue")
        unmapped = sorted(set(self._queues) - set(rule.values.values() if rule else ()))
        warning = f"; no group is mapped to: {', '.join(unmapped)}" if unmapped else ""
        return f"{user.get('email')} ({user.get('role')}) at {self._http.base_url}{warning}"

    def close(self) -> None:
        self._http.close()

    def _send(self, request: Request, *, repeatable: bool) -> Answer:
        return self._http.exchange(
            request.method, request.path, params=request.params or None, json=request.body, repeatable=repeatable
        )

    def _pages(self, object: str, cursor: str | None) -> Generator[Page, None, None]:
        while True:
            params: dict[str, str | int] = {"per_page": self._page_size}
            params |= {"cursor": cursor} if cursor else {"start_time": self._start_time(object)}
            path = f"/api/v2/incremental/{object}/cursor.json"
            body = self._http.request("GET", path, params=params, parse=_export[object])
            page = _page(object, body, cursor)
            hinted = self._hinted if page.done and object == "tickets" else ()
            yield replace(page, done=False) if hinted else page
            if page.done:
                yield from self._shown(hinted)
                return
            cursor = page.cursor

    def _shown(self, ids: Sequence[str]) -> Generator[Page, None, None]:
        """These tickets as they stand, a page a request; the export's cursor stays where it is."""
        for start in range(0, len(ids), BATCH):
            found = self._show_many(ids[start : start + BATCH])
            records, rejects = _records("tickets", list(found.values()), shown=True)
            done = start + BATCH >= len(ids)
            yield Page(object="tickets", records=records, rejects=rejects, cursor="", done=done, by_id=True)

    def _start_time(self, object: str) -> int:
        if object == "users" or self._start is None:
            return 0
        return int(datetime.combine(self._start, day_time(), tzinfo=UTC).timestamp())

    def _write_round(self, actions: "Mapping[int, OutboxAction]") -> dict[int, WriteResult]:
        """At most one action a ticket. Whatever may work later is `retry`, never an exception that hides the others."""
        waiting = dict(actions)
        results: dict[int, WriteResult] = {}
        try:
            for _ in range(WRITE_TRIES):
                settled = self._try(waiting)
                results |= settled
                waiting = {i: a for i, a in waiting.items() if i not in settled}
                if not waiting:
                    break
            message = "other writers keep changing this ticket"
        except RetryableError as error:
            message = str(error)
        return results | {i: _result(a, "retry", message) for i, a in waiting.items()}

    def _try(self, actions: "Mapping[int, OutboxAction]") -> dict[int, WriteResult]:
        """Read, then update what is not in effect yet. Those missing from the answer were changed meanwhile."""
        tickets = self._show_many([a.external_id for a in actions.values()])
        fields, settled, updates = self._ticket_fields(), {}, {}
        for i, action in actions.items():
            answer = update_for(action, tickets.get(action.external_id), fields=fields, source=self._source)
            if isinstance(answer, WriteResult):
                settled[i] = answer
            else:
                updates[i] = answer
        if updates:
            results = self._update_many(list(updates.values()))
            for place, i in enumerate(updates):
                verdict = judge_job_result(actions[i], results.get(place))
                if verdict is not None:
                    settled[i] = verdict
        return settled

    def _show_many(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The tickets that are there. Without `show_many`, which not every helpdesk of this API has, one by one."""
        numbers = [i for i in ids if i.isascii() and i.isdigit()]
        if not numbers:
            return {}
        if self._has_show_many:
            try:
                body = self._http.get("/api/v2/tickets/show_many.json", ids=",".join(numbers))
                return {str(t["id"]): t for t in body.get("tickets") or () if isinstance(t, dict) and "id" in t}
            except SourceRefused as error:
                if error.status not in (400, 404):
                    raise
                self._has_show_many = False
        shown = ((i, self._show(i)) for i in numbers)
        return {i: ticket for i, ticket in shown if ticket is not None}

    def _show(self, ticket_id: str) -> dict[str, Any] | None:
        try:
            ticket = self._http.get(f"/api/v2/tickets/{ticket_id}.json").get("ticket")
        except SourceRefused as error:
            if error.status == 404:
                return None
            raise
        if not isinstance(ticket, dict):
            raise SourceMalformed(f"zendesk: ticket {ticket_id} came without its fields; try again later")
        return ticket

    def _update_many(self, updates: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
        """Place in `updates` -> the job's result for it."""
        body = self._http.request("PUT", "/api/v2/tickets/update_many.json", json={"tickets": list(updates)})
        job = body.get("job_status")
        waited, pause = 0.0, 0.02
        while isinstance(job, dict) and job.get("status") in ("queued", "working"):
            if waited >= JOB_SECONDS:
                raise SourceMalformed(f"zendesk: job {job.get('id')} is still {job['status']} after {JOB_SECONDS:g} s")
            self._sleep(pause)
            waited, pause = waited + pause, min(2.0, pause * 1.6)
            job = self._http.get(f"/api/v2/job_statuses/{job.get('id')}.json").get("job_status")
        if not isinstance(job, dict) or job.get("status") != "completed":
            said = job.get("message") or job.get("status") if isinstance(job, dict) else "no job status"
            raise SourceMalformed(f"zendesk: a batch of {len(updates)} updates ended with: {said}")
        return _by_place(job.get("results"), updates)

    def _ticket_fields(self) -> Fields:
        if self._fields is None:
            body = self._http.get("/api/v2/ticket_fields.json")
            named = {str(f.get("title", "")).lower(): f.get("id") for f in body.get("ticket_fields") or ()}
            if MARKER not in named:
                raise PermanentError(
                    f"zendesk at {self._http.base_url}: no ticket field is called `{MARKER}`; create a text field with this "
                    "title, which keeps writes from happening twice, or set `actions.dry_run`"
                )
            self._fields = Fields(marker=named[MARKER], confidence=named.get("aios_confidence"))
        return self._fields


def _page(object: str, body: Mapping[str, Any], cursor: str | None) -> Page:
    items = body.get(object)
    if not isinstance(items, list):
        raise SourceMalformed(f"zendesk: an export page without a list of {object}; try again later")
    records, rejects = _records(object, items)
    following = body.get("after_cursor") or cursor or ""
    if not isinstance(following, str):
        raise SourceMalformed("zendesk: an export page whose cursor is no text; try again later")
    # a cursor that does not move would be read for ever
    done = bool(body.get("end_of_stream")) or following == (cursor or "")
    return Page(object=object, records=records, rejects=rejects, cursor=following, done=done)


def _records(object: str, items: list[Any], *, shown: bool = False) -> tuple[tuple[Record, ...], tuple[Reject, ...]]:
    records: list[Record] = []
    rejects: list[Reject] = []
    for item in items:
        try:
            cut_out = isinstance(item, Raw)
            records.append(_exported(object, bytes(item)) if cut_out else _record(object, item, shown=shown))
        except RecordError as error:
            rejects.append(item_reject(object, item, error))
    return tuple(records), tuple(rejects)


def _exported(object: str, json: bytes) -> Record:
    """An item as it came, of which nothing but its id and version is read; where that does not do, all of it is."""
    if stands(json):
        try:
            external_id, version = zendesk.identify(zendesk.identity(json), object=object)
        except ValueError:
            version = None
        if version is not None:
            return Record(object=object, external_id=external_id, version=version, json=json)
    return _record(object, parsed(json), shown=False)


def _record(object: str, item: Any, *, shown: bool) -> Record:
    """`shown` by its id: not with all the fields that an export has, so it is a version of its own."""
    if not isinstance(item, dict):
        raise RecordError("record.not_an_object", f"an item of {object} is not an object with fields")
    external_id, version = zendesk.identify(item, object=object)
    json = to_json_bytes(item)
    return Record(
        object=object,
        external_id=external_id,
        version=content_version(json) if shown or version is None else version,
        json=json,
    )


def _by_place(results: Any, updates: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Results name their ticket by id, and by the place in the request where they have an `index`."""
    places = {str(u["id"]): n for n, u in enumerate(updates)}
    found: dict[int, dict[str, Any]] = {}
    for result in results or ():
        place = places.get(str(result.get("id")), result.get("index"))
        if isinstance(place, int):
            found[place] = result
    return found


def _result(action: "OutboxAction", status: Any, message: str) -> WriteResult:
    return WriteResult(external_id=action.external_id, status=status, message=message)
