from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.training.folds import group_rows, plan_folds, time_order
from tests.aios_core.training.making import START, table


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40)), min_size=6, max_size=120), st.floats(0.05, 0.8))
def test_no_row_is_scored_by_a_fit_that_saw_it_and_the_newest_never_by_younger_ones(rows, share):
    labels = np.array([label for label, _ in rows])
    groups = np.array([group for _, group in rows])
    plan = plan_folds(labels, groups, evaluation_share=share)
    for fold in plan.folds:
        assert not set(fold.train) & set(fold.score)
    assert plan.newest.train.max() < plan.newest.score.min()
    scored = np.concatenate([fold.score for fold in plan.folds])
    assert np.unique(scored).size == scored.size
    for part in plan.parts:
        outside = set(groups[plan.newest.train]) - set(groups[part.score])
        assert set(groups[np.intersect1d(part.train, plan.newest.train)]) <= outside


def test_a_small_corpus_is_scored_completely():
    labels = np.arange(300) % 3
    plan = plan_folds(labels, np.arange(300), evaluation_share=0.2)
    assert sorted(np.concatenate([fold.score for fold in plan.folds])) == list(range(300))
    for part in plan.parts:
        assert all(25 <= rows <= 28 for rows in np.bincount(labels[part.score], minlength=3))


def test_a_large_corpus_is_scored_only_as_far_as_the_curve_needs():
    labels = np.arange(40_000) % 5
    plan = plan_folds(labels, np.arange(40_000), evaluation_share=0.2)
    assert sum(fold.score.size for fold in plan.folds) < 20_000


def test_equal_texts_and_versions_of_a_ticket_stand_together():
    features = table(["Same text", "other", "same  TEXT", "third"], ids=["1", "2", "3", "2"])
    groups = group_rows(features).tolist()
    assert groups[0] == groups[2]
    assert groups[1] == groups[3]
    assert groups[0] != groups[1]


def test_order_is_by_time_and_ties_do_not_follow_the_file():
    moments = [START + timedelta(days=d) for d in (3, 1, 2)]
    assert time_order(table(["a", "b", "c"], moments=moments)).tolist() == [1, 2, 0]
    tied = time_order(table(["x"] * 200, moments=[START] * 200))
    assert sorted(tied) == list(range(200))
    assert (
        tied[:100] < 100
    ).mean() < 0.75  # a file sorted by class must not put its last classes into the newest share
    again = time_order(table(["x"] * 200, moments=[START] * 200))
    assert np.array_equal(tied, again)
