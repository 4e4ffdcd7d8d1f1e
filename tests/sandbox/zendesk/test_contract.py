"""Responses against the vendor's own specification, where the real data folder is there."""

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

# the vendor returns null in these, as its own examples and every real account show; its specification forgot to say so
NULL_ALLOWED = {
    "assignee_id", "custom_status_id", "default_group_id", "external_id", "forum_topic_id", "group_id", "organization_id",
    "problem_id", "recipient", "type", "value", "last_login_at", "signature", "rel",
}  # fmt: skip
SPECIFICATION = "openapi/zendesk_support.yaml"


class Loader(yaml.CSafeLoader):
    """The specification has a bare `=` as a value, which PyYAML refuses."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


@cache
def specification(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), Loader=Loader)
    return document


def as_json_schema(node: Any, name: str = "") -> Any:
    """OpenAPI 3.0 to JSON Schema: `nullable` becomes a type, and so do the nulls that the vendor forgot."""
    if isinstance(node, list):
        return [as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {
        key: as_json_schema(value) for key, value in node.items() if key not in ("properties", "example", "examples")
    }
    if isinstance(node.get("properties"), dict):
        made["properties"] = {key: as_json_schema(value, key) for key, value in node["properties"].items()}
    if node.get("nullable") or name in NULL_ALLOWED:
        return {"anyOf": [made, {"type": "null"}]}
    return made


@pytest.fixture
def check(shared_data: Path):
    document = specification(shared_data / SPECIFICATION)
    schemas = {"components": {"schemas": as_json_schema(document["components"]["schemas"])}}

    def against(name: str, body: Any) -> None:
        schema = {**schemas, "$ref": f"#/components/schemas/{name}"}
        assert name in document["components"]["schemas"]
        errors = list(jsonschema.Draft4Validator(schema).iter_errors(body))
        assert not errors, [f"{list(error.absolute_path)}: {error.message}" for error in errors[:5]]

    return against


@pytest.mark.data
def test_exports_are_what_the_specification_says(talk, check) -> None:
    talk.update(talk.untouched()[0]["id"], group_id=4001, custom_fields=[{"id": 900_002, "value": 0.5}])
    page = next(talk.pages(per_page=520))
    assert len(page["tickets"]) == 520
    check("CursorBasedExportIncrementalTicketsResponse", page)
    users = next(talk.pages("/incremental/users/cursor.json", per_page=225))
    check("CursorBasedExportIncrementalUsersResponse", users)


@pytest.mark.data
def test_single_records_and_tables_are_what_the_specification_says(talk, check) -> None:
    ticket_id = talk.untouched()[0]["id"]
    check("TicketUpdateResponse", talk.update(ticket_id, priority="high", comment={"body": "hello"}).json())
    check("TicketResponse", talk.zendesk("GET", f"/tickets/{ticket_id}.json").json())
    check("TicketCommentsResponse", talk.zendesk("GET", f"/tickets/{ticket_id}/comments.json").json())
    check("GroupsResponse", talk.zendesk("GET", "/groups.json").json())
    check("TicketFieldsResponse", talk.zendesk("GET", "/ticket_fields.json").json())
    check("CurrentUserResponse", talk.zendesk("GET", "/users/me.json").json())


@pytest.mark.data
def test_jobs_are_what_the_specification_says(talk, check) -> None:
    body = {"tickets": [{"id": talk.untouched()[0]["id"], "priority": "low"}, {"id": 1}]}
    queued = talk.zendesk("PUT", "/tickets/update_many.json", json=body).json()
    check("JobStatusResponse", queued)
    talk.wall.sleep(1)
    check("JobStatusResponse", talk.zendesk("GET", f"/job_statuses/{queued['job_status']['id']}.json").json())


@pytest.mark.data
def test_a_wrong_shape_would_be_noticed(talk, check) -> None:
    page = next(talk.pages(per_page=10))
    page["tickets"][0]["priority"] = "enormous"
    with pytest.raises(AssertionError, match="enormous"):
        check("CursorBasedExportIncrementalTicketsResponse", page)


@pytest.mark.data
def test_every_path_served_is_in_the_specification(shared_data, talk) -> None:
    known = {
        (method.upper(), path.replace("{job_status_id}", "{job_id}"))
        for path, item in specification(shared_data / SPECIFICATION)["paths"].items()
        for method in item
    }
    from sandbox.zendesk.routes import zendesk_router

    served = {(method, route.path) for route in zendesk_router(talk.sandbox).routes for method in route.methods}
    assert served
    # the help center is another API of the vendor, with a specification of its own
    support = {(method, path) for method, path in served if not path.startswith("/api/v2/help_center/")}
    assert support
    assert support - known == set()
