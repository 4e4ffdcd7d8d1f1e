"""Which ended runs may go."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aios_core.retention import EndedRun, expired, keep_runs

NOW = datetime(2026, 5, 1, tzinfo=UTC)
KEEP = keep_runs(30, frequent_jobs=["ingest"])


def run(run_id="r", *, job="score", succeeded=True, days=0.0):
    return EndedRun(run_id=run_id, job=job, succeeded=succeeded, ended_at=NOW - timedelta(days=days))


def test_a_success_goes_after_its_days_and_a_failure_after_twice_as_many():
    runs = [run("young", days=29), run("old", days=31), run("failed", days=31, succeeded=False)]
    assert expired(runs, keep=KEEP, needed=set(), now=NOW) == ["old"]
    assert expired([run(days=61, succeeded=False)], keep=KEEP, needed=set(), now=NOW) == ["r"]


def test_a_job_that_runs_every_few_minutes_is_kept_a_week_and_its_failures_as_long_as_others():
    runs = [run("ok", job="ingest", days=8), run("failed", job="ingest", days=8, succeeded=False)]
    assert expired(runs, keep=KEEP, needed=set(), now=NOW) == ["ok"]


def test_what_is_shown_stays_whatever_its_age():
    assert expired([run("a", days=900), run("b", days=900)], keep=KEEP, needed={"a"}, now=NOW) == ["b"]


def test_few_days_hold_for_frequent_jobs_too():
    assert keep_runs(2, frequent_jobs=[]).frequent == timedelta(days=2)


@given(days=st.integers(1, 400), age=st.floats(0, 1_000), job=st.sampled_from(["ingest", "score"]), ok=st.booleans())
def test_nothing_younger_than_the_shortest_time_goes_and_what_went_once_would_go_later_too(days, age, job, ok):
    keep = keep_runs(days, frequent_jobs=["ingest"])
    one = run(job=job, succeeded=ok, days=age)
    gone = expired([one], keep=keep, needed=set(), now=NOW)
    if NOW - one.ended_at <= keep.shortest:
        assert gone == []
    if gone:
        assert expired([one], keep=keep, needed=set(), now=NOW + timedelta(days=1)) == gone
