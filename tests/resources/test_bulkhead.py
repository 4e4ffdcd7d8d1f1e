"""Side by side: who makes no progress keeps nobody waiting."""

import threading
import time

import pytest

from resources.bulkhead import Bulkheads, Compartment, SourceStalled


def test_work_is_waited_for_while_it_comes_further() -> None:
    def slow(moved):
        for _ in range(8):
            time.sleep(0.05)
            moved()
        return "all of it"

    assert Compartment("desk", slow).result(patience=0.2) == "all of it"


def test_work_without_progress_is_left_behind_and_said_by_name() -> None:
    ended = threading.Event()
    begun = time.monotonic()
    with pytest.raises(SourceStalled, match="desk: nothing came"):
        Compartment("desk", lambda _: ended.wait(30)).result(patience=0.1)
    assert time.monotonic() - begun < 5
    ended.set()


def test_what_work_raises_is_raised_where_its_result_is_asked_for() -> None:
    def broken(_):
        raise ValueError("no token")

    with pytest.raises(ValueError, match="no token"):
        Compartment("desk", broken).result(patience=1)


def test_all_pieces_of_a_run_begin_with_the_first_and_each_is_done_once() -> None:
    begun: list[str] = []
    together = threading.Barrier(3, timeout=10)

    def piece(name: str):
        def work(_) -> str:
            begun.append(name)
            together.wait()  # ends only if all three are at work at once
            return name

        return work

    bulkheads: Bulkheads[str] = Bulkheads()
    work = {name: piece(name) for name in ("a", "b", "c")}
    assert [bulkheads.result("run", name, work, patience=10) for name in work] == ["a", "b", "c"]
    assert sorted(begun) == ["a", "b", "c"]


def test_a_piece_that_is_asked_for_again_is_begun_again_and_no_other_with_it() -> None:
    begun: list[str] = []
    bulkheads: Bulkheads[int] = Bulkheads()
    work = {name: lambda _, name=name: begun.append(name) or len(begun) for name in ("a", "b")}
    bulkheads.result("run", "a", work, patience=5)
    bulkheads.result("run", "a", work, patience=5)
    bulkheads.result("run", "b", work, patience=5)
    assert sorted(begun) == ["a", "a", "b"]
