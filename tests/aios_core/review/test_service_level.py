from datetime import UTC, datetime, timedelta

import pytest

from aios_core.review.service_level import due, service_level

SINCE = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "level"), [(0, "on_time"), (5.9, "on_time"), (6, "soon"), (7.9, "soon"), (8, "late"), (30, "late")]
)
def test_the_last_quarter_is_soon_and_the_due_time_is_late(hours, level):
    now = SINCE + timedelta(hours=hours)
    found = service_level(waiting_since=SINCE, due_at=due(SINCE, hours=8), now=now)
    assert found.level == level
    assert found.left == timedelta(hours=8) - timedelta(hours=hours)
