import sys
import threading

from resources import turns


def test_turns_are_short_until_the_last_has_left_and_then_what_they_were() -> None:
    usual, entered, leave = sys.getswitchinterval(), threading.Event(), threading.Event()

    def other() -> None:
        with turns.short():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with turns.short():
        thread.start()
        assert entered.wait(10)
    during = sys.getswitchinterval()
    leave.set()
    thread.join()
    assert (during < usual, sys.getswitchinterval()) == (True, usual)
