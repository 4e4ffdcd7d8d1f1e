"""What is there at the end, beside the sandbox's truth.

What belongs here: pure comparisons, and the few questions to the database that they need. What does not: running anything.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from benchmarks.soak.vendors import NAME, TICKETS, Vendor
from resources.database import rows

_OURS = re.compile(r"soak (\w+) (\d+) (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One canonical version of a ticket, as far as order and content go."""

    ticket_id: str
    at: datetime
    status: str
    queue: str | None
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A ticket as it stands in the world."""

    number: int
    at: datetime
    deleted: bool
    queue: str | None
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is missing and what is out of order, each said so that a person can look for it."""

    lost: tuple[str, ...] = ()
    wrong_order: tuple[str, ...] = ()


def compare(source: str, vendor: Vendor, truth: Iterable[Standing], known: Mapping[str, Sequence[Version]]) -> Found:
    """One helpdesk's tickets. `known` has each ticket's versions, those that count as newer later.

    Lost: a ticket, its newest change, its deletion where the vendor tells of it, or its content. Out of order: the newest change is there, and
    another version counts as newer.
    """
    lost, wrong = list[str](), list[str]()
    for one in truth:
        versions = known.get(vendor.own_id(one.number), ())
        newest = versions[-1] if versions else None
        what = f"{source} {one.number}"
        if one.deleted and not vendor.deletes:
            continue
        if newest is None:
            lost += [] if one.deleted else [f"{what}: never arrived"]
        elif one.deleted:
            lost += [] if newest.status == "deleted" else [f"{what}: its deletion"]
        elif newest.at != one.at:
            arrived = any(version.at == one.at for version in versions)
            (wrong if arrived else lost).append(f"{what}: stands at {newest.at}, changed at {one.at}")
        elif (_words(newest.subject), newest.queue) != (_words(one.subject), one.queue):
            lost.append(f"{what}: {newest.subject!r} in {newest.queue}, and not {one.subject!r} in {one.queue}")
    return Found(lost=tuple(lost), wrong_order=tuple(wrong))


def _words(text: str) -> list[str]:
    """Some vendors keep texts as HTML, in which spaces are not what they were."""
    return text.split()


def versions_of(connection: Connection[Any], source: str) -> dict[str, list[Version]]:
    """By ticket; the last one is what the platform takes for the newest."""
    found: dict[str, list[Version]] = {}
    query = (
        "select ticket_id, event_time, status, queue, subject from tickets where automation = %s and source = %s"
        " order by ticket_id, event_time, landing_id"
    )
    for row in rows(connection, query, (NAME, source)):
        one = Version(
            ticket_id=row["ticket_id"],
            at=row["event_time"],
            status=row["status"],
            queue=row["queue"],
            subject=row["subject"],
        )
        found.setdefault(one.ticket_id, []).append(one)
    return found


def duplicates(connection: Connection[Any]) -> list[str]:
    """Records that landed twice with the same content, whatever their versions are called.

    What a delivery named was read by its id, beside the list it will also come in: a version of its own by design, which no decision counts twice.
    """
    query = (
        "select source, object, external_id, count(*) as times from landing_records where automation = %s"
        " and not (source = 'zendesk' and version like 'sha256:%%')"
        " group by source, object, external_id, md5(payload::text) having count(*) > 1"
    )
    return [
        f"{r['source']} {r['object']} {r['external_id']}: {r['times']} times" for r in rows(connection, query, (NAME,))
    ]


def actions(sent: Sequence[Mapping[str, Any]], writes: Sequence[Mapping[str, Any]]) -> tuple[Found, list[str]]:
    """What became of actions: (missing or in another order than they were entered, in effect twice).

    `sent` are the outbox's rows in their order with `payload` and `external_id`, `writes` what the sandbox received.
    """
    arrived: Counter[str] = Counter()
    order: dict[int, list[str]] = {}
    for write in writes:
        text = str((write["fields"].get("comment") or {}).get("body", ""))
        if write["applied"] and (found := _OURS.search(text)):
            arrived[found[0]] += 1
            order.setdefault(int(found[2]), []).append(found[0])
    lost, wanted = list[str](), dict[int, list[str]]()
    for row in sent:
        text = str(row["payload"]["comment"])
        found = _OURS.search(text)
        assert found is not None  # the soak's own words
        wanted.setdefault(int(found[2]), []).append(text)
        if not arrived[text]:
            lost.append(f"action `{text}`: sent, and not in effect")
    twice = [f"`{text}`: {times} times" for text, times in arrived.items() if times > 1]
    wrong = [
        f"ticket {number}: written as {order[number]}, entered as {texts}"
        for number, texts in wanted.items()
        if list(dict.fromkeys(order.get(number, []))) != [text for text in texts if arrived[text]]
    ]
    return Found(lost=tuple(lost), wrong_order=tuple(wrong)), twice


def deliveries(connection: Connection[Any], acknowledged: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """(acknowledged and not there, there more than once)."""
    query = "select source, delivery_id from webhook_deliveries where automation = %s"
    kept = Counter((row["source"], row["delivery_id"]) for row in rows(connection, query, (NAME,)))
    lost = [f"delivery {own} of {source}" for source, own in acknowledged if not kept[source, own]]
    return lost, [f"delivery {own} of {source}: {n} times" for (source, own), n in kept.items() if n > 1]


def judged(connection: Connection[Any], truth: Sequence[Standing]) -> Found:
    """Every helpdesk's tickets."""
    lost, wrong = list[str](), list[str]()
    for source, vendor in TICKETS.items():
        found = compare(source, vendor, truth, versions_of(connection, source))
        lost += found.lost
        wrong += found.wrong_order
    return Found(lost=tuple(lost), wrong_order=tuple(wrong))
