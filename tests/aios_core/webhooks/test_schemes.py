import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.declaration.webhook import Scheme
from aios_core.webhooks.schemes import Delivery, WebhookRefused, _claim_of, prove

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET, URL = "s3cret of the desk", "https://aios.example.com/hooks/escalations/desk"
SCHEMES: tuple[Scheme, ...] = ("zendesk", "intercom", "hubspot", "jira", "github", "standard", "token")
TIMED: tuple[Scheme, ...] = ("zendesk", "hubspot", "standard")


def signed(scheme: Scheme, body: bytes, *, secret: str = SECRET, at: datetime = NOW) -> dict[str, str]:
    """Headers as the system itself would send them, written a second time and otherwise than in the code."""
    key, seconds = secret.encode(), int(at.timestamp())

    def sha(content: bytes) -> bytes:
        return hmac.new(key, content, hashlib.sha256).digest()

    match scheme:
        case "zendesk":
            stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
            return {
                "x-zendesk-webhook-signature": base64.b64encode(sha(stamp.encode() + body)).decode(),
                "x-zendesk-webhook-signature-timestamp": stamp,
                "x-zendesk-webhook-invocation-id": "01J0",
            }
        case "intercom":
            return {"x-hub-signature": "sha1=" + hmac.new(key, body, hashlib.sha1).hexdigest()}
        case "hubspot":
            stamp = str(seconds * 1000)
            content = b"POST" + URL.encode() + body + stamp.encode()
            return {
                "x-hubspot-signature-v3": base64.b64encode(sha(content)).decode(),
                "x-hubspot-request-timestamp": stamp,
            }
        case "jira":
            return {"x-hub-signature": "sha256=" + sha(body).hex(), "x-atlassian-webhook-identifier": "jira-1"}
        case "github":
            return {"x-hub-signature-256": "sha256=" + sha(body).hex(), "x-github-delivery": "gh-1"}
        case "standard":
            mac = base64.b64encode(sha(f"msg_1.{seconds}.".encode() + body)).decode()
            return {
                "webhook-id": "msg_1",
                "webhook-timestamp": str(seconds),
                "webhook-signature": f"v1,AAAA v1a,xyz v1,{mac}",
            }
        case "token":
            return {"authorization": f"Bearer {secret}", "x-delivery-id": "t-1"}


def proved(scheme: Scheme, headers: dict[str, str], body: bytes, **told: Any) -> Delivery:
    facts = {"secrets": [SECRET], "now": NOW, "tolerance": timedelta(minutes=5), "url": URL} | told
    return prove(scheme, headers=headers, body=body, **facts)


def code(scheme: Scheme, headers: dict[str, str], body: bytes, **told: Any) -> str:
    with pytest.raises(WebhookRefused) as refused:
        proved(scheme, headers, body, **told)
    assert SECRET not in str(refused.value)
    return refused.value.code


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_its_sender_signed_is_believed_and_nothing_else(scheme: Scheme) -> None:
    body = json.dumps({"id": "notif_1", "ticket": 7}).encode()
    headers = signed(scheme, body)
    assert proved(scheme, headers, body).payload == {"id": "notif_1", "ticket": 7}
    assert code(scheme, {}, body) == "webhook.bad_signature"
    assert code(scheme, signed(scheme, body, secret="another"), body) == "webhook.bad_signature"
    if scheme != "token":  # who has the token may say anything
        assert code(scheme, headers, body + b" ") == "webhook.bad_signature"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_while_secrets_are_changed_both_are_taken(scheme: Scheme) -> None:
    body = b'{"id": "notif_1"}'
    assert proved(scheme, signed(scheme, body), body, secrets=["the new one", SECRET])
    assert code(scheme, signed(scheme, body), body, secrets=["the new one"]) == "webhook.bad_signature"
    assert code(scheme, signed(scheme, body), body, secrets=[]) == "webhook.no_secret"


@pytest.mark.parametrize("scheme", TIMED)
def test_one_that_was_recorded_and_sent_again_later_is_refused(scheme: Scheme) -> None:
    body = b'{"x": 1}'
    headers = signed(scheme, body)
    assert proved(scheme, headers, body, now=NOW + timedelta(minutes=4))
    assert code(scheme, headers, body, now=NOW + timedelta(minutes=6)) == "webhook.too_old"
    assert code(scheme, headers, body, now=NOW - timedelta(minutes=6)) == "webhook.too_old"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_delivery_keeps_its_id_however_often_it_is_tried(scheme: Scheme) -> None:
    first, second = b'{"id": "notif_1", "n": 1}', b'{"id": "notif_2", "n": 2}'
    if scheme == "hubspot":
        first, second = b'[{"eventId": 5, "attemptNumber": 0}]', b'[{"eventId": 6, "attemptNumber": 0}]'
        again = b'[{"eventId": 5, "attemptNumber": 1}]'
        assert (
            proved(scheme, signed(scheme, again), again).delivery_id
            == proved(scheme, signed(scheme, first), first).delivery_id
        )
    one = proved(scheme, signed(scheme, first), first).delivery_id
    later = proved(scheme, signed(scheme, first, at=NOW + timedelta(minutes=1)), first).delivery_id
    assert one == later
    if scheme in ("intercom", "hubspot"):
        assert proved(scheme, signed(scheme, second), second).delivery_id != one


def test_the_published_examples_of_two_specifications_hold() -> None:
    """Standard Webhooks' own example, and GitHub's."""
    body = b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    at = datetime.fromtimestamp(1614265330, UTC)
    assert proved("standard", headers, body, secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], now=at).sent_at == at
    claim = _claim_of("github", {}, b"Hello, World!", "")
    assert claim.signed("It's a Secret to Everybody") == (
        b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    )


@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_an_empty_body_is_refused_before_anything_is_compared(body: bytes) -> None:
    assert code("token", signed("token", body), body) == "webhook.empty"


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_json_is_refused_with_its_code(body: bytes) -> None:
    assert code("github", signed("github", body), body) == "webhook.malformed"


@given(
    scheme=st.sampled_from(SCHEMES),
    body=st.binary(max_size=60),
    value=st.text(max_size=60),
    seconds=st.text(max_size=30),
)
def test_nothing_that_is_sent_crashes_it(scheme: Scheme, body: bytes, value: str, seconds: str) -> None:
    headers = {name: (seconds if "time" in name else value) for name in signed(scheme, body)}
    with pytest.raises(WebhookRefused):
        proved(scheme, headers, body)
