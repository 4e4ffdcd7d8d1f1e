"""The scale of novelty: what 0 and 1 mean for any kind of model, and what is beyond the limit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.scoring.novelty import LIMIT, Scale, energy, is_novel

NUMBERS = st.floats(-1e6, 1e6)


@given(center=NUMBERS, width=st.floats(1e-3, 1e6), raw=st.lists(NUMBERS, min_size=2))
def test_the_center_is_nothing_the_limit_is_one_and_order_is_kept(center, width, raw):
    scale = Scale(center=center, limit=center + width)
    assert scale.normalised(np.array([scale.center, scale.limit])).tolist() == pytest.approx([0.0, LIMIT], abs=1e-9)
    order = np.argsort(raw, kind="stable")
    assert (np.diff(scale.normalised(np.array(raw))[order]) >= 0).all()


def test_where_held_back_rows_were_all_alike_only_another_row_is_novel():
    same, other = Scale(center=2.0, limit=2.0).normalised(np.array([2.0, 2.001]))
    assert same == 0.0
    assert is_novel(other)


def test_the_limit_itself_is_known_and_what_is_no_number_is_novel():
    assert not is_novel(LIMIT)
    assert is_novel(math.nextafter(LIMIT, 2.0))
    assert is_novel(math.nan)
    assert is_novel(math.inf)
    assert not is_novel(-math.inf)
    assert not is_novel(None)


def test_a_version_without_novelty_has_no_scale():
    assert Scale.of_version({}) is None
    assert Scale.of_version({"novelty": {"center": 1, "limit": 3}}) == Scale(center=1.0, limit=3.0)


@given(st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1))
def test_energy_falls_with_every_margin_and_is_the_same_alone(rows):
    margins = np.array(rows)
    found = energy(margins)
    assert energy(margins + 1.0).tolist() == pytest.approx((found - 1.0).tolist(), abs=1e-9)
    assert found.tolist() == pytest.approx([-math.log(sum(math.exp(v) for v in row)) for row in rows], abs=1e-9)
    assert [energy(margins[[i]])[0] for i in range(len(rows))] == found.tolist()
