"""Drafts and verifications as JSON, and the hash of what a draft could be made of.

What belongs here: writing down and reading back. What does not: where that is kept (`resources/drafts.py`).
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aios_core.automation import Drafts
from aios_core.drafting.model import Draft, Drafter, Finding, Material, Sentence, Source, Verification
from aios_core.retrieval.articles import ArticleKey


def draft_record(draft: Draft) -> dict[str, Any]:
    """The draft as JSON values; `draft_of` gives the same draft back."""
    return {
        "language": draft.language,
        "degraded": draft.degraded,
        "sentences": [
            {"text": s.text, "cites": list(s.cites), "basis": s.basis, "paragraph": s.paragraph, "item": s.item}
            for s in draft.sentences
        ],
        "sources": [source_record(source) for source in draft.sources],
        "drafter": {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in ((n, getattr(draft.drafter, n)) for n in Drafter.__dataclass_fields__)
        },
    }


def draft_of(record: Mapping[str, Any]) -> Draft:
    """What `draft_record` wrote."""
    return Draft(
        language=record["language"],
        degraded=record["degraded"],
        sentences=tuple(Sentence(**(one | {"cites": tuple(one["cites"])})) for one in record["sentences"]),
        sources=tuple(source_of(one) for one in record["sources"]),
        drafter=Drafter(**record["drafter"]),
    )


def verification_record(verification: Verification) -> dict[str, Any]:
    """The verification as JSON values."""
    return {
        "findings": [
            {"sentence": f.sentence, "code": f.code, "message": f.message, "quoted": f.quoted}
            for f in verification.findings
        ],
        "checks": list(verification.checks),
        "skipped": dict(verification.skipped),
    }


def verification_of(record: Mapping[str, Any]) -> Verification:
    """What `verification_record` wrote."""
    return Verification(
        findings=tuple(Finding(**one) for one in record["findings"]),
        checks=tuple(record["checks"]),
        skipped=record["skipped"],
    )


def source_record(source: Source) -> dict[str, Any]:
    """One cited passage as JSON values."""
    return {
        "number": source.number,
        "source": source.key.source,
        "article_id": source.key.article_id,
        "version": source.version,
        "passage": source.passage,
        "headings": list(source.headings),
        "text": source.text,
        "language": source.language,
        "url": source.url,
        "score": source.score,
    }


def material_hash(material: Material, drafts: Drafts, *, prompt: str) -> str:
    """16 hex digits of all that a draft depends on, but for the time: the same again would be the same draft.

    `prompt` names the drafter and its version. Scores are left out, as they move with what else is in the index.
    """
    own = [
        material.automation,
        material.ticket_id,
        material.subject,
        material.body,
        material.language,
        material.queue,
        material.customer_id,
        sorted((name, str(value)) for name, value in material.customer.items()),
        [[str(s.key), s.version, s.passage] for s in material.sources],
        material.signature,
        drafts.model_dump(mode="json"),
        prompt,
    ]
    text = json.dumps(own, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def source_of(record: Mapping[str, Any]) -> Source:
    """What `source_record` wrote."""
    own = {name: value for name, value in record.items() if name not in ("source", "article_id", "headings")}
    return Source(key=ArticleKey(record["source"], record["article_id"]), headings=tuple(record["headings"]), **own)
