"""The real data of the quality measurements: banking77, and texts that have nothing to do with a bank.

What belongs here: reading, as plain lists and as feature tables. What does not: models and figures (`quality.py`).
"""

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from aios_core.automation import Features
from aios_core.errors import ConfigurationError
from aios_core.features.build import feature_schema

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
KNOWN = datetime(2024, 1, 15, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts and their labels, aligned."""

    texts: list[str]
    labels: list[str]


class NoData(ConfigurationError):
    """The real data is not where it was looked for."""

    code = "bench.no_data"


def data_folder(given: Path | None = None) -> Path:
    """`given`, else AIOS_DATA, else `shared/data` beside the project. Raises NoData where banking77 is not in it."""
    folder = given or Path(os.environ.get("AIOS_DATA") or BESIDE)
    if not (folder / "tickets" / "banking77_train.csv").is_file():
        raise NoData(
            f"{folder} has no tickets/banking77_train.csv; quality is measured on real data only: say where it is with --data or "
            "AIOS_DATA"
        )
    return folder


def banking77(folder: Path, part: str) -> Labelled:
    """One file (`train` or `test`), in an order of its own: the files are sorted by intent, and nothing in them tells time."""
    with (folder / "tickets" / f"banking77_{part}.csv").open(encoding="utf-8", newline="") as lines:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(lines)]
    order = np.random.default_rng(7).permutation(len(rows))
    return Labelled([rows[i][0] for i in order], [rows[i][1] for i in order])


def foreign_texts(folder: Path) -> dict[str, list[str]]:
    """Texts that no intent of a bank is right for: questions about software, and Hadoop's issues (summary and description)."""
    with (folder / "kb" / "stackfaq_even.jsonl").open(encoding="utf-8") as lines:
        questions = [query for line in lines for query in json.loads(line)["queries"]]
    with (folder / "tickets" / "hadoop_issues_2020_2024.csv").open(encoding="utf-8", newline="") as lines:
        issues = [f"{row['Summary']}\n{row['Description']}" for row in csv.DictReader(lines)]
    return {"stackfaq": questions, "hadoop": issues}


def as_features(texts: Sequence[str]) -> pa.Table:
    """A feature table of plain texts."""
    count = len(texts)
    same = {"source": "bench", "ticket_version": "1", "correlation_id": "c", "created_at": KNOWN, "known_at": KNOWN}
    columns = {name: [value] * count for name, value in same.items()}
    columns |= {"ticket_id": [str(i) for i in range(count)], "text": list(texts)}
    schema = feature_schema(Features())
    return pa.table({field.name: columns.get(field.name, [None] * count) for field in schema}, schema=schema)
