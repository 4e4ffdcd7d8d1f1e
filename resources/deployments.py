"""Where the platform keeps its state and where its parts answer, read from the environment at call time.

What belongs here: environment variables, their defaults and the expansion of `${VAR}` in declarations. What does not:
opening what they point to (`resources/database.py`, `resources/lake.py`, `resources/connectors/factory.py`).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from aios_core.errors import ConfigurationError

PROJECT = Path(__file__).resolve().parent.parent
OWN_AUTOMATIONS = PROJECT / "aios_assets" / "defs"
NAMES = ("local", "staging", "production")
ACCELERATORS = ("cpu", "cuda")
EXECUTORS = ("in_process", "kubernetes")
KEEP_RUNS_DAYS = 30

# What the sandbox accepts by default. Only the local deployment has them: elsewhere a missing secret must be missed.
SANDBOX_CREDENTIALS: Mapping[str, str] = {
    "AIOS_ZENDESK_EMAIL": "agent@example.com",
    "AIOS_ZENDESK_TOKEN": "sandbox-token",
    "AIOS_SALESFORCE_CLIENT_ID": "sandbox",
    "AIOS_SALESFORCE_CLIENT_SECRET": "sandbox-secret",
}

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One running platform.

    `executor` kubernetes gives each step a pod of its own; `scoring_pod` is a YAML file with what the pods of steps that score get
    beyond the others (`dagster-k8s/config`), `days_per_run` how many days of a backfill one run scores (None: all of them),
    `shards_per_day` into how many runs the scoring of one large day can be cut (None: it is not), `keep_runs_days` how long Dagster's
    runs are kept after they ended (`aios_core/retention.py` says which longer, which shorter).
    `database_url` None stands for the embedded Postgres under `home`; `automations` are the folders outside the project.
    """

    name: Literal["local", "staging", "production"]
    home: Path
    database_url: str | None
    lake_url: str
    gateway_url: str
    dagster_url: str
    sandbox_url: str
    automations: tuple[Path, ...]
    accelerator: Literal["cpu", "cuda"]
    executor: Literal["in_process", "kubernetes"] = "in_process"
    scoring_pod: Path | None = None
    days_per_run: int | None = None
    shards_per_day: int | None = None
    keep_runs_days: int = KEEP_RUNS_DAYS

    @property
    def automation_folders(self) -> tuple[Path, ...]:
        """Every folder that holds automations, the project's own first."""
        return (OWN_AUTOMATIONS, *self.automations)


def deployment(environ: Mapping[str, str] | None = None) -> Deployment:
    """The deployment that the environment describes (`os.environ` at the time of the call)."""
    env = os.environ if environ is None else environ
    name = _one_of(env, "AIOS_DEPLOYMENT", NAMES, "local")
    home = Path(_value(env, "AIOS_HOME") or PROJECT / ".aios").expanduser().resolve()
    folders = (_value(env, "AIOS_AUTOMATIONS") or "").split(os.pathsep)
    return Deployment(
        name=cast(Literal["local", "staging", "production"], name),
        home=home,
        database_url=_value(env, "AIOS_DATABASE_URL"),
        lake_url=_value(env, "AIOS_LAKE_URL") or str(home / "lake"),
        gateway_url=(_value(env, "AIOS_GATEWAY_URL") or "http://127.0.0.1:8780").rstrip("/"),
        dagster_url=(_value(env, "AIOS_DAGSTER_URL") or "http://127.0.0.1:3000").rstrip("/"),
        sandbox_url=(_value(env, "AIOS_SANDBOX_URL") or "http://127.0.0.1:8790").rstrip("/"),
        automations=tuple(Path(f).expanduser().resolve() for f in folders if f.strip()),
        accelerator=cast(Literal["cpu", "cuda"], _one_of(env, "AIOS_ACCELERATOR", ACCELERATORS, "cpu")),
        executor=cast(Literal["in_process", "kubernetes"], _one_of(env, "AIOS_EXECUTOR", EXECUTORS, "in_process")),
        scoring_pod=Path(pod).expanduser().resolve() if (pod := _value(env, "AIOS_SCORING_POD")) else None,
        days_per_run=_count(env, "AIOS_DAYS_PER_RUN"),
        shards_per_day=_count(env, "AIOS_SHARDS_PER_DAY"),
        keep_runs_days=_count(env, "AIOS_KEEP_RUNS_DAYS") or KEEP_RUNS_DAYS,
    )


def expand(text: str, environ: Mapping[str, str] | None = None) -> str:
    """`${VAR}` and `${VAR:-default}` replaced; an empty variable counts as unset, as in a shell.

    In the local deployment the helpdesk's and CRM's variables default to the sandbox's.
    """
    env = os.environ if environ is None else environ

    def replace(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        value = _value(env, name)
        if value is None:
            value = default if default is not None else _local_default(name, env)
        if value is None:
            raise ConfigurationError(
                f"environment variable {name} is not set, and `{text}` needs it; export it and try again"
            )
        return value

    return _VARIABLE.sub(replace, text)


def environment(of: Deployment) -> dict[str, str]:
    """The variables that give another process this deployment; secrets are left to be inherited."""
    known = {
        "AIOS_DEPLOYMENT": of.name,
        "AIOS_HOME": str(of.home),
        "AIOS_LAKE_URL": of.lake_url,
        "AIOS_GATEWAY_URL": of.gateway_url,
        "AIOS_DAGSTER_URL": of.dagster_url,
        "AIOS_SANDBOX_URL": of.sandbox_url,
        "AIOS_ACCELERATOR": of.accelerator,
        "AIOS_EXECUTOR": of.executor,
        "AIOS_KEEP_RUNS_DAYS": str(of.keep_runs_days),
    }
    if of.scoring_pod is not None:
        known["AIOS_SCORING_POD"] = str(of.scoring_pod)
    if of.days_per_run is not None:
        known["AIOS_DAYS_PER_RUN"] = str(of.days_per_run)
    if of.shards_per_day is not None:
        known["AIOS_SHARDS_PER_DAY"] = str(of.shards_per_day)
    if of.automations:
        known["AIOS_AUTOMATIONS"] = os.pathsep.join(map(str, of.automations))
    if of.database_url is not None:
        known["AIOS_DATABASE_URL"] = of.database_url
    return known


def _local_default(name: str, env: Mapping[str, str]) -> str | None:
    if (_value(env, "AIOS_DEPLOYMENT") or "local") != "local":
        return None
    if name in ("AIOS_ZENDESK_URL", "AIOS_SALESFORCE_URL"):
        return deployment(env).sandbox_url
    if name == "AIOS_STATUS_URL":
        return f"{deployment(env).sandbox_url}/status/outages"
    return SANDBOX_CREDENTIALS.get(name)


def _value(env: Mapping[str, str], name: str) -> str | None:
    return env.get(name) or None


def _count(env: Mapping[str, str], name: str) -> int | None:
    value = _value(env, name)
    if value is not None and (not value.isdigit() or int(value) < 1):
        raise ConfigurationError(f"{name} is `{value}`; give a whole number of 1 or more, or leave it unset")
    return int(value) if value is not None else None


def _one_of(env: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = _value(env, name) or default
    if value not in allowed:
        raise ConfigurationError(f"{name} is `{value}`; it must be one of {', '.join(allowed)}")
    return value
