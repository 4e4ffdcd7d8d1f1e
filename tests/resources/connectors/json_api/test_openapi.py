"""What we write against the vendors' own descriptions, where the real data folder is there."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from aios_core.declaration.vendors.hubspot import HubspotSource
from aios_core.declaration.vendors.intercom import IntercomSource
from aios_core.declaration.vendors.jira import JiraSource
from aios_core.declaration.vendors.servicenow import ServicenowSource
from aios_core.declaration.writing import Call, Writing
from resources.connectors.json_api.filling import Each, request_of

SAID: dict[str, Any] = {
    "id": "7",
    "fields": {"hs_ticket_priority": "HIGH"},
    "queue": "41",
    "assignee": "9",
    "tag": "vip",
    "found": "17",
    "note": "<p>why</p>",
    "reply": "<p>hello</p>",
    "now": "2026-11-20T08:00:00Z",
}
INTERCOM = IntercomSource(connector="intercom", url="http://i", token="t", admin="12").writing
JIRA = JiraSource(connector="jira", url="http://j", email="e", token="t", project="CARE").writing
HUBSPOT = HubspotSource(connector="hubspot", url="http://h", token="t", provides="tickets").writing
SERVICENOW = ServicenowSource(connector="servicenow", url="http://s").writing


def calls(writing: Writing | None) -> list[Call]:
    """Everything that is asked of the vendor when an action is written, but for the lists of notes."""
    assert writing is not None
    firsts = [step.first for step in writing.steps if step.first is not None]
    return [writing.read, *firsts, *writing.steps]


@cache
def described(file: Path) -> dict[str, Any]:
    class Loader(yaml.CSafeLoader):
        """PyYAML stumbles over a bare `=`."""

    Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))
    text = file.read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text) if file.suffix == ".json" else yaml.load(text, Loader)
    return document


def operation(document: dict[str, Any], call: Call) -> dict[str, Any] | None:
    """What the vendor says of this request; None: nothing of its path."""
    ours = re.sub(r"\{\w+\}", "7", call.path).replace("/incident/", "/any/")
    for path, operations in document["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), ours) and call.method.lower() in operations:
            found: dict[str, Any] = operations[call.method.lower()]
            return found
    return None


@pytest.mark.parametrize(
    ("file", "writing", "undescribed"),
    [
        ("intercom_2.14.yaml", INTERCOM, set()),
        ("jira_service_management.json", JIRA, {"/rest/api/3/issue/{id}"}),  # another of the vendor's descriptions
        ("hubspot_crm_ticket.yaml", HUBSPOT, {"/crm/v3/objects/notes"}),  # likewise
        ("servicenow.yaml", SERVICENOW, set()),
    ],
)
def test_the_vendors_own_description_takes_what_we_write(
    shared_data: Path, file: str, writing: Writing, undescribed: set[str]
) -> None:
    document = described(shared_data / "openapi" / file)
    unknown = set()
    for call in calls(writing):
        found = operation(document, call)
        if found is None:
            unknown.add(call.path)
            continue
        if call.body is None:
            continue
        each = getattr(call, "several", None)
        items = Each([request_of(call.model_copy(update={"body": each.each}), SAID).body] if each else ())
        body = request_of(call, SAID | {"each": items}).body
        content = found["requestBody"]["content"]["application/json"]
        schema = {**content.get("schema", {}), "components": document.get("components", {})}
        errors = [f"{list(e.absolute_path)}: {e.message}" for e in jsonschema.Draft4Validator(schema).iter_errors(body)]
        assert errors == [], f"{call.method} {call.path}: {errors[:3]}"
    assert unknown == undescribed
