from hypothesis import given
from hypothesis import strategies as st

from aios_core.retrieval.gaps import Asked, group, is_gap


def asked(number: int, text: str, *, queue: str | None = "billing", cost: float = 3.0, score: float = 0.2) -> Asked:
    return Asked(ticket_id=str(number), text=text, language="en", queue=queue, cost=cost, nearest="kb/1", score=score)


def test_a_close_article_is_an_answer_and_a_far_one_is_not() -> None:
    assert not is_gap(0.7, by_meaning=True)
    assert is_gap(0.2, by_meaning=True)
    assert not is_gap(0.3, by_meaning=False)
    assert is_gap(0.1, by_meaning=False)


def test_questions_about_one_thing_are_one_gap_and_the_dearest_comes_first() -> None:
    tickets = [asked(n, "the voucher code is refused") for n in range(4)]
    tickets += [asked(10 + n, "where is my parcel", queue="orders", cost=9.0) for n in range(3)]
    tickets.append(asked(99, "something quite alone"))
    found = group(tickets)
    assert [(g.queue, g.tickets) for g in found] == [("orders", 3), ("billing", 4), ("billing", 1)]
    assert "parcel" in found[0].label
    assert "voucher" in found[1].label


def test_a_gap_is_not_named_by_the_words_of_a_few() -> None:
    found = group([asked(1, "John Smith lost his ring"), asked(2, "Mary Jones found a cat")])
    assert [g.label for g in found] == ["other questions"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["a b c", "dogs cats", "dogs birds", ""]), st.sampled_from([None, "x", "y"])),
        max_size=30,
    )
)
def test_every_question_is_in_one_gap(rows: list[tuple[str, str | None]]) -> None:
    found = group([asked(n, text, queue=queue) for n, (text, queue) in enumerate(rows)], most=10_000)
    assert sum(g.tickets for g in found) == len(rows)
    assert abs(sum(g.cost for g in found) - 3.0 * len(rows)) < 0.1
    assert len({g.gap_id for g in found}) == len(found)
