"""The machine API keeps to its own schema, whatever is sent: Schemathesis against a real gateway."""

import json
from collections import Counter
from contextlib import suppress

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from gateway.keys import new_key
from resources.database import Database
from resources.lake import Lake
from tests.gateway.deciding import declare
from tests.gateway.serving import NAME, with_versions
from tests.gateway.test_serving_process import home, started, url

__all__ = ["home", "url"]

KEY, ENTRY = new_key("schemathesis")
# A request may fit the schema and still be none of this model's: JSON Schema can't say that a tensor has as many values as
# its shape says, or that a ticket is not older than its automation. Such answers are in the schema, and so is their shape.
# what fits no schema may also be too large to be looked at
REJECTED = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
NOT_THIS_MODELS = [200, 400, 404, 409, 413, 422, 503]


@pytest.fixture(scope="module")
def api(url, home):
    with Database(url) as database:
        with_versions(database, Lake(home / "lake"))
    environ = {"AIOS_API_KEYS": ENTRY, "AIOS_AUTOMATIONS": str(declare(home))}
    with started(home, url, "--workers", "1", environ=environ, headers={"x-api-key": KEY}) as (_, port):
        config = SchemathesisConfig.from_dict(
            {
                "parameters": {"path.name": NAME},
                "checks": {
                    "positive_data_acceptance": {"expected-statuses": NOT_THIS_MODELS},
                    "negative_data_rejection": {"expected-statuses": REJECTED},
                },
            }
        )
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json", config=config)


def test_every_route_keeps_to_its_schema_whatever_is_sent(api):
    answered: Counter[int] = Counter()
    for found in api.get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @given(found.ok().as_strategy(generation_mode=mode))
            @settings(
                max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
            )
            def keeps(case):
                response = case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"})
                answered[response.status_code] += 1

            with suppress(Unsatisfiable):  # a route without parameters and body can't be asked wrongly
                keeps()
    assert answered[200] >= 15
    assert answered[400] + answered[422] >= 60


def test_its_own_examples_are_answered_as_it_says(api):
    infer, decide = api["/v2/models/{name}/infer"]["POST"], api["/v1/automations/{name}/decide"]["POST"]
    examples = {
        infer: infer.definition.raw["requestBody"]["content"]["application/json"]["schema"]["example"],
        decide: api.raw_schema["components"]["schemas"]["DecideIn"]["example"],
    }
    for operation, body in examples.items():
        case = operation.Case(path_parameters={"name": NAME}, body=body, media_type="application/json")
        answer = case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"})
        assert answer.status_code == 200


def test_the_schema_has_the_machine_api_and_nothing_of_the_console(api):
    paths = api.raw_schema["paths"]
    assert all(path.startswith(("/v1/", "/v2")) for path in paths)
    assert {"/v2", "/v2/models/{name}/infer", "/v1/automations/{name}/decide"} <= paths.keys()
    assert '"HTTPValidationError"' not in json.dumps(api.raw_schema)
    assert httpx.get(api.location).headers["content-type"] == "application/json"
