"""The measurement of ingestion, small: its figures add up, and what was lost or exceeded would show."""

from pathlib import Path

import orjson
import pytest

from benchmarks.ingest import dlt, files, pages
from benchmarks.ingest.measure import _bench, figures, run_ours
from benchmarks.ingest.quota import measure, share_used


def test_the_share_of_a_quota_is_told_by_its_whole_windows() -> None:
    at_best = [n // 10 * 5.0 for n in range(31)]  # ten at once, and ten more every five seconds
    assert share_used(at_best, limit=10, window=5.0) == 1.0
    assert share_used([at * 2 for at in at_best], limit=10, window=5.0) == 0.5
    assert share_used(at_best[:10], limit=10, window=5.0) == 0.0, "a quota that was never used up says nothing"


def test_without_dlt_its_figures_are_absent(tmp_path: Path) -> None:
    assert dlt.installed(tmp_path) is None


def test_dlt_is_told_the_database_by_host_and_password() -> None:
    told = dlt._told("postgresql://postgres@/peer?host=%2Fsome%2Fsocket")
    assert told == "postgresql://postgres:unused@localhost:5432/peer?host=%2Fsome%2Fsocket"


def test_every_turn_has_every_setting_in_another_order() -> None:
    turns = [[setting.name for setting in dlt.settings(turn)] for turn in range(4)]
    assert {frozenset(turn) for turn in turns} == {frozenset(turns[0])}
    assert len({turn[0] for turn in turns}) == 4


def said(**changes: object) -> dict[str, object]:
    whole = {"rows": 600, "rejected": 0, "began": 10.0, "ended": 12.0, "cpu_seconds": 1.0, "peak_rss_mb": 100.0}
    return whole | changes


def test_the_time_is_from_the_first_start_to_the_last_end_and_a_missing_row_is_an_error() -> None:
    assert figures([said(), said(began=10.5, ended=14.0, peak_rss_mb=300.0)], rows=600) == {
        "rows_per_s": 150.0,
        "seconds": 4.0,
        "cpu_seconds": [1.0, 1.0],
        "peak_rss_mb": 300.0,
    }
    for wrong in ({"rows": 599}, {"rejected": 1}):
        with pytest.raises(AssertionError, match="some were lost"):
            figures([said(), said(**wrong)], rows=600)


def test_a_file_goes_through_both_processes() -> None:
    with _bench() as bench:
        file = bench.folder / "tickets.parquet"
        assert files.write(file, rows=600, seed=7) == 600
        assert run_ours(bench, files.from_file("bench", file), rows=600)["rows_per_s"] > 0


def test_readers_with_one_credential_exceed_no_quota(database_url: str, tmp_path: Path) -> None:
    told = measure(database_url, tmp_path, seconds=2.5, limit=20, window=1.0)
    assert (told["quota_violations"], told["quota_requests"] > 40) == (0, True)
    assert 0.3 < told["quota_share_used"] <= 1.0


def test_pages_are_the_sandboxs_own_and_the_last_one_says_so(tmp_path: Path) -> None:
    assert pages.make(tmp_path / "pages", rows=1_500, seed=7) == 1_500
    bodies = [orjson.loads(line) for line in (tmp_path / "pages").read_bytes().splitlines()]
    assert [(len(b["tickets"]), b["after_cursor"], b["end_of_stream"]) for b in bodies] == [
        (1_000, "1", False),
        (500, None, True),
    ]
