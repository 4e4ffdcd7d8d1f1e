"""Thresholds: declared numbers, or chosen from a version's operating curve, always the careful way round."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.automation import Decisions
from aios_core.decisions.thresholds import resolve
from aios_core.errors import ModelError

CURVE = {
    "threshold": [0.3, 0.5, 0.7, 0.9],
    "coverage": [1.0, 0.9, 0.7, 0.4],
    "accuracy": [0.85, 0.92, 0.97, 0.995],
}


def test_plain_numbers_need_no_curve() -> None:
    found = resolve(Decisions(automate=0.9, draft=0.6), None)
    assert (found.automate, found.draft, found.automate_accuracy) == (0.9, 0.6, None)


def test_the_lowest_threshold_that_reaches_the_accuracy_is_chosen() -> None:
    found = resolve(Decisions.model_validate({"automate": {"accuracy": 0.97}, "draft": {"accuracy": 0.9}}), CURVE)
    assert (found.automate, found.draft) == (0.7, 0.5)
    assert (found.automate_accuracy, found.draft_accuracy) == (0.97, 0.9)


def test_a_lower_bound_is_what_has_to_reach_it_where_there_is_one() -> None:
    careful = CURVE | {"accuracy_lower": [0.8, 0.9, 0.95, 0.98]}
    found = resolve(Decisions.model_validate({"automate": {"accuracy": 0.97}, "draft": {"accuracy": 0.9}}), careful)
    assert (found.automate, found.draft) == (0.9, 0.5)


def test_an_accuracy_that_was_never_reached_automates_nothing() -> None:
    wanted = Decisions.model_validate({"automate": {"accuracy": 0.999}, "draft": 0.6})
    assert resolve(wanted, CURVE).automate is None
    assert resolve(wanted, None).automate is None
    assert resolve(wanted, {}).automate is None


def test_where_not_even_a_draft_is_good_enough_nothing_is_automated() -> None:
    found = resolve(Decisions.model_validate({"automate": 0.9, "draft": {"accuracy": 0.999}}), CURVE)
    assert (found.automate, found.draft) == (None, None)


def test_automate_is_raised_above_draft_and_never_draft_lowered() -> None:
    found = resolve(Decisions.model_validate({"automate": {"accuracy": 0.9}, "draft": 0.8}), CURVE)
    assert (found.automate, found.draft) == (0.800001, 0.8)
    good = {"threshold": [0.2], "coverage": [1.0], "accuracy": [1.0]}
    both = resolve(Decisions.model_validate({"automate": {"accuracy": 0.97}, "draft": {"accuracy": 0.9}}), good)
    assert (both.automate, both.draft) == (0.200001, 0.2)


@pytest.mark.parametrize(
    "curve", [{"threshold": [0.1]}, {"threshold": [0.1], "accuracy": []}, {"threshold": "0.1", "accuracy": [1]}]
)
def test_a_broken_curve_is_named(curve: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="operating curve"):
        resolve(Decisions.model_validate({"automate": {"accuracy": 0.97}, "draft": {"accuracy": 0.9}}), curve)


@given(
    points=st.lists(st.tuples(st.floats(0, 1), st.none() | st.floats(0, 1)), max_size=20),
    automate=st.floats(0, 1),
    draft=st.floats(0, 1),
    kinds=st.tuples(st.booleans(), st.booleans()),
)
def test_automate_is_always_strictly_above_draft(
    points: list[tuple[float, float | None]], automate: float, draft: float, kinds: tuple[bool, bool]
) -> None:
    if automate <= draft:
        automate, draft = draft, automate
    if automate == draft:
        return
    declared = Decisions.model_validate(
        {
            "automate": {"accuracy": automate} if kinds[0] else automate,
            "draft": {"accuracy": draft} if kinds[1] else draft,
        }
    )
    curve = {"threshold": [t for t, _ in points], "accuracy": [a for _, a in points]}
    found = resolve(declared, curve)
    if found.automate is not None:
        assert found.draft is not None
        assert found.automate > found.draft
