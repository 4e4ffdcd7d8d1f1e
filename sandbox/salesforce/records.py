"""What the CRM holds at a moment: accounts, contacts, cases, and the history of accounts' fields.

What belongs here: records as rows. What does not: asking for them (`soql.py`) and HTTP (`routes.py`). Moments are seconds
since the epoch; the routes spell them as the vendor does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from sandbox.clock import SECOND
from sandbox.salesforce.ids import record_id
from sandbox.world.customers import PLANS, Facts, after_the_calm
from sandbox.world.queues import SEGMENTS
from sandbox.world.world import World

FieldType = Literal["id", "string", "number", "boolean", "datetime"]
Row = dict[str, Any]

_DATES: Final[dict[str, FieldType]] = {
    "IsDeleted": "boolean",
    "CreatedDate": "datetime",
    "LastModifiedDate": "datetime",
    "SystemModstamp": "datetime",
}
FIELDS: Final[dict[str, dict[str, FieldType]]] = {
    "Account": {
        "Id": "id",
        "Name": "string",
        "Plan__c": "string",
        "Tenure_Months__c": "number",
        "Monthly_Spend__c": "number",
        "Segment__c": "string",
        "Churn_Risk__c": "number",
        "Region__c": "string",
        "Autopay__c": "boolean",
        **_DATES,
    },
    "Contact": {
        "Id": "id",
        "AccountId": "id",
        "FirstName": "string",
        "LastName": "string",
        "Name": "string",
        "Email": "string",
        "Phone": "string",
        "MailingCity": "string",
        **_DATES,
    },
    "Case": {
        "Id": "id",
        "CaseNumber": "string",
        "AccountId": "id",
        "ContactId": "id",
        "Subject": "string",
        "Status": "string",
        "Priority": "string",
        "Origin": "string",
        "IsClosed": "boolean",
        "ClosedDate": "datetime",
        **_DATES,
    },
    "AccountHistory": {
        "Id": "id",
        "AccountId": "id",
        "Field": "string",
        "OldValue": "string",
        "NewValue": "string",
        "CreatedDate": "datetime",
        "IsDeleted": "boolean",
    },
}
CASE_SHARE: Final = 0.35
CASE_SUBJECTS: Final = (
    "Contract question",
    "Callback requested",
    "Retention offer",
    "Credit check",
    "Site survey",
    "Account review",
)
CASE_ORIGINS: Final = ("Phone", "Web", "Email")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cases:
    """Past contacts with the account team; drawn apart from tickets, so they say nothing about them."""

    customer: np.ndarray
    opened: np.ndarray
    closed: np.ndarray
    subject: np.ndarray
    origin: np.ndarray
    high: np.ndarray


class Crm:
    """The CRM's records as of any moment after the start."""

    def __init__(self, world: World, *, start: int) -> None:
        self._world = world
        self._start = start // SECOND
        count = len(world.customers)
        self.account_ids = [record_id("Account", number + 1) for number in range(count)]
        self.contact_ids = [record_id("Contact", number + 1) for number in range(count)]
        self._cases = self._draw_cases()
        self._moments = self._moments_of_change()
        self._cache: dict[str, tuple[int, list[Row]]] = {}

    def __len__(self) -> int:
        return len(self.account_ids)

    def rows(self, kind: str, *, now: int) -> list[Row]:
        """All records of an object as they stand `now` (seconds since the epoch), deleted ones included."""
        epoch = int(np.searchsorted(self._moments, now - self._start, side="right"))
        cached = self._cache.get(kind)
        if cached is None or cached[0] != epoch:
            make = {
                "Account": self._accounts,
                "Contact": self._contacts,
                "Case": self._case_rows,
                "AccountHistory": self._history,
            }
            cached = (epoch, list(make[kind](now - self._start)))
            self._cache[kind] = cached
        return cached[1]

    def _draw_cases(self) -> _Cases:
        spec, customers = self._world.spec, len(self._world.customers)
        rng = np.random.default_rng([spec.seed, 3])
        count = int(customers * CASE_SHARE)
        opened = np.sort(spec.first_moment * 2 * rng.random(count))
        return _Cases(
            customer=rng.integers(0, customers, count),
            opened=opened,
            closed=after_the_calm(opened + 3_600 * (2 + rng.exponential(40, count))),
            subject=rng.integers(0, len(CASE_SUBJECTS), count),
            origin=rng.integers(0, len(CASE_ORIGINS), count),
            high=rng.random(count) < 0.2,
        )

    def _moments_of_change(self) -> np.ndarray:
        customers = self._world.customers
        moments = np.concatenate([customers.changed_at, customers.deleted_at, self._cases.closed])
        return np.sort(np.floor(moments[np.isfinite(moments)]))

    def _stamps(self, index: int, now: int) -> Row:
        """When a customer's records were made and last changed, and whether they are deleted by now."""
        customers = self._world.customers
        changed, deleted = customers.changed_at[index], customers.deleted_at[index]
        moments = [
            float(customers.modified_at[index]),
            *(float(np.floor(at)) for at in (changed, deleted) if np.floor(at) <= now),
        ]
        modified = self._start + int(np.floor(max(moments)))
        return {
            "IsDeleted": bool(np.floor(deleted) <= now),
            "CreatedDate": self._start + int(np.floor(customers.created_at[index])),
            "LastModifiedDate": modified,
            "SystemModstamp": modified,
        }

    def _accounts(self, now: int) -> Iterator[Row]:
        customers = self._world.customers
        changed = np.floor(customers.changed_at) <= now
        for index, account_id in enumerate(self.account_ids):
            facts: Facts = customers.after if changed[index] else customers.before
            segment = SEGMENTS[facts.segment[index]]
            given, family = self._world.name_of(index)
            yield {
                "Id": account_id,
                "Name": f"{given} {family}" if segment == "consumer" else f"{family} & Co. {index}",
                "Plan__c": PLANS[facts.plan[index]],
                "Tenure_Months__c": float(facts.tenure[index]),
                "Monthly_Spend__c": float(facts.spend[index]),
                "Segment__c": segment,
                "Churn_Risk__c": float(facts.churn[index]),
                "Region__c": self._world.city_of(index),
                "Autopay__c": bool(facts.autopay[index]),
                **self._stamps(index, now),
            }

    def _contacts(self, now: int) -> Iterator[Row]:
        for index, contact_id in enumerate(self.contact_ids):
            given, family = self._world.name_of(index)
            yield {
                "Id": contact_id,
                "AccountId": self.account_ids[index],
                "FirstName": given,
                "LastName": family,
                "Name": f"{given} {family}",
                "Email": self._world.email_of(index),
                "Phone": f"+1555{index % 10_000_000:07d}",
                "MailingCity": self._world.city_of(index),
                **self._stamps(index, now),
            }

    def _case_rows(self, now: int) -> Iterator[Row]:
        cases = self._cases
        for number, customer in enumerate(cases.customer.tolist()):
            opened = int(np.floor(cases.opened[number]))
            closes = int(np.floor(cases.closed[number]))
            closed = closes <= now
            modified = self._start + (closes if closed else opened)
            yield {
                "Id": record_id("Case", number + 1),
                "CaseNumber": f"{number + 1_000:08d}",
                "AccountId": self.account_ids[customer],
                "ContactId": self.contact_ids[customer],
                "Subject": CASE_SUBJECTS[cases.subject[number]],
                "Status": "Closed" if closed else "Working",
                "Priority": "High" if cases.high[number] else "Medium",
                "Origin": CASE_ORIGINS[cases.origin[number]],
                "IsClosed": closed,
                "ClosedDate": self._start + closes if closed else None,
                "IsDeleted": False,
                "CreatedDate": self._start + opened,
                "LastModifiedDate": modified,
                "SystemModstamp": modified,
            }

    def _history(self, now: int) -> Iterator[Row]:
        """One row for each field of an account that changed: what it was before, for those who need facts as of a moment."""
        customers = self._world.customers
        for index in np.flatnonzero(np.floor(customers.changed_at) <= now).tolist():
            old, new = _field_values(customers.before, index), _field_values(customers.after, index)
            for name, value in new.items():
                if value != old[name]:
                    yield {
                        "Id": record_id("AccountHistory", index * 8 + list(new).index(name) + 1),
                        "AccountId": self.account_ids[index],
                        "Field": name,
                        "OldValue": str(old[name]),
                        "NewValue": str(value),
                        "CreatedDate": self._start + int(np.floor(customers.changed_at[index])),
                        "IsDeleted": False,
                    }


def _field_values(facts: Facts, index: int) -> Row:
    return {
        "Plan__c": PLANS[facts.plan[index]],
        "Tenure_Months__c": float(facts.tenure[index]),
        "Monthly_Spend__c": float(facts.spend[index]),
        "Churn_Risk__c": float(facts.churn[index]),
        "Autopay__c": bool(facts.autopay[index]),
    }
