import json
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.declaration.events import EVENT_TYPES
from aios_core.errors import ConfigurationError
from aios_core.events.envelope import CloudEvent, binary, structured
from aios_core.events.signing import signed
from aios_core.events.types import UnknownEventType, event_of, schema_of
from aios_core.webhooks.schemes import WebhookRefused, prove

CONSOLE = "https://console.example"
AT = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
TOLERANCE = timedelta(minutes=5)
SECRET = "whsec_" + "c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMsIG9yIG1vcmU="
OTHER = "whsec_" + "YW5vdGhlciBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcyE="

# the attributes of CloudEvents 1.0.2 as its JSON schema has them
SPECIFIED = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
        "specversion": {"const": "1.0"},
        "type": {"type": "string", "minLength": 1},
        "datacontenttype": {"type": "string", "minLength": 1},
        "dataschema": {"type": "string", "minLength": 1, "format": "uri"},
        "subject": {"type": "string", "minLength": 1},
        "time": {"type": "string", "format": "date-time"},
        "data": {},
    },
    "additionalProperties": False,
    "required": ["id", "source", "specversion", "type"],
}


def event(**told) -> CloudEvent:
    facts = {
        "automation": "care",
        "type_": "decision.recorded",
        "fact": "d1",
        "subject": "tickets/helpdesk/7",
        "at": AT,
        "data": {"verdict": "review"},
        "console": CONSOLE,
    }
    return event_of(**facts | told)


def test_an_event_is_what_the_specification_asks_for() -> None:
    found = json.loads(structured(event()))
    jsonschema.validate(found, SPECIFIED, format_checker=jsonschema.FormatChecker())
    assert found["id"] == "decision.recorded/d1"
    assert found["time"] == "2026-11-20T14:00:00.000000Z"
    assert found["data"] == {"verdict": "review"}


def test_on_kafka_the_attributes_are_headers_and_the_value_is_the_data_alone() -> None:
    headers, value = binary(event())
    told = dict(headers)
    assert told["ce_id"] == b"decision.recorded/d1"
    assert told["ce_specversion"] == b"1.0"
    assert told["ce_dataschema"] == b"https://console.example/events/schemas/decision.recorded/v1.json"
    assert told["content-type"] == b"application/json"
    assert json.loads(value) == {"verdict": "review"}


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_every_type_has_a_schema_that_is_one(type_) -> None:
    schema = schema_of(type_, console=CONSOLE)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == event(type_=type_).dataschema


def test_a_type_that_there_is_not_is_said_with_those_that_there_are() -> None:
    with pytest.raises(UnknownEventType, match="decision.recorded"):
        schema_of("decision.forgotten", console=CONSOLE)


@given(st.binary(min_size=1, max_size=200), st.text(min_size=1, max_size=40).filter(str.strip))
def test_what_we_sign_is_proven_by_who_receives_standard_webhooks(inside: bytes, event_id: str) -> None:
    body = json.dumps(inside.hex()).encode()
    headers = signed(event_id=event_id, at=AT, body=body, secrets=[SECRET, OTHER])
    for known in (SECRET, OTHER):  # while secrets are changed a receiver knows either
        found = prove("standard", headers=headers, body=body, secrets=[known], now=AT, tolerance=TOLERANCE)
        assert found.payload == inside.hex()
    with pytest.raises(WebhookRefused):
        prove("standard", headers=headers, body=body + b" ", secrets=[SECRET], now=AT, tolerance=TOLERANCE)


@pytest.mark.parametrize("secret", ["whsec_not base64", "whsec_c2hvcnQ=", ""])
def test_a_secret_that_is_none_is_refused_with_how_to_make_one(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="whsec_|openssl"):
        signed(event_id="e", at=AT, body=b"{}", secrets=[secret])
