import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aios_core.automation import FormField, Review
from aios_core.review.form import Form, InvalidForm, answers, form_of

FORM = form_of(
    Review.model_validate(
        {
            "form": [
                {"name": "cause", "label": "Cause", "kind": "choice", "options": ["ours", "theirs"], "required": True},
                {"name": "refund", "label": "Refund", "kind": "number", "when_queue": ["billing"], "required": True},
                {"name": "told", "label": "Told the customer", "kind": "yes_no"},
                {"name": "note", "label": "Note"},
            ]
        }
    ).form
)


def test_answers_are_typed_and_empty_ones_left_out():
    sent = {"cause": "ours", "refund": " 12.50 ", "told": "yes", "note": "  "}
    assert answers(FORM, sent, queue="billing") == {"cause": "ours", "refund": 12.5, "told": True}


def test_what_the_chosen_queue_does_not_ask_is_neither_needed_nor_kept():
    assert answers(FORM, {"cause": "ours", "refund": "no number"}, queue="fraud") == {"cause": "ours"}


@pytest.mark.parametrize(
    ("sent", "field", "why"),
    [
        ({}, "cause", "needed"),
        ({"cause": "nobody"}, "cause", "choose one of: ours, theirs"),
        ({"cause": "ours"}, "refund", "needed"),
        ({"cause": "ours", "refund": "1e999"}, "refund", "finite"),
        ({"cause": "ours", "refund": "ten"}, "refund", "a number"),
        ({"cause": "ours", "refund": 1, "told": "perhaps"}, "told", "yes or no"),
        ({"cause": "ours", "refund": 1, "note": "x" * 2001}, "note", "2,000"),
        ({"cause": "ours", "refund": 1, "weather": "fine"}, "weather", "no such field"),
    ],
)
def test_a_wrong_answer_names_its_field_and_the_way_out(sent, field, why):
    with pytest.raises(InvalidForm, match=why) as refused:
        answers(FORM, sent, queue="billing")
    assert refused.value.field == field


@given(
    st.dictionaries(
        st.sampled_from(["cause", "refund", "told", "note"]), st.text() | st.floats() | st.booleans() | st.none()
    )
)
def test_whatever_is_sent_is_read_again_as_it_was_kept(sent):
    try:
        kept = answers(FORM, sent, queue="billing")
    except InvalidForm:
        return
    assert answers(FORM, kept, queue="billing") == kept


def test_a_form_that_asks_nothing_takes_nothing():
    assert answers(Form(), {}, queue="billing") == {}


@pytest.mark.parametrize("wrong", [{"kind": "choice", "options": ["one"]}, {"kind": "text", "options": ["a", "b"]}])
def test_options_belong_to_choices(wrong):
    with pytest.raises(ValidationError, match="options"):
        FormField.model_validate({"name": "x", "label": "X"} | wrong)
