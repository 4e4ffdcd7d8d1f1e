"""Drift reports: the list of measured days, and the reports themselves out of the lake."""

import re

from fastapi import APIRouter, Response

from gateway.dependencies import Opened, Reader
from gateway.security import HEADERS, REPORT_POLICY

router = APIRouter()

# what a report's path may look like: nothing that climbs, no other file of the lake
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=@+ -]*")


@router.get("/reports")
def reports_page(opened: Opened, person: Reader) -> Response:
    return opened.pages.render("reports.html", person=person, days=opened.views.reports())


@router.get("/reports/{path:path}")
def report(opened: Opened, person: Reader, path: str) -> Response:
    if not readable(path) or not opened.lake.exists(path):
        return opened.pages.render(
            "message.html",
            status=404,
            person=person,
            title="No such report",
            message=f"There is no report {path}. The list of reports shows those there are.",
            link=("/reports", "All reports"),
        )
    headers = HEADERS | {"content-security-policy": REPORT_POLICY, "cache-control": "private, max-age=3600"}
    return Response(opened.lake.get(path), media_type="text/html; charset=utf-8", headers=headers)


def readable(path: str) -> bool:
    """An HTML file inside the lake, by a relative path without tricks."""
    parts = path.split("/")
    return path.endswith(".html") and all(_PART.fullmatch(p) is not None and ".." not in p for p in parts)
