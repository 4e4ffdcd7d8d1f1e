"""The collector is still within a block, whoever else is in one, and as it was after it."""

import gc
import threading

import pytest

from resources.collecting import still, sweep


def test_it_is_still_until_the_last_has_left_also_after_an_error() -> None:
    assert gc.isenabled()
    with still():
        with pytest.raises(ValueError, match="x"), still():
            raise ValueError("x")
        assert not gc.isenabled()
    assert gc.isenabled()


def test_two_threads_that_overlap_leave_it_on() -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with still():
            inside.set()
            leave.wait(5)

    with still():
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(5)
    assert not gc.isenabled(), "the other one is still in its block"
    leave.set()
    thread.join(5)
    assert gc.isenabled()


def test_where_it_was_off_it_stays_off() -> None:
    gc.disable()
    try:
        with still():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_sweep_frees_the_cycles_that_came_meanwhile() -> None:
    freed: list[int] = []

    class Node:
        def __init__(self) -> None:
            self.own = self

        def __del__(self) -> None:
            freed.append(1)

    with still():
        for _ in range(10):
            Node()
        assert freed == []
        sweep()
        assert len(freed) == 10
