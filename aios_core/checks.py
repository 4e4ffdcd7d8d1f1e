"""Data quality: Great Expectations suites made from a declaration's `checks`, with an answer for each row.

What belongs here: the expectations and what their failure says of a row. What does not: what is done about it (quarantine and
blocking: `resources/canonical.py`, `aios_assets/`).

Great Expectations is imported at first use, which takes 3 to 5 s a process; a suite over 50,000 rows then takes 0.1 to 0.3 s.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aios_core.automation import Checks
from aios_core.canonical.entities import Ticket
from aios_core.errors import DeclarationError

if TYPE_CHECKING:
    import pandas as pd

STATUSES = ("new", "open", "pending", "solved", "closed", "deleted")
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)  # where nobody says what the time is
AHEAD = timedelta(days=366)  # a clock may be wrong by a time zone or a month, and tests live in the near future
BACKWARDS = timedelta(days=1)  # two clocks of one vendor may differ by a time zone

# what `checks.required` may name: a ticket's own fields that can be empty or not, and subject and body together
TICKET_FIELDS = frozenset(Ticket.__struct_fields__) - {"tags", "custom"} | {"text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a suite found. `failed` is row position -> (code, message) of the first expectation that the row failed.

    `expectations`: one dict each with name, expectation (Great Expectations' type), column, rows, failed, success.
    """

    rows: int
    failed: dict[int, tuple[str, str]] = field(default_factory=dict)
    expectations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def failure_rate(self) -> float:
        """Share of rows that failed anything; 0 without rows."""
        return len(self.failed) / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class _Rule:
    """One expectation. `says` makes the message for a failing row; `keep_first` spares the first of several equal keys."""

    name: str
    kind: str
    arguments: dict[str, Any]
    says: Callable[[Mapping[str, Any]], str]
    keep_first: bool = False


def validate_tickets(
    frame: "pd.DataFrame", *, checks: Checks, queues: Sequence[str] = (), now: datetime | None = None
) -> CheckReport:
    """Check canonical tickets, one a row, with the columns of the tickets table (those absent are not checked).

    `now` bounds the future; without it any time before 2100 passes. Raises DeclarationError where `checks.required` names
    no field of a ticket.
    """
    unknown = [name for name in checks.required if name not in TICKET_FIELDS]
    if unknown:
        raise DeclarationError(
            f"checks.required: no ticket field is called `{unknown[0]}`; there are: {', '.join(sorted(TICKET_FIELDS))}"
        )
    prepared = _ticket_columns(frame)
    return _run("tickets", prepared, _ticket_rules(checks, tuple(queues), now or LATEST - AHEAD))


def validate_customers(
    frame: "pd.DataFrame",
    *,
    checks: Checks,  # noqa: ARG001  # the same call as for tickets; today every limit on customers is fixed
    now: datetime | None = None,
) -> CheckReport:
    """Check canonical customers, one a row, with the columns of the customers table."""
    prepared = frame.reset_index(drop=True)
    if "customer_id" in prepared:
        prepared = prepared.assign(customer_id=_without_empty(prepared["customer_id"]))
    latest = (now or LATEST - AHEAD) + AHEAD
    rules = [
        _Rule(
            "customer_id_given",
            "ExpectColumnValuesToNotBeNull",
            {"column": "customer_id"},
            _says_empty("customer_id"),
        ),
        _unique(("source", "customer_id", "version")),
        _between("event_time", latest),
        _between("known_at", latest),
    ]
    return _run("customers", prepared, rules)


def _ticket_columns(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The frame with a row number for an index, empty texts as nulls, and the derived columns that rules look at."""
    prepared = frame.reset_index(drop=True)
    texts = [c for c in ("ticket_id", "status", "queue", "customer_id", "requester_id") if c in prepared]
    added: dict[str, Any] = {c: _without_empty(prepared[c]) for c in texts}
    if {"subject", "body"} <= set(prepared.columns):
        subject, body = prepared["subject"].fillna(""), prepared["body"].fillna("")
        if "text_length" not in prepared:
            added |= {"text": subject + body, "text_length": subject.str.len() + body.str.len()}
        added |= {"subject": _without_empty(subject), "body": _without_empty(body)}
    if "text" in (known := {**prepared, **added}):
        added["text"] = _without_empty(known["text"])
    if {"event_time", "created_at"} <= set(prepared.columns):
        added["seconds_before_creation"] = (prepared["created_at"] - prepared["event_time"]).dt.total_seconds()
    return prepared.assign(**added)


def _without_empty(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return column.mask(column == "", None)


def _ticket_rules(checks: Checks, queues: tuple[str, ...], now: datetime) -> list[_Rule]:
    rules = [
        _Rule(f"{name}_given", "ExpectColumnValuesToNotBeNull", {"column": name}, _says_empty(name))
        for name in checks.required
    ]
    rules += [
        _Rule(
            "text_length",
            "ExpectColumnValuesToBeBetween",
            {"column": "text_length", "max_value": checks.max_text_chars},
            lambda r: (
                f"subject and body have {int(r['text_length']):,} characters; checks.max_text_chars allows "
                f"{checks.max_text_chars:,}"
            ),
        ),
        _between("created_at", now + AHEAD),
        _between("event_time", now + AHEAD),
        _Rule(
            "times_in_order",
            "ExpectColumnValuesToBeBetween",
            {"column": "seconds_before_creation", "max_value": BACKWARDS.total_seconds()},
            lambda r: f"its last change ({r['event_time']}) lies before its creation ({r['created_at']})",
        ),
        _Rule(
            "status_known",
            "ExpectColumnValuesToBeInSet",
            {"column": "status", "value_set": list(STATUSES)},
            lambda r: f"status `{r['status']}` is not known; map it to one of {', '.join(STATUSES)}",
        ),
        _unique(("source", "ticket_id", "version")),
    ]
    if queues:
        rules.append(
            _Rule(
                "queue_declared",
                "ExpectColumnValuesToBeInSet",
                {"column": "queue", "value_set": list(queues)},
                lambda r: f"queue `{r['queue']}` is not declared; declare it, or map it to one that is",
            )
        )
    return rules


def _says_empty(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda _: f"{name} is empty"


def _between(column: str, latest: datetime) -> _Rule:
    return _Rule(
        f"{column}_sane",
        "ExpectColumnValuesToBeBetween",
        {"column": column, "min_value": EARLIEST, "max_value": latest},
        lambda r: f"{column} is {r[column]}; it should lie between {EARLIEST:%Y-%m-%d} and {latest:%Y-%m-%d}",
    )


def _unique(columns: tuple[str, ...]) -> _Rule:
    return _Rule(
        "version_unique",
        "ExpectCompoundColumnsToBeUnique",
        {"column_list": list(columns)},
        lambda r: f"{' / '.join(str(r[c]) for c in columns)} comes more than once in this batch; the first one is kept",
        keep_first=True,
    )


def _run(suite: str, frame: "pd.DataFrame", rules: Sequence[_Rule]) -> CheckReport:
    rules = [r for r in rules if _columns(r) <= set(frame.columns)]
    if frame.empty:
        return CheckReport(rows=0, expectations=[_summary(r, 0, 0) for r in rules])
    failed: dict[int, tuple[str, str]] = {}
    summaries = []
    for rule, unexpected in zip(rules, _unexpected(suite, frame, rules), strict=True):
        rows = _but_first(frame, rule, unexpected) if rule.keep_first else unexpected
        summaries.append(_summary(rule, len(frame), len(rows)))
        for n in rows:
            if n not in failed:
                failed[n] = (f"check.{rule.name}", rule.says({str(c): v for c, v in frame.iloc[n].items()}))
    return CheckReport(rows=len(frame), failed=failed, expectations=summaries)


def _but_first(frame: "pd.DataFrame", rule: _Rule, rows: Sequence[int]) -> list[int]:
    repeated = frame.duplicated(subset=rule.arguments["column_list"], keep="first").to_numpy()
    return [n for n in rows if repeated[n]]


def _unexpected(suite: str, frame: "pd.DataFrame", rules: Sequence[_Rule]) -> list[list[int]]:
    """For each rule the numbers of the rows that fail it, by Great Expectations."""
    gx, batches = _context()
    import great_expectations.expectations as gxe

    looked_at = frame[sorted(set().union(*map(_columns, rules)))]

    def results(rows: "pd.DataFrame", detail: str) -> dict[str, Any]:
        expectations = [getattr(gxe, r.kind)(**r.arguments, meta={"name": r.name}) for r in rules]
        found = batches.get_batch({"dataframe": rows}).validate(
            gx.ExpectationSuite(name=suite, expectations=expectations), result_format={"result_format": detail}
        )
        return {r.expectation_config.meta["name"]: r for r in found.results}

    with _validating:
        # nearly always nothing has failed, which some rows tell of all
        by_name = results(looked_at.iloc[telling(frame, rules)], "BOOLEAN_ONLY")
        if not all(r.success for r in by_name.values()):
            by_name = results(looked_at, "COMPLETE")
    return [_rows_of(by_name[rule.name], rule) for rule in rules]


def telling(frame: "pd.DataFrame", rules: Sequence[_Rule]) -> list[int]:
    """Numbers of rows of which one fails a rule wherever any row does: the extremes, one of each value, what is empty, what is there twice."""
    found = {0}
    for rule in rules:
        found.update(_telling(frame, rule))
    return sorted(found)


def _telling(frame: "pd.DataFrame", rule: _Rule) -> Iterable[int]:
    if rule.kind == "ExpectCompoundColumnsToBeUnique":
        return map(int, frame.duplicated(subset=rule.arguments["column_list"], keep=False).to_numpy().nonzero()[0])
    column = frame[rule.arguments["column"]]
    empty = column.isna().to_numpy()
    if rule.kind == "ExpectColumnValuesToNotBeNull":
        return map(int, empty.nonzero()[0][:1])
    if rule.kind == "ExpectColumnValuesToBeInSet":
        return map(int, (~column.duplicated()).to_numpy().nonzero()[0])
    if rule.kind == "ExpectColumnValuesToBeBetween":
        return () if empty.all() else (int(column.argmin()), int(column.argmax()))
    raise ValueError(f"{rule.kind}: which rows tell whether any fails is not known")


def _rows_of(result: Any, rule: _Rule) -> list[int]:
    if result.success:
        return []
    rows = (result.result or {}).get("unexpected_index_list")
    if rows is None:
        # Great Expectations reports its own faults as failed expectations; taking one for bad data would hide it
        raise RuntimeError(f"expectation {rule.name} could not be evaluated: {result.exception_info}")
    return [int(n) for n in rows]


def _columns(rule: _Rule) -> set[str]:
    return set(rule.arguments.get("column_list") or [rule.arguments["column"]])


def _summary(rule: _Rule, rows: int, failed: int) -> dict[str, Any]:
    return {
        "name": rule.name,
        "expectation": rule.kind,
        "column": ", ".join(sorted(_columns(rule))),
        "rows": rows,
        "failed": failed,
        "success": failed == 0,
    }


_lock = threading.Lock()
# one batch definition serves all threads, and Great Expectations keeps the batch that it looks at in it
_validating = threading.Lock()
_made: list[tuple[Any, Any]] = []


def _context() -> tuple[Any, Any]:
    """(great_expectations, a batch definition over any frame), made once a process."""
    with _lock:
        if not _made:
            import great_expectations as gx
            from great_expectations.data_context.types.base import (
                DataContextConfig,
                InMemoryStoreBackendDefaults,
                ProgressBarsConfig,
            )

            config = DataContextConfig(
                store_backend_defaults=InMemoryStoreBackendDefaults(),
                analytics_enabled=False,
                progress_bars=ProgressBarsConfig(globally=False),
            )
            context = gx.get_context(mode="ephemeral", project_config=config)
            asset = context.data_sources.add_pandas("aios").add_dataframe_asset("frame")
            _made.append((gx, asset.add_batch_definition_whole_dataframe("whole")))
        return _made[0]
