import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.declaration.identity import Identity
from aios_core.identity.normal import digest, email_of, phone_of

GERMANY = Identity(calling_code="49")
AMERICA = Identity(calling_code="1", trunk_prefix="1", international_prefix="011")
NOWHERE = Identity()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" Ann.Lee@Example.COM ", "ann.lee@example.com"),
        ("Ann <ann@example.com>", "ann@example.com"),
        ("mailto:ann@example.com", "ann@example.com"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann+shop@example.com", "ann+shop@example.com"),  # another address: nobody but its provider knows
        ("ann@example.com.", "ann@example.com"),
        ("ann@localhost", None),
        ("ann@@example.com", None),
        ("ann@-example.com", None),
        ("ann lee@example.com", None),
        ("", None),
        ("n/a", None),
    ],
)
def test_an_address_has_one_spelling_or_none(text: str, found: str | None) -> None:
    assert email_of(text) == found


@pytest.mark.parametrize(
    ("text", "rules", "found"),
    [
        ("+49 (0) 30 / 1234-567", GERMANY, "+49301234567"),
        ("+49 30 1234567", NOWHERE, "+49301234567"),
        ("030 1234567", GERMANY, "+49301234567"),
        ("0049 30 1234567", GERMANY, "+49301234567"),
        ("030 1234567", NOWHERE, None),  # whose 030?
        ("30 1234567", GERMANY, None),  # an area without its zero, or a number of Greece without its plus
        ("(415) 555-0132", AMERICA, "+14155550132"),
        ("1 415 555 0132", AMERICA, "+14155550132"),
        ("011 49 30 1234567", AMERICA, "+49301234567"),
        ("tel:+14155550132", NOWHERE, "+14155550132"),
        ("+1 415 555 0132 ext. 7", AMERICA, None),  # a company's switchboard
        ("110", GERMANY, None),
        ("+" + "4" * 16, GERMANY, None),
        ("call me", GERMANY, None),
        ("\u0663\u0660", GERMANY, None),
    ],
)
def test_a_number_is_one_of_e164_or_none(text: str, rules: Identity, found: str | None) -> None:
    assert phone_of(text, rules) == found


@given(st.text(max_size=40), st.sampled_from([GERMANY, AMERICA, NOWHERE]))
def test_whatever_people_write_a_spelling_is_its_own_spelling(text: str, rules: Identity) -> None:
    email, phone = email_of(text), phone_of(text, rules)
    assert email is None or email_of(email) == email
    assert phone is None or phone_of(phone, rules) == phone


@given(
    st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True),
    st.lists(st.sampled_from([*" -./", ""]), min_size=15, max_size=15),
)
def test_how_a_number_is_parted_changes_nothing(number: str, marks: list[str]) -> None:
    parted = "+" + "".join(digit + mark for digit, mark in zip(number[1:], marks, strict=False))
    assert phone_of(parted, NOWHERE) == number


def test_an_address_is_kept_as_a_digest_of_its_kind() -> None:
    assert (
        digest("email", "ann@example.com") == digest("email", "ann@example.com") != digest("phone", "ann@example.com")
    )
    assert "ann" not in digest("email", "ann@example.com")
