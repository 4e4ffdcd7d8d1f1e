"""How one sandbox is started: the world, who may sign in, how strict it is, and what it keeps.

What belongs here: settings as plain data. What does not: reading a command line (`__main__.py`).
"""

from dataclasses import dataclass, field
from pathlib import Path

from sandbox.faults import FaultPlan
from sandbox.quota import QuotaName
from sandbox.world.spec import WorldSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client has to show; these defaults are printed at the start and protect nothing."""

    zendesk_email: str = "agent@example.com"
    zendesk_token: str = "sandbox-token"
    salesforce_client_id: str = "sandbox"
    salesforce_client_secret: str = "sandbox-secret"
    salesforce_username: str = "agent@example.com"
    salesforce_password: str = "sandbox-password"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One sandbox. `until` is the world's clock at the start, in whole seconds since the epoch.

    An update-many job is done `job_seconds` after it was taken; a client has to ask again until then.
    """

    until: int
    world: WorldSpec = field(default_factory=WorldSpec)
    credentials: Credentials = field(default_factory=Credentials)
    live_per_minute: float = 0.0
    clock_runs: bool = True
    recent_guard: bool = True
    quota: QuotaName = "generous"
    faults: FaultPlan = field(default_factory=FaultPlan)
    token_seconds: float = 7_200.0
    job_seconds: float = 0.05
    state: Path | None = None
