"""The embedded server's life: made, joined, left, healed, and gone when its owner is."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from aios_core.errors import ConfigurationError
from resources.embedded_postgres import EmbeddedPostgres

FAST = {"fsync": "off", "shared_buffers": "16MB"}

OWNER = """
import sys, time
from pathlib import Path
from resources.embedded_postgres import EmbeddedPostgres
EmbeddedPostgres(home=Path(sys.argv[1]), settings={"shared_buffers": "16MB"}, tied=True).start()
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="aios-pg-"))
    folder.chmod(0o755)
    yield folder
    EmbeddedPostgres(home=folder)._halt(5)
    shutil.rmtree(folder, ignore_errors=True)


def server(home: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(home=home, settings=FAST)


def answers(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("select 1").fetchone() == (1,)


def test_the_last_user_stops_the_server_and_nobody_else_does(home: Path) -> None:
    first, second = server(home), server(home)
    assert first.start() == second.start()
    assert first.stop() is False
    assert answers(second.url())
    assert second.stop() is True
    assert not second.running()
    assert not list(first.socket_dir.iterdir())


def test_what_was_committed_is_there_after_a_restart(home: Path) -> None:
    with_it = server(home)
    with psycopg.connect(with_it.start()) as connection:
        connection.execute("create table kept as select 42 as n")
    with_it.stop()
    again = server(home)
    with psycopg.connect(again.start()) as connection:
        assert connection.execute("select n from kept").fetchone() == (42,)
    again.stop()


def test_the_server_ends_with_an_owner_that_was_killed(home: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(home)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None and owner.stdout.readline() == "up\n"
    assert server(home).running()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    deadline = time.monotonic() + 10
    while server(home).running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not server(home).running()


def test_a_data_folder_left_half_made_is_made_again(home: Path) -> None:
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "base").mkdir()
    (home / "postgres" / "data.new").mkdir()
    one = server(home)
    assert answers(one.start())
    one.stop()


def test_a_pid_file_whose_number_belongs_to_another_process_is_no_server(home: Path) -> None:
    one = server(home)
    one.start()
    text = (one.data / "postmaster.pid").read_text().splitlines()
    one.stop()
    text[0] = str(os.getpid())
    (one.data / "postmaster.pid").write_text("\n".join(text) + "\n")
    (one.socket_dir / ".s.PGSQL.5432.lock").write_text("\n".join(text) + "\n")
    assert not one.running()
    assert answers(one.start())
    one.stop()


def test_a_killed_server_is_started_again_with_all_that_was_committed(home: Path) -> None:
    one = server(home)
    with psycopg.connect(one.start()) as connection:
        connection.execute("create table kept as select 42 as n")
        connection.commit()
        os.kill(int((one.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        while one.running():
            time.sleep(0.01)
        one.start()
    with psycopg.connect(one.url()) as connection:
        assert connection.execute("select n from kept").fetchone() == (42,)
    one.stop()


def test_a_path_too_long_for_a_socket_still_works(home: Path) -> None:
    deep = home / ("deep" * 20) / ("er" * 20)
    one = server(deep)
    assert answers(one.start())
    assert one.stop()
    shutil.rmtree(one.socket_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can reach into a folder closed to the server's account")
def test_a_folder_closed_to_others_stays_closed_and_works_as_root(home: Path) -> None:
    home.chmod(0o700)
    one = server(home)
    assert answers(one.start())
    one.stop()
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_home_that_can_not_be_written_is_named(home: Path) -> None:
    file = home / "file"
    file.touch()
    with pytest.raises(ConfigurationError, match="file/postgres: can't write here .*set AIOS_HOME"):
        server(file).start()


def test_data_of_another_major_version_is_refused_with_a_way_out(home: Path) -> None:
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("12\n")
    with pytest.raises(ConfigurationError, match="made by Postgres 12.*aios reset"):
        server(home).start()
