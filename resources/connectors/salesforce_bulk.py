"""Salesforce's Bulk API 2.0: a query as a job on their side, its rows as CSV in parts.

What belongs here: the job and its parts, and rows in the shape that the REST query gives them. What does not: sign-in, and when a read is large enough
for a job (`salesforce.py`).

A row that comes by a job and the same row by a later query have to be one version, so values are spelled as REST spells them: by the types that the object's
description tells, since CSV has none.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aios_core.errors import AiosError
from resources.connectors.failures import SourceMalformed, SourceUnavailable

ROWS: Final = 10_000  # of a part
FIRST_POLL, LONGEST_POLL = 0.5, 15.0  # seconds
MOST_SECONDS: Final = 3_600.0
ENDED: Final = ("Failed", "Aborted")
NUMBERS: Final = frozenset({"double", "currency", "percent", "int", "long"})


class Ask(Protocol):
    """A signed-in request: the parsed body, or the text of one that is no JSON, and its headers."""

    def __call__(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, json: Any = None, text: bool = False
    ) -> tuple[Any, Mapping[str, str]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkQuery:
    """One query over one object. `base` is `/services/data/vX`."""

    base: str
    object: str
    soql: str
    ask: Ask
    sleep: Callable[[float], None]

    def rows(self) -> Iterator[list[dict[str, Any]]]:
        """Parts of the result, deleted records included, in no order. The job is taken away in the end, however it ended."""
        types = self._types()
        body = {
            "operation": "queryAll",
            "query": self.soql,
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }
        job, _ = self.ask("POST", f"{self.base}/jobs/query", json=body)
        path = f"{self.base}/jobs/query/{_text(job, 'id')}"
        try:
            self._await(path)
            yield from self._parts(path, types)
        finally:
            with suppress(AiosError):  # it goes by itself after a week
                self.ask("DELETE", path)

    def _types(self) -> dict[str, str]:
        told, _ = self.ask("GET", f"{self.base}/sobjects/{self.object}/describe")
        fields = told.get("fields")
        if not isinstance(fields, list):
            raise SourceMalformed(f"salesforce: the description of {self.object} has no fields; try again later")
        return {str(f.get("name")): str(f.get("type")) for f in fields if isinstance(f, dict)}

    def _await(self, path: str) -> None:
        waited, pause = 0.0, FIRST_POLL
        while True:
            job, _ = self.ask("GET", path)
            state = _text(job, "state")
            if state == "JobComplete":
                return
            if state in ENDED:
                raise SourceUnavailable(
                    f"salesforce: the bulk query ended as {state}: {job.get('errorMessage') or 'no reason given'}"
                )
            if waited >= MOST_SECONDS:
                raise SourceUnavailable(f"salesforce: the bulk query is still {state} after {waited:.0f} s")
            self.sleep(pause)
            waited, pause = waited + pause, min(LONGEST_POLL, pause * 1.5)

    def _parts(self, path: str, types: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]:
        locator = ""
        while True:
            params = {"maxRecords": str(ROWS)} | ({"locator": locator} if locator else {})
            body, headers = self.ask("GET", f"{path}/results", params=params, text=True)
            found = self._read(body, types)
            told = {name.lower(): value for name, value in headers.items()}
            if (count := told.get("sforce-numberofrecords", "")).isdigit() and int(count) != len(found):
                raise SourceMalformed(f"salesforce: a part of {count} rows has {len(found)}; try again later")
            yield found
            locator = told.get("sforce-locator", "")
            if locator in ("", "null"):
                return

    def _read(self, body: str, types: Mapping[str, str]) -> list[dict[str, Any]]:
        rows = csv.DictReader(io.StringIO(body, newline=""), strict=True)
        try:
            return [self._row(row, types) for row in rows]
        except csv.Error as error:
            raise SourceMalformed(f"salesforce: a part is not CSV: {error}; try again later") from error

    def _row(self, row: Mapping[str | None, Any], types: Mapping[str, str]) -> dict[str, Any]:
        if None in row or None in row.values():
            raise SourceMalformed("salesforce: a row has not as many values as there are columns; try again later")
        address = f"{self.base}/sobjects/{self.object}/{row.get('Id')}"
        record: dict[str, Any] = {"attributes": {"type": self.object, "url": address}}
        for name, value in row.items():
            _put(record, str(name).split("."), spelled(value, types.get(str(name), "string")))
        return record


def spelled(value: str, kind: str) -> Any:
    """A value of CSV as a REST query gives it."""
    if value == "":
        return None
    if kind == "boolean":
        return value.lower() == "true"
    if kind in NUMBERS:
        try:
            number = float(value)
        except ValueError:
            return value
        return int(number) if kind in ("int", "long") else number
    if kind == "datetime" and value.endswith("Z"):
        return value[:-1] + "+0000"
    return value


def _put(record: dict[str, Any], path: list[str], value: Any) -> None:
    """A column `Owner.Name` is a record inside the record."""
    for part in path[:-1]:
        record = record.setdefault(part, {})
    record[path[-1]] = value


def _text(body: Any, name: str) -> str:
    found = body.get(name) if isinstance(body, dict) else None
    if not isinstance(found, str) or not found:
        raise SourceMalformed(f"salesforce: a job without `{name}`; try again later")
    return found
