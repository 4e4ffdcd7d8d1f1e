"""The helpdesk's users: agents, and one end user for every customer of the CRM.

What belongs here: users as the vendor's JSON, in the order of their last update. What does not: tickets (`payloads.py`).
"""

from typing import Any, Final

import numpy as np

from sandbox.clock import SECOND, iso
from sandbox.world.customers import PLANS
from sandbox.world.world import World

SERVICE_USER_ID: Final = 300_000
FIRST_AGENT_ID: Final = 300_001
AGENTS: Final = 24
FIRST_USER_ID: Final = 500_001
STAFF_AGE_SECONDS: Final = 400 * 86_400


class People:
    """Users of the helpdesk. An end user is updated when the customer's plan changes; `external_id` is the CRM's account id."""

    def __init__(self, world: World, *, start: int, url: str, email: str, account_ids: list[str]) -> None:
        self._world = world
        self._start = start // SECOND
        self._url = url
        self._email = email
        self._account_ids = account_ids
        customers = world.customers
        self._since = np.floor(customers.modified_at).astype(np.int64) + self._start
        changed = np.where(np.isfinite(customers.changed_at), customers.changed_at, 2**52)
        self._changed = np.floor(changed).astype(np.int64) + self._start

    def __len__(self) -> int:
        return AGENTS + 1 + len(self._since)

    def updated_after(self, after: tuple[int, int], *, until: int, limit: int) -> tuple[list[tuple[int, int]], bool]:
        """(second of the last update, user id) of up to `limit` users after a position, and whether that is all."""
        updated = np.where(self._changed <= until, self._changed, self._since)
        ids = np.arange(FIRST_USER_ID, FIRST_USER_ID + len(updated))
        staff = np.arange(SERVICE_USER_ID, SERVICE_USER_ID + AGENTS + 1)
        updated = np.concatenate([np.full(len(staff), self._start - STAFF_AGE_SECONDS), updated])
        ids = np.concatenate([staff, ids])
        due = ((updated > after[0]) | ((updated == after[0]) & (ids > after[1]))) & (updated <= until)
        order = np.lexsort((ids[due], updated[due]))
        found = list(zip(updated[due][order[:limit]].tolist(), ids[due][order[:limit]].tolist(), strict=True))
        return found, len(order) <= limit

    def exists(self, user_id: int) -> bool:
        """Whether a user has this id."""
        return SERVICE_USER_ID <= user_id <= SERVICE_USER_ID + AGENTS or 0 <= user_id - FIRST_USER_ID < len(self._since)

    def user(self, user_id: int, *, now: int) -> dict[str, Any]:
        """One user as the vendor shows it; `now` in seconds."""
        return self._staff(user_id) if user_id < FIRST_USER_ID else self._customer(user_id, now)

    def _staff(self, user_id: int) -> dict[str, Any]:
        number = user_id - SERVICE_USER_ID
        book = self._world.book
        name = f"{book.given[number % len(book.given)]} {book.family[-1 - number]}" if number else "AIOS integration"
        return self._shape(
            user_id,
            name=name,
            email=f"agent{number}@telecom.example" if number else self._email,
            role="agent" if number else "admin",
            created=self._start - STAFF_AGE_SECONDS,
            updated=self._start - STAFF_AGE_SECONDS,
            external_id=None,
            phone=None,
            fields={},
        )

    def _customer(self, user_id: int, now: int) -> dict[str, Any]:
        index = user_id - FIRST_USER_ID
        customers = self._world.customers
        changed = bool(self._changed[index] <= now)
        plan = (customers.after if changed else customers.before).plan[index]
        given, family = self._world.name_of(index)
        return self._shape(
            user_id,
            name=f"{given} {family}",
            email=self._world.email_of(index),
            role="end-user",
            created=self._start + int(customers.created_at[index]),
            updated=int(self._changed[index] if changed else self._since[index]),
            external_id=self._account_ids[index],
            phone=f"+1555{index % 10_000_000:07d}",
            fields={"plan": PLANS[plan]},
        )

    def _shape(
        self,
        user_id: int,
        *,
        name: str,
        email: str,
        role: str,
        created: int,
        updated: int,
        external_id: str | None,
        phone: str | None,
        fields: dict[str, str],
    ) -> dict[str, Any]:
        return {
            "id": user_id,
            "url": f"{self._url}/api/v2/users/{user_id}.json",
            "name": name,
            "email": email,
            "created_at": iso(created),
            "updated_at": iso(updated),
            "time_zone": "UTC",
            "iana_time_zone": "Etc/UTC",
            "phone": phone,
            "shared_phone_number": None,
            "photo": None,
            "locale_id": 1,
            "locale": "en-US",
            "organization_id": None,
            "role": role,
            "verified": True,
            "external_id": external_id,
            "tags": [],
            "alias": "",
            "active": True,
            "shared": False,
            "shared_agent": False,
            "last_login_at": None,
            "two_factor_auth_enabled": None,
            "signature": None,
            "details": "",
            "notes": "",
            "role_type": None,
            "custom_role_id": None,
            "moderator": role != "end-user",
            "ticket_restriction": "requested" if role == "end-user" else None,
            "only_private_comments": False,
            "restricted_agent": role == "end-user",
            "suspended": False,
            "default_group_id": None,
            "report_csv": False,
            "user_fields": fields,
        }
