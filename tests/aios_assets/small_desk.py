"""A small help desk in files: tickets of three queues that a model tells apart, and agents who settle them later.

What belongs here: the declaration and the files that tests of whole automations share. What does not: running anything
(`tests/whole_platform.py`).

Days lie in the recent past of the real clock, because the judge's window and the day partitions end today.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

TODAY = datetime.now(UTC).date()
START = TODAY - timedelta(days=10)  # the first day partition
BEFORE = START - timedelta(days=20)  # when the tickets came that the first version is trained on
MONDAY, TUESDAY = START + timedelta(days=1), START + timedelta(days=2)

DECLARATION = f"""
type: aios_assets.automation.AutomationComponent
attributes:
  name: desk
  start_date: {START}
  sources:
    export:
      connector: file
      provides: tickets
      path: inbox/*.csv
      id_column: number
      mapping:
        body: text
        queue: queue
        status: status
        created_at: opened
        updated_at: changed
        resolved_at: closed
  queues: [{{name: laptops}}, {{name: accounts}}, {{name: rooms}}]
  features: {{text: [body]}}
  model:
    min_df: 1
    training: {{min_rows: 50}}
  decisions: {{audit_share: 0}}
  monitoring: {{min_rows: 50}}
"""

PHRASES = {
    "laptops": ("the screen of my laptop is broken", "my keyboard lost a key", "the battery swells"),
    "accounts": ("i can't sign in", "please reset my password", "my login is locked"),
    "rooms": ("the projector is dark", "it is double booked", "the meeting place is too cold"),
}
COLUMNS = ("number", "text", "queue", "status", "opened", "changed", "closed")
Agents = Callable[[str], str]

# what agents do after a reorganization: two teams have swapped their work
SWAPPED: Mapping[str, str] = {"laptops": "accounts", "accounts": "laptops", "rooms": "rooms"}


def right(queue: str) -> str:
    return queue


def swapped(queue: str) -> str:
    return SWAPPED[queue]


def arrive(folder: Path, day: date, *, rows: int, first: int) -> Path:
    """A file of open tickets, numbered from `first`, a third of them for each queue."""
    return _write(folder / "inbox" / f"{day}-{first}-1-arrived.csv", [_row(n, day) for n in range(first, first + rows)])


def settle(folder: Path, day: date, *, rows: int, first: int, agents: Agents = right) -> Path:
    """A file in which the same tickets are solved, in the queue that `agents` make of the right one."""
    solved = [_row(n, day, agents=agents, solved=True) for n in range(first, first + rows)]
    return _write(folder / "inbox" / f"{day}-{first}-2-solved.csv", solved)


def _row(number: int, day: date, *, agents: Agents = right, solved: bool = False) -> dict[str, str]:
    queue = list(PHRASES)[number % 3]
    phrase = PHRASES[queue][number // 3 % 3]
    opened = f"{day}T08:{number % 60:02d}:00Z"
    closed = opened.replace("T08:", "T15:") if solved else ""
    return {
        "number": str(number),
        "text": f"{phrase}, case {number}",
        "queue": agents(queue) if solved else "",
        "status": "solved" if solved else "open",
        "opened": opened,
        "changed": closed or opened,
        "closed": closed,
    }


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path
