"""Who may use the machine API."""

import hashlib
import subprocess
import sys

import pytest

from aios_core.errors import ConfigurationError
from gateway.keys import LOCAL, Keys, new_key, read_keys
from gateway.refusals import Refused
from tests.gateway.serving import HERE, running, settings_for

HOST = {b"host": b"127.0.0.1:8780"}


def code(keys, head, client="127.0.0.1"):
    with pytest.raises(Refused) as refused:
        keys.who(head, client)
    assert refused.value.status == 401
    return refused.value.code


def test_a_key_is_known_by_its_hash_and_by_either_header():
    key, entry = new_key("crm-sync")
    keys = Keys(read_keys(f" {entry} , "), open_here=True)
    assert keys.who({b"authorization": b"Bearer " + key.encode()}, "10.0.0.9") == "crm-sync"
    assert keys.who({b"x-api-key": key.encode()}, None) == "crm-sync"
    assert code(keys, {b"authorization": b"Bearer " + key.encode() + b"x"}) == "key.unknown"
    assert code(keys, {b"authorization": b"Basic " + key.encode()}) == "key.missing"
    # once there is a key, being on this machine is not enough
    assert code(keys, HOST) == "key.missing"


def test_without_keys_only_the_local_deployment_is_open_and_only_to_this_machine():
    assert code(Keys({}, open_here=False), HOST) == "key.missing"
    local = Keys({}, open_here=True)
    assert local.who(HOST, "127.0.0.1") == LOCAL
    assert local.who({b"host": b"[::1]:8780"}, "::1") == LOCAL
    assert local.who({b"host": b"localhost"}, "127.0.0.1") == LOCAL
    assert code(local, HOST, "192.168.1.7") == "key.missing"
    assert code(local, HOST, None) == "key.missing"


@pytest.mark.parametrize(
    "head",
    [
        {b"host": b"evil.example"},  # another site's name that was made to point here
        HOST | {b"origin": b"https://evil.example"},
        HOST | {b"origin": b"null"},
        HOST | {b"sec-fetch-site": b"cross-site"},
        HOST | {b"sec-fetch-site": b"same-site"},
        HOST | {b"x-forwarded-for": b"203.0.113.5"},
        HOST | {b"forwarded": b"for=203.0.113.5"},
        {b"host": b"127.0.0.1:x:["},
        {},
    ],
)
def test_a_browser_or_a_proxy_on_this_machine_does_not_pass_for_it(head):
    assert code(Keys({}, open_here=True), head) == "key.missing"


def test_a_list_of_keys_that_is_none_is_refused_without_showing_it():
    with pytest.raises(ConfigurationError, match="entry 2 is not `name=sha256`") as error:
        read_keys(f"a={hashlib.sha256(b'x').hexdigest()},my-plain-secret")
    assert "my-plain-secret" not in str(error.value)
    with pytest.raises(ConfigurationError, match="a key's name has letters"):
        new_key("a b")


def test_a_new_key_is_made_on_the_command_line():
    made = subprocess.run(
        [sys.executable, "-m", "gateway", "--new-key", "crm"], capture_output=True, text=True, timeout=60, check=True
    )
    lines = dict(line.split(": ") for line in made.stdout.splitlines())
    key, entry = lines["key (give it to the caller; it is not kept here)"], lines["entry for AIOS_API_KEYS"]
    assert Keys(read_keys(entry), open_here=False).who({b"x-api-key": key.encode()}, None) == "crm"


def test_a_production_gateway_is_closed_but_for_its_health(tmp_path, database_url, lake, database):
    key, entry = new_key("crm")
    settings = settings_for(
        tmp_path, database_url, environ={"AIOS_DEPLOYMENT": "production"}, api_keys=read_keys(entry)
    )
    with running(settings, lake=lake) as caller:
        assert HERE["client"][0] == "127.0.0.1"
        for path in ("/v2/models/x", "/v2/models/x/ready", "/v1/nothing"):
            assert caller.get(path).json()["code"] == "key.missing", path
        for path in ("/v2/models/x/infer", "/v1/automations/x/decide", "/v2/repository/index"):
            answer = caller.post(path, json={})
            assert (answer.status_code, answer.json()["code"]) == (401, "key.missing"), path
        assert caller.get("/v2/health/ready").status_code == caller.get("/v2").status_code == 200
        with_key = caller.post("/v2/models/x/infer", json={}, headers={"authorization": f"Bearer {key}"})
        assert with_key.json()["code"] == "model.unknown"
        # a key opens the machine API, not the console
        page = caller.get("/decisions", headers={"authorization": f"Bearer {key}"}, follow_redirects=False)
        assert page.status_code == 303
