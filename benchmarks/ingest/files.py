"""The file that is landed: the sandbox's tickets as Parquet, and the automation that reads it.

What belongs here: both declarations of the measurement. What does not: running anything.
"""

from pathlib import Path
from typing import Any

from benchmarks.ingest import pages
from benchmarks.ingest.ours import SOURCE
from benchmarks.workspace import DECLARATION
from sandbox.generate import generate, write_file
from sandbox.world.spec import WorldSpec


def write(target: Path, *, rows: int, seed: int) -> int:
    """So many resolved tickets of four weeks; returns how many."""
    return write_file(generate(WorldSpec(seed=seed, tickets=0, history=rows), until=pages.UNTIL), target)


def from_file(name: str, file: Path) -> dict[str, Any]:
    """The shipped automation with its helpdesk replaced by that file."""
    return _declared(
        name,
        {
            "connector": "file",
            "provides": "tickets",
            "path": str(file),
            "id_column": "ticket_id",
            "mapping": {
                "created_at": "created_at",
                "resolved_at": "resolved_at",
                "status": {"constant": "solved"},
                "queue": "queue",
                "customer_id": "customer_id",
            },
        },
    )


def from_pages(name: str, url: str) -> dict[str, Any]:
    """The shipped automation as it is, with that server for its helpdesk."""
    shipped = _shipped()["sources"]["helpdesk"]
    return _declared(
        name, shipped | {"url": url, "email": "agent@example.com", "token": "sandbox-token", "start_time": "1970-01-01"}
    )


def _shipped() -> dict[str, Any]:
    from resources.declarations import load_declaration

    return load_declaration(DECLARATION).automation.model_dump(mode="json")


def _declared(name: str, source: dict[str, Any]) -> dict[str, Any]:
    content = _shipped()
    facts = [fact["name"] for fact in content["features"]["customer"]]
    crm = {  # named by the declaration, and not read here
        "connector": "file",
        "provides": "customers",
        "path": "customers.csv",
        "id_column": "customer_id",
        "mapping": {fact: fact for fact in facts},
    }
    return content | {"name": name, "sources": {SOURCE: source, "crm": crm}}
