"""Masking: what names a person is gone, and comes back exactly as it was."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.privacy.known import ids_in, names_in
from aios_core.privacy.masker import Masker

LETTER = (
    "My name is Maria Quintanilla. Write to maria.q@example.com, call +49 170 9988776 or (555) 000-1234.\n"
    "Card 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00, router 192.168.100.20.\n"
    "I live at 12 Baker Street; bill to Hauptstraße 5, 10115 Berlin\nhttps://shop.example/reset?token=abc\n\nBest regards,\nJ. Roe-Smith"
)
PERSONAL = (
    "Maria", "Quintanilla", "maria.q@example.com", "9988776", "000-1234", "4111", "DE89", "0532", "192.168", "Baker", "Hauptstraße 5",
    "token=abc", "Roe-Smith",
)  # fmt: skip


def test_a_letter_names_nobody_once_it_is_masked_and_is_whole_again_after() -> None:
    masker = Masker()
    masked = masker.mask(LETTER)
    assert [word for word in PERSONAL if word in masked] == []
    assert masker.restore(masked) == LETTER


@pytest.mark.parametrize(
    "text",
    [
        "I pay 39.90 euros a month, since 24 months, for 100 GB.",
        "Order 12345 took 3 days. 60% of the speed, 2 to 6 parts.",
        "Switch flight mode on for ten seconds. Error 0x8007.",
        "The bill of 05.03. is 12 euros too high.",
        "https://help.example/articles/roaming says so",
        "We are on the road, on the way to the place, in the street.",
    ],
)
def test_what_a_reply_needs_is_left_alone(text: str) -> None:
    assert Masker().mask(text) == text


def test_the_same_value_has_the_same_placeholder_in_all_texts_of_a_subject() -> None:
    masker = Masker(names=["Maria Quintanilla"], ids=["C-1"])
    assert masker.mask("maria.q@example.com and a@b.test") == "[E-MAIL 1] and [E-MAIL 2]"
    assert masker.mask("From a@b.test, customer C-1, not AC-12") == "From [E-MAIL 2], customer [CUSTOMER 1], not AC-12"
    assert masker.masked["[E-MAIL 2]"] == "a@b.test"


def test_known_names_are_found_alone_in_parts_and_in_any_case_but_not_inside_words() -> None:
    masker = Masker(names=["Ann Lee", "Acme Corp."])
    assert masker.mask("ANN wrote, Lee too; Hannah and sleeping did not; acme pays") == (
        "[NAME 1] wrote, [NAME 2] too; Hannah and sleeping did not; [NAME 3] pays"
    )


def test_what_looks_like_a_placeholder_in_a_text_is_masked_itself() -> None:
    """Else a ticket that says `[E-MAIL 1]` would have somebody's address put into it."""
    masker = Masker()
    masked = masker.mask("[E-MAIL 1] is mine: a@b.test")
    assert masked == "[TEXT 1] is mine: [E-MAIL 1]"
    assert masker.restore(masked) == "[E-MAIL 1] is mine: a@b.test"
    assert masker.restore("[E-MAIL 7]") == "[E-MAIL 7]"  # what a model makes up stands for nothing


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(
                [*LETTER.split(), "[NAME 1]", "[TEXT 1]", "[E-MAIL", "1]", "a@b.test", "1234567", "\n", "Ann Lee"]
            ),
        ),
        max_size=30,
    ),
    st.sampled_from([(), ("Ann Lee",), ("x", "", "[NAME 1]")]),
)
def test_any_text_comes_back_exactly(parts: list[str], names: tuple[str, ...]) -> None:
    masker, text = Masker(names=names), " ".join(parts)
    assert masker.restore(masker.mask(text)) == text


@settings(deadline=None)
@given(
    st.emails(),
    st.from_regex(r"\+[1-9][0-9]{1,2} [0-9]{3} [0-9]{4,7}", fullmatch=True),
    st.from_regex(r"[45][0-9]{3}( [0-9]{4}){3}", fullmatch=True),
    st.sampled_from(["", "Call ", "My card and more: ", "(", "mailto:"]),
)
def test_no_address_number_or_card_gets_through(email: str, phone: str, card: str, before: str) -> None:
    plain = email if all(c.isalnum() or c in "._%+-@" for c in email) else "a@b.test"  # quoted local parts are nobody's
    masked = Masker().mask(f"{before}{plain}, {phone}; {card}.")
    assert plain.split("@")[1] not in masked
    assert phone not in masked
    assert card not in masked


def test_ten_thousand_words_are_masked_in_time_whatever_they_are() -> None:
    """The rules look around each word; none may do so over the whole text."""
    hostile = ("1 ", "Aa ", "a-", "x@", "Aa-", "12 rue de ", "http://a", "a", "A.", "regards ")
    for text in (LETTER * 150, *(piece * (60_000 // len(piece)) for piece in hostile)):
        started = time.process_time()  # a busy machine takes wall time, not ours
        masker = Masker(names=["Maria Quintanilla"])
        assert masker.restore(masker.mask(text)) == text
        assert time.process_time() - started < 5.0, text[:20]


def test_names_and_keys_are_found_in_payloads_of_any_vendor() -> None:
    zendesk = {
        "id": 9,
        "name": "Maria Q",
        "email": "m@x.test",
        "phone": None,
        "user_fields": {"plan": "Gold"},
        "locale": "en",
    }
    salesforce = {
        "attributes": {"type": "Account"},
        "Id": "001",
        "Name": "Acme Corp",
        "FirstName": "Ann",
        "BillingStreet": "1 Elm St",
    }
    assert names_in(zendesk) == ["Maria Q"]
    assert ids_in(zendesk) == ["m@x.test"]
    assert names_in([salesforce]) == ["Acme Corp", "Ann"]
    assert ids_in(salesforce) == ["1 Elm St"]
    assert names_in("text") == names_in(None) == []
