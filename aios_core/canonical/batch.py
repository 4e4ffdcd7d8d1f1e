"""A batch of landed records: mapped, checked, and parted into entities and refusals.

What belongs here: what becomes of each record of a batch. What does not: reading and writing tables (`resources/canonical.py`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from aios_core.automation import Automation
from aios_core.canonical.entities import Contact, Customer, Ticket
from aios_core.canonical.mapper import mapper_for, reader_for
from aios_core.checks import TICKET_FIELDS, CheckReport, validate_customers, validate_tickets
from aios_core.errors import RecordError

if TYPE_CHECKING:
    import pandas as pd

Entity = Ticket | Contact | Customer

# what every suite looks at; a field that is required comes on top
_TICKET_COLUMNS = ("source", "ticket_id", "version", "event_time", "created_at", "status", "queue")
_TEXTS = ("subject", "body", "text")
_CUSTOMER_COLUMNS = ("source", "customer_id", "version", "event_time", "known_at")


class Landed(Struct, frozen=True, gc=False):
    """One row of the landing table; `payload` is its JSON text."""

    landing_id: int
    external_id: str
    version: str
    payload: str
    correlation_id: str
    landed_at: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that goes to quarantine."""

    landed: Landed
    stage: Literal["canonical", "checks"]
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch became. `failed_expectations`: code -> rows, of mapping and checks alike."""

    entities: list[tuple[Landed, Entity]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def failed_expectations(self) -> dict[str, int]:
        return dict(Counter(r.code for r in self.refusals))


def map_batch(automation: Automation, *, source: str, object: str, records: Sequence[Landed]) -> Batch:
    """Every record ends in exactly one of the two lists, whatever it holds."""
    declared = automation.sources[source]
    mapper, read = mapper_for(declared, source_name=source, object=object), reader_for(declared, object=object)
    batch = Batch()
    for landed in records:
        try:
            entity = mapper(
                read(landed.payload),
                correlation_id=landed.correlation_id,
                landed_at=landed.landed_at,
                external_id=landed.external_id,
                version=landed.version,
            )
        except RecordError as error:
            message = f"{object} {landed.external_id}: {error}"
            batch.refusals.append(Refusal(landed, "canonical", error.code, message))
        else:
            batch.entities.append((landed, entity))
    return _checked(batch, automation, object)


def _checked(batch: Batch, automation: Automation, object: str) -> Batch:
    if not batch.entities:
        return batch
    report = _report([entity for _, entity in batch.entities], automation, max(r.landed_at for r, _ in batch.entities))
    if not report.failed:
        return batch
    good = [pair for n, pair in enumerate(batch.entities) if n not in report.failed]
    refused = [
        Refusal(batch.entities[n][0], "checks", code, f"{object} {batch.entities[n][0].external_id}: {message}")
        for n, (code, message) in sorted(report.failed.items())
    ]
    return Batch(good, batch.refusals + refused)


def _report(entities: Sequence[Entity], automation: Automation, now: datetime) -> CheckReport:
    first = entities[0]
    if isinstance(first, Ticket):
        required = [name for name in automation.checks.required if name in TICKET_FIELDS]
        columns = dict.fromkeys((*_TICKET_COLUMNS, *(name for name in required if name not in _TEXTS)))
        frame = _frame(entities, tuple(columns)).assign(**_texts(entities, required))
        return validate_tickets(frame, checks=automation.checks, queues=automation.queue_names, now=now)
    if isinstance(first, Customer):
        return validate_customers(_frame(entities, _CUSTOMER_COLUMNS), checks=automation.checks, now=now)
    return CheckReport(rows=len(entities))  # contacts are two ids, which the mapper has checked


def _texts(entities: Sequence[Any], required: Sequence[str]) -> dict[str, list[Any]]:
    """What checks ask of texts: how long they are, and whether there is one. The texts themselves are most of a batch, and stay out of the frame."""
    found: dict[str, list[Any]] = {"text_length": [len(e.subject) + len(e.body) for e in entities]}
    if "text" in required:
        found["text"] = [e.subject[:1] or e.body[:1] for e in entities]
    for name in ("subject", "body"):
        if name in required:
            found[name] = [getattr(e, name)[:1] for e in entities]
    return found


def _frame(entities: Sequence[Entity], columns: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    # said outright, as otherwise one odd year decides the unit of a whole column, and texts are copied
    kinds = dict.fromkeys(("event_time", "known_at", "created_at"), "datetime64[us, UTC]")
    return pd.DataFrame(
        {
            name: pd.Series(list(map(attrgetter(name), entities)), dtype=kinds.get(name, "object"), copy=False)
            for name in columns
        }
    )
