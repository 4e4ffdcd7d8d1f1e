"""Generators a few items ahead: order, back-pressure, errors and an early end."""

import threading
import time

import pytest

from resources.ahead import ahead


def test_the_same_items_come_in_the_same_order():
    assert list(ahead(range(1_000), most=3)) == list(range(1_000))
    assert list(ahead([], most=1)) == []


def test_no_more_is_made_than_may_wait():
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield number

    running = ahead(items(), most=4)
    assert next(running) == 0
    time.sleep(0.1)
    assert len(made) <= 1 + 4 + 1  # used, waiting, and one in the hand
    running.close()


def test_what_the_making_raises_is_raised_where_its_items_are_used_after_those_that_were_made():
    def items():
        yield 1
        raise MemoryError("no room")

    running = ahead(items(), most=4)
    assert next(running) == 1
    with pytest.raises(MemoryError, match="no room"):
        next(running)


def test_an_early_end_closes_the_making_in_its_own_thread_and_leaves_none_behind():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    running = ahead(items(), most=2)
    next(running)
    running.close()
    assert closed.is_set()
    assert threading.active_count() == before
