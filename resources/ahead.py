"""Making things while others are used: a generator that runs in a thread of its own, a few items ahead.

What belongs here: handing items over, with back-pressure, errors and an early end. What does not: what is made.
"""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")

LOOK_SECONDS = 0.1


class _End:
    """The last thing handed over, with the error that ended the making."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterable[Item], *, most: int) -> Generator[Item, None, None]:
    """The same items in the same order; at most `most` wait to be used.

    Whatever the making raises is raised here. Ends the making, and waits for that, where it is closed early.
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(most)
    left = threading.Event()
    maker = threading.Thread(target=_make, args=(items, waiting, left), name="ahead", daemon=True)
    maker.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        left.set()
        maker.join()


def _make(items: Iterable[Item], waiting: "queue.Queue[Item | _End]", left: threading.Event) -> None:
    made, error = iter(items), None
    try:
        for item in made:
            if not _handed(item, waiting, left):
                break
    except BaseException as raised:
        error = raised
    finally:
        if isinstance(made, Generator):
            made.close()
    _handed(_End(error), waiting, left)


def _handed(item: "Item | _End", waiting: "queue.Queue[Item | _End]", left: threading.Event) -> bool:
    """Whether there is still somebody to hand to."""
    while not left.is_set():
        try:
            waiting.put(item, timeout=LOOK_SECONDS)
        except queue.Full:
            continue
        return True
    return False
