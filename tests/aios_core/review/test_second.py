import pytest

from aios_core.automation import SecondOpinion
from aios_core.review.contradictions import text_hash
from aios_core.review.second import opinions_needed


def needed(rule: SecondOpinion | None, quorum: int = 1, **more: object) -> int:
    asked = {"case_id": "c1", "queues": ("billing",), "costs": {"billing": 5.0, "fraud": 50.0}, "confidence": 0.8}
    return opinions_needed(quorum=quorum, rule=rule, **(asked | more))


@pytest.mark.parametrize(
    ("rule", "more", "people"),
    [
        ({"above_cost": 10}, {}, 1),
        ({"above_cost": 10}, {"queues": ("billing", "fraud")}, 2),  # the queue that was chosen
        ({"below_confidence": 0.7}, {}, 1),
        ({"below_confidence": 0.7}, {"confidence": 0.6}, 2),
        ({"below_confidence": 0.7}, {"confidence": None}, 2),
        ({"below_agreement": 0.8}, {"agreement": {"billing": 0.7}}, 2),
        ({"below_agreement": 0.8}, {}, 1),
        ({"queues": ["billing"]}, {}, 2),
        ({"share": 1.0}, {}, 2),
        ({}, {}, 1),
    ],
)
def test_each_rule_is_enough_by_itself(rule, more, people):
    assert needed(SecondOpinion.model_validate(rule), **more) == people


def test_a_quorum_is_never_lowered_by_the_rule():
    assert needed(SecondOpinion(share=1.0), quorum=3) == 3
    assert needed(None) == 1


def test_the_share_is_drawn_by_lot_and_stays():
    rule = SecondOpinion(share=0.2)
    drawn = [needed(rule, case_id=f"case {n}") for n in range(4000)]
    assert 0.17 < drawn.count(2) / 4000 < 0.23
    assert drawn == [needed(rule, case_id=f"case {n}") for n in range(4000)]


def test_texts_that_differ_in_personal_data_and_layout_alone_are_one_text():
    one = text_hash("Charged twice", "Dear team, I was charged twice.\nana@example.com, +49 170 1234567")
    assert one == text_hash("charged  twice", "Dear team, I was charged twice. ben@example.org, +49 171 7654321")
    assert one != text_hash("Charged twice", "Dear team, I was charged thrice.\nana@example.com, +49 170 1234567")
    assert text_hash("Help", "please") is None
