"""The project's own set of drafts, against the bars that it was made for."""

from functools import cache
from typing import Any

import pytest

from benchmarks.verify import measure
from benchmarks.verify_drafts.articles import ARTICLES
from benchmarks.verify_drafts.drafts import cases


@cache
def measured() -> dict[str, Any]:
    return measure()


def test_the_set_is_as_large_and_as_mixed_as_it_says() -> None:
    found = measured()
    assert found["drafts"] >= 600
    assert found["faults_planted"] >= 300
    assert (
        {a.language for a in ARTICLES if a.half == "held_back"} == {a.language for a in ARTICLES} == {"en", "de", "fr"}
    )
    assert [c.draft.text for c in cases()] == [c.draft.text for c in cases()], "the same drafts each time"


@pytest.mark.parametrize("half", ["tuning", "held_back"])
def test_nearly_every_planted_fault_is_caught_and_few_true_drafts_are_refused(half: str) -> None:
    found = measured()[half]
    assert found["faults_caught_share"] >= 0.97
    assert found["good_refused_share"] < 0.05


def test_no_kind_of_fault_is_a_blind_spot() -> None:
    for kind, said in measured()["by_kind"].items():
        caught, planted = (int(n) for n in said.split(" of "))
        assert caught / planted > 0.7, kind
