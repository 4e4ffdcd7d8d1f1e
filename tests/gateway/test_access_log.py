"""The access log: what is in it, what is left out, and that nobody waits for whoever reads it."""

import io
import json
import os
import time

from gateway.access_log import MOST_BACKLOG, AccessLog


def lines(log, stream):
    log.close()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_one_line_of_json_with_what_it_came_with():
    stream = io.BytesIO()
    log = AccessLog(stream=stream)
    log.request(route="/decisions", status=200, method="GET", ms=1.5, correlation_id="order-17", key=None)
    log.inference(200, model="triage", version=1, rows=2, correlation_id='a"b\n')
    one, two = lines(log, stream)
    assert (one["event"], one["route"], one["correlation_id"], one["status"]) == (
        "request",
        "/decisions",
        "order-17",
        200,
    )
    assert (two["event"], two["model"], two["correlation_id"]) == ("infer", "triage", 'a"b\n')
    assert one["at"] <= two["at"]


def test_polling_is_left_out_unless_it_fails_and_good_inference_may_be():
    stream = io.BytesIO()
    log = AccessLog(stream=stream, share=0.0)
    log.request(route="/ready", status=200)
    log.request(route="/ready", status=503)
    log.inference(200, model="triage")
    log.inference(400, model="triage")
    assert [line["status"] for line in lines(log, stream)] == [503, 400]


def test_of_many_refusals_a_few_lines_tell_how_many():
    stream = io.BytesIO()
    log = AccessLog(stream=stream)
    for _ in range(500):
        log.inference(429, code="infer.busy")
    time.sleep(0.25)
    log.inference(429, code="infer.busy")
    found = lines(log, stream)
    assert len(found) <= 10  # two on a quiet machine
    assert sum(line["refusals"] for line in found) == 501


def test_a_pipe_that_nobody_reads_stops_nobody():
    reading, writing = os.pipe()
    log = AccessLog(stream=os.fdopen(writing, "wb", buffering=0))
    started = time.monotonic()
    for _ in range(MOST_BACKLOG + 1_000):
        log.event("something", text="x" * 200)
    assert time.monotonic() - started < 30
    assert log._dropped > 0
    os.close(reading)
