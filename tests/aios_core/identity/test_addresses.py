from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.declaration.identity import Address, Identity
from aios_core.declaration.source_base import SourceBase
from aios_core.declaration.sources import FileSource, SalesforceSource, ZendeskSource
from aios_core.declaration.vendors.hubspot import HubspotSource
from aios_core.declaration.vendors.pipedrive import PipedriveSource
from aios_core.identity.addresses import MOST, Addresses, addresses_of
from aios_core.identity.normal import digest

RULES = Identity()
CUSTOMERS = {"connector": "file", "provides": "customers", "path": "*.csv"}
ZENDESK = ZendeskSource(connector="zendesk", url="u", email="e", token="t")
HUBSPOT = HubspotSource(connector="hubspot", provides="customers", url="u", token="t")
PIPEDRIVE = PipedriveSource.model_validate(
    {"connector": "pipedrive", "provides": "customers", "url": "u", "token": "t"}
)
SALESFORCE = SalesforceSource.model_validate(
    {"connector": "salesforce", "url": "u", "client_id": "i", "client_secret": "s", "mapping": {"phone": "Phone"}}
)
FILE = FileSource.model_validate(CUSTOMERS)
MAPPED = FileSource.model_validate({**CUSTOMERS, "mapping": {"email": "mail", "deleted": "left"}})

ANN, BEN, LINE = "ann@example.com", "ben@example.com", "+4930901820"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "email"]), inner, max_size=2),
    max_leaves=6,
)


def digests(kind: Address, *addresses: str) -> tuple[str, ...]:
    return tuple(sorted(digest(kind, one) for one in addresses))


@pytest.mark.parametrize(
    ("source", "payload", "emails", "phones"),
    [
        (ZENDESK, {"email": "Ann@Example.com", "phone": "+49 30 901820", "role": "end-user"}, [ANN], [LINE]),
        (ZENDESK, {"email": ANN, "phone": LINE, "shared_phone_number": True}, [ANN], []),
        (ZENDESK, {"email": ANN, "other_emails": [BEN, None]}, [ANN, BEN], []),
        (HUBSPOT, {"properties": {"email": ANN, "hs_additional_emails": f"{BEN};{ANN}"}}, [ANN, BEN], []),
        (PIPEDRIVE, {"emails": [{"value": ANN, "primary": True}], "phones": [{"value": LINE}]}, [ANN], [LINE]),
        (SALESFORCE, {"Phone": LINE, "Fax": "+4930901829"}, [], [LINE]),
        (MAPPED, {"mail": ANN, "email": BEN}, [ANN], []),
        (FILE, {"email": "unknown", "phone": "n/a"}, [], []),
    ],
)
def test_addresses_are_found_where_the_source_has_them(
    source: SourceBase, payload: dict[str, Any], emails: list[str], phones: list[str]
) -> None:
    expected = Addresses(emails=digests("email", *emails), phones=digests("phone", *phones))
    assert addresses_of(source, payload, RULES) == expected


@pytest.mark.parametrize(
    ("source", "payload"),
    [
        (SALESFORCE, {"Phone": LINE, "IsDeleted": True}),
        (ZENDESK, {"email": ANN, "role": "end-user", "active": False}),
        (HUBSPOT, {"archived": True, "properties": {"email": ANN}}),
        (PIPEDRIVE, {"is_deleted": True, "emails": [{"value": ANN}]}),
        (MAPPED, {"mail": ANN, "left": "true"}),
    ],
)
def test_who_was_deleted_or_merged_away_has_no_address(source: SourceBase, payload: dict[str, Any]) -> None:
    assert addresses_of(source, payload, RULES) == Addresses(gone=True)


def test_only_the_declared_kinds_of_addresses_are_kept() -> None:
    payload = {"email": ANN, "phone": LINE}
    assert addresses_of(FILE, payload, Identity(by=("phone",))) == Addresses(phones=digests("phone", LINE))
    assert addresses_of(FILE, payload, Identity(by=())) == Addresses()


def test_a_list_of_addresses_is_nobodys_own() -> None:
    many = [f"a{number}@example.com" for number in range(MOST + 1)]
    assert len(addresses_of(FILE, {"email": many[:MOST]}, RULES).emails) == MOST
    assert addresses_of(FILE, {"email": many}, RULES) == Addresses()


@given(
    JSON,
    st.sampled_from(["email", "phone", "emails", "properties", "archived", "active", "mail", "left"]),
    st.sampled_from([ZENDESK, HUBSPOT, PIPEDRIVE, SALESFORCE, FILE, MAPPED]),
)
def test_whatever_stands_in_such_a_field_is_no_error(value: Any, name: str, source: SourceBase) -> None:
    found = addresses_of(source, {name: value, "role": "end-user"}, RULES)
    assert all(len(one) == 32 for one in (*found.emails, *found.phones))
