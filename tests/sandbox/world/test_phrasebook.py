import random

import pytest

from sandbox.world.phrasebook import FACTS, compile_phrase, phrasebook
from sandbox.world.queues import QUEUES
from sandbox.world.tickets import AMBIGUOUS_PAIRS, NOVA_TOPICS

NOBODY = ["Anna", "Milton", "Plus", "+1 555 0100", "anna@example.com", "something else"]


@pytest.mark.parametrize("queue", QUEUES)
def test_every_queue_has_at_least_25_ways_to_put_its_problem(queue: str) -> None:
    book = phrasebook()
    assert len(set(book.of(queue, "problem"))) >= 25
    for section in ("subject", "detail", "ask"):
        assert book.of(queue, section)
    for language in ("es", "fr", "de"):
        assert book.of(language, queue)


def test_every_phrase_of_every_file_can_be_said_without_leftover_markup() -> None:
    draw = random.Random(1).random
    for sections in phrasebook().sections.values():
        for phrases in sections.values():
            for phrase in phrases:
                for _ in range(3):
                    said = phrase.say(draw, NOBODY)
                    assert said
                    assert not set(said) & set("{}[]|")


def test_ambiguous_pairs_and_the_new_product_have_their_phrases() -> None:
    book = phrasebook()
    assert set(book.sections["ambiguous"]) == {"/".join(pair) for pair in AMBIGUOUS_PAIRS}
    assert set(book.sections["nova"]) == {*NOVA_TOPICS, "subject"}


def test_an_unknown_slot_is_named_with_its_line() -> None:
    with pytest.raises(ValueError, match=r"my \{pet\} is lost.*unknown slot 'pet'"):
        compile_phrase("my {pet} is lost", {})


def test_choices_may_hold_slots() -> None:
    phrase = compile_phrase("ends [now|{date}]", {"date": ("5 May",)})
    said = {phrase.say(random.Random(seed).random, NOBODY) for seed in range(20)}
    assert said == {"ends now", "ends 5 May"}


def test_facts_come_from_the_message() -> None:
    phrase = compile_phrase("I am {name} from {city}", {})
    assert phrase.say(lambda: 0.0, NOBODY) == "I am Anna from Milton"
    assert len(FACTS) == len(NOBODY)
