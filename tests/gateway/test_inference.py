"""The Open Inference Protocol by HTTP: what is asked is what the batch path would say, and nothing wrong is let through."""

import gzip
import json
import re
import struct
import time

import numpy as np
import pytest

from aios_core.scoring.schema import rounded
from resources.registry import Registry
from tests.aios_core.training.making import small, small_files
from tests.gateway.serving import (
    NAME,
    asking,
    hall,
    loaded,
    promote,
    register,
    roll_back,
    running,
    said,
    scored,
    settings_for,
    some_texts,
    wait_for,
    with_versions,
)

INFER = f"/v2/models/{NAME}/infer"


@pytest.fixture
def registry(database, lake) -> Registry:
    return with_versions(database, lake)


@pytest.fixture
def caller(registry, lake, tmp_path, database_url):
    with running(settings_for(tmp_path, database_url), lake=lake) as caller:
        yield caller


def refused(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    content = answer.json()
    assert content["code"] == code
    assert isinstance(content["error"], str)
    assert content["error"]
    return content["error"]


def test_rows_get_the_numbers_of_the_batch_path(caller):
    texts = some_texts(40)
    facts = [{"plan": ["basic", "premium", None][i % 3], "tenure_months": [None, 3.5, 80.0][i % 3]} for i in range(40)]
    answer = caller.post(
        INFER, json=asking(*texts, crm_plan=[f["plan"] for f in facts], crm_tenure_months=[f["tenure_months"] for f in facts])
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    batch = scored(1, texts, facts)
    assert said(answer, "label") == batch.column("queue").to_pylist()
    wanted = np.array(rounded(batch.column("probabilities")).to_pylist(), np.float32)
    assert np.array_equal(np.array(said(answer, "probabilities"), np.float32).reshape(40, 3), wanted)
    assert np.array_equal(np.array(said(answer, "confidence"), np.float32), wanted.max(axis=1))


def test_facts_that_are_left_out_are_not_known(caller):
    text = some_texts(1)
    without = caller.post(INFER, json=asking(*text))
    nulls = caller.post(INFER, json=asking(*text, crm_plan=[None], crm_tenure_months=[None]))
    empty = caller.post(INFER, json=asking(*text, crm_plan=["  "]))
    given = caller.post(INFER, json=asking(*text, crm_plan=["premium"]))
    assert said(without, "probabilities") == said(nulls, "probabilities") == said(empty, "probabilities")
    assert said(without, "probabilities") != said(given, "probabilities")


def test_answers_name_their_model_and_carry_the_callers_trace(caller):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = caller.post(
        INFER,
        json=asking("my invoice") | {"id": "mine"},
        headers={"x-correlation-id": "order-17", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
    )
    assert (answer.json()["model_name"], answer.json()["model_version"], answer.json()["id"]) == (NAME, "1", "mine")
    assert (answer.headers["x-aios-model"], answer.headers["x-aios-model-version"]) == (NAME, "1")
    assert answer.headers["x-correlation-id"] == "order-17"
    assert re.fullmatch(rf"00-{trace}-(?!00f067aa0ba902b7)[0-9a-f]{{16}}-01", answer.headers["traceparent"])


def test_a_correlation_id_that_could_break_a_log_line_is_replaced(caller):
    for bad in ("a b", "x" * 129, "ä", ""):
        answer = caller.post(INFER, json=asking("x"), headers={b"x-correlation-id": bad.encode()})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-correlation-id"])
        assert "traceparent" not in answer.headers


def test_tensors_may_be_binary_both_ways(caller):
    texts = ["my invoice", "", "no signal in Spain ä"]
    raw = b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in texts)
    tenure = np.array([1.0, 2.0, 3.0]).tobytes()
    head = json.dumps({
        "inputs": [
            {"name": "text", "shape": [3, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}},
            {"name": "crm_tenure_months", "shape": [3], "datatype": "FP64", "parameters": {"binary_data_size": 24}},
        ],
        "outputs": [{"name": "label", "parameters": {"binary_data": True}}, {"name": "confidence"}],
    }).encode()  # fmt: skip
    answer = caller.post(
        INFER, content=head + raw + tenure, headers={"inference-header-content-length": str(len(head))}
    )
    assert answer.headers["content-type"] == "application/octet-stream"
    size = int(answer.headers["inference-header-content-length"])
    outputs = json.loads(answer.content[:size])["outputs"]
    packed = answer.content[size:]
    assert outputs[0]["parameters"] == {"binary_data_size": len(packed)}
    labels = []
    while packed:
        length = struct.unpack("<I", packed[:4])[0]
        labels.append(packed[4 : 4 + length].decode())
        packed = packed[4 + length :]
    batch = scored(1, texts, [{"tenure_months": t} for t in (1.0, 2.0, 3.0)])
    assert labels == batch.column("queue").to_pylist()
    assert outputs[1]["data"] == pytest.approx(batch.column("confidence").to_pylist(), abs=1e-6)


def tensor(**changes):
    return {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["x"]} | changes


def binary(size, **changes):
    return {k: v for k, v in tensor(parameters={"binary_data_size": size}, **changes).items() if k != "data"}


def number(**changes):
    return [tensor(), {"name": "crm_tenure_months", "shape": [1], "datatype": "FP64", "data": [1.5]} | changes]


WRONG = {
    "no JSON": (b"{", "not JSON"),
    "no UTF-8": (b'{"inputs": "\xff"}', "not JSON in UTF-8"),
    "a bare NaN": (b'{"inputs": [{"name": "text", "shape": [1], "datatype": "FP64", "data": [NaN]}]}', "NaN"),
    "a list": ([], "JSON object"),
    "nothing": ({}, "`inputs` must be a list"),
    "no tensors": ({"inputs": []}, "`inputs` must be a list"),
    "a tensor that is a text": ({"inputs": ["text"]}, "each of `inputs` must be an object"),
    "another input": ({"inputs": [tensor(name="body")]}, "no input `body`; it takes text, crm_plan, crm_tenure_months"),
    "an input twice": ({"inputs": [tensor(), tensor()]}, "given twice"),
    "no text": ({"inputs": number()[1:]}, "input `text` is missing"),
    "another type": ({"inputs": [tensor(datatype="FP32")]}, "it must be BYTES"),
    "an unknown type": ({"inputs": number(datatype="INT8")}, "it must be FP64 or FP32"),
    "no shape": ({"inputs": [tensor(shape=None)]}, "`shape` must be [rows]"),
    "a shape of texts": ({"inputs": [tensor(shape=["1"])]}, "`shape` must be [rows]"),
    "no rows": ({"inputs": [tensor(shape=[0], data=[])]}, "at least one row"),
    "a negative shape": ({"inputs": [tensor(shape=[-1])]}, "at least one row"),
    "two columns": ({"inputs": [tensor(shape=[1, 2], data=["x", "y"])]}, "must be [rows] or [rows, 1]"),
    "fewer values": ({"inputs": [tensor(shape=[3])]}, "1 values for the 3 rows"),
    "more values": ({"inputs": [tensor(data=["x", "y"])]}, "2 values for the 1 rows"),
    "uneven inputs": ({"inputs": [tensor(shape=[2], data=["x", "y"]), number()[1]]}, "1 rows, those before it 2"),
    "a number for a text": ({"inputs": [tensor(data=[5])]}, "row 0: '5' is not a text"),
    "null for the text": ({"inputs": [tensor(data=[None])]}, "row 0: 'None' is not a text"),
    "deep nesting": ({"inputs": [tensor(shape=[1, 1], data=[["x", "y"]])]}, "nested otherwise"),
    "no data": ({"inputs": [tensor(data=None)]}, "no `data`"),
    "a text for a number": ({"inputs": number(data=["12"])}, "row 0: '12' is not a number"),
    "true for a number": ({"inputs": number(data=[True])}, "is not a number"),
    "a number beyond floats": ({"inputs": number(data=[10**400])}, "not JSON"),
    "an unknown output": ({"inputs": [tensor()], "outputs": [{"name": "score"}]}, "no output 'score'"),
    "an output twice": ({"inputs": [tensor()], "outputs": [{"name": "label"}] * 2}, "asked for twice"),
    "classification": (
        {"inputs": [tensor()], "outputs": [{"name": "label", "parameters": {"classification": 2}}]},
        "`classification` is not offered",
    ),
    "shared memory": ({"inputs": [tensor(parameters={"shared_memory_region": "x"})]}, "shared memory is not offered"),
    "a number for an id": ({"inputs": [tensor()], "id": 5}, "`id` must be a text"),
    "a negative time-out": ({"inputs": [tensor()], "parameters": {"timeout": -1}}, "`timeout` must be a whole number"),
    "parameters of another kind": ({"inputs": [tensor()], "parameters": []}, "`parameters` of the request"),
    "more bytes said than sent": ({"inputs": [binary(100)]}, "should have 100 bytes, but 0 bytes follow"),
    "bytes said in words": ({"inputs": [binary("4")]}, "should have 4 bytes"),
}


def test_a_request_that_does_not_fit_is_told_what_is_wrong(caller):
    for case, (content, message) in WRONG.items():
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        assert message in refused(caller.post(INFER, content=body), 400, "infer.invalid"), case


def test_binary_tensors_that_do_not_add_up_are_refused(caller):
    for length, rest, message in (
        ("abc", b"", "Inference-Header-Content-Length is 'abc'"),
        ("-5", b"", "Inference-Header-Content-Length"),
        ("99999", b"", "the body has"),
        ("10", b"", "not JSON"),
        ("all", b"\x05\0\0\0ab", "its bytes are cut off"),
        ("all", b"\x01\0", "its bytes are cut off"),
        ("all", b"\x02\0\0\0\xff\xfe", "not UTF-8"),
        ("all", b"\x01\0\0\0a\x01\0\0\0b", "more rows than the 1"),
        ("all", b"\xff\xff\xff\xff", "its bytes are cut off"),
    ):
        head = json.dumps({"inputs": [binary(len(rest))] if rest else [tensor()]}).encode()
        told = str(len(head)) if length == "all" else length
        answer = caller.post(INFER, content=head + rest, headers={"inference-header-content-length": told})
        assert message in refused(answer, 400, "infer.invalid"), (length, rest)


def test_numbers_that_are_none_are_refused_with_their_row(caller):
    for bad in (float("nan"), float("inf"), -float("inf")):
        raw = np.array([1.0, bad]).tobytes()
        head = json.dumps({"inputs": [
            tensor(shape=[2], data=["x", "y"]),
            {"name": "crm_tenure_months", "shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 16}},
        ]}).encode()  # fmt: skip
        answer = caller.post(INFER, content=head + raw, headers={"inference-header-content-length": str(len(head))})
        assert "row 1: not a finite number" in refused(answer, 400, "infer.invalid")


def test_bytes_left_over_are_refused(caller):
    head = json.dumps(asking("x")).encode()
    answer = caller.post(INFER, content=head + b"more", headers={"inference-header-content-length": str(len(head))})
    assert "4 bytes are left over" in refused(answer, 400, "infer.invalid")


def test_what_is_too_much_is_refused_before_it_is_worked_on(caller):
    refused(caller.post(INFER, json=asking("x" * 1_000_000)), 413, "infer.text_too_long")
    refused(caller.post(INFER, json=asking(*["x"] * 4_097)), 413, "infer.too_many_rows")
    refused(caller.post(INFER, content=b"x" * (8 * 1024 * 1024 + 1)), 413, "request.too_large")
    bomb = gzip.compress(b"x" * 50_000_000)
    refused(caller.post(INFER, content=bomb, headers={"content-encoding": "gzip"}), 413, "request.too_large")
    assert caller.post(INFER, json=asking("word " * 39_000)).status_code == 200


def test_a_compressed_body_is_opened(caller):
    body = gzip.compress(json.dumps(asking("my invoice")).encode())
    answer = caller.post(INFER, content=body, headers={"content-encoding": "gzip"})
    assert said(answer, "label") == said(caller.post(INFER, json=asking("my invoice")), "label")
    broken = caller.post(INFER, content=body[:-9], headers={"content-encoding": "gzip"})
    refused(broken, 400, "request.encoding")
    refused(caller.post(INFER, content=body, headers={"content-encoding": "br"}), 415, "request.encoding")


def test_unknown_models_and_versions_are_told_from_those_that_are_there(caller):
    error = refused(caller.post("/v2/models/nothing/infer", json=asking("x")), 404, "model.unknown")
    assert error.endswith("there are: triage")
    error = refused(caller.post(f"/v2/models/{NAME}/versions/7/infer", json=asking("x")), 404, "model.unknown_version")
    assert error.endswith("has no version 7; it has 1, 2")
    refused(caller.get("/v2/models/nothing"), 404, "model.unknown")
    refused(caller.get(f"/v2/models/{NAME}/versions/7"), 404, "model.unknown_version")
    refused(caller.get(f"/v2/models/{NAME}/versions/one"), 422, "request.invalid")
    refused(caller.get("/v2/nothing"), 404, "route.unknown")
    assert "POST" in caller.get(INFER).headers["allow"]


def test_a_version_that_nothing_points_to_is_loaded_when_it_is_asked_for(caller):
    assert caller.get(f"/v2/models/{NAME}/versions/2/ready").status_code == 503
    answer = caller.post(f"/v2/models/{NAME}/versions/2/infer", json=asking("my invoice"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["model_version"] == "2"
    assert said(answer, "probabilities") == pytest.approx(
        scored(2, ["my invoice"]).column("probabilities").to_pylist()[0], abs=1e-6
    )
    assert caller.get(f"/v2/models/{NAME}/versions/2/ready").json() == {"name": NAME, "ready": True}


def test_metadata_says_what_goes_in_and_what_comes_out(caller):
    assert caller.get("/v2").json()["extensions"] == ["binary_tensor_data", "model_configuration", "parameters"]
    assert caller.get("/v2/health/live").json() == {"live": True}
    assert caller.get("/v2/health/ready").json() == {"ready": True}
    found = caller.get(f"/v2/models/{NAME}").json()
    assert found["versions"] == ["1", "2"]
    assert [(i["name"], i["datatype"], i["parameters"]["optional"]) for i in found["inputs"]] == [
        ("text", "BYTES", False), ("crm_plan", "BYTES", True), ("crm_tenure_months", "FP64", True)
    ]  # fmt: skip
    assert {o["name"]: o["shape"] for o in found["outputs"]}["probabilities"] == [-1, 3]
    assert found["parameters"]["classes"] == list(loaded(1).classes)
    assert found["parameters"]["serving_version"] == "1"
    config = caller.get(f"/v2/models/{NAME}/versions/1/config").json()
    assert config["input"][0] == {"name": "text", "data_type": "TYPE_STRING", "dims": ["-1"], "optional": False}
    index = caller.post("/v2/repository/index", content=b"").json()
    assert [(i["name"], i["version"], i["state"]) for i in index] == [(NAME, "1", "READY"), (NAME, "2", "UNAVAILABLE")]


def test_a_promotion_and_a_rollback_arrive_within_a_second(caller, registry):
    took = []
    for version, move in ((2, promote), (1, promote), (2, promote), (1, lambda registry, _: roll_back(registry))):
        move(registry, version)
        moved = time.monotonic()
        wait_for(lambda v=version: caller.post(INFER, json=asking("x")).json()["model_version"] == str(v))
        took.append(time.monotonic() - moved)
    assert sorted(took)[-2] < 1.0, took  # one may meet a machine that was busy elsewhere


def test_a_version_that_can_not_be_loaded_leaves_the_one_before_in_its_place(caller, registry, lake, database):
    lake.put(f"models/{NAME}/2/model.onnx", b"not a graph")
    with database.connection() as connection:  # the registry itself would refuse to move an alias there
        connection.execute("insert into alias_moves (name, alias, version, previous_version, actor, reason) values"
                           " ('triage', 'champion', 2, 1, 'ana', 'damaged since')")  # fmt: skip
        connection.execute("select pg_notify('aios_alias', '{}')")
    wait_for(lambda: hall(caller).serving[NAME].state.aliases["champion"] == 2)
    wait_for(lambda: (NAME, 2) in hall(caller)._failed)
    assert caller.post(INFER, json=asking("x")).json()["model_version"] == "1"
    why = refused(caller.post(f"/v2/models/{NAME}/versions/2/infer", json=asking("x")), 503, "model.not_ready")
    assert "model.onnx is not the file that was registered" in why
    assert caller.get("/health").status_code == 200


def test_without_a_champion_the_way_out_is_told(lake, database, tmp_path, database_url):
    registry = Registry(database, lake=lake)
    register(registry, small_files())
    with running(settings_for(tmp_path, database_url), lake=lake) as caller:
        assert "promote a version" in refused(caller.post(INFER, json=asking("x")), 503, "model.no_champion")
        assert caller.get(f"/v2/models/{NAME}/ready").json() == {"name": NAME, "ready": False}
        assert caller.post(f"/v2/models/{NAME}/versions/1/infer", json=asking("x")).status_code == 200


def test_a_time_that_is_up_is_told_and_a_bad_one_refused(caller):
    refused(caller.post(INFER, json=asking("x"), headers={"x-request-timeout-ms": "soon"}), 400, "request.timeout")
    refused(caller.post(INFER, json=asking("x"), headers={"x-request-timeout-ms": "0"}), 400, "request.timeout")
    late = caller.post(INFER, json=asking("x") | {"parameters": {"timeout": 1}})  # a microsecond is always over
    refused(late, 504, "request.deadline")
    assert caller.post(INFER, json=asking("x"), headers={"x-request-timeout-ms": "5000"}).status_code == 200


def test_every_row_of_a_large_request_is_answered(caller):
    texts = [small()[1].column("text")[i % 200].as_py() for i in range(4_096)]
    answer = caller.post(INFER, json=asking(*texts) | {"outputs": [{"name": "label"}]})
    assert said(answer, "label") == scored(1, texts).column("queue").to_pylist()
