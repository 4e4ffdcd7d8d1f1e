"""The composition of plays."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from aios_assets.simulation.simulate import simulate
from aios_assets.simulation.story import Story
from aios_core.errors import ConfigurationError


def test_a_kept_play_is_not_played_over(tmp_path: Path) -> None:
    (tmp_path / "seed-7").mkdir()
    with pytest.raises(ConfigurationError, match="--home"):
        simulate([Story(days=1, seed=7)], now=datetime(2026, 6, 1, tzinfo=UTC), home=tmp_path)
