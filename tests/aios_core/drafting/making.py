"""Material for drafts, for the tests of drafting; no test of its own."""

from datetime import UTC, datetime
from typing import Any

from aios_core.drafting.model import Material, Source
from aios_core.retrieval.articles import ArticleKey

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def source(number: int, text: str, *headings: str, article: str | None = None, language: str = "en") -> Source:
    return Source(
        key=ArticleKey("kb", article or str(number)), number=number, version="v1", passage=0, headings=headings or ("Title?",), text=text,
        language=language,
    )  # fmt: skip


def material(*sources: Source, **more: Any) -> Material:
    base: dict[str, Any] = {
        "automation": "care",
        "ticket_id": "17",
        "subject": "No network",
        "body": "My phone has no network since I landed.",
        "language": "en",
        "queue": "roaming",
        "customer_id": "C-1",
        "customer": {"plan": "Gold", "tenure_months": 41.0, "autopay": True, "nothing": None},
        "sources": sources,
        "now": NOW,
        "signature": "Your care team",
    }
    return Material(**(base | more))
