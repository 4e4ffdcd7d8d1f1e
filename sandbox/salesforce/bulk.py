"""Salesforce's Bulk API 2.0 for queries: jobs, their state, and their rows as CSV in parts.

What belongs here: that, as HTTP. What does not: the query language (`soql.py`) and sessions (`routes.py`).

A job is done at the second look at it. Faults come as for every path; `POST /sandbox/bulk {"fail": 1}` lets the next job fail on the vendor's side.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from fastapi import Request, Response

from sandbox.clock import SECOND
from sandbox.control import answer as control_answer
from sandbox.control import read_object
from sandbox.salesforce.ids import record_id
from sandbox.salesforce.records import FIELDS, Row
from sandbox.salesforce.soql import SoqlError, parse
from sandbox.service import Sandbox

LOOKS: Final = 2
LARGEST_PART: Final = 250_000
TYPES: Final = {"id": "id", "string": "string", "number": "double", "boolean": "boolean", "datetime": "datetime"}

Refuse = Callable[[int, str, str], Exception]


@dataclass(slots=True)
class _Job:
    kind: str
    fields: tuple[str, ...]
    rows: list[Row]
    failed: bool
    looks: int = 0


class BulkApi:
    """The endpoints over one sandbox. `admit` checks session and quota, `refuse` makes the vendor's error."""

    def __init__(self, sandbox: Sandbox, *, admit: Callable[[Request], dict[str, str]], refuse: Refuse) -> None:
        self._sandbox, self._admit, self._refuse = sandbox, admit, refuse
        self._jobs: dict[str, _Job] = {}
        self._made = 0
        self._fail = 0

    async def create(self, request: Request) -> Response:
        """Take a query as a job."""
        headers, body = self._admit(request), orjson.loads(await request.body() or b"{}")
        if body.get("operation") not in ("query", "queryAll"):
            raise self._refuse(400, "INVALIDJOB", "operation must be query or queryAll")
        try:
            query = parse(str(body.get("query", "")))
        except SoqlError as error:
            raise self._refuse(400, error.code, error.message) from error
        rows = self._sandbox.crm.rows(query.kind, now=self._sandbox.tick() // SECOND)
        deleted_too = body["operation"] == "queryAll"
        found = query.run(row for row in rows if deleted_too or not row["IsDeleted"])
        number = record_id("Query", 900_000 + self._made)
        self._made += 1
        self._jobs[number] = _Job(query.kind, query.fields, found, failed=self._fail > 0)
        self._fail = max(0, self._fail - 1)
        return _answer(self._shown(number), headers)

    async def state(self, request: Request) -> Response:
        """How far a job is."""
        headers, number = self._admit(request), self._number(request)
        self._jobs[number].looks += 1
        return _answer(self._shown(number), headers)

    async def results(self, request: Request) -> Response:
        """A part of a job's rows."""
        headers, job = self._admit(request), self._jobs[self._number(request)]
        asked = request.query_params
        start, most = asked.get("locator", "0"), asked.get("maxRecords", str(LARGEST_PART))
        if job.looks < LOOKS or job.failed or not (start.isdigit() and most.isdigit()):
            raise self._refuse(400, "INVALIDJOBSTATE", "the job has no results, or no such locator")
        end = int(start) + max(1, min(int(most), LARGEST_PART))
        rows = job.rows[int(start) : end]
        told = {
            "Sforce-NumberOfRecords": str(len(rows)),
            "Sforce-Locator": str(end) if end < len(job.rows) else "null",
        }
        return Response(_csv(job, rows), 200, {**headers, **told}, media_type="text/csv")

    async def delete(self, request: Request) -> Response:
        """Forget a job."""
        headers = self._admit(request)
        del self._jobs[self._number(request)]
        return Response(status_code=204, headers=headers)

    async def describe(self, request: Request) -> Response:
        """An object's fields with their types."""
        headers, kind = self._admit(request), request.path_params["kind"]
        if kind not in FIELDS:
            raise self._refuse(404, "NOT_FOUND", "The requested resource does not exist")
        return _answer(
            {"name": kind, "fields": [{"name": n, "type": TYPES[t]} for n, t in FIELDS[kind].items()]}, headers
        )

    async def control(self, request: Request) -> Response:
        """Let jobs fail."""
        self._fail = int((await read_object(request)).get("fail", 0))
        return control_answer({"fail": self._fail, "jobs": len(self._jobs)})

    def _number(self, request: Request) -> str:
        number = str(request.path_params["job"])
        if number not in self._jobs:
            raise self._refuse(404, "NOT_FOUND", "The requested resource does not exist")
        return number

    def _shown(self, number: str) -> dict[str, Any]:
        job = self._jobs[number]
        if job.looks < LOOKS:
            state = "InProgress" if job.looks else "UploadComplete"
        else:
            state = "Failed" if job.failed else "JobComplete"
        failure = {"errorMessage": "InternalServerError: the query timed out"} if state == "Failed" else {}
        return {
            "id": number,
            "operation": "query",
            "object": job.kind,
            "state": state,
            "numberRecordsProcessed": len(job.rows),
            **failure,
        }


def _csv(job: _Job, rows: list[Row]) -> str:
    types, text = FIELDS[job.kind], io.StringIO()
    made = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    made.writerow(job.fields)
    made.writerows([_spelled(row[field], types[field]) for field in job.fields] for row in rows)
    return text.getvalue()


def _spelled(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == "datetime":
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return str(value).lower() if kind == "boolean" else str(value)


def _answer(body: object, headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(body), 200, headers, media_type="application/json;charset=UTF-8")
