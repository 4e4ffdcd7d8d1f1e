"""What most commands need: the deployment, its database, its lake and its automations.

What belongs here: opening and closing them around a command. What does not: the commands.
"""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from aios_core.errors import DeclarationError
from resources import clock
from resources.declarations import Declared, find_declarations
from resources.deployments import Deployment, deployment

if TYPE_CHECKING:
    from resources.database import Database
    from resources.registry import Registry


def now() -> datetime:
    """The moment, in UTC: the only clock that commands read."""
    return clock.now()


def actor() -> str:
    """Who types, as it is kept with what they did."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return "cli"


@contextmanager
def database(of: Deployment | None = None) -> Iterator["Database"]:
    """The deployment's database; an embedded one that nobody runs is started, and stopped again at the command's end."""
    from resources.database import open_database

    opened = open_database(of or deployment())
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def registry(of: Deployment | None = None) -> Iterator["Registry"]:
    """The model registry with its lake, which writes alias moves to the ledger."""
    from resources.lake import Lake
    from resources.ledger import Ledger
    from resources.registry import Registry

    of = of or deployment()
    with database(of) as opened:
        yield Registry(opened, lake=Lake(of.lake_url), ledger=Ledger(opened))


def automations() -> list[Declared]:
    """Every automation of the deployment, by name."""
    return find_declarations(deployment().automation_folders)


def automation(name: str | None) -> Declared:
    """One automation by name; without a name the only one there is. Raises DeclarationError with the names there are."""
    found = {d.automation.name: d for d in automations()}
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name in found:
        return found[name]
    known = ", ".join(sorted(found)) or "none"
    wanted = f"no automation is called `{name}`" if name else "which automation? Name one with --automation"
    raise DeclarationError(f"{wanted}; there are: {known} (AIOS_AUTOMATIONS adds folders)")
