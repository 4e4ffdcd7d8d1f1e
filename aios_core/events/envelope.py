"""CloudEvents 1.0: one fact as an envelope, in the two shapes that it leaves in.

What belongs here: the envelope and its encodings. What does not: what is in `data` (`types.py`), signatures, sending.

Source: the CloudEvents specification 1.0.2, its JSON format, and its Kafka protocol binding (binary mode).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

STRUCTURED = "application/cloudevents+json; charset=utf-8"
DATA = "application/json"
SPEC = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """One fact. `id` is that of the fact, so that the same one told twice is known as one; `time` is when it happened, aware."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    dataschema: str
    data: Mapping[str, Any]

    @property
    def attributes(self) -> dict[str, str]:
        """Everything but the data, in the order of the specification."""
        return {
            "specversion": SPEC,
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "dataschema": self.dataschema,
            "datacontenttype": DATA,
        }


def structured(event: CloudEvent) -> bytes:
    """One JSON object with attributes and data; its content type is `STRUCTURED`."""
    return orjson.dumps({**event.attributes, "data": event.data})


def binary(event: CloudEvent) -> tuple[list[tuple[str, bytes]], bytes]:
    """(headers, value) of a Kafka message: attributes as `ce_…`, the data alone as value."""
    told = dict(event.attributes)
    headers = [("content-type", told.pop("datacontenttype").encode())]
    return headers + [(f"ce_{name}", value.encode()) for name, value in told.items()], orjson.dumps(event.data)
