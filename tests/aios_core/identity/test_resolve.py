from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from aios_core.declaration.identity import Identity
from aios_core.identity.addresses import Addresses
from aios_core.identity.resolve import Candidate, Link, Requester, resolve

RULES = Identity()
ORDER = ("crm", "sales")

ids = st.sampled_from(["1", "2", "3", "4"])
emails = st.lists(st.sampled_from("abcd"), max_size=2, unique=True).map(lambda found: tuple(sorted(found)))
phones = st.lists(st.sampled_from("pqrs"), max_size=2, unique=True).map(lambda found: tuple(sorted(found)))
addresses = st.builds(Addresses, emails=emails, phones=phones, gone=st.booleans())
requesters = st.lists(
    st.builds(
        Requester,
        source=st.just("desk"),
        contact_id=st.text("xyz", min_size=1, max_size=3),
        key=st.none() | ids,
        addresses=addresses,
    ),
    max_size=6,
    unique_by=lambda r: r.contact_id,
)
candidates = st.lists(
    st.builds(Candidate, source=st.sampled_from([*ORDER, "old"]), customer_id=ids, addresses=addresses),
    max_size=8,
    unique_by=lambda c: (c.source, c.customer_id),
)


def person(key: str | None = None, *, emails: Sequence[str] = (), phones: Sequence[str] = ()) -> Requester:
    return Requester(
        source="desk", contact_id="7", key=key, addresses=Addresses(emails=tuple(emails), phones=tuple(phones))
    )


def customer(id: str, source: str = "crm", *, gone: bool = False, emails: str = "", phones: str = "") -> Candidate:
    return Candidate(
        source=source, customer_id=id, addresses=Addresses(emails=tuple(emails), phones=tuple(phones), gone=gone)
    )


def link(requester: Requester, *known: Candidate, rules: Identity = RULES) -> tuple[str, str | None, str | None]:
    (found,) = resolve([requester], known, order=ORDER, rules=rules)
    return found.joined_by, found.customer_source, found.customer_id


def test_an_exact_id_comes_before_any_address() -> None:
    assert link(person("1", emails="a"), customer("1"), customer("2", emails="a")) == ("key", "crm", "1")


def test_an_id_that_no_crm_has_leaves_the_question_to_addresses() -> None:
    assert link(person("9", emails="a"), customer("2", emails="a")) == ("email", "crm", "2")


def test_an_email_comes_before_a_phone() -> None:
    assert link(person(emails="a", phones="p"), customer("1", phones="p"), customer("2", emails="a")) == (
        "email",
        "crm",
        "2",
    )
    assert link(person(emails="z", phones="p"), customer("1", phones="p")) == ("phone", "crm", "1")


def test_who_could_be_two_customers_is_joined_to_none_whatever_the_phone_says() -> None:
    two = customer("1", emails="a", phones="p"), customer("2", emails="a")
    assert link(person(emails="a", phones="p"), *two) == ("ambiguous_email", None, None)
    assert link(person(emails="ab"), customer("1", emails="a"), customer("2", emails="b"))[0] == "ambiguous_email"


def test_a_merged_customer_no_longer_makes_an_address_ambiguous() -> None:
    assert link(person(emails="a"), customer("1", emails="a"), customer("2", gone=True)) == ("email", "crm", "1")


def test_the_crm_that_is_declared_first_answers_first() -> None:
    both = customer("5", "sales", emails="a"), customer("1", "crm", emails="a")
    assert link(person(emails="a"), *both) == ("email", "crm", "1")
    assert link(person(emails="a"), both[0], customer("1", "old", emails="a")) == ("email", "sales", "5")


def test_addresses_that_are_not_asked_for_join_nobody() -> None:
    assert link(person(emails="a"), customer("1", emails="a"), rules=Identity(by=("phone",))) == ("none", None, None)


@given(requesters, candidates, st.randoms(use_true_random=False))
def test_the_order_in_which_records_come_changes_no_link(
    asked: list[Requester], known: list[Candidate], random: object
) -> None:
    first = {one.contact_id: one for one in resolve(asked, known, order=ORDER, rules=RULES)}
    again, others = list(asked), [*known, *known]  # what comes twice is there once
    random.shuffle(again)  # type: ignore[attr-defined]
    random.shuffle(others)  # type: ignore[attr-defined]
    assert {one.contact_id: one for one in resolve(again, others, order=ORDER, rules=RULES)} == first
    assert len(first) == len(asked)


@given(requesters, candidates)
def test_nobody_is_joined_where_another_customer_of_that_source_matches_too(
    asked: list[Requester], known: list[Candidate]
) -> None:
    own = {one.contact_id: one.addresses for one in asked}
    for one in resolve(asked, known, order=ORDER, rules=RULES):
        matches = {c.customer_id for c in known if not c.addresses.gone and _shares(one, own[one.contact_id], c)}
        if one.joined_by in ("email", "phone"):
            assert matches == {one.customer_id}
        elif one.joined_by == "key":
            assert one.customer_id == one.key
        else:
            assert one.customer_id is None


@given(requesters, candidates)
def test_joining_is_of_each_requester_alone(asked: list[Requester], known: list[Candidate]) -> None:
    together = list(resolve(asked, known, order=ORDER, rules=RULES))
    assert together == [one for each in asked for one in resolve([each], known, order=ORDER, rules=RULES)]


def _shares(link: Link, own: Addresses, candidate: Candidate) -> bool:
    if candidate.source != link.customer_source:
        return False
    if link.joined_by == "email":
        return bool(set(own.emails) & set(candidate.addresses.emails))
    return bool(set(own.phones) & set(candidate.addresses.phones))
