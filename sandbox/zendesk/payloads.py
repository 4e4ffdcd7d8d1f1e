"""Tickets, comments, groups and fields as the vendor's JSON.

What belongs here: shapes. What does not: which tickets (`sandbox/helpdesk/store.py`) and HTTP (`routes.py`).
A payload is a function of the ticket's version: the same (id, updated_at) always gives the same bytes.
"""

from typing import Any, Final

from sandbox.clock import SECOND, iso
from sandbox.helpdesk.changes import CUSTOM_FIELDS
from sandbox.helpdesk.lifecycle import CLOSED, SOLVED, STATUSES
from sandbox.helpdesk.store import FIRST_TICKET_ID, TicketStore
from sandbox.world.queues import FIRST_GROUP_ID, PRIORITIES, QUEUES
from sandbox.world.tickets import CHANNELS, PRODUCTS
from sandbox.zendesk.people import FIRST_AGENT_ID, FIRST_USER_ID

BRAND_ID: Final = 700_001
FORM_ID: Final = 700_101
GROUP_TITLES: Final = {queue: queue.replace("_", " ").capitalize() for queue in QUEUES}
ANSWERS: Final = (
    "Thank you for your message. We have looked into it and the matter is settled.",
    "Sorry for the trouble. This is done now; please write again should anything be left open.",
    "We have checked your account and put it right. It may take a few hours until you see it.",
    "Thank you for your patience. A colleague of the right team has taken care of it.",
)


class Payloads:
    """Renders what the helpdesk holds."""

    def __init__(self, store: TicketStore, *, url: str) -> None:
        self._store = store
        self._url = url

    def ticket(self, place: int) -> dict[str, Any]:
        """A ticket as it stands."""
        store = self._store
        overlay = store.overlays.get(place)
        values: dict[int, str | None] = {900_001: None, 900_002: None, 900_003: PRODUCTS[store.product[place]]}
        assignee = FIRST_AGENT_ID + store.agent[place] if store.touched(place) else None
        kind = external_id = subject = None
        if overlay is not None:
            values.update(overlay.custom_fields)
            assignee = assignee if overlay.assignee_id is None else overlay.assignee_id or None
            kind, external_id, subject = overlay.type, overlay.external_id, overlay.subject
        status = store.status[place]
        payload = self._shape(place, store.tags(place), values)
        payload["status"] = STATUSES[status]
        payload["group_id"] = store.group[place] or None
        payload["priority"] = PRIORITIES[store.priority[place]]
        payload["assignee_id"] = assignee
        payload["updated_at"] = iso(store.updated[place])
        payload["generated_timestamp"] = store.updated[place]
        payload["type"] = kind
        payload["external_id"] = external_id
        if subject is not None:
            payload["subject"] = payload["raw_subject"] = subject
        if status in (SOLVED, CLOSED) and store.touched(place):
            payload["satisfaction_rating"] = {"score": self._rating(place)}
        return payload

    def first_version(self, place: int) -> dict[str, Any]:
        """The ticket as it was when it was written: what a late, out-of-order delivery brings."""
        values: dict[int, str | None] = {900_001: None, 900_002: None, 900_003: PRODUCTS[self._store.product[place]]}
        return self._shape(place, self._store.first_tags(place), values)

    def _shape(self, place: int, tags: tuple[str, ...], values: dict[int, str | None]) -> dict[str, Any]:
        store = self._store
        ticket_id = place + FIRST_TICKET_ID
        subject, body = store.text(place)
        requester = FIRST_USER_ID + store.customer[place]
        created = store.created_us[place] // SECOND
        fields = [{"id": key, "value": value} for key, value in values.items()]
        return {
            "url": f"{self._url}/api/v2/tickets/{ticket_id}.json",
            "id": ticket_id,
            "external_id": None,
            "via": {"channel": CHANNELS[store.channel[place]], "source": {"from": {}, "to": {}, "rel": None}},
            "created_at": iso(created),
            "updated_at": iso(created),
            "generated_timestamp": created,
            "type": None,
            "subject": subject,
            "raw_subject": subject,
            "description": body,
            "priority": PRIORITIES[store.first_priority(place)],
            "status": "new",
            "recipient": None,
            "requester_id": requester,
            "submitter_id": requester,
            "assignee_id": None,
            "organization_id": None,
            "group_id": None,
            "collaborator_ids": [],
            "follower_ids": [],
            "email_cc_ids": [],
            "forum_topic_id": None,
            "problem_id": None,
            "has_incidents": False,
            "is_public": True,
            "due_at": None,
            "tags": list(tags),
            "custom_fields": fields,
            "satisfaction_rating": {"score": "unoffered"},
            "sharing_agreement_ids": [],
            "custom_status_id": None,
            "fields": fields,
            "followup_ids": [],
            "ticket_form_id": FORM_ID,
            "brand_id": BRAND_ID,
            "allow_channelback": False,
            "allow_attachments": True,
            "from_messaging_channel": CHANNELS[store.channel[place]] == "native_messaging",
        }

    def _rating(self, place: int) -> str:
        mood = self._store.mood[place]
        return "good" if mood > 0.8 else "bad" if mood < 0.06 else "offered"

    def comments(self, place: int) -> list[dict[str, Any]]:
        """All comments, oldest first; the first one is the ticket's description."""
        store = self._store
        said = [(store.created_us[place], FIRST_USER_ID + store.customer[place], store.text(place)[1], True)]
        if store.touched(place):
            answer = ANSWERS[int(store.mood[place] * 97) % len(ANSWERS)]
            said.append((store.solved_us[place], FIRST_AGENT_ID + store.agent[place], answer, True))
        overlay = store.overlays.get(place)
        said.extend((item.at, item.author_id, item.body, item.public) for item in (overlay.comments if overlay else ()))
        said.sort(key=lambda item: item[0])
        return [self._comment(place, number, *item) for number, item in enumerate(said)]

    def _comment(self, place: int, number: int, at: int, author: int, body: str, public: bool) -> dict[str, Any]:
        comment_id = (place + FIRST_TICKET_ID) * 1_000 + number
        return {
            "id": comment_id,
            "type": "Comment",
            "author_id": author,
            "body": body,
            "html_body": f'<div class="zd-comment" dir="auto">{escape(body)}</div>',
            "plain_body": body,
            "public": public,
            "attachments": [],
            "audit_id": comment_id + 500,
            "via": {"channel": "web", "source": {"from": {}, "to": {}, "rel": None}},
            "created_at": iso(at // SECOND),
            "metadata": {"system": {}, "custom": {}},
        }

    def groups(self) -> list[dict[str, Any]]:
        """One group for each queue, with fixed ids."""
        made = iso(self._store.start // SECOND - 400 * 86_400)
        return [
            {
                "url": f"{self._url}/api/v2/groups/{FIRST_GROUP_ID + number}.json",
                "id": FIRST_GROUP_ID + number,
                "is_public": True,
                "name": GROUP_TITLES[queue],
                "description": f"Tickets about {GROUP_TITLES[queue].lower()}",
                "default": number == 0,
                "deleted": False,
                "created_at": made,
                "updated_at": made,
            }
            for number, queue in enumerate(QUEUES)
        ]

    def ticket_fields(self) -> list[dict[str, Any]]:
        """System fields and the three custom ones."""
        system = (("subject", "Subject"), ("description", "Description"), ("status", "Status"), ("priority", "Priority"), ("group", "Group"))  # fmt: skip
        fields = [self._field(800_001 + place, kind, title, None) for place, (kind, title) in enumerate(system)]
        for field_id, key in CUSTOM_FIELDS.items():
            fields.append(self._field(field_id, "text", key, key))
        return fields

    def _field(self, field_id: int, kind: str, title: str, key: str | None) -> dict[str, Any]:
        made = iso(self._store.start // SECOND - 400 * 86_400)
        field: dict[str, Any] = {
            "url": f"{self._url}/api/v2/ticket_fields/{field_id}.json",
            "id": field_id,
            "type": kind,
            "title": title,
            "raw_title": title,
            "description": title,
            "raw_description": title,
            "position": field_id % 1_000,
            "active": True,
            "required": False,
            "collapsed_for_agents": False,
            "regexp_for_validation": None,
            "title_in_portal": title,
            "raw_title_in_portal": title,
            "visible_in_portal": key is None or key == "product",
            "editable_in_portal": key == "product",
            "required_in_portal": False,
            "agent_can_edit": True,
            "tag": None,
            "removable": key is not None,
            "agent_description": "",
            "created_at": made,
            "updated_at": made,
        }
        return field if key is None else {**field, "key": key}


def escape(text: str) -> str:
    """Text made safe for HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
