"""The table of vendors and fields in docs/connectors.md says what the code says."""

from pathlib import Path

import pytest
import yaml

from aios_core.canonical import tabular
from aios_core.canonical.details import ATTACHED, DETAILS, MESSAGES, PLACES
from aios_core.declaration.source_base import ApiSource
from tests.aios_core.canonical.test_details import SOURCES, source
from tests.conftest import PROJECT

VENDORS = tuple(SOURCES)
FIELDS = (
    *("status", "priority", "channel", "language", "queue", "requester_id", "customer_id", "tags"),
    *("deleted", *DETAILS, "attachments", "thread", "attachments of the thread"),
)
# where `aios_core/canonical/zendesk.py` has them; a queue needs the account's groups, as everywhere
ZENDESK = ("status", "priority", "channel", "queue", "requester_id", "tags", "deleted")
MARKS = {True: "yes", False: "map"}


def has(vendor: str, field: str) -> str:
    if field == "attachments":
        return "if listed" if vendor in ATTACHED or vendor in MESSAGES else "no"
    declared = source(vendor)
    if "thread" in field:
        thread = declared.thread  # type: ignore[union-attr]  # every helpdesk has one
        assert thread is not None
        shown = thread.attachments is not None if "attachments" in field else thread.public or "notes"
        return shown if isinstance(shown, str) else "yes" if shown else "no"
    usual = declared.usual if isinstance(declared, ApiSource) else dict.fromkeys(ZENDESK)
    told = field in usual or field in PLACES.get(vendor, {})
    return "no" if field == "deleted" and not told else MARKS[told]


def table() -> str:
    head = f"| field | {' | '.join(VENDORS)} |\n|---|{'---|' * len(VENDORS)}"
    return "\n".join([head, *(f"| {f} | {' | '.join(has(v, f) for v in VENDORS)} |" for f in FIELDS)])


def test_the_documented_table_is_that_of_the_code() -> None:
    assert table() in (PROJECT / "docs" / "connectors.md").read_text(encoding="utf-8")


def test_every_canonical_field_is_in_it_or_is_one_that_every_ticket_has() -> None:
    everyones = {"ticket_id", "created_at", "updated_at", "resolved_at", "subject", "body"}
    assert tabular.TICKET_FIELDS - everyones <= set(FIELDS)


@pytest.mark.parametrize(
    ("vendor", "file", "schema", "undescribed"),
    [
        ("zendesk", "zendesk_support.yaml", "TicketObject", set[str]()),
        ("intercom", "intercom_2.14.yaml", "conversation", set[str]()),
        # the vendor's description there is of few fields
        ("freshdesk", "freshdesk.yaml", "Ticket", set[str]()),
    ],
)
def test_the_vendors_own_descriptions_have_the_details(
    shared_data: Path, vendor: str, file: str, schema: str, undescribed: set[str]
) -> None:
    text = (shared_data / "openapi" / file).read_text(encoding="utf-8")
    document = yaml.load(text, _Loader)
    properties = document["components"]["schemas"][schema]["properties"]
    assert {path for path in PLACES[vendor].values() if path.split(".")[0] not in properties} == undescribed


@pytest.mark.parametrize(
    ("vendor", "file", "schema"),
    [
        ("zendesk", "zendesk_support.yaml", "TicketCommentObject"),
        ("intercom", "intercom_2.14.yaml", "conversation_part"),
    ],
)
def test_the_vendors_own_descriptions_have_what_a_message_is_made_of(
    shared_data: Path, vendor: str, file: str, schema: str
) -> None:
    text = (shared_data / "openapi" / file).read_text(encoding="utf-8")
    properties = yaml.load(text, _Loader)["components"]["schemas"][schema]["properties"]
    thread = source(vendor).thread  # type: ignore[union-attr]  # every helpdesk has one
    assert thread is not None
    paths = [thread.text, thread.at, thread.author, thread.attachments, *thread.public]
    assert {path for path in paths if path is not None and path.split(".")[0] not in properties} == set()


class _Loader(yaml.CSafeLoader):
    """PyYAML stumbles over a bare `=`."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))
