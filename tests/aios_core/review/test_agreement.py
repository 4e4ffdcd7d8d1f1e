import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from aios_core.review.agreement import agreed_share, cohen_kappa, fleiss_kappa

# Fleiss (1971) as printed in the usual textbooks: 10 subjects, 14 raters, 5 categories
TABLE = [
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
]  # fmt: skip


def test_fleiss_own_table_gives_the_textbook_value():
    cases = [{f"q{n}": count for n, count in enumerate(row) if count} for row in TABLE]
    assert fleiss_kappa(cases) == pytest.approx(0.210, abs=0.0005)


@given(st.lists(st.tuples(*[st.sampled_from("abcd")] * 2), min_size=2, max_size=60))
def test_cohens_kappa_is_that_of_scikit_learn(pairs):
    ours = cohen_kappa(pairs)
    if ours is None:
        assert len({queue for pair in pairs for queue in pair}) == 1
    else:
        assert ours == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)), abs=1e-9)


def test_full_agreement_is_one_and_nothing_to_compare_is_nothing():
    assert fleiss_kappa([{"a": 2}, {"b": 2}]) == 1.0
    assert fleiss_kappa([{"a": 1}]) is None
    assert cohen_kappa([]) is None
    assert agreed_share([{"a": 2}, {"a": 1, "b": 1}, {"c": 1}]) == 0.5


def test_agreeing_less_than_by_chance_is_below_zero():
    assert fleiss_kappa([{"a": 1, "b": 1}, {"a": 1, "b": 1}]) == pytest.approx(-1.0)
