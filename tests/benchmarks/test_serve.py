"""The whole of `aios bench serve` on few rows: a real Postgres, a real gateway, real load."""

import pytest

from benchmarks.serve.measure import measure


@pytest.mark.slow
def test_the_whole_measurement_has_its_keys_and_not_one_failed_or_mixed_request() -> None:
    said: list[str] = []

    found = measure(
        seconds=0.6,
        clients=16,
        workers=2,
        moves=2,
        turns=1,
        rows=800,
        with_peers=False,
        with_plain=False,
        say=said.append,
    )

    assert {"rps", "p50_ms", "p95_ms", "p99_ms", "p999_ms"} <= set(found["ours"])
    assert found["ours"]["rps"] > 50
    assert found["ours"]["p50_ms"] <= found["ours"]["p99_ms"] <= found["ours"]["p999_ms"]
    assert found["peers"] == {}
    assert found["ratio_to_best_peer"] is None
    assert (found["failed_requests"], found["mixed_version_requests"]) == (0, 0), said
    assert found["moves"]["promotions_and_rollbacks"] == 2
    assert set(found["moves"]["requests_by_version"]) == {"1", "2"}
    assert {"accepted_p99_ratio", "rejected"} <= set(found["overload"])
    assert found["overload"]["clients"] == 3 * found["overload"]["saturation"]["clients"]
    assert sum(found["batch_size_histogram"].values()) > 0
    assert found["generator_ceiling_rps"] > found["ours"]["rps"]
