"""The sandbox as a process: its first line, its port, its end."""

import gzip
import json
import socket
import subprocess
import sys
import time
from datetime import datetime

import httpx
import pyarrow.parquet as pq
import pytest

from sandbox.__main__ import main

PROJECT_SIZES = ("--tickets", "40", "--history", "60", "--new-days", "1", "--history-days", "3")


def test_the_first_line_says_where_it_is_and_a_signal_ends_it(spawn) -> None:
    process = spawn(*PROJECT_SIZES)
    assert process.greeting["zendesk"] == {"email": "agent@example.com", "token": "sandbox-token"}
    assert httpx.get(f"{process.url}/sandbox/health").json()["status"] == "ok"
    token = httpx.post(
        f"{process.url}/services/oauth2/token",
        data={"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"},
    ).json()
    assert token["instance_url"] == process.url
    assert process.stop() == 0
    assert process.child.stderr.read() == ""
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{process.url}/sandbox/health")


def test_a_kept_sandbox_survives_a_kill(spawn, tmp_path) -> None:
    auth = ("agent@example.com/token", "sandbox-token")
    arguments = (*PROJECT_SIZES, "--state", str(tmp_path / "state.db"), "--frozen-clock", "--no-recent-guard")
    first = spawn(*arguments)
    changed = httpx.put(
        f"{first.url}/api/v2/tickets/100090.json", json={"ticket": {"group_id": 4002}}, auth=auth
    ).json()
    first.stop(9)
    second = spawn(*arguments[8:])
    assert httpx.get(f"{second.url}/api/v2/tickets/100090.json", auth=auth).json()["ticket"] == changed["ticket"]
    assert httpx.get(f"{second.url}/sandbox/state").json()["tickets"] == 40


def test_a_busy_port_is_one_clear_line_and_exit_code_2(capsys) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert f"127.0.0.1:{port}" in said.err
    assert "--port" in said.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--drift", "flood@3"], "flood"),
        (["--until", "soon"], "soon"),
        (["--tickets", "-1"], "tickets"),
        (["--faults", "fire=1"], "fire"),
        (["--live-per-minute", "-1"], "live-per-minute"),
        (["--port", "99999"], "99999"),
        (["generate", "--tickets", "5", "--out", "x.csv"], "x.csv"),
    ],
)
def test_a_wrong_option_is_one_clear_line_and_exit_code_2(arguments, named, capsys) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert named in said
    assert said.count("\n") == 1


def test_a_kept_state_can_not_become_another_world(tmp_path, spawn, capsys) -> None:
    file = str(tmp_path / "state.db")
    spawn(*PROJECT_SIZES, "--state", file).stop()
    assert main(["--port", "0", "--state", file, "--tickets", "41"]) == 2
    assert "--tickets 40" in capsys.readouterr().err
    assert main(["--port", "0", "--state", file, "--drift", "class_shift@1"]) == 2
    assert "--drift" in capsys.readouterr().err


def test_40_pages_of_a_thousand_take_well_under_their_time(spawn) -> None:
    """A generous bound: this is a guard against doing things twice, not a measurement."""
    process = spawn("--tickets", "5000", "--history", "15000")
    seconds = []
    with httpx.Client(base_url=process.url, auth=("agent@example.com/token", "sandbox-token")) as client:
        page = {"after_cursor": None, "end_of_stream": False}
        count = 0
        while not page["end_of_stream"]:
            where = {"cursor": page["after_cursor"]} if page["after_cursor"] else {"start_time": 0}
            began = time.perf_counter()
            page = client.get("/api/v2/incremental/tickets/cursor.json", params=where).json()
            seconds.append(time.perf_counter() - began)
            count += len(page["tickets"])
    assert count == 20_000
    assert sum(seconds) < 20


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "parquet"])
def test_a_world_can_be_written_to_a_file(suffix, tmp_path, capsys) -> None:
    file = tmp_path / f"tickets.{suffix}"
    until = "2026-11-22T12:00:00Z"
    assert main(["generate", "--tickets", "2500", "--until", until, "--out", str(file), "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 2_500
    if suffix == "parquet":
        rows = pq.read_table(file).to_pylist()
        created = [row["created_at"] for row in rows]
    else:
        opened = gzip.open if suffix.endswith("gz") else open
        with opened(file, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        created = [datetime.fromisoformat(row["created_at"]) for row in rows]
    assert [row["ticket_id"] for row in rows] == list(range(100_001, 102_501))
    assert created == sorted(created)
    assert created[-1] < datetime.fromisoformat(until)
    assert {row["queue"] for row in rows} >= {"billing", "outage", "plan_change"}
    agreed = sum(row["queue"] == row["true_queue"] for row in rows) / len(rows)
    assert 0.96 < agreed < 1


def test_a_file_is_the_world_that_is_served(start, tmp_path) -> None:
    from sandbox.generate import generate
    from tests.sandbox.conftest import SMALL, UNTIL

    chunks = list(generate(SMALL, until=UNTIL))
    bodies = [body for chunk in chunks for body in chunk.columns["body"]]
    served = sorted(start().export()[0], key=lambda ticket: ticket["id"])
    assert [ticket["description"] for ticket in served] == bodies


def test_help_is_there() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "--help"], capture_output=True, text=True, timeout=20, check=True
    )
    assert "generate" in done.stdout
