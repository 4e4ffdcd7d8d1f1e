"""What was asked of language models: each try with its prompt, answer, tokens and cost, and what a day may still cost.

What belongs here: rows of `model_calls`. What does not: calling (`llm.py`).

A try is entered with the most it can cost before it is made, and corrected after: two processes together never pass the budget, and one
that dies leaves its highest price on the bill.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from aios_core.errors import PermanentError
from resources.database import Database, rows

Message = Mapping[str, Any]


class BudgetSpent(PermanentError):
    """What this automation may spend on models today is spent; tomorrow (UTC) it may again."""

    code = "llm.budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a try is entered with. `most` is the highest price it can have, `budget` what a day may cost."""

    automation: str
    purpose: str
    subject: str
    model: str
    prompt: str
    messages: Sequence[Message]
    parameters: Mapping[str, Any]
    most: float
    budget: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What it came to."""

    state: str
    answer: str = ""
    error: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    estimated: bool = False
    cost: float = 0.0
    seconds: float = 0.0


class ModelCalls:
    """The calls of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, asked: Asked, *, now: datetime) -> int:
        """Enter a try; its id. Raises BudgetSpent where it might cost more than the day has left."""
        with self._database.connection() as connection:
            if asked.budget is not None:
                # two processes that both read the sum before either enters would both pass
                connection.execute(
                    "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"aios.budget.{asked.automation}",)
                )
                spent = _spent(rows(connection, _SPENT, (asked.automation, *_day(now))))
                refuse_over(asked.automation, asked.budget, spent=spent, most=asked.most)
            (row,) = rows(
                connection,
                "insert into model_calls (automation, purpose, subject, model, prompt, messages, parameters, state, cost, started_at)"
                " values (%s, %s, %s, %s, %s, %s, %s, 'under_way', %s, %s) returning call_id",
                (asked.automation, asked.purpose, asked.subject, asked.model, asked.prompt,
                 Jsonb(list(map(dict, asked.messages))), Jsonb(dict(asked.parameters)), asked.most, now),
            )  # fmt: skip
        return int(row["call_id"])

    def end(self, call_id: int, answered: Answered) -> None:
        """What the try came to."""
        with self._database.connection() as connection:
            connection.execute(
                "update model_calls set state = %s, answer = %s, error = %s, tokens_in = %s, tokens_out = %s, estimated = %s,"
                " cost = %s, seconds = %s where call_id = %s",
                (answered.state, storable(answered.answer), storable(answered.error), answered.tokens_in, answered.tokens_out,
                 answered.estimated, answered.cost, answered.seconds, call_id),
            )  # fmt: skip

    def spent_today(self, automation: str, *, now: datetime) -> float:
        """Money spent since midnight (UTC), with what is under way at its highest."""
        with self._database.connection() as connection:
            return _spent(rows(connection, _SPENT, (automation, *_day(now))))

    def of(self, subject: str) -> list[DictRow]:
        """Every try for a decision or ticket, oldest first."""
        with self._database.connection() as connection:
            return rows(connection, "select * from model_calls where subject = %s order by call_id", (subject,))


def refuse_over(automation: str, budget: float, *, spent: float, most: float) -> None:
    """Raises BudgetSpent where `most` more is above the budget."""
    if spent + most > budget:
        raise BudgetSpent(
            f"{automation}: {spent:.4f} of today's {budget:g} for language models is spent, and this call may cost {most:.4f};"
            " raise `daily_budget`, or wait for midnight (UTC)"
        )


def storable(text: str) -> str:
    """Without what Postgres can't hold: zero characters and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


_SPENT = "select coalesce(sum(cost), 0) as spent from model_calls where automation = %s and started_at >= %s and started_at < %s"


def _day(now: datetime) -> tuple[datetime, datetime]:
    start = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    return start, start + timedelta(days=1)


def _spent(found: list[DictRow]) -> float:
    return float(found[0]["spent"])
