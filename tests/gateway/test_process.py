"""The gateway as a process: arguments, port, secret, and what it must not import."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time

import httpx
import pytest

from aios_core.errors import ConfigurationError
from gateway.settings import KEPT_IN, secret_in, settings_from


def environment(tmp_path, database_url):
    return {**os.environ, "AIOS_HOME": str(tmp_path), "AIOS_DATABASE_URL": database_url}


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_quickly_serves_and_ends_quietly_when_told(tmp_path, database_url, end):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "--port", str(port)],
        env=environment(tmp_path, database_url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == f"gateway: http://127.0.0.1:{port}\n"
        assert httpx.get(f"http://127.0.0.1:{port}/ready", timeout=10).json() == {"status": "ok"}
        # alone about 1 s; the limit leaves room for a busy machine
        assert time.perf_counter() - started < 20
    finally:
        process.send_signal(end)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


def test_a_busy_port_is_one_clear_line(tmp_path, database_url):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", "--port", str(port)],
            env=environment(tmp_path, database_url), capture_output=True, text=True, timeout=30,
        )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr == (
        f"error: port {port} on 127.0.0.1 is in use; stop what holds it or choose another with --port\n"
    )


def test_an_unmigrated_database_is_one_clear_line(tmp_path, empty_database_url):
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "--port", "0"],
        env=environment(tmp_path, empty_database_url), capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: the database's schema is older")
    assert ended.stderr.count("\n") == 1


def test_it_imports_neither_dagster_nor_heavy_libraries():
    heavy = ["dagster", "sklearn", "evidently", "great_expectations", "onnxruntime", "pandas", "matplotlib", "regopy"]
    code = f"import sys, gateway.__main__; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert found.stdout == "[]\n"


def test_the_session_secret_is_made_once_for_its_owner_only(tmp_path):
    first = secret_in(tmp_path / "home")
    assert len(first) >= 48
    assert secret_in(tmp_path / "home") == first
    assert stat.S_IMODE((tmp_path / "home" / KEPT_IN).stat().st_mode) == 0o600
    assert [p.name for p in (tmp_path / "home").iterdir()] == [KEPT_IN]


def test_a_secret_from_the_environment_wins_and_must_be_long_enough(tmp_path):
    given = {"AIOS_HOME": str(tmp_path), "AIOS_SECRET_KEY": "k" * 32}
    assert settings_from(given).secret_key == "k" * 32
    assert not (tmp_path / KEPT_IN).exists()
    with pytest.raises(ConfigurationError, match="AIOS_SECRET_KEY needs at least 32"):
        settings_from(given | {"AIOS_SECRET_KEY": "short"})


def test_a_folder_that_can_not_hold_the_secret_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file/home/gateway.secret: the session secret can't be kept"):
        secret_in(tmp_path / "file" / "home")


def test_the_secret_is_not_part_of_the_settings_text(tmp_path):
    assert "kkkk" not in repr(settings_from({"AIOS_HOME": str(tmp_path), "AIOS_SECRET_KEY": "k" * 32}))


def test_behind_https_the_cookie_is_for_https_only(tmp_path):
    base = {"AIOS_HOME": str(tmp_path)}
    assert settings_from(base | {"AIOS_GATEWAY_URL": "https://console.example"}).secure_cookies
    assert not settings_from(base).secure_cookies
