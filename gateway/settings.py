"""What the gateway is told from outside: where its database is, its secret and keys, and how long a sign-in lasts.

What belongs here: reading the deployment and the environment into one frozen value. What does not: opening anything, but for
the file that keeps the session secret.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from aios_core.errors import ConfigurationError
from gateway.keys import VARIABLE, read_keys
from resources.deployments import Deployment, deployment

KEPT_IN = "gateway.secret"
MIN_SECRET = 32
# Measured on two cores, with a model that takes 30 µs a row: 64 callers are served without a refusal, and when 192 come, those who are
# let in wait less than twice as long. More would raise that, and not the number of answers a second.
WAITING = 80
FEWEST_WAITING = 16  # a process: the kernel deals connections out by chance, not evenly


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that `create_app` needs. `database_url` None stands for the embedded Postgres under `home`."""

    deployment: Deployment
    secret_key: str = field(repr=False)
    session: timedelta = timedelta(hours=12)
    secure_cookies: bool = False
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)  # SHA-256 -> name
    log_share: float = 1.0  # of good inference requests in the access log
    waiting: int = WAITING  # requests that may be at one model at once, in all processes
    workers: int = 1
    counts: Path | None = None  # where the processes of one gateway lay down their counts


def settings_from(environ: Mapping[str, str] | None = None) -> Settings:
    """The gateway's settings. Raises ConfigurationError."""
    env = os.environ if environ is None else environ
    of = deployment(env)
    key = env.get("AIOS_SECRET_KEY") or secret_in(of.home)
    if len(key) < MIN_SECRET:
        raise ConfigurationError(
            f"the session secret has {len(key)} characters; AIOS_SECRET_KEY needs at least {MIN_SECRET}"
        )
    # A browser drops a Secure cookie that came over plain HTTP, except from localhost, where it is of no use either.
    return Settings(
        deployment=of,
        secret_key=key,
        secure_cookies=of.gateway_url.startswith("https://"),
        api_keys=read_keys(env.get(VARIABLE)),
        log_share=_share(env.get("AIOS_ACCESS_LOG_SHARE") or "1"),
        waiting=_waiting(env.get("AIOS_INFER_WAITING") or str(WAITING)),
    )


def _waiting(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise ConfigurationError(f"AIOS_INFER_WAITING is `{text}`; it must be a whole number from 1 to 100000")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigurationError(f"AIOS_ACCESS_LOG_SHARE is `{text}`; it must be a number from 0 to 1")
    return share


def secret_in(home: Path) -> str:
    """The secret kept in the state folder, made at the first start; of two processes starting at once, one makes it."""
    path = home / KEPT_IN
    try:
        home.mkdir(parents=True, exist_ok=True)
        draft = home / f".{KEPT_IN}.{secrets.token_hex(6)}"
        if not path.exists():
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))
            try:
                os.link(draft, path)  # whole or not at all, and never over another one's
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the session secret can't be kept here: {error.strerror}; make AIOS_HOME writable or set AIOS_SECRET_KEY"
        ) from error
