"""The same world as files: a million labelled tickets for benchmarks and for the file source.

What belongs here: streaming blocks of tickets into JSON Lines or Parquet. What does not: the world (`sandbox/world/`).
These files are no vendor's answer: they carry the agents' final queue and the true one.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from sandbox.helpdesk.lifecycle import SOLVE, SOLVE_AGAIN, event_times
from sandbox.helpdesk.store import FIRST_TICKET_ID
from sandbox.salesforce.ids import record_id
from sandbox.world.arrivals import Block
from sandbox.world.customers import PLANS
from sandbox.world.phrasebook import LANGUAGES
from sandbox.world.queues import PRIORITIES, QUEUES, SEGMENTS
from sandbox.world.spec import WorldSpec
from sandbox.world.tickets import CHANNELS, PRODUCTS, TicketColumns
from sandbox.world.world import World

if TYPE_CHECKING:
    import pyarrow as pa

Columns = dict[str, list[Any]]
Progress = Callable[[int], None]
GZIP_LEVEL: Final = 1
"""Level 6 would take longer than the world itself, for a fifth less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some tickets as columns, oldest first."""

    rows: int
    columns: Columns


def generate(spec: WorldSpec, *, until: int) -> Iterator[Chunk]:
    """All tickets that arrived before `until` (seconds since the epoch), about an hour of them at a time.

    Memory does not depend on how many tickets the spec asks for, but for the customers (40 bytes each).
    """
    world = World(spec)
    accounts = [record_id("Account", number + 1) for number in range(len(world.customers))]
    for block in world.past():
        yield _chunk(world, block, world.columns(block), until, accounts)


def _chunk(world: World, block: Block, columns: TicketColumns, until: int, accounts: list[str]) -> Chunk:
    who = columns.customer.astype(np.intp)
    facts = world.customers.facts(who, columns.created_at)
    times = event_times(columns, agents_start=block.start if block.kind == "history" else 0.0)
    reopened = ~np.isnan(times[:, SOLVE_AGAIN])
    resolved = np.where(reopened, times[:, SOLVE_AGAIN], times[:, SOLVE])
    texts = world.texts(block, columns)
    final = np.where(reopened, columns.last_label, columns.first_label)
    named: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {
        "channel": (CHANNELS, columns.channel),
        "language": (LANGUAGES, columns.language),
        "priority": (PRIORITIES, columns.priority),
        "product": (PRODUCTS, columns.product),
        "plan": (PLANS, facts.plan),
        "segment": (SEGMENTS, facts.segment),
        "queue": (QUEUES, final),
        "true_queue": (QUEUES, columns.truth),
    }
    return Chunk(
        rows=len(columns),
        columns={
            "ticket_id": list(range(block.first + FIRST_TICKET_ID, block.first + FIRST_TICKET_ID + len(columns))),
            "created_at": _spell(columns.created_at, until),
            "resolved_at": _spell(resolved, until),
            "subject": [subject for subject, _ in texts],
            "body": [body for _, body in texts],
            "customer_id": [accounts[index] for index in who.tolist()],
            **{name: [names[code] for code in codes.tolist()] for name, (names, codes) in named.items()},
            "tenure_months": facts.tenure.tolist(),
            "monthly_spend": facts.spend.tolist(),
            "churn_risk": facts.churn.tolist(),
            "autopay": facts.autopay.tolist(),
        },
    )


def _spell(moments: NDArray[np.float64], until: int) -> list[str]:
    seconds = (np.floor(moments).astype(np.int64) + until).astype("datetime64[s]")
    return [f"{text}Z" for text in np.datetime_as_string(seconds).tolist()]


def write_file(chunks: Iterable[Chunk], path: Path, *, progress: Progress = lambda _: None) -> int:
    """Write `.jsonl`, `.jsonl.gz` or `.parquet` by the path's suffix; returns the number of rows."""
    rows = 0
    with ExitStack() as stack:
        write = _writer(path, stack)
        for chunk in chunks:
            write(chunk)
            rows += chunk.rows
            progress(chunk.rows)
    return rows


def _writer(path: Path, stack: ExitStack) -> Callable[[Chunk], None]:
    if path.name.endswith(".parquet"):
        return _parquet_writer(path, stack)
    if path.name.endswith((".jsonl.gz", ".json.gz", ".ndjson.gz")):
        return _lines_writer(stack.enter_context(gzip.open(path, "wb", compresslevel=GZIP_LEVEL)))  # type: ignore[arg-type]
    if path.name.endswith((".jsonl", ".ndjson")):
        return _lines_writer(stack.enter_context(path.open("wb")))
    raise ValueError(f"{path}: unknown kind of file; name it .jsonl, .jsonl.gz or .parquet")


def _lines_writer(file: IO[bytes]) -> Callable[[Chunk], None]:
    def write(chunk: Chunk) -> None:
        names = tuple(chunk.columns)
        lines = (orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*chunk.columns.values(), strict=True))
        file.write(b"\n".join(lines) + b"\n")

    return write


def _parquet_writer(path: Path, stack: ExitStack) -> Callable[[Chunk], None]:
    import pyarrow as pa  # heavy, and only this kind of file needs it
    import pyarrow.parquet as pq

    opened: list[pq.ParquetWriter] = []
    waiting: list[pa.Table] = []

    def flush() -> None:
        if waiting:
            opened[0].write_table(pa.concat_tables(waiting))
            waiting.clear()

    def write(chunk: Chunk) -> None:
        table = _table(chunk)
        if not opened:
            opened.append(stack.enter_context(pq.ParquetWriter(path, table.schema, compression="zstd")))
            stack.callback(flush)
        waiting.append(table)
        if sum(len(part) for part in waiting) >= 20_000:
            flush()

    return write


def _table(chunk: Chunk) -> "pa.Table":
    import pyarrow as pa

    table = pa.table(chunk.columns)
    for name in ("created_at", "resolved_at"):
        moments = [datetime.fromisoformat(text).astimezone(UTC) for text in chunk.columns[name]]
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(moments, pa.timestamp("s", "UTC")))
    return table
