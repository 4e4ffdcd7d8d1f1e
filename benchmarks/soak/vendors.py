"""The vendors of a soak, declared as a user declares them, and what their ids are of the sandbox's.

What belongs here: one automation with all of them as its sources. What does not: running it.

Limits are those that the sandbox counts by with `--quota real`, where a vendor's declaration does not have them already.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

NAME = "soak"
START = "2026-01-01"
QUEUES = (
    *("billing", "outage", "roaming", "porting", "device"),
    *("cancellation", "fraud", "complaint", "activation", "plan_change"),
)
GROUPS = {str(4001 + n): name for n, name in enumerate(QUEUES)}
SECRET_VARIABLE, TOKEN_VARIABLE, URL_VARIABLE = "SOAK_SECRET", "SOAK_TOKEN", "SOAK_URL"
POLICY = 'package aios.policy\n\nimport rego.v1\n\ndecision := {"verdict": input.proposed, "rule": "default"}\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One source. `own_id` makes its id of the sandbox's ticket; `deletes`: it tells of deletions; `scheme` signs its webhook."""

    declared: Mapping[str, Any]
    path: str = ""
    own_id: Callable[[int], str] = str
    deletes: bool = True
    writes: bool = True
    scheme: str | None = None
    pause: float = 3.0


def _queue(at: str, **more: Any) -> dict[str, Any]:
    return {"queue": {"field": at, "values": GROUPS}, **more}


TICKETS: Mapping[str, Vendor] = {
    "zendesk": Vendor(
        # ten exports a minute, two a read: read as often as that allows and no more, as a schedule would
        declared={"email": "agent@example.com", "token": "${SOAK_TOKEN}", "mapping": _queue("group_id")},
        scheme="zendesk",
        pause=15.0,
    ),
    "freshdesk": Vendor(
        declared={"key": "${SOAK_TOKEN}", "requests_a_minute": 300, "mapping": _queue("group_id")},
        path="/freshdesk",
        scheme="token",
    ),
    "servicenow": Vendor(
        declared={
            "client_id": "aios",
            "client_secret": "${SOAK_TOKEN}",
            "requests_a_minute": 600,
            "mapping": _queue("assignment_group", tags="u_tags"),
        },
        path="/servicenow",
        own_id="{:032x}".format,
        deletes=False,
        scheme="token",
    ),
    "jira": Vendor(
        declared={
            "email": "agent@example.com",
            "token": "${SOAK_TOKEN}",
            "project": "CARE",
            "requests_a_minute": 600,
            "mapping": _queue("fields.customfield_10050.id"),
        },
        path="/jira",
        own_id="CARE-{}".format,
        deletes=False,
        scheme="jira",
    ),
    "hubspot": Vendor(
        declared={
            "token": "${SOAK_TOKEN}",
            "provides": "tickets",
            "mapping": _queue(
                "properties.hs_assigned_team_ids",
                tags="properties.aios_tags",
                status={
                    "field": "properties.hs_pipeline_stage",
                    "values": {"1": "open", "2": "pending", "4": "solved"},
                },
            ),
        },
        path="/hubspot",
        scheme="github",
    ),
    "intercom": Vendor(
        declared={
            "token": "${SOAK_TOKEN}",
            "admin": "300000",
            "requests_a_minute": 1_000,
            "mapping": _queue("team_assignee_id"),
        },
        path="/intercom",
        deletes=False,
        scheme="intercom",
    ),
    # any JSON API by declaration: the sandbox speaks Freshdesk's list to it, and counts both as one credential
    "http": Vendor(
        declared={
            "auth": {"kind": "basic", "username": "${SOAK_TOKEN}", "password": "X"},
            "requests_a_minute": 100,
            "listing": {
                "path": "/api/v2/tickets",
                "params": {
                    "updated_since": "{since}",
                    "order_by": "updated_at",
                    "order_type": "asc",
                    "include": "description",
                    "per_page": "{size}",
                    "page": "{page}",
                },
                "updated": "updated_at",
                "sorted": True,
                "paging": "page",
            },
            "provides": "tickets",
            "mapping": {
                "body": "description_text",
                "created_at": "created_at",
                "updated_at": "updated_at",
                "status": {"field": "status", "values": {"2": "open", "3": "pending", "4": "solved", "5": "closed"}},
                **_queue("group_id"),
            },
        },
        path="/freshdesk",
        deletes=False,
        writes=False,
        pause=6.0,
    ),
}
CUSTOMERS: Mapping[str, Vendor] = {
    "salesforce": Vendor(
        declared={
            "client_id": "sandbox",
            "client_secret": "sandbox-secret",
            "provides": "customers",
            "mapping": {"plan": "Plan__c"},
        },
        writes=False,
    ),
    "pipedrive": Vendor(
        declared={
            "token": "${SOAK_TOKEN}",
            "provides": "customers",
            "requests_a_minute": 600,
            "mapping": {"customer_id": "custom_fields.account_id", "plan": "custom_fields.plan"},
        },
        path="/pipedrive",
        writes=False,
    ),
}
FILE = "paper"  # rows that somebody appends to a file, whole lines and halves
VENDORS: Mapping[str, Vendor] = {**TICKETS, **CUSTOMERS}
WRITERS = tuple(name for name, vendor in TICKETS.items() if vendor.writes)


def declare(folder: Path) -> Path:
    """Write the automation into `folder/soak`; returns its file."""
    own = folder / NAME
    own.mkdir(parents=True)
    (own / "policy.rego").write_text(POLICY, encoding="utf-8")
    document = {"type": "aios_assets.automation.AutomationComponent", "attributes": attributes()}
    file = own / "defs.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return file


def attributes() -> dict[str, Any]:
    """The declaration: every source reads its address and its credentials from the environment."""
    sources: dict[str, Any] = {name: _source(name, vendor) for name, vendor in VENDORS.items()}
    mapping = {"created_at": "created_at", "updated_at": "updated_at", "queue": "queue"}
    sources[FILE] = {
        "connector": "file",
        "provides": "tickets",
        "path": "*.jsonl",
        "id_column": "ticket_id",
        "mapping": mapping,
    }
    return {
        "name": NAME,
        "description": "Every vendor at once, on a bad day.",
        "start_date": START,
        "queues": [{"name": queue} for queue in QUEUES],
        "sources": sources,
        "actions": {"source": "zendesk", "dry_run": False},
    }


def _source(name: str, vendor: Vendor) -> dict[str, Any]:
    hook = {} if vendor.scheme is None else {"webhook": {"scheme": vendor.scheme, "secret": "${SOAK_SECRET}"}}
    return {"connector": name, "url": f"${{{URL_VARIABLE}}}{vendor.path}", **vendor.declared, **hook}
