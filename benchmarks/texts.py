"""Texts to measure with: banking77's questions where the real data lies beside the project, else the sandbox's tickets.

What belongs here: labelled texts and feature tables of them. What does not: measuring.
"""

import csv
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from aios_core.automation import Features
from aios_core.features.build import feature_schema
from benchmarks.workspace import BANKING77

START = datetime(2025, 1, 1, tzinfo=UTC)


def labelled(source: str, count: int) -> tuple[str, list[str], list[str]]:
    """(source, texts, labels); `auto` is banking77 where it is there. Banking77 has 13,083 texts, whatever `count` is."""
    if source == "auto":
        source = "banking77" if there_is_banking77() else "sandbox"
    return (source, *(banking77() if source == "banking77" else sandbox(count)))


def there_is_banking77() -> bool:
    """Whether the real data lies beside the project."""
    return (BANKING77 / "banking77_train.csv").is_file()


def banking77() -> tuple[list[str], list[str]]:
    """Texts and intents of both files, shuffled once: the files are sorted by intent."""
    found = []
    for name in ("banking77_train.csv", "banking77_test.csv"):
        with (BANKING77 / name).open(encoding="utf-8", newline="") as lines:
            found += [(row["text"], row["category"]) for row in csv.DictReader(lines)]
    order = np.random.default_rng(7).permutation(len(found))
    return [found[i][0] for i in order], [found[i][1] for i in order]


def sandbox(count: int) -> tuple[list[str], list[str]]:
    """Texts and true queues of the sandbox's tickets."""
    from sandbox.generate import generate
    from sandbox.world.spec import WorldSpec

    texts, labels = list[str](), list[str]()
    for chunk in generate(WorldSpec(history=count, tickets=1_000), until=int(START.timestamp())):
        columns = chunk.columns
        texts += [f"{subject}\n{body}" for subject, body in zip(columns["subject"], columns["body"], strict=True)]
        labels += columns["true_queue"]
    return texts[:count], labels[:count]


def feature_table(texts: list[str]) -> pa.Table:
    """Features of these texts alone, without customer facts."""
    schema, count = feature_schema(Features()), len(texts)
    moments = [START + timedelta(seconds=i) for i in range(count)]
    columns = {
        "source": ["bench"] * count,
        "ticket_id": [str(i) for i in range(count)],
        "ticket_version": ["1"] * count,
        "correlation_id": [f"{i:032x}" for i in range(count)],
        "created_at": moments,
        "known_at": moments,
        "text": texts,
    }
    return pa.table({field.name: columns.get(field.name, [None] * count) for field in schema}, schema=schema)
