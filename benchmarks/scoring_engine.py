"""`python -m benchmarks.scoring_engine FOLDER ASKED`: the engine and its ceiling, in a process that does nothing else.

What belongs here: running both over a lake that `score.py` has filled, and reading clocks and memory. What does not: fitting,
scikit-learn, and what the figures mean.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from aios_core.scoring.linear_text import LinearText
from aios_core.scoring.model import ScoringModel
from aios_core.scoring.tokenizer import as_texts
from resources.day_scores import DayScores, Progress, Scorer
from resources.lake import WRITTEN_AT_ONCE, Lake, partition_path
from resources.runtime import open_session
from resources.workers import ProcessWorkers, ThreadWorkers, usable_cores

NAME = "bench"
DAY = date(2025, 1, 1)
TOLD_EVERY_SECONDS = 10.0
LONG_DAY = 1_000_000  # rows of a day in the long run
TERMS = 5

_bare: "Bare"  # of a process that runs the ceiling


class Taken(NamedTuple):
    """Seconds of one run, by the clock and of this process's computing."""

    seconds: float
    computing: float


class Bare:
    """Tokenization and session, and nothing else."""

    def __init__(self, folder: Path) -> None:
        model = ScoringModel.from_files(version_files(folder), open_session)
        engine = model._engine  # noqa: SLF001 (what it does without the rest is what is measured)
        assert isinstance(engine, LinearText)
        self.engine = engine

    def run(self, batch: pa.RecordBatch) -> int:
        engine = self.engine
        bags = engine._tokenizer.bags(as_texts(batch.column("text")))  # noqa: SLF001
        ids, weights = engine._encoding.apply(batch)  # noqa: SLF001
        return len(engine._run(bags, ids, weights)["probabilities"])  # noqa: SLF001


def main(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    lake, files = Lake(folder), version_files(folder)
    model = ScoringModel.from_files(files, open_session, name=NAME, version=1)
    count = asked["workers"] or usable_cores()
    asked["columns"] = model.reads
    batches = lake.read_partition(automation=NAME, dataset="features", day=DAY).to_batches(asked["batch_size"])
    batches = [batch for whole in batches for batch in _cut(whole, asked["batch_size"])]
    run = _runner(lake, asked)
    with _pool(model, files, count, processes=asked["processes"]) as pool, _bare_pool(folder, count, asked) as bare:
        ceiling = partial(_ceiling, bare, batches, asked["processes"], folder)
        engines, ceilings = [], []
        run(pool)
        ceiling()
        for turn in range(asked["turns"]):
            ceilings.append(_taken(ceiling))
            engines.append(_taken(lambda: run(pool)))
            _say(f"turn {turn + 1} of {asked['turns']}: {_told(asked['rows'], ceilings, engines)}")
            print(turn, flush=True)
            sys.stdin.readline()  # it is another's turn
        short, sample = pool.report(), batches[:10]
        batches.clear()  # the ceiling's; the long run holds nothing but what it is handed
        long = _long(lake, pool, asked) if asked["long_rows"] else {}
        report = pool.report()
    explaining = _explaining(model, sample)  # last: its memory is not the engine's
    rows, best = asked["rows"], {"engine": min(engines), "ceiling": min(ceilings)}
    return {
        "rows": rows,
        "rows_per_s": round(rows / best["engine"].seconds, 1),
        "ceiling_rows_per_s": round(rows / best["ceiling"].seconds, 1),
        "share_of_ceiling": round(best["ceiling"].seconds / best["engine"].seconds, 3),
        **({} if asked["processes"] else _computing(rows, engines, ceilings)),
        "explained_rows_per_s": round(explaining, 1),
        "peak_rss_mb": round(report.peak_mb),
        "peak_rss_mb_at_100k": round(short.peak_mb),
        "seconds_per_million_at_100k": round(best["engine"].seconds / rows * 1e6, 2),
        **long,
        **({"rss_growth_100k_to_10m": round(report.peak_mb / short.peak_mb - 1, 4)} if long else {}),
        "workers": f"{report.workers} {report.kind}",
        "batch_size": asked["batch_size"],
        "padding_waste": report.padding,
    }


def _computing(rows: int, *runs: list[Taken]) -> dict[str, float]:
    """Processor seconds a million rows: what others do on the machine changes these least."""
    names = (
        "computing_seconds_per_million",
        "computing_seconds_per_million_ceiling",
    )
    return {
        name: round(min(t.computing for t in times) / rows * 1e6, 2) for name, times in zip(names, runs, strict=True)
    }


def version_files(folder: Path) -> dict[str, bytes]:
    root = folder / "version"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _runner(lake: Lake, asked: dict[str, Any]) -> Callable[[Any], None]:
    def run(pool: ThreadWorkers | ProcessWorkers) -> None:
        written = _day_scores(lake, pool, asked).write(DAY, Progress())
        assert written == asked["rows"], "a row was lost"

    return run


def _day_scores(lake: Lake, pool: ThreadWorkers | ProcessWorkers, asked: dict[str, Any]) -> DayScores:
    scorers = [Scorer(version=1, pool=pool)]
    return DayScores(
        lake=lake,
        automation=NAME,
        model=NAME,
        scorers=scorers,
        batch_size=asked["batch_size"],
        columns=asked["columns"],
    )


def _explaining(model: ScoringModel, batches: list[pa.RecordBatch]) -> float:
    """Rows/s at which one thread names the five terms behind scores, as decisions have it done."""
    some = [(batch, model.score_batch(batch)) for batch in batches]
    best = 0.0
    for _ in range(3):
        before = time.perf_counter()
        for batch, scores in some:
            model.terms(batch, scores, count=TERMS)
        best = max(best, sum(batch.num_rows for batch, _ in some) / (time.perf_counter() - before))
    return best


def _long(lake: Lake, pool: ThreadWorkers | ProcessWorkers, asked: dict[str, Any]) -> dict[str, Any]:
    """Many rows, a day of a million after the other, in chunks, as the asset does it; scores of a day are removed when it is done."""
    scoring, wanted = _day_scores(lake, pool, asked), asked["long_rows"]
    per_day = min(LONG_DAY, wanted)
    where = {"automation": NAME, "dataset": "features"}
    first = DAY + timedelta(days=1)
    lake.write_partition(_repeated(lake, per_day), day=first, **where)
    _forget_peak()  # that was the benchmark's own work
    done, seconds, told = 0, 0.0, time.monotonic()
    for number in range(-(-wanted // per_day)):
        day = first + timedelta(days=number)
        if number:
            path = Path(lake.url) / partition_path(day=day, **where)
            path.parent.mkdir(parents=True)
            path.hardlink_to(Path(lake.url) / partition_path(day=first, **where))
        before = time.perf_counter()
        done += scoring.write(day, Progress())
        seconds += time.perf_counter() - before
        lake.delete_partition(automation=NAME, dataset="scores", day=day)
        if number:
            shutil.rmtree((Path(lake.url) / partition_path(day=day, **where)).parent)
        if time.monotonic() - told > TOLD_EVERY_SECONDS:
            told = time.monotonic()
            _say(f"long run: {done:,} of {wanted:,} rows, {done / seconds:,.0f} rows/s")
    return {"long_rows": done, "seconds_per_million_at_10m": round(seconds / done * 1e6, 2)}


def _forget_peak() -> None:
    pa.default_memory_pool().release_unused()
    with suppress(OSError):  # only Linux can
        Path("/proc/self/clear_refs").write_text("5")


def _repeated(lake: Lake, rows: int) -> Iterator[pa.RecordBatch]:
    """The measured day's features again and again, until there are so many."""
    left = rows
    while left:
        for batch in lake.scan(
            automation=NAME, dataset="features", start=DAY, end=DAY + timedelta(days=1), batch_size=WRITTEN_AT_ONCE
        ):
            yield batch.slice(0, min(left, batch.num_rows))
            left -= min(left, batch.num_rows)


def _cut(batch: pa.RecordBatch, size: int) -> list[pa.RecordBatch]:
    return [batch.slice(start, size) for start in range(0, batch.num_rows, size)]


def _pool(
    model: ScoringModel, files: dict[str, bytes], count: int, *, processes: bool
) -> ThreadWorkers | ProcessWorkers:
    if not processes:
        return ThreadWorkers(model, workers=count)
    pool = ProcessWorkers(files, name=NAME, version=1, workers=count)
    pool.start()
    return pool


def _bare_pool(folder: Path, count: int, asked: dict[str, Any]) -> Executor:
    if asked["processes"]:
        return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_bare_in, initargs=(folder,))
    return ThreadPoolExecutor(count, initializer=_bare_in, initargs=(folder,))


def _bare_in(folder: Path) -> None:
    """A worker of the ceiling holds its own engine, and the batches where it is a process."""
    global _bare, _held  # noqa: PLW0603 (a pool's initializer has no other place)
    if "_bare" not in globals():
        _bare = Bare(folder)
        _held = []


_held: list[pa.RecordBatch]


def _ceiling(bare: Executor, batches: list[pa.RecordBatch], processes: bool, folder: Path) -> None:
    if not processes:
        assert sum(bare.map(_bare_run, batches)) == sum(b.num_rows for b in batches)
        return
    size = batches[0].num_rows
    shares = [(folder, size, start, bare._max_workers) for start in range(bare._max_workers)]  # type: ignore[attr-defined] # noqa: SLF001
    list(bare.map(_bare_share, shares))


def _bare_run(batch: pa.RecordBatch) -> int:
    return _bare.run(batch)


def _bare_share(share: tuple[Path, int, int, int]) -> int:
    """Every n-th batch, read before the first turn."""
    folder, size, start, step = share
    if not _held:
        table = Lake(folder).read_partition(automation=NAME, dataset="features", day=DAY)
        _held.extend(batch for whole in table.to_batches() for batch in _cut(whole, size))
    return sum(_bare.run(batch) for batch in _held[start::step])


def _taken(run: Callable[[], Any]) -> Taken:
    before, computed = time.perf_counter(), time.process_time()
    run()
    return Taken(time.perf_counter() - before, time.process_time() - computed)


def _told(rows: int, ceilings: list[Taken], engines: list[Taken]) -> str:
    parts = {"ceiling": ceilings, "engine": engines}
    return ", ".join(f"{name} {rows / times[-1].seconds:,.0f} rows/s" for name, times in parts.items() if times)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    # a line a turn, answered by a line, and the figures as the last one
    print(json.dumps(main(Path(sys.argv[1]), json.loads(sys.argv[2]))))
