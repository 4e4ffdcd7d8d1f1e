"""The platform's clock."""

from datetime import UTC, datetime, timedelta

import pytest

from resources import clock


def test_it_is_the_walls_until_another_is_handed_in_and_again_afterwards():
    long_ago = datetime(2020, 2, 29, 12, tzinfo=UTC)
    with clock.running_on(lambda: long_ago):
        assert clock.now() == long_ago
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_failure_gives_the_wall_back_too():
    with pytest.raises(RuntimeError), clock.running_on(lambda: datetime(2020, 1, 1, tzinfo=UTC)):
        raise RuntimeError
    assert clock.now().year > 2020
