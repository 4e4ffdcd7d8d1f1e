"""Scoring's speed from Parquet to Parquet, and its share of the ceiling.

The ceiling is the same tokenization and session in a bare loop: no reading, no writing, no terms, no score table. Texts are
banking77's where the real data lies beside the project, else the sandbox's tickets. Run it: `python benchmarks/scoring.py`.
"""

import argparse
import csv
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from aios_core.automation import Automation, Features, LinearTextModel, Training
from aios_core.features.build import feature_schema
from aios_core.scoring.buckets import runs
from aios_core.scoring.model import MODEL_FILE, ScoringModel
from aios_core.scoring.stream import score_stream
from aios_core.scoring.tokenizer import Tokenizer
from aios_core.scoring.vocabulary import Vocabulary
from aios_core.training.export import export
from aios_core.training.fit import fit
from resources.lake import Lake
from resources.runtime import OrtSession, open_session

BANKING77 = Path(__file__).resolve().parents[2] / "shared" / "data" / "tickets"
START = datetime(2025, 1, 1, tzinfo=UTC)
DAY = date(2025, 1, 1)
WHERE = {"automation": "bench", "dataset": "features"}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="rows to score (default 20,000)")
    parser.add_argument("--train", type=int, default=4_000, help="rows to fit on first (default 4,000)")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--text", choices=["auto", "banking77", "sandbox"], default="auto")
    options = parser.parse_args(arguments)
    source = options.text
    if source == "auto":
        source = "banking77" if BANKING77.is_dir() else "sandbox"
    texts, labels = banking77() if source == "banking77" else sandbox(options.train + options.rows)
    print(json.dumps({"text": source, **measure(texts, labels, options)}, indent=1))


def measure(texts: list[str], labels: list[str], options: argparse.Namespace) -> dict[str, object]:
    """Fit on the first rows, score the others (again from the start where they are too few)."""
    spec = Features()
    settings = LinearTextModel(training=Training(min_rows=20))
    before = time.perf_counter()
    fitted = fit(_table(texts[: options.train]), labels[: options.train], model=settings, features_spec=spec, queues=())
    fit_seconds = time.perf_counter() - before
    automation = Automation.model_validate(
        {
            "name": "bench",
            "start_date": DAY,
            "sources": {"f": {"connector": "file", "provides": "tickets", "path": "x.csv"}},
        }
    )
    files = export(fitted, automation=automation, snapshot_id="bench")
    others = texts[options.train :]
    rows = [others[i % len(others)] for i in range(options.rows)]
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        lake.write_partition(_table(rows), day=DAY, **WHERE)
        model = ScoringModel.from_files(files, open_session)
        seconds = {terms: _best(lambda terms=terms: _score(lake, model, options, terms)) for terms in (5, 0)}
    session, tokenizer = open_session(files[MODEL_FILE], accelerator="cpu"), Tokenizer(Vocabulary.from_files(files))
    ceiling = _best(lambda: _bare(rows, tokenizer, session, len(fitted.assessed.classes), options.batch_size))
    speed = {terms: round(options.rows / taken, 1) for terms, taken in seconds.items()}
    return {
        "rows": options.rows,
        "classes": len(fitted.assessed.classes),
        "mean_characters": round(float(np.mean([len(text) for text in rows])), 1),
        "fit_rows": fitted.assessed.rows,
        "fit_seconds": round(fit_seconds, 2),
        "rows_per_s": speed[5],
        "rows_per_s_without_terms": speed[0],
        "ceiling_rows_per_s": round(options.rows / ceiling, 1),
        "share_of_ceiling": round(ceiling / seconds[5], 3),
        "share_of_ceiling_without_terms": round(ceiling / seconds[0], 3),
        "peak_rss_mb": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)
        ),
    }


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


def _table(texts: list[str]) -> pa.Table:
    moments = [START + timedelta(seconds=i) for i in range(len(texts))]
    fixed = {"source": "bench", "ticket_version": "1", "correlation_id": "c"}
    columns = {name: [value] * len(texts) for name, value in fixed.items()}
    columns |= {
        "ticket_id": [str(i) for i in range(len(texts))],
        "text": texts,
        "created_at": moments,
        "known_at": moments,
    }
    columns |= {name: [None] * len(texts) for name in ("priority", "channel", "language", "customer_id")}
    return pa.table(
        {field.name: columns[field.name] for field in feature_schema(Features())}, schema=feature_schema(Features())
    )


def _score(lake: Lake, model: ScoringModel, options: argparse.Namespace, terms: int) -> None:
    batches = lake.scan(start=DAY, end=DAY + timedelta(days=1), **WHERE)
    scored = score_stream(batches, model=model, batch_size=options.batch_size, explain=terms)
    written = lake.write_partition(scored, automation="bench", dataset="scores", day=DAY)
    assert written.rows == options.rows, "a row was lost"


def _bare(rows: list[str], tokenizer: Tokenizer, session: OrtSession, classes: int, batch_size: int) -> None:
    """Tokenization and session, and nothing else: every run's rectangle is filled as in production."""
    for first in range(0, len(rows), batch_size):
        bags = tokenizer.bags(tokenizer.occurrences(rows[first : first + batch_size]))
        counts = np.diff(bags.start)
        for length, members in runs(counts, classes):
            ids = np.full((members.size, length), tokenizer.vocabulary.size, np.int32)
            weights = np.zeros((members.size, length), np.float32)
            inside = np.arange(length) < counts[members][:, None]
            ids[inside] = np.concatenate([bags.ids[bags.start[m] : bags.start[m + 1]] for m in members])
            weights[inside] = np.concatenate([bags.weights[bags.start[m] : bags.start[m + 1]] for m in members])
            session.run({"ids": ids, "weights": weights})


def _best(run: Callable[[], None], times: int = 2) -> float:
    """Seconds of the fastest of a few runs: the machine may have other things to do."""
    taken = []
    for _ in range(times):
        before = time.perf_counter()
        run()
        taken.append(time.perf_counter() - before)
    return min(taken)


if __name__ == "__main__":
    main()
