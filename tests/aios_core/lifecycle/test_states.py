"""Which moves there are, and what each brings with it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.lifecycle.states import ALIASES, CHAMPION, LAST_GOOD, STAGES, ForbiddenMove, moves, out_of_order


def told(found):
    return [(m.alias, m.previous, m.version) for m in found]


def after(standing, found):
    return {**standing, **{m.alias: m.version for m in found}}


def test_the_first_champion_has_no_predecessor():
    assert told(moves({}, alias="champion", version=1)) == [("champion", None, 1)]


def test_a_champions_predecessor_becomes_last_good():
    assert told(moves({"champion": 1}, alias="champion", version=2)) == [("champion", 1, 2), ("last_good", None, 1)]


def test_going_back_to_last_good_does_not_make_the_bad_one_good():
    assert told(moves({"champion": 2, "last_good": 1}, alias="champion", version=1)) == [("champion", 2, 1)]


def test_a_canary_that_becomes_champion_is_canary_no_more():
    found = moves({"champion": 1, "canary": 2}, alias="champion", version=2)
    assert told(found) == [("champion", 1, 2), ("last_good", None, 1), ("canary", 2, None)]
    assert found[-1].why == "it is the champion now"


def test_any_move_of_the_champion_ends_a_canary_and_leaves_another_shadow_alone():
    standing = {"champion": 2, "last_good": 1, "canary": 3, "shadow": 4}
    assert told(moves(standing, alias="champion", version=1)) == [("champion", 2, 1), ("canary", 3, None)]


def test_entering_a_stage_leaves_the_one_before():
    assert told(moves({"champion": 1, "shadow": 2}, alias="canary", version=2)) == [
        ("canary", None, 2),
        ("shadow", 2, None),
    ]
    assert told(moves({"champion": 1, "candidate": 2}, alias="shadow", version=2)) == [
        ("shadow", None, 2),
        ("candidate", 2, None),
    ]


@pytest.mark.parametrize(
    ("alias", "version"), [("champion", None), ("last_good", None), ("boss", 1), ("canary", 1), ("shadow", 1)]
)
def test_moves_that_there_are_not(alias, version):
    with pytest.raises(ForbiddenMove, match=r"is not known|point to nothing|its own"):
        moves({"champion": 1, "last_good": 1}, alias=alias, version=version)


def test_the_staged_path_is_gone_step_by_step_and_the_direct_one_in_one_stride():
    standing = {"champion": 1, "shadow": 2}
    assert "not the canary" in out_of_order(standing, alias="champion", version=2, path="staged")
    assert out_of_order(standing, alias="canary", version=2, path="staged") is None
    assert "not the shadow" in out_of_order(standing, alias="canary", version=3, path="staged")
    assert out_of_order(standing, alias="champion", version=2, path="direct") is None
    assert out_of_order({}, alias="champion", version=1, path="staged") is None
    assert out_of_order(standing | {"last_good": 3}, alias="champion", version=3, path="staged") is None


steps = st.lists(st.tuples(st.sampled_from(ALIASES), st.none() | st.integers(1, 4)), max_size=25)


@settings(deadline=None)
@given(steps=steps)
def test_whatever_is_asked_the_laws_hold(steps):
    standing: dict[str, int | None] = {}
    for alias, version in steps:
        before = dict(standing)
        try:
            found = moves(standing, alias=alias, version=version)
        except ForbiddenMove:
            continue
        standing = after(standing, found)
        assert standing.get(alias) == version
        for kept in (CHAMPION, LAST_GOOD):
            assert before.get(kept) is None or standing.get(kept) is not None
        if before.get(CHAMPION) != standing.get(CHAMPION):
            assert standing.get("canary") is None
        if alias in STAGES[1:] and version is not None and found:
            assert [s for s in STAGES if standing.get(s) == version] == [alias]
        assert moves(standing, alias=alias, version=version) == ()
